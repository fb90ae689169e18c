/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virtio-driver.h"

#include <endian.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RING_ENTRIES  4U
#define AWAIT_SECONDS 20

/* As assert(), also in release builds. */
#define must(condition)                                                                            \
        do {                                                                                       \
                if (!(condition)) {                                                                \
                        fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__,          \
                                #condition);                                                       \
                        abort();                                                                   \
                }                                                                                  \
        } while (0)

void virtio_driver_init(VirtioDriver *driver)
{
        const GuestRegion layout = {.address = 0, .size = VIRTIO_DRIVER_MEMORY};

        *driver = (VirtioDriver){.next_address = 4096};
        must(guest_memory_new(&layout, 1, &driver->memory) == 0);
        must(event_loop_new(&driver->loop) == 0);
        driver->window = DMA_WINDOW_ALL(driver->memory);
}

static void queues_forget(VirtioDriver *driver)
{
        for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++) {
                VirtioDriverQueue *queue = &driver->queues[i];

                free(queue->free_heads);
                *queue = (VirtioDriverQueue){
                        .room = queue->room,
                        .descriptor_table = queue->descriptor_table,
                        .driver_area = queue->driver_area,
                        .device_area = queue->device_area,
                };
        }
}

void virtio_driver_done(VirtioDriver *driver)
{
        queues_forget(driver);
        event_loop_free(driver->loop);
        guest_memory_free(driver->memory);
}

static void take_queue_interrupt(void *transport, unsigned queue)
{
        VirtioDriver *driver = transport;

        driver->queues[queue].n_interrupts++;
}

static void take_config_interrupt(void *transport)
{
        VirtioDriver *driver = transport;

        driver->n_config_interrupts++;
}

void virtio_driver_attach(VirtioDriver *driver, VirtioDevice *device)
{
        static const VirtioTransportOps ops = {take_queue_interrupt, take_config_interrupt};

        driver->device = device;
        virtio_device_set_transport(device, &ops, driver);
}

void virtio_driver_lay_out(VirtioDriver *driver, unsigned index, uint32_t size)
{
        VirtioDriverQueue *queue = &driver->queues[index];
        const uint64_t table_size = sizeof(struct vring_desc) * size;
        const uint64_t driver_size = RING_ENTRIES + 2ULL * size + 2;
        const uint64_t device_size = RING_ENTRIES + sizeof(struct vring_used_elem) * size + 2;

        if (size > queue->room) {
                queue->descriptor_table = virtio_driver_alloc(driver, table_size, 16);
                queue->driver_area = virtio_driver_alloc(driver, driver_size, 2);
                queue->device_area = virtio_driver_alloc(driver, device_size, 4);
                queue->room = size;
        }
        must(guest_memory_fill(driver->memory, queue->descriptor_table, 0, table_size) == 0);
        must(guest_memory_fill(driver->memory, queue->driver_area, 0, driver_size) == 0);
        must(guest_memory_fill(driver->memory, queue->device_area, 0, device_size) == 0);
        queue->size = size;
        queue->available = queue->considered = queue->used_seen = 0;
        free(queue->free_heads);
        queue->free_heads = calloc(size, sizeof(*queue->free_heads));
        must(queue->free_heads);
        queue->n_free = 0;
        for (uint32_t i = 0; i < size; i++)
                queue->free_heads[queue->n_free++] = (uint16_t)(size - 1 - i);
}

static void queue_set_up(VirtioDriver *driver, unsigned index, uint32_t max_size)
{
        VirtioQueueRegisters registers = virtio_device_get_queue(driver->device, index);
        VirtioDriverQueue *queue = &driver->queues[index];

        virtio_driver_lay_out(driver, index, registers.size < max_size ? registers.size : max_size);
        registers = (VirtioQueueRegisters){
                .size = queue->size,
                .descriptor_table = queue->descriptor_table,
                .driver_area = queue->driver_area,
                .device_area = queue->device_area,
                .enabled = true,
        };
        virtio_device_set_queue(driver->device, index, &registers);
}

bool virtio_driver_start(VirtioDriver *driver, uint64_t features, uint32_t queue_size)
{
        const uint8_t found = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
        const uint8_t settled = found | VIRTIO_CONFIG_S_FEATURES_OK;

        queues_forget(driver);
        driver->features = features | 1ULL << VIRTIO_F_VERSION_1;
        virtio_device_set_status(driver->device, VIRTIO_CONFIG_S_ACKNOWLEDGE);
        virtio_device_set_status(driver->device, found);
        virtio_device_set_accepted(driver->device, driver->features);
        virtio_device_set_status(driver->device, settled);
        if (!(virtio_device_get_status(driver->device) & VIRTIO_CONFIG_S_FEATURES_OK))
                return false;
        for (unsigned i = 0; i < virtio_device_info(driver->device)->n_queues; i++)
                queue_set_up(driver, i, queue_size);
        virtio_device_set_status(driver->device, settled | VIRTIO_CONFIG_S_DRIVER_OK);
        virtio_driver_settle(driver);
        return true;
}

bool virtio_driver_reset(VirtioDriver *driver)
{
        virtio_device_set_status(driver->device, 0);
        virtio_driver_settle(driver);
        queues_forget(driver);
        return virtio_device_get_status(driver->device) == 0;
}

void virtio_driver_settle(VirtioDriver *driver)
{
        int r;

        while ((r = event_loop_run_once(driver->loop, 0)) > 0)
                ;
        must(r == 0);
}

static double now(void)
{
        struct timespec time;

        clock_gettime(CLOCK_MONOTONIC, &time);
        return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

bool virtio_driver_await(VirtioDriver *driver, bool (*condition)(void *context), void *context)
{
        double deadline = now() + AWAIT_SECONDS;

        while (!condition(context)) {
                if (now() > deadline)
                        return false;
                must(event_loop_run_once(driver->loop, 100) >= 0);
        }
        return true;
}

uint64_t virtio_driver_alloc(VirtioDriver *driver, uint64_t size, uint64_t align)
{
        uint64_t address = (driver->next_address + align - 1) / align * align;

        must(size < VIRTIO_DRIVER_MEMORY && address + size <= VIRTIO_DRIVER_MEMORY);
        driver->next_address = address + size;
        must(guest_memory_fill(driver->memory, address, 0, size) == 0);
        return address;
}

void virtio_driver_write(VirtioDriver *driver, uint64_t address, const void *data, size_t size)
{
        must(guest_memory_write(driver->memory, address, data, size) == 0);
}

void virtio_driver_read(VirtioDriver *driver, uint64_t address, void *data, size_t size)
{
        must(guest_memory_read(driver->memory, address, data, size) == 0);
}

void virtio_driver_set_descriptor(VirtioDriver *driver, uint64_t table, unsigned index,
                                  uint64_t address, uint32_t length, uint16_t flags, uint16_t next)
{
        const struct vring_desc descriptor = {
                .addr = htole64(address),
                .len = htole32(length),
                .flags = htole16(flags),
                .next = htole16(next),
        };

        virtio_driver_write(driver, table + sizeof(descriptor) * index, &descriptor,
                            sizeof(descriptor));
}

void virtio_driver_set_available(VirtioDriver *driver, unsigned queue, uint16_t slot, uint16_t head)
{
        const VirtioDriverQueue *at = &driver->queues[queue];
        uint16_t value = htole16(head);

        virtio_driver_write(driver, at->driver_area + RING_ENTRIES + 2ULL * (slot % at->size),
                            &value, sizeof(value));
}

void virtio_driver_set_available_index(VirtioDriver *driver, unsigned queue, uint16_t index)
{
        driver->queues[queue].available = index;
        must(guest_memory_store_release16(driver->memory, driver->queues[queue].driver_area + 2,
                                          index) == 0);
}

uint16_t virtio_driver_used_index(VirtioDriver *driver, unsigned queue)
{
        uint16_t index;

        must(guest_memory_load_acquire16(driver->memory, driver->queues[queue].device_area + 2,
                                         &index) == 0);
        return index;
}

struct vring_used_elem virtio_driver_used(VirtioDriver *driver, unsigned queue, uint16_t slot)
{
        const VirtioDriverQueue *at = &driver->queues[queue];
        struct vring_used_elem element;

        virtio_driver_read(driver,
                           at->device_area + RING_ENTRIES + sizeof(element) * (slot % at->size),
                           &element, sizeof(element));
        element.id = le32toh(element.id);
        element.len = le32toh(element.len);
        return element;
}

static void publish(VirtioDriver *driver, unsigned queue, uint16_t head)
{
        uint16_t index = driver->queues[queue].available;

        virtio_driver_set_available(driver, queue, index, head);
        virtio_driver_set_available_index(driver, queue, (uint16_t)(index + 1));
}

static uint16_t take_free(VirtioDriverQueue *queue)
{
        must(queue->n_free > 0);
        return queue->free_heads[--queue->n_free];
}

uint16_t virtio_driver_add(VirtioDriver *driver, unsigned queue, const VirtioDriverBuffer *buffers,
                           unsigned n)
{
        VirtioDriverQueue *at = &driver->queues[queue];
        uint16_t head, index;

        must(n > 0 && n <= at->n_free);
        head = index = take_free(at);
        for (unsigned i = 0; i < n; i++) {
                bool last = i == n - 1;
                uint16_t next = last ? 0 : take_free(at);
                uint16_t flags = (buffers[i].writable ? VRING_DESC_F_WRITE : 0) |
                                 (last ? 0 : VRING_DESC_F_NEXT);

                virtio_driver_set_descriptor(driver, at->descriptor_table, index,
                                             buffers[i].address, buffers[i].length, flags, next);
                index = next;
        }
        publish(driver, queue, head);
        return head;
}

uint16_t virtio_driver_add_indirect(VirtioDriver *driver, unsigned queue,
                                    const VirtioDriverBuffer *buffers, unsigned n)
{
        VirtioDriverQueue *at = &driver->queues[queue];
        uint64_t table = virtio_driver_alloc(driver, sizeof(struct vring_desc) * n, 16);
        uint16_t head = take_free(at);

        for (unsigned i = 0; i < n; i++) {
                uint16_t flags = (buffers[i].writable ? VRING_DESC_F_WRITE : 0) |
                                 (i == n - 1 ? 0 : VRING_DESC_F_NEXT);

                virtio_driver_set_descriptor(driver, table, i, buffers[i].address,
                                             buffers[i].length, flags, (uint16_t)(i + 1));
        }
        virtio_driver_set_descriptor(driver, at->descriptor_table, head, table,
                                     (uint32_t)(sizeof(struct vring_desc) * n),
                                     VRING_DESC_F_INDIRECT, 0);
        publish(driver, queue, head);
        return head;
}

bool virtio_driver_wants_kick(VirtioDriver *driver, unsigned queue)
{
        VirtioDriverQueue *at = &driver->queues[queue];
        uint16_t before = at->considered, wish;
        uint64_t place = at->device_area;

        at->considered = at->available;
        if (driver->features & 1ULL << VIRTIO_RING_F_EVENT_IDX) {
                place += RING_ENTRIES + sizeof(struct vring_used_elem) * at->size;
                must(guest_memory_load_acquire16(driver->memory, place, &wish) == 0);
                return vring_need_event(wish, at->available, before);
        }
        must(guest_memory_load_acquire16(driver->memory, place, &wish) == 0);
        return before != at->available && !(wish & VRING_USED_F_NO_NOTIFY);
}

void virtio_driver_kick(VirtioDriver *driver, unsigned queue)
{
        virtio_device_notify_queue(driver->device, queue);
}

/* Frees a direct chain by following it, as its driver wrote it. */
static void chain_free(VirtioDriver *driver, VirtioDriverQueue *queue, uint16_t head)
{
        struct vring_desc descriptor;
        uint16_t index = head;

        do {
                must(index < queue->size && queue->n_free < queue->size);
                virtio_driver_read(driver, queue->descriptor_table + sizeof(descriptor) * index,
                                   &descriptor, sizeof(descriptor));
                queue->free_heads[queue->n_free++] = index;
                index = le16toh(descriptor.next);
        } while (le16toh(descriptor.flags) & VRING_DESC_F_NEXT);
}

bool virtio_driver_take(VirtioDriver *driver, unsigned queue, uint16_t *ret_head,
                        uint32_t *ret_written)
{
        VirtioDriverQueue *at = &driver->queues[queue];
        struct vring_used_elem element;

        if (at->used_seen == virtio_driver_used_index(driver, queue))
                return false;
        element = virtio_driver_used(driver, queue, at->used_seen++);
        if (driver->features & 1ULL << VIRTIO_RING_F_EVENT_IDX)
                must(guest_memory_store_release16(driver->memory,
                                                  at->driver_area + RING_ENTRIES + 2ULL * at->size,
                                                  at->used_seen) == 0);
        chain_free(driver, at, (uint16_t)element.id);
        if (ret_head)
                *ret_head = (uint16_t)element.id;
        if (ret_written)
                *ret_written = element.len;
        return true;
}

unsigned virtio_driver_take_interrupts(VirtioDriver *driver, unsigned queue)
{
        unsigned n = driver->queues[queue].n_interrupts;

        driver->queues[queue].n_interrupts = 0;
        return n;
}

bool virtio_driver_needs_reset(VirtioDriver *driver)
{
        return virtio_device_get_status(driver->device) & VIRTIO_CONFIG_S_NEEDS_RESET;
}
