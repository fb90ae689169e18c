/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/escape-stream.h"

#include <string.h>

#include "common/cleanup.h"
#include "tests/unit/unit.h"

static const struct {
        const char *in;
        size_t size;
        const char *out;
} cases[] = {
        {"plain text\n", 11, "plain text\n"},
        {"a\tb\n", 4, "a\tb\n"},
        {"line\r\nnext\r\n", 12, "line\nnext\n"},
        {"over\rwrite", 10, "over\\x0dwrite"},
        {"\r\r\n", 3, "\\x0d\n"},
        {"\033[31mred\033[0m", 12, "\\x1b[31mred\\x1b[0m"},
        {"\033]0;title\007", 10, "\\x1b]0;title\\x07"},
        {"\0\b\177", 3, "\\x00\\x08\\x7f"},
        {"\xc2\x9b"
         "31m",
         5, "\\xc2\\x9b31m"},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "é€😀"},
        {"\xe2\x80\xae", 3, "\\xe2\\x80\\xae"},
        {"\xff\xfe", 2, "\\xff\\xfe"},
        {"\xe2\x82", 2, "\\xe2\\x82"},     /* cut off at the end */
        {"\xe2\x82\n", 3, "\\xe2\\x82\n"}, /* cut off by a newline */
        {"\xe2\x82\xe2\x82\xac", 5, "\\xe2\\x82€"},
        {"\xf0\x9f\x98"
         "abc",
         6,
         "\\xf0\\x9f\\x98"
         "abc"},
        {"end\r", 4, "end\\x0d"},
        {"back\\slash", 10, "back\\slash"},
};

/* The same bytes come out however the reads cut them. */
START_TEST(test_every_split)
{
        for (size_t chunk = 1; chunk <= cases[_i].size; chunk++) {
                g_autoptr(GString) out = g_string_new(NULL);
                EscapeStream stream = {0};

                for (size_t at = 0; at < cases[_i].size; at += chunk)
                        escape_stream_feed(&stream, cases[_i].in + at,
                                           MIN(chunk, cases[_i].size - at), out);
                escape_stream_end(&stream, out);
                ck_assert_str_eq(out->str, cases[_i].out);
        }
}
END_TEST

START_TEST(test_nothing_steers_a_terminal)
{
        g_autoptr(GString) out = g_string_new(NULL);
        EscapeStream stream = {0};
        unsigned char all[512];

        for (size_t i = 0; i < sizeof(all); i++)
                all[i] = (unsigned char)(i < 256 ? i : 255 - (i - 256));
        escape_stream_feed(&stream, all, sizeof(all), out);
        escape_stream_end(&stream, out);
        for (size_t i = 0; i < out->len; i++) {
                unsigned char c = (unsigned char)out->str[i];

                ck_assert_msg((c >= 0x20 && c < 0x7f) || c == '\n' || c == '\t' || c >= 0x80,
                              "byte %02x at %zu", c, i);
        }
        ck_assert(g_utf8_validate(out->str, (gssize)out->len, NULL));
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_loop_test(tcase, test_every_split, 0, (int)ARRAY_SIZE(cases));
        tcase_add_test(tcase, test_nothing_steers_a_terminal);
}

int main(void)
{
        return unit_run("vmctl-escape-stream", add_tests);
}
