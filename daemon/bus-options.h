/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reading the arguments that our methods share: a{sv} of options, a{sh} of files. */

#include "daemon/bus-server.h"

typedef struct BusOption {
        const char *name;
        char type; /* 'b' bool, 's' const char *, 't' uint64_t, 'u' uint32_t, 'h' int (borrowed) */
        void *value; /* of that type; left alone if the option is not given */
        bool *given; /* may be NULL */
} BusOption;

/*
 * Reads the options that stand next in the call. 0; or negative with the call answered (and freed):
 * an unknown option, one of the wrong type, or one given twice is refused, never ignored.
 */
int bus_options_read(BusCall *call, const BusOption *options, size_t n_options);

/* The files that stand next, into call->files. As above. */
int bus_files_read(BusCall *call);

/* Whether the option "console" holds what can be one; if not, the call is answered. */
bool bus_console_check(BusCall *call, int fd);

/* Answers InvalidOption. */
void bus_options_fail(BusCall *call, const char *format, ...) _printf_(2, 3);
