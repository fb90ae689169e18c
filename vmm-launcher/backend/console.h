/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The machine's console: what the guest prints goes into a bounded ring, from there to a log and to
 * any number of readers; what the one writer types goes to the guest. The guest never waits for any
 * of them: a log or reader that falls behind by more than the ring loses the oldest bytes, and
 * finds
 * "[... N bytes lost ...]" on a line of its own where they were. Bytes pass raw: escaping is the
 * work of whoever shows them.
 *
 * Threads: console_output() and console_input_space() from any thread, everything else on the event
 * loop's. Lock order: a device may hold its lock while it calls these two; the console never holds
 * its own while it calls the device.
 *
 * System calls after console_configure(): read, write, sendto, recvfrom, pread64, pwrite64,
 * ftruncate, epoll_ctl, close.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "core/event-loop.h"

#define CONSOLE_MAX_READERS 64U

typedef struct Console Console;

/* Where the writer's bytes go: a serial port's receive side. */
typedef struct ConsoleInput {
        /*
         * Takes what fits now and returns how many bytes that were. If it took fewer than size, the
         * device calls console_input_space() once when there is room again.
         */
        size_t (*receive)(void *context, const void *data, size_t size);
        void *context;
} ConsoleInput;

typedef struct ConsoleConfig {
        size_t ring_size; /* bytes, at least 256 */
        /*
         * The log and the part before it: two regular files, open for reading and writing, that
         * stay the caller's; -1 for none. The console goes on after what the log holds; when that
         * reaches log_size bytes, it is copied over log_previous and the log starts again at offset
         * 0. Together they never take more than 2 * log_size bytes. Who follows the log keeps its
         * offset: a file that is shorter than the offset was rotated, what is missing stands in
         * log_previous at that offset, the rest in the log from 0.
         */
        int log_fd, log_previous_fd;
        uint64_t log_size; /* bytes for each part, at least 4096 */
} ConsoleConfig;

typedef struct ConsoleAttach {
        bool write;      /* be the one writer */
        bool steal;      /* with write: take that over; the former writer goes on reading */
        bool scrollback; /* first what the ring holds */
} ConsoleAttach;

typedef struct ConsoleStats {
        uint64_t output_bytes;  /* what the guest printed */
        uint64_t dropped_bytes; /* of these, what the log or a reader did not get; summed over them
                                 */
} ConsoleStats;

/* Readers may be attached from now on; they see output once there is a ring. */
int console_new(EventLoop *loop, Console **ret);

/*
 * Before the first output, once. 0; -EINVAL for sizes out of bounds; -EBADF for a log that is not a
 * regular file open for reading and writing; -ENOMEM.
 */
int console_configure(Console *console, const ConsoleConfig *config);
void console_set_input(Console *console, const ConsoleInput *input);

/* Called when the console gets a writer (true) or has none any more (false). */
void console_set_writer_changed(Console *console, void (*changed)(void *context, bool attached),
                                void *context);

/* Guest output; never blocks on anything but the ring's short lock. */
void console_output(Console *console, const void *data, size_t size);
/* The input device has room again. */
void console_input_space(Console *console);

/*
 * Attaches a stream socket, which is the console's from then on (on failure it stays the caller's).
 * 0; -EBUSY while another is the writer and steal is false; -EUSERS with CONSOLE_MAX_READERS
 * attached; -ENOMEM; what epoll_ctl() says of it.
 *
 * A writer that has shut down its sending side goes on as a reader. One that is gone is no longer
 * the writer, but what it sent before still reaches the guest, unless a new writer comes first.
 */
int console_attach(Console *console, int fd, const ConsoleAttach *how);

bool console_has_writer(const Console *console);
size_t console_n_readers(const Console *console);
void console_get_stats(Console *console, ConsoleStats *ret);

/*
 * Hands on all that can be handed on without waiting: the log to its end, each reader as far as its
 * socket takes it. For the end of a run, when no vCPU runs. Returns how many readers have not got
 * everything; the event loop goes on serving these.
 */
size_t console_flush(Console *console);

/* Flushes, then closes the readers. */
Console *console_free(Console *console);
DEFINE_CLEANUP_FUNC(Console *, console_free);
