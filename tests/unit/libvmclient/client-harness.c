/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-harness.h"

#include <string.h>

#include "tests/unit/unit.h"

Harness harness;

static guint n_fds_before;

/* But for those with which GLib wakes up its main contexts: they go when GLib likes. */
guint harness_count_fds(void)
{
        g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
        const char *name;
        guint count = 0;

        while ((name = g_dir_read_name(dir))) {
                g_autofree char *path = g_build_filename("/proc/self/fd", name, NULL);
                g_autofree char *link = g_file_read_link(path, NULL);

                count += link && !g_str_equal(link, "anon_inode:[eventfd]");
        }
        return count;
}

GDBusConnection *harness_connect(void)
{
        GError *error = NULL;
        GDBusConnection *connection = g_dbus_connection_new_for_address_sync(
                g_test_dbus_get_bus_address(harness.bus),
                G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                        G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                NULL, NULL, &error);

        ck_assert_msg(connection != NULL, "%s", error ? error->message : "");
        return connection;
}

void harness_setup(void)
{
        GDBusConnection *warm_up;

        /* A critical of GLib's is a failed test. */
        g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING);
        harness.bus = g_test_dbus_new(G_TEST_DBUS_NONE);
        g_test_dbus_up(harness.bus);
        /* GDBus's thread, and what it keeps, once and for all. */
        warm_up = harness_connect();
        ck_assert(g_dbus_connection_close_sync(warm_up, NULL, NULL));
        g_object_unref(warm_up);
        n_fds_before = harness_count_fds();
        harness.mock = mock_daemon_new(g_test_dbus_get_bus_address(harness.bus));
        mock_daemon_appear(harness.mock);
        harness.connection = harness_connect();
        harness.heard = g_string_new(NULL);
}

static gboolean fds_are_back(gpointer data G_GNUC_UNUSED)
{
        return harness_count_fds() <= n_fds_before;
}

static gboolean tick(gpointer data G_GNUC_UNUSED)
{
        return G_SOURCE_CONTINUE;
}

void harness_teardown(void)
{
        g_clear_object(&harness.manager);
        g_clear_object(&harness.connection);
        harness.mock = mock_daemon_free(harness.mock);
        g_string_free(g_steal_pointer(&harness.heard), TRUE);
        /* Connections are closed in GDBus's thread. */
        harness_run_until(fds_are_back, NULL);
        g_test_dbus_down(harness.bus);
        g_clear_object(&harness.bus);
}

VmClientManager *harness_open(VmClientManagerFlags flags)
{
        g_autoptr(GError) error = NULL;

        harness.manager =
                vm_client_manager_new_for_connection_sync(harness.connection, flags, NULL, &error);
        ck_assert_msg(harness.manager != NULL, "%s", error ? error->message : "");
        return harness.manager;
}

void harness_run_until(gboolean (*condition)(gpointer), gpointer data)
{
        guint id = g_timeout_add(20, tick, NULL);

        while (!condition(data))
                g_main_context_iteration(NULL, TRUE);
        g_source_remove(id);
}

void harness_run_idle(void)
{
        while (g_main_context_iteration(NULL, FALSE)) {
        }
}

static void on_state(VmClientMachine *machine G_GNUC_UNUSED, const char *run_id,
                     VmClientMachineState old_state G_GNUC_UNUSED, VmClientMachineState new_state,
                     gpointer data G_GNUC_UNUSED)
{
        g_string_append_printf(harness.heard, "%s:%s ", run_id,
                               vm_client_machine_state_to_string(new_state));
}

static void on_started(VmClientMachine *machine G_GNUC_UNUSED, const char *run_id,
                       gpointer data G_GNUC_UNUSED)
{
        g_string_append_printf(harness.heard, "%s:S ", run_id);
}

static void on_ready(VmClientMachine *machine G_GNUC_UNUSED, const char *run_id,
                     gpointer data G_GNUC_UNUSED)
{
        g_string_append_printf(harness.heard, "%s:R ", run_id);
}

static void on_finished(VmClientMachine *machine G_GNUC_UNUSED, const char *run_id, int exit_code,
                        gpointer data G_GNUC_UNUSED)
{
        g_string_append_printf(harness.heard, "%s:F%d ", run_id, exit_code);
}

static void on_stopped(VmClientMachine *machine G_GNUC_UNUSED, const char *run_id,
                       VmClientStopReason reason, const char *detail G_GNUC_UNUSED,
                       gpointer data G_GNUC_UNUSED)
{
        g_string_append_printf(harness.heard, "%s:%s ", run_id,
                               vm_client_stop_reason_to_string(reason));
}

void harness_listen(VmClientMachine *machine)
{
        g_signal_connect(machine, "state-changed", G_CALLBACK(on_state), NULL);
        g_signal_connect(machine, "payload-started", G_CALLBACK(on_started), NULL);
        g_signal_connect(machine, "payload-ready", G_CALLBACK(on_ready), NULL);
        g_signal_connect(machine, "payload-finished", G_CALLBACK(on_finished), NULL);
        g_signal_connect(machine, "stopped", G_CALLBACK(on_stopped), NULL);
}

static gboolean has_heard(gpointer expected)
{
        return harness.heard->len >= strlen(expected);
}

void harness_expect_heard(const char *expected)
{
        harness_run_until(has_heard, (gpointer)expected);
        harness_run_idle();
        ck_assert_str_eq(harness.heard->str, expected);
        g_string_truncate(harness.heard, 0);
}

static gboolean has_result(gpointer result)
{
        return *(GAsyncResult **)result != NULL;
}

GAsyncResult *harness_await(GAsyncResult **result)
{
        harness_run_until(has_result, result);
        return *result;
}

void harness_callback(GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer ret_result)
{
        *(GAsyncResult **)ret_result = g_object_ref(result);
}

void harness_expect_error(GError **error, VmClientError code, const char *says)
{
        ck_assert_ptr_nonnull(*error);
        ck_assert_msg(g_error_matches(*error, VM_CLIENT_ERROR, (int)code), "%s %d: %s",
                      g_quark_to_string((*error)->domain), (*error)->code, (*error)->message);
        ck_assert_msg(strstr((*error)->message, says) != NULL, "%s", (*error)->message);
        g_clear_error(error);
}
