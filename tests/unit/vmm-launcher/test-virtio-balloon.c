/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The memory balloon, VIRTIO 1.3 section 5.5: pages really go back, hostile ones do no harm. */

#include "virtio/balloon.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <string.h>
#include <sys/mman.h>

#include "check-main.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "virtio-driver.h"

#define PAGE    4096ULL
#define INFLATE 0U
#define DEFLATE 1U
#define STATS   2U
#define FEATURES                                                                                   \
        (1ULL << VIRTIO_BALLOON_F_MUST_TELL_HOST | 1ULL << VIRTIO_BALLOON_F_STATS_VQ |             \
         1ULL << VIRTIO_BALLOON_F_DEFLATE_ON_OOM | 1ULL << VIRTIO_BALLOON_F_REPORTING)

typedef struct BalloonTest {
        VirtioDriver driver;
        VirtioBalloon *balloon;
        VirtioDevice *device;
        uint64_t list;  /* of page numbers */
        uint64_t pages; /* 16 of them, aligned, full of 'x' */
        unsigned n_stats, n_gone, n_quiet;
        VirtioBalloonStats stats;
} BalloonTest;

static void make_device(BalloonTest *test)
{
        ck_assert_int_eq(virtio_balloon_new(&(VirtioBalloonConfig){0}, &test->driver.window,
                                            test->driver.loop, &test->balloon),
                         0);
        test->device = virtio_balloon_device(test->balloon);
        virtio_driver_attach(&test->driver, test->device);
}

static void start(BalloonTest *test, uint64_t features)
{
        *test = (BalloonTest){0};
        log_set_max_level(LOG_EMERG);
        virtio_driver_init(&test->driver);
        make_device(test);
        ck_assert_uint_eq(virtio_device_info(test->device)->id, VIRTIO_ID_BALLOON);
        test->list = virtio_driver_alloc(&test->driver, 8192, PAGE);
        test->pages = virtio_driver_alloc(&test->driver, 16 * PAGE, PAGE);
        ck_assert_int_eq(guest_memory_fill(test->driver.memory, test->pages, 'x', 16 * PAGE), 0);
        ck_assert(virtio_driver_start(&test->driver, features, 64));
}

static void finish(BalloonTest *test)
{
        virtio_device_free(test->device);
        virtio_driver_done(&test->driver);
}

/* Whether the host has memory for it, and which byte the guest would find. */
static bool is_resident(BalloonTest *test, uint64_t address)
{
        const GuestRegion *regions;
        unsigned char there;

        guest_memory_regions(test->driver.memory, &regions);
        ck_assert_int_eq(mincore((char *)regions[0].host + address, PAGE, &there), 0);
        return there & 1;
}

static char byte_at(BalloonTest *test, uint64_t address)
{
        char byte;

        virtio_driver_read(&test->driver, address, &byte, 1);
        return byte;
}

static void send(BalloonTest *test, unsigned queue, const VirtioDriverBuffer *buffers, unsigned n)
{
        virtio_driver_add(&test->driver, queue, buffers, n);
        virtio_driver_kick(&test->driver, queue);
        virtio_driver_settle(&test->driver);
}

/* Page numbers, as they are, in one buffer or cut in two at an odd place. */
static void send_pages(BalloonTest *test, unsigned queue, const uint32_t *pages, unsigned n)
{
        const VirtioDriverBuffer buffers[] = {{test->list, 3, false},
                                              {test->list + 3, 4 * n - 3, false}};
        uint32_t numbers[1025];

        for (unsigned i = 0; i < n; i++)
                numbers[i] = htole32(pages[i]);
        virtio_driver_write(&test->driver, test->list, numbers, 4ULL * n);
        send(test, queue, buffers, 2);
}

START_TEST(test_inflate)
{
        uint32_t pages[5];
        BalloonTest test;

        start(&test, FEATURES);
        /* A run, one alone, and again the first. */
        for (unsigned i = 0; i < 3; i++)
                pages[i] = (uint32_t)(test.pages / PAGE) + 2 + i;
        pages[3] = (uint32_t)(test.pages / PAGE) + 9;
        pages[4] = pages[0];
        send_pages(&test, INFLATE, pages, 5);
        ck_assert(virtio_driver_take(&test.driver, INFLATE, NULL, NULL));
        ck_assert_uint_eq(virtio_driver_take_interrupts(&test.driver, INFLATE), 1);
        ck_assert_uint_eq(virtio_balloon_get_discarded(test.balloon), 5 * PAGE);
        for (unsigned i = 0; i < 16; i++) {
                bool gone = (i >= 2 && i <= 4) || i == 9;

                ck_assert_int_eq(is_resident(&test, test.pages + i * PAGE), !gone);
                ck_assert_int_eq(byte_at(&test, test.pages + i * PAGE), gone ? 0 : 'x');
        }
        /* Deflation changes nothing: the guest touches them when it likes. */
        send_pages(&test, DEFLATE, pages, 5);
        ck_assert(virtio_driver_take(&test.driver, DEFLATE, NULL, NULL));
        ck_assert_int_eq(byte_at(&test, test.pages + 5 * PAGE), 'x');
        ck_assert_uint_eq(virtio_balloon_get_discarded(test.balloon), 5 * PAGE);
        finish(&test);
}
END_TEST

/* Hardening row 23: outside RAM, at its end, across it, the largest there is, many times. */
START_TEST(test_hostile_page_numbers)
{
        const uint32_t last = (uint32_t)(VIRTIO_DRIVER_MEMORY / PAGE);
        const uint32_t pages[] = {last, last + 1, UINT32_MAX, UINT32_MAX - 1, 1U << 31,  last - 1,
                                  last, last - 1, last - 1,   0x000c0000,     UINT32_MAX};
        BalloonTest test;

        start(&test, FEATURES);
        send_pages(&test, INFLATE, pages, ARRAY_SIZE(pages));
        ck_assert(virtio_driver_take(&test.driver, INFLATE, NULL, NULL));
        ck_assert(!virtio_driver_needs_reset(&test.driver));
        /* The run that leaves RAM is passed over whole. */
        ck_assert_uint_eq(virtio_balloon_get_discarded(test.balloon), 2 * PAGE);
        ck_assert_int_eq(byte_at(&test, test.pages), 'x');
        finish(&test);
}
END_TEST

/* The pool of a protected machine: what is not shared with the host is not the balloon's. */
START_TEST(test_outside_the_window)
{
        uint32_t pages[2];
        BalloonTest test;

        start(&test, FEATURES);
        pages[0] = (uint32_t)(test.pages / PAGE);
        pages[1] = (uint32_t)(test.pages / PAGE) + 2;
        test.driver.window.first = test.pages + PAGE;
        test.list = test.pages + 14 * PAGE;
        send_pages(&test, INFLATE, pages, 2);
        ck_assert(virtio_driver_take(&test.driver, INFLATE, NULL, NULL));
        ck_assert(is_resident(&test, test.pages));
        ck_assert(!is_resident(&test, test.pages + 2 * PAGE));
        finish(&test);
}
END_TEST

START_TEST(test_malformed)
{
        BalloonTest test;

        for (unsigned queue = INFLATE; queue <= DEFLATE; queue++) {
                const VirtioDriverBuffer bad[][2] = {
                        {{0x1000, 4, false}, {0x1000, 4, true}},
                        {{0x1000, 2, false}, {0x1000, 1, false}},
                        {{0x1000, 4096, false}, {0x1000, 4, false}},
                        {{0x1000, 1U << 20, false}, {0x1000, 1U << 20, false}}};

                for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                        start(&test, FEATURES);
                        send(&test, queue, bad[i], 2);
                        ck_assert(virtio_driver_needs_reset(&test.driver));
                        ck_assert_uint_eq(virtio_balloon_get_discarded(test.balloon), 0);
                        ck_assert(virtio_driver_reset(&test.driver));
                        ck_assert(virtio_driver_start(&test.driver, FEATURES, 64));
                        send_pages(&test, queue, (uint32_t[]){1}, 1);
                        ck_assert(virtio_driver_take(&test.driver, queue, NULL, NULL));
                        finish(&test);
                }
        }
}
END_TEST

/* Whole pages of each buffer, in the queue that old drivers use and in that of the specification.
 */
START_TEST(test_reports)
{
        for (unsigned queue = 3; queue <= 4; queue++) {
                BalloonTest test;

                start(&test, FEATURES);
                send(&test, queue,
                     (VirtioDriverBuffer[]){{test.pages + PAGE, 2 * PAGE, true},
                                            {test.pages + 4 * PAGE + 1, 2 * PAGE, true},
                                            {test.pages + 8 * PAGE, 100, true}},
                     3);
                ck_assert(virtio_driver_take(&test.driver, queue, NULL, NULL));
                ck_assert_uint_eq(virtio_balloon_get_discarded(test.balloon), 3 * PAGE);
                for (unsigned i = 0; i < 16; i++)
                        ck_assert_int_eq(is_resident(&test, test.pages + i * PAGE),
                                         i != 1 && i != 2 && i != 5);
                finish(&test);
                start(&test, FEATURES & ~(1ULL << VIRTIO_BALLOON_F_REPORTING));
                send(&test, queue, &(VirtioDriverBuffer){test.pages, PAGE, true}, 1);
                ck_assert(virtio_driver_needs_reset(&test.driver));
                ck_assert(is_resident(&test, test.pages));
                finish(&test);
        }
}
END_TEST

START_TEST(test_target)
{
        uint32_t actual = htole32(7), target;
        BalloonTest test;

        start(&test, FEATURES);
        virtio_balloon_set_target(test.balloon, 10 * PAGE + 4095);
        ck_assert_uint_eq(test.driver.n_config_interrupts, 1);
        ck_assert_uint_eq(virtio_balloon_get_target(test.balloon), 10 * PAGE);
        virtio_device_read_config(test.device, 0, &target, 4);
        ck_assert_uint_eq(le32toh(target), 10);
        virtio_device_write_config(test.device, 4, &actual, 4);
        ck_assert_uint_eq(virtio_balloon_get_actual(test.balloon), 7 * PAGE);
        /* The target is not the driver's to write. */
        virtio_device_write_config(test.device, 0, &actual, 4);
        ck_assert_uint_eq(virtio_balloon_get_target(test.balloon), 10 * PAGE);
        virtio_balloon_set_target(test.balloon, UINT64_MAX);
        ck_assert_uint_eq(virtio_balloon_get_target(test.balloon), UINT32_MAX * PAGE);
        ck_assert(virtio_driver_reset(&test.driver));
        ck_assert_uint_eq(virtio_balloon_get_actual(test.balloon), 0);
        ck_assert_uint_eq(virtio_balloon_get_target(test.balloon), UINT32_MAX * PAGE);
        finish(&test);
}
END_TEST

static void take_stats(void *context, const VirtioBalloonStats *stats)
{
        BalloonTest *test = context;

        if (!stats) {
                test->n_gone++;
                return;
        }
        test->n_stats++;
        test->stats = *stats;
}

static void offer_stats(BalloonTest *test, unsigned n, const uint16_t *tags, uint64_t first)
{
        struct virtio_balloon_stat entries[80];

        for (unsigned i = 0; i < n; i++)
                entries[i] = (struct virtio_balloon_stat){htole16(tags[i]), htole64(first + i)};
        virtio_driver_write(&test->driver, test->list, entries, sizeof(entries[0]) * n);
        send(test, STATS,
             &(VirtioDriverBuffer){test->list, (uint32_t)(sizeof(entries[0]) * n), false}, 1);
}

START_TEST(test_stats)
{
        const uint16_t tags[] = {VIRTIO_BALLOON_S_MEMTOT, 999, VIRTIO_BALLOON_S_SWAP_IN, 10};
        BalloonTest test;

        start(&test, FEATURES);
        offer_stats(&test, 4, tags, 100);
        /* It is not asked for, so it stays in the ring, and the machine can be quiet. */
        ck_assert(!virtio_driver_take(&test.driver, STATS, NULL, NULL));
        for (unsigned round = 0; round < 3; round++) {
                ck_assert_int_eq(virtio_balloon_request_stats(test.balloon, take_stats, &test), 0);
                ck_assert_int_eq(virtio_balloon_request_stats(test.balloon, take_stats, &test),
                                 -EBUSY);
                virtio_driver_settle(&test.driver);
                ck_assert(virtio_driver_take(&test.driver, STATS, NULL, NULL));
                ck_assert_uint_ge(virtio_driver_take_interrupts(&test.driver, STATS), 1);
                ck_assert_uint_eq(test.n_stats, round);
                offer_stats(&test, 4, tags, 1000 * (round + 1ULL));
                ck_assert_uint_eq(test.n_stats, round + 1);
                ck_assert_uint_eq(test.stats.present,
                                  1U << VIRTIO_BALLOON_S_MEMTOT | 1U << VIRTIO_BALLOON_S_SWAP_IN);
                ck_assert_uint_eq(test.stats.values[VIRTIO_BALLOON_S_MEMTOT],
                                  1000 * (round + 1ULL));
                ck_assert_uint_eq(test.stats.values[VIRTIO_BALLOON_S_SWAP_IN],
                                  1000 * (round + 1ULL) + 2);
        }
        finish(&test);
        ck_assert_uint_eq(test.n_gone, 0);
}
END_TEST

START_TEST(test_stats_never_answered)
{
        const uint16_t tags[80] = {0};
        BalloonTest test;

        start(&test, 0);
        ck_assert_int_eq(virtio_balloon_request_stats(test.balloon, take_stats, &test), -ENOTCONN);
        ck_assert(virtio_driver_reset(&test.driver));
        ck_assert_int_eq(virtio_balloon_request_stats(test.balloon, take_stats, &test), -ENOTCONN);
        ck_assert(virtio_driver_start(&test.driver, FEATURES, 64));
        ck_assert_int_eq(virtio_balloon_request_stats(test.balloon, take_stats, &test), 0);
        virtio_driver_settle(&test.driver);
        ck_assert(virtio_driver_reset(&test.driver));
        ck_assert_uint_eq(test.n_gone, 1);
        ck_assert(virtio_driver_start(&test.driver, FEATURES, 64));
        ck_assert_int_eq(virtio_balloon_request_stats(test.balloon, take_stats, &test), 0);
        virtio_balloon_cancel_stats(test.balloon);
        offer_stats(&test, 1, tags, 5);
        ck_assert_uint_eq(test.n_stats + test.n_gone, 1);
        /* The device goes with a question open; an answer of too many entries is cut. */
        ck_assert_int_eq(virtio_balloon_request_stats(test.balloon, take_stats, &test), 0);
        virtio_driver_settle(&test.driver);
        offer_stats(&test, 80, tags, 5);
        ck_assert_uint_eq(test.n_stats, 1);
        ck_assert_uint_eq(test.stats.values[0], 5 + 63);
        ck_assert_int_eq(virtio_balloon_request_stats(test.balloon, take_stats, &test), 0);
        finish(&test);
        ck_assert_uint_eq(test.n_gone, 2);
}
END_TEST

static void quiet(void *context)
{
        BalloonTest *test = context;

        test->n_quiet++;
}

START_TEST(test_state)
{
        const char *const bad[] = {"{}", "{\"target\":-1}", "{\"target\":4294967296}", "[]",
                                   "{\"target\":1,\"more\":1}"};
        uint32_t actual = htole32(3);
        json_object *state = NULL;
        JsonProblem problem;
        BalloonTest test;

        start(&test, FEATURES);
        virtio_balloon_set_target(test.balloon, 5 * PAGE);
        virtio_device_write_config(test.device, 4, &actual, 4);
        offer_stats(&test, 1, (const uint16_t[]){4}, 5);
        virtio_device_quiesce(test.device, quiet, &test);
        virtio_driver_settle(&test.driver);
        ck_assert_uint_eq(test.n_quiet, 1);
        ck_assert_int_eq(virtio_device_save(test.device, &state), 0);
        virtio_device_free(test.device);
        make_device(&test);
        ck_assert_int_eq(virtio_device_load(test.device, state, &problem), 0);
        virtio_device_resume(test.device);
        ck_assert_uint_eq(virtio_balloon_get_target(test.balloon), 5 * PAGE);
        ck_assert_uint_eq(virtio_balloon_get_actual(test.balloon), 3 * PAGE);
        send_pages(&test, INFLATE, (uint32_t[]){(uint32_t)(test.pages / PAGE)}, 1);
        ck_assert(!is_resident(&test, test.pages));
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                json_object *value = NULL;

                virtio_device_free(test.device);
                make_device(&test);
                ck_assert_int_eq(json_parse_strict(bad[i], strlen(bad[i]), &value, &problem), 0);
                json_object_object_add(state, "device", value);
                ck_assert_int_eq(virtio_device_load(test.device, state, &problem), -EBADMSG);
                ck_assert_int_eq(strncmp(problem.pointer, "/device", 7), 0);
        }
        json_object_put(state);
        finish(&test);
}
END_TEST

CHECK_MAIN("virtio-balloon", {"inflate", test_inflate},
           {"hostile page numbers", test_hostile_page_numbers},
           {"outside the window", test_outside_the_window}, {"malformed", test_malformed},
           {"reports", test_reports}, {"target", test_target}, {"stats", test_stats},
           {"stats never answered", test_stats_never_answered}, {"state", test_state});
