/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tells what the user's virtual machines do, until it is interrupted: watch-vms [--system]
 *
 * An example of signals and the asynchronous calls. It may be left running while the daemon is
 * restarted: what happened meanwhile is told when the daemon is back.
 */

#include <glib-unix.h>
#include <stdio.h>
#include <vmclient.h>

typedef struct Watch {
        GMainLoop *loop;
        VmClientManager *manager;
        GPtrArray *machines; /* held, so that they go on telling */
        int status;
} Watch;

static void on_state_changed(VmClientMachine *machine, const char *run_id,
                             VmClientMachineState old_state G_GNUC_UNUSED,
                             VmClientMachineState new_state, gpointer data G_GNUC_UNUSED)
{
        printf("%s %s is %s\n", vm_client_machine_get_name(machine), run_id,
               vm_client_machine_state_to_string(new_state));
        fflush(stdout);
}

static void on_payload_finished(VmClientMachine *machine, const char *run_id, int exit_code,
                                gpointer data G_GNUC_UNUSED)
{
        printf("%s %s payload finished: %d\n", vm_client_machine_get_name(machine), run_id,
               exit_code);
        fflush(stdout);
}

static void on_stopped(VmClientMachine *machine, const char *run_id, VmClientStopReason reason,
                       const char *detail, gpointer data G_GNUC_UNUSED)
{
        printf("%s %s ended: %s %s\n", vm_client_machine_get_name(machine), run_id,
               vm_client_stop_reason_to_string(reason), detail);
        fflush(stdout);
}

static void watch_machine(Watch *watch, VmClientMachine *machine)
{
        g_signal_connect(machine, "state-changed", G_CALLBACK(on_state_changed), NULL);
        g_signal_connect(machine, "payload-finished", G_CALLBACK(on_payload_finished), NULL);
        g_signal_connect(machine, "stopped", G_CALLBACK(on_stopped), NULL);
        g_ptr_array_add(watch->machines, g_object_ref(machine));
}

static void on_added(VmClientManager *manager G_GNUC_UNUSED, VmClientMachine *machine,
                     gpointer data)
{
        printf("%s is there\n", vm_client_machine_get_name(machine));
        fflush(stdout);
        watch_machine(data, machine);
}

static void on_removed(VmClientManager *manager G_GNUC_UNUSED, VmClientMachine *machine,
                       gpointer data)
{
        Watch *watch = data;

        printf("%s is gone\n", vm_client_machine_get_name(machine));
        fflush(stdout);
        g_ptr_array_remove(watch->machines, machine);
}

static void on_daemon(VmClientManager *manager, GParamSpec *pspec G_GNUC_UNUSED,
                      gpointer data G_GNUC_UNUSED)
{
        printf("the daemon is %s\n",
               vm_client_manager_get_daemon_running(manager) ? "back" : "away");
        fflush(stdout);
}

static void on_manager(GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer data)
{
        Watch *watch = data;
        g_autoptr(GPtrArray) machines = NULL;
        g_autoptr(GError) error = NULL;

        watch->manager = vm_client_manager_new_finish(result, &error);
        if (!watch->manager) {
                fprintf(stderr, "watch-vms: %s\n", error->message);
                watch->status = 1;
                g_main_loop_quit(watch->loop);
                return;
        }
        g_signal_connect(watch->manager, "machine-added", G_CALLBACK(on_added), watch);
        g_signal_connect(watch->manager, "machine-removed", G_CALLBACK(on_removed), watch);
        machines = vm_client_manager_list_machines(watch->manager);
        for (guint i = 0; i < machines->len; i++)
                watch_machine(watch, machines->pdata[i]);
        printf("watching %u machines\n", machines->len);
        fflush(stdout);
        g_signal_connect(watch->manager, "notify::daemon-running", G_CALLBACK(on_daemon), NULL);
}

static gboolean on_interrupt(gpointer data)
{
        g_main_loop_quit(((Watch *)data)->loop);
        return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv)
{
        gboolean system = argc > 1 && g_str_equal(argv[1], "--system");
        Watch watch = {.loop = g_main_loop_new(NULL, FALSE),
                       .machines = g_ptr_array_new_with_free_func(g_object_unref)};
        guint interrupt = g_unix_signal_add(SIGINT, on_interrupt, &watch);
        guint terminate = g_unix_signal_add(SIGTERM, on_interrupt, &watch);

        vm_client_manager_new_async(system ? VM_CLIENT_BUS_SYSTEM : VM_CLIENT_BUS_SESSION,
                                    VM_CLIENT_MANAGER_FLAGS_NONE, NULL, on_manager, &watch);
        g_main_loop_run(watch.loop);
        g_source_remove(interrupt);
        g_source_remove(terminate);
        if (watch.manager)
                g_signal_handlers_disconnect_by_data(watch.manager, &watch);
        g_ptr_array_unref(watch.machines);
        g_clear_object(&watch.manager);
        g_main_loop_unref(watch.loop);
        return watch.status;
}
