/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/guest-memory.h"

#include <endian.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"

#define GUEST_PAGE_SIZE 4096ULL
#define HUGE_PAGE_SIZE  (2ULL * 1024 * 1024)
/* One pread(2) moves at most 0x7ffff000 bytes; ask for less at a time. */
#define READ_MAX   (1ULL << 30)
#define LARGE_READ (1ULL << 20)

typedef struct Mapping {
        void *start; /* what mmap() returned: the region with slack for its alignment */
        size_t size;
} Mapping;

struct GuestMemory {
        GuestRegion regions[GUEST_MEMORY_MAX_REGIONS];
        Mapping mappings[GUEST_MEMORY_MAX_REGIONS];
        size_t n_regions;
        bool huge_pages;
};

/* A run of guest memory that is contiguous on the host. */
typedef struct Span {
        char *host;
        size_t size;
} Span;

static const GuestRegion *memory_find(const GuestMemory *memory, uint64_t address)
{
        for (size_t i = 0; i < memory->n_regions; i++) {
                const GuestRegion *region = &memory->regions[i];

                if (address >= region->address && address - region->address < region->size)
                        return region;
        }
        return NULL;
}

static bool memory_span(const GuestMemory *memory, uint64_t address, size_t size, Span *ret)
{
        const GuestRegion *region = memory_find(memory, address);
        uint64_t offset, left;

        if (!region)
                return false;
        offset = address - region->address;
        left = region->size - offset;
        ret->host = (char *)region->host + offset;
        ret->size = left < size ? (size_t)left : size;
        return true;
}

/* Whether every byte of the range is RAM. Nothing may be touched before this said yes. */
static bool memory_covers(const GuestMemory *memory, uint64_t address, uint64_t size)
{
        if (size > 0 && address + (size - 1) < address)
                return false;
        while (size > 0) {
                Span span;

                if (!memory_span(memory, address, size, &span))
                        return false;
                address += span.size;
                size -= span.size;
        }
        return true;
}

static int layout_check(const GuestRegion *layout, size_t n_regions)
{
        uint64_t end = 0;

        if (n_regions == 0 || n_regions > GUEST_MEMORY_MAX_REGIONS)
                return -EINVAL;
        for (size_t i = 0; i < n_regions; i++) {
                const GuestRegion *region = &layout[i];

                if (region->size == 0 || (region->address | region->size) % GUEST_PAGE_SIZE != 0)
                        return -EINVAL;
                if (region->address < end || region->address + region->size < region->address)
                        return -EINVAL;
                end = region->address + region->size;
        }
        return 0;
}

/*
 * Reserves slack and starts the region at the same offset within a huge page as the guest sees it,
 * so that both levels of translation can use huge pages. The slack is never touched.
 */
static int region_map(GuestRegion *region, Mapping *mapping)
{
        uint64_t misalignment;
        void *start;

        if (region->size > SIZE_MAX - HUGE_PAGE_SIZE)
                return -ENOMEM;
        mapping->size = region->size + HUGE_PAGE_SIZE;
        start = mmap(NULL, mapping->size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (start == MAP_FAILED)
                return -errno;
        mapping->start = start;
        misalignment = (region->address - (uintptr_t)start) % HUGE_PAGE_SIZE;
        region->host = (char *)start + misalignment;
        if (madvise(region->host, region->size, MADV_DONTDUMP) < 0)
                return -errno;
        return 0;
}

int guest_memory_new(const GuestRegion *layout, size_t n_regions, GuestMemory **ret)
{
        GuestMemory *memory;
        int r;

        r = layout_check(layout, n_regions);
        if (r < 0)
                return r;
        memory = calloc(1, sizeof(*memory));
        if (!memory)
                return -ENOMEM;
        for (size_t i = 0; i < n_regions; i++) {
                memory->regions[i] = layout[i];
                memory->n_regions++;
                r = region_map(&memory->regions[i], &memory->mappings[i]);
                if (r < 0) {
                        guest_memory_free(memory);
                        return r;
                }
        }
        *ret = memory;
        return 0;
}

GuestMemory *guest_memory_free(GuestMemory *memory)
{
        if (!memory)
                return NULL;
        for (size_t i = 0; i < memory->n_regions; i++)
                if (memory->mappings[i].start)
                        (void)munmap(memory->mappings[i].start, memory->mappings[i].size);
        free(memory);
        return NULL;
}

void guest_memory_use_huge_pages(GuestMemory *memory)
{
        if (memory->huge_pages)
                return;
        memory->huge_pages = true;
        /* Kernels without the feature say EINVAL: 4 KiB pages serve as well. */
        for (size_t i = 0; i < memory->n_regions; i++)
                (void)madvise(memory->regions[i].host, memory->regions[i].size, MADV_HUGEPAGE);
}

size_t guest_memory_regions(const GuestMemory *memory, const GuestRegion **ret)
{
        *ret = memory->regions;
        return memory->n_regions;
}

uint64_t guest_memory_size(const GuestMemory *memory)
{
        uint64_t size = 0;

        for (size_t i = 0; i < memory->n_regions; i++)
                size += memory->regions[i].size;
        return size;
}

int guest_memory_check(const GuestMemory *memory, uint64_t address, uint64_t size)
{
        return memory_covers(memory, address, size) ? 0 : -EFAULT;
}

int guest_memory_read(const GuestMemory *memory, uint64_t address, void *buffer, size_t size)
{
        char *to = buffer;
        Span span;

        if (!memory_covers(memory, address, size))
                return -EFAULT;
        for (; size > 0 && memory_span(memory, address, size, &span); size -= span.size) {
                memcpy(to, span.host, span.size);
                to += span.size;
                address += span.size;
        }
        /* Whoever checks the copy checks the copy: the compiler, too, may not look at the guest's
         * bytes a second time instead. */
        atomic_signal_fence(memory_order_seq_cst);
        return 0;
}

int guest_memory_write(GuestMemory *memory, uint64_t address, const void *buffer, size_t size)
{
        const char *from = buffer;
        Span span;

        if (!memory_covers(memory, address, size))
                return -EFAULT;
        for (; size > 0 && memory_span(memory, address, size, &span); size -= span.size) {
                memcpy(span.host, from, span.size);
                from += span.size;
                address += span.size;
        }
        return 0;
}

int guest_memory_fill(GuestMemory *memory, uint64_t address, int byte, size_t size)
{
        Span span;

        if (!memory_covers(memory, address, size))
                return -EFAULT;
        for (; size > 0 && memory_span(memory, address, size, &span); size -= span.size) {
                memset(span.host, byte, span.size);
                address += span.size;
        }
        return 0;
}

/* The host's place of a shared 16-bit field, or NULL. */
static uint16_t *memory_field16(const GuestMemory *memory, uint64_t address)
{
        Span span;

        if (address % sizeof(uint16_t) != 0 ||
            !memory_span(memory, address, sizeof(uint16_t), &span))
                return NULL;
        return (uint16_t *)(void *)span.host;
}

int guest_memory_load_acquire16(const GuestMemory *memory, uint64_t address, uint16_t *ret)
{
        const uint16_t *field = memory_field16(memory, address);

        if (!field)
                return -EFAULT;
        *ret = le16toh(__atomic_load_n(field, __ATOMIC_ACQUIRE));
        return 0;
}

int guest_memory_store_release16(GuestMemory *memory, uint64_t address, uint16_t value)
{
        uint16_t *field = memory_field16(memory, address);

        if (!field)
                return -EFAULT;
        __atomic_store_n(field, htole16(value), __ATOMIC_RELEASE);
        return 0;
}

int guest_memory_map(const GuestMemory *memory, uint64_t address, uint64_t size, struct iovec *ret,
                     int max)
{
        int n = 0;

        if (!memory_covers(memory, address, size))
                return -EFAULT;
        while (size > 0) {
                Span span;

                if (n == max)
                        return -ENOBUFS;
                if (!memory_span(memory, address, size, &span))
                        return -EFAULT;
                ret[n++] = (struct iovec){.iov_base = span.host, .iov_len = span.size};
                address += span.size;
                size -= span.size;
        }
        return n;
}

static int span_read_from_fd(const Span *span, int fd, uint64_t offset)
{
        size_t done = 0;

        while (done < span->size) {
                size_t want = CONST_MIN(span->size - done, READ_MAX);
                ssize_t n = pread(fd, span->host + done, want, (off_t)(offset + done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -EIO;
                done += (size_t)n;
        }
        return 0;
}

int guest_memory_read_from_fd(GuestMemory *memory, uint64_t address, int fd, uint64_t offset,
                              uint64_t size)
{
        if (!memory_covers(memory, address, size))
                return -EFAULT;
        if (offset > INT64_MAX || size > INT64_MAX - offset)
                return -EIO;
        if (size >= LARGE_READ)
                guest_memory_use_huge_pages(memory);
        while (size > 0) {
                Span span;
                int r;

                if (!memory_span(memory, address, size, &span))
                        return -EFAULT;
                r = span_read_from_fd(&span, fd, offset);
                if (r < 0)
                        return r;
                address += span.size;
                offset += span.size;
                size -= span.size;
        }
        return 0;
}

int guest_memory_discard(GuestMemory *memory, uint64_t address, uint64_t size)
{
        if ((address | size) % GUEST_PAGE_SIZE != 0)
                return -EINVAL;
        if (!memory_covers(memory, address, size))
                return -EFAULT;
        while (size > 0) {
                Span span;

                if (!memory_span(memory, address, size, &span))
                        return -EFAULT;
                if (madvise(span.host, span.size, MADV_DONTNEED) < 0)
                        return -errno;
                address += span.size;
                size -= span.size;
        }
        return 0;
}

int guest_memory_reset(GuestMemory *memory)
{
        for (size_t i = 0; i < memory->n_regions; i++) {
                const GuestRegion *region = &memory->regions[i];

                if (madvise(region->host, region->size, MADV_DONTNEED) < 0)
                        return -errno;
        }
        return 0;
}
