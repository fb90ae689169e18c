/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/message.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/unit/unit.h"

static const struct {
        uint64_t usec;
        const char *text;
} spans[] = {
        {0, "0ms"},
        {850000, "850ms"},
        {12300000, "12.3s"},
        {31000000, "31s"},
        {60000000, "1min"},
        {184000000, "3min 4s"},
        {UINT64_C(3900) * 1000000, "1h 5min"},
        {UINT64_C(90000) * 1000000, "1d 1h"},
};

START_TEST(test_format_span)
{
        g_autofree char *text = format_span(spans[_i].usec);

        ck_assert_str_eq(text, spans[_i].text);
}
END_TEST

static const struct {
        const char *text;
        int result;
        uint64_t usec;
} parsed_spans[] = {
        {"0", 0, 0},
        {"90", 0, 90000000},
        {"500ms", 0, 500000},
        {"2min", 0, 120000000},
        {"1min 30s", 0, 90000000},
        {"1h", 0, UINT64_C(3600000000)},
        {"7us", 0, 7},
        {"", -EINVAL, 0},
        {"s", -EINVAL, 0},
        {"-1", -EINVAL, 0},
        {"1.5", -EINVAL, 0},
        {"3 parsecs", -EINVAL, 0},
        {"5s!", -EINVAL, 0},
        {"400d", -ERANGE, 0},
        {"99999999999999999999", -ERANGE, 0},
        {"18446744073709551615h", -ERANGE, 0},
};

START_TEST(test_parse_span)
{
        uint64_t usec = 77;

        ck_assert_int_eq(parse_span(parsed_spans[_i].text, &usec), parsed_spans[_i].result);
        ck_assert_uint_eq(usec, parsed_spans[_i].result == 0 ? parsed_spans[_i].usec : 77);
}
END_TEST

static const struct {
        const char *text;
        int result;
        uint64_t mib;
} parsed_sizes[] = {
        {"512", 0, 512},    {"512M", 0, 512},    {"512MiB", 0, 512},
        {"2G", 0, 2048},    {"2 GiB", 0, 2048},  {"", -EINVAL, 0},
        {"G", -EINVAL, 0},  {"1T", -EINVAL, 0},  {"1.5G", -EINVAL, 0},
        {"-1", -EINVAL, 0}, {"2GG", -EINVAL, 0}, {"18446744073709551615G", -ERANGE, 0},
};

START_TEST(test_parse_mib)
{
        uint64_t mib = 77;

        ck_assert_int_eq(parse_mib(parsed_sizes[_i].text, &mib), parsed_sizes[_i].result);
        ck_assert_uint_eq(mib, parsed_sizes[_i].result == 0 ? parsed_sizes[_i].mib : 77);
}
END_TEST

START_TEST(test_format_sizes)
{
        static const struct {
                uint64_t bytes;
                const char *text;
        } sizes[] = {
                {0, "0 KiB"},
                {12 * 1024, "12 KiB"},
                {UINT64_C(256) << 20, "256 MiB"},
                {UINT64_C(1) << 30, "1 GiB"},
                {UINT64_C(1536) << 20, "1.5 GiB"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                g_autofree char *text = format_mib(sizes[i].bytes);

                ck_assert_str_eq(text, sizes[i].text);
        }
}
END_TEST

START_TEST(test_format_count)
{
        static const struct {
                uint64_t count;
                const char *text;
        } counts[] = {{0, "0"}, {999, "999"}, {1204, "1,204"}, {1234567, "1,234,567"}};

        for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
                g_autofree char *text = format_count(counts[i].count);

                ck_assert_str_eq(text, counts[i].text);
        }
}
END_TEST

START_TEST(test_format_ago)
{
        const int64_t now = INT64_C(1700000000000000);
        static const struct {
                int64_t before;
                const char *text;
        } ages[] = {
                {0, "just now"},
                {-5000000, "just now"}, /* the clock was set back */
                {59000000, "59s ago"},
                {61000000, "1min 1s ago"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(ages); i++) {
                g_autofree char *text = format_ago(now - ages[i].before, now);

                ck_assert_str_eq(text, ages[i].text);
        }
        g_autofree char *never = format_ago(0, now);
        ck_assert_str_eq(never, "-");
}
END_TEST

/* Standard error of a test is no terminal, and neither is its standard output. */
START_TEST(test_no_colors_in_a_pipe)
{
        int pipe_fds[2];

        ck_assert_int_eq(pipe(pipe_fds), 0);
        setenv("TERM", "xterm", 1);
        unsetenv("NO_COLOR");
        ck_assert(!message_colors(pipe_fds[1]));
}
END_TEST

START_TEST(test_colors_on_a_terminal)
{
        int terminal = posix_openpt(O_RDWR | O_NOCTTY);

        ck_assert_int_ge(terminal, 0);
        setenv("TERM", "xterm", 1);
        unsetenv("NO_COLOR");
        ck_assert(message_colors(terminal));
        setenv("NO_COLOR", "", 1); /* no-color.org: only if it is not empty */
        ck_assert(message_colors(terminal));
        setenv("NO_COLOR", "1", 1);
        ck_assert(!message_colors(terminal));
        unsetenv("NO_COLOR");
        setenv("TERM", "dumb", 1);
        ck_assert(!message_colors(terminal));
        unsetenv("TERM");
        ck_assert(!message_colors(terminal));
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_loop_test(tcase, test_format_span, 0, (int)ARRAY_SIZE(spans));
        tcase_add_loop_test(tcase, test_parse_span, 0, (int)ARRAY_SIZE(parsed_spans));
        tcase_add_loop_test(tcase, test_parse_mib, 0, (int)ARRAY_SIZE(parsed_sizes));
        tcase_add_test(tcase, test_format_sizes);
        tcase_add_test(tcase, test_format_count);
        tcase_add_test(tcase, test_format_ago);
        tcase_add_test(tcase, test_no_colors_in_a_pipe);
        tcase_add_test(tcase, test_colors_on_a_terminal);
}

int main(void)
{
        return unit_run("vmctl-message", add_tests);
}
