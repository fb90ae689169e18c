/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waiting. No main context is run: see vm-client-hub.h. */
#include "vm-client-object-private.h"
#include "vm-client-watch.h"

#define IS_USABLE(machine) (VM_CLIENT_IS_MACHINE(machine) && client_machine_record(machine))

static ClientWatch *new_watch(VmClientMachine *machine, ClientWatchType type, int wanted)
{
        return client_watch_new(type, NULL, client_machine_record(machine), wanted);
}

/**
 * vm_client_machine_wait_stopped_async:
 * @machine: the machine
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the call has ended
 * @user_data: data for @callback
 *
 * Waits for the end of the current run, or tells at once how the last one ended.
 *
 * The asynchronous form of [method@Machine.wait_stopped_sync].
 */
void vm_client_machine_wait_stopped_async(VmClientMachine *machine, GCancellable *cancellable,
                                          GAsyncReadyCallback callback, gpointer user_data)
{
        GTask *task;

        g_return_if_fail(IS_USABLE(machine));

        task = g_task_new(machine, cancellable, callback, user_data);
        g_task_set_source_tag(task, vm_client_machine_wait_stopped_async);
        client_watch_begin(client_machine_hub(machine), new_watch(machine, CLIENT_WATCH_STOPPED, 0),
                           task);
}

/**
 * vm_client_machine_wait_stopped_finish:
 * @machine: the machine
 * @result: what the callback was given
 * @error: return location for a #GError
 *
 * Ends [method@Machine.wait_stopped_async].
 *
 * Returns: the reason; %VM_CLIENT_STOP_REASON_NONE on failure
 */
VmClientStopReason vm_client_machine_wait_stopped_finish(VmClientMachine *machine,
                                                         GAsyncResult *result, GError **error)
{
        g_autoptr(ClientWatch) watch = NULL;

        g_return_val_if_fail(g_task_is_valid(result, machine), VM_CLIENT_STOP_REASON_NONE);

        watch = g_task_propagate_pointer(G_TASK(result), error);
        return watch ? watch->reason : VM_CLIENT_STOP_REASON_NONE;
}

/**
 * vm_client_machine_wait_stopped_sync:
 * @machine: the machine
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @error: return location for a #GError
 *
 * Waits for the end of the current run, or tells at once how the last one ended.
 *
 * The run is the one that is current when the wait begins, also if another follows.
 * [property@Machine:stop-detail] has a sentence on it. Fails with %VM_CLIENT_ERROR_WRONG_STATE on a
 * machine that was never run.
 *
 * Needs no main loop. It goes on over a restart of the daemon, and has the bus start a daemon that
 * is gone (unless the manager has %VM_CLIENT_MANAGER_FLAGS_NO_ACTIVATION); if none comes back
 * within 30 seconds it fails with %VM_CLIENT_ERROR_SERVICE_LOST.
 *
 * Returns: the reason; %VM_CLIENT_STOP_REASON_NONE on failure
 */
VmClientStopReason vm_client_machine_wait_stopped_sync(VmClientMachine *machine,
                                                       GCancellable *cancellable, GError **error)
{
        g_autoptr(ClientWatch) watch = NULL;

        g_return_val_if_fail(IS_USABLE(machine), VM_CLIENT_STOP_REASON_NONE);

        watch = new_watch(machine, CLIENT_WATCH_STOPPED, 0);
        return client_watch_wait(client_machine_hub(machine), watch, cancellable, error)
                       ? watch->reason
                       : VM_CLIENT_STOP_REASON_NONE;
}

/**
 * vm_client_machine_wait_state_async:
 * @machine: the machine
 * @state: the state to wait for
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the call has ended
 * @user_data: data for @callback
 *
 * Waits until the machine is, or was since the wait began, in a state.
 *
 * The asynchronous form of [method@Machine.wait_state_sync].
 */
void vm_client_machine_wait_state_async(VmClientMachine *machine, VmClientMachineState state,
                                        GCancellable *cancellable, GAsyncReadyCallback callback,
                                        gpointer user_data)
{
        GTask *task;

        g_return_if_fail(IS_USABLE(machine));

        task = g_task_new(machine, cancellable, callback, user_data);
        g_task_set_source_tag(task, vm_client_machine_wait_state_async);
        client_watch_begin(client_machine_hub(machine),
                           new_watch(machine, CLIENT_WATCH_STATE, (int)state), task);
}

/**
 * vm_client_machine_wait_state_finish:
 * @machine: the machine
 * @result: what the callback was given
 * @error: return location for a #GError
 *
 * Ends [method@Machine.wait_state_async].
 *
 * Returns: whether the state was seen
 */
gboolean vm_client_machine_wait_state_finish(VmClientMachine *machine, GAsyncResult *result,
                                             GError **error)
{
        g_autoptr(ClientWatch) watch = NULL;

        g_return_val_if_fail(g_task_is_valid(result, machine), FALSE);

        watch = g_task_propagate_pointer(G_TASK(result), error);
        return watch != NULL;
}

/**
 * vm_client_machine_wait_state_sync:
 * @machine: the machine
 * @state: the state to wait for
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @error: return location for a #GError
 *
 * Waits until the machine is, or was since the wait began, in a state.
 *
 * Fails with %VM_CLIENT_ERROR_NO_SUCH_MACHINE if the machine is deleted before.
 *
 * Needs no main loop. It goes on over a restart of the daemon, and has the bus start a daemon that
 * is gone (unless the manager has %VM_CLIENT_MANAGER_FLAGS_NO_ACTIVATION); if none comes back
 * within 30 seconds it fails with %VM_CLIENT_ERROR_SERVICE_LOST.
 *
 * Returns: whether the state was seen
 */
gboolean vm_client_machine_wait_state_sync(VmClientMachine *machine, VmClientMachineState state,
                                           GCancellable *cancellable, GError **error)
{
        g_autoptr(ClientWatch) watch = NULL;

        g_return_val_if_fail(IS_USABLE(machine), FALSE);

        watch = new_watch(machine, CLIENT_WATCH_STATE, (int)state);
        return client_watch_wait(client_machine_hub(machine), watch, cancellable, error);
}

/**
 * vm_client_machine_wait_payload_async:
 * @machine: the machine
 * @payload_state: how far the payload is to get
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the call has ended
 * @user_data: data for @callback
 *
 * Waits until the payload of the current run has got at least that far.
 *
 * The asynchronous form of [method@Machine.wait_payload_sync].
 */
void vm_client_machine_wait_payload_async(VmClientMachine *machine,
                                          VmClientPayloadState payload_state,
                                          GCancellable *cancellable, GAsyncReadyCallback callback,
                                          gpointer user_data)
{
        GTask *task;

        g_return_if_fail(IS_USABLE(machine));

        task = g_task_new(machine, cancellable, callback, user_data);
        g_task_set_source_tag(task, vm_client_machine_wait_payload_async);
        client_watch_begin(client_machine_hub(machine),
                           new_watch(machine, CLIENT_WATCH_PAYLOAD, (int)payload_state), task);
}

/**
 * vm_client_machine_wait_payload_finish:
 * @machine: the machine
 * @result: what the callback was given
 * @error: return location for a #GError
 *
 * Ends [method@Machine.wait_payload_async].
 *
 * Returns: whether it got there
 */
gboolean vm_client_machine_wait_payload_finish(VmClientMachine *machine, GAsyncResult *result,
                                               GError **error)
{
        g_autoptr(ClientWatch) watch = NULL;

        g_return_val_if_fail(g_task_is_valid(result, machine), FALSE);

        watch = g_task_propagate_pointer(G_TASK(result), error);
        return watch != NULL;
}

/**
 * vm_client_machine_wait_payload_sync:
 * @machine: the machine
 * @payload_state: how far the payload is to get
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @error: return location for a #GError
 *
 * Waits until the payload of the current run has got at least that far.
 *
 * Fails with %VM_CLIENT_ERROR_WRONG_STATE, and the stop reason, if the run ends before.
 *
 * Needs no main loop. It goes on over a restart of the daemon, and has the bus start a daemon that
 * is gone (unless the manager has %VM_CLIENT_MANAGER_FLAGS_NO_ACTIVATION); if none comes back
 * within 30 seconds it fails with %VM_CLIENT_ERROR_SERVICE_LOST.
 *
 * Returns: whether it got there
 */
gboolean vm_client_machine_wait_payload_sync(VmClientMachine *machine,
                                             VmClientPayloadState payload_state,
                                             GCancellable *cancellable, GError **error)
{
        g_autoptr(ClientWatch) watch = NULL;

        g_return_val_if_fail(IS_USABLE(machine), FALSE);

        watch = new_watch(machine, CLIENT_WATCH_PAYLOAD, (int)payload_state);
        return client_watch_wait(client_machine_hub(machine), watch, cancellable, error);
}
