/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A guest's output on its way to a person: whatever could steer a terminal stands as \xNN. What
 * stays is printable UTF-8, newline, tab, and the carriage return before a newline (dropped). A
 * character that is split between two reads is held back until it is whole.
 */

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct EscapeStream {
        unsigned char held[4]; /* the beginning of a character, or a carriage return */
        size_t n_held;
} EscapeStream;

/* Appends the clean form of data to out. */
void escape_stream_feed(EscapeStream *stream, const void *data, size_t size, GString *out);

/* Appends what is still held back: the stream has ended. */
void escape_stream_end(EscapeStream *stream, GString *out);
