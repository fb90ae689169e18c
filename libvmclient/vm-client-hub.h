/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The hub: what a manager and its machines know of the daemon.
 *
 * It reads every message of the daemon in GDBus's own thread, in the order of arrival, by a filter
 * on the connection. So its records are up to date before a call that was sent later returns, with
 * or without a running main loop, and a wait needs none. What an application is to be told goes
 * into a queue that is emptied in the main context in which the manager was made.
 *
 * When the daemon comes (back), the hub subscribes and takes a snapshot; the ledger of each machine
 * finds what was missed.
 *
 * Locks: one, hub->lock, over everything here but what is marked as constant. It is never held
 * while code of the application may run, and nothing is waited for under it but hub->changed.
 */

#include "vm-client-ledger.h"
#include "vm-client-private.h"
#include "vm-client-values.h"

#define CLIENT_BUS_NAME          "org.vmservice1"
#define CLIENT_OBJECT_PATH       "/org/vmservice1"
#define CLIENT_MANAGER_INTERFACE "org.vmservice1.Manager"
#define CLIENT_MACHINE_INTERFACE "org.vmservice1.Machine"

/* How long a wait bears the daemon's absence. A restart takes well under a second. */
#define CLIENT_GRACE_USEC (30 * G_USEC_PER_SEC)
/* News for a program that never runs its main context: the newest are dropped beyond this. */
#define CLIENT_MAX_NEWS 4096U

typedef struct ClientRecord {
        gatomicrefcount ref;
        char *path; /* constant */
        ClientValues values;
        ClientLedger ledger;
        char *expected_run;   /* Start has returned it, no signal has named it yet; or NULL */
        char *expected_after; /* ledger.run_id at that time; or NULL */
        gboolean removed;
        GWeakRef facade; /* VmClientMachine */
        guint n_facades;
        guint pending_notify; /* bits of ClientValue */
        gboolean added_pending;
} ClientRecord;

ClientRecord *client_record_ref(ClientRecord *record);
void client_record_unref(ClientRecord *record);

/* What is known of the daemon itself; the properties of VmClientManager of these names. */
typedef enum ClientDaemonValue {
        CLIENT_DAEMON_RUNNING,
        CLIENT_DAEMON_VERSION,
        CLIENT_DAEMON_MODE,
        CLIENT_DAEMON_FEATURES,
        CLIENT_N_DAEMON_VALUES,
} ClientDaemonValue;

typedef enum ClientSync {
        CLIENT_SYNC_ABSENT, /* no daemon */
        CLIENT_SYNC_RUNNING,
        CLIENT_SYNC_READY,
        CLIENT_SYNC_FAILED, /* sync_error says why */
} ClientSync;

typedef struct ClientHub {
        gatomicrefcount ref;
        GDBusConnection *connection; /* constant */
        GMainContext *context;       /* constant: where news are told */
        gboolean activate;           /* constant */
        gint64 grace_usec;           /* constant once started; tests shorten it */
        GWeakRef manager;            /* VmClientManager */

        GMutex lock;
        GCond changed;
        guint filter_id, match_id;
        gulong closed_id;
        GMainContext *worker; /* GDBus's thread; NULL before its first message */
        GSource *hangup;      /* in worker: the connection's end */
        GSource *grace;       /* in worker: the daemon's absence has lasted */

        char *owner; /* the daemon's unique name, or NULL */
        ClientSync sync;
        gboolean synced_once;
        gboolean closed;
        GError *sync_error;
        GHashTable *pending; /* serial -> ClientPending */
        GHashTable *records; /* path -> ClientRecord */
        guint n_calls;       /* calls in flight that will name a machine */
        char *version, *mode;
        char **features;

        GQueue news;
        guint n_news;
        GSource *dispatch;
        GList *watches;  /* ClientWatch: still waited for */
        GList *finished; /* ClientWatch with a task, to be answered once the lock is released */
        guint64 last_watch_id;
} ClientHub;

void client_hub_lock(ClientHub *hub);
/* Also answers the tasks of what has been found under the lock. */
void client_hub_unlock(ClientHub *hub);

ClientHub *client_hub_new(GDBusConnection *connection, gboolean activate);
ClientHub *client_hub_ref(ClientHub *hub);
void client_hub_unref(ClientHub *hub);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ClientHub, client_hub_unref)

/* Begins to listen and to synchronise; wait with CLIENT_WATCH_SYNCED. */
void client_hub_start(ClientHub *hub);
void client_hub_stop(ClientHub *hub);

/* A call that will name a machine is on its way: no record is thrown away until it has ended. */
void client_hub_begin_call(ClientHub *hub);
void client_hub_end_call(ClientHub *hub);

/* Start has returned run_id. */
void client_hub_expect_run(ClientHub *hub, ClientRecord *record, const char *run_id);
/* The machines that are there: references to ClientRecord. */
GPtrArray *client_hub_list(ClientHub *hub);
/* A machine object for record has been made, or is gone. */
void client_hub_facade_made(ClientHub *hub, ClientRecord *record);
void client_hub_facade_gone(ClientHub *hub, ClientRecord *record);

/* vm-client-hub-link.c, with the lock held: */
void client_pending_free(gpointer pending);
void client_hub_request_machine(ClientHub *hub, const char *path);
void client_hub_want_daemon(ClientHub *hub);

/* vm-client-hub-apply.c, with the lock held: */
void client_hub_apply_signal(ClientHub *hub, GDBusMessage *message);
void client_hub_apply_objects(ClientHub *hub, GVariant *objects);
void client_hub_apply_machine(ClientHub *hub, const char *path, GVariant *properties);
void client_hub_apply_manager(ClientHub *hub, GVariant *properties);

/* vm-client-news.c, with the lock held: */
void client_news_added(ClientHub *hub, ClientRecord *record);
void client_news_removed(ClientHub *hub, ClientRecord *record);
void client_news_values(ClientHub *hub, ClientRecord *record, guint changed);
void client_news_event(ClientHub *hub, ClientRecord *record, ClientEvent *event); /* takes event */
void client_news_daemon(ClientHub *hub, guint changed); /* bits of ClientDaemonValue */
void client_news_clear(ClientHub *hub);
