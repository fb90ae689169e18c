/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/store-worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "store-fixture.h"
#include "tests/unit/unit.h"

typedef struct Outcome {
        unsigned n_done, n_gone;
        int error;
        Problem problem;
        sd_event *event;
} Outcome;

static StoreFixture fixture;
static Outcome outcome;
static int dir = -1;

static void on_done(void *userdata, int error, const Problem *problem)
{
        Outcome *o = userdata;

        o->n_done++;
        o->error = error;
        o->problem = *problem;
        ck_assert_uint_eq(o->n_gone, 0);
}

static void on_gone(void *userdata, int error, const Problem *problem)
{
        Outcome *o = userdata;

        (void)error;
        (void)problem;
        o->n_gone++;
        (void)sd_event_exit(o->event, 0);
}

static void setup(void)
{
        sigset_t mask;

        (void)sigemptyset(&mask);
        (void)sigaddset(&mask, SIGCHLD);
        (void)sigprocmask(SIG_BLOCK, &mask, NULL);
        store_fixture_init(&fixture);
        outcome = (Outcome){0};
        ck_assert_int_ge(sd_event_new(&outcome.event), 0);
        dir = open(fixture.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(dir, 0);
}

static void teardown(void)
{
        dir = fd_close(dir);
        outcome.event = sd_event_unref(outcome.event);
        store_fixture_done(&fixture);
}

static int make_source(const char *text)
{
        int fd = open(fixture.folder, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fd_write_full(fd, text, strlen(text)), 0);
        return fd;
}

static void work(const StoreCopy *copies, size_t n, uint64_t budget, const MachineRecord *record)
{
        StoreWorker *worker = NULL;

        ck_assert_int_eq(store_worker_start(outcome.event, dir, copies, n, budget, record,
                                            (Completion){on_done, &outcome},
                                            (Completion){on_gone, &outcome}, &worker),
                         0);
        ck_assert_uint_eq(outcome.n_done, 0); /* not from inside */
        ck_assert_int_ge(sd_event_loop(outcome.event), 0);
        store_worker_free(worker);
        ck_assert_uint_eq(outcome.n_done, 1);
        ck_assert_uint_eq(outcome.n_gone, 1);
}

START_TEST(test_copies)
{
        MachineRecord record = record_make("1", "one", false);
        StoreCopy copies[] = {{"a", "file-1", make_source("first")},
                              {"b", "file-2", make_source("second")}};
        _cleanup_free_ char *text = NULL;
        struct stat st;

        work(copies, 2, 11, &record);
        ck_assert_msg(outcome.error == 0, "%s", outcome.problem.message);
        ck_assert_int_eq(fd_read_file_at(dir, "file-2", 100, &text, NULL), 0);
        ck_assert_str_eq(text, "second");
        ck_assert_int_eq(fstatat(dir, "file-1", &st, 0), 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0600);
        ck_assert_int_eq(fstatat(dir, MACHINE_STORE_RECORD, &st, 0), 0);
        machine_record_done(&record);
        (void)fd_close(copies[0].source);
        (void)fd_close(copies[1].source);
}
END_TEST

/* A file that is longer than what was counted against the limit. */
START_TEST(test_budget)
{
        StoreCopy copies[] = {{"a", "file-1", make_source("first")},
                              {"b\x1b[2J", "file-2", make_source("second")}};

        work(copies, 2, 10, NULL);
        ck_assert_int_eq(outcome.error, -EFBIG);
        ck_assert_ptr_nonnull(strstr(outcome.problem.message, "\"b\\x1b[2J\""));
        (void)fd_close(copies[0].source);
        (void)fd_close(copies[1].source);
}
END_TEST

START_TEST(test_name_taken)
{
        StoreCopy copy = {"a", "file-1", make_source("first")};

        ck_assert_int_eq(fd_close(openat(dir, "file-1", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), -1);
        work(&copy, 1, 10, NULL);
        ck_assert_int_eq(outcome.error, -EEXIST);
        (void)fd_close(copy.source);
}
END_TEST

/* Nothing is called any more, and nothing is left of the process. */
START_TEST(test_freed_early)
{
        int fds[2], n = fd_count_open();
        StoreWorker *worker = NULL;
        StoreCopy copy;

        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        copy = (StoreCopy){"a", "file-1", fds[0]}; /* a pipe that never says anything */
        ck_assert_int_eq(store_worker_start(outcome.event, dir, &copy, 1, 10, NULL,
                                            (Completion){on_done, &outcome},
                                            (Completion){on_gone, &outcome}, &worker),
                         0);
        store_worker_free(worker);
        (void)fd_close(fds[0]);
        (void)fd_close(fds[1]);
        while (sd_event_run(outcome.event, 0) > 0)
                ;
        ck_assert_uint_eq(outcome.n_done, 0);
        ck_assert_int_le(fd_count_open(), n + 4); /* what the event loop keeps for its sources */
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, test_copies);
        tcase_add_test(tcase, test_budget);
        tcase_add_test(tcase, test_name_taken);
        tcase_add_test(tcase, test_freed_early);
}

int main(void)
{
        return unit_run("store-worker", add_tests);
}
