/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reset, faults and quiescence with requests in flight: VIRTIO 1.3 sections 2.1.2, 2.4, 2.6.1. */

#include "virtio-device-test.h"

#include <errno.h>
#include <malloc.h>

static void start(DeviceTest *test, uint64_t features)
{
        device_test_init(test);
        ck_assert(virtio_driver_start(&test->driver, features, QUEUE_SIZE));
}

/* n requests that the device keeps. */
static void hold(DeviceTest *test, unsigned queue, unsigned n)
{
        test->echo.holds = true;
        for (unsigned i = 0; i < n; i++)
                virtio_driver_add(&test->driver, queue, &(VirtioDriverBuffer){test->out, 8, true},
                                  1);
        virtio_driver_kick(&test->driver, queue);
        virtio_driver_settle(&test->driver);
        ck_assert_uint_eq(test->echo.n_held, n);
}

static void fault(DeviceTest *test, unsigned queue)
{
        uint16_t index = test->driver.queues[queue].available;

        virtio_driver_set_available_index(&test->driver, queue, (uint16_t)(index + 5000));
        virtio_driver_kick(&test->driver, queue);
        virtio_driver_settle(&test->driver);
        virtio_driver_set_available_index(&test->driver, queue, index);
}

START_TEST(test_echo)
{
        const uint64_t features[] = {0, EVENT_IDX, INDIRECT, EVENT_IDX | INDIRECT};
        DeviceTest test;

        for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
                start(&test, features[i]);
                for (unsigned n = 0; n < 1000; n++)
                        device_test_expect_life(&test, n % VIRTIO_ECHO_QUEUES);
                device_test_done(&test);
        }
}
END_TEST

/* A driver that kicks only when it is asked to gets every request served. */
START_TEST(test_wanted_kicks_suffice)
{
        const uint64_t features[] = {0, EVENT_IDX};

        for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
                unsigned n_kicks = 0;
                DeviceTest test;

                start(&test, features[i]);
                for (unsigned n = 0; n < 70000; n++) {
                        device_test_add(&test, 0);
                        if (virtio_driver_wants_kick(&test.driver, 0)) {
                                virtio_driver_kick(&test.driver, 0);
                                n_kicks++;
                        }
                        if (n % 3 == 0)
                                continue;
                        virtio_driver_settle(&test.driver);
                        while (virtio_driver_take(&test.driver, 0, NULL, NULL))
                                ;
                        ck_assert_uint_eq(test.driver.queues[0].n_free, QUEUE_SIZE);
                }
                if (features[i] & EVENT_IDX)
                        ck_assert_uint_lt(n_kicks, 60000);
                device_test_done(&test);
        }
}
END_TEST

/* Row 17 (CVE-2026-45782): the status reads 0 when the last of 128 requests is done. */
START_TEST(test_reset_with_requests_in_flight)
{
        DeviceTest test;

        for (unsigned held = 1; held <= QUEUE_SIZE; held *= 2) {
                start(&test, 0);
                hold(&test, 0, held);
                ck_assert(!virtio_driver_reset(&test.driver));
                ck_assert_uint_eq(test.echo.n_quiesced, 1);
                ck_assert_uint_eq(test.echo.n_reset, 0);
                if (held > 1)
                        virtio_echo_complete(&test.echo, held - 1);
                virtio_driver_settle(&test.driver);
                ck_assert_uint_ne(device_test_status(&test), 0);
                /* Another reset changes nothing. */
                virtio_device_set_status(test.echo.device, 0);
                virtio_driver_settle(&test.driver);
                ck_assert_uint_ne(device_test_status(&test), 0);
                virtio_echo_complete(&test.echo, 1);
                /* From the loop, not from within the completion. */
                ck_assert_uint_eq(test.echo.n_reset, 0);
                virtio_driver_settle(&test.driver);
                ck_assert_uint_eq(device_test_status(&test), 0);
                ck_assert_uint_eq(test.echo.n_reset, 1);
                ck_assert_uint_eq(test.echo.n_resumed, 0);
                test.echo.holds = false;
                ck_assert(virtio_driver_start(&test.driver, 0, QUEUE_SIZE));
                device_test_expect_life(&test, 0);
                device_test_done(&test);
        }
}
END_TEST

START_TEST(test_reset_when_quiesce_finishes)
{
        DeviceTest test;

        start(&test, 0);
        test.echo.finishes_on_quiesce = true;
        hold(&test, 1, QUEUE_SIZE);
        ck_assert(virtio_driver_reset(&test.driver));
        ck_assert_uint_eq(test.echo.n_held, 0);
        device_test_done(&test);
}
END_TEST

/* Kicks and new requests that come during a reset are not for this device any more. */
START_TEST(test_nothing_taken_during_reset)
{
        DeviceTest test;

        start(&test, 0);
        hold(&test, 0, 1);
        virtio_device_set_status(test.echo.device, 0);
        device_test_add(&test, 0);
        virtio_driver_kick(&test.driver, 0);
        virtio_driver_settle(&test.driver);
        ck_assert_uint_eq(test.echo.n_held, 1);
        virtio_echo_complete(&test.echo, 1);
        virtio_driver_settle(&test.driver);
        ck_assert_uint_eq(device_test_status(&test), 0);
        device_test_done(&test);
}
END_TEST

/* Section 2.1.2: NEEDS_RESET, one configuration interrupt, silence, and life after a reset. */
START_TEST(test_fault)
{
        DeviceTest test;

        start(&test, 0);
        hold(&test, 1, 3);
        test.echo.holds = false;
        fault(&test, 0);
        ck_assert(virtio_driver_needs_reset(&test.driver));
        ck_assert(!virtio_device_is_active(test.echo.device));
        ck_assert_uint_eq(test.driver.n_config_interrupts, 1);
        device_test_expect_silence(&test, 0);
        device_test_expect_silence(&test, 1);
        device_test_expect_silence(&test, 2);
        /* What was in flight ends without a word. */
        virtio_echo_complete(&test.echo, 2);
        ck_assert_uint_eq(virtio_driver_used_index(&test.driver, 1), 0);
        ck_assert_uint_eq(virtio_driver_take_interrupts(&test.driver, 1), 0);
        virtio_device_fault(test.echo.device, "again %d", 1);
        ck_assert_uint_eq(test.driver.n_config_interrupts, 1);
        /* The last one holds the reset up. */
        ck_assert(!virtio_driver_reset(&test.driver));
        virtio_echo_complete(&test.echo, 1);
        virtio_driver_settle(&test.driver);
        ck_assert_uint_eq(device_test_status(&test), 0);
        ck_assert(virtio_driver_start(&test.driver, 0, QUEUE_SIZE));
        for (unsigned queue = 0; queue < VIRTIO_ECHO_QUEUES; queue++)
                device_test_expect_life(&test, queue);
        device_test_done(&test);
}
END_TEST

/* A fault before DRIVER_OK: the driver sees it, is not interrupted, and cannot go on. */
START_TEST(test_fault_before_driver_ok)
{
        DeviceTest test;

        device_test_init(&test);
        virtio_device_set_status(test.echo.device, ACKNOWLEDGE | DRIVER);
        virtio_device_set_accepted(test.echo.device, OFFERED);
        virtio_device_fault(test.echo.device, "a bad configuration");
        ck_assert_uint_eq(test.driver.n_config_interrupts, 0);
        virtio_device_set_status(test.echo.device, ACKNOWLEDGE | DRIVER | FEATURES_OK);
        virtio_device_set_status(test.echo.device, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
        virtio_driver_settle(&test.driver);
        ck_assert_uint_eq(device_test_status(&test),
                          ACKNOWLEDGE | DRIVER | FEATURES_OK | NEEDS_RESET);
        ck_assert_uint_eq(test.echo.n_activated, 0);
        ck_assert(virtio_driver_reset(&test.driver));
        ck_assert(virtio_driver_start(&test.driver, 0, QUEUE_SIZE));
        device_test_expect_life(&test, 0);
        device_test_done(&test);
}
END_TEST

START_TEST(test_host_cannot_activate)
{
        DeviceTest test;

        device_test_init(&test);
        test.echo.activate_result = -ENOSPC;
        ck_assert(virtio_driver_start(&test.driver, 0, QUEUE_SIZE));
        ck_assert(virtio_driver_needs_reset(&test.driver));
        ck_assert_uint_eq(test.driver.n_config_interrupts, 1);
        device_test_expect_silence(&test, 0);
        test.echo.activate_result = 0;
        ck_assert(virtio_driver_reset(&test.driver));
        ck_assert(virtio_driver_start(&test.driver, 0, QUEUE_SIZE));
        device_test_expect_life(&test, 0);
        device_test_done(&test);
}
END_TEST

START_TEST(test_quiesce)
{
        DeviceTest test;

        start(&test, EVENT_IDX);
        hold(&test, 0, 5);
        virtio_device_quiesce(test.echo.device, device_test_quiet, &test);
        ck_assert_uint_eq(test.n_quiet, 0);
        virtio_driver_settle(&test.driver);
        ck_assert_uint_eq(test.echo.n_quiesced, 1);
        ck_assert_uint_eq(test.n_quiet, 0);
        /* The driver's requests wait. */
        virtio_driver_add(&test.driver, 0, &(VirtioDriverBuffer){test.out, 8, true}, 1);
        virtio_driver_kick(&test.driver, 0);
        virtio_driver_settle(&test.driver);
        ck_assert_uint_eq(test.echo.n_held, 5);
        virtio_echo_complete(&test.echo, 5);
        ck_assert_uint_eq(test.n_quiet, 0);
        virtio_driver_settle(&test.driver);
        ck_assert_uint_eq(test.n_quiet, 1);
        /* What was done is told; nothing else happens however long it is quiet. */
        ck_assert_uint_ge(virtio_driver_take_interrupts(&test.driver, 0), 1);
        for (unsigned i = 0; i < 3; i++) {
                virtio_driver_kick(&test.driver, 0);
                virtio_driver_settle(&test.driver);
        }
        ck_assert_uint_eq(test.n_quiet, 1);
        ck_assert_uint_eq(test.echo.n_held, 0);
        ck_assert_uint_eq(test.echo.n_quiesced, 1);
        test.echo.holds = false;
        virtio_device_resume(test.echo.device);
        virtio_driver_settle(&test.driver);
        ck_assert_uint_eq(test.echo.n_resumed, 1);
        ck_assert_uint_eq(virtio_driver_used_index(&test.driver, 0), 6);
        while (virtio_driver_take(&test.driver, 0, NULL, NULL))
                ;
        device_test_expect_life(&test, 0);
        device_test_done(&test);
}
END_TEST

/* Called off before it was complete, and asked for twice in a row. */
START_TEST(test_resume_before_quiet)
{
        DeviceTest test;

        start(&test, 0);
        hold(&test, 0, 1);
        for (unsigned i = 0; i < 3; i++) {
                virtio_device_quiesce(test.echo.device, device_test_quiet, &test);
                if (i > 0)
                        virtio_driver_settle(&test.driver);
                virtio_device_resume(test.echo.device);
                virtio_driver_settle(&test.driver);
        }
        virtio_echo_complete(&test.echo, 1);
        virtio_driver_settle(&test.driver);
        ck_assert_uint_eq(test.n_quiet, 0);
        ck_assert_uint_eq(test.echo.n_quiesced, 2);
        ck_assert_uint_eq(test.echo.n_resumed, 2);
        test.echo.holds = false;
        while (virtio_driver_take(&test.driver, 0, NULL, NULL))
                ;
        device_test_expect_life(&test, 0);
        device_test_done(&test);
}
END_TEST

/* The machine pauses while the driver's reset waits for a request. */
START_TEST(test_pause_during_reset)
{
        DeviceTest test;

        start(&test, 0);
        hold(&test, 0, 1);
        virtio_device_set_status(test.echo.device, 0);
        virtio_driver_settle(&test.driver);
        virtio_device_quiesce(test.echo.device, device_test_quiet, &test);
        virtio_driver_settle(&test.driver);
        ck_assert_uint_eq(test.n_quiet, 0);
        virtio_echo_complete(&test.echo, 1);
        virtio_driver_settle(&test.driver);
        ck_assert_uint_eq(test.n_quiet, 1);
        ck_assert_uint_eq(device_test_status(&test), 0);
        /* A reset ends a device's quiescence; the machine's goes on. */
        ck_assert_uint_eq(test.echo.n_reset, 1);
        ck_assert_uint_eq(test.echo.n_quiesced, 2);
        virtio_device_resume(test.echo.device);
        virtio_driver_settle(&test.driver);
        ck_assert_uint_eq(test.echo.n_resumed, 1);
        test.echo.holds = false;
        ck_assert(virtio_driver_start(&test.driver, 0, QUEUE_SIZE));
        device_test_expect_life(&test, 0);
        device_test_done(&test);
}
END_TEST

/* The pause comes between the register and what follows from it. */
START_TEST(test_pause_before_activation)
{
        DeviceTest test;

        start(&test, 0);
        ck_assert(virtio_driver_reset(&test.driver));
        virtio_device_set_status(test.echo.device, ACKNOWLEDGE | DRIVER);
        virtio_device_set_accepted(test.echo.device, VERSION_1);
        virtio_device_set_status(test.echo.device, ACKNOWLEDGE | DRIVER | FEATURES_OK);
        virtio_driver_lay_out(&test.driver, 0, QUEUE_SIZE);
        virtio_device_set_queue(
                test.echo.device, 0,
                &(VirtioQueueRegisters){.size = QUEUE_SIZE,
                                        .descriptor_table = test.driver.queues[0].descriptor_table,
                                        .driver_area = test.driver.queues[0].driver_area,
                                        .device_area = test.driver.queues[0].device_area,
                                        .enabled = true});
        device_test_add(&test, 0);
        virtio_device_set_status(test.echo.device, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
        virtio_device_quiesce(test.echo.device, device_test_quiet, &test);
        virtio_driver_settle(&test.driver);
        ck_assert_uint_eq(test.n_quiet, 1);
        ck_assert_uint_eq(virtio_driver_used_index(&test.driver, 0), 0);
        virtio_device_resume(test.echo.device);
        virtio_driver_settle(&test.driver);
        ck_assert_uint_eq(virtio_driver_used_index(&test.driver, 0), 1);
        device_test_done(&test);
}
END_TEST

START_TEST(test_reset_by_machine)
{
        DeviceTest test;

        start(&test, 0);
        virtio_device_quiesce(test.echo.device, device_test_quiet, &test);
        virtio_driver_settle(&test.driver);
        ck_assert_uint_eq(test.n_quiet, 1);
        virtio_device_reset(test.echo.device);
        ck_assert_uint_eq(device_test_status(&test), 0);
        ck_assert_uint_eq(test.driver.n_config_interrupts, 0);
        virtio_device_resume(test.echo.device);
        ck_assert(virtio_driver_start(&test.driver, 0, QUEUE_SIZE));
        device_test_expect_life(&test, 0);
        device_test_done(&test);
}
END_TEST

static void restart_queue(DeviceTest *test, unsigned queue)
{
        virtio_driver_lay_out(&test->driver, queue, QUEUE_SIZE / 2);
        virtio_device_set_queue(
                test->echo.device, queue,
                &(VirtioQueueRegisters){.size = QUEUE_SIZE / 2,
                                        .descriptor_table =
                                                test->driver.queues[queue].descriptor_table,
                                        .driver_area = test->driver.queues[queue].driver_area,
                                        .device_area = test->driver.queues[queue].device_area,
                                        .enabled = true});
        virtio_driver_settle(&test->driver);
}

/* Section 2.6.1: one queue, while the others go on. */
START_TEST(test_ring_reset)
{
        DeviceTest test;

        start(&test, RING_RESET);
        device_test_expect_life(&test, 1);
        hold(&test, 0, 2);
        virtio_device_reset_queue(test.echo.device, 0);
        ck_assert(virtio_device_is_queue_resetting(test.echo.device, 0));
        virtio_driver_settle(&test.driver);
        ck_assert(virtio_device_is_queue_resetting(test.echo.device, 0));
        ck_assert(virtio_device_get_queue(test.echo.device, 0).enabled);
        virtio_echo_complete(&test.echo, 2);
        virtio_driver_settle(&test.driver);
        ck_assert(!virtio_device_is_queue_resetting(test.echo.device, 0));
        ck_assert(!virtio_device_get_queue(test.echo.device, 0).enabled);
        ck_assert_uint_eq(virtio_device_get_queue(test.echo.device, 0).size, QUEUE_SIZE);
        ck_assert_uint_eq(test.echo.n_quiesced, test.echo.n_resumed);
        ck_assert_uint_eq(test.echo.n_reset, 0);
        test.echo.holds = false;
        device_test_expect_silence(&test, 0);
        device_test_expect_life(&test, 1);
        restart_queue(&test, 0);
        device_test_expect_life(&test, 0);
        device_test_expect_life(&test, 1);
        device_test_done(&test);
}
END_TEST

START_TEST(test_ring_reset_refused)
{
        DeviceTest test;

        /* Not negotiated. */
        start(&test, 0);
        virtio_device_reset_queue(test.echo.device, 0);
        ck_assert(!virtio_device_is_queue_resetting(test.echo.device, 0));
        virtio_driver_settle(&test.driver);
        device_test_expect_life(&test, 0);
        device_test_done(&test);
        /* Not enabled. */
        device_test_init(&test);
        virtio_device_set_status(test.echo.device, ACKNOWLEDGE | DRIVER);
        virtio_device_set_accepted(test.echo.device, OFFERED);
        virtio_device_set_status(test.echo.device, ACKNOWLEDGE | DRIVER | FEATURES_OK);
        virtio_device_reset_queue(test.echo.device, 0);
        ck_assert(!virtio_device_is_queue_resetting(test.echo.device, 0));
        device_test_done(&test);
}
END_TEST

START_TEST(test_ring_reset_and_pause)
{
        DeviceTest test;

        start(&test, RING_RESET);
        hold(&test, 0, 1);
        virtio_device_reset_queue(test.echo.device, 0);
        virtio_device_quiesce(test.echo.device, device_test_quiet, &test);
        virtio_driver_settle(&test.driver);
        ck_assert_uint_eq(test.n_quiet, 0);
        virtio_echo_complete(&test.echo, 1);
        virtio_driver_settle(&test.driver);
        ck_assert_uint_eq(test.n_quiet, 1);
        ck_assert(!virtio_device_is_queue_resetting(test.echo.device, 0));
        ck_assert(virtio_device_is_quiesced(test.echo.device));
        ck_assert_uint_eq(test.echo.n_resumed, 0);
        test.echo.holds = false;
        virtio_device_resume(test.echo.device);
        virtio_driver_settle(&test.driver);
        ck_assert_uint_eq(test.echo.n_quiesced, test.echo.n_resumed);
        restart_queue(&test, 0);
        device_test_expect_life(&test, 0);
        device_test_done(&test);
}
END_TEST

/* The whole device is reset while a queue's reset waits. */
START_TEST(test_reset_during_ring_reset)
{
        DeviceTest test;

        start(&test, RING_RESET);
        hold(&test, 0, 1);
        virtio_device_reset_queue(test.echo.device, 0);
        virtio_driver_settle(&test.driver);
        ck_assert(!virtio_driver_reset(&test.driver));
        virtio_echo_complete(&test.echo, 1);
        virtio_driver_settle(&test.driver);
        ck_assert_uint_eq(device_test_status(&test), 0);
        ck_assert(!virtio_device_is_queue_resetting(test.echo.device, 0));
        test.echo.holds = false;
        ck_assert(virtio_driver_start(&test.driver, 0, QUEUE_SIZE));
        device_test_expect_life(&test, 0);
        device_test_done(&test);
}
END_TEST

/* A driver on another processor that fills the queue as fast as it is emptied. */
static void refill(void *device, unsigned queue)
{
        DeviceTest *test = device;
        VirtqueueChain chain;

        test->echo.n_handled++;
        while (virtio_device_pop(test->echo.device, queue, &chain)) {
                virtio_device_push(test->echo.device, queue, chain.head, 0);
                ck_assert(virtio_driver_take(&test->driver, queue, NULL, NULL));
                device_test_add(test, queue);
        }
}

/* It gets its share in each turn of the loop, and no more; nothing is forgotten. */
START_TEST(test_budget)
{
        static const VirtioOps ops = {.handle_queue = refill};
        static const uint32_t sizes[1] = {QUEUE_SIZE};
        const VirtioInfo info = {.name = "test", .n_queues = 1, .queue_sizes = sizes};
        VirtioDevice *device, *echo;
        DeviceTest test;

        device_test_init(&test);
        ck_assert_int_eq(virtio_device_new(&info, &ops, &test, &test.driver.window,
                                           test.driver.loop, &device),
                         0);
        echo = test.echo.device;
        test.echo.device = device;
        virtio_driver_attach(&test.driver, device);
        ck_assert(virtio_driver_start(&test.driver, EVENT_IDX, QUEUE_SIZE));
        test.echo.n_handled = 0;
        device_test_add(&test, 0);
        virtio_driver_kick(&test.driver, 0);
        for (unsigned turn = 1; turn <= 50; turn++) {
                ck_assert_int_eq(event_loop_run_once(test.driver.loop, 0), 1);
                ck_assert_uint_eq(test.echo.n_handled, turn);
                ck_assert_uint_eq(virtio_driver_used_index(&test.driver, 0), turn * QUEUE_SIZE);
        }
        virtio_device_free(device);
        test.echo.device = echo;
        device_test_done(&test);
}
END_TEST

static size_t heap_in_use(void)
{
#ifdef LAUNCHER_SANITIZED
        return 0;
#else
        return mallinfo2().uordblks;
#endif
}

/* Row 18: a million requests, most of them malformed, with resets between: the heap stays as it is,
 * and the device serves whoever keeps to the rules. */
START_TEST(test_malformed_requests)
{
        uint64_t random = 88172645463325252ULL;
        unsigned n_faults = 0, n_served = 0;
        size_t heap = 0;
        DeviceTest test;

        start(&test, INDIRECT);
        for (unsigned n = 0; n < 1000000; n++) {
                const VirtioDriverQueue *queue = &test.driver.queues[0];
                uint16_t head;

                if (n == 8001)
                        heap = heap_in_use();
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                head = (uint16_t)(random % (QUEUE_SIZE + 4));
                virtio_driver_set_descriptor(
                        &test.driver, queue->descriptor_table, head % QUEUE_SIZE, random >> 40,
                        (uint32_t)(random >> 20) % 64, (uint16_t)(random >> 8) % 8,
                        (uint16_t)(random >> 12) % QUEUE_SIZE);
                virtio_driver_set_available(&test.driver, 0, queue->available, head);
                virtio_driver_set_available_index(&test.driver, 0,
                                                  (uint16_t)(queue->available + 1));
                if (n % 8 != 0)
                        continue;
                virtio_driver_kick(&test.driver, 0);
                ck_assert_int_eq(event_loop_run_once(test.driver.loop, 0), 1);
                if (!virtio_driver_needs_reset(&test.driver))
                        continue;
                n_faults++;
                n_served += virtio_driver_used_index(&test.driver, 0);
                ck_assert(virtio_driver_reset(&test.driver));
                ck_assert(virtio_driver_start(&test.driver, INDIRECT, QUEUE_SIZE));
        }
        ck_assert_uint_gt(n_faults, 10000);
        ck_assert_uint_gt(n_served, 10000);
        ck_assert_uint_le(heap_in_use(), heap);
        ck_assert(virtio_driver_reset(&test.driver));
        ck_assert(virtio_driver_start(&test.driver, 0, QUEUE_SIZE));
        device_test_expect_life(&test, 0);
        device_test_done(&test);
}
END_TEST

CHECK_MAIN("virtio-lifecycle", {"echo", test_echo},
           {"wanted kicks suffice", test_wanted_kicks_suffice},
           {"reset with requests in flight", test_reset_with_requests_in_flight},
           {"reset when quiesce finishes", test_reset_when_quiesce_finishes},
           {"nothing taken during reset", test_nothing_taken_during_reset}, {"fault", test_fault},
           {"fault before driver ok", test_fault_before_driver_ok},
           {"host cannot activate", test_host_cannot_activate}, {"quiesce", test_quiesce},
           {"resume before quiet", test_resume_before_quiet},
           {"pause during reset", test_pause_during_reset},
           {"pause before activation", test_pause_before_activation},
           {"reset by machine", test_reset_by_machine}, {"ring reset", test_ring_reset},
           {"ring reset refused", test_ring_reset_refused},
           {"ring reset and pause", test_ring_reset_and_pause},
           {"reset during ring reset", test_reset_during_ring_reset}, {"budget", test_budget},
           {"malformed requests", test_malformed_requests});
