/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/key-filter.h"

#include <string.h>

#include "common/cleanup.h"
#include "tests/unit/unit.h"

#define MS UINT64_C(1000)

/* Presses ^] at the given times, in milliseconds, and says at which one the filter lets go. */
static int press(const unsigned *times, size_t n, const char *between)
{
        KeyFilter filter = {0};
        size_t size, used;

        for (size_t i = 0; i < n; i++) {
                if (i > 0 && *between)
                        ck_assert_int_eq(key_filter_feed(&filter, between, strlen(between),
                                                         times[i] * MS, &size, &used),
                                         KEY_EVENT_NONE);
                if (key_filter_feed(&filter, "\x1d", 1, times[i] * MS, &size, &used) ==
                    KEY_EVENT_DETACH) {
                        ck_assert_uint_eq(size, 0); /* the last one is ours */
                        ck_assert_uint_eq(used, 1);
                        return (int)i;
                }
                ck_assert_uint_eq(size, 1); /* the others reach the guest */
        }
        return -1;
}

START_TEST(test_three_within_a_second)
{
        ck_assert_int_eq(press((unsigned[]){0, 400, 900}, 3, ""), 2);
        ck_assert_int_eq(press((unsigned[]){0, 500, 1000}, 3, ""), 2);
}
END_TEST

START_TEST(test_too_slow)
{
        ck_assert_int_eq(press((unsigned[]){0, 600, 1200}, 3, ""), -1);
        ck_assert_int_eq(press((unsigned[]){0, 2000, 4000, 6000}, 4, ""), -1);
}
END_TEST

START_TEST(test_window_slides)
{
        /* The first came too early, the last three are together. */
        ck_assert_int_eq(press((unsigned[]){0, 900, 1100, 1300}, 4, ""), 3);
}
END_TEST

START_TEST(test_another_key_between)
{
        ck_assert_int_eq(press((unsigned[]){0, 100, 200, 300}, 4, "x"), -1);
}
END_TEST

START_TEST(test_after_a_detach_it_begins_anew)
{
        KeyFilter filter = {0};
        size_t size, used;

        ck_assert_int_eq(key_filter_feed(&filter, "\x1d\x1d\x1d", 3, 0, &size, &used),
                         KEY_EVENT_DETACH);
        ck_assert_int_eq(key_filter_feed(&filter, "\x1d\x1d", 2, 1, &size, &used), KEY_EVENT_NONE);
        ck_assert_int_eq(key_filter_feed(&filter, "\x1d", 1, 2, &size, &used), KEY_EVENT_DETACH);
}
END_TEST

START_TEST(test_all_in_one_read)
{
        KeyFilter filter = {0};
        const char data[] = "ls\r\x1d\x1d\x1drest";
        size_t size, used;

        ck_assert_int_eq(key_filter_feed(&filter, data, sizeof(data) - 1, 5, &size, &used),
                         KEY_EVENT_DETACH);
        ck_assert_uint_eq(size, 5); /* "ls\r" and two ^] */
        ck_assert_uint_eq(used, 6);
}
END_TEST

START_TEST(test_split_between_reads)
{
        KeyFilter filter = {0};
        size_t size, used;

        ck_assert_int_eq(key_filter_feed(&filter, "a\x1d", 2, 0, &size, &used), KEY_EVENT_NONE);
        ck_assert_int_eq(key_filter_feed(&filter, "\x1d\x1d", 2, 10 * MS, &size, &used),
                         KEY_EVENT_DETACH);
        ck_assert_uint_eq(size, 1);
}
END_TEST

START_TEST(test_interrupt_is_caught)
{
        KeyFilter filter = {.catch_interrupt = true};
        size_t size, used;

        ck_assert_int_eq(key_filter_feed(&filter,
                                         "ab\x03"
                                         "cd",
                                         5, 0, &size, &used),
                         KEY_EVENT_INTERRUPT);
        ck_assert_uint_eq(size, 2);
        ck_assert_uint_eq(used, 3);
}
END_TEST

START_TEST(test_interrupt_is_input)
{
        KeyFilter filter = {0};
        size_t size, used;

        ck_assert_int_eq(key_filter_feed(&filter, "\x03", 1, 0, &size, &used), KEY_EVENT_NONE);
        ck_assert_uint_eq(size, 1);
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_test(tcase, test_three_within_a_second);
        tcase_add_test(tcase, test_too_slow);
        tcase_add_test(tcase, test_window_slides);
        tcase_add_test(tcase, test_another_key_between);
        tcase_add_test(tcase, test_after_a_detach_it_begins_anew);
        tcase_add_test(tcase, test_all_in_one_read);
        tcase_add_test(tcase, test_split_between_reads);
        tcase_add_test(tcase, test_interrupt_is_caught);
        tcase_add_test(tcase, test_interrupt_is_input);
}

int main(void)
{
        return unit_run("vmctl-key-filter", add_tests);
}
