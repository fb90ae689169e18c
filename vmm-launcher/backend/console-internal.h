/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Inside the console: the ring, and the streams that follow it. */

#include <pthread.h>
#include <stdatomic.h>

#include "backend/console.h"
#include "common/log.h"

#define CONSOLE_CHUNK      4096U
#define CONSOLE_BUDGET     (64U * 1024U) /* bytes for one stream before others have their turn */
#define CONSOLE_NOTE_MAX   64U
#define CONSOLE_INPUT_SIZE 1024U

/* The last size bytes of all that was printed; positions count from the first byte ever. */
typedef struct ConsoleRing {
        pthread_mutex_t lock;
        uint8_t *data;
        size_t size;
        uint64_t head; /* position of the next byte */
} ConsoleRing;

void console_ring_append(ConsoleRing *ring, const uint8_t *data, size_t size);
uint64_t console_ring_head(ConsoleRing *ring);
uint64_t console_ring_oldest(ConsoleRing *ring);

/*
 * Copies what stands at *position, at most size bytes; returns how many. What is there no longer is
 * skipped: *position moves to the oldest byte and *ret_lost says how far.
 */
size_t console_ring_copy(ConsoleRing *ring, uint64_t *position, uint8_t *buffer, size_t size,
                         uint64_t *ret_lost);

typedef struct ConsoleLog {
        int fd, previous_fd;
        uint64_t size_max, length;
        uint64_t position; /* in the ring */
        uint64_t lost;     /* bytes that its next line is to speak of */
        bool failing;      /* noted already */
} ConsoleLog;

typedef struct ConsoleReader {
        Console *console;
        EventSource source;
        uint32_t events; /* what the loop was told */
        int fd;
        uint64_t position;
        bool blocked; /* its socket is full: EPOLLOUT will tell */
        bool deaf;    /* takes no output any more */
        bool gone;    /* hung up; kept while its input is not read to the end */
        bool ousted;  /* is to be told that another took over its input */
        char note[CONSOLE_NOTE_MAX];
        size_t note_length, note_sent;
} ConsoleReader;

struct Console {
        EventLoop *loop;
        EventSource wake;
        int wake_fd;
        atomic_bool woken, input_space;
        ConsoleRing ring;
        ConsoleLog log;
        ConsoleReader *readers[CONSOLE_MAX_READERS];
        ConsoleReader *writer; /* one of these */
        ConsoleInput input;
        uint8_t pending[CONSOLE_INPUT_SIZE]; /* received, and not yet taken by the device */
        size_t pending_start, pending_end;
        void (*writer_changed)(void *context, bool attached);
        void *writer_changed_context;
        uint64_t dropped;
};

/* Wakes the event loop, once for any number of calls until it runs. */
void console_wake(Console *console);

/* 0; -EBADF. */
int console_log_open(ConsoleLog *log, const ConsoleConfig *config);
/* Writes at most budget bytes; returns whether there is more. */
bool console_log_pump(Console *console, uint64_t budget);

int console_reader_new(Console *console, int fd, bool scrollback, ConsoleReader **ret);
/* Closes it and takes it off the list; its role as writer has ended before. */
void console_reader_free(ConsoleReader *reader);
void console_reader_pump(ConsoleReader *reader);
bool console_reader_is_done(ConsoleReader *reader);
/* Output that this reader will find missing, and that is not yet in console->dropped. */
uint64_t console_reader_lag(ConsoleReader *reader);
void console_reader_update_events(ConsoleReader *reader);

void console_writer_take(Console *console, ConsoleReader *reader);
void console_writer_release(Console *console);
void console_writer_pump(Console *console);
