/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a monitor is given, and nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "spawner-harness.h"

static void start(Harness *harness, int mode, int *ret_fd)
{
        harness_init(harness, mode_get(mode));
        harness_start(harness);
        *ret_fd = harness_connect(harness);
}

/* The fd table equals the manifest: a descriptor that leaks into a monitor is a way out of it. */
START_TEST(test_fd_table)
{
        char expected[512], err[256] = "";
        Harness harness;
        TestChild child, other;
        const char *fds;
        int fd;

        start(&harness, _i, &fd);
        ck_assert_int_ge(readlink("/proc/self/fd/2", err, sizeof(err) - 1), 0);
        if (strncmp(err, "pipe:", 5) == 0)
                strcpy(err, "pipe");
        if (strncmp(err, "socket:", 7) == 0)
                strcpy(err, "socket");
        snprintf(expected, sizeof(expected), "0 /dev/null\n1 /dev/null\n2 %s\n3 socket\n", err);
        other = child_spawn(fd, 1);
        child = child_spawn(fd, 2);
        fds = child_ask(&child, "fds");
        ck_assert_str_eq(fds, expected);
        child_close(&other);
        child_close(&child);
        close(fd);
        harness_stop(&harness);
}
END_TEST

START_TEST(test_state)
{
        Harness harness;
        char state[8192], expected[64];
        TestChild child;
        int fd;

        /* Nothing of this may come through. */
        ck_assert_int_eq(setenv("VMSERVICE_SECRET", "1", 1), 0);
        signal(SIGUSR1, SIG_IGN);
        start(&harness, _i, &fd);
        child = child_spawn(fd, 1);
        snprintf(state, sizeof(state), "%s", child_ask(&child, "state"));
        ck_assert_str_eq(line_value(state, "environment"), "0");
        ck_assert_str_eq(line_value(state, "NoNewPrivs"), "1");
        for (const char *const *cap =
                     (const char *const[]){"CapInh", "CapPrm", "CapEff", "CapAmb", NULL};
             *cap; cap++)
                ck_assert_str_eq(line_value(state, *cap), "0000000000000000");
        ck_assert_str_eq(line_value(state, "SigBlk"), "0000000000000000");
        ck_assert_str_eq(line_value(state, "SigIgn"), "0000000000000000");
        snprintf(expected, sizeof(expected), "%d", SIGKILL);
        ck_assert_str_eq(line_value(state, "pdeathsig"), expected);
        ck_assert_str_eq(line_value(state, "session"), "1");
        ck_assert_str_eq(line_value(state, "umask"), "077");
        ck_assert_str_eq(line_value(state, "cwd"), "/");
        ck_assert_str_eq(line_value(state, "core"), "0 0");
        ck_assert_str_eq(line_value(state, "nofile"), "1024 1024");
        child_close(&child);
        close(fd);
        harness_stop(&harness);
}
END_TEST

START_TEST(test_ids)
{
        Harness harness;
        TestChild one, two;
        char state[8192], expected[64];
        int fd;

        start(&harness, _i, &fd);
        one = child_spawn(fd, 1);
        two = child_spawn(fd, 2);
        snprintf(state, sizeof(state), "%s", child_ask(&one, "state"));
        snprintf(expected, sizeof(expected), "%u\t%u\t%u\t%u", one.uid, one.uid, one.uid, one.uid);
        ck_assert_str_eq(line_value(state, "Uid"), expected);
        if (harness.mode->session) {
                ck_assert_uint_eq(one.uid, geteuid());
                ck_assert_uint_eq(two.uid, geteuid());
        } else {
                ck_assert_uint_ge(one.uid, 1879048192U);
                ck_assert_uint_le(one.uid, 1879064575U);
                ck_assert_uint_ne(one.uid, two.uid);
                ck_assert_str_eq(line_value(state, "Gid"), expected);
                ck_assert_str_eq(line_value(state, "Groups"), " ");
                ck_assert_str_eq(line_value(state, "nproc"), "1280 1280");
        }
        child_close(&one);
        child_close(&two);
        close(fd);
        harness_stop(&harness);
}
END_TEST

START_TEST(test_cgroup)
{
        Harness harness;
        TestChild child;
        char expected[128];
        const char *state;
        int fd;

        start(&harness, _i, &fd);
        child = child_spawn(fd, 0xabc);
        state = child_ask(&child, "state");
        if (harness.mode->cgroup) {
                snprintf(expected, sizeof(expected),
                         "/machines/54000abc000000000000000000000000\n");
                ck_assert_msg(strstr(state, expected) && strstr(state, "cgroup 0::/"),
                              "not in its cgroup: %s", state);
        }
        child_close(&child);
        close(fd);
        harness_stop(&harness);
}
END_TEST

static void expect_attribute(const Harness *harness, const char *name, const char *expected)
{
        char path[256], text[64] = "";
        int fd;

        snprintf(path, sizeof(path), "%s/machines/54000abc000000000000000000000000/%s",
                 harness->cgroup, name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        ck_assert_msg(fd >= 0, "cannot open %s", path);
        ck_assert_int_gt(read(fd, text, sizeof(text) - 1), 0);
        close(fd);
        text[strcspn(text, "\n")] = '\0';
        ck_assert_msg(strcmp(text, expected) == 0, "%s is %s, not %s", name, text, expected);
}

/* Each controller that HELLO names is in effect; hosts without any name none. */
START_TEST(test_limits)
{
        SpawnerRequest request = {
                .op = SPAWNER_SPAWN,
                .kind = SPAWNER_KIND_MONITOR,
                .id = test_id(0xabc),
                .memory_max = 64U << 20,
                .cpu_weight = 77,
                .pids_max = 5,
        };
        Harness harness;
        TestChild child = {.id = request.id};
        SpawnerReply hello;
        Answer answer;
        int fd;

        if (!mode_get(_i)->cgroup)
                return;
        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        fd = raw_connect(&harness);
        hello = request_call(
                fd, &(SpawnerRequest){.op = SPAWNER_HELLO, .value = SPAWNER_PROTOCOL_VERSION});
        printf("limits: controllers %#x\n", hello.controllers);
        if (getenv("VMSERVICE_TEST_CONTROLLERS"))
                ck_assert_uint_eq(hello.controllers, SPAWNER_CONTROLLER_MEMORY |
                                                             SPAWNER_CONTROLLER_CPU |
                                                             SPAWNER_CONTROLLER_PIDS);
        request_send(fd, &request);
        ck_assert(answer_receive(fd, &answer));
        ck_assert_int_eq(answer.reply.error, 0);
        child.pid = answer.reply.pid;
        child.socket = answer.fds[0];
        child.pidfd = answer.fds[1];
        if (hello.controllers & SPAWNER_CONTROLLER_MEMORY) {
                expect_attribute(&harness, "memory.max", "67108864");
                expect_attribute(&harness, "memory.oom.group", "1");
        }
        if (hello.controllers & SPAWNER_CONTROLLER_CPU)
                expect_attribute(&harness, "cpu.weight", "77");
        if (hello.controllers & SPAWNER_CONTROLLER_PIDS)
                expect_attribute(&harness, "pids.max", "5");
        if (hello.controllers & SPAWNER_CONTROLLER_MEMORY) {
                child_tell(&child, "eat");
                ck_assert_int_eq(expect_exited(fd, &child).exit_status, SIGKILL);
        } else {
                ck_assert_str_eq(child_ask(&child, "eat"), "eaten\n");
        }
        child_close(&child);
        close(fd);
        harness_stop(&harness);
}
END_TEST

/* A limit that the kernel does not take fails the spawn, and leaves no cgroup. */
START_TEST(test_limit_refused)
{
        SpawnerRequest request = {
                .op = SPAWNER_SPAWN,
                .kind = SPAWNER_KIND_MONITOR,
                .id = test_id(1),
                .pids_max = UINT32_MAX,
        };
        Harness harness;
        SpawnerReply hello, reply;
        int fd;

        if (!mode_get(_i)->cgroup)
                return;
        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        fd = raw_connect(&harness);
        hello = request_call(
                fd, &(SpawnerRequest){.op = SPAWNER_HELLO, .value = SPAWNER_PROTOCOL_VERSION});
        if (hello.controllers & SPAWNER_CONTROLLER_PIDS) {
                /* pids.max takes at most PID_MAX_LIMIT. */
                reply = request_call(fd, &request);
                ck_assert_int_eq(reply.error, -EINVAL);
                ck_assert_uint_eq(reply.step, SPAWNER_STEP_CGROUP);
                ck_assert_int_eq(harness_cgroup_count(&harness), 0);
        }
        close(fd);
        harness_stop(&harness);
}
END_TEST

/* A spawner that the kernel is to spare does not pass that on. */
START_TEST(test_oom_score)
{
        Harness harness;
        TestChild child;
        int fd, adjust;

        harness_init(&harness, mode_get(_i));
        adjust = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
        ck_assert_int_ge(adjust, 0);
        if (write(adjust, "-500", 4) < 0)
                printf("oom-score: cannot lower it here (CAP_SYS_RESOURCE): %s\n", strerror(errno));
        close(adjust);
        harness_start(&harness);
        fd = harness_connect(&harness);
        child = child_spawn(fd, 1);
        ck_assert_int_ge(atoi(line_value(child_ask(&child, "state"), "oom")), 0);
        child_close(&child);
        close(fd);
        harness_stop(&harness);
}
END_TEST

/* Uids that no test which runs at the same time uses. */
static uid_t own_range(void)
{
        return 1879100000U + (uid_t)getpid() * 8;
}

static const char *range_text(uid_t first, uid_t n)
{
        static char text[32];

        snprintf(text, sizeof(text), "%u-%u", first, first + n - 1);
        return text;
}

/* The uid of the last machine is the last to be used again, and none is used twice at once. */
START_TEST(test_uid_range)
{
        uid_t first = own_range();
        const char *const extra[] = {"--uid-range", range_text(first, 3), NULL};
        SpawnerRequest fourth = {
                .op = SPAWNER_SPAWN,
                .kind = SPAWNER_KIND_MONITOR,
                .id = test_id(4),
        };
        Harness harness;
        TestChild c[3], again;
        uid_t freed;
        int fd;

        harness_init(&harness, mode_get(_i));
        harness.extra = extra;
        harness_start(&harness);
        fd = harness_connect(&harness);
        for (unsigned i = 0; i < 3; i++)
                c[i] = child_spawn(fd, i);
        if (!harness.mode->session) {
                ck_assert(c[0].uid != c[1].uid && c[1].uid != c[2].uid && c[0].uid != c[2].uid);
                ck_assert_int_eq(request_call(fd, &fourth).error, -EUSERS);
                /* Ended is not forgotten. */
                child_tell(&c[1], "exit 0");
                expect_exited(fd, &c[1]);
                ck_assert_int_eq(request_call(fd, &fourth).error, -EUSERS);
                freed = c[1].uid;
                child_forget(fd, &c[1]);
                again = child_spawn(fd, 5);
                ck_assert_uint_eq(again.uid, freed);
                child_close(&again);
        }
        for (unsigned i = 0; i < 3; i++)
                child_close(&c[i]);
        close(fd);
        harness_stop(&harness);
}
END_TEST

/* A process of another session, with a uid of the range; a pipe tells when it has it. */
static pid_t squat(uid_t uid)
{
        int ready[2];
        pid_t pid;
        char c;

        ck_assert_int_eq(pipe(ready), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                if (setresuid(uid, uid, uid) < 0 || write(ready[1], "1", 1) < 0)
                        _exit(1);
                for (;;)
                        pause();
        }
        fd_wait_readable(ready[0], "the squatter");
        ck_assert_int_eq(read(ready[0], &c, 1), 1);
        close(ready[0]);
        close(ready[1]);
        return pid;
}

/* Without a cgroup: a uid that still has a process, whoever started it, is not given out. */
START_TEST(test_uid_in_use)
{
        uid_t first = own_range();
        const char *const extra[] = {"--uid-range", range_text(first, 2), NULL};
        SpawnerRequest second = {
                .op = SPAWNER_SPAWN,
                .kind = SPAWNER_KIND_MONITOR,
                .id = test_id(2),
        };
        Harness harness;
        TestChild child;
        pid_t squatter;
        int fd;

        harness_init(&harness, mode_get(_i));
        if (harness.mode->session || harness.mode->cgroup) {
                harness_check_gone(&harness);
                return;
        }
        squatter = squat(first);
        harness.extra = extra;
        harness_start(&harness);
        fd = harness_connect(&harness);
        child = child_spawn(fd, 1);
        ck_assert_uint_eq(child.uid, first + 1);
        ck_assert_int_eq(request_call(fd, &second).error, -EUSERS);
        ck_assert_int_eq(kill(squatter, SIGKILL), 0);
        ck_assert_int_eq(waitpid(squatter, NULL, 0), squatter);
        child_close(&child);
        child = child_spawn(fd, 2);
        ck_assert_uint_eq(child.uid, first);
        child_close(&child);
        close(fd);
        harness_stop(&harness);
}
END_TEST

static void probe(int fd, const int *fds, size_t n_fds, Answer *ret)
{
        SpawnerRequest request = {
                .op = SPAWNER_SPAWN,
                .kind = SPAWNER_KIND_PROBE,
                .id = test_id(1),
        };

        raw_send(fd, &request, sizeof(request), fds, n_fds);
        ck_assert(answer_receive(fd, ret));
        ck_assert_int_eq(ret->reply.error, 0);
        ck_assert_uint_eq(ret->n_fds, 1);
}

START_TEST(test_probe)
{
        Harness harness;
        char text[512], *lines;
        int fd, n_fds, out[2], device;
        Answer answer;
        TestChild child = {.id = test_id(1), .socket = -1};
        ssize_t n;

        start(&harness, _i, &fd);
        n_fds = harness_fd_count(&harness);
        device = open("/dev/zero", O_RDWR | O_CLOEXEC);
        for (size_t with_device = 0; with_device < 2; with_device++) {
                ck_assert_int_eq(pipe(out), 0);
                probe(fd, (int[]){out[1], device}, 1 + with_device, &answer);
                close(out[1]);
                child.pid = answer.reply.pid;
                fd_wait_readable(answer.fds[0], "the probe to end");
                answer_done(&answer);
                n = read(out[0], text, sizeof(text) - 1);
                ck_assert_int_gt(n, 0);
                text[n] = '\0';
                close(out[0]);
                ck_assert_msg(strncmp(text, "0 /dev/null\n1 pipe\n2 ", 21) == 0, "%s", text);
                lines = strstr(text, "\n2 ");
                lines = strchr(lines + 1, '\n') + 1;
                ck_assert_str_eq(lines, with_device ? "3 /dev/zero\n" : "");
                ck_assert_int_eq(expect_exited(fd, &child).exit_status, 0);
                ck_assert_int_eq(
                        request_call(fd, &(SpawnerRequest){.op = SPAWNER_FORGET, .id = child.id})
                                .error,
                        0);
                harness_expect_fd_count(&harness, n_fds);
        }
        close(device);
        close(fd);
        harness_stop(&harness);
}
END_TEST

/* If the spawner dies, its machines end. */
START_TEST(test_spawner_killed)
{
        Harness harness;
        TestChild children[3];
        int fd;

        start(&harness, _i, &fd);
        for (unsigned i = 0; i < 3; i++) {
                children[i] = child_spawn(fd, i);
                ck_assert_ptr_nonnull(child_ask(&children[i], "fds"));
        }
        ck_assert_int_eq(kill(harness.pid, SIGKILL), 0);
        for (unsigned i = 0; i < 3; i++) {
                fd_wait_readable(children[i].pidfd, "a machine to end with its spawner");
                child_close(&children[i]);
        }
        ck_assert(WIFSIGNALED(harness_wait_end(&harness)));
        expect_closed(fd);

        /* The next one finds its way through what the dead one left: socket, lock, cgroups. */
        harness_start(&harness);
        fd = harness_connect(&harness);
        children[0] = child_spawn(fd, 0);
        child_close(&children[0]);
        close(fd);
        harness_stop(&harness);
}
END_TEST

int main(void)
{
        const HarnessTest tests[] = {
                {"fd-table", test_fd_table},
                {"state", test_state},
                {"ids", test_ids},
                {"cgroup", test_cgroup},
                {"limits", test_limits},
                {"limit-refused", test_limit_refused},
                {"oom-score", test_oom_score},
                {"uid-range", test_uid_range},
                {"uid-in-use", test_uid_in_use},
                {"probe", test_probe},
                {"spawner-killed", test_spawner_killed},
        };

        return harness_run_tests("spawner-child", tests, ARRAY_SIZE(tests));
}
