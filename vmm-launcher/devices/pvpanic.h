/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * pvpanic (QEMU docs/specs/pvpanic): one byte. Read: the events that are understood. Written: bit
 * 0, the guest panicked; bit 1, it panicked and goes on into its crash kernel, which is only noted,
 * since how that ends is still to come. No state: nothing to reset or to save.
 */

#include "common/cleanup.h"
#include "core/bus.h"
#include "devices/device-events.h"

#define PVPANIC_PANICKED    0x01U
#define PVPANIC_CRASHLOADED 0x02U

typedef struct Pvpanic Pvpanic;

extern const BusOps pvpanic_bus_ops;

int pvpanic_new(const MachineEvents *events, Pvpanic **ret);
Pvpanic *pvpanic_free(Pvpanic *pvpanic);
DEFINE_CLEANUP_FUNC(Pvpanic *, pvpanic_free);
