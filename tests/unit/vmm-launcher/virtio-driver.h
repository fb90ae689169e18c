/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The other side of a virtio device: guest memory, rings and a transport, as a driver has them, for
 * unit tests, fuzzers and benchmarks. Well-behaved calls first, raw ones for hostile drivers below.
 * Nothing here asserts by Check: what goes wrong in the harness itself ends the process.
 */

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/dma-window.h"
#include "core/event-loop.h"
#include "core/guest-memory.h"
#include "virtio/transport.h"

#define VIRTIO_DRIVER_MEMORY (16ULL << 20) /* bytes, from guest physical address 0 */

typedef struct VirtioDriverQueue {
        uint32_t size; /* 0: not set up */
        uint32_t room; /* the size that the rings' memory was laid out for */
        uint64_t descriptor_table, driver_area, device_area;
        uint16_t available;  /* the index that the driver published */
        uint16_t considered; /* up to where it looked whether the device wants a kick */
        uint16_t used_seen;  /* up to where it took used elements */
        uint16_t *free_heads;
        unsigned n_free;
        unsigned n_interrupts;
} VirtioDriverQueue;

typedef struct VirtioDriver {
        GuestMemory *memory;
        DmaWindow window;
        EventLoop *loop;
        uint64_t next_address; /* of a bump allocator */
        VirtioDevice *device;  /* the test's own */
        uint64_t features;     /* negotiated */
        VirtioDriverQueue queues[VIRTIO_MAX_QUEUES];
        unsigned n_config_interrupts;
} VirtioDriver;

/* A buffer of a request. */
typedef struct VirtioDriverBuffer {
        uint64_t address;
        uint32_t length;
        bool writable;
} VirtioDriverBuffer;

void virtio_driver_init(VirtioDriver *driver);
/* Frees memory and loop; the device is to be freed before. */
void virtio_driver_done(VirtioDriver *driver);

/* The driver finds the device: becomes its transport, nothing is negotiated yet. */
void virtio_driver_attach(VirtioDriver *driver, VirtioDevice *device);
/*
 * ACKNOWLEDGE to DRIVER_OK with these features (VERSION_1 is added) and every queue at the size
 * that it offers, but at most queue_size; then runs the loop. false if FEATURES_OK did not stick.
 */
bool virtio_driver_start(VirtioDriver *driver, uint64_t features, uint32_t queue_size);
/* Writes status 0 and runs the loop; whether it reads back as 0. The rings are forgotten. */
bool virtio_driver_reset(VirtioDriver *driver);

/* Runs the loop until nothing is ready. */
void virtio_driver_settle(VirtioDriver *driver);
/* Runs the loop until condition(context), for at most 20 s: what other threads or the kernel do
 * takes its time. Whether it came true. */
bool virtio_driver_await(VirtioDriver *driver, bool (*condition)(void *context), void *context);

/* Fresh zeroed guest memory; it is never given back. */
uint64_t virtio_driver_alloc(VirtioDriver *driver, uint64_t size, uint64_t align);
void virtio_driver_write(VirtioDriver *driver, uint64_t address, const void *data, size_t size);
void virtio_driver_read(VirtioDriver *driver, uint64_t address, void *data, size_t size);

/* Makes a chain available (without a kick), direct or in an indirect table; its head. */
uint16_t virtio_driver_add(VirtioDriver *driver, unsigned queue, const VirtioDriverBuffer *buffers,
                           unsigned n);
uint16_t virtio_driver_add_indirect(VirtioDriver *driver, unsigned queue,
                                    const VirtioDriverBuffer *buffers, unsigned n);
void virtio_driver_kick(VirtioDriver *driver, unsigned queue);
/* Whether the device wants a kick for what was added since the last call (section 2.7.10.1). */
bool virtio_driver_wants_kick(VirtioDriver *driver, unsigned queue);
/* The next used element; its descriptors are free again, and with EVENT_IDX the driver asks for an
 * interrupt for the one after it. */
bool virtio_driver_take(VirtioDriver *driver, unsigned queue, uint16_t *ret_head,
                        uint32_t *ret_written);
/* Interrupts of the queue since the last call. */
unsigned virtio_driver_take_interrupts(VirtioDriver *driver, unsigned queue);

/* Raw: rings of a queue in fresh memory (that of the last time if it is large enough), zeroed. */
void virtio_driver_lay_out(VirtioDriver *driver, unsigned queue, uint32_t size);
/* Raw: writes one descriptor, an entry of the available ring, its index. */
void virtio_driver_set_descriptor(VirtioDriver *driver, uint64_t table, unsigned index,
                                  uint64_t address, uint32_t length, uint16_t flags, uint16_t next);
void virtio_driver_set_available(VirtioDriver *driver, unsigned queue, uint16_t slot,
                                 uint16_t head);
void virtio_driver_set_available_index(VirtioDriver *driver, unsigned queue, uint16_t index);
uint16_t virtio_driver_used_index(VirtioDriver *driver, unsigned queue);
struct vring_used_elem virtio_driver_used(VirtioDriver *driver, unsigned queue, uint16_t slot);
bool virtio_driver_needs_reset(VirtioDriver *driver);
