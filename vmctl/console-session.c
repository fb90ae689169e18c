/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/console-session.h"

#include <errno.h>
#include <glib-unix.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fd.h"
#include "vmctl/escape-stream.h"
#include "vmctl/key-filter.h"
#include "vmctl/terminal.h"

#define READ_SIZE 4096
/* What was typed and the guest has not read: a large paste, then backpressure or a loss. */
#define INPUT_MAX (1024U * 1024U)

struct ConsoleSession {
        ConsoleSettings settings;
        ConsoleCallback callback;
        void *user_data;
        int console;
        GString *to_output, *to_console;
        EscapeStream escape;
        KeyFilter keys;
        guint console_in, console_out, stdin_in, stdout_out; /* sources, 0: none */
        bool console_ended, steered; /* steered: the guest sent an escape character */
        char last;                   /* what was put out last; NUL: nothing yet */
};

static gboolean read_console(gint fd, GIOCondition condition, gpointer data);
static gboolean write_output(gint fd, GIOCondition condition, gpointer data);
static gboolean write_console(gint fd, GIOCondition condition, gpointer data);

static void stop_source(guint *source)
{
        if (*source > 0)
                g_source_remove(*source);
        *source = 0;
}

static void emit(ConsoleSession *session, ConsoleEvent event)
{
        session->callback(event, session->user_data);
}

/* Watches what can be done now: output while there is some, the console while there is none. */
static void update_output(ConsoleSession *session)
{
        bool pending = session->to_output->len > 0;

        if (pending && session->stdout_out == 0)
                session->stdout_out = g_unix_fd_add(STDOUT_FILENO, G_IO_OUT, write_output, session);
        if (pending)
                stop_source(&session->console_in);
        else if (!session->console_ended && session->console_in == 0)
                session->console_in =
                        g_unix_fd_add(session->console, G_IO_IN, read_console, session);
}

/* In raw mode a line feed does not return the carriage: one is put before those that have none. */
static void append_with_returns(ConsoleSession *session, const char *data, size_t size)
{
        for (size_t i = 0; i < size; i++) {
                if (data[i] == '\n' && session->last != '\r')
                        g_string_append_c(session->to_output, '\r');
                g_string_append_c(session->to_output, data[i]);
                session->last = data[i];
        }
}

/*
 * A bare payload prints plain lines; what Linux prints has carriage returns already. A program that
 * moves the cursor by line feeds sends escape sequences too, and is left alone from the first one.
 */
static void add_raw_output(ConsoleSession *session, const char *data, size_t size)
{
        session->steered = session->steered || memchr(data, '\033', size);
        if (session->settings.terminal && !session->settings.untouched && !session->steered)
                append_with_returns(session, data, size);
        else
                g_string_append_len(session->to_output, data, (gssize)size);
        if (size > 0)
                session->last = data[size - 1];
}

static void add_output(ConsoleSession *session, const char *data, size_t size)
{
        g_autoptr(GString) clean = NULL;

        if (!session->settings.escape) {
                add_raw_output(session, data, size);
                return;
        }
        clean = g_string_new(NULL);
        if (size > 0)
                escape_stream_feed(&session->escape, data, size, clean);
        else
                escape_stream_end(&session->escape, clean);
        if (session->settings.terminal)
                append_with_returns(session, clean->str, clean->len);
        else
                g_string_append_len(session->to_output, clean->str, (gssize)clean->len);
        if (clean->len > 0)
                session->last = clean->str[clean->len - 1];
}

static gboolean read_console(gint fd, _unused_ GIOCondition condition, gpointer data)
{
        ConsoleSession *session = data;
        char buffer[READ_SIZE];
        ssize_t n = read(fd, buffer, sizeof(buffer));

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return G_SOURCE_CONTINUE;
        session->console_in = 0;
        add_output(session, buffer, n > 0 ? (size_t)n : 0);
        if (n <= 0) {
                session->console_ended = true;
                stop_source(&session->console_out);
        }
        update_output(session);
        if (session->console_ended && session->to_output->len == 0)
                emit(session, CONSOLE_EVENT_END);
        return G_SOURCE_REMOVE;
}

/*
 * A pipe or terminal that is ready for output takes PIPE_BUF bytes without blocking (pipe(7)), so
 * that it need not be switched to O_NONBLOCK, which others who share it would feel.
 */
static gboolean write_output(gint fd, _unused_ GIOCondition condition, gpointer data)
{
        ConsoleSession *session = data;
        ssize_t n = write(fd, session->to_output->str, MIN(session->to_output->len, PIPE_BUF));

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return G_SOURCE_CONTINUE;
        if (n < 0) {
                session->stdout_out = 0;
                emit(session, CONSOLE_EVENT_OUTPUT_LOST);
                return G_SOURCE_REMOVE;
        }
        g_string_erase(session->to_output, 0, n);
        if (session->to_output->len > 0)
                return G_SOURCE_CONTINUE;
        session->stdout_out = 0;
        update_output(session);
        if (session->console_ended)
                emit(session, CONSOLE_EVENT_END);
        return G_SOURCE_REMOVE;
}

static gboolean read_stdin(gint fd, GIOCondition condition, gpointer data);

static gboolean write_console(gint fd, _unused_ GIOCondition condition, gpointer data)
{
        ConsoleSession *session = data;
        ssize_t n = send(fd, session->to_console->str, session->to_console->len, MSG_NOSIGNAL);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return G_SOURCE_CONTINUE;
        /* Where it has ended, reading it says so. */
        g_string_erase(session->to_console, 0, n < 0 ? (gssize)-1 : n);
        if (session->settings.write && session->stdin_in == 0)
                session->stdin_in = g_unix_fd_add(STDIN_FILENO, G_IO_IN, read_stdin, session);
        if (session->to_console->len > 0)
                return G_SOURCE_CONTINUE;
        session->console_out = 0;
        return G_SOURCE_REMOVE;
}

/* A terminal is read on for the sake of ^]^]^]; a pipe has to wait. Returns whether to go on. */
static bool add_input(ConsoleSession *session, const char *data, size_t size)
{
        bool full = session->to_console->len + size > INPUT_MAX;

        if (!session->settings.write || session->console_ended || size == 0)
                return true;
        if (full && session->settings.terminal) {
                (void)fd_write_full(STDERR_FILENO, "\a", 1);
                return true;
        }
        g_string_append_len(session->to_console, data, (gssize)size);
        if (session->console_out == 0)
                session->console_out =
                        g_unix_fd_add(session->console, G_IO_OUT, write_console, session);
        return !full;
}

static bool add_keys(ConsoleSession *session, const char *data, size_t size)
{
        uint64_t now = (uint64_t)g_get_monotonic_time();

        while (size > 0) {
                size_t n, used;
                KeyEvent event = key_filter_feed(&session->keys, data, size, now, &n, &used);

                (void)add_input(session, data, n);
                if (event == KEY_EVENT_DETACH) {
                        emit(session, CONSOLE_EVENT_DETACH);
                        return false;
                }
                if (event == KEY_EVENT_INTERRUPT)
                        emit(session, CONSOLE_EVENT_INTERRUPT);
                data += used;
                size -= used;
        }
        return true;
}

static gboolean read_stdin(gint fd, _unused_ GIOCondition condition, gpointer data)
{
        ConsoleSession *session = data;
        char buffer[READ_SIZE];
        ssize_t n = read(fd, buffer, sizeof(buffer));
        bool go_on;

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return G_SOURCE_CONTINUE;
        if (n <= 0) {
                /* The end of the input is not the end of the output. */
                session->stdin_in = 0;
                session->settings.write = false;
                return G_SOURCE_REMOVE;
        }
        if (session->settings.terminal)
                go_on = add_keys(session, buffer, (size_t)n);
        else
                go_on = add_input(session, buffer, (size_t)n);
        if (go_on)
                return G_SOURCE_CONTINUE;
        session->stdin_in = 0;
        return G_SOURCE_REMOVE;
}

ConsoleSession *console_session_new(int console_fd, const ConsoleSettings *settings,
                                    ConsoleCallback callback, void *user_data)
{
        ConsoleSession *session;
        int r = fd_set_nonblock(console_fd, true);

        if (r >= 0 && settings->terminal)
                r = terminal_make_raw(STDIN_FILENO);
        if (r < 0) {
                fd_close(console_fd);
                errno = -r;
                return NULL;
        }
        session = g_new0(ConsoleSession, 1);
        *session = (ConsoleSession){
                .settings = *settings,
                .callback = callback,
                .user_data = user_data,
                .console = console_fd,
                .to_output = g_string_new(NULL),
                .to_console = g_string_new(NULL),
                .keys.catch_interrupt = settings->catch_interrupt,
        };
        update_output(session);
        if (settings->write || settings->terminal)
                session->stdin_in = g_unix_fd_add(STDIN_FILENO, G_IO_IN, read_stdin, session);
        return session;
}

ConsoleSession *console_session_free(ConsoleSession *session)
{
        if (!session)
                return NULL;
        stop_source(&session->console_in);
        stop_source(&session->console_out);
        stop_source(&session->stdin_in);
        stop_source(&session->stdout_out);
        if (session->settings.terminal && session->steered)
                terminal_soft_reset(STDOUT_FILENO);
        if (session->settings.terminal) {
                const char *end = console_session_line_break(session);

                (void)fd_write_full(STDOUT_FILENO, end, strlen(end));
        }
        terminal_restore();
        fd_close(session->console);
        g_string_free(session->to_output, TRUE);
        g_string_free(session->to_console, TRUE);
        g_free(session);
        return NULL;
}

const char *console_session_line_break(const ConsoleSession *session)
{
        if (!session || session->last == '\n' || session->last == '\0')
                return "";
        return console_session_newline(session);
}

const char *console_session_newline(const ConsoleSession *session)
{
        return session && session->settings.terminal ? "\r\n" : "\n";
}
