/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Inside the bare runtime: what its parts offer each other. */

#include "bare.h"

/* The part that is the same for every processor architecture. */
__attribute__((noreturn)) void runtime_main(const char *cmdline);

/* What an architecture's folder offers to it. */
void console_write(const char *text, size_t length);
void payload_report_started(void);
