/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A virtqueue over ring memory that the input writes. Three bytes: size, features, number of
 * operations; four bytes for each operation; the rest is what lies in guest memory from address 0,
 * where the rings are. Whatever is in there, a chain that comes out is within the window, the used
 * ring tells the truth, and a broken queue is silent.
 */

#include <endian.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "common/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "virtio/queue.h"

#define MEMORY_SIZE 65536U
#define DESCRIPTORS 0U
#define DRIVER_AREA 0x800U
#define DEVICE_AREA 0xc00U
#define SIZE_LOG    7U /* up to 64 descriptors: the tables above have room for no more */

typedef struct Run {
        GuestMemory *memory;
        DmaWindow window;
        Virtqueue *queue;
        VirtqueueConfig config;
        VirtqueueChain chain; /* the last one */
        bool has_chain;       /* it has not been pushed, nor has another one been popped */
        struct {
                uint16_t head;
                uint64_t room;
        } out[64];
        unsigned n_out;
        uint16_t used; /* index as it must be */
} Run;

static void run_start(Run *run)
{
        fuzz_check(virtqueue_start(run->queue, &run->window, &run->config) == 0);
        run->has_chain = false;
        run->n_out = run->used = 0;
}

static void check_chain(const Run *run)
{
        const VirtqueueChain *chain = &run->chain;
        uint64_t bytes[2] = {0, 0};

        fuzz_check(chain->head < run->config.size);
        fuzz_check(chain->n_readable + chain->n_writable <= virtqueue_max_size(run->queue));
        fuzz_check(chain->n_readable + chain->n_writable > 0);
        for (unsigned i = 0; i < chain->n_readable + chain->n_writable; i++) {
                const VirtqueueSegment *segment = &chain->segments[i];

                fuzz_check(segment->length > 0);
                fuzz_check(dma_check(&run->window, segment->address, segment->length) == 0);
                bytes[i >= chain->n_readable] += segment->length;
        }
        fuzz_check(bytes[0] == chain->readable_bytes && bytes[1] == chain->writable_bytes);
        for (unsigned i = 0; i < run->n_out; i++)
                fuzz_check(run->out[i].head != chain->head);
}

static void run_pop(Run *run)
{
        bool was_broken = virtqueue_fault(run->queue), had = virtqueue_has_available(run->queue);
        int r = virtqueue_pop(run->queue, &run->chain);

        fuzz_check(!(was_broken && (had || r != VIRTQUEUE_BROKEN)));
        fuzz_check(had || was_broken || r == VIRTQUEUE_EMPTY);
        run->has_chain = r == VIRTQUEUE_CHAIN;
        if (r == VIRTQUEUE_BROKEN)
                fuzz_check(virtqueue_fault(run->queue));
        if (!run->has_chain)
                return;
        check_chain(run);
        run->out[run->n_out].head = run->chain.head;
        run->out[run->n_out++].room = run->chain.writable_bytes;
}

static void run_push(Run *run, unsigned which, uint32_t written)
{
        bool was_broken = virtqueue_fault(run->queue);
        struct vring_used_elem element;
        uint16_t head, index;
        uint64_t room;
        int r;

        if (run->n_out == 0)
                return;
        which %= run->n_out;
        head = run->out[which].head;
        room = run->out[which].room;
        run->out[which] = run->out[--run->n_out];
        run->has_chain = false;
        r = virtqueue_push(run->queue, head, written);
        fuzz_check(was_broken == (r == VIRTQUEUE_BROKEN));
        if (was_broken)
                return;
        fuzz_check(dma_read(&run->window,
                            DEVICE_AREA + 4 + sizeof(element) * (run->used % run->config.size),
                            &element, sizeof(element)) == 0);
        fuzz_check(le32toh(element.id) == head);
        fuzz_check(le32toh(element.len) == (written < room ? written : room));
        fuzz_check(dma_load_acquire16(&run->window, DEVICE_AREA + 2, &index) == 0);
        fuzz_check(index == ++run->used);
}

static void run_bytes(Run *run, uint8_t operation, uint32_t offset)
{
        struct iovec vector[GUEST_MEMORY_MAX_REGIONS];
        char buffer[256];
        uint64_t covered;
        int n;

        if (!run->has_chain)
                return;
        memset(buffer, operation, sizeof(buffer));
        if (operation & 1)
                fuzz_check(virtqueue_chain_read(&run->chain, offset, buffer, sizeof(buffer)) <=
                           run->chain.readable_bytes);
        else
                fuzz_check(virtqueue_chain_write(&run->chain, offset, buffer, sizeof(buffer)) <=
                           run->chain.writable_bytes);
        n = virtqueue_chain_map_writable(&run->chain, offset, UINT32_MAX, vector, 4, &covered);
        fuzz_check(n >= 0 && n <= 4 && covered <= run->chain.writable_bytes);
        fuzz_check((n == 0) == (offset >= run->chain.writable_bytes));
        n = virtqueue_chain_map_readable(&run->chain, offset, 100, vector, 4, &covered);
        fuzz_check(n >= 0 && n <= 4 && covered <= 100);
        for (uint64_t left = covered; left > 0; left -= vector[--n].iov_len)
                fuzz_check(n > 0 && vector[n - 1].iov_len <= left);
}

static void run_unpop(Run *run)
{
        if (!run->has_chain)
                return;
        virtqueue_unpop(run->queue, &run->chain);
        run->has_chain = false;
        run->n_out--;
}

static void run_operate(Run *run, const uint8_t operation[4])
{
        uint16_t argument = (uint16_t)(operation[2] | operation[3] << 8);

        switch (operation[0] % 10) {
        case 0:
        case 1:
                run_pop(run);
                break;
        case 2:
                run_push(run, operation[1], argument);
                break;
        case 3:
                run_unpop(run);
                break;
        case 4: /* the driver writes a field */
                (void)guest_memory_store_release16(run->memory, operation[1] * 16U, argument);
                break;
        case 5: /* or the index that it publishes */
                (void)guest_memory_store_release16(run->memory, DRIVER_AREA + 2, argument);
                break;
        case 6:
                run_bytes(run, operation[1], argument);
                break;
        case 7:
                (void)virtqueue_needs_interrupt(run->queue);
                break;
        case 8:
                if (operation[1] & 1)
                        virtqueue_disable_kick(run->queue);
                else
                        (void)virtqueue_enable_kick(run->queue);
                break;
        default:
                run_start(run);
                virtqueue_set_position(run->queue, argument);
                run->used = argument;
        }
        fuzz_check(virtqueue_in_flight(run->queue) == run->n_out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const GuestRegion layout[] = {{.address = 0, .size = MEMORY_SIZE / 2},
                                      {.address = MEMORY_SIZE / 2, .size = MEMORY_SIZE / 2}};
        Run run = {0};
        size_t n_operations, at = 3;

        if (size < 3)
                return 0;
        fuzz_check(guest_memory_new(layout, 2, &run.memory) == 0);
        fuzz_check(virtqueue_new(64, &run.queue) == 0);
        /* Not all of memory: a window's edges lie within RAM. */
        run.window = (DmaWindow){.memory = run.memory, .first = 0, .last = MEMORY_SIZE - 4097};
        run.config = (VirtqueueConfig){
                .size = 1U << data[0] % SIZE_LOG,
                .descriptor_table = DESCRIPTORS,
                .driver_area = DRIVER_AREA,
                .device_area = DEVICE_AREA,
                .indirect = data[1] & 1,
                .event_idx = data[1] & 2,
        };
        n_operations = data[2];
        if (size - at > 4 * n_operations)
                (void)guest_memory_write(run.memory, 0, data + at + 4 * n_operations,
                                         CONST_MIN(size - at - 4 * n_operations, MEMORY_SIZE));
        run_start(&run);
        for (; n_operations > 0 && at + 4 <= size; at += 4, n_operations--)
                run_operate(&run, data + at);
        virtqueue_free(run.queue);
        guest_memory_free(run.memory);
        return 0;
}
