/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many threads use one manager, while its daemon dies and returns; sanitizers watch. */
#include "client-harness.h"

#include <stdio.h>

#include "tests/unit/unit.h"

#define N_THREADS 4
#define N_ROUNDS  60

typedef struct Worker {
        GThread *thread;
        int number;
        guint failures; /* other than those that a death explains */
} Worker;

static gint finished; /* threads; atomic */

static void expect_explained(Worker *worker, GError **error)
{
        if (!*error)
                return;
        if (!g_error_matches(*error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_SERVICE_LOST) &&
            !g_error_matches(*error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_SERVICE_UNAVAILABLE)) {
                fprintf(stderr, "thread %d: %s\n", worker->number, (*error)->message);
                worker->failures++;
        }
        g_clear_error(error);
}

static void one_round(Worker *worker, const char *name)
{
        g_autoptr(VmClientConfig) config = vm_client_config_new();
        g_autoptr(VmClientMachine) machine = NULL;
        g_autoptr(GPtrArray) machines = NULL;
        g_autoptr(GError) error = NULL;
        g_autofree char *run_id = NULL;

        machine = vm_client_manager_get_or_create_machine_sync(harness.manager, name, config, 0,
                                                               NULL, NULL, NULL, &error);
        expect_explained(worker, &error);
        if (!machine)
                return;
        machines = vm_client_manager_list_machines(harness.manager);
        for (guint i = 0; i < machines->len; i++) {
                g_free(vm_client_machine_dup_run_id(machines->pdata[i]));
                vm_client_machine_get_state(machines->pdata[i]);
        }
        run_id = vm_client_machine_start_sync(machine, NULL, NULL, &error);
        expect_explained(worker, &error);
        if (run_id && vm_client_machine_kill_sync(machine, NULL, NULL, &error))
                vm_client_machine_wait_stopped_sync(machine, NULL, &error);
        expect_explained(worker, &error);
}

static gpointer work(gpointer data)
{
        Worker *worker = data;
        g_autofree char *name = g_strdup_printf("shared-%d", worker->number % 2);

        for (int i = 0; i < N_ROUNDS; i++)
                one_round(worker, name);
        g_atomic_int_inc(&finished);
        return NULL;
}

/* Two threads share a machine, so a run may be ended by either; each call makes a run of its own.
 */
static void run_briefly(MockDaemon *mock, const char *method)
{
        static guint last;

        if (g_str_equal(method, "Start")) {
                for (int i = 0; i < 2; i++) {
                        g_autofree char *name = g_strdup_printf("shared-%d", i);
                        g_autofree char *run_id = g_strdup_printf("r%u", ++last);

                        if (!mock_daemon_has(mock, name))
                                continue;
                        mock_daemon_begin_run(mock, name, run_id);
                        mock_daemon_end_run(mock, name, run_id, "KILLED");
                }
        }
}

static gboolean all_finished(gpointer data G_GNUC_UNUSED)
{
        return g_atomic_int_get(&finished) == N_THREADS;
}

static gboolean kill_daemon(gpointer data G_GNUC_UNUSED)
{
        mock_daemon_vanish(harness.mock);
        mock_daemon_appear(harness.mock);
        return G_SOURCE_CONTINUE;
}

static void on_added(VmClientManager *manager G_GNUC_UNUSED, VmClientMachine *machine,
                     gpointer data G_GNUC_UNUSED)
{
        harness_listen(machine);
}

static void run_threads(guint deaths_every_ms)
{
        Worker workers[N_THREADS] = {0};
        guint id = 0;

        harness_open(0);
        g_signal_connect(harness.manager, "machine-added", G_CALLBACK(on_added), NULL);
        mock_daemon_on_call(harness.mock, run_briefly);
        for (int i = 0; i < N_THREADS; i++) {
                workers[i].number = i;
                workers[i].thread = g_thread_new("worker", work, &workers[i]);
        }
        if (deaths_every_ms)
                id = g_timeout_add(deaths_every_ms, kill_daemon, NULL);
        harness_run_until(all_finished, NULL);
        if (id)
                g_source_remove(id);
        for (int i = 0; i < N_THREADS; i++) {
                g_thread_join(workers[i].thread);
                ck_assert_uint_eq(workers[i].failures, 0);
        }
        harness_run_idle();
        ck_assert_ptr_null(client_manager_hub(harness.manager, NULL)->watches);
}

START_TEST(test_threads)
{
        run_threads(0);
}
END_TEST

START_TEST(test_threads_and_deaths)
{
        run_threads(15);
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_checked_fixture(tcase, harness_setup, harness_teardown);
        tcase_add_test(tcase, test_threads);
        tcase_add_test(tcase, test_threads_and_deaths);
}

int main(void)
{
        return unit_run("client-threads", add_tests);
}
