/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/capabilities.h"

#include <errno.h>

#include "tests/unit/unit.h"

#define PROBE(usable, more, guest)                                                                 \
        "{\"monitor\":\"m\",\"monitor_version\":\"1\",\"usable\":" usable more                     \
        ",\"api_version\":12,\"max_vcpus\":8,\"recommended_vcpus\":2,\"max_memslots\":64,"         \
        "\"vm_types\":1,\"vm_types_created\":0,\"protected_vms\":false,\"guest_memfd\":true,"      \
        "\"guest_nsec\":" guest ",\"host_nsec\":1000}"

static int take(Capabilities *capabilities, const char *text, Problem *problem)
{
        ck_assert_int_eq(capabilities_init(capabilities, "/dev/kvm", 0, 1000, 2), 0);
        return capabilities_take_probe(capabilities, text, strlen(text), problem);
}

START_TEST(test_usable)
{
        Capabilities c;
        Problem problem = {""};

        ck_assert_msg(take(&c, PROBE("true", "", "1500"), &problem) == 0, "%s", problem.message);
        ck_assert(capabilities_usable(&c));
        ck_assert_uint_eq(capabilities_mask(&c), CAPABILITY_NON_PROTECTED_VM);
        ck_assert_double_eq_tol(capabilities_speed_ratio(&c), 1.5, 0.001);
        c.report.protected_vms = true;
        ck_assert_uint_eq(capabilities_mask(&c),
                          CAPABILITY_NON_PROTECTED_VM | CAPABILITY_PROTECTED_VM);
        capabilities_done(&c);
}
END_TEST

START_TEST(test_not_usable)
{
        Capabilities c;
        Problem problem = {""};

        ck_assert_int_eq(
                take(&c, PROBE("false", ",\"problem\":\"no \\u001b[31mluck\"", "0"), &problem), 0);
        ck_assert(!capabilities_usable(&c));
        ck_assert_uint_eq(capabilities_mask(&c), 0);
        ck_assert_str_eq(c.problem, "no \\x1b[31mluck"); /* the monitor is a stranger */
        capabilities_done(&c);
}
END_TEST

START_TEST(test_hostile)
{
        static const char *const bad[] = {
                "",
                "null",
                "[]",
                "{}",
                "{\"monitor\":",
                "nonsense",
                "{\"monitor\":\"m\",\"monitor_version\":\"1\"}",
                PROBE("1", "", "1"),               /* wrong type */
                PROBE("true", ",\"more\":1", "1"), /* unknown key */
                PROBE("true", "", "-1"),           /* out of range */
                PROBE("false", "", "1"),           /* no reason given */
                PROBE("true", "", "1") " {}",      /* something follows */
        };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                Capabilities c;
                Problem problem = {""};

                ck_assert_msg(take(&c, bad[i], &problem) == -EBADMSG, "%s", bad[i]);
                ck_assert_str_ne(problem.message, "");
                ck_assert(!capabilities_usable(&c));
                capabilities_done(&c);
        }
}
END_TEST

START_TEST(test_device)
{
        static const char liar[] = PROBE("true", "", "1");
        static const char no_fd[] =
                "{\"monitor\":\"m\",\"monitor_version\":\"1\",\"usable\":false,"
                "\"problem\":\"no fd\",\"api_version\":0,\"max_vcpus\":0,"
                "\"recommended_vcpus\":0,\"max_memslots\":0,\"vm_types\":0,"
                "\"vm_types_created\":0,\"protected_vms\":false,\"guest_memfd\":false,"
                "\"guest_nsec\":0,\"host_nsec\":0}";
        static const struct {
                int error;
                bool present;
                const char *part;
        } rows[] = {
                {-ENOENT, false, "kvm_intel"},
                {-EACCES, true, "group"},
                {-EPERM, true, "group"},
                {-ENODEV, true, "driver"},
                {-EMFILE, true, "cannot be opened"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                Problem problem = {""};
                Capabilities c;

                ck_assert_int_eq(capabilities_init(&c, "/dev/kvm", rows[i].error, 1000, 2), 0);
                ck_assert_int_eq(c.present, rows[i].present);
                ck_assert_msg(strstr(c.problem, rows[i].part), "%s", c.problem);
                ck_assert(!capabilities_usable(&c));
                /* The monitor cannot know better than the one who could not open it. */
                ck_assert_int_eq(capabilities_take_probe(&c, no_fd, strlen(no_fd), &problem), 0);
                ck_assert_msg(strstr(c.problem, rows[i].part), "%s", c.problem);
                ck_assert_int_eq(capabilities_take_probe(&c, liar, strlen(liar), &problem), 0);
                ck_assert(!capabilities_usable(&c));
                ck_assert_msg(strstr(c.problem, rows[i].part), "%s", c.problem);
                capabilities_done(&c);
        }
}
END_TEST

static json_object *field(json_object *object, const char *key)
{
        json_object *value = NULL;

        ck_assert_msg(json_object_object_get_ex(object, key, &value), "%s", key);
        return value;
}

START_TEST(test_report)
{
        static const struct {
                const char *probe;
                bool hardware;
                const char *note;
        } rows[] = {
                {PROBE("true", "", "1000"), true, "processor itself"},
                {PROBE("true", "", "9000"), false, "Linux included"},
                {PROBE("true", "", "900000"), false, "900 times"},
                {PROBE("true", "", "0"), false, "not known"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                Capabilities c;
                Problem problem = {""};
                json_object *report, *kvm;

                ck_assert_int_eq(take(&c, rows[i].probe, &problem), 0);
                report = capabilities_report(&c, 500);
                kvm = field(report, "kvm");
                ck_assert_int_eq(json_object_get_boolean(field(kvm, "hardware_speed")),
                                 rows[i].hardware);
                ck_assert_ptr_nonnull(
                        strstr(json_object_get_string(field(kvm, "speed_note")), rows[i].note));
                ck_assert_ptr_null(field(kvm, "problem"));
                ck_assert_uint_eq(json_object_array_length(field(report, "monitors")), 1);
                json_object_put(report);
                capabilities_done(&c);
        }
}
END_TEST

START_TEST(test_config)
{
        static const struct {
                const char *config;
                int error;
                const char *part;
        } rows[] = {
                {"{\"kernel\":\"k\",\"memory_mib\":1000}", 0, ""},
                {"{\"kernel\":\"k\",\"memory_mib\":1001}", -ENOMEM, "1000 MiB"},
                {"{\"kernel\":\"k\",\"cpu_count\":8}", 0, ""},
                {"{\"kernel\":\"k\",\"cpu_count\":9}", -EBADMSG, "at most 8"},
                {"{\"kernel\":\"k\",\"protected\":true}", -EOPNOTSUPP, "never started unprotected"},
                {"{\"bootloader\":\"b\"}", -EOPNOTSUPP, "give \"kernel\" instead"},
        };
        Problem problem = {""};
        Capabilities c;

        ck_assert_int_eq(take(&c, PROBE("true", "", "1"), &problem), 0);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                JsonProblem json_problem = {"", ""};
                VmConfig config;

                ck_assert_msg(vm_config_parse(rows[i].config, strlen(rows[i].config), &config,
                                              &json_problem) == 0,
                              "%s", json_problem.message);
                problem.message[0] = '\0';
                ck_assert_int_eq(capabilities_check_config(&c, &config, &problem), rows[i].error);
                ck_assert_msg(strstr(problem.message, rows[i].part), "%s", problem.message);
                vm_config_done(&config);
        }
        capabilities_done(&c);
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_test(tcase, test_usable);
        tcase_add_test(tcase, test_not_usable);
        tcase_add_test(tcase, test_hostile);
        tcase_add_test(tcase, test_device);
        tcase_add_test(tcase, test_report);
        tcase_add_test(tcase, test_config);
}

int main(void)
{
        return unit_run("capabilities", add_tests);
}
