/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The entropy device, VIRTIO 1.3 section 5.4: what it gives, and how much of it. */

#include "virtio/rng.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <string.h>

#include "backend/entropy.h"
#include "check-main.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "virtio-driver.h"

#define SECOND 1000000000ULL

typedef struct RngTest {
        VirtioDriver driver;
        VirtioRng *rng;
        VirtioDevice *device;
        uint64_t buffer; /* 128 KiB */
        unsigned n_quiet;
} RngTest;

static void rng_test_init(RngTest *test, uint32_t bytes_per_second, uint32_t burst)
{
        const VirtioRngConfig config = {.bytes_per_second = bytes_per_second, .burst = burst};

        *test = (RngTest){0};
        log_set_max_level(LOG_EMERG);
        virtio_driver_init(&test->driver);
        ck_assert_int_eq(
                virtio_rng_new(&config, &test->driver.window, test->driver.loop, &test->rng), 0);
        test->device = virtio_rng_device(test->rng);
        ck_assert_uint_eq(virtio_device_info(test->device)->id, VIRTIO_ID_RNG);
        virtio_driver_attach(&test->driver, test->device);
        test->buffer = virtio_driver_alloc(&test->driver, 2 * VIRTIO_RNG_REQUEST_MAX, 4096);
        ck_assert(virtio_driver_start(&test->driver, 1ULL << VIRTIO_RING_F_EVENT_IDX, 64));
}

static void rng_test_done(RngTest *test)
{
        virtio_device_free(test->device);
        virtio_driver_done(&test->driver);
}

static void request(RngTest *test, uint32_t size)
{
        virtio_driver_add(&test->driver, 0, &(VirtioDriverBuffer){test->buffer, size, true}, 1);
        if (virtio_driver_wants_kick(&test->driver, 0))
                virtio_driver_kick(&test->driver, 0);
        virtio_driver_settle(&test->driver);
}

static bool has_answer(void *context)
{
        RngTest *test = context;

        return test->driver.queues[0].used_seen != virtio_driver_used_index(&test->driver, 0);
}

/* The answer, which may take its time. */
static uint32_t answer(RngTest *test)
{
        uint32_t written;

        ck_assert(virtio_driver_await(&test->driver, has_answer, test));
        ck_assert(virtio_driver_take(&test->driver, 0, NULL, &written));
        return written;
}

START_TEST(test_bytes)
{
        uint8_t first[64], second[64], zero[64] = {0};
        RngTest test;

        rng_test_init(&test, 0, 0);
        virtio_driver_write(&test.driver, test.buffer, zero, 64);
        request(&test, 64);
        ck_assert_uint_eq(answer(&test), 64);
        virtio_driver_read(&test.driver, test.buffer, first, 64);
        request(&test, 32);
        ck_assert_uint_eq(answer(&test), 32);
        virtio_driver_read(&test.driver, test.buffer, second, 64);
        ck_assert_mem_ne(first, zero, 64);
        ck_assert_mem_ne(first + 32, zero, 32);
        ck_assert_mem_ne(first, second, 32);
        ck_assert_mem_eq(first + 32, second + 32, 32); /* nothing behind the request */
        ck_assert_uint_ge(virtio_driver_take_interrupts(&test.driver, 0), 1);
        rng_test_done(&test);
}
END_TEST

/* At most 64 KiB each, however much there is room for; every byte of them filled. */
START_TEST(test_bound)
{
        uint8_t bytes[256];
        uint32_t written;
        RngTest test;

        rng_test_init(&test, UINT32_MAX, UINT32_MAX);
        request(&test, 2 * VIRTIO_RNG_REQUEST_MAX);
        written = answer(&test);
        ck_assert_uint_eq(written, VIRTIO_RNG_REQUEST_MAX);
        for (uint32_t at = 0; at < 2 * VIRTIO_RNG_REQUEST_MAX; at += 256) {
                unsigned n_zero = 0;

                virtio_driver_read(&test.driver, test.buffer + at, bytes, 256);
                for (unsigned i = 0; i < 256; i++)
                        n_zero += bytes[i] == 0;
                if (at < written)
                        ck_assert_uint_lt(n_zero, 128);
                else
                        ck_assert_uint_eq(n_zero, 256);
        }
        request(&test, 1);
        ck_assert_uint_eq(answer(&test), 1);
        rng_test_done(&test);
}
END_TEST

/* What is over the rate waits, and is served in its turn; a reset buys nothing. */
START_TEST(test_rate)
{
        RngTest test;

        rng_test_init(&test, 100000, 1000);
        request(&test, 900);
        ck_assert(has_answer(&test));
        request(&test, 1000);
        request(&test, 10);
        /* A thousand bytes are 10 ms: both wait, unless this machine took that long. */
        ck_assert_uint_eq(answer(&test), 900);
        ck_assert_uint_eq(answer(&test), 1000);
        ck_assert_uint_eq(answer(&test), 10);
        rng_test_done(&test);

        rng_test_init(&test, 1, 1000); /* a byte a second */
        request(&test, 1000);
        ck_assert_uint_eq(answer(&test), 1000);
        for (unsigned i = 0; i < 10; i++) {
                request(&test, 100);
                ck_assert(!has_answer(&test));
                ck_assert(virtio_driver_reset(&test.driver));
                ck_assert(virtio_driver_start(&test.driver, 0, 64));
        }
        ck_assert_int_eq(event_loop_run_once(test.driver.loop, 0), 0); /* no timer is left */
        rng_test_done(&test);
}
END_TEST

static void quiet(void *context)
{
        RngTest *test = context;

        test->n_quiet++;
}

/* A request that waits for its bytes holds neither a pause nor a saved state up. */
START_TEST(test_pause_while_waiting)
{
        const VirtioRngConfig config = {.bytes_per_second = 1, .burst = 1000};
        json_object *state = NULL;
        JsonProblem problem;
        RngTest test;

        rng_test_init(&test, 1, 1000);
        request(&test, 1000);
        ck_assert_uint_eq(answer(&test), 1000);
        request(&test, 100);
        virtio_device_quiesce(test.device, quiet, &test);
        virtio_driver_settle(&test.driver);
        ck_assert_uint_eq(test.n_quiet, 1);
        ck_assert_int_eq(virtio_device_save(test.device, &state), 0);
        virtio_device_free(test.device);
        ck_assert_int_eq(virtio_rng_new(&config, &test.driver.window, test.driver.loop, &test.rng),
                         0);
        test.device = virtio_rng_device(test.rng);
        virtio_driver_attach(&test.driver, test.device);
        ck_assert_int_eq(virtio_device_load(test.device, state, &problem), 0);
        json_object_put(state);
        virtio_device_resume(test.device);
        ck_assert_uint_eq(answer(&test), 100);
        rng_test_done(&test);
}
END_TEST

/* Section 5.4.6.1. */
START_TEST(test_readable_buffers)
{
        const VirtioDriverBuffer buffers[] = {{4096, 8, false}, {8192, 8, true}};
        RngTest test;

        for (unsigned n = 1; n <= 2; n++) {
                rng_test_init(&test, 0, 0);
                virtio_driver_add(&test.driver, 0, buffers, n);
                virtio_driver_kick(&test.driver, 0);
                virtio_driver_settle(&test.driver);
                ck_assert(virtio_driver_needs_reset(&test.driver));
                ck_assert(!has_answer(&test));
                ck_assert(virtio_driver_reset(&test.driver));
                ck_assert(virtio_driver_start(&test.driver, 0, 64));
                request(&test, 16);
                ck_assert_uint_eq(answer(&test), 16);
                rng_test_done(&test);
        }
}
END_TEST

START_TEST(test_bucket)
{
        EntropyBucket bucket = {.bytes_per_second = 1000, .burst = 500};

        ck_assert_uint_eq(entropy_bucket_wait_nsec(&bucket, 0), 0);
        ck_assert_uint_eq(entropy_bucket_wait_nsec(&bucket, 100), SECOND / 10 + 1);
        entropy_bucket_fill(&bucket, SECOND / 10 + 1);
        ck_assert_uint_eq(bucket.tokens, 100);
        entropy_bucket_fill(&bucket, SECOND / 20); /* back */
        ck_assert_uint_eq(bucket.tokens, 100);
        entropy_bucket_fill(&bucket, 10 * SECOND);
        ck_assert_uint_eq(bucket.tokens, 500);
        entropy_bucket_fill(&bucket, UINT64_MAX);
        ck_assert_uint_eq(bucket.tokens, 500);
        /* Fractions add up. */
        bucket = (EntropyBucket){.bytes_per_second = 3, .burst = 10};
        for (uint64_t now = 1; now <= 1000; now++)
                entropy_bucket_fill(&bucket, now * (SECOND / 1000));
        ck_assert_uint_ge(bucket.tokens, 2);
        ck_assert_uint_le(bucket.tokens, 3);
        bucket = (EntropyBucket){.bytes_per_second = UINT32_MAX, .burst = UINT32_MAX};
        entropy_bucket_fill(&bucket, SECOND / 2);
        ck_assert_uint_ge(bucket.tokens, UINT32_MAX / 2 - 1);
        ck_assert_uint_le(bucket.tokens, UINT32_MAX / 2 + 1);
}
END_TEST

CHECK_MAIN("virtio-rng", {"bytes", test_bytes}, {"bound", test_bound}, {"rate", test_rate},
           {"pause while waiting", test_pause_while_waiting},
           {"readable buffers", test_readable_buffers}, {"bucket", test_bucket});
