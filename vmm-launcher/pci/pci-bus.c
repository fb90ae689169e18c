/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who is addressed: a function's configuration space, or a BAR in the window. */

#include "pci/pci-bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pci/pci-internal.h"

#define CONFIG_ENABLE    0x80000000U /* PCI 3.0 section 3.2.2.3.2 */
#define CONFIG_WRITABLE  0x80fffffcU
#define CONFIG_DATA      4U /* its offset behind CONFIG_ADDRESS */
#define CONFIG_PORT_SIZE 8U

static const PciIdentity host_bridge = {
        .vendor = 0x1b36, /* Red Hat's, for virtual hardware: "PCIe host bridge" */
        .device = 0x0008,
        .subsystem_vendor = 0x1af4,
        .subsystem_device = 0x1100,
        .class_code = 0x060000,
};

static const PciDeviceOps host_bridge_ops = {NULL};

int pci_bus_new(const PciPlace *place, PciBus **ret)
{
        PciBus *bus = calloc(1, sizeof(*bus));
        PciDevice *bridge;
        int r;

        if (!bus)
                return -ENOMEM;
        bus->place = *place;
        guest_log_init(&bus->log);
        (void)pthread_mutex_init(&bus->lock, NULL);
        r = pci_device_make(bus, 0, &host_bridge, &host_bridge_ops, NULL, &bridge);
        if (r < 0) {
                pci_bus_free(bus);
                return r;
        }
        *ret = bus;
        return 0;
}

PciBus *pci_bus_free(PciBus *bus)
{
        if (!bus)
                return NULL;
        for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
                pci_device_free(bus->devices[slot]);
        (void)pthread_mutex_destroy(&bus->lock);
        guest_log_done(&bus->log);
        free(bus);
        return NULL;
}

/* offset: as ECAM has it, bus, device, function, register (PCI Express 5.0 section 7.2.2). */
static void config_read(PciBus *bus, uint64_t offset, void *data, size_t size)
{
        uint64_t function = offset / PCI_CONFIG_EXTENDED;
        PciDevice *device =
                function % 8 == 0 && function / 8 < PCI_SLOTS ? bus->devices[function / 8] : NULL;

        if (!device) {
                memset(data, 0xff, size);
                return;
        }
        (void)pthread_mutex_lock(&bus->lock);
        pci_config_read(device, offset % PCI_CONFIG_EXTENDED, data, size);
        (void)pthread_mutex_unlock(&bus->lock);
}

static void config_write(PciBus *bus, uint64_t offset, const void *data, size_t size)
{
        uint64_t function = offset / PCI_CONFIG_EXTENDED;
        PciDevice *device =
                function % 8 == 0 && function / 8 < PCI_SLOTS ? bus->devices[function / 8] : NULL;

        if (!device)
                return;
        (void)pthread_mutex_lock(&bus->lock);
        pci_config_write(device, offset % PCI_CONFIG_EXTENDED, data, size);
        (void)pthread_mutex_unlock(&bus->lock);
}

static void ecam_read(void *context, uint64_t offset, void *data, size_t size)
{
        config_read(context, offset, data, size);
}

static void ecam_write(void *context, uint64_t offset, const void *data, size_t size)
{
        config_write(context, offset, data, size);
}

static const BusOps ecam_ops = {ecam_read, ecam_write};

/*
 * Whether CONFIG_DATA is open and the access lies in it; where it leads, as ECAM would have it.
 * CONFIG_ADDRESS has the bus in bits 16 to 23, the function in 8 to 15.
 */
static bool port_target(PciBus *bus, uint64_t port, size_t size, uint64_t *ret)
{
        uint32_t address;

        if (port < CONFIG_DATA || port + size > CONFIG_PORT_SIZE)
                return false;
        (void)pthread_mutex_lock(&bus->lock);
        address = bus->config_address;
        (void)pthread_mutex_unlock(&bus->lock);
        *ret = (uint64_t)(address >> 8 & 0xffffU) * PCI_CONFIG_EXTENDED + (address & 0xfcU) +
               (port - CONFIG_DATA);
        return address & CONFIG_ENABLE;
}

static void port_read(void *context, uint64_t port, void *data, size_t size)
{
        PciBus *bus = context;
        uint64_t offset;

        /* Only a whole access is CONFIG_ADDRESS's; others belong to whoever else has the port. */
        if (port == 0 && size == 4) {
                (void)pthread_mutex_lock(&bus->lock);
                memcpy(data, &bus->config_address, size);
                (void)pthread_mutex_unlock(&bus->lock);
        } else if (port_target(bus, port, size, &offset)) {
                config_read(bus, offset, data, size);
        } else {
                memset(data, 0xff, size);
        }
}

static void port_write(void *context, uint64_t port, const void *data, size_t size)
{
        PciBus *bus = context;
        uint64_t offset;
        uint32_t address;

        if (port == 0 && size == 4) {
                memcpy(&address, data, size);
                (void)pthread_mutex_lock(&bus->lock);
                bus->config_address = address & CONFIG_WRITABLE;
                (void)pthread_mutex_unlock(&bus->lock);
        } else if (port_target(bus, port, size, &offset)) {
                config_write(bus, offset, data, size);
        }
}

static const BusOps port_ops = {port_read, port_write};

/* The BAR that holds the whole access. Where the guest laid two over each other, the first made. */
static PciBar *window_find(PciBus *bus, uint64_t address, size_t size)
{
        for (unsigned i = 0; i < bus->n_bars; i++) {
                PciBar *bar = bus->bars[i];

                if (bar->address != PCI_BAR_UNMAPPED && address >= bar->address &&
                    size <= bar->size && address - bar->address <= bar->size - size)
                        return bar;
        }
        return NULL;
}

static void window_read(void *context, uint64_t offset, void *data, size_t size)
{
        PciBus *bus = context;
        PciBar *bar;
        bool done = false;

        (void)pthread_mutex_lock(&bus->lock);
        bar = window_find(bus, bus->place.window + offset, size);
        if (bar) {
                offset += bus->place.window - bar->address;
                done = msix_read(bar->device, bar->index, offset, data, size);
        }
        (void)pthread_mutex_unlock(&bus->lock);
        if (!bar)
                memset(data, 0xff, size);
        else if (!done)
                bar->device->ops->bar_read(bar->device->context, bar->index, offset, data, size);
}

static void window_write(void *context, uint64_t offset, const void *data, size_t size)
{
        PciBus *bus = context;
        PciBar *bar;
        bool done = false;

        (void)pthread_mutex_lock(&bus->lock);
        bar = window_find(bus, bus->place.window + offset, size);
        if (bar) {
                offset += bus->place.window - bar->address;
                done = msix_write(bar->device, bar->index, offset, data, size);
        }
        (void)pthread_mutex_unlock(&bus->lock);
        if (bar && !done)
                bar->device->ops->bar_write(bar->device->context, bar->index, offset, data, size);
}

static const BusOps window_ops = {window_read, window_write};

int pci_bus_connect(PciBus *bus, Bus *mmio, Bus *pio)
{
        const PciPlace *place = &bus->place;
        int r;

        r = bus_add(mmio, place->ecam, place->ecam_size, "pci-ecam", &ecam_ops, bus);
        if (r < 0)
                return r;
        r = bus_add(mmio, place->window, place->window_size, "pci-window", &window_ops, bus);
        if (r < 0 || !pio || place->config_port == 0)
                return r;
        return bus_add(pio, place->config_port, CONFIG_PORT_SIZE, "pci-config", &port_ops, bus);
}

void pci_bus_reset(PciBus *bus)
{
        (void)pthread_mutex_lock(&bus->lock);
        bus->config_address = 0;
        for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
                if (bus->devices[slot])
                        pci_config_reset(bus->devices[slot]);
        (void)pthread_mutex_unlock(&bus->lock);
        for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
                PciDevice *device = bus->devices[slot];

                if (device && device->ops->reset)
                        device->ops->reset(device->context);
        }
}
