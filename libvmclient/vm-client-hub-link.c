/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hub's messages: what it sends, and the filter that reads what comes. */
#include "vm-client-hub.h"
#include "vm-client-watch.h"

/* What the hub itself has asked the daemon for. */
typedef enum PendingKind {
        PENDING_SUBSCRIBE,
        PENDING_MANAGER,
        PENDING_OBJECTS,
        PENDING_MACHINE,
        PENDING_ACTIVATION,
} PendingKind;

typedef struct Pending {
        PendingKind kind;
        char *path;
} Pending;

void client_pending_free(gpointer data)
{
        Pending *pending = data;

        g_free(pending->path);
        g_free(pending);
}

static GDBusMessage *new_call(const char *destination, const char *path, const char *interface,
                              const char *method, GVariant *body)
{
        GDBusMessage *message =
                g_dbus_message_new_method_call(destination, path, interface, method);

        g_dbus_message_set_body(message, body);
        return message;
}

/* Takes message. Its answer comes through the filter, in order with the signals. */
static gboolean send_message(ClientHub *hub, PendingKind kind, const char *path,
                             GDBusMessage *message)
{
        g_autoptr(GDBusMessage) taken = message;
        Pending *pending;
        volatile guint32 serial = 0;

        if (!g_dbus_connection_send_message(hub->connection, taken, G_DBUS_SEND_MESSAGE_FLAGS_NONE,
                                            &serial, NULL))
                return FALSE;
        pending = g_new0(Pending, 1);
        pending->kind = kind;
        pending->path = g_strdup(path);
        g_hash_table_replace(hub->pending, GUINT_TO_POINTER(serial), pending);
        return TRUE;
}

static void send_to_daemon(ClientHub *hub, PendingKind kind, const char *path,
                           const char *interface, const char *method, GVariant *body,
                           gboolean activate)
{
        GDBusMessage *message = new_call(CLIENT_BUS_NAME, path, interface, method, body);

        if (!activate)
                g_dbus_message_set_flags(message, G_DBUS_MESSAGE_FLAGS_NO_AUTO_START);
        send_message(hub, kind, path, message);
}

void client_hub_request_machine(ClientHub *hub, const char *path)
{
        send_to_daemon(hub, PENDING_MACHINE, path, "org.freedesktop.DBus.Properties", "GetAll",
                       g_variant_new("(s)", CLIENT_MACHINE_INTERFACE), hub->activate);
}

static gboolean pending_is_sync(gpointer serial G_GNUC_UNUSED, gpointer data,
                                gpointer user_data G_GNUC_UNUSED)
{
        Pending *pending = data;

        return pending->kind <= PENDING_OBJECTS;
}

/* Three calls in one round trip; the snapshot is taken after the subscription, so none is missed.
 */
static void begin_sync(ClientHub *hub, gboolean activate)
{
        g_hash_table_foreach_remove(hub->pending, pending_is_sync, NULL);
        g_clear_error(&hub->sync_error);
        hub->sync = CLIENT_SYNC_RUNNING;
        send_to_daemon(hub, PENDING_SUBSCRIBE, CLIENT_OBJECT_PATH, CLIENT_MANAGER_INTERFACE,
                       "Subscribe", g_variant_new_parsed("(@a{sv} {},)"), activate);
        send_to_daemon(hub, PENDING_MANAGER, CLIENT_OBJECT_PATH, "org.freedesktop.DBus.Properties",
                       "GetAll", g_variant_new("(s)", CLIENT_MANAGER_INTERFACE), activate);
        send_to_daemon(hub, PENDING_OBJECTS, CLIENT_OBJECT_PATH,
                       "org.freedesktop.DBus.ObjectManager", "GetManagedObjects",
                       g_variant_new("()"), activate);
}

static void drop_grace(ClientHub *hub)
{
        if (!hub->grace)
                return;
        g_source_destroy(hub->grace);
        g_clear_pointer(&hub->grace, g_source_unref);
}

static gboolean on_grace(gpointer data)
{
        ClientHub *hub = data;

        client_hub_lock(hub);
        drop_grace(hub);
        if (hub->sync != CLIENT_SYNC_READY) {
                g_autoptr(GError) error = NULL;

                g_set_error(&error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_SERVICE_LOST,
                            "vmserviced has left the bus and did not come back: start it (system: "
                            "systemctl start vmserviced; session: vmserviced --user) and repeat "
                            "the call");
                client_watch_fail_all(hub, error);
        }
        client_hub_unlock(hub);
        return G_SOURCE_REMOVE;
}

/*
 * Somebody waits for what only the daemon can tell, and it is not there, or could not be
 * understood: have it started, or asked again, once, and bear its absence for a while.
 */
void client_hub_want_daemon(ClientHub *hub)
{
        if (hub->sync == CLIENT_SYNC_READY || hub->sync == CLIENT_SYNC_RUNNING || hub->grace ||
            hub->closed || !hub->worker || !client_watch_any(hub))
                return;
        hub->grace = g_timeout_source_new((guint)(hub->grace_usec / 1000));
        g_source_set_callback(hub->grace, on_grace, client_hub_ref(hub),
                              (GDestroyNotify)client_hub_unref);
        g_source_attach(hub->grace, hub->worker);
        if (hub->owner)
                begin_sync(hub, FALSE);
        else if (hub->activate)
                send_message(hub, PENDING_ACTIVATION, NULL,
                             new_call("org.freedesktop.DBus", "/org/freedesktop/DBus",
                                      "org.freedesktop.DBus", "StartServiceByName",
                                      g_variant_new("(su)", CLIENT_BUS_NAME, 0U)));
}

static void set_owner(ClientHub *hub, const char *owner)
{
        if (g_strcmp0(hub->owner, owner) == 0)
                return;
        g_free(hub->owner);
        hub->owner = g_strdup(owner);
        client_news_daemon(hub, 1U << CLIENT_DAEMON_RUNNING);
}

/* A snapshot that is on its way when the daemon is activated by it goes on. */
static void on_owner_changed(ClientHub *hub, const char *owner)
{
        gboolean activating = hub->sync == CLIENT_SYNC_RUNNING && !hub->owner;

        if (*owner == '\0') {
                set_owner(hub, NULL);
                if (!activating)
                        hub->sync = CLIENT_SYNC_ABSENT;
                client_watch_check(hub, NULL, NULL);
                client_hub_want_daemon(hub);
                return;
        }
        set_owner(hub, owner);
        if (!activating)
                begin_sync(hub, FALSE);
}

static void on_signal(ClientHub *hub, GDBusMessage *message)
{
        const char *sender = g_dbus_message_get_sender(message);
        GVariant *body = g_dbus_message_get_body(message);
        const char *name, *owner;

        if (g_strcmp0(sender, "org.freedesktop.DBus") == 0) {
                if (g_strcmp0(g_dbus_message_get_member(message), "NameOwnerChanged") != 0 ||
                    !body || !g_variant_is_of_type(body, G_VARIANT_TYPE("(sss)")))
                        return;
                g_variant_get(body, "(&s&s&s)", &name, NULL, &owner);
                if (g_str_equal(name, CLIENT_BUS_NAME))
                        on_owner_changed(hub, owner);
        } else if (hub->owner && g_strcmp0(sender, hub->owner) == 0) {
                client_hub_apply_signal(hub, message);
        }
}

/*
 * A daemon that has left again may be back soon, and its leaving is told by the bus. One that is
 * there and refuses will not think again: whoever waits is told why. The next wait asks anew.
 */
static void sync_failed(ClientHub *hub, GError *error)
{
        g_clear_error(&hub->sync_error);
        hub->sync_error = client_error_translate(error);
        hub->sync = CLIENT_SYNC_FAILED;
        g_hash_table_foreach_remove(hub->pending, pending_is_sync, NULL);
        client_watch_check(hub, NULL, NULL);
        if (g_error_matches(hub->sync_error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_SERVICE_LOST) ||
            g_error_matches(hub->sync_error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_SERVICE_UNAVAILABLE))
                return;
        drop_grace(hub);
        client_watch_fail_all(hub, hub->sync_error);
}

static void on_failure(ClientHub *hub, const Pending *pending, GDBusMessage *message)
{
        g_autoptr(GError) error = NULL;

        if (!g_dbus_message_to_gerror(message, &error))
                g_set_error(&error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_INFRASTRUCTURE,
                            "vmserviced's answer has the wrong type: install vmservice and the "
                            "library from the same version");
        if (pending_is_sync(NULL, (gpointer)pending, NULL)) {
                sync_failed(hub, g_steal_pointer(&error));
        } else if (pending->kind == PENDING_MACHINE) {
                error = client_error_translate(g_steal_pointer(&error));
                client_watch_fail_machine(hub, pending->path, error);
        }
}

static gboolean body_is(GDBusMessage *message, const char *type)
{
        GVariant *body = g_dbus_message_get_body(message);

        return body && g_variant_is_of_type(body, G_VARIANT_TYPE(type));
}

static void on_objects(ClientHub *hub, GVariant *objects)
{
        hub->sync = CLIENT_SYNC_READY;
        drop_grace(hub);
        client_hub_apply_objects(hub, objects);
        hub->synced_once = TRUE;
        client_watch_check(hub, NULL, NULL);
}

static void on_answer(ClientHub *hub, GDBusMessage *message)
{
        guint32 serial = g_dbus_message_get_reply_serial(message);
        gpointer key = GUINT_TO_POINTER(serial);
        Pending *pending = g_hash_table_lookup(hub->pending, key);
        gboolean good =
                g_dbus_message_get_message_type(message) == G_DBUS_MESSAGE_TYPE_METHOD_RETURN;
        g_autoptr(GVariant) argument = NULL;

        if (!pending)
                return;
        g_hash_table_steal(hub->pending, key);
        if (good && (body_is(message, "(a{sv})") || body_is(message, "(a{oa{sa{sv}}})")))
                argument = g_variant_get_child_value(g_dbus_message_get_body(message), 0);
        if (good && pending->kind <= PENDING_OBJECTS)
                set_owner(hub, g_dbus_message_get_sender(message));
        if (good && pending->kind == PENDING_MANAGER && body_is(message, "(a{sv})"))
                client_hub_apply_manager(hub, argument);
        else if (good && pending->kind == PENDING_MACHINE && body_is(message, "(a{sv})"))
                client_hub_apply_machine(hub, pending->path, argument);
        else if (good && pending->kind == PENDING_OBJECTS && body_is(message, "(a{oa{sa{sv}}})"))
                on_objects(hub, argument);
        else if (!good ||
                 (pending->kind != PENDING_SUBSCRIBE && pending->kind != PENDING_ACTIVATION))
                on_failure(hub, pending, message);
        client_pending_free(pending);
}

/* In GDBus's thread, where the connection's end must be seen even if no main context runs. */
static void on_closed(ClientHub *hub)
{
        g_autoptr(GError) error = NULL;

        if (hub->closed)
                return;
        hub->closed = TRUE;
        hub->sync = CLIENT_SYNC_ABSENT;
        set_owner(hub, NULL);
        drop_grace(hub);
        g_set_error(&error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_SERVICE_LOST,
                    "the connection to the bus was lost: make a new VmClientManager");
        client_watch_fail_all(hub, error);
}

static gboolean on_hangup(GSocket *socket G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED,
                          gpointer data)
{
        ClientHub *hub = data;

        /* What was received before the end is still being read. */
        if (!g_dbus_connection_is_closed(hub->connection))
                return G_SOURCE_CONTINUE;
        client_hub_lock(hub);
        on_closed(hub);
        client_hub_unlock(hub);
        return G_SOURCE_REMOVE;
}

static void on_connection_closed(GDBusConnection *connection G_GNUC_UNUSED,
                                 gboolean remote_peer_vanished G_GNUC_UNUSED,
                                 GError *error G_GNUC_UNUSED, gpointer data)
{
        ClientHub *hub = data;

        client_hub_lock(hub);
        on_closed(hub);
        client_hub_unlock(hub);
}

/* With the lock held, on the first message. */
static void enter_worker(ClientHub *hub)
{
        GIOStream *stream = g_dbus_connection_get_stream(hub->connection);

        hub->worker = g_main_context_ref_thread_default();
        if (!G_IS_SOCKET_CONNECTION(stream))
                return;
        hub->hangup = g_socket_create_source(
                g_socket_connection_get_socket(G_SOCKET_CONNECTION(stream)), G_IO_HUP, NULL);
        g_source_set_callback(hub->hangup, G_SOURCE_FUNC(on_hangup), client_hub_ref(hub),
                              (GDestroyNotify)client_hub_unref);
        g_source_attach(hub->hangup, hub->worker);
}

static GDBusMessage *on_message(GDBusConnection *connection G_GNUC_UNUSED, GDBusMessage *message,
                                gboolean incoming, gpointer data)
{
        ClientHub *hub = data;
        GDBusMessageType type = g_dbus_message_get_message_type(message);

        if (!incoming)
                return message;
        client_hub_lock(hub);
        if (!hub->filter_id) {
                client_hub_unlock(hub);
                return message;
        }
        if (!hub->worker)
                enter_worker(hub);
        if (type == G_DBUS_MESSAGE_TYPE_SIGNAL)
                on_signal(hub, message);
        else if (type != G_DBUS_MESSAGE_TYPE_METHOD_CALL)
                on_answer(hub, message);
        client_hub_unlock(hub);
        return message;
}

/* How many hubs use a connection: the subscription is the connection's, so the last one ends it. */
G_LOCK_DEFINE_STATIC(subscribers);

static guint count_subscribers(GDBusConnection *connection, int change)
{
        static const char key[] = "vm-client-subscribers";
        guint count = GPOINTER_TO_UINT(g_object_get_data(G_OBJECT(connection), key));

        count = (guint)((int)count + change);
        g_object_set_data(G_OBJECT(connection), key, GUINT_TO_POINTER(count));
        return count;
}

static void ignore_signal(GDBusConnection *connection G_GNUC_UNUSED,
                          const char *sender G_GNUC_UNUSED, const char *path G_GNUC_UNUSED,
                          const char *interface G_GNUC_UNUSED, const char *signal G_GNUC_UNUSED,
                          GVariant *parameters G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
}

static void release_hub(gpointer hub, GClosure *closure G_GNUC_UNUSED)
{
        client_hub_unref(hub);
}

void client_hub_start(ClientHub *hub)
{
        G_LOCK(subscribers);
        count_subscribers(hub->connection, 1);
        G_UNLOCK(subscribers);
        hub->closed_id =
                g_signal_connect_data(hub->connection, "closed", G_CALLBACK(on_connection_closed),
                                      client_hub_ref(hub), release_hub, G_CONNECT_DEFAULT);
        client_hub_lock(hub);
        hub->filter_id = g_dbus_connection_add_filter(
                hub->connection, on_message, client_hub_ref(hub), (GDestroyNotify)client_hub_unref);
        /* Only for the match rule: the filter reads the signal. All others are unicast. */
        hub->match_id = g_dbus_connection_signal_subscribe(
                hub->connection, "org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged",
                "/org/freedesktop/DBus", CLIENT_BUS_NAME, G_DBUS_SIGNAL_FLAGS_NONE, ignore_signal,
                NULL, NULL);
        begin_sync(hub, hub->activate);
        client_hub_unlock(hub);
}

static void stop_sources(ClientHub *hub)
{
        drop_grace(hub);
        if (hub->hangup) {
                g_source_destroy(hub->hangup);
                g_clear_pointer(&hub->hangup, g_source_unref);
        }
        client_news_clear(hub);
}

void client_hub_stop(ClientHub *hub)
{
        guint filter;

        g_signal_handler_disconnect(hub->connection, hub->closed_id);
        g_dbus_connection_signal_unsubscribe(hub->connection, hub->match_id);
        client_hub_lock(hub);
        filter = hub->filter_id;
        hub->filter_id = 0;
        stop_sources(hub);
        client_hub_unlock(hub);
        g_dbus_connection_remove_filter(hub->connection, filter);
        G_LOCK(subscribers);
        client_hub_lock(hub);
        if (count_subscribers(hub->connection, -1) == 0 && hub->owner)
                send_to_daemon(hub, PENDING_SUBSCRIBE, CLIENT_OBJECT_PATH, CLIENT_MANAGER_INTERFACE,
                               "Unsubscribe", g_variant_new_parsed("(@a{sv} {},)"), FALSE);
        client_hub_unlock(hub);
        G_UNLOCK(subscribers);
}
