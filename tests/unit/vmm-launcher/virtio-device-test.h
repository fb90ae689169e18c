/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A driver and an echo device. */

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "check-main.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "virtio-driver.h"
#include "virtio-echo.h"

#define ACKNOWLEDGE VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER      VIRTIO_CONFIG_S_DRIVER
#define FEATURES_OK VIRTIO_CONFIG_S_FEATURES_OK
#define DRIVER_OK   VIRTIO_CONFIG_S_DRIVER_OK
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET
#define FAILED      VIRTIO_CONFIG_S_FAILED

#define VERSION_1  (1ULL << VIRTIO_F_VERSION_1)
#define INDIRECT   (1ULL << VIRTIO_RING_F_INDIRECT_DESC)
#define EVENT_IDX  (1ULL << VIRTIO_RING_F_EVENT_IDX)
#define RING_RESET (1ULL << VIRTIO_F_RING_RESET)
#define ECHO_A     (1ULL << VIRTIO_ECHO_F_A)
#define ECHO_B     (1ULL << VIRTIO_ECHO_F_B)
#define OFFERED    (VERSION_1 | INDIRECT | EVENT_IDX | RING_RESET | ECHO_A | ECHO_B)

#define QUEUE_SIZE 128U

typedef struct DeviceTest {
        VirtioDriver driver;
        VirtioEcho echo;
        uint64_t in, out; /* a buffer of 4096 bytes each */
        unsigned n_quiet; /* times that the device said it is */
} DeviceTest;

static inline void device_test_init(DeviceTest *test)
{
        *test = (DeviceTest){0};
        log_set_max_level(LOG_EMERG);
        virtio_driver_init(&test->driver);
        virtio_echo_init(&test->echo, &test->driver.window, test->driver.loop, QUEUE_SIZE);
        virtio_driver_attach(&test->driver, test->echo.device);
        test->in = virtio_driver_alloc(&test->driver, 4096, 4096);
        test->out = virtio_driver_alloc(&test->driver, 4096, 4096);
}

static inline void device_test_done(DeviceTest *test)
{
        virtio_echo_done(&test->echo);
        virtio_driver_done(&test->driver);
}

static inline uint8_t device_test_status(DeviceTest *test)
{
        return virtio_device_get_status(test->echo.device);
}

/* One request of 8 bytes, without a kick. */
static inline uint16_t device_test_add(DeviceTest *test, unsigned queue)
{
        const VirtioDriverBuffer buffers[] = {{test->in, 8, false}, {test->out, 8, true}};

        return virtio_driver_add(&test->driver, queue, buffers, 2);
}

/* A request goes through: the device lives. */
static inline void device_test_expect_life(DeviceTest *test, unsigned queue)
{
        uint32_t written = 0;
        char out[8];

        virtio_driver_write(&test->driver, test->in, "lifesign", 8);
        virtio_driver_write(&test->driver, test->out, "--------", 8);
        virtio_driver_take_interrupts(&test->driver, queue);
        device_test_add(test, queue);
        virtio_driver_kick(&test->driver, queue);
        virtio_driver_settle(&test->driver);
        ck_assert(virtio_driver_take(&test->driver, queue, NULL, &written));
        ck_assert_uint_eq(written, 8);
        virtio_driver_read(&test->driver, test->out, out, 8);
        ck_assert_mem_eq(out, "lifesign", 8);
        ck_assert_uint_eq(virtio_driver_take_interrupts(&test->driver, queue), 1);
}

/* Nothing moves, whatever the driver offers and kicks. */
static inline void device_test_expect_silence(DeviceTest *test, unsigned queue)
{
        uint16_t used = virtio_driver_used_index(&test->driver, queue);

        virtio_driver_take_interrupts(&test->driver, queue);
        device_test_add(test, queue);
        virtio_driver_kick(&test->driver, queue);
        virtio_driver_settle(&test->driver);
        ck_assert_uint_eq(virtio_driver_used_index(&test->driver, queue), used);
        ck_assert_uint_eq(virtio_driver_take_interrupts(&test->driver, queue), 0);
}

static inline void device_test_quiet(void *context)
{
        DeviceTest *test = context;

        test->n_quiet++;
}
