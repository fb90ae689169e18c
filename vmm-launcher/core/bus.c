/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUS_ACCESS_MAX 8U
#define BUS_GROWTH     16U

typedef struct BusRange {
        uint64_t address;
        uint64_t last; /* inclusive, so that a range may end at 2^64 - 1 */
        const char *name;
        const BusOps *ops;
        void *device;
} BusRange;

struct Bus {
        BusRange *ranges; /* in rising order, disjoint */
        size_t n_ranges, n_allocated;
};

int bus_new(Bus **ret)
{
        Bus *bus = calloc(1, sizeof(*bus));

        if (!bus)
                return -ENOMEM;
        *ret = bus;
        return 0;
}

Bus *bus_free(Bus *bus)
{
        if (!bus)
                return NULL;
        free(bus->ranges);
        free(bus);
        return NULL;
}

/* The number of ranges that begin at or below address. */
static size_t bus_position(const Bus *bus, uint64_t address)
{
        size_t low = 0, high = bus->n_ranges;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (bus->ranges[middle].address <= address)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static int bus_grow(Bus *bus)
{
        BusRange *ranges;

        if (bus->n_ranges < bus->n_allocated)
                return 0;
        ranges = reallocarray(bus->ranges, bus->n_allocated + BUS_GROWTH, sizeof(*ranges));
        if (!ranges)
                return -ENOMEM;
        bus->ranges = ranges;
        bus->n_allocated += BUS_GROWTH;
        return 0;
}

int bus_add(Bus *bus, uint64_t address, uint64_t size, const char *name, const BusOps *ops,
            void *device)
{
        uint64_t last = address + (size - 1);
        size_t at;
        int r;

        if (size == 0 || last < address)
                return -EINVAL;
        at = bus_position(bus, address);
        if (at > 0 && bus->ranges[at - 1].last >= address)
                return -EEXIST;
        if (at < bus->n_ranges && bus->ranges[at].address <= last)
                return -EEXIST;
        r = bus_grow(bus);
        if (r < 0)
                return r;
        memmove(&bus->ranges[at + 1], &bus->ranges[at],
                (bus->n_ranges - at) * sizeof(*bus->ranges));
        bus->ranges[at] = (BusRange){address, last, name, ops, device};
        bus->n_ranges++;
        return 0;
}

/* The range that holds the whole access, or NULL. */
static const BusRange *bus_find(const Bus *bus, uint64_t address, size_t size)
{
        const BusRange *range;
        size_t at;

        if (size == 0 || size > BUS_ACCESS_MAX)
                return NULL;
        at = bus_position(bus, address);
        if (at == 0)
                return NULL;
        range = &bus->ranges[at - 1];
        if (address > range->last || range->last - address < size - 1)
                return NULL;
        return range;
}

void bus_read(const Bus *bus, uint64_t address, void *data, size_t size)
{
        const BusRange *range = bus_find(bus, address, size);

        if (range && range->ops->read)
                range->ops->read(range->device, address - range->address, data, size);
        else
                memset(data, 0xff, size);
}

void bus_write(const Bus *bus, uint64_t address, const void *data, size_t size)
{
        const BusRange *range = bus_find(bus, address, size);

        if (range && range->ops->write)
                range->ops->write(range->device, address - range->address, data, size);
}
