/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A console on an event loop that a test turns by hand, with readers on socket pairs. */

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/console.h"
#include "check-main.h"
#include "common/fd.h"

#define TEST_RING 4096U

typedef struct ConsoleFixture {
        EventLoop *loop;
        Console *console;
        int log_fd, previous_fd;
        /* The device's side: takes at most room bytes. */
        uint8_t input[1 << 20];
        size_t n_input, room;
        bool asked; /* it took less than it was given, and owes a console_input_space() */
        int n_writer_on, n_writer_off;
} ConsoleFixture;

static inline size_t fixture_receive(void *context, const void *data, size_t size)
{
        ConsoleFixture *f = context;
        size_t n = size < f->room ? size : f->room;

        ck_assert_uint_le(f->n_input + n, sizeof(f->input));
        memcpy(f->input + f->n_input, data, n);
        f->n_input += n;
        f->room -= n;
        f->asked = n < size;
        return n;
}

static inline void fixture_writer_changed(void *context, bool attached)
{
        ConsoleFixture *f = context;

        if (attached)
                f->n_writer_on++;
        else
                f->n_writer_off++;
}

static inline ConsoleFixture *fixture_new(size_t ring_size, uint64_t log_size)
{
        ConsoleFixture *f = calloc(1, sizeof(*f));
        const ConsoleInput input = {fixture_receive, f};
        ConsoleConfig config = {
                .ring_size = ring_size, .log_fd = -1, .log_previous_fd = -1, .log_size = log_size};

        ck_assert_ptr_nonnull(f);
        f->log_fd = f->previous_fd = -1;
        ck_assert_int_eq(event_loop_new(&f->loop), 0);
        ck_assert_int_eq(console_new(f->loop, &f->console), 0);
        if (log_size > 0) {
                config.log_fd = f->log_fd = memfd_create("log", MFD_CLOEXEC);
                config.log_previous_fd = f->previous_fd = memfd_create("previous", MFD_CLOEXEC);
                ck_assert_int_ge(f->previous_fd, 0);
        }
        ck_assert_int_eq(console_configure(f->console, &config), 0);
        console_set_input(f->console, &input);
        console_set_writer_changed(f->console, fixture_writer_changed, f);
        return f;
}

static inline void fixture_free(ConsoleFixture *f)
{
        console_free(f->console);
        event_loop_free(f->loop);
        fd_close(f->log_fd);
        fd_close(f->previous_fd);
        free(f);
}

/* Runs the loop until it has nothing more to do. */
static inline void fixture_turn(ConsoleFixture *f)
{
        int n;

        for (int round = 0; (n = event_loop_run_once(f->loop, 0)) > 0; round++)
                ck_assert_int_lt(round, 100000); /* it must not spin */
        ck_assert_int_eq(n, 0);
}

/* Attaches one end of a pair; returns the other, which never blocks. */
static inline int fixture_attach(ConsoleFixture *f, ConsoleAttach how)
{
        int sockets[2], buffer = 65536; /* small everywhere: the default differs between kernels */

        ck_assert_int_eq(
                socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets), 0);
        for (int i = 0; i < 2; i++)
                ck_assert_int_eq(
                        setsockopt(sockets[i], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer)), 0);
        ck_assert_int_eq(console_attach(f->console, sockets[0], &how), 0);
        return sockets[1];
}

static inline void output(ConsoleFixture *f, const char *text)
{
        console_output(f->console, text, strlen(text));
}

/* All that can be read now; *ret_end whether the other end is closed. */
static inline size_t drain(int fd, uint8_t *buffer, size_t size, bool *ret_end)
{
        size_t n_total = 0;

        *ret_end = false;
        while (n_total < size) {
                ssize_t n = read(fd, buffer + n_total, size - n_total);

                if (n == 0)
                        *ret_end = true;
                if (n <= 0)
                        break;
                n_total += (size_t)n;
        }
        return n_total;
}

static inline void expect_text(int fd, const char *text)
{
        uint8_t buffer[65536];
        bool end;
        size_t n = drain(fd, buffer, sizeof(buffer) - 1, &end);

        buffer[n] = '\0';
        ck_assert_str_eq((char *)buffer, text);
}
