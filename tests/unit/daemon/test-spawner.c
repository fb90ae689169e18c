/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every operation of the protocol, and that nothing is left of a thousand machines. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "spawner-harness.h"

#define CYCLES 1000

static SpawnerReply op_call(int socket, SpawnerOp op, const Id128 *id)
{
        return request_call(socket, &(SpawnerRequest){.op = op, .id = *id});
}

/* The rows of a LIST, at most max; their fds are the caller's. */
static size_t list_receive(int socket, Answer *rows, size_t max, bool *ret_exited)
{
        size_t n = 0;
        Answer answer;

        for (;;) {
                ck_assert(answer_receive(socket, &answer));
                if (ret_exited && answer.reply.op == SPAWNER_EXITED) {
                        *ret_exited = true;
                        continue;
                }
                ck_assert_uint_eq(answer.reply.op, SPAWNER_LIST);
                ck_assert_uint_eq(answer.reply.serial, 77);
                if (answer.reply.last)
                        break;
                ck_assert_uint_lt(n, max);
                rows[n++] = answer;
        }
        ck_assert_uint_eq(answer.n_fds, 0);
        return n;
}

static size_t list_call(int socket, Answer *rows, size_t max)
{
        request_send(socket, &(SpawnerRequest){.op = SPAWNER_LIST, .serial = 77});
        return list_receive(socket, rows, max, NULL);
}

START_TEST(test_hello)
{
        Harness harness;
        SpawnerReply reply;
        int fd;

        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        fd = raw_connect(&harness);
        reply = request_call(
                fd, &(SpawnerRequest){.op = SPAWNER_HELLO, .value = SPAWNER_PROTOCOL_VERSION});
        ck_assert_int_eq(reply.error, 0);
        ck_assert_uint_eq(reply.value, SPAWNER_PROTOCOL_VERSION);
        ck_assert_int_eq(reply.pid, harness.pid);
        ck_assert_uint_eq(reply.containment, harness.mode->cgroup ? SPAWNER_CONTAINMENT_CGROUP
                                                                  : SPAWNER_CONTAINMENT_GROUP);
        close(fd);

        /* Another version is told ours, and may try again. */
        fd = raw_connect(&harness);
        reply = request_call(fd, &(SpawnerRequest){.op = SPAWNER_HELLO, .value = 99});
        ck_assert_int_eq(reply.error, -EPROTONOSUPPORT);
        ck_assert_uint_eq(reply.value, SPAWNER_PROTOCOL_VERSION);
        reply = request_call(
                fd, &(SpawnerRequest){.op = SPAWNER_HELLO, .value = SPAWNER_PROTOCOL_VERSION});
        ck_assert_int_eq(reply.error, 0);
        close(fd);
        harness_stop(&harness);
}
END_TEST

START_TEST(test_life)
{
        Harness harness;
        SpawnerReply reply;
        TestChild child;
        Answer rows[2];
        int fd, n_fds;

        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        fd = harness_connect(&harness);
        n_fds = harness_fd_count(&harness);
        child = child_spawn(fd, 1);
        ck_assert_int_eq(harness_child_count(&harness), 1);
        if (harness.mode->cgroup)
                ck_assert_int_eq(harness_cgroup_count(&harness), 1);
        reply = op_call(fd, SPAWNER_FORGET, &child.id);
        ck_assert_int_eq(reply.error, -EBUSY);

        ck_assert_uint_eq(list_call(fd, rows, 2), 1);
        ck_assert_int_eq(rows[0].reply.pid, child.pid);
        ck_assert_uint_eq(rows[0].reply.value, child.uid);
        ck_assert_uint_eq(rows[0].reply.state, SPAWNER_STATE_RUNNING);
        ck_assert_uint_eq(rows[0].n_fds, 2);
        /* The listed socket is the child's, too. */
        ck_assert_int_eq(send(rows[0].fds[0], "exit 7", 6, 0), 6);
        fd_wait_readable(rows[0].fds[1], "the listed pidfd to tell the end");
        answer_done(&rows[0]);

        reply = expect_exited(fd, &child);
        ck_assert_int_eq(reply.exit_code, CLD_EXITED);
        ck_assert_int_eq(reply.exit_status, 7);
        ck_assert_int_eq(harness_child_count(&harness), 0);
        if (harness.mode->cgroup)
                ck_assert_int_eq(harness_cgroup_count(&harness), 0);

        /* Its status and socket are kept, and its id is taken, until FORGET. */
        ck_assert_uint_eq(list_call(fd, rows, 2), 1);
        ck_assert_uint_eq(rows[0].reply.state, SPAWNER_STATE_EXITED);
        ck_assert_int_eq(rows[0].reply.exit_status, 7);
        ck_assert_uint_eq(rows[0].n_fds, 1);
        answer_done(&rows[0]);
        reply = request_call(fd, &(SpawnerRequest){.op = SPAWNER_SPAWN,
                                                   .kind = SPAWNER_KIND_MONITOR,
                                                   .id = child.id});
        ck_assert_int_eq(reply.error, -EEXIST);
        ck_assert_int_eq(op_call(fd, SPAWNER_KILL, &child.id).error, 0);
        child_forget(fd, &child);
        ck_assert_uint_eq(list_call(fd, rows, 2), 0);
        harness_expect_fd_count(&harness, n_fds);
        close(fd);
        harness_stop(&harness);
}
END_TEST

START_TEST(test_ends)
{
        Harness harness;
        SpawnerReply reply;
        TestChild child;
        int fd;

        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        fd = harness_connect(&harness);

        child = child_spawn(fd, 1);
        child_tell(&child, "signal 3");
        reply = expect_exited(fd, &child);
        ck_assert_int_eq(reply.exit_code, CLD_KILLED); /* RLIMIT_CORE is 0: not CLD_DUMPED */
        ck_assert_int_eq(reply.exit_status, SIGQUIT);
        child_forget(fd, &child);

        child = child_spawn(fd, 2);
        ck_assert_int_eq(op_call(fd, SPAWNER_KILL, &child.id).error, 0);
        reply = expect_exited(fd, &child);
        ck_assert_int_eq(reply.exit_code, CLD_KILLED);
        ck_assert_int_eq(reply.exit_status, SIGKILL);
        child_forget(fd, &child);

        /* Killed by a stranger. */
        child = child_spawn(fd, 3);
        ck_assert_int_eq(kill(child.pid, SIGKILL), 0);
        reply = expect_exited(fd, &child);
        ck_assert_int_eq(reply.exit_status, SIGKILL);
        child_forget(fd, &child);
        close(fd);
        harness_stop(&harness);
}
END_TEST

START_TEST(test_refused)
{
        Id128 nobody = test_id(9), none = {};
        Harness harness;
        SpawnerRequest bad[] = {
                {.op = SPAWNER_SPAWN, .kind = SPAWNER_KIND_MONITOR, .id = none},
                {.op = SPAWNER_SPAWN,
                 .kind = SPAWNER_KIND_MONITOR,
                 .id = nobody,
                 .cpu_weight = 10001},
                {.op = SPAWNER_SPAWN,
                 .kind = SPAWNER_KIND_MONITOR,
                 .id = nobody,
                 .memory_max = UINT64_MAX},
        };
        int fd;

        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        fd = harness_connect(&harness);
        ck_assert_int_eq(op_call(fd, SPAWNER_KILL, &nobody).error, -ENOENT);
        ck_assert_int_eq(op_call(fd, SPAWNER_FORGET, &nobody).error, -ENOENT);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                ck_assert_int_eq(request_call(fd, &bad[i]).error, -EINVAL);
        ck_assert_int_eq(harness_child_count(&harness), 0);
        close(fd);
        harness_stop(&harness);
}
END_TEST

START_TEST(test_children_max)
{
        static const char *const extra[] = {"--children-max", "3", NULL};
        Harness harness;
        TestChild children[3];
        SpawnerRequest fourth = {
                .op = SPAWNER_SPAWN,
                .kind = SPAWNER_KIND_MONITOR,
                .id = test_id(3),
        };
        int fd;

        harness_init(&harness, mode_get(_i));
        harness.extra = extra;
        harness_start(&harness);
        fd = harness_connect(&harness);
        for (unsigned i = 0; i < 3; i++)
                children[i] = child_spawn(fd, i);
        ck_assert_int_eq(request_call(fd, &fourth).error, -EUSERS);
        child_tell(&children[1], "exit 0");
        expect_exited(fd, &children[1]);
        ck_assert_int_eq(request_call(fd, &fourth).error, -EUSERS);
        child_forget(fd, &children[1]);
        children[1] = child_spawn(fd, 3);
        for (unsigned i = 0; i < 3; i++)
                child_close(&children[i]);
        close(fd);
        harness_stop(&harness);
}
END_TEST

START_TEST(test_shutdown)
{
        Id128 none = {};
        Harness harness;
        TestChild child;
        int fd, status;

        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        fd = harness_connect(&harness);
        child = child_spawn(fd, 1);
        ck_assert_int_eq(op_call(fd, SPAWNER_SHUTDOWN, &none).error, -EBUSY);
        child_tell(&child, "exit 0");
        expect_exited(fd, &child);
        ck_assert_int_eq(op_call(fd, SPAWNER_SHUTDOWN, &none).error, -EBUSY);
        child_forget(fd, &child);
        ck_assert_int_eq(op_call(fd, SPAWNER_SHUTDOWN, &none).error, 0);
        status = harness_wait_end(&harness);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        close(fd);
        harness_check_gone(&harness);
}
END_TEST

/* A LIST that does not fit the socket's buffer is sent as the daemon reads it. */
START_TEST(test_long_list)
{
        enum { N = 300 };
        Harness harness;
        TestChild children[N];
        Answer rows[N];
        struct rlimit files;
        bool exited = false;
        int fd;

        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
        files.rlim_cur = files.rlim_max;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);

        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        fd = harness_connect(&harness);
        for (unsigned i = 0; i < N; i++)
                children[i] = child_spawn(fd, i);
        request_send(fd, &(SpawnerRequest){.op = SPAWNER_LIST, .serial = 77});
        fd_wait_readable(fd, "the first row");
        harness_wait_asleep(&harness);
        /* Its end is told between the rows, and spoils none. */
        child_tell(&children[N - 1], "exit 3");
        fd_wait_readable(children[N - 1].pidfd, "the last child to end");
        ck_assert_uint_eq(list_receive(fd, rows, N, &exited), N);
        ck_assert(exited);
        ck_assert_uint_eq(rows[N - 1].reply.state, SPAWNER_STATE_EXITED);
        for (unsigned i = 0; i < N; i++) {
                ck_assert_int_eq(rows[i].reply.pid, children[i].pid);
                ck_assert_uint_eq(rows[i].n_fds, i < N - 1 ? 2 : 1);
                answer_done(&rows[i]);
                child_close(&children[i]);
        }
        close(fd);
        harness_stop(&harness);
}
END_TEST

START_TEST(test_cycles)
{
        Harness harness;
        int fd, n_fds;

        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        fd = harness_connect(&harness);
        n_fds = harness_fd_count(&harness);
        for (unsigned i = 0; i < CYCLES; i++) {
                TestChild child = child_spawn(fd, i);

                /* Its end of the socket is closed with ours: it ends by itself. */
                child_tell(&child, "exit 0");
                expect_exited(fd, &child);
                child_forget(fd, &child);
        }
        harness_expect_fd_count(&harness, n_fds);
        ck_assert_int_eq(harness_child_count(&harness), 0);
        if (harness.mode->cgroup)
                ck_assert_int_eq(harness_cgroup_count(&harness), 0);
        close(fd);
        harness_stop(&harness);
}
END_TEST

int main(void)
{
        const HarnessTest tests[] = {
                {"hello", test_hello},
                {"life", test_life},
                {"ends", test_ends},
                {"refused", test_refused},
                {"children-max", test_children_max},
                {"shutdown", test_shutdown},
                {"long-list", test_long_list, .once = true},
                {"cycles", test_cycles},
        };

        return harness_run_tests("spawner", tests, ARRAY_SIZE(tests));
}
