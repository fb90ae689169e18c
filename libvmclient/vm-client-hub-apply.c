/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the daemon says, written into the records; with the lock held throughout. */
#include "vm-client-hub.h"
#include "vm-client-watch.h"

static ClientRecord *record_new(const char *path)
{
        ClientRecord *record = g_new0(ClientRecord, 1);

        g_atomic_ref_count_init(&record->ref);
        record->path = g_strdup(path);
        g_weak_ref_init(&record->facade, NULL);
        client_values_init(&record->values);
        return record;
}

/* Tells what is new of one machine, first to who waits. */
static void tell(ClientHub *hub, ClientRecord *record, guint changed, GPtrArray *events)
{
        /* The run that Start named is here; or another one is, so that it must have been missed. */
        if (g_strcmp0(record->expected_after, record->ledger.run_id) != 0) {
                g_clear_pointer(&record->expected_run, g_free);
                g_clear_pointer(&record->expected_after, g_free);
        }
        client_watch_check(hub, record, events);
        client_news_values(hub, record, changed);
        while (events->len > 0)
                client_news_event(hub, record, g_ptr_array_steal_index(events, 0));
}

static GPtrArray *new_events(void)
{
        return g_ptr_array_new_with_free_func(client_event_free);
}

/* A machine that was not known. It is news unless it was there before us. */
static void add_record(ClientHub *hub, const char *path, GVariant *properties)
{
        ClientRecord *record = record_new(path);

        client_values_update(&record->values, properties);
        client_ledger_init(&record->ledger, &record->values);
        g_hash_table_replace(hub->records, record->path, record);
        client_watch_check(hub, NULL, NULL);
        if (hub->synced_once)
                client_news_added(hub, record);
}

/* All properties of a machine: what was missed is found by comparing. */
static void reconcile(ClientHub *hub, ClientRecord *record, GVariant *properties)
{
        g_autoptr(GPtrArray) events = new_events();
        guint changed = client_values_update(&record->values, properties);

        client_ledger_reconcile(&record->ledger, &record->values, events);
        /* The snapshot is younger than any answer: a run that it does not name is past. */
        g_clear_pointer(&record->expected_run, g_free);
        tell(hub, record, changed, events);
}

static void remove_record(ClientHub *hub, ClientRecord *record)
{
        g_autoptr(GPtrArray) events = new_events();
        guint changed = 1U << CLIENT_VALUE_DELETED;
        gboolean was_over;

        if (record->removed)
                return;
        record->removed = TRUE;
        record->values.deleted = TRUE;
        was_over = record->ledger.over;
        client_ledger_gone(&record->ledger, events);
        if (!was_over)
                changed |= client_values_set_stopped(&record->values, record->ledger.reason,
                                                     record->ledger.detail);
        client_record_ref(record);
        tell(hub, record, changed, events);
        client_news_removed(hub, record);
        if (record->n_facades == 0 && hub->n_calls == 0)
                g_hash_table_remove(hub->records, record->path);
        client_record_unref(record);
}

void client_hub_apply_machine(ClientHub *hub, const char *path, GVariant *properties)
{
        ClientRecord *record = g_hash_table_lookup(hub->records, path);

        if (!record)
                add_record(hub, path, properties);
        else if (!record->removed)
                reconcile(hub, record, properties);
}

/* The set of paths with a Machine interface, each with its properties. */
void client_hub_apply_objects(ClientHub *hub, GVariant *objects)
{
        g_autoptr(GHashTable) present =
                g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(GList) records = NULL;
        GVariantIter iter;
        const char *path;
        GVariant *interfaces;

        g_variant_iter_init(&iter, objects);
        while (g_variant_iter_loop(&iter, "{&o@a{sa{sv}}}", &path, &interfaces)) {
                g_autoptr(GVariant) properties = g_variant_lookup_value(
                        interfaces, CLIENT_MACHINE_INTERFACE, G_VARIANT_TYPE_VARDICT);

                if (!properties)
                        continue;
                g_hash_table_add(present, g_strdup(path));
                client_hub_apply_machine(hub, path, properties);
        }
        records = g_hash_table_get_values(hub->records);
        for (GList *at = records; at; at = at->next) {
                ClientRecord *record = at->data;

                if (!g_hash_table_contains(present, record->path))
                        remove_record(hub, record);
        }
}

static guint replace_text(char **slot, char *text, guint bit)
{
        guint changed = g_strcmp0(*slot, text) == 0 ? 0 : bit;

        g_free(*slot);
        *slot = text;
        return changed;
}

static guint replace_features(ClientHub *hub, char **features)
{
        gboolean same =
                hub->features && features &&
                g_strv_equal((const char *const *)hub->features, (const char *const *)features);

        g_strfreev(hub->features);
        hub->features = features;
        return same ? 0 : 1U << CLIENT_DAEMON_FEATURES;
}

void client_hub_apply_manager(ClientHub *hub, GVariant *properties)
{
        char *version = NULL, *mode = NULL, **features = NULL;
        guint changed;

        g_variant_lookup(properties, "Version", "s", &version);
        g_variant_lookup(properties, "Mode", "s", &mode);
        g_variant_lookup(properties, "Features", "^as", &features);
        changed = replace_text(&hub->version, version, 1U << CLIENT_DAEMON_VERSION);
        changed |= replace_text(&hub->mode, mode, 1U << CLIENT_DAEMON_MODE);
        changed |= replace_features(hub, features);
        client_news_daemon(hub, changed);
}

static void apply_object_manager(ClientHub *hub, const char *member, GVariant *body)
{
        const char *path;

        if (g_str_equal(member, "InterfacesAdded") &&
            g_variant_is_of_type(body, G_VARIANT_TYPE("(oa{sa{sv}})"))) {
                g_autoptr(GVariant) interfaces = NULL;
                g_autoptr(GVariant) properties = NULL;

                g_variant_get(body, "(&o@a{sa{sv}})", &path, &interfaces);
                properties = g_variant_lookup_value(interfaces, CLIENT_MACHINE_INTERFACE,
                                                    G_VARIANT_TYPE_VARDICT);
                if (properties && hub->sync == CLIENT_SYNC_READY)
                        client_hub_apply_machine(hub, path, properties);
        } else if (g_str_equal(member, "InterfacesRemoved") &&
                   g_variant_is_of_type(body, G_VARIANT_TYPE("(oas)"))) {
                g_autofree const char **interfaces = NULL;
                ClientRecord *record;

                g_variant_get(body, "(&o^a&s)", &path, &interfaces);
                record = g_hash_table_lookup(hub->records, path);
                if (record && g_strv_contains(interfaces, CLIENT_MACHINE_INTERFACE))
                        remove_record(hub, record);
        }
}

static void apply_properties(ClientHub *hub, ClientRecord *record, GVariant *body)
{
        g_autoptr(GPtrArray) events = new_events();
        g_autoptr(GVariant) changed = NULL;
        const char *interface;

        if (!g_variant_is_of_type(body, G_VARIANT_TYPE("(sa{sv}as)")))
                return;
        g_variant_get(body, "(&s@a{sv}as)", &interface, &changed, NULL);
        if (g_str_equal(interface, CLIENT_MACHINE_INTERFACE))
                tell(hub, record, client_values_update(&record->values, changed), events);
}

static guint apply_payload(ClientRecord *record, const char *run_id, VmClientPayloadState state,
                           int exit_code, GPtrArray *events)
{
        guint changed = client_values_set_run(&record->values, run_id);

        client_ledger_payload(&record->ledger, run_id, state, exit_code, events);
        return changed | client_values_set_payload(&record->values, state, exit_code);
}

static guint apply_stopped(ClientRecord *record, GVariant *body, GPtrArray *events)
{
        const char *run_id, *name, *detail;
        VmClientStopReason reason;
        guint changed;

        g_variant_get(body, "(&s&s&s)", &run_id, &name, &detail);
        reason = client_stop_reason_from_string(name);
        changed = client_values_set_run(&record->values, run_id);
        changed |= client_values_set_stopped(&record->values, reason, detail);
        client_ledger_stopped(&record->ledger, run_id, reason, detail, events);
        return changed;
}

static guint apply_state(ClientRecord *record, GVariant *body, GPtrArray *events)
{
        const char *run_id, *name;
        VmClientMachineState state;
        guint changed;

        g_variant_get(body, "(&s&s&s)", &run_id, NULL, &name);
        state = client_machine_state_from_string(name);
        changed = client_values_set_run(&record->values, run_id);
        changed |= client_values_set_state(&record->values, state);
        client_ledger_state_changed(&record->ledger, run_id, state, events);
        return changed;
}

static void apply_machine_signal(ClientHub *hub, ClientRecord *record, const char *member,
                                 GVariant *body)
{
        g_autoptr(GPtrArray) events = new_events();
        const char *type = g_variant_get_type_string(body);
        const char *run_id;
        int exit_code;
        guint changed;

        if (g_str_equal(member, "StateChanged") && g_str_equal(type, "(sss)")) {
                changed = apply_state(record, body, events);
        } else if (g_str_equal(member, "PayloadStarted") && g_str_equal(type, "(s)")) {
                g_variant_get(body, "(&s)", &run_id);
                changed =
                        apply_payload(record, run_id, VM_CLIENT_PAYLOAD_STATE_STARTED, -1, events);
        } else if (g_str_equal(member, "PayloadReady") && g_str_equal(type, "(s)")) {
                g_variant_get(body, "(&s)", &run_id);
                changed = apply_payload(record, run_id, VM_CLIENT_PAYLOAD_STATE_READY, -1, events);
        } else if (g_str_equal(member, "PayloadFinished") && g_str_equal(type, "(si)")) {
                g_variant_get(body, "(&si)", &run_id, &exit_code);
                changed = apply_payload(record, run_id, VM_CLIENT_PAYLOAD_STATE_FINISHED, exit_code,
                                        events);
        } else if (g_str_equal(member, "Stopped") && g_str_equal(type, "(sss)")) {
                changed = apply_stopped(record, body, events);
        } else {
                return;
        }
        tell(hub, record, changed, events);
}

void client_hub_apply_signal(ClientHub *hub, GDBusMessage *message)
{
        const char *interface = g_dbus_message_get_interface(message);
        const char *member = g_dbus_message_get_member(message);
        const char *path = g_dbus_message_get_path(message);
        GVariant *body = g_dbus_message_get_body(message);
        ClientRecord *record;

        if (!body)
                return;
        if (g_str_equal(interface, "org.freedesktop.DBus.ObjectManager")) {
                apply_object_manager(hub, member, body);
                return;
        }
        record = g_hash_table_lookup(hub->records, path);
        if (!record || record->removed)
                return;
        if (g_str_equal(interface, CLIENT_MACHINE_INTERFACE))
                apply_machine_signal(hub, record, member, body);
        else if (g_str_equal(interface, "org.freedesktop.DBus.Properties") &&
                 g_str_equal(member, "PropertiesChanged"))
                apply_properties(hub, record, body);
}
