/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/output.h"

#include <errno.h>
#include <inttypes.h>
#include <libsmartcols/libsmartcols.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/string-util.h"

typedef struct Cell {
        char *shown; /* escaped for a terminal */
        json_object *value;
        Tone tone;
} Cell;

struct Table {
        const Column *columns;
        size_t n_columns;
        GPtrArray *rows; /* Cell[n_columns] each */
};

#define LABEL_WIDTH 12

Table *table_new(const Column *columns, size_t n_columns)
{
        Table *table = g_new0(Table, 1);

        table->columns = columns;
        table->n_columns = n_columns;
        table->rows = g_ptr_array_new();
        return table;
}

void table_free(Table *table)
{
        if (!table)
                return;
        for (guint i = 0; i < table->rows->len; i++) {
                Cell *row = g_ptr_array_index(table->rows, i);

                for (size_t j = 0; j < table->n_columns; j++) {
                        free(row[j].shown);
                        json_object_put(row[j].value);
                }
                g_free(row);
        }
        g_ptr_array_unref(table->rows);
        g_free(table);
}

void table_add_row(Table *table)
{
        g_ptr_array_add(table->rows, g_new0(Cell, table->n_columns));
}

static Cell *last_cell(Table *table, size_t column)
{
        Cell *row = g_ptr_array_index(table->rows, table->rows->len - 1);

        return &row[column];
}

void table_set_string(Table *table, size_t column, const char *value, Tone tone)
{
        Cell *cell = last_cell(table, column);

        cell->value = json_string(value);
        cell->shown = value && *value ? string_escape(value, strlen(value)) : strdup("-");
        cell->tone = tone;
}

void table_set_number(Table *table, size_t column, int64_t value, const char *shown)
{
        Cell *cell = last_cell(table, column);

        cell->value = json_object_new_int64(value);
        cell->shown = shown ? strdup(shown) : string_format("%" PRId64, value);
}

void table_set_boolean(Table *table, size_t column, bool value)
{
        Cell *cell = last_cell(table, column);

        cell->value = json_object_new_boolean(value);
        cell->shown = strdup(value ? "yes" : "no");
}

size_t table_count_rows(const Table *table)
{
        return table->rows->len;
}

json_object *json_string(const char *text)
{
        g_autofree char *valid = text ? g_utf8_make_valid(text, -1) : NULL;

        return valid ? json_object_new_string(valid) : NULL;
}

static json_object *row_to_json(const Table *table, const Cell *row)
{
        json_object *object = json_object_new_object();

        for (size_t j = 0; j < table->n_columns; j++)
                json_object_object_add(object, table->columns[j].key,
                                       json_object_get(row[j].value));
        return object;
}

static void print_json(const Table *table, OutputFormat format)
{
        json_object *all = json_object_new_array();

        for (guint i = 0; i < table->rows->len; i++)
                json_object_array_add(all, row_to_json(table, g_ptr_array_index(table->rows, i)));
        if (format == OUTPUT_JSON)
                output_json(all, format);
        else
                for (size_t i = 0; i < json_object_array_length(all); i++)
                        output_json(json_object_array_get_idx(all, i), format);
        json_object_put(all);
}

static void print_names(const Table *table)
{
        for (guint i = 0; i < table->rows->len; i++) {
                const Cell *row = g_ptr_array_index(table->rows, i);

                puts(row[0].shown);
        }
}

static int fill_line(const Table *table, struct libscols_line *line, const Cell *row)
{
        size_t shown = 0;

        for (size_t j = 0; j < table->n_columns; j++) {
                struct libscols_cell *cell;

                if (!table->columns[j].header)
                        continue;
                cell = scols_line_get_cell(line, shown++);
                if (!cell || scols_cell_set_data(cell, row[j].shown ? row[j].shown : "-") < 0)
                        return -ENOMEM;
                if (row[j].tone != TONE_PLAIN && message_colors(STDOUT_FILENO) &&
                    scols_cell_set_color(cell, tone_sequence(row[j].tone)) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int add_columns(const Table *table, struct libscols_table *scols)
{
        for (size_t j = 0; j < table->n_columns; j++) {
                const Column *column = &table->columns[j];
                int flags = column->right ? SCOLS_FL_RIGHT : 0;

                if (column->header && !scols_table_new_column(scols, column->header, 0, flags))
                        return -ENOMEM;
        }
        return 0;
}

static int print_table(const Table *table, const Context *context)
{
        struct libscols_table *scols;
        int r;

        scols_init_debug(0);
        scols = scols_new_table();
        if (!scols)
                return -ENOMEM;
        scols_table_enable_noencoding(scols, 1); /* string_escape() has been here */
        scols_table_enable_noheadings(scols, !context->legend);
        scols_table_enable_colors(scols, message_colors(STDOUT_FILENO));
        /* Where nobody looks at the width of a terminal, nothing is cut. */
        if (!isatty(STDOUT_FILENO))
                scols_table_set_termforce(scols, SCOLS_TERMFORCE_NEVER);
        r = add_columns(table, scols);
        for (guint i = 0; r >= 0 && i < table->rows->len; i++) {
                struct libscols_line *line = scols_table_new_line(scols, NULL);

                r = line ? fill_line(table, line, g_ptr_array_index(table->rows, i)) : -ENOMEM;
        }
        if (r >= 0)
                r = scols_print_table(scols);
        scols_unref_table(scols);
        return r;
}

int table_print(Table *table, const Context *context)
{
        switch (context->format) {
        case OUTPUT_JSON:
        case OUTPUT_JSONL:
                print_json(table, context->format);
                return 0;
        case OUTPUT_NAME:
                print_names(table);
                return 0;
        case OUTPUT_TABLE:
                break;
        }
        return table->rows->len > 0 ? print_table(table, context) : 0;
}

/* Such characters occur within JSON strings only, where \uXXXX means the same (RFC 8259 7). */
static bool steers_terminal(gunichar c)
{
        return (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0x200e || c == 0x200f ||
               (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

char *json_to_safe_text(json_object *value, bool pretty)
{
        int flags = JSON_C_TO_STRING_NOSLASHESCAPE |
                    (pretty ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED
                            : JSON_C_TO_STRING_PLAIN);
        const char *text = json_object_to_json_string_ext(value, flags);
        GString *safe = g_string_new(NULL);

        for (const char *p = text; *p; p = g_utf8_next_char(p)) {
                gunichar c = g_utf8_get_char(p);

                if (steers_terminal(c))
                        g_string_append_printf(safe, "\\u%04x", c);
                else
                        g_string_append_unichar(safe, c);
        }
        return g_string_free(safe, FALSE);
}

void output_json(json_object *value, OutputFormat format)
{
        g_autofree char *text = json_to_safe_text(value, format == OUTPUT_JSON);

        puts(text);
}

static size_t terminal_width(void)
{
        struct winsize size;

        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 40)
                return 80;
        return size.ws_col;
}

static void print_wrapped(const char *text, size_t indent)
{
        _cleanup_free_ char *clean = string_escape(text, strlen(text));
        g_auto(GStrv) words = g_strsplit(clean ? clean : "", " ", -1);
        size_t width = terminal_width(), at = indent;

        for (char **word = words; *word; word++) {
                size_t length = (size_t)g_utf8_strlen(*word, -1);

                if (at > indent && at + 1 + length > width) {
                        printf("\n%*s", (int)indent, "");
                        at = indent;
                } else if (at > indent) {
                        putchar(' ');
                        at++;
                }
                fputs(*word, stdout);
                at += length;
        }
}

void output_wrapped(const char *text, size_t indent)
{
        print_wrapped(text, indent);
        putchar('\n');
}

void output_field(const char *label, Tone tone, const char *format, ...)
{
        g_autofree char *text = NULL;
        va_list list;

        va_start(list, format);
        text = g_strdup_vprintf(format, list);
        va_end(list);
        printf("%*s%s %s", LABEL_WIDTH, label, *label ? ":" : " ", tone_begin(tone));
        print_wrapped(text, LABEL_WIDTH + 2);
        printf("%s\n", tone_end(tone));
}

void output_paragraph(const char *text)
{
        printf("%*s", LABEL_WIDTH + 2, "");
        output_wrapped(text, LABEL_WIDTH + 2);
}

bool output_flush(void)
{
        if (fflush(stdout) == 0 && !ferror(stdout))
                return true;
        if (errno == EPIPE) {
                /* GIO ignores SIGPIPE for its sockets; the shell expects an end by it. */
                signal(SIGPIPE, SIG_DFL);
                raise(SIGPIPE);
        }
        message_error("cannot write the output: %s.", g_strerror(errno));
        return false;
}
