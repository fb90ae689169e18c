/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The machine: owns every object of the monitor, from the daemon's socket to the vCPUs. */

#include "common/cleanup.h"

typedef struct Vm Vm;

/* control_fd, the daemon's socket, stays the caller's. 0 or negative errno. */
int vm_new(int control_fd, Vm **ret);
Vm *vm_free(Vm *vm);
DEFINE_CLEANUP_FUNC(Vm *, vm_free);

/*
 * Serves the daemon until the machine's run is over and its last event is sent. Returns the exit
 * code that agrees with that event (protocol.h: monitor_exit_code()).
 */
int vm_run(Vm *vm);
