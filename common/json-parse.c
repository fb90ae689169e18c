/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A strict JSON reader (RFC 8259) that builds json-c objects. json-c's own tokener takes more than
 * JSON, lets a second key of the same name replace the first, and costs several times as many
 * instructions; the monitor reads its configuration on the start path.
 *
 * It works in place: a string is unescaped where it stands (never longer than its source) and ended
 * by a NUL in the place of its closing quote. The text itself ends with a NUL, which no rule of the
 * grammar accepts, so that no step needs to look for the end.
 */

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/json-fields.h"
#include "common/string-util.h"

typedef struct JsonReader {
        char *p;
        char *end;
        const char *line_start;
        unsigned line;
        unsigned depth;
        struct {
                const char *key; /* NULL: an array's element or the object itself */
                size_t index;
        } path[JSON_MAX_DEPTH];
        JsonProblem *problem;
} JsonReader;

int json_problem(JsonProblem *problem, const char *pointer, const char *format, ...)
{
        va_list ap;

        if (!problem)
                return -EBADMSG;
        snprintf(problem->pointer, sizeof(problem->pointer), "%s", pointer);
        va_start(ap, format);
        vsnprintf(problem->message, sizeof(problem->message), format, ap);
        va_end(ap);
        utf8_trim_end(problem->message);
        return -EBADMSG;
}

char *json_pointer_of(char *buffer, size_t size, const char *parent, const char *key)
{
        char escaped[128];
        size_t used;

        string_escape_into(escaped, sizeof(escaped), key, strlen(key));
        snprintf(buffer, size, "%s/", parent);
        used = strlen(buffer);
        for (const char *p = escaped; *p != '\0'; p++) {
                const char piece[2] = {*p, '\0'};
                const char *text = *p == '~' ? "~0" : *p == '/' ? "~1" : piece;

                if (used + strlen(text) + 1 > size)
                        break;
                memcpy(buffer + used, text, strlen(text) + 1);
                used += strlen(text);
        }
        utf8_trim_end(buffer);
        return buffer;
}

/* The place is where the reader stands: pointer by its path, line and column by its position. */
static _printf_(2, 3) int refuse(JsonReader *r, const char *format, ...)
{
        char pointer[sizeof(r->problem->pointer)] = "", message[256];
        va_list ap;

        for (unsigned i = 0; i < r->depth; i++) {
                char parent[sizeof(pointer)], index[24];
                const char *key = r->path[i].key;

                if (!key && r->path[i].index == SIZE_MAX)
                        continue; /* an object of which no key has been read yet */
                snprintf(index, sizeof(index), "%zu", r->path[i].index);
                memcpy(parent, pointer, sizeof(pointer));
                json_pointer_of(pointer, sizeof(pointer), parent, key ? key : index);
        }
        va_start(ap, format);
        vsnprintf(message, sizeof(message), format, ap);
        va_end(ap);
        utf8_trim_end(message);
        return json_problem(r->problem, pointer, "line %u, column %zu: %s", r->line,
                            (size_t)(r->p - r->line_start) + 1, message);
}

static int refuse_here(JsonReader *r, const char *expected)
{
        char found[32];

        if (r->p == r->end)
                return refuse(r, "the text ends where %s is expected", expected);
        if (*r->p == '\0')
                return refuse(r, "a NUL byte stands where %s is expected; remove it", expected);
        string_escape_into(found, sizeof(found), r->p, CONST_MIN(r->end - r->p, (ptrdiff_t)8));
        return refuse(r, "'%s' stands where %s is expected", found, expected);
}

static void skip_blanks(JsonReader *r)
{
        for (;; r->p++) {
                if (*r->p == '\n') {
                        r->line++;
                        r->line_start = r->p + 1;
                } else if (*r->p != ' ' && *r->p != '\t' && *r->p != '\r') {
                        return;
                }
        }
}

static int hex_value(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

/* The four digits of \uXXXX at p, or -1. */
static int read_utf16_unit(const char *p)
{
        int unit = 0;

        for (int i = 0; i < 4; i++) {
                int digit = hex_value(p[i]);

                if (digit < 0)
                        return -1;
                unit = unit << 4 | digit;
        }
        return unit;
}

static char *write_utf8(char *out, uint32_t c)
{
        if (c < 0x80) {
                *out++ = (char)c;
        } else if (c < 0x800) {
                *out++ = (char)(0xc0 | c >> 6);
                *out++ = (char)(0x80 | (c & 0x3f));
        } else if (c < 0x10000) {
                *out++ = (char)(0xe0 | c >> 12);
                *out++ = (char)(0x80 | (c >> 6 & 0x3f));
                *out++ = (char)(0x80 | (c & 0x3f));
        } else {
                *out++ = (char)(0xf0 | c >> 18);
                *out++ = (char)(0x80 | (c >> 12 & 0x3f));
                *out++ = (char)(0x80 | (c >> 6 & 0x3f));
                *out++ = (char)(0x80 | (c & 0x3f));
        }
        return out;
}

/* \uXXXX, or two of them for what UTF-16 needs a surrogate pair for (RFC 8259 section 7). */
static int read_unicode_escape(JsonReader *r, char **out)
{
        int unit = read_utf16_unit(r->p + 2);
        uint32_t c = (uint32_t)unit;

        if (unit < 0)
                return refuse(r, "\\u must be followed by four hexadecimal digits");
        if (unit == 0)
                return refuse(r, "\\u0000 is not allowed in a string; remove it");
        if (unit >= 0xd800 && unit <= 0xdfff) {
                int low = r->p[6] == '\\' && r->p[7] == 'u' ? read_utf16_unit(r->p + 8) : -1;

                if (unit >= 0xdc00 || low < 0xdc00 || low > 0xdfff)
                        return refuse(r, "\\u%04x is half of a surrogate pair", (unsigned)unit);
                c = 0x10000 + (((uint32_t)unit - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
                r->p += 6;
        }
        r->p += 6;
        *out = write_utf8(*out, c);
        return 0;
}

static int read_escape(JsonReader *r, char **out)
{
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        const char *found;

        if (r->p[1] == 'u')
                return read_unicode_escape(r, out);
        found = r->p[1] != '\0' ? strchr(from, r->p[1]) : NULL;
        if (!found)
                return refuse(r, "a backslash must be followed by one of \" \\ / b f n r t u");
        *(*out)++ = to[found - from];
        r->p += 2;
        return 0;
}

/* Moves n bytes that need no unescaping down to where the string has got to. */
static void keep_bytes(JsonReader *r, char **out, size_t n)
{
        if (*out != r->p)
                memmove(*out, r->p, n);
        *out += n;
        r->p += n;
}

static size_t count_plain(const char *p)
{
        size_t n = 0;

        while ((unsigned char)p[n] >= 0x20 && (unsigned char)p[n] < 0x80 && p[n] != '"' &&
               p[n] != '\\')
                n++;
        return n;
}

/* A byte that is neither plain ASCII nor the closing quote. */
static int read_special(JsonReader *r, char **out)
{
        unsigned char c = (unsigned char)*r->p;
        uint32_t code_point;
        size_t n;

        if (c == '\\')
                return read_escape(r, out);
        if (c < 0x20) {
                if (r->p == r->end)
                        return refuse(r, "the text ends within a string; close it with '\"'");
                if (c == '\0')
                        return refuse(r, "a NUL byte is not allowed in a string; remove it");
                return refuse(r, "control character 0x%02x in a string; write it as \\u%04x",
                              (unsigned)c, (unsigned)c);
        }
        n = utf8_sequence(r->p, (size_t)(r->end - r->p), &code_point);
        if (n == 0)
                return refuse(r, "byte 0x%02x is not valid UTF-8; save the text as UTF-8",
                              (unsigned)c);
        keep_bytes(r, out, n);
        return 0;
}

/* At the opening quote. Leaves the reader behind the closing one, and a NUL in its place. */
static int read_string(JsonReader *r, char **ret, size_t *ret_length)
{
        char *start = ++r->p, *out = start;

        for (;;) {
                int q;

                keep_bytes(r, &out, count_plain(r->p));
                if (*r->p == '"')
                        break;
                q = read_special(r, &out);
                if (q < 0)
                        return q;
        }
        r->p++;
        *out = '\0';
        *ret = start;
        *ret_length = (size_t)(out - start);
        return 0;
}

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

/* Passes over digits; whether there was one. */
static bool skip_digits(JsonReader *r)
{
        const char *start = r->p;

        while (is_digit(*r->p))
                r->p++;
        return r->p > start;
}

/* What is no 64-bit integer: kept as a double together with its own text. */
static int make_double(JsonReader *r, char *start, json_object **ret)
{
        char behind = *r->p;
        double value;

        *r->p = '\0';
        /* For "C" and all categories this names a static locale: nothing is made. */
        value = strtod_l(start, NULL, newlocale(LC_ALL_MASK, "C", NULL));
        if (isfinite(value))
                *ret = json_object_new_double_s(value, start);
        *r->p = behind;
        if (!isfinite(value))
                return refuse(r, "the number is too large");
        return *ret ? 0 : -ENOMEM;
}

static int read_number(JsonReader *r, json_object **ret)
{
        char *start = r->p;
        bool negative = *r->p == '-', is_integer = true, overflow = false;
        uint64_t value = 0;

        if (negative)
                r->p++;
        if (!is_digit(*r->p))
                return refuse_here(r, negative ? "a digit" : "a value");
        if (*r->p == '0' && is_digit(r->p[1]))
                return refuse(r, "a number must not begin with 0");
        for (; is_digit(*r->p); r->p++)
                overflow = overflow || __builtin_mul_overflow(value, UINT64_C(10), &value) ||
                           __builtin_add_overflow(value, (uint64_t)(*r->p - '0'), &value);
        if (*r->p == '.') {
                is_integer = false;
                r->p++;
                if (!skip_digits(r))
                        return refuse_here(r, "a digit");
        }
        if (*r->p == 'e' || *r->p == 'E') {
                is_integer = false;
                r->p++;
                if (*r->p == '+' || *r->p == '-')
                        r->p++;
                if (!skip_digits(r))
                        return refuse_here(r, "a digit");
        }
        if (!is_integer || overflow || (negative && value > (uint64_t)INT64_MAX + 1))
                return make_double(r, start, ret);

        if (negative)
                *ret = json_object_new_int64((int64_t)(0 - value));
        else if (value <= INT64_MAX)
                *ret = json_object_new_int64((int64_t)value);
        else
                *ret = json_object_new_uint64(value);
        return *ret ? 0 : -ENOMEM;
}

static int read_value(JsonReader *r, json_object **ret);

static int read_array(JsonReader *r, json_object *array)
{
        size_t *index = &r->path[r->depth - 1].index;
        int q;

        *index = 0;
        r->p++;
        skip_blanks(r);
        if (*r->p == ']') {
                r->p++;
                return 0;
        }
        for (;; (*index)++) {
                json_object *value = NULL;

                q = read_value(r, &value);
                if (q < 0)
                        return q;
                if (json_object_array_add(array, value) < 0) {
                        json_object_put(value);
                        return -ENOMEM;
                }
                skip_blanks(r);
                if (*r->p == ']')
                        break;
                if (*r->p != ',')
                        return refuse_here(r, "',' or ']'");
                r->p++;
                skip_blanks(r);
        }
        r->p++;
        return 0;
}

/* One hash for the search and the insertion: keys are most of what a frame is made of. */
static int read_member(JsonReader *r, struct lh_table *table)
{
        json_object *value = NULL;
        unsigned long hash;
        size_t length;
        char *key, *copy;
        int q;

        if (*r->p != '"')
                return refuse_here(r, "a key in double quotes");
        q = read_string(r, &key, &length);
        if (q < 0)
                return q;
        r->path[r->depth - 1].key = key;
        hash = lh_get_hash(table, key);
        if (lh_table_lookup_entry_w_hash(table, key, hash))
                return refuse(r, "the key is there twice; keep one");
        skip_blanks(r);
        if (*r->p != ':')
                return refuse_here(r, "':'");
        r->p++;
        skip_blanks(r);
        q = read_value(r, &value);
        if (q < 0)
                return q;
        copy = strdup(key);
        if (!copy || lh_table_insert_w_hash(table, copy, value, hash, 0) < 0) {
                free(copy);
                json_object_put(value);
                return -ENOMEM;
        }
        return 0;
}

static int read_object(JsonReader *r, json_object *object)
{
        struct lh_table *table = json_object_get_object(object);

        r->path[r->depth - 1].index = SIZE_MAX;
        r->p++;
        skip_blanks(r);
        if (*r->p == '}') {
                r->p++;
                return 0;
        }
        for (;;) {
                int q = read_member(r, table);

                if (q < 0)
                        return q;
                r->path[r->depth - 1].key = NULL;
                skip_blanks(r);
                if (*r->p == '}')
                        break;
                if (*r->p != ',')
                        return refuse_here(r, "',' or '}'");
                r->p++;
                skip_blanks(r);
        }
        r->p++;
        return 0;
}

static int read_container(JsonReader *r, json_object **ret)
{
        bool is_object = *r->p == '{';
        json_object *container;
        int q;

        if (r->depth == JSON_MAX_DEPTH)
                return refuse(r, "nested deeper than %u levels", JSON_MAX_DEPTH);
        container = is_object ? json_object_new_object() : json_object_new_array_ext(4);
        if (!container)
                return -ENOMEM;
        r->path[r->depth].key = NULL;
        r->depth++;
        q = is_object ? read_object(r, container) : read_array(r, container);
        if (q < 0) {
                json_object_put(container);
                return q;
        }
        r->depth--;
        *ret = container;
        return 0;
}

static bool skip_word(JsonReader *r, const char *word)
{
        size_t n = strlen(word);

        if (strncmp(r->p, word, n) != 0)
                return false;
        r->p += n;
        return true;
}

static int read_value(JsonReader *r, json_object **ret)
{
        size_t length;
        char *text;
        int q;

        switch (*r->p) {
        case '{':
        case '[':
                return read_container(r, ret);
        case '"':
                q = read_string(r, &text, &length);
                if (q < 0)
                        return q;
                *ret = json_object_new_string_len(text, (int)length);
                return *ret ? 0 : -ENOMEM;
        case 't':
        case 'f':
                if (skip_word(r, "true"))
                        *ret = json_object_new_boolean(1);
                else if (skip_word(r, "false"))
                        *ret = json_object_new_boolean(0);
                else
                        return refuse_here(r, "a value");
                return *ret ? 0 : -ENOMEM;
        case 'n':
                if (!skip_word(r, "null"))
                        return refuse_here(r, "a value");
                *ret = NULL;
                return 0;
        default:
                return read_number(r, ret);
        }
}

int json_parse_strict_in_place(char *text, size_t length, json_object **ret, JsonProblem *problem)
{
        JsonReader r = {
                .p = text,
                .end = text + length,
                .line_start = text,
                .line = 1,
                .problem = problem,
        };
        json_object *value = NULL;
        int q;

        if (length > INT32_MAX)
                return json_problem(problem, "", "the text is longer than 2 GiB");
        skip_blanks(&r);
        if (r.p == r.end)
                return refuse(&r, "the text is empty; at least {} is needed");
        q = read_value(&r, &value);
        if (q < 0)
                return q;
        skip_blanks(&r);
        if (r.p != r.end) {
                json_object_put(value);
                return refuse_here(&r, "the end of the text");
        }
        *ret = value;
        return 0;
}

int json_parse_strict(const char *text, size_t length, json_object **ret, JsonProblem *problem)
{
        _cleanup_free_ char *copy = malloc(length + 1);

        if (!copy)
                return -ENOMEM;
        memcpy(copy, text, length);
        copy[length] = '\0';
        return json_parse_strict_in_place(copy, length, ret, problem);
}
