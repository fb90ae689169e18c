/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A virtqueue without a device, and the driver's side of it (queue 0 of the driver). */

#include <endian.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "check-main.h"
#include "virtio-driver.h"
#include "virtio/queue.h"

typedef struct QueueTest {
        VirtioDriver driver;
        Virtqueue *queue;
        VirtqueueConfig config;
} QueueTest;

/* features: bits of VIRTIO_RING_F_INDIRECT_DESC and VIRTIO_RING_F_EVENT_IDX, 0 if none. */
static inline void queue_test_init(QueueTest *test, uint32_t size, uint64_t features)
{
        virtio_driver_init(&test->driver);
        test->driver.features = features;
        virtio_driver_lay_out(&test->driver, 0, size);
        ck_assert_int_eq(virtqueue_new(size, &test->queue), 0);
        test->config = (VirtqueueConfig){
                .size = size,
                .descriptor_table = test->driver.queues[0].descriptor_table,
                .driver_area = test->driver.queues[0].driver_area,
                .device_area = test->driver.queues[0].device_area,
                .indirect = features >> VIRTIO_RING_F_INDIRECT_DESC & 1,
                .event_idx = features >> VIRTIO_RING_F_EVENT_IDX & 1,
        };
        ck_assert_int_eq(virtqueue_start(test->queue, &test->driver.window, &test->config), 0);
}

static inline void queue_test_done(QueueTest *test)
{
        virtqueue_free(test->queue);
        virtio_driver_done(&test->driver);
}

/* Both sides from the beginning. */
static inline void queue_test_restart(QueueTest *test)
{
        virtio_driver_lay_out(&test->driver, 0, test->config.size);
        ck_assert_int_eq(virtqueue_start(test->queue, &test->driver.window, &test->config), 0);
}

/* A descriptor of the queue's own table. */
static inline void queue_test_descriptor(QueueTest *test, unsigned index, uint64_t address,
                                         uint32_t length, uint16_t flags, uint16_t next)
{
        virtio_driver_set_descriptor(&test->driver, test->config.descriptor_table, index, address,
                                     length, flags, next);
}

/* The next entry of the available ring. */
static inline void queue_test_offer(QueueTest *test, uint16_t head)
{
        uint16_t index = test->driver.queues[0].available;

        virtio_driver_set_available(&test->driver, 0, index, head);
        virtio_driver_set_available_index(&test->driver, 0, (uint16_t)(index + 1));
}
