/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "boot-test.h"
#include "boot/boot-file.h"

START_TEST(loads_at_the_preferred_address)
{
        TestBzImage file = test_bzimage();
        GuestMemory *memory = test_memory();
        const uint8_t *bytes = test_memory_bytes(memory);
        int fd = image_fd(&file, sizeof(file));
        BootProblem problem = {0};
        BootImage image = {0};

        ck_assert_int_eq(boot_image_load(fd, memory, &test_place, &image, &problem), 0);
        ck_assert_int_eq(image.format, BOOT_FORMAT_BZIMAGE);
        ck_assert_uint_eq(image.entry, TEST_BZ_ADDRESS + 0x200);
        ck_assert_uint_eq(image.end, TEST_BZ_ADDRESS + TEST_BZ_INIT);
        ck_assert_uint_eq(image.cmdline_max, 2047);
        ck_assert_uint_eq(image.initrd_addr_max, UINT64_MAX);
        ck_assert_uint_eq(image.setup_header_size, 0x26c - TEST_BZ_HEADER);
        ck_assert_mem_eq(image.setup_header, file.bytes + TEST_BZ_HEADER, image.setup_header_size);
        ck_assert_mem_eq(bytes + TEST_BZ_ADDRESS, file.bytes + TEST_BZ_SETUP, TEST_BZ_PAYLOAD);
        ck_assert_uint_eq(bytes[TEST_BZ_ADDRESS + TEST_BZ_PAYLOAD], 0);
        guest_memory_free(memory);
        fd_close(fd);
}
END_TEST

static BootImage load_with(TestBzImage *file)
{
        BootProblem problem;
        BootImage image = {0};
        int r = load_image(file, sizeof(*file), &image, &problem);

        ck_assert_msg(r == 0, "%d: %s", r, problem.message);
        return image;
}

START_TEST(places_by_the_header)
{
        TestBzImage file = test_bzimage();

        /* A relocatable kernel goes up to where it may lie, aligned. */
        test_bzimage_header(&file)->pref_address = 0;
        ck_assert_uint_eq(load_with(&file).entry, 0x200000 + 0x200);
        test_bzimage_header(&file)->pref_address = 0x300000;
        ck_assert_uint_eq(load_with(&file).entry, 0x400000 + 0x200);
        /* Another one stays where it must be, however odd. */
        test_bzimage_header(&file)->relocatable_kernel = 0;
        ck_assert_uint_eq(load_with(&file).entry, 0x300000 + 0x200);
        test_bzimage_header(&file)->pref_address = 0x1000;
        expect_refusal(&file, sizeof(file), -ENOEXEC, "CONFIG_RELOCATABLE");
        /* Just fitting, and one byte more. */
        file = test_bzimage();
        test_bzimage_header(&file)->init_size = TEST_MEMORY - TEST_BZ_ADDRESS;
        ck_assert_uint_eq(load_with(&file).end, TEST_MEMORY);
        test_bzimage_header(&file)->init_size++;
        expect_refusal(&file, sizeof(file), -EFAULT, "memory_mib");
}
END_TEST

START_TEST(header_may_be_shorter_and_the_file_signed)
{
        uint8_t bytes[TEST_BZ_SIZE + 1472] = {0};
        TestBzImage file = test_bzimage();
        BootProblem problem;
        BootImage image;

        test_bzimage_header(&file)->version = 0x020c;
        file.bytes[0x201] = 0x62; /* ends with init_size */
        test_bzimage_header(&file)->setup_sects = 1;
        test_bzimage_header(&file)->xloadflags = XLF_KERNEL_64;
        ck_assert_uint_eq(load_with(&file).initrd_addr_max, 0x7fffffff);
        ck_assert_uint_eq(load_with(&file).setup_header_size, 0x264 - TEST_BZ_HEADER);
        memcpy(bytes, &file, sizeof(file));
        memset(bytes + sizeof(file), 0x5a, sizeof(bytes) - sizeof(file));
        ck_assert_int_eq(load_image(bytes, sizeof(bytes), &image, &problem), 0);
}
END_TEST

START_TEST(zero_setup_sectors_are_four)
{
        uint8_t bytes[5 * 512 + TEST_BZ_PAYLOAD] = {0};
        TestBzImage file = test_bzimage();
        BootProblem problem;
        BootImage image;

        test_bzimage_header(&file)->setup_sects = 0;
        expect_refusal(&file, sizeof(file), -ENOEXEC, "truncated");
        memcpy(bytes, &file, TEST_BZ_SETUP);
        ck_assert_int_eq(load_image(bytes, sizeof(bytes), &image, &problem), 0);
}
END_TEST

START_TEST(refuses_what_it_cannot_enter)
{
        TestBzImage file = test_bzimage();

        test_bzimage_header(&file)->boot_flag = 0xaa54;
        expect_refusal(&file, sizeof(file), -ENOEXEC, "boot flag");
        file = test_bzimage();
        test_bzimage_header(&file)->version = 0x020b;
        expect_refusal(&file, sizeof(file), -ENOEXEC, "boot protocol 2.11");
        file = test_bzimage();
        test_bzimage_header(&file)->loadflags = 0;
        expect_refusal(&file, sizeof(file), -ENOEXEC, "zImage");
        file = test_bzimage();
        test_bzimage_header(&file)->xloadflags = XLF_CAN_BE_LOADED_ABOVE_4G;
        expect_refusal(&file, sizeof(file), -ENOEXEC, "32-bit Linux");
        file = test_bzimage();
        test_bzimage_header(&file)->kernel_alignment = 0x300000;
        expect_refusal(&file, sizeof(file), -ENOEXEC, "power of two");
        file = test_bzimage();
        test_bzimage_header(&file)->syssize = 0x20;
        expect_refusal(&file, sizeof(file), -ENOEXEC, "not enough for an entry");
        file = test_bzimage();
        test_bzimage_header(&file)->syssize++;
        expect_refusal(&file, sizeof(file), -ENOEXEC, "truncated");
        file = test_bzimage();
        test_bzimage_header(&file)->init_size = TEST_BZ_PAYLOAD - 1;
        expect_refusal(&file, sizeof(file), -ENOEXEC, "init_size");
        file = test_bzimage();
        file.bytes[0x201] = 0x61;
        expect_refusal(&file, sizeof(file), -ENOEXEC, "shorter");
}
END_TEST

START_TEST(truncated_at_every_length)
{
        TestBzImage file = test_bzimage();

        for (size_t size = 0; size < sizeof(file); size++) {
                BootProblem problem;
                BootImage image;

                ck_assert_int_lt(load_image(&file, size, &image, &problem), 0);
        }
        expect_refusal(&file, 0x26b, -ENOEXEC, "ends inside its setup header");
        expect_refusal(&file, 0x26c, -ENOEXEC, "truncated");
}
END_TEST

START_TEST(hostile_fields)
{
        unsigned n_loaded = 0, n_refused = 0;

        for (size_t width = 1; width <= 8; width *= 2) {
                for (size_t at = TEST_BZ_HEADER; at + width <= 0x290; at++) {
                        for (size_t i = 0; i < ARRAY_SIZE(hostile_values); i++) {
                                TestBzImage file = test_bzimage();
                                BootProblem problem;
                                BootImage image;

                                memcpy(file.bytes + at, &hostile_values[i], width);
                                if (load_image(&file, sizeof(file), &image, &problem) < 0)
                                        n_refused++;
                                else
                                        n_loaded++;
                        }
                }
        }
        ck_assert_uint_gt(n_refused, 100);
        ck_assert_uint_gt(n_loaded, 100);
}
END_TEST

START_TEST(shrinking_file_is_an_error)
{
        TestBzImage image_bytes = test_bzimage();
        GuestMemory *memory = test_memory();
        int fd = image_fd(&image_bytes, sizeof(image_bytes));
        BootProblem problem = {0};
        BootImage image = {0};
        BootFile file;

        ck_assert_int_eq(boot_file_open(fd, "kernel image", &file, &problem), 0);
        ck_assert_int_eq(ftruncate(fd, TEST_BZ_SETUP + 17), 0);
        ck_assert_int_eq(bzimage_load(&file, memory, &test_place, &image, &problem), -EIO);
        check_problem(&problem);
        guest_memory_free(memory);
        fd_close(fd);
}
END_TEST

/* A distribution's kernel, where the caller names one. */
START_TEST(loads_a_real_kernel)
{
        const char *path = getenv("VMSERVICE_TEST_BZIMAGE");
        const GuestRegion layout = {.size = 256ULL << 20};
        const BootPlace place = {TEST_LOWEST, 256ULL << 20};
        GuestMemory *memory = NULL;
        BootProblem problem = {0};
        BootImage image = {0};
        int fd, r;

        if (!path)
                return;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(guest_memory_new(&layout, 1, &memory), 0);
        r = boot_image_load(fd, memory, &place, &image, &problem);
        ck_assert_msg(r == 0, "%d: %s", r, problem.message);
        ck_assert_int_eq(image.format, BOOT_FORMAT_BZIMAGE);
        ck_assert_uint_eq(image.entry, 0x1000000 + 0x200);
        ck_assert_uint_ge(image.cmdline_max, 255);
        guest_memory_free(memory);
        fd_close(fd);
}
END_TEST

CHECK_MAIN("boot-bzimage", {"load", loads_at_the_preferred_address},
           {"place", places_by_the_header},
           {"short-header", header_may_be_shorter_and_the_file_signed},
           {"setup-sectors", zero_setup_sectors_are_four}, {"refuse", refuses_what_it_cannot_enter},
           {"truncated", truncated_at_every_length}, {"hostile", hostile_fields},
           {"shrink", shrinking_file_is_an_error}, {"real", loads_a_real_kernel});
