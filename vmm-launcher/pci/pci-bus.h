/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The PCI bus of a machine: one segment, one bus, function 0 of 32 slots, a host bridge in slot 0.
 * Reached by ECAM and, where there are ports, by CF8/CFC. It decodes its memory window itself, so
 * that a guest may move BARs.
 */

#include "core/bus.h"
#include "core/pci-place.h"
#include "pci/pci-device.h"

/* place is copied. */
int pci_bus_new(const PciPlace *place, PciBus **ret);
PciBus *pci_bus_free(PciBus *bus);

/* Registers the bus's ranges. pio is NULL where there are no ports. 0 or as bus_add(). */
int pci_bus_connect(PciBus *bus, Bus *mmio, Bus *pio);

/* Power-on state: command registers, BARs where they were placed, MSI-X off and masked, then each
 * device (PciDeviceOps). No vCPU runs. */
void pci_bus_reset(PciBus *bus);
