/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The bytes of a popped chain, whatever descriptors they are spread over (VIRTIO 1.3, 2.7.4). */

#include <errno.h>

#include "common/cleanup.h"
#include "virtio/queue.h"

/* A walk over a part of the chain, piece by piece. */
typedef struct Cursor {
        const VirtqueueSegment *segment, *end;
        uint64_t offset; /* into *segment */
} Cursor;

static Cursor cursor_at(const VirtqueueSegment *segments, unsigned n, uint64_t offset)
{
        Cursor cursor = {segments, segments + n, offset};

        while (cursor.segment < cursor.end && cursor.offset >= cursor.segment->length)
                cursor.offset -= cursor.segment++->length;
        return cursor;
}

static Cursor readable_at(const VirtqueueChain *chain, uint64_t offset)
{
        return cursor_at(chain->segments, chain->n_readable, offset);
}

static Cursor writable_at(const VirtqueueChain *chain, uint64_t offset)
{
        return cursor_at(chain->segments + chain->n_readable, chain->n_writable, offset);
}

/* The next piece of at most size bytes; its length, 0 at the end. */
static uint64_t cursor_next(Cursor *cursor, uint64_t size, uint64_t *ret_address)
{
        uint64_t length;

        if (cursor->segment == cursor->end)
                return 0;
        *ret_address = cursor->segment->address + cursor->offset;
        length = CONST_MIN(cursor->segment->length - cursor->offset, size);
        cursor->offset += length;
        if (cursor->offset == cursor->segment->length) {
                cursor->segment++;
                cursor->offset = 0;
        }
        return length;
}

size_t virtqueue_chain_read(const VirtqueueChain *chain, uint64_t offset, void *buffer, size_t size)
{
        Cursor cursor = readable_at(chain, offset);
        uint64_t address, length;
        size_t done = 0;

        while (done < size && (length = cursor_next(&cursor, size - done, &address)) > 0) {
                if (dma_read(chain->window, address, (char *)buffer + done, length) < 0)
                        break;
                done += length;
        }
        return done;
}

size_t virtqueue_chain_write(const VirtqueueChain *chain, uint64_t offset, const void *buffer,
                             size_t size)
{
        Cursor cursor = writable_at(chain, offset);
        uint64_t address, length;
        size_t done = 0;

        while (done < size && (length = cursor_next(&cursor, size - done, &address)) > 0) {
                if (dma_write(chain->window, address, (const char *)buffer + done, length) < 0)
                        break;
                done += length;
        }
        return done;
}

static int chain_map(const VirtqueueChain *chain, Cursor cursor, uint64_t size, struct iovec *ret,
                     int max, uint64_t *ret_size)
{
        uint64_t address, length, done = 0;
        int n = 0;

        while (done < size && (length = cursor_next(&cursor, size - done, &address)) > 0) {
                int r = dma_map(chain->window, address, length, ret + n, max - n);

                if (r < 0)
                        break;
                n += r;
                done += length;
        }
        *ret_size = done;
        return n;
}

int virtqueue_chain_map_readable(const VirtqueueChain *chain, uint64_t offset, uint64_t size,
                                 struct iovec *ret, int max, uint64_t *ret_size)
{
        return chain_map(chain, readable_at(chain, offset), size, ret, max, ret_size);
}

int virtqueue_chain_map_writable(const VirtqueueChain *chain, uint64_t offset, uint64_t size,
                                 struct iovec *ret, int max, uint64_t *ret_size)
{
        return chain_map(chain, writable_at(chain, offset), size, ret, max, ret_size);
}
