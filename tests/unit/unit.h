/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What every unit test with Check needs: one suite, one runner. */

#include <check.h>
#include <stdlib.h>

/* Runs the case and returns main()'s value. A test has 60 s: the machine may be shared. */
static inline int unit_run(const char *name, void (*add_tests)(TCase *))
{
        Suite *suite = suite_create(name);
        TCase *tcase = tcase_create(name);
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 60);
        add_tests(tcase);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
