/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Runs the real vm-spawner with spawner-test-monitor as its monitor, and speaks its protocol by
 * hand, well-formed or not. Every wait has a deadline and ends the test with what was awaited.
 */

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "daemon/spawner/spawner-protocol.h"

#define DEADLINE_MSEC 60000

typedef struct Mode {
        const char *name;
        bool session;
        bool cgroup;
} Mode;

/* Modes that can run here: all four as root with cgroup v2, else (and that is said) fewer. */
int modes_count(void);
const Mode *mode_get(int i);

typedef struct Harness {
        const Mode *mode;
        char dir[64]; /* socket, lock, a copy of the monitor */
        char socket[96];
        char monitor[96];
        char cgroup[128]; /* the base given to it, or "" */
        pid_t pid;
        int fail_syscall;         /* before harness_start(): this system call fails ... */
        int fail_errno;           /* ... so */
        const char *const *extra; /* further arguments, NULL-terminated */
        bool no_wait;             /* harness_start() does not wait until it listens */
} Harness;

void harness_init(Harness *harness, const Mode *mode);
void harness_start(Harness *harness);
/* SIGTERM; it must end with 0. Then harness_check_gone(). */
void harness_stop(Harness *harness);
/* waitpid(2) with a deadline; the status. */
int harness_wait_end(Harness *harness);
/* Nothing of it is left: socket, cgroups. Removes its folder. */
void harness_check_gone(Harness *harness);

int harness_fd_count(const Harness *harness);
/* As many as before. A moment may pass: what it does about an ended child opens a file of /proc. */
void harness_expect_fd_count(const Harness *harness, int expected);
/* Children of the spawner, zombies included. */
int harness_child_count(const Harness *harness);
void harness_wait_childless(Harness *harness);
int harness_cgroup_count(const Harness *harness);

/* Until it waits in poll(2): it has done what it can. */
void harness_wait_asleep(Harness *harness);

typedef struct Answer {
        SpawnerReply reply;
        int fds[4];
        size_t n_fds;
} Answer;

int try_connect(const Harness *harness); /* the socket or negative errno */
int raw_connect(const Harness *harness); /* no HELLO */
int harness_connect(const Harness *harness);
void raw_send(int socket, const void *data, size_t size, const int *fds, size_t n_fds);
void request_send(int socket, const SpawnerRequest *request);
/* false at the end of the connection. */
bool answer_receive(int socket, Answer *ret);
void answer_done(Answer *answer);
void expect_closed(int socket);

/* request_send() and its answer; checks op and serial; closes what fds it carried. */
SpawnerReply request_call(int socket, const SpawnerRequest *request);

typedef struct TestChild {
        Id128 id;
        pid_t pid;
        uid_t uid;
        int socket, pidfd;
} TestChild;

Id128 test_id(unsigned n);
TestChild child_spawn(int socket, unsigned n);
/* A command and its answer; NULL if the child ended instead. Static storage. */
const char *child_ask(const TestChild *child, const char *command);
void child_tell(const TestChild *child, const char *command);
/* The value after key in the lines of child_ask(). */
const char *line_value(const char *lines, const char *key);
void child_close(TestChild *child);
/* Awaits SPAWNER_EXITED of this child. */
SpawnerReply expect_exited(int socket, const TestChild *child);
void child_forget(int socket, TestChild *child);

void fd_wait_readable(int fd, const char *what);
/* Calls until it is true, with pauses, up to the deadline. */
void wait_until(bool (*condition)(void *), void *userdata, const char *what);

typedef struct HarnessTest {
        const char *name;
        const TTest *test; /* _i: the mode */
        bool once;         /* in the first mode only */
} HarnessTest;

/* For main(). */
int harness_run_tests(const char *name, const HarnessTest *tests, size_t n_tests);
