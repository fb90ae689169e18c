/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * vm-spawner: parent of every monitor, keeper of its control socket and exit status. One thread,
 * one poll loop; parses nothing but struct SpawnerRequest.
 *
 *   spawner.c           the loop, signals, reaping
 *   spawner-serve.c     the daemon's connection
 *   spawner-children.c  the table: spawn, kill, drain, forget
 *   spawner-exec.c      clone3 to execve
 *   spawner-cgroup.c    cgroup v2
 *   spawner-listen.c    the listening socket, readiness
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/log.h"
#include "daemon/spawner/spawner-cgroup.h"
#include "daemon/spawner/spawner-exec.h"
#include "daemon/spawner/spawner-protocol.h"

typedef struct SpawnerOptions {
        const char *monitor; /* path of vmm-launcher */
        const char *socket;  /* path; NULL: passed by the service manager (LISTEN_FDS) */
        const char *cgroup;  /* cgroup_init()'s base, or NULL: none */
        bool session;
        uid_t daemon_uid;          /* who may connect, besides the spawner's own uid */
        uid_t uid_first, uid_last; /* system mode: the children's; else unused */
        unsigned children_max;
        unsigned idle_seconds; /* session mode: end after so long without child and daemon */
        int ready_fd;          /* told when listening, see spawner-session.c; or -1 */
} SpawnerOptions;

typedef enum ChildPhase {
        CHILD_RUNNING = 1,
        CHILD_DRAINING, /* reaped, but something that it started still lives */
        CHILD_EXITED,
} ChildPhase;

typedef struct Child {
        Id128 id;
        pid_t pid;
        uid_t uid;
        uint32_t kind;
        ChildPhase phase;
        bool announced; /* its end has been told, or will be by LIST */
        int socket;     /* the daemon's end; -1 for a probe */
        int pidfd;
        int exit_code, exit_status;
} Child;

/* What is on its way to the daemon. fds belong to the table, which does not change meanwhile. */
typedef struct Output {
        bool pending;
        SpawnerReply reply;
        int fds[2];
        size_t n_fds;
        bool listing; /* a LIST is being answered */
        uint64_t list_serial;
        size_t list_next; /* row */
} Output;

typedef struct Spawner {
        SpawnerOptions options;
        ExecContext exec;
        Cgroup cgroup;
        int listen_fd, lock_fd, signal_fd;
        int connection; /* the daemon, or -1 */
        bool greeted;   /* HELLO has been answered */
        LogLimit refused_limit;
        Output output;
        Child *children; /* of options.children_max */
        size_t n_children;
        size_t n_unfinished; /* running or draining */
        uid_t uid_next;
        int64_t idle_since_msec; /* -1 while a child or the daemon is there */
        bool accept_paused;      /* no fd for a connection: until the next tick */
        bool terminating;        /* SIGTERM */
        int64_t terminate_deadline_msec;
        bool done;
} Spawner;

/* spawner.c */
/* Logs what went wrong. options is copied, the strings are not. -EALREADY: one runs at this socket.
 */
int spawner_new(const SpawnerOptions *options, Spawner **ret);
Spawner *spawner_free(Spawner *spawner);
DEFINE_CLEANUP_FUNC(Spawner *, spawner_free);
int spawner_run(Spawner *spawner);

/* spawner-children.c */
Child *children_find(Spawner *spawner, const Id128 *id);
Child *children_find_pid(Spawner *spawner, pid_t pid);
/* fds of a probe: its standard output and perhaps /dev/kvm; stay the caller's. */
int children_spawn(Spawner *spawner, const SpawnerRequest *request, const int *fds, size_t n_fds,
                   Child **ret, SpawnerStep *ret_step);
void child_kill(Spawner *spawner, Child *child);
void children_kill_all(Spawner *spawner);
void children_forget(Spawner *spawner, Child *child);
/* Reaps what has ended, and looks whether what is draining is empty by now. */
void children_reap(Spawner *spawner);
bool children_draining(const Spawner *spawner);

/* spawner-serve.c */
void serve_accept(Spawner *spawner);
void serve_receive(Spawner *spawner);
void serve_flush(Spawner *spawner);
bool serve_wants_output(const Spawner *spawner);
void serve_disconnect(Spawner *spawner);

/* spawner-listen.c */
int listen_open(const SpawnerOptions *options, int *ret_listen_fd, int *ret_lock_fd);
void listen_tell_ready(const SpawnerOptions *options);
