/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-client-private.h"

#include "vmservice-names.h"

/*
 * The public enums repeat dbus/names.json, whose header is not installed. A value that is added
 * there must be added here; tests/unit/libvmclient/test-names.c compares them name by name.
 */
G_STATIC_ASSERT((int)VM_CLIENT_MACHINE_STATE_STOPPING == (int)_MACHINE_STATE_MAX - 1);
G_STATIC_ASSERT((int)VM_CLIENT_PAYLOAD_STATE_FINISHED == (int)_PAYLOAD_STATE_MAX - 1);
G_STATIC_ASSERT((int)VM_CLIENT_STOP_REASON_UNKNOWN == (int)_STOP_REASON_MAX - 1);

G_DEFINE_ENUM_TYPE(VmClientBus, vm_client_bus, G_DEFINE_ENUM_VALUE(VM_CLIENT_BUS_SYSTEM, "system"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_BUS_SESSION, "session"))

G_DEFINE_FLAGS_TYPE(VmClientManagerFlags, vm_client_manager_flags,
                    G_DEFINE_ENUM_VALUE(VM_CLIENT_MANAGER_FLAGS_NONE, "none"),
                    G_DEFINE_ENUM_VALUE(VM_CLIENT_MANAGER_FLAGS_REQUIRE_VMS, "require-vms"),
                    G_DEFINE_ENUM_VALUE(VM_CLIENT_MANAGER_FLAGS_NO_ACTIVATION, "no-activation"))

G_DEFINE_FLAGS_TYPE(VmClientCapabilityFlags, vm_client_capability_flags,
                    G_DEFINE_ENUM_VALUE(VM_CLIENT_CAPABILITY_NONE, "none"),
                    G_DEFINE_ENUM_VALUE(VM_CLIENT_CAPABILITY_PROTECTED_VM, "protected-vm"),
                    G_DEFINE_ENUM_VALUE(VM_CLIENT_CAPABILITY_NON_PROTECTED_VM, "non-protected-vm"))

G_DEFINE_FLAGS_TYPE(VmClientCreateFlags, vm_client_create_flags,
                    G_DEFINE_ENUM_VALUE(VM_CLIENT_CREATE_FLAGS_NONE, "none"),
                    G_DEFINE_ENUM_VALUE(VM_CLIENT_CREATE_FLAGS_START, "start"),
                    G_DEFINE_ENUM_VALUE(VM_CLIENT_CREATE_FLAGS_TRANSIENT, "transient"),
                    G_DEFINE_ENUM_VALUE(VM_CLIENT_CREATE_FLAGS_BOUND, "bound"))

G_DEFINE_FLAGS_TYPE(VmClientConsoleFlags, vm_client_console_flags,
                    G_DEFINE_ENUM_VALUE(VM_CLIENT_CONSOLE_FLAGS_NONE, "none"),
                    G_DEFINE_ENUM_VALUE(VM_CLIENT_CONSOLE_FLAGS_WRITE, "write"),
                    G_DEFINE_ENUM_VALUE(VM_CLIENT_CONSOLE_FLAGS_STEAL, "steal"),
                    G_DEFINE_ENUM_VALUE(VM_CLIENT_CONSOLE_FLAGS_NO_SCROLLBACK, "no-scrollback"))

G_DEFINE_FLAGS_TYPE(VmClientLogFlags, vm_client_log_flags,
                    G_DEFINE_ENUM_VALUE(VM_CLIENT_LOG_FLAGS_NONE, "none"),
                    G_DEFINE_ENUM_VALUE(VM_CLIENT_LOG_FLAGS_PREVIOUS, "previous"))

G_DEFINE_ENUM_TYPE(VmClientOnEnd, vm_client_on_end,
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_ON_END_STOP, "stop"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_ON_END_RESTART, "restart"))

G_DEFINE_ENUM_TYPE(VmClientMachineState, vm_client_machine_state,
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_MACHINE_STATE_UNKNOWN, "unknown"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_MACHINE_STATE_STOPPED, "stopped"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_MACHINE_STATE_STARTING, "starting"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_MACHINE_STATE_RUNNING, "running"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_MACHINE_STATE_PAUSING, "pausing"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_MACHINE_STATE_PAUSED, "paused"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_MACHINE_STATE_RESUMING, "resuming"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_MACHINE_STATE_STOPPING, "stopping"))

G_DEFINE_ENUM_TYPE(VmClientPayloadState, vm_client_payload_state,
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_PAYLOAD_STATE_NONE, "none"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_PAYLOAD_STATE_STARTED, "started"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_PAYLOAD_STATE_READY, "ready"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_PAYLOAD_STATE_FINISHED, "finished"))

G_DEFINE_ENUM_TYPE(VmClientStopReason, vm_client_stop_reason,
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_STOP_REASON_NONE, "none"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_STOP_REASON_SHUTDOWN, "shutdown"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_STOP_REASON_REBOOT, "reboot"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_STOP_REASON_GUEST_PANIC, "guest-panic"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_STOP_REASON_TRIPLE_FAULT, "triple-fault"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_STOP_REASON_WATCHDOG_REBOOT, "watchdog-reboot"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_STOP_REASON_HANGUP, "hangup"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_STOP_REASON_KILLED, "killed"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_STOP_REASON_CRASH, "crash"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_STOP_REASON_START_FAILED, "start-failed"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_STOP_REASON_INFRASTRUCTURE_ERROR,
                                       "infrastructure-error"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_STOP_REASON_UNKNOWN, "unknown"))

/**
 * vm_client_machine_state_to_string:
 * @state: a state
 *
 * The name that the daemon uses for a state: `running`.
 *
 * Returns: the name; `unknown` for %VM_CLIENT_MACHINE_STATE_UNKNOWN
 */
const char *vm_client_machine_state_to_string(VmClientMachineState state)
{
        const char *name = machine_state_to_string((MachineState)state);

        return name ? name : "unknown";
}

/**
 * vm_client_payload_state_to_string:
 * @state: a payload state
 *
 * The name that the daemon uses for a payload state: `ready`.
 *
 * Returns: the name
 */
const char *vm_client_payload_state_to_string(VmClientPayloadState state)
{
        const char *name = payload_state_to_string((PayloadState)state);

        return name ? name : "unknown";
}

/**
 * vm_client_stop_reason_to_string:
 * @reason: a stop reason
 *
 * AVF's name for a stop reason, which the daemon uses too: `SHUTDOWN`.
 *
 * Returns: the name; the empty string for %VM_CLIENT_STOP_REASON_NONE
 */
const char *vm_client_stop_reason_to_string(VmClientStopReason reason)
{
        const char *name = stop_reason_to_string((StopReason)reason);

        return name ? name : "UNKNOWN";
}

/* Names from a newer daemon are no error: they become the value for what is not known. */
VmClientMachineState client_machine_state_from_string(const char *name)
{
        int state = machine_state_from_string(name);

        return state < 0 ? VM_CLIENT_MACHINE_STATE_UNKNOWN : (VmClientMachineState)state;
}

VmClientPayloadState client_payload_state_from_string(const char *name)
{
        int state = payload_state_from_string(name);

        return state < 0 ? VM_CLIENT_PAYLOAD_STATE_NONE : (VmClientPayloadState)state;
}

VmClientStopReason client_stop_reason_from_string(const char *name)
{
        int reason = stop_reason_from_string(name);

        return reason < 0 ? VM_CLIENT_STOP_REASON_UNKNOWN : (VmClientStopReason)reason;
}
