/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "daemon/spawner/spawner.h"

/* Descriptors besides the two of each child. */
#define OWN_FDS 48
/* How often draining cgroups are looked at when no SIGCHLD comes, and accept(2) tried again. */
#define TICK_MSEC 100
/* From SIGTERM until the end with a complaint. */
#define TERMINATE_MSEC 10000

static int64_t now_msec(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What every child inherits, set once instead of in each. */
static int process_setup(void)
{
        struct rlimit no_core = {};

        for (int i = 1; i < SIGRTMAX; i++)
                if (i != SIGKILL && i != SIGSTOP)
                        signal(i, SIG_DFL);
        umask(077);
        if (chdir("/") < 0 || setrlimit(RLIMIT_CORE, &no_core) < 0 ||
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
                return -errno;
        /* A kernel without ambient capabilities has none to clear. */
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        return 0;
}

/* Room for two fds of each child; where the hard limit has less, for fewer children. */
static unsigned children_fit(unsigned wanted)
{
        struct rlimit limit;
        rlim_t needed = (rlim_t)wanted * 2 + OWN_FDS;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return 1;
        if (limit.rlim_cur < needed) {
                limit.rlim_cur = CONST_MIN(needed, limit.rlim_max);
                setrlimit(RLIMIT_NOFILE, &limit);
        }
        if (limit.rlim_cur >= needed)
                return wanted;
        return limit.rlim_cur > OWN_FDS ? (unsigned)((limit.rlim_cur - OWN_FDS) / 2) : 1;
}

static int signals_open(int *ret)
{
        sigset_t mask, blocked;
        int fd;

        sigemptyset(&mask);
        sigaddset(&mask, SIGCHLD);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGINT);
        /* A daemon that dies while it waits for our readiness is no reason to die, too. Blocked and
         * not ignored, since a child would inherit that. */
        blocked = mask;
        sigaddset(&blocked, SIGPIPE);
        if (sigprocmask(SIG_SETMASK, &blocked, NULL) < 0)
                return -errno;
        fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        if (fd < 0)
                return -errno;
        *ret = fd;
        return 0;
}

static void uid_start(Spawner *spawner)
{
        uid_t n = spawner->options.uid_last - spawner->options.uid_first + 1;
        uint32_t random = 0;

        /* After a restart the uids of the last run are not the first to be used again. */
        if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
                random = (uint32_t)getpid();
        spawner->uid_next = spawner->options.uid_first + (n > 0 ? random % n : 0);
}

static int containment_setup(Spawner *spawner)
{
        const char *base = spawner->options.cgroup;
        int r;

        if (!base)
                return 0;
        r = cgroup_init(&spawner->cgroup, base);
        if (r < 0) {
                log_warning_errno(r,
                                  "Cannot use cgroup v2 (%s): machines get a process group each, "
                                  "and memory and CPU limits have no effect",
                                  base);
                return 0;
        }
        log_info("Each machine gets a cgroup, with controllers:%s%s%s%s",
                 spawner->cgroup.controllers & SPAWNER_CONTROLLER_MEMORY ? " memory" : "",
                 spawner->cgroup.controllers & SPAWNER_CONTROLLER_CPU ? " cpu" : "",
                 spawner->cgroup.controllers & SPAWNER_CONTROLLER_PIDS ? " pids" : "",
                 spawner->cgroup.controllers == 0 ? " none" : "");
        return 0;
}

Spawner *spawner_free(Spawner *spawner)
{
        if (!spawner)
                return NULL;
        /* First, so that a daemon that sees us go does not connect again; the lock is let go last.
         */
        if (spawner->listen_fd >= 0 && spawner->options.socket)
                unlink(spawner->options.socket);
        fd_close(spawner->listen_fd);
        serve_disconnect(spawner);
        while (spawner->n_children > 0)
                children_forget(spawner, &spawner->children[0]);
        free(spawner->children);
        fd_close(spawner->signal_fd);
        cgroup_done(&spawner->cgroup);
        exec_context_done(&spawner->exec);
        fd_close(spawner->lock_fd);
        free(spawner);
        return NULL;
}

static int spawner_setup(Spawner *spawner)
{
        SpawnerOptions *options = &spawner->options;
        int r;

        /* First, since the daemon waits for it, and a second spawner must change nothing. */
        r = listen_open(options, &spawner->listen_fd, &spawner->lock_fd);
        if (r < 0)
                return r;
        r = process_setup();
        if (r == 0)
                r = signals_open(&spawner->signal_fd);
        if (r == 0)
                r = exec_context_init(&spawner->exec, options->monitor, !options->session);
        if (r < 0)
                return log_error_errno(r, "Cannot set up the process");
        options->children_max = children_fit(options->children_max);
        spawner->children = calloc(options->children_max, sizeof(Child));
        if (!spawner->children)
                return log_error_errno(-ENOMEM, "Cannot set up the table of machines");
        uid_start(spawner);
        return containment_setup(spawner);
}

int spawner_new(const SpawnerOptions *options, Spawner **ret)
{
        _cleanup_(spawner_freep) Spawner *spawner = calloc(1, sizeof(*spawner));
        int r;

        if (!spawner)
                return log_error_errno(-ENOMEM, "Cannot start");
        spawner->options = *options;
        spawner->listen_fd = spawner->lock_fd = spawner->signal_fd = spawner->connection = -1;
        spawner->cgroup.machines_fd = spawner->exec.null_fd = -1;
        spawner->idle_since_msec = -1;
        r = spawner_setup(spawner);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(spawner);
        return 0;
}

static void terminate_start(Spawner *spawner)
{
        if (spawner->terminating)
                return;
        log_info("Ending; machines left to kill: %zu", spawner->n_unfinished);
        spawner->terminating = true;
        spawner->terminate_deadline_msec = now_msec() + TERMINATE_MSEC;
        children_kill_all(spawner);
}

static void signals_read(Spawner *spawner)
{
        struct signalfd_siginfo info;

        while (read(spawner->signal_fd, &info, sizeof(info)) == sizeof(info))
                if (info.ssi_signo != SIGCHLD)
                        terminate_start(spawner);
}

static void idle_update(Spawner *spawner)
{
        bool idle = spawner->options.session && spawner->n_children == 0 && spawner->connection < 0;

        if (!idle)
                spawner->idle_since_msec = -1;
        else if (spawner->idle_since_msec < 0)
                spawner->idle_since_msec = now_msec();
}

/* For poll(2). */
static int timeout_msec(const Spawner *spawner)
{
        int64_t left;

        if (spawner->terminating || spawner->accept_paused || children_draining(spawner))
                return TICK_MSEC;
        if (spawner->idle_since_msec < 0)
                return -1;
        left = spawner->idle_since_msec + (int64_t)spawner->options.idle_seconds * 1000 -
               now_msec();
        return left > 0 ? (int)left : 0;
}

static void deadlines_check(Spawner *spawner)
{
        spawner->accept_paused = false;
        if (spawner->idle_since_msec >= 0 && timeout_msec(spawner) == 0) {
                log_info("Ending: no machine and no daemon for %u s",
                         spawner->options.idle_seconds);
                spawner->done = true;
        }
        if (spawner->terminating && now_msec() > spawner->terminate_deadline_msec) {
                log_error("Ending, with %zu machines that cannot be killed", spawner->n_unfinished);
                spawner->done = true;
        }
}

static int spawner_step(Spawner *spawner)
{
        bool writing = serve_wants_output(spawner);
        struct pollfd fds[] = {
                {.fd = spawner->signal_fd, .events = POLLIN},
                {.fd = spawner->accept_paused ? -1 : spawner->listen_fd, .events = POLLIN},
                {.fd = spawner->connection, .events = writing ? POLLOUT : POLLIN},
        };
        int n = poll(fds, ARRAY_SIZE(fds), timeout_msec(spawner));

        if (n < 0)
                return errno == EINTR ? 0 : -errno;
        if (n == 0)
                deadlines_check(spawner);
        if (fds[0].revents)
                signals_read(spawner);
        if (fds[0].revents || n == 0)
                children_reap(spawner);
        if (fds[2].revents & (POLLERR | POLLHUP) && writing)
                serve_disconnect(spawner);
        else if (fds[2].revents && !writing)
                serve_receive(spawner);
        if (fds[1].revents)
                serve_accept(spawner);
        serve_flush(spawner);
        return 0;
}

int spawner_run(Spawner *spawner)
{
        while (!spawner->done || spawner->output.pending) {
                int r;

                idle_update(spawner);
                r = spawner_step(spawner);
                if (r < 0)
                        return log_error_errno(r, "Cannot wait for events");
                if (spawner->terminating && spawner->n_unfinished == 0)
                        spawner->done = true;
        }
        return spawner->n_unfinished > 0 ? -EBUSY : 0;
}
