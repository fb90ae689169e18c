/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/errors.h"

#include <errno.h>

#include "common/string-util.h"
#include "daemon/failpoint.h"
#include "daemon/problem.h"
#include "tests/unit/unit.h"
#include "vmservice-names.h"

START_TEST(test_names)
{
        for (size_t i = 0; i < ARRAY_SIZE(vmservice_errors); i++) {
                const char *name = error_to_bus_name(-vmservice_errors[i].error);

                /* EINVAL is also InvalidOption's, which the adapters give by name. */
                if (!streq(vmservice_errors[i].name, VMSERVICE_ERROR_INVALID_OPTION))
                        ck_assert_str_eq(name, vmservice_errors[i].name);
        }
        ck_assert_str_eq(error_to_bus_name(-EINVAL), VMSERVICE_ERROR_INVALID_NAME);
        ck_assert_str_eq(error_to_bus_name(-ENOENT), VMSERVICE_ERROR_NO_SUCH_MACHINE);
        ck_assert_str_eq(error_to_bus_name(-ENOSPC), VMSERVICE_ERROR_INFRASTRUCTURE);
        ck_assert_str_eq(error_to_bus_name(0), VMSERVICE_ERROR_INFRASTRUCTURE);
}
END_TEST

static unsigned n_calls;

static void on_done(void *userdata, int error, const Problem *problem)
{
        (void)userdata;
        (void)error;
        ck_assert_ptr_nonnull(problem);
        n_calls++;
}

START_TEST(test_problem)
{
        Completion done = {on_done, NULL};
        Problem problem;
        char big[2000];

        memset(big, 'x', sizeof(big) - 1);
        big[sizeof(big) - 1] = '\0';
        ck_assert_int_eq(problem_set(&problem, -EIO, "%s", big), -EIO);
        ck_assert_uint_eq(strlen(problem.message), sizeof(problem.message) - 1);
        ck_assert_int_eq(problem_set(NULL, -EIO, "%s", big), -EIO);
        completion_done(&done, 0, NULL);
        completion_done(&done, 0, NULL);
        ck_assert_uint_eq(n_calls, 1);
}
END_TEST

START_TEST(test_failpoints)
{
        for (int i = 0; i < _FAILPOINT_MAX; i++) {
                const char *name = failpoint_to_string((Failpoint)i);

                ck_assert_ptr_nonnull(name);
                for (int j = 0; j < i; j++)
                        ck_assert_str_ne(name, failpoint_to_string((Failpoint)j));
        }
        ck_assert_ptr_null(failpoint_to_string(_FAILPOINT_MAX));
}
END_TEST

START_TEST(test_failpoint_counts)
{
        setenv("VMSERVICED_FAILPOINT", "start-files:error:2", 1);
        ck_assert_int_eq(failpoint(FAILPOINT_START_FILES), 0);
        ck_assert_int_eq(failpoint(FAILPOINT_START_BEGIN), 0);
        ck_assert_int_eq(failpoint(FAILPOINT_START_FILES), -EIO);
        ck_assert_int_eq(failpoint(FAILPOINT_START_FILES), 0);
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_test(tcase, test_names);
        tcase_add_test(tcase, test_problem);
        tcase_add_test(tcase, test_failpoints);
        tcase_add_test(tcase, test_failpoint_counts);
}

int main(void)
{
        return unit_run("errors", add_tests);
}
