/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The driver's side: registers, under the lock. What follows from them is left to the loop. */

#include <linux/virtio_config.h>
#include <string.h>

#include "common/cleanup.h"
#include "virtio/device-internal.h"

/* Without these there is no device: no legacy interface, and no way around the shared pool. */
static uint64_t required_features(const VirtioDevice *device)
{
        uint64_t features = 1ULL << VIRTIO_F_VERSION_1;

        if (device->info.access_platform)
                features |= 1ULL << VIRTIO_F_ACCESS_PLATFORM;
        return features;
}

bool device_features_are_acceptable(const VirtioDevice *device)
{
        uint64_t required = required_features(device);

        return (device->accepted & ~device->offered) == 0 &&
               (device->accepted & required) == required;
}

void virtio_device_set_transport(VirtioDevice *device, const VirtioTransportOps *ops,
                                 void *transport)
{
        device->transport_ops = ops;
        device->transport = transport;
}

const VirtioInfo *virtio_device_info(const VirtioDevice *device)
{
        return &device->info;
}

uint8_t virtio_device_get_status(VirtioDevice *device)
{
        uint8_t status;

        (void)pthread_mutex_lock(&device->lock);
        status = device->status;
        (void)pthread_mutex_unlock(&device->lock);
        return status;
}

/* Section 3.1.1: the driver adds bits, in order. Whether the loop has something to do. */
static bool status_add(VirtioDevice *device, uint8_t status)
{
        uint8_t added = status & (uint8_t)~device->status;

        /* Section 2.2.2: what we cannot accept leaves the bit unset, and the driver looks. */
        if (added & VIRTIO_CONFIG_S_FEATURES_OK && !device_features_are_acceptable(device))
                added &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
        /* A device that broke before it was activated has to be reset, too (section 2.1.2). */
        if (added & VIRTIO_CONFIG_S_DRIVER_OK &&
            (!((device->status | added) & VIRTIO_CONFIG_S_FEATURES_OK) ||
             device->status & VIRTIO_CONFIG_S_NEEDS_RESET))
                added &= (uint8_t)~VIRTIO_CONFIG_S_DRIVER_OK;
        added &= VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
                 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FAILED;
        device->status |= added;
        if (!(added & VIRTIO_CONFIG_S_DRIVER_OK))
                return false;
        device->wishes.activate = true;
        return true;
}

void virtio_device_set_status(VirtioDevice *device, uint8_t status)
{
        bool wake = false;

        (void)pthread_mutex_lock(&device->lock);
        if (device->wishes.reset) {
                /* Section 2.4.2: until it reads back as 0 there is nothing to be written. */
        } else if (status != 0) {
                wake = status_add(device, status);
        } else if (device->status != 0 || device->accepted != 0) {
                device->wishes.reset = wake = true;
                /* The loop clears it; a status of 0 would read as done. */
                if (device->status == 0)
                        device->status = VIRTIO_CONFIG_S_ACKNOWLEDGE;
        }
        (void)pthread_mutex_unlock(&device->lock);
        if (wake)
                device_wake(device);
}

uint64_t virtio_device_get_offered(VirtioDevice *device)
{
        uint64_t features;

        (void)pthread_mutex_lock(&device->lock);
        features = device->offered;
        (void)pthread_mutex_unlock(&device->lock);
        return features;
}

uint64_t virtio_device_get_accepted(VirtioDevice *device)
{
        uint64_t features;

        (void)pthread_mutex_lock(&device->lock);
        features = device->accepted;
        (void)pthread_mutex_unlock(&device->lock);
        return features;
}

void virtio_device_set_accepted(VirtioDevice *device, uint64_t features)
{
        (void)pthread_mutex_lock(&device->lock);
        /* Section 3.1.1: settled by FEATURES_OK. */
        if (!(device->status & VIRTIO_CONFIG_S_FEATURES_OK) && !device->wishes.reset)
                device->accepted = features;
        (void)pthread_mutex_unlock(&device->lock);
}

uint8_t virtio_device_get_generation(VirtioDevice *device)
{
        uint8_t generation;

        (void)pthread_mutex_lock(&device->lock);
        generation = device->generation;
        (void)pthread_mutex_unlock(&device->lock);
        return generation;
}

void virtio_device_read_config(VirtioDevice *device, uint64_t offset, void *data, size_t size)
{
        memset(data, 0, size);
        if (offset >= device->info.config_size)
                return;
        (void)pthread_mutex_lock(&device->lock);
        memcpy(data, device->config + offset,
               CONST_MIN(size, device->info.config_size - (size_t)offset));
        (void)pthread_mutex_unlock(&device->lock);
}

void virtio_device_write_config(VirtioDevice *device, uint64_t offset, const void *data,
                                size_t size)
{
        const uint8_t *bytes = data;
        bool wake = false;

        (void)pthread_mutex_lock(&device->lock);
        for (size_t i = 0; i < size && offset + i < device->info.config_size; i++) {
                unsigned at = (unsigned)(offset + i);
                uint8_t mask = device->info.config_writable ? device->info.config_writable[at] : 0;
                VirtioWishes *wishes = &device->wishes;

                if (mask == 0 || wishes->reset)
                        continue;
                device->config[at] = (uint8_t)((device->config[at] & ~mask) | (bytes[i] & mask));
                if (wishes->config_from == wishes->config_to)
                        wishes->config_from = wishes->config_to = at;
                wishes->config_from = CONST_MIN(wishes->config_from, at);
                if (wishes->config_to < at + 1)
                        wishes->config_to = at + 1;
                wake = true;
        }
        (void)pthread_mutex_unlock(&device->lock);
        if (wake)
                device_wake(device);
}

VirtioQueueRegisters virtio_device_get_queue(VirtioDevice *device, unsigned queue)
{
        VirtioQueueRegisters registers = {0};

        if (queue >= device->info.n_queues)
                return registers;
        (void)pthread_mutex_lock(&device->lock);
        registers = device->queues[queue].registers;
        (void)pthread_mutex_unlock(&device->lock);
        return registers;
}

void virtio_device_set_queue(VirtioDevice *device, unsigned queue,
                             const VirtioQueueRegisters *registers)
{
        bool wake = false;
        VirtioQueue *at;

        if (queue >= device->info.n_queues)
                return;
        (void)pthread_mutex_lock(&device->lock);
        at = &device->queues[queue];
        /* A queue that lives keeps its rings (CVE-2026-5747); it is set up between FEATURES_OK and
         * its enabling, section 4.1.4.3.2. */
        if (device->status & VIRTIO_CONFIG_S_FEATURES_OK && !device->wishes.reset &&
            !at->registers.enabled && !at->is_resetting) {
                at->registers = *registers;
                /* After a queue's own reset, section 2.6.1.2. */
                if (registers->enabled && device->status & VIRTIO_CONFIG_S_DRIVER_OK)
                        device->wishes.start_queues = wake = true;
        }
        (void)pthread_mutex_unlock(&device->lock);
        if (wake)
                device_wake(device);
}

void virtio_device_reset_queue(VirtioDevice *device, unsigned queue)
{
        bool wake = false;

        if (queue >= device->info.n_queues)
                return;
        (void)pthread_mutex_lock(&device->lock);
        if (device->accepted & 1ULL << VIRTIO_F_RING_RESET && !device->wishes.reset &&
            device->queues[queue].registers.enabled && !device->queues[queue].is_resetting) {
                device->queues[queue].is_resetting = true;
                device->wishes.reset_queues = wake = true;
        }
        (void)pthread_mutex_unlock(&device->lock);
        if (wake)
                device_wake(device);
}

bool virtio_device_is_queue_resetting(VirtioDevice *device, unsigned queue)
{
        bool is_resetting;

        if (queue >= device->info.n_queues)
                return false;
        (void)pthread_mutex_lock(&device->lock);
        is_resetting = device->queues[queue].is_resetting;
        (void)pthread_mutex_unlock(&device->lock);
        return is_resetting;
}

void virtio_device_notify_queue(VirtioDevice *device, unsigned queue)
{
        if (queue < device->info.n_queues)
                device_wake(device);
}

int virtio_device_queue_event_fd(VirtioDevice *device, unsigned queue)
{
        return queue < device->info.n_queues ? device->event_fd : -1;
}
