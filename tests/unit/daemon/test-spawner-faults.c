/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Spawns that fail at each step, requests that break the protocol, daemons that come and go. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "spawner-harness.h"

static SpawnerRequest spawn_request(unsigned n)
{
        return (SpawnerRequest){
                .op = SPAWNER_SPAWN,
                .kind = SPAWNER_KIND_MONITOR,
                .id = test_id(n),
        };
}

/* One spawn that fails, and leaves nothing. */
static void expect_failure(Harness *harness, int fd, SpawnerStep step, int error)
{
        SpawnerRequest request = spawn_request(1);
        int n_fds = harness_fd_count(harness);
        SpawnerReply reply = request_call(fd, &request);

        ck_assert_int_eq(reply.error, -error);
        ck_assert_uint_eq(reply.step, step);
        ck_assert_int_eq(reply.pid, 0);
        harness_expect_fd_count(harness, n_fds);
        ck_assert_int_eq(harness_child_count(harness), 0);
        if (harness->mode->cgroup)
                ck_assert_int_eq(harness_cgroup_count(harness), 0);
        reply = request_call(fd, &(SpawnerRequest){.op = SPAWNER_LIST});
        ck_assert_uint_eq(reply.last, 1);
}

START_TEST(test_steps)
{
        static const struct {
                int syscall, error;
                SpawnerStep step;
                bool system_only;
        } cases[] = {
                {SYS_socketpair, EMFILE, SPAWNER_STEP_SOCKETPAIR, false},
                {SYS_clone3, EAGAIN, SPAWNER_STEP_CLONE, false},
                {SYS_setsid, EPERM, SPAWNER_STEP_FDS, false},
                {SYS_close_range, ENOMEM, SPAWNER_STEP_FDS, false},
                {SYS_setgroups, EPERM, SPAWNER_STEP_CREDENTIALS, true},
                {SYS_setresgid, EAGAIN, SPAWNER_STEP_CREDENTIALS, true},
                {SYS_setresuid, EAGAIN, SPAWNER_STEP_CREDENTIALS, true},
                {SYS_capset, EPERM, SPAWNER_STEP_CREDENTIALS, false},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                Harness harness;
                int fd;

                if (cases[i].system_only && mode_get(_i)->session)
                        continue;
                harness_init(&harness, mode_get(_i));
                harness.fail_syscall = cases[i].syscall;
                harness.fail_errno = cases[i].error;
                harness_start(&harness);
                fd = harness_connect(&harness);
                expect_failure(&harness, fd, cases[i].step, cases[i].error);
                close(fd);
                harness_stop(&harness);
        }
}
END_TEST

START_TEST(test_step_cgroup)
{
        Harness harness;
        char path[192];
        TestChild child;
        int fd, attribute;

        if (!mode_get(_i)->cgroup)
                return;
        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        fd = harness_connect(&harness);
        snprintf(path, sizeof(path), "%s/machines/cgroup.max.descendants", harness.cgroup);
        attribute = open(path, O_WRONLY | O_CLOEXEC);
        ck_assert_int_eq(write(attribute, "0", 1), 1);
        expect_failure(&harness, fd, SPAWNER_STEP_CGROUP, EAGAIN);
        ck_assert_int_eq(write(attribute, "max", 3), 3);
        close(attribute);
        child = child_spawn(fd, 1);
        child_close(&child);
        close(fd);
        harness_stop(&harness);
}
END_TEST

START_TEST(test_step_exec)
{
        Harness harness;
        TestChild child;
        int fd, script;

        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        fd = harness_connect(&harness);
        ck_assert_int_eq(chmod(harness.monitor, 0644), 0);
        expect_failure(&harness, fd, SPAWNER_STEP_EXEC, EACCES);
        ck_assert_int_eq(chmod(harness.monitor, 0755), 0);
        child = child_spawn(fd, 2);
        child_close(&child);
        ck_assert_int_eq(
                request_call(fd, &(SpawnerRequest){.op = SPAWNER_KILL, .id = child.id}).error, 0);
        expect_exited(fd, &child);
        child_forget(fd, &child);

        ck_assert_int_eq(unlink(harness.monitor), 0);
        expect_failure(&harness, fd, SPAWNER_STEP_EXEC, ENOENT);
        script = open(harness.monitor, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
        ck_assert_int_eq(fchmod(script, 0755), 0);
        ck_assert_int_eq(write(script, "nothing", 7), 7);
        close(script);
        expect_failure(&harness, fd, SPAWNER_STEP_EXEC, ENOEXEC);
        close(fd);
        harness_stop(&harness);
}
END_TEST

typedef struct Broken {
        const char *what;
        SpawnerRequest request;
        size_t size;
        size_t n_fds;
        bool no_hello;
} Broken;

static void send_broken(int fd, const Broken *broken)
{
        char buffer[100000] = {};
        int fds[64], null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

        memcpy(buffer, &broken->request, sizeof(broken->request));
        for (size_t i = 0; i < broken->n_fds; i++)
                fds[i] = null_fd;
        raw_send(fd, buffer, broken->size > 0 ? broken->size : sizeof(broken->request), fds,
                 broken->n_fds);
        close(null_fd);
}

START_TEST(test_broken_requests)
{
        const SpawnerRequest monitor = spawn_request(2), hello = {.op = SPAWNER_HELLO, .value = 1},
                             list = {.op = SPAWNER_LIST};
        SpawnerRequest probe = monitor, no_kind = monitor, odd_kind = monitor;
        Harness harness;
        TestChild child;
        int fd, n_fds;

        probe.kind = SPAWNER_KIND_PROBE;
        no_kind.kind = 0;
        odd_kind.kind = 3;
        const Broken cases[] = {
                {"short", list, .size = sizeof(list) - 1},
                {"one byte", list, .size = 1},
                {"long", list, .size = sizeof(list) + 1},
                {"huge", list, .size = 100000},
                {"op 0", {.op = 0}},
                {"op EXITED", {.op = SPAWNER_EXITED}},
                {"unknown op", {.op = SPAWNER_SHUTDOWN + 1}},
                {"op -1", {.op = UINT32_MAX}},
                {"no kind", no_kind},
                {"unknown kind", odd_kind},
                {"monitor with an fd", monitor, .n_fds = 1},
                {"probe without fds", probe},
                {"probe with 3 fds", probe, .n_fds = 3},
                {"probe with 40 fds", probe, .n_fds = 40},
                {"list with an fd", list, .n_fds = 1},
                {"short with fds", list, .size = 3, .n_fds = 2},
                {"second hello", hello},
                {"hello with an fd", hello, .n_fds = 1, .no_hello = true},
                {"spawn before hello", monitor, .no_hello = true},
                {"list before hello", list, .no_hello = true},
        };

        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        fd = harness_connect(&harness);
        child = child_spawn(fd, 1);
        n_fds = harness_fd_count(&harness);
        close(fd);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                fd = cases[i].no_hello ? raw_connect(&harness) : harness_connect(&harness);
                send_broken(fd, &cases[i]);
                expect_closed(fd);
                /* The next daemon finds everything as it was. */
                fd = harness_connect(&harness);
                harness_expect_fd_count(&harness, n_fds);
                ck_assert_int_eq(harness_child_count(&harness), 1);
                ck_assert_ptr_nonnull(child_ask(&child, "fds"));
                close(fd);
        }
        child_close(&child);
        harness_stop(&harness);
}
END_TEST

START_TEST(test_supersede)
{
        Harness harness;
        TestChild child, second;
        int old, fd;

        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        old = harness_connect(&harness);
        child = child_spawn(old, 1);
        fd = harness_connect(&harness);
        expect_closed(old);
        ck_assert_ptr_nonnull(child_ask(&child, "fds"));
        second = child_spawn(fd, 2);
        /* Both ends go to the new daemon. */
        child_tell(&child, "exit 1");
        expect_exited(fd, &child);
        child_tell(&second, "exit 2");
        expect_exited(fd, &second);
        child_close(&child);
        child_close(&second);
        close(fd);
        harness_stop(&harness);
}
END_TEST

#define ADOPTED 5

/* A daemon that is killed with machines running; the last of them ends at the same time. */
static _noreturn_ void doomed_daemon(const Harness *harness)
{
        TestChild children[ADOPTED];
        int fd = harness_connect(harness);

        for (unsigned i = 0; i < ADOPTED; i++)
                children[i] = child_spawn(fd, i);
        child_tell(&children[ADOPTED - 1], "exit 7");
        raise(SIGKILL);
        abort();
}

START_TEST(test_daemon_killed)
{
        TestChild children[ADOPTED];
        SpawnerReply ended = {};
        Harness harness;
        Answer row;
        pid_t pid;
        int fd, n_rows = 0;

        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        pid = fork();
        if (pid == 0)
                doomed_daemon(&harness);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);

        fd = harness_connect(&harness);
        request_send(fd, &(SpawnerRequest){.op = SPAWNER_LIST});
        for (;;) {
                ck_assert(answer_receive(fd, &row));
                if (row.reply.last)
                        break;
                if (row.reply.op == SPAWNER_EXITED || row.reply.state == SPAWNER_STATE_EXITED)
                        ended = row.reply;
                if (row.reply.op == SPAWNER_EXITED)
                        continue;
                ck_assert_int_ge(row.n_fds, 1);
                children[n_rows++] = (TestChild){.id = row.reply.id,
                                                 .pid = row.reply.pid,
                                                 .socket = row.fds[0],
                                                 .pidfd = row.n_fds > 1 ? row.fds[1] : -1};
        }
        ck_assert_int_eq(n_rows, ADOPTED);
        if (ended.exit_code == 0)
                ended = expect_exited(fd, &children[ADOPTED - 1]);
        ck_assert(id128_equal(&ended.id, &children[ADOPTED - 1].id));
        ck_assert_int_eq(ended.exit_status, 7);
        for (int i = 0; i < ADOPTED - 1; i++)
                ck_assert_ptr_nonnull(child_ask(&children[i], "fds"));
        for (int i = 0; i < ADOPTED; i++)
                child_close(&children[i]);
        close(fd);
        harness_stop(&harness);
}
END_TEST

START_TEST(test_foreign_uid)
{
        Harness harness;
        TestChild child;
        int fd, status;
        pid_t pid;

        if (geteuid() != 0)
                return;
        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        fd = harness_connect(&harness);
        child = child_spawn(fd, 1);
        /* The socket's mode keeps them out; if it did not, their credentials would. */
        for (int open_to_all = 0; open_to_all < 2; open_to_all++) {
                ck_assert_int_eq(chmod(harness.socket, open_to_all ? 0666 : 0600), 0);
                pid = fork();
                if (pid == 0) {
                        Answer answer;

                        if (setresuid(65534, 65534, 65534) < 0)
                                _exit(1);
                        if (!open_to_all)
                                _exit(access(harness.socket, W_OK) == 0);
                        _exit(answer_receive(raw_connect(&harness), &answer));
                }
                ck_assert_int_eq(waitpid(pid, &status, 0), pid);
                ck_assert_int_eq(status, 0);
        }
        ck_assert_int_eq(
                request_call(fd, &(SpawnerRequest){.op = SPAWNER_KILL, .id = child.id}).error, 0);
        expect_exited(fd, &child);
        child_close(&child);
        close(fd);
        harness_stop(&harness);
}
END_TEST

/* What a machine leaves behind is dead before its end is told. */
START_TEST(test_left_behind)
{
        static const struct {
                const char *command;
                int status;
        } cases[] = {{"kin", 6}, {"stray", 5}};
        Harness harness;
        char c;
        int fd;

        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        fd = harness_connect(&harness);
        for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
                TestChild child = child_spawn(fd, i);

                child_tell(&child, cases[i].command);
                ck_assert_int_eq(expect_exited(fd, &child).exit_status, cases[i].status);
                if (harness.mode->cgroup)
                        ck_assert_int_eq(harness_cgroup_count(&harness), 0);
                harness_wait_childless(&harness);
                /* The last holder of the other end is dead. */
                fd_wait_readable(child.socket, "the end of the control socket");
                ck_assert_int_le(recv(child.socket, &c, 1, MSG_DONTWAIT), 0);
                child_forget(fd, &child);
        }
        close(fd);
        harness_stop(&harness);
}
END_TEST

/* It forks faster than anybody could kill one after the other. */
START_TEST(test_churn)
{
        Harness harness;
        TestChild child;
        int fd;

        if (!mode_get(_i)->cgroup)
                return;
        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        fd = harness_connect(&harness);
        child = child_spawn(fd, 1);
        ck_assert_str_eq(child_ask(&child, "churn"), "churning\n");
        ck_assert_int_eq(
                request_call(fd, &(SpawnerRequest){.op = SPAWNER_KILL, .id = child.id}).error, 0);
        ck_assert_int_eq(expect_exited(fd, &child).exit_status, SIGKILL);
        ck_assert_int_eq(harness_cgroup_count(&harness), 0);
        harness_wait_childless(&harness);
        child_forget(fd, &child);
        close(fd);
        harness_stop(&harness);
}
END_TEST

/* Without a free descriptor nothing is lost, and with one all goes on. */
START_TEST(test_fd_exhaustion)
{
        SpawnerRequest request = spawn_request(2);
        struct rlimit before, none;
        Harness harness;
        SpawnerReply reply;
        TestChild child;
        int fd, next;

        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        fd = harness_connect(&harness);
        child = child_spawn(fd, 1);
        ck_assert_int_eq(prlimit(harness.pid, RLIMIT_NOFILE, NULL, &before), 0);
        none = before;
        none.rlim_cur = 3;
        ck_assert_int_eq(prlimit(harness.pid, RLIMIT_NOFILE, &none, NULL), 0);
        reply = request_call(fd, &request);
        ck_assert_int_eq(reply.error, -EMFILE);
        ck_assert_uint_eq(reply.step, SPAWNER_STEP_SOCKETPAIR);
        next = raw_connect(&harness);
        /* The old daemon is served while the new one has to wait. */
        ck_assert_int_eq(
                request_call(fd, &(SpawnerRequest){.op = SPAWNER_KILL, .id = test_id(9)}).error,
                -ENOENT);
        ck_assert_int_eq(prlimit(harness.pid, RLIMIT_NOFILE, &before, NULL), 0);
        expect_closed(fd);
        ck_assert_int_eq(
                request_call(next, &(SpawnerRequest){.op = SPAWNER_HELLO, .value = 1}).error, 0);
        ck_assert_ptr_nonnull(child_ask(&child, "fds"));
        child_close(&child);
        close(next);
        harness_stop(&harness);
}
END_TEST

/* A daemon that asks and never reads is not served further, and holds up nothing. */
START_TEST(test_deaf_daemon)
{
        SpawnerRequest request = {.op = SPAWNER_KILL, .id = test_id(9)};
        Harness harness;
        TestChild child;
        int deaf, fd;

        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        deaf = harness_connect(&harness);
        child = child_spawn(deaf, 1);
        while (send(deaf, &request, sizeof(request), MSG_DONTWAIT) > 0)
                ;
        ck_assert_int_eq(errno, EAGAIN);
        harness_wait_asleep(&harness);
        child_tell(&child, "exit 9");
        fd_wait_readable(child.pidfd, "the child to end");
        fd = harness_connect(&harness);
        ck_assert_int_eq(
                request_call(fd, &(SpawnerRequest){.op = SPAWNER_FORGET, .id = child.id}).error, 0);
        child_close(&child);
        close(deaf);
        close(fd);
        harness_stop(&harness);
}
END_TEST

int main(void)
{
        const HarnessTest tests[] = {
                {"steps", test_steps},
                {"step-cgroup", test_step_cgroup},
                {"step-exec", test_step_exec},
                {"broken-requests", test_broken_requests},
                {"supersede", test_supersede},
                {"daemon-killed", test_daemon_killed},
                {"foreign-uid", test_foreign_uid},
                {"left-behind", test_left_behind},
                {"churn", test_churn},
                {"fd-exhaustion", test_fd_exhaustion},
                {"deaf-daemon", test_deaf_daemon},
        };

        return harness_run_tests("spawner-faults", tests, ARRAY_SIZE(tests));
}
