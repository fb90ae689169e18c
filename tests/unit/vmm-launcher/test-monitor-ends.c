/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every end that a bare payload can cause has its own reason, last event and exit code. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check-main.h"
#include "monitor-harness.h"
#include "vm-internal.h"

/* Ports as arch/x86_64/layout.h has them. */
MONITOR_CODE(guest_power_off, "mov $0x600, %dx\n mov $0x34, %al\n out %al, %dx\n 1: hlt\n jmp 1b");
MONITOR_CODE(guest_reset, "mov $0x602, %dx\n mov $0x42, %al\n out %al, %dx\n 1: hlt\n jmp 1b");
MONITOR_CODE(guest_reset_i8042, "mov $0xfe, %al\n out %al, $0x64\n 1: hlt\n jmp 1b");
MONITOR_CODE(guest_panic, "mov $0x505, %dx\n mov $1, %al\n out %al, %dx\n 1: hlt\n jmp 1b");
MONITOR_CODE(guest_triple_fault, "lidt 0x1000\n ud2");
MONITOR_CODE(guest_finish, "mov $0x608, %dx\n mov $1, %eax\n out %eax, %dx\n"
                           "mov $2, %eax\n out %eax, %dx\n mov $0x60c, %dx\n"
                           "mov $-7, %eax\n out %eax, %dx\n 1: hlt\n jmp 1b");
/* Two ends at once: the first counts. */
MONITOR_CODE(guest_power_off_and_fault,
             "mov $0x600, %dx\n mov $0x34, %al\n out %al, %dx\n lidt 0x1000\n ud2");
MONITOR_CODE(guest_hang, "1: jmp 1b");
MONITOR_CODE(guest_flood, "cld\n mov $0x3f8, %dx\n 1: mov $0x100000, %esi\n mov $1024, %ecx\n"
                          "rep outsb\n jmp 1b");

static void start_code(Monitor *monitor, const char *code, const char *code_end, const char *config)
{
        const MonitorSpawn how = MONITOR_SPAWN_DEFAULT;
        const MonitorStart start = {config, monitor_payload_from_code(code, code_end), -1, -1, -1};

        monitor_spawn(monitor, &how);
        monitor_start(monitor, &start);
        close(start.kernel_fd);
}

static void check_end(const char *code, const char *code_end, const char *config, StopReason reason)
{
        Monitor monitor;

        start_code(&monitor, code, code_end, config);
        monitor_await_end(&monitor, reason, NULL, 0);
        monitor_done(&monitor);
}

START_TEST(test_power_off)
{
        check_end(guest_power_off, guest_power_off_end, NULL, STOP_REASON_SHUTDOWN);
        check_end(guest_power_off, guest_power_off_end, "\"cpu_count\": 3", STOP_REASON_SHUTDOWN);
        check_end(guest_power_off, guest_power_off_end, "\"cpu_count\": 255", STOP_REASON_SHUTDOWN);
        check_end(guest_power_off_and_fault, guest_power_off_and_fault_end, NULL,
                  STOP_REASON_SHUTDOWN);
}
END_TEST

START_TEST(test_reset)
{
        check_end(guest_reset, guest_reset_end, "\"on_reboot\": \"stop\"", STOP_REASON_REBOOT);
        check_end(guest_reset_i8042, guest_reset_i8042_end, "\"on_reboot\": \"stop\"",
                  STOP_REASON_REBOOT);
}
END_TEST

START_TEST(test_panic)
{
        check_end(guest_panic, guest_panic_end, NULL, STOP_REASON_GUEST_PANIC);
}
END_TEST

START_TEST(test_triple_fault)
{
        check_end(guest_triple_fault, guest_triple_fault_end, NULL, STOP_REASON_TRIPLE_FAULT);
}
END_TEST

START_TEST(test_finished)
{
        Monitor monitor;

        start_code(&monitor, guest_finish, guest_finish_end, NULL);
        monitor_await_payload(&monitor, PAYLOAD_STATE_STARTED);
        monitor_await_payload(&monitor, PAYLOAD_STATE_READY);
        monitor_await_payload(&monitor, PAYLOAD_STATE_FINISHED);
        monitor_await_state(&monitor, MACHINE_STATE_STOPPING);
        monitor_await_end(&monitor, STOP_REASON_SHUTDOWN, NULL, 0);
        ck_assert_int_eq(monitor_ended_exit_code(&monitor), -7);
        monitor_done(&monitor);
}
END_TEST

START_TEST(test_quit)
{
        Monitor monitor;

        start_code(&monitor, guest_hang, guest_hang_end, "\"cpu_count\": 2");
        json_object_put(monitor_call(&monitor, METHOD_QUIT, NULL));
        monitor_await_end(&monitor, STOP_REASON_KILLED, NULL, 0);
        monitor_done(&monitor);
}
END_TEST

#define STILL_RUNS 99

/* The monitor in a child of our own, which looks at it when its run has ended, and waits for us. */
static void run_in_child(Monitor *monitor, int *ret_go_on)
{
        int sockets[2], logs[2], go_on[2];

        *monitor = (Monitor){.last_id = 0};
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
        ck_assert_int_eq(pipe2(logs, O_CLOEXEC), 0);
        ck_assert_int_eq(pipe2(go_on, O_CLOEXEC), 0);
        monitor->pid = fork();
        if (monitor->pid == 0) {
                Vm *vm;
                char byte;
                int r;

                close(sockets[0]);
                (void)dup2(logs[1], STDERR_FILENO);
                if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || vm_new(sockets[1], &vm) < 0)
                        _exit(1);
                r = vm_run(vm);
                if (!vcpu_set_is_parked(vm->vcpu_set))
                        r = STILL_RUNS;
                if (read(go_on[0], &byte, 1) == 1)
                        console_free(vm->console);
                _exit(r);
        }
        close(sockets[1]);
        close(logs[1]);
        close(go_on[0]);
        monitor->socket = sockets[0];
        monitor->stderr_fd = logs[0];
        *ret_go_on = go_on[1];
}

static void await_printed(Monitor *monitor, uint64_t n)
{
        uint64_t printed;

        do {
                json_object *stats = monitor_call(monitor, METHOD_STATS, NULL), *value = NULL;

                ck_assert(json_object_object_get_ex(stats, "console_bytes", &value));
                printed = json_object_get_uint64(value);
                json_object_put(stats);
        } while (printed < n);
}

/*
 * When the end is told no guest instruction comes any more, and no other event: not even of a
 * writer that is found gone while all is taken apart.
 */
START_TEST(test_nothing_after_the_end)
{
        for (int i = 0; i < 3; i++) {
                const MonitorStart start = {"\"cpu_count\": 2",
                                            monitor_payload_from_code(guest_flood, guest_flood_end),
                                            -1, -1, -1};
                const int small = 1; /* the kernel's least, some 4 KiB */
                int sockets[2], go_on, status;
                JsonProblem problem;
                Message message;
                Monitor monitor;

                run_in_child(&monitor, &go_on);
                monitor_start(&monitor, &start);
                ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
                ck_assert_int_eq(
                        setsockopt(sockets[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
                message = monitor_await_reply(&monitor,
                                              monitor_send(&monitor, METHOD_CONSOLE,
                                                           "{\"write\": true}", &sockets[1], 1));
                ck_assert_int_eq(message.error, 0);
                message_done(&message);
                close(sockets[1]);
                await_printed(&monitor, 8192);
                json_object_put(monitor_call(&monitor, METHOD_QUIT, NULL));
                json_object_put(monitor_await_event(&monitor, EVENT_ENDED));
                close(sockets[0]);
                ck_assert_int_eq(write(go_on, "", 1), 1);
                status = monitor_wait(&monitor);
                ck_assert_int_eq(status, monitor_exit_code(STOP_REASON_KILLED) << 8);
                ck_assert_int_eq(message_receive(monitor.socket, &message, &problem), -EPIPE);
                close(go_on);
                close(start.kernel_fd);
                monitor_done(&monitor);
        }
}
END_TEST

START_TEST(test_quit_before_start)
{
        const MonitorSpawn how = MONITOR_SPAWN_DEFAULT;
        Monitor monitor;

        monitor_spawn(&monitor, &how);
        monitor_hello(&monitor);
        json_object_put(monitor_call(&monitor, METHOD_QUIT, NULL));
        monitor_await_end(&monitor, STOP_REASON_KILLED, NULL, 0);
        monitor_done(&monitor);
}
END_TEST

/* Every end of the socket is closed: daemon and spawner are gone. */
START_TEST(test_socket_closed)
{
        const MonitorSpawn how = MONITOR_SPAWN_DEFAULT;
        char log[4096];
        Monitor monitor;
        int status;

        for (int started = 0; started < 2; started++) {
                if (started)
                        start_code(&monitor, guest_hang, guest_hang_end, NULL);
                else
                        monitor_spawn(&monitor, &how);
                close(monitor.socket);
                monitor.socket = -1;
                status = monitor_wait(&monitor);
                ck_assert(WIFEXITED(status));
                ck_assert_int_eq(WEXITSTATUS(status),
                                 monitor_exit_code(STOP_REASON_INFRASTRUCTURE_ERROR));
                monitor_read_log(&monitor, log, sizeof(log));
                ck_assert_msg(strstr(log, "are gone"), "\"%s\"", log);
                monitor_done(&monitor);
        }
}
END_TEST

/* on_reboot and on_crash: the run goes on, and its resets are counted. */
static void check_restart(const char *code, const char *code_end, const char *config)
{
        uint64_t resets = 0;
        json_object *value;
        Monitor monitor;

        start_code(&monitor, code, code_end, config);
        while (resets < 5) {
                json_object *stats = monitor_call(&monitor, METHOD_STATS, NULL);

                ck_assert(json_object_object_get_ex(stats, "resets", &value));
                resets = json_object_get_uint64(value);
                json_object_put(stats);
        }
        value = monitor_call(&monitor, METHOD_SNAPSHOT, NULL);
        ck_assert_ptr_nonnull(strstr(json_object_to_json_string(value), MONITOR_RUN_ID));
        ck_assert_ptr_nonnull(strstr(json_object_to_json_string(value), "running"));
        json_object_put(value);
        ck_assert(!monitor_has_event(&monitor, EVENT_STATE));
        json_object_put(monitor_call(&monitor, METHOD_QUIT, NULL));
        monitor_await_end(&monitor, STOP_REASON_KILLED, NULL, 0);
        monitor_done(&monitor);
}

START_TEST(test_restarts)
{
        check_restart(guest_reset, guest_reset_end, NULL);
        check_restart(guest_reset_i8042, guest_reset_i8042_end, "\"cpu_count\": 2");
        check_restart(guest_panic, guest_panic_end, "\"on_crash\": \"restart\"");
        check_restart(guest_triple_fault, guest_triple_fault_end, "\"on_crash\": \"restart\"");
}
END_TEST

/* Each setting means its own kind of end. */
START_TEST(test_settings_apart)
{
        check_end(guest_panic, guest_panic_end,
                  "\"on_reboot\": \"restart\", \"on_crash\": \"stop\"", STOP_REASON_GUEST_PANIC);
        check_end(guest_reset, guest_reset_end,
                  "\"on_reboot\": \"stop\", \"on_crash\": \"restart\"", STOP_REASON_REBOOT);
        check_end(guest_power_off, guest_power_off_end,
                  "\"on_reboot\": \"restart\", \"on_crash\": \"restart\"", STOP_REASON_SHUTDOWN);
}
END_TEST

static void expect_status(pid_t pid, const char *task, const char *line)
{
        char path[300], text[8192];
        FILE *file;
        size_t n;

        (void)snprintf(path, sizeof(path), "/proc/%d/task/%s/status", (int)pid, task);
        file = fopen(path, "re");
        ck_assert_msg(file, "%s: %m", path);
        n = fread(text, 1, sizeof(text) - 1, file);
        text[n] = '\0';
        fclose(file);
        ck_assert_msg(strstr(text, line), "%s has no \"%s\"", path, line);
}

/* Every thread of a machine that runs is behind its walls. */
START_TEST(test_walls_are_up)
{
        const struct dirent *entry;
        unsigned n_threads = 0;
        Monitor monitor;
        char path[64];
        DIR *dir;

        start_code(&monitor, guest_hang, guest_hang_end, "\"cpu_count\": 3");
        (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)monitor.pid);
        dir = opendir(path);
        ck_assert_ptr_nonnull(dir);
        while ((entry = readdir(dir))) {
                if (entry->d_name[0] == '.')
                        continue;
                n_threads++;
                /* proc(5): 2 is SECCOMP_MODE_FILTER */
                expect_status(monitor.pid, entry->d_name, "\nSeccomp:\t2\n");
                expect_status(monitor.pid, entry->d_name, "\nNoNewPrivs:\t1\n");
        }
        closedir(dir);
        ck_assert_uint_ge(n_threads, 4);
        json_object_put(monitor_call(&monitor, METHOD_QUIT, NULL));
        monitor_await_end(&monitor, STOP_REASON_KILLED, NULL, 0);
        monitor_done(&monitor);
}
END_TEST

int main(void)
{
        const CheckTest tests[] = {
                {"power off", test_power_off},
                {"reset", test_reset},
                {"panic", test_panic},
                {"triple fault", test_triple_fault},
                {"finished", test_finished},
                {"quit", test_quit},
                {"nothing after the end", test_nothing_after_the_end},
                {"quit before start", test_quit_before_start},
                {"socket closed", test_socket_closed},
                {"restarts", test_restarts},
                {"settings apart", test_settings_apart},
                {"walls are up", test_walls_are_up},
        };

        monitor_require_kvm();
        return check_run("monitor-ends", tests, sizeof(tests) / sizeof(tests[0]));
}
