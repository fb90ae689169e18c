/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The split virtqueue with a driver that keeps to nothing: each class of attack that broke a
 * monitor before ends in VIRTQUEUE_BROKEN or in silence, after a bounded number of reads, without a
 * byte of heap. Reads of guest memory are counted by wrapping the accessors (--wrap).
 */

#include "virtio-queue-test.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "common/cleanup.h"

#define INDIRECT  (1ULL << VIRTIO_RING_F_INDIRECT_DESC)
#define EVENT_IDX (1ULL << VIRTIO_RING_F_EVENT_IDX)
#define NEXT      VRING_DESC_F_NEXT
#define WRITE     VRING_DESC_F_WRITE
#define SIZE      16U

typedef struct Read {
        uint64_t address;
        size_t size;
} Read;

static Read reads[256]; /* those that are counted; the first ones */
static unsigned n_reads;
static bool counts;

int __real_guest_memory_read(const GuestMemory *memory, uint64_t address, void *buffer,
                             size_t size);
int __real_guest_memory_load_acquire16(const GuestMemory *memory, uint64_t address, uint16_t *ret);
int __wrap_guest_memory_read(const GuestMemory *memory, uint64_t address, void *buffer,
                             size_t size);
int __wrap_guest_memory_load_acquire16(const GuestMemory *memory, uint64_t address, uint16_t *ret);

static void count(uint64_t address, size_t size)
{
        if (!counts)
                return;
        if (n_reads < ARRAY_SIZE(reads))
                reads[n_reads] = (Read){address, size};
        n_reads++;
}

int __wrap_guest_memory_read(const GuestMemory *memory, uint64_t address, void *buffer, size_t size)
{
        count(address, size);
        return __real_guest_memory_read(memory, address, buffer, size);
}

int __wrap_guest_memory_load_acquire16(const GuestMemory *memory, uint64_t address, uint16_t *ret)
{
        count(address, sizeof(*ret));
        return __real_guest_memory_load_acquire16(memory, address, ret);
}

static int pop_counting(QueueTest *test, VirtqueueChain *ret)
{
        int r;

        n_reads = 0;
        counts = true;
        r = virtqueue_pop(test->queue, ret);
        counts = false;
        return r;
}

/* What was made available cannot be a chain; nothing else comes out of the queue afterwards. */
static void expect_broken(QueueTest *test, const char *why)
{
        VirtqueueChain chain;

        ck_assert_msg(pop_counting(test, &chain) == VIRTQUEUE_BROKEN, "not seen: %s", why);
        ck_assert_uint_le(n_reads, 2 * test->config.size + 3);
        ck_assert_ptr_nonnull(virtqueue_fault(test->queue));
        ck_assert_msg(strstr(virtqueue_fault(test->queue), why), "\"%s\" is not \"%s\"",
                      virtqueue_fault(test->queue), why);
        ck_assert(!virtqueue_has_available(test->queue));
        ck_assert_int_eq(virtqueue_pop(test->queue, &chain), VIRTQUEUE_BROKEN);
        ck_assert_uint_eq(virtqueue_in_flight(test->queue), 0);
        queue_test_restart(test);
        ck_assert_ptr_null(virtqueue_fault(test->queue));
}

/* Row 1 of the list of classes: loops. */
START_TEST(test_loops)
{
        QueueTest test;
        uint64_t table;

        queue_test_init(&test, SIZE, INDIRECT);
        table = virtio_driver_alloc(&test.driver, 16 * SIZE, 16);
        queue_test_descriptor(&test, 3, 0x1000, 1, NEXT, 3);
        queue_test_offer(&test, 3);
        expect_broken(&test, "loops");
        for (unsigned i = 0; i < SIZE; i++)
                queue_test_descriptor(&test, i, 0x1000, 1, NEXT, (i + 1) % SIZE);
        queue_test_offer(&test, 0);
        expect_broken(&test, "loops");
        for (unsigned length = 1; length <= SIZE; length++) {
                queue_test_descriptor(&test, 0, table, 16 * SIZE, VRING_DESC_F_INDIRECT, 0);
                for (unsigned i = 0; i < SIZE; i++)
                        virtio_driver_set_descriptor(&test.driver, table, i, 0x1000, 1, NEXT,
                                                     (uint16_t)((i + 1) % length));
                queue_test_offer(&test, 0);
                expect_broken(&test, "loops");
        }
        /* From the ring's table into one that is longer than what is left. */
        for (unsigned i = 0; i < SIZE - 1; i++)
                queue_test_descriptor(&test, i, 0x1000, 1, NEXT, i + 1);
        queue_test_descriptor(&test, SIZE - 1, table, 32, VRING_DESC_F_INDIRECT, 0);
        virtio_driver_set_descriptor(&test.driver, table, 0, 0x1000, 1, NEXT, 1);
        virtio_driver_set_descriptor(&test.driver, table, 1, 0x1000, 1, 0, 0);
        queue_test_offer(&test, 0);
        expect_broken(&test, "longer than the queue");
        queue_test_done(&test);
}
END_TEST

/* Row 2: a descriptor of no length anywhere. */
START_TEST(test_zero_length)
{
        QueueTest test;

        queue_test_init(&test, SIZE, 0);
        for (unsigned n = 1; n <= SIZE; n++)
                for (unsigned zero = 0; zero < n; zero++) {
                        for (unsigned i = 0; i < n; i++)
                                queue_test_descriptor(
                                        &test, i, 0x1000, i == zero ? 0 : 1,
                                        (i < n - 1 ? NEXT : 0) | (i >= n / 2 ? WRITE : 0), i + 1);
                        queue_test_offer(&test, 0);
                        expect_broken(&test, "no length");
                }
        queue_test_done(&test);
}
END_TEST

/* Row 3: address and length around every edge there is. */
START_TEST(test_address_overflow)
{
        const uint64_t edges[] = {0, 1ULL << 32, 1ULL << 63, VIRTIO_DRIVER_MEMORY, UINT64_MAX};
        const uint32_t lengths[] = {1, 2, 4095, 4096, 1U << 31, UINT32_MAX - 1, UINT32_MAX};
        unsigned n_good = 0;
        QueueTest test;

        queue_test_init(&test, SIZE, INDIRECT);
        for (size_t e = 0; e < sizeof(edges) / sizeof(edges[0]); e++)
                for (int d = -4097; d <= 4097; d += d >= -3 && d < 3 ? 1 : 2047)
                        for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
                                uint64_t address = edges[e] + (uint64_t)(int64_t)d;
                                bool inside = address < VIRTIO_DRIVER_MEMORY &&
                                              lengths[l] <= VIRTIO_DRIVER_MEMORY - address;
                                VirtqueueChain chain;

                                queue_test_descriptor(&test, 0, address, lengths[l], 0, 0);
                                queue_test_offer(&test, 0);
                                if (!inside) {
                                        expect_broken(&test, "outside");
                                        continue;
                                }
                                ck_assert_int_eq(virtqueue_pop(test.queue, &chain),
                                                 VIRTQUEUE_CHAIN);
                                n_good++;
                                queue_test_restart(&test);
                        }
        ck_assert_uint_gt(n_good, 20);
        queue_test_descriptor(&test, 0, UINT64_MAX - 15, 32, VRING_DESC_F_INDIRECT, 0);
        queue_test_offer(&test, 0);
        expect_broken(&test, "indirect table outside");
        queue_test_done(&test);
}
END_TEST

/* Row 5: the available index jumps, forwards or back; no spinning through the gap. */
START_TEST(test_index_jump)
{
        const uint16_t jumps[] = {SIZE + 1, SIZE + 2, 2 * SIZE, 0x7fff, 0x8000, 0xffff, 0xfffe};
        VirtqueueChain chain;
        QueueTest test;

        queue_test_init(&test, SIZE, 0);
        for (unsigned i = 0; i < SIZE; i++)
                queue_test_descriptor(&test, i, 0x1000, 1, 0, 0);
        for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
                virtio_driver_set_available_index(&test.driver, 0, jumps[i]);
                ck_assert(virtqueue_has_available(test.queue));
                expect_broken(&test, "jumped");
                ck_assert_uint_le(n_reads, 1);
        }
        /* With some of them out, the rest is all that can come. */
        for (unsigned i = 0; i < SIZE; i++)
                queue_test_descriptor(&test, i, 0x1000, 1, 0, 0);
        for (uint16_t i = 0; i < 4; i++)
                queue_test_offer(&test, i);
        for (unsigned i = 0; i < 4; i++)
                ck_assert_int_eq(virtqueue_pop(test.queue, &chain), VIRTQUEUE_CHAIN);
        virtio_driver_set_available_index(&test.driver, 0, SIZE + 1);
        ck_assert_int_eq(virtqueue_pop(test.queue, &chain), VIRTQUEUE_BROKEN);
        ck_assert_str_eq(virtqueue_fault(test.queue), "an available index that jumped");
        queue_test_done(&test);
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

/* One head twice, while the device has it. */
START_TEST(test_head_twice)
{
        VirtqueueChain chain;
        QueueTest test;

        queue_test_init(&test, SIZE, 0);
        queue_test_descriptor(&test, 1, 0x1000, 1, 0, 0);
        queue_test_offer(&test, 1);
        queue_test_offer(&test, 1);
        ck_assert_int_eq(virtqueue_pop(test.queue, &chain), VIRTQUEUE_CHAIN);
        ck_assert_int_eq(virtqueue_pop(test.queue, &chain), VIRTQUEUE_BROKEN);
        ck_assert_str_eq(virtqueue_fault(test.queue), "a head that the device still has");
        /* What is out comes back silently. */
        ck_assert_int_eq(virtqueue_push(test.queue, 1, 0), VIRTQUEUE_BROKEN);
        ck_assert_uint_eq(virtqueue_in_flight(test.queue), 0);
        ck_assert_uint_eq(virtio_driver_used_index(&test.driver, 0), 0);
        queue_test_done(&test);
}
END_TEST

START_TEST(test_head_and_next_out_of_range)
{
        QueueTest test;

        queue_test_init(&test, SIZE, INDIRECT);
        for (unsigned head = SIZE; head < 65536; head += head < SIZE + 2 ? 1 : 4111) {
                queue_test_offer(&test, (uint16_t)head);
                expect_broken(&test, "head beyond");
                queue_test_descriptor(&test, 0, 0x1000, 1, NEXT, (uint16_t)head);
                queue_test_offer(&test, 0);
                expect_broken(&test, "next descriptor beyond");
        }
        queue_test_done(&test);
}
END_TEST

START_TEST(test_readable_behind_writable)
{
        QueueTest test;

        queue_test_init(&test, SIZE, 0);
        queue_test_descriptor(&test, 0, 0x1000, 1, NEXT | WRITE, 1);
        queue_test_descriptor(&test, 1, 0x1000, 1, 0, 0);
        queue_test_offer(&test, 0);
        expect_broken(&test, "readable descriptor behind");
        queue_test_done(&test);
}
END_TEST

/* Row 7: indirect tables. */
START_TEST(test_indirect)
{
        const uint32_t bad[] = {0,
                                1,
                                15,
                                17,
                                24,
                                16 * SIZE + 1,
                                16 * SIZE + 16,
                                1U << 31,
                                UINT32_MAX,
                                UINT32_MAX - 15};
        QueueTest test;
        uint64_t table;

        queue_test_init(&test, SIZE, INDIRECT);
        table = virtio_driver_alloc(&test.driver, 16 * (SIZE + 1), 16);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                queue_test_descriptor(&test, 0, table, bad[i], VRING_DESC_F_INDIRECT, 0);
                queue_test_offer(&test, 0);
                expect_broken(&test, "invalid size");
        }
        queue_test_descriptor(&test, 0, table, 16, VRING_DESC_F_INDIRECT | NEXT, 1);
        queue_test_offer(&test, 0);
        expect_broken(&test, "with a next one");
        virtio_driver_set_descriptor(&test.driver, table, 0, table, 16, VRING_DESC_F_INDIRECT, 0);
        queue_test_descriptor(&test, 0, table, 16, VRING_DESC_F_INDIRECT, 0);
        queue_test_offer(&test, 0);
        expect_broken(&test, "within an indirect table");
        virtio_driver_set_descriptor(&test.driver, table, 0, 0x1000, 1, NEXT, 1);
        queue_test_descriptor(&test, 0, table, 16, VRING_DESC_F_INDIRECT, 0);
        queue_test_offer(&test, 0);
        expect_broken(&test, "next descriptor beyond");
        queue_test_done(&test);

        queue_test_init(&test, SIZE, 0);
        queue_test_descriptor(&test, 0, table, 16, VRING_DESC_F_INDIRECT, 0);
        queue_test_offer(&test, 0);
        expect_broken(&test, "without VIRTIO_F_INDIRECT_DESC");
        queue_test_done(&test);
}
END_TEST

/* Row 9: what cannot be a queue. */
START_TEST(test_configuration)
{
        const struct {
                uint32_t size;
                uint64_t descriptor, driver, device;
        } bad[] = {
                {0, 0x1000, 0x2000, 0x3000},
                {3, 0x1000, 0x2000, 0x3000},
                {SIZE * 2, 0x1000, 0x2000, 0x3000},
                {32769, 0x1000, 0x2000, 0x3000},
                {65536, 0x1000, 0x2000, 0x3000},
                {UINT32_MAX, 0x1000, 0x2000, 0x3000},
                {SIZE, 0x1008, 0x2000, 0x3000},
                {SIZE, 0x1000, 0x2001, 0x3000},
                {SIZE, 0x1000, 0x2000, 0x3002},
                {SIZE, VIRTIO_DRIVER_MEMORY, 0x2000, 0x3000},
                {SIZE, VIRTIO_DRIVER_MEMORY - 16 * SIZE + 16, 0x2000, 0x3000},
                {SIZE, 0x1000, VIRTIO_DRIVER_MEMORY - 2 * SIZE - 4, 0x3000},
                {SIZE, 0x1000, 0x2000, VIRTIO_DRIVER_MEMORY - 8 * SIZE - 4},
                {SIZE, UINT64_MAX - 15, 0x2000, 0x3000},
                {SIZE, 0x1000, UINT64_MAX - 1, 0x3000},
                {SIZE, 0x1000, 0x2000, UINT64_MAX - 3},
        };
        VirtqueueChain chain;
        QueueTest test;

        queue_test_init(&test, SIZE, 0);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                const VirtqueueConfig config = {.size = bad[i].size,
                                                .descriptor_table = bad[i].descriptor,
                                                .driver_area = bad[i].driver,
                                                .device_area = bad[i].device};

                ck_assert_msg(virtqueue_start(test.queue, &test.driver.window, &config) ==
                                      VIRTQUEUE_BROKEN,
                              "case %zu", i);
                ck_assert_ptr_nonnull(virtqueue_fault(test.queue));
                ck_assert(!virtqueue_is_started(test.queue));
                ck_assert_int_eq(virtqueue_pop(test.queue, &chain), VIRTQUEUE_BROKEN);
        }
        /* The last place where each fits, and rings at address 0. */
        test.config.descriptor_table = VIRTIO_DRIVER_MEMORY - 16 * SIZE;
        test.config.driver_area = VIRTIO_DRIVER_MEMORY - 2 * SIZE - 6;
        test.config.device_area = VIRTIO_DRIVER_MEMORY - 8 * SIZE - 8;
        ck_assert_int_eq(virtqueue_start(test.queue, &test.driver.window, &test.config), 0);
        test.config.descriptor_table = test.config.driver_area = test.config.device_area = 0;
        ck_assert_int_eq(virtqueue_start(test.queue, &test.driver.window, &test.config), 0);
        queue_test_done(&test);
}
END_TEST

/* Row 14: each field of a chain is fetched once. */
START_TEST(test_one_fetch)
{
        VirtqueueChain chain;
        uint64_t table;
        QueueTest test;

        queue_test_init(&test, SIZE, INDIRECT);
        table = virtio_driver_alloc(&test.driver, 64, 16);
        queue_test_descriptor(&test, 0, 0x100000, 8, NEXT, 1);
        queue_test_descriptor(&test, 1, table, 64, VRING_DESC_F_INDIRECT, 0);
        for (unsigned i = 0; i < 4; i++)
                virtio_driver_set_descriptor(&test.driver, table, i, 0x100000, 8,
                                             (i < 3 ? NEXT : 0) | WRITE, (uint16_t)(i + 1));
        queue_test_offer(&test, 0);
        ck_assert_int_eq(pop_counting(&test, &chain), VIRTQUEUE_CHAIN);
        ck_assert_uint_eq(n_reads, 1 + 1 + 2 + 4); /* index, head, two descriptors, four */
        for (unsigned i = 0; i < n_reads; i++)
                for (unsigned j = 0; j < i; j++)
                        ck_assert(reads[i].address + reads[i].size <= reads[j].address ||
                                  reads[j].address + reads[j].size <= reads[i].address);
        queue_test_done(&test);
}
END_TEST

typedef struct Flipper {
        QueueTest *test;
        atomic_bool ends;
} Flipper;

static void *flip(void *argument)
{
        static const uint32_t lengths[] = {16, UINT32_MAX, 0, 4096, 1U << 31};
        Flipper *flipper = argument;
        const GuestRegion *regions;
        volatile struct vring_desc *descriptors;

        guest_memory_regions(flipper->test->driver.memory, &regions);
        descriptors = (void *)((char *)regions[0].host + flipper->test->config.descriptor_table);
        for (unsigned i = 0; !atomic_load_explicit(&flipper->ends, memory_order_relaxed); i++) {
                descriptors[0].len = htole32(lengths[i % 5]);
                descriptors[0].next = htole16((uint16_t)(i % 3 ? 1 : 40000));
                descriptors[1].addr = htole64(i % 2 ? 0x100000 : UINT64_MAX - 7);
        }
        return NULL;
}

/* Row 14: a vCPU changes descriptors all the time; whatever is popped holds. */
START_TEST(test_racing_driver)
{
        unsigned n_chains = 0, n_broken = 0;
        char buffer[64];
        Flipper flipper;
        pthread_t thread;
        QueueTest test;

        queue_test_init(&test, SIZE, 0);
        flipper = (Flipper){.test = &test};
        ck_assert_int_eq(pthread_create(&thread, NULL, flip, &flipper), 0);
        for (unsigned n = 0; n < 3000000 && (n < 300000 || n_chains < 100 || n_broken < 100); n++) {
                VirtqueueChain chain;

                if (n % 1024 == 0)
                        sched_yield();
                queue_test_descriptor(&test, 0, 0x100000, 16, NEXT, 1);
                queue_test_descriptor(&test, 1, 0x100000, 16, WRITE, 0);
                virtio_driver_set_available(&test.driver, 0, 0, 0);
                virtio_driver_set_available_index(&test.driver, 0, 1);
                if (virtqueue_pop(test.queue, &chain) == VIRTQUEUE_CHAIN) {
                        n_chains++;
                        for (unsigned i = 0; i < chain.n_readable + chain.n_writable; i++)
                                ck_assert_int_eq(dma_check(&test.driver.window,
                                                           chain.segments[i].address,
                                                           chain.segments[i].length),
                                                 0);
                        (void)virtqueue_chain_read(&chain, 0, buffer, sizeof(buffer));
                        (void)virtqueue_chain_write(&chain, 0, buffer, sizeof(buffer));
                } else {
                        n_broken++;
                }
                ck_assert_int_eq(virtqueue_start(test.queue, &test.driver.window, &test.config), 0);
        }
        atomic_store(&flipper.ends, true);
        pthread_join(thread, NULL);
        ck_assert_uint_gt(n_chains, 0);
        ck_assert_uint_gt(n_broken, 0);
        queue_test_done(&test);
}
END_TEST

/* Row 22: a chain of 4 GiB costs nothing, one byte more is refused. */
START_TEST(test_four_gib_chain)
{
        const uint32_t n = 512, piece = 8U << 20;
        VirtqueueChain chain;
        size_t heap;
        QueueTest test;

        queue_test_init(&test, 1024, 0);
        heap = heap_in_use();
        for (unsigned last = 0; last < 2; last++) {
                for (uint32_t i = 0; i < n; i++)
                        queue_test_descriptor(&test, i, 0, i == n - 1 ? piece - !last : piece,
                                              i == n - 1 ? 0 : NEXT, (uint16_t)(i + 1));
                queue_test_offer(&test, 0);
                if (last == 0) {
                        ck_assert_int_eq(virtqueue_pop(test.queue, &chain), VIRTQUEUE_CHAIN);
                        ck_assert_uint_eq(chain.readable_bytes, UINT32_MAX);
                        queue_test_restart(&test);
                } else {
                        expect_broken(&test, "more than 4 GiB");
                }
        }
        ck_assert_uint_eq(heap_in_use(), heap);
        queue_test_done(&test);
}
END_TEST

CHECK_MAIN("virtio-queue-hostile", {"loops", test_loops}, {"zero length", test_zero_length},
           {"address overflow", test_address_overflow}, {"index jump", test_index_jump},
           {"head twice", test_head_twice},
           {"head and next out of range", test_head_and_next_out_of_range},
           {"readable behind writable", test_readable_behind_writable}, {"indirect", test_indirect},
           {"configuration", test_configuration}, {"one fetch", test_one_fetch},
           {"racing driver", test_racing_driver}, {"four gib chain", test_four_gib_chain});
