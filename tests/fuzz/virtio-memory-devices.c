/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The entropy and the balloon device with requests of any shape. One byte chooses the device; then
 * sixteen bytes each: queue, what to do, descriptor; a value. Page numbers are the input's, too.
 * After all of it the device serves a driver that keeps to the rules.
 */

#include <endian.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "tests/fuzz/fuzz.h"
#include "virtio-driver.h"
#include "virtio/balloon.h"
#include "virtio/rng.h"

#define QUEUE_SIZE 16U
#define TURNS_MAX  10000

typedef struct Run {
        VirtioDriver driver;
        VirtioDevice *device;
        VirtioBalloon *balloon; /* NULL: entropy */
        uint64_t buffer;
        unsigned n_asked, n_answered;
} Run;

static void run_turn(Run *run)
{
        int n, rounds = 0;

        while ((n = event_loop_run_once(run->driver.loop, 0)) > 0)
                fuzz_check(++rounds < TURNS_MAX);
        fuzz_check(n == 0);
}

static void run_start(Run *run)
{
        virtio_device_set_status(run->device, 0);
        run_turn(run);
        /* Nothing is ever in flight, so that a reset is done at once. */
        fuzz_check(virtio_device_get_status(run->device) == 0);
        fuzz_check(virtio_driver_start(&run->driver, virtio_device_get_offered(run->device),
                                       QUEUE_SIZE));
        fuzz_check(!virtio_driver_needs_reset(&run->driver));
}

static void run_stats_done(void *context, const VirtioBalloonStats *stats)
{
        Run *run = context;

        fuzz_check(++run->n_answered == run->n_asked);
        if (stats)
                fuzz_check(stats->present < 1U << VIRTIO_BALLOON_N_STATS);
}

static void run_operate(Run *run, const uint8_t *operation)
{
        unsigned queue = operation[0] % virtio_device_info(run->device)->n_queues;
        const VirtioDriverQueue *at = &run->driver.queues[queue];
        uint32_t length, value;

        memcpy(&length, operation + 4, sizeof(length));
        memcpy(&value, operation + 8, sizeof(value));
        switch (operation[1] % 8) {
        case 0:
        case 1:
                virtio_driver_set_descriptor(
                        &run->driver, at->descriptor_table, operation[2] % QUEUE_SIZE,
                        run->buffer + (operation[2] & 0x80 ? le32toh(value) : value % 8192),
                        operation[3] & 0x80 ? le32toh(length) : 4 * (1 + length % 64),
                        operation[3] % 8, operation[12] % QUEUE_SIZE);
                break;
        case 2:
                virtio_driver_write(&run->driver, run->buffer + value % 2048 * 4, operation + 12,
                                    4);
                break;
        case 3:
                virtio_driver_set_available(&run->driver, queue, at->available,
                                            operation[2] % QUEUE_SIZE);
                virtio_driver_set_available_index(&run->driver, queue,
                                                  (uint16_t)(at->available + 1));
                virtio_driver_kick(&run->driver, queue);
                break;
        case 4:
                run_turn(run);
                break;
        case 5:
                run_start(run);
                break;
        case 6:
                if (run->balloon)
                        virtio_balloon_set_target(run->balloon, (uint64_t)value << 12);
                virtio_device_write_config(run->device, operation[2] % 16, operation + 12, 4);
                break;
        default:
                if (run->balloon && run->n_asked == run->n_answered &&
                    virtio_balloon_request_stats(run->balloon, run_stats_done, run) == 0)
                        run->n_asked++;
        }
}

static void run_expect_life(Run *run)
{
        const uint32_t nowhere = UINT32_MAX; /* not a page where the rings are */
        uint32_t written;

        run_start(run);
        virtio_driver_write(&run->driver, run->buffer, &nowhere, sizeof(nowhere));
        virtio_driver_add(&run->driver, 0, &(VirtioDriverBuffer){run->buffer, 4, !run->balloon}, 1);
        virtio_driver_kick(&run->driver, 0);
        run_turn(run);
        /* The entropy device may make it wait for its turn, but not the balloon. */
        if (virtio_driver_take(&run->driver, 0, NULL, &written))
                fuzz_check(written == (run->balloon ? 0 : 4));
        else
                fuzz_check(!run->balloon);
        fuzz_check(!virtio_driver_needs_reset(&run->driver));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        Run run = {0};
        VirtioRng *rng;

        if (size < 1)
                return 0;
        log_set_max_level(LOG_EMERG);
        virtio_driver_init(&run.driver);
        if (data[0] & 1) {
                fuzz_check(virtio_balloon_new(&(VirtioBalloonConfig){0}, &run.driver.window,
                                              run.driver.loop, &run.balloon) == 0);
                run.device = virtio_balloon_device(run.balloon);
        } else {
                fuzz_check(virtio_rng_new(&(VirtioRngConfig){0}, &run.driver.window,
                                          run.driver.loop, &rng) == 0);
                run.device = virtio_rng_device(rng);
        }
        virtio_driver_attach(&run.driver, run.device);
        run.buffer = virtio_driver_alloc(&run.driver, 16384, 4096);
        run_start(&run);
        for (size_t at = 1; at + 16 <= size; at += 16)
                run_operate(&run, data + at);
        run_expect_life(&run);
        virtio_device_free(run.device);
        fuzz_check(run.n_asked == run.n_answered);
        virtio_driver_done(&run.driver);
        return 0;
}
