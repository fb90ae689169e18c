/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/string-util.h"

#include <errno.h>

#include "common/cleanup.h"
#include "tests/unit/unit.h"

START_TEST(test_streq_ptr)
{
        ck_assert(streq_ptr(NULL, NULL));
        ck_assert(!streq_ptr(NULL, ""));
        ck_assert(!streq_ptr("", NULL));
        ck_assert(streq_ptr("a", "a"));
        ck_assert(!streq_ptr("a", "b"));
}
END_TEST

START_TEST(test_format)
{
        _cleanup_free_ char *text = string_format("%d-%s", 7, "x");

        ck_assert_str_eq(text, "7-x");
}
END_TEST

static const struct {
        const char *text;
        size_t length;
        const char *escaped;
} escapes[] = {
        {"plain ~ text", 12, "plain ~ text"},
        {"", 0, ""},
        {"a\nb\tc\r", 6, "a\\x0ab\\x09c\\x0d"},
        {"\0", 1, "\\x00"},
        {"\x1b[31mred\x7f", 9, "\\x1b[31mred\\x7f"},
        {"\xc2\x9b"
         "31m",
         5, "\\xc2\\x9b31m"}, /* CSI of C1 */
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9,
         "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},        /* well-formed stays */
        {"\xe2\x80\xae", 3, "\\xe2\\x80\\xae"},          /* right-to-left override */
        {"\xe2\x81\xa6", 3, "\\xe2\\x81\\xa6"},          /* left-to-right isolate */
        {"\xd8\x9c", 2, "\\xd8\\x9c"},                   /* Arabic letter mark */
        {"\xe2\x80\xa8", 3, "\\xe2\\x80\\xa8"},          /* line separator */
        {"\xff", 1, "\\xff"},                            /* never in UTF-8 */
        {"\xc3", 1, "\\xc3"},                            /* cut off */
        {"\xc0\xaf", 2, "\\xc0\\xaf"},                   /* overlong */
        {"\xed\xa0\x80", 3, "\\xed\\xa0\\x80"},          /* surrogate */
        {"\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80"}, /* beyond Unicode */
        {"\xe2\x82zx", 4, "\\xe2\\x82zx"},               /* resynchronises */
};

START_TEST(test_escape)
{
        _cleanup_free_ char *escaped = string_escape(escapes[_i].text, escapes[_i].length);

        ck_assert_str_eq(escaped, escapes[_i].escaped);
        ck_assert(utf8_is_valid(escaped, strlen(escaped)));
}
END_TEST

START_TEST(test_escape_into)
{
        char buffer[8];

        ck_assert_str_eq(string_escape_into(buffer, sizeof(buffer), "1234567", 7), "1234567");
        ck_assert_str_eq(string_escape_into(buffer, sizeof(buffer), "12345678", 8), "1234...");
        ck_assert_str_eq(
                string_escape_into(buffer, sizeof(buffer), "123\xe2\x82\xac\xe2\x82\xac", 9),
                "123...");
        ck_assert_str_eq(string_escape_into(buffer, sizeof(buffer), "\n\n", 2), "\\x0a...");
        ck_assert_str_eq(string_escape_into(buffer, 4, "abcdef", 6), "...");
}
END_TEST

START_TEST(test_utf8)
{
        char text[] = "a\xe2\x82\xac";

        ck_assert(utf8_is_valid("", 0));
        ck_assert(utf8_is_valid("a\0b", 3));
        ck_assert(!utf8_is_valid("a\xe2\x82", 3));
        utf8_trim_end(text);
        ck_assert_str_eq(text, "a\xe2\x82\xac");
        text[3] = '\0';
        utf8_trim_end(text);
        ck_assert_str_eq(text, "a");
        utf8_trim_end(text);
        ck_assert_str_eq(text, "a");
        text[0] = '\0';
        utf8_trim_end(text);
        ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(test_distance)
{
        char a[100], b[100];

        ck_assert_uint_eq(string_distance("", "", 9), 0);
        ck_assert_uint_eq(string_distance("abc", "", 9), 3);
        ck_assert_uint_eq(string_distance("kitten", "sitting", 9), 3);
        ck_assert_uint_eq(string_distance("kitten", "sitting", 1), 2);
        ck_assert_uint_eq(string_distance("memroy", "memory", 9), 2);
        memset(a, 'a', sizeof(a));
        memset(b, 'a', sizeof(b));
        a[99] = b[99] = '\0';
        ck_assert_uint_eq(string_distance(a, b, 5), 0);
        b[0] = 'b';
        ck_assert_uint_eq(string_distance(a, b, 5), 6);
}
END_TEST

START_TEST(test_nearest)
{
        static const char *const table[] = {"name", "kernel", "initrd", "params", "memory_mib"};
        static const struct {
                const char *word, *nearest;
        } cases[] = {
                {"kernel", "kernel"},
                {"knerel", "kernel"},
                {"KERNEL", "kernel"},
                {"memory", "memory_mib"},
                {"memroy_mib", "memory_mib"},
                {"memoryMib", "memory_mib"},
                {"param", "params"},
                {"initramfs", "initrd"},
                {"x", NULL},
                {"", NULL},
                {"disks", NULL},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                const char *nearest = string_nearest(cases[i].word, table, ARRAY_SIZE(table));

                ck_assert_msg(streq_ptr(nearest, cases[i].nearest), "%s: %s", cases[i].word,
                              nearest);
        }
        ck_assert_ptr_null(string_nearest("kernel", table, 0));
}
END_TEST

START_TEST(test_machine_names)
{
        static const char *const good[] = {"a", "A-1", "0", "web.server_2", "a..b"};
        static const char *const bad[] = {"",    ".a",  "-a",      "_a",       "a/b",  "../a",
                                          "a b", "a\n", "a\x1b[m", "\xc3\xa9", "a\xff"};
        char name[301];

        for (size_t i = 0; i < ARRAY_SIZE(good); i++)
                ck_assert_ptr_null(machine_name_problem(good[i]));
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                ck_assert_ptr_nonnull(machine_name_problem(bad[i]));
        memset(name, 'n', 300);
        name[300] = '\0';
        ck_assert_ptr_nonnull(strstr(machine_name_problem(name), "64 characters"));
        name[65] = '\0';
        ck_assert_ptr_nonnull(machine_name_problem(name));
        name[64] = '\0';
        ck_assert_ptr_null(machine_name_problem(name));
}
END_TEST

START_TEST(test_parse_u64)
{
        static const char *const bad[] = {"", " 1", "1 ", "+1", "-1", "0x1", "1.0", "one", "1\n"};
        uint64_t value = 7;

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                ck_assert_int_eq(parse_u64(bad[i], &value), -EINVAL);
        ck_assert_int_eq(parse_u64("18446744073709551616", &value), -ERANGE);
        ck_assert_int_eq(parse_u64("99999999999999999999x", &value), -EINVAL);
        ck_assert_uint_eq(value, 7);
        ck_assert_int_eq(parse_u64("0", &value), 0);
        ck_assert_uint_eq(value, 0);
        ck_assert_int_eq(parse_u64("18446744073709551615", &value), 0);
        ck_assert_uint_eq(value, UINT64_MAX);
}
END_TEST

typedef enum Colour {
        COLOUR_RED,
        COLOUR_HOLE,
        COLOUR_BLUE,
} Colour;
DECLARE_STRING_TABLE(colour, Colour);
static const char *const colour_names[] = {[COLOUR_RED] = "red", [COLOUR_BLUE] = "blue"};
DEFINE_STRING_TABLE(colour, Colour, colour_names);

START_TEST(test_table)
{
        ck_assert_str_eq(colour_to_string(COLOUR_RED), "red");
        ck_assert_str_eq(colour_to_string(COLOUR_BLUE), "blue");
        ck_assert_ptr_null(colour_to_string((Colour)3));
        ck_assert_ptr_null(colour_to_string((Colour)-1));
        ck_assert_int_eq(colour_from_string("blue"), COLOUR_BLUE);
        ck_assert_int_eq(colour_from_string("green"), -EINVAL);
        ck_assert_int_eq(colour_from_string(""), -EINVAL);
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_test(tcase, test_streq_ptr);
        tcase_add_test(tcase, test_format);
        tcase_add_loop_test(tcase, test_escape, 0, (int)ARRAY_SIZE(escapes));
        tcase_add_test(tcase, test_escape_into);
        tcase_add_test(tcase, test_utf8);
        tcase_add_test(tcase, test_distance);
        tcase_add_test(tcase, test_nearest);
        tcase_add_test(tcase, test_machine_names);
        tcase_add_test(tcase, test_parse_u64);
        tcase_add_test(tcase, test_table);
}

int main(void)
{
        return unit_run("string-util", add_tests);
}
