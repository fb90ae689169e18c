/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "monitor-harness.h"

#include <check.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/string-util.h"

#define CONTROL_FD      3
#define EXTRA_FD        7
#define SKIP_EXIT_CODE  77
#define PAYLOAD_ADDRESS 0x100000U

void monitor_require_kvm(void)
{
        if (access("/dev/kvm", R_OK | W_OK) == 0)
                return;
        printf("skipped: /dev/kvm: %m\n");
        exit(SKIP_EXIT_CODE);
}

/* Async-signal-safe: between fork and exec. */
static void child_exec(const MonitorSpawn *how, int control_fd, int stderr_fd)
{
        const char *program = getenv("VMM_LAUNCHER");
        char *const own_argv[] = {(char *)"vmm-launcher", NULL};
        const struct rlimit limit = {how->limit, how->limit};
        int control = fcntl(control_fd, F_DUPFD, 20), log = fcntl(stderr_fd, F_DUPFD, 20);
        int extra = how->extra_fd >= 0 ? fcntl(how->extra_fd, F_DUPFD, 20) : -1;

        (void)dup2(log, STDERR_FILENO);
        (void)dup2(control, CONTROL_FD);
        (void)close_range(CONTROL_FD + 1, 19, 0);
        if (extra >= 0)
                (void)dup2(extra, EXTRA_FD);
        (void)close_range(20, ~0U, 0);
        if (how->closed_fd >= 0)
                (void)close(how->closed_fd);
        if (how->resource >= 0)
                (void)setrlimit((__rlimit_resource_t)how->resource, &limit);
        execv(program, how->argv ? (char *const *)how->argv : own_argv);
        _exit(127);
}

void monitor_spawn(Monitor *monitor, const MonitorSpawn *how)
{
        int sockets[2], logs[2];

        ck_assert_ptr_nonnull(getenv("VMM_LAUNCHER"));
        *monitor = (Monitor){.last_id = 0};
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
        ck_assert_int_eq(pipe2(logs, O_CLOEXEC), 0);
        monitor->pid = fork();
        ck_assert_int_ge(monitor->pid, 0);
        if (monitor->pid == 0)
                child_exec(how, how->control_fd >= 0 ? how->control_fd : sockets[1], logs[1]);
        close(sockets[1]);
        close(logs[1]);
        monitor->socket = sockets[0];
        monitor->stderr_fd = logs[0];
}

int monitor_wait(Monitor *monitor)
{
        struct timespec start, now;
        siginfo_t info;
        int status = 0;
        pid_t pid = monitor->pid;

        (void)info;
        clock_gettime(CLOCK_MONOTONIC, &start);
        for (;;) {
                struct pollfd poll_fd = {.fd = monitor->stderr_fd, .events = 0};

                if (waitpid(pid, &status, WNOHANG) == pid)
                        break;
                /* Its standard error hangs up when it is gone. */
                (void)poll(&poll_fd, 1, 1000);
                clock_gettime(CLOCK_MONOTONIC, &now);
                ck_assert_msg(now.tv_sec - start.tv_sec < MONITOR_WAIT_MSEC / 1000,
                              "the monitor does not end");
        }
        monitor->pid = 0;
        return status;
}

/* A sanitizer that found something says so there, whatever the exit code is. */
static void check_log(Monitor *monitor)
{
        static char log[65536];

        monitor_read_log(monitor, log, sizeof(log));
        ck_assert_msg(!strstr(log, "Sanitizer") && !strstr(log, "runtime error:"), "%s", log);
}

void monitor_done(Monitor *monitor)
{
        if (monitor->pid > 0) {
                (void)kill(monitor->pid, SIGKILL);
                (void)monitor_wait(monitor);
        }
        for (size_t i = 0; i < monitor->n_events; i++)
                message_done(&monitor->events[i]);
        if (monitor->socket >= 0)
                close(monitor->socket);
        check_log(monitor);
        close(monitor->stderr_fd);
}

static void await_readable(int fd)
{
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        int n;

        do
                n = poll(&poll_fd, 1, MONITOR_WAIT_MSEC);
        while (n < 0 && errno == EINTR);
        ck_assert_msg(n == 1, "nothing came within the deadline");
}

/* 0, or -EPIPE at the end of the stream. */
static int monitor_receive(Monitor *monitor, Message *ret)
{
        JsonProblem problem = {"", ""};
        int r;

        for (;;) {
                r = message_receive(monitor->socket, ret, &problem);
                if (r != -EAGAIN)
                        break;
                await_readable(monitor->socket);
        }
        ck_assert_msg(r == 0 || r == -EPIPE, "%s: %s (%d)", problem.pointer, problem.message, r);
        ck_assert_msg(r < 0 || !monitor->ended, "a frame came after the last event");
        if (r == 0 && ret->type == MESSAGE_EVENT) {
                ck_assert_uint_gt(ret->id, monitor->last_seq);
                monitor->last_seq = ret->id;
                monitor->ended = ret->code == EVENT_ENDED;
        }
        if (r == 0)
                ck_assert_uint_eq(ret->n_fds, 0);
        return r;
}

static void monitor_keep_event(Monitor *monitor, const Message *message)
{
        ck_assert_int_eq(message->type, MESSAGE_EVENT);
        ck_assert_uint_lt(monitor->n_events, MONITOR_MAX_EVENTS);
        monitor->events[monitor->n_events++] = *message;
}

uint64_t monitor_send(Monitor *monitor, Method method, const char *params, const int *fds,
                      size_t n_fds)
{
        Message message = {.type = MESSAGE_REQUEST, .id = ++monitor->last_id, .code = method};

        message.body = params ? json_tokener_parse(params) : json_object_new_object();
        ck_assert_msg(message.body, "%s", params);
        if (n_fds > 0)
                memcpy(message.fds, fds, n_fds * sizeof(int));
        message.n_fds = n_fds;
        ck_assert_int_eq(message_send(monitor->socket, &message), 0);
        message.n_fds = 0;
        message_done(&message);
        return monitor->last_id;
}

Message monitor_await_reply(Monitor *monitor, uint64_t id)
{
        Message message;

        for (;;) {
                ck_assert_msg(monitor_receive(monitor, &message) == 0,
                              "the monitor ended instead of replying");
                if (message.type == MESSAGE_REPLY && message.id == id)
                        return message;
                if (message.type == MESSAGE_REPLY && monitor->drops_replies)
                        message_done(&message);
                else
                        monitor_keep_event(monitor, &message);
        }
}

json_object *monitor_call(Monitor *monitor, Method method, const char *params)
{
        uint64_t id = monitor_send(monitor, method, params, NULL, 0);
        Message reply = monitor_await_reply(monitor, id);
        json_object *result = json_object_get(reply.body);

        ck_assert_msg(reply.error == 0, "%s: %s", method_to_string(method), reply.error_message);
        message_done(&reply);
        return result;
}

static void expect_refusal(Message *reply, int error, const char *text)
{
        ck_assert_msg(reply->error == error, "errno %d (%s), not %d", reply->error,
                      reply->error_message ? reply->error_message : "success", error);
        ck_assert_msg(strstr(reply->error_message, text), "\"%s\" is not in \"%s\"", text,
                      reply->error_message);
        message_done(reply);
}

void monitor_call_refused(Monitor *monitor, Method method, const char *params, int error,
                          const char *text)
{
        uint64_t id = monitor_send(monitor, method, params, NULL, 0);
        Message reply = monitor_await_reply(monitor, id);

        expect_refusal(&reply, error, text);
}

void monitor_hello(Monitor *monitor)
{
        json_object *result = monitor_call(monitor, METHOD_HELLO,
                                           "{\"versions\": [1], \"token\": \"" MONITOR_TOKEN "\"}");

        json_object_put(result);
}

json_object *monitor_await_event(Monitor *monitor, Event event)
{
        size_t i = 0;

        for (;;) {
                Message message;

                for (; i < monitor->n_events; i++)
                        if (monitor->events[i].code == (int)event) {
                                json_object *body = json_object_get(monitor->events[i].body);

                                message_done(&monitor->events[i]);
                                monitor->n_events--;
                                memmove(&monitor->events[i], &monitor->events[i + 1],
                                        (monitor->n_events - i) * sizeof(monitor->events[0]));
                                return body;
                        }
                ck_assert_msg(monitor_receive(monitor, &message) == 0,
                              "the monitor ended before a %s event", event_to_string(event));
                monitor_keep_event(monitor, &message);
        }
}

void monitor_await_state(Monitor *monitor, MachineState state)
{
        json_object *body = monitor_await_event(monitor, EVENT_STATE);
        ProtocolState params;
        JsonProblem problem;

        ck_assert_int_eq(json_fields_load(protocol_state_fields, body, "", &params, &problem), 0);
        ck_assert_str_eq(machine_state_to_string((MachineState)params.state),
                         machine_state_to_string(state));
        json_object_put(body);
}

void monitor_await_payload(Monitor *monitor, PayloadState state)
{
        json_object *body = monitor_await_event(monitor, EVENT_PAYLOAD);
        ProtocolPayload params;
        JsonProblem problem;

        ck_assert_int_eq(json_fields_load(protocol_payload_fields, body, "", &params, &problem), 0);
        ck_assert_str_eq(payload_state_to_string((PayloadState)params.state),
                         payload_state_to_string(state));
        json_object_put(body);
}

bool monitor_has_event(const Monitor *monitor, Event event)
{
        for (size_t i = 0; i < monitor->n_events; i++)
                if (monitor->events[i].code == (int)event)
                        return true;
        return false;
}

void monitor_await_end(Monitor *monitor, StopReason reason, char *ret_detail, size_t size)
{
        json_object *body = monitor_await_event(monitor, EVENT_ENDED);
        ProtocolEnded ended;
        JsonProblem problem;
        Message message;
        int status;

        ck_assert_int_eq(json_fields_load(protocol_ended_fields, body, "", &ended, &problem), 0);
        ck_assert_msg(ended.reason == (int)reason, "%s (%s), not %s",
                      stop_reason_to_string((StopReason)ended.reason), ended.detail,
                      stop_reason_to_string(reason));
        ck_assert_msg(ended.detail && *ended.detail, "no detail");
        if (ret_detail)
                (void)snprintf(ret_detail, size, "%s", ended.detail);
        json_fields_done(protocol_ended_fields, &ended);
        /* Kept for monitor_ended_exit_code(). */
        monitor->events[monitor->n_events++] =
                (Message){.type = MESSAGE_EVENT, .code = EVENT_ENDED, .body = body};
        ck_assert_msg(monitor_receive(monitor, &message) == -EPIPE,
                      "\"ended\" was not the last frame");
        status = monitor_wait(monitor);
        ck_assert_msg(WIFEXITED(status), "killed by signal %d", WTERMSIG(status));
        ck_assert_int_eq(WEXITSTATUS(status), monitor_exit_code(reason));
}

int64_t monitor_ended_exit_code(const Monitor *monitor)
{
        const Message *ended = &monitor->events[monitor->n_events - 1];
        json_object *code = NULL;

        ck_assert_int_eq(ended->code, EVENT_ENDED);
        ck_assert(json_object_object_get_ex(ended->body, "exit_code", &code));
        return json_object_get_int64(code);
}

void monitor_read_log(Monitor *monitor, char *ret, size_t size)
{
        size_t n = 0;

        for (;;) {
                ssize_t got = read(monitor->stderr_fd, ret + n, size - 1 - n);

                if (got <= 0)
                        break;
                n += (size_t)got;
        }
        ret[n] = '\0';
}

char *monitor_start_params(const MonitorStart *start, int fds[8], size_t *ret_n)
{
        size_t n = 0;
        char *text;

        fds[n++] = open("/dev/kvm", O_RDWR | O_CLOEXEC);
        ck_assert_int_ge(fds[0], 0);
        if (start->kernel_fd >= 0)
                fds[n++] = start->kernel_fd;
        if (start->initrd_fd >= 0)
                fds[n++] = start->initrd_fd;
        if (start->log_fd >= 0)
                fds[n++] = start->log_fd;
        if (start->log_previous_fd >= 0)
                fds[n++] = start->log_previous_fd;
        text = string_format("{\"config\": {\"kernel\": \"k\", \"memory_mib\": 16%s%s%s}, "
                             "\"run_id\": \"" MONITOR_RUN_ID "\", \"log\": %s, "
                             "\"log_previous\": %s}",
                             start->initrd_fd >= 0 ? ", \"initrd\": \"i\"" : "",
                             start->config ? ", " : "", start->config ? start->config : "",
                             start->log_fd >= 0 ? "true" : "false",
                             start->log_previous_fd >= 0 ? "true" : "false");
        ck_assert_ptr_nonnull(text);
        *ret_n = n;
        return text;
}

static Message monitor_try_start(Monitor *monitor, const MonitorStart *start)
{
        int fds[8];
        size_t n;
        char *params = monitor_start_params(start, fds, &n);
        uint64_t id;

        monitor_hello(monitor);
        id = monitor_send(monitor, METHOD_START, params, fds, n);
        close(fds[0]);
        free(params);
        return monitor_await_reply(monitor, id);
}

void monitor_start(Monitor *monitor, const MonitorStart *start)
{
        Message reply = monitor_try_start(monitor, start);

        ck_assert_msg(reply.error == 0, "start: %s", reply.error_message);
        message_done(&reply);
        monitor_await_state(monitor, MACHINE_STATE_RUNNING);
}

void monitor_start_refused(Monitor *monitor, const MonitorStart *start, int error, const char *text)
{
        Message reply = monitor_try_start(monitor, start);
        char detail[1024];

        expect_refusal(&reply, error, text);
        monitor_await_end(monitor, STOP_REASON_START_FAILED, detail, sizeof(detail));
        ck_assert_msg(strstr(detail, text), "\"%s\" is not in \"%s\"", text, detail);
}

int monitor_attach_console(Monitor *monitor, const char *options)
{
        int sockets[2];
        Message reply;

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
        reply = monitor_await_reply(monitor,
                                    monitor_send(monitor, METHOD_CONSOLE, options, &sockets[1], 1));
        close(sockets[1]);
        ck_assert_msg(reply.error == 0, "console: %s", reply.error_message);
        message_done(&reply);
        return sockets[0];
}

void monitor_await_output(int console, const char *text)
{
        char buffer[65536];
        size_t n = 0;

        for (;;) {
                ssize_t got;

                buffer[n] = '\0';
                if (strstr(buffer, text))
                        return;
                ck_assert_uint_lt(n, sizeof(buffer) - 1);
                await_readable(console);
                got = read(console, buffer + n, sizeof(buffer) - 1 - n);
                ck_assert_msg(got > 0, "the console ended before \"%s\": \"%s\"", text, buffer);
                n += (size_t)got;
        }
}

size_t monitor_read_output(int console, char *buffer, size_t size)
{
        size_t n = 0;

        while (n < size) {
                ssize_t got;

                await_readable(console);
                got = read(console, buffer + n, size - n);
                if (got <= 0)
                        break;
                n += (size_t)got;
        }
        return n;
}

/* XEN_ELFNOTE_PHYS32_ENTRY: Xen, public/elfnote.h */
typedef struct PvhNote {
        Elf64_Nhdr header;
        char name[4];
        uint32_t entry;
} PvhNote;

typedef struct PayloadHead {
        Elf64_Ehdr header;
        Elf64_Phdr load, note;
        PvhNote pvh;
} PayloadHead;

int monitor_payload_from_code(const void *code, const void *code_end)
{
        size_t size = (size_t)((const char *)code_end - (const char *)code);
        const PayloadHead head = {
                .header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                           .e_type = ET_EXEC,
                           .e_machine = EM_X86_64,
                           .e_version = EV_CURRENT,
                           .e_entry = PAYLOAD_ADDRESS,
                           .e_phoff = offsetof(PayloadHead, load),
                           .e_ehsize = sizeof(Elf64_Ehdr),
                           .e_phentsize = sizeof(Elf64_Phdr),
                           .e_phnum = 2},
                .load = {.p_type = PT_LOAD,
                         .p_flags = PF_R | PF_X,
                         .p_offset = sizeof(PayloadHead),
                         .p_vaddr = PAYLOAD_ADDRESS,
                         .p_paddr = PAYLOAD_ADDRESS,
                         .p_filesz = size,
                         .p_memsz = size},
                .note = {.p_type = PT_NOTE,
                         .p_offset = offsetof(PayloadHead, pvh),
                         .p_filesz = sizeof(PvhNote),
                         .p_memsz = sizeof(PvhNote),
                         .p_align = 4},
                .pvh = {.header = {4, 4, 18}, .name = "Xen", .entry = PAYLOAD_ADDRESS},
        };
        int fd = memfd_create("payload", MFD_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, &head, sizeof(head)), sizeof(head));
        ck_assert_int_eq(write(fd, code, size), (ssize_t)size);
        return fd;
}

int monitor_payload_from_file(const char *path)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        ck_assert_msg(fd >= 0, "%s: %m", path);
        return fd;
}
