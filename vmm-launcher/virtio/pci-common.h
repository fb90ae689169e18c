/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The common configuration structure of virtio over PCI (VIRTIO 1.3 section 4.1.4.3), and what
 * belongs to it: which MSI-X vector stands for what, and the ISR status. Where they lie is pci.c's.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio/transport.h"

#define VIRTIO_PCI_COMMON_SIZE 64U /* what the section defines, admin_queue_num included */

typedef struct VirtioPciCommon {
        VirtioDevice *device; /* borrowed */
        unsigned n_queues, n_vectors;

        /* Interrupts come from the loop's thread, and from a vCPU's within a register access. */
        _Atomic uint8_t isr; /* section 4.1.4.5 */
        _Atomic uint16_t config_vector;
        _Atomic uint16_t queue_vectors[VIRTIO_MAX_QUEUES];

        pthread_mutex_t lock; /* for what stands here; before the device's own */
        uint32_t device_feature_select, driver_feature_select;
        uint16_t queue_select;
} VirtioPciCommon;

void virtio_pci_common_init(VirtioPciCommon *common, VirtioDevice *device, unsigned n_vectors);
void virtio_pci_common_done(VirtioPciCommon *common);
/* As after power-on. The device's registers are the device's to reset. */
void virtio_pci_common_reset(VirtioPciCommon *common);

/* One access of the driver, at any offset, of any size; what is no field reads as zero and is
 * dropped. */
void virtio_pci_common_read(VirtioPciCommon *common, uint64_t offset, uint8_t *data, size_t size);
void virtio_pci_common_write(VirtioPciCommon *common, uint64_t offset, const uint8_t *data,
                             size_t size);
