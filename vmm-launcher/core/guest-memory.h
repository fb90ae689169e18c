/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Guest memory: the only place where a guest physical address becomes a host pointer. Devices hold
 * addresses and copy in and out; every access is bounds-checked over its whole length and can fail.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define GUEST_MEMORY_MAX_REGIONS 8

typedef struct GuestMemory GuestMemory;

typedef struct GuestRegion {
        uint64_t address; /* guest physical, page-aligned */
        uint64_t size;    /* bytes */
        void *host;       /* for the memslot ioctl and boot loading only */
} GuestRegion;

/* Anonymous private memory, MADV_DONTDUMP, MAP_NORESERVE. */
int guest_memory_new(const GuestRegion *layout, size_t n_regions, GuestMemory **ret);
GuestMemory *guest_memory_free(GuestMemory *memory);

/*
 * Transparent huge pages for what is touched from now on. The first touch of each clears 2 MiB: a
 * gain for all but the few pages that a small payload and its tables need, so those come before.
 * Reading a megabyte from a file calls it as well. Does nothing the second time.
 */
void guest_memory_use_huge_pages(GuestMemory *memory);

/* The regions by rising address (*ret is borrowed); the size of all of them in bytes. */
size_t guest_memory_regions(const GuestMemory *memory, const GuestRegion **ret);
uint64_t guest_memory_size(const GuestMemory *memory);

/* Whether every byte of the range is RAM: 0 or -EFAULT. Touches none of it. */
int guest_memory_check(const GuestMemory *memory, uint64_t address, uint64_t size);

/*
 * Copies. -EFAULT if any byte of [address, address + size) is outside RAM (also on wrap); then
 * nothing was copied. A range may span adjoining regions.
 */
int guest_memory_read(const GuestMemory *memory, uint64_t address, void *buffer, size_t size);
int guest_memory_write(GuestMemory *memory, uint64_t address, const void *buffer, size_t size);
int guest_memory_fill(GuestMemory *memory, uint64_t address, int byte, size_t size);

/* Reads [offset, offset + size) of fd straight into guest memory. -EFAULT, -EIO at an early end,
 * errno. */
int guest_memory_read_from_fd(GuestMemory *memory, uint64_t address, int fd, uint64_t offset,
                              uint64_t size);

/*
 * A little-endian field of 16 bits that the guest's processors share with us, in one access that is
 * ordered against the others. -EFAULT outside RAM or at an odd address.
 */
int guest_memory_load_acquire16(const GuestMemory *memory, uint64_t address, uint16_t *ret);
int guest_memory_store_release16(GuestMemory *memory, uint64_t address, uint16_t value);

/*
 * The range as the host sees it, for the system call that follows: a vector with an element for
 * each region that it touches. Returns their number, -EFAULT outside RAM, -ENOBUFS if max is too
 * small.
 */
int guest_memory_map(const GuestMemory *memory, uint64_t address, uint64_t size, struct iovec *ret,
                     int max);

/*
 * Gives the pages back to the host: they read as zero. address and size are multiples of 4096 (else
 * -EINVAL). -EFAULT if any byte is outside RAM, then none was given back; errno. Part of a huge
 * page comes free when the kernel splits it, a whole one at once.
 */
int guest_memory_discard(GuestMemory *memory, uint64_t address, uint64_t size);

/* Gives every page back to the host: all of guest memory reads as zero, as after power-on. */
int guest_memory_reset(GuestMemory *memory);
