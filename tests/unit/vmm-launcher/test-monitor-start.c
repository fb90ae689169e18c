/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Starts that cannot be: each is refused with a sentence, ends START_FAILED, and leaves nothing. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check-main.h"
#include "monitor-harness.h"

MONITOR_CODE(guest_power_off, "mov $0x600, %dx\n mov $0x34, %al\n out %al, %dx\n 1: hlt\n jmp 1b");

/* A sanitizer build is dynamic: its loader needs descriptors too, and a fixed address space. */
#ifdef LAUNCHER_SANITIZED
#define LOADER_FAILED 127
#else
#define LOADER_FAILED 17
#endif

static void refused(const MonitorStart *start, int error, const char *text)
{
        const MonitorSpawn how = MONITOR_SPAWN_DEFAULT;
        Monitor monitor;

        monitor_spawn(&monitor, &how);
        monitor_start_refused(&monitor, start, error, text);
        monitor_done(&monitor);
}

static int good_kernel(void)
{
        return monitor_payload_from_code(guest_power_off, guest_power_off_end);
}

static int temporary_file(int flags)
{
        char path[] = "/tmp/vmservice-test-XXXXXX";
        int fd = mkostemp(path, O_CLOEXEC), reopened;

        ck_assert_int_ge(fd, 0);
        reopened = open(path, flags | O_CLOEXEC);
        ck_assert_int_ge(reopened, 0);
        close(fd);
        unlink(path);
        return reopened;
}

START_TEST(test_config)
{
        const struct {
                const char *members, *text;
                int error;
        } bad[] = {
                {"\"memory_mb\": 3", "memory_mib", EBADMSG},
                {"\"cpu_count\": 0", "cpu_count", EBADMSG},
                {"\"cpu_count\": 256", "cpu_count", EBADMSG},
                {"\"cpu_count\": \"2\"", "cpu_count", EBADMSG},
                {"\"bootloader\": \"b\"", "bootloader", EBADMSG},
                {"\"protected\": true", "protected", EOPNOTSUPP},
        };
        MonitorStart start = {NULL, good_kernel(), -1, -1, -1};

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                start.config = bad[i].members;
                refused(&start, bad[i].error, bad[i].text);
        }
        close(start.kernel_fd);
}
END_TEST

START_TEST(test_kernel_file)
{
        const struct {
                const char *path;
                int flags;
        } bad[] = {
                {"/", O_RDONLY | O_DIRECTORY}, {"/etc/passwd", O_PATH},
                {"/proc/self/mem", O_RDONLY},  {"/proc/self/status", O_RDONLY},
                {"/dev/zero", O_RDONLY},
        };
        MonitorStart start = {NULL, -1, -1, -1, -1};
        int pipes[2];

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                start.kernel_fd = open(bad[i].path, bad[i].flags | O_CLOEXEC);
                ck_assert_int_ge(start.kernel_fd, 0);
                refused(&start, EBADF, "for the kernel is unusable");
                close(start.kernel_fd);
        }
        start.kernel_fd = temporary_file(O_WRONLY);
        refused(&start, EBADF, "for the kernel is unusable");
        close(start.kernel_fd);
        ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
        start.kernel_fd = pipes[0];
        refused(&start, EBADF, "for the kernel is unusable");
        close(pipes[0]);
        close(pipes[1]);
}
END_TEST

START_TEST(test_images)
{
        MonitorStart start = {NULL, -1, -1, -1, -1};
        char garbage[8192];

        start.kernel_fd = memfd_create("empty", MFD_CLOEXEC);
        refused(&start, ENOEXEC, "");
        memset(garbage, 'g', sizeof(garbage));
        ck_assert_int_eq(write(start.kernel_fd, garbage, sizeof(garbage)), sizeof(garbage));
        refused(&start, ENOEXEC, "");
        close(start.kernel_fd);

        /* Every truncation of a good one. */
        for (off_t size = 1; size < 4096; size = size * 2 + 1) {
                start.kernel_fd = good_kernel();
                if (lseek(start.kernel_fd, 0, SEEK_END) <= size) {
                        close(start.kernel_fd);
                        break;
                }
                ck_assert_int_eq(ftruncate(start.kernel_fd, size), 0);
                refused(&start, ENOEXEC, "");
                close(start.kernel_fd);
        }

        /* An initrd that no room is left for. */
        start.kernel_fd = good_kernel();
        start.initrd_fd = memfd_create("initrd", MFD_CLOEXEC);
        ck_assert_int_eq(ftruncate(start.initrd_fd, 32 << 20), 0);
        refused(&start, ENOEXEC, "memory_mib");
        close(start.initrd_fd);
        close(start.kernel_fd);
}
END_TEST

START_TEST(test_log_file)
{
        MonitorStart start = {NULL, good_kernel(), -1, -1, -1};

        start.log_fd = temporary_file(O_RDONLY);
        refused(&start, EBADF, "console log is unusable");
        close(start.log_fd);
        start.log_fd = temporary_file(O_WRONLY);
        refused(&start, EBADF, "console log is unusable");
        close(start.log_fd);
        start.log_fd = temporary_file(O_RDWR);
        start.log_previous_fd = temporary_file(O_RDONLY);
        refused(&start, EBADF, "previous console log is unusable");
        close(start.log_previous_fd);
        close(start.log_fd);
        close(start.kernel_fd);
}
END_TEST

/* The number of descriptors, and which one is /dev/kvm. */
START_TEST(test_descriptors)
{
        const MonitorStart start = {NULL, good_kernel(), -1, -1, -1};
        const struct {
                int picks[4]; /* of {kvm, kernel} */
                size_t n;
                const char *text;
        } bad[] = {
                {{0}, 0, "needs 2 descriptors"},       {{0}, 1, "needs 2 descriptors"},
                {{0, 1, 1}, 3, "needs 2 descriptors"}, {{1, 0}, 2, "KVM is unusable"},
                {{1, 1}, 2, "KVM is unusable"},        {{0, 0}, 2, "for the kernel is unusable"},
        };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                const MonitorSpawn how = MONITOR_SPAWN_DEFAULT;
                int good[8], fds[4];
                char *params;
                Message reply;
                Monitor monitor;
                size_t n;

                monitor_spawn(&monitor, &how);
                monitor_hello(&monitor);
                params = monitor_start_params(&start, good, &n);
                for (size_t f = 0; f < bad[i].n; f++)
                        fds[f] = good[bad[i].picks[f]];
                reply = monitor_await_reply(
                        &monitor, monitor_send(&monitor, METHOD_START, params, fds, bad[i].n));
                ck_assert_int_eq(reply.error, EBADF);
                ck_assert_msg(strstr(reply.error_message, bad[i].text), "%s", reply.error_message);
                message_done(&reply);
                monitor_await_end(&monitor, STOP_REASON_START_FAILED, NULL, 0);
                close(good[0]);
                free(params);
                monitor_done(&monitor);
        }
        close(start.kernel_fd);
}
END_TEST

START_TEST(test_bad_params)
{
        const char *const bad[][2] = {
                {"{}", "config"},
                {"{\"config\": {\"kernel\": \"k\"}}", "run_id"},
                {"{\"config\": {\"kernel\": \"k\"}, \"run_id\": \"short\"}", "run_id"},
                {"{\"config\": 1, \"run_id\": \"" MONITOR_RUN_ID "\"}", ""},
                {"{\"config\": {}, \"run_id\": \"" MONITOR_RUN_ID "\", \"logs\": true}", "logs"},
        };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                const MonitorSpawn how = MONITOR_SPAWN_DEFAULT;
                Monitor monitor;
                Message reply;

                monitor_spawn(&monitor, &how);
                monitor_hello(&monitor);
                reply = monitor_await_reply(
                        &monitor, monitor_send(&monitor, METHOD_START, bad[i][0], NULL, 0));
                ck_assert_int_ne(reply.error, 0);
                ck_assert_msg(strstr(reply.error_message, bad[i][1]), "%s", reply.error_message);
                message_done(&reply);
                monitor_await_end(&monitor, STOP_REASON_START_FAILED, NULL, 0);
                monitor_done(&monitor);
        }
}
END_TEST

/*
 * Descriptors run out at every step in turn. Before the hello it just ends; a start is refused with
 * a sentence; and with enough it runs.
 */
START_TEST(test_out_of_descriptors)
{
        const MonitorStart start = {"\"cpu_count\": 2", good_kernel(), -1, -1, -1};
        unsigned n_silent = 0, n_refused = 0, n_ran = 0;

        for (rlim_t limit = 4; limit < 24; limit++) {
                MonitorSpawn how = MONITOR_SPAWN_DEFAULT;
                int fds[8], status;
                Message message;
                JsonProblem problem;
                StopReason reason = STOP_REASON_NONE;
                Monitor monitor;
                char *params;
                size_t n;

                how.resource = RLIMIT_NOFILE;
                how.limit = limit;
                monitor_spawn(&monitor, &how);
                params = monitor_start_params(&start, fds, &n);
                message = (Message){.type = MESSAGE_REQUEST, .id = 1, .code = METHOD_HELLO};
                message.body =
                        json_tokener_parse("{\"versions\": [1], \"token\": \"" MONITOR_TOKEN "\"}");
                (void)message_send(monitor.socket, &message);
                message_done(&message);
                message = (Message){.type = MESSAGE_REQUEST, .id = 2, .code = METHOD_START};
                message.body = json_tokener_parse(params);
                memcpy(message.fds, fds, n * sizeof(int));
                message.n_fds = n;
                (void)message_send(monitor.socket, &message);
                message.n_fds = 0;
                message_done(&message);
                status = monitor_wait(&monitor);
                ck_assert(WIFEXITED(status));
                while (message_receive(monitor.socket, &message, &problem) == 0) {
                        json_object *value;

                        if (message.type == MESSAGE_REPLY && message.id == 2 && message.error)
                                ck_assert_str_ne(message.error_message, "");
                        if (message.type == MESSAGE_EVENT && message.code == EVENT_ENDED) {
                                ck_assert(
                                        json_object_object_get_ex(message.body, "reason", &value));
                                reason = (StopReason)stop_reason_from_string(
                                        json_object_get_string(value));
                        }
                        message_done(&message);
                }
                if (reason == STOP_REASON_NONE) {
                        ck_assert(WEXITSTATUS(status) ==
                                          monitor_exit_code(STOP_REASON_START_FAILED) ||
                                  WEXITSTATUS(status) == LOADER_FAILED);
                        n_silent++;
                } else {
                        ck_assert_int_eq(WEXITSTATUS(status), monitor_exit_code(reason));
                        ck_assert(reason == STOP_REASON_START_FAILED ||
                                  reason == STOP_REASON_INFRASTRUCTURE_ERROR ||
                                  reason == STOP_REASON_SHUTDOWN);
                        n_refused += reason == STOP_REASON_START_FAILED;
                        n_ran += reason == STOP_REASON_SHUTDOWN;
                }
                close(fds[0]);
                free(params);
                monitor_done(&monitor);
        }
        close(start.kernel_fd);
        ck_assert_uint_ge(n_silent, 2);
        ck_assert_uint_ge(n_refused, 2);
        ck_assert_uint_ge(n_ran, 2);
}
END_TEST

#ifndef LAUNCHER_SANITIZED
START_TEST(test_out_of_memory)
{
        const MonitorStart start = {"\"memory_mib\": 1048576", good_kernel(), -1, -1, -1};
        MonitorSpawn how = MONITOR_SPAWN_DEFAULT;
        Monitor monitor;

        how.resource = RLIMIT_AS;
        how.limit = 1ULL << 36;
        monitor_spawn(&monitor, &how);
        monitor_start_refused(&monitor, &start, ENOMEM, "memory_mib");
        monitor_done(&monitor);
        close(start.kernel_fd);
}
END_TEST

/* The stacks of 255 vCPUs take 16 MiB: some threads are there, behind their walls, and no more. */
START_TEST(test_out_of_threads)
{
        const MonitorStart start = {"\"cpu_count\": 255", good_kernel(), -1, -1, -1};
        MonitorSpawn how = MONITOR_SPAWN_DEFAULT;
        Monitor monitor;

        how.resource = RLIMIT_AS;
        how.limit = 8 << 20;
        monitor_spawn(&monitor, &how);
        monitor_start_refused(&monitor, &start, EAGAIN, "threads of 255 vCPUs");
        monitor_done(&monitor);
        close(start.kernel_fd);
}
END_TEST
#endif

START_TEST(test_arguments)
{
        const char *const wrong[][4] = {
                {"vmm-launcher", "--fly", NULL},
                {"vmm-launcher", "config.json", NULL},
                {"vmm-launcher", "--probe", "--kvm-fd", NULL},
                {"vmm-launcher", "--version", "--probe", NULL},
        };

        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                MonitorSpawn how = MONITOR_SPAWN_DEFAULT;
                char log[4096];
                Monitor monitor;
                int status;

                how.argv = wrong[i];
                monitor_spawn(&monitor, &how);
                status = monitor_wait(&monitor);
                ck_assert_int_eq(WEXITSTATUS(status), EXIT_FAILURE);
                monitor_read_log(&monitor, log, sizeof(log));
                ck_assert_msg(strstr(log, "usage:"), "\"%s\"", log);
                ck_assert_msg(strstr(log, "vmctl"), "\"%s\"", log);
                monitor_done(&monitor);
        }
}
END_TEST

int main(void)
{
        const CheckTest tests[] = {
                {"config", test_config},
                {"kernel file", test_kernel_file},
                {"images", test_images},
                {"log file", test_log_file},
                {"descriptors", test_descriptors},
                {"bad params", test_bad_params},
                {"out of descriptors", test_out_of_descriptors},
#ifndef LAUNCHER_SANITIZED
                {"out of memory", test_out_of_memory},
                {"out of threads", test_out_of_threads},
#endif
                {"arguments", test_arguments},
        };

        monitor_require_kvm();
        return check_run("monitor-start", tests, sizeof(tests) / sizeof(tests[0]));
}
