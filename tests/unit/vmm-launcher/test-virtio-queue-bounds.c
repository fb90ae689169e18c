/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a queue costs and what it says, whatever the driver does: heap that stays as it is, bytes
 * that stay within buffers, a used ring that tells the truth.
 */

#include "virtio-queue-test.h"

#include <malloc.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define INDIRECT (1ULL << VIRTIO_RING_F_INDIRECT_DESC)
#define NEXT     VRING_DESC_F_NEXT
#define WRITE    VRING_DESC_F_WRITE
#define SIZE     16U

static size_t heap_in_use(void)
{
#ifdef LAUNCHER_SANITIZED
        return 0;
#else
        return mallinfo2().uordblks;
#endif
}

/* Row 6: requests without end that are never completed. */
START_TEST(test_unbounded_in_flight)
{
        VirtqueueChain chain;
        size_t heap;
        QueueTest test;

        queue_test_init(&test, SIZE, 0);
        heap = heap_in_use();
        for (unsigned i = 0; i < SIZE; i++)
                queue_test_descriptor(&test, i, 0x1000, 1, 0, 0);
        for (unsigned n = 0; n < 1000000; n++) {
                queue_test_offer(&test, (uint16_t)(n % SIZE));
                if (virtqueue_pop(test.queue, &chain) == VIRTQUEUE_CHAIN) {
                        ck_assert_uint_le(virtqueue_in_flight(test.queue), SIZE);
                        continue;
                }
                ck_assert_uint_eq(virtqueue_in_flight(test.queue), SIZE);
                ck_assert_int_eq(virtqueue_start(test.queue, &test.driver.window, &test.config), 0);
                virtio_driver_set_available_index(&test.driver, 0, 0);
        }
        ck_assert_uint_eq(heap_in_use(), heap);
        queue_test_done(&test);
}
END_TEST

/* Row 15: a chain that is longer or shorter than a device's header. */
START_TEST(test_lengths_into_fixed_buffer)
{
        struct {
                uint8_t header[16], guard[16];
        } device;
        VirtqueueChain chain;
        QueueTest test;

        queue_test_init(&test, SIZE, 0);
        for (unsigned length = 1; length <= 64; length++) {
                memset(&device, 0xee, sizeof(device));
                queue_test_descriptor(&test, 0, 0x100000, length, 0, 0);
                queue_test_offer(&test, 0);
                ck_assert_int_eq(virtqueue_pop(test.queue, &chain), VIRTQUEUE_CHAIN);
                ck_assert_uint_eq(
                        virtqueue_chain_read(&chain, 0, device.header, sizeof(device.header)),
                        length < 16 ? length : 16);
                for (unsigned i = length < 16 ? length : 16; i < sizeof(device); i++)
                        ck_assert_uint_eq(((uint8_t *)&device)[i], 0xee);
                virtqueue_push(test.queue, 0, 0);
        }
        queue_test_done(&test);
}
END_TEST

/* Row 16: buffers that lie over the rings themselves. What was popped stays as it was checked. */
START_TEST(test_buffers_alias_rings)
{
        uint8_t garbage[4096];
        VirtqueueChain chain;
        QueueTest test;

        queue_test_init(&test, SIZE, 0);
        memset(garbage, 0xff, sizeof(garbage));
        for (unsigned ring = 0; ring < 3; ring++) {
                const uint64_t places[] = {test.config.descriptor_table, test.config.driver_area,
                                           test.config.device_area};

                queue_test_descriptor(&test, 0, 0x100000, 8, NEXT, 1);
                queue_test_descriptor(&test, 1, places[ring], 64, WRITE | NEXT, 2);
                queue_test_descriptor(&test, 2, 0x100000, 4096, WRITE, 0);
                queue_test_offer(&test, 0);
                ck_assert_int_eq(virtqueue_pop(test.queue, &chain), VIRTQUEUE_CHAIN);
                ck_assert_uint_eq(virtqueue_chain_write(&chain, 0, garbage, 4096), 4096);
                ck_assert_uint_eq(chain.segments[2].length, 4096);
                ck_assert_uint_eq(virtqueue_chain_write(&chain, 64, garbage, 4096), 4096);
                /* The used ring is where it was; the device's own index counts. */
                ck_assert_int_eq(virtqueue_push(test.queue, 0, 4160), 0);
                ck_assert_uint_eq(virtio_driver_used_index(&test.driver, 0), 1);
                ck_assert_uint_eq(virtio_driver_used(&test.driver, 0, 0).len, 4160);
                queue_test_restart(&test);
        }
        queue_test_done(&test);
}
END_TEST

/* Row 18: no path leaks. */
START_TEST(test_malformed_requests)
{
        uint64_t random = 88172645463325252ULL;
        unsigned n_good = 0, n_bad = 0;
        size_t heap;
        QueueTest test;

        queue_test_init(&test, SIZE, INDIRECT);
        heap = heap_in_use();
        for (unsigned n = 0; n < 1000000; n++) {
                VirtqueueChain chain;
                uint16_t head;

                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                head = (uint16_t)(random % (SIZE + 1));
                queue_test_descriptor(&test, head % SIZE, random >> 40,
                                      (uint32_t)(random >> 20) % 0x2000,
                                      (uint16_t)(random >> 8) % 8, (uint16_t)(random >> 12) % SIZE);
                virtio_driver_set_available(&test.driver, 0, virtqueue_position(test.queue), head);
                virtio_driver_set_available_index(&test.driver, 0,
                                                  (uint16_t)(virtqueue_position(test.queue) + 1));
                if (virtqueue_pop(test.queue, &chain) == VIRTQUEUE_CHAIN) {
                        n_good++;
                        virtqueue_push(test.queue, chain.head, 0);
                        continue;
                }
                n_bad++;
                ck_assert_int_eq(virtqueue_start(test.queue, &test.driver.window, &test.config), 0);
        }
        ck_assert_uint_gt(n_good, 1000);
        ck_assert_uint_gt(n_bad, 1000);
        ck_assert_uint_eq(heap_in_use(), heap);
        queue_test_done(&test);
}
END_TEST

/* Row 49: the used ring never says more than there was room for. */
START_TEST(test_used_length)
{
        const uint32_t claims[] = {0, 1, 99, 100, 101, UINT32_MAX};
        QueueTest test;

        queue_test_init(&test, SIZE, 0);
        for (unsigned writable = 0; writable < 2; writable++)
                for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
                        VirtqueueChain chain;
                        uint32_t room = writable ? 100 : 0;

                        queue_test_descriptor(&test, 0, 0x100000, 100, writable ? WRITE : 0, 0);
                        queue_test_offer(&test, 0);
                        ck_assert_int_eq(virtqueue_pop(test.queue, &chain), VIRTQUEUE_CHAIN);
                        virtqueue_push(test.queue, 0, claims[i]);
                        ck_assert_uint_eq(
                                virtio_driver_used(&test.driver, 0,
                                                   (uint16_t)(virtqueue_position(test.queue) - 1))
                                        .len,
                                claims[i] < room ? claims[i] : room);
                }
        queue_test_done(&test);
}
END_TEST

static bool aborts(void (*function)(QueueTest *test), QueueTest *test)
{
        pid_t child = fork();
        int status;

        ck_assert_int_ge(child, 0);
        if (child == 0) {
                (void)close(STDERR_FILENO);
                function(test);
                _exit(0);
        }
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void push_0(QueueTest *test)
{
        virtqueue_push(test->queue, 0, 0);
}

static void drop_0(QueueTest *test)
{
        virtqueue_drop(test->queue, 0);
}

/* Row 49: one completion for each head; a second one is a bug of the device, and ends it. */
START_TEST(test_one_completion)
{
        VirtqueueChain chain;
        QueueTest test;

        queue_test_init(&test, SIZE, 0);
        ck_assert(aborts(push_0, &test));
        queue_test_descriptor(&test, 0, 0x100000, 100, 0, 0);
        queue_test_offer(&test, 0);
        ck_assert_int_eq(virtqueue_pop(test.queue, &chain), VIRTQUEUE_CHAIN);
        ck_assert(!aborts(push_0, &test));
        virtqueue_push(test.queue, 0, 0);
        ck_assert(aborts(push_0, &test));
        ck_assert(aborts(drop_0, &test));
        queue_test_done(&test);
}
END_TEST

CHECK_MAIN("virtio-queue-bounds", {"unbounded in flight", test_unbounded_in_flight},
           {"lengths into fixed buffer", test_lengths_into_fixed_buffer},
           {"buffers alias rings", test_buffers_alias_rings},
           {"malformed requests", test_malformed_requests}, {"used length", test_used_length},
           {"one completion", test_one_completion});
