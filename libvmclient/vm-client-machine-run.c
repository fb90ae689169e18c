/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting and stopping. */
#include "vm-client-call.h"

/* A method whose only argument is its options. */
static ClientCall *simple_call(VmClientMachine *machine, const char *method, const char *reply_type,
                               VmClientOptions *options, GError **error)
{
        g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

        return client_machine_call(machine, method, reply_type, NULL, &dict, options, error);
}

static ClientCall *start_call(VmClientMachine *machine, VmClientOptions *options, GError **error)
{
        return simple_call(machine, "Start", "(s)", options, error);
}

static ClientCall *stop_call(VmClientMachine *machine, gint64 deadline_usec,
                             VmClientOptions *options, GError **error)
{
        g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

        if (deadline_usec >= 0)
                g_variant_dict_insert(&dict, "deadline_usec", "t", (guint64)deadline_usec);
        return client_machine_call(machine, "Stop", "()", NULL, &dict, options, error);
}

static ClientCall *kill_call(VmClientMachine *machine, VmClientOptions *options, GError **error)
{
        return simple_call(machine, "Kill", "()", options, error);
}

static ClientCall *reboot_call(VmClientMachine *machine, VmClientOptions *options, GError **error)
{
        return simple_call(machine, "Reboot", "()", options, error);
}

static ClientCall *pause_call(VmClientMachine *machine, VmClientOptions *options, GError **error)
{
        return simple_call(machine, "Pause", "()", options, error);
}

static ClientCall *resume_call(VmClientMachine *machine, VmClientOptions *options, GError **error)
{
        return simple_call(machine, "Resume", "()", options, error);
}

/* So that a wait that follows means this run, even if its signals are still to come. */
static char *take_run_id(VmClientMachine *machine, ClientReply *reply)
{
        char *run_id;

        g_variant_get(reply->values, "(s)", &run_id);
        client_hub_expect_run(client_machine_hub(machine), client_machine_record(machine), run_id);
        return run_id;
}

static void finish_start(GTask *task, ClientReply *reply)
{
        g_task_return_pointer(task, take_run_id(g_task_get_source_object(task), reply), g_free);
        client_reply_free(reply);
        g_object_unref(task);
}

/**
 * vm_client_machine_start_async:
 * @machine: the machine
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the call has ended
 * @user_data: data for @callback
 *
 * Starts the machine, and ends when its vCPUs run, or with the cause if they cannot.
 *
 * The asynchronous form of [method@Machine.start_sync].
 */
void vm_client_machine_start_async(VmClientMachine *machine, VmClientOptions *options,
                                   GCancellable *cancellable, GAsyncReadyCallback callback,
                                   gpointer user_data)
{
        g_autoptr(GError) error = NULL;
        ClientCall *call = NULL;
        GTask *task;

        g_return_if_fail(VM_CLIENT_IS_MACHINE(machine));

        task = g_task_new(machine, cancellable, callback, user_data);
        g_task_set_source_tag(task, vm_client_machine_start_async);
        call = start_call(machine, options, &error);
        client_call_async(call, task, finish_start, g_steal_pointer(&error));
}

/**
 * vm_client_machine_start_finish:
 * @machine: the machine
 * @result: what the callback was given
 * @error: return location for a #GError
 *
 * Ends [method@Machine.start_async].
 *
 * Returns: (transfer full): the id of the new run
 */
char *vm_client_machine_start_finish(VmClientMachine *machine, GAsyncResult *result, GError **error)
{
        g_return_val_if_fail(g_task_is_valid(result, machine), NULL);

        return g_task_propagate_pointer(G_TASK(result), error);
}

/**
 * vm_client_machine_start_sync:
 * @machine: the machine
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @error: return location for a #GError
 *
 * Starts the machine, and ends when its vCPUs run, or with the cause if they cannot.
 *
 * Fails with %VM_CLIENT_ERROR_WRONG_STATE if it runs already. To see the guest's output from the
 * first byte on, give [method@Options.set_console].
 *
 * D-Bus: `Machine.Start`. AVF: `VirtualMachine.run()`.
 *
 * Returns: (transfer full): the id of the new run
 */
char *vm_client_machine_start_sync(VmClientMachine *machine, VmClientOptions *options,
                                   GCancellable *cancellable, GError **error)
{
        g_autoptr(ClientReply) reply = NULL;

        g_return_val_if_fail(VM_CLIENT_IS_MACHINE(machine), NULL);

        reply = client_call_sync(start_call(machine, options, error), cancellable, error);
        return reply ? take_run_id(machine, reply) : NULL;
}

/**
 * vm_client_machine_stop_async:
 * @machine: the machine
 * @deadline_usec: how long the guest has, in microseconds; -1 for the daemon's own (30 s)
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the call has ended
 * @user_data: data for @callback
 *
 * Presses the power button, and ends when the run has ended. After the deadline the monitor is
 * killed, and the reason is %VM_CLIENT_STOP_REASON_KILLED.
 *
 * The asynchronous form of [method@Machine.stop_sync].
 */
void vm_client_machine_stop_async(VmClientMachine *machine, gint64 deadline_usec,
                                  VmClientOptions *options, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data)
{
        g_autoptr(GError) error = NULL;
        ClientCall *call = NULL;
        GTask *task;

        g_return_if_fail(VM_CLIENT_IS_MACHINE(machine));

        task = g_task_new(machine, cancellable, callback, user_data);
        g_task_set_source_tag(task, vm_client_machine_stop_async);
        call = stop_call(machine, deadline_usec, options, &error);
        client_call_async(call, task, client_finish_void, g_steal_pointer(&error));
}

/**
 * vm_client_machine_stop_finish:
 * @machine: the machine
 * @result: what the callback was given
 * @error: return location for a #GError
 *
 * Ends [method@Machine.stop_async].
 *
 * Returns: whether it succeeded
 */
gboolean vm_client_machine_stop_finish(VmClientMachine *machine, GAsyncResult *result,
                                       GError **error)
{
        g_return_val_if_fail(g_task_is_valid(result, machine), FALSE);

        return g_task_propagate_boolean(G_TASK(result), error);
}

/**
 * vm_client_machine_stop_sync:
 * @machine: the machine
 * @deadline_usec: how long the guest has, in microseconds; -1 for the daemon's own (30 s)
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @error: return location for a #GError
 *
 * Presses the power button, and ends when the run has ended. After the deadline the monitor is
 * killed, and the reason is %VM_CLIENT_STOP_REASON_KILLED.
 *
 * D-Bus: `Machine.Stop`.
 *
 * Returns: whether it succeeded
 */
gboolean vm_client_machine_stop_sync(VmClientMachine *machine, gint64 deadline_usec,
                                     VmClientOptions *options, GCancellable *cancellable,
                                     GError **error)
{
        g_autoptr(ClientReply) reply = NULL;

        g_return_val_if_fail(VM_CLIENT_IS_MACHINE(machine), FALSE);

        reply = client_call_sync(stop_call(machine, deadline_usec, options, error), cancellable,
                                 error);
        return reply != NULL;
}

/**
 * vm_client_machine_kill_async:
 * @machine: the machine
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the call has ended
 * @user_data: data for @callback
 *
 * Pulls the plug, and ends when the run has ended.
 *
 * The asynchronous form of [method@Machine.kill_sync].
 */
void vm_client_machine_kill_async(VmClientMachine *machine, VmClientOptions *options,
                                  GCancellable *cancellable, GAsyncReadyCallback callback,
                                  gpointer user_data)
{
        g_autoptr(GError) error = NULL;
        ClientCall *call = NULL;
        GTask *task;

        g_return_if_fail(VM_CLIENT_IS_MACHINE(machine));

        task = g_task_new(machine, cancellable, callback, user_data);
        g_task_set_source_tag(task, vm_client_machine_kill_async);
        call = kill_call(machine, options, &error);
        client_call_async(call, task, client_finish_void, g_steal_pointer(&error));
}

/**
 * vm_client_machine_kill_finish:
 * @machine: the machine
 * @result: what the callback was given
 * @error: return location for a #GError
 *
 * Ends [method@Machine.kill_async].
 *
 * Returns: whether it succeeded
 */
gboolean vm_client_machine_kill_finish(VmClientMachine *machine, GAsyncResult *result,
                                       GError **error)
{
        g_return_val_if_fail(g_task_is_valid(result, machine), FALSE);

        return g_task_propagate_boolean(G_TASK(result), error);
}

/**
 * vm_client_machine_kill_sync:
 * @machine: the machine
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @error: return location for a #GError
 *
 * Pulls the plug, and ends when the run has ended.
 *
 * D-Bus: `Machine.Kill`. AVF: `VirtualMachine.stop()`.
 *
 * Returns: whether it succeeded
 */
gboolean vm_client_machine_kill_sync(VmClientMachine *machine, VmClientOptions *options,
                                     GCancellable *cancellable, GError **error)
{
        g_autoptr(ClientReply) reply = NULL;

        g_return_val_if_fail(VM_CLIENT_IS_MACHINE(machine), FALSE);

        reply = client_call_sync(kill_call(machine, options, error), cancellable, error);
        return reply != NULL;
}

/**
 * vm_client_machine_reboot_async:
 * @machine: the machine
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the call has ended
 * @user_data: data for @callback
 *
 * Resets the guest, whatever `on_reboot` says. The run and its id go on.
 *
 * The asynchronous form of [method@Machine.reboot_sync].
 */
void vm_client_machine_reboot_async(VmClientMachine *machine, VmClientOptions *options,
                                    GCancellable *cancellable, GAsyncReadyCallback callback,
                                    gpointer user_data)
{
        g_autoptr(GError) error = NULL;
        ClientCall *call = NULL;
        GTask *task;

        g_return_if_fail(VM_CLIENT_IS_MACHINE(machine));

        task = g_task_new(machine, cancellable, callback, user_data);
        g_task_set_source_tag(task, vm_client_machine_reboot_async);
        call = reboot_call(machine, options, &error);
        client_call_async(call, task, client_finish_void, g_steal_pointer(&error));
}

/**
 * vm_client_machine_reboot_finish:
 * @machine: the machine
 * @result: what the callback was given
 * @error: return location for a #GError
 *
 * Ends [method@Machine.reboot_async].
 *
 * Returns: whether it succeeded
 */
gboolean vm_client_machine_reboot_finish(VmClientMachine *machine, GAsyncResult *result,
                                         GError **error)
{
        g_return_val_if_fail(g_task_is_valid(result, machine), FALSE);

        return g_task_propagate_boolean(G_TASK(result), error);
}

/**
 * vm_client_machine_reboot_sync:
 * @machine: the machine
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @error: return location for a #GError
 *
 * Resets the guest, whatever `on_reboot` says. The run and its id go on.
 *
 * D-Bus: `Machine.Reboot`.
 *
 * Returns: whether it succeeded
 */
gboolean vm_client_machine_reboot_sync(VmClientMachine *machine, VmClientOptions *options,
                                       GCancellable *cancellable, GError **error)
{
        g_autoptr(ClientReply) reply = NULL;

        g_return_val_if_fail(VM_CLIENT_IS_MACHINE(machine), FALSE);

        reply = client_call_sync(reboot_call(machine, options, error), cancellable, error);
        return reply != NULL;
}

/**
 * vm_client_machine_pause_async:
 * @machine: the machine
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the call has ended
 * @user_data: data for @callback
 *
 * Halts the vCPUs; memory and devices are kept.
 *
 * The asynchronous form of [method@Machine.pause_sync].
 */
void vm_client_machine_pause_async(VmClientMachine *machine, VmClientOptions *options,
                                   GCancellable *cancellable, GAsyncReadyCallback callback,
                                   gpointer user_data)
{
        g_autoptr(GError) error = NULL;
        ClientCall *call = NULL;
        GTask *task;

        g_return_if_fail(VM_CLIENT_IS_MACHINE(machine));

        task = g_task_new(machine, cancellable, callback, user_data);
        g_task_set_source_tag(task, vm_client_machine_pause_async);
        call = pause_call(machine, options, &error);
        client_call_async(call, task, client_finish_void, g_steal_pointer(&error));
}

/**
 * vm_client_machine_pause_finish:
 * @machine: the machine
 * @result: what the callback was given
 * @error: return location for a #GError
 *
 * Ends [method@Machine.pause_async].
 *
 * Returns: whether it succeeded
 */
gboolean vm_client_machine_pause_finish(VmClientMachine *machine, GAsyncResult *result,
                                        GError **error)
{
        g_return_val_if_fail(g_task_is_valid(result, machine), FALSE);

        return g_task_propagate_boolean(G_TASK(result), error);
}

/**
 * vm_client_machine_pause_sync:
 * @machine: the machine
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @error: return location for a #GError
 *
 * Halts the vCPUs; memory and devices are kept.
 *
 * D-Bus: `Machine.Pause`. AVF: `VirtualMachine.suspend()`.
 *
 * Returns: whether it succeeded
 */
gboolean vm_client_machine_pause_sync(VmClientMachine *machine, VmClientOptions *options,
                                      GCancellable *cancellable, GError **error)
{
        g_autoptr(ClientReply) reply = NULL;

        g_return_val_if_fail(VM_CLIENT_IS_MACHINE(machine), FALSE);

        reply = client_call_sync(pause_call(machine, options, error), cancellable, error);
        return reply != NULL;
}

/**
 * vm_client_machine_resume_async:
 * @machine: the machine
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the call has ended
 * @user_data: data for @callback
 *
 * Sets the vCPUs of a paused machine going again.
 *
 * The asynchronous form of [method@Machine.resume_sync].
 */
void vm_client_machine_resume_async(VmClientMachine *machine, VmClientOptions *options,
                                    GCancellable *cancellable, GAsyncReadyCallback callback,
                                    gpointer user_data)
{
        g_autoptr(GError) error = NULL;
        ClientCall *call = NULL;
        GTask *task;

        g_return_if_fail(VM_CLIENT_IS_MACHINE(machine));

        task = g_task_new(machine, cancellable, callback, user_data);
        g_task_set_source_tag(task, vm_client_machine_resume_async);
        call = resume_call(machine, options, &error);
        client_call_async(call, task, client_finish_void, g_steal_pointer(&error));
}

/**
 * vm_client_machine_resume_finish:
 * @machine: the machine
 * @result: what the callback was given
 * @error: return location for a #GError
 *
 * Ends [method@Machine.resume_async].
 *
 * Returns: whether it succeeded
 */
gboolean vm_client_machine_resume_finish(VmClientMachine *machine, GAsyncResult *result,
                                         GError **error)
{
        g_return_val_if_fail(g_task_is_valid(result, machine), FALSE);

        return g_task_propagate_boolean(G_TASK(result), error);
}

/**
 * vm_client_machine_resume_sync:
 * @machine: the machine
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @error: return location for a #GError
 *
 * Sets the vCPUs of a paused machine going again.
 *
 * D-Bus: `Machine.Resume`. AVF: `VirtualMachine.resume()`.
 *
 * Returns: whether it succeeded
 */
gboolean vm_client_machine_resume_sync(VmClientMachine *machine, VmClientOptions *options,
                                       GCancellable *cancellable, GError **error)
{
        g_autoptr(ClientReply) reply = NULL;

        g_return_val_if_fail(VM_CLIENT_IS_MACHINE(machine), FALSE);

        reply = client_call_sync(resume_call(machine, options, error), cancellable, error);
        return reply != NULL;
}
