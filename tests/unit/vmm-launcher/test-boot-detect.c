/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Formats by their magic, initrd, command line. */

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "boot-test.h"

START_TEST(names_what_it_does_not_boot)
{
        static const struct {
                size_t offset;
                const char *magic;
                size_t size;
                const char *word;
        } cases[] = {
                {0, "\x1f\x8b\x08", 3, "gunzip"},
                {0,
                 "\xfd"
                 "7zXZ\0",
                 6, "unxz"},
                {0, "\x28\xb5\x2f\xfd", 4, "unzstd"},
                {0, "BZh9", 4, "bunzip2"},
                {0, "#!/bin/sh\n", 10, "script"},
                {0, "070701", 6, "initrd"},
                {0, "QFI\xfb", 4, "qcow2"},
                {0, "MZ", 2, "EFI or Windows program"},
                {0, "MZ\0\0zimg", 8, "EFI zboot"},
                {0x38, "ARM\x64", 4, "arm64"},
                {0x1fe, "\x55\xaa", 2, "boot sector"},
                {0, "hello, world", 12, "no format that is known"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                uint8_t bytes[1024] = {0};

                memcpy(bytes + cases[i].offset, cases[i].magic, cases[i].size);
                expect_refusal(bytes, sizeof(bytes), -ENOEXEC, cases[i].word);
                expect_refusal(bytes, cases[i].offset + cases[i].size, -ENOEXEC, cases[i].word);
        }
        expect_refusal("", 0, -ENOEXEC, "empty");
}
END_TEST

static void expect_fd_refusal(int fd, int error, const char *word)
{
        GuestMemory *memory = test_memory();
        BootProblem problem = {0};
        BootImage image = {0};

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(boot_image_load(fd, memory, &test_place, &image, &problem), error);
        check_problem(&problem);
        ck_assert_ptr_nonnull(strstr(problem.message, word));
        guest_memory_free(memory);
        fd_close(fd);
}

START_TEST(refuses_what_is_no_file)
{
        TestElf elf = test_elf();
        int sockets[2], fd;

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
        expect_fd_refusal(sockets[0], -EINVAL, "regular file");
        fd_close(sockets[1]);
        expect_fd_refusal(open("/tmp", O_RDONLY | O_CLOEXEC), -EINVAL, "regular file");
        expect_fd_refusal(open("/dev/null", O_RDONLY | O_CLOEXEC), -EINVAL, "regular file");
        /* A file that cannot be read: its mode is wrong. */
        fd = image_fd(&elf, sizeof(elf));
        {
                char path[64];

                (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
                expect_fd_refusal(open(path, O_WRONLY | O_CLOEXEC), -EBADF, "cannot be read");
        }
        fd_close(fd);
        fd = dup(0);
        fd_close(fd);
        {
                GuestMemory *memory = test_memory();
                BootProblem problem = {0};
                BootImage image = {0};

                ck_assert_int_eq(boot_image_load(fd, memory, &test_place, &image, &problem),
                                 -EBADF);
                check_problem(&problem);
                guest_memory_free(memory);
        }
}
END_TEST

typedef struct InitrdRun {
        int result;
        uint64_t address, size;
        BootProblem problem;
} InitrdRun;

static InitrdRun initrd_load(size_t size, uint64_t image_end, uint64_t addr_max)
{
        const BootImage image = {.end = image_end, .initrd_addr_max = addr_max};
        GuestMemory *memory = test_memory();
        uint8_t *bytes = malloc(size + 1);
        InitrdRun run = {0};
        int fd;

        memset(bytes, 0xab, size);
        fd = image_fd(bytes, size);
        run.result = boot_initrd_load(fd, memory, &test_place, &image, &run.address, &run.size,
                                      &run.problem);
        if (run.result == 0)
                ck_assert_mem_eq(test_memory_bytes(memory) + run.address, bytes, size);
        else
                check_problem(&run.problem);
        free(bytes);
        fd_close(fd);
        guest_memory_free(memory);
        return run;
}

START_TEST(initrd_lies_as_high_as_it_may)
{
        InitrdRun run = initrd_load(5000, 0x200000, UINT64_MAX);

        ck_assert_int_eq(run.result, 0);
        ck_assert_uint_eq(run.address, TEST_MEMORY - 8192);
        ck_assert_uint_eq(run.size, 5000);
        /* The limit is the last byte's address, and need not be a page's end. */
        run = initrd_load(4096, 0x200000, 0x3fffff);
        ck_assert_uint_eq(run.address, 0x3ff000);
        run = initrd_load(4096, 0x200000, 0x3ffffe);
        ck_assert_uint_eq(run.address, 0x3fe000);
        /* Just room above the kernel, and one byte less. */
        run = initrd_load(TEST_MEMORY - 0x200000, 0x200000, UINT64_MAX);
        ck_assert_int_eq(run.result, 0);
        ck_assert_uint_eq(run.address, 0x200000);
        run = initrd_load(TEST_MEMORY - 0x200000, 0x200001, UINT64_MAX);
        ck_assert_int_eq(run.result, -EFAULT);
        ck_assert_ptr_nonnull(strstr(run.problem.message, "smaller initrd"));
        run = initrd_load(1, 0x200000, 0);
        ck_assert_int_eq(run.result, -EFAULT);
        run = initrd_load(TEST_MEMORY + 1, 0x200000, UINT64_MAX);
        ck_assert_int_eq(run.result, -EFAULT);
        run = initrd_load(1, 0, UINT64_MAX);
        ck_assert_uint_eq(run.address, TEST_MEMORY - 4096);
        run = initrd_load(0, 0x200000, UINT64_MAX);
        ck_assert_int_eq(run.result, -ENOEXEC);
        ck_assert_ptr_nonnull(strstr(run.problem.message, "initrd is empty"));
}
END_TEST

START_TEST(command_line_limits)
{
        const BootImage image = {.cmdline_max = 10};
        GuestMemory *memory = test_memory();
        const uint8_t *bytes = test_memory_bytes(memory);
        BootProblem problem = {0};

        ck_assert_int_eq(guest_memory_fill(memory, 0, 0xff, 64), 0);
        ck_assert_int_eq(boot_cmdline_load("0123456789", memory, &image, 0, 64, &problem), 0);
        ck_assert_mem_eq(bytes, "0123456789\0\xff", 12);
        ck_assert_int_eq(boot_cmdline_load(NULL, memory, &image, 0, 64, &problem), 0);
        ck_assert_mem_eq(bytes,
                         "\0"
                         "123456789",
                         10);
        ck_assert_int_eq(boot_cmdline_load("0123456789a", memory, &image, 0, 64, &problem), -E2BIG);
        check_problem(&problem);
        ck_assert_ptr_nonnull(strstr(problem.message, "11 bytes"));
        ck_assert_ptr_nonnull(strstr(problem.message, "at most 10"));
        /* Room counts the NUL. */
        ck_assert_int_eq(boot_cmdline_load("012", memory, &image, 0, 4, &problem), 0);
        ck_assert_int_eq(boot_cmdline_load("0123", memory, &image, 0, 4, &problem), -E2BIG);
        check_problem(&problem);
        ck_assert_int_eq(boot_cmdline_load("", memory, &image, 0, 0, &problem), -E2BIG);
        ck_assert_int_eq(boot_cmdline_load("0", memory, &image, TEST_MEMORY, 4, &problem), -EFAULT);
        check_problem(&problem);
        guest_memory_free(memory);
}
END_TEST

CHECK_MAIN("boot-detect", {"formats", names_what_it_does_not_boot},
           {"no-file", refuses_what_is_no_file}, {"initrd", initrd_lies_as_high_as_it_may},
           {"cmdline", command_line_limits});
