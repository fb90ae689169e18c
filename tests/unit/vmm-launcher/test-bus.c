/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/bus.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "check-main.h"

typedef struct Recorder {
        unsigned n_reads, n_writes;
        uint64_t offset;
        size_t size;
        uint8_t data[8];
} Recorder;

static void recorder_read(void *device, uint64_t offset, void *data, size_t size)
{
        Recorder *recorder = device;

        recorder->n_reads++;
        recorder->offset = offset;
        recorder->size = size;
        memset(data, 0x11, size);
}

static void recorder_write(void *device, uint64_t offset, const void *data, size_t size)
{
        Recorder *recorder = device;

        recorder->n_writes++;
        recorder->offset = offset;
        recorder->size = size;
        memcpy(recorder->data, data, size);
}

static const BusOps recorder_ops = {recorder_read, recorder_write};

static Bus *bus_with(uint64_t address, uint64_t size, const BusOps *ops, Recorder *recorder)
{
        Bus *bus = NULL;

        ck_assert_int_eq(bus_new(&bus), 0);
        ck_assert_int_eq(bus_add(bus, address, size, "test", ops, recorder), 0);
        return bus;
}

START_TEST(test_add_refused)
{
        Recorder recorder = {0};
        Bus *bus = bus_with(0x1000, 0x100, &recorder_ops, &recorder);

        ck_assert_int_eq(bus_add(bus, 0, 0, "empty", &recorder_ops, NULL), -EINVAL);
        ck_assert_int_eq(bus_add(bus, UINT64_MAX, 2, "wraps", &recorder_ops, NULL), -EINVAL);
        ck_assert_int_eq(bus_add(bus, 1, UINT64_MAX, "covers", &recorder_ops, NULL), -EEXIST);
        ck_assert_int_eq(bus_add(bus, 0x1000, 0x100, "same", &recorder_ops, NULL), -EEXIST);
        ck_assert_int_eq(bus_add(bus, 0x10ff, 1, "last byte", &recorder_ops, NULL), -EEXIST);
        ck_assert_int_eq(bus_add(bus, 0xfff, 2, "first byte", &recorder_ops, NULL), -EEXIST);
        ck_assert_int_eq(bus_add(bus, 0x1040, 1, "within", &recorder_ops, NULL), -EEXIST);
        ck_assert_int_eq(bus_add(bus, 0x1100, 1, "after", &recorder_ops, NULL), 0);
        ck_assert_int_eq(bus_add(bus, 0xfff, 1, "before", &recorder_ops, NULL), 0);
        ck_assert_int_eq(bus_add(bus, UINT64_MAX, 1, "top", &recorder_ops, NULL), 0);
        bus_free(bus);
        ck_assert_ptr_null(bus_free(NULL));
}
END_TEST

/* Widths 0 to 16 at every offset around both ends of a range, wherever the range is. */
static void check_range(uint64_t start, uint64_t length)
{
        Recorder recorder = {0};
        Bus *bus = bus_with(start, length, &recorder_ops, &recorder);

        for (uint64_t address = start - 20; address != start + length + 20; address++)
                for (size_t size = 0; size <= 16; size++) {
                        uint8_t data[16], ones[16];
                        uint64_t offset = address - start;
                        bool hit = size >= 1 && size <= 8 && offset < length &&
                                   length - offset >= size;

                        memset(&recorder, 0, sizeof(recorder));
                        memset(data, 0, sizeof(data));
                        memset(ones, 0xff, sizeof(ones));
                        bus_read(bus, address, data, size);
                        ck_assert_uint_eq(recorder.n_reads, hit);
                        if (hit) {
                                ck_assert_uint_eq(recorder.offset, offset);
                                ck_assert_uint_eq(recorder.size, size);
                                memset(ones, 0x11, size);
                        }
                        ck_assert_mem_eq(data, ones, size);
                        memset(data, 0x5a, sizeof(data));
                        bus_write(bus, address, data, size);
                        ck_assert_uint_eq(recorder.n_writes, hit);
                }
        bus_free(bus);
}

START_TEST(test_widths_and_ends)
{
        check_range(0x1000, 32);
        check_range(0x1000, 1);
        check_range(0x1000, 3);
        check_range(0, 16);
        check_range((1ULL << 32) - 8, 16);
        check_range(UINT64_MAX - 15, 16);
}
END_TEST

START_TEST(test_missing_ops)
{
        const BusOps none = {NULL, NULL};
        Recorder recorder = {0};
        Bus *bus = bus_with(0, 8, &none, &recorder);
        uint32_t value = 0;

        bus_read(bus, 0, &value, 4);
        ck_assert_uint_eq(value, UINT32_MAX);
        bus_write(bus, 0, &value, 4);
        bus_free(bus);
}
END_TEST

START_TEST(test_many_ranges)
{
        Recorder recorders[100] = {0};
        Bus *bus = NULL;

        ck_assert_int_eq(bus_new(&bus), 0);
        /* 37 and 100 have no common divisor: every range once, in no order. */
        for (unsigned i = 0, at = 0; i < 100; i++, at = (at + 37) % 100)
                ck_assert_int_eq(bus_add(bus, at * 16, 8, "one", &recorder_ops, &recorders[at]), 0);
        for (unsigned i = 0; i < 100; i++) {
                uint64_t value = 0;

                bus_read(bus, i * 16ULL, &value, 8);
                ck_assert_uint_eq(value, 0x1111111111111111ULL);
                bus_read(bus, i * 16ULL + 8, &value, 8);
                ck_assert_uint_eq(value, UINT64_MAX);
                ck_assert_uint_eq(recorders[i].n_reads, 1);
        }
        bus_free(bus);
}
END_TEST

CHECK_MAIN("bus", {"add refused", test_add_refused}, {"widths and ends", test_widths_and_ends},
           {"missing ops", test_missing_ops}, {"many ranges", test_many_ranges});
