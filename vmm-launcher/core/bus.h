/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A bus maps ranges of addresses to devices: one for MMIO, one for port I/O. Ranges are registered
 * while single-threaded, before the first vCPU runs, and are read without a lock after that. A
 * device brings its own lock. Accesses have any width from 1 to 8 bytes; one that crosses its
 * range's end, or hits none, reads as all ones and is dropped as a write.
 */

#include <stddef.h>
#include <stdint.h>

typedef struct Bus Bus;

typedef struct BusOps {
        /* offset is within the range; offset + size is inside it. data is little-endian, size
         * bytes. */
        void (*read)(void *device, uint64_t offset, void *data, size_t size);
        void (*write)(void *device, uint64_t offset, const void *data, size_t size);
} BusOps;

int bus_new(Bus **ret);
Bus *bus_free(Bus *bus);

/* -EEXIST if it overlaps another range, -EINVAL if it is empty or wraps. name is static storage. */
int bus_add(Bus *bus, uint64_t address, uint64_t size, const char *name, const BusOps *ops,
            void *device);

/* One access of a vCPU: size bytes, little-endian. It cannot fail: see above. */
void bus_read(const Bus *bus, uint64_t address, void *data, size_t size);
void bus_write(const Bus *bus, uint64_t address, const void *data, size_t size);
