/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A guest's output on its way to a person's terminal. The first byte says how the reads cut it;
 * what comes out must be the same for every cut, valid UTF-8, and unable to steer a terminal.
 */

#include <glib.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "vmctl/escape-stream.h"

static GString *escape(const uint8_t *data, size_t size, size_t chunk)
{
        GString *out = g_string_new(NULL);
        EscapeStream stream = {0};

        for (size_t at = 0; at < size; at += chunk)
                escape_stream_feed(&stream, data + at, MIN(chunk, size - at), out);
        escape_stream_end(&stream, out);
        return out;
}

static void check_harmless(const GString *text)
{
        for (size_t i = 0; i < text->len; i++) {
                unsigned char c = (unsigned char)text->str[i];

                fuzz_check((c >= 0x20 && c != 0x7f) || c == '\n' || c == '\t');
                /* C1 controls in UTF-8: 0xc2 0x80 to 0xc2 0x9f. */
                fuzz_check(c != 0xc2 || (unsigned char)text->str[i + 1] >= 0xa0);
        }
        fuzz_check(g_utf8_validate(text->str, (gssize)text->len, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autoptr(GString) whole = NULL;
        g_autoptr(GString) cut = NULL;
        size_t chunk = size > 0 ? 1 + data[0] % 7 : 1;

        whole = escape(data, size, size > 0 ? size : 1);
        cut = escape(data, size, chunk);
        check_harmless(whole);
        fuzz_check(g_string_equal(whole, cut));
        return 0;
}
