/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's end: with the real vm-spawner, and with a hostile one. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "daemon/spawner/spawner-client.h"
#include "spawner-harness.h"

#define EVENTS_MAX 2048

typedef struct Daemon {
        SpawnerClient *client;
        SpawnerReply ready, last, exited;
        int n_ready, n_exited, n_lost, lost_error, n_replies, n_rows, n_errors;
        SpawnerFds fds; /* of the last reply that had any */
        bool free_in_callback, spawn_in_callback;
} Daemon;

static void on_ready(const SpawnerReply *reply, void *userdata)
{
        Daemon *daemon = userdata;

        daemon->ready = *reply;
        daemon->n_ready++;
}

static void on_exited(const SpawnerReply *reply, void *userdata)
{
        Daemon *daemon = userdata;

        daemon->exited = *reply;
        daemon->n_exited++;
}

static void on_lost(int error, void *userdata)
{
        Daemon *daemon = userdata;

        daemon->lost_error = error;
        daemon->n_lost++;
        if (daemon->free_in_callback)
                daemon->client = spawner_client_free(daemon->client);
}

static const SpawnerClientHandlers handlers = {
        .ready = on_ready,
        .exited = on_exited,
        .lost = on_lost,
};

static void daemon_close_fds(Daemon *daemon)
{
        fd_close(daemon->fds.socket);
        fd_close(daemon->fds.pidfd);
        daemon->fds = (SpawnerFds){.socket = -1, .pidfd = -1};
}

static void on_reply(const SpawnerReply *reply, SpawnerFds *fds, void *userdata)
{
        Daemon *daemon = userdata;

        daemon->last = *reply;
        if (reply->op == SPAWNER_LIST && !reply->last)
                daemon->n_rows++;
        else
                daemon->n_replies++;
        daemon->n_errors += reply->error < 0;
        if (fds->socket >= 0 || fds->pidfd >= 0) {
                daemon_close_fds(daemon);
                daemon->fds.socket = TAKE_FD(fds->socket);
                daemon->fds.pidfd = TAKE_FD(fds->pidfd);
        }
        if (daemon->spawn_in_callback) {
                SpawnerSpawn spawn = {.id = test_id(50), .kind = SPAWNER_KIND_MONITOR};

                daemon->spawn_in_callback = false;
                ck_assert_int_eq(spawner_client_spawn(daemon->client, &spawn, on_reply, daemon),
                                 reply->error == -ECONNRESET ? -ENOTCONN : 0);
        }
        if (daemon->free_in_callback)
                daemon->client = spawner_client_free(daemon->client);
}

static void daemon_open(Daemon *daemon, const Harness *harness)
{
        *daemon = (Daemon){.fds = {.socket = -1, .pidfd = -1}};
        ck_assert_int_eq(
                spawner_client_connect(harness->socket, &handlers, daemon, &daemon->client), 0);
}

/* Runs the client until *counter has reached n. */
static void daemon_run(Daemon *daemon, const int *counter, int n, const char *what)
{
        while (*counter < n) {
                ck_assert_msg(daemon->client && spawner_client_fd(daemon->client) >= 0,
                              "connection lost, waiting for: %s", what);
                fd_wait_readable(spawner_client_fd(daemon->client), what);
                spawner_client_process(daemon->client);
        }
}

static void daemon_done(Daemon *daemon)
{
        daemon_close_fds(daemon);
        daemon->client = spawner_client_free(daemon->client);
}

START_TEST(test_life)
{
        SpawnerSpawn spawn = {.id = test_id(1), .kind = SPAWNER_KIND_MONITOR};
        Harness harness;
        Daemon daemon;
        int n_fds = fd_count_open();

        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        daemon_open(&daemon, &harness);
        /* Requests need not wait for HELLO. */
        ck_assert_int_eq(spawner_client_spawn(daemon.client, &spawn, on_reply, &daemon), 0);
        ck_assert_int_eq(spawner_client_list(daemon.client, on_reply, &daemon), 0);
        daemon_run(&daemon, &daemon.n_replies, 2, "spawn and list");
        ck_assert_int_eq(daemon.n_ready, 1);
        ck_assert_int_eq(daemon.ready.pid, harness.pid);
        ck_assert_uint_eq(daemon.ready.containment, harness.mode->cgroup
                                                            ? SPAWNER_CONTAINMENT_CGROUP
                                                            : SPAWNER_CONTAINMENT_GROUP);
        ck_assert_int_eq(daemon.n_rows, 1);
        ck_assert_int_ge(daemon.fds.socket, 0);
        ck_assert_int_ge(daemon.fds.pidfd, 0);

        ck_assert_int_eq(send(daemon.fds.socket, "exit 4", 6, 0), 6);
        daemon_run(&daemon, &daemon.n_exited, 1, "the end");
        ck_assert_int_eq(daemon.exited.exit_status, 4);
        ck_assert(id128_equal(&daemon.exited.id, &spawn.id));
        daemon_close_fds(&daemon);
        ck_assert_int_eq(spawner_client_list(daemon.client, on_reply, &daemon), 0);
        daemon_run(&daemon, &daemon.n_replies, 3, "list");
        ck_assert_int_ge(daemon.fds.socket, 0);
        ck_assert_int_eq(daemon.fds.pidfd, -1);

        ck_assert_int_eq(spawner_client_kill(daemon.client, &spawn.id, NULL, NULL), 0);
        ck_assert_int_eq(spawner_client_forget(daemon.client, &spawn.id, on_reply, &daemon), 0);
        ck_assert_int_eq(spawner_client_forget(daemon.client, &spawn.id, on_reply, &daemon), 0);
        daemon_run(&daemon, &daemon.n_replies, 5, "forget, twice");
        ck_assert_int_eq(daemon.last.error, -ENOENT);
        ck_assert_int_eq(daemon.n_errors, 1);
        ck_assert_int_eq(daemon.n_lost, 0);
        daemon_done(&daemon);
        harness_stop(&harness);
        ck_assert_int_eq(fd_count_open(), n_fds);
}
END_TEST

START_TEST(test_probe)
{
        SpawnerSpawn spawn = {.id = test_id(1), .kind = SPAWNER_KIND_PROBE, .probe_kvm = -1};
        char text[256];
        Harness harness;
        Daemon daemon;
        int out[2];
        ssize_t n;

        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        daemon_open(&daemon, &harness);
        ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
        spawn.probe_stdout = out[1];
        ck_assert_int_eq(spawner_client_spawn(daemon.client, &spawn, on_reply, &daemon), 0);
        close(out[1]);
        daemon_run(&daemon, &daemon.n_exited, 1, "the probe's end");
        ck_assert_int_eq(daemon.fds.socket, -1);
        ck_assert_int_ge(daemon.fds.pidfd, 0);
        n = read(out[0], text, sizeof(text) - 1);
        ck_assert_int_gt(n, 0);
        text[n] = '\0';
        ck_assert_msg(strncmp(text, "0 /dev/null\n1 pipe\n", 19) == 0, "%s", text);
        ck_assert_int_eq(read(out[0], text, 1), 0);
        close(out[0]);

        spawn.id = test_id(2);
        spawn.probe_stdout = -1;
        ck_assert_int_eq(spawner_client_spawn(daemon.client, &spawn, on_reply, &daemon), -EBADF);
        daemon_done(&daemon);
        harness_stop(&harness);
}
END_TEST

/* More requests than the socket takes are queued, sent in order, and answered each. */
START_TEST(test_many)
{
        Id128 nobody = test_id(9);
        Harness harness;
        Daemon daemon;

        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        daemon_open(&daemon, &harness);
        for (int i = 0; i < EVENTS_MAX; i++)
                ck_assert_int_eq(spawner_client_kill(daemon.client, &nobody, on_reply, &daemon), 0);
        daemon_run(&daemon, &daemon.n_replies, EVENTS_MAX, "all replies");
        ck_assert_int_eq(daemon.n_errors, EVENTS_MAX);
        daemon_done(&daemon);
        harness_stop(&harness);
}
END_TEST

START_TEST(test_lost)
{
        Harness harness;
        Daemon daemon;
        Id128 id = test_id(1);

        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        daemon_open(&daemon, &harness);
        daemon_run(&daemon, &daemon.n_ready, 1, "hello");
        ck_assert_int_eq(kill(harness.pid, SIGSTOP), 0);
        daemon.spawn_in_callback = true;
        ck_assert_int_eq(spawner_client_list(daemon.client, on_reply, &daemon), 0);
        ck_assert_int_eq(spawner_client_kill(daemon.client, &id, on_reply, &daemon), 0);
        ck_assert_int_eq(kill(harness.pid, SIGKILL), 0);
        daemon_run(&daemon, &daemon.n_lost, 1, "the loss");
        ck_assert_int_eq(daemon.lost_error, -ECONNRESET);
        ck_assert_int_eq(daemon.n_replies, 2);
        ck_assert_int_eq(daemon.n_errors, 2);
        ck_assert_int_eq(spawner_client_fd(daemon.client), -1);
        ck_assert_int_eq(spawner_client_list(daemon.client, NULL, NULL), -ENOTCONN);
        ck_assert_int_eq(spawner_client_process(daemon.client), -ENOTCONN);
        ck_assert_int_eq(daemon.n_lost, 1);
        daemon_done(&daemon);
        harness_wait_end(&harness);
        harness_start(&harness);
        harness_stop(&harness);
}
END_TEST

START_TEST(test_superseded)
{
        Harness harness;
        Daemon old, new;

        harness_init(&harness, mode_get(_i));
        harness_start(&harness);
        daemon_open(&old, &harness);
        daemon_run(&old, &old.n_ready, 1, "hello");
        daemon_open(&new, &harness);
        old.free_in_callback = true;
        daemon_run(&old, &old.n_lost, 1, "being superseded");
        ck_assert_ptr_null(old.client);
        daemon_run(&new, &new.n_ready, 1, "hello");
        /* Freed by a reply's callback, with another request in flight. */
        new.free_in_callback = true;
        ck_assert_int_eq(spawner_client_list(new.client, on_reply, &new), 0);
        ck_assert_int_eq(spawner_client_list(new.client, on_reply, &new), 0);
        daemon_run(&new, &new.n_replies, 1, "list");
        ck_assert_ptr_null(new.client);
        ck_assert_int_eq(new.n_replies, 1);
        ck_assert_int_eq(new.n_lost, 0);
        harness_stop(&harness);
}
END_TEST

START_TEST(test_session)
{
        SpawnerSession session = {.spawner = VM_SPAWNER};
        SpawnerSpawn spawn = {.id = test_id(1), .kind = SPAWNER_KIND_MONITOR};
        Harness harness;
        Daemon daemon;
        int status;
        pid_t pid;

        harness_init(&harness, mode_get(0));
        session.socket = harness.socket;
        session.monitor = harness.monitor;
        /* By a process that is gone at once. */
        pid = fork();
        if (pid == 0)
                _exit(spawner_client_start_session(&session) == 0 ? 0 : 1);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
        daemon_open(&daemon, &harness);
        ck_assert_int_eq(spawner_client_spawn(daemon.client, &spawn, on_reply, &daemon), 0);
        daemon_run(&daemon, &daemon.n_replies, 1, "spawn");
        ck_assert_int_eq(daemon.last.error, 0);
        ck_assert_int_eq(getsid(daemon.ready.pid) == getsid(0), 0);
        harness.pid = daemon.ready.pid;

        /* There is one already. */
        ck_assert_int_eq(spawner_client_start_session(&session), 0);
        ck_assert_int_eq(spawner_client_kill(daemon.client, &spawn.id, NULL, NULL), 0);
        daemon_run(&daemon, &daemon.n_exited, 1, "the end");
        ck_assert_int_eq(spawner_client_forget(daemon.client, &spawn.id, NULL, NULL), 0);
        ck_assert_int_eq(spawner_client_shutdown(daemon.client, on_reply, &daemon), 0);
        daemon_run(&daemon, &daemon.n_replies, 2, "shutdown");
        ck_assert_int_eq(daemon.last.error, 0);
        daemon_run(&daemon, &daemon.n_lost, 1, "its end");
        daemon_done(&daemon);
        ck_assert_int_lt(access(harness.socket, F_OK), 0);

        session.spawner = "/nowhere/vm-spawner";
        ck_assert_int_eq(spawner_client_start_session(&session), -ENOENT);
        session.spawner = VM_SPAWNER;
        session.monitor = "relative";
        ck_assert_int_eq(spawner_client_start_session(&session), -ECHILD);
        harness_check_gone(&harness);
}
END_TEST

START_TEST(test_nobody)
{
        SpawnerClient *client;
        char path[200];

        memset(path, 'x', sizeof(path) - 1);
        path[0] = '/';
        path[sizeof(path) - 1] = '\0';
        ck_assert_int_eq(spawner_client_connect("/nowhere/socket", &handlers, NULL, &client),
                         -ENOENT);
        ck_assert_int_eq(spawner_client_connect(path, &handlers, NULL, &client), -ENAMETOOLONG);
        ck_assert_ptr_null(spawner_client_free(NULL));
}
END_TEST

/* A spawner's stand-in, answering by hand. */
typedef struct Fake {
        Harness harness; /* for its socket */
        Daemon daemon;
        int connection;
} Fake;

static void fake_open(Fake *fake)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        harness_init(&fake->harness, mode_get(0));
        strcpy(address.sun_path, fake->harness.socket);
        ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
        ck_assert_int_eq(listen(listener, 1), 0);
        daemon_open(&fake->daemon, &fake->harness);
        fake->connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        ck_assert_int_ge(fake->connection, 0);
        close(listener);
        unlink(fake->harness.socket);
}

static SpawnerReply fake_receive(const Fake *fake)
{
        SpawnerRequest request;

        fd_wait_readable(fake->connection, "a request");
        ck_assert_int_eq(recv(fake->connection, &request, sizeof(request), 0), sizeof(request));
        return (SpawnerReply){.op = request.op, .serial = request.serial, .value = request.value};
}

static void fake_close(Fake *fake)
{
        close(fake->connection);
        daemon_done(&fake->daemon);
        harness_check_gone(&fake->harness);
}

START_TEST(test_versions)
{
        for (int i = 0; i < 2; i++) {
                Fake fake;
                SpawnerReply reply;

                fake_open(&fake);
                reply = fake_receive(&fake);
                reply.value = 2;
                reply.error = i == 0 ? -EPROTONOSUPPORT : 0;
                raw_send(fake.connection, &reply, sizeof(reply), NULL, 0);
                daemon_run(&fake.daemon, &fake.daemon.n_lost, 1, "the refusal");
                ck_assert_int_eq(fake.daemon.lost_error, -EPROTONOSUPPORT);
                ck_assert_int_eq(fake.daemon.n_ready, 0);
                fake_close(&fake);
        }
}
END_TEST

typedef struct Lie {
        const char *what;
        SpawnerReply reply; /* to a SPAWN of a monitor; op 0: SPAWN's */
        size_t size, n_fds;
        uint64_t serial_offset;
} Lie;

START_TEST(test_lies)
{
        static const Lie lies[] = {
                {"short", {}, .size = 12},
                {"long", {}, .size = sizeof(SpawnerReply) + 8},
                {"unknown op", {.op = 99}},
                {"another op", {.op = SPAWNER_LIST}},
                {"another serial", {}, .n_fds = 2, .serial_offset = 1},
                {"success without fds", {}},
                {"success with one fd", {}, .n_fds = 1},
                {"success with three fds", {}, .n_fds = 3},
                {"failure with fds", {.error = -ENOENT}, .n_fds = 2},
                {"exited with an fd", {.op = SPAWNER_EXITED}, .n_fds = 1},
        };

        for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
                SpawnerSpawn spawn = {.id = test_id(1), .kind = SPAWNER_KIND_MONITOR};
                char buffer[256] = {};
                SpawnerReply reply;
                int fds[3] = {0, 0, 0}, n_fds;
                Fake fake;

                fake_open(&fake);
                reply = fake_receive(&fake);
                raw_send(fake.connection, &reply, sizeof(reply), NULL, 0);
                daemon_run(&fake.daemon, &fake.daemon.n_ready, 1, "hello");
                n_fds = fd_count_open();
                ck_assert_int_eq(
                        spawner_client_spawn(fake.daemon.client, &spawn, on_reply, &fake.daemon),
                        0);
                reply = fake_receive(&fake);
                reply.serial += lies[i].serial_offset;
                reply.error = lies[i].reply.error;
                reply.op = lies[i].reply.op > 0 ? lies[i].reply.op : reply.op;
                memcpy(buffer, &reply, sizeof(reply));
                raw_send(fake.connection, buffer, lies[i].size > 0 ? lies[i].size : sizeof(reply),
                         fds, lies[i].n_fds);
                daemon_run(&fake.daemon, &fake.daemon.n_lost, 1, lies[i].what);
                ck_assert_msg(fake.daemon.lost_error == -EBADMSG ||
                                      (lies[i].n_fds == 3 && fake.daemon.lost_error == -EMFILE),
                              "%s: %d", lies[i].what, fake.daemon.lost_error);
                ck_assert_int_eq(fake.daemon.n_replies, 1);
                ck_assert_int_eq(fake.daemon.last.error, -ECONNRESET);
                ck_assert_msg(fd_count_open() == n_fds - 1, "%s: fds left", lies[i].what);
                fake_close(&fake);
        }
}
END_TEST

START_TEST(test_unasked)
{
        SpawnerReply reply;
        Fake fake;

        fake_open(&fake);
        reply = fake_receive(&fake);
        raw_send(fake.connection, &reply, sizeof(reply), NULL, 0);
        raw_send(fake.connection, &reply, sizeof(reply), NULL, 0);
        daemon_run(&fake.daemon, &fake.daemon.n_lost, 1, "the loss");
        ck_assert_int_eq(fake.daemon.lost_error, -EBADMSG);
        ck_assert_int_eq(fake.daemon.n_ready, 1);
        fake_close(&fake);
}
END_TEST

/* An answer to what the client has not been able to send yet. */
START_TEST(test_too_early)
{
        Id128 nobody = test_id(9);
        SpawnerReply reply;
        Fake fake;

        fake_open(&fake);
        reply = fake_receive(&fake);
        raw_send(fake.connection, &reply, sizeof(reply), NULL, 0);
        daemon_run(&fake.daemon, &fake.daemon.n_ready, 1, "hello");
        for (int i = 0; i < EVENTS_MAX; i++)
                ck_assert_int_eq(
                        spawner_client_kill(fake.daemon.client, &nobody, on_reply, &fake.daemon),
                        0);
        reply.op = SPAWNER_KILL;
        for (int i = 0; i < EVENTS_MAX && fake.daemon.n_lost == 0; i++) {
                reply.serial++;
                raw_send(fake.connection, &reply, sizeof(reply), NULL, 0);
                spawner_client_process(fake.daemon.client);
        }
        ck_assert_int_eq(fake.daemon.n_lost, 1);
        ck_assert_int_eq(fake.daemon.lost_error, -EBADMSG);
        ck_assert_int_eq(fake.daemon.n_replies, EVENTS_MAX);
        ck_assert_int_gt(fake.daemon.n_errors, 1);
        fake_close(&fake);
}
END_TEST

START_TEST(test_step_names)
{
        for (int step = 0; step < _SPAWNER_STEP_MAX; step++)
                ck_assert_ptr_nonnull(spawner_step_to_string((SpawnerStep)step));
        ck_assert_str_eq(spawner_step_to_string(SPAWNER_STEP_EXEC), "exec");
        ck_assert_ptr_null(spawner_step_to_string(_SPAWNER_STEP_MAX));
        ck_assert_ptr_null(spawner_step_to_string((SpawnerStep)-1));
}
END_TEST

int main(void)
{
        const HarnessTest tests[] = {
                {"life", test_life},
                {"probe", test_probe},
                {"many", test_many, .once = true},
                {"lost", test_lost},
                {"superseded", test_superseded},
                {"session", test_session, .once = true},
                {"nobody", test_nobody, .once = true},
                {"versions", test_versions, .once = true},
                {"lies", test_lies, .once = true},
                {"too-early", test_too_early, .once = true},
                {"unasked", test_unasked, .once = true},
                {"step-names", test_step_names, .once = true},
        };

        return harness_run_tests("spawner-client", tests, ARRAY_SIZE(tests));
}
