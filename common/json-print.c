/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The opposite of json-parse.c. json-c's own printer cuts its text short where memory runs out,
 * says nothing of it, and prints what no strict reader takes: strings that are not UTF-8, NaN.
 */

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/json-fields.h"
#include "common/string-util.h"

#define FIRST_SIZE 256U

typedef struct JsonPrinter {
        char *text;
        size_t used, size;
        unsigned depth;
} JsonPrinter;

static int print_bytes(JsonPrinter *p, const char *bytes, size_t n)
{
        if (n == 0)
                return 0;
        if (n > p->size - p->used) {
                size_t size = CONST_MAX(p->size, FIRST_SIZE);
                char *bigger;

                while (n > size - p->used)
                        if (__builtin_mul_overflow(size, (size_t)2, &size))
                                return -ENOMEM;
                bigger = realloc(p->text, size);
                if (!bigger)
                        return -ENOMEM;
                p->text = bigger;
                p->size = size;
        }
        memcpy(p->text + p->used, bytes, n);
        p->used += n;
        return 0;
}

static int print_word(JsonPrinter *p, const char *word)
{
        return print_bytes(p, word, strlen(word));
}

/* RFC 8259 section 7: the quote, the backslash and what is below a blank. */
static int print_escape(JsonPrinter *p, char c)
{
        static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
        const char *found = strchr(from, c);
        char escape[8];

        if (found)
                snprintf(escape, sizeof(escape), "\\%c", to[found - from]);
        else
                snprintf(escape, sizeof(escape), "\\u%04x", (unsigned)c);
        return print_word(p, escape);
}

static int print_string(JsonPrinter *p, const char *text, size_t length)
{
        size_t start = 0;
        int r;

        r = print_word(p, "\"");
        for (size_t i = 0; r >= 0 && i < length;) {
                unsigned char c = (unsigned char)text[i];
                uint32_t code_point;
                size_t n = 1;

                if (c == '\0')
                        return -EILSEQ;
                if (c >= 0x80) {
                        n = utf8_sequence(text + i, length - i, &code_point);
                        if (n == 0)
                                return -EILSEQ;
                } else if (c < 0x20 || c == '"' || c == '\\') {
                        r = print_bytes(p, text + start, i - start);
                        if (r >= 0)
                                r = print_escape(p, text[i]);
                        start = i + 1;
                }
                i += n;
        }
        if (r >= 0)
                r = print_bytes(p, text + start, length - start);
        return r < 0 ? r : print_word(p, "\"");
}

static int print_integer(JsonPrinter *p, json_object *json)
{
        int64_t value = json_object_get_int64(json);
        char text[24];

        /* Both saturate: what is not negative is right without a sign. */
        if (value < 0)
                snprintf(text, sizeof(text), "%" PRIi64, value);
        else
                snprintf(text, sizeof(text), "%" PRIu64, json_object_get_uint64(json));
        return print_word(p, text);
}

/* The shortest of the texts that read back to the same number. */
static int print_double(JsonPrinter *p, double value)
{
        char text[40], *comma;

        if (!isfinite(value))
                return -EINVAL;
        for (int digits = 15; digits <= 17; digits++) {
                snprintf(text, sizeof(text), "%.*g", digits, value);
                if (strtod(text, NULL) == value)
                        break;
        }
        comma = strchr(text, ','); /* of the user's language */
        if (comma)
                *comma = '.';
        if (!strpbrk(text, ".e"))
                strcat(text, ".0");
        return print_word(p, text);
}

static int print_value(JsonPrinter *p, json_object *json);

static int print_array(JsonPrinter *p, json_object *array)
{
        size_t n = json_object_array_length(array);
        int r;

        r = print_word(p, "[");
        for (size_t i = 0; r >= 0 && i < n; i++) {
                r = i > 0 ? print_word(p, ",") : 0;
                if (r >= 0)
                        r = print_value(p, json_object_array_get_idx(array, i));
        }
        return r < 0 ? r : print_word(p, "]");
}

static int print_object(JsonPrinter *p, json_object *object)
{
        struct lh_entry *entry;
        bool first = true;
        int r;

        r = print_word(p, "{");
        lh_foreach(json_object_get_object(object), entry)
        {
                const char *key = lh_entry_k(entry);

                if (r >= 0 && !first)
                        r = print_word(p, ",");
                if (r >= 0)
                        r = print_string(p, key, strlen(key));
                if (r >= 0)
                        r = print_word(p, ":");
                if (r >= 0)
                        r = print_value(p, (json_object *)lh_entry_v(entry));
                if (r < 0)
                        return r;
                first = false;
        }
        return r < 0 ? r : print_word(p, "}");
}

static int print_container(JsonPrinter *p, json_object *json)
{
        int r;

        if (p->depth == JSON_MAX_DEPTH)
                return -EINVAL;
        p->depth++;
        r = json_object_is_type(json, json_type_object) ? print_object(p, json)
                                                        : print_array(p, json);
        p->depth--;
        return r;
}

static int print_value(JsonPrinter *p, json_object *json)
{
        switch (json_object_get_type(json)) {
        case json_type_null:
                return print_word(p, "null");
        case json_type_boolean:
                return print_word(p, json_object_get_boolean(json) ? "true" : "false");
        case json_type_int:
                return print_integer(p, json);
        case json_type_double:
                return print_double(p, json_object_get_double(json));
        case json_type_string:
                return print_string(p, json_object_get_string(json),
                                    (size_t)json_object_get_string_len(json));
        case json_type_object:
        case json_type_array:
                return print_container(p, json);
        }
        return -EINVAL;
}

int json_print(json_object *json, char **ret_text, size_t *ret_length)
{
        JsonPrinter p = {0};
        int r;

        r = print_value(&p, json);
        if (r >= 0)
                r = print_bytes(&p, "", 1);
        if (r < 0) {
                free(p.text);
                return r;
        }
        *ret_text = p.text;
        if (ret_length)
                *ret_length = p.used - 1;
        return 0;
}
