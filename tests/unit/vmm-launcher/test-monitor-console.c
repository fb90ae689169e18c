/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The console over the whole way: guest, serial port, ring, log, readers, the one writer. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check-main.h"
#include "monitor-harness.h"

#define READERS_MAX 64 /* backend/console.h */

/* A sanitizer keeps what was freed. */
#ifdef LAUNCHER_SANITIZED
#define RESIDENT_SLACK (512U << 20)
#else
#define RESIDENT_SLACK (1U << 20)
#endif

/* Prints its own code and what follows, without end and without looking. */
MONITOR_CODE(guest_flood, "mov $0x3f8, %dx\n cld\n 1: mov $0x100000, %esi\n mov $1024, %ecx\n"
                          "rep outsb\n jmp 1b");

static int example(const char *name)
{
        char path[4096];

        ck_assert_ptr_nonnull(getenv("BARE_EXAMPLES"));
        (void)snprintf(path, sizeof(path), "%s/bare-%s", getenv("BARE_EXAMPLES"), name);
        return monitor_payload_from_file(path);
}

static void start_example(Monitor *monitor, const char *name, const char *config)
{
        const MonitorSpawn how = MONITOR_SPAWN_DEFAULT;
        const MonitorStart start = {config, example(name), -1, -1, -1};

        monitor_spawn(monitor, &how);
        monitor_start(monitor, &start);
        close(start.kernel_fd);
        /* What is typed before the guest has set up its port is lost, as on hardware. */
        monitor_await_payload(monitor, PAYLOAD_STATE_STARTED);
        monitor_await_payload(monitor, PAYLOAD_STATE_READY);
}

static Message try_attach(Monitor *monitor, const char *options, int fd)
{
        return monitor_await_reply(monitor, monitor_send(monitor, METHOD_CONSOLE, options, &fd, 1));
}

static void attach_refused(Monitor *monitor, const char *options, int fd, int error,
                           const char *text)
{
        Message reply = try_attach(monitor, options, fd);

        ck_assert_int_eq(reply.error, error);
        ck_assert_msg(strstr(reply.error_message, text), "%s", reply.error_message);
        message_done(&reply);
}

static void expect_writer(Monitor *monitor, bool attached)
{
        json_object *body = monitor_await_event(monitor, EVENT_CONSOLE_WRITER), *value;

        ck_assert(json_object_object_get_ex(body, "attached", &value));
        ck_assert_int_eq(json_object_get_boolean(value), attached);
        json_object_put(body);
}

/* Attached before the start: not a byte of the shortest run is lost. */
START_TEST(test_before_start)
{
        const MonitorSpawn how = MONITOR_SPAWN_DEFAULT;
        const MonitorStart start = {"\"params\": \"from=3\"", example("countdown"), -1, -1, -1};
        char output[4096];
        Monitor monitor;
        int console;
        size_t n;

        monitor_spawn(&monitor, &how);
        monitor_hello(&monitor);
        console = monitor_attach_console(&monitor, "{}");
        monitor_start(&monitor, &start);
        close(start.kernel_fd);
        monitor_await_end(&monitor, STOP_REASON_SHUTDOWN, NULL, 0);
        n = monitor_read_output(console, output, sizeof(output) - 1);
        output[n] = '\0';
        ck_assert_str_eq(output, "3\n2\n1\nliftoff\n");
        close(console);
        monitor_done(&monitor);
}
END_TEST

START_TEST(test_scrollback)
{
        Monitor monitor;
        int late, later;
        struct pollfd poll_fd;

        start_example(&monitor, "echo", NULL);
        late = monitor_attach_console(&monitor, "{}");
        monitor_await_output(late, "echo: ready\n");
        later = monitor_attach_console(&monitor, "{\"scrollback\": false}");
        /* What it is sent comes before the reply to a request that follows. */
        json_object_put(monitor_call(&monitor, METHOD_STATS, NULL));
        poll_fd = (struct pollfd){.fd = later, .events = POLLIN};
        ck_assert_int_eq(poll(&poll_fd, 1, 0), 0);
        close(late);
        close(later);
        json_object_put(monitor_call(&monitor, METHOD_QUIT, NULL));
        monitor_await_end(&monitor, STOP_REASON_KILLED, NULL, 0);
        monitor_done(&monitor);
}
END_TEST

START_TEST(test_writer)
{
        const char *const write_options = "{\"write\": true}";
        int sockets[2], first, second, reader;
        Monitor monitor;

        start_example(&monitor, "echo", NULL);
        first = monitor_attach_console(&monitor, write_options);
        expect_writer(&monitor, true);
        reader = monitor_attach_console(&monitor, "{}");
        ck_assert_int_eq(write(first, "one\n", 4), 4);
        monitor_await_output(first, "one\n");
        monitor_await_output(reader, "one\n");
        /* A reader's bytes go nowhere. */
        ck_assert_int_eq(write(reader, "zero\n", 5), 5);

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
        attach_refused(&monitor, write_options, sockets[0], EBUSY, "has a writer");
        close(sockets[0]);
        close(sockets[1]);
        second = monitor_attach_console(&monitor, "{\"write\": true, \"steal\": true}");
        ck_assert_int_eq(write(second, "two\n", 4), 4);
        monitor_await_output(reader, "two\n");
        close(second);
        expect_writer(&monitor, false);
        second = monitor_attach_console(&monitor, write_options);
        expect_writer(&monitor, true);
        ck_assert_int_eq(write(second, "three\n\x04", 7), 7);
        monitor_await_output(reader, "three\n");
        monitor_await_end(&monitor, STOP_REASON_SHUTDOWN, NULL, 0);
        close(first);
        close(second);
        close(reader);
        monitor_done(&monitor);
}
END_TEST

START_TEST(test_many_readers)
{
        int readers[READERS_MAX], sockets[2];
        Monitor monitor;

        start_example(&monitor, "echo", NULL);
        for (int i = 0; i < READERS_MAX; i++)
                readers[i] = monitor_attach_console(&monitor, i == 0 ? "{\"write\": true}" : "{}");
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
        attach_refused(&monitor, "{}", sockets[0], EBUSY, "limit");
        ck_assert_int_eq(write(readers[0], "to all\n", 7), 7);
        for (int i = 0; i < READERS_MAX; i++)
                monitor_await_output(readers[i], "to all\n");
        /* One that leaves makes room. */
        close(readers[5]);
        for (;;) {
                Message reply = try_attach(&monitor, "{}", sockets[0]);
                bool attached = reply.error == 0;

                message_done(&reply);
                if (attached)
                        break;
        }
        monitor_await_output(sockets[1], "to all\n");
        for (int i = 0; i < READERS_MAX; i++)
                if (i != 5)
                        close(readers[i]);
        json_object_put(monitor_call(&monitor, METHOD_QUIT, NULL));
        monitor_await_end(&monitor, STOP_REASON_KILLED, NULL, 0);
        monitor_done(&monitor);
}
END_TEST

START_TEST(test_wrong_descriptors)
{
        int wrong[4], pipes[2], sockets[2];
        Monitor monitor;

        start_example(&monitor, "echo", NULL);
        ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
        wrong[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
        wrong[1] = pipes[1];
        wrong[2] = sockets[0];
        wrong[3] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (size_t i = 0; i < 4; i++)
                attach_refused(&monitor, "{}", wrong[i], EBADF, "stream socket");
        attach_refused(&monitor, "{\"read\": true}", wrong[0], EINVAL, "read");
        attach_refused(&monitor, "{\"write\": 1}", wrong[0], EINVAL, "write");
        for (size_t i = 0; i < 4; i++)
                close(wrong[i]);
        close(pipes[0]);
        close(sockets[1]);
        json_object_put(monitor_call(&monitor, METHOD_QUIT, NULL));
        monitor_await_end(&monitor, STOP_REASON_KILLED, NULL, 0);
        monitor_done(&monitor);
}
END_TEST

static uint64_t stat_of(Monitor *monitor, const char *name)
{
        json_object *stats = monitor_call(monitor, METHOD_STATS, NULL), *value = NULL;
        uint64_t number;

        ck_assert(json_object_object_get_ex(stats, name, &value));
        number = json_object_get_uint64(value);
        json_object_put(stats);
        return number;
}

/* A reader that never reads holds nobody up; the log stays bounded, and so does the monitor. */
START_TEST(test_flood)
{
        const MonitorSpawn how = MONITOR_SPAWN_DEFAULT;
        MonitorStart start = {"\"console_scrollback_kib\": 4, \"console_log_kib\": 64",
                              monitor_payload_from_code(guest_flood, guest_flood_end), -1, -1, -1};
        uint64_t resident = 0;
        Monitor monitor;
        int console;

        start.log_fd = memfd_create("log", MFD_CLOEXEC);
        start.log_previous_fd = memfd_create("log-previous", MFD_CLOEXEC);
        monitor_spawn(&monitor, &how);
        monitor_hello(&monitor);
        console = monitor_attach_console(&monitor, "{}");
        monitor_start(&monitor, &start);
        while (stat_of(&monitor, "console_bytes") < 100000)
                if (resident == 0 && stat_of(&monitor, "console_bytes") > 20000)
                        resident = stat_of(&monitor, "rss_bytes");
        ck_assert_uint_gt(stat_of(&monitor, "console_dropped"), 0);
        ck_assert_uint_lt(stat_of(&monitor, "rss_bytes"), resident + RESIDENT_SLACK);
        ck_assert_int_le(lseek(start.log_fd, 0, SEEK_END), 64 << 10);
        ck_assert_int_le(lseek(start.log_previous_fd, 0, SEEK_END), 64 << 10);
        ck_assert_int_gt(lseek(start.log_previous_fd, 0, SEEK_END), 0);
        close(console);
        json_object_put(monitor_call(&monitor, METHOD_QUIT, NULL));
        monitor_await_end(&monitor, STOP_REASON_KILLED, NULL, 0);
        close(start.log_fd);
        close(start.log_previous_fd);
        close(start.kernel_fd);
        monitor_done(&monitor);
}
END_TEST

/* A reader that is behind when the guest ends gets the rest, as far as the ring holds it. */
START_TEST(test_slow_reader_at_the_end)
{
        const MonitorSpawn how = MONITOR_SPAWN_DEFAULT;
        const MonitorStart start = {"\"console_scrollback_kib\": 1024, \"params\": \"lines=2000\"",
                                    example("flood"), -1, -1, -1};
        static char output[1 << 20];
        int sockets[2], small = 1; /* the kernel's least, some 4 KiB */
        Monitor monitor;
        Message reply;
        size_t n;

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
        ck_assert_int_eq(setsockopt(sockets[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
        monitor_spawn(&monitor, &how);
        monitor_hello(&monitor);
        reply = try_attach(&monitor, "{}", sockets[1]);
        ck_assert_int_eq(reply.error, 0);
        message_done(&reply);
        close(sockets[1]);
        monitor_start(&monitor, &start);
        monitor_await_payload(&monitor, PAYLOAD_STATE_STARTED);
        monitor_await_payload(&monitor, PAYLOAD_STATE_READY);
        monitor_await_payload(&monitor, PAYLOAD_STATE_FINISHED);
        /* A monitor that does not wait for its readers is gone by then. */
        for (unsigned i = 0; i < 30; i++) {
                siginfo_t info = {.si_pid = 0};

                ck_assert_int_eq(
                        waitid(P_PID, (id_t)monitor.pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
                if (info.si_pid != 0)
                        break;
                (void)usleep(10000);
        }
        n = monitor_read_output(sockets[0], output, sizeof(output) - 1);
        output[n] = '\0';
        monitor_await_end(&monitor, STOP_REASON_SHUTDOWN, NULL, 0);
        ck_assert_msg(strstr(output, "1999"), "only %zu bytes came", n);
        close(sockets[0]);
        close(start.kernel_fd);
        monitor_done(&monitor);
}
END_TEST

START_TEST(test_log)
{
        const MonitorSpawn how = MONITOR_SPAWN_DEFAULT;
        MonitorStart start = {"\"params\": \"from=2\"", example("countdown"), -1, -1, -1};
        char log[64] = "";
        Monitor monitor;

        start.log_fd = memfd_create("log", MFD_CLOEXEC);
        monitor_spawn(&monitor, &how);
        monitor_start(&monitor, &start);
        monitor_await_end(&monitor, STOP_REASON_SHUTDOWN, NULL, 0);
        ck_assert_int_gt(pread(start.log_fd, log, sizeof(log) - 1, 0), 0);
        ck_assert_str_eq(log, "2\n1\nliftoff\n");
        close(start.log_fd);
        close(start.kernel_fd);
        monitor_done(&monitor);
}
END_TEST

int main(void)
{
        const CheckTest tests[] = {
                {"before start", test_before_start},
                {"scrollback", test_scrollback},
                {"writer", test_writer},
                {"many readers", test_many_readers},
                {"wrong descriptors", test_wrong_descriptors},
                {"flood", test_flood},
                {"slow reader at the end", test_slow_reader_at_the_end},
                {"log", test_log},
        };

        monitor_require_kvm();
        return check_run("monitor-console", tests, sizeof(tests) / sizeof(tests[0]));
}
