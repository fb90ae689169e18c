/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/fd.h"
#include "daemon/spawner/spawner-client.h"

#define START_TIMEOUT_MSEC 30000
#define READY_FD           3

/* Over the pipe comes one int32_t: 0 once the spawner listens, or the negative errno of exec. */
static void ready_write(int fd, int32_t result)
{
        while (write(fd, &result, sizeof(result)) < 0 && errno == EINTR)
                ;
}

static bool session_arrange_fds(int null_fd, int ready_fd)
{
        if (dup2(null_fd, STDIN_FILENO) < 0 || dup2(null_fd, STDOUT_FILENO) < 0)
                return false;
        if (ready_fd == READY_FD ? fd_set_cloexec(READY_FD, false) < 0
                                 : dup2(ready_fd, READY_FD) < 0)
                return false;
        return close_range(READY_FD + 1, ~0U, 0) >= 0;
}

/* In the grandchild: becomes the spawner. */
static _noreturn_ void session_exec(const SpawnerSession *session, int null_fd, int ready_fd)
{
        const char *const argv[] = {
                "vm-spawner",    "--session", "--socket",
                session->socket, "--monitor", session->monitor,
                "--ready-fd",    "3",         NULL,
        };
        static char *const no_environment[] = {NULL};
        sigset_t none;

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        if (!session_arrange_fds(null_fd, ready_fd)) {
                ready_write(ready_fd, -errno);
                _exit(EXIT_FAILURE);
        }
        execve(session->spawner, (char *const *)argv, no_environment);
        ready_write(READY_FD, -errno);
        _exit(EXIT_FAILURE);
}

/* Forks twice, so that the spawner is nobody's child, in a session of its own. */
static int session_fork(const SpawnerSession *session, int null_fd, int ready_fd)
{
        pid_t pid = fork();

        if (pid < 0)
                return -errno;
        if (pid == 0) {
                setsid();
                pid = fork();
                if (pid == 0)
                        session_exec(session, null_fd, ready_fd);
                if (pid < 0)
                        ready_write(ready_fd, -errno);
                _exit(EXIT_SUCCESS);
        }
        while (waitpid(pid, NULL, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return 0;
}

static int64_t now_msec(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int ready_wait(int fd)
{
        struct pollfd pollfd = {.fd = fd, .events = POLLIN};
        int64_t left, deadline = now_msec() + START_TIMEOUT_MSEC;
        int32_t result;
        int r;

        do {
                left = deadline - now_msec();
                r = poll(&pollfd, 1, left > 0 ? (int)left : 0);
        } while (r < 0 && errno == EINTR);
        if (r < 0)
                return -errno;
        if (r == 0)
                return -ETIMEDOUT;
        r = fd_read_full(fd, &result, sizeof(result));
        return r == -EPIPE ? -ECHILD : r < 0 ? r : result;
}

int spawner_client_start_session(const SpawnerSession *session)
{
        _cleanup_close_ int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        _cleanup_close_ int read_fd = -1, write_fd = -1;
        int r, fds[2];

        if (null_fd < 0 || pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        read_fd = fds[0];
        write_fd = fds[1];
        r = session_fork(session, null_fd, write_fd);
        if (r < 0)
                return r;
        write_fd = fd_close(write_fd);
        return ready_wait(read_fd);
}
