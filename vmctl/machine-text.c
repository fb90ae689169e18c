/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/machine-text.h"

Tone machine_state_tone(VmClientMachineState state)
{
        switch (state) {
        case VM_CLIENT_MACHINE_STATE_RUNNING:
                return TONE_GOOD;
        case VM_CLIENT_MACHINE_STATE_PAUSED:
        case VM_CLIENT_MACHINE_STATE_PAUSING:
        case VM_CLIENT_MACHINE_STATE_STARTING:
        case VM_CLIENT_MACHINE_STATE_RESUMING:
        case VM_CLIENT_MACHINE_STATE_STOPPING:
                return TONE_WARNING;
        case VM_CLIENT_MACHINE_STATE_STOPPED:
        case VM_CLIENT_MACHINE_STATE_UNKNOWN:
                break;
        }
        return TONE_FAINT;
}

Tone stop_reason_tone(VmClientStopReason reason)
{
        switch (reason) {
        case VM_CLIENT_STOP_REASON_NONE:
        case VM_CLIENT_STOP_REASON_SHUTDOWN:
                return TONE_PLAIN;
        case VM_CLIENT_STOP_REASON_REBOOT:
        case VM_CLIENT_STOP_REASON_KILLED:
                return TONE_WARNING;
        default:
                return TONE_BAD;
        }
}

int64_t machine_since(VmClientMachine *machine)
{
        if (vm_client_machine_get_state(machine) == VM_CLIENT_MACHINE_STATE_STOPPED)
                return vm_client_machine_get_stopped_at(machine);
        return vm_client_machine_get_started_at(machine);
}
