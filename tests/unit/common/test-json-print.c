/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/json-fields.h"
#include "tests/unit/unit.h"

static const struct {
        const char *text, *printed; /* printed NULL: the same */
} cases[] = {
        {"null", NULL},
        {"true", NULL},
        {"[false,{},[],\"\"]", NULL},
        {" { \"b\" : [ 1 , 2 ] , \"a\" : null } ", "{\"b\":[1,2],\"a\":null}"},
        {"[0,-1,9223372036854775807,-9223372036854775808,18446744073709551615]", NULL},
        {"[0.1,1.5,-2.25e-7,1e300,5e-324,0.30000000000000004]",
         "[0.1,1.5,-2.25e-07,1e+300,4.94065645841247e-324,0.30000000000000004]"},
        {"[1.0,1e3,18446744073709551616]", "[1.0,1000.0,1.8446744073709552e+19]"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f/\"",
         "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f/\""},
        {"\"\\u00e9\\u20ac\\ud83d\\ude00\"", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"{\"\\n\\\"\":1,\"\":2}", NULL},
        {"[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", NULL},
};

START_TEST(test_case)
{
        const char *expected = cases[_i].printed ? cases[_i].printed : cases[_i].text;
        _cleanup_free_ char *text = NULL;
        json_object *json = NULL, *again = NULL;
        size_t length = 0;

        ck_assert_int_eq(json_parse_strict(cases[_i].text, strlen(cases[_i].text), &json, NULL), 0);
        ck_assert_int_eq(json_print(json, &text, &length), 0);
        ck_assert_str_eq(text, expected);
        ck_assert_uint_eq(length, strlen(text));
        ck_assert_int_eq(json_parse_strict(text, length, &again, NULL), 0);
        ck_assert(json_object_equal(json, again));
        json_object_put(json);
        json_object_put(again);
}
END_TEST

static int print_and_put(json_object *json)
{
        char *text = (char *)&text;
        int r = json_print(json, &text, NULL);

        if (r < 0)
                ck_assert_ptr_eq(text, (char *)&text); /* untouched */
        else
                free(text);
        json_object_put(json);
        return r;
}

START_TEST(test_refused)
{
        json_object *deep = NULL, *key = json_object_new_object();

        ck_assert_int_eq(print_and_put(json_object_new_string("\xff")), -EILSEQ);
        ck_assert_int_eq(print_and_put(json_object_new_string("a\xc3")), -EILSEQ);
        ck_assert_int_eq(print_and_put(json_object_new_string_len("a\0b", 3)), -EILSEQ);
        ck_assert_int_eq(print_and_put(json_object_new_double(NAN)), -EINVAL);
        ck_assert_int_eq(print_and_put(json_object_new_double(INFINITY)), -EINVAL);
        json_object_object_add(key, "\xff", NULL);
        ck_assert_int_eq(print_and_put(key), -EILSEQ);
        for (unsigned i = 0; i < JSON_MAX_DEPTH + 1; i++) {
                json_object *outer = json_object_new_array();

                if (deep)
                        json_object_array_add(outer, deep);
                deep = outer;
        }
        ck_assert_int_eq(print_and_put(deep), -EINVAL);
}
END_TEST

START_TEST(test_long)
{
        static char big[100000];
        _cleanup_free_ char *text = NULL;
        json_object *json;
        size_t length;

        memset(big, '\n', sizeof(big));
        json = json_object_new_string_len(big, sizeof(big));
        ck_assert_int_eq(json_print(json, &text, &length), 0);
        ck_assert_uint_eq(length, 2 * sizeof(big) + 2);
        ck_assert_uint_eq(strlen(text), length);
        json_object_put(json);
}
END_TEST

/* A decimal comma of the user's language is none of JSON's. */
START_TEST(test_locale)
{
        _cleanup_free_ char *text = NULL;
        json_object *json = json_object_new_double(1.5);

        if (!setlocale(LC_ALL, "de_DE.UTF-8"))
                setlocale(LC_ALL, "");
        ck_assert_int_eq(json_print(json, &text, NULL), 0);
        ck_assert_str_eq(text, "1.5");
        json_object_put(json);
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_loop_test(tcase, test_case, 0, (int)ARRAY_SIZE(cases));
        tcase_add_test(tcase, test_refused);
        tcase_add_test(tcase, test_long);
        tcase_add_test(tcase, test_locale);
}

int main(void)
{
        return unit_run("json-print", add_tests);
}
