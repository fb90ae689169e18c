/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virtio/queue.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <linux/virtio_ring.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/cleanup.h"

/* The rings' fields, VIRTIO 1.3 sections 2.7.6 and 2.7.8. */
#define RING_FLAGS             0U
#define RING_INDEX             2U
#define RING_ENTRIES           4U
#define AVAILABLE_ENTRY_SIZE   sizeof(uint16_t)
#define USED_ENTRY_SIZE        sizeof(struct vring_used_elem)
#define DESCRIPTOR_TABLE_ALIGN 16U /* section 2.7 */
#define DRIVER_AREA_ALIGN      2U
#define DEVICE_AREA_ALIGN      4U

struct Virtqueue {
        uint32_t max_size;
        VirtqueueConfig config;
        const DmaWindow *window; /* NULL: not started */
        const char *fault;
        uint16_t next_available, next_used;
        uint16_t signalled_used; /* up to where the driver was asked whether it wants to know */
        unsigned in_flight;
        VirtqueueSegment *segments; /* of the chain that was popped last; max_size of them */
        /* For each head that is out, its writable bytes and one; 0: with the driver. */
        uint64_t *out;
};

int virtqueue_new(uint32_t max_size, Virtqueue **ret)
{
        Virtqueue *queue;

        if (max_size == 0 || max_size > VIRTQUEUE_SIZE_MAX || (max_size & (max_size - 1)) != 0)
                return -EINVAL;
        queue = calloc(1, sizeof(*queue));
        if (!queue)
                return -ENOMEM;
        queue->max_size = max_size;
        queue->segments = calloc(max_size, sizeof(*queue->segments));
        queue->out = calloc(max_size, sizeof(*queue->out));
        if (!queue->segments || !queue->out) {
                virtqueue_free(queue);
                return -ENOMEM;
        }
        *ret = queue;
        return 0;
}

Virtqueue *virtqueue_free(Virtqueue *queue)
{
        if (!queue)
                return NULL;
        free(queue->segments);
        free(queue->out);
        free(queue);
        return NULL;
}

uint32_t virtqueue_max_size(const Virtqueue *queue)
{
        return queue->max_size;
}

static int queue_break(Virtqueue *queue, const char *fault)
{
        queue->fault = fault;
        return VIRTQUEUE_BROKEN;
}

static uint64_t available_entry(const Virtqueue *queue, uint16_t index)
{
        return queue->config.driver_area + RING_ENTRIES +
               AVAILABLE_ENTRY_SIZE * (index & (queue->config.size - 1));
}

static uint64_t used_entry(const Virtqueue *queue, uint16_t index)
{
        return queue->config.device_area + RING_ENTRIES +
               USED_ENTRY_SIZE * (index & (queue->config.size - 1));
}

/* Behind each ring the other side says at which index it wants to be told, sections 2.7.7 and
 * 2.7.10. */
static uint64_t used_event(const Virtqueue *queue)
{
        return queue->config.driver_area + RING_ENTRIES + AVAILABLE_ENTRY_SIZE * queue->config.size;
}

static uint64_t available_event(const Virtqueue *queue)
{
        return queue->config.device_area + RING_ENTRIES + USED_ENTRY_SIZE * queue->config.size;
}

static bool config_is_valid(const Virtqueue *queue, const VirtqueueConfig *config)
{
        return config->size > 0 && config->size <= queue->max_size &&
               (config->size & (config->size - 1)) == 0 &&
               config->descriptor_table % DESCRIPTOR_TABLE_ALIGN == 0 &&
               config->driver_area % DRIVER_AREA_ALIGN == 0 &&
               config->device_area % DEVICE_AREA_ALIGN == 0;
}

static bool rings_are_in_window(const DmaWindow *window, const VirtqueueConfig *config)
{
        uint64_t size = config->size;

        return dma_check(window, config->descriptor_table, sizeof(struct vring_desc) * size) == 0 &&
               dma_check(window, config->driver_area,
                         RING_ENTRIES + AVAILABLE_ENTRY_SIZE * size + sizeof(uint16_t)) == 0 &&
               dma_check(window, config->device_area,
                         RING_ENTRIES + USED_ENTRY_SIZE * size + sizeof(uint16_t)) == 0;
}

int virtqueue_start(Virtqueue *queue, const DmaWindow *window, const VirtqueueConfig *config)
{
        virtqueue_stop(queue);
        if (!config_is_valid(queue, config))
                return queue_break(queue, "a queue of an invalid size or alignment");
        if (!rings_are_in_window(window, config))
                return queue_break(queue, "a ring outside the memory that devices may reach");
        queue->config = *config;
        queue->window = window;
        return 0;
}

void virtqueue_stop(Virtqueue *queue)
{
        queue->window = NULL;
        queue->fault = NULL;
        queue->next_available = queue->next_used = queue->signalled_used = 0;
        for (uint32_t i = 0; queue->in_flight > 0 && i < queue->max_size; i++)
                if (queue->out[i] != 0) {
                        queue->out[i] = 0;
                        queue->in_flight--;
                }
}

bool virtqueue_is_started(const Virtqueue *queue)
{
        return queue->window;
}

const char *virtqueue_fault(const Virtqueue *queue)
{
        return queue->fault;
}

/* A descriptor table that is being walked: the queue's own, or an indirect one. */
typedef struct Walk {
        uint64_t table;
        uint32_t size;  /* descriptors in it */
        uint32_t steps; /* that are left: no chain is longer than its table, so a loop ends */
        uint32_t next;
        bool is_indirect;
} Walk;

static const char *walk_into_indirect(const Virtqueue *queue, Walk *walk,
                                      const struct vring_desc *descriptor)
{
        uint32_t length = le32toh(descriptor->len);
        uint32_t size = length / (uint32_t)sizeof(*descriptor);

        if (!queue->config.indirect)
                return "an indirect descriptor without VIRTIO_F_INDIRECT_DESC";
        if (walk->is_indirect) /* section 2.7.5.3.1 */
                return "an indirect descriptor within an indirect table";
        if (le16toh(descriptor->flags) & VRING_DESC_F_NEXT)
                return "an indirect descriptor with a next one";
        if (size == 0 || length % sizeof(*descriptor) != 0 || size > queue->max_size)
                return "an indirect table of an invalid size";
        *walk = (Walk){
                .table = le64toh(descriptor->addr),
                .size = size,
                .steps = size,
                .is_indirect = true,
        };
        return dma_check(queue->window, walk->table, length) < 0
                       ? "an indirect table outside the memory that devices may reach"
                       : NULL;
}

static const char *chain_add(const Virtqueue *queue, VirtqueueChain *chain,
                             const struct vring_desc *descriptor)
{
        const VirtqueueSegment segment = {le64toh(descriptor->addr), le32toh(descriptor->len)};
        unsigned n = chain->n_readable + chain->n_writable;

        if (segment.length == 0)
                return "a descriptor of no length";
        if (n == queue->max_size)
                return "a chain longer than the queue";
        if (dma_check(queue->window, segment.address, segment.length) < 0)
                return "a buffer outside the memory that devices may reach";
        if (le16toh(descriptor->flags) & VRING_DESC_F_WRITE) {
                chain->n_writable++;
                chain->writable_bytes += segment.length;
        } else if (chain->n_writable > 0) {
                return "a readable descriptor behind a writable one";
        } else {
                chain->n_readable++;
                chain->readable_bytes += segment.length;
        }
        if (chain->readable_bytes + chain->writable_bytes > UINT32_MAX)
                return "a chain of more than 4 GiB"; /* section 2.7.5.2 */
        queue->segments[n] = segment;
        return NULL;
}

/* Follows the chain into *chain: NULL, or what is wrong with it. */
static const char *chain_walk(const Virtqueue *queue, VirtqueueChain *chain)
{
        Walk walk = {
                .table = queue->config.descriptor_table,
                .size = queue->config.size,
                .steps = queue->config.size,
                .next = chain->head,
        };

        for (;;) {
                struct vring_desc descriptor;
                const char *fault;
                uint16_t flags;

                if (walk.next >= walk.size)
                        return "a next descriptor beyond its table";
                if (walk.steps-- == 0)
                        return "a chain that loops";
                if (dma_read(queue->window, walk.table + sizeof(descriptor) * walk.next,
                             &descriptor, sizeof(descriptor)) < 0)
                        return "a descriptor outside the memory that devices may reach";
                flags = le16toh(descriptor.flags);
                if (flags & VRING_DESC_F_INDIRECT) {
                        fault = walk_into_indirect(queue, &walk, &descriptor);
                        if (fault)
                                return fault;
                        continue;
                }
                fault = chain_add(queue, chain, &descriptor);
                if (fault || !(flags & VRING_DESC_F_NEXT))
                        return fault;
                walk.next = le16toh(descriptor.next);
        }
}

/* How many chains the driver has made available; *ret_fault is NULL unless that cannot be. */
static uint16_t queue_available(Virtqueue *queue, const char **ret_fault)
{
        uint16_t index, available;

        *ret_fault = NULL;
        if (dma_load_acquire16(queue->window, queue->config.driver_area + RING_INDEX, &index) < 0) {
                *ret_fault = "an available ring outside the memory that devices may reach";
                return 0;
        }
        available = (uint16_t)(index - queue->next_available);
        /* More than there are descriptors can only be a jump. */
        if (available > queue->config.size - queue->in_flight)
                *ret_fault = "an available index that jumped";
        return available;
}

bool virtqueue_has_available(Virtqueue *queue)
{
        const char *fault;

        if (!queue->window || queue->fault)
                return false;
        return queue_available(queue, &fault) > 0 || fault;
}

int virtqueue_pop(Virtqueue *queue, VirtqueueChain *ret)
{
        VirtqueueChain chain = {.segments = queue->segments, .window = queue->window};
        uint16_t head;
        const char *fault;

        if (queue->fault)
                return VIRTQUEUE_BROKEN;
        if (!queue->window)
                return VIRTQUEUE_EMPTY;
        if (queue_available(queue, &fault) == 0 && !fault)
                return VIRTQUEUE_EMPTY;
        if (fault)
                return queue_break(queue, fault);
        if (dma_read(queue->window, available_entry(queue, queue->next_available), &head,
                     sizeof(head)) < 0)
                return queue_break(queue, "an available ring outside the memory of devices");
        chain.head = le16toh(head);
        if (chain.head >= queue->config.size)
                return queue_break(queue, "a head beyond the descriptor table");
        if (queue->out[chain.head] != 0)
                return queue_break(queue, "a head that the device still has");
        fault = chain_walk(queue, &chain);
        if (fault)
                return queue_break(queue, fault);
        queue->next_available++;
        queue->out[chain.head] = chain.writable_bytes + 1;
        queue->in_flight++;
        *ret = chain;
        return VIRTQUEUE_CHAIN;
}

void virtqueue_unpop(Virtqueue *queue, const VirtqueueChain *chain)
{
        assert(queue->out[chain->head] != 0);
        queue->out[chain->head] = 0;
        queue->in_flight--;
        queue->next_available--;
}

unsigned virtqueue_in_flight(const Virtqueue *queue)
{
        return queue->in_flight;
}

void virtqueue_drop(Virtqueue *queue, uint16_t head)
{
        assert(head < queue->max_size && queue->out[head] != 0);
        queue->out[head] = 0;
        queue->in_flight--;
}

int virtqueue_push(Virtqueue *queue, uint16_t head, uint32_t written)
{
        struct vring_used_elem element;
        uint64_t room;

        assert(head < queue->max_size && queue->out[head] != 0);
        room = queue->out[head] - 1;
        virtqueue_drop(queue, head);
        if (queue->fault)
                return VIRTQUEUE_BROKEN;
        element.id = htole32(head);
        element.len = htole32(written < room ? written : (uint32_t)room);
        if (dma_write(queue->window, used_entry(queue, queue->next_used), &element,
                      sizeof(element)) < 0)
                return queue_break(queue, "a used ring outside the memory of devices");
        queue->next_used++;
        /* Release: the driver that sees the index sees the element. */
        if (dma_store_release16(queue->window, queue->config.device_area + RING_INDEX,
                                queue->next_used) < 0)
                return queue_break(queue, "a used ring outside the memory of devices");
        return 0;
}

bool virtqueue_needs_interrupt(Virtqueue *queue)
{
        uint16_t before = queue->signalled_used, wish;

        if (!queue->window || before == queue->next_used)
                return false;
        queue->signalled_used = queue->next_used;
        /* The driver changes its wish, then looks at the index; we the other way round. */
        atomic_thread_fence(memory_order_seq_cst);
        if (queue->config.event_idx)
                return dma_load_acquire16(queue->window, used_event(queue), &wish) < 0 ||
                       vring_need_event(wish, queue->next_used, before);
        return dma_load_acquire16(queue->window, queue->config.driver_area + RING_FLAGS, &wish) <
                       0 ||
               !(wish & VRING_AVAIL_F_NO_INTERRUPT);
}

void virtqueue_disable_kick(Virtqueue *queue)
{
        /* With event indices the driver's stays behind by itself: it is only moved to enable. */
        if (queue->window && !queue->config.event_idx)
                (void)dma_store_release16(queue->window, queue->config.device_area + RING_FLAGS,
                                          VRING_USED_F_NO_NOTIFY);
}

bool virtqueue_enable_kick(Virtqueue *queue)
{
        if (!queue->window)
                return false;
        if (queue->config.event_idx)
                (void)dma_store_release16(queue->window, available_event(queue),
                                          queue->next_available);
        else
                (void)dma_store_release16(queue->window, queue->config.device_area + RING_FLAGS, 0);
        atomic_thread_fence(memory_order_seq_cst);
        return virtqueue_has_available(queue);
}

uint16_t virtqueue_position(const Virtqueue *queue)
{
        assert(queue->in_flight == 0);
        return queue->next_used;
}

void virtqueue_set_position(Virtqueue *queue, uint16_t position)
{
        queue->next_available = queue->next_used = queue->signalled_used = position;
}
