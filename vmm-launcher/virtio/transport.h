/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The driver's side of a virtio device: what a transport needs. Any thread. The status machine, the
 * negotiation of features and the rules about when a queue may be set up are here and nowhere else
 * (VIRTIO 1.3 sections 2.1, 2.2, 3.1); a transport only knows where its registers lie.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio/device.h"

#define VIRTIO_NO_VECTOR 0xffffU /* <linux/virtio_pci.h> VIRTIO_MSI_NO_VECTOR */

/* What the device needs of its transport. On the loop's thread, or, for a configuration change that
 * a register write brings about, on a vCPU's; the device's lock is not held. */
typedef struct VirtioTransportOps {
        void (*interrupt_queue)(void *transport, unsigned queue);
        void (*interrupt_config)(void *transport);
} VirtioTransportOps;

/* While single-threaded. ops and transport are borrowed. */
void virtio_device_set_transport(VirtioDevice *device, const VirtioTransportOps *ops,
                                 void *transport);

const VirtioInfo *virtio_device_info(const VirtioDevice *device);

uint8_t virtio_device_get_status(VirtioDevice *device);
void virtio_device_set_status(VirtioDevice *device, uint8_t status);
uint64_t virtio_device_get_offered(VirtioDevice *device);
uint64_t virtio_device_get_accepted(VirtioDevice *device);
void virtio_device_set_accepted(VirtioDevice *device, uint64_t features);
uint8_t virtio_device_get_generation(VirtioDevice *device);

/* The driver's view of the configuration space: outside it reads as zero and is dropped. */
void virtio_device_read_config(VirtioDevice *device, uint64_t offset, void *data, size_t size);
void virtio_device_write_config(VirtioDevice *device, uint64_t offset, const void *data,
                                size_t size);

/* A queue's registers. For a number that is no queue: size 0, writes are dropped. size is what the
 * driver chose, the largest there is before. Writes to a queue that is enabled are dropped. */
typedef struct VirtioQueueRegisters {
        uint32_t size;
        uint64_t descriptor_table, driver_area, device_area;
        bool enabled;
} VirtioQueueRegisters;
VirtioQueueRegisters virtio_device_get_queue(VirtioDevice *device, unsigned queue);
void virtio_device_set_queue(VirtioDevice *device, unsigned queue,
                             const VirtioQueueRegisters *registers);
/* VIRTIO_F_RING_RESET (section 2.6.1). reads back as true until it is done. */
void virtio_device_reset_queue(VirtioDevice *device, unsigned queue);
bool virtio_device_is_queue_resetting(VirtioDevice *device, unsigned queue);

/* A kick: by a register write that came as an exit, or (the eventfd, borrowed, -1 without such a
 * queue) by KVM itself. */
void virtio_device_notify_queue(VirtioDevice *device, unsigned queue);
int virtio_device_queue_event_fd(VirtioDevice *device, unsigned queue);
