/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-client-private.h"

#include <errno.h>
#include <string.h>

#include "vm-client-json.h"

typedef struct Reader {
        const char *begin, *at, *end;
        unsigned depth;
        GError **error;
} Reader;

static GVariant *read_value(Reader *reader);

/* Where in the text, as an editor counts it: columns are bytes. */
static void *reader_fail(Reader *reader, const char *at, const char *what)
{
        unsigned line = 1;
        const char *line_begin = reader->begin;

        for (const char *p = reader->begin; p < at; p++) {
                if (*p != '\n')
                        continue;
                line++;
                line_begin = p + 1;
        }
        g_set_error(reader->error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_INVALID_CONFIG,
                    "line %u, column %u: %s", line, (unsigned)(at - line_begin) + 1, what);
        return NULL;
}

static void skip_space(Reader *reader)
{
        while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) && *reader->at)
                reader->at++;
}

static gboolean accept(Reader *reader, char c)
{
        if (reader->at >= reader->end || *reader->at != c)
                return FALSE;
        reader->at++;
        return TRUE;
}

static gboolean read_hex4(Reader *reader, gunichar *ret)
{
        gunichar value = 0;

        if (reader->end - reader->at < 4)
                return FALSE;
        for (int i = 0; i < 4; i++) {
                int digit = g_ascii_xdigit_value(reader->at[i]);

                if (digit < 0)
                        return FALSE;
                value = value << 4 | (gunichar)digit;
        }
        reader->at += 4;
        *ret = value;
        return TRUE;
}

/* After "\u": one code unit, or the two of a surrogate pair (RFC 8259 section 7). */
static gboolean read_code_point(Reader *reader, GString *out)
{
        gunichar high, low;

        if (!read_hex4(reader, &high) || high == 0)
                return FALSE;
        if (high >= 0xdc00 && high <= 0xdfff)
                return FALSE;
        if (high >= 0xd800 && high <= 0xdbff) {
                if (!accept(reader, '\\') || !accept(reader, 'u') || !read_hex4(reader, &low) ||
                    low < 0xdc00 || low > 0xdfff)
                        return FALSE;
                high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        }
        g_string_append_unichar(out, high);
        return TRUE;
}

static gboolean read_escape(Reader *reader, GString *out)
{
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        const char *found;
        char c;

        if (reader->at >= reader->end)
                return FALSE;
        c = *reader->at++;
        if (c == 'u')
                return read_code_point(reader, out);
        found = c ? strchr(from, c) : NULL;
        if (found)
                g_string_append_c(out, to[found - from]);
        return found != NULL;
}

/* After the opening quote. */
static char *read_string(Reader *reader)
{
        g_autoptr(GString) out = g_string_new(NULL);
        const char *begin = reader->at - 1;

        while (reader->at < reader->end) {
                const char *at = reader->at;
                char c = *reader->at++;

                if (c == '"')
                        return g_string_free(g_steal_pointer(&out), FALSE);
                if ((unsigned char)c < 0x20)
                        return reader_fail(reader, at,
                                           "a control character stands in a string: write it as "
                                           "an escape");
                if (c != '\\')
                        g_string_append_c(out, c);
                else if (!read_escape(reader, out))
                        return reader_fail(reader, at, "an escape in a string is not valid JSON");
        }
        return reader_fail(reader, begin, "this string does not end: add a closing quote");
}

/* Skips digits; FALSE if there is none. */
static gboolean skip_digits(Reader *reader)
{
        const char *begin = reader->at;

        while (reader->at < reader->end && g_ascii_isdigit(*reader->at))
                reader->at++;
        return reader->at > begin;
}

/* The number's text by the grammar of RFC 8259 section 6; FALSE if it is none. */
static gboolean scan_number(Reader *reader, gboolean *ret_integer)
{
        *ret_integer = TRUE;
        accept(reader, '-');
        if (accept(reader, '0')) {
                if (reader->at < reader->end && g_ascii_isdigit(*reader->at))
                        return FALSE;
        } else if (!skip_digits(reader)) {
                return FALSE;
        }
        if (accept(reader, '.')) {
                *ret_integer = FALSE;
                if (!skip_digits(reader))
                        return FALSE;
        }
        if (accept(reader, 'e') || accept(reader, 'E')) {
                *ret_integer = FALSE;
                if (!accept(reader, '+'))
                        accept(reader, '-');
                return skip_digits(reader);
        }
        return TRUE;
}

static GVariant *read_number(Reader *reader)
{
        const char *begin = reader->at;
        g_autofree char *text = NULL;
        gboolean integer;
        gint64 number;
        guint64 big;
        double real;

        if (!scan_number(reader, &integer))
                return reader_fail(reader, begin,
                                   "a value is expected here: an object, an array, a string in "
                                   "quotes, a number, true, false or null");
        text = g_strndup(begin, (gsize)(reader->at - begin));
        if (integer && g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, &number, NULL))
                return g_variant_new_int64(number);
        if (integer && g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, &big, NULL))
                return g_variant_new_uint64(big);
        errno = 0;
        real = g_ascii_strtod(text, NULL);
        if (errno == ERANGE && (real > 1 || real < -1))
                return reader_fail(reader, begin, "this number is too large");
        return g_variant_new_double(real);
}

static GVariant *read_array(Reader *reader)
{
        g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("av"));

        skip_space(reader);
        if (accept(reader, ']'))
                return g_variant_builder_end(&builder);
        for (;;) {
                GVariant *element = read_value(reader);

                if (!element)
                        return NULL;
                g_variant_builder_add(&builder, "v", element);
                skip_space(reader);
                if (accept(reader, ']'))
                        return g_variant_builder_end(&builder);
                if (!accept(reader, ','))
                        return reader_fail(reader, reader->at,
                                           "',' or ']' is expected after an element");
        }
}

static gboolean read_member(Reader *reader, GHashTable *keys, GVariantBuilder *builder)
{
        const char *begin;
        g_autofree char *key = NULL;
        GVariant *value;

        skip_space(reader);
        begin = reader->at;
        if (!accept(reader, '"'))
                return reader_fail(reader, begin, "a key in quotes is expected here") != NULL;
        key = read_string(reader);
        if (!key)
                return FALSE;
        skip_space(reader);
        if (!accept(reader, ':'))
                return reader_fail(reader, reader->at, "':' is expected after a key") != NULL;
        value = read_value(reader);
        if (!value)
                return FALSE;
        g_variant_builder_add(builder, "{sv}", key, value);
        if (!g_hash_table_add(keys, g_steal_pointer(&key)))
                return reader_fail(reader, begin,
                                   "this key stands twice in one object: keep one") != NULL;
        return TRUE;
}

static GVariant *read_object(Reader *reader)
{
        g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT);
        g_autoptr(GHashTable) keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

        skip_space(reader);
        if (accept(reader, '}'))
                return g_variant_builder_end(&builder);
        for (;;) {
                if (!read_member(reader, keys, &builder))
                        return NULL;
                skip_space(reader);
                if (accept(reader, '}'))
                        return g_variant_builder_end(&builder);
                if (!accept(reader, ','))
                        return reader_fail(reader, reader->at,
                                           "',' or '}' is expected after a member");
        }
}

static gboolean accept_word(Reader *reader, const char *word)
{
        gsize length = strlen(word);

        if ((gsize)(reader->end - reader->at) < length || memcmp(reader->at, word, length) != 0)
                return FALSE;
        reader->at += length;
        return TRUE;
}

static GVariant *read_nested(Reader *reader, GVariant *(*read)(Reader *))
{
        GVariant *value;

        if (++reader->depth > CLIENT_JSON_MAX_DEPTH)
                return reader_fail(reader, reader->at - 1,
                                   "objects and arrays may be nested 16 levels deep at most");
        value = read(reader);
        reader->depth--;
        return value;
}

/* A floating value, or NULL with the error set. */
static GVariant *read_value(Reader *reader)
{
        skip_space(reader);
        if (accept(reader, '{'))
                return read_nested(reader, read_object);
        if (accept(reader, '['))
                return read_nested(reader, read_array);
        if (accept(reader, '"')) {
                char *text = read_string(reader);

                return text ? g_variant_new_take_string(text) : NULL;
        }
        if (accept_word(reader, "true"))
                return g_variant_new_boolean(TRUE);
        if (accept_word(reader, "false"))
                return g_variant_new_boolean(FALSE);
        if (accept_word(reader, "null"))
                return g_variant_new_maybe(G_VARIANT_TYPE_VARIANT, NULL);
        return read_number(reader);
}

GVariant *client_json_parse(const char *text, gsize length, GError **error)
{
        Reader reader = {.begin = text, .at = text, .end = text + length, .error = error};
        g_autoptr(GVariant) value = NULL;
        const char *bad;

        if (!g_utf8_validate_len(text, length, &bad))
                return reader_fail(&reader, bad, "the text is not UTF-8 here, or holds a NUL byte");
        value = read_value(&reader);
        if (!value)
                return NULL;
        g_variant_ref_sink(value);
        skip_space(&reader);
        if (reader.at < reader.end)
                return reader_fail(&reader, reader.at, "something follows the value: remove it");
        return g_steal_pointer(&value);
}
