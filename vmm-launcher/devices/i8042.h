/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is left of the keyboard controller: its command port (0x64), of which operating systems use
 * "pulse output line 0" (0xfe) to reset the machine. The status reads 0, an empty buffer, so that a
 * guest which waits for it goes on. There is no data port: it reads as all ones, "no controller".
 * No state: nothing to reset or to save.
 */

#include "common/cleanup.h"
#include "core/bus.h"
#include "devices/device-events.h"

typedef struct I8042 I8042;

extern const BusOps i8042_bus_ops;

int i8042_new(const MachineEvents *events, I8042 **ret);
I8042 *i8042_free(I8042 *i8042);
DEFINE_CLEANUP_FUNC(I8042 *, i8042_free);
