/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a machine's values are put to people. */

#include <stdint.h>

#include "libvmclient/vmclient.h"
#include "vmctl/message.h"

Tone machine_state_tone(VmClientMachineState state);
Tone stop_reason_tone(VmClientStopReason reason);

/* Since when it is in its state, as far as it is known: the start, or the end, of its run. */
int64_t machine_since(VmClientMachine *machine);
