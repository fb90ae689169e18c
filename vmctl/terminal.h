/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The caller's terminal in raw mode, and back again on every way out: return, exit(), and any
 * signal that can be caught. There is one terminal in a program, so there is one state.
 */

#include <stdbool.h>

/* Raw mode on fd. 0 or negative errno; harmless when it is raw already. */
int terminal_make_raw(int fd);

/* As it was before; safe in a signal handler, and when nothing was changed. */
void terminal_restore(void);

/*
 * Undoes what a guest's output may have left behind on the terminal at fd: colours, hidden cursor,
 * character set, mouse reports, bracketed paste.
 */
void terminal_soft_reset(int fd);

/*
 * Blocks SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP and SIGCONT and returns a signalfd(2) for them,
 * or a negative errno. Before any thread is created: threads inherit the mask.
 */
int terminal_open_signals(void);

/* Raw mode again, if it was on: who let us go on after a stop may have changed it. */
void terminal_reapply(void);

/* Stops this program as ^Z would, restored, and returns when it goes on, raw again if it was. */
void terminal_suspend(void);
