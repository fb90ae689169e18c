/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a driver can do to a device's registers: VIRTIO 1.3 sections 2.1 to 2.5 and 3.1. */

#include "virtio-device-test.h"

#include <errno.h>

static void set_status(DeviceTest *test, uint8_t status)
{
        virtio_device_set_status(test->echo.device, status);
        virtio_driver_settle(&test->driver);
}

/* The device in one of the states that a driver passes through. */
typedef enum Stage {
        STAGE_RESET,
        STAGE_FOUND,
        STAGE_FEATURES_OK,
        STAGE_DRIVER_OK,
        STAGE_NEEDS_RESET,
        STAGE_FAILED,
        STAGE_RESETTING, /* a request is in flight */
        STAGE_MAX,
} Stage;

static void reach_stage(DeviceTest *test, Stage stage)
{
        device_test_init(test);
        if (stage == STAGE_RESET)
                return;
        if (stage == STAGE_FOUND || stage == STAGE_FEATURES_OK) {
                set_status(test, ACKNOWLEDGE | DRIVER);
                virtio_device_set_accepted(test->echo.device, OFFERED);
                if (stage == STAGE_FEATURES_OK)
                        set_status(test, ACKNOWLEDGE | DRIVER | FEATURES_OK);
                return;
        }
        ck_assert(virtio_driver_start(&test->driver, OFFERED, QUEUE_SIZE));
        if (stage == STAGE_NEEDS_RESET) {
                virtio_driver_set_available_index(&test->driver, 0, 1000);
                virtio_driver_kick(&test->driver, 0);
                virtio_driver_settle(&test->driver);
        } else if (stage == STAGE_FAILED) {
                set_status(test, device_test_status(test) | FAILED);
        } else if (stage == STAGE_RESETTING) {
                test->echo.holds = true;
                device_test_add(test, 0);
                virtio_driver_kick(&test->driver, 0);
                virtio_driver_settle(&test->driver);
                set_status(test, 0);
        }
}

static const uint8_t stage_status[STAGE_MAX] = {
        [STAGE_FOUND] = ACKNOWLEDGE | DRIVER,
        [STAGE_FEATURES_OK] = ACKNOWLEDGE | DRIVER | FEATURES_OK,
        [STAGE_DRIVER_OK] = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK,
        [STAGE_NEEDS_RESET] = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK | NEEDS_RESET,
        [STAGE_FAILED] = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK | FAILED,
        [STAGE_RESETTING] = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK,
};

/* What the status is after a write, from the words of sections 2.1 and 3.1.1. */
static uint8_t expected_status(Stage stage, uint8_t written)
{
        const uint8_t known = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK | FAILED;
        uint8_t before = stage_status[stage], after = before | (written & known);

        if (stage == STAGE_RESETTING)
                return before;
        if (written == 0)
                return 0;
        /* Without VERSION_1 accepted there is no FEATURES_OK. */
        if (stage == STAGE_RESET)
                after &= (uint8_t)~FEATURES_OK;
        if (!(after & FEATURES_OK))
                after &= (uint8_t)~DRIVER_OK;
        return after;
}

START_TEST(test_every_transition)
{
        for (Stage stage = 0; stage < STAGE_MAX; stage++)
                for (unsigned written = 0; written < 256; written++) {
                        DeviceTest test;
                        uint8_t expected = expected_status(stage, (uint8_t)written);
                        bool activates = expected & DRIVER_OK && !(stage_status[stage] & DRIVER_OK);

                        reach_stage(&test, stage);
                        ck_assert_uint_eq(device_test_status(&test), stage_status[stage]);
                        set_status(&test, (uint8_t)written);
                        ck_assert_msg(device_test_status(&test) == expected,
                                      "stage %u, write %#x: %#x instead of %#x", stage, written,
                                      device_test_status(&test), expected);
                        ck_assert_uint_eq(test.echo.n_activated,
                                          activates || (stage_status[stage] & DRIVER_OK));
                        device_test_done(&test);
                }
}
END_TEST

START_TEST(test_offered_features)
{
        DeviceTest test;

        device_test_init(&test);
        ck_assert_uint_eq(virtio_device_get_offered(test.echo.device), OFFERED);
        virtio_device_offer(test.echo.device, VIRTIO_ECHO_F_A, false);
        ck_assert_uint_eq(virtio_device_get_offered(test.echo.device), OFFERED & ~ECHO_A);
        ck_assert(!virtio_driver_start(&test.driver, ECHO_A, QUEUE_SIZE));
        ck_assert(virtio_driver_reset(&test.driver));
        virtio_device_offer(test.echo.device, VIRTIO_ECHO_F_A, true);
        ck_assert(virtio_driver_start(&test.driver, ECHO_A, QUEUE_SIZE));
        device_test_done(&test);
}
END_TEST

/* Section 2.2.2: each bit that was not offered is refused, each that was is taken. */
START_TEST(test_features_refused)
{
        DeviceTest test;

        device_test_init(&test);
        for (unsigned bit = 0; bit < 64; bit++) {
                bool offered = OFFERED >> bit & 1;

                ck_assert(!virtio_device_has_feature(test.echo.device, bit));
                ck_assert_int_eq(virtio_driver_start(&test.driver, 1ULL << bit, QUEUE_SIZE),
                                 offered);
                ck_assert_int_eq(virtio_device_has_feature(test.echo.device, bit), offered);
                if (!offered)
                        ck_assert_uint_eq(device_test_status(&test), ACKNOWLEDGE | DRIVER);
                ck_assert(virtio_driver_reset(&test.driver));
        }
        /* Without VERSION_1 there is no device (section 6.1). */
        set_status(&test, ACKNOWLEDGE | DRIVER);
        virtio_device_set_accepted(test.echo.device, OFFERED & ~VERSION_1);
        set_status(&test, ACKNOWLEDGE | DRIVER | FEATURES_OK);
        ck_assert_uint_eq(device_test_status(&test), ACKNOWLEDGE | DRIVER);
        /* The driver may try again with others. */
        virtio_device_set_accepted(test.echo.device, OFFERED);
        set_status(&test, ACKNOWLEDGE | DRIVER | FEATURES_OK);
        ck_assert_uint_eq(device_test_status(&test), ACKNOWLEDGE | DRIVER | FEATURES_OK);
        device_test_done(&test);
}
END_TEST

/* Section 6.1: a protected machine's devices insist on ACCESS_PLATFORM. */
START_TEST(test_access_platform)
{
        static const VirtioOps ops = {NULL};
        const VirtioInfo info = {.name = "test", .access_platform = true};
        const uint64_t platform = 1ULL << VIRTIO_F_ACCESS_PLATFORM;
        VirtioDevice *device;
        VirtioDriver driver;

        virtio_driver_init(&driver);
        ck_assert_int_eq(virtio_device_new(&info, &ops, NULL, &driver.window, driver.loop, &device),
                         0);
        virtio_driver_attach(&driver, device);
        ck_assert(virtio_device_get_offered(device) & platform);
        ck_assert(!virtio_driver_start(&driver, 0, 1));
        ck_assert(virtio_driver_start(&driver, platform, 1));
        ck_assert(virtio_driver_reset(&driver));
        virtio_device_free(device);
        virtio_driver_done(&driver);
}
END_TEST

START_TEST(test_features_settled)
{
        for (Stage stage = 0; stage < STAGE_MAX; stage++) {
                bool settled = stage >= STAGE_FEATURES_OK;
                uint64_t before;
                DeviceTest test;

                reach_stage(&test, stage);
                before = virtio_device_get_accepted(test.echo.device);
                virtio_device_set_accepted(test.echo.device, ECHO_B);
                ck_assert_uint_eq(virtio_device_get_accepted(test.echo.device),
                                  settled ? before : ECHO_B);
                device_test_done(&test);
        }
}
END_TEST

static bool registers_equal(const VirtioQueueRegisters *a, const VirtioQueueRegisters *b)
{
        return a->size == b->size && a->descriptor_table == b->descriptor_table &&
               a->driver_area == b->driver_area && a->device_area == b->device_area &&
               a->enabled == b->enabled;
}

/* Row 8 (CVE-2026-5747): a queue's registers take what is written between FEATURES_OK and its own
 * enabling, and at no other time. */
START_TEST(test_registers_by_status)
{
        const VirtioQueueRegisters written[] = {{.size = 64},
                                                {.size = QUEUE_SIZE, .descriptor_table = 0x1000},
                                                {.size = QUEUE_SIZE, .driver_area = 0x1000},
                                                {.size = QUEUE_SIZE, .device_area = 0x1000},
                                                {.size = QUEUE_SIZE, .enabled = true},
                                                {.size = 0},
                                                {.size = UINT32_MAX}};

        for (Stage stage = 0; stage < STAGE_MAX; stage++)
                for (size_t i = 0; i < sizeof(written) / sizeof(written[0]); i++) {
                        VirtioQueueRegisters before, after;
                        DeviceTest test;

                        reach_stage(&test, stage);
                        before = virtio_device_get_queue(test.echo.device, 1);
                        virtio_device_set_queue(test.echo.device, 1, &written[i]);
                        after = virtio_device_get_queue(test.echo.device, 1);
                        ck_assert_msg(registers_equal(&after, stage == STAGE_FEATURES_OK
                                                                      ? &written[i]
                                                                      : &before),
                                      "stage %u, write %zu", stage, i);
                        virtio_driver_settle(&test.driver);
                        after = virtio_device_get_queue(test.echo.device, 1);
                        if (stage >= STAGE_DRIVER_OK)
                                ck_assert(registers_equal(&after, &before));
                        device_test_done(&test);
                }
}
END_TEST

START_TEST(test_queue_enabled_once)
{
        const VirtioQueueRegisters first = {.size = 8,
                                            .descriptor_table = 0x1000,
                                            .driver_area = 0x2000,
                                            .device_area = 0x3000,
                                            .enabled = true};
        const VirtioQueueRegisters second = {.size = 16, .descriptor_table = 0x4000};
        VirtioQueueRegisters after;
        DeviceTest test;

        reach_stage(&test, STAGE_FEATURES_OK);
        after = virtio_device_get_queue(test.echo.device, 0);
        ck_assert_uint_eq(after.size, QUEUE_SIZE);
        ck_assert(!after.enabled);
        virtio_device_set_queue(test.echo.device, 0, &first);
        virtio_device_set_queue(test.echo.device, 0, &second);
        after = virtio_device_get_queue(test.echo.device, 0);
        ck_assert(registers_equal(&after, &first));
        set_status(&test, 0);
        after = virtio_device_get_queue(test.echo.device, 0);
        ck_assert(registers_equal(&after, &(VirtioQueueRegisters){.size = QUEUE_SIZE}));
        device_test_done(&test);
}
END_TEST

/* A queue that cannot be is found at DRIVER_OK; the driver is told once (row 9 at the device). */
START_TEST(test_nonsense_queue)
{
        const VirtioQueueRegisters bad[] = {
                {.size = 0, .enabled = true},
                {.size = 3, .enabled = true},
                {.size = QUEUE_SIZE * 2, .enabled = true},
                {.size = 8, .descriptor_table = 8, .enabled = true},
                {.size = 8, .descriptor_table = VIRTIO_DRIVER_MEMORY, .enabled = true},
                {.size = 8, .driver_area = UINT64_MAX - 1, .enabled = true}};

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                DeviceTest test;

                reach_stage(&test, STAGE_FEATURES_OK);
                virtio_device_set_queue(test.echo.device, 2, &bad[i]);
                set_status(&test, stage_status[STAGE_DRIVER_OK]);
                ck_assert_uint_eq(device_test_status(&test), stage_status[STAGE_NEEDS_RESET]);
                ck_assert_uint_eq(test.driver.n_config_interrupts, 1);
                ck_assert_uint_eq(test.echo.n_activated, 0);
                ck_assert(virtio_driver_reset(&test.driver));
                ck_assert(virtio_driver_start(&test.driver, 0, QUEUE_SIZE));
                device_test_expect_life(&test, 2);
                device_test_done(&test);
        }
}
END_TEST

/* Row 10 (CVE-2011-2512): all numbers that a queue_select or a notification can hold. */
START_TEST(test_queue_numbers)
{
        const VirtioQueueRegisters set = {.size = 8, .enabled = true}, none = {0};
        DeviceTest test;

        reach_stage(&test, STAGE_DRIVER_OK);
        for (unsigned queue = 0; queue < 65536; queue++) {
                VirtioQueueRegisters registers;

                virtio_device_notify_queue(test.echo.device, queue);
                if (queue < VIRTIO_ECHO_QUEUES) {
                        ck_assert_int_ge(virtio_device_queue_event_fd(test.echo.device, queue), 0);
                        continue;
                }
                virtio_device_set_queue(test.echo.device, queue, &set);
                virtio_device_reset_queue(test.echo.device, queue);
                registers = virtio_device_get_queue(test.echo.device, queue);
                ck_assert(registers_equal(&registers, &none));
                ck_assert(!virtio_device_is_queue_resetting(test.echo.device, queue));
                ck_assert_int_eq(virtio_device_queue_event_fd(test.echo.device, queue), -1);
        }
        virtio_driver_settle(&test.driver);
        ck_assert_uint_eq(device_test_status(&test), stage_status[STAGE_DRIVER_OK]);
        device_test_expect_life(&test, 0);
        device_test_done(&test);
}
END_TEST

/* Row 11 (CVE-2021-45464): every offset and width of the configuration space, far beyond its end.
 */
START_TEST(test_config_space)
{
        const uint8_t masks[VIRTIO_ECHO_CONFIG] = {
                [8] = 0xff, [9] = 0xff, [10] = 0xff, [11] = 0xff, [12] = 0x0f};
        const uint64_t far[] = {VIRTIO_CONFIG_MAX, 1ULL << 32, UINT64_MAX - 16, UINT64_MAX};
        uint8_t model[VIRTIO_ECHO_CONFIG] = {'e', 'c', 'h'}, bytes[16], read[18];
        DeviceTest test;

        reach_stage(&test, STAGE_DRIVER_OK);
        for (unsigned offset = 0; offset <= 300 + ARRAY_SIZE(far); offset++)
                for (size_t size = 0; size <= 16; size++) {
                        uint64_t at = offset <= 300 ? offset : far[offset - 301];
                        bool writable = false;

                        for (size_t i = 0; i < size; i++)
                                bytes[i] = (uint8_t)(offset * 31 + size * 7 + i);
                        for (size_t i = 0; i < size && at < 300; i++)
                                if (at + i < VIRTIO_ECHO_CONFIG) {
                                        uint8_t mask = masks[at + i];

                                        writable |= mask != 0;
                                        model[at + i] = (uint8_t)((model[at + i] & ~mask) |
                                                                  (bytes[i] & mask));
                                }
                        test.echo.config_size = 0;
                        virtio_device_write_config(test.echo.device, at, bytes, size);
                        virtio_driver_settle(&test.driver);
                        ck_assert_uint_eq(test.echo.config_size > 0, writable);
                        if (writable) {
                                ck_assert_uint_ge(test.echo.config_offset, 8);
                                ck_assert_uint_le(test.echo.config_offset + test.echo.config_size,
                                                  13);
                        }
                        memset(read, 0xee, sizeof(read));
                        virtio_device_read_config(test.echo.device, at, read, size);
                        for (size_t i = 0; i < size; i++)
                                ck_assert_uint_eq(read[i], at < 300 && at + i < VIRTIO_ECHO_CONFIG
                                                                   ? model[at + i]
                                                                   : 0);
                        ck_assert_uint_eq(read[size], 0xee);
                }
        virtio_device_read_config(test.echo.device, 0, read, 16);
        virtio_driver_reset(&test.driver);
        virtio_device_read_config(test.echo.device, 0, read, 16);
        ck_assert_mem_eq(read, "ech\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
        device_test_done(&test);
}
END_TEST

/* Section 2.5: the device's changes show in the generation, and are told to a driver that is there.
 */
START_TEST(test_config_changes)
{
        uint8_t generation, byte = 'x';

        for (Stage stage = 0; stage < STAGE_MAX; stage++) {
                unsigned before;
                DeviceTest test;

                reach_stage(&test, stage);
                before = test.driver.n_config_interrupts;
                generation = virtio_device_get_generation(test.echo.device);
                virtio_device_set_config(test.echo.device, 4, &byte, 1);
                ck_assert_uint_eq(virtio_device_get_generation(test.echo.device),
                                  (uint8_t)(generation + 1));
                ck_assert_uint_eq(test.driver.n_config_interrupts - before,
                                  stage == STAGE_DRIVER_OK || stage == STAGE_FAILED);
                virtio_device_set_config(test.echo.device, 4, &byte, 1);
                ck_assert_uint_eq(virtio_device_get_generation(test.echo.device),
                                  (uint8_t)(generation + 1));
                ck_assert_uint_le(test.driver.n_config_interrupts - before, 1);
                device_test_done(&test);
        }
}
END_TEST

/* Nothing is written while a reset waits for its requests. */
START_TEST(test_config_during_reset)
{
        uint8_t bytes[4] = "abcd", read[4];
        DeviceTest test;

        reach_stage(&test, STAGE_RESETTING);
        virtio_device_write_config(test.echo.device, 8, bytes, 4);
        virtio_device_read_config(test.echo.device, 8, read, 4);
        ck_assert_mem_eq(read, "\0\0\0\0", 4);
        virtio_echo_complete(&test.echo, 1);
        virtio_driver_settle(&test.driver);
        ck_assert_uint_eq(device_test_status(&test), 0);
        device_test_done(&test);
}
END_TEST

START_TEST(test_limits)
{
        static const VirtioOps ops = {NULL};
        static const uint32_t sizes[VIRTIO_MAX_QUEUES + 1] = {3};
        VirtioInfo info = {.name = "test", .n_queues = VIRTIO_MAX_QUEUES + 1, .queue_sizes = sizes};
        VirtioDevice *device = NULL;
        VirtioDriver driver;

        virtio_driver_init(&driver);
        ck_assert_int_eq(virtio_device_new(&info, &ops, NULL, &driver.window, driver.loop, &device),
                         -EINVAL);
        info.n_queues = 1;
        ck_assert_int_eq(virtio_device_new(&info, &ops, NULL, &driver.window, driver.loop, &device),
                         -EINVAL);
        info.n_queues = 0;
        info.config_size = VIRTIO_CONFIG_MAX + 1;
        ck_assert_int_eq(virtio_device_new(&info, &ops, NULL, &driver.window, driver.loop, &device),
                         -EINVAL);
        ck_assert_ptr_null(device);
        ck_assert_ptr_null(virtio_device_free(NULL));
        virtio_driver_done(&driver);
}
END_TEST

CHECK_MAIN("virtio-device", {"every transition", test_every_transition},
           {"offered features", test_offered_features}, {"features refused", test_features_refused},
           {"access platform", test_access_platform}, {"features settled", test_features_settled},
           {"registers by status", test_registers_by_status},
           {"queue enabled once", test_queue_enabled_once}, {"nonsense queue", test_nonsense_queue},
           {"queue numbers", test_queue_numbers}, {"config space", test_config_space},
           {"config changes", test_config_changes},
           {"config during reset", test_config_during_reset}, {"limits", test_limits});
