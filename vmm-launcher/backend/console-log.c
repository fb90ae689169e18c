/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "backend/console-internal.h"

#define LOG_SIZE_MIN 4096U

static int log_check_fd(int fd, uint64_t *ret_length)
{
        struct stat st;
        int flags = fcntl(fd, F_GETFL);

        if (flags < 0 || (flags & O_ACCMODE) != O_RDWR || flags & O_PATH)
                return -EBADF;
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return -EBADF;
        *ret_length = (uint64_t)st.st_size;
        return 0;
}

int console_log_open(ConsoleLog *log, const ConsoleConfig *config)
{
        uint64_t length = 0, previous_length = 0;
        int r;

        *log = (ConsoleLog){.fd = -1, .previous_fd = -1};
        if (config->log_fd < 0)
                return 0;
        if (config->log_size < LOG_SIZE_MIN)
                return -EINVAL;
        r = log_check_fd(config->log_fd, &length);
        if (r == 0 && config->log_previous_fd >= 0)
                r = log_check_fd(config->log_previous_fd, &previous_length);
        if (r < 0)
                return r;
        *log = (ConsoleLog){.fd = config->log_fd,
                            .previous_fd = config->log_previous_fd,
                            .size_max = config->log_size,
                            .length = length};
        return 0;
}

/* Bytes written, or negative errno; a short count is followed by the error. */
static ssize_t log_pwrite(int fd, const uint8_t *data, size_t size, uint64_t offset)
{
        ssize_t n;

        do
                n = pwrite(fd, data, size, (off_t)offset);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        return n > 0 ? n : -ENOSPC;
}

static int log_copy_chunk(const ConsoleLog *log, uint64_t from, uint64_t to, size_t size)
{
        uint8_t buffer[CONSOLE_CHUNK];
        ssize_t n, written;

        n = pread(log->fd, buffer, CONST_MIN(size, sizeof(buffer)), (off_t)from);
        if (n <= 0)
                return n < 0 ? -errno : -EPIPE;
        for (ssize_t done = 0; done < n; done += written) {
                written = log_pwrite(log->previous_fd, buffer + done, (size_t)(n - done),
                                     to + (uint64_t)done);
                if (written < 0)
                        return (int)written;
        }
        return (int)n;
}

/* The last size_max bytes: an older, larger log may have been handed over. */
static int log_copy_to_previous(const ConsoleLog *log)
{
        uint64_t from = log->length > log->size_max ? log->length - log->size_max : 0, to = 0;

        if (ftruncate(log->previous_fd, 0) < 0)
                return -errno;
        while (from < log->length) {
                int r = log_copy_chunk(log, from, to, log->length - from);

                if (r < 0)
                        return r;
                from += (uint64_t)r;
                to += (uint64_t)r;
        }
        return 0;
}

static void log_note_failure(ConsoleLog *log, int error, const char *what)
{
        if (!log->failing)
                log_warning_errno(error, "console log: %s", what);
        log->failing = true;
}

static int log_rotate(ConsoleLog *log)
{
        int r = 0;

        if (log->previous_fd >= 0)
                r = log_copy_to_previous(log);
        if (r < 0)
                log_note_failure(log, r, "the part before cannot be kept, ignoring");
        /* Also after that, since the bound comes first: the latest output is worth more. */
        if (ftruncate(log->fd, 0) < 0)
                return -errno;
        log->length = 0;
        return 0;
}

/* Writes all of it across rotations. Returns how many bytes went out before an error, if any. */
static size_t log_write_all(ConsoleLog *log, const uint8_t *data, size_t size)
{
        size_t done = 0;

        while (done < size) {
                ssize_t n = 0;

                if (log->length >= log->size_max)
                        n = log_rotate(log);
                if (n == 0)
                        n = log_pwrite(log->fd, data + done,
                                       CONST_MIN(size - done, log->size_max - log->length),
                                       log->length);
                if (n < 0) {
                        log_note_failure(log, (int)n, "output is lost until it can be written");
                        return done;
                }
                done += (size_t)n;
                log->length += (uint64_t)n;
        }
        return done;
}

static bool log_write_lost(ConsoleLog *log)
{
        char line[CONSOLE_NOTE_MAX];
        int length;

        if (log->lost == 0)
                return true;
        length = snprintf(line, sizeof(line), "\n[... %" PRIu64 " bytes lost ...]\n", log->lost);
        if (log_write_all(log, (const uint8_t *)line, (size_t)length) < (size_t)length)
                return false;
        log->lost = 0;
        return true;
}

bool console_log_pump(Console *console, uint64_t budget)
{
        ConsoleLog *log = &console->log;
        uint8_t chunk[CONSOLE_CHUNK];

        if (log->fd < 0)
                return false;
        for (uint64_t done = 0; done < budget;) {
                uint64_t lost = 0;
                size_t written = 0;
                size_t n = console_ring_copy(&console->ring, &log->position, chunk, sizeof(chunk),
                                             &lost);

                log->lost += lost;
                console->dropped += lost;
                if (n == 0)
                        return false;
                if (log_write_lost(log))
                        written = log_write_all(log, chunk, n);
                if (written == n)
                        log->failing = false;
                log->lost += n - written;
                console->dropped += n - written;
                log->position += n;
                done += n;
        }
        return true;
}
