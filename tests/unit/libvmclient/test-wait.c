/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waits, and what is told once, over the daemon's death and return. */
#include "client-harness.h"

#include <signal.h>
#include <string.h>

#include "tests/unit/unit.h"

static VmClientMachine *machine;

static void setup(void)
{
        harness_setup();
        mock_daemon_add(harness.mock, "one");
        harness_open(0);
        machine = vm_client_manager_get_machine_sync(harness.manager, "one", NULL, NULL, NULL);
        ck_assert_ptr_nonnull(machine);
        harness_listen(machine);
}

static void teardown(void)
{
        g_clear_object(&machine);
        harness_teardown();
}

static gboolean is_running(gpointer running)
{
        return vm_client_manager_get_daemon_running(harness.manager) == GPOINTER_TO_INT(running);
}

static gboolean is_ready(gpointer data G_GNUC_UNUSED)
{
        ClientHub *hub = client_manager_hub(harness.manager, NULL);
        gboolean ready;

        client_hub_lock(hub);
        ready = hub->sync == CLIENT_SYNC_READY;
        client_hub_unlock(hub);
        return ready;
}

static void leave(void)
{
        mock_daemon_vanish(harness.mock);
        harness_run_until(is_running, GINT_TO_POINTER(FALSE));
}

static void come_back(void)
{
        mock_daemon_appear(harness.mock);
        harness_run_until(is_ready, NULL);
}

/* A wait in a thread of its own, begun before the test goes on. */
typedef struct Waiter {
        GThread *thread;
        int wanted; /* payload state; 0: the end */
        VmClientStopReason reason;
        GError *error;
} Waiter;

static gpointer wait_thread(gpointer data)
{
        Waiter *waiter = data;

        if (waiter->wanted)
                vm_client_machine_wait_payload_sync(machine, (VmClientPayloadState)waiter->wanted,
                                                    NULL, &waiter->error);
        else
                waiter->reason = vm_client_machine_wait_stopped_sync(machine, NULL, &waiter->error);
        return NULL;
}

static gboolean somebody_waits(gpointer data G_GNUC_UNUSED)
{
        ClientHub *hub = client_machine_hub(machine);
        gboolean waits;

        client_hub_lock(hub);
        waits = hub->watches != NULL;
        client_hub_unlock(hub);
        return waits;
}

static void begin_wait(Waiter *waiter)
{
        waiter->thread = g_thread_new("wait", wait_thread, waiter);
        harness_run_until(somebody_waits, NULL);
}

static void expect_end(Waiter *waiter, VmClientStopReason reason)
{
        g_thread_join(waiter->thread);
        ck_assert_msg(waiter->error == NULL, "%s", waiter->error ? waiter->error->message : "");
        ck_assert_int_eq(waiter->reason, reason);
}

static void begin_run(const char *run_id)
{
        mock_daemon_begin_run(harness.mock, "one", run_id);
        ck_assert(vm_client_machine_wait_state_sync(machine, VM_CLIENT_MACHINE_STATE_RUNNING, NULL,
                                                    NULL));
}

START_TEST(test_wait_then_end)
{
        Waiter waiter = {0};

        begin_run("r1");
        begin_wait(&waiter);
        mock_daemon_end_run(harness.mock, "one", "r1", "GUEST_PANIC");
        expect_end(&waiter, VM_CLIENT_STOP_REASON_GUEST_PANIC);
        harness_expect_heard("r1:starting r1:running r1:S r1:F7 r1:stopping r1:stopped "
                             "r1:GUEST_PANIC ");
}
END_TEST

START_TEST(test_wait_async)
{
        g_autoptr(GAsyncResult) stopped = NULL;
        g_autoptr(GAsyncResult) ready = NULL;
        g_autoptr(GAsyncResult) paused = NULL;
        g_autoptr(GError) error = NULL;

        begin_run("r1");
        vm_client_machine_wait_stopped_async(machine, NULL, harness_callback, &stopped);
        vm_client_machine_wait_payload_async(machine, VM_CLIENT_PAYLOAD_STATE_READY, NULL,
                                             harness_callback, &ready);
        vm_client_machine_wait_state_async(machine, VM_CLIENT_MACHINE_STATE_PAUSED, NULL,
                                           harness_callback, &paused);
        mock_daemon_signal(harness.mock, "one", "PayloadReady", "('r1',)");
        mock_daemon_signal(harness.mock, "one", "StateChanged", "('r1', 'running', 'paused')");
        mock_daemon_signal(harness.mock, "one", "StateChanged", "('r1', 'paused', 'running')");
        ck_assert(vm_client_machine_wait_payload_finish(machine, harness_await(&ready), &error));
        ck_assert(vm_client_machine_wait_state_finish(machine, harness_await(&paused), &error));
        mock_daemon_end_run(harness.mock, "one", "r1", "REBOOT");
        ck_assert_int_eq(
                vm_client_machine_wait_stopped_finish(machine, harness_await(&stopped), &error),
                VM_CLIENT_STOP_REASON_REBOOT);
        ck_assert_str_eq(
                vm_client_stop_reason_to_string(vm_client_machine_get_stop_reason(machine)),
                "REBOOT");
}
END_TEST

START_TEST(test_wait_at_once)
{
        g_autoptr(GError) error = NULL;

        ck_assert_int_eq(vm_client_machine_wait_stopped_sync(machine, NULL, &error),
                         VM_CLIENT_STOP_REASON_NONE);
        harness_expect_error(&error, VM_CLIENT_ERROR_WRONG_STATE, "never been run");
        ck_assert(!vm_client_machine_wait_payload_sync(machine, VM_CLIENT_PAYLOAD_STATE_READY, NULL,
                                                       &error));
        harness_expect_error(&error, VM_CLIENT_ERROR_WRONG_STATE, "never been run");
        ck_assert(vm_client_machine_wait_state_sync(machine, VM_CLIENT_MACHINE_STATE_STOPPED, NULL,
                                                    &error));
        begin_run("r1");
        mock_daemon_end_run(harness.mock, "one", "r1", "CRASH");
        ck_assert_int_eq(vm_client_machine_wait_stopped_sync(machine, NULL, &error),
                         VM_CLIENT_STOP_REASON_CRASH);
        ck_assert_int_eq(vm_client_machine_wait_stopped_sync(machine, NULL, &error),
                         VM_CLIENT_STOP_REASON_CRASH);
}
END_TEST

START_TEST(test_payload_that_never_gets_there)
{
        Waiter waiter = {.wanted = VM_CLIENT_PAYLOAD_STATE_READY};
        Waiter finished = {.wanted = VM_CLIENT_PAYLOAD_STATE_FINISHED};

        begin_run("r1");
        begin_wait(&waiter);
        mock_daemon_signal(harness.mock, "one", "Stopped", "('r1', 'TRIPLE_FAULT', 'x')");
        g_thread_join(waiter.thread);
        harness_expect_error(&waiter.error, VM_CLIENT_ERROR_WRONG_STATE,
                             "ended (TRIPLE_FAULT) before its payload was ready; reached: started");
        ck_assert_int_eq(vm_client_machine_get_state(machine), VM_CLIENT_MACHINE_STATE_STOPPED);
        begin_run("r2");
        begin_wait(&finished);
        mock_daemon_signal(harness.mock, "one", "PayloadFinished", "('r2', 0)");
        g_thread_join(finished.thread);
        ck_assert_ptr_null(finished.error);
}
END_TEST

START_TEST(test_machine_removed_while_waited_for)
{
        g_autoptr(GAsyncResult) paused = NULL;
        g_autoptr(GError) error = NULL;
        Waiter waiter = {0};

        begin_run("r1");
        begin_wait(&waiter);
        vm_client_machine_wait_state_async(machine, VM_CLIENT_MACHINE_STATE_PAUSED, NULL,
                                           harness_callback, &paused);
        mock_daemon_remove(harness.mock, "one");
        expect_end(&waiter, VM_CLIENT_STOP_REASON_UNKNOWN);
        ck_assert(!vm_client_machine_wait_state_finish(machine, harness_await(&paused), &error));
        harness_expect_error(&error, VM_CLIENT_ERROR_NO_SUCH_MACHINE, "deleted before it was");
        harness_expect_heard("r1:starting r1:running r1:S r1:stopped r1:UNKNOWN ");
}
END_TEST

/* The wait is for the run that Start named, though its first signal comes after the answer. */
static gpointer begin_late(gpointer data G_GNUC_UNUSED)
{
        mock_daemon_begin_run(harness.mock, "one", "r2");
        mock_daemon_end_run(harness.mock, "one", "r2", "KILLED");
        return NULL;
}

START_TEST(test_start_answers_ahead_of_signals)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *run_id = NULL;
        GThread *thread;
        Waiter waiter = {0};

        begin_run("r1");
        mock_daemon_end_run(harness.mock, "one", "r1", "SHUTDOWN");
        mock_daemon_set(harness.mock, "one", "{'RunId': <'r2'>}", FALSE);
        run_id = vm_client_machine_start_sync(machine, NULL, NULL, &error);
        ck_assert_str_eq(run_id, "r2");
        begin_wait(&waiter);
        thread = g_thread_new("late", begin_late, NULL);
        expect_end(&waiter, VM_CLIENT_STOP_REASON_KILLED);
        g_thread_join(thread);
        ck_assert_ptr_null(client_machine_record(machine)->expected_run);
}
END_TEST

/* The answer is handled when a later run is there already: no wait may hang on it. */
START_TEST(test_run_that_was_overtaken)
{
        g_autoptr(GError) error = NULL;
        Waiter waiter = {0};

        begin_run("r1");
        mock_daemon_end_run(harness.mock, "one", "r1", "SHUTDOWN");
        ck_assert_int_eq(vm_client_machine_wait_stopped_sync(machine, NULL, &error),
                         VM_CLIENT_STOP_REASON_SHUTDOWN);
        client_hub_expect_run(client_machine_hub(machine), client_machine_record(machine), "r0");
        begin_wait(&waiter);
        mock_daemon_begin_run(harness.mock, "one", "r2");
        expect_end(&waiter, VM_CLIENT_STOP_REASON_UNKNOWN);
}
END_TEST

/* A transient machine that has come, run and gone before CreateMachine is answered. */
static void run_through(MockDaemon *mock, const char *method)
{
        if (!g_str_equal(method, "CreateMachine"))
                return;
        mock_daemon_add(mock, "brief");
        mock_daemon_begin_run(mock, "brief", "b1");
        mock_daemon_end_run(mock, "brief", "b1", "GUEST_PANIC");
        mock_daemon_answer_next(mock, "brief");
        mock_daemon_remove(mock, "brief");
}

START_TEST(test_gone_before_the_answer)
{
        g_autoptr(VmClientConfig) config = vm_client_config_new();
        g_autoptr(VmClientMachine) sync = NULL;
        g_autoptr(VmClientMachine) async = NULL;
        g_autoptr(GAsyncResult) result = NULL;
        g_autoptr(GPtrArray) machines = NULL;
        ClientHub *hub = client_machine_hub(machine);

        mock_daemon_on_call(harness.mock, run_through);
        sync = vm_client_manager_create_machine_sync(harness.manager, "brief", config, 0, NULL,
                                                     NULL, NULL);
        ck_assert(vm_client_machine_get_deleted(sync));
        ck_assert_int_eq(vm_client_machine_wait_stopped_sync(sync, NULL, NULL),
                         VM_CLIENT_STOP_REASON_GUEST_PANIC);
        vm_client_manager_create_machine_async(harness.manager, "brief", config, 0, NULL, NULL,
                                               harness_callback, &result);
        async = vm_client_manager_create_machine_finish(harness.manager, harness_await(&result),
                                                        NULL);
        ck_assert_ptr_ne(async, sync);
        ck_assert_int_eq(vm_client_machine_wait_stopped_sync(async, NULL, NULL),
                         VM_CLIENT_STOP_REASON_GUEST_PANIC);
        machines = vm_client_manager_list_machines(harness.manager);
        ck_assert_uint_eq(machines->len, 1);

        /* What is gone is forgotten with the last object that stands for it. */
        g_clear_object(&sync);
        g_clear_object(&async);
        g_clear_object(&result);
        harness_run_idle();
        client_hub_lock(hub);
        ck_assert_uint_eq(g_hash_table_size(hub->records), 1);
        client_hub_unlock(hub);
}
END_TEST

START_TEST(test_end_missed_while_away)
{
        Waiter waiter = {0};

        begin_run("r1");
        begin_wait(&waiter);
        leave();
        mock_daemon_set(harness.mock, "one",
                        "{'State': <'stopped'>, 'StopReason': <'CRASH'>, 'StopDetail': <'!'>, "
                        "'PayloadState': <'finished'>, 'PayloadExitCode': <1>}",
                        FALSE);
        come_back();
        expect_end(&waiter, VM_CLIENT_STOP_REASON_CRASH);
        harness_expect_heard("r1:starting r1:running r1:S r1:F1 r1:stopped r1:CRASH ");
        ck_assert_uint_eq(mock_daemon_subscribers(harness.mock), 1);
}
END_TEST

START_TEST(test_nothing_missed_while_away)
{
        begin_run("r1");
        for (int i = 0; i < 5; i++) {
                leave();
                come_back();
        }
        mock_daemon_end_run(harness.mock, "one", "r1", "SHUTDOWN");
        leave();
        come_back();
        harness_expect_heard("r1:starting r1:running r1:S r1:F7 r1:stopping r1:stopped "
                             "r1:SHUTDOWN ");
        ck_assert_int_eq(vm_client_machine_wait_stopped_sync(machine, NULL, NULL),
                         VM_CLIENT_STOP_REASON_SHUTDOWN);
}
END_TEST

START_TEST(test_added_and_removed_while_away)
{
        g_autoptr(GPtrArray) machines = NULL;

        leave();
        mock_daemon_remove(harness.mock, "one");
        mock_daemon_add(harness.mock, "two");
        ck_assert(!vm_client_machine_get_deleted(machine));
        come_back();
        ck_assert(vm_client_machine_get_deleted(machine));
        machines = vm_client_manager_list_machines(harness.manager);
        ck_assert_uint_eq(machines->len, 1);
        ck_assert_str_eq(vm_client_machine_get_name(machines->pdata[0]), "two");
}
END_TEST

static void on_daemon_notify(VmClientManager *manager, GParamSpec *pspec,
                             gpointer data G_GNUC_UNUSED)
{
        g_string_append_printf(harness.heard, "%s=%d ", pspec->name,
                               vm_client_manager_get_daemon_running(manager));
}

START_TEST(test_daemon_running)
{
        g_signal_connect(harness.manager, "notify", G_CALLBACK(on_daemon_notify), NULL);
        harness_run_idle();
        leave();
        harness_expect_heard("daemon-running=0 ");
        come_back();
        harness_expect_heard("daemon-running=1 ");
}
END_TEST

START_TEST(test_daemon_dies_in_a_call)
{
        g_autoptr(GAsyncResult) result = NULL;
        g_autoptr(GError) error = NULL;

        mock_daemon_script(harness.mock, "Pause", "vanish");
        ck_assert(!vm_client_machine_pause_sync(machine, NULL, NULL, &error));
        harness_expect_error(&error, VM_CLIENT_ERROR_SERVICE_LOST,
                             "whether it took effect is unknown");
        come_back();
        mock_daemon_script(harness.mock, "Pause", "vanish");
        vm_client_machine_pause_async(machine, NULL, NULL, harness_callback, &result);
        ck_assert(!vm_client_machine_pause_finish(machine, harness_await(&result), &error));
        harness_expect_error(&error, VM_CLIENT_ERROR_SERVICE_LOST,
                             "whether it took effect is unknown");
        ck_assert(!vm_client_machine_pause_sync(machine, NULL, NULL, &error));
        harness_expect_error(&error, VM_CLIENT_ERROR_SERVICE_UNAVAILABLE, "is not running");
}
END_TEST

static void delete_when_asked(MockDaemon *mock, const char *method)
{
        if (g_str_equal(method, "Delete"))
                mock_daemon_remove(mock, "brief");
}

/* What a call did is known when it returns, though the daemon answered before it knew of us. */
START_TEST(test_call_to_a_daemon_just_back)
{
        mock_daemon_on_call(harness.mock, delete_when_asked);
        for (int i = 0; i < 40; i++) {
                g_autoptr(VmClientMachine) brief = NULL;
                g_autoptr(GAsyncResult) result = NULL;
                g_autoptr(GError) error = NULL;

                mock_daemon_add(harness.mock, "brief");
                brief = vm_client_manager_get_machine_sync(harness.manager, "brief", NULL, NULL,
                                                           &error);
                ck_assert_ptr_nonnull(brief);
                mock_daemon_vanish(harness.mock);
                mock_daemon_appear(harness.mock);
                if (i % 2) {
                        vm_client_machine_delete_async(brief, NULL, NULL, harness_callback,
                                                       &result);
                        ck_assert(vm_client_machine_delete_finish(brief, harness_await(&result),
                                                                  &error));
                } else {
                        ck_assert(vm_client_machine_delete_sync(brief, NULL, NULL, &error));
                }
                ck_assert(vm_client_machine_get_deleted(brief));
        }
}
END_TEST

/* The daemon does not come back: a wait ends, with the cause, and does not hang. */
START_TEST(test_lost_for_good)
{
        g_autoptr(GAsyncResult) result = NULL;
        g_autoptr(GError) error = NULL;
        Waiter waiter = {0};

        client_machine_hub(machine)->grace_usec = G_USEC_PER_SEC / 5;
        begin_run("r1");
        begin_wait(&waiter);
        leave();
        g_thread_join(waiter.thread);
        harness_expect_error(&waiter.error, VM_CLIENT_ERROR_SERVICE_LOST, "did not come back");
        /* And one that is begun while it is away. */
        vm_client_machine_wait_stopped_async(machine, NULL, harness_callback, &result);
        ck_assert_int_eq(
                vm_client_machine_wait_stopped_finish(machine, harness_await(&result), &error),
                VM_CLIENT_STOP_REASON_NONE);
        harness_expect_error(&error, VM_CLIENT_ERROR_SERVICE_LOST, "did not come back");
}
END_TEST

/* It comes back and does not let us in: the wait says so at once, and the next one asks anew. */
START_TEST(test_comes_back_and_refuses)
{
        Waiter waiter = {0};
        Waiter next = {0};

        begin_run("r1");
        begin_wait(&waiter);
        leave();
        mock_daemon_script(harness.mock, "GetManagedObjects",
                           "error:org.vmservice1.Error.NotAuthorized:not you: ask");
        mock_daemon_appear(harness.mock);
        g_thread_join(waiter.thread);
        ck_assert_str_eq(waiter.error->message, "not you: ask");
        harness_expect_error(&waiter.error, VM_CLIENT_ERROR_NOT_AUTHORIZED, "not you");
        begin_wait(&next);
        harness_run_until(is_ready, NULL);
        mock_daemon_end_run(harness.mock, "one", "r1", "SHUTDOWN");
        expect_end(&next, VM_CLIENT_STOP_REASON_SHUTDOWN);
}
END_TEST

START_TEST(test_bus_dies)
{
        g_autoptr(GAsyncResult) result = NULL;
        g_autoptr(GError) error = NULL;
        Waiter waiter = {0};

        begin_run("r1");
        begin_wait(&waiter);
        vm_client_machine_wait_stopped_async(machine, NULL, harness_callback, &result);
        g_dbus_connection_set_exit_on_close(harness.connection, FALSE);
        mock_daemon_vanish(harness.mock);
        g_test_dbus_stop(harness.bus);
        g_thread_join(waiter.thread);
        harness_expect_error(&waiter.error, VM_CLIENT_ERROR_SERVICE_LOST,
                             "the connection to the bus was lost");
        ck_assert_int_eq(
                vm_client_machine_wait_stopped_finish(machine, harness_await(&result), &error),
                VM_CLIENT_STOP_REASON_NONE);
        harness_expect_error(&error, VM_CLIENT_ERROR_SERVICE_LOST, "new VmClientManager");
        ck_assert(!vm_client_machine_kill_sync(machine, NULL, NULL, &error));
        harness_expect_error(&error, VM_CLIENT_ERROR_SERVICE_LOST, "new VmClientManager");
        ck_assert_int_eq(vm_client_machine_wait_stopped_sync(machine, NULL, &error),
                         VM_CLIENT_STOP_REASON_NONE);
        harness_expect_error(&error, VM_CLIENT_ERROR_SERVICE_LOST, "new VmClientManager");
}
END_TEST

static gboolean knows_run(gpointer run_id)
{
        g_autofree char *known = vm_client_machine_dup_run_id(machine);

        return g_str_equal(known, run_id) && is_ready(NULL);
}

/* Runs at random, with the daemon dying at random: of each run one end, in order. */
START_TEST(test_deaths_at_random)
{
        g_autoptr(GRand) rand = g_rand_new_with_seed(7);
        g_autoptr(GString) ends = g_string_new(NULL);
        g_auto(GStrv) words = NULL;

        for (int run = 0; run < 40; run++) {
                g_autofree char *id = g_strdup_printf("r%d", run);

                mock_daemon_begin_run(harness.mock, "one", id);
                if (g_rand_int_range(rand, 0, 2)) {
                        mock_daemon_vanish(harness.mock);
                        mock_daemon_appear(harness.mock);
                }
                /* Said to the old subscribers, to the new ones, or to nobody yet. */
                mock_daemon_end_run(harness.mock, "one", id, "SHUTDOWN");
                if (g_rand_int_range(rand, 0, 2)) {
                        mock_daemon_vanish(harness.mock);
                        mock_daemon_appear(harness.mock);
                }
                /* A run that is over and replaced before it was heard of could not be told. */
                harness_run_until(knows_run, id);
                ck_assert_int_eq(vm_client_machine_wait_stopped_sync(machine, NULL, NULL),
                                 VM_CLIENT_STOP_REASON_SHUTDOWN);
                g_string_append_printf(ends, "%s:SHUTDOWN ", id);
        }
        harness_run_idle();
        words = g_strsplit(harness.heard->str, " ", -1);
        g_string_truncate(harness.heard, 0);
        for (char **word = words; *word; word++)
                if (g_str_has_suffix(*word, ":SHUTDOWN"))
                        g_string_append_printf(harness.heard, "%s ", *word);
        ck_assert_str_eq(harness.heard->str, ends->str);
}
END_TEST

/* A program that never runs its main context does not grow without end. */
START_TEST(test_nobody_listens)
{
        ClientHub *hub = client_machine_hub(machine);

        for (guint i = 0; i < CLIENT_MAX_NEWS; i++) {
                mock_daemon_signal(harness.mock, "one", "StateChanged", "('r1', '', 'running')");
                mock_daemon_signal(harness.mock, "one", "StateChanged", "('r1', '', 'paused')");
        }
        g_object_unref(
                vm_client_manager_get_machine_sync(harness.manager, "one", NULL, NULL, NULL));
        client_hub_lock(hub);
        ck_assert_uint_eq(hub->n_news, CLIENT_MAX_NEWS);
        client_hub_unlock(hub);
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, test_wait_then_end);
        tcase_add_test(tcase, test_wait_async);
        tcase_add_test(tcase, test_wait_at_once);
        tcase_add_test(tcase, test_payload_that_never_gets_there);
        tcase_add_test(tcase, test_machine_removed_while_waited_for);
        tcase_add_test(tcase, test_start_answers_ahead_of_signals);
        tcase_add_test(tcase, test_run_that_was_overtaken);
        tcase_add_test(tcase, test_gone_before_the_answer);
        tcase_add_test(tcase, test_end_missed_while_away);
        tcase_add_test(tcase, test_nothing_missed_while_away);
        tcase_add_test(tcase, test_added_and_removed_while_away);
        tcase_add_test(tcase, test_daemon_running);
        tcase_add_test(tcase, test_daemon_dies_in_a_call);
        tcase_add_test(tcase, test_call_to_a_daemon_just_back);
        tcase_add_test(tcase, test_lost_for_good);
        tcase_add_test(tcase, test_comes_back_and_refuses);
        tcase_add_test(tcase, test_bus_dies);
        tcase_add_test(tcase, test_deaths_at_random);
        tcase_add_test(tcase, test_nobody_listens);
}

int main(void)
{
        return unit_run("client-wait", add_tests);
}
