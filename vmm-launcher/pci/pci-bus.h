/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The PCI bus of a machine: one segment, one bus, function 0 of 32 slots, a host bridge in slot 0.
 * Reached by ECAM and, where there are ports, by CF8/CFC. It decodes its memory window itself, so
 * that a guest may move BARs.
 */

#include <stdint.h>

#include "core/bus.h"
#include "pci/pci-device.h"

typedef struct PciPlace {
        uint64_t ecam, ecam_size;     /* guest physical */
        uint64_t window, window_size; /* guest physical, below 4 GiB: the BARs' */
        uint16_t config_port;         /* CONFIG_ADDRESS of configuration mechanism #1; 0: none */
} PciPlace;

/* place is copied. */
int pci_bus_new(const PciPlace *place, PciBus **ret);
PciBus *pci_bus_free(PciBus *bus);

/* Registers the bus's ranges. pio is NULL where there are no ports. 0 or as bus_add(). */
int pci_bus_connect(PciBus *bus, Bus *mmio, Bus *pio);

/* Power-on state: command registers, BARs where they were placed, MSI-X off and masked. No vCPU
 * runs. */
void pci_bus_reset(PciBus *bus);
