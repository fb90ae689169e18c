/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/settings.h"

#include <errno.h>
#include <fcntl.h>

#include "common/fd.h"
#include "tests/unit/unit.h"

static int parse(const char *text, Limits *limits, Problem *problem)
{
        limits_set_default(limits, 1000);
        return settings_parse_limits(text, "conf", limits, problem);
}

START_TEST(test_limits)
{
        Problem problem = {""};
        Limits limits;

        ck_assert_int_eq(parse("# a comment\n\n machines = 3 # another\r\nmemory_mib=9\n", &limits,
                               &problem),
                         0);
        ck_assert_uint_eq(limits.max[LIMIT_MACHINES], 3);
        ck_assert_uint_eq(limits.max[LIMIT_MEMORY_MIB], 9);
        ck_assert_uint_eq(limits.max[LIMIT_RUNNING], 64);
        ck_assert_int_eq(parse("", &limits, &problem), 0);
}
END_TEST

START_TEST(test_limits_refused)
{
        static const struct {
                const char *text, *part;
        } bad[] = {
                {"\nmachine = 3\n", "line 2"},
                {"machine = 3\n", "did you mean 'machines'"},
                {"machines\n", "key = value"},
                {"machines = \n", "whole number"},
                {"machines = -1\n", "whole number"},
                {"machines = 3 MiB\n", "'3 MiB'"},
                {"machines = 99999999999999999999", "whole number"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                Problem problem = {""};
                Limits limits;

                ck_assert_int_eq(parse(bad[i].text, &limits, &problem), -EINVAL);
                ck_assert_msg(strstr(problem.message, bad[i].part), "\"%s\" lacks \"%s\"",
                              problem.message, bad[i].part);
                ck_assert_uint_eq(limits.max[LIMIT_MACHINES], 256); /* untouched */
        }
}
END_TEST

static int load(Settings *settings, Problem *problem, char **argv)
{
        int argc = 0;

        while (argv[argc])
                argc++;
        return settings_load(settings, argc, argv, problem);
}

#define LOAD(settings, problem, ...)                                                               \
        load(settings, problem, (char *[]){(char *)"vmserviced", __VA_ARGS__, NULL})

START_TEST(test_options)
{
        Problem problem = {""};
        Settings settings;

        unsetenv("XDG_STATE_HOME");
        setenv("HOME", "/home/u", 1);
        setenv("XDG_RUNTIME_DIR", "/run/user/5", 1);
        ck_assert_msg(LOAD(&settings, &problem, (char *)"--user", (char *)"--config",
                           (char *)"/nonexistent") == 0,
                      "%s", problem.message);
        ck_assert(settings.session);
        ck_assert_str_eq(settings.state_dir, "/home/u/.local/state/vmservice");
        ck_assert_str_eq(settings.runtime_dir, "/run/user/5/vmservice");
        ck_assert_str_eq(settings.spawner_socket, "/run/user/5/vmservice/spawner.sock");
        ck_assert_str_eq(settings.kvm, "/dev/kvm");
        ck_assert_uint_gt(settings.host_memory_mib, 0);
        ck_assert_uint_gt(settings.host_cpus, 0);
        settings_done(&settings);

        ck_assert_int_eq(LOAD(&settings, &problem, (char *)"--config", (char *)"/nonexistent",
                              (char *)"--state-dir", (char *)"/s", (char *)"--spawner-socket=/x"),
                         0);
        ck_assert(!settings.session);
        ck_assert_str_eq(settings.state_dir, "/s");
        ck_assert_str_eq(settings.runtime_dir, "/run/vmservice");
        ck_assert_str_eq(settings.spawner_socket, "/x");
        settings_done(&settings);
}
END_TEST

START_TEST(test_options_refused)
{
        Problem problem = {""};
        Settings settings;

        ck_assert_int_eq(LOAD(&settings, &problem, (char *)"--usr2"), -EINVAL);
        ck_assert_ptr_nonnull(strstr(problem.message, "--usr2"));
        ck_assert_int_eq(LOAD(&settings, &problem, (char *)"word"), -EINVAL);
        ck_assert_int_eq(LOAD(&settings, &problem, (char *)"--state-dir"), -EINVAL);
        ck_assert_int_eq(LOAD(&settings, &problem, (char *)"--log-level", (char *)"loud"), -EINVAL);
        unsetenv("XDG_RUNTIME_DIR");
        ck_assert_int_eq(LOAD(&settings, &problem, (char *)"--user"), -ENOENT);
        ck_assert_ptr_nonnull(strstr(problem.message, "XDG_RUNTIME_DIR"));
        ck_assert_int_eq(LOAD(&settings, &problem, (char *)"--config", (char *)"/dev"), -EISDIR);
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_test(tcase, test_limits);
        tcase_add_test(tcase, test_limits_refused);
        tcase_add_test(tcase, test_options);
        tcase_add_test(tcase, test_options_refused);
}

int main(void)
{
        return unit_run("settings", add_tests);
}
