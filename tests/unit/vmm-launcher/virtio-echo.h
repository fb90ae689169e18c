/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The simplest virtio device there is, to test what all have in common: a request's readable bytes
 * come back in its writable ones, at once or when the test says so.
 */

#include "virtio/device.h"

#define VIRTIO_ECHO_ID     63U /* no device of the specification */
#define VIRTIO_ECHO_QUEUES 3U
#define VIRTIO_ECHO_CONFIG 24U
#define VIRTIO_ECHO_BYTES  4096U /* of a request that come back */
/* Features that the device offers of its own. */
#define VIRTIO_ECHO_F_A 3U
#define VIRTIO_ECHO_F_B 40U

typedef struct VirtioEchoHeld {
        unsigned queue;
        uint16_t head;
        uint32_t written;
} VirtioEchoHeld;

typedef struct VirtioEcho {
        VirtioDevice *device; /* owned */
        uint32_t queue_sizes[VIRTIO_ECHO_QUEUES];
        /* For the test to set: */
        bool holds;               /* requests are done when virtio_echo_complete() says so */
        bool finishes_on_quiesce; /* what is held is done then */
        bool ignores_kicks;
        int activate_result;
        /* For the test to look at: */
        unsigned n_activated, n_quiesced, n_resumed, n_reset, n_handled;
        uint64_t n_echoes; /* saved and loaded */
        unsigned config_offset, config_size;
        VirtioEchoHeld *held;
        unsigned n_held, max_held;
} VirtioEcho;

/* queue_size: a power of two, of each queue. What fails ends the process. */
void virtio_echo_init(VirtioEcho *echo, const DmaWindow *window, EventLoop *loop,
                      uint32_t queue_size);
void virtio_echo_done(VirtioEcho *echo);

/* The next n requests that are held are done, oldest first; interrupts follow. */
void virtio_echo_complete(VirtioEcho *echo, unsigned n);
