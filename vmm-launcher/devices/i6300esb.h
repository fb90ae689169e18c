/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The watchdog of Intel's 6300ESB (data sheet 300641, chapter 16), which Linux drives by i6300esb.
 * Two stages, of which the second ends the machine; a write that counts is unlocked by two others
 * before. It runs on the host's clock while the guest runs, and stands still while it is paused.
 */

#include "core/event-loop.h"
#include "devices/device-events.h"

struct PciBus;

typedef struct I6300esb I6300esb;

/* Puts it at slot of the bus; all is borrowed but what events names, which is copied. -EEXIST,
 * -EINVAL, -ENOSPC, -ENOMEM, or why there is no timer. */
int i6300esb_new(struct PciBus *bus, unsigned slot, EventLoop *loop, const MachineEvents *events,
                 I6300esb **ret);
/* The bus goes first, or no vCPU runs any more. */
I6300esb *i6300esb_free(I6300esb *watchdog);

/* The loop's thread; the vCPUs are parked from pause to resume. Twice is as once. */
void i6300esb_pause(I6300esb *watchdog);
void i6300esb_resume(I6300esb *watchdog);
