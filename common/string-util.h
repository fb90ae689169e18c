/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Strings: comparison, bounded building, escaping of what a guest or a stranger chose, tables. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline bool streq(const char *a, const char *b)
{
        return strcmp(a, b) == 0;
}

/* As streq(), but NULL equals NULL only. */
bool streq_ptr(const char *a, const char *b);

/* printf into a new string; NULL without memory. */
char *string_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * A new string in which every byte that could steer a terminal or break a line (C0 and C1 control
 * characters, DEL, invalid UTF-8, bidirectional overrides) stands as \xNN. NULL without memory.
 */
char *string_escape(const char *text, size_t length);

/*
 * The same into a buffer of size bytes (4 at least); what does not fit is cut at a whole character
 * and "..." stands for it. Returns buffer.
 */
char *string_escape_into(char *buffer, size_t size, const char *text, size_t length);

/* The length of the well-formed UTF-8 sequence at text (1 to 4) and its code point, or 0. */
size_t utf8_sequence(const char *text, size_t length, uint32_t *ret_code_point);

/* Whether text is well-formed UTF-8 throughout. NUL bytes are characters like others. */
bool utf8_is_valid(const char *text, size_t length);

/* Takes away the part of a UTF-8 sequence that a bounded copy left at the end of text. */
void utf8_trim_end(char *text);

/* Levenshtein distance in bytes, for "did you mean"; at most limit + 1 is returned. Of strings over
 * 64 bytes only equality is looked at. */
size_t string_distance(const char *a, const char *b, size_t limit);

/* The entry of table nearest to word, or NULL if none is near enough to be meant. */
const char *string_nearest(const char *word, const char *const *table, size_t n_table);

/* Machine names: 1 to 64 of A-Z a-z 0-9 . _ -, first a letter or digit. NULL, or what is wrong. */
const char *machine_name_problem(const char *name);

/* Whole decimal number without sign, blanks or leftovers. 0, -EINVAL or -ERANGE. */
int parse_u64(const char *text, uint64_t *ret);

/*
 * name_to_string() and name_from_string() over a table of n strings. from_string returns -EINVAL
 * for a string that is not in it; to_string NULL for a value outside it.
 */
#define DECLARE_STRING_TABLE(name, type)                                                           \
        const char *name##_to_string(type value);                                                  \
        int name##_from_string(const char *text)
#define DEFINE_STRING_TABLE(name, type, table)                                                     \
        const char *name##_to_string(type value)                                                   \
        {                                                                                          \
                return (size_t)value < sizeof(table) / sizeof((table)[0]) ? (table)[value] : NULL; \
        }                                                                                          \
        int name##_from_string(const char *text)                                                   \
        {                                                                                          \
                return string_table_lookup(table, sizeof(table) / sizeof((table)[0]), text);       \
        }                                                                                          \
        struct _swallow_semicolon_
int string_table_lookup(const char *const *table, size_t n_table, const char *text);
