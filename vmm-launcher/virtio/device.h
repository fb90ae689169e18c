/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What all virtio devices share (VIRTIO 1.3 section 2): features, status, configuration space,
 * queues, reset. A device is its VirtioOps over this; a transport (virtio/pci.c) is the driver's
 * way to it.
 *
 * Two sides, one lock. vCPU threads reach the registers through the transport and go no further;
 * what follows from a register (start, reset, a configuration write) happens on the loop's thread,
 * as does everything in VirtioOps, so that a device needs no lock and a reset meets no request that
 * is half submitted. The driver sees a reset as done (status 0) when the device's requests in
 * flight are.
 */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/json-fields.h"
#include "core/dma-window.h"
#include "core/event-loop.h"
#include "virtio/queue.h"

#define VIRTIO_MAX_QUEUES 65U /* 32 pairs and a control queue */
#define VIRTIO_CONFIG_MAX 256U

typedef struct VirtioDevice VirtioDevice;

/* On the loop's thread, all of them. Those that may be NULL say so. */
typedef struct VirtioOps {
        /* DRIVER_OK: the queues are started, features are settled. Negative errno: the host cannot;
         * the device then needs a reset. NULL: nothing to do. */
        int (*activate)(void *device);
        /* The driver kicked this queue, or the device has just been activated or resumed. Takes
         * what it can by virtio_device_pop(). */
        void (*handle_queue)(void *device, unsigned queue);
        /* The driver wrote these bytes of the configuration space. NULL: none are writable. */
        void (*config_written)(void *device, unsigned offset, unsigned size);
        /* Take no more requests, cancel or finish those in flight; each is pushed as usual. Buffers
         * that only wait for something to happen are put back (virtqueue_unpop) or not held at all.
         * NULL: none is ever in flight when handle_queue returns. */
        void (*quiesce)(void *device);
        /* Goes on after quiesce; each queue is handled once after it. NULL: nothing to do. */
        void (*resume)(void *device);
        /* As after power-on, with no request in flight; it also ends a quiescence. Puts back what
         * the driver wrote into the configuration space. NULL: keeps no state. */
        void (*reset)(void *device);
        /* The device's own state beside the common one, in a quiet moment. NULL: none (both). load
         * comes after activate, if the device was active, and gets what save gave, from an
         * untrusted file (its place is "/device"): 0, -EBADMSG with *problem, -ENOMEM. */
        int (*save)(void *device, json_object **ret);
        int (*load)(void *device, json_object *state, JsonProblem *problem);
        void (*destroy)(void *device);
} VirtioOps;

typedef struct VirtioInfo {
        const char *name;  /* for people: "block" */
        uint16_t id;       /* <linux/virtio_ids.h> */
        uint64_t features; /* offered, by bit; VERSION_1, INDIRECT_DESC, EVENT_IDX, RING_RESET come
                              by themselves */
        unsigned n_queues;
        const uint32_t *queue_sizes;    /* the largest of each */
        unsigned config_size;           /* bytes of configuration space */
        const uint8_t *config_writable; /* a byte of ones for each bit that the driver may write;
                                           NULL: none */
        bool access_platform; /* offer VIRTIO_F_ACCESS_PLATFORM and insist on it (protected VMs) */
} VirtioInfo;

/* ops and context are borrowed; window, loop and info's arrays too. -EINVAL, -ENOMEM, errno. */
int virtio_device_new(const VirtioInfo *info, const VirtioOps *ops, void *context,
                      const DmaWindow *window, EventLoop *loop, VirtioDevice **ret);
/* Calls ops->destroy first. */
VirtioDevice *virtio_device_free(VirtioDevice *device);

/* For devices; on the loop's thread. */
bool virtio_device_is_active(const VirtioDevice *device); /* between activate and reset, no fault */
bool virtio_device_is_quiesced(const VirtioDevice *device); /* asked to be: pop gives nothing */
/* Negotiated; false while not active. */
bool virtio_device_has_feature(const VirtioDevice *device, unsigned bit);
/* Changes what is offered; before the driver looks. */
void virtio_device_offer(VirtioDevice *device, unsigned bit, bool offered);

/* As virtqueue_pop(), but a broken queue is a fault of the device, reported here, and reads as
 * empty: true if there is a chain. false on a device that is not active or quiesced, and when
 * handle_queue has had its share (it is called again). The driver's kicks are off while
 * handle_queue runs and come again once this found the queue empty; who stops before that has to
 * come back by itself. */
bool virtio_device_pop(VirtioDevice *device, unsigned queue, VirtqueueChain *ret);
void virtio_device_unpop(VirtioDevice *device, unsigned queue, const VirtqueueChain *chain);
/* The chain is done; virtio_device_notify() after the last of a batch. A reset or quiesce that
 * waited for it goes on from the loop, not from within this call. */
void virtio_device_push(VirtioDevice *device, unsigned queue, uint16_t head, uint32_t written);
/* Interrupts the driver if it wants to know of the pushes. */
void virtio_device_notify(VirtioDevice *device, unsigned queue);
/* As virtqueue_disable_kick() and virtqueue_enable_kick(), for who does not pop until there is
 * nothing. */
void virtio_device_disable_kick(VirtioDevice *device, unsigned queue);
bool virtio_device_enable_kick(VirtioDevice *device, unsigned queue);
/* Calls handle_queue from the loop soon, as if the driver had kicked. */
void virtio_device_kick(VirtioDevice *device, unsigned queue);

/* The device's side of the configuration space. set tells the driver if bytes changed and it is
 * there. */
void virtio_device_get_config(VirtioDevice *device, unsigned offset, void *data, size_t size);
void virtio_device_set_config(VirtioDevice *device, unsigned offset, const void *data, size_t size);

/* The guest misbehaved: NEEDS_RESET (section 2.1.2), a rate-limited line, silence until the reset.
 */
void virtio_device_fault(VirtioDevice *device, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/*
 * For the machine, on the loop's thread. quiesce calls done once, from the loop, when nothing is in
 * flight (soon, or when the last request completes); resume before that calls it off. The vCPUs are
 * parked.
 */
void virtio_device_quiesce(VirtioDevice *device, void (*done)(void *context), void *context);
void virtio_device_resume(VirtioDevice *device);
/* As after power-on. The device is quiet. */
void virtio_device_reset(VirtioDevice *device);
/* The whole state of a quiet device; load into one that was just made with the same VirtioInfo. The
 * caller owns *ret. A loaded device is quiet until resume; one that could not be loaded is as after
 * power-on. 0, -EBADMSG with *problem, -ENOMEM, or what VirtioOps.activate says. */
int virtio_device_save(VirtioDevice *device, json_object **ret);
int virtio_device_load(VirtioDevice *device, json_object *state, JsonProblem *problem);
