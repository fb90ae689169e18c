/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int fd_close(int fd)
{
        int saved_errno = errno;

        if (fd >= 0) {
                /* close(2) frees the number whatever it returns; a retry could close another's. */
                (void)close(fd);
                errno = saved_errno;
        }
        return -1;
}

/* The system call itself: glibc's wrapper is younger than some libcs that this must build with. */
static int close_range_raw(unsigned first, unsigned last)
{
        if (syscall(SYS_close_range, first, last, 0U) < 0)
                return -errno;
        return 0;
}

int fd_close_all_except(const int *keep, size_t n_keep)
{
        unsigned first = 3;

        /* No allocation and no sorting in place: this runs between clone and exec. */
        for (;;) {
                unsigned next = UINT_MAX;
                int r;

                for (size_t i = 0; i < n_keep; i++)
                        if (keep[i] >= 0 && (unsigned)keep[i] >= first && (unsigned)keep[i] < next)
                                next = (unsigned)keep[i];
                if (next == UINT_MAX)
                        return close_range_raw(first, UINT_MAX);
                if (next > first) {
                        r = close_range_raw(first, next - 1);
                        if (r < 0)
                                return r;
                }
                first = next + 1;
        }
}

static int fd_set_flag(int fd, int get, int set, int flag, bool on)
{
        int flags = fcntl(fd, get);
        int wanted;

        if (flags < 0)
                return -errno;
        wanted = on ? flags | flag : flags & ~flag;
        if (wanted != flags && fcntl(fd, set, wanted) < 0)
                return -errno;
        return 0;
}

int fd_set_cloexec(int fd, bool on)
{
        return fd_set_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on);
}

int fd_set_nonblock(int fd, bool on)
{
        return fd_set_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, on);
}

int fd_count_open(void)
{
        DIR *dir = opendir("/proc/self/fd");
        struct dirent *entry;
        int n = 0;

        if (!dir)
                return -errno;
        while ((errno = 0, entry = readdir(dir)))
                if (entry->d_name[0] != '.')
                        n++;
        if (errno != 0)
                n = -errno;
        closedir(dir);
        return n < 0 ? n : n - 1; /* without the folder's own */
}

int fd_read_full(int fd, void *buffer, size_t size)
{
        char *p = buffer;

        while (size > 0) {
                ssize_t n = read(fd, p, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -EPIPE;
                p += n;
                size -= (size_t)n;
        }
        return 0;
}

int fd_pread_full(int fd, void *buffer, size_t size, uint64_t offset)
{
        char *p = buffer;

        while (size > 0) {
                ssize_t n;

                if (offset > INT64_MAX)
                        return -EPIPE; /* no file reaches there */
                n = pread(fd, p, size, (off_t)offset);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -EPIPE;
                p += n;
                size -= (size_t)n;
                offset += (uint64_t)n;
        }
        return 0;
}

int fd_write_full(int fd, const void *buffer, size_t size)
{
        const char *p = buffer;

        while (size > 0) {
                ssize_t n = write(fd, p, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -EPIPE;
                p += n;
                size -= (size_t)n;
        }
        return 0;
}
