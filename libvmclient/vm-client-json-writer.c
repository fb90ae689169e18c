/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-client-private.h"

#include <math.h>
#include <string.h>

#include "vm-client-json.h"

static gboolean print_value(GVariant *value, GString *out, unsigned depth);

void client_json_print_string(const char *text, GString *out)
{
        static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";

        g_string_append_c(out, '"');
        for (; *text; text++) {
                const char *found = strchr(from, *text);

                if (found)
                        g_string_append_printf(out, "\\%c", to[found - from]);
                else if ((unsigned char)*text < 0x20)
                        g_string_append_printf(out, "\\u%04x", (unsigned)*text);
                else
                        g_string_append_c(out, *text);
        }
        g_string_append_c(out, '"');
}

/* Seventeen digits bring any double back; a number that looks whole stays a double when read. */
static gboolean print_double(double number, GString *out)
{
        char text[G_ASCII_DTOSTR_BUF_SIZE];

        if (!isfinite(number))
                return FALSE;
        g_ascii_dtostr(text, sizeof(text), number);
        g_string_append(out, text);
        if (!strpbrk(text, ".e"))
                g_string_append(out, ".0");
        return TRUE;
}

static gboolean print_children(GVariant *value, GString *out, unsigned depth)
{
        gsize n = g_variant_n_children(value);

        if (depth == CLIENT_JSON_MAX_DEPTH)
                return FALSE;
        g_string_append_c(out, '[');
        for (gsize i = 0; i < n; i++) {
                g_autoptr(GVariant) child = g_variant_get_child_value(value, i);

                if (i > 0)
                        g_string_append_c(out, ',');
                if (!print_value(child, out, depth + 1))
                        return FALSE;
        }
        g_string_append_c(out, ']');
        return TRUE;
}

static gboolean print_dictionary(GVariant *value, GString *out, unsigned depth)
{
        gsize n = g_variant_n_children(value);

        if (depth == CLIENT_JSON_MAX_DEPTH)
                return FALSE;
        g_string_append_c(out, '{');
        for (gsize i = 0; i < n; i++) {
                g_autoptr(GVariant) entry = g_variant_get_child_value(value, i);
                g_autoptr(GVariant) key = g_variant_get_child_value(entry, 0);
                g_autoptr(GVariant) child = g_variant_get_child_value(entry, 1);

                if (i > 0)
                        g_string_append_c(out, ',');
                client_json_print_string(g_variant_get_string(key, NULL), out);
                g_string_append_c(out, ':');
                if (!print_value(child, out, depth + 1))
                        return FALSE;
        }
        g_string_append_c(out, '}');
        return TRUE;
}

static gboolean print_maybe(GVariant *value, GString *out, unsigned depth)
{
        g_autoptr(GVariant) inner = g_variant_get_maybe(value);

        if (inner)
                return print_value(inner, out, depth);
        g_string_append(out, "null");
        return TRUE;
}

static gboolean print_variant(GVariant *value, GString *out, unsigned depth)
{
        g_autoptr(GVariant) inner = g_variant_get_variant(value);

        return print_value(inner, out, depth);
}

static gboolean print_value(GVariant *value, GString *out, unsigned depth)
{
        switch (g_variant_classify(value)) {
        case G_VARIANT_CLASS_BOOLEAN:
                g_string_append(out, g_variant_get_boolean(value) ? "true" : "false");
                return TRUE;
        case G_VARIANT_CLASS_BYTE:
                g_string_append_printf(out, "%u", (unsigned)g_variant_get_byte(value));
                return TRUE;
        case G_VARIANT_CLASS_INT16:
                g_string_append_printf(out, "%d", (int)g_variant_get_int16(value));
                return TRUE;
        case G_VARIANT_CLASS_UINT16:
                g_string_append_printf(out, "%u", (unsigned)g_variant_get_uint16(value));
                return TRUE;
        case G_VARIANT_CLASS_INT32:
                g_string_append_printf(out, "%" G_GINT32_FORMAT, g_variant_get_int32(value));
                return TRUE;
        case G_VARIANT_CLASS_UINT32:
                g_string_append_printf(out, "%" G_GUINT32_FORMAT, g_variant_get_uint32(value));
                return TRUE;
        case G_VARIANT_CLASS_INT64:
                g_string_append_printf(out, "%" G_GINT64_FORMAT, g_variant_get_int64(value));
                return TRUE;
        case G_VARIANT_CLASS_UINT64:
                g_string_append_printf(out, "%" G_GUINT64_FORMAT, g_variant_get_uint64(value));
                return TRUE;
        case G_VARIANT_CLASS_DOUBLE:
                return print_double(g_variant_get_double(value), out);
        case G_VARIANT_CLASS_STRING:
        case G_VARIANT_CLASS_OBJECT_PATH:
        case G_VARIANT_CLASS_SIGNATURE:
                client_json_print_string(g_variant_get_string(value, NULL), out);
                return TRUE;
        case G_VARIANT_CLASS_VARIANT:
                return print_variant(value, out, depth);
        case G_VARIANT_CLASS_MAYBE:
                return print_maybe(value, out, depth);
        case G_VARIANT_CLASS_ARRAY:
                if (g_variant_is_of_type(value, G_VARIANT_TYPE("a{s*}")))
                        return print_dictionary(value, out, depth);
                if (g_variant_is_of_type(value, G_VARIANT_TYPE_DICTIONARY))
                        return FALSE;
                return print_children(value, out, depth);
        case G_VARIANT_CLASS_TUPLE:
                return print_children(value, out, depth);
        case G_VARIANT_CLASS_HANDLE:
        case G_VARIANT_CLASS_DICT_ENTRY:
        default:
                return FALSE;
        }
}

gboolean client_json_print(GVariant *value, GString *out)
{
        return print_value(value, out, 0);
}
