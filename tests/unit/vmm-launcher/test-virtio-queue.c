/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The split virtqueue with a driver that keeps to VIRTIO 1.3 section 2.7. */

#include "virtio-queue-test.h"

#include <errno.h>

#define INDIRECT  (1ULL << VIRTIO_RING_F_INDIRECT_DESC)
#define EVENT_IDX (1ULL << VIRTIO_RING_F_EVENT_IDX)

static VirtqueueChain pop(QueueTest *test)
{
        VirtqueueChain chain;

        ck_assert_int_eq(virtqueue_pop(test->queue, &chain), VIRTQUEUE_CHAIN);
        return chain;
}

static void expect_empty(QueueTest *test)
{
        VirtqueueChain chain;

        ck_assert(!virtqueue_has_available(test->queue));
        ck_assert_int_eq(virtqueue_pop(test->queue, &chain), VIRTQUEUE_EMPTY);
}

START_TEST(test_sizes)
{
        const uint32_t bad[] = {0, 3, 6, 255, 32767, 32769, 65536, UINT32_MAX};
        Virtqueue *queue = NULL;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                ck_assert_int_eq(virtqueue_new(bad[i], &queue), -EINVAL);
                ck_assert_ptr_null(queue);
        }
        for (uint32_t size = 1; size <= VIRTQUEUE_SIZE_MAX; size *= 2) {
                ck_assert_int_eq(virtqueue_new(size, &queue), 0);
                ck_assert_uint_eq(virtqueue_max_size(queue), size);
                ck_assert(!virtqueue_is_started(queue));
                queue = virtqueue_free(queue);
        }
        ck_assert_ptr_null(virtqueue_free(NULL));
}
END_TEST

START_TEST(test_not_started)
{
        VirtqueueChain chain;
        QueueTest test;

        queue_test_init(&test, 4, 0);
        virtio_driver_add(&test.driver, 0, &(VirtioDriverBuffer){64, 8, false}, 1);
        virtqueue_stop(test.queue);
        ck_assert(!virtqueue_is_started(test.queue));
        ck_assert_int_eq(virtqueue_pop(test.queue, &chain), VIRTQUEUE_EMPTY);
        ck_assert(!virtqueue_has_available(test.queue));
        ck_assert(!virtqueue_needs_interrupt(test.queue));
        ck_assert(!virtqueue_enable_kick(test.queue));
        virtqueue_disable_kick(test.queue);
        queue_test_done(&test);
}
END_TEST

START_TEST(test_chain)
{
        VirtioDriverBuffer buffers[4];
        VirtqueueChain chain;
        uint32_t written;
        uint16_t head;
        QueueTest test;

        queue_test_init(&test, 8, 0);
        expect_empty(&test);
        for (unsigned i = 0; i < 4; i++)
                buffers[i] = (VirtioDriverBuffer){virtio_driver_alloc(&test.driver, 100, 1),
                                                  10 * (i + 1), i >= 3};
        head = virtio_driver_add(&test.driver, 0, buffers, 4);
        ck_assert(virtqueue_has_available(test.queue));
        chain = pop(&test);
        ck_assert_uint_eq(chain.head, head);
        ck_assert_uint_eq(chain.n_readable, 3);
        ck_assert_uint_eq(chain.n_writable, 1);
        ck_assert_uint_eq(chain.readable_bytes, 60);
        ck_assert_uint_eq(chain.writable_bytes, 40);
        for (unsigned i = 0; i < 4; i++) {
                ck_assert_uint_eq(chain.segments[i].address, buffers[i].address);
                ck_assert_uint_eq(chain.segments[i].length, buffers[i].length);
        }
        ck_assert_uint_eq(virtqueue_in_flight(test.queue), 1);
        ck_assert(!virtio_driver_take(&test.driver, 0, NULL, NULL));
        ck_assert_int_eq(virtqueue_push(test.queue, chain.head, 17), 0);
        ck_assert_uint_eq(virtqueue_in_flight(test.queue), 0);
        ck_assert(virtio_driver_take(&test.driver, 0, &head, &written));
        ck_assert_uint_eq(head, chain.head);
        ck_assert_uint_eq(written, 17);
        expect_empty(&test);
        queue_test_done(&test);
}
END_TEST

/* Section 2.7.5.3.2: descriptors of the table first, then one indirect table; its WRITE is ignored.
 */
START_TEST(test_indirect_after_direct)
{
        VirtqueueChain chain;
        uint64_t table;
        QueueTest test;

        queue_test_init(&test, 8, INDIRECT);
        table = virtio_driver_alloc(&test.driver, 64, 16);
        queue_test_descriptor(&test, 5, 0x1000, 16, VRING_DESC_F_NEXT, 2);
        queue_test_descriptor(&test, 2, 0x2000, 32, VRING_DESC_F_NEXT, 7);
        queue_test_descriptor(&test, 7, table, 64, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE, 0);
        virtio_driver_set_descriptor(&test.driver, table, 0, 0x3000, 1, VRING_DESC_F_NEXT, 3);
        virtio_driver_set_descriptor(&test.driver, table, 3, 0x4000, 2,
                                     VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
        virtio_driver_set_descriptor(&test.driver, table, 1, 0x5000, 4, VRING_DESC_F_WRITE, 0);
        queue_test_offer(&test, 5);
        chain = pop(&test);
        ck_assert_uint_eq(chain.head, 5);
        ck_assert_uint_eq(chain.n_readable, 3);
        ck_assert_uint_eq(chain.n_writable, 2);
        ck_assert_uint_eq(chain.readable_bytes, 49);
        ck_assert_uint_eq(chain.writable_bytes, 6);
        for (unsigned i = 0; i < 5; i++)
                ck_assert_uint_eq(chain.segments[i].address, 0x1000 * (i + 1));
        ck_assert_int_eq(virtqueue_push(test.queue, 5, 6), 0);
        queue_test_done(&test);
}
END_TEST

START_TEST(test_longest_chains)
{
        VirtioDriverBuffer buffers[64];
        VirtqueueChain chain;
        QueueTest test;

        queue_test_init(&test, 64, INDIRECT);
        for (unsigned i = 0; i < 64; i++)
                buffers[i] = (VirtioDriverBuffer){0x1000 + i, 1, i >= 32};
        virtio_driver_add(&test.driver, 0, buffers, 64);
        chain = pop(&test);
        ck_assert_uint_eq(chain.n_readable, 32);
        ck_assert_uint_eq(chain.n_writable, 32);
        ck_assert_int_eq(virtqueue_push(test.queue, chain.head, 0), 0);
        ck_assert(virtio_driver_take(&test.driver, 0, NULL, NULL));
        /* As many indirect ones as there are heads, each as long as can be. */
        for (unsigned i = 0; i < 64; i++)
                virtio_driver_add_indirect(&test.driver, 0, buffers, 64);
        for (unsigned i = 0; i < 64; i++)
                ck_assert_uint_eq(pop(&test).n_readable, 32);
        ck_assert_uint_eq(virtqueue_in_flight(test.queue), 64);
        expect_empty(&test);
        queue_test_done(&test);
}
END_TEST

/* Indices run through 65535 -> 0, rings through their end, in any size (row 4). */
static void wrap(uint32_t size, unsigned batch)
{
        unsigned total = 3 * 65536 / 2 / batch * batch;
        VirtioDriverBuffer buffer = {0x1000, 4, true};
        QueueTest test;

        queue_test_init(&test, size, 0);
        for (unsigned done = 0; done < total; done += batch) {
                uint16_t heads[8], head;
                uint32_t written;

                ck_assert_uint_le(batch, 8);
                for (unsigned i = 0; i < batch; i++)
                        heads[i] = virtio_driver_add(&test.driver, 0, &buffer, 1);
                for (unsigned i = 0; i < batch; i++)
                        ck_assert_uint_eq(pop(&test).head, heads[i]);
                expect_empty(&test);
                for (unsigned i = 0; i < batch; i++)
                        ck_assert_int_eq(virtqueue_push(test.queue, heads[i], done + i), 0);
                for (unsigned i = 0; i < batch; i++) {
                        ck_assert(virtio_driver_take(&test.driver, 0, &head, &written));
                        ck_assert_uint_eq(head, heads[i]);
                        ck_assert_uint_eq(written, done + i < 4 ? done + i : 4);
                }
        }
        ck_assert_uint_eq(virtqueue_position(test.queue), (uint16_t)total);
        queue_test_done(&test);
}

START_TEST(test_index_wrap)
{
        wrap(1, 1);
        wrap(8, 3);
        wrap(256, 8);
}
END_TEST

/* All of the largest queue at once, over the end of the ring and of the index. */
START_TEST(test_largest_queue)
{
        VirtioDriverBuffer buffer = {0x1000, 4, false};
        QueueTest test;

        queue_test_init(&test, VIRTQUEUE_SIZE_MAX, 0);
        for (unsigned round = 0; round < 5; round++) {
                unsigned n = round == 0 ? 20000 : VIRTQUEUE_SIZE_MAX;

                for (unsigned i = 0; i < n; i++)
                        virtio_driver_add(&test.driver, 0, &buffer, 1);
                for (unsigned i = 0; i < n; i++) {
                        VirtqueueChain chain = pop(&test);

                        ck_assert_uint_eq(virtqueue_in_flight(test.queue), i + 1);
                        ck_assert_uint_eq(chain.readable_bytes, 4);
                }
                expect_empty(&test);
                for (unsigned i = 0; i < VIRTQUEUE_SIZE_MAX && n == VIRTQUEUE_SIZE_MAX; i++)
                        ck_assert_int_eq(virtqueue_push(test.queue, (uint16_t)i, 0), 0);
                for (unsigned i = 0; i < n && n != VIRTQUEUE_SIZE_MAX; i++)
                        ck_assert_int_eq(virtqueue_push(test.queue, (uint16_t)i, 0), 0);
                for (unsigned i = 0; i < n; i++)
                        ck_assert(virtio_driver_take(&test.driver, 0, NULL, NULL));
        }
        ck_assert_uint_eq(virtqueue_position(test.queue), (20000 + 4 * 32768) % 65536);
        queue_test_done(&test);
}
END_TEST

START_TEST(test_out_of_order)
{
        VirtioDriverBuffer buffer = {0x1000, 4, true};
        uint16_t heads[4], head;
        QueueTest test;

        queue_test_init(&test, 4, 0);
        for (unsigned i = 0; i < 4; i++)
                virtio_driver_add(&test.driver, 0, &buffer, 1);
        for (unsigned i = 0; i < 4; i++)
                heads[i] = pop(&test).head;
        for (unsigned i = 4; i-- > 0;)
                ck_assert_int_eq(virtqueue_push(test.queue, heads[i], i), 0);
        for (unsigned i = 4; i-- > 0;) {
                ck_assert(virtio_driver_take(&test.driver, 0, &head, NULL));
                ck_assert_uint_eq(head, heads[i]);
        }
        queue_test_done(&test);
}
END_TEST

START_TEST(test_unpop)
{
        VirtioDriverBuffer buffer = {0x1000, 4, true};
        VirtqueueChain chain, again;
        QueueTest test;

        queue_test_init(&test, 4, 0);
        virtio_driver_add(&test.driver, 0, &buffer, 1);
        buffer.address = 0x2000;
        virtio_driver_add(&test.driver, 0, &buffer, 1);
        chain = pop(&test);
        ck_assert_uint_eq(chain.segments[0].address, 0x1000);
        virtqueue_unpop(test.queue, &chain);
        ck_assert_uint_eq(virtqueue_in_flight(test.queue), 0);
        ck_assert_uint_eq(virtqueue_position(test.queue), 0);
        again = pop(&test);
        ck_assert_uint_eq(again.head, chain.head);
        ck_assert_uint_eq(again.segments[0].address, 0x1000);
        chain = pop(&test);
        ck_assert_uint_eq(chain.segments[0].address, 0x2000);
        virtqueue_unpop(test.queue, &chain);
        ck_assert_int_eq(virtqueue_push(test.queue, again.head, 4), 0);
        ck_assert_uint_eq(pop(&test).head, chain.head);
        expect_empty(&test);
        queue_test_done(&test);
}
END_TEST

START_TEST(test_drop_and_stop)
{
        VirtioDriverBuffer buffer = {0x1000, 4, true};
        QueueTest test;

        queue_test_init(&test, 4, 0);
        for (unsigned i = 0; i < 3; i++)
                virtio_driver_add(&test.driver, 0, &buffer, 1);
        virtqueue_drop(test.queue, pop(&test).head);
        ck_assert_uint_eq(virtqueue_in_flight(test.queue), 0);
        ck_assert(!virtio_driver_take(&test.driver, 0, NULL, NULL));
        pop(&test);
        pop(&test);
        virtqueue_stop(test.queue);
        ck_assert_uint_eq(virtqueue_in_flight(test.queue), 0);
        /* From the first entry again, all heads free. */
        queue_test_restart(&test);
        for (unsigned i = 0; i < 4; i++)
                virtio_driver_add(&test.driver, 0, &buffer, 1);
        for (unsigned i = 0; i < 4; i++)
                ck_assert_int_eq(virtqueue_push(test.queue, pop(&test).head, 0), 0);
        ck_assert_uint_eq(virtqueue_position(test.queue), 4);
        queue_test_done(&test);
}
END_TEST

START_TEST(test_position)
{
        VirtioDriverBuffer buffer = {0x1000, 4, true};
        QueueTest test;
        uint16_t head;

        queue_test_init(&test, 4, 0);
        for (unsigned i = 0; i < 3; i++) {
                virtio_driver_add(&test.driver, 0, &buffer, 1);
                ck_assert_int_eq(virtqueue_push(test.queue, pop(&test).head, 0), 0);
                ck_assert(virtio_driver_take(&test.driver, 0, NULL, NULL));
        }
        /* Another queue takes over where this one was. */
        ck_assert_uint_eq(virtqueue_position(test.queue), 3);
        ck_assert_int_eq(virtqueue_start(test.queue, &test.driver.window, &test.config), 0);
        virtqueue_set_position(test.queue, 3);
        expect_empty(&test);
        head = virtio_driver_add(&test.driver, 0, &buffer, 1);
        ck_assert_uint_eq(pop(&test).head, head);
        ck_assert_int_eq(virtqueue_push(test.queue, head, 0), 0);
        ck_assert(virtio_driver_take(&test.driver, 0, NULL, NULL));
        queue_test_done(&test);
}
END_TEST

/* Section 2.7.7: the flag. */
START_TEST(test_no_interrupt)
{
        VirtioDriverBuffer buffer = {0x1000, 4, true};
        const uint16_t no = htole16(VRING_AVAIL_F_NO_INTERRUPT), yes = 0;
        QueueTest test;

        queue_test_init(&test, 4, 0);
        ck_assert(!virtqueue_needs_interrupt(test.queue));
        virtio_driver_add(&test.driver, 0, &buffer, 1);
        virtqueue_push(test.queue, pop(&test).head, 0);
        ck_assert(virtqueue_needs_interrupt(test.queue));
        ck_assert(!virtqueue_needs_interrupt(test.queue)); /* told already */
        virtio_driver_write(&test.driver, test.config.driver_area, &no, 2);
        virtio_driver_add(&test.driver, 0, &buffer, 1);
        virtqueue_push(test.queue, pop(&test).head, 0);
        ck_assert(!virtqueue_needs_interrupt(test.queue));
        virtio_driver_write(&test.driver, test.config.driver_area, &yes, 2);
        ck_assert(!virtqueue_needs_interrupt(test.queue));
        virtio_driver_add(&test.driver, 0, &buffer, 1);
        virtqueue_push(test.queue, pop(&test).head, 0);
        ck_assert(virtqueue_needs_interrupt(test.queue));
        queue_test_done(&test);
}
END_TEST

/* Section 2.7.7: used_event, at every place around the index, also where it wraps. */
static void used_event(uint16_t from)
{
        VirtioDriverBuffer buffer = {0x1000, 4, true};
        QueueTest test;

        for (int event = -6; event <= 6; event++) {
                uint64_t place;

                queue_test_init(&test, 4, EVENT_IDX);
                virtqueue_set_position(test.queue, from);
                virtio_driver_set_available_index(&test.driver, 0, from);
                place = test.config.driver_area + 4 + 2ULL * 4;
                ck_assert_int_eq(guest_memory_store_release16(test.driver.memory, place,
                                                              (uint16_t)(from + event)),
                                 0);
                for (unsigned i = 0; i < 3; i++) {
                        virtio_driver_add(&test.driver, 0, &buffer, 1);
                        virtqueue_push(test.queue, pop(&test).head, 0);
                }
                /* Entries from, from + 1 and from + 2 were written. */
                ck_assert_msg(virtqueue_needs_interrupt(test.queue) == (event >= 0 && event <= 2),
                              "from %u event %d", from, event);
                ck_assert(!virtqueue_needs_interrupt(test.queue));
                queue_test_done(&test);
        }
}

START_TEST(test_used_event)
{
        used_event(0);
        used_event(100);
        used_event(65534);
        used_event(65535);
}
END_TEST

/* With EVENT_IDX the flag is ignored, section 2.7.7.2. */
START_TEST(test_event_idx_ignores_flag)
{
        VirtioDriverBuffer buffer = {0x1000, 4, true};
        const uint16_t no = htole16(VRING_AVAIL_F_NO_INTERRUPT);
        QueueTest test;

        queue_test_init(&test, 4, EVENT_IDX);
        virtio_driver_write(&test.driver, test.config.driver_area, &no, 2);
        virtio_driver_add(&test.driver, 0, &buffer, 1);
        virtqueue_push(test.queue, pop(&test).head, 0);
        ck_assert(virtqueue_needs_interrupt(test.queue));
        queue_test_done(&test);
}
END_TEST

/* Section 2.7.10, both ways. */
static void kicks(uint64_t features)
{
        VirtioDriverBuffer buffer = {0x1000, 4, true};
        QueueTest test;

        queue_test_init(&test, 8, features);
        ck_assert(!virtqueue_enable_kick(test.queue));
        virtio_driver_add(&test.driver, 0, &buffer, 1);
        ck_assert(virtio_driver_wants_kick(&test.driver, 0));
        virtqueue_disable_kick(test.queue);
        virtio_driver_add(&test.driver, 0, &buffer, 1);
        ck_assert(!virtio_driver_wants_kick(&test.driver, 0));
        pop(&test);
        /* One came while kicks were off: the device is told to look again. */
        ck_assert(virtqueue_enable_kick(test.queue));
        virtqueue_disable_kick(test.queue);
        pop(&test);
        ck_assert(!virtqueue_enable_kick(test.queue));
        virtio_driver_add(&test.driver, 0, &buffer, 1);
        ck_assert(virtio_driver_wants_kick(&test.driver, 0));
        queue_test_done(&test);
}

START_TEST(test_kicks)
{
        uint16_t flags;
        QueueTest test;

        kicks(0);
        kicks(EVENT_IDX);
        /* Section 2.7.10.2: with EVENT_IDX the device leaves the flag alone. */
        queue_test_init(&test, 8, EVENT_IDX);
        virtqueue_disable_kick(test.queue);
        virtio_driver_read(&test.driver, test.config.device_area, &flags, 2);
        ck_assert_uint_eq(flags, 0);
        queue_test_done(&test);
}
END_TEST

#define PIECES 7U

/* A chain of odd pieces, readable and writable: every offset and length of both. */
START_TEST(test_bytes_of_split_buffers)
{
        const uint32_t lengths[PIECES] = {1, 7, 2, 13, 1, 5, 3};
        VirtioDriverBuffer buffers[2 * PIECES];
        uint8_t in[40], out[40];
        VirtqueueChain chain;
        QueueTest test;
        unsigned total = 0;

        queue_test_init(&test, 16, 0);
        for (unsigned i = 0; i < sizeof(in); i++)
                in[i] = (uint8_t)(i + 1);
        for (unsigned i = 0; i < 2 * PIECES; i++)
                buffers[i] = (VirtioDriverBuffer){virtio_driver_alloc(&test.driver, 64, 64) + 3,
                                                  lengths[i % PIECES], i >= PIECES};
        for (unsigned i = 0; i < PIECES; i++) {
                virtio_driver_write(&test.driver, buffers[i].address, in + total, lengths[i]);
                total += lengths[i];
        }
        virtio_driver_add(&test.driver, 0, buffers, 2 * PIECES);
        chain = pop(&test);
        ck_assert_uint_eq(chain.readable_bytes, total);
        for (unsigned offset = 0; offset <= total + 2; offset++)
                for (unsigned size = 0; size <= total + 2; size++) {
                        size_t room = offset < total ? total - offset : 0;
                        size_t want = size < room ? size : room;

                        memset(out, 0, sizeof(out));
                        ck_assert_uint_eq(virtqueue_chain_read(&chain, offset, out, size), want);
                        ck_assert_mem_eq(out, in + offset, want);
                        ck_assert_uint_eq(out[want], 0);
                        ck_assert_uint_eq(virtqueue_chain_write(&chain, offset, in, size), want);
                }
        ck_assert_uint_eq(virtqueue_chain_read(&chain, UINT64_MAX, out, 1), 0);
        ck_assert_uint_eq(virtqueue_chain_write(&chain, 0, in, total), total);
        total = 0;
        for (unsigned i = PIECES; i < 2 * PIECES; i++) {
                virtio_driver_read(&test.driver, buffers[i].address - 1, out,
                                   lengths[i % PIECES] + 2);
                ck_assert_uint_eq(out[0], 0);
                ck_assert_mem_eq(out + 1, in + total, lengths[i % PIECES]);
                ck_assert_uint_eq(out[lengths[i % PIECES] + 1], 0);
                total += lengths[i % PIECES];
        }
        queue_test_done(&test);
}
END_TEST

START_TEST(test_map)
{
        const uint32_t lengths[PIECES] = {1, 7, 2, 13, 1, 5, 3};
        VirtioDriverBuffer buffers[2 * PIECES];
        struct iovec vector[PIECES];
        VirtqueueChain chain;
        uint64_t covered;
        QueueTest test;

        queue_test_init(&test, 16, 0);
        for (unsigned i = 0; i < 2 * PIECES; i++)
                buffers[i] =
                        (VirtioDriverBuffer){0x1000 * (i + 1ULL), lengths[i % PIECES], i >= PIECES};
        virtio_driver_add(&test.driver, 0, buffers, 2 * PIECES);
        chain = pop(&test);
        ck_assert_int_eq(virtqueue_chain_map_readable(&chain, 0, 100, vector, PIECES, &covered), 7);
        ck_assert_uint_eq(covered, 32);
        ck_assert_int_eq(virtqueue_chain_map_readable(&chain, 3, 8, vector, PIECES, &covered), 3);
        ck_assert_uint_eq(covered, 8);
        ck_assert_uint_eq(vector[0].iov_len, 5);
        ck_assert_uint_eq(vector[1].iov_len, 2);
        ck_assert_uint_eq(vector[2].iov_len, 1);
        ck_assert_int_eq(virtqueue_chain_map_writable(&chain, 0, 100, vector, 2, &covered), 2);
        ck_assert_uint_eq(covered, 8);
        memset(vector[1].iov_base, 'w', vector[1].iov_len);
        {
                char out[9];

                virtio_driver_read(&test.driver, buffers[PIECES + 1].address - 1, out, 9);
                ck_assert_mem_eq(out, "\0wwwwwww\0", 9);
        }
        ck_assert_int_eq(virtqueue_chain_map_writable(&chain, 32, 1, vector, 2, &covered), 0);
        ck_assert_uint_eq(covered, 0);
        ck_assert_int_eq(virtqueue_chain_map_writable(&chain, 0, 0, vector, 2, &covered), 0);
        ck_assert_uint_eq(covered, 0);
        queue_test_done(&test);
}
END_TEST

CHECK_MAIN("virtio-queue", {"sizes", test_sizes}, {"not started", test_not_started},
           {"chain", test_chain}, {"indirect after direct", test_indirect_after_direct},
           {"longest chains", test_longest_chains}, {"index wrap", test_index_wrap},
           {"largest queue", test_largest_queue}, {"out of order", test_out_of_order},
           {"unpop", test_unpop}, {"drop and stop", test_drop_and_stop},
           {"position", test_position}, {"no interrupt", test_no_interrupt},
           {"used event", test_used_event}, {"event idx ignores flag", test_event_idx_ignores_flag},
           {"kicks", test_kicks}, {"bytes of split buffers", test_bytes_of_split_buffers},
           {"map", test_map});
