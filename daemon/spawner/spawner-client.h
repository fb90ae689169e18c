/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The daemon's end of spawner-protocol.h. Asynchronous and single-threaded: nothing here blocks,
 * but for spawner_client_start_session(). libc only; made for an event loop: watch
 * spawner_client_fd() for input (never for output) and call spawner_client_process().
 *
 * Callbacks run inside spawner_client_process() only. They may make requests and may free the
 * client. Each request's callback is called exactly once (LIST: once per child, then once with
 * .last = 1), unless the client is freed before; when the connection is lost, with .error =
 * -ECONNRESET.
 */

#include <stdint.h>

#include "common/cleanup.h"
#include "common/id128.h"
#include "daemon/spawner/spawner-protocol.h"

typedef struct SpawnerClient SpawnerClient;

/* Fds that came with a reply, -1 where there is none. Take with TAKE_FD; what is left is closed. */
typedef struct SpawnerFds {
        int socket; /* the daemon's end of the child's control socket */
        int pidfd;
} SpawnerFds;

typedef void (*SpawnerReplyFunc)(const SpawnerReply *reply, SpawnerFds *fds, void *userdata);

typedef struct SpawnerClientHandlers {
        /* HELLO was answered: .pid, .containment, .controllers. May be NULL. */
        void (*ready)(const SpawnerReply *reply, void *userdata);
        /* A child ended: .id, .pid, .exit_code, .exit_status. May be NULL. */
        void (*exited)(const SpawnerReply *reply, void *userdata);
        /*
         * The connection is gone; every pending request has been answered with -ECONNRESET. error:
         * -ECONNRESET: the spawner ended, and so did its children; or another daemon superseded
         * us: connect again, and the pid in ready() tells which. -EPROTONOSUPPORT: the spawner is
         * of another build. -EBADMSG: it sent what the protocol does not know. May be NULL.
         */
        void (*lost)(int error, void *userdata);
} SpawnerClientHandlers;

/*
 * Connects and sends HELLO; requests may follow at once. handlers is copied. The listener must be
 * root's or the caller's own process (-EPERM). Fails with -ENOENT or -ECONNREFUSED if nobody
 * listens.
 */
int spawner_client_connect(const char *path, const SpawnerClientHandlers *handlers, void *userdata,
                           SpawnerClient **ret);

/* Session mode: what to start. */
typedef struct SpawnerSession {
        const char *spawner; /* path of vm-spawner */
        const char *monitor; /* path of vmm-launcher */
        const char *socket;  /* path of its socket; the folder must exist */
} SpawnerSession;

/*
 * Starts "vm-spawner --session" as a process that outlives the caller, and waits until it listens.
 * 0 also if one already runs at this socket. Fails with the errno of its exec (-ENOENT), or with
 * -ECHILD: its standard error, which is the caller's, says why. Blocks for some milliseconds; at
 * most 30 s (-ETIMEDOUT).
 */
int spawner_client_start_session(const SpawnerSession *session);

/* Closes the connection and drops pending requests without calling back. Takes NULL. */
SpawnerClient *spawner_client_free(SpawnerClient *client);
DEFINE_CLEANUP_FUNC(SpawnerClient *, spawner_client_free);

/* For poll(POLLIN); stays the client's; -1 once the connection is lost. */
int spawner_client_fd(SpawnerClient *client);

/*
 * Receives what there is (a bounded batch: level-triggered polling brings the rest) and calls back.
 * 0, or the error that lost() was told, once; the client is then only good for
 * spawner_client_free().
 */
int spawner_client_process(SpawnerClient *client);

typedef struct SpawnerSpawn {
        Id128 id;
        SpawnerKind kind;
        uint64_t memory_max; /* as in SpawnerRequest */
        uint32_t cpu_weight;
        uint32_t pids_max;
        int probe_stdout; /* PROBE: its standard output. Duplicated: stays the caller's */
        int probe_kvm;    /* PROBE: /dev/kvm, or -1 */
} SpawnerSpawn;

/*
 * Requests: 0 when sent or queued; -ENOTCONN once the connection is lost, -ENOMEM, -EMFILE; the
 * callback is then not called. func may be NULL.
 */
int spawner_client_spawn(SpawnerClient *client, const SpawnerSpawn *spawn, SpawnerReplyFunc func,
                         void *userdata);
int spawner_client_list(SpawnerClient *client, SpawnerReplyFunc func, void *userdata);
int spawner_client_kill(SpawnerClient *client, const Id128 *id, SpawnerReplyFunc func,
                        void *userdata);
int spawner_client_forget(SpawnerClient *client, const Id128 *id, SpawnerReplyFunc func,
                          void *userdata);
int spawner_client_shutdown(SpawnerClient *client, SpawnerReplyFunc func, void *userdata);

/* "exec", "cgroup", ...: names a step in messages for people. NULL outside the enum. */
const char *spawner_step_to_string(SpawnerStep step);
