/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-client-hub.h"

#include "vm-client-watch.h"

ClientRecord *client_record_ref(ClientRecord *record)
{
        g_atomic_ref_count_inc(&record->ref);
        return record;
}

void client_record_unref(ClientRecord *record)
{
        if (!g_atomic_ref_count_dec(&record->ref))
                return;
        client_ledger_done(&record->ledger);
        client_values_done(&record->values);
        g_weak_ref_clear(&record->facade);
        g_free(record->expected_run);
        g_free(record->expected_after);
        g_free(record->path);
        g_free(record);
}

ClientHub *client_hub_new(GDBusConnection *connection, gboolean activate)
{
        ClientHub *hub = g_new0(ClientHub, 1);

        /* GDBus makes errors of ours only once the domain is registered. */
        vm_client_error_quark();
        g_atomic_ref_count_init(&hub->ref);
        g_mutex_init(&hub->lock);
        g_cond_init(&hub->changed);
        g_weak_ref_init(&hub->manager, NULL);
        g_queue_init(&hub->news);
        hub->connection = g_object_ref(connection);
        hub->context = g_main_context_ref_thread_default();
        hub->activate = activate;
        hub->grace_usec = CLIENT_GRACE_USEC;
        hub->pending = g_hash_table_new_full(NULL, NULL, NULL, client_pending_free);
        hub->records = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
                                             (GDestroyNotify)client_record_unref);
        return hub;
}

ClientHub *client_hub_ref(ClientHub *hub)
{
        g_atomic_ref_count_inc(&hub->ref);
        return hub;
}

void client_hub_unref(ClientHub *hub)
{
        if (!g_atomic_ref_count_dec(&hub->ref))
                return;
        g_hash_table_unref(hub->pending);
        g_hash_table_unref(hub->records);
        g_clear_pointer(&hub->worker, g_main_context_unref);
        g_main_context_unref(hub->context);
        g_clear_error(&hub->sync_error);
        g_free(hub->owner);
        g_free(hub->version);
        g_free(hub->mode);
        g_strfreev(hub->features);
        g_weak_ref_clear(&hub->manager);
        g_object_unref(hub->connection);
        g_cond_clear(&hub->changed);
        g_mutex_clear(&hub->lock);
        g_free(hub);
}

void client_hub_lock(ClientHub *hub)
{
        g_mutex_lock(&hub->lock);
}

void client_hub_unlock(ClientHub *hub)
{
        GList *finished = g_steal_pointer(&hub->finished);

        g_mutex_unlock(&hub->lock);
        g_list_free_full(finished, (GDestroyNotify)client_watch_answer);
}

static void purge_record(ClientHub *hub, ClientRecord *record)
{
        if (record->removed && record->n_facades == 0 && hub->n_calls == 0)
                g_hash_table_remove(hub->records, record->path);
}

static gboolean record_is_done(gpointer path G_GNUC_UNUSED, gpointer data,
                               gpointer user_data G_GNUC_UNUSED)
{
        ClientRecord *record = data;

        return record->removed && record->n_facades == 0;
}

void client_hub_begin_call(ClientHub *hub)
{
        client_hub_lock(hub);
        hub->n_calls++;
        client_hub_unlock(hub);
}

void client_hub_end_call(ClientHub *hub)
{
        client_hub_lock(hub);
        if (--hub->n_calls == 0)
                g_hash_table_foreach_remove(hub->records, record_is_done, NULL);
        client_hub_unlock(hub);
}

/* The signals of the run may have come ahead of the answer, or be still to come. */
void client_hub_expect_run(ClientHub *hub, ClientRecord *record, const char *run_id)
{
        client_hub_lock(hub);
        if (!g_str_equal(record->ledger.run_id, run_id) &&
            !g_str_equal(record->ledger.previous_run_id, run_id)) {
                g_free(record->expected_run);
                record->expected_run = g_strdup(run_id);
                g_free(record->expected_after);
                record->expected_after = g_strdup(record->ledger.run_id);
        }
        client_hub_unlock(hub);
}

void client_hub_facade_made(ClientHub *hub, ClientRecord *record)
{
        client_hub_lock(hub);
        record->n_facades++;
        client_hub_unlock(hub);
}

void client_hub_facade_gone(ClientHub *hub, ClientRecord *record)
{
        client_hub_lock(hub);
        record->n_facades--;
        purge_record(hub, record);
        client_hub_unlock(hub);
}

GPtrArray *client_hub_list(ClientHub *hub)
{
        GPtrArray *records = g_ptr_array_new_with_free_func((GDestroyNotify)client_record_unref);
        GHashTableIter iter;
        gpointer record;

        client_hub_lock(hub);
        g_hash_table_iter_init(&iter, hub->records);
        while (g_hash_table_iter_next(&iter, NULL, &record))
                if (!((ClientRecord *)record)->removed)
                        g_ptr_array_add(records, client_record_ref(record));
        client_hub_unlock(hub);
        return records;
}
