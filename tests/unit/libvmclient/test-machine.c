/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-harness.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static VmClientMachine *one(void)
{
        g_autoptr(GError) error = NULL;
        VmClientMachine *machine;

        if (!harness.manager) {
                mock_daemon_add(harness.mock, "one");
                harness_open(0);
        }
        machine = vm_client_manager_get_machine_sync(harness.manager, "one", NULL, NULL, &error);
        ck_assert_msg(machine != NULL, "%s", error ? error->message : "");
        return machine;
}

START_TEST(test_properties)
{
        g_autoptr(VmClientMachine) machine = one();
        g_autofree char *name = NULL;
        g_autofree char *id = NULL;
        g_autofree char *config = NULL;
        g_autofree char *run_id = NULL;
        g_autofree char *detail = NULL;
        guint owner, pid;
        gboolean is_transient, is_bound, deleted;
        int state, payload_state, reason, exit_code;
        gint64 started_at, stopped_at;

        mock_daemon_set(harness.mock, "one",
                        "{'State': <'paused'>, 'PayloadState': <'ready'>, 'RunId': <'r1'>, "
                        "'StopReason': <'CRASH'>, 'StopDetail': <'why'>, 'PayloadExitCode': <3>, "
                        "'MonitorPid': <uint32 7>, 'StartedAt': <uint64 8>, 'StoppedAt': <uint64 "
                        "18446744073709551615>, 'Config': <'{\"a\":1}'>, 'Odd': <1>, 'Owner': "
                        "<'of a wrong type'>}",
                        TRUE);
        g_object_unref(
                vm_client_manager_get_machine_sync(harness.manager, "one", NULL, NULL, NULL));
        g_object_get(machine, "name", &name, "id", &id, "owner", &owner, "transient", &is_transient,
                     "bound", &is_bound, "config", &config, "state", &state, "payload-state",
                     &payload_state, "run-id", &run_id, "stop-reason", &reason, "stop-detail",
                     &detail, "payload-exit-code", &exit_code, "monitor-pid", &pid, "started-at",
                     &started_at, "stopped-at", &stopped_at, "deleted", &deleted, NULL);
        ck_assert_str_eq(name, "one");
        ck_assert_str_eq(id, "00000000000000000000000000000001");
        ck_assert_uint_eq(owner, getuid());
        ck_assert(!is_transient && !is_bound && !deleted);
        ck_assert_str_eq(config, "{\"a\":1}");
        ck_assert_int_eq(state, VM_CLIENT_MACHINE_STATE_PAUSED);
        ck_assert_int_eq(payload_state, VM_CLIENT_PAYLOAD_STATE_READY);
        ck_assert_str_eq(run_id, "r1");
        ck_assert_int_eq(reason, VM_CLIENT_STOP_REASON_CRASH);
        ck_assert_str_eq(detail, "why");
        ck_assert_int_eq(exit_code, 3);
        ck_assert_uint_eq(pid, 7);
        ck_assert_int_eq(started_at, 8);
        ck_assert_int_eq(stopped_at, G_MAXINT64);
        ck_assert_str_eq(vm_client_machine_get_id(machine), id);
        ck_assert(!vm_client_machine_get_transient(machine));
        ck_assert(!vm_client_machine_get_bound(machine));
}
END_TEST

static void on_notify(GObject *object G_GNUC_UNUSED, GParamSpec *pspec, gpointer data G_GNUC_UNUSED)
{
        g_string_append_printf(harness.heard, "%s ", pspec->name);
}

START_TEST(test_notify)
{
        g_autoptr(VmClientMachine) machine = one();

        g_signal_connect(machine, "notify", G_CALLBACK(on_notify), NULL);
        mock_daemon_set(harness.mock, "one", "{'State': <'starting'>, 'RunId': <'r1'>}", TRUE);
        harness_expect_heard("state run-id ");
        mock_daemon_set(harness.mock, "one", "{'State': <'starting'>, 'MonitorPid': <uint32 5>}",
                        TRUE);
        harness_expect_heard("monitor-pid ");
        mock_daemon_signal(harness.mock, "one", "StateChanged", "('r1', 'starting', 'running')");
        harness_expect_heard("state ");
        mock_daemon_remove(harness.mock, "one");
        harness_expect_heard("state stop-reason stop-detail monitor-pid deleted ");
}
END_TEST

static void begin_on_start(MockDaemon *mock, const char *method)
{
        if (g_str_equal(method, "Start"))
                mock_daemon_begin_run(mock, "one", "r1");
        if (g_str_equal(method, "Stop") || g_str_equal(method, "Kill"))
                mock_daemon_end_run(mock, "one", "r1", "SHUTDOWN");
        if (g_str_equal(method, "Delete"))
                mock_daemon_remove(mock, "one");
}

/* What the daemon said before its answer is known when the call returns; no main loop runs. */
START_TEST(test_run_without_main_loop)
{
        g_autoptr(VmClientMachine) machine = one();
        g_autoptr(GError) error = NULL;
        g_autofree char *run_id = NULL;
        g_autofree char *same = NULL;
        g_autofree char *detail = NULL;

        mock_daemon_on_call(harness.mock, begin_on_start);
        run_id = vm_client_machine_start_sync(machine, NULL, NULL, &error);
        ck_assert_str_eq(run_id, "r1");
        same = vm_client_machine_dup_run_id(machine);
        ck_assert_str_eq(same, "r1");
        ck_assert_int_eq(vm_client_machine_get_state(machine), VM_CLIENT_MACHINE_STATE_RUNNING);
        ck_assert_uint_eq(vm_client_machine_get_monitor_pid(machine), 42);
        ck_assert(vm_client_machine_stop_sync(machine, 5000000, NULL, NULL, &error));
        ck_assert_int_eq(vm_client_machine_get_state(machine), VM_CLIENT_MACHINE_STATE_STOPPED);
        ck_assert_int_eq(vm_client_machine_wait_stopped_sync(machine, NULL, &error),
                         VM_CLIENT_STOP_REASON_SHUTDOWN);
        detail = vm_client_machine_dup_stop_detail(machine);
        ck_assert_str_eq(detail, "It ended.");
        ck_assert_int_eq(vm_client_machine_get_payload_exit_code(machine), 7);
        ck_assert(vm_client_machine_delete_sync(machine, NULL, NULL, &error));
        ck_assert(vm_client_machine_get_deleted(machine));
        ck_assert_str_eq(vm_client_machine_get_name(machine), "one");
}
END_TEST

static void expect_arguments(const char *method, const char *expected)
{
        g_autofree char *arguments = mock_daemon_last_arguments(harness.mock, method);

        ck_assert_str_eq(arguments, expected);
}

START_TEST(test_calls_without_answer)
{
        g_autoptr(VmClientMachine) machine = one();
        g_autoptr(VmClientOptions) options = vm_client_options_new();
        g_autoptr(VmClientConfig) config = vm_client_config_new();
        g_autoptr(GError) error = NULL;

        vm_client_options_set_value(options, "x", g_variant_new_int32(1));
        ck_assert(vm_client_machine_stop_sync(machine, -1, options, NULL, &error));
        expect_arguments("Stop", "({'x': <1>},)");
        ck_assert(vm_client_machine_stop_sync(machine, 7, NULL, NULL, &error));
        expect_arguments("Stop", "({'deadline_usec': <uint64 7>},)");
        ck_assert(vm_client_machine_kill_sync(machine, options, NULL, &error));
        expect_arguments("Kill", "({'x': <1>},)");
        ck_assert(vm_client_machine_reboot_sync(machine, NULL, NULL, &error));
        expect_arguments("Reboot", "({},)");
        ck_assert(vm_client_machine_pause_sync(machine, NULL, NULL, &error));
        expect_arguments("Pause", "({},)");
        ck_assert(vm_client_machine_resume_sync(machine, NULL, NULL, &error));
        expect_arguments("Resume", "({},)");
        ck_assert(vm_client_config_set_file_fd(config, "kernel", 0, NULL));
        ck_assert(vm_client_machine_set_config_sync(machine, config, NULL, NULL, &error));
        expect_arguments("SetConfig", "('{\"kernel\":\"fd:kernel\"}', {'fd:kernel': 0}, {})");
        ck_assert_int_eq(mock_daemon_last_fds(harness.mock, "SetConfig"), 1);
}
END_TEST

typedef void (*SimpleAsync)(VmClientMachine *, VmClientOptions *, GCancellable *,
                            GAsyncReadyCallback, gpointer);
typedef gboolean (*SimpleFinish)(VmClientMachine *, GAsyncResult *, GError **);

static const struct {
        const char *method;
        SimpleAsync begin;
        SimpleFinish finish;
} simple_calls[] = {
        {"Kill", vm_client_machine_kill_async, vm_client_machine_kill_finish},
        {"Reboot", vm_client_machine_reboot_async, vm_client_machine_reboot_finish},
        {"Pause", vm_client_machine_pause_async, vm_client_machine_pause_finish},
        {"Resume", vm_client_machine_resume_async, vm_client_machine_resume_finish},
        {"Delete", vm_client_machine_delete_async, vm_client_machine_delete_finish},
};

START_TEST(test_simple_async)
{
        g_autoptr(VmClientMachine) machine = one();
        g_autoptr(GAsyncResult) good = NULL;
        g_autoptr(GAsyncResult) bad = NULL;
        g_autoptr(GError) error = NULL;

        simple_calls[_i].begin(machine, NULL, NULL, harness_callback, &good);
        ck_assert(simple_calls[_i].finish(machine, harness_await(&good), &error));
        ck_assert_uint_eq(mock_daemon_calls(harness.mock, simple_calls[_i].method), 1);
        mock_daemon_script(harness.mock, simple_calls[_i].method,
                           "error:org.vmservice1.Error.WrongState:it is not so: make it so");
        simple_calls[_i].begin(machine, NULL, NULL, harness_callback, &bad);
        ck_assert(!simple_calls[_i].finish(machine, harness_await(&bad), &error));
        harness_expect_error(&error, VM_CLIENT_ERROR_WRONG_STATE, "it is not so: make it so");
}
END_TEST

START_TEST(test_other_async)
{
        g_autoptr(VmClientMachine) machine = one();
        g_autoptr(VmClientConfig) config = vm_client_config_new();
        g_autoptr(GAsyncResult) start = NULL;
        g_autoptr(GAsyncResult) stop = NULL;
        g_autoptr(GAsyncResult) set = NULL;
        g_autoptr(GAsyncResult) refused = NULL;
        g_autoptr(GAsyncResult) stats = NULL;
        g_autoptr(GVariant) values = NULL;
        g_autoptr(GError) error = NULL;
        g_autofree char *run_id = NULL;

        mock_daemon_on_call(harness.mock, begin_on_start);
        vm_client_machine_start_async(machine, NULL, NULL, harness_callback, &start);
        run_id = vm_client_machine_start_finish(machine, harness_await(&start), &error);
        ck_assert_str_eq(run_id, "r1");
        vm_client_machine_get_stats_async(machine, NULL, NULL, harness_callback, &stats);
        values = vm_client_machine_get_stats_finish(machine, harness_await(&stats), &error);
        ck_assert(g_variant_is_of_type(values, G_VARIANT_TYPE_VARDICT));
        vm_client_machine_stop_async(machine, -1, NULL, NULL, harness_callback, &stop);
        ck_assert(vm_client_machine_stop_finish(machine, harness_await(&stop), &error));
        vm_client_machine_set_config_async(machine, config, NULL, NULL, harness_callback, &set);
        ck_assert(vm_client_machine_set_config_finish(machine, harness_await(&set), &error));
        vm_client_config_set_kernel(config, "/nonexistent");
        vm_client_machine_set_config_async(machine, config, NULL, NULL, harness_callback, &refused);
        ck_assert(!vm_client_machine_set_config_finish(machine, harness_await(&refused), &error));
        harness_expect_error(&error, VM_CLIENT_ERROR_INVALID_FILE, "/nonexistent");
        ck_assert_uint_eq(mock_daemon_calls(harness.mock, "SetConfig"), 1);
}
END_TEST

static void expect_hello(int fd)
{
        char text[16] = "";

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(read(fd, text, sizeof(text) - 1), 5);
        ck_assert_str_eq(text, "hello");
        ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        close(fd);
}

START_TEST(test_console_and_log)
{
        g_autoptr(VmClientMachine) machine = one();
        g_autoptr(GAsyncResult) console = NULL;
        g_autoptr(GAsyncResult) log = NULL;
        g_autoptr(GAsyncResult) refused = NULL;
        g_autoptr(GError) error = NULL;

        expect_hello(vm_client_machine_open_console_sync(machine, 0, NULL, NULL, &error));
        expect_arguments("OpenConsole", "({},)");
        expect_hello(vm_client_machine_open_log_sync(machine, 0, NULL, NULL, &error));
        vm_client_machine_open_console_async(machine, VM_CLIENT_CONSOLE_FLAGS_NO_SCROLLBACK, NULL,
                                             NULL, harness_callback, &console);
        expect_hello(
                vm_client_machine_open_console_finish(machine, harness_await(&console), &error));
        expect_arguments("OpenConsole", "({'scrollback': <false>},)");
        vm_client_machine_open_log_async(machine, VM_CLIENT_LOG_FLAGS_PREVIOUS, NULL, NULL,
                                         harness_callback, &log);
        expect_hello(vm_client_machine_open_log_finish(machine, harness_await(&log), &error));
        expect_arguments("OpenLog", "({'previous': <true>},)");
        mock_daemon_script(harness.mock, "OpenConsole",
                           "error:org.vmservice1.Error.WrongState:another writes: steal");
        vm_client_machine_open_console_async(
                machine, VM_CLIENT_CONSOLE_FLAGS_WRITE | VM_CLIENT_CONSOLE_FLAGS_STEAL, NULL, NULL,
                harness_callback, &refused);
        ck_assert_int_eq(
                vm_client_machine_open_console_finish(machine, harness_await(&refused), &error),
                -1);
        harness_expect_error(&error, VM_CLIENT_ERROR_WRONG_STATE, "another writes");
}
END_TEST

/* A descriptor that nobody fetches is closed: harness_teardown() counts them. */
START_TEST(test_console_not_fetched)
{
        g_autoptr(VmClientMachine) machine = one();
        g_autoptr(GAsyncResult) result = NULL;

        vm_client_machine_open_console_async(machine, 0, NULL, NULL, harness_callback, &result);
        harness_await(&result);
}
END_TEST

START_TEST(test_edit_config)
{
        g_autoptr(VmClientMachine) machine = one();
        g_autoptr(GError) error = NULL;
        g_autoptr(VmClientConfig) config = vm_client_machine_edit_config(machine, &error);

        /* The kernel "k" is nowhere to be found, and need not be. */
        vm_client_config_set_memory_mib(config, 128);
        ck_assert(vm_client_machine_set_config_sync(machine, config, NULL, NULL, &error));
        expect_arguments("SetConfig", "('{\"kernel\":\"k\",\"memory_mib\":128}', {}, {})");
}
END_TEST

static gpointer cancel_when_called(gpointer data)
{
        mock_daemon_await_calls(harness.mock, "Start", 1);
        g_cancellable_cancel(data);
        return NULL;
}

START_TEST(test_cancel_sync)
{
        g_autoptr(VmClientMachine) machine = one();
        g_autoptr(GCancellable) cancellable = g_cancellable_new();
        g_autoptr(GError) error = NULL;
        GThread *thread;

        mock_daemon_script(harness.mock, "Start", "hang");
        thread = g_thread_new("cancel", cancel_when_called, cancellable);
        ck_assert_ptr_null(vm_client_machine_start_sync(machine, NULL, cancellable, &error));
        ck_assert(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
        g_thread_join(thread);
        g_clear_error(&error);
        ck_assert_ptr_null(vm_client_machine_start_sync(machine, NULL, cancellable, &error));
        ck_assert(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
}
END_TEST

START_TEST(test_cancel_async)
{
        g_autoptr(VmClientMachine) machine = one();
        g_autoptr(GCancellable) cancellable = g_cancellable_new();
        g_autoptr(GAsyncResult) start = NULL;
        g_autoptr(GAsyncResult) wait = NULL;
        g_autoptr(GError) error = NULL;

        mock_daemon_script(harness.mock, "Start", "hang");
        mock_daemon_begin_run(harness.mock, "one", "r1");
        ck_assert(vm_client_machine_wait_state_sync(machine, VM_CLIENT_MACHINE_STATE_RUNNING, NULL,
                                                    &error));
        vm_client_machine_start_async(machine, NULL, cancellable, harness_callback, &start);
        vm_client_machine_wait_stopped_async(machine, cancellable, harness_callback, &wait);
        harness_run_idle();
        ck_assert_ptr_null(start);
        g_cancellable_cancel(cancellable);
        ck_assert_ptr_null(vm_client_machine_start_finish(machine, harness_await(&start), &error));
        ck_assert(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
        g_clear_error(&error);
        ck_assert_int_eq(
                vm_client_machine_wait_stopped_finish(machine, harness_await(&wait), &error),
                VM_CLIENT_STOP_REASON_NONE);
        ck_assert(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
        ck_assert_ptr_null(client_machine_hub(machine)->watches);
}
END_TEST

/* An object that a binding made by itself stands for no machine, and is no crash. */
START_TEST(test_machine_from_nowhere)
{
        g_autoptr(VmClientMachine) machine = g_object_new(VM_CLIENT_TYPE_MACHINE, NULL);
        g_autoptr(GError) error = NULL;

        ck_assert(!vm_client_machine_kill_sync(machine, NULL, NULL, &error));
        harness_expect_error(&error, VM_CLIENT_ERROR_NO_SUCH_MACHINE, "get one from");
}
END_TEST

/* There is one object for a machine, as long as somebody holds it; it holds the manager. */
START_TEST(test_identity)
{
        VmClientMachine *machine = one();
        VmClientMachine *same = one();
        g_autoptr(GPtrArray) machines = vm_client_manager_list_machines(harness.manager);
        VmClientManager *manager = harness.manager;

        ck_assert_ptr_eq(machine, same);
        ck_assert_ptr_eq(machine, machines->pdata[0]);
        g_ptr_array_set_size(machines, 0);
        g_object_unref(same);
        g_object_add_weak_pointer(G_OBJECT(manager), (gpointer *)&manager);
        g_clear_object(&harness.manager);
        ck_assert_ptr_nonnull(manager);
        mock_daemon_begin_run(harness.mock, "one", "r1");
        ck_assert(vm_client_machine_wait_state_sync(machine, VM_CLIENT_MACHINE_STATE_RUNNING, NULL,
                                                    NULL));
        g_object_unref(machine);
        harness_run_idle();
        ck_assert_ptr_null(manager);
}
END_TEST

START_TEST(test_list_order)
{
        g_autoptr(GPtrArray) machines = NULL;
        static const char *const expected[] = {"a", "b", "c", "z"};

        mock_daemon_add(harness.mock, "z");
        mock_daemon_add(harness.mock, "b");
        mock_daemon_add(harness.mock, "c");
        mock_daemon_add(harness.mock, "a");
        mock_daemon_set(harness.mock, "z", "{'Owner': <uint32 4294967295>}", FALSE);
        machines = vm_client_manager_list_machines(harness_open(0));
        ck_assert_uint_eq(machines->len, 4);
        for (guint i = 0; i < 4; i++)
                ck_assert_str_eq(vm_client_machine_get_name(machines->pdata[i]), expected[i]);
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_checked_fixture(tcase, harness_setup, harness_teardown);
        tcase_add_test(tcase, test_properties);
        tcase_add_test(tcase, test_notify);
        tcase_add_test(tcase, test_run_without_main_loop);
        tcase_add_test(tcase, test_calls_without_answer);
        tcase_add_loop_test(tcase, test_simple_async, 0, G_N_ELEMENTS(simple_calls));
        tcase_add_test(tcase, test_other_async);
        tcase_add_test(tcase, test_console_and_log);
        tcase_add_test(tcase, test_console_not_fetched);
        tcase_add_test(tcase, test_edit_config);
        tcase_add_test(tcase, test_cancel_sync);
        tcase_add_test(tcase, test_cancel_async);
        tcase_add_test(tcase, test_machine_from_nowhere);
        tcase_add_test(tcase, test_identity);
        tcase_add_test(tcase, test_list_order);
}

int main(void)
{
        return unit_run("client-machine", add_tests);
}
