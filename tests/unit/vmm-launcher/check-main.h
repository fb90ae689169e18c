/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* main() of a Check program with one suite: CHECK_MAIN("name", {"case", test}, ...). */

#include <check.h>
#include <stdlib.h>

typedef struct CheckTest {
        const char *name;
        const TTest *test;
} CheckTest;

/* Generous: the machine that runs the tests may be slow and shared. */
#define CHECK_TIMEOUT_SECONDS 60

static inline int check_run(const char *name, const CheckTest *tests, size_t n_tests)
{
        Suite *suite = suite_create(name);
        SRunner *runner;
        int n_failed;

        for (size_t i = 0; i < n_tests; i++) {
                TCase *tcase = tcase_create(tests[i].name);

                tcase_set_timeout(tcase, CHECK_TIMEOUT_SECONDS);
                tcase_add_test(tcase, tests[i].test);
                suite_add_tcase(suite, tcase);
        }
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define CHECK_MAIN(name, ...)                                                                      \
        int main(void)                                                                             \
        {                                                                                          \
                const CheckTest tests[] = {__VA_ARGS__};                                           \
                                                                                                   \
                return check_run(name, tests, sizeof(tests) / sizeof(tests[0]));                   \
        }                                                                                          \
        struct _swallow_semicolon_
