/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virtio/rng.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

#include "backend/entropy.h"
#include "common/cleanup.h"
#include "common/fd.h"
#include "common/log.h"

#define REQUEST_QUEUE    0U
#define QUEUE_SIZE       64U
#define BYTES_PER_SECOND (1U << 20)
#define BURST            65536U
#define REQUEST_COST_MIN 64U /* bytes: a request has a price, however short it is */
#define POOL_WAIT_NSEC   100000000ULL
#define NSEC_PER_SEC     1000000000ULL
#define PIECE            1024U /* bytes that cross at a time */

struct VirtioRng {
        VirtioDevice *device;
        EventLoop *loop;
        EntropyBucket bucket; /* a reset by the driver does not fill it */
        int timer_fd;
        EventSource timer; /* in the loop while requests wait */
        LogLimit limit;
};

static uint64_t now_nsec(void)
{
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

static void rng_timer_expired(void *context, _unused_ uint32_t epoll_events)
{
        VirtioRng *rng = context;

        /* It does not repeat, and is set again before it is looked at again. */
        event_loop_remove(&rng->timer);
        virtio_device_kick(rng->device, REQUEST_QUEUE);
}

/* Requests are looked at again after this time. */
static void rng_wait(VirtioRng *rng, uint64_t nsec)
{
        const struct itimerspec when = {
                .it_value = {.tv_sec = (time_t)(nsec / NSEC_PER_SEC),
                             .tv_nsec = (long)(nsec % NSEC_PER_SEC)},
        };
        int r = 0;

        if (rng->timer.loop)
                return;
        if (timerfd_settime(rng->timer_fd, 0, &when, NULL) < 0)
                r = -errno;
        if (r >= 0)
                r = event_loop_add(rng->loop, &rng->timer, rng->timer_fd, EPOLLIN,
                                   rng_timer_expired, rng);
        if (r < 0 && log_limit_allow(&rng->limit))
                log_warning_errno(r, "rng device: cannot set its timer; the guest gets no entropy "
                                     "before its next request");
}

/* Fills size bytes of the chain. 0 or negative errno, then nothing was written. */
static int rng_fill(const VirtqueueChain *chain, uint32_t size)
{
        uint8_t bytes[PIECE];

        for (uint32_t done = 0; done < size;) {
                uint32_t piece = CONST_MIN(size - done, PIECE);
                int r = entropy_read(bytes, piece);

                if (r < 0)
                        return r;
                done += (uint32_t)virtqueue_chain_write(chain, done, bytes, piece);
        }
        return 0;
}

/* Answers the request, or puts it back: whether the next one may be looked at. */
static bool rng_serve(VirtioRng *rng, const VirtqueueChain *chain)
{
        uint32_t size, cost;
        int r;

        /* Section 5.4.6.1. */
        if (chain->n_readable > 0) {
                virtio_device_fault(rng->device, "a request with bytes to be read");
                virtio_device_push(rng->device, REQUEST_QUEUE, chain->head, 0);
                return false;
        }
        size = (uint32_t)CONST_MIN(chain->writable_bytes, VIRTIO_RNG_REQUEST_MAX);
        size = CONST_MIN(size, rng->bucket.burst);
        cost = CONST_MIN(CONST_MAX(size, REQUEST_COST_MIN), rng->bucket.burst);
        entropy_bucket_fill(&rng->bucket, now_nsec());
        if (rng->bucket.tokens < cost) {
                virtio_device_unpop(rng->device, REQUEST_QUEUE, chain);
                rng_wait(rng, entropy_bucket_wait_nsec(&rng->bucket, cost));
                return false;
        }
        r = rng_fill(chain, size);
        if (r < 0) {
                virtio_device_unpop(rng->device, REQUEST_QUEUE, chain);
                rng_wait(rng, POOL_WAIT_NSEC);
                return false;
        }
        rng->bucket.tokens -= cost;
        virtio_device_push(rng->device, REQUEST_QUEUE, chain->head, size);
        return true;
}

static void rng_handle_queue(void *device, unsigned queue)
{
        VirtioRng *rng = device;
        VirtqueueChain chain;

        /* Whoever waits for the timer goes first, and the others behind it. */
        if (rng->timer.loop)
                return;
        while (virtio_device_pop(rng->device, queue, &chain) && rng_serve(rng, &chain))
                ;
        virtio_device_notify(rng->device, queue);
}

static void rng_reset(void *device)
{
        VirtioRng *rng = device;

        event_loop_remove(&rng->timer);
}

static void rng_destroy(void *device)
{
        VirtioRng *rng = device;

        event_loop_remove(&rng->timer);
        fd_close(rng->timer_fd);
        free(rng);
}

int virtio_rng_new(const VirtioRngConfig *config, const DmaWindow *window, EventLoop *loop,
                   VirtioRng **ret)
{
        static const VirtioOps ops = {
                .handle_queue = rng_handle_queue,
                .reset = rng_reset,
                .destroy = rng_destroy,
        };
        static const uint32_t sizes[] = {QUEUE_SIZE};
        const VirtioInfo info = {
                .name = "rng",
                .id = VIRTIO_ID_RNG,
                .n_queues = ARRAY_SIZE(sizes),
                .queue_sizes = sizes,
                .access_platform = config->access_platform,
        };
        VirtioRng *rng = calloc(1, sizeof(*rng));
        int r;

        if (!rng)
                return -ENOMEM;
        rng->loop = loop;
        rng->bucket.bytes_per_second =
                config->bytes_per_second > 0 ? config->bytes_per_second : BYTES_PER_SECOND;
        rng->bucket.burst = config->burst > 0 ? config->burst : BURST;
        rng->bucket.tokens = rng->bucket.burst;
        rng->bucket.filled_nsec = now_nsec();
        /* Now: there is no making one in the sandbox. */
        rng->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        r = rng->timer_fd < 0 ? -errno
                              : virtio_device_new(&info, &ops, rng, window, loop, &rng->device);
        if (r < 0) {
                rng_destroy(rng);
                return r;
        }
        *ret = rng;
        return 0;
}

VirtioDevice *virtio_rng_device(VirtioRng *rng)
{
        return rng->device;
}
