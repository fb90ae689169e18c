/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mock-daemon-private.h"

#include <gio/gunixfdlist.h>
#include <sys/socket.h>
#include <unistd.h>

void mock_machine_free(gpointer data)
{
        MockMachine *machine = data;

        g_hash_table_unref(machine->properties);
        g_free(machine->name);
        g_free(machine->path);
        g_free(machine);
}

MockCall *mock_call_of(MockDaemon *mock, const char *method)
{
        MockCall *call = g_hash_table_lookup(mock->calls, method);

        if (!call) {
                call = g_new0(MockCall, 1);
                g_hash_table_insert(mock->calls, g_strdup(method), call);
        }
        return call;
}

/* To each subscriber and nobody else, as the real daemon does. */
void mock_unicast(MockDaemon *mock, const char *path, const char *interface, const char *signal,
                  GVariant *parameters)
{
        g_autoptr(GVariant) held = g_variant_ref_sink(parameters);
        GHashTableIter iter;
        gpointer subscriber;

        g_hash_table_iter_init(&iter, mock->subscribers);
        while (mock->connection && g_hash_table_iter_next(&iter, &subscriber, NULL))
                g_dbus_connection_emit_signal(mock->connection, subscriber, path, interface, signal,
                                              held, NULL);
}

static GVariant *machine_properties(MockMachine *machine)
{
        GVariantBuilder builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT);
        GHashTableIter iter;
        gpointer name, value;

        g_hash_table_iter_init(&iter, machine->properties);
        while (g_hash_table_iter_next(&iter, &name, &value))
                g_variant_builder_add(&builder, "{sv}", name, value);
        return g_variant_builder_end(&builder);
}

static GVariant *machine_interfaces(MockMachine *machine)
{
        GVariantBuilder builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a{sa{sv}}"));

        g_variant_builder_add(&builder, "{s@a{sv}}", MACHINE_INTERFACE,
                              machine_properties(machine));
        return g_variant_builder_end(&builder);
}

MockMachine *mock_find(MockDaemon *mock, const char *name)
{
        for (guint i = 0; i < mock->machines->len; i++) {
                MockMachine *machine = mock->machines->pdata[i];

                if (g_str_equal(machine->name, name) || g_str_equal(machine->path, name))
                        return machine;
        }
        return NULL;
}

void mock_apply_changes(MockMachine *machine, GVariant *changes)
{
        GVariantIter iter;
        const char *name;
        GVariant *value;

        g_variant_iter_init(&iter, changes);
        while (g_variant_iter_next(&iter, "{&sv}", &name, &value))
                g_hash_table_replace(machine->properties, g_strdup(name), value);
}

/* Answers of the methods that have one; the rest answer (). */
static void answer_machine(MockDaemon *mock, GDBusMethodInvocation *invocation, const char *method)
{
        MockMachine *machine =
                mock_find(mock, g_dbus_method_invocation_get_object_path(invocation));

        if (g_str_equal(method, "Start")) {
                g_dbus_method_invocation_return_value(
                        invocation,
                        g_variant_new("(@s)", g_hash_table_lookup(machine->properties, "RunId")));
        } else if (g_str_equal(method, "GetStats")) {
                g_dbus_method_invocation_return_value(
                        invocation, g_variant_new_parsed("({'vcpu_count': <uint32 2>},)"));
        } else if (g_str_has_prefix(method, "Open")) {
                g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
                int pair[2];

                g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
                g_assert_cmpint(write(pair[1], "hello", 5), ==, 5);
                g_unix_fd_list_append(fds, pair[0], NULL);
                close(pair[0]);
                close(pair[1]);
                g_dbus_method_invocation_return_value_with_unix_fd_list(
                        invocation, g_variant_new("(h)", 0), fds);
        } else {
                g_dbus_method_invocation_return_value(invocation, NULL);
        }
}

static GVariant *list_machines(MockDaemon *mock)
{
        GVariantBuilder builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a(sous)"));

        for (guint i = 0; i < mock->machines->len; i++) {
                MockMachine *machine = mock->machines->pdata[i];

                g_variant_builder_add(&builder, "(sous)", machine->name, machine->path,
                                      (guint32)getuid(), "stopped");
        }
        return g_variant_new("(a(sous))", &builder);
}

/* The path that the call is about: of its first argument. A machine that is not there is made. */
static char *named_path(MockDaemon *mock, GVariant *parameters, gboolean *ret_created)
{
        g_autoptr(GVariant) name = g_variant_get_child_value(parameters, 0);
        const char *text = g_variant_get_string(name, NULL);
        MockMachine *machine = mock_find(mock, text);

        *ret_created = FALSE;
        if (mock->next_path)
                return g_steal_pointer(&mock->next_path);
        *ret_created = machine == NULL;
        if (!machine)
                mock_add_machine(mock, (gpointer)text);
        return g_strdup(mock_find(mock, text)->path);
}

static void answer_manager(MockDaemon *mock, GDBusMethodInvocation *invocation, const char *method,
                           GVariant *parameters)
{
        const char *sender = g_dbus_method_invocation_get_sender(invocation);
        GVariant *answer = NULL;
        gboolean created;

        if (g_str_equal(method, "Subscribe")) {
                g_hash_table_add(mock->subscribers, g_strdup(sender));
        } else if (g_str_equal(method, "Unsubscribe")) {
                g_hash_table_remove(mock->subscribers, sender);
        } else if (g_str_equal(method, "GetCapabilities")) {
                answer = g_variant_new("(us)", 2U,
                                       "{\"kvm\": {\"hardware_speed\": true, \"speed_ratio\": "
                                       "1.5, \"types\": [7]}}");
        } else if (g_str_equal(method, "ValidateConfig")) {
                answer = g_variant_new("(s)", "{\"memory_mib\":256}");
        } else if (g_str_equal(method, "ListMachines")) {
                answer = list_machines(mock);
        } else {
                g_autofree char *path = named_path(mock, parameters, &created);

                answer = g_str_equal(method, "GetOrCreateMachine")
                                 ? g_variant_new("(ob)", path, created)
                                 : g_variant_new("(o)", path);
        }
        g_dbus_method_invocation_return_value(invocation, answer);
}

void mock_vanish(MockDaemon *mock, gpointer data G_GNUC_UNUSED)
{
        if (!mock->connection)
                return;
        g_dbus_connection_close_sync(mock->connection, NULL, NULL);
        g_clear_object(&mock->connection);
        g_hash_table_remove_all(mock->subscribers);
        for (guint i = 0; i < mock->machines->len; i++)
                ((MockMachine *)mock->machines->pdata[i])->registration = 0;
}

/* TRUE if the script has dealt with the call. */
static gboolean play_script(MockDaemon *mock, GDBusMethodInvocation *invocation, const char *action)
{
        if (!action)
                return FALSE;
        if (g_str_equal(action, "hang") || g_str_equal(action, "vanish")) {
                g_ptr_array_add(mock->hanging, g_object_ref(invocation));
                if (g_str_equal(action, "vanish"))
                        mock_vanish(mock, NULL);
        } else {
                g_auto(GStrv) parts = g_strsplit(action, ":", 3);

                g_assert_cmpstr(parts[0], ==, "error");
                g_dbus_method_invocation_return_dbus_error(invocation, parts[1], parts[2]);
        }
        return TRUE;
}

static void on_method(GDBusConnection *connection G_GNUC_UNUSED, const char *sender G_GNUC_UNUSED,
                      const char *path G_GNUC_UNUSED, const char *interface, const char *method,
                      GVariant *parameters, GDBusMethodInvocation *invocation, gpointer data)
{
        MockDaemon *mock = data;
        GUnixFDList *fds =
                g_dbus_message_get_unix_fd_list(g_dbus_method_invocation_get_message(invocation));
        void (*on_call)(MockDaemon *, const char *);
        g_autofree char *action = NULL;
        MockCall *call;

        g_mutex_lock(&mock->lock);
        call = mock_call_of(mock, method);
        call->count++;
        g_free(call->arguments);
        call->arguments = g_variant_print(parameters, FALSE);
        call->n_fds = fds ? g_unix_fd_list_get_length(fds) : 0;
        action = g_steal_pointer(&call->action);
        on_call = mock->on_call;
        g_cond_broadcast(&mock->changed);
        g_mutex_unlock(&mock->lock);

        if (on_call)
                on_call(mock, method);
        if (play_script(mock, invocation, action))
                return;
        if (g_str_equal(interface, MACHINE_INTERFACE))
                answer_machine(mock, invocation, method);
        else
                answer_manager(mock, invocation, method, parameters);
}

static GVariant *get_property(GDBusConnection *connection G_GNUC_UNUSED,
                              const char *sender G_GNUC_UNUSED, const char *path,
                              const char *interface, const char *name, GError **error G_GNUC_UNUSED,
                              gpointer data)
{
        MockDaemon *mock = data;

        if (g_str_equal(interface, MACHINE_INTERFACE))
                return g_variant_ref(g_hash_table_lookup(mock_find(mock, path)->properties, name));
        if (g_str_equal(name, "Version"))
                return g_variant_new_string("1.2.3");
        if (g_str_equal(name, "Mode"))
                return g_variant_new_string("session");
        return g_variant_new_parsed("['console', 'pause']");
}

static const GDBusInterfaceVTable vtable = {on_method, get_property, NULL, {NULL}};

static void on_objects(GDBusConnection *connection G_GNUC_UNUSED, const char *sender G_GNUC_UNUSED,
                       const char *path G_GNUC_UNUSED, const char *interface G_GNUC_UNUSED,
                       const char *method, GVariant *parameters G_GNUC_UNUSED,
                       GDBusMethodInvocation *invocation, gpointer data)
{
        MockDaemon *mock = data;
        GVariantBuilder builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a{oa{sa{sv}}}"));
        g_autofree char *action = NULL;

        g_mutex_lock(&mock->lock);
        action = g_steal_pointer(&mock_call_of(mock, method)->action);
        g_mutex_unlock(&mock->lock);
        if (play_script(mock, invocation, action))
                return;
        for (guint i = 0; i < mock->machines->len; i++) {
                MockMachine *machine = mock->machines->pdata[i];

                g_variant_builder_add(&builder, "{o@a{sa{sv}}}", machine->path,
                                      machine_interfaces(machine));
        }
        g_dbus_method_invocation_return_value(invocation,
                                              g_variant_new("(a{oa{sa{sv}}})", &builder));
}

static const GDBusInterfaceVTable objects_vtable = {on_objects, NULL, NULL, {NULL}};

static void register_machine(MockDaemon *mock, MockMachine *machine)
{
        if (mock->connection)
                machine->registration = g_dbus_connection_register_object(
                        mock->connection, machine->path, mock->machine_info, &vtable, mock, NULL,
                        NULL);
}

void mock_appear(MockDaemon *mock, gpointer data G_GNUC_UNUSED)
{
        g_autoptr(GVariant) answer = NULL;

        mock->connection = g_dbus_connection_new_for_address_sync(
                mock->address,
                G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                        G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                NULL, NULL, NULL);
        g_assert_nonnull(mock->connection);
        g_dbus_connection_register_object(mock->connection, MANAGER_PATH, mock->manager_info,
                                          &vtable, mock, NULL, NULL);
        g_dbus_connection_register_object(mock->connection, MANAGER_PATH,
                                          mock->object_manager->interfaces[0], &objects_vtable,
                                          mock, NULL, NULL);
        for (guint i = 0; i < mock->machines->len; i++)
                register_machine(mock, mock->machines->pdata[i]);
        answer = g_dbus_connection_call_sync(
                mock->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                "org.freedesktop.DBus", "RequestName", g_variant_new("(su)", "org.vmservice1", 4U),
                NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);
        g_assert_nonnull(answer);
}

void mock_add_machine(MockDaemon *mock, gpointer name)
{
        MockMachine *machine = g_new0(MockMachine, 1);
        g_autoptr(GVariant) defaults = NULL;

        machine->name = g_strdup(name);
        machine->path = g_strdup_printf(MANAGER_PATH "/machine/%032x", ++mock->next_id);
        machine->properties = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                                    (GDestroyNotify)g_variant_unref);
        defaults = g_variant_ref_sink(g_variant_new_parsed(
                "{'Name': <%s>, 'Id': <%s>, 'Owner': <%u>, 'Transient': <false>, 'Lifetime': "
                "<'kept'>, 'Config': <'{\"kernel\":\"k\",\"memory_mib\":64}'>, 'State': "
                "<'stopped'>, 'PayloadState': <'none'>, 'RunId': <''>, 'StopReason': <''>, "
                "'StopDetail': <''>, 'PayloadExitCode': <-1>, 'MonitorPid': <uint32 0>, "
                "'StartedAt': <uint64 0>, 'StoppedAt': <uint64 0>}",
                machine->name, machine->path + sizeof(MANAGER_PATH "/machine/") - 1,
                (guint32)getuid()));
        mock_apply_changes(machine, defaults);
        g_ptr_array_add(mock->machines, machine);
        register_machine(mock, machine);
        mock_unicast(mock, MANAGER_PATH, "org.freedesktop.DBus.ObjectManager", "InterfacesAdded",
                     g_variant_new("(o@a{sa{sv}})", machine->path, machine_interfaces(machine)));
}

void mock_remove_machine(MockDaemon *mock, gpointer name)
{
        static const char *const interfaces[] = {MACHINE_INTERFACE, NULL};
        MockMachine *machine = mock_find(mock, name);

        if (machine->registration)
                g_dbus_connection_unregister_object(mock->connection, machine->registration);
        mock_unicast(mock, MANAGER_PATH, "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved",
                     g_variant_new("(o^as)", machine->path, interfaces));
        g_ptr_array_remove(mock->machines, machine);
}
