/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The entropy device, VIRTIO 1.3 section 5.4. A request gets random bytes of the host's kernel, at
 * most VIRTIO_RNG_REQUEST_MAX of them, and all requests together no more than a rate: the host's
 * processor time is not the guest's to spend. What is over the rate waits in the ring.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/dma-window.h"
#include "core/event-loop.h"
#include "virtio/device.h"

#define VIRTIO_RNG_REQUEST_MAX 65536U

typedef struct VirtioRng VirtioRng;

typedef struct VirtioRngConfig {
        uint32_t bytes_per_second; /* 0: 1 MiB/s */
        uint32_t burst;            /* bytes at once after a pause; 0: 64 KiB */
        bool access_platform;
} VirtioRngConfig;

/* window and loop are borrowed. Freed by virtio_device_free(virtio_rng_device(rng)). -ENOMEM,
 * errno. */
int virtio_rng_new(const VirtioRngConfig *config, const DmaWindow *window, EventLoop *loop,
                   VirtioRng **ret);
VirtioDevice *virtio_rng_device(VirtioRng *rng);
