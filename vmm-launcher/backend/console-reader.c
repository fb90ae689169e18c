/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "backend/console-internal.h"
#include "common/fd.h"

static void reader_handle(void *context, uint32_t epoll_events);

int console_reader_new(Console *console, int fd, bool scrollback, ConsoleReader **ret)
{
        ConsoleReader *reader = calloc(1, sizeof(*reader));
        int r;

        if (!reader)
                return -ENOMEM;
        reader->console = console;
        reader->position = scrollback ? console_ring_oldest(&console->ring)
                                      : console_ring_head(&console->ring);
        /* Without any event asked for, epoll still reports a hang-up. */
        r = event_loop_add(console->loop, &reader->source, fd, 0, reader_handle, reader);
        if (r < 0) {
                free(reader);
                return r;
        }
        reader->fd = fd;
        *ret = reader;
        return 0;
}

uint64_t console_reader_lag(ConsoleReader *reader)
{
        uint64_t oldest = console_ring_oldest(&reader->console->ring);

        return !reader->deaf && reader->position < oldest ? oldest - reader->position : 0;
}

void console_reader_free(ConsoleReader *reader)
{
        Console *console = reader->console;

        console->dropped += console_reader_lag(reader);
        for (size_t i = 0; i < CONSOLE_MAX_READERS; i++)
                if (console->readers[i] == reader)
                        console->readers[i] = NULL;
        event_loop_remove(&reader->source);
        fd_close(reader->fd);
        free(reader);
}

void console_reader_update_events(ConsoleReader *reader)
{
        Console *console = reader->console;
        uint32_t events = 0;

        if (reader->gone)
                return;
        if (reader->blocked && !reader->deaf)
                events |= EPOLLOUT;
        /* Input that the device has not taken holds back the rest in the writer's own socket. */
        if (console->writer == reader && console->pending_start == console->pending_end)
                events |= EPOLLIN;
        if (events == reader->events)
                return;
        if (event_loop_modify(&reader->source, events) == 0)
                reader->events = events;
}

/* Takes no more output. A writer stays until its input is read to the end. */
static void reader_hang_up(ConsoleReader *reader, bool gone)
{
        Console *console = reader->console;

        console->dropped += console_reader_lag(reader);
        reader->deaf = true;
        if (gone && !reader->gone) {
                reader->gone = true;
                event_loop_remove(&reader->source);
                if (console->writer == reader && console->writer_changed)
                        console->writer_changed(console->writer_changed_context, false);
        }
        if (console->writer == reader)
                console_writer_pump(console);
        else
                console_reader_free(reader);
}

/* What the reader has to be told before more output, if anything. */
static void reader_write_note(ConsoleReader *reader, uint64_t lost)
{
        int length = 0;

        if (lost > 0)
                length = snprintf(reader->note, sizeof(reader->note),
                                  "\r\n[... %" PRIu64 " bytes lost ...]\r\n", lost);
        else if (reader->ousted)
                length = snprintf(reader->note, sizeof(reader->note),
                                  "\r\n[... input taken over ...]\r\n");
        if (lost == 0)
                reader->ousted = false;
        reader->note_length = (size_t)length;
        reader->note_sent = 0;
}

/* The bytes that went out; 0 when the socket is full; negative errno. */
static ssize_t reader_send(ConsoleReader *reader, const void *data, size_t size)
{
        ssize_t n = send(reader->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n >= 0)
                return n;
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

static ssize_t reader_send_note(ConsoleReader *reader)
{
        ssize_t n = reader_send(reader, reader->note + reader->note_sent,
                                reader->note_length - reader->note_sent);

        if (n > 0)
                reader->note_sent += (size_t)n;
        return n;
}

/*
 * The rest of a note; else a chunk of the ring, with a note before it if one is due, in one go, so
 * that a flood does not overrun the chunk between the two. As reader_send(); *ret_done when there
 * is nothing.
 */
static ssize_t reader_step(ConsoleReader *reader, bool *ret_done)
{
        uint8_t buffer[CONSOLE_NOTE_MAX + CONSOLE_CHUNK];
        uint8_t *chunk = buffer + CONSOLE_NOTE_MAX;
        uint64_t lost = 0;
        size_t size;
        ssize_t n;

        if (reader->note_sent < reader->note_length)
                return reader_send_note(reader);
        size = console_ring_copy(&reader->console->ring, &reader->position, chunk, CONSOLE_CHUNK,
                                 &lost);
        reader->console->dropped += lost;
        reader_write_note(reader, lost);
        *ret_done = size + reader->note_length == 0;
        if (*ret_done)
                return 0;
        memcpy(chunk - reader->note_length, reader->note, reader->note_length);
        n = reader_send(reader, chunk - reader->note_length, reader->note_length + size);
        if (n <= 0)
                return n;
        reader->note_sent = CONST_MIN((size_t)n, reader->note_length);
        reader->position += (size_t)n - reader->note_sent;
        return n;
}

void console_reader_pump(ConsoleReader *reader)
{
        bool done = false;

        if (reader->deaf || reader->blocked)
                return;
        for (size_t sent = 0; sent < CONSOLE_BUDGET && !done;) {
                ssize_t n = reader_step(reader, &done);

                if (n < 0) {
                        reader_hang_up(reader, false);
                        return;
                }
                if (n == 0)
                        break;
                sent += (size_t)n;
        }
        /* Full, or at the end of its turn: either way the loop comes back when it can take more. */
        reader->blocked = !done;
        console_reader_update_events(reader);
}

bool console_reader_is_done(ConsoleReader *reader)
{
        return reader->deaf || (reader->note_sent == reader->note_length && !reader->ousted &&
                                reader->position == console_ring_head(&reader->console->ring));
}

static void reader_handle(void *context, uint32_t epoll_events)
{
        ConsoleReader *reader = context;
        Console *console = reader->console;

        if (epoll_events & (EPOLLHUP | EPOLLERR)) {
                reader_hang_up(reader, true);
                return;
        }
        if (epoll_events & EPOLLOUT) {
                reader->blocked = false;
                console_reader_pump(reader);
        }
        /* The reader may be gone by now; the writer's pump looks for itself. */
        if (epoll_events & EPOLLIN)
                console_writer_pump(console);
}
