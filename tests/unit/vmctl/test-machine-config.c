/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/machine-config.h"

#include <glib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/string-util.h"
#include "tests/unit/unit.h"
#include "vmctl/console-log.h"
#include "vmctl/progress.h"

START_TEST(test_file_kind)
{
        unsigned char image[FILE_KIND_BYTES] = {0};

        ck_assert_int_eq(file_kind((const unsigned char *)"\177ELF", 4), FILE_KIND_IMAGE);
        ck_assert_int_eq(file_kind((const unsigned char *)"\177EL", 3), FILE_KIND_OTHER);
        ck_assert_int_eq(file_kind((const unsigned char *)"{\"kernel\"", 9), FILE_KIND_CONFIG);
        ck_assert_int_eq(file_kind((const unsigned char *)" \n\t{", 4), FILE_KIND_CONFIG);
        ck_assert_int_eq(file_kind((const unsigned char *)"\037\213\010", 3), FILE_KIND_GZIP);
        ck_assert_int_eq(file_kind((const unsigned char *)"#!/bin/sh", 9), FILE_KIND_OTHER);
        ck_assert_int_eq(file_kind((const unsigned char *)"", 0), FILE_KIND_OTHER);
        ck_assert_int_eq(file_kind(image, sizeof(image)), FILE_KIND_OTHER);
        image[0x1fe] = 0x55;
        image[0x1ff] = 0xaa;
        memcpy(image + 0x202, "HdrS", 4);
        ck_assert_int_eq(file_kind(image, sizeof(image)), FILE_KIND_IMAGE);
        ck_assert_int_eq(file_kind(image, sizeof(image) - 1), FILE_KIND_OTHER);
}
END_TEST

static const struct {
        const char *path, *prefix;
} names[] = {
        {"/tmp/hello.elf", "hello-"},
        {"bzImage", "bzImage-"},
        {"../..", "vm-"},
        {"-", "vm-"},
        {"/tmp/\033[31mx", "31mx-"},
        {"/tmp/_odd-name_1", "odd-name_1-"},
        {NULL, "vm-"},
};

START_TEST(test_made_names)
{
        Invocation invocation = {0};
        Context context = {.invocation = &invocation};
        g_autofree char *name = machine_config_make_name(&context, names[_i].path, NULL);

        ck_assert_msg(g_str_has_prefix(name, names[_i].prefix), "%s", name);
        ck_assert_ptr_null(machine_name_problem(name));
}
END_TEST

START_TEST(test_made_name_is_bounded)
{
        Invocation invocation = {0};
        Context context = {.invocation = &invocation};
        g_autofree char *path = g_strnfill(300, 'x');
        g_autofree char *name = machine_config_make_name(&context, path, NULL);

        ck_assert_ptr_null(machine_name_problem(name));
}
END_TEST

START_TEST(test_name_of_the_config)
{
        Invocation invocation = {0};
        Context context = {.invocation = &invocation};
        g_autoptr(VmClientConfig) config =
                vm_client_config_new_from_json("{\"name\": \"mail\"}", NULL, NULL);
        g_autofree char *name = machine_config_make_name(&context, "x.json", config);

        ck_assert(g_str_has_prefix(name, "mail-"));
}
END_TEST

START_TEST(test_last_lines)
{
        const char *text = "one\ntwo\nthree\n";

        ck_assert_str_eq(text + last_lines(text, strlen(text), 1), "three\n");
        ck_assert_str_eq(text + last_lines(text, strlen(text), 2), "two\nthree\n");
        ck_assert_uint_eq(last_lines(text, strlen(text), 9), 0);
        ck_assert_uint_eq(last_lines(text, strlen(text), 0), strlen(text));
        ck_assert_str_eq(text + last_lines(text, strlen(text) - 1, 1), "three\n"); /* unended */
        ck_assert_uint_eq(last_lines("", 0, 3), 0);
        ck_assert_uint_eq(last_lines("\n\n", 2, 1), 1);
}
END_TEST

START_TEST(test_progress_line)
{
        Progress progress = {.text = (char *)"waiting for web to power off", .begin = 1000000};
        g_autofree char *open = progress_line(&progress, 13999999);
        g_autofree char *limited = NULL;

        ck_assert_str_eq(open, "waiting for web to power off (12 s)...");
        progress.limit_usec = 30000000;
        limited = progress_line(&progress, 13999999);
        ck_assert_str_eq(limited, "waiting for web to power off (12 s of 30 s)...");
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_test(tcase, test_file_kind);
        tcase_add_loop_test(tcase, test_made_names, 0, (int)ARRAY_SIZE(names));
        tcase_add_test(tcase, test_made_name_is_bounded);
        tcase_add_test(tcase, test_name_of_the_config);
        tcase_add_test(tcase, test_last_lines);
        tcase_add_test(tcase, test_progress_line);
}

int main(void)
{
        return unit_run("vmctl-machine-config", add_tests);
}
