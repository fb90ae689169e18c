/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backend/console.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "backend/console-internal.h"
#include "common/fd.h"

#define RING_SIZE_MIN 256U

static void console_handle_wake(void *context, uint32_t epoll_events);

int console_new(EventLoop *loop, Console **ret)
{
        _cleanup_(console_freep) Console *console = calloc(1, sizeof(*console));
        int r;

        if (!console)
                return -ENOMEM;
        (void)pthread_mutex_init(&console->ring.lock, NULL);
        console->loop = loop;
        console->log = (ConsoleLog){.fd = -1, .previous_fd = -1};
        console->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (console->wake_fd < 0)
                return -errno;
        r = event_loop_add(loop, &console->wake, console->wake_fd, EPOLLIN, console_handle_wake,
                           console);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(console);
        return 0;
}

int console_configure(Console *console, const ConsoleConfig *config)
{
        int r;

        if (config->ring_size < RING_SIZE_MIN || console->ring.data)
                return -EINVAL;
        r = console_log_open(&console->log, config);
        if (r < 0)
                return r;
        console->ring.data = malloc(config->ring_size);
        if (!console->ring.data)
                return -ENOMEM;
        console->ring.size = config->ring_size;
        return 0;
}

void console_set_input(Console *console, const ConsoleInput *input)
{
        console->input = *input;
        console_writer_pump(console);
}

void console_set_writer_changed(Console *console, void (*changed)(void *context, bool attached),
                                void *context)
{
        console->writer_changed = changed;
        console->writer_changed_context = context;
}

void console_wake(Console *console)
{
        const uint64_t one = 1;

        /* An eventfd that cannot take one more is readable already. */
        if (!atomic_exchange(&console->woken, true))
                (void)!write(console->wake_fd, &one, sizeof(one));
}

void console_output(Console *console, const void *data, size_t size)
{
        if (size == 0 || !console->ring.data)
                return;
        console_ring_append(&console->ring, data, size);
        console_wake(console);
}

void console_input_space(Console *console)
{
        atomic_store(&console->input_space, true);
        console_wake(console);
}

static void console_pump_readers(Console *console)
{
        for (size_t i = 0; i < CONSOLE_MAX_READERS; i++)
                if (console->readers[i])
                        console_reader_pump(console->readers[i]);
}

static void console_handle_wake(void *context, uint32_t epoll_events)
{
        Console *console = context;
        uint64_t count;

        (void)epoll_events;
        (void)!read(console->wake_fd, &count, sizeof(count));
        /* Cleared before the ring is read: what is appended after that wakes again. */
        atomic_store(&console->woken, false);
        if (atomic_exchange(&console->input_space, false))
                console_writer_pump(console);
        console_pump_readers(console);
        if (console_log_pump(console, CONSOLE_BUDGET))
                console_wake(console);
}

static size_t console_free_slot(const Console *console)
{
        size_t i = 0;

        while (i < CONSOLE_MAX_READERS && console->readers[i])
                i++;
        return i;
}

int console_attach(Console *console, int fd, const ConsoleAttach *how)
{
        size_t slot = console_free_slot(console);
        ConsoleReader *reader;
        int r;

        if (how->write && !how->steal && console_has_writer(console))
                return -EBUSY;
        if (slot == CONSOLE_MAX_READERS)
                return -EUSERS;
        r = console_reader_new(console, fd, how->scrollback, &reader);
        if (r < 0)
                return r;
        console->readers[slot] = reader;
        if (how->write)
                console_writer_take(console, reader);
        console_reader_pump(reader);
        return 0;
}

bool console_has_writer(const Console *console)
{
        return console->writer && !console->writer->gone;
}

size_t console_n_readers(const Console *console)
{
        size_t n = 0;

        for (size_t i = 0; i < CONSOLE_MAX_READERS; i++)
                if (console->readers[i] && !console->readers[i]->gone)
                        n++;
        return n;
}

void console_get_stats(Console *console, ConsoleStats *ret)
{
        *ret = (ConsoleStats){.output_bytes = console_ring_head(&console->ring),
                              .dropped_bytes = console->dropped};
        for (size_t i = 0; i < CONSOLE_MAX_READERS; i++)
                if (console->readers[i])
                        ret->dropped_bytes += console_reader_lag(console->readers[i]);
}

size_t console_flush(Console *console)
{
        size_t n_behind = 0;

        /* All that is in the ring now; who goes on printing does not keep us here. */
        (void)console_log_pump(console, console->ring.size);
        for (size_t i = 0; i < CONSOLE_MAX_READERS; i++) {
                if (!console->readers[i])
                        continue;
                /* By turns, for as long as its socket takes anything. */
                console->readers[i]->blocked = false;
                console_reader_pump(console->readers[i]);
                if (console->readers[i] && !console_reader_is_done(console->readers[i]))
                        n_behind++;
        }
        return n_behind;
}

Console *console_free(Console *console)
{
        if (!console)
                return NULL;
        (void)console_flush(console);
        console->writer_changed = NULL;
        console->writer = NULL;
        for (size_t i = 0; i < CONSOLE_MAX_READERS; i++)
                if (console->readers[i])
                        console_reader_free(console->readers[i]);
        event_loop_remove(&console->wake);
        fd_close(console->wake_fd);
        (void)pthread_mutex_destroy(&console->ring.lock);
        free(console->ring.data);
        free(console);
        return NULL;
}
