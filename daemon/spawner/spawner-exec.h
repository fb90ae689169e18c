/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One spawn: clone3(2), what the child does until execve(2), and the report of how far it got. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "daemon/spawner/spawner-protocol.h"

/* Shared with the child, which has no other way to tell where it failed. */
typedef struct ExecReport {
        volatile int32_t error;
        volatile uint32_t step;
} ExecReport;

/* What is the same for every child. */
typedef struct ExecContext {
        const char *monitor; /* path */
        int null_fd;
        ExecReport *report; /* a shared page */
        struct rlimit nofile, nproc;
        bool set_ids;   /* system mode: each child has a uid of its own */
        bool reset_oom; /* the spawner's oom_score_adj is below 0, and not the children's */
} ExecContext;

typedef struct ExecRequest {
        uint32_t kind;
        uid_t uid;     /* and gid; with set_ids */
        int cgroup_fd; /* or -1 */
        int stdout_fd; /* or -1: /dev/null */
        int third_fd;  /* becomes fd 3; or -1 */
} ExecRequest;

int exec_context_init(ExecContext *ret, const char *monitor, bool set_ids);
void exec_context_done(ExecContext *context);

/*
 * Returns once the child runs the monitor: its pid and pidfd. On failure there is no child, and
 * *ret_step says what failed. The caller must be single-threaded.
 */
int exec_spawn(const ExecContext *context, const ExecRequest *request, pid_t *ret_pid,
               int *ret_pidfd, SpawnerStep *ret_step);
