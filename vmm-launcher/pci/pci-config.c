/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Configuration space of one function: a header of type 0 (PCI 3.0 section 6.1), capabilities. */

#include <linux/pci_regs.h>
#include <string.h>

#include "common/cleanup.h"
#include "pci/pci-internal.h"

static bool overlaps(uint64_t offset, size_t size, unsigned start, unsigned length)
{
        return offset < start + length && offset + size > start;
}

static void call_hooks(const PciDevice *device, uint64_t offset, size_t size,
                       void (*hook)(void *device, unsigned offset, size_t size))
{
        for (unsigned i = 0; i < device->n_hooks; i++) {
                const PciHook *at = &device->hooks[i];
                unsigned first, last;

                if (!overlaps(offset, size, at->offset, at->size))
                        continue;
                first = CONST_MAX((unsigned)offset, at->offset);
                last = CONST_MIN((unsigned)(offset + size), at->offset + at->size);
                hook(device->context, first - at->offset, last - first);
        }
}

/* PCI 3.0 section 6.2.3: the interrupt's state, which MSI-X leaves alone. */
static void add_interrupt_status(PciDevice *device, uint64_t offset, uint8_t *bytes, size_t size)
{
        if (overlaps(offset, size, PCI_STATUS, 1) && device->pending &&
            !pci_device_has_msix_on(device) && atomic_load(device->pending) != 0)
                bytes[PCI_STATUS - offset] |= PCI_STATUS_INTERRUPT;
}

/* Only words that cannot cross a register's end mean anything; Linux makes no others. */
static bool is_register_access(uint64_t offset, size_t size)
{
        return (size == 1 || size == 2 || size == 4) && offset % size == 0;
}

void pci_config_read(PciDevice *device, uint64_t offset, void *data, size_t size)
{
        if (!is_register_access(offset, size)) {
                memset(data, 0xff, size);
                return;
        }
        memset(data, 0, size); /* beyond the conventional part: no extended capability */
        if (offset >= PCI_CONFIG_SIZE)
                return;
        if (device->ops->capability_read)
                call_hooks(device, offset, size, device->ops->capability_read);
        memcpy(data, device->config + offset, size);
        add_interrupt_status(device, offset, data, size);
}

void pci_config_write(PciDevice *device, uint64_t offset, const void *data, size_t size)
{
        const uint8_t *bytes = data;

        if (!is_register_access(offset, size) || offset >= PCI_CONFIG_SIZE)
                return;
        for (size_t i = 0; i < size; i++) {
                uint8_t mask = device->write_mask[offset + i], *at = &device->config[offset + i];

                *at = (uint8_t)((*at & ~mask) | (bytes[i] & mask));
        }
        if (overlaps(offset, size, PCI_COMMAND, 2) ||
            overlaps(offset, size, PCI_BASE_ADDRESS_0, 4 * PCI_BARS))
                pci_config_update_bars(device);
        if (overlaps(offset, size, PCI_COMMAND, 2) ||
            (device->msix.n_vectors > 0 &&
             overlaps(offset, size, device->msix.capability + PCI_MSIX_FLAGS, 2)))
                msix_update(device);
        if (device->ops->capability_written)
                call_hooks(device, offset, size, device->ops->capability_written);
}

uint16_t pci_config_word(const PciDevice *device, unsigned offset)
{
        return (uint16_t)(device->config[offset] | device->config[offset + 1] << 8);
}

static uint32_t config_dword(const PciDevice *device, unsigned offset)
{
        return pci_config_word(device, offset) | (uint32_t)pci_config_word(device, offset + 2)
                                                         << 16;
}

/* A BAR that the guest moved out of the window answers nowhere: RAM and the rest stay themselves.
 */
static uint64_t bar_address(const PciBar *bar)
{
        const PciPlace *place = &bar->device->bus->place;
        uint64_t address =
                config_dword(bar->device, PCI_BASE_ADDRESS_0 + 4 * bar->index) & ~(bar->size - 1);

        if (!(pci_config_word(bar->device, PCI_COMMAND) & PCI_COMMAND_MEMORY) ||
            address < place->window || bar->size > place->window_size ||
            address - place->window > place->window_size - bar->size)
                return PCI_BAR_UNMAPPED;
        return address;
}

void pci_config_update_bars(PciDevice *device)
{
        for (unsigned i = 0; i < PCI_BARS; i++) {
                PciBar *bar = &device->bars[i];
                uint64_t address;

                if (bar->size == 0)
                        continue;
                address = bar_address(bar);
                if (address == bar->address)
                        continue;
                bar->address = address;
                if (device->ops->bar_moved)
                        device->ops->bar_moved(device->context, i, address);
        }
}

void pci_config_reset(PciDevice *device)
{
        memcpy(device->config, device->reset_value, sizeof(device->config));
        pci_config_update_bars(device);
        msix_reset(device);
}
