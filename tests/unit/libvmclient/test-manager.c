/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-harness.h"

#include <gio/gunixfdlist.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/unit.h"

START_TEST(test_new_sync)
{
        VmClientManager *manager = harness_open(VM_CLIENT_MANAGER_FLAGS_REQUIRE_VMS);
        g_autofree char *version = vm_client_manager_dup_daemon_version(manager);
        g_autofree char *mode = NULL;
        g_auto(GStrv) features = NULL;
        gboolean running;

        ck_assert_str_eq(version, "1.2.3");
        g_object_get(manager, "mode", &mode, "features", &features, "daemon-running", &running,
                     NULL);
        ck_assert_str_eq(mode, "session");
        ck_assert_str_eq(features[1], "pause");
        ck_assert(running);
        ck_assert(vm_client_manager_has_feature(manager, "console"));
        ck_assert(!vm_client_manager_has_feature(manager, "teleport"));
        ck_assert_ptr_eq(vm_client_manager_get_connection(manager), harness.connection);
        ck_assert_uint_eq(mock_daemon_subscribers(harness.mock), 1);
}
END_TEST

START_TEST(test_new_async)
{
        g_autoptr(GAsyncResult) result = NULL;
        g_autoptr(GError) error = NULL;

        vm_client_manager_new_for_connection_async(harness.connection,
                                                   VM_CLIENT_MANAGER_FLAGS_REQUIRE_VMS, NULL,
                                                   harness_callback, &result);
        harness.manager = vm_client_manager_new_finish(harness_await(&result), &error);
        ck_assert_ptr_nonnull(harness.manager);
        ck_assert(vm_client_manager_get_daemon_running(harness.manager));
}
END_TEST

/* On the bus by its name; the shared connection of the process must not end it with the bus. */
START_TEST(test_new_on_session_bus)
{
        g_autoptr(GDBusConnection) shared = g_bus_get_sync(G_BUS_TYPE_SESSION, NULL, NULL);
        g_autoptr(VmClientManager) sync = NULL;
        g_autoptr(VmClientManager) async = NULL;
        g_autoptr(VmClientCapabilities) capabilities = NULL;
        g_autoptr(GAsyncResult) result = NULL;

        g_dbus_connection_set_exit_on_close(shared, FALSE);
        sync = vm_client_manager_new_sync(VM_CLIENT_BUS_SESSION, VM_CLIENT_MANAGER_FLAGS_NONE, NULL,
                                          NULL);
        ck_assert_ptr_nonnull(sync);
        vm_client_manager_new_async(VM_CLIENT_BUS_SESSION, VM_CLIENT_MANAGER_FLAGS_NONE, NULL,
                                    harness_callback, &result);
        async = vm_client_manager_new_finish(harness_await(&result), NULL);
        ck_assert_ptr_nonnull(async);
        /* One connection, one subscription; it ends with the last of the two. */
        ck_assert_uint_eq(mock_daemon_subscribers(harness.mock), 1);
        g_clear_object(&sync);
        capabilities = vm_client_manager_get_capabilities_sync(async, NULL, NULL, NULL);
        ck_assert_ptr_nonnull(capabilities);
        ck_assert_uint_eq(mock_daemon_calls(harness.mock, "Unsubscribe"), 0);
        g_clear_object(&result);
        g_clear_object(&async);
        mock_daemon_await_calls(harness.mock, "Unsubscribe", 1);
        g_dbus_connection_close_sync(shared, NULL, NULL);
}
END_TEST

START_TEST(test_no_bus)
{
        g_autoptr(VmClientManager) manager = NULL;
        g_autoptr(GAsyncResult) result = NULL;
        g_autoptr(GError) error = NULL;

        g_setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus", TRUE);
        manager = vm_client_manager_new_sync(VM_CLIENT_BUS_SESSION, VM_CLIENT_MANAGER_FLAGS_NONE,
                                             NULL, &error);
        ck_assert_ptr_null(manager);
        harness_expect_error(&error, VM_CLIENT_ERROR_SERVICE_UNAVAILABLE, "dbus-run-session");
        g_setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", TRUE);
        vm_client_manager_new_async(VM_CLIENT_BUS_SYSTEM, VM_CLIENT_MANAGER_FLAGS_NONE, NULL,
                                    harness_callback, &result);
        ck_assert_ptr_null(vm_client_manager_new_finish(harness_await(&result), &error));
        harness_expect_error(&error, VM_CLIENT_ERROR_SERVICE_UNAVAILABLE, "the system bus cannot");
}
END_TEST

/* Sync and async; the action, if any, is what the daemon does when the method is called. */
static void expect_no_manager(VmClientManagerFlags flags, const char *method, const char *action,
                              VmClientError code, const char *says)
{
        g_autoptr(VmClientManager) manager = NULL;
        g_autoptr(GAsyncResult) result = NULL;
        g_autoptr(GError) error = NULL;

        mock_daemon_script(harness.mock, method, action);
        manager =
                vm_client_manager_new_for_connection_sync(harness.connection, flags, NULL, &error);
        ck_assert_ptr_null(manager);
        harness_expect_error(&error, code, says);
        if (g_strcmp0(action, "vanish") == 0)
                mock_daemon_appear(harness.mock);
        mock_daemon_script(harness.mock, method, action);
        vm_client_manager_new_for_connection_async(harness.connection, flags, NULL,
                                                   harness_callback, &result);
        ck_assert_ptr_null(vm_client_manager_new_finish(harness_await(&result), &error));
        harness_expect_error(&error, code, says);
}

START_TEST(test_no_daemon)
{
        mock_daemon_vanish(harness.mock);
        expect_no_manager(VM_CLIENT_MANAGER_FLAGS_NONE, "Subscribe", NULL,
                          VM_CLIENT_ERROR_SERVICE_UNAVAILABLE, "systemctl start vmserviced");
        expect_no_manager(VM_CLIENT_MANAGER_FLAGS_NO_ACTIVATION, "Subscribe", NULL,
                          VM_CLIENT_ERROR_SERVICE_UNAVAILABLE, "vmserviced is not running");
}
END_TEST

START_TEST(test_no_permission)
{
        expect_no_manager(VM_CLIENT_MANAGER_FLAGS_NONE, "Subscribe",
                          "error:org.freedesktop.DBus.Error.AccessDenied:rejected",
                          VM_CLIENT_ERROR_NOT_AUTHORIZED, "policy");
}
END_TEST

START_TEST(test_no_kvm)
{
        expect_no_manager(VM_CLIENT_MANAGER_FLAGS_REQUIRE_VMS, "GetCapabilities",
                          "error:org.vmservice1.Error.KvmUnavailable:no /dev/kvm: load kvm",
                          VM_CLIENT_ERROR_KVM_UNAVAILABLE, "no /dev/kvm: load kvm");
}
END_TEST

START_TEST(test_daemon_dies_while_manager_is_made)
{
        expect_no_manager(VM_CLIENT_MANAGER_FLAGS_NONE, "GetManagedObjects", "vanish",
                          VM_CLIENT_ERROR_SERVICE_LOST, "whether it took effect is unknown");
}
END_TEST

START_TEST(test_manager_that_was_not_initialised)
{
        g_autoptr(VmClientManager) manager = g_object_new(VM_CLIENT_TYPE_MANAGER, NULL);
        g_autoptr(VmClientConfig) config = vm_client_config_new();
        g_autoptr(GPtrArray) machines = vm_client_manager_list_machines(manager);
        g_autofree char *version = vm_client_manager_dup_daemon_version(manager);
        g_autoptr(GError) error = NULL;

        ck_assert_uint_eq(machines->len, 0);
        ck_assert_str_eq(version, "");
        ck_assert(!vm_client_manager_get_daemon_running(manager));
        ck_assert_ptr_null(vm_client_manager_get_machine_sync(manager, "x", NULL, NULL, &error));
        harness_expect_error(&error, VM_CLIENT_ERROR_SERVICE_UNAVAILABLE, "new_sync");
        ck_assert_ptr_null(
                vm_client_manager_create_machine_sync(manager, "x", config, 0, NULL, NULL, &error));
        harness_expect_error(&error, VM_CLIENT_ERROR_SERVICE_UNAVAILABLE, "new_sync");
        ck_assert_ptr_null(vm_client_manager_get_capabilities_sync(manager, NULL, NULL, &error));
        harness_expect_error(&error, VM_CLIENT_ERROR_SERVICE_UNAVAILABLE, "new_sync");
}
END_TEST

START_TEST(test_closed_connection)
{
        g_autoptr(GError) error = NULL;

        g_dbus_connection_close_sync(harness.connection, NULL, NULL);
        ck_assert_ptr_null(
                vm_client_manager_new_for_connection_sync(harness.connection, 0, NULL, &error));
        harness_expect_error(&error, VM_CLIENT_ERROR_SERVICE_UNAVAILABLE, "closed");
}
END_TEST

START_TEST(test_capabilities)
{
        VmClientManager *manager = harness_open(0);
        g_autoptr(VmClientCapabilities) capabilities = NULL;
        g_autoptr(GAsyncResult) result = NULL;
        g_autoptr(GVariant) type = NULL;
        g_autoptr(GVariant) whole = NULL;
        g_autofree char *report = NULL;
        double ratio;

        vm_client_manager_get_capabilities_async(manager, NULL, NULL, harness_callback, &result);
        capabilities =
                vm_client_manager_get_capabilities_finish(manager, harness_await(&result), NULL);
        ck_assert_int_eq(vm_client_capabilities_get_mask(capabilities),
                         VM_CLIENT_CAPABILITY_NON_PROTECTED_VM);
        ck_assert(vm_client_capabilities_has_hardware_speed(capabilities));
        g_object_get(capabilities, "report", &report, "speed-ratio", &ratio, NULL);
        ck_assert_str_eq(report, vm_client_capabilities_get_report(capabilities));
        ck_assert(ratio == 1.5);
        type = vm_client_capabilities_lookup(capabilities, "/kvm/types/0");
        ck_assert_int_eq(g_variant_get_int64(type), 7);
        whole = vm_client_capabilities_lookup(capabilities, "");
        ck_assert(g_variant_is_of_type(whole, G_VARIANT_TYPE_VARDICT));
        ck_assert_ptr_null(vm_client_capabilities_lookup(capabilities, "/kvm/types/1"));
        ck_assert_ptr_null(vm_client_capabilities_lookup(capabilities, "/kvm/types/x"));
        ck_assert_ptr_null(vm_client_capabilities_lookup(capabilities, "/kvm/types/0/x"));
        ck_assert_ptr_null(vm_client_capabilities_lookup(capabilities, "kvm"));
}
END_TEST

START_TEST(test_capabilities_of_json)
{
        g_autoptr(VmClientCapabilities) odd = NULL;
        g_autoptr(VmClientCapabilities) none = NULL;
        g_autoptr(GVariant) value = NULL;
        g_autoptr(GError) error = NULL;

        odd = client_capabilities_new(5, "{\"a/b\": {\"m~n\": 1}, \"kvm\": {\"speed_ratio\": 30}}",
                                      &error);
        value = vm_client_capabilities_lookup(odd, "/a~1b/m~0n");
        ck_assert_int_eq(g_variant_get_int64(value), 1);
        ck_assert(vm_client_capabilities_get_speed_ratio(odd) == 30);
        ck_assert(!vm_client_capabilities_has_hardware_speed(odd));
        ck_assert_int_eq(vm_client_capabilities_get_mask(odd), 5);
        none = client_capabilities_new(0, "{}", &error);
        ck_assert(vm_client_capabilities_get_speed_ratio(none) == 0);
        ck_assert_ptr_null(client_capabilities_new(0, "{", &error));
        harness_expect_error(&error, VM_CLIENT_ERROR_INFRASTRUCTURE, "report this bug");
}
END_TEST

START_TEST(test_validate)
{
        VmClientManager *manager = harness_open(0);
        g_autoptr(VmClientConfig) config =
                vm_client_config_new_from_json("{\"kernel\":\"/nonexistent\"}", NULL, NULL);
        g_autoptr(GAsyncResult) result = NULL;
        g_autoptr(GError) error = NULL;
        g_autofree char *sync = NULL;
        g_autofree char *async = NULL;
        g_autofree char *arguments = NULL;

        sync = vm_client_manager_validate_config_sync(manager, config, NULL, NULL, &error);
        ck_assert_str_eq(sync, "{\"memory_mib\":256}");
        arguments = mock_daemon_last_arguments(harness.mock, "ValidateConfig");
        ck_assert_str_eq(arguments, "('{\"kernel\":\"/nonexistent\"}', {})");
        mock_daemon_script(harness.mock, "ValidateConfig",
                           "error:org.vmservice1.Error.InvalidConfig:/kernel: cause: fix");
        vm_client_manager_validate_config_async(manager, config, NULL, NULL, harness_callback,
                                                &result);
        async = vm_client_manager_validate_config_finish(manager, harness_await(&result), &error);
        ck_assert_ptr_null(async);
        ck_assert_str_eq(error->message, "/kernel: cause: fix");
        harness_expect_error(&error, VM_CLIENT_ERROR_INVALID_CONFIG, "fix");
}
END_TEST

/* Flags and options become the a{sv}, files and consoles descriptors. */
START_TEST(test_create)
{
        VmClientManager *manager = harness_open(0);
        g_autoptr(VmClientConfig) config = vm_client_config_new();
        g_autoptr(VmClientOptions) options = vm_client_options_new();
        g_autoptr(VmClientMachine) machine = NULL;
        g_autoptr(VmClientMachine) same = NULL;
        g_autoptr(GPtrArray) machines = NULL;
        g_autoptr(GError) error = NULL;
        g_autofree char *arguments = NULL;
        int pair[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        ck_assert(vm_client_config_set_file_fd(config, "kernel", pair[0], NULL));
        ck_assert(vm_client_options_set_console(options, pair[1], TRUE, NULL));
        close(pair[0]);
        close(pair[1]);
        vm_client_options_set_value(options, "start", g_variant_new_string("the flag says it"));
        vm_client_options_set_value(options, "gone", g_variant_new_string("x"));
        vm_client_options_set_value(options, "gone", NULL);
        machine = vm_client_manager_create_machine_sync(manager, "one", config,
                                                        VM_CLIENT_CREATE_FLAGS_START |
                                                                VM_CLIENT_CREATE_FLAGS_TRANSIENT |
                                                                VM_CLIENT_CREATE_FLAGS_BOUND,
                                                        options, NULL, &error);
        ck_assert_msg(machine != NULL, "%s", error ? error->message : "");
        ck_assert_int_eq(mock_daemon_last_fds(harness.mock, "CreateMachine"), 2);
        arguments = mock_daemon_last_arguments(harness.mock, "CreateMachine");
        ck_assert(g_str_has_prefix(arguments,
                                   "('one', '{\"kernel\":\"fd:kernel\"}', {'fd:kernel': 0}, {"));
        ck_assert_ptr_nonnull(strstr(arguments, "'start': <true>"));
        ck_assert_ptr_nonnull(strstr(arguments, "'transient': <true>"));
        ck_assert_ptr_nonnull(strstr(arguments, "'lifetime': <'bound'>"));
        ck_assert_ptr_nonnull(strstr(arguments, "'console': <handle 1>"));
        ck_assert_ptr_nonnull(strstr(arguments, "'console_write': <true>"));
        ck_assert_ptr_null(strstr(arguments, "gone"));

        same = vm_client_manager_get_machine_sync(manager, "one", NULL, NULL, &error);
        ck_assert_ptr_eq(same, machine);
        machines = vm_client_manager_list_machines(manager);
        ck_assert_uint_eq(machines->len, 1);
        ck_assert_ptr_eq(machines->pdata[0], machine);
}
END_TEST

START_TEST(test_create_async)
{
        VmClientManager *manager = harness_open(0);
        g_autoptr(VmClientConfig) config = vm_client_config_new();
        g_autoptr(GAsyncResult) first = NULL;
        g_autoptr(GAsyncResult) second = NULL;
        g_autoptr(GAsyncResult) third = NULL;
        g_autoptr(VmClientMachine) made = NULL;
        g_autoptr(VmClientMachine) got = NULL;
        g_autoptr(VmClientMachine) again = NULL;
        g_autoptr(VmClientMachine) synchronously = NULL;
        gboolean created = FALSE;

        vm_client_manager_create_machine_async(manager, "one", config, 0, NULL, NULL,
                                               harness_callback, &first);
        made = vm_client_manager_create_machine_finish(manager, harness_await(&first), NULL);
        ck_assert_str_eq(vm_client_machine_get_name(made), "one");
        vm_client_manager_get_machine_async(manager, "one", NULL, NULL, harness_callback, &second);
        got = vm_client_manager_get_machine_finish(manager, harness_await(&second), NULL);
        ck_assert_ptr_eq(got, made);
        vm_client_manager_get_or_create_machine_async(manager, "two", config, 0, NULL, NULL,
                                                      harness_callback, &third);
        again = vm_client_manager_get_or_create_machine_finish(manager, harness_await(&third),
                                                               &created, NULL);
        ck_assert(created);
        ck_assert_ptr_ne(again, made);
        synchronously = vm_client_manager_get_or_create_machine_sync(manager, "two", config, 0,
                                                                     NULL, &created, NULL, NULL);
        ck_assert_ptr_eq(synchronously, again);
        ck_assert(!created);
}
END_TEST

START_TEST(test_create_fails)
{
        VmClientManager *manager = harness_open(0);
        g_autoptr(VmClientConfig) config = vm_client_config_new();
        g_autoptr(GAsyncResult) result = NULL;
        g_autoptr(GError) error = NULL;
        gboolean created = TRUE;

        mock_daemon_script(harness.mock, "CreateMachine",
                           "error:org.vmservice1.Error.MachineExists:there is one: delete it");
        ck_assert_ptr_null(vm_client_manager_create_machine_sync(manager, "one", config, 0, NULL,
                                                                 NULL, &error));
        ck_assert_str_eq(error->message, "there is one: delete it");
        harness_expect_error(&error, VM_CLIENT_ERROR_MACHINE_EXISTS, "delete it");
        mock_daemon_script(harness.mock, "GetOrCreateMachine",
                           "error:org.vmservice1.Error.QuotaExceeded:full: delete some");
        ck_assert_ptr_null(vm_client_manager_get_or_create_machine_sync(
                manager, "one", config, 0, NULL, &created, NULL, &error));
        ck_assert(!created);
        harness_expect_error(&error, VM_CLIENT_ERROR_QUOTA_EXCEEDED, "full");
        ck_assert_ptr_null(vm_client_manager_create_machine_sync(manager, "\xff", config, 0, NULL,
                                                                 NULL, &error));
        harness_expect_error(&error, VM_CLIENT_ERROR_INVALID_NAME, "UTF-8");
        vm_client_config_set_kernel(config, "/nonexistent");
        vm_client_manager_create_machine_async(manager, "one", config, 0, NULL, NULL,
                                               harness_callback, &result);
        ck_assert_ptr_null(
                vm_client_manager_create_machine_finish(manager, harness_await(&result), &error));
        harness_expect_error(&error, VM_CLIENT_ERROR_INVALID_FILE, "/nonexistent");
}
END_TEST

START_TEST(test_options_refuse)
{
        g_autoptr(VmClientOptions) options = vm_client_options_new();
        g_autoptr(GError) error = NULL;

        ck_assert(!vm_client_options_set_fd(options, "x", -1, &error));
        harness_expect_error(&error, VM_CLIENT_ERROR_INVALID_FILE, "option x");
        ck_assert(!vm_client_options_set_console(options, 9999, FALSE, &error));
        harness_expect_error(&error, VM_CLIENT_ERROR_INVALID_FILE, "option console");
}
END_TEST

static void on_machine(VmClientManager *manager G_GNUC_UNUSED, VmClientMachine *machine,
                       gpointer what)
{
        g_string_append_printf(harness.heard, "%s%s ", (char *)what,
                               vm_client_machine_get_name(machine));
        if (g_str_equal(what, "+"))
                harness_listen(g_object_ref(machine));
}

/* Who connects when a machine is added hears all of its first run, though it was over by then. */
START_TEST(test_added_and_removed)
{
        VmClientManager *manager = NULL;
        g_autoptr(GPtrArray) machines = NULL;
        VmClientMachine *two;

        mock_daemon_add(harness.mock, "one");
        manager = harness_open(0);
        g_signal_connect(manager, "machine-added", G_CALLBACK(on_machine), (gpointer) "+");
        g_signal_connect(manager, "machine-removed", G_CALLBACK(on_machine), (gpointer) "-");
        harness_run_idle();
        mock_daemon_add(harness.mock, "two");
        mock_daemon_begin_run(harness.mock, "two", "r1");
        mock_daemon_end_run(harness.mock, "two", "r1", "SHUTDOWN");
        mock_daemon_remove(harness.mock, "one");
        harness_expect_heard("+two r1:starting r1:running r1:S r1:F7 r1:stopping r1:stopped "
                             "r1:SHUTDOWN -one ");
        machines = vm_client_manager_list_machines(manager);
        ck_assert_uint_eq(machines->len, 1);
        two = machines->pdata[0];
        ck_assert_str_eq(vm_client_machine_get_name(two), "two");
        g_object_unref(two);
}
END_TEST

/* What nobody else may say is not believed. */
START_TEST(test_strangers_are_not_heard)
{
        VmClientManager *manager = NULL;
        g_autoptr(GDBusConnection) stranger = harness_connect();
        g_autoptr(VmClientMachine) machine = NULL;
        const char *me = g_dbus_connection_get_unique_name(harness.connection);

        mock_daemon_add(harness.mock, "one");
        manager = harness_open(0);
        machine = vm_client_manager_get_machine_sync(manager, "one", NULL, NULL, NULL);
        harness_listen(machine);
        g_dbus_connection_emit_signal(stranger, me, vm_client_machine_get_object_path(machine),
                                      CLIENT_MACHINE_INTERFACE, "Stopped",
                                      g_variant_new("(sss)", "r1", "CRASH", ""), NULL);
        g_dbus_connection_emit_signal(
                stranger, me, CLIENT_OBJECT_PATH, "org.freedesktop.DBus.ObjectManager",
                "InterfacesRemoved",
                g_variant_new_parsed("(%o, ['org.vmservice1.Machine'])",
                                     vm_client_machine_get_object_path(machine)),
                NULL);
        g_dbus_connection_emit_signal(stranger, me, "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                      "NameOwnerChanged",
                                      g_variant_new("(sss)", CLIENT_BUS_NAME, ":1.99", ""), NULL);
        ck_assert(g_dbus_connection_flush_sync(stranger, NULL, NULL));
        mock_daemon_begin_run(harness.mock, "one", "r1");
        harness_expect_heard("r1:starting r1:running r1:S ");
        ck_assert(!vm_client_machine_get_deleted(machine));
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_checked_fixture(tcase, harness_setup, harness_teardown);
        tcase_add_test(tcase, test_new_sync);
        tcase_add_test(tcase, test_new_async);
        tcase_add_test(tcase, test_new_on_session_bus);
        tcase_add_test(tcase, test_no_bus);
        tcase_add_test(tcase, test_no_daemon);
        tcase_add_test(tcase, test_no_permission);
        tcase_add_test(tcase, test_no_kvm);
        tcase_add_test(tcase, test_daemon_dies_while_manager_is_made);
        tcase_add_test(tcase, test_manager_that_was_not_initialised);
        tcase_add_test(tcase, test_closed_connection);
        tcase_add_test(tcase, test_capabilities);
        tcase_add_test(tcase, test_capabilities_of_json);
        tcase_add_test(tcase, test_validate);
        tcase_add_test(tcase, test_create);
        tcase_add_test(tcase, test_create_async);
        tcase_add_test(tcase, test_create_fails);
        tcase_add_test(tcase, test_options_refuse);
        tcase_add_test(tcase, test_added_and_removed);
        tcase_add_test(tcase, test_strangers_are_not_heard);
}

int main(void)
{
        return unit_run("client-manager", add_tests);
}
