/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * struct VirtioDevice and what its files share: device.c (the loop's side), device-registers.c (the
 * driver's side), device-state.c (saved states).
 */

#include <pthread.h>

#include "core/guest-log.h"
#include "virtio/transport.h"

typedef struct VirtioQueue {
        /* Under the lock: */
        VirtioQueueRegisters registers;
        bool is_resetting;
        /* The loop's: */
        Virtqueue *ring;
} VirtioQueue;

/* What a register write asks of the loop; under the lock. */
typedef struct VirtioWishes {
        bool reset, activate, start_queues, reset_queues;
        unsigned config_from, config_to; /* bytes that the driver wrote; empty if equal */
} VirtioWishes;

struct VirtioDevice {
        VirtioInfo info;
        const VirtioOps *ops;
        void *context;
        const DmaWindow *window;
        EventLoop *loop;
        const VirtioTransportOps *transport_ops;
        void *transport;
        int event_fd; /* kicks of all queues, and wishes */
        EventSource source;
        GuestLog log;

        pthread_mutex_t lock; /* for what stands here, up to queues */
        uint8_t status;
        uint64_t offered, accepted;
        uint8_t generation; /* of config, section 2.5.1 */
        uint8_t config[VIRTIO_CONFIG_MAX];
        VirtioWishes wishes;
        VirtioQueue *queues;

        /* The loop's own: */
        bool is_active;
        uint64_t features; /* accepted, while active */
        bool is_draining;  /* ops->quiesce was called; until reset or resume */
        bool is_quiesced;  /* by the machine */
        bool kick_all;     /* handle every queue once, kicked or not */
        unsigned budget;   /* chains that the handler may still take; 0 outside of a handler */
        bool has_budget;
        void (*quiesce_done)(void *context);
        void *quiesce_context;
};

/* Any thread: the loop looks at the device again. */
void device_wake(VirtioDevice *device);
/* Section 2.2.2, the driver's choice against the offer. Under the lock. */
bool device_features_are_acceptable(const VirtioDevice *device);
/* NEEDS_RESET; the reason has been logged. The loop's thread. */
void device_break(VirtioDevice *device);
/* Takes the registers of an enabled queue into its ring. 0 or VIRTQUEUE_BROKEN. */
int device_start_queue(VirtioDevice *device, unsigned queue);
