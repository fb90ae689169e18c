/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-client-watch.h"

ClientWatch *client_watch_new(ClientWatchType type, const char *path, ClientRecord *record,
                              int wanted)
{
        ClientWatch *watch = g_new0(ClientWatch, 1);

        watch->type = type;
        watch->path = g_strdup(path);
        watch->record = record ? client_record_ref(record) : NULL;
        watch->wanted = wanted;
        return watch;
}

void client_watch_free(gpointer data)
{
        ClientWatch *watch = data;

        if (!watch)
                return;
        g_clear_pointer(&watch->record, client_record_unref);
        g_clear_error(&watch->error);
        g_clear_object(&watch->task);
        if (watch->cancelled) {
                g_source_destroy(watch->cancelled);
                g_source_unref(watch->cancelled);
        }
        g_free(watch->path);
        g_free(watch->run_id);
        g_free(watch);
}

static void watch_fail(ClientWatch *watch, VmClientError code, const char *format, ...)
        G_GNUC_PRINTF(3, 4);

static void watch_fail(ClientWatch *watch, VmClientError code, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        watch->error = g_error_new_valist(VM_CLIENT_ERROR, (int)code, format, args);
        va_end(args);
        watch->done = TRUE;
}

static gboolean run_is(const ClientWatch *watch, const char *run_id)
{
        return g_str_equal(watch->run_id, run_id);
}

/* The run that is meant: the one that Start has just named, or the current or last one. */
static gboolean watch_pick_run(ClientWatch *watch)
{
        const ClientRecord *record = watch->record;

        watch->run_id =
                g_strdup(record->expected_run ? record->expected_run : record->ledger.run_id);
        if (*watch->run_id != '\0')
                return TRUE;
        watch_fail(watch, VM_CLIENT_ERROR_WRONG_STATE,
                   "machine %s has never been run: start it first", record->values.name);
        return FALSE;
}

/* A run that no message will name any more. */
static gboolean run_is_lost(const ClientWatch *watch)
{
        const ClientRecord *record = watch->record;

        return !run_is(watch, record->ledger.run_id) &&
               (!record->expected_run || !run_is(watch, record->expected_run));
}

static const ClientEvent *find_end(const ClientWatch *watch, const GPtrArray *events)
{
        for (guint i = 0; events && i < events->len; i++) {
                const ClientEvent *event = events->pdata[i];

                if (event->type == CLIENT_EVENT_STOPPED && run_is(watch, event->run_id))
                        return event;
        }
        return NULL;
}

static gboolean run_is_over(const ClientWatch *watch, const GPtrArray *events,
                            VmClientStopReason *ret_reason)
{
        const ClientLedger *ledger = &watch->record->ledger;
        const ClientEvent *end = find_end(watch, events);

        if (end)
                *ret_reason = end->reason;
        else if (run_is(watch, ledger->run_id) && ledger->over)
                *ret_reason = ledger->reason;
        else if (run_is_lost(watch) || watch->record->removed)
                *ret_reason = VM_CLIENT_STOP_REASON_UNKNOWN;
        else
                return FALSE;
        return TRUE;
}

static void check_stopped(ClientWatch *watch, const GPtrArray *events)
{
        if (!watch->run_id && !watch_pick_run(watch))
                return;
        watch->done = run_is_over(watch, events, &watch->reason);
}

static void check_state(ClientWatch *watch, const GPtrArray *events)
{
        ClientRecord *record = watch->record;

        for (guint i = 0; events && i < events->len && !watch->done; i++) {
                const ClientEvent *event = events->pdata[i];

                watch->done = event->type == CLIENT_EVENT_STATE_CHANGED &&
                              (int)event->new_state == watch->wanted;
        }
        if (watch->done || (int)record->values.state == watch->wanted)
                watch->done = TRUE;
        else if (record->removed)
                watch_fail(watch, VM_CLIENT_ERROR_NO_SUCH_MACHINE,
                           "machine %s was deleted before it was %s: create it again",
                           record->values.name,
                           vm_client_machine_state_to_string((VmClientMachineState)watch->wanted));
}

static void check_payload(ClientWatch *watch, const GPtrArray *events)
{
        ClientRecord *record = watch->record;
        VmClientStopReason reason;

        if (!watch->run_id && !watch_pick_run(watch))
                return;
        if (run_is(watch, record->ledger.run_id) &&
            (int)record->ledger.payload_state >= watch->wanted)
                watch->done = TRUE;
        else if (run_is_over(watch, events, &reason))
                watch_fail(watch, VM_CLIENT_ERROR_WRONG_STATE,
                           "the run of machine %s ended (%s) before its payload was %s; reached: "
                           "%s. See the machine's log",
                           record->values.name, vm_client_stop_reason_to_string(reason),
                           vm_client_payload_state_to_string((VmClientPayloadState)watch->wanted),
                           vm_client_payload_state_to_string(record->ledger.payload_state));
}

static void check_synced(ClientHub *hub, ClientWatch *watch)
{
        watch->done = hub->sync == CLIENT_SYNC_READY || hub->sync == CLIENT_SYNC_FAILED;
        if (hub->sync == CLIENT_SYNC_FAILED)
                watch->error = g_error_copy(hub->sync_error);
}

static void check_machine(ClientHub *hub, ClientWatch *watch)
{
        ClientRecord *record = g_hash_table_lookup(hub->records, watch->path);

        if (!record)
                return;
        watch->record = client_record_ref(record);
        watch->done = TRUE;
}

static void watch_check(ClientHub *hub, ClientWatch *watch, const GPtrArray *events)
{
        switch (watch->type) {
        case CLIENT_WATCH_SYNCED:
                check_synced(hub, watch);
                break;
        case CLIENT_WATCH_SETTLED:
                watch->done = hub->sync != CLIENT_SYNC_RUNNING;
                break;
        case CLIENT_WATCH_MACHINE:
                check_machine(hub, watch);
                break;
        case CLIENT_WATCH_STOPPED:
                check_stopped(watch, events);
                break;
        case CLIENT_WATCH_STATE:
                check_state(watch, events);
                break;
        case CLIENT_WATCH_PAYLOAD:
                check_payload(watch, events);
                break;
        default:
                g_assert_not_reached();
        }
}

/* Moves what is done from the list: to the tasks to be answered, or back to its thread. */
static void sweep(ClientHub *hub)
{
        for (GList *at = hub->watches, *next; at; at = next) {
                ClientWatch *watch = at->data;

                next = at->next;
                if (!watch->done)
                        continue;
                hub->watches = g_list_delete_link(hub->watches, at);
                if (watch->task)
                        hub->finished = g_list_append(hub->finished, watch);
        }
        g_cond_broadcast(&hub->changed);
}

void client_watch_check(ClientHub *hub, ClientRecord *record, const GPtrArray *events)
{
        for (GList *at = hub->watches; at; at = at->next) {
                ClientWatch *watch = at->data;

                if (!watch->done && (!record || !watch->record || watch->record == record))
                        watch_check(hub, watch, events);
        }
        sweep(hub);
}

void client_watch_fail_machine(ClientHub *hub, const char *path, const GError *error)
{
        for (GList *at = hub->watches; at; at = at->next) {
                ClientWatch *watch = at->data;

                if (watch->type != CLIENT_WATCH_MACHINE || !g_str_equal(watch->path, path))
                        continue;
                watch->error = g_error_copy(error);
                watch->done = TRUE;
        }
        sweep(hub);
}

void client_watch_fail_all(ClientHub *hub, const GError *error)
{
        for (GList *at = hub->watches; at; at = at->next) {
                ClientWatch *watch = at->data;

                watch->error = g_error_copy(error);
                watch->done = TRUE;
        }
        sweep(hub);
}

gboolean client_watch_any(ClientHub *hub)
{
        return hub->watches != NULL;
}

/* With the lock held: what holds already, or cannot come any more, needs no waiting. */
static void watch_enter(ClientHub *hub, ClientWatch *watch)
{
        watch->id = ++hub->last_watch_id;
        watch_check(hub, watch, NULL);
        if (!watch->done && hub->closed)
                watch_fail(watch, VM_CLIENT_ERROR_SERVICE_LOST,
                           "the connection to the bus was lost: make a new VmClientManager");
        if (watch->done)
                return;
        hub->watches = g_list_append(hub->watches, watch);
        if (watch->type == CLIENT_WATCH_MACHINE)
                client_hub_request_machine(hub, watch->path);
        client_hub_want_daemon(hub);
}

static void wake_up(GCancellable *cancellable G_GNUC_UNUSED, gpointer data)
{
        ClientHub *hub = data;

        g_mutex_lock(&hub->lock);
        g_cond_broadcast(&hub->changed);
        g_mutex_unlock(&hub->lock);
}

gboolean client_watch_wait(ClientHub *hub, ClientWatch *watch, GCancellable *cancellable,
                           GError **error)
{
        gulong id = 0;

        if (g_cancellable_set_error_if_cancelled(cancellable, error))
                return FALSE;
        if (cancellable)
                id = g_cancellable_connect(cancellable, G_CALLBACK(wake_up), hub, NULL);
        client_hub_lock(hub);
        watch_enter(hub, watch);
        while (!watch->done && !g_cancellable_is_cancelled(cancellable))
                g_cond_wait(&hub->changed, &hub->lock);
        hub->watches = g_list_remove(hub->watches, watch);
        client_hub_unlock(hub);
        g_cancellable_disconnect(cancellable, id);
        if (watch->error) {
                g_propagate_error(error, g_steal_pointer(&watch->error));
                return FALSE;
        }
        return watch->done || !g_cancellable_set_error_if_cancelled(cancellable, error);
}

void client_watch_answer(ClientWatch *watch)
{
        g_autoptr(GTask) task = g_steal_pointer(&watch->task);

        if (watch->error) {
                g_task_return_error(task, g_steal_pointer(&watch->error));
                client_watch_free(watch);
        } else {
                g_task_return_pointer(task, watch, client_watch_free);
        }
}

typedef struct CancelData {
        ClientHub *hub;
        guint64 id; /* and no pointer: the watch may be gone, and its memory another's */
} CancelData;

static void cancel_data_free(gpointer data)
{
        CancelData *cancel = data;

        client_hub_unref(cancel->hub);
        g_free(cancel);
}

static gboolean on_cancelled(GCancellable *cancellable, gpointer data)
{
        CancelData *cancel = data;

        client_hub_lock(cancel->hub);
        for (GList *at = cancel->hub->watches; at; at = at->next) {
                ClientWatch *watch = at->data;

                if (watch->id != cancel->id)
                        continue;
                g_cancellable_set_error_if_cancelled(cancellable, &watch->error);
                watch->done = TRUE;
        }
        sweep(cancel->hub);
        client_hub_unlock(cancel->hub);
        return G_SOURCE_REMOVE;
}

static void watch_cancellable(ClientHub *hub, ClientWatch *watch)
{
        GCancellable *cancellable = g_task_get_cancellable(watch->task);
        CancelData *cancel;

        if (!cancellable)
                return;
        cancel = g_new0(CancelData, 1);
        cancel->hub = client_hub_ref(hub);
        cancel->id = watch->id;
        watch->cancelled = g_cancellable_source_new(cancellable);
        g_source_set_callback(watch->cancelled, G_SOURCE_FUNC(on_cancelled), cancel,
                              cancel_data_free);
        g_source_attach(watch->cancelled, g_task_get_context(watch->task));
}

void client_watch_begin(ClientHub *hub, ClientWatch *watch, GTask *task)
{
        watch->task = task;
        client_hub_lock(hub);
        watch_enter(hub, watch);
        if (watch->done)
                hub->finished = g_list_append(hub->finished, watch);
        else
                watch_cancellable(hub, watch);
        client_hub_unlock(hub);
}
