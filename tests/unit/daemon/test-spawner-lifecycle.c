/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How vm-spawner begins and ends: options, sockets, lock, readiness, idleness, SIGTERM. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fd.h"
#include "spawner-harness.h"

static const char *const one_second[] = {"--idle-seconds", "1", NULL};

static void expect_ended(Harness *harness)
{
        int status = harness_wait_end(harness);

        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "it ended with status %#x",
                      (unsigned)status);
        harness_check_gone(harness);
}

static void expect_alive(const Harness *harness)
{
        siginfo_t info = {};

        ck_assert_int_eq(waitid(P_PID, (id_t)harness->pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
        ck_assert_msg(info.si_pid == 0, "it ended");
}

/* Another one begins to be idle now, and ends: so much time has gone by, by the same clock. */
static void let_one_idle_away(void)
{
        Harness harness;

        harness_init(&harness, mode_get(0));
        harness.extra = one_second;
        harness_start(&harness);
        expect_ended(&harness);
}

START_TEST(test_idle)
{
        Harness harness;
        TestChild child;
        int fd;

        harness_init(&harness, mode_get(_i));
        harness.extra = one_second;
        harness_start(&harness);
        fd = harness_connect(&harness);
        let_one_idle_away();
        expect_alive(&harness); /* a daemon is there */
        child = child_spawn(fd, 1);
        close(fd);
        let_one_idle_away();
        expect_alive(&harness); /* a machine runs */
        child_tell(&child, "exit 3");
        let_one_idle_away();
        expect_alive(&harness); /* its end is not recorded yet */
        fd = harness_connect(&harness);
        child_forget(fd, &child);
        close(fd);
        if (harness.mode->session) {
                expect_ended(&harness);
                return;
        }
        let_one_idle_away();
        expect_alive(&harness); /* system mode: the unit's */
        harness_stop(&harness);
}
END_TEST

START_TEST(test_sigterm)
{
        Harness harness;
        TestChild children[3];
        int fd;

        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        fd = harness_connect(&harness);
        for (unsigned i = 0; i < 3; i++)
                children[i] = child_spawn(fd, i);
        if (harness.mode->cgroup)
                ck_assert_str_eq(child_ask(&children[2], "churn"), "churning\n");
        ck_assert_int_eq(kill(harness.pid, SIGTERM), 0);
        /* The ends are told as ever. */
        for (unsigned i = 0; i < 3; i++) {
                Answer answer;

                ck_assert(answer_receive(fd, &answer));
                ck_assert_uint_eq(answer.reply.op, SPAWNER_EXITED);
                ck_assert_int_eq(answer.reply.exit_status, SIGKILL);
                fd_wait_readable(children[i].pidfd, "a machine to be killed");
                child_close(&children[i]);
        }
        expect_closed(fd);
        expect_ended(&harness);
}
END_TEST

/* A second spawner at the same socket says that one runs, and changes nothing. */
START_TEST(test_second)
{
        Harness harness, second;
        TestChild child;
        int fd, status;

        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        fd = harness_connect(&harness);
        child = child_spawn(fd, 1);
        second = harness;
        harness_start(&second);
        status = harness_wait_end(&second);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        ck_assert_ptr_nonnull(child_ask(&child, "fds"));
        ck_assert_int_eq(
                request_call(fd, &(SpawnerRequest){.op = SPAWNER_KILL, .id = child.id}).error, 0);
        expect_exited(fd, &child);
        child_close(&child);
        close(fd);
        harness_stop(&harness);
}
END_TEST

static bool listens(void *userdata)
{
        const Harness *harness = userdata;

        int fd = try_connect(harness);

        if (fd >= 0)
                close(fd);
        return fd >= 0;
}

/* A predecessor that is ending has removed its socket and still holds the lock. */
START_TEST(test_predecessor)
{
        Harness harness;
        char path[128];
        int lock;

        harness_init(&harness, mode_get(_i));
        snprintf(path, sizeof(path), "%s.lock", harness.socket);
        lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_eq(flock(lock, LOCK_EX), 0);
        harness.no_wait = true;
        harness_start(&harness);
        harness_wait_asleep(&harness);
        ck_assert(!listens(&harness));
        ck_assert_int_eq(flock(lock, LOCK_UN), 0);
        close(lock);
        /* That its daemon is gone by now (no_wait) is nothing to die of. */
        wait_until(listens, &harness, "the spawner to listen");
        close(harness_connect(&harness));
        harness_stop(&harness);
}
END_TEST

/* As systemd starts it: a listening socket as fd 3, and a place to say READY=1. */
START_TEST(test_socket_activation)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX}, notify = {.sun_family = AF_UNIX};
        Harness harness;
        TestChild child;
        char text[64] = "", pid_text[16];
        int listener, notified, fd, status;

        harness_init(&harness, mode_get(_i));
        listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
        strcpy(address.sun_path, harness.socket);
        ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
        ck_assert_int_eq(listen(listener, 8), 0);
        notified = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        snprintf(notify.sun_path, sizeof(notify.sun_path), "%s/notify", harness.dir);
        ck_assert_int_eq(bind(notified, (struct sockaddr *)&notify, sizeof(notify)), 0);

        harness.pid = fork();
        if (harness.pid == 0) {
                const char *arguments[] = {"vm-spawner", "--monitor", harness.monitor,
                                           harness.mode->session ? "--session" : NULL, NULL};

                snprintf(pid_text, sizeof(pid_text), "%d", (int)getpid());
                setenv("LISTEN_PID", pid_text, 1);
                setenv("LISTEN_FDS", "1", 1);
                setenv("NOTIFY_SOCKET", notify.sun_path, 1);
                dup2(listener, 3);
                execv(VM_SPAWNER, (char *const *)arguments);
                _exit(98);
        }
        close(listener);
        fd_wait_readable(notified, "READY=1");
        ck_assert_int_gt(recv(notified, text, sizeof(text) - 1, 0), 0);
        ck_assert_str_eq(text, "READY=1");
        fd = harness_connect(&harness);
        child = child_spawn(fd, 1);
        ck_assert_msg(strstr(child_ask(&child, "fds"), "3 socket\n") != NULL, "no control socket");
        child_close(&child);
        close(fd);
        ck_assert_int_eq(kill(harness.pid, SIGTERM), 0);
        status = harness_wait_end(&harness);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        /* The socket is systemd's. */
        ck_assert_int_eq(unlink(harness.socket), 0);
        ck_assert_int_eq(unlink(notify.sun_path), 0);
        close(notified);
        if (harness.mode->cgroup)
                ck_assert_int_eq(rmdir(harness.cgroup), 0);
        harness.cgroup[0] = '\0';
        harness_check_gone(&harness);
}
END_TEST

static int run_with(const char *const *arguments)
{
        const char *argv[12] = {"vm-spawner"};
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                for (size_t i = 0; arguments[i]; i++)
                        argv[i + 1] = arguments[i];
                if (!freopen("/dev/null", "w", stdout))
                        _exit(97);
                execv(VM_SPAWNER, (char *const *)argv);
                _exit(98);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status));
        return WEXITSTATUS(status);
}

#define GOOD "--session", "--monitor", "/bin/true"

START_TEST(test_options)
{
        static const char *const bad[][10] = {
                {"--session"},
                {"--session", "--monitor", "relative"},
                {GOOD},
                {GOOD, "--socket", "relative"},
                {GOOD, "--socket", "/nowhere/at/all/socket"},
                {GOOD, "--cgroup", "relative"},
                {GOOD, "--uid-range", "5"},
                {GOOD, "--uid-range", "0-5"},
                {GOOD, "--uid-range", "10-5"},
                {GOOD, "--uid-range", "60000-70000"},
                {GOOD, "--uid-range", "10-4294967295"},
                {GOOD, "--uid-range", "-"},
                {GOOD, "--daemon-uid", "1879048200"},
                {GOOD, "--daemon-uid", "-1"},
                {GOOD, "--children-max", "0"},
                {GOOD, "--children-max", "4097"},
                {GOOD, "--idle-seconds", "0"},
                {GOOD, "--ready-fd", "2"},
                {GOOD, "--ready-fd", "999"},
                {GOOD, "--unknown"},
                {GOOD, "argument"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                ck_assert_msg(run_with(bad[i]) == 1, "case %zu was accepted", i);
        ck_assert_int_eq(run_with((const char *const[]){"--help", NULL}), 0);
        ck_assert_int_eq(run_with((const char *const[]){"--version", NULL}), 0);
}
END_TEST

int main(void)
{
        const HarnessTest tests[] = {
                {"idle", test_idle},
                {"sigterm", test_sigterm},
                {"second", test_second},
                {"predecessor", test_predecessor},
                {"socket-activation", test_socket_activation},
                {"options", test_options, .once = true},
        };

        return harness_run_tests("spawner-lifecycle", tests, ARRAY_SIZE(tests));
}
