/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/store-worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "common/fd.h"
#include "common/string-util.h"

#define COPY_DEADLINE_USEC (120ULL * 1000000ULL)
#define COPIES_MAX         16

struct StoreWorker {
        pid_t pid;
        int pipe_fd;
        sd_event_source *io_source;
        sd_event_source *time_source;
        sd_event_source *child_source;
        Completion done, gone;
};

/* What the process writes, once, at its end. */
typedef struct WorkerResult {
        int error;
        Problem problem;
} WorkerResult;

/* A file that grew since its size was counted against a limit does not get past the limit. */
static int copy_one(int dir, const StoreCopy *copy, uint64_t *budget, Problem *problem)
{
        _cleanup_close_ int fd = -1;
        struct stat st;
        char key[128];
        int r;

        fd = openat(dir, copy->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return problem_set(problem, -errno, "cannot make a file for the machine: %s",
                                   strerror(errno));
        r = fd_copy_file(copy->source, fd, *budget);
        if (r >= 0 && (fsync(fd) < 0 || fstat(fd, &st) < 0))
                r = -errno;
        if (r >= 0) {
                *budget -= CONST_MIN(*budget, (uint64_t)st.st_size);
                return 0;
        }
        string_escape_into(key, sizeof(key), copy->key, strlen(copy->key));
        return problem_set(problem, r == -ENOSPC || r == -EDQUOT ? -EIO : r,
                           "cannot copy the file \"%s\" into the machine's state: %s", key,
                           strerror(-r));
}

static _noreturn_ void worker_main(int dir, const StoreCopy *copies, size_t n_copies,
                                   uint64_t budget, const MachineRecord *record, int pipe_fd,
                                   pid_t parent)
{
        WorkerResult result = {0, {""}};
        int keep[COPIES_MAX + 2];
        size_t n_keep = 0;
        sigset_t none;
        int r = 0;

        keep[n_keep++] = dir;
        keep[n_keep++] = pipe_fd;
        for (size_t i = 0; i < n_copies; i++)
                keep[n_keep++] = copies[i].source;
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent ||
            fd_close_all_except(keep, n_keep) < 0)
                _exit(EXIT_FAILURE);
        for (size_t i = 0; i < n_copies && r >= 0; i++)
                r = copy_one(dir, &copies[i], &budget, &result.problem);
        if (r >= 0 && record) {
                r = machine_store_write_record(dir, record, true);
                if (r < 0)
                        (void)problem_set(&result.problem, -EIO,
                                          "cannot write the machine's record: %s", strerror(-r));
        } else if (r >= 0 && fsync(dir) < 0) {
                r = problem_set(&result.problem, -errno, "cannot flush the machine's folder: %s",
                                strerror(errno));
        }
        result.error = r;
        (void)fd_write_full(pipe_fd, &result, sizeof(result));
        _exit(EXIT_SUCCESS);
}

static int on_result(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        StoreWorker *worker = userdata;
        WorkerResult result;

        (void)source;
        (void)events;
        if (fd_read_full(fd, &result, sizeof(result)) < 0)
                result.error = problem_set(&result.problem, -EIO,
                                           "the process that copies files ended early");
        else
                result.problem.message[sizeof(result.problem.message) - 1] = '\0';
        worker->io_source = sd_event_source_disable_unref(worker->io_source);
        worker->time_source = sd_event_source_disable_unref(worker->time_source);
        completion_done(&worker->done, result.error, &result.problem);
        return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
        StoreWorker *worker = userdata;
        Problem problem;

        (void)source;
        (void)usec;
        worker->io_source = sd_event_source_disable_unref(worker->io_source);
        worker->time_source = sd_event_source_disable_unref(worker->time_source);
        (void)kill(worker->pid, SIGKILL);
        (void)problem_set(&problem, -ETIMEDOUT,
                          "copying the machine's files took more than %llu s and was given up: is "
                          "one of them on a file system that does not answer?",
                          COPY_DEADLINE_USEC / 1000000ULL);
        completion_done(&worker->done, -ETIMEDOUT, &problem);
        return 0;
}

/* Its result, which it wrote before, has a higher priority and has been handled. */
static int on_gone(sd_event_source *source, const siginfo_t *info, void *userdata)
{
        StoreWorker *worker = userdata;

        (void)source;
        (void)info;
        worker->pid = 0;
        completion_done(&worker->gone, 0, NULL);
        return 0;
}

static int worker_watch(StoreWorker *worker, sd_event *event)
{
        int r;

        r = sd_event_add_io(event, &worker->io_source, worker->pipe_fd, EPOLLIN, on_result, worker);
        if (r < 0)
                return r;
        return sd_event_add_time_relative(event, &worker->time_source, CLOCK_MONOTONIC,
                                          COPY_DEADLINE_USEC, 0, on_deadline, worker);
}

static int worker_watch_child(StoreWorker *worker, sd_event *event)
{
        int r;

        r = sd_event_add_child(event, &worker->child_source, worker->pid, WEXITED, on_gone, worker);
        if (r < 0)
                return r;
        return sd_event_source_set_priority(worker->child_source, SD_EVENT_PRIORITY_IDLE);
}

int store_worker_start(sd_event *event, int dir, const StoreCopy *copies, size_t n_copies,
                       uint64_t budget, const MachineRecord *record, Completion done,
                       Completion gone, StoreWorker **ret)
{
        _cleanup_(store_worker_freep) StoreWorker *worker = NULL;
        _cleanup_close_ int writer = -1;
        int fds[2], r;
        pid_t parent = getpid();

        if (n_copies > COPIES_MAX)
                return -E2BIG;
        worker = calloc(1, sizeof(*worker));
        if (!worker)
                return -ENOMEM;
        worker->pipe_fd = -1;
        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        worker->pipe_fd = fds[0];
        writer = fds[1];
        r = worker_watch(worker, event);
        if (r < 0)
                return r;
        worker->pid = fork();
        if (worker->pid < 0)
                return -errno;
        if (worker->pid == 0)
                worker_main(dir, copies, n_copies, budget, record, writer, parent);
        r = worker_watch_child(worker, event);
        if (r < 0)
                return r;
        worker->done = done;
        worker->gone = gone;
        *ret = TAKE_PTR(worker);
        return 0;
}

StoreWorker *store_worker_free(StoreWorker *worker)
{
        if (!worker)
                return NULL;
        sd_event_source_disable_unref(worker->io_source);
        sd_event_source_disable_unref(worker->time_source);
        sd_event_source_disable_unref(worker->child_source);
        if (worker->pid > 0) {
                (void)kill(worker->pid, SIGKILL);
                (void)waitpid(worker->pid, NULL, WNOHANG); /* else init does, after us */
        }
        (void)fd_close(worker->pipe_fd);
        free(worker);
        return NULL;
}
