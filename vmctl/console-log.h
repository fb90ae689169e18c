/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The console log of a run, read on as it grows and across its rotation. */

#include "libvmclient/vmclient.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct ConsoleLogSettings {
        bool previous; /* the older part */
        bool raw;      /* the guest's bytes as they are, else escaped */
        bool limit_lines;
        uint64_t lines; /* of what is there, the last ones only */
} ConsoleLogSettings;

typedef struct ConsoleLog ConsoleLog;

ConsoleLog *console_log_open(VmClientMachine *machine, const ConsoleLogSettings *settings,
                             GError **error);
void console_log_free(ConsoleLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConsoleLog, console_log_free)

/* Prints on standard output what came since the last call. 0 or negative errno. */
int console_log_print_new(ConsoleLog *log);

/* Nothing follows: what was held back is printed, and the last line ended. */
void console_log_print_end(ConsoleLog *log);

/* Where the last lines of text begin. */
size_t last_lines(const char *text, size_t size, uint64_t lines);
