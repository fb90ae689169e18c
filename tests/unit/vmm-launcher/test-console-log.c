/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The console's log: bounded in two parts, followed while it is written, and short of space. */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "console-test.h"

#define LOG_SIZE 4096U

static size_t file_size(int fd)
{
        struct stat st;

        ck_assert_int_eq(fstat(fd, &st), 0);
        return (size_t)st.st_size;
}

static uint8_t stream_byte(size_t at)
{
        return (uint8_t)(at * 7 + at / 251);
}

static uint8_t *stream(size_t from, size_t size)
{
        uint8_t *bytes = malloc(size + 1);

        ck_assert_ptr_nonnull(bytes);
        for (size_t i = 0; i < size; i++)
                bytes[i] = stream_byte(from + i);
        return bytes;
}

static void output_stream(ConsoleFixture *f, size_t from, size_t size)
{
        uint8_t *bytes = stream(from, size);

        console_output(f->console, bytes, size);
        free(bytes);
}

static void expect_stream(int fd, size_t file_offset, size_t from, size_t size)
{
        uint8_t *bytes = malloc(size + 1), *expected = stream(from, size);

        ck_assert_int_eq(pread(fd, bytes, size, (off_t)file_offset), (ssize_t)size);
        if (size > 0)
                ck_assert_mem_eq(bytes, expected, size);
        free(bytes);
        free(expected);
}

/* Around every boundary of the first parts: both hold what they should, to the byte. */
START_TEST(rotation_boundaries)
{
        for (size_t part = 1; part <= 3; part++) {
                for (size_t total = part * LOG_SIZE - 2; total <= part * LOG_SIZE + 2; total++) {
                        ConsoleFixture *f = fixture_new(1 << 20, LOG_SIZE);
                        size_t n_log = total - (total - 1) / LOG_SIZE * LOG_SIZE;

                        for (size_t at = 0; at < total; at += 500)
                                output_stream(f, at, total - at < 500 ? total - at : 500);
                        fixture_turn(f);
                        ck_assert_uint_eq(file_size(f->log_fd), n_log);
                        expect_stream(f->log_fd, 0, total - n_log, n_log);
                        ck_assert_uint_eq(file_size(f->previous_fd),
                                          total > LOG_SIZE ? LOG_SIZE : 0);
                        if (total > LOG_SIZE)
                                expect_stream(f->previous_fd, 0, total - n_log - LOG_SIZE,
                                              LOG_SIZE);
                        fixture_free(f);
                }
        }
}
END_TEST

/* tail -f by the rule that console.h states, with the descriptors that it has from the start. */
START_TEST(follower_misses_nothing)
{
        ConsoleFixture *f = fixture_new(1 << 16, LOG_SIZE);
        size_t n_out = 0, n_followed = 0, offset = 0;
        unsigned n_rotations = 0;

        for (size_t i = 0; n_out < 200000; i++) {
                size_t piece = 1 + i * 37 % 512, size;

                output_stream(f, n_out, piece);
                n_out += piece;
                fixture_turn(f);
                if (i % 5 != 0)
                        continue;
                size = file_size(f->log_fd);
                if (size < offset) {
                        size_t rest = file_size(f->previous_fd) - offset;

                        expect_stream(f->previous_fd, offset, n_followed, rest);
                        n_followed += rest;
                        offset = 0;
                        n_rotations++;
                }
                expect_stream(f->log_fd, offset, n_followed, size - offset);
                n_followed += size - offset;
                offset = size;
                ck_assert_uint_eq(n_followed, n_out);
        }
        ck_assert_uint_gt(n_rotations, 10);
        fixture_free(f);
}
END_TEST

START_TEST(bounded_in_a_flood)
{
        ConsoleFixture *f = fixture_new(TEST_RING, LOG_SIZE);

        for (size_t i = 0; i < 4000; i++) {
                output_stream(f, i * 512, 512);
                if (i % 50 == 0) {
                        fixture_turn(f);
                        ck_assert_uint_le(file_size(f->log_fd), LOG_SIZE);
                        ck_assert_uint_le(file_size(f->previous_fd), LOG_SIZE);
                }
        }
        fixture_free(f);
}
END_TEST

/* Printed faster than the loop turns: the log says what it has not got. */
START_TEST(says_what_it_lost)
{
        ConsoleFixture *f = fixture_new(1024, 1 << 20);
        char text[4096] = {0};
        ConsoleStats stats;

        output(f, "start");
        fixture_turn(f);
        for (int i = 0; i < 5; i++)
                output_stream(f, 0, 500);
        output(f, "last words");
        fixture_turn(f);
        ck_assert_int_gt(pread(f->log_fd, text, sizeof(text) - 1, 0), 0);
        ck_assert_int_eq(memcmp(text, "start\n[... 1486 bytes lost ...]\n", 31), 0);
        ck_assert_uint_eq(file_size(f->log_fd), 32 + 1024);
        ck_assert_int_eq(memcmp(text + 32 + 1014, "last words", 10), 0);
        console_get_stats(f->console, &stats);
        ck_assert_uint_eq(stats.output_bytes, 5 + 2500 + 10);
        ck_assert_uint_eq(stats.dropped_bytes, 1486);
        fixture_free(f);
}
END_TEST

static unsigned count_lines(int fd)
{
        char text[65536];
        unsigned n_lines = 0;
        ssize_t n;

        while ((n = read(fd, text, sizeof(text))) > 0)
                for (ssize_t i = 0; i < n; i++)
                        n_lines += text[i] == '\n';
        return n_lines;
}

/*
 * A disk that is full, as a file size limit makes one. It holds for Check's own files too, so that
 * nothing is asserted until it is lifted.
 */
typedef struct Squeeze {
        int result; /* of the limit itself */
        size_t log_size;
        unsigned n_lines; /* on standard error meanwhile */
} Squeeze;

static Squeeze output_without_space(ConsoleFixture *f, rlim_t limit, size_t from, size_t pieces)
{
        const struct rlimit full = {limit, RLIM_INFINITY}, lifted = {RLIM_INFINITY, RLIM_INFINITY};
        int pipes[2], saved = dup(2);
        Squeeze squeeze = {0};
        struct stat st = {0};

        ck_assert_int_ge(saved, 0);
        ck_assert_int_eq(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
        ck_assert_ptr_ne(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
        ck_assert_int_ge(dup2(pipes[1], 2), 0);
        squeeze.result = setrlimit(RLIMIT_FSIZE, &full);
        for (size_t i = 0; i < pieces; i++) {
                uint8_t bytes[100];

                for (size_t n = 0; n < sizeof(bytes); n++)
                        bytes[n] = stream_byte(from + i * sizeof(bytes) + n);
                console_output(f->console, bytes, sizeof(bytes));
                while (event_loop_run_once(f->loop, 0) > 0)
                        ;
        }
        squeeze.result |= fstat(f->log_fd, &st);
        squeeze.result |= setrlimit(RLIMIT_FSIZE, &lifted);
        ck_assert_int_ge(dup2(saved, 2), 0);
        ck_assert_int_eq(squeeze.result, 0);
        squeeze.log_size = (size_t)st.st_size;
        squeeze.n_lines = count_lines(pipes[0]);
        fd_close(saved);
        fd_close(pipes[0]);
        fd_close(pipes[1]);
        return squeeze;
}

START_TEST(no_space)
{
        ConsoleFixture *f = fixture_new(1 << 16, 1 << 16);
        Squeeze squeeze = output_without_space(f, 1000, 0, 100);
        char text[64] = {0};
        ConsoleStats stats;

        ck_assert_uint_eq(squeeze.log_size, 1000);
        ck_assert_uint_eq(squeeze.n_lines, 1);
        console_get_stats(f->console, &stats);
        ck_assert_uint_eq(stats.output_bytes, 10000);
        ck_assert_uint_eq(stats.dropped_bytes, 9000);
        /* Space again: what is missing is named, and it goes on. */
        output_stream(f, 10000, 100);
        fixture_turn(f);
        ck_assert_int_gt(pread(f->log_fd, text, sizeof(text) - 1, 1000), 0);
        ck_assert_int_eq(memcmp(text, "\n[... 9000 bytes lost ...]\n", 27), 0);
        ck_assert_uint_eq(file_size(f->log_fd), 1000 + 27 + 100);
        expect_stream(f->log_fd, 1027, 10000, 100);
        /* The next time it is said again. */
        squeeze = output_without_space(f, 1127, 10100, 5);
        ck_assert_uint_eq(squeeze.n_lines, 1);
        fixture_free(f);
}
END_TEST

/* No room for the part before: it is given up, the bound holds, and the latest output is there. */
START_TEST(no_space_to_rotate)
{
        ConsoleFixture *f = fixture_new(1 << 16, LOG_SIZE);
        Squeeze squeeze;

        for (size_t at = 0; at < LOG_SIZE; at += 512)
                output_stream(f, at, 512);
        fixture_turn(f);
        squeeze = output_without_space(f, 1000, LOG_SIZE, 1);
        ck_assert_uint_eq(squeeze.n_lines, 1);
        ck_assert_uint_eq(squeeze.log_size, 100);
        expect_stream(f->log_fd, 0, LOG_SIZE, 100);
        ck_assert_uint_le(file_size(f->previous_fd), 1000);
        fixture_free(f);
}
END_TEST

static ConsoleConfig log_config(int log_fd, int previous_fd, uint64_t size)
{
        return (ConsoleConfig){.ring_size = TEST_RING,
                               .log_fd = log_fd,
                               .log_previous_fd = previous_fd,
                               .log_size = size};
}

static int configure(const ConsoleConfig *config)
{
        EventLoop *loop = NULL;
        Console *console = NULL;
        int r;

        ck_assert_int_eq(event_loop_new(&loop), 0);
        ck_assert_int_eq(console_new(loop, &console), 0);
        r = console_configure(console, config);
        if (r == 0)
                console_output(console, "next", 4);
        console_free(console); /* which writes it */
        event_loop_free(loop);
        return r;
}

START_TEST(goes_on_after_what_is_there)
{
        int log_fd = memfd_create("log", MFD_CLOEXEC), previous = memfd_create("p", MFD_CLOEXEC);
        char *text = malloc(2 * LOG_SIZE);
        ConsoleConfig config = log_config(log_fd, previous, LOG_SIZE);

        ck_assert_int_eq(write(log_fd, "before", 6), 6);
        ck_assert_int_eq(configure(&config), 0);
        ck_assert_int_eq(pread(log_fd, text, 100, 0), 10);
        ck_assert_mem_eq(text, "beforenext", 10);
        /* One part alone: rotated away. */
        config.log_previous_fd = -1;
        memset(text, 'o', 2 * LOG_SIZE);
        ck_assert_int_eq(pwrite(log_fd, text, LOG_SIZE, 0), LOG_SIZE);
        ck_assert_int_eq(configure(&config), 0);
        ck_assert_uint_eq(file_size(log_fd), 4);
        /* A log that a larger bound made: its end is kept. */
        config.log_previous_fd = previous;
        text[LOG_SIZE] = '<';
        text[2 * LOG_SIZE - 1] = '>';
        ck_assert_int_eq(pwrite(log_fd, text, 2 * LOG_SIZE, 0), 2 * LOG_SIZE);
        ck_assert_int_eq(pwrite(previous, text, 2 * LOG_SIZE, 0), 2 * LOG_SIZE);
        ck_assert_int_eq(configure(&config), 0);
        ck_assert_uint_eq(file_size(log_fd), 4);
        ck_assert_uint_eq(file_size(previous), LOG_SIZE);
        ck_assert_int_eq(pread(previous, text, LOG_SIZE, 0), LOG_SIZE);
        ck_assert_int_eq(text[0], '<');
        ck_assert_int_eq(text[LOG_SIZE - 1], '>');
        fd_close(log_fd);
        fd_close(previous);
        free(text);
}
END_TEST

START_TEST(refuses_bad_descriptors_and_sizes)
{
        int file = memfd_create("file", MFD_CLOEXEC), sockets[2], only_read, only_path;
        char path[64];
        ConsoleConfig config = log_config(file, -1, LOG_SIZE - 1);

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
        only_read = open(path, O_RDONLY | O_CLOEXEC);
        only_path = open(path, O_PATH | O_CLOEXEC);
        ck_assert_int_eq(configure(&config), -EINVAL);
        config = log_config(file, -1, LOG_SIZE);
        config.ring_size = 255;
        ck_assert_int_eq(configure(&config), -EINVAL);
        config = log_config(only_read, -1, LOG_SIZE);
        ck_assert_int_eq(configure(&config), -EBADF);
        config = log_config(only_path, -1, LOG_SIZE);
        ck_assert_int_eq(configure(&config), -EBADF);
        config = log_config(sockets[0], -1, LOG_SIZE);
        ck_assert_int_eq(configure(&config), -EBADF);
        config = log_config(file, only_read, LOG_SIZE);
        ck_assert_int_eq(configure(&config), -EBADF);
        config = log_config(9999, -1, LOG_SIZE);
        ck_assert_int_eq(configure(&config), -EBADF);
        config = log_config(file, -1, LOG_SIZE);
        ck_assert_int_eq(configure(&config), 0);
        fd_close(file);
        fd_close(only_read);
        fd_close(only_path);
        fd_close(sockets[0]);
        fd_close(sockets[1]);
}
END_TEST

CHECK_MAIN("console-log", {"boundaries", rotation_boundaries}, {"follow", follower_misses_nothing},
           {"flood", bounded_in_a_flood}, {"lost", says_what_it_lost}, {"no-space", no_space},
           {"no-space-rotate", no_space_to_rotate}, {"append", goes_on_after_what_is_there},
           {"refuse", refuses_bad_descriptors_and_sizes});
