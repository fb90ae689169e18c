/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The traditional memory balloon, VIRTIO 1.3 section 5.5: the guest gives pages up to reach the
 * target, reports pages that it does not use, and tells its memory statistics when asked. Pages go
 * back to the host at once; the guest finds zeroes when it touches them again.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/dma-window.h"
#include "core/event-loop.h"
#include "virtio/device.h"

typedef struct VirtioBalloon VirtioBalloon;

typedef struct VirtioBalloonConfig {
        bool access_platform;
} VirtioBalloonConfig;

/* Those of <linux/virtio_balloon.h> VIRTIO_BALLOON_S_*; a bit of present for each that the guest
 * told. Its word only. */
#define VIRTIO_BALLOON_N_STATS 10U
typedef struct VirtioBalloonStats {
        uint64_t values[VIRTIO_BALLOON_N_STATS];
        uint32_t present;
} VirtioBalloonStats;

/* stats: NULL if the guest's driver went away before it answered. */
typedef void (*VirtioBalloonStatsDone)(void *context, const VirtioBalloonStats *stats);

/* window and loop are borrowed. Freed by virtio_device_free(virtio_balloon_device(balloon)).
 * -ENOMEM, errno. */
int virtio_balloon_new(const VirtioBalloonConfig *config, const DmaWindow *window, EventLoop *loop,
                       VirtioBalloon **ret);
VirtioDevice *virtio_balloon_device(VirtioBalloon *balloon);

/* On the loop's thread. What the guest is asked to give up, in bytes (rounded down to pages of 4
 * KiB, up to 16 TiB), and what it says that it has given up. */
void virtio_balloon_set_target(VirtioBalloon *balloon, uint64_t bytes);
uint64_t virtio_balloon_get_target(VirtioBalloon *balloon);
uint64_t virtio_balloon_get_actual(VirtioBalloon *balloon);
/* Given back to the host by inflation and by reports so far, in bytes; a page counts each time. */
uint64_t virtio_balloon_get_discarded(const VirtioBalloon *balloon);

/* Asks the guest; done is called once, from the loop, unless it is cancelled (a guest may take for
 * ever). 0, -ENOTCONN without a driver that tells statistics, -EBUSY if asked already. */
int virtio_balloon_request_stats(VirtioBalloon *balloon, VirtioBalloonStatsDone done,
                                 void *context);
void virtio_balloon_cancel_stats(VirtioBalloon *balloon);
