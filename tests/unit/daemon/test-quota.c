/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/quota.h"

#include <errno.h>

#include "tests/unit/unit.h"

START_TEST(test_every_limit)
{
        Limits limits = {{10, 10, 10, 10, 10, 10}};
        Problem problem;

        for (int i = 0; i < _LIMIT_MAX; i++) {
                QuotaUse use = {{0}};
                Limit limit = (Limit)i;

                use.used[i] = 9;
                ck_assert_int_eq(quota_check(&limits, &use, limit, 1, 7, "/c", &problem), 0);
                ck_assert_int_eq(quota_check(&limits, &use, limit, 2, 7, "/c", &problem), -EDQUOT);
                /* which, of whom, how far, how to raise it */
                ck_assert_ptr_nonnull(strstr(problem.message, limit_to_string(limit)));
                ck_assert_ptr_nonnull(strstr(problem.message, "uid 7"));
                ck_assert_ptr_nonnull(strstr(problem.message, "has 9"));
                ck_assert_ptr_nonnull(strstr(problem.message, "10"));
                ck_assert_ptr_nonnull(strstr(problem.message, "in /c"));
        }
}
END_TEST

START_TEST(test_no_wrap)
{
        Limits limits = {{UINT64_MAX, 5}};
        QuotaUse use = {{UINT64_MAX - 1, 6}};

        ck_assert_int_eq(quota_check(&limits, &use, LIMIT_MACHINES, 1, 0, "", NULL), 0);
        ck_assert_int_eq(quota_check(&limits, &use, LIMIT_MACHINES, 2, 0, "", NULL), -EDQUOT);
        /* lowered below what is used already */
        ck_assert_int_eq(quota_check(&limits, &use, LIMIT_RUNNING, 0, 0, "", NULL), -EDQUOT);
        ck_assert_int_eq(quota_check(&limits, &use, LIMIT_RUNNING, UINT64_MAX, 0, "", NULL),
                         -EDQUOT);
}
END_TEST

START_TEST(test_names)
{
        Limits limits;

        for (int i = 0; i < _LIMIT_MAX; i++)
                ck_assert_int_eq(limit_from_string(limit_to_string((Limit)i)), i);
        ck_assert_int_eq(limit_from_string("machine"), -EINVAL);
        ck_assert_ptr_null(limit_to_string(_LIMIT_MAX));
        limits_set_default(&limits, 4096);
        for (int i = 0; i < _LIMIT_MAX; i++)
                ck_assert_uint_gt(limits.max[i], 0);
        ck_assert_uint_eq(limits.max[LIMIT_MEMORY_MIB], 4096);
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_test(tcase, test_every_limit);
        tcase_add_test(tcase, test_no_wrap);
        tcase_add_test(tcase, test_names);
}

int main(void)
{
        return unit_run("quota", add_tests);
}
