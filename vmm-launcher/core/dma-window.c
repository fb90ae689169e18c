/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/dma-window.h"

#include <errno.h>
#include <stdbool.h>

static bool window_holds(const DmaWindow *window, uint64_t address, uint64_t size)
{
        if (address < window->first || address > window->last)
                return false;
        return size == 0 || size - 1 <= window->last - address;
}

int dma_check(const DmaWindow *window, uint64_t address, uint64_t size)
{
        if (!window_holds(window, address, size))
                return -EFAULT;
        return guest_memory_check(window->memory, address, size);
}

int dma_read(const DmaWindow *window, uint64_t address, void *buffer, size_t size)
{
        if (!window_holds(window, address, size))
                return -EFAULT;
        return guest_memory_read(window->memory, address, buffer, size);
}

int dma_write(const DmaWindow *window, uint64_t address, const void *buffer, size_t size)
{
        if (!window_holds(window, address, size))
                return -EFAULT;
        return guest_memory_write(window->memory, address, buffer, size);
}

int dma_load_acquire16(const DmaWindow *window, uint64_t address, uint16_t *ret)
{
        if (!window_holds(window, address, sizeof(*ret)))
                return -EFAULT;
        return guest_memory_load_acquire16(window->memory, address, ret);
}

int dma_store_release16(const DmaWindow *window, uint64_t address, uint16_t value)
{
        if (!window_holds(window, address, sizeof(value)))
                return -EFAULT;
        return guest_memory_store_release16(window->memory, address, value);
}

int dma_discard(const DmaWindow *window, uint64_t address, uint64_t size)
{
        if (!window_holds(window, address, size))
                return -EFAULT;
        return guest_memory_discard(window->memory, address, size);
}

int dma_map(const DmaWindow *window, uint64_t address, uint64_t size, struct iovec *ret, int max)
{
        if (!window_holds(window, address, size))
                return -EFAULT;
        return guest_memory_map(window->memory, address, size, ret, max);
}
