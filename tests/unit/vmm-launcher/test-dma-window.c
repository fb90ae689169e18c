/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What devices may reach of guest memory: nothing outside the window, whatever the length. */

#include "core/dma-window.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "check-main.h"

#define PAGE  4096ULL
#define FIRST (2 * PAGE)
#define LAST  (4 * PAGE - 1)

typedef struct Fixture {
        GuestMemory *memory;
        DmaWindow pool; /* pages 2 and 3 of 6, of which page 5 is none */
} Fixture;

static void fixture_init(Fixture *fixture)
{
        static const GuestRegion layout[] = {{0, 3 * PAGE, NULL}, {3 * PAGE, 2 * PAGE, NULL}};

        ck_assert_int_eq(guest_memory_new(layout, 2, &fixture->memory), 0);
        fixture->pool = (DmaWindow){.memory = fixture->memory, .first = FIRST, .last = LAST};
}

/* What each way to reach the range says. */
static int reach(const DmaWindow *window, uint64_t address, uint64_t size)
{
        char *buffer = calloc(1, size < 16 * PAGE ? size + 1 : 1);
        struct iovec vector[2];
        int r, checked = dma_check(window, address, size);

        ck_assert_ptr_nonnull(buffer);
        /* A size that no buffer could have is refused before the buffer matters. */
        ck_assert_int_eq(dma_read(window, address, buffer, size), checked);
        ck_assert_int_eq(dma_write(window, address, buffer, size), checked);
        r = dma_map(window, address, size, vector, 2);
        ck_assert_int_eq(r < 0 ? r : 0, checked);
        free(buffer);
        return checked;
}

START_TEST(test_edges)
{
        const uint64_t addresses[] = {
                0,        1,        FIRST - 1,  FIRST,      FIRST + 1,      LAST - 1,  LAST,
                LAST + 1, 5 * PAGE, 1ULL << 32, 1ULL << 63, UINT64_MAX - 1, UINT64_MAX};
        const uint64_t sizes[] = {0,
                                  1,
                                  2,
                                  PAGE - 1,
                                  PAGE,
                                  PAGE + 1,
                                  2 * PAGE,
                                  2 * PAGE + 1,
                                  1ULL << 32,
                                  1ULL << 63,
                                  UINT64_MAX - 1,
                                  UINT64_MAX};
        unsigned n_good = 0;
        Fixture fixture;

        fixture_init(&fixture);
        for (size_t a = 0; a < sizeof(addresses) / sizeof(addresses[0]); a++)
                for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
                        uint64_t address = addresses[a], size = sizes[s];
                        bool inside = address >= FIRST && address <= LAST &&
                                      (size == 0 || size <= LAST - address + 1);

                        ck_assert_msg(reach(&fixture.pool, address, size) == (inside ? 0 : -EFAULT),
                                      "address %#llx size %#llx", (unsigned long long)address,
                                      (unsigned long long)size);
                        n_good += inside;
                }
        ck_assert_uint_eq(n_good, 7 + 6 + 3 + 2);
        guest_memory_free(fixture.memory);
}
END_TEST

/* The window may be larger than RAM; then RAM is the bound. */
START_TEST(test_all_of_memory)
{
        DmaWindow all;
        Fixture fixture;

        fixture_init(&fixture);
        all = DMA_WINDOW_ALL(fixture.memory);
        ck_assert_int_eq(reach(&all, 0, 5 * PAGE), 0);
        ck_assert_int_eq(reach(&all, 0, 5 * PAGE + 1), -EFAULT);
        ck_assert_int_eq(reach(&all, 5 * PAGE, 1), -EFAULT);
        ck_assert_int_eq(reach(&all, UINT64_MAX, 1), -EFAULT);
        ck_assert_int_eq(reach(&all, UINT64_MAX, 2), -EFAULT);
        guest_memory_free(fixture.memory);
}
END_TEST

START_TEST(test_bytes)
{
        char in[64], out[64] = {0};
        struct iovec vector[2];
        Fixture fixture;

        fixture_init(&fixture);
        for (int i = 0; i < 64; i++)
                in[i] = (char)(i + 1);
        /* Across the two regions. */
        ck_assert_int_eq(dma_write(&fixture.pool, 3 * PAGE - 32, in, 64), 0);
        ck_assert_int_eq(dma_read(&fixture.pool, 3 * PAGE - 32, out, 64), 0);
        ck_assert_mem_eq(in, out, 64);
        ck_assert_int_eq(dma_map(&fixture.pool, 3 * PAGE - 32, 64, vector, 1), -ENOBUFS);
        ck_assert_int_eq(dma_map(&fixture.pool, 3 * PAGE - 32, 64, vector, 2), 2);
        ck_assert_uint_eq(vector[0].iov_len, 32);
        ck_assert_uint_eq(vector[1].iov_len, 32);
        ck_assert_mem_eq(vector[0].iov_base, in, 32);
        ck_assert_mem_eq(vector[1].iov_base, in + 32, 32);
        ck_assert_int_eq(dma_map(&fixture.pool, FIRST, 0, vector, 0), 0);
        guest_memory_free(fixture.memory);
}
END_TEST

START_TEST(test_nothing_outside_is_touched)
{
        char in[16], out[16];
        Fixture fixture;

        fixture_init(&fixture);
        memset(in, 'x', sizeof(in));
        memset(out, 'y', sizeof(out));
        ck_assert_int_eq(dma_write(&fixture.pool, FIRST - 8, in, 16), -EFAULT);
        ck_assert_int_eq(dma_write(&fixture.pool, LAST - 7, in, 16), -EFAULT);
        ck_assert_int_eq(guest_memory_read(fixture.memory, FIRST - 8, out, 16), 0);
        for (int i = 0; i < 16; i++)
                ck_assert_int_eq(out[i], 0);
        memset(out, 'y', sizeof(out));
        ck_assert_int_eq(dma_read(&fixture.pool, LAST - 7, out, 16), -EFAULT);
        for (int i = 0; i < 16; i++)
                ck_assert_int_eq(out[i], 'y');
        guest_memory_free(fixture.memory);
}
END_TEST

START_TEST(test_shared_fields)
{
        const uint8_t bytes[2] = {0x34, 0x12};
        uint16_t value = 0;
        uint8_t out[2];
        Fixture fixture;

        fixture_init(&fixture);
        ck_assert_int_eq(dma_write(&fixture.pool, FIRST, bytes, 2), 0);
        ck_assert_int_eq(dma_load_acquire16(&fixture.pool, FIRST, &value), 0);
        ck_assert_uint_eq(value, 0x1234);
        ck_assert_int_eq(dma_store_release16(&fixture.pool, LAST - 1, 0xabcd), 0);
        ck_assert_int_eq(dma_read(&fixture.pool, LAST - 1, out, 2), 0);
        ck_assert_uint_eq(out[0], 0xcd);
        ck_assert_uint_eq(out[1], 0xab);
        ck_assert_int_eq(dma_load_acquire16(&fixture.pool, FIRST - 2, &value), -EFAULT);
        ck_assert_int_eq(dma_load_acquire16(&fixture.pool, LAST, &value), -EFAULT);
        ck_assert_int_eq(dma_load_acquire16(&fixture.pool, FIRST + 1, &value), -EFAULT);
        ck_assert_int_eq(dma_store_release16(&fixture.pool, LAST, 1), -EFAULT);
        ck_assert_int_eq(dma_store_release16(&fixture.pool, LAST + 1, 1), -EFAULT);
        ck_assert_int_eq(dma_store_release16(&fixture.pool, FIRST + 1, 1), -EFAULT);
        ck_assert_uint_eq(value, 0x1234);
        guest_memory_free(fixture.memory);
}
END_TEST

START_TEST(test_discard)
{
        Fixture fixture;
        char byte = 'x';

        fixture_init(&fixture);
        ck_assert_int_eq(guest_memory_fill(fixture.memory, 0, 'x', 5 * PAGE), 0);
        ck_assert_int_eq(dma_discard(&fixture.pool, FIRST - PAGE, 2 * PAGE), -EFAULT);
        ck_assert_int_eq(dma_discard(&fixture.pool, FIRST, 3 * PAGE), -EFAULT);
        ck_assert_int_eq(dma_discard(&fixture.pool, LAST + 1, PAGE), -EFAULT);
        ck_assert_int_eq(dma_read(&fixture.pool, FIRST, &byte, 1), 0);
        ck_assert_int_eq(byte, 'x');
        ck_assert_int_eq(dma_discard(&fixture.pool, FIRST, 2 * PAGE), 0);
        ck_assert_int_eq(dma_read(&fixture.pool, FIRST, &byte, 1), 0);
        ck_assert_int_eq(byte, 0);
        guest_memory_free(fixture.memory);
}
END_TEST

CHECK_MAIN("dma-window", {"edges", test_edges}, {"all of memory", test_all_of_memory},
           {"bytes", test_bytes}, {"nothing outside is touched", test_nothing_outside_is_touched},
           {"shared fields", test_shared_fields}, {"discard", test_discard});
