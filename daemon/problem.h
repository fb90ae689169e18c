/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How a failure travels inside the daemon: a negative errno that says which kind it is (the table
 * of errors in dbus/names.json gives each its D-Bus name) and a sentence for people that names
 * cause and fix. Nothing here knows D-Bus.
 */

#include <stdarg.h>

#include "common/cleanup.h"

typedef struct Problem {
        char message[768];
} Problem;

/* Writes the sentence and returns error (negative). problem may be NULL. */
int problem_set(Problem *problem, int error, const char *format, ...) _printf_(3, 4);

/*
 * How an operation that takes a while answers: func is called exactly once, never from inside the
 * call that began the operation unless that call's comment says so. error is 0 or negative errno,
 * problem (never NULL) then says why.
 */
typedef void (*CompletionFunc)(void *userdata, int error, const Problem *problem);

typedef struct Completion {
        CompletionFunc func; /* NULL: nobody waits */
        void *userdata;
} Completion;

/* Calls it, if there is anyone to call, and empties it, so that it cannot be called again. */
void completion_done(Completion *completion, int error, const Problem *problem);
