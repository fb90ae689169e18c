/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "tests/unit/unit.h"

enum { NAME, COUNT, NOTE, FLAG, HIDDEN, _MAX };

static const Column columns[_MAX] = {
        [NAME] = {.key = "name", .header = "NAME"},
        [COUNT] = {.key = "count", .header = "COUNT", .right = true},
        [NOTE] = {.key = "note", .header = "NOTE"},
        [FLAG] = {.key = "flag", .header = "FLAG"},
        [HIDDEN] = {.key = "hidden"},
};

/* Standard output goes to a file while something is printed; the caller frees the text. */
static int saved_stdout = -1;
static FILE *captured;

static void capture_begin(void)
{
        fflush(stdout);
        captured = tmpfile();
        saved_stdout = dup(STDOUT_FILENO);
        dup2(fileno(captured), STDOUT_FILENO);
}

static char *capture_end(void)
{
        char *text;
        long size;

        fflush(stdout);
        dup2(saved_stdout, STDOUT_FILENO);
        close(saved_stdout);
        fseek(captured, 0, SEEK_END);
        size = ftell(captured);
        rewind(captured);
        text = g_malloc0((gsize)size + 1);
        ck_assert_uint_eq(fread(text, 1, (size_t)size, captured), (size_t)size);
        fclose(captured);
        return text;
}

static char *print(OutputFormat format, bool legend, size_t n_rows)
{
        g_autoptr(Table) table = table_new(columns, _MAX);
        Context context = {.format = format, .legend = legend};

        if (n_rows > 0) {
                table_add_row(table);
                table_set_string(table, NAME, "web", TONE_STRONG);
                table_set_number(table, COUNT, 5, "five");
                table_set_string(table, NOTE, "ev\033[31mil\n\"quoted\"", TONE_BAD);
                table_set_boolean(table, FLAG, true);
                table_set_string(table, HIDDEN, "secret", TONE_PLAIN);
        }
        if (n_rows > 1) {
                table_add_row(table);
                table_set_string(table, NAME, "a-longer-name", TONE_PLAIN);
        }
        ck_assert_uint_eq(table_count_rows(table), n_rows);
        capture_begin();
        ck_assert_int_eq(table_print(table, &context), 0);
        return capture_end();
}

START_TEST(test_table)
{
        g_autofree char *text = print(OUTPUT_TABLE, true, 2);
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        ck_assert_uint_eq(g_strv_length(lines), 4); /* header, two rows, and what ends the last */
        ck_assert(g_str_has_prefix(lines[0], "NAME"));
        ck_assert(strstr(lines[1], "web") && strstr(lines[1], " five "));
        ck_assert(strstr(lines[1], "ev\\x1b[31mil\\x0a\"quoted\"") != NULL);
        ck_assert(strstr(text, "secret") == NULL);
        ck_assert(strchr(text, '\033') == NULL); /* a file has no colours */
        /* Columns are aligned: COUNT ends where its cells end. */
        ck_assert_ptr_eq(strstr(lines[0], "NOTE") - lines[0] + lines[1],
                         strstr(lines[1], "ev\\x1b"));
}
END_TEST

START_TEST(test_table_without_legend)
{
        g_autofree char *text = print(OUTPUT_TABLE, false, 2);

        ck_assert(g_str_has_prefix(text, "web "));
        ck_assert(strstr(text, "NAME") == NULL);
}
END_TEST

START_TEST(test_empty)
{
        g_autofree char *table = print(OUTPUT_TABLE, true, 0), *json = print(OUTPUT_JSON, true, 0);
        g_autofree char *jsonl = print(OUTPUT_JSONL, true, 0), *name = print(OUTPUT_NAME, true, 0);

        ck_assert_str_eq(table, "");
        ck_assert_str_eq(g_strdelimit(json, "\n", ' '), "[ ] ");
        ck_assert_str_eq(jsonl, "");
        ck_assert_str_eq(name, "");
}
END_TEST

START_TEST(test_names)
{
        g_autofree char *text = print(OUTPUT_NAME, true, 2);

        ck_assert_str_eq(text, "web\na-longer-name\n");
}
END_TEST

START_TEST(test_json)
{
        g_autofree char *text = print(OUTPUT_JSON, true, 2);
        json_object *all = json_tokener_parse(text), *row, *value;

        ck_assert_uint_eq(json_object_array_length(all), 2);
        row = json_object_array_get_idx(all, 0);
        ck_assert(json_object_object_get_ex(row, "count", &value));
        ck_assert_int_eq(json_object_get_type(value), json_type_int);
        ck_assert_int_eq(json_object_get_int(value), 5);
        ck_assert(json_object_object_get_ex(row, "note", &value));
        ck_assert_str_eq(json_object_get_string(value), "ev\033[31mil\n\"quoted\"");
        ck_assert(json_object_object_get_ex(row, "flag", &value));
        ck_assert(json_object_is_type(value, json_type_boolean));
        ck_assert(json_object_object_get_ex(row, "hidden", &value)); /* programs get everything */
        row = json_object_array_get_idx(all, 1);
        ck_assert(json_object_object_get_ex(row, "count", &value)); /* null, but there */
        ck_assert_ptr_null(value);
        ck_assert(strchr(text, '\033') == NULL);
        json_object_put(all);
}
END_TEST

START_TEST(test_jsonl)
{
        g_autofree char *text = print(OUTPUT_JSONL, true, 2);
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        ck_assert_uint_eq(g_strv_length(lines), 3);
        for (int i = 0; i < 2; i++) {
                json_object *row = json_tokener_parse(lines[i]);

                ck_assert(json_object_is_type(row, json_type_object));
                json_object_put(row);
        }
}
END_TEST

/* JSON that is shown on a terminal must not steer it, and must mean the same. */
START_TEST(test_safe_json)
{
        const char *hostile = "\033\x7f\xc2\x9b\xe2\x80\xae\xd8\x9c\xe2\x81\xa6 \xc3\xa9";
        json_object *value = json_string(hostile), *back;
        g_autofree char *text = json_to_safe_text(value, false);

        ck_assert_str_eq(text, "\"\\u001b\\u007f\\u009b\\u202e\\u061c\\u2066 \xc3\xa9\"");
        back = json_tokener_parse(text);
        ck_assert_str_eq(json_object_get_string(back), hostile);
        json_object_put(back);
        json_object_put(value);
}
END_TEST

START_TEST(test_invalid_utf8)
{
        json_object *value = json_string("a\xff");

        ck_assert_str_eq(json_object_get_string(value), "a\xef\xbf\xbd");
        json_object_put(value);
        ck_assert_ptr_null(json_string(NULL));
}
END_TEST

START_TEST(test_field)
{
        g_autofree char *text = NULL;

        capture_begin();
        output_field("State", TONE_GOOD, "%s\033[2J", "running");
        output_field("", TONE_PLAIN, "more");
        text = capture_end();
        ck_assert_str_eq(text, "       State: running\\x1b[2J\n              more\n");
}
END_TEST

START_TEST(test_wrapped)
{
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;

        capture_begin();
        output_paragraph("one two three four five six seven eight nine ten eleven twelve thirteen "
                         "fourteen fifteen sixteen");
        text = capture_end();
        lines = g_strsplit(text, "\n", -1);
        ck_assert_uint_eq(g_strv_length(lines), 3);
        for (int i = 0; i < 2; i++) {
                ck_assert(g_str_has_prefix(lines[i], "              "));
                ck_assert_uint_le(strlen(lines[i]), 80);
        }
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_test(tcase, test_table);
        tcase_add_test(tcase, test_table_without_legend);
        tcase_add_test(tcase, test_empty);
        tcase_add_test(tcase, test_names);
        tcase_add_test(tcase, test_json);
        tcase_add_test(tcase, test_jsonl);
        tcase_add_test(tcase, test_safe_json);
        tcase_add_test(tcase, test_invalid_utf8);
        tcase_add_test(tcase, test_field);
        tcase_add_test(tcase, test_wrapped);
}

int main(void)
{
        return unit_run("vmctl-output", add_tests);
}
