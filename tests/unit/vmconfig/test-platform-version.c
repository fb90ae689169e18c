/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmconfig/platform-version.h"

#include <errno.h>
#include <stddef.h>

#include "common/cleanup.h"
#include "tests/unit/unit.h"

/* The table of Cargo's reference, "Specifying Dependencies", seen from both sides of each limit. */
static const struct {
        const char *requirement, *version;
        int expected; /* 1, 0, or negative errno */
} cases[] = {
        {"~1.0", "1.0.0", 1},
        {"~1.0", "1.0.9", 1},
        {"~1.0", "1.1.0", 0},
        {"~1", "1.9.0", 1},
        {"~1", "2.0.0", 0},
        {"~1.2.3", "1.2.3", 1},
        {"~1.2.3", "1.2.2", 0},
        {"~1.2.3", "1.3.0", 0},
        {"1.2.3", "1.9.9", 1},
        {"1.2.3", "1.2.2", 0},
        {"1.2.3", "2.0.0", 0},
        {"^1.2", "1.2.0", 1},
        {"^1.2", "1.1.9", 0},
        {"^1", "1.0.0", 1},
        {"^0.2.3", "0.2.9", 1},
        {"^0.2.3", "0.3.0", 0},
        {"^0.2", "0.2.0", 1},
        {"^0.2", "0.3.0", 0},
        {"^0.0.3", "0.0.3", 1},
        {"^0.0.3", "0.0.4", 0},
        {"^0.0", "0.0.7", 1},
        {"^0.0", "0.1.0", 0},
        {"^0", "0.9.9", 1},
        {"^0", "1.0.0", 0},
        {"=1.2.3", "1.2.3", 1},
        {"=1.2.3", "1.2.4", 0},
        {"=1.2", "1.2.9", 1},
        {"=1", "1.9.9", 1},
        {">1.2.3", "1.2.4", 1},
        {">1.2.3", "1.2.3", 0},
        {">1", "2.0.0", 1},
        {">1", "1.9.9", 0},
        {">=1", "1.0.0", 1},
        {">=1.0.1", "1.0.0", 0},
        {"<1", "0.9.9", 1},
        {"<1", "1.0.0", 0},
        {"<=1", "1.9.9", 1},
        {"<=1.2", "1.3.0", 0},
        {"*", "0.0.0", 1},
        {"1.*", "1.9.9", 1},
        {"1.*", "2.0.0", 0},
        {"1.2.x", "1.2.9", 1},
        {"1.2.X", "1.3.0", 0},
        {"1.*.*", "1.7.0", 1},
        {">=1.0, <2", "1.5.0", 1},
        {">=1.0, <2", "2.0.0", 0},
        {">=1.0,<2", "1.5.0", 1},
        {" >= 1.0 , < 2 ", "1.5.0", 1},
        {"", "1.0.0", -EINVAL},
        {" ", "1.0.0", -EINVAL},
        {"one", "1.0.0", -EINVAL},
        {"1.", "1.0.0", -EINVAL},
        {".1", "1.0.0", -EINVAL},
        {"1..2", "1.0.0", -EINVAL},
        {"1.2.3.4", "1.0.0", -EINVAL},
        {"01", "1.0.0", -EINVAL},
        {"1.*.2", "1.0.0", -EINVAL},
        {"1,", "1.0.0", -EINVAL},
        {",1", "1.0.0", -EINVAL},
        {"1 2", "1.0.0", -EINVAL},
        {"~~1", "1.0.0", -EINVAL},
        {"=>1", "1.0.0", -EINVAL},
        {"1.0-rc1", "1.0.0", -EINVAL},
        {"1.0+build", "1.0.0", -EINVAL},
        {"-1", "1.0.0", -EINVAL},
        {"999999999", "1.0.0", 0},
        {"9999999999", "1.0.0", -EINVAL},
        {"4294967297", "1.0.0", -EINVAL},
        {"1", "1.0", -EINVAL},
        {"1", "1.0.*", -EINVAL},
        {"1", "1.0.0x", -EINVAL},
};

START_TEST(test_case)
{
        bool matches = false;
        int r;

        r = platform_version_matches(cases[_i].requirement, cases[_i].version, &matches);
        ck_assert_msg((r < 0 ? r : matches) == cases[_i].expected, "%s on %s: %d, %d",
                      cases[_i].requirement, cases[_i].version, r, matches);
}
END_TEST

START_TEST(test_own)
{
        bool matches = false;

        ck_assert_int_eq(platform_version_matches("~1.0", VM_PLATFORM_VERSION, &matches), 0);
        ck_assert(matches);
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_loop_test(tcase, test_case, 0, (int)ARRAY_SIZE(cases));
        tcase_add_test(tcase, test_own);
}

int main(void)
{
        return unit_run("platform-version", add_tests);
}
