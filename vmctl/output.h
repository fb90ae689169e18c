/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Results on standard output: a table for people, JSON and names for programs, from the same rows.
 * Strings are given as they are; they are escaped here, for the terminal or for JSON.
 */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmctl/message.h"
#include "vmctl/vmctl.h"

typedef struct Column {
        const char *key;    /* in JSON */
        const char *header; /* in the table; NULL: not in it */
        bool right;         /* numbers stand at the right */
} Column;

typedef struct Table Table;

/* columns[0] is what -o name prints. */
Table *table_new(const Column *columns, size_t n_columns);
void table_free(Table *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, table_free)

void table_add_row(Table *table);
/* The cells of the last row. shown may be NULL: then as in JSON. */
void table_set_string(Table *table, size_t column, const char *value, Tone tone);
void table_set_number(Table *table, size_t column, int64_t value, const char *shown);
void table_set_boolean(Table *table, size_t column, bool value);
size_t table_count_rows(const Table *table);

/* Prints it as context->format says. 0, or a negative errno when memory ran out. */
int table_print(Table *table, const Context *context);

/* One JSON value on standard output: indented for OUTPUT_JSON, on one line else. */
void output_json(json_object *value, OutputFormat format);

/*
 * JSON text in which no byte can steer a terminal, also after it was decoded from UTF-8: C1
 * controls, DEL and bidirectional marks stand as \uXXXX. g_free().
 */
char *json_to_safe_text(json_object *value, bool pretty);

/* A JSON string; invalid UTF-8 becomes U+FFFD. NULL is null. */
json_object *json_string(const char *text);

/* "Label: value" lines of one object, labels aligned at the right as in systemctl. */
void output_field(const char *label, Tone tone, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* A text below such a line, wrapped at the width of the terminal (80 where there is none). */
void output_paragraph(const char *text);

/* Escapes and prints text from column indent on, wrapped, further lines indented as far. */
void output_wrapped(const char *text, size_t indent);

/*
 * Flushes standard output. False if it could not be written, with the cause printed; a reader that
 * went away (EPIPE) ends the program as it ends any other, by SIGPIPE and without a word.
 */
bool output_flush(void);
