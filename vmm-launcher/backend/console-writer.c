/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <sys/socket.h>

#include "backend/console-internal.h"

#define ROUNDS_AT_ONCE 16U

static void writer_tell(Console *console, bool attached)
{
        if (console->writer_changed)
                console->writer_changed(console->writer_changed_context, attached);
}

/* The one that has the role by now: gone ones are dropped with what they sent, others read on. */
static void writer_oust(Console *console)
{
        ConsoleReader *former = console->writer;

        console->writer = NULL;
        if (!former)
                return;
        if (former->gone || former->deaf) {
                console_reader_free(former);
                return;
        }
        former->ousted = true;
        console_reader_update_events(former);
        console_reader_pump(former);
}

void console_writer_take(Console *console, ConsoleReader *reader)
{
        bool had_writer = console_has_writer(console);

        writer_oust(console);
        console->writer = reader;
        console_reader_update_events(reader);
        if (!had_writer)
                writer_tell(console, true);
}

/* It has sent its last byte. If it is still there, it reads on. */
void console_writer_release(Console *console)
{
        ConsoleReader *reader = console->writer;
        bool was_told = reader->gone;

        console->writer = NULL;
        if (reader->gone || reader->deaf)
                console_reader_free(reader);
        else
                console_reader_update_events(reader);
        if (!was_told)
                writer_tell(console, false);
}

/* Whether the device has taken all that was received. */
static bool writer_push(Console *console)
{
        size_t size = console->pending_end - console->pending_start, taken;

        if (size == 0)
                return true;
        if (!console->input.receive)
                return false;
        taken = console->input.receive(console->input.context,
                                       console->pending + console->pending_start, size);
        console->pending_start += CONST_MIN(taken, size);
        return console->pending_start == console->pending_end;
}

/* Whether there may be more to receive. */
static bool writer_receive(Console *console)
{
        ssize_t n =
                recv(console->writer->fd, console->pending, sizeof(console->pending), MSG_DONTWAIT);

        console->pending_start = console->pending_end = 0;
        if (n > 0) {
                console->pending_end = (size_t)n;
                return true;
        }
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return false;
        console_writer_release(console);
        return false;
}

/* Hands on what there is; returns whether more can be done at once. */
static bool writer_round(Console *console)
{
        return writer_push(console) && console->writer && writer_receive(console);
}

void console_writer_pump(Console *console)
{
        unsigned rounds = 0;

        while (rounds < ROUNDS_AT_ONCE && writer_round(console))
                rounds++;
        /* Others have their turn; nothing but this brings back what was received already. */
        if (rounds == ROUNDS_AT_ONCE)
                console_input_space(console);
        if (console->writer)
                console_reader_update_events(console->writer);
}
