/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is known of a machine, readable from any thread. */
#include "vm-client-config-private.h"
#include "vm-client-object-private.h"

/* Not so if a binding made it by g_object_new(): machines come from a manager. */
#define IS_USABLE(machine) (VM_CLIENT_IS_MACHINE(machine) && client_machine_record(machine))

/**
 * vm_client_machine_get_name: (get-property name)
 * @machine: the machine
 *
 * Gets [property@Machine:name].
 *
 * Returns: (transfer none): the name
 */
const char *vm_client_machine_get_name(VmClientMachine *machine)
{
        g_return_val_if_fail(IS_USABLE(machine), NULL);

        return client_machine_record(machine)->values.name;
}

/**
 * vm_client_machine_get_id: (get-property id)
 * @machine: the machine
 *
 * Gets [property@Machine:id].
 *
 * Returns: (transfer none): 128 random bits in hexadecimal
 */
const char *vm_client_machine_get_id(VmClientMachine *machine)
{
        g_return_val_if_fail(IS_USABLE(machine), NULL);

        return client_machine_record(machine)->values.id;
}

/**
 * vm_client_machine_get_owner: (get-property owner)
 * @machine: the machine
 *
 * Gets [property@Machine:owner].
 *
 * Returns: the uid of the user that the machine belongs to
 */
guint vm_client_machine_get_owner(VmClientMachine *machine)
{
        guint value;

        g_return_val_if_fail(IS_USABLE(machine), 0);

        client_hub_lock(client_machine_hub(machine));
        value = client_machine_record(machine)->values.owner;
        client_hub_unlock(client_machine_hub(machine));
        return value;
}

/**
 * vm_client_machine_get_transient: (get-property transient)
 * @machine: the machine
 *
 * Gets [property@Machine:transient].
 *
 * Returns: whether the machine vanishes when its run ends
 */
gboolean vm_client_machine_get_transient(VmClientMachine *machine)
{
        gboolean value;

        g_return_val_if_fail(IS_USABLE(machine), FALSE);

        client_hub_lock(client_machine_hub(machine));
        value = client_machine_record(machine)->values.is_transient;
        client_hub_unlock(client_machine_hub(machine));
        return value;
}

/**
 * vm_client_machine_get_bound: (get-property bound)
 * @machine: the machine
 *
 * Gets [property@Machine:bound].
 *
 * Returns: whether the run ends when the machine's creator leaves the bus
 */
gboolean vm_client_machine_get_bound(VmClientMachine *machine)
{
        gboolean value;

        g_return_val_if_fail(IS_USABLE(machine), FALSE);

        client_hub_lock(client_machine_hub(machine));
        value = client_machine_record(machine)->values.is_bound;
        client_hub_unlock(client_machine_hub(machine));
        return value;
}

/**
 * vm_client_machine_get_state: (get-property state)
 * @machine: the machine
 *
 * Gets [property@Machine:state].
 *
 * Returns: what the machine is doing
 */
VmClientMachineState vm_client_machine_get_state(VmClientMachine *machine)
{
        VmClientMachineState value;

        g_return_val_if_fail(IS_USABLE(machine), VM_CLIENT_MACHINE_STATE_UNKNOWN);

        client_hub_lock(client_machine_hub(machine));
        value = client_machine_record(machine)->values.state;
        client_hub_unlock(client_machine_hub(machine));
        return value;
}

/**
 * vm_client_machine_get_payload_state: (get-property payload-state)
 * @machine: the machine
 *
 * Gets [property@Machine:payload-state].
 *
 * Returns: how far the payload got
 */
VmClientPayloadState vm_client_machine_get_payload_state(VmClientMachine *machine)
{
        VmClientPayloadState value;

        g_return_val_if_fail(IS_USABLE(machine), VM_CLIENT_PAYLOAD_STATE_NONE);

        client_hub_lock(client_machine_hub(machine));
        value = client_machine_record(machine)->values.payload_state;
        client_hub_unlock(client_machine_hub(machine));
        return value;
}

/**
 * vm_client_machine_dup_run_id: (get-property run-id)
 * @machine: the machine
 *
 * Gets [property@Machine:run-id].
 *
 * Returns: (transfer full): the current or last run; empty if there was none
 */
char *vm_client_machine_dup_run_id(VmClientMachine *machine)
{
        char *value;

        g_return_val_if_fail(IS_USABLE(machine), NULL);

        client_hub_lock(client_machine_hub(machine));
        value = g_strdup(client_machine_record(machine)->values.run_id);
        client_hub_unlock(client_machine_hub(machine));
        return value;
}

/**
 * vm_client_machine_get_stop_reason: (get-property stop-reason)
 * @machine: the machine
 *
 * Gets [property@Machine:stop-reason].
 *
 * Returns: how the last run ended
 */
VmClientStopReason vm_client_machine_get_stop_reason(VmClientMachine *machine)
{
        VmClientStopReason value;

        g_return_val_if_fail(IS_USABLE(machine), VM_CLIENT_STOP_REASON_NONE);

        client_hub_lock(client_machine_hub(machine));
        value = client_machine_record(machine)->values.stop_reason;
        client_hub_unlock(client_machine_hub(machine));
        return value;
}

/**
 * vm_client_machine_dup_stop_detail: (get-property stop-detail)
 * @machine: the machine
 *
 * Gets [property@Machine:stop-detail].
 *
 * Returns: (transfer full): one sentence for people on how the last run ended
 */
char *vm_client_machine_dup_stop_detail(VmClientMachine *machine)
{
        char *value;

        g_return_val_if_fail(IS_USABLE(machine), NULL);

        client_hub_lock(client_machine_hub(machine));
        value = g_strdup(client_machine_record(machine)->values.stop_detail);
        client_hub_unlock(client_machine_hub(machine));
        return value;
}

/**
 * vm_client_machine_get_payload_exit_code: (get-property payload-exit-code)
 * @machine: the machine
 *
 * Gets [property@Machine:payload-exit-code].
 *
 * Returns: the payload's exit code; -1 if none has finished in this run
 */
int vm_client_machine_get_payload_exit_code(VmClientMachine *machine)
{
        int value;

        g_return_val_if_fail(IS_USABLE(machine), 0);

        client_hub_lock(client_machine_hub(machine));
        value = client_machine_record(machine)->values.payload_exit_code;
        client_hub_unlock(client_machine_hub(machine));
        return value;
}

/**
 * vm_client_machine_get_monitor_pid: (get-property monitor-pid)
 * @machine: the machine
 *
 * Gets [property@Machine:monitor-pid].
 *
 * Returns: the process that runs the guest; 0 while stopped
 */
guint vm_client_machine_get_monitor_pid(VmClientMachine *machine)
{
        guint value;

        g_return_val_if_fail(IS_USABLE(machine), 0);

        client_hub_lock(client_machine_hub(machine));
        value = client_machine_record(machine)->values.monitor_pid;
        client_hub_unlock(client_machine_hub(machine));
        return value;
}

/**
 * vm_client_machine_get_started_at: (get-property started-at)
 * @machine: the machine
 *
 * Gets [property@Machine:started-at].
 *
 * Returns: microseconds since 1970 (UTC); 0 if never run
 */
gint64 vm_client_machine_get_started_at(VmClientMachine *machine)
{
        gint64 value;

        g_return_val_if_fail(IS_USABLE(machine), 0);

        client_hub_lock(client_machine_hub(machine));
        value = client_machine_record(machine)->values.started_at;
        client_hub_unlock(client_machine_hub(machine));
        return value;
}

/**
 * vm_client_machine_get_stopped_at: (get-property stopped-at)
 * @machine: the machine
 *
 * Gets [property@Machine:stopped-at].
 *
 * Returns: microseconds since 1970 (UTC); 0 while running or if never run
 */
gint64 vm_client_machine_get_stopped_at(VmClientMachine *machine)
{
        gint64 value;

        g_return_val_if_fail(IS_USABLE(machine), 0);

        client_hub_lock(client_machine_hub(machine));
        value = client_machine_record(machine)->values.stopped_at;
        client_hub_unlock(client_machine_hub(machine));
        return value;
}

/**
 * vm_client_machine_dup_config: (get-property config)
 * @machine: the machine
 *
 * Gets [property@Machine:config].
 *
 * Returns: (transfer full): JSON, with every default filled in
 */
char *vm_client_machine_dup_config(VmClientMachine *machine)
{
        char *value;

        g_return_val_if_fail(IS_USABLE(machine), NULL);

        client_hub_lock(client_machine_hub(machine));
        value = g_strdup(client_machine_record(machine)->values.config);
        client_hub_unlock(client_machine_hub(machine));
        return value;
}

/**
 * vm_client_machine_get_deleted: (get-property deleted)
 * @machine: the machine
 *
 * Gets [property@Machine:deleted].
 *
 * Returns: whether the machine is gone
 */
gboolean vm_client_machine_get_deleted(VmClientMachine *machine)
{
        gboolean value;

        g_return_val_if_fail(IS_USABLE(machine), FALSE);

        client_hub_lock(client_machine_hub(machine));
        value = client_machine_record(machine)->values.deleted;
        client_hub_unlock(client_machine_hub(machine));
        return value;
}

/**
 * vm_client_machine_get_object_path:
 * @machine: the machine
 *
 * Gets the machine's path on the bus, for calls that this library has no function for.
 *
 * Returns: (transfer none): a D-Bus object path
 */
const char *vm_client_machine_get_object_path(VmClientMachine *machine)
{
        g_return_val_if_fail(IS_USABLE(machine), NULL);

        return client_machine_record(machine)->path;
}

/**
 * vm_client_machine_edit_config:
 * @machine: the machine
 * @error: return location for a #GError
 *
 * Copies the machine's configuration, to be changed and given to
 * [method@Machine.set_config_sync]. The files that it names are kept as the daemon has them,
 * unless they are set anew.
 *
 * Returns: (transfer full): the configuration
 */
VmClientConfig *vm_client_machine_edit_config(VmClientMachine *machine, GError **error)
{
        g_autofree char *json = vm_client_machine_dup_config(machine);
        VmClientConfig *config;

        g_return_val_if_fail(json != NULL, NULL);

        config = vm_client_config_new_from_json(json, NULL, error);
        if (config)
                client_config_keep_files(config);
        return config;
}
