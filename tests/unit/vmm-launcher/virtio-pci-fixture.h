/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A virtio device on a PCI bus, which gives each chain back at once, and its driver by the book. */

#include <check.h>
#include <stdbool.h>
#include <stdint.h>

#include "pci-harness.h"
#include "virtio-driver.h"
#include "virtio/pci.h"

#define SLOT       8U
#define BAR        HARNESS_WINDOW
#define N_QUEUES   3U
#define QUEUE_SIZE 64U

/* A device that gives each chain back at once, and counts. */
typedef struct Echo {
        VirtioDriver driver; /* for memory and rings; the registers are reached through PCI here */
        PciHarness pci;
        MsiRecorder msi;
        VirtioDevice *device;
        VirtioPci *transport;
        unsigned n_handled[N_QUEUES], n_config_writes;
        struct {
                uint64_t address;
                int fd;
        } bells[16];
        unsigned n_bells, n_bells_added;
        int bell_result;
        uint32_t common, notify, isr, configuration; /* offsets in the BAR */
        unsigned cfg_capability;                     /* VIRTIO_PCI_CAP_PCI_CFG */
} Echo;

extern const VirtioOps echo_ops;

/* A block device, or one with this id, decoding memory and mastering the bus. */
Echo *echo_new(void);
Echo *echo_new_with(uint16_t id);
void echo_free(Echo *echo);

/* Accesses to the BAR where it is after power-on, and to configuration space. */
uint64_t echo_read(Echo *echo, uint64_t offset, size_t size);
void echo_write(Echo *echo, uint64_t offset, uint64_t value, size_t size);
uint32_t echo_config(Echo *echo, unsigned offset, size_t size);

/* A structure's place in the BAR, from its capability; the capability's offset, or 0. */
unsigned echo_find_structure(Echo *echo, uint8_t type, uint32_t *ret_offset, uint32_t *ret_length);
/* Fills in the places below. */
void echo_find_all(Echo *echo);

void echo_set_status(Echo *echo, uint8_t status);
uint8_t echo_get_status(Echo *echo);
/* Section 3.1.1, up to FEATURES_OK. */
void echo_negotiate(Echo *echo);
/* Selects and enables a queue; it has its largest size. */
void echo_set_up_queue(Echo *echo, unsigned index);
/* All of it, up to DRIVER_OK. */
void echo_start(Echo *echo, bool with_msix);
/* One request there and back; whether it came back. */
bool echo_request(Echo *echo, unsigned queue);

/* Points VIRTIO_PCI_CAP_PCI_CFG somewhere. */
void echo_point(Echo *echo, uint8_t bar, uint32_t offset, uint32_t length);
/* The width of the common configuration's field that begins at an offset; 0: none does. */
size_t echo_field_width(unsigned offset);
