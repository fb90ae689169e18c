/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The probe, as the daemon runs it. */

#include "protocol/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check-main.h"
#include "probe.h"

/* Runs "vmm-launcher --probe ..." with fd 3 as given (-1: closed); its exit code. */
static int run_probe(const char *const *argv, int fd3, char *ret, size_t size)
{
        int pipes[2], status;
        size_t n = 0;
        ssize_t got;
        pid_t pid;

        ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                int in = fd3 >= 0 ? fcntl(fd3, F_DUPFD, 20) : -1;

                (void)dup2(pipes[1], STDOUT_FILENO);
                (void)close_range(3, 19, 0);
                if (in >= 0)
                        (void)dup2(in, 3);
                (void)close_range(20, ~0U, 0);
                execv(getenv("VMM_LAUNCHER"), (char *const *)argv);
                _exit(127);
        }
        close(pipes[1]);
        while ((got = read(pipes[0], ret + n, size - 1 - n)) > 0)
                n += (size_t)got;
        ret[n] = '\0';
        close(pipes[0]);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static void parse(const char *text, ProbeReport *report)
{
        json_object *json = NULL;
        JsonProblem problem = {"", ""};

        ck_assert_msg(json_parse_strict(text, strlen(text), &json, &problem) == 0, "%s: \"%s\"",
                      problem.message, text);
        ck_assert_msg(json_fields_load(probe_fields, json, "", report, &problem) == 0, "%s: %s",
                      problem.pointer, problem.message);
        json_object_put(json);
        ck_assert_str_eq(report->monitor, "vmm-launcher");
        ck_assert_ptr_nonnull(report->monitor_version);
        ck_assert(report->usable == !report->problem);
}

static void check_usable(const ProbeReport *report)
{
        ck_assert_msg(report->usable, "%s", report->problem);
        ck_assert_uint_eq(report->api_version, 12);
        ck_assert_uint_ge(report->max_vcpus, report->recommended_vcpus);
        ck_assert_uint_ge(report->recommended_vcpus, 1);
        ck_assert_uint_ge(report->max_memslots, 32);
        ck_assert_uint_eq(report->vm_types & 1, 1);
        ck_assert_uint_eq(report->vm_types_created & ~report->vm_types, 0);
        ck_assert_uint_gt(report->guest_nsec, 0);
        ck_assert_uint_gt(report->host_nsec, 0);
        /* A guest is not faster than its host; emulated it is slower by orders. */
        ck_assert_uint_gt(report->guest_nsec * 2, report->host_nsec);
}

START_TEST(test_usable)
{
        const char *const plain[] = {"vmm-launcher", "--probe", NULL};
        const char *const named[] = {"vmm-launcher", "--probe", "--kvm-fd", "3", NULL};
        int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
        ProbeReport report;
        char text[PROBE_OUTPUT_MAX + 2];

        if (kvm < 0) {
                printf("skipped: /dev/kvm: %m\n");
                return;
        }
        ck_assert_int_eq(run_probe(plain, -1, text, sizeof(text)), 0);
        parse(text, &report);
        check_usable(&report);
        json_fields_done(probe_fields, &report);
        ck_assert_int_eq(run_probe(plain, kvm, text, sizeof(text)), 0);
        parse(text, &report);
        check_usable(&report);
        json_fields_done(probe_fields, &report);
        ck_assert_int_eq(run_probe(named, kvm, text, sizeof(text)), 0);
        parse(text, &report);
        check_usable(&report);
        json_fields_done(probe_fields, &report);
        ck_assert_uint_lt(strlen(text), PROBE_OUTPUT_MAX);
        close(kvm);
}
END_TEST

START_TEST(test_wrong_descriptor)
{
        const char *const named[] = {"vmm-launcher", "--probe", "--kvm-fd", "3", NULL};
        const char *const absent[] = {"vmm-launcher", "--probe", "--kvm-fd", "9", NULL};
        const char *const word[] = {"vmm-launcher", "--probe", "--kvm-fd", "kvm", NULL};
        int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        char text[PROBE_OUTPUT_MAX];

        ck_assert_int_eq(run_probe(named, null_fd, text, sizeof(text)), EXIT_FAILURE);
        ck_assert_str_eq(text, "");
        ck_assert_int_eq(run_probe(absent, -1, text, sizeof(text)), EXIT_FAILURE);
        ck_assert_int_eq(run_probe(word, -1, text, sizeof(text)), EXIT_FAILURE);
        close(null_fd);
}
END_TEST

/* Without /dev/kvm: the cause and the fix. */
START_TEST(test_unusable)
{
        const struct {
                int error;
                const char *text;
        } cases[] = {
                {-ENOENT, "load kvm_"},
                {-EACCES, "group"},
                {-EPERM, "group"},
                {-ENXIO, "cannot be opened"},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                ProbeReport report;

                ck_assert_int_eq(probe_make_report(cases[i].error, &report), 0);
                ck_assert(!report.usable);
                ck_assert_msg(strstr(report.problem, cases[i].text), "%s", report.problem);
                ck_assert_uint_eq(report.api_version, 0);
                ck_assert_uint_eq(report.guest_nsec, 0);
                json_fields_done(probe_fields, &report);
        }
}
END_TEST

/* A file that is no KVM: every ioctl fails, and the report says so. */
START_TEST(test_no_kvm_behind_it)
{
        int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        ProbeReport report;

        ck_assert_int_eq(probe_make_report(fd, &report), 0);
        ck_assert(!report.usable);
        ck_assert_ptr_nonnull(report.problem);
        json_fields_done(probe_fields, &report);
        close(fd);
}
END_TEST

CHECK_MAIN("probe", {"usable", test_usable}, {"wrong descriptor", test_wrong_descriptor},
           {"unusable", test_unusable}, {"no KVM behind it", test_no_kvm_behind_it});
