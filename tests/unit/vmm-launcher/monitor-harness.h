/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Drives a real vmm-launcher as the daemon does: over a socketpair, with descriptors. Every
 * function fails the Check test at hand when the monitor does not do what it should; deadlines are
 * generous. The program is named by the environment variable VMM_LAUNCHER.
 */

#include <json-c/json.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "protocol/protocol.h"

#define MONITOR_TOKEN      "00112233445566778899aabbccddeeff"
#define MONITOR_RUN_ID     "0123456789abcdef0123456789abcdef"
#define MONITOR_WAIT_MSEC  60000
#define MONITOR_MAX_EVENTS 256

typedef struct Monitor {
        pid_t pid;
        int socket;
        int stderr_fd; /* what it logs */
        uint64_t last_id;
        uint64_t last_seq;
        Message events[MONITOR_MAX_EVENTS]; /* that nobody has awaited yet */
        size_t n_events;
        bool ended;         /* the last event was read */
        bool drops_replies; /* to others' requests, as a daemon that takes over does */
} Monitor;

typedef struct MonitorSpawn {
        const char *const *argv; /* NULL: just the program */
        int extra_fd;            /* inherited as descriptor 7; -1: none */
        int control_fd;          /* inherited as descriptor 3 instead of a socketpair; -1: none */
        int resource;            /* RLIMIT_* to lower; -1: none */
        rlim_t limit;
        int closed_fd; /* of 0, 1 and 2; -1: none */
} MonitorSpawn;

#define MONITOR_SPAWN_DEFAULT ((MonitorSpawn){NULL, -1, -1, -1, 0, -1})

/* Ends a test program with Check's skip code where there is no /dev/kvm. */
void monitor_require_kvm(void);

void monitor_spawn(Monitor *monitor, const MonitorSpawn *how);
/* Kills it if it still runs, and frees all. */
void monitor_done(Monitor *monitor);

/* Sends a request; params is JSON text or NULL. Returns its id. The fds stay the caller's. */
uint64_t monitor_send(Monitor *monitor, Method method, const char *params, const int *fds,
                      size_t n_fds);
/* The reply to id; events before it are kept. To be released with message_done(). */
Message monitor_await_reply(Monitor *monitor, uint64_t id);

/* Sends, awaits the reply, expects success, returns the result (to be put). */
json_object *monitor_call(Monitor *monitor, Method method, const char *params);
/* The same for a refusal: expects this positive errno and that the message holds text. */
void monitor_call_refused(Monitor *monitor, Method method, const char *params, int error,
                          const char *text);
void monitor_hello(Monitor *monitor);

/* The next event of this kind; earlier ones of other kinds are kept. Parameters (to be put). */
json_object *monitor_await_event(Monitor *monitor, Event event);
/* The next state, or payload, event says so. */
void monitor_await_state(Monitor *monitor, MachineState state);
void monitor_await_payload(Monitor *monitor, PayloadState state);
/* Whether an event of this kind is among those read and not awaited. */
bool monitor_has_event(const Monitor *monitor, Event event);

/*
 * The run ends: "ended" says this reason, is the last frame, and the exit code agrees. ret_detail
 * (may be NULL) takes its detail.
 */
void monitor_await_end(Monitor *monitor, StopReason reason, char *ret_detail, size_t size);
int64_t monitor_ended_exit_code(const Monitor *monitor);
/* Waits for the process; its status as of waitpid(2). */
int monitor_wait(Monitor *monitor);
/* All that it has logged, after its end. */
void monitor_read_log(Monitor *monitor, char *ret, size_t size);

typedef struct MonitorStart {
        const char *config; /* JSON members to add, such as "\"cpu_count\": 2", or NULL */
        int kernel_fd, initrd_fd, log_fd, log_previous_fd; /* -1: none */
} MonitorStart;

/* The fds of a start in their order, /dev/kvm first, and its parameters. The caller closes fds[0]
 * and frees the text. */
char *monitor_start_params(const MonitorStart *start, int fds[8], size_t *ret_n);
/* hello and start; expects that it runs. */
void monitor_start(Monitor *monitor, const MonitorStart *start);
/* hello and start; expects a refusal with this errno and text, and the end START_FAILED. */
void monitor_start_refused(Monitor *monitor, const MonitorStart *start, int error,
                           const char *text);

/* Attaches a console; options is JSON such as "{\"write\": true}". Our end. */
int monitor_attach_console(Monitor *monitor, const char *options);
/* Reads until text has come. */
void monitor_await_output(int console, const char *text);
/* Reads until the end of the stream; the bytes that came. */
size_t monitor_read_output(int console, char *buffer, size_t size);

/* A 64-bit ELF with a PVH note whose 32-bit entry is this code, as a memfd. */
int monitor_payload_from_code(const void *code, const void *code_end);
/* A guest/bare example, by its path. */
int monitor_payload_from_file(const char *path);

#define MONITOR_CODE(name, text)                                                                   \
        extern const char name[], name##_end[];                                                    \
        __asm__(".pushsection .rodata\n.code32\n" #name ":\n" text "\n" #name                      \
                "_end:\n.code64\n.popsection\n")
