/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/string-util.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "common/cleanup.h"

#define DISTANCE_MAX_LENGTH 64U
#define MACHINE_NAME_MAX    64U

bool streq_ptr(const char *a, const char *b)
{
        if (!a || !b)
                return a == b;
        return streq(a, b);
}

char *string_format(const char *format, ...)
{
        char *text = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        return n < 0 ? NULL : text;
}

/* Unicode 15, table 3-7: well-formed UTF-8 byte sequences. */
size_t utf8_sequence(const char *text, size_t length, uint32_t *ret_code_point)
{
        const uint8_t *p = (const uint8_t *)text;
        uint32_t code_point, least;
        size_t n;

        if (length == 0)
                return 0;
        if (p[0] < 0x80) {
                *ret_code_point = p[0];
                return 1;
        }
        if ((p[0] & 0xe0) == 0xc0) {
                n = 2, least = 0x80, code_point = p[0] & 0x1f;
        } else if ((p[0] & 0xf0) == 0xe0) {
                n = 3, least = 0x800, code_point = p[0] & 0x0f;
        } else if ((p[0] & 0xf8) == 0xf0) {
                n = 4, least = 0x10000, code_point = p[0] & 0x07;
        } else {
                return 0;
        }
        if (n > length)
                return 0;
        for (size_t i = 1; i < n; i++) {
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
                code_point = code_point << 6 | (p[i] & 0x3f);
        }
        /* Overlong forms, surrogates, and what lies beyond Unicode. */
        if (code_point < least || code_point > 0x10ffff ||
            (code_point >= 0xd800 && code_point <= 0xdfff))
                return 0;

        *ret_code_point = code_point;
        return n;
}

bool utf8_is_valid(const char *text, size_t length)
{
        for (size_t i = 0, n; i < length; i += n) {
                uint32_t code_point;

                if ((uint8_t)text[i] < 0x80) {
                        n = 1;
                        continue;
                }
                n = utf8_sequence(text + i, length - i, &code_point);
                if (n == 0)
                        return false;
        }
        return true;
}

void utf8_trim_end(char *text)
{
        size_t length = strlen(text), last = length;
        uint32_t code_point;

        while (last > 0 && length - last < 3 && ((uint8_t)text[last - 1] & 0xc0) == 0x80)
                last--;
        if (last > 0 && (uint8_t)text[last - 1] >= 0x80)
                last--;
        if (last < length && utf8_sequence(text + last, length - last, &code_point) == 0)
                text[last] = '\0';
}

/* Unicode TR 36 section 3.6 names the bidirectional controls among what spoofs a reader. */
static bool code_point_is_safe(uint32_t c)
{
        if (c < 0x20 || (c >= 0x7f && c < 0xa0))
                return false;
        if (c == 0x061c || c == 0x200e || c == 0x200f)
                return false;
        return !((c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069));
}

/* Appends piece whole or not at all; one byte of room is kept for the NUL. */
static bool append_whole(char *buffer, size_t size, size_t *used, const char *piece, size_t length)
{
        if (length > size - 1 - *used)
                return false;
        memcpy(buffer + *used, piece, length);
        *used += length;
        return true;
}

char *string_escape_into(char *buffer, size_t size, const char *text, size_t length)
{
        static const char hex[] = "0123456789abcdef";
        size_t used = 0, cut = 0; /* cut: the last place where "..." still fits */

        for (size_t i = 0; i < length;) {
                char escaped[4 * 4];
                const char *piece = text + i;
                size_t piece_length, step;
                uint32_t c;

                step = utf8_sequence(text + i, length - i, &c);
                piece_length = step;
                if (step == 0 || !code_point_is_safe(c)) {
                        step = step == 0 ? 1 : step;
                        piece_length = 0;
                        for (size_t k = 0; k < step; k++) {
                                uint8_t byte = (uint8_t)text[i + k];

                                escaped[piece_length++] = '\\';
                                escaped[piece_length++] = 'x';
                                escaped[piece_length++] = hex[byte >> 4];
                                escaped[piece_length++] = hex[byte & 0xf];
                        }
                        piece = escaped;
                }
                if (used + 3 <= size - 1)
                        cut = used;
                if (!append_whole(buffer, size, &used, piece, piece_length)) {
                        used = cut;
                        (void)append_whole(buffer, size, &used, "...", 3);
                        break;
                }
                i += step;
        }
        buffer[used] = '\0';
        return buffer;
}

char *string_escape(const char *text, size_t length)
{
        size_t size;
        char *escaped, *shorter;

        if (__builtin_mul_overflow(length, (size_t)4, &size) ||
            __builtin_add_overflow(size, (size_t)1, &size))
                return NULL;
        escaped = malloc(size);
        if (!escaped)
                return NULL;
        string_escape_into(escaped, size, text, length);
        shorter = realloc(escaped, strlen(escaped) + 1);
        return shorter ? shorter : escaped;
}

size_t string_distance(const char *a, const char *b, size_t limit)
{
        size_t n_a = strlen(a), n_b = strlen(b);
        size_t row[DISTANCE_MAX_LENGTH + 1];

        if (n_a > DISTANCE_MAX_LENGTH || n_b > DISTANCE_MAX_LENGTH)
                return streq(a, b) ? 0 : limit + 1;

        for (size_t j = 0; j <= n_b; j++)
                row[j] = j;
        for (size_t i = 1; i <= n_a; i++) {
                size_t diagonal = row[0];

                row[0] = i;
                for (size_t j = 1; j <= n_b; j++) {
                        size_t replace = diagonal + (a[i - 1] != b[j - 1]);
                        size_t other = 1 + CONST_MIN(row[j], row[j - 1]);

                        diagonal = row[j];
                        row[j] = CONST_MIN(replace, other);
                }
        }
        return CONST_MIN(row[n_b], limit + 1);
}

const char *string_nearest(const char *word, const char *const *table, size_t n_table)
{
        size_t length = strlen(word), best_distance;
        const char *best = NULL;

        /* Up to a third of the word may be wrong: "knerel" means "kernel", "disk" not "name". */
        best_distance = 2 + length / 4;
        best_distance = CONST_MIN(best_distance, length / 3 + 1) + 1;
        for (size_t i = 0; i < n_table; i++) {
                size_t distance;

                if (strcasecmp(word, table[i]) == 0)
                        return table[i];
                distance = string_distance(word, table[i], best_distance);
                if (distance < best_distance && distance < strlen(table[i])) {
                        best_distance = distance;
                        best = table[i];
                }
        }
        if (best)
                return best;

        /* Half a name is often all that is remembered: "memory" for "memory_mib". */
        for (size_t i = 0; i < n_table && length >= 3; i++)
                if (strncasecmp(word, table[i], length) == 0)
                        return table[i];
        return NULL;
}

static bool is_letter_or_digit(char c)
{
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

const char *machine_name_problem(const char *name)
{
        size_t n;

        if (name[0] == '\0')
                return "the name is empty; it needs 1 to 64 characters";
        if (!is_letter_or_digit(name[0]))
                return "the name must begin with a letter or a digit (A-Z a-z 0-9)";
        for (n = 1; name[n] != '\0'; n++) {
                if (n == MACHINE_NAME_MAX)
                        return "the name is longer than 64 characters";
                if (!is_letter_or_digit(name[n]) && !strchr("._-", name[n]))
                        return "the name may hold only letters, digits, '.', '_' and '-' "
                               "(A-Z a-z 0-9 . _ -)";
        }
        return NULL;
}

int parse_u64(const char *text, uint64_t *ret)
{
        uint64_t value = 0;

        if (text[0] == '\0')
                return -EINVAL;
        for (const char *p = text; *p != '\0'; p++)
                if (*p < '0' || *p > '9')
                        return -EINVAL;
        for (const char *p = text; *p != '\0'; p++)
                if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
                    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
                        return -ERANGE;

        *ret = value;
        return 0;
}

int string_table_lookup(const char *const *table, size_t n_table, const char *text)
{
        for (size_t i = 0; i < n_table; i++)
                if (table[i] && streq(table[i], text))
                        return (int)i;
        return -EINVAL;
}
