/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A console (a stream socket) on one side, standard input and output on the other, pumped in the
 * default main context. Neither side can hold up the other: what is typed goes into a bounded
 * buffer, and the console is read only as fast as the output takes it.
 */

#include <stdbool.h>

typedef struct ConsoleSession ConsoleSession;

typedef enum ConsoleEvent {
        CONSOLE_EVENT_END,         /* the console was closed at its other end; all of it is out */
        CONSOLE_EVENT_DETACH,      /* ^]^]^] */
        CONSOLE_EVENT_INTERRUPT,   /* ^C, if that is caught; the session goes on */
        CONSOLE_EVENT_OUTPUT_LOST, /* whoever read standard output went away */
} ConsoleEvent;

typedef struct ConsoleSettings {
        bool write;           /* pass input to the console (its fd was opened as the writer) */
        bool terminal;        /* input is a terminal: raw mode, ^]^]^] is looked for */
        bool catch_interrupt; /* ^C in raw mode is an event, not input */
        bool escape;          /* escape the guest's control sequences */
        bool untouched;       /* not even line feeds of a plain guest are completed */
} ConsoleSettings;

/* It must not free the session. */
typedef void (*ConsoleCallback)(ConsoleEvent event, void *user_data);

/* Takes console_fd over. Reads standard input if write or terminal is set. NULL on failure to
 * set the terminal up, with errno. */
ConsoleSession *console_session_new(int console_fd, const ConsoleSettings *settings,
                                    ConsoleCallback callback, void *user_data);

/* Restores the terminal. */
ConsoleSession *console_session_free(ConsoleSession *session);

/* What brings a message of ours to the beginning of a line: nothing where the guest ended its own.
 */
const char *console_session_line_break(const ConsoleSession *session);

/* The end of a line for messages of ours: "\r\n" while the terminal is raw. */
const char *console_session_newline(const ConsoleSession *session);
