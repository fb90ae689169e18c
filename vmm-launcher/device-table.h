/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The machine's devices: the only list of them. */

#include "arch/arch.h"
#include "backend/console.h"
#include "core/bus.h"
#include "core/irq.h"
#include "devices/acpi-pm.h"
#include "devices/device-events.h"
#include "devices/serial-16550.h"
#include "virtio/device.h"

#define DEVICE_TABLE_MAX_VIRTIO 31U /* slots of a PCI bus beside its host bridge */

typedef struct DeviceContext {
        Bus *pio, *mmio;
        Console *console;
        MachineEvents events;
        /* Drives the irqchip; its line is filled in for each device. */
        IrqLine irq;
} DeviceContext;

typedef struct DeviceTable {
        void *devices[_ARCH_DEVICE_KIND_MAX]; /* NULL: not made */
        VirtioDevice *virtio[DEVICE_TABLE_MAX_VIRTIO];
        unsigned n_virtio;
        unsigned n_noisy; /* that have not said that they are quiet */
        void (*quiet)(void *context);
        void *quiet_context;
} DeviceTable;

/* Makes every device of the architecture and puts it on its bus. 0 or negative errno; on failure
 * what was made is in the table, for device_table_done(). */
int device_table_init(DeviceTable *table, const DeviceContext *context);
void device_table_done(DeviceTable *table);

/*
 * No device touches guest memory or takes requests any more once quiet is called: at once, or from the
 * loop when the last request in flight is done. The vCPUs are parked, and stay so until resume.
 */
void device_table_quiesce(DeviceTable *table, void (*quiet)(void *context), void *context);
void device_table_resume(const DeviceTable *table);

/* All devices as after power-on; they are quiet. */
void device_table_reset(const DeviceTable *table);

/* Does nothing on a machine that has no such button. */
void device_table_power_button(const DeviceTable *table);
