/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/escape-stream.h"

#include <string.h>

#include "common/cleanup.h"
#include "common/string-util.h"

/* The length that a UTF-8 sequence has by its first byte (RFC 3629); 1 for what begins none. */
static size_t sequence_length(unsigned char first)
{
        if (first >= 0xc2 && first <= 0xdf)
                return 2;
        if (first >= 0xe0 && first <= 0xef)
                return 3;
        if (first >= 0xf0 && first <= 0xf4)
                return 4;
        return 1;
}

static void append_escaped(GString *out, const unsigned char *data, size_t size)
{
        _cleanup_free_ char *clean = string_escape((const char *)data, size);

        if (clean)
                g_string_append(out, clean);
}

static void release(EscapeStream *stream, GString *out)
{
        append_escaped(out, stream->held, stream->n_held);
        stream->n_held = 0;
}

/* One byte. Plain ASCII does not come here when nothing is held. */
static void feed_byte(EscapeStream *stream, unsigned char byte, GString *out)
{
        if (stream->n_held == 1 && stream->held[0] == '\r') {
                if (byte == '\n')
                        stream->n_held = 0;
                else
                        release(stream, out);
        } else if (stream->n_held > 0 && (byte & 0xc0) != 0x80)
                release(stream, out); /* it is never completed */
        if (byte == '\n' || byte == '\t') {
                g_string_append_c(out, (char)byte);
                return;
        }
        stream->held[stream->n_held++] = byte;
        if (byte != '\r' && stream->n_held == sequence_length(stream->held[0]))
                release(stream, out);
}

void escape_stream_feed(EscapeStream *stream, const void *data, size_t size, GString *out)
{
        const unsigned char *bytes = data;
        size_t at = 0;

        while (at < size) {
                size_t plain = at;

                while (stream->n_held == 0 && plain < size && bytes[plain] >= 0x20 &&
                       bytes[plain] < 0x7f)
                        plain++;
                g_string_append_len(out, (const char *)bytes + at, (gssize)(plain - at));
                at = plain;
                if (at < size)
                        feed_byte(stream, bytes[at++], out);
        }
}

void escape_stream_end(EscapeStream *stream, GString *out)
{
        release(stream, out);
}
