/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A function of the PCI bus (PCI Express Base Specification 5.0, section 7.5; PCI Local Bus 3.0,
 * section 6): configuration space, base address registers, capabilities, MSI-X. All of it is put
 * together while single-threaded; after that any vCPU may reach it, under the bus's lock.
 * There are no INTx pins: every device here has MSI-X or needs no interrupt.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/msi.h"

typedef struct PciBus PciBus;
typedef struct PciDevice PciDevice;

#define PCI_BAR_UNMAPPED UINT64_MAX

typedef struct PciIdentity {
        uint16_t vendor, device;
        uint16_t subsystem_vendor, subsystem_device;
        uint32_t class_code; /* base class, subclass, interface: 24 bits */
        uint8_t revision;
} PciIdentity;

/*
 * The device behind the function. BAR accesses hold no lock and lie within the BAR, as BusOps';
 * bar_moved and the config hooks hold the bus's lock, so they must not come back to the bus.
 */
typedef struct PciDeviceOps {
        void (*bar_read)(void *device, unsigned bar, uint64_t offset, void *data, size_t size);
        void (*bar_write)(void *device, unsigned bar, uint64_t offset, const void *data,
                          size_t size);
        /* The BAR answers at this guest physical address now, or at none (PCI_BAR_UNMAPPED): the
         * guest switched memory decoding or moved it. NULL: of no interest. */
        void (*bar_moved)(void *device, unsigned bar, uint64_t address);
        /* A capability added with hooks: before a read of, and after a write to, [offset, offset +
         * size) of its body (offset from the capability's first byte). NULL: plain bytes. */
        void (*capability_read)(void *device, unsigned offset, size_t size);
        void (*capability_written)(void *device, unsigned offset, size_t size);
        /* The machine is reset; the function has its power-on state already. No vCPU runs, no lock
         * is held. NULL: there is nothing behind the function. */
        void (*reset)(void *device);
} PciDeviceOps;

/*
 * Puts a function at 00:slot.0; slot is 1 to 31 (0 is the host bridge). The bus owns it, and calls
 * nothing of context after pci_bus_free(). -EEXIST, -EINVAL, -ENOMEM.
 */
int pci_device_new(PciBus *bus, unsigned slot, const PciIdentity *identity, const PciDeviceOps *ops,
                   void *context, PciDevice **ret);

/*
 * A 32-bit memory BAR of size bytes (a power of two, 16 at least), placed in the bus's window; the
 * guest may move it. -ENOSPC if the window is full. MSI-X tables answer there by themselves.
 */
int pci_device_add_bar(PciDevice *device, unsigned bar, uint32_t size);

/*
 * A capability with this body (id and next pointer included, which are filled in); bytes of mask
 * are writable by the guest, NULL: none. with_hooks: see PciDeviceOps. Returns its offset in
 * configuration space, or -ENOSPC.
 */
int pci_device_add_capability(PciDevice *device, uint8_t id, const void *body,
                              const uint8_t *write_mask, size_t size, bool with_hooks);

/*
 * Registers of the device's own at a fixed offset (64 or more), outside of capabilities; mask and
 * hooks as for these. 0, -EINVAL, -ENOSPC.
 */
int pci_device_add_registers(PciDevice *device, unsigned offset, const void *values,
                             const uint8_t *write_mask, size_t size, bool with_hooks);

/*
 * MSI-X (PCI 3.0 section 6.8.2) with n_vectors (1 to 2048), its table at table_offset and its
 * pending bits at pba_offset of a BAR. 0 or negative errno.
 */
int pci_device_add_msix(PciDevice *device, unsigned n_vectors, unsigned bar, uint32_t table_offset,
                        uint32_t pba_offset, const MsiLine *msi);

/* Bytes of configuration space as they are now, for capability hooks (with the bus's lock held). */
void pci_device_peek(const PciDevice *device, unsigned offset, void *data, size_t size);
void pci_device_poke(PciDevice *device, unsigned offset, const void *data, size_t size);

/* The device wants interrupt vector (any thread); nothing if the guest has MSI-X off or there is no
 * such vector. */
void pci_device_signal(PciDevice *device, unsigned vector);
/* Whether the guest has MSI-X enabled (any thread). */
bool pci_device_has_msix_on(const PciDevice *device);
/* The interrupt status bit of the status register, for drivers that poll: set while the byte (which
 * is borrowed) is not 0 and MSI-X is off. While single-threaded. */
void pci_device_set_pending(PciDevice *device, const _Atomic uint8_t *pending);
