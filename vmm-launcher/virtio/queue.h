/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A split virtqueue as the device sees it (VIRTIO 1.3 section 2.7), with indirect descriptors and
 * event indices. This is the only code that sees ring memory: each field is copied once, the copy
 * is checked, chains are bounded by the queue's size, and no head is out twice.
 *
 * One thread at a time. The driver's mistakes are a result of their own (VIRTQUEUE_BROKEN), neither
 * success nor a host failure: the queue then stays silent until it is started again.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/dma-window.h"

#define VIRTQUEUE_SIZE_MAX 32768U /* section 2.7 */

typedef struct Virtqueue Virtqueue;

/* As the driver set it up through the transport. */
typedef struct VirtqueueConfig {
        uint32_t size;             /* descriptors: a power of two */
        uint64_t descriptor_table; /* guest physical, 16-byte aligned */
        uint64_t driver_area;      /* the available ring, 2-byte aligned */
        uint64_t device_area;      /* the used ring, 4-byte aligned */
        bool indirect;             /* VIRTIO_F_INDIRECT_DESC was negotiated */
        bool event_idx;            /* VIRTIO_F_EVENT_IDX was negotiated */
} VirtqueueConfig;

typedef struct VirtqueueSegment {
        uint64_t address; /* guest physical; all of it is within the window */
        uint32_t length;  /* bytes, not 0 */
} VirtqueueSegment;

/* A chain of buffers: the driver's bytes first, then room for the device's (section 2.7.4.2). */
typedef struct VirtqueueChain {
        const VirtqueueSegment *segments; /* the queue's; good until the next pop */
        const DmaWindow *window;
        uint16_t head;
        unsigned n_readable, n_writable;         /* segments */
        uint64_t readable_bytes, writable_bytes; /* less than 2^32 each */
} VirtqueueChain;

typedef enum VirtqueueResult {
        VIRTQUEUE_EMPTY = 0,
        VIRTQUEUE_CHAIN = 1,
        VIRTQUEUE_BROKEN = 2, /* see virtqueue_fault() */
} VirtqueueResult;

/* max_size: what the driver may choose up to; a power of two. -EINVAL, -ENOMEM. */
int virtqueue_new(uint32_t max_size, Virtqueue **ret);
Virtqueue *virtqueue_free(Virtqueue *queue);
uint32_t virtqueue_max_size(const Virtqueue *queue);

/*
 * From its first entry. 0, or VIRTQUEUE_BROKEN if the configuration is not one (size, alignment,
 * outside the window). Nothing is allocated. window is borrowed until virtqueue_stop().
 */
int virtqueue_start(Virtqueue *queue, const DmaWindow *window, const VirtqueueConfig *config);
/* Forgets all, chains in flight included. */
void virtqueue_stop(Virtqueue *queue);
bool virtqueue_is_started(const Virtqueue *queue);
/* What the driver did wrong (static storage, ASCII), or NULL. */
const char *virtqueue_fault(const Virtqueue *queue);

/* Whether virtqueue_pop() would give something, a fault included. */
bool virtqueue_has_available(Virtqueue *queue);
/* The next available chain: a VirtqueueResult. */
int virtqueue_pop(Virtqueue *queue, VirtqueueChain *ret);
/* Puts back the chain that was popped last, as if it had not been. */
void virtqueue_unpop(Virtqueue *queue, const VirtqueueChain *chain);
/* Chains that were popped and not yet pushed. */
unsigned virtqueue_in_flight(const Virtqueue *queue);

/*
 * Gives a popped chain back: written bytes at the beginning of its writable part are the device's
 * (cut to that part's size). Each head once. 0 or VIRTQUEUE_BROKEN (the used ring left the window).
 */
int virtqueue_push(Virtqueue *queue, uint16_t head, uint32_t written);

/* Forgets a popped chain without telling the driver: for one that is to be reset. */
void virtqueue_drop(Virtqueue *queue, uint16_t head);

/* After pushes: whether the driver wants an interrupt for them (section 2.7.7.2). */
bool virtqueue_needs_interrupt(Virtqueue *queue);

/*
 * Kicks: no more of them while the device looks at the queue anyway; then again. The second returns
 * whether a chain came meanwhile, for which there will be no kick (section 2.7.10.2).
 */
void virtqueue_disable_kick(Virtqueue *queue);
bool virtqueue_enable_kick(Virtqueue *queue);

/*
 * Where the queue is, for a saved state: with nothing in flight, as many chains were taken as given
 * back (modulo 2^16). Set after virtqueue_start().
 */
uint16_t virtqueue_position(const Virtqueue *queue);
void virtqueue_set_position(Virtqueue *queue, uint16_t position);

/*
 * The chain's bytes, by offset into the readable or writable part. Copies return the number of
 * bytes copied, less than size only at the part's end. (Segments were checked when the chain was
 * popped.)
 */
size_t virtqueue_chain_read(const VirtqueueChain *chain, uint64_t offset, void *buffer,
                            size_t size);
size_t virtqueue_chain_write(const VirtqueueChain *chain, uint64_t offset, const void *buffer,
                             size_t size);

/*
 * [offset, offset + size) of the readable or writable part for one system call, see dma_map().
 * Returns the number of elements, and in *ret_size the bytes that they cover: less than size where
 * max or the part ends. A descriptor's bytes are not divided between calls: with a max of
 * GUEST_MEMORY_MAX_REGIONS or more there is progress.
 */
int virtqueue_chain_map_readable(const VirtqueueChain *chain, uint64_t offset, uint64_t size,
                                 struct iovec *ret, int max, uint64_t *ret_size);
int virtqueue_chain_map_writable(const VirtqueueChain *chain, uint64_t offset, uint64_t size,
                                 struct iovec *ret, int max, uint64_t *ret_size);
