/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What people read on a terminal: errors, colours, sizes and times. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* "vmctl: <message>" on standard error. */
void message_error(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* The same, unless --quiet was given: what is not an error but worth a line. */
void message_note(bool quiet, const char *format, ...) G_GNUC_PRINTF(2, 3);

typedef enum Tone {
        TONE_PLAIN,
        TONE_GOOD,
        TONE_WARNING,
        TONE_BAD,
        TONE_FAINT,
        TONE_STRONG,
        _TONE_MAX,
} Tone;

/* Whether fd is a terminal that shows colours: not with NO_COLOR (no-color.org) or TERM=dumb. */
bool message_colors(int fd);

/* The escape sequence of tone, and that which ends it; both "" where standard output shows none. */
const char *tone_begin(Tone tone);
const char *tone_end(Tone tone);
const char *tone_sequence(Tone tone); /* the bare sequence, for libsmartcols; NULL for plain */

/* New strings, freed by g_free(). Times are microseconds. */
char *format_span(uint64_t usec);                     /* "1h 5min", "12.3s", "850ms" */
char *format_time(int64_t realtime_usec);             /* "Mon 2026-11-23 16:11:20 UTC"; "-" for 0 */
char *format_ago(int64_t realtime_usec, int64_t now); /* "3min 4s ago"; "-" for 0 */
char *format_mib(uint64_t bytes);                     /* "256 MiB", "1.5 GiB", "12 KiB" */
char *format_count(uint64_t count);                   /* "1,204" */

/*
 * "90", "90s", "1min 30s", "250ms", "2h" -> microseconds. 0, -EINVAL, or -ERANGE beyond a year.
 */
int parse_span(const char *text, uint64_t *ret_usec);

/* "512", "512M", "2G" -> MiB. 0, -EINVAL or -ERANGE. */
int parse_mib(const char *text, uint64_t *ret_mib);
