/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A person at a machine's console, until the run ends or the person goes away. */

#include "vmctl/connect.h"
#include "vmctl/console-session.h"

typedef enum AttachEnd {
        ATTACH_RUN_ENDED,
        ATTACH_DETACHED,     /* ^]^]^] */
        ATTACH_CONSOLE_LOST, /* another took it over */
        ATTACH_OUTPUT_LOST,  /* nobody reads our output any more */
        ATTACH_SIGNALLED,    /* *ret_signal ended it */
        ATTACH_FAILED,       /* the error was printed */
} AttachEnd;

typedef struct AttachSettings {
        ConsoleSettings console;
        int signal_fd;     /* from terminal_open_signals() */
        bool stop_machine; /* an interrupt stops the machine, and a second one kills it */
        bool interrupted;  /* one came already */
} AttachSettings;

/*
 * Until attach_run() takes the signals: one ends this program; or, with n_interrupts, the first is
 * only counted there. The caller removes the source that is returned.
 */
guint attach_watch_early(int signal_fd, unsigned *n_interrupts);

/* Takes console_fd over. The terminal is as before on return. */
AttachEnd attach_run(const Context *context, VmClientMachine *machine, int console_fd,
                     const AttachSettings *settings, int *ret_signal);

/* Ends this program by the signal, as if it had not been caught. */
void die_by_signal(int number);
