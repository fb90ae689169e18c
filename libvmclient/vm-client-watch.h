/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A watch: something that a caller waits for, in its thread or by a GTask. */

#include "vm-client-hub.h"

typedef enum ClientWatchType {
        CLIENT_WATCH_SYNCED,  /* the hub knows the daemon's machines */
        CLIENT_WATCH_SETTLED, /* no snapshot is on its way */
        CLIENT_WATCH_MACHINE, /* the machine at path is known */
        CLIENT_WATCH_STOPPED, /* a run has ended */
        CLIENT_WATCH_STATE,   /* the machine is, or was in between, in a state */
        CLIENT_WATCH_PAYLOAD, /* the payload of a run has got that far */
} ClientWatchType;

typedef struct ClientWatch {
        ClientWatchType type;
        char *path;           /* MACHINE */
        ClientRecord *record; /* what was found, or is watched */
        int wanted;           /* STATE, PAYLOAD */
        char *run_id;         /* STOPPED, PAYLOAD: set when the wait begins */

        VmClientStopReason reason; /* STOPPED: the result */
        gboolean done;
        GError *error;
        guint64 id;
        GTask *task; /* NULL: a thread waits */
        GSource *cancelled;
} ClientWatch;

ClientWatch *client_watch_new(ClientWatchType type, const char *path, ClientRecord *record,
                              int wanted);
void client_watch_free(gpointer watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ClientWatch, client_watch_free)

/* Waits in this thread; no main context is run. The watch stays the caller's. */
gboolean client_watch_wait(ClientHub *hub, ClientWatch *watch, GCancellable *cancellable,
                           GError **error);

/* Takes the watch and the task; the task returns the watch as its pointer, or an error. */
void client_watch_begin(ClientHub *hub, ClientWatch *watch, GTask *task);

/* Without the lock: answers the task of a watch that is done. Takes the watch. */
void client_watch_answer(ClientWatch *watch);

/* With the lock held. record NULL: anything may have changed; events may be NULL. */
void client_watch_check(ClientHub *hub, ClientRecord *record, const GPtrArray *events);
void client_watch_fail_machine(ClientHub *hub, const char *path, const GError *error);
void client_watch_fail_all(ClientHub *hub, const GError *error);
/* Whether anybody waits for something that only the daemon can tell. */
gboolean client_watch_any(ClientHub *hub);
