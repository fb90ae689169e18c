/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The machine's devices: the only list of them. */

#include "arch/arch.h"
#include "backend/console.h"
#include "core/bus.h"
#include "core/event-loop.h"
#include "core/irq.h"
#include "devices/acpi-pm.h"
#include "devices/device-events.h"
#include "devices/i6300esb.h"
#include "devices/serial-16550.h"
#include "kvm/kvm.h"
#include "kvm/msi-router.h"
#include "pci/pci-bus.h"
#include "virtio/device.h"
#include "virtio/pci.h"

#define DEVICE_TABLE_MAX_VIRTIO 31U /* slots of a PCI bus beside its host bridge */

/* PCI slots, by kind: a guest knows a device by its place, and a saved machine has it again. */
#define DEVICE_SLOT_CONSOLE  1U
#define DEVICE_SLOT_RNG      2U
#define DEVICE_SLOT_BALLOON  3U
#define DEVICE_SLOT_VSOCK    4U
#define DEVICE_SLOT_WATCHDOG 5U
#define DEVICE_SLOT_DISK     8U  /* the first of 16 */
#define DEVICE_SLOT_NET      24U /* the first of 4 */
#define DEVICE_SLOT_FS       28U /* the first of 4 */

typedef struct DeviceContext {
        Bus *pio, *mmio;
        Console *console;
        MachineEvents events;
        /* Drives the irqchip; its line is filled in for each device. */
        IrqLine irq;
        EventLoop *loop;
        bool watchdog;    /* the machine has one */
        const KvmVm *kvm; /* borrowed: interrupt messages and doorbells */
} DeviceContext;

typedef struct DeviceTable {
        void *devices[_ARCH_DEVICE_KIND_MAX]; /* NULL: not made */
        PciBus *pci;
        MsiRouter *msi;
        I6300esb *watchdog; /* NULL: none */
        VirtioDevice *virtio[DEVICE_TABLE_MAX_VIRTIO];
        VirtioPci *transports[DEVICE_TABLE_MAX_VIRTIO]; /* of virtio */
        unsigned n_virtio;
        unsigned n_noisy; /* that have not said that they are quiet */
        void (*quiet)(void *context);
        void *quiet_context;
} DeviceTable;

/* Makes every device of the architecture and puts it on its bus. 0 or negative errno; on failure
 * what was made is in the table, for device_table_done(). */
int device_table_init(DeviceTable *table, const DeviceContext *context);
void device_table_done(DeviceTable *table);

/* Puts a virtio device on the machine's PCI bus. The table owns it, also on failure. 0 or negative
 * errno. */
int device_table_add_virtio(DeviceTable *table, const DeviceContext *context, unsigned slot,
                            VirtioDevice *device);

/*
 * No device touches guest memory or takes requests any more once quiet is called: at once, or from
 * the loop when the last request in flight is done. The vCPUs are parked, and stay so until resume.
 */
void device_table_quiesce(DeviceTable *table, void (*quiet)(void *context), void *context);
void device_table_resume(const DeviceTable *table);

/* All devices as after power-on; they are quiet. */
void device_table_reset(const DeviceTable *table);

/* Does nothing on a machine that has no such button. */
void device_table_power_button(const DeviceTable *table);
