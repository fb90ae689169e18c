/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What devices see of guest memory: all of RAM for a plain VM, the shared pool only for a protected
 * one. A device holds guest physical addresses and comes here with them; whatever lies outside the
 * window is refused before anything is touched.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/guest-memory.h"

typedef struct DmaWindow {
        GuestMemory *memory;  /* borrowed */
        uint64_t first, last; /* guest physical, both inclusive; may hold more than RAM */
} DmaWindow;

/* All of the machine's RAM. */
#define DMA_WINDOW_ALL(m) ((DmaWindow){.memory = (m), .first = 0, .last = UINT64_MAX})

/* Whether devices may reach all of the range: 0 or -EFAULT. Touches none of it. */
int dma_check(const DmaWindow *window, uint64_t address, uint64_t size);

/* Copies, once. -EFAULT outside the window or RAM; then nothing was copied. */
int dma_read(const DmaWindow *window, uint64_t address, void *buffer, size_t size);
int dma_write(const DmaWindow *window, uint64_t address, const void *buffer, size_t size);

/*
 * A little-endian 16-bit field that the guest's processors share with us: one access each, ordered
 * against the others (VIRTIO 1.3 section 2.7.13 wants a barrier there). address is even.
 */
int dma_load_acquire16(const DmaWindow *window, uint64_t address, uint16_t *ret);
int dma_store_release16(const DmaWindow *window, uint64_t address, uint16_t value);

/* Gives pages back to the host, see guest_memory_discard(); -EFAULT also outside the window. */
int dma_discard(const DmaWindow *window, uint64_t address, uint64_t size);

/*
 * The range as the host sees it, for one system call (or io_uring request) to read or write: the
 * guest's bytes then cross once. Returns the number of elements filled (at most max; a range takes
 * one for each memory region it touches), -EFAULT, or -ENOBUFS if max is too small.
 * The pointers are dead when the call returns, or when the request that they were made for
 * completes; a reset waits for those.
 */
int dma_map(const DmaWindow *window, uint64_t address, uint64_t size, struct iovec *ret, int max);
