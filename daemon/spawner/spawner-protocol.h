/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Daemon <-> vm-spawner: fixed-size structs over SOCK_SEQPACKET, fds by SCM_RIGHTS, both on one
 * host and of one build. One daemon at a time: a new connection supersedes the old.
 *
 * The first request of a connection is HELLO. A request is answered by exactly one reply (LIST: by
 * one reply per child, then a last one), in the order of the requests. EXITED is sent unasked,
 * after the reply to the child's SPAWN, and once everything that the child left running is dead
 * too. A child that had ended before the connection began is told by LIST only; one that ends while
 * LIST is being answered may be told by its row, by EXITED, or by both.
 *
 * A request of the wrong size, with an unknown op or kind, with fds that its op does not take, or
 * before HELLO, ends the connection and nothing else. A well-formed request that cannot be met is
 * answered with a negative errno:
 *   -ENOENT           no such child
 *   -EEXIST           the id is taken (until FORGET)
 *   -EBUSY            FORGET, SHUTDOWN: as stated there; SPAWN: the spawner is ending
 *   -EINVAL           a limit is out of range, or the id is null
 *   -EUSERS           as many children as may be, or no uid is free
 *   -EPROTONOSUPPORT  HELLO: another version
 *   others            of the system call that failed: .step says where
 */

#include <stdint.h>

#include "common/id128.h"

#define SPAWNER_PROTOCOL_VERSION 1U
#define SPAWNER_CHILDREN_MAX     4096U /* less where RLIMIT_NOFILE is below two fds for each */
#define SPAWNER_PIDS_MAX_DEFAULT 1280U /* 1,024 vCPUs and then some */

typedef enum SpawnerOp {
        SPAWNER_HELLO = 1, /* version in .value; reply: spawner's version, .pid its pid,
                              .containment, .controllers */
        SPAWNER_SPAWN,     /* id, kind, limits; reply: pid, .value = its uid, + fds {control socket,
                              pidfd}; a probe has no control socket: {pidfd} */
        SPAWNER_LIST,      /* replies: one per child, as of SPAWN; .state says whether it runs. Fds
                              {control socket, pidfd while it runs}, of a probe {pidfd while it runs}.
                              The last has .last = 1 and no child */
        SPAWNER_KILL, /* id: kill its whole cgroup, or its process group where there is none. 0 for
                         one that has ended, too */
        SPAWNER_FORGET,   /* id: its end has been recorded; drop socket and status. -EBUSY while it
                             runs */
        SPAWNER_EXITED,   /* unasked: id, pid, .exit_code and .exit_status as of waitid(2) */
        SPAWNER_SHUTDOWN, /* end when no child is left, neither running nor unforgotten; -EBUSY
                             otherwise */
} SpawnerOp;

typedef enum SpawnerKind {
        SPAWNER_KIND_MONITOR = 1, /* vmm-launcher, fd 3 = control socket */
        SPAWNER_KIND_PROBE, /* vmm-launcher --probe: passed fds {its standard output, /dev/kvm if
                               it could be opened: fd 3 then} */
} SpawnerKind;

typedef enum SpawnerState {
        SPAWNER_STATE_RUNNING = 1,
        SPAWNER_STATE_EXITED,
} SpawnerState;

/* What holds a child together, so that KILL reaches all of it. */
typedef enum SpawnerContainment {
        SPAWNER_CONTAINMENT_GROUP = 1, /* a session and process group of its own */
        SPAWNER_CONTAINMENT_CGROUP,    /* a cgroup v2 of its own */
} SpawnerContainment;

/* Which limits take effect (bits of .controllers); the others are ignored. */
typedef enum SpawnerController {
        SPAWNER_CONTROLLER_MEMORY = 1 << 0,
        SPAWNER_CONTROLLER_CPU = 1 << 1,
        SPAWNER_CONTROLLER_PIDS = 1 << 2,
} SpawnerController;

typedef struct SpawnerRequest {
        uint32_t op;     /* SpawnerOp */
        uint32_t kind;   /* SpawnerKind */
        uint64_t serial; /* returned in the reply */
        Id128 id;        /* not null */
        uint64_t value;
        uint64_t memory_max; /* bytes, 0: no limit: cgroup memory.max where there is one */
        uint32_t cpu_weight; /* 1 to 10000, 0: default: cgroup cpu.weight where there is one */
        uint32_t pids_max;   /* tasks, 0: SPAWNER_PIDS_MAX_DEFAULT: pids.max where there is one */
} SpawnerRequest;

typedef struct SpawnerReply {
        uint32_t op;     /* the request's, or SPAWNER_EXITED */
        int32_t error;   /* 0 or negative errno */
        uint64_t serial; /* 0 for SPAWNER_EXITED */
        Id128 id;
        uint64_t value;
        int32_t pid;
        uint32_t state;       /* SpawnerState */
        int32_t exit_code;    /* si_code: CLD_EXITED, CLD_KILLED, CLD_DUMPED */
        int32_t exit_status;  /* si_status */
        uint32_t step;        /* SpawnerStep at which a SPAWN failed */
        uint32_t last;        /* LIST: 1 in the reply that ends it */
        uint32_t containment; /* SpawnerContainment (HELLO) */
        uint32_t controllers; /* SpawnerController bits (HELLO) */
} SpawnerReply;

/* The steps of a spawn, in order; a failure names its step (and tests fail each one). */
typedef enum SpawnerStep {
        SPAWNER_STEP_NONE,
        SPAWNER_STEP_SOCKETPAIR,
        SPAWNER_STEP_CGROUP,
        SPAWNER_STEP_CLONE,
        SPAWNER_STEP_FDS,
        SPAWNER_STEP_CREDENTIALS,
        SPAWNER_STEP_EXEC,
        _SPAWNER_STEP_MAX,
} SpawnerStep;
