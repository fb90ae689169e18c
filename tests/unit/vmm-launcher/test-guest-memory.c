/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/guest-memory.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check-main.h"

#define PAGE  4096ULL
#define KIB64 65536ULL

static GuestMemory *memory_new(const GuestRegion *layout, size_t n)
{
        GuestMemory *memory = NULL;

        ck_assert_int_eq(guest_memory_new(layout, n, &memory), 0);
        ck_assert_ptr_nonnull(memory);
        return memory;
}

static int access_any(GuestMemory *memory, uint64_t address, size_t size)
{
        char *buffer = calloc(1, size + 1);
        int r[3];

        ck_assert_ptr_nonnull(buffer);
        r[0] = guest_memory_read(memory, address, buffer, size);
        r[1] = guest_memory_write(memory, address, buffer, size);
        r[2] = guest_memory_fill(memory, address, 0, size);
        free(buffer);
        ck_assert_int_eq(r[0], r[1]);
        ck_assert_int_eq(r[0], r[2]);
        ck_assert_int_eq(r[0], guest_memory_check(memory, address, size));
        return r[0];
}

START_TEST(test_layout_refused)
{
        const struct {
                GuestRegion regions[2];
                size_t n;
        } bad[] = {
                {{{0, PAGE, NULL}}, 0},
                {{{0, 0, NULL}}, 1},
                {{{1, PAGE, NULL}}, 1},
                {{{0, PAGE + 1, NULL}}, 1},
                {{{0, 2 * PAGE, NULL}, {PAGE, PAGE, NULL}}, 2},
                {{{PAGE, PAGE, NULL}, {0, PAGE, NULL}}, 2},
                {{{UINT64_MAX - PAGE + 1, PAGE, NULL}}, 1},
                {{{0, PAGE, NULL}}, GUEST_MEMORY_MAX_REGIONS + 1},
        };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                GuestMemory *memory = NULL;

                ck_assert_int_eq(guest_memory_new(bad[i].regions, bad[i].n, &memory), -EINVAL);
                ck_assert_ptr_null(memory);
        }
        ck_assert_ptr_null(guest_memory_free(NULL));
}
END_TEST

START_TEST(test_layout_too_large)
{
        const GuestRegion region = {0, UINT64_MAX - 2 * PAGE + 1, NULL};
        GuestMemory *memory = NULL;

        ck_assert_int_eq(guest_memory_new(&region, 1, &memory), -ENOMEM);
        ck_assert_ptr_null(memory);
}
END_TEST

START_TEST(test_alignment)
{
        const GuestRegion layout[] = {{0, KIB64, NULL}, {0x1001000, KIB64, NULL}};
        GuestMemory *memory = memory_new(layout, 2);
        const GuestRegion *regions;

        ck_assert_uint_eq(guest_memory_regions(memory, &regions), 2);
        ck_assert_uint_eq(guest_memory_size(memory), 2 * KIB64);
        for (size_t i = 0; i < 2; i++)
                ck_assert_uint_eq((uintptr_t)regions[i].host % (2 << 20),
                                  regions[i].address % (2 << 20));
        guest_memory_free(memory);
}
END_TEST

/* Every address near every edge, with every size that could overflow from there. */
START_TEST(test_bounds_grid)
{
        const GuestRegion layout[] = {
                {0, KIB64, NULL},
                {0xffffULL << 16, KIB64, NULL}, /* ends at 2^32 */
                {1ULL << 32, KIB64, NULL},      /* adjoins it */
                {UINT64_MAX - 2 * KIB64 + 1, KIB64, NULL},
        };
        const uint64_t edges[] = {0,
                                  KIB64,
                                  0xffffULL << 16,
                                  1ULL << 32,
                                  (1ULL << 32) + KIB64,
                                  1ULL << 63,
                                  UINT64_MAX - 2 * KIB64 + 1,
                                  UINT64_MAX - KIB64 + 1};
        const uint64_t sizes[] = {
                0, 1, 2, 7, 8, PAGE, KIB64 - 1, KIB64, KIB64 + 1, 2 * KIB64, 2 * KIB64 + 1};
        GuestMemory *memory = memory_new(layout, 4);
        unsigned n_good = 0;

        for (size_t e = 0; e < sizeof(edges) / sizeof(edges[0]); e++)
                for (int64_t d = -9; d <= 9; d++)
                        for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
                                uint64_t address = edges[e] + (uint64_t)d, size = sizes[s];
                                bool inside = true;

                                for (uint64_t i = 0; i < size && inside; i++) {
                                        uint64_t byte = address + i;

                                        inside = byte >= address &&
                                                 (byte < KIB64 ||
                                                  (byte >= layout[1].address &&
                                                   byte < (1ULL << 32) + KIB64) ||
                                                  (byte >= layout[3].address &&
                                                   byte < layout[3].address + KIB64));
                                }
                                ck_assert_msg(
                                        access_any(memory, address, size) == (inside ? 0 : -EFAULT),
                                        "address %#llx size %#llx", (unsigned long long)address,
                                        (unsigned long long)size);
                                n_good += inside;
                        }
        ck_assert_uint_gt(n_good, 0);
        guest_memory_free(memory);
}
END_TEST

START_TEST(test_nothing_copied_on_failure)
{
        const GuestRegion layout[] = {{0, PAGE, NULL}};
        GuestMemory *memory = memory_new(layout, 1);
        char in[16], out[16];

        memset(in, 'x', sizeof(in));
        memset(out, 'y', sizeof(out));
        ck_assert_int_eq(guest_memory_write(memory, PAGE - 8, in, 16), -EFAULT);
        ck_assert_int_eq(guest_memory_fill(memory, PAGE - 8, 'x', 16), -EFAULT);
        ck_assert_int_eq(guest_memory_read(memory, PAGE - 8, out, 16), -EFAULT);
        for (int i = 0; i < 16; i++)
                ck_assert_int_eq(out[i], 'y');
        ck_assert_int_eq(guest_memory_read(memory, PAGE - 8, out, 8), 0);
        for (int i = 0; i < 8; i++)
                ck_assert_int_eq(out[i], 0);
        guest_memory_free(memory);
}
END_TEST

START_TEST(test_copy_across_adjoining_regions)
{
        const GuestRegion layout[] = {{0, PAGE, NULL}, {PAGE, PAGE, NULL}, {4 * PAGE, PAGE, NULL}};
        GuestMemory *memory = memory_new(layout, 3);
        char in[64], out[64];

        for (int i = 0; i < 64; i++)
                in[i] = (char)i;
        ck_assert_int_eq(guest_memory_write(memory, PAGE - 32, in, 64), 0);
        ck_assert_int_eq(guest_memory_read(memory, PAGE - 32, out, 64), 0);
        ck_assert_mem_eq(in, out, 64);
        ck_assert_int_eq(guest_memory_fill(memory, PAGE - 1, 0xaa, 2), 0);
        ck_assert_int_eq(guest_memory_read(memory, PAGE - 2, out, 4), 0);
        ck_assert_mem_eq(out, "\x1e\xaa\xaa\x21", 4);
        ck_assert_int_eq(guest_memory_write(memory, 2 * PAGE - 1, in, 2), -EFAULT);
        guest_memory_free(memory);
}
END_TEST

static int file_with(size_t size)
{
        int fd = memfd_create("test", MFD_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        for (size_t i = 0; i < size; i++) {
                char byte = (char)(i * 7);

                ck_assert_int_eq(write(fd, &byte, 1), 1);
        }
        return fd;
}

START_TEST(test_read_from_fd)
{
        const GuestRegion layout[] = {{0, PAGE, NULL}, {PAGE, PAGE, NULL}};
        GuestMemory *memory = memory_new(layout, 2);
        unsigned char out[100];
        int fd = file_with(200), pipe_fds[2];

        ck_assert_int_eq(guest_memory_read_from_fd(memory, PAGE - 50, fd, 10, 100), 0);
        ck_assert_int_eq(guest_memory_read(memory, PAGE - 50, out, 100), 0);
        for (int i = 0; i < 100; i++)
                ck_assert_uint_eq(out[i], (unsigned char)((i + 10) * 7));
        ck_assert_int_eq(guest_memory_read_from_fd(memory, 0, fd, 0, 0), 0);
        ck_assert_int_eq(guest_memory_read_from_fd(memory, 0, fd, 150, 51), -EIO);
        ck_assert_int_eq(guest_memory_read_from_fd(memory, 0, fd, UINT64_MAX, 2), -EIO);
        ck_assert_int_eq(guest_memory_read_from_fd(memory, 0, fd, INT64_MAX, 2), -EIO);
        ck_assert_int_eq(guest_memory_read_from_fd(memory, 2 * PAGE - 1, fd, 0, 2), -EFAULT);
        ck_assert_int_eq(guest_memory_read_from_fd(memory, 0, fd, 0, UINT64_MAX), -EFAULT);
        ck_assert_int_eq(pipe(pipe_fds), 0);
        ck_assert_int_eq(guest_memory_read_from_fd(memory, 0, pipe_fds[0], 0, 1), -ESPIPE);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        close(fd);
        guest_memory_free(memory);
}
END_TEST

/* They change nothing but speed. */
START_TEST(test_huge_pages)
{
        const GuestRegion layout[] = {{0, 4 << 20, NULL}, {8 << 20, PAGE, NULL}};
        GuestMemory *memory = memory_new(layout, 2);
        char in = 'x', out = 0;

        ck_assert_int_eq(guest_memory_write(memory, 0, &in, 1), 0);
        guest_memory_use_huge_pages(memory);
        guest_memory_use_huge_pages(memory);
        ck_assert_int_eq(guest_memory_write(memory, 3 << 20, &in, 1), 0);
        for (uint64_t address = 0; address < 4 << 20; address += 1 << 20) {
                ck_assert_int_eq(guest_memory_read(memory, address, &out, 1), 0);
                ck_assert_int_eq(out, address == 0 || address == 3 << 20 ? 'x' : 0);
        }
        guest_memory_free(memory);
}
END_TEST

START_TEST(test_reset_zeroes)
{
        const GuestRegion layout[] = {{0, PAGE, NULL}, {4 * PAGE, PAGE, NULL}};
        GuestMemory *memory = memory_new(layout, 2);
        char out[PAGE], zero[PAGE] = {0};

        for (uint64_t address = 0; address <= 4 * PAGE; address += 4 * PAGE)
                ck_assert_int_eq(guest_memory_fill(memory, address, 0x55, PAGE), 0);
        ck_assert_int_eq(guest_memory_reset(memory), 0);
        for (uint64_t address = 0; address <= 4 * PAGE; address += 4 * PAGE) {
                ck_assert_int_eq(guest_memory_read(memory, address, out, PAGE), 0);
                ck_assert_mem_eq(out, zero, PAGE);
        }
        guest_memory_free(memory);
}
END_TEST

START_TEST(test_shared_field)
{
        const GuestRegion layout[] = {{0, PAGE, NULL}, {2 * PAGE, PAGE, NULL}};
        GuestMemory *memory = memory_new(layout, 2);
        const uint8_t bytes[2] = {0x34, 0x12};
        uint16_t value = 0;

        ck_assert_int_eq(guest_memory_write(memory, PAGE - 2, bytes, 2), 0);
        ck_assert_int_eq(guest_memory_load_acquire16(memory, PAGE - 2, &value), 0);
        ck_assert_uint_eq(value, 0x1234);
        ck_assert_int_eq(guest_memory_store_release16(memory, 2 * PAGE, 0xbeef), 0);
        ck_assert_int_eq(guest_memory_load_acquire16(memory, 2 * PAGE, &value), 0);
        ck_assert_uint_eq(value, 0xbeef);
        for (uint64_t address = PAGE - 1; address <= PAGE + 2; address++) {
                ck_assert_int_eq(guest_memory_load_acquire16(memory, address, &value), -EFAULT);
                ck_assert_int_eq(guest_memory_store_release16(memory, address, 1), -EFAULT);
        }
        ck_assert_int_eq(guest_memory_load_acquire16(memory, UINT64_MAX - 1, &value), -EFAULT);
        ck_assert_int_eq(guest_memory_load_acquire16(memory, 1, &value), -EFAULT);
        ck_assert_uint_eq(value, 0xbeef);
        guest_memory_free(memory);
}
END_TEST

START_TEST(test_map)
{
        const GuestRegion layout[] = {{0, PAGE, NULL},
                                      {PAGE, PAGE, NULL},
                                      {2 * PAGE, PAGE, NULL},
                                      {4 * PAGE, PAGE, NULL}};
        GuestMemory *memory = memory_new(layout, 4);
        struct iovec vector[3];
        const GuestRegion *regions;

        guest_memory_regions(memory, &regions);
        ck_assert_int_eq(guest_memory_map(memory, 10, 20, vector, 1), 1);
        ck_assert_ptr_eq(vector[0].iov_base, (char *)regions[0].host + 10);
        ck_assert_uint_eq(vector[0].iov_len, 20);
        ck_assert_int_eq(guest_memory_map(memory, PAGE - 1, PAGE + 2, vector, 3), 3);
        ck_assert_uint_eq(vector[0].iov_len, 1);
        ck_assert_ptr_eq(vector[1].iov_base, regions[1].host);
        ck_assert_uint_eq(vector[1].iov_len, PAGE);
        ck_assert_ptr_eq(vector[2].iov_base, regions[2].host);
        ck_assert_uint_eq(vector[2].iov_len, 1);
        ck_assert_int_eq(guest_memory_map(memory, PAGE - 1, PAGE + 2, vector, 2), -ENOBUFS);
        ck_assert_int_eq(guest_memory_map(memory, 0, 0, vector, 0), 0);
        ck_assert_int_eq(guest_memory_map(memory, 3 * PAGE - 1, 2, vector, 3), -EFAULT);
        ck_assert_int_eq(guest_memory_map(memory, 3 * PAGE, 1, vector, 3), -EFAULT);
        ck_assert_int_eq(guest_memory_map(memory, 0, UINT64_MAX, vector, 3), -EFAULT);
        guest_memory_free(memory);
}
END_TEST

START_TEST(test_discard)
{
        const GuestRegion layout[] = {{0, 4 * PAGE, NULL}, {4 * PAGE, PAGE, NULL}};
        GuestMemory *memory = memory_new(layout, 2);
        char byte;

        ck_assert_int_eq(guest_memory_fill(memory, 0, 0x55, 5 * PAGE), 0);
        ck_assert_int_eq(guest_memory_discard(memory, 3 * PAGE, 3 * PAGE), -EFAULT);
        ck_assert_int_eq(guest_memory_discard(memory, 5 * PAGE, PAGE), -EFAULT);
        ck_assert_int_eq(guest_memory_discard(memory, 0, UINT64_MAX - PAGE + 1), -EFAULT);
        ck_assert_int_eq(guest_memory_discard(memory, 1, PAGE), -EINVAL);
        ck_assert_int_eq(guest_memory_discard(memory, 0, PAGE - 1), -EINVAL);
        ck_assert_int_eq(guest_memory_discard(memory, 0, 0), 0);
        for (uint64_t address = 0; address < 5 * PAGE; address += PAGE) {
                ck_assert_int_eq(guest_memory_read(memory, address, &byte, 1), 0);
                ck_assert_int_eq(byte, 0x55);
        }
        /* Across regions, and no page more. */
        ck_assert_int_eq(guest_memory_discard(memory, 2 * PAGE, 3 * PAGE), 0);
        for (uint64_t address = 0; address < 5 * PAGE; address += PAGE - 1) {
                ck_assert_int_eq(guest_memory_read(memory, address, &byte, 1), 0);
                ck_assert_int_eq(byte, address < 2 * PAGE ? 0x55 : 0);
        }
        guest_memory_free(memory);
}
END_TEST

CHECK_MAIN("guest-memory", {"layout refused", test_layout_refused},
           {"layout too large", test_layout_too_large}, {"alignment", test_alignment},
           {"bounds grid", test_bounds_grid},
           {"nothing copied on failure", test_nothing_copied_on_failure},
           {"copy across adjoining regions", test_copy_across_adjoining_regions},
           {"read from fd", test_read_from_fd}, {"huge pages", test_huge_pages},
           {"reset zeroes", test_reset_zeroes}, {"shared field", test_shared_field},
           {"map", test_map}, {"discard", test_discard});
