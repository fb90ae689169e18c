/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A PCI bus on buses of its own, as a guest reaches it, and a recorder of interrupts. */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/bus.h"
#include "pci/pci-bus.h"

#define HARNESS_ECAM        0xe0000000ULL
#define HARNESS_ECAM_SIZE   0x100000ULL
#define HARNESS_WINDOW      0xc0000000ULL
#define HARNESS_WINDOW_SIZE 0x20000000ULL
#define HARNESS_PORT        0xcf8U
#define HARNESS_MAX_VECTORS 2048U

/* MsiOps that keep count instead of interrupting. */
typedef struct MsiRecorder {
        bool is_connected[HARNESS_MAX_VECTORS], is_pending[HARNESS_MAX_VECTORS];
        uint64_t address[HARNESS_MAX_VECTORS];
        uint32_t data[HARNESS_MAX_VECTORS];
        unsigned n_delivered[HARNESS_MAX_VECTORS];
        unsigned n_unmasks, n_masks;
        int unmask_result;
} MsiRecorder;

extern const MsiOps msi_recorder_ops;

typedef struct PciHarness {
        Bus *mmio, *pio;
        PciBus *bus;
} PciHarness;

/* false: out of memory. */
bool pci_harness_init(PciHarness *harness);
void pci_harness_done(PciHarness *harness);

/* As a vCPU's accesses; values are little-endian, at most 8 bytes. */
uint64_t pci_harness_read(PciHarness *harness, uint64_t address, size_t size);
void pci_harness_write(PciHarness *harness, uint64_t address, uint64_t value, size_t size);
uint32_t pci_harness_config_read(PciHarness *harness, unsigned slot, unsigned offset, size_t size);
void pci_harness_config_write(PciHarness *harness, unsigned slot, unsigned offset, uint32_t value,
                              size_t size);
/* The offset of the first capability with this id behind after (0: the first of all); 0: none. */
unsigned pci_harness_find_capability(PciHarness *harness, unsigned slot, uint8_t id,
                                     unsigned after);
