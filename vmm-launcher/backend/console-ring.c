/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "backend/console-internal.h"

void console_ring_append(ConsoleRing *ring, const uint8_t *data, size_t size)
{
        size_t skip, at, first;

        (void)pthread_mutex_lock(&ring->lock);
        /* Only the last ring->size bytes can stay; the rest counts as printed and overwritten. */
        skip = size > ring->size ? size - ring->size : 0;
        ring->head += skip;
        data += skip;
        size -= skip;
        if (size > 0) {
                at = (size_t)(ring->head % ring->size);
                first = CONST_MIN(size, ring->size - at);
                memcpy(ring->data + at, data, first);
                memcpy(ring->data, data + first, size - first);
                ring->head += size;
        }
        (void)pthread_mutex_unlock(&ring->lock);
}

uint64_t console_ring_head(ConsoleRing *ring)
{
        uint64_t head;

        (void)pthread_mutex_lock(&ring->lock);
        head = ring->head;
        (void)pthread_mutex_unlock(&ring->lock);
        return head;
}

static uint64_t ring_oldest_locked(const ConsoleRing *ring)
{
        return ring->head > ring->size ? ring->head - ring->size : 0;
}

uint64_t console_ring_oldest(ConsoleRing *ring)
{
        uint64_t oldest;

        (void)pthread_mutex_lock(&ring->lock);
        oldest = ring_oldest_locked(ring);
        (void)pthread_mutex_unlock(&ring->lock);
        return oldest;
}

size_t console_ring_copy(ConsoleRing *ring, uint64_t *position, uint8_t *buffer, size_t size,
                         uint64_t *ret_lost)
{
        uint64_t oldest, lost = 0;
        size_t n, at, first;

        (void)pthread_mutex_lock(&ring->lock);
        oldest = ring_oldest_locked(ring);
        if (*position < oldest) {
                lost = oldest - *position;
                *position = oldest;
        }
        n = CONST_MIN(size, ring->head - *position);
        if (n > 0) {
                at = (size_t)(*position % ring->size);
                first = CONST_MIN(n, ring->size - at);
                memcpy(buffer, ring->data + at, first);
                memcpy(buffer + first, ring->data, n - first);
        }
        (void)pthread_mutex_unlock(&ring->lock);
        *ret_lost = lost;
        return n;
}
