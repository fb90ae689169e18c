/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/string-util.h"
#include "daemon/spawner/spawner.h"

/* sd_listen_fds(3): the first passed descriptor. */
#define LISTEN_FDS_START 3
/* How long a predecessor that is about to end may hold the lock. */
#define LOCK_WAIT_SECONDS 10

static int listen_passed(int *ret)
{
        const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
        int type, listening, r;
        socklen_t size = sizeof(int);
        uint64_t value;

        if (!pid || parse_u64(pid, &value) < 0 || value != (uint64_t)getpid() || !n ||
            !streq(n, "1")) {
                log_error("No --socket was given, and the service manager passed no socket");
                return -ENOTSOCK;
        }
        if (getsockopt(LISTEN_FDS_START, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
            getsockopt(LISTEN_FDS_START, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 ||
            type != SOCK_SEQPACKET || !listening) {
                log_error("The passed socket is not a listening SOCK_SEQPACKET socket "
                          "(ListenSequentialPacket= makes one)");
                return -ENOTSOCK;
        }
        r = fd_set_cloexec(LISTEN_FDS_START, true);
        if (r == 0)
                r = fd_set_nonblock(LISTEN_FDS_START, true);
        if (r == 0)
                *ret = LISTEN_FDS_START;
        return r;
}

static void on_alarm(_unused_ int signal)
{
}

/*
 * Two spawners cannot serve one socket. Who finds the lock held and the socket there is told that
 * one runs (-EALREADY); held and no socket: it begins or ends just now, which is worth a wait.
 */
static int lock_take(const char *socket_path, int *ret_fd)
{
        char path[sizeof(((struct sockaddr_un *)0)->sun_path) + sizeof(".lock")];
        struct sigaction action = {.sa_handler = on_alarm};
        _cleanup_close_ int fd = -1;
        int r;

        snprintf(path, sizeof(path), "%s.lock", socket_path);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return log_error_errno(-errno, "Cannot open %s", path);
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                if (access(socket_path, F_OK) == 0)
                        return -EALREADY;
                sigaction(SIGALRM, &action, NULL);
                alarm(LOCK_WAIT_SECONDS);
                r = flock(fd, LOCK_EX) < 0 ? -errno : 0;
                alarm(0);
                if (r < 0 && access(socket_path, F_OK) == 0)
                        return -EALREADY;
                if (r < 0)
                        return log_error_errno(r, "Another vm-spawner holds %s", path);
        }
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int listen_bind(const char *path, int *ret)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_ int fd = -1;
        mode_t mask;
        int r = 0;

        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return log_error_errno(-errno, "Cannot make a socket");
        strcpy(address.sun_path, path);
        unlink(path);
        mask = umask(0177);
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                r = -errno;
        umask(mask);
        if (r < 0 || listen(fd, 16) < 0)
                return log_error_errno(r < 0 ? r : -errno, "Cannot listen on %s", path);
        *ret = TAKE_FD(fd);
        return 0;
}

int listen_open(const SpawnerOptions *options, int *ret_listen_fd, int *ret_lock_fd)
{
        _cleanup_close_ int lock_fd = -1;
        int r;

        if (!options->socket)
                return listen_passed(ret_listen_fd);
        if (options->socket[0] != '/' ||
            strlen(options->socket) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
                log_error("--socket %s: must be an absolute path of at most 107 characters",
                          options->socket);
                return -EINVAL;
        }
        r = lock_take(options->socket, &lock_fd);
        if (r == 0)
                r = listen_bind(options->socket, ret_listen_fd);
        if (r == 0)
                *ret_lock_fd = TAKE_FD(lock_fd);
        return r;
}

/* sd_notify(3): a datagram to $NOTIFY_SOCKET. */
static void notify_manager(const char *text)
{
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_ int fd = -1;
        size_t length;

        if (!path || (path[0] != '/' && path[0] != '@'))
                return;
        length = strlen(path);
        if (length >= sizeof(address.sun_path))
                return;
        memcpy(address.sun_path, path, length);
        /* An abstract address begins with NUL and ends where its length says. */
        if (path[0] == '@')
                address.sun_path[0] = '\0';
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address,
                             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0)
                log_warning_errno(-errno, "Cannot notify the service manager, ignoring");
}

void listen_tell_ready(const SpawnerOptions *options)
{
        int32_t ready = 0;

        if (options->ready_fd >= 0) {
                if (write(options->ready_fd, &ready, sizeof(ready)) < 0)
                        log_warning_errno(-errno, "Cannot tell the daemon, ignoring");
                fd_close(options->ready_fd);
        }
        notify_manager("READY=1");
}
