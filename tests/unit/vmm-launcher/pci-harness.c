/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pci-harness.h"

#include <linux/pci_regs.h>

static int recorder_unmask(void *context, unsigned vector, uint64_t address, uint32_t data)
{
        MsiRecorder *recorder = context;

        recorder->n_unmasks++;
        if (recorder->unmask_result < 0)
                return recorder->unmask_result;
        recorder->is_connected[vector] = true;
        recorder->address[vector] = address;
        recorder->data[vector] = data;
        if (recorder->is_pending[vector])
                recorder->n_delivered[vector]++;
        recorder->is_pending[vector] = false;
        return 0;
}

static void recorder_mask(void *context, unsigned vector)
{
        MsiRecorder *recorder = context;

        recorder->n_masks++;
        recorder->is_connected[vector] = false;
}

static bool recorder_is_pending(void *context, unsigned vector)
{
        MsiRecorder *recorder = context;

        return recorder->is_pending[vector];
}

static void recorder_clear(void *context, unsigned vector)
{
        MsiRecorder *recorder = context;

        recorder->is_pending[vector] = false;
}

static void recorder_signal(void *context, unsigned vector)
{
        MsiRecorder *recorder = context;

        if (recorder->is_connected[vector])
                recorder->n_delivered[vector]++;
        else
                recorder->is_pending[vector] = true;
}

static int recorder_event_fd(void *context, unsigned vector)
{
        (void)context;
        (void)vector;
        return -1;
}

const MsiOps msi_recorder_ops = {recorder_unmask, recorder_mask,   recorder_is_pending,
                                 recorder_clear,  recorder_signal, recorder_event_fd};

bool pci_harness_init(PciHarness *harness)
{
        const PciPlace place = {.ecam = HARNESS_ECAM,
                                .ecam_size = HARNESS_ECAM_SIZE,
                                .window = HARNESS_WINDOW,
                                .window_size = HARNESS_WINDOW_SIZE,
                                .config_port = HARNESS_PORT};

        *harness = (PciHarness){NULL, NULL, NULL};
        return bus_new(&harness->mmio) == 0 && bus_new(&harness->pio) == 0 &&
               pci_bus_new(&place, &harness->bus) == 0 &&
               pci_bus_connect(harness->bus, harness->mmio, harness->pio) == 0;
}

void pci_harness_done(PciHarness *harness)
{
        pci_bus_free(harness->bus);
        bus_free(harness->mmio);
        bus_free(harness->pio);
}

uint64_t pci_harness_read(PciHarness *harness, uint64_t address, size_t size)
{
        uint64_t value = 0;

        bus_read(harness->mmio, address, &value, size);
        return value;
}

void pci_harness_write(PciHarness *harness, uint64_t address, uint64_t value, size_t size)
{
        bus_write(harness->mmio, address, &value, size);
}

static uint64_t config_address(unsigned slot, unsigned offset)
{
        return HARNESS_ECAM + ((uint64_t)slot << 15) + offset;
}

uint32_t pci_harness_config_read(PciHarness *harness, unsigned slot, unsigned offset, size_t size)
{
        return (uint32_t)pci_harness_read(harness, config_address(slot, offset), size);
}

void pci_harness_config_write(PciHarness *harness, unsigned slot, unsigned offset, uint32_t value,
                              size_t size)
{
        pci_harness_write(harness, config_address(slot, offset), value, size);
}

unsigned pci_harness_find_capability(PciHarness *harness, unsigned slot, uint8_t id, unsigned after)
{
        unsigned link = after == 0 ? PCI_CAPABILITY_LIST : after + PCI_CAP_LIST_NEXT;
        unsigned at;

        while ((at = pci_harness_config_read(harness, slot, link, 1)) != 0) {
                if (pci_harness_config_read(harness, slot, at, 1) == id)
                        return at;
                link = at + PCI_CAP_LIST_NEXT;
        }
        return 0;
}
