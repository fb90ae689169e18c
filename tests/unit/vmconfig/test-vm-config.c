/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmconfig/vm-config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "tests/unit/unit.h"

static void parse(const char *text, VmConfig *ret)
{
        JsonProblem problem = {0};

        ck_assert_msg(vm_config_parse(text, strlen(text), ret, &problem) == 0, "%s: [%s] %s", text,
                      problem.pointer, problem.message);
}

START_TEST(test_defaults)
{
        VmConfig config;

        memset(&config, 0xff, sizeof(config));
        parse("{\"kernel\": \"vmlinux\"}", &config);
        ck_assert_ptr_null(config.name);
        ck_assert_str_eq(config.platform_version, "~1.0");
        ck_assert_str_eq(config.kernel, "vmlinux");
        ck_assert_ptr_null(config.initrd);
        ck_assert_ptr_null(config.params);
        ck_assert_ptr_null(config.bootloader);
        ck_assert_uint_eq(config.memory_mib, 256);
        ck_assert_int_eq(config.cpu_topology, VM_CPU_TOPOLOGY_ONE_CPU);
        ck_assert_uint_eq(config.cpu_count, 0);
        ck_assert(!config.is_protected);
        ck_assert_int_eq(config.on_reboot, VM_ON_END_RESTART);
        ck_assert_int_eq(config.on_crash, VM_ON_END_STOP);
        ck_assert_uint_eq(config.console_scrollback_kib, 64);
        ck_assert_uint_eq(config.console_log_kib, 1024);
        vm_config_done(&config);
        vm_config_done(&config); /* twice is once */
}
END_TEST

/* What is saved parses again to the same, whatever was given. */
static const char *const round_trips[] = {
        "{\"kernel\": \"k\"}",
        "{\"kernel\": \"k\", \"initrd\": \"i\", \"params\": \"\"}",
        "{\"kernel\": \"/boot/a \\\"b\\\"\\n\\u00e9\", \"params\": \"console=ttyS0 \\u0001\"}",
        "{\"bootloader\": \"b\", \"name\": \"web.server-1\", \"protected\": true}",
        "{\"kernel\": \"k\", \"cpu_count\": 1}",
        "{\"kernel\": \"k\", \"cpu_count\": 255}",
        "{\"kernel\": \"k\", \"cpu_topology\": \"one_cpu\"}",
        "{\"kernel\": \"k\", \"cpu_topology\": \"match_host\"}",
        "{\"kernel\": \"k\", \"memory_mib\": 2}",
        "{\"kernel\": \"k\", \"memory_mib\": 1048576}",
        "{\"kernel\": \"k\", \"on_reboot\": \"stop\", \"on_crash\": \"restart\"}",
        "{\"kernel\": \"k\", \"console_scrollback_kib\": 4, \"console_log_kib\": 64}",
        "{\"kernel\": \"k\", \"console_scrollback_kib\": 1024, \"console_log_kib\": 65536}",
        "{\"kernel\": \"k\", \"platform_version\": \">=0.9, <2\"}",
        "{\"kernel\": \"k\", \"x-team\": {\"kernel\": [1, 2]}, \"x-\": null}",
};

static char *save(const VmConfig *config)
{
        json_object *json = vm_config_save(config);
        char *text;

        ck_assert_ptr_nonnull(json);
        ck_assert_int_eq(json_print(json, &text, NULL), 0);
        json_object_put(json);
        return text;
}

START_TEST(test_round_trip)
{
        _cleanup_free_ char *first = NULL, *second = NULL;
        VmConfig config, again;

        parse(round_trips[_i], &config);
        first = save(&config);
        parse(first, &again);
        second = save(&again);
        ck_assert_str_eq(first, second);
        ck_assert_str_eq(config.kernel ? config.kernel : config.bootloader,
                         again.kernel ? again.kernel : again.bootloader);
        ck_assert_uint_eq(config.cpu_count, again.cpu_count);
        ck_assert_int_eq(config.cpu_topology, again.cpu_topology);
        ck_assert_ptr_null(strstr(first, "x-"));
        vm_config_done(&config);
        vm_config_done(&again);
}
END_TEST

static const struct {
        const char *text, *pointer, *message;
} refused[] = {
        {"", "", "line 1, column 1: the text is empty; at least {} is needed"},
        {"[]", "", "an object {...} is needed here, not an array"},
        {"{}", "", "there is nothing to boot: add \"kernel\" or \"bootloader\""},
        {"{\"initrd\": \"i\"}", "", "there is nothing to boot: add \"kernel\" or \"bootloader\""},
        {"{\"params\": \"p\"}", "", "there is nothing to boot: add \"kernel\" or \"bootloader\""},
        {"{\"kernel\": \"k\", \"bootloader\": \"b\"}", "/bootloader",
         "\"bootloader\" excludes \"kernel\": a bootloader finds its own kernel; remove one of the "
         "two"},
        {"{\"initrd\": \"i\", \"bootloader\": \"b\"}", "/bootloader",
         "\"bootloader\" excludes \"initrd\": a bootloader finds its own kernel; remove one of the "
         "two"},
        {"{\"params\": \"\", \"bootloader\": \"b\"}", "/bootloader",
         "\"bootloader\" excludes \"params\": a bootloader finds its own kernel; remove one of the "
         "two"},
        {"{\"kernel\": \"k\", \"cpu_topology\": \"one_cpu\", \"cpu_count\": 1}", "/cpu_count",
         "\"cpu_count\" excludes \"cpu_topology\": both say how many processors there are; remove "
         "one of the two"},
        {"{\"kernel\": \"k\", \"memroy_mib\": 1}", "/memroy_mib",
         "unknown key \"memroy_mib\"; did you mean \"memory_mib\"?"},
        {"{\"kernel\": \"k\", \"memory\": 1}", "/memory",
         "unknown key \"memory\"; did you mean \"memory_mib\"?"},
        {"{\"kernel\": \"k\", \"Kernel\": \"k\"}", "/Kernel",
         "unknown key \"Kernel\"; did you mean \"kernel\"?"},
        {"{\"kernel\": \"k\", \"disks\": []}", "/disks", "unknown key \"disks\""},
        {"{\"kernel\": 1}", "/kernel", "\"kernel\" must be a string, not a number"},
        {"{\"kernel\": \"\"}", "/kernel", "\"kernel\" must not be empty"},
        {"{\"kernel\": \"k\", \"memory_mib\": 1}", "/memory_mib",
         "\"memory_mib\" is 1, but must be from 2 to 1048576 MiB"},
        {"{\"kernel\": \"k\", \"memory_mib\": 1048577}", "/memory_mib",
         "\"memory_mib\" is 1048577, but must be from 2 to 1048576 MiB"},
        {"{\"kernel\": \"k\", \"memory_mib\": -1}", "/memory_mib",
         "\"memory_mib\" is -1, but must be from 2 to 1048576 MiB"},
        {"{\"kernel\": \"k\", \"memory_mib\": \"512\"}", "/memory_mib",
         "\"memory_mib\" must be a whole number of MiB, not a string"},
        {"{\"kernel\": \"k\", \"cpu_count\": 0}", "/cpu_count",
         "\"cpu_count\" is 0, but must be from 1 to 255 processors"},
        {"{\"kernel\": \"k\", \"cpu_count\": 256}", "/cpu_count",
         "\"cpu_count\" is 256, but must be from 1 to 255 processors"},
        {"{\"kernel\": \"k\", \"cpu_topology\": \"match-host\"}", "/cpu_topology",
         "\"cpu_topology\" is \"match-host\", but must be one of \"one_cpu\", \"match_host\"; did "
         "you mean \"match_host\"?"},
        {"{\"kernel\": \"k\", \"protected\": \"yes\"}", "/protected",
         "\"protected\" must be true or false, not a string"},
        {"{\"kernel\": \"k\", \"on_crash\": \"reboot\"}", "/on_crash",
         "\"on_crash\" is \"reboot\", but must be one of \"stop\", \"restart\""},
        {"{\"kernel\": \"k\", \"console_scrollback_kib\": 3}", "/console_scrollback_kib",
         "\"console_scrollback_kib\" is 3, but must be from 4 to 1024 KiB"},
        {"{\"kernel\": \"k\", \"console_log_kib\": 65537}", "/console_log_kib",
         "\"console_log_kib\" is 65537, but must be from 64 to 65536 KiB"},
        {"{\"kernel\": \"k\", \"name\": \"a/b\"}", "/name",
         "the name may hold only letters, digits, '.', '_' and '-' (A-Z a-z 0-9 . _ -)"},
        {"{\"kernel\": \"k\", \"platform_version\": \"one\"}", "/platform_version",
         "\"platform_version\" is \"one\", but must be a version requirement such as \"~1.0\" or "
         "\">=1.0, <2\""},
        {"{\"kernel\": \"k\", \"platform_version\": \"^2\"}", "/platform_version",
         "\"platform_version\" is \"^2\", which this platform, version 1.0.0, does not meet"},
        {"{\"kernel\": \"k\", \"kernel\": \"l\"}", "/kernel",
         "line 1, column 25: the key is there twice; keep one"},
        {"{\"kernel\": \"k\\u0000\"}", "/kernel",
         "line 1, column 14: \\u0000 is not allowed in a string; remove it"},
        {"{\"kernel\": \"\xff\"}", "/kernel",
         "line 1, column 13: byte 0xff is not valid UTF-8; save the text as UTF-8"},
        {"{\"kernel\": \"k\"} {}", "",
         "line 1, column 17: '{}' stands where the end of the text is expected"},
        {"{\"x-a\": [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}", "/x-a/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0",
         "line 1, column 24: nested deeper than 16 levels"},
};

START_TEST(test_refused)
{
        JsonProblem problem = {0};
        VmConfig config;

        memset(&config, 0x5a, sizeof(config));
        ck_assert_int_eq(
                vm_config_parse(refused[_i].text, strlen(refused[_i].text), &config, &problem),
                -EBADMSG);
        ck_assert_str_eq(problem.message, refused[_i].message);
        ck_assert_str_eq(problem.pointer, refused[_i].pointer);
        for (size_t i = 0; i < sizeof(config); i++)
                ck_assert_int_eq(((unsigned char *)&config)[i], 0x5a); /* untouched */
}
END_TEST

START_TEST(test_size_limit)
{
        static char text[VM_CONFIG_MAX_SIZE + 2];
        JsonProblem problem = {0};
        VmConfig config;
        int n = sprintf(text, "{\"kernel\": \"k\"}");

        memset(text + n, ' ', sizeof(text) - (size_t)n);
        ck_assert_int_eq(vm_config_parse(text, VM_CONFIG_MAX_SIZE, &config, &problem), 0);
        vm_config_done(&config);
        ck_assert_int_eq(vm_config_parse(text, VM_CONFIG_MAX_SIZE + 1, &config, &problem),
                         -EBADMSG);
        ck_assert_str_eq(problem.message,
                         "the configuration is 32769 bytes long, but must be at most 32768 bytes");
        ck_assert_str_eq(problem.pointer, "");
}
END_TEST

/* The longest command line does not fit into a configuration's text, but into an object. */
START_TEST(test_params_limit)
{
        static char params[VM_CONFIG_MAX_PARAMS + 1];
        json_object *json = json_object_new_object();
        JsonProblem problem = {0};
        VmConfig config;

        memset(params, 'p', sizeof(params));
        json_object_object_add(json, "kernel", json_object_new_string("k"));
        json_object_object_add(json, "params",
                               json_object_new_string_len(params, VM_CONFIG_MAX_PARAMS));
        ck_assert_int_eq(vm_config_load(json, &config, &problem), 0);
        ck_assert_uint_eq(strlen(config.params), VM_CONFIG_MAX_PARAMS);
        vm_config_done(&config);
        json_object_object_add(json, "params",
                               json_object_new_string_len(params, VM_CONFIG_MAX_PARAMS + 1));
        ck_assert_int_eq(vm_config_load(json, &config, &problem), -EBADMSG);
        ck_assert_str_eq(problem.message,
                         "\"params\" is 65536 bytes long, but must be from 0 to 65535 bytes");
        json_object_put(json);
}
END_TEST

START_TEST(test_file_key_limit)
{
        static char text[8192], key[4097];
        JsonProblem problem = {0};
        VmConfig config;
        int n;

        memset(key, 'f', sizeof(key) - 1);
        n = sprintf(text, "{\"kernel\": \"%.4095s\"}", key);
        ck_assert_int_eq(vm_config_parse(text, (size_t)n, &config, &problem), 0);
        vm_config_done(&config);
        n = sprintf(text, "{\"kernel\": \"%.4096s\"}", key);
        ck_assert_int_eq(vm_config_parse(text, (size_t)n, &config, &problem), -EBADMSG);
        ck_assert_str_eq(problem.message,
                         "\"kernel\" is 4096 bytes long, but must be from 1 to 4095 bytes");
}
END_TEST

START_TEST(test_files)
{
        const char *keys[VM_CONFIG_MAX_FILES];
        VmConfig config;

        parse("{\"initrd\": \"i\", \"kernel\": \"k\"}", &config);
        ck_assert_uint_eq(vm_config_files(&config, keys), 2);
        ck_assert_str_eq(keys[0], "k");
        ck_assert_str_eq(keys[1], "i");
        vm_config_done(&config);
        parse("{\"kernel\": \"k\"}", &config);
        ck_assert_uint_eq(vm_config_files(&config, keys), 1);
        vm_config_done(&config);
        parse("{\"bootloader\": \"b\"}", &config);
        ck_assert_uint_eq(vm_config_files(&config, keys), 1);
        ck_assert_str_eq(keys[0], "b");
        vm_config_done(&config);
}
END_TEST

START_TEST(test_vcpus)
{
        VmConfig config;

        parse("{\"kernel\": \"k\"}", &config);
        ck_assert_uint_eq(vm_config_vcpus(&config, 8), 1);
        vm_config_done(&config);
        parse("{\"kernel\": \"k\", \"cpu_topology\": \"match_host\"}", &config);
        ck_assert_uint_eq(vm_config_vcpus(&config, 8), 8);
        ck_assert_uint_eq(vm_config_vcpus(&config, 0), 1);
        ck_assert_uint_eq(vm_config_vcpus(&config, 1000), VM_CONFIG_MAX_VCPUS);
        vm_config_done(&config);
        parse("{\"kernel\": \"k\", \"cpu_count\": 4}", &config);
        ck_assert_uint_eq(vm_config_vcpus(&config, 2), 4);
        vm_config_done(&config);
}
END_TEST

/* Every row is documented, has its limits, and no key is there twice. */
START_TEST(test_table)
{
        for (const JsonField *f = vm_config_fields; f->key; f++) {
                ck_assert_ptr_nonnull(f->doc);
                ck_assert(f->type != JSON_FIELD_STRING || f->max > 0);
                ck_assert(f->type != JSON_FIELD_U64 || (f->max > 0 && f->unit));
                ck_assert(f->type != JSON_FIELD_ENUM || f->names);
                ck_assert(strncmp(f->key, "x-", 2) != 0);
                for (const JsonField *g = vm_config_fields; g < f; g++)
                        ck_assert_str_ne(f->key, g->key);
        }
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_test(tcase, test_defaults);
        tcase_add_loop_test(tcase, test_round_trip, 0, (int)ARRAY_SIZE(round_trips));
        tcase_add_loop_test(tcase, test_refused, 0, (int)ARRAY_SIZE(refused));
        tcase_add_test(tcase, test_size_limit);
        tcase_add_test(tcase, test_params_limit);
        tcase_add_test(tcase, test_file_key_limit);
        tcase_add_test(tcase, test_files);
        tcase_add_test(tcase, test_vcpus);
        tcase_add_test(tcase, test_table);
}

int main(void)
{
        return unit_run("vm-config", add_tests);
}
