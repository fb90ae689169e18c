/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"

#define COPY_CHUNK  (128U * 1024U)
#define READ_CHUNK  4096U
#define RANGE_CHUNK (1U << 30)

int fd_read_file_at(int dir_fd, const char *path, size_t max, char **ret_data, size_t *ret_size)
{
        _cleanup_close_ int fd = -1;
        _cleanup_free_ char *data = NULL;
        size_t size = 0, room = 0;
        struct stat st;

        fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISREG(st.st_mode) && st.st_size > 0 && (uint64_t)st.st_size <= max)
                room = (size_t)st.st_size + 1; /* a hint: the end of the file decides */

        for (;;) {
                ssize_t n;

                if (!data || size == room) {
                        char *bigger;

                        if (data || room == 0)
                                room = CONST_MAX(2 * room, (size_t)READ_CHUNK);
                        if (room > max && max < SIZE_MAX)
                                room = max + 1;
                        bigger = realloc(data, room + 1);
                        if (!bigger)
                                return -ENOMEM;
                        data = bigger;
                }
                n = read(fd, data + size, room - size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += (size_t)n;
                if (size > max)
                        return -E2BIG;
        }
        data[size] = '\0';
        *ret_data = TAKE_PTR(data);
        if (ret_size)
                *ret_size = size;
        return 0;
}

/* "a/b/c" -> folder "a/b" (opened) and name "c". */
static int open_parent(int dir_fd, const char *path, int *ret_fd, const char **ret_name)
{
        const char *slash = strrchr(path, '/');
        const char *name = slash ? slash + 1 : path;
        char folder[PATH_MAX] = ".";
        int fd;

        if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                return -EINVAL;
        if (slash) {
                size_t n = slash == path ? 1 : (size_t)(slash - path);

                if (n >= sizeof(folder))
                        return -ENAMETOOLONG;
                memcpy(folder, path, n);
                folder[n] = '\0';
        }
        fd = openat(dir_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        *ret_name = name;
        return 0;
}

static int write_new_file(int folder_fd, const char *name, const void *data, size_t size,
                          mode_t mode)
{
        _cleanup_close_ int fd = -1;
        int r;

        fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        r = fd_write_full(fd, data, size);
        if (r >= 0 && fchmod(fd, mode) < 0) /* past the umask */
                r = -errno;
        if (r >= 0 && fsync(fd) < 0)
                r = -errno;
        if (r < 0)
                (void)unlinkat(folder_fd, name, 0);
        return r;
}

int fd_write_file_atomic_at(int dir_fd, const char *path, const void *data, size_t size,
                            mode_t mode)
{
        _cleanup_close_ int folder_fd = -1;
        char temporary[NAME_MAX + 1];
        const char *name;
        int n, r;

        r = open_parent(dir_fd, path, &folder_fd, &name);
        if (r < 0)
                return r;
        n = snprintf(temporary, sizeof(temporary), ".%s.tmp", name);
        if (n < 0 || (size_t)n >= sizeof(temporary))
                return -ENAMETOOLONG;

        /* What a writer that was killed left behind goes here: the name is always the same. */
        if (unlinkat(folder_fd, temporary, 0) < 0 && errno != ENOENT)
                return -errno;
        r = write_new_file(folder_fd, temporary, data, size, mode);
        if (r < 0)
                return r;
        if (renameat(folder_fd, temporary, folder_fd, name) < 0) {
                r = -errno;
                (void)unlinkat(folder_fd, temporary, 0);
                return r;
        }
        if (fsync(folder_fd) < 0)
                return -errno;
        return 0;
}

/* One step of a copy through a buffer, where the kernel cannot copy by itself. */
static ssize_t copy_chunk(int src, int dst, off_t offset, size_t n, char **buffer)
{
        ssize_t got, done = 0;

        if (!*buffer) {
                *buffer = malloc(COPY_CHUNK);
                if (!*buffer) {
                        errno = ENOMEM;
                        return -1;
                }
        }
        got = pread(src, *buffer, CONST_MIN(n, (size_t)COPY_CHUNK), offset);
        if (got < 0)
                return -1;
        while (done < got) {
                ssize_t written = pwrite(dst, *buffer + done, (size_t)(got - done), offset + done);

                if (written < 0 && errno == EINTR)
                        continue;
                if (written < 0)
                        return -1;
                done += written;
        }
        return got;
}

static bool kernel_cannot_copy(int error)
{
        return error == EXDEV || error == EINVAL || error == ENOSYS || error == EOPNOTSUPP ||
               error == ETXTBSY || error == EPERM;
}

int fd_copy_file(int src, int dst, uint64_t max)
{
        _cleanup_free_ char *buffer = NULL;
        bool by_kernel = true;
        uint64_t done = 0;

        if (max > INT64_MAX)
                max = INT64_MAX;
        while (done < max) {
                size_t want = (size_t)CONST_MIN(max - done, (uint64_t)RANGE_CHUNK);
                off_t in = (off_t)done, out = (off_t)done;
                ssize_t n;

                n = by_kernel ? copy_file_range(src, &in, dst, &out, want, 0)
                              : copy_chunk(src, dst, in, want, &buffer);
                if (n < 0 && errno == EINTR)
                        continue;
                /* It also returns 0 for files whose size it cannot tell: the read decides. */
                if (by_kernel && (n == 0 || (n < 0 && kernel_cannot_copy(errno)))) {
                        by_kernel = false;
                        continue;
                }
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return 0;
                done += (uint64_t)n;
        }

        for (;;) {
                char beyond;
                ssize_t n = pread(src, &beyond, 1, (off_t)done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                return n == 0 ? 0 : -EFBIG;
        }
}
