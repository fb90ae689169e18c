/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvmclient/vm-client-config-private.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "vmconfig/vm-config.h"

static char *folder;
static guint n_fds_before;

static guint count_fds(void)
{
        g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
        guint count = 0;

        while (g_dir_read_name(dir))
                count++;
        return count;
}

static char *in_folder(const char *name)
{
        return g_build_filename(folder, name, NULL);
}

static void write_file(const char *name, const char *text)
{
        g_autofree char *path = in_folder(name);

        ck_assert(g_file_set_contents(path, text, -1, NULL));
}

static void setup(void)
{
        folder = g_dir_make_tmp("vmclient-XXXXXX", NULL);
        write_file("kernel", "the kernel");
        write_file("initrd", "the initrd");
        n_fds_before = count_fds();
}

static void teardown(void)
{
        g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
        const char *name;

        ck_assert_uint_eq(count_fds(), n_fds_before + 1); /* and dir */

        while ((name = g_dir_read_name(dir))) {
                g_autofree char *path = in_folder(name);

                g_remove(path);
        }
        g_rmdir(folder);
        g_clear_pointer(&folder, g_free);
}

static void expect_error(GError **error, VmClientError code, const char *says)
{
        ck_assert_ptr_nonnull(*error);
        ck_assert_msg(g_error_matches(*error, VM_CLIENT_ERROR, (int)code), "code %d: %s",
                      (*error)->code, (*error)->message);
        ck_assert_msg(strstr((*error)->message, says) != NULL, "%s", (*error)->message);
        g_clear_error(error);
}

static void expect_json(VmClientConfig *config, const char *expected)
{
        g_autofree char *json = vm_client_config_to_json(config);

        ck_assert_str_eq(json, expected);
}

/* The files that a call would pass: "string=content" in order, joined by spaces. */
static char *passed(VmClientConfig *config)
{
        g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
        g_autoptr(GVariant) files = NULL;
        g_autoptr(GError) error = NULL;
        GString *out = g_string_new(NULL);
        GVariantIter iter;
        const char *name;
        gint32 handle;

        files = client_config_open_files(config, fds, &error);
        ck_assert_msg(files != NULL, "%s", error ? error->message : "");
        g_variant_ref_sink(files);
        g_variant_iter_init(&iter, files);
        while (g_variant_iter_next(&iter, "{&sh}", &name, &handle)) {
                char text[64] = "";
                int fd = g_unix_fd_list_peek_fds(fds, NULL)[handle];

                ck_assert_int_ge(pread(fd, text, sizeof(text) - 1, 0), 0);
                ck_assert_int_eq(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY);
                ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
                g_string_append_printf(out, "%s%s=%s", out->len ? " " : "", name, text);
        }
        return g_string_free(out, FALSE);
}

static void expect_passed(VmClientConfig *config, const char *expected)
{
        g_autofree char *got = passed(config);

        ck_assert_str_eq(got, expected);
}

static void expect_not_passed(VmClientConfig *config, VmClientError code, const char *says)
{
        g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
        g_autoptr(GError) error = NULL;

        ck_assert_ptr_null(client_config_open_files(config, fds, &error));
        expect_error(&error, code, says);
}

START_TEST(test_setters)
{
        g_autoptr(VmClientConfig) config = vm_client_config_new();
        g_autofree char *kernel = in_folder("kernel");
        g_autofree char *initrd = in_folder("initrd");
        g_autofree char *expected = g_strdup_printf(
                "{\"kernel\":\"%s\",\"initrd\":\"%s\",\"params\":\"a=\\\"b\\\"\",\"memory_mib\":"
                "512,\"cpu_count\":2,\"protected\":true,\"on_reboot\":\"stop\",\"on_crash\":"
                "\"restart\"}",
                kernel, initrd);
        g_autofree char *files = g_strdup_printf("%s=the kernel %s=the initrd", kernel, initrd);

        expect_json(config, "{}");
        vm_client_config_set_kernel(config, kernel);
        vm_client_config_set_initrd(config, initrd);
        vm_client_config_set_params(config, "a=\"b\"");
        vm_client_config_set_memory_mib(config, 512);
        vm_client_config_set_cpu_count(config, 2);
        vm_client_config_set_protected(config, TRUE);
        vm_client_config_set_on_reboot(config, VM_CLIENT_ON_END_STOP);
        vm_client_config_set_on_crash(config, VM_CLIENT_ON_END_RESTART);
        expect_json(config, expected);
        expect_passed(config, files);
}
END_TEST

/* What the setters write is what the daemon's parser takes. */
START_TEST(test_setters_are_understood)
{
        g_autoptr(VmClientConfig) config = vm_client_config_new();
        g_autofree char *json = NULL;
        JsonProblem problem;
        VmConfig parsed;

        vm_client_config_set_kernel(config, "/k");
        vm_client_config_set_initrd(config, "/i");
        vm_client_config_set_params(config, "quiet");
        vm_client_config_set_memory_mib(config, 512);
        vm_client_config_set_cpu_count(config, 2);
        vm_client_config_set_protected(config, FALSE);
        vm_client_config_set_on_reboot(config, VM_CLIENT_ON_END_RESTART);
        vm_client_config_set_on_crash(config, VM_CLIENT_ON_END_STOP);
        json = vm_client_config_to_json(config);
        ck_assert_msg(vm_config_parse(json, strlen(json), &parsed, &problem) == 0, "%s %s",
                      problem.pointer, problem.message);
        ck_assert_str_eq(parsed.kernel, "/k");
        ck_assert_uint_eq(parsed.memory_mib, 512);
        ck_assert_int_eq(parsed.on_reboot, VM_ON_END_RESTART);
        vm_config_done(&parsed);
}
END_TEST

/* The client looks for the files that the daemon will look for, and for no others. */
START_TEST(test_file_keys_are_the_daemons)
{
        static const char *const documents[] = {
                "{\"kernel\":\"a\",\"initrd\":\"b\",\"params\":\"c\"}",
                "{\"bootloader\":\"a\"}",
                "{\"kernel\":\"a\",\"initrd\":\"a\"}",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(documents); i++) {
                g_autoptr(VmClientConfig) config =
                        vm_client_config_new_from_json(documents[i], NULL, NULL);
                g_auto(GStrv) ours = vm_client_config_list_files(config);
                const char *theirs[VM_CONFIG_MAX_FILES];
                JsonProblem problem;
                VmConfig parsed;
                size_t n;

                ck_assert_int_eq(
                        vm_config_parse(documents[i], strlen(documents[i]), &parsed, &problem), 0);
                n = vm_config_files(&parsed, theirs);
                for (size_t j = 0; j < n; j++)
                        ck_assert(g_strv_contains((const char *const *)ours, theirs[j]));
                for (size_t j = 0; ours[j]; j++) {
                        gboolean found = FALSE;

                        for (size_t k = 0; k < n; k++)
                                found |= g_str_equal(theirs[k], ours[j]);
                        ck_assert(found);
                }
                vm_config_done(&parsed);
        }
        ck_assert_uint_eq(CLIENT_CONFIG_MAX_SIZE, VM_CONFIG_MAX_SIZE);
}
END_TEST

START_TEST(test_from_file_is_relative_to_it)
{
        g_autofree char *path = in_folder("vm.json");
        g_autofree char *elsewhere = g_get_current_dir();
        g_autoptr(VmClientConfig) config = NULL;
        g_autoptr(GError) error = NULL;

        write_file("vm.json", "{\"x-note\": [1, 2], \"kernel\": \"kernel\", \"initrd\": "
                              "\"./initrd\", \"memory_mib\": 64}\n");
        config = vm_client_config_new_from_file(path, &error);
        ck_assert_msg(config != NULL, "%s", error ? error->message : "");
        expect_json(config, "{\"x-note\":[1,2],\"kernel\":\"kernel\",\"initrd\":\"./initrd\","
                            "\"memory_mib\":64}");
        expect_passed(config, "kernel=the kernel ./initrd=the initrd");
        g_clear_object(&config);

        /* By a relative name too, and after the current folder has changed. */
        ck_assert_int_eq(chdir(folder), 0);
        config = vm_client_config_new_from_file("vm.json", &error);
        ck_assert_ptr_nonnull(config);
        ck_assert_int_eq(chdir(elsewhere), 0);
        expect_passed(config, "kernel=the kernel ./initrd=the initrd");
}
END_TEST

START_TEST(test_bad_files)
{
        g_autofree char *path = in_folder("vm.json");
        g_autofree char *big = g_strnfill(CLIENT_CONFIG_MAX_SIZE + 1, ' ');
        g_autoptr(GError) error = NULL;

        ck_assert_ptr_null(vm_client_config_new_from_file(path, &error));
        expect_error(&error, VM_CLIENT_ERROR_INVALID_FILE, "No such file");
        ck_assert_ptr_null(vm_client_config_new_from_file(folder, &error));
        expect_error(&error, VM_CLIENT_ERROR_INVALID_FILE, "Is a directory");
        ck_assert_ptr_null(vm_client_config_new_from_file("/dev/zero", &error));
        expect_error(&error, VM_CLIENT_ERROR_INVALID_CONFIG, "32768 bytes");
        write_file("vm.json", big);
        ck_assert_ptr_null(vm_client_config_new_from_file(path, &error));
        expect_error(&error, VM_CLIENT_ERROR_INVALID_CONFIG, "32768 bytes");
        write_file("vm.json", "{\n\"kernel\": }");
        ck_assert_ptr_null(vm_client_config_new_from_file(path, &error));
        expect_error(&error, VM_CLIENT_ERROR_INVALID_CONFIG, "vm.json: line 2, column 11");
        write_file("vm.json", "[]");
        ck_assert_ptr_null(vm_client_config_new_from_file(path, &error));
        expect_error(&error, VM_CLIENT_ERROR_INVALID_CONFIG, "not a JSON object");
}
END_TEST

START_TEST(test_largest_config)
{
        g_autofree char *path = in_folder("vm.json");
        g_autoptr(GString) text = g_string_new("{}");
        g_autoptr(VmClientConfig) config = NULL;

        while (text->len < CLIENT_CONFIG_MAX_SIZE)
                g_string_append_c(text, ' ');
        write_file("vm.json", text->str);
        config = vm_client_config_new_from_file(path, NULL);
        ck_assert_ptr_nonnull(config);
}
END_TEST

START_TEST(test_files_that_cannot_be_opened)
{
        g_autofree char *fifo = in_folder("fifo");
        g_autoptr(VmClientConfig) config =
                vm_client_config_new_from_json("{\"kernel\":\"absent\"}", folder, NULL);

        expect_not_passed(config, VM_CLIENT_ERROR_INVALID_FILE, "/kernel: ");
        expect_not_passed(config, VM_CLIENT_ERROR_INVALID_FILE,
                          "/absent cannot be opened (No such");
        vm_client_config_set_kernel(config, folder);
        expect_not_passed(config, VM_CLIENT_ERROR_INVALID_FILE, "a directory");
        ck_assert_int_eq(mkfifo(fifo, 0600), 0);
        vm_client_config_set_kernel(config, fifo);
        expect_not_passed(config, VM_CLIENT_ERROR_INVALID_FILE, "not a file of bytes");
        vm_client_config_set_kernel(config, "/dev/null");
        expect_not_passed(config, VM_CLIENT_ERROR_INVALID_FILE, "not a file of bytes");
        ck_assert(vm_client_config_set_value(config, "kernel", g_variant_new_string(""), NULL));
        expect_not_passed(config, VM_CLIENT_ERROR_INVALID_FILE, "a directory");
}
END_TEST

START_TEST(test_attached)
{
        g_autofree char *path = in_folder("initrd");
        g_autoptr(VmClientConfig) config =
                vm_client_config_new_from_json("{\"kernel\":\"nowhere\"}", folder, NULL);
        g_autoptr(GError) error = NULL;
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        ck_assert(vm_client_config_attach_fd(config, "nowhere", fd, &error));
        expect_passed(config, "nowhere=the initrd");
        expect_passed(config, "nowhere=the initrd"); /* for a second machine as well */
        ck_assert(vm_client_config_set_file_fd(config, "initrd", fd, &error));
        close(fd);
        expect_json(config, "{\"kernel\":\"nowhere\",\"initrd\":\"fd:initrd\"}");
        expect_passed(config, "nowhere=the initrd fd:initrd=the initrd");

        ck_assert(!vm_client_config_attach_fd(config, "nowhere", -1, &error));
        expect_error(&error, VM_CLIENT_ERROR_INVALID_FILE, "pass one that is open");
        ck_assert(!vm_client_config_set_file_fd(config, "initrd", fd, &error));
        expect_error(&error, VM_CLIENT_ERROR_INVALID_FILE, "pass one that is open");
        ck_assert(!vm_client_config_set_file_fd(config, "params", 0, &error));
        expect_error(&error, VM_CLIENT_ERROR_INVALID_CONFIG, "not a key that names a file");
        expect_passed(config, "nowhere=the initrd fd:initrd=the initrd");
}
END_TEST

START_TEST(test_attached_for_nothing)
{
        g_autoptr(VmClientConfig) config = vm_client_config_new();
        g_autofree char *kernel = in_folder("kernel");
        g_autofree char *files = g_strdup_printf("%s=the kernel", kernel);

        ck_assert(vm_client_config_attach_fd(config, "typo", 0, NULL));
        vm_client_config_set_kernel(config, kernel);
        expect_not_passed(config, VM_CLIENT_ERROR_INVALID_FILE, "attached as typo");

        /* A descriptor that a setter attached goes with what replaces it. */
        g_clear_object(&config);
        config = vm_client_config_new();
        ck_assert(vm_client_config_set_file_fd(config, "kernel", 0, NULL));
        vm_client_config_set_kernel(config, kernel);
        expect_passed(config, files);
        ck_assert(vm_client_config_set_file_fd(config, "initrd", 0, NULL));
        ck_assert(vm_client_config_set_value(config, "initrd", NULL, NULL));
        expect_passed(config, files);
}
END_TEST

START_TEST(test_two_keys_one_file)
{
        g_autoptr(VmClientConfig) config = vm_client_config_new_from_json(
                "{\"kernel\":\"kernel\",\"initrd\":\"kernel\"}", folder, NULL);

        expect_passed(config, "kernel=the kernel");
        /* The setter's file is found from the current folder, not from the document's. */
        ck_assert_int_eq(chdir("/"), 0);
        vm_client_config_set_initrd(config, "etc/hostname");
        ck_assert(vm_client_config_set_value(config, "initrd", NULL, NULL));
        expect_passed(config, "kernel=the kernel");
}
END_TEST

START_TEST(test_name_that_is_not_utf8)
{
        g_autofree char *path = in_folder("k\xff");
        g_autoptr(VmClientConfig) config = vm_client_config_new();
        g_autofree char *json = NULL;
        g_autofree char *got = NULL;

        write_file("k\xff", "odd");
        vm_client_config_set_kernel(config, path);
        json = vm_client_config_to_json(config);
        ck_assert(g_utf8_validate(json, -1, NULL));
        got = passed(config);
        ck_assert(g_str_has_suffix(got, "k%FF=odd"));
}
END_TEST

START_TEST(test_values)
{
        g_autoptr(VmClientConfig) config =
                vm_client_config_new_from_json("{\"a\":1,\"kernel\":7,\"b\":\"x\"}", NULL, NULL);
        g_autoptr(GVariant) value = vm_client_config_get_value(config, "a");
        g_autoptr(GError) error = NULL;

        ck_assert_int_eq(g_variant_get_int64(value), 1);
        ck_assert_ptr_null(vm_client_config_get_value(config, "c"));
        ck_assert(vm_client_config_set_value(config, "a", g_variant_new_parsed("[{'x': <[1, 2]>}]"),
                                             &error));
        ck_assert(vm_client_config_set_value(config, "c", g_variant_new_boolean(FALSE), &error));
        ck_assert(vm_client_config_set_value(config, "b", NULL, &error));
        ck_assert(vm_client_config_set_value(config, "absent", NULL, &error));
        expect_json(config, "{\"a\":[{\"x\":[1,2]}],\"kernel\":7,\"c\":false}");
        expect_passed(config, ""); /* a kernel that is no string is for the daemon to refuse */
        ck_assert(!vm_client_config_set_value(config, "d", g_variant_new_handle(3), &error));
        expect_error(&error, VM_CLIENT_ERROR_INVALID_CONFIG, "/d: JSON has no value");
        expect_json(config, "{\"a\":[{\"x\":[1,2]}],\"kernel\":7,\"c\":false}");
}
END_TEST

START_TEST(test_kept_files)
{
        g_autoptr(VmClientConfig) config = vm_client_config_new_from_json(
                "{\"kernel\":\"gone\",\"initrd\":\"gone too\"}", NULL, NULL);
        g_autofree char *kernel = in_folder("kernel");
        g_autofree char *files = g_strdup_printf("%s=the kernel", kernel);

        client_config_keep_files(config);
        expect_passed(config, "");
        vm_client_config_set_memory_mib(config, 512);
        vm_client_config_set_kernel(config, kernel);
        expect_passed(config, files);
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, test_setters);
        tcase_add_test(tcase, test_setters_are_understood);
        tcase_add_test(tcase, test_file_keys_are_the_daemons);
        tcase_add_test(tcase, test_from_file_is_relative_to_it);
        tcase_add_test(tcase, test_bad_files);
        tcase_add_test(tcase, test_largest_config);
        tcase_add_test(tcase, test_files_that_cannot_be_opened);
        tcase_add_test(tcase, test_attached);
        tcase_add_test(tcase, test_attached_for_nothing);
        tcase_add_test(tcase, test_two_keys_one_file);
        tcase_add_test(tcase, test_name_that_is_not_utf8);
        tcase_add_test(tcase, test_values);
        tcase_add_test(tcase, test_kept_files);
}

int main(void)
{
        return unit_run("client-config", add_tests);
}
