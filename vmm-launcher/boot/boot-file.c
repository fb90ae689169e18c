/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "boot/boot-file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int boot_problem(BootProblem *problem, int error, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(problem->message, sizeof(problem->message), format, arguments);
        va_end(arguments);
        return error;
}

static int file_problem(const BootFile *file, int error, BootProblem *problem)
{
        return boot_problem(problem, error, "The %s cannot be read: %s. Check the file.",
                            file->what, strerror(-error));
}

static int file_shrunk(const BootFile *file, BootProblem *problem)
{
        return boot_problem(problem, -EIO,
                            "The %s became shorter while it was read. Give a file that nothing "
                            "else writes to.",
                            file->what);
}

/* The bytes read, fewer than size only at the file's end; or negative errno. */
static ssize_t pread_some(int fd, void *buffer, size_t size, uint64_t offset)
{
        size_t done = 0;

        while (done < size) {
                ssize_t n = pread(fd, (char *)buffer + done, size - done, (off_t)(offset + done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                done += (size_t)n;
        }
        return (ssize_t)done;
}

int boot_file_open(int fd, const char *what, BootFile *ret, BootProblem *problem)
{
        struct stat st;
        ssize_t n;

        ret->fd = fd;
        ret->what = what;
        if (fstat(fd, &st) < 0)
                return file_problem(ret, -errno, problem);
        if (!S_ISREG(st.st_mode))
                return boot_problem(problem, -EINVAL,
                                    "The %s is not a regular file. Give a file of bytes.", what);
        if (st.st_size <= 0)
                return boot_problem(problem, -ENOEXEC,
                                    "The %s is empty. Check how the file was made or copied.",
                                    what);
        ret->size = (uint64_t)st.st_size;
        ret->head_size = ret->size < BOOT_FILE_HEAD ? (size_t)ret->size : BOOT_FILE_HEAD;
        n = pread_some(fd, ret->head, ret->head_size, 0);
        if (n < 0)
                return file_problem(ret, (int)n, problem);
        if ((size_t)n < ret->head_size)
                return file_shrunk(ret, problem);
        return 0;
}

static int file_check_range(const BootFile *file, uint64_t offset, uint64_t size,
                            BootProblem *problem)
{
        if (boot_range_within(offset, size, 0, file->size))
                return 0;
        return boot_problem(problem, -ENOEXEC,
                            "The %s is truncated or damaged: it refers to %" PRIu64
                            " bytes at offset %" PRIu64 " and has %" PRIu64
                            ". Copy or build it again.",
                            file->what, size, offset, file->size);
}

int boot_file_read(const BootFile *file, uint64_t offset, void *buffer, size_t size,
                   BootProblem *problem)
{
        ssize_t n;
        int r;

        r = file_check_range(file, offset, size, problem);
        if (r < 0)
                return r;
        if (offset + size <= file->head_size) {
                memcpy(buffer, file->head + offset, size);
                return 0;
        }
        n = pread_some(file->fd, buffer, size, offset);
        if (n < 0)
                return file_problem(file, (int)n, problem);
        return (size_t)n == size ? 0 : file_shrunk(file, problem);
}

int boot_file_load(const BootFile *file, uint64_t offset, uint64_t size, GuestMemory *memory,
                   uint64_t address, BootProblem *problem)
{
        int r;

        r = file_check_range(file, offset, size, problem);
        if (r < 0)
                return r;
        r = guest_memory_read_from_fd(memory, address, file->fd, offset, size);
        if (r == -EFAULT)
                return boot_problem(problem, r,
                                    "The %s does not fit: no memory at 0x%" PRIx64 " to 0x%" PRIx64
                                    ". Raise memory_mib.",
                                    file->what, address, address + size);
        if (r == -EIO)
                return file_shrunk(file, problem);
        return r < 0 ? file_problem(file, r, problem) : 0;
}

bool boot_file_has(const BootFile *file, size_t offset, const void *magic, size_t size)
{
        return boot_range_within(offset, size, 0, file->head_size) &&
               memcmp(file->head + offset, magic, size) == 0;
}
