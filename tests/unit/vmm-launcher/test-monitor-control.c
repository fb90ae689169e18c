/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The conversation: greeting, takeover, every method in every state, violations, a full socket. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check-main.h"
#include "common/string-util.h"
#include "monitor-harness.h"

/* 0-3, epoll, two wake-ups, /dev/kvm, kernel, VM, vCPU, statm; "." and "..". */
#define FDS_EXPECTED 14U

/* A sanitizer keeps what was freed. */
#ifdef LAUNCHER_SANITIZED
#define LEAK_SLACK (64U << 20)
#else
#define LEAK_SLACK (32U << 10)
#endif

#define OTHER_TOKEN "ffeeddccbbaa99887766554433221100"

MONITOR_CODE(guest_hang, "1: jmp 1b");
/* Waits for the power button in the event register, then powers off. */
MONITOR_CODE(guest_button, "mov $0x604, %dx\n 1: in %dx, %al\n test $1, %al\n jz 1b\n"
                           "mov $0x600, %dx\n mov $0x34, %al\n out %al, %dx\n 2: hlt\n jmp 2b");
/* Ready after a reset only: what it left in memory before is gone by then, so it never is. */
MONITOR_CODE(guest_remember, "cmpl $0x12345678, 0x200000\n je 1f\n movl $0x12345678, 0x200000\n"
                             "mov $0x608, %dx\n mov $1, %eax\n out %eax, %dx\n 2: jmp 2b\n"
                             "1: mov $0x608, %dx\n mov $2, %eax\n out %eax, %dx\n 3: jmp 3b");

static void spawn(Monitor *monitor)
{
        const MonitorSpawn how = MONITOR_SPAWN_DEFAULT;

        monitor_spawn(monitor, &how);
}

static void spawn_code(Monitor *monitor, const char *code, const char *code_end, const char *config)
{
        const MonitorStart start = {config, monitor_payload_from_code(code, code_end), -1, -1, -1};

        spawn(monitor);
        monitor_start(monitor, &start);
        close(start.kernel_fd);
}

static void quit(Monitor *monitor)
{
        json_object_put(monitor_call(monitor, METHOD_QUIT, NULL));
        monitor_await_end(monitor, STOP_REASON_KILLED, NULL, 0);
        monitor_done(monitor);
}

static uint64_t stat_of(Monitor *monitor, const char *name)
{
        json_object *stats = monitor_call(monitor, METHOD_STATS, NULL), *value = NULL;
        uint64_t number;

        ck_assert_msg(json_object_object_get_ex(stats, name, &value), "no %s", name);
        number = json_object_get_uint64(value);
        json_object_put(stats);
        return number;
}

static uint64_t port_exits(Monitor *monitor)
{
        json_object *stats = monitor_call(monitor, METHOD_STATS, NULL), *exits, *io;
        uint64_t n;

        ck_assert(json_object_object_get_ex(stats, "exits", &exits));
        ck_assert(json_object_object_get_ex(exits, "io", &io));
        n = json_object_get_uint64(io);
        json_object_put(stats);
        return n;
}

static void check_snapshot(Monitor *monitor, MachineState state, const char *run_id)
{
        json_object *body = monitor_call(monitor, METHOD_SNAPSHOT, NULL);
        ProtocolSnapshot snapshot;
        JsonProblem problem;

        ck_assert_int_eq(json_fields_load(protocol_snapshot_fields, body, "", &snapshot, &problem),
                         0);
        ck_assert_str_eq(machine_state_to_string((MachineState)snapshot.state),
                         machine_state_to_string(state));
        ck_assert(streq_ptr(snapshot.run_id, run_id));
        ck_assert_uint_ge(snapshot.seq, monitor->last_seq);
        json_fields_done(protocol_snapshot_fields, &snapshot);
        json_object_put(body);
}

START_TEST(test_hello)
{
        const char *const refused[][2] = {
                {"{\"versions\": [2, 3], \"token\": \"" MONITOR_TOKEN "\"}", "versions"},
                {"{\"versions\": [], \"token\": \"" MONITOR_TOKEN "\"}", "versions"},
                {"{\"versions\": 1, \"token\": \"" MONITOR_TOKEN "\"}", "versions"},
                {"{\"versions\": [\"1\"], \"token\": \"" MONITOR_TOKEN "\"}", "versions"},
                {"{\"versions\": [1]}", "token"},
                {"{\"versions\": [1], \"token\": \"short\"}", "token"},
                {"{\"token\": \"" MONITOR_TOKEN "\"}", "versions"},
                {"{\"versions\": [1], \"token\": \"" MONITOR_TOKEN "\", \"more\": 1}", "more"},
        };
        Monitor monitor;
        json_object *reply, *value;

        spawn(&monitor);
        for (int method = METHOD_START; method < _METHOD_MAX; method++)
                monitor_call_refused(&monitor, (Method)method, NULL, EPROTO, "hello");
        for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
                monitor_call_refused(&monitor, METHOD_HELLO, refused[i][0],
                                     i < 2 ? EPROTONOSUPPORT : EINVAL, refused[i][1]);
        monitor_call_refused(&monitor, METHOD_SNAPSHOT, NULL, EPROTO, "hello");
        reply = monitor_call(&monitor, METHOD_HELLO,
                             "{\"versions\": [7, 1, 2], \"token\": \"" OTHER_TOKEN "\"}");
        ck_assert(json_object_object_get_ex(reply, "token", &value));
        ck_assert_str_eq(json_object_get_string(value), OTHER_TOKEN);
        ck_assert(json_object_object_get_ex(reply, "version", &value));
        ck_assert_int_eq(json_object_get_int(value), 1);
        ck_assert(json_object_object_get_ex(reply, "monitor", &value));
        ck_assert_str_eq(json_object_get_string(value), "vmm-launcher");
        json_object_put(reply);
        check_snapshot(&monitor, MACHINE_STATE_STARTING, NULL);
        quit(&monitor);
}
END_TEST

/* A new daemon comes while the old one's replies and events stand unread in the socket. */
START_TEST(test_takeover)
{
        json_object *reply, *value;
        Monitor monitor;
        uint64_t id;

        spawn_code(&monitor, guest_hang, guest_hang_end, NULL);
        for (int i = 0; i < 10; i++)
                (void)monitor_send(&monitor, METHOD_STATS, NULL, NULL, 0);
        (void)monitor_send(&monitor, METHOD_PAUSE, NULL, NULL, 0);
        /* The new one counts its requests from 1 again, like the one before it. */
        monitor.last_id = 0;
        monitor.drops_replies = true;
        id = monitor_send(&monitor, METHOD_HELLO,
                          "{\"versions\": [1], \"token\": \"" OTHER_TOKEN "\"}", NULL, 0);
        for (;;) {
                Message message = monitor_await_reply(&monitor, id);
                bool ours;

                reply = json_object_get(message.body);
                ours = json_object_object_get_ex(reply, "token", &value) &&
                       streq(json_object_get_string(value), OTHER_TOKEN);
                message_done(&message);
                json_object_put(reply);
                if (ours)
                        break;
        }
        monitor.drops_replies = false;
        /* Whatever the old one had asked for is found out, not told again. */
        for (;;) {
                reply = monitor_call(&monitor, METHOD_SNAPSHOT, NULL);
                if (strstr(json_object_to_json_string(reply), "\"paused\""))
                        break;
                json_object_put(reply);
        }
        json_object_put(reply);
        json_object_put(monitor_call(&monitor, METHOD_RESUME, NULL));
        check_snapshot(&monitor, MACHINE_STATE_RUNNING, MONITOR_RUN_ID);
        quit(&monitor);
}
END_TEST

START_TEST(test_pause_and_resume)
{
        uint64_t n_exits, uptime;
        Monitor monitor;

        /* It reads a port without end. */
        spawn_code(&monitor, guest_button, guest_button_end, "\"cpu_count\": 2");
        monitor_call_refused(&monitor, METHOD_RESUME, NULL, EBUSY, "running");
        for (int i = 0; i < 20; i++) {
                json_object_put(monitor_call(&monitor, METHOD_PAUSE, NULL));
                monitor_await_state(&monitor, MACHINE_STATE_PAUSING);
                monitor_await_state(&monitor, MACHINE_STATE_PAUSED);
                check_snapshot(&monitor, MACHINE_STATE_PAUSED, MONITOR_RUN_ID);
                monitor_call_refused(&monitor, METHOD_PAUSE, NULL, EBUSY, "paused");
                json_object_put(monitor_call(&monitor, METHOD_RESUME, NULL));
                monitor_await_state(&monitor, MACHINE_STATE_RESUMING);
                monitor_await_state(&monitor, MACHINE_STATE_RUNNING);
        }
        json_object_put(monitor_call(&monitor, METHOD_PAUSE, NULL));
        n_exits = port_exits(&monitor);
        uptime = stat_of(&monitor, "uptime_usec");
        while (stat_of(&monitor, "uptime_usec") < uptime + 20000)
                ;
        ck_assert_uint_eq(port_exits(&monitor), n_exits);
        json_object_put(monitor_call(&monitor, METHOD_RESUME, NULL));
        while (port_exits(&monitor) == n_exits)
                ;
        quit(&monitor);
}
END_TEST

/* A resume that overtakes a pause: both are answered, in order, and the guest runs. */
START_TEST(test_resume_while_pausing)
{
        Monitor monitor;

        spawn_code(&monitor, guest_hang, guest_hang_end, NULL);
        for (int i = 0; i < 20; i++) {
                uint64_t pause = monitor_send(&monitor, METHOD_PAUSE, NULL, NULL, 0);
                uint64_t resume = monitor_send(&monitor, METHOD_RESUME, NULL, NULL, 0);
                Message reply = monitor_await_reply(&monitor, pause);

                ck_assert_int_eq(reply.error, 0);
                message_done(&reply);
                reply = monitor_await_reply(&monitor, resume);
                ck_assert_int_eq(reply.error, 0);
                message_done(&reply);
                check_snapshot(&monitor, MACHINE_STATE_RUNNING, MONITOR_RUN_ID);
        }
        quit(&monitor);
}
END_TEST

START_TEST(test_power_button)
{
        Monitor monitor;

        spawn(&monitor);
        monitor_hello(&monitor);
        monitor_call_refused(&monitor, METHOD_POWER_BUTTON, NULL, EBUSY, "not been started");
        monitor_call_refused(&monitor, METHOD_PAUSE, NULL, EBUSY, "starting");
        monitor_call_refused(&monitor, METHOD_RESET, NULL, EBUSY, "not been started");
        quit(&monitor);

        spawn_code(&monitor, guest_button, guest_button_end, NULL);
        json_object_put(monitor_call(&monitor, METHOD_POWER_BUTTON, NULL));
        monitor_await_end(&monitor, STOP_REASON_SHUTDOWN, NULL, 0);
        monitor_done(&monitor);

        /* Pressed while it rests: seen when it goes on. */
        spawn_code(&monitor, guest_button, guest_button_end, NULL);
        json_object_put(monitor_call(&monitor, METHOD_PAUSE, NULL));
        json_object_put(monitor_call(&monitor, METHOD_POWER_BUTTON, NULL));
        json_object_put(monitor_call(&monitor, METHOD_POWER_BUTTON, NULL));
        check_snapshot(&monitor, MACHINE_STATE_PAUSED, MONITOR_RUN_ID);
        json_object_put(monitor_call(&monitor, METHOD_RESUME, NULL));
        monitor_await_end(&monitor, STOP_REASON_SHUTDOWN, NULL, 0);
        monitor_done(&monitor);
}
END_TEST

START_TEST(test_reset)
{
        Monitor monitor;

        spawn_code(&monitor, guest_remember, guest_remember_end, "\"on_reboot\": \"stop\"");
        monitor_await_payload(&monitor, PAYLOAD_STATE_STARTED);
        for (uint64_t i = 1; i <= 10; i++) {
                json_object_put(monitor_call(&monitor, METHOD_RESET, NULL));
                ck_assert_uint_eq(stat_of(&monitor, "resets"), i);
        }
        json_object_put(monitor_call(&monitor, METHOD_PAUSE, NULL));
        json_object_put(monitor_call(&monitor, METHOD_RESET, NULL));
        check_snapshot(&monitor, MACHINE_STATE_PAUSED, MONITOR_RUN_ID);
        ck_assert_uint_eq(stat_of(&monitor, "resets"), 11);
        json_object_put(monitor_call(&monitor, METHOD_RESUME, NULL));
        /* Memory was cleared each time, and "started" is told once in a run. */
        ck_assert(!monitor_has_event(&monitor, EVENT_PAYLOAD));
        quit(&monitor);
}
END_TEST

/* What a device had pending is gone after a reset: the button was pressed for the guest before. */
START_TEST(test_reset_of_devices)
{
        uint64_t n_exits;
        Monitor monitor;

        spawn_code(&monitor, guest_button, guest_button_end, NULL);
        json_object_put(monitor_call(&monitor, METHOD_PAUSE, NULL));
        json_object_put(monitor_call(&monitor, METHOD_POWER_BUTTON, NULL));
        json_object_put(monitor_call(&monitor, METHOD_RESET, NULL));
        n_exits = port_exits(&monitor);
        json_object_put(monitor_call(&monitor, METHOD_RESUME, NULL));
        while (port_exits(&monitor) < n_exits + 100)
                ;
        check_snapshot(&monitor, MACHINE_STATE_RUNNING, MONITOR_RUN_ID);
        json_object_put(monitor_call(&monitor, METHOD_POWER_BUTTON, NULL));
        monitor_await_end(&monitor, STOP_REASON_SHUTDOWN, NULL, 0);
        monitor_done(&monitor);
}
END_TEST

START_TEST(test_stats)
{
        json_object *stats, *value, *exits;
        ProtocolStats parsed;
        JsonProblem problem;
        Monitor monitor;

        spawn(&monitor);
        monitor_hello(&monitor);
        ck_assert_uint_eq(stat_of(&monitor, "vcpu_count"), 0);
        ck_assert_uint_eq(stat_of(&monitor, "uptime_usec"), 0);
        quit(&monitor);

        spawn_code(&monitor, guest_button, guest_button_end, "\"cpu_count\": 3");
        do {
                stats = monitor_call(&monitor, METHOD_STATS, NULL);
                ck_assert(json_object_object_get_ex(stats, "exits", &exits));
                ck_assert(json_object_object_get_ex(exits, "io", &value));
                if (json_object_get_uint64(value) >= 100)
                        break;
                json_object_put(stats);
        } while (true);
        ck_assert_int_eq(json_fields_load(protocol_stats_fields, stats, "", &parsed, &problem), 0);
        ck_assert_uint_eq(parsed.vcpu_count, 3);
        ck_assert_uint_eq(json_object_array_length(parsed.run_time_usec), 3);
        ck_assert_uint_gt(
                json_object_get_uint64(json_object_array_get_idx(parsed.run_time_usec, 0)), 0);
        ck_assert_uint_gt(parsed.uptime_usec, 0);
        ck_assert_uint_eq(parsed.memory_bytes, 16U << 20);
        ck_assert_uint_gt(parsed.rss_bytes, 4096);
        ck_assert_uint_lt(parsed.rss_bytes, 512U << 20);
        ck_assert_uint_eq(parsed.resets, 0);
        json_fields_done(protocol_stats_fields, &parsed);
        json_object_put(stats);
        quit(&monitor);
}
END_TEST

START_TEST(test_bad_requests)
{
        const Method plain[] = {METHOD_PAUSE, METHOD_RESUME,   METHOD_POWER_BUTTON, METHOD_RESET,
                                METHOD_STATS, METHOD_SNAPSHOT, METHOD_QUIT};
        const MonitorStart again = {NULL, -1, -1, -1, -1};
        int fds[8], null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        Monitor monitor;
        char *params;
        size_t n;

        spawn_code(&monitor, guest_hang, guest_hang_end, NULL);
        for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
                Message reply;

                monitor_call_refused(&monitor, plain[i], "{\"more\": 1}", EINVAL, "no parameters");
                reply = monitor_await_reply(&monitor,
                                            monitor_send(&monitor, plain[i], NULL, &null_fd, 1));
                ck_assert_int_eq(reply.error, EBADF);
                message_done(&reply);
        }
        monitor_call_refused(&monitor, METHOD_CONSOLE, NULL, EBADF, "1 descriptors");
        params = monitor_start_params(&again, fds, &n);
        monitor_call_refused(&monitor, METHOD_START, params, EBUSY, "started already");
        free(params);
        close(fds[0]);
        close(null_fd);
        check_snapshot(&monitor, MACHINE_STATE_RUNNING, MONITOR_RUN_ID);
        quit(&monitor);
}
END_TEST

/* Frames that are none end the monitor, before a start as in the middle of a run. */
static void check_violation(const char *frame, size_t length, const int *fds, size_t n_fds,
                            bool started)
{
        union {
                char bytes[CMSG_SPACE(64 * sizeof(int))];
                struct cmsghdr align;
        } control = {{0}};
        struct iovec iov = {.iov_base = (void *)(uintptr_t)frame, .iov_len = length};
        struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
        char detail[1024];
        Monitor monitor;

        if (started)
                spawn_code(&monitor, guest_hang, guest_hang_end, NULL);
        else {
                spawn(&monitor);
                monitor_hello(&monitor);
        }
        if (n_fds > 0) {
                struct cmsghdr *cmsg = (struct cmsghdr *)(void *)control.bytes;

                header.msg_control = control.bytes;
                header.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                cmsg->cmsg_level = SOL_SOCKET;
                cmsg->cmsg_type = SCM_RIGHTS;
                cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof(int));
        }
        ck_assert_int_eq(sendmsg(monitor.socket, &header, MSG_NOSIGNAL), (ssize_t)length);
        monitor_await_end(&monitor, STOP_REASON_INFRASTRUCTURE_ERROR, detail, sizeof(detail));
        ck_assert_msg(strstr(detail, "the daemon sent"), "\"%s\"", detail);
        monitor_done(&monitor);
}

START_TEST(test_violations)
{
        const char *const frames[] = {
                "x",
                "{}",
                "[]",
                "null",
                "{\"type\": \"request\"}",
                "{\"type\": \"request\", \"id\": 1, \"method\": \"fly\", \"params\": {}}",
                "{\"type\": \"request\", \"id\": -1, \"method\": \"pause\", \"params\": {}}",
                "{\"type\": \"request\", \"id\": 1, \"method\": \"pause\", \"params\": []}",
                "{\"type\": \"request\", \"id\": 1, \"method\": \"pause\", \"x\": 1}",
                "{\"type\": \"request\", \"id\": 1, \"method\": \"pause\", \"params\": {}}x",
                "{\"type\": \"reply\", \"id\": 1, \"result\": {}}",
                ("{\"type\": \"event\", \"seq\": 1, \"event\": \"state\", \"params\": "
                 "{\"state\": \"running\"}}"),
        };
        char *large = calloc(1, PROTOCOL_FRAME_MAX + 1);
        int fds[40];

        for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++)
                for (int started = 0; started < 2; started++)
                        check_violation(frames[i], strlen(frames[i]), NULL, 0, started);
        memset(large, ' ', PROTOCOL_FRAME_MAX + 1);
        check_violation(large, PROTOCOL_FRAME_MAX + 1, NULL, 0, true);
        for (size_t i = 0; i < 40; i++)
                fds[i] = 1;
        check_violation("{}", 2, fds, 40, true);
        free(large);
}
END_TEST

/* The daemon does not read: the monitor waits, loses nothing that is owed, and goes on after. */
START_TEST(test_full_socket)
{
        uint64_t first = 0, last = 0, n_sent = 0;
        Message message = {.type = MESSAGE_REQUEST, .code = METHOD_STATS};
        Monitor monitor;

        spawn_code(&monitor, guest_hang, guest_hang_end, NULL);
        message.body = json_object_new_object();
        first = monitor.last_id + 1;
        /* Until neither end takes any more: full here for a while, whatever the monitor does. */
        for (unsigned n_full = 0; n_full < 200;) {
                int r;

                message.id = monitor.last_id + 1;
                r = message_send(monitor.socket, &message);
                if (r == 0) {
                        monitor.last_id++;
                        n_sent++;
                        n_full = 0;
                } else {
                        ck_assert_int_eq(r, -EAGAIN);
                        n_full++;
                        (void)usleep(1000);
                }
        }
        ck_assert_uint_gt(n_sent, 100);
        last = monitor.last_id;
        for (uint64_t id = first; id <= last; id++) {
                Message reply = monitor_await_reply(&monitor, id);

                ck_assert_int_eq(reply.error, 0);
                message_done(&reply);
        }
        message_done(&message);
        check_snapshot(&monitor, MACHINE_STATE_RUNNING, MONITOR_RUN_ID);
        quit(&monitor);
}
END_TEST

/* The guest ends while nobody reads: the exit code tells, the last frame is there or is not. */
START_TEST(test_end_with_full_socket)
{
        Message message = {.type = MESSAGE_REQUEST, .code = METHOD_STATS};
        Monitor monitor;
        int status;

        spawn_code(&monitor, guest_button, guest_button_end, NULL);
        json_object_put(monitor_call(&monitor, METHOD_POWER_BUTTON, NULL));
        message.body = json_object_new_object();
        for (int r = 0; r == 0;) {
                message.id = ++monitor.last_id;
                r = message_send(monitor.socket, &message);
        }
        message_done(&message);
        status = monitor_wait(&monitor);
        ck_assert_int_eq(status, monitor_exit_code(STOP_REASON_SHUTDOWN) << 8);
        monitor_done(&monitor);
}
END_TEST

static unsigned count_fds(pid_t pid)
{
        char path[64];
        unsigned n = 0;
        DIR *dir;

        (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
        dir = opendir(path);
        ck_assert_ptr_nonnull(dir);
        while (readdir(dir))
                n++;
        closedir(dir);
        return n;
}

/* Every kind of request, good and bad. */
static void one_of_each(Monitor *monitor)
{
        int fds[8], sockets[2];
        const MonitorStart again = {NULL, 1, -1, -1, -1};
        char *params;
        Message reply;
        size_t n;

        monitor_hello(monitor);
        json_object_put(monitor_call(monitor, METHOD_STATS, NULL));
        check_snapshot(monitor, MACHINE_STATE_RUNNING, MONITOR_RUN_ID);
        json_object_put(monitor_call(monitor, METHOD_PAUSE, NULL));
        monitor_call_refused(monitor, METHOD_PAUSE, "{\"x\": 1}", EINVAL, "parameters");
        json_object_put(monitor_call(monitor, METHOD_RESUME, NULL));
        json_object_put(monitor_call(monitor, METHOD_POWER_BUTTON, NULL));
        json_object_put(monitor_call(monitor, METHOD_RESET, NULL));
        monitor_call_refused(monitor, METHOD_HELLO,
                             "{\"versions\": [9], \"token\": \"" OTHER_TOKEN "\"}", EPROTONOSUPPORT,
                             "versions");
        params = monitor_start_params(&again, fds, &n);
        reply = monitor_await_reply(monitor, monitor_send(monitor, METHOD_START, params, fds, n));
        ck_assert_int_eq(reply.error, EBUSY);
        message_done(&reply);
        close(fds[0]);
        free(params);
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
        reply = monitor_await_reply(monitor, monitor_send(monitor, METHOD_CONSOLE,
                                                          "{\"write\": true, \"steal\": true}",
                                                          &sockets[1], 1));
        ck_assert_int_eq(reply.error, 0);
        message_done(&reply);
        close(sockets[0]);
        close(sockets[1]);
        while (monitor->n_events > 0)
                message_done(&monitor->events[--monitor->n_events]);
}

/* Descriptors and memory stay flat over thousands of requests. */
START_TEST(test_nothing_leaks)
{
        uint64_t resident;
        unsigned n_fds;
        Monitor monitor;

        spawn_code(&monitor, guest_hang, guest_hang_end, NULL);
        for (int i = 0; i < 200; i++)
                one_of_each(&monitor);
        resident = stat_of(&monitor, "rss_bytes");
        for (int i = 0; i < 300; i++)
                one_of_each(&monitor);
        ck_assert_uint_le(stat_of(&monitor, "rss_bytes"), resident + LEAK_SLACK);
        /* The last reader's hang-up may still be on its way. */
        do {
                n_fds = count_fds(monitor.pid);
                json_object_put(monitor_call(&monitor, METHOD_STATS, NULL));
        } while (n_fds > FDS_EXPECTED);
        quit(&monitor);
}
END_TEST

int main(void)
{
        const CheckTest tests[] = {
                {"hello", test_hello},
                {"takeover", test_takeover},
                {"pause and resume", test_pause_and_resume},
                {"resume while pausing", test_resume_while_pausing},
                {"power button", test_power_button},
                {"reset", test_reset},
                {"reset of devices", test_reset_of_devices},
                {"stats", test_stats},
                {"bad requests", test_bad_requests},
                {"violations", test_violations},
                {"full socket", test_full_socket},
                {"end with full socket", test_end_with_full_socket},
                {"nothing leaks", test_nothing_leaks},
        };

        monitor_require_kvm();
        return check_run("monitor-control", tests, sizeof(tests) / sizeof(tests[0]));
}
