/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/fd.h"
#include "tests/unit/unit.h"

/* Standard error is a memfd from here on (each test is a process of its own). */
static int capture(void)
{
        int fd = memfd_create("stderr", MFD_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
        return fd;
}

static const char *captured(int fd)
{
        static char text[8192];
        ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

        ck_assert_int_ge(n, 0);
        text[n] = '\0';
        return text;
}

START_TEST(test_lines)
{
        int fd = capture();

        log_set_ident("tester");
        errno = EXDEV;
        log_info("%d and %s", 1, "two");
        log_debug("not shown");
        ck_assert_int_eq(log_error_errno(-ENOENT, "cannot open %s", "it"), -ENOENT);
        ck_assert_int_eq(log_warning_errno(EACCES, "odd sign"), -EACCES);
        ck_assert_int_eq(errno, EXDEV);
        ck_assert_str_eq(captured(fd), "<6>tester: 1 and two\n"
                                       "<3>tester: cannot open it: No such file or directory\n"
                                       "<4>tester: odd sign: Permission denied\n");
}
END_TEST

START_TEST(test_levels)
{
        int fd = capture();

        log_set_max_level(LOG_ERR);
        log_warning("not shown");
        ck_assert_int_eq(log_warning_errno(-EIO, "not shown"), -EIO);
        log_error("shown");
        log_set_max_level(LOG_DEBUG);
        log_debug("shown too");
        ck_assert_str_eq(captured(fd), "<3>shown\n<7>shown too\n");
}
END_TEST

START_TEST(test_one_line)
{
        int fd = capture();

        log_notice("a\nb\r\n<0>c");
        log_error_errno(-99999, "unknown");
        ck_assert_str_eq(captured(fd), "<5>a b  <0>c\n<3>unknown: error 99999\n");
}
END_TEST

START_TEST(test_long_line)
{
        int fd = capture();
        char big[5000];
        const char *text;

        memset(big, 'x', sizeof(big) - 1);
        big[sizeof(big) - 1] = '\0';
        log_error_errno(-EIO, "%s", big);
        text = captured(fd);
        ck_assert_uint_eq(strlen(text), 2047);
        ck_assert_ptr_eq(strchr(text, '\n'), text + 2046);
}
END_TEST

START_TEST(test_terminal)
{
        int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;
        char text[64];
        ssize_t n;

        ck_assert_int_ge(master, 0);
        ck_assert_int_eq(grantpt(master), 0);
        ck_assert_int_eq(unlockpt(master), 0);
        slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
        ck_assert_int_ge(slave, 0);
        ck_assert_int_eq(dup2(slave, STDERR_FILENO), STDERR_FILENO);
        log_error("plain");
        n = read(master, text, sizeof(text) - 1);
        ck_assert_int_gt(n, 0);
        text[n] = '\0';
        ck_assert_str_eq(text, "plain\r\n");
}
END_TEST

START_TEST(test_limit)
{
        LogLimit limit = {0};
        int fd = capture();

        for (unsigned i = 0; i < 5; i++)
                ck_assert(log_limit_allow(&limit));
        for (unsigned i = 0; i < 7; i++)
                ck_assert(!log_limit_allow(&limit));
        ck_assert_str_eq(captured(fd), "");

        /* As if ten seconds had passed. */
        limit.window_start_nsec -= 10000000000ULL;
        ck_assert(log_limit_allow(&limit));
        ck_assert_str_eq(captured(fd), "<5>7 similar lines were held back\n");
        for (unsigned i = 0; i < 4; i++)
                ck_assert(log_limit_allow(&limit));
        ck_assert(!log_limit_allow(&limit));
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_test(tcase, test_lines);
        tcase_add_test(tcase, test_levels);
        tcase_add_test(tcase, test_one_line);
        tcase_add_test(tcase, test_long_line);
        tcase_add_test(tcase, test_terminal);
        tcase_add_test(tcase, test_limit);
}

int main(void)
{
        return unit_run("log", add_tests);
}
