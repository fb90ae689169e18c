/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/json-fields.h"
#include "tests/unit/unit.h"

#define MAX_TEXT (1U << 20)

/* With its length given, so that NUL bytes can be in it. */
#define TEXT(literal) (literal), sizeof(literal) - 1

static const struct {
        const char *text;
        size_t length;
        const char *pointer, *message; /* the message's part behind "line L, column C: " */
        unsigned line, column;
} refused[] = {
        {TEXT(""), "", "the text is empty; at least {} is needed", 1, 1},
        {TEXT(" \n "), "", "the text is empty; at least {} is needed", 2, 2},
        {TEXT("{"), "", "the text ends where a key in double quotes is expected", 1, 2},
        {TEXT("{\"a\""), "/a", "the text ends where ':' is expected", 1, 5},
        {TEXT("{\"a\": "), "/a", "the text ends where a value is expected", 1, 7},
        {TEXT("{\"a\": 1"), "", "the text ends where ',' or '}' is expected", 1, 8},
        {TEXT("{\"a\": \"b"), "/a", "the text ends within a string; close it with '\"'", 1, 9},
        {TEXT("[1, 2"), "/1", "the text ends where ',' or ']' is expected", 1, 6},
        {TEXT("[1,]"), "/1", "']' stands where a value is expected", 1, 4},
        {TEXT("{\"a\": 1,}"), "", "'}' stands where a key in double quotes is expected", 1, 9},
        {TEXT("{'a': 1}"), "", "''a': 1}' stands where a key in double quotes is expected", 1, 2},
        {TEXT("{} {}"), "", "'{}' stands where the end of the text is expected", 1, 4},
        {TEXT("{}x"), "", "'x' stands where the end of the text is expected", 1, 3},
        {TEXT("{}\0"), "", "a NUL byte stands where the end of the text is expected; remove it", 1,
         3},
        {TEXT("{\0}"), "", "a NUL byte stands where a key in double quotes is expected; remove it",
         1, 2},
        {TEXT("[\"a\0b\"]"), "/0", "a NUL byte is not allowed in a string; remove it", 1, 4},
        {TEXT("[\"\\u0000\"]"), "/0", "\\u0000 is not allowed in a string; remove it", 1, 3},
        {TEXT("{\"a\\u0000\": 1}"), "", "\\u0000 is not allowed in a string; remove it", 1, 4},
        {TEXT("{\"a\": {\"b\": [{}, {\"c\": tru}]}}"), "/a/b/1/c",
         "'tru}]}}' stands where a value is expected", 1, 24},
        {TEXT("{\n  \"a\": 1,\n  \"b\": x\n}"), "/b", "'x\\x0a}' stands where a value is expected",
         3, 8},
        {TEXT("{\"a\": 1, \"a\": 2}"), "/a", "the key is there twice; keep one", 1, 13},
        {TEXT("{\"a\": 1, \"\\u0061\": 2}"), "/a", "the key is there twice; keep one", 1, 18},
        {TEXT("[{\"a/b~\": 1, \"a/b~\": 1}]"), "/0/a~1b~0", "the key is there twice; keep one", 1,
         20},
        {TEXT("[\"\xff\"]"), "/0", "byte 0xff is not valid UTF-8; save the text as UTF-8", 1, 3},
        {TEXT("[\"\xc3\"]"), "/0", "byte 0xc3 is not valid UTF-8; save the text as UTF-8", 1, 3},
        {TEXT("[\"\xed\xa0\x80\"]"), "/0", "byte 0xed is not valid UTF-8; save the text as UTF-8",
         1, 3},
        {TEXT("[\"a\tb\"]"), "/0", "control character 0x09 in a string; write it as \\u0009", 1, 4},
        {TEXT("[\"a\nb\"]"), "/0", "control character 0x0a in a string; write it as \\u000a", 1, 4},
        {TEXT("[\"\\x41\"]"), "/0", "a backslash must be followed by one of \" \\ / b f n r t u", 1,
         3},
        {TEXT("[\"\\"), "/0", "a backslash must be followed by one of \" \\ / b f n r t u", 1, 3},
        {TEXT("[\"\\u12g4\"]"), "/0", "\\u must be followed by four hexadecimal digits", 1, 3},
        {TEXT("[\"\\u12"), "/0", "\\u must be followed by four hexadecimal digits", 1, 3},
        {TEXT("[\"\\ud83d\"]"), "/0", "\\ud83d is half of a surrogate pair", 1, 3},
        {TEXT("[\"\\ud83d\\u0041\"]"), "/0", "\\ud83d is half of a surrogate pair", 1, 3},
        {TEXT("[\"\\ude00\"]"), "/0", "\\ude00 is half of a surrogate pair", 1, 3},
        {TEXT("[\"\\ude00\\ude00\"]"), "/0", "\\ude00 is half of a surrogate pair", 1, 3},
        {TEXT("[01]"), "/0", "a number must not begin with 0", 1, 2},
        {TEXT("[-]"), "/0", "']' stands where a digit is expected", 1, 3},
        {TEXT("[1.]"), "/0", "']' stands where a digit is expected", 1, 4},
        {TEXT("[1e]"), "/0", "']' stands where a digit is expected", 1, 4},
        {TEXT("[.5]"), "/0", "'.5]' stands where a value is expected", 1, 2},
        {TEXT("[+1]"), "/0", "'+1]' stands where a value is expected", 1, 2},
        {TEXT("[0x10]"), "/0", "'x10]' stands where ',' or ']' is expected", 1, 3},
        {TEXT("[1e999]"), "/0", "the number is too large", 1, 7},
        {TEXT("[NaN]"), "/0", "'NaN]' stands where a value is expected", 1, 2},
        {TEXT("[Infinity]"), "/0", "'Infinity' stands where a value is expected", 1, 2},
        {TEXT("[nul]"), "/0", "'nul]' stands where a value is expected", 1, 2},
        {TEXT("// no\n{}"), "", "'// no\\x0a{}' stands where a value is expected", 1, 1},
        {TEXT("\xef\xbb\xbf{}"), "", "'\xef\xbb\xbf{}' stands where a value is expected", 1, 1},
        {TEXT("\x1b[31m"), "", "'\\x1b[31m' stands where a value is expected", 1, 1},
};

START_TEST(test_refused)
{
        JsonProblem problem;
        json_object *json = (void *)&problem;
        char message[512];

        ck_assert_int_eq(json_parse_strict(refused[_i].text, refused[_i].length, &json, &problem),
                         -EBADMSG);
        ck_assert_ptr_eq(json, (void *)&problem); /* untouched */
        snprintf(message, sizeof(message), "line %u, column %u: %s", refused[_i].line,
                 refused[_i].column, refused[_i].message);
        ck_assert_str_eq(problem.message, message);
        ck_assert_str_eq(problem.pointer, refused[_i].pointer);
        /* Without a place to describe it, too. */
        ck_assert_int_eq(json_parse_strict(refused[_i].text, refused[_i].length, &json, NULL),
                         -EBADMSG);
}
END_TEST

static const struct {
        const char *text, *printed;
} accepted[] = {
        {"{}", "{}"},
        {" [ ] ", "[]"},
        {"null", "null"},
        {"\r\n\t true ", "true"},
        {"\"\"", "\"\""},
        {"[0, -0, -1, 12, 9223372036854775807, -9223372036854775808, 18446744073709551615]",
         "[0,0,-1,12,9223372036854775807,-9223372036854775808,18446744073709551615]"},
        {"[1.5, -2.5e+1, 1E3, 18446744073709551616, -9223372036854775809]",
         "[1.5,-2.5e+1,1E3,18446744073709551616,-9223372036854775809]"},
        {"{\"a\": {\"a\": {\"a\": [{\"a\": null}]}}}", "{\"a\":{\"a\":{\"a\":[{\"a\":null}]}}}"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\""},
        {"\"\\u0041\\u00e9\\u20AC\\uD83D\\uDE00\"", "\"A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"{\"\\n\": 1, \"\\u00e9\": \"\\u00e9\"}", "{\"\\n\":1,\"\xc3\xa9\":\"\xc3\xa9\"}"},
        {"{\"\": 1}", "{\"\":1}"},
};

START_TEST(test_accepted)
{
        JsonProblem problem = {0};
        json_object *json = NULL;

        ck_assert_msg(json_parse_strict(accepted[_i].text, strlen(accepted[_i].text), &json,
                                        &problem) == 0,
                      "%s", problem.message);
        ck_assert_str_eq(json_object_to_json_string_ext(
                                 json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
                         accepted[_i].printed);
        json_object_put(json);
}
END_TEST

START_TEST(test_depth)
{
        static char text[2 * MAX_TEXT + 1];
        JsonProblem problem;
        json_object *json = NULL;

        memset(text, '[', 16);
        memset(text + 16, ']', 16);
        ck_assert_int_eq(json_parse_strict(text, 32, &json, &problem), 0);
        json_object_put(json);
        memset(text, '[', 17);
        memset(text + 17, ']', 17);
        ck_assert_int_eq(json_parse_strict(text, 34, &json, &problem), -EBADMSG);
        ck_assert_str_eq(problem.message, "line 1, column 17: nested deeper than 16 levels");
        ck_assert_str_eq(problem.pointer, "/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0");

        /* A million levels cost no more than 17. */
        memset(text, '[', MAX_TEXT);
        ck_assert_int_eq(json_parse_strict(text, MAX_TEXT, &json, &problem), -EBADMSG);
        for (unsigned i = 0; i < MAX_TEXT; i += 5)
                memcpy(text + i, "{\"a\":", 5);
        ck_assert_int_eq(json_parse_strict(text, MAX_TEXT, &json, &problem), -EBADMSG);
        ck_assert_str_eq(problem.message, "line 1, column 81: nested deeper than 16 levels");
}
END_TEST

START_TEST(test_long_names)
{
        _cleanup_free_ char *text = malloc(5000);
        JsonProblem problem;
        json_object *json = NULL;
        int n;

        /* A pointer that does not fit is cut and still says where, as far as it can. */
        n = sprintf(text, "{\"");
        memset(text + n, 'k', 4000);
        n += 4000;
        n += sprintf(text + n, "\": x}");
        ck_assert_int_eq(json_parse_strict(text, (size_t)n, &json, &problem), -EBADMSG);
        ck_assert_uint_eq(strspn(problem.pointer + 1, "k"), 124);
        ck_assert_str_eq(problem.pointer + 125, "..");
        ck_assert_str_eq(problem.message, "line 1, column 4006: 'x}' stands where a value is "
                                          "expected");
}
END_TEST

START_TEST(test_in_place)
{
        char text[] = "{\"a\\n\": [\"b\\u0041\"]} ";
        JsonProblem problem;
        json_object *json = NULL;

        ck_assert_int_eq(json_parse_strict_in_place(text, strlen(text), &json, &problem), 0);
        ck_assert_str_eq(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN),
                         "{\"a\\n\":[\"bA\"]}");
        json_object_put(json);
}
END_TEST

/* Many keys: found and refused without comparing each with each. */
START_TEST(test_many_keys)
{
        _cleanup_free_ char *text = malloc(MAX_TEXT);
        JsonProblem problem;
        json_object *json = NULL;
        int n = 0;

        for (unsigned i = 0; i < 5000; i++)
                n += sprintf(text + n, "%c\"k%u\":%u", i == 0 ? '{' : ',', i, i);
        text[n] = '}';
        ck_assert_int_eq(json_parse_strict(text, (size_t)n + 1, &json, &problem), 0);
        ck_assert_int_eq(json_object_object_length(json), 5000);
        json_object_put(json);
        n += sprintf(text + n, ",\"k77\":0}");
        ck_assert_int_eq(json_parse_strict(text, (size_t)n, &json, &problem), -EBADMSG);
        ck_assert_str_eq(problem.pointer, "/k77");
}
END_TEST

/* A decimal comma of the user's language is none of JSON's. */
START_TEST(test_locale)
{
        json_object *json = NULL;

        if (!setlocale(LC_ALL, "de_DE.UTF-8"))
                setlocale(LC_ALL, "");
        ck_assert_int_eq(json_parse_strict("1.5", 3, &json, NULL), 0);
        ck_assert(json_object_get_double(json) == 1.5);
        json_object_put(json);
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_loop_test(tcase, test_refused, 0, (int)ARRAY_SIZE(refused));
        tcase_add_loop_test(tcase, test_accepted, 0, (int)ARRAY_SIZE(accepted));
        tcase_add_test(tcase, test_depth);
        tcase_add_test(tcase, test_long_names);
        tcase_add_test(tcase, test_in_place);
        tcase_add_test(tcase, test_many_keys);
        tcase_add_test(tcase, test_locale);
}

int main(void)
{
        return unit_run("json-parse", add_tests);
}
