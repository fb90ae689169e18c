/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The loop's side: activation, kicks, resets, quiescence. */

#include "virtio/device.h"

#include <assert.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fd.h"
#include "virtio/device-internal.h"

#define FAULT_MAX 200

static void device_handle_event(void *context, uint32_t epoll_events);

static uint64_t offered_features(const VirtioInfo *info)
{
        uint64_t features = info->features | 1ULL << VIRTIO_F_VERSION_1 |
                            1ULL << VIRTIO_RING_F_INDIRECT_DESC | 1ULL << VIRTIO_RING_F_EVENT_IDX |
                            1ULL << VIRTIO_F_RING_RESET;

        if (info->access_platform)
                features |= 1ULL << VIRTIO_F_ACCESS_PLATFORM;
        return features;
}

static int device_make_queues(VirtioDevice *device)
{
        device->queues = calloc(device->info.n_queues, sizeof(*device->queues));
        if (!device->queues && device->info.n_queues > 0)
                return -ENOMEM;
        for (unsigned i = 0; i < device->info.n_queues; i++) {
                int r = virtqueue_new(device->info.queue_sizes[i], &device->queues[i].ring);

                if (r < 0)
                        return r;
                device->queues[i].registers.size = device->info.queue_sizes[i];
        }
        return 0;
}

int virtio_device_new(const VirtioInfo *info, const VirtioOps *ops, void *context,
                      const DmaWindow *window, EventLoop *loop, VirtioDevice **ret)
{
        /* Not the caller's to be destroyed before it has a device. */
        static const VirtioOps none = {NULL};
        VirtioDevice *device;
        int r;

        if (info->n_queues > VIRTIO_MAX_QUEUES || info->config_size > VIRTIO_CONFIG_MAX)
                return -EINVAL;
        device = calloc(1, sizeof(*device));
        if (!device)
                return -ENOMEM;
        device->info = *info;
        device->ops = &none;
        device->window = window;
        device->loop = loop;
        device->offered = offered_features(info);
        device->event_fd = -1;
        guest_log_init(&device->log);
        (void)pthread_mutex_init(&device->lock, NULL);
        r = device_make_queues(device);
        if (r >= 0) {
                device->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
                r = device->event_fd < 0 ? -errno : 0;
        }
        if (r >= 0)
                r = event_loop_add(loop, &device->source, device->event_fd, EPOLLIN,
                                   device_handle_event, device);
        if (r < 0) {
                virtio_device_free(device);
                return r;
        }
        device->ops = ops;
        device->context = context;
        *ret = device;
        return 0;
}

VirtioDevice *virtio_device_free(VirtioDevice *device)
{
        if (!device)
                return NULL;
        if (device->ops->destroy)
                device->ops->destroy(device->context);
        event_loop_remove(&device->source);
        fd_close(device->event_fd);
        for (unsigned i = 0; device->queues && i < device->info.n_queues; i++)
                virtqueue_free(device->queues[i].ring);
        free(device->queues);
        (void)pthread_mutex_destroy(&device->lock);
        guest_log_done(&device->log);
        free(device);
        return NULL;
}

void device_wake(VirtioDevice *device)
{
        const uint64_t one = 1;

        /* Full means that it is readable already. */
        (void)!write(device->event_fd, &one, sizeof(one));
}

void device_break(VirtioDevice *device)
{
        bool tell;

        device->is_active = false;
        (void)pthread_mutex_lock(&device->lock);
        tell = device->status & VIRTIO_CONFIG_S_DRIVER_OK &&
               !(device->status & VIRTIO_CONFIG_S_NEEDS_RESET);
        device->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
        (void)pthread_mutex_unlock(&device->lock);
        if (tell && device->transport_ops)
                device->transport_ops->interrupt_config(device->transport);
}

void virtio_device_fault(VirtioDevice *device, const char *format, ...)
{
        char text[FAULT_MAX];
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        guest_log(&device->log, LOG_WARNING,
                  "%s device: the driver made a mistake (%s); it needs a reset", device->info.name,
                  text);
        device_break(device);
}

int device_start_queue(VirtioDevice *device, unsigned queue)
{
        VirtioQueueRegisters registers = virtio_device_get_queue(device, queue);
        const VirtqueueConfig config = {
                .size = registers.size,
                .descriptor_table = registers.descriptor_table,
                .driver_area = registers.driver_area,
                .device_area = registers.device_area,
                .indirect = virtio_device_has_feature(device, VIRTIO_RING_F_INDIRECT_DESC),
                .event_idx = virtio_device_has_feature(device, VIRTIO_RING_F_EVENT_IDX),
        };
        Virtqueue *ring = device->queues[queue].ring;

        if (!registers.enabled || virtqueue_is_started(ring))
                return 0;
        return virtqueue_start(ring, device->window, &config);
}

static void device_start_queues(VirtioDevice *device)
{
        for (unsigned i = 0; i < device->info.n_queues; i++)
                if (device_start_queue(device, i) == VIRTQUEUE_BROKEN) {
                        virtio_device_fault(device, "queue %u: %s", i,
                                            virtqueue_fault(device->queues[i].ring));
                        return;
                }
        device->kick_all = true;
}

static void device_activate(VirtioDevice *device)
{
        int r = 0;

        device->is_active = true;
        device->features = virtio_device_get_accepted(device);
        device_start_queues(device);
        if (!device->is_active)
                return;
        if (device->ops->activate)
                r = device->ops->activate(device->context);
        if (r < 0) {
                /* A driver may try as often as it likes. */
                if (guest_log_allow(&device->log))
                        log_error_errno(r, "%s device cannot go on", device->info.name);
                device_break(device);
        }
}

static unsigned device_in_flight(const VirtioDevice *device)
{
        unsigned n = 0;

        for (unsigned i = 0; i < device->info.n_queues; i++)
                n += virtqueue_in_flight(device->queues[i].ring);
        return n;
}

/* Asks for what is in flight to be finished; whether nothing is. */
static bool device_drain(VirtioDevice *device)
{
        if (!device->is_draining) {
                device->is_draining = true;
                if (device->ops->quiesce)
                        device->ops->quiesce(device->context);
        }
        return device_in_flight(device) == 0;
}

/* The opposite of device_drain(). */
static void device_go_on(VirtioDevice *device)
{
        if (!device->is_draining)
                return;
        device->is_draining = false;
        if (device->ops->resume)
                device->ops->resume(device->context);
        device->kick_all = true;
}

/* Section 2.4: as after power-on. What the device itself put into its configuration space stays. */
static void device_clear(VirtioDevice *device)
{
        device->is_active = device->is_draining = device->kick_all = false;
        device->features = 0;
        if (device->ops->reset)
                device->ops->reset(device->context);
        for (unsigned i = 0; i < device->info.n_queues; i++)
                virtqueue_stop(device->queues[i].ring);
        (void)pthread_mutex_lock(&device->lock);
        for (unsigned i = 0; i < device->info.n_queues; i++) {
                device->queues[i].registers =
                        (VirtioQueueRegisters){.size = device->info.queue_sizes[i]};
                device->queues[i].is_resetting = false;
        }
        device->accepted = 0;
        device->wishes = (VirtioWishes){0};
        device->status = 0;
        (void)pthread_mutex_unlock(&device->lock);
}

static VirtioWishes device_take_wishes(VirtioDevice *device)
{
        VirtioWishes wishes;

        (void)pthread_mutex_lock(&device->lock);
        wishes = device->wishes;
        /* The wish for a reset stays until it is done: no register is written before. */
        device->wishes = (VirtioWishes){.reset = wishes.reset};
        (void)pthread_mutex_unlock(&device->lock);
        return wishes;
}

/* Section 2.6.1. The device finishes all that is in flight: a request does not say whose it is. */
static void device_reset_queues(VirtioDevice *device)
{
        if (!device_drain(device)) {
                (void)pthread_mutex_lock(&device->lock);
                device->wishes.reset_queues = true; /* when the last one is pushed */
                (void)pthread_mutex_unlock(&device->lock);
                return;
        }
        for (unsigned i = 0; i < device->info.n_queues; i++) {
                VirtioQueue *queue = &device->queues[i];

                if (!virtio_device_is_queue_resetting(device, i))
                        continue;
                virtqueue_stop(queue->ring);
                (void)pthread_mutex_lock(&device->lock);
                queue->registers = (VirtioQueueRegisters){.size = device->info.queue_sizes[i]};
                queue->is_resetting = false;
                (void)pthread_mutex_unlock(&device->lock);
        }
        if (!device->is_quiesced)
                device_go_on(device);
}

static void device_handle_kicks(VirtioDevice *device)
{
        bool all = device->kick_all;

        device->kick_all = false;
        for (unsigned i = 0; i < device->info.n_queues; i++) {
                Virtqueue *ring = device->queues[i].ring;

                if (!device->is_active || device->is_draining)
                        return;
                if (!virtqueue_is_started(ring) || !(all || virtqueue_has_available(ring)))
                        continue;
                /* A guest that fills the queue as fast as it is emptied does not keep the loop. */
                device->has_budget = true;
                device->budget = virtqueue_max_size(ring);
                virtqueue_disable_kick(ring);
                device->ops->handle_queue(device->context, i);
                device->has_budget = false;
        }
}

/* What the machine asked for; a reset, which ends a quiescence, may have come before. */
static void device_keep_quiet(VirtioDevice *device)
{
        void (*done)(void *context) = device->quiesce_done;

        if (!device->is_quiesced || !device_drain(device) || !done)
                return;
        device->quiesce_done = NULL;
        done(device->quiesce_context);
}

static void device_handle_event(void *context, _unused_ uint32_t epoll_events)
{
        VirtioDevice *device = context;
        VirtioWishes wishes;
        uint64_t count;

        (void)!read(device->event_fd, &count, sizeof(count));
        wishes = device_take_wishes(device);
        if (wishes.reset) {
                if (!device_drain(device))
                        return; /* the last push wakes us */
                device_clear(device);
                wishes = (VirtioWishes){0};
        }
        if (wishes.activate)
                device_activate(device);
        if (wishes.config_from < wishes.config_to && device->ops->config_written)
                device->ops->config_written(device->context, wishes.config_from,
                                            wishes.config_to - wishes.config_from);
        if (wishes.reset_queues)
                device_reset_queues(device);
        if (wishes.start_queues && device->is_active)
                device_start_queues(device);
        if (!device->is_quiesced)
                device_handle_kicks(device);
        device_keep_quiet(device);
}

bool virtio_device_is_active(const VirtioDevice *device)
{
        return device->is_active;
}

bool virtio_device_is_quiesced(const VirtioDevice *device)
{
        return device->is_draining;
}

bool virtio_device_has_feature(const VirtioDevice *device, unsigned bit)
{
        return device->features >> bit & 1;
}

void virtio_device_offer(VirtioDevice *device, unsigned bit, bool offered)
{
        (void)pthread_mutex_lock(&device->lock);
        if (offered)
                device->offered |= 1ULL << bit;
        else
                device->offered &= ~(1ULL << bit);
        (void)pthread_mutex_unlock(&device->lock);
}

bool virtio_device_pop(VirtioDevice *device, unsigned queue, VirtqueueChain *ret)
{
        Virtqueue *ring = device->queues[queue].ring;
        int r;

        if (!device->is_active || device->is_draining)
                return false;
        if (device->has_budget && device->budget-- == 0) {
                device->budget = 0;
                virtio_device_kick(device, queue);
                return false;
        }
        do
                r = virtqueue_pop(ring, ret);
        /* Who was told that there is nothing gets a kick for what comes. */
        while (r == VIRTQUEUE_EMPTY && virtqueue_enable_kick(ring));
        if (r == VIRTQUEUE_BROKEN)
                virtio_device_fault(device, "queue %u: %s", queue, virtqueue_fault(ring));
        return r == VIRTQUEUE_CHAIN;
}

/* A reset or quiesce that waits for the last chain goes on from the loop. */
static void device_wake_if_drained(VirtioDevice *device)
{
        if (device->is_draining && device_in_flight(device) == 0)
                device_wake(device);
}

void virtio_device_unpop(VirtioDevice *device, unsigned queue, const VirtqueueChain *chain)
{
        virtqueue_unpop(device->queues[queue].ring, chain);
        device_wake_if_drained(device);
}

void virtio_device_push(VirtioDevice *device, unsigned queue, uint16_t head, uint32_t written)
{
        Virtqueue *ring = device->queues[queue].ring;

        /* After a fault there is silence until the reset, section 2.1.2. */
        if (!device->is_active)
                virtqueue_drop(ring, head);
        else if (virtqueue_push(ring, head, written) == VIRTQUEUE_BROKEN)
                virtio_device_fault(device, "queue %u: %s", queue, virtqueue_fault(ring));
        device_wake_if_drained(device);
}

void virtio_device_notify(VirtioDevice *device, unsigned queue)
{
        if (device->is_active && virtqueue_needs_interrupt(device->queues[queue].ring) &&
            device->transport_ops)
                device->transport_ops->interrupt_queue(device->transport, queue);
}

void virtio_device_disable_kick(VirtioDevice *device, unsigned queue)
{
        virtqueue_disable_kick(device->queues[queue].ring);
}

bool virtio_device_enable_kick(VirtioDevice *device, unsigned queue)
{
        return virtqueue_enable_kick(device->queues[queue].ring);
}

void virtio_device_kick(VirtioDevice *device, _unused_ unsigned queue)
{
        device->kick_all = true;
        device_wake(device);
}

void virtio_device_get_config(VirtioDevice *device, unsigned offset, void *data, size_t size)
{
        virtio_device_read_config(device, offset, data, size);
}

void virtio_device_set_config(VirtioDevice *device, unsigned offset, const void *data, size_t size)
{
        bool changed, tell;

        assert(offset + size <= device->info.config_size);
        (void)pthread_mutex_lock(&device->lock);
        changed = memcmp(device->config + offset, data, size) != 0;
        memcpy(device->config + offset, data, size);
        if (changed)
                device->generation++;
        tell = changed && device->status & VIRTIO_CONFIG_S_DRIVER_OK &&
               !(device->status & VIRTIO_CONFIG_S_NEEDS_RESET) && !device->wishes.reset;
        (void)pthread_mutex_unlock(&device->lock);
        if (tell && device->transport_ops)
                device->transport_ops->interrupt_config(device->transport);
}

void virtio_device_quiesce(VirtioDevice *device, void (*done)(void *context), void *context)
{
        device->is_quiesced = true;
        device->quiesce_done = done;
        device->quiesce_context = context;
        device_wake(device);
}

void virtio_device_resume(VirtioDevice *device)
{
        device->is_quiesced = false;
        device->quiesce_done = NULL;
        device_go_on(device);
        device->kick_all = true;
        device_wake(device);
}

void virtio_device_reset(VirtioDevice *device)
{
        (void)pthread_mutex_lock(&device->lock);
        device->wishes.reset = true; /* nothing is told to the driver from here on */
        (void)pthread_mutex_unlock(&device->lock);
        device_clear(device);
        if (device->is_quiesced)
                (void)device_drain(device);
}
