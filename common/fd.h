/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* File descriptors: ownership, checks of descriptors that strangers hand in, atomic writes. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/cleanup.h"

/* Closes fd if it is >= 0, keeps errno, returns -1. */
int fd_close(int fd);

static inline void fd_closep(int *fd)
{
        *fd = fd_close(*fd);
}

#define _cleanup_close_ _cleanup_(fd_closep)

typedef enum FdAccess {
        FD_ACCESS_READ,
        FD_ACCESS_WRITE,
        FD_ACCESS_READ_WRITE,
} FdAccess;

/*
 * Checks a descriptor that a stranger handed in as a file of bytes: a regular file (or a block
 * device if allowed; a memfd counts as a regular file, but for writing not a sealed one), really
 * opened (no O_PATH), with at least the access asked for (and for writing no O_APPEND), and not on
 * procfs, sysfs or another pseudo file system whose reads have
 * effects (/proc/self/mem).
 * Returns 0, or -EBADF with a sentence that names cause and fix in *ret_why (static storage).
 */
int fd_check_file(int fd, FdAccess access, bool allow_block_device, const char **ret_why);

/* The same of one handed in as a stream to talk over: a stream socket that is not listening. */
int fd_check_stream_socket(int fd, const char **ret_why);

/* Closes every descriptor from 3 on that is not among keep (any order, -1 is passed over). Returns
 * 0 or negative errno. Needs close_range(2) (Linux 5.9); safe between fork and exec. */
int fd_close_all_except(const int *keep, size_t n_keep);

/* Sets or clears FD_CLOEXEC, O_NONBLOCK. 0 or negative errno. */
int fd_set_cloexec(int fd, bool on);
int fd_set_nonblock(int fd, bool on);

/* The number of descriptors this process has open (from /proc/self/fd), or negative errno. */
int fd_count_open(void);

/* Reads or writes all of it, through EINTR and short counts. 0, negative errno; -EPIPE on early
 * end. Offsets and sizes in bytes. */
int fd_read_full(int fd, void *buffer, size_t size);
int fd_pread_full(int fd, void *buffer, size_t size, uint64_t offset);
int fd_write_full(int fd, const void *buffer, size_t size);

/*
 * Reads a whole small file below dir_fd (AT_FDCWD for the current folder), NUL-terminated.
 * -E2BIG if it is larger than max. The caller frees *ret_data. ret_size may be NULL.
 */
int fd_read_file_at(int dir_fd, const char *path, size_t max, char **ret_data, size_t *ret_size);

/*
 * Replaces path below dir_fd by data: temporary file, fsync, rename, fsync of the folder. A reader
 * sees the old or the new content and never a part. On failure nothing is left behind; a writer
 * that is killed may leave ".NAME.tmp", which the next write of the same path removes. One writer
 * per path at a time. 0 or negative errno; after a failed fsync of the folder (the only failure
 * past the rename) the new content is in place, perhaps not yet on the disk.
 */
int fd_write_file_atomic_at(int dir_fd, const char *path, const void *data, size_t size,
                            mode_t mode);

/* Copies src from its start to dst (empty), at most max bytes: -EFBIG beyond. Keeps the offsets of
 * both. */
int fd_copy_file(int src, int dst, uint64_t max);
