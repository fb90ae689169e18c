/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Putting a function together, while single-threaded. */

#include "pci/pci-device.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "pci/pci-internal.h"

#define BAR_MIN 16U

/* Bytes that the guest finds after power-on. */
static void config_init(PciDevice *device, unsigned offset, const void *data, size_t size)
{
        memcpy(device->config + offset, data, size);
        memcpy(device->reset_value + offset, data, size);
}

static void config_init_le(PciDevice *device, unsigned offset, uint32_t value, size_t size)
{
        uint8_t bytes[4];

        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t)(value >> 8 * i);
        config_init(device, offset, bytes, size);
}

static void config_init_header(PciDevice *device, const PciIdentity *identity)
{
        const uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE;

        config_init_le(device, PCI_VENDOR_ID, identity->vendor, 2);
        config_init_le(device, PCI_DEVICE_ID, identity->device, 2);
        config_init_le(device, PCI_REVISION_ID, identity->revision, 1);
        config_init_le(device, PCI_CLASS_PROG, identity->class_code, 3);
        config_init_le(device, PCI_SUBSYSTEM_VENDOR_ID, identity->subsystem_vendor, 2);
        config_init_le(device, PCI_SUBSYSTEM_ID, identity->subsystem_device, 2);
        device->write_mask[PCI_COMMAND] = command & 0xffU;
        device->write_mask[PCI_COMMAND + 1] = command >> 8;
}

int pci_device_make(PciBus *bus, unsigned slot, const PciIdentity *identity,
                    const PciDeviceOps *ops, void *context, PciDevice **ret)
{
        PciDevice *device;

        if (slot >= PCI_SLOTS)
                return -EINVAL;
        if (bus->devices[slot])
                return -EEXIST;
        device = calloc(1, sizeof(*device));
        if (!device)
                return -ENOMEM;
        device->bus = bus;
        device->slot = slot;
        device->ops = ops;
        device->context = context;
        device->capabilities_end = PCI_STD_HEADER_SIZEOF;
        config_init_header(device, identity);
        bus->devices[slot] = device;
        *ret = device;
        return 0;
}

int pci_device_new(PciBus *bus, unsigned slot, const PciIdentity *identity, const PciDeviceOps *ops,
                   void *context, PciDevice **ret)
{
        return slot == 0 ? -EINVAL : pci_device_make(bus, slot, identity, ops, context, ret);
}

PciDevice *pci_device_free(PciDevice *device)
{
        if (!device)
                return NULL;
        msix_done(device);
        free(device);
        return NULL;
}

int pci_device_add_bar(PciDevice *device, unsigned bar, uint32_t size)
{
        PciBus *bus = device->bus;
        unsigned at = PCI_BASE_ADDRESS_0 + 4 * bar;
        uint64_t address;

        if (bar >= PCI_BARS || size < BAR_MIN || (size & (size - 1)) != 0)
                return -EINVAL;
        if (device->bars[bar].size > 0)
                return -EEXIST;
        address = (bus->place.window + bus->window_used + size - 1) & ~((uint64_t)size - 1);
        if (address - bus->place.window > bus->place.window_size ||
            bus->place.window_size - (address - bus->place.window) < size ||
            bus->n_bars == PCI_MAX_BARS)
                return -ENOSPC;
        bus->window_used = address - bus->place.window + size;
        device->bars[bar] = (PciBar){device, bar, size, PCI_BAR_UNMAPPED};
        bus->bars[bus->n_bars++] = &device->bars[bar];
        config_init_le(device, at, (uint32_t)address, 4);
        for (unsigned i = 0; i < 4; i++)
                device->write_mask[at + i] = (uint8_t)(~(size - 1) >> 8 * i);
        return 0;
}

int pci_device_add_registers(PciDevice *device, unsigned offset, const void *values,
                             const uint8_t *write_mask, size_t size, bool with_hooks)
{
        if (offset < PCI_STD_HEADER_SIZEOF || size > PCI_CONFIG_SIZE ||
            offset > PCI_CONFIG_SIZE - size)
                return -EINVAL;
        if (with_hooks && device->n_hooks == PCI_MAX_HOOKS)
                return -ENOSPC;
        config_init(device, offset, values, size);
        if (write_mask)
                memcpy(device->write_mask + offset, write_mask, size);
        if (with_hooks)
                device->hooks[device->n_hooks++] = (PciHook){offset, (unsigned)size};
        return 0;
}

int pci_device_add_capability(PciDevice *device, uint8_t id, const void *body,
                              const uint8_t *write_mask, size_t size, bool with_hooks)
{
        unsigned offset = device->capabilities_end;
        unsigned link = device->last_capability ? device->last_capability + PCI_CAP_LIST_NEXT
                                                : PCI_CAPABILITY_LIST;
        int r;

        if (size < PCI_CAP_SIZEOF)
                return -EINVAL;
        if (size > PCI_CONFIG_SIZE - offset)
                return -ENOSPC;
        r = pci_device_add_registers(device, offset, body, write_mask, size, with_hooks);
        if (r < 0)
                return r;
        config_init_le(device, offset + PCI_CAP_LIST_ID, id, 1);
        config_init_le(device, offset + PCI_CAP_LIST_NEXT, 0, 1);
        config_init_le(device, link, offset, 1);
        config_init_le(device, PCI_STATUS, PCI_STATUS_CAP_LIST, 1);
        device->last_capability = offset;
        /* Section 6.7: aligned to four bytes. */
        device->capabilities_end = offset + (unsigned)((size + 3) & ~(size_t)3);
        return (int)offset;
}

void pci_device_peek(const PciDevice *device, unsigned offset, void *data, size_t size)
{
        memcpy(data, device->config + offset, size);
}

void pci_device_poke(PciDevice *device, unsigned offset, const void *data, size_t size)
{
        memcpy(device->config + offset, data, size);
}

void pci_device_set_pending(PciDevice *device, const _Atomic uint8_t *pending)
{
        device->pending = pending;
}
