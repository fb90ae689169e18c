/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(VM_CLIENT_INSIDE) && !defined(VM_CLIENT_COMPILATION)
#error "Include <vmclient.h> only"
#endif

#include <gio/gio.h>

G_BEGIN_DECLS

#define VM_CLIENT_PUBLIC __attribute__((visibility("default")))

/**
 * VmClientBus:
 * @VM_CLIENT_BUS_SYSTEM: the system bus: the host's daemon
 * @VM_CLIENT_BUS_SESSION: the session bus: a daemon of the user's own, without root's rights
 *
 * On which bus the daemon is looked for. It is always chosen, never guessed.
 */
typedef enum {
        VM_CLIENT_BUS_SYSTEM = 0,
        VM_CLIENT_BUS_SESSION = 1,
} VmClientBus;

/**
 * VmClientManagerFlags:
 * @VM_CLIENT_MANAGER_FLAGS_NONE: no flags
 * @VM_CLIENT_MANAGER_FLAGS_REQUIRE_VMS: fail with %VM_CLIENT_ERROR_KVM_UNAVAILABLE on a host that
 *   can run no virtual machine (AVF hands out no manager there)
 * @VM_CLIENT_MANAGER_FLAGS_NO_ACTIVATION: do not have the bus start the daemon
 *
 * How a [class@Manager] is made.
 */
typedef enum {
        VM_CLIENT_MANAGER_FLAGS_NONE = 0,
        VM_CLIENT_MANAGER_FLAGS_REQUIRE_VMS = 1 << 0,
        VM_CLIENT_MANAGER_FLAGS_NO_ACTIVATION = 1 << 1,
} VmClientManagerFlags;

/**
 * VmClientCapabilityFlags:
 * @VM_CLIENT_CAPABILITY_NONE: the host can run no virtual machine
 * @VM_CLIENT_CAPABILITY_PROTECTED_VM: machines whose memory the host cannot read
 * @VM_CLIENT_CAPABILITY_NON_PROTECTED_VM: plain machines
 *
 * AVF: `VirtualMachineManager.Capability`, with its values.
 */
typedef enum {
        VM_CLIENT_CAPABILITY_NONE = 0,
        VM_CLIENT_CAPABILITY_PROTECTED_VM = 1 << 0,
        VM_CLIENT_CAPABILITY_NON_PROTECTED_VM = 1 << 1,
} VmClientCapabilityFlags;

/**
 * VmClientCreateFlags:
 * @VM_CLIENT_CREATE_FLAGS_NONE: a machine that is kept, not started
 * @VM_CLIENT_CREATE_FLAGS_START: start it in the same call
 * @VM_CLIENT_CREATE_FLAGS_TRANSIENT: it vanishes when its run ends; needs
 *   %VM_CLIENT_CREATE_FLAGS_START
 * @VM_CLIENT_CREATE_FLAGS_BOUND: its run ends when the caller leaves the bus
 *
 * How a machine is created.
 */
typedef enum {
        VM_CLIENT_CREATE_FLAGS_NONE = 0,
        VM_CLIENT_CREATE_FLAGS_START = 1 << 0,
        VM_CLIENT_CREATE_FLAGS_TRANSIENT = 1 << 1,
        VM_CLIENT_CREATE_FLAGS_BOUND = 1 << 2,
} VmClientCreateFlags;

/**
 * VmClientConsoleFlags:
 * @VM_CLIENT_CONSOLE_FLAGS_NONE: read only, beginning with the scrollback
 * @VM_CLIENT_CONSOLE_FLAGS_WRITE: be the one writer
 * @VM_CLIENT_CONSOLE_FLAGS_STEAL: take the place of another writer
 * @VM_CLIENT_CONSOLE_FLAGS_NO_SCROLLBACK: only what the guest prints from
 * now on
 *
 * How a console is opened.
 */
typedef enum {
        VM_CLIENT_CONSOLE_FLAGS_NONE = 0,
        VM_CLIENT_CONSOLE_FLAGS_WRITE = 1 << 0,
        VM_CLIENT_CONSOLE_FLAGS_STEAL = 1 << 1,
        VM_CLIENT_CONSOLE_FLAGS_NO_SCROLLBACK = 1 << 2,
} VmClientConsoleFlags;

/**
 * VmClientLogFlags:
 * @VM_CLIENT_LOG_FLAGS_NONE: the current part of the console log
 * @VM_CLIENT_LOG_FLAGS_PREVIOUS: the rotated part before it
 *
 * Which part of the log is opened.
 */
typedef enum {
        VM_CLIENT_LOG_FLAGS_NONE = 0,
        VM_CLIENT_LOG_FLAGS_PREVIOUS = 1 << 0,
} VmClientLogFlags;

/**
 * VmClientOnEnd:
 * @VM_CLIENT_ON_END_STOP: the run ends
 * @VM_CLIENT_ON_END_RESTART: the guest is started again, in
 * the same run
 *
 * What follows a reset or a crash of the guest.
 */
typedef enum {
        VM_CLIENT_ON_END_STOP = 0,
        VM_CLIENT_ON_END_RESTART = 1,
} VmClientOnEnd;

/**
 * VmClientMachineState:
 * @VM_CLIENT_MACHINE_STATE_UNKNOWN: a state of a newer
 * daemon that this library does not know
 * @VM_CLIENT_MACHINE_STATE_STOPPED: no monitor runs
 * @VM_CLIENT_MACHINE_STATE_STARTING: no guest instruction
 * has run yet
 * @VM_CLIENT_MACHINE_STATE_RUNNING: the vCPUs run
 * @VM_CLIENT_MACHINE_STATE_PAUSING: the vCPUs are being
 * brought to a halt
 * @VM_CLIENT_MACHINE_STATE_PAUSED: no vCPU runs; memory and
 * devices are kept
 * @VM_CLIENT_MACHINE_STATE_RESUMING: the vCPUs are being
 * set going again
 * @VM_CLIENT_MACHINE_STATE_STOPPING: a stop was asked for,
 * or the run is being torn down
 *
 * What a machine is doing. AVF: `VirtualMachine.Status`, in
 * more detail; its `STATUS_DELETED` is
 * [property@Machine:deleted].
 */
typedef enum {
        VM_CLIENT_MACHINE_STATE_UNKNOWN = -1,
        VM_CLIENT_MACHINE_STATE_STOPPED = 0,
        VM_CLIENT_MACHINE_STATE_STARTING = 1,
        VM_CLIENT_MACHINE_STATE_RUNNING = 2,
        VM_CLIENT_MACHINE_STATE_PAUSING = 3,
        VM_CLIENT_MACHINE_STATE_PAUSED = 4,
        VM_CLIENT_MACHINE_STATE_RESUMING = 5,
        VM_CLIENT_MACHINE_STATE_STOPPING = 6,
} VmClientMachineState;

/**
 * VmClientPayloadState:
 * @VM_CLIENT_PAYLOAD_STATE_NONE: the guest has reported
 * nothing
 * @VM_CLIENT_PAYLOAD_STATE_STARTED: the payload was started
 * (AVF `onPayloadStarted`)
 * @VM_CLIENT_PAYLOAD_STATE_READY: the payload says that it
 * is ready (AVF `onPayloadReady`)
 * @VM_CLIENT_PAYLOAD_STATE_FINISHED: the payload ended (AVF
 * `onPayloadFinished`)
 *
 * How far the payload got in this run. It only moves
 * forward within a run.
 */
typedef enum {
        VM_CLIENT_PAYLOAD_STATE_NONE = 0,
        VM_CLIENT_PAYLOAD_STATE_STARTED = 1,
        VM_CLIENT_PAYLOAD_STATE_READY = 2,
        VM_CLIENT_PAYLOAD_STATE_FINISHED = 3,
} VmClientPayloadState;

/**
 * VmClientStopReason:
 * @VM_CLIENT_STOP_REASON_NONE: the machine has not been
 * run, or runs
 * @VM_CLIENT_STOP_REASON_SHUTDOWN: the guest powered off,
 * or a bare payload exited
 * @VM_CLIENT_STOP_REASON_REBOOT: the guest asked for a
 * reset and `on_reboot` is `stop`
 * @VM_CLIENT_STOP_REASON_GUEST_PANIC: the guest's kernel
 * reported a panic
 * @VM_CLIENT_STOP_REASON_TRIPLE_FAULT: a vCPU
 * triple-faulted
 * @VM_CLIENT_STOP_REASON_WATCHDOG_REBOOT: the guest's
 * watchdog ran out
 * @VM_CLIENT_STOP_REASON_HANGUP: the payload was not
 * started within its deadline
 * @VM_CLIENT_STOP_REASON_KILLED: the monitor was killed
 * @VM_CLIENT_STOP_REASON_CRASH: the monitor itself failed
 * @VM_CLIENT_STOP_REASON_START_FAILED: the run ended before
 * its first guest instruction
 * @VM_CLIENT_STOP_REASON_INFRASTRUCTURE_ERROR: a part of
 * the host's side was lost
 * @VM_CLIENT_STOP_REASON_UNKNOWN: none of the others is
 * known to hold
 *
 * How a run ended. AVF:
 * `VirtualMachineCallback.StopReason`.
 */
typedef enum {
        VM_CLIENT_STOP_REASON_NONE = 0,
        VM_CLIENT_STOP_REASON_SHUTDOWN = 1,
        VM_CLIENT_STOP_REASON_REBOOT = 2,
        VM_CLIENT_STOP_REASON_GUEST_PANIC = 3,
        VM_CLIENT_STOP_REASON_TRIPLE_FAULT = 4,
        VM_CLIENT_STOP_REASON_WATCHDOG_REBOOT = 5,
        VM_CLIENT_STOP_REASON_HANGUP = 6,
        VM_CLIENT_STOP_REASON_KILLED = 7,
        VM_CLIENT_STOP_REASON_CRASH = 8,
        VM_CLIENT_STOP_REASON_START_FAILED = 9,
        VM_CLIENT_STOP_REASON_INFRASTRUCTURE_ERROR = 10,
        VM_CLIENT_STOP_REASON_UNKNOWN = 11,
} VmClientStopReason;

#define VM_CLIENT_TYPE_BUS (vm_client_bus_get_type())
VM_CLIENT_PUBLIC GType vm_client_bus_get_type(void) G_GNUC_CONST;
#define VM_CLIENT_TYPE_MANAGER_FLAGS (vm_client_manager_flags_get_type())
VM_CLIENT_PUBLIC GType vm_client_manager_flags_get_type(void) G_GNUC_CONST;
#define VM_CLIENT_TYPE_CAPABILITY_FLAGS (vm_client_capability_flags_get_type())
VM_CLIENT_PUBLIC GType vm_client_capability_flags_get_type(void) G_GNUC_CONST;
#define VM_CLIENT_TYPE_CREATE_FLAGS (vm_client_create_flags_get_type())
VM_CLIENT_PUBLIC GType vm_client_create_flags_get_type(void) G_GNUC_CONST;
#define VM_CLIENT_TYPE_CONSOLE_FLAGS (vm_client_console_flags_get_type())
VM_CLIENT_PUBLIC GType vm_client_console_flags_get_type(void) G_GNUC_CONST;
#define VM_CLIENT_TYPE_LOG_FLAGS (vm_client_log_flags_get_type())
VM_CLIENT_PUBLIC GType vm_client_log_flags_get_type(void) G_GNUC_CONST;
#define VM_CLIENT_TYPE_ON_END (vm_client_on_end_get_type())
VM_CLIENT_PUBLIC GType vm_client_on_end_get_type(void) G_GNUC_CONST;
#define VM_CLIENT_TYPE_MACHINE_STATE (vm_client_machine_state_get_type())
VM_CLIENT_PUBLIC GType vm_client_machine_state_get_type(void) G_GNUC_CONST;
#define VM_CLIENT_TYPE_PAYLOAD_STATE (vm_client_payload_state_get_type())
VM_CLIENT_PUBLIC GType vm_client_payload_state_get_type(void) G_GNUC_CONST;
#define VM_CLIENT_TYPE_STOP_REASON (vm_client_stop_reason_get_type())
VM_CLIENT_PUBLIC GType vm_client_stop_reason_get_type(void) G_GNUC_CONST;

/* The names that the daemon uses: "running", "ready",
   "SHUTDOWN". */
VM_CLIENT_PUBLIC const char *vm_client_machine_state_to_string(VmClientMachineState state);
VM_CLIENT_PUBLIC const char *vm_client_payload_state_to_string(VmClientPayloadState state);
VM_CLIENT_PUBLIC const char *vm_client_stop_reason_to_string(VmClientStopReason reason);

G_END_DECLS
