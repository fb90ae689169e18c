/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/fd.h"
#include "daemon/spawner/spawner-client.h"

/* How many replies one spawner_client_process() takes before other events get their turn. */
#define BATCH_MAX 64U

/* A request that has not been answered; the ones not yet sent stand at the end of the queue. */
typedef struct Pending Pending;
struct Pending {
        Pending *next;
        SpawnerRequest request;
        int fds[2]; /* owned until sent */
        size_t n_fds;
        SpawnerReplyFunc func;
        void *userdata;
};

struct SpawnerClient {
        int fd;
        uint64_t next_serial;
        Pending *first, *last;
        Pending *unsent; /* in the same queue: the first that the socket had no room for */
        SpawnerClientHandlers handlers;
        void *userdata;
        bool processing; /* inside spawner_client_process() */
        bool freed;      /* spawner_client_free() was called there */
};

static const char *const spawner_step_table[] = {
        [SPAWNER_STEP_NONE] = "none",     [SPAWNER_STEP_SOCKETPAIR] = "socketpair",
        [SPAWNER_STEP_CGROUP] = "cgroup", [SPAWNER_STEP_CLONE] = "clone",
        [SPAWNER_STEP_FDS] = "fds",       [SPAWNER_STEP_CREDENTIALS] = "credentials",
        [SPAWNER_STEP_EXEC] = "exec",
};
_Static_assert(ARRAY_SIZE(spawner_step_table) == _SPAWNER_STEP_MAX, "a step has no name");

const char *spawner_step_to_string(SpawnerStep step)
{
        return (size_t)step < ARRAY_SIZE(spawner_step_table) ? spawner_step_table[step] : NULL;
}

static Pending *pending_free(Pending *pending)
{
        if (!pending)
                return NULL;
        for (size_t i = 0; i < pending->n_fds; i++)
                fd_close(pending->fds[i]);
        free(pending);
        return NULL;
}
DEFINE_CLEANUP_FUNC(Pending *, pending_free);

static Pending *client_pop(SpawnerClient *client)
{
        Pending *pending = client->first;

        client->first = pending->next;
        if (!client->first)
                client->last = NULL;
        if (client->unsent == pending)
                client->unsent = pending->next;
        return pending;
}

static SpawnerClient *client_destroy(SpawnerClient *client)
{
        while (client->first)
                pending_free(client_pop(client));
        fd_close(client->fd);
        free(client);
        return NULL;
}

SpawnerClient *spawner_client_free(SpawnerClient *client)
{
        if (!client)
                return NULL;
        if (client->processing) {
                client->freed = true;
                return NULL;
        }
        return client_destroy(client);
}

int spawner_client_fd(SpawnerClient *client)
{
        return client->fd;
}

static int pending_send(int socket, Pending *pending)
{
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(pending->fds))];
        } control = {};
        struct iovec iov = {.iov_base = &pending->request, .iov_len = sizeof(pending->request)};
        struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

        if (pending->n_fds > 0) {
                size_t size = pending->n_fds * sizeof(int);

                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(size);
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(size);
                memcpy(CMSG_DATA(&control.header), pending->fds, size);
        }
        if (sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
                return -errno;
        while (pending->n_fds > 0)
                fd_close(pending->fds[--pending->n_fds]);
        return 0;
}

/*
 * Sends what waits. A full socket means that the spawner has requests of ours to answer, and each
 * answer brings us back here: so nobody need poll for output.
 */
static int client_flush(SpawnerClient *client)
{
        while (client->unsent) {
                int r = pending_send(client->fd, client->unsent);

                if (r == -EAGAIN || r == -EINTR)
                        return 0;
                /* The end of the connection is reported where it is read. */
                if (r == -EPIPE || r == -ECONNRESET)
                        return 0;
                if (r < 0)
                        return r;
                client->unsent = client->unsent->next;
        }
        return 0;
}

/* Takes fds over, in every case. */
static int client_request(SpawnerClient *client, const SpawnerRequest *request, const int *fds,
                          size_t n_fds, SpawnerReplyFunc func, void *userdata)
{
        _cleanup_(pending_freep) Pending *pending = calloc(1, sizeof(*pending));
        int r;

        if (!pending) {
                for (size_t i = 0; i < n_fds; i++)
                        fd_close(fds[i]);
                return -ENOMEM;
        }
        for (size_t i = 0; i < n_fds; i++)
                pending->fds[i] = fds[i];
        pending->n_fds = n_fds;
        pending->request = *request;
        pending->request.serial = client->next_serial;
        pending->func = func;
        pending->userdata = userdata;

        if (client->fd < 0 || client->freed)
                return -ENOTCONN;
        if (!client->unsent) {
                r = pending_send(client->fd, pending);
                if (r == -EAGAIN || r == -EINTR || r == -EPIPE || r == -ECONNRESET)
                        client->unsent = pending;
                else if (r < 0)
                        return r;
        }
        client->next_serial++;
        if (client->last)
                client->last->next = pending;
        else
                client->first = pending;
        client->last = TAKE_PTR(pending);
        return 0;
}

static int spawn_take_fds(const SpawnerSpawn *spawn, int fds[2], size_t *ret_n)
{
        _cleanup_close_ int out = -1;
        size_t n = 0;

        if (spawn->kind != SPAWNER_KIND_PROBE) {
                *ret_n = 0;
                return 0;
        }
        out = fcntl(spawn->probe_stdout, F_DUPFD_CLOEXEC, 3);
        if (out < 0)
                return -errno;
        if (spawn->probe_kvm >= 0) {
                fds[1] = fcntl(spawn->probe_kvm, F_DUPFD_CLOEXEC, 3);
                if (fds[1] < 0)
                        return -errno;
                n++;
        }
        fds[0] = TAKE_FD(out);
        *ret_n = n + 1;
        return 0;
}

int spawner_client_spawn(SpawnerClient *client, const SpawnerSpawn *spawn, SpawnerReplyFunc func,
                         void *userdata)
{
        SpawnerRequest request = {
                .op = SPAWNER_SPAWN,
                .kind = spawn->kind,
                .id = spawn->id,
                .memory_max = spawn->memory_max,
                .cpu_weight = spawn->cpu_weight,
                .pids_max = spawn->pids_max,
        };
        int fds[2] = {-1, -1}, r;
        size_t n_fds = 0;

        r = spawn_take_fds(spawn, fds, &n_fds);
        if (r < 0)
                return r;
        return client_request(client, &request, fds, n_fds, func, userdata);
}

int spawner_client_list(SpawnerClient *client, SpawnerReplyFunc func, void *userdata)
{
        return client_request(client, &(SpawnerRequest){.op = SPAWNER_LIST}, NULL, 0, func,
                              userdata);
}

int spawner_client_kill(SpawnerClient *client, const Id128 *id, SpawnerReplyFunc func,
                        void *userdata)
{
        return client_request(client, &(SpawnerRequest){.op = SPAWNER_KILL, .id = *id}, NULL, 0,
                              func, userdata);
}

int spawner_client_forget(SpawnerClient *client, const Id128 *id, SpawnerReplyFunc func,
                          void *userdata)
{
        return client_request(client, &(SpawnerRequest){.op = SPAWNER_FORGET, .id = *id}, NULL, 0,
                              func, userdata);
}

int spawner_client_shutdown(SpawnerClient *client, SpawnerReplyFunc func, void *userdata)
{
        return client_request(client, &(SpawnerRequest){.op = SPAWNER_SHUTDOWN}, NULL, 0, func,
                              userdata);
}

typedef struct Received {
        SpawnerReply reply;
        int fds[2];
        size_t n_fds;
} Received;

static void received_done(Received *received)
{
        while (received->n_fds > 0)
                fd_close(received->fds[--received->n_fds]);
}

static void received_take_fds(Received *ret, const struct cmsghdr *cmsg)
{
        size_t n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        for (size_t i = 0; i < n; i++) {
                int fd;

                memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(fd));
                if (ret->n_fds < ARRAY_SIZE(ret->fds))
                        ret->fds[ret->n_fds++] = fd;
                else
                        fd_close(fd);
        }
}

static int client_receive(SpawnerClient *client, Received *ret)
{
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(2 * sizeof(int))];
        } control;
        struct iovec iov = {.iov_base = &ret->reply, .iov_len = sizeof(ret->reply)};
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        ssize_t n = recvmsg(client->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        if (n < 0)
                return -errno;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
                if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
                        received_take_fds(ret, c);
        if (n == 0)
                return -ECONNRESET;
        if ((size_t)n != sizeof(ret->reply) || (message.msg_flags & MSG_TRUNC))
                return -EBADMSG;
        /* Our fd table is full: the reply without its fds is of no use to anybody. */
        if (message.msg_flags & MSG_CTRUNC)
                return -EMFILE;
        return 0;
}

/* Which fds a reply may carry; -EBADMSG for others. */
static int received_sort_fds(Received *received, uint32_t kind, SpawnerFds *ret)
{
        const SpawnerReply *reply = &received->reply;
        bool carries = (reply->op == SPAWNER_SPAWN && reply->error == 0) ||
                       (reply->op == SPAWNER_LIST && !reply->last);
        bool runs = reply->op == SPAWNER_SPAWN || reply->state == SPAWNER_STATE_RUNNING;
        size_t n = received->n_fds;

        *ret = (SpawnerFds){.socket = -1, .pidfd = -1};
        if (n == 0)
                return reply->op == SPAWNER_SPAWN && carries ? -EBADMSG : 0;
        if (!carries || (n == 2 && !runs))
                return -EBADMSG;
        if (reply->op == SPAWNER_SPAWN && (n == 2) != (kind == SPAWNER_KIND_MONITOR))
                return -EBADMSG;
        if (n == 2 || !runs)
                ret->socket = received->fds[0];
        if (runs)
                ret->pidfd = received->fds[n - 1];
        received->n_fds = 0;
        return 0;
}

static int client_answer_hello(SpawnerClient *client, const SpawnerReply *reply)
{
        if (reply->error < 0)
                return reply->error;
        if (reply->value != SPAWNER_PROTOCOL_VERSION)
                return -EPROTONOSUPPORT;
        if (client->handlers.ready)
                client->handlers.ready(reply, client->userdata);
        return 0;
}

static int client_dispatch(SpawnerClient *client, Received *received)
{
        const SpawnerReply *reply = &received->reply;
        _cleanup_(pending_freep) Pending *answered = NULL;
        Pending *pending = client->first;
        SpawnerFds fds;
        int r;

        if (reply->op == SPAWNER_EXITED) {
                if (received->n_fds > 0)
                        return -EBADMSG;
                if (client->handlers.exited)
                        client->handlers.exited(reply, client->userdata);
                return 0;
        }
        if (!pending || pending == client->unsent || reply->op != pending->request.op ||
            reply->serial != pending->request.serial)
                return -EBADMSG;
        r = received_sort_fds(received, pending->request.kind, &fds);
        if (r < 0)
                return r;

        if (reply->op != SPAWNER_LIST || reply->last)
                answered = client_pop(client);
        if (reply->op == SPAWNER_HELLO)
                return client_answer_hello(client, reply);
        if (pending->func)
                pending->func(reply, &fds, pending->userdata);
        fd_close(fds.socket);
        fd_close(fds.pidfd);
        return 0;
}

static void client_lose(SpawnerClient *client, int error)
{
        client->fd = fd_close(client->fd);
        while (client->first && !client->freed) {
                _cleanup_(pending_freep) Pending *pending = client_pop(client);
                SpawnerFds fds = {.socket = -1, .pidfd = -1};
                SpawnerReply reply = {
                        .op = pending->request.op,
                        .error = -ECONNRESET,
                        .serial = pending->request.serial,
                        .id = pending->request.id,
                        .last = 1,
                };

                if (pending->func)
                        pending->func(&reply, &fds, pending->userdata);
        }
        if (client->handlers.lost && !client->freed)
                client->handlers.lost(error, client->userdata);
}

static int client_process_batch(SpawnerClient *client)
{
        for (unsigned i = 0; i < BATCH_MAX && !client->freed; i++) {
                _cleanup_(received_done) Received received = {};
                int r = client_receive(client, &received);

                if (r == -EAGAIN || r == -EINTR)
                        break;
                if (r == 0)
                        r = client_dispatch(client, &received);
                if (r < 0)
                        return r;
        }
        return client->freed ? 0 : client_flush(client);
}

int spawner_client_process(SpawnerClient *client)
{
        int r;

        if (client->fd < 0)
                return -ENOTCONN;
        client->processing = true;
        r = client_process_batch(client);
        if (r < 0 && !client->freed)
                client_lose(client, r);
        client->processing = false;
        if (client->freed)
                client_destroy(client);
        return r;
}

static int check_listener(int fd)
{
        struct ucred cred;
        socklen_t size = sizeof(cred);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
                return -errno;
        return cred.uid == 0 || cred.uid == geteuid() ? 0 : -EPERM;
}

int spawner_client_connect(const char *path, const SpawnerClientHandlers *handlers, void *userdata,
                           SpawnerClient **ret)
{
        _cleanup_(spawner_client_freep) SpawnerClient *client = NULL;
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int r;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);

        client = calloc(1, sizeof(*client));
        if (!client)
                return -ENOMEM;
        client->handlers = *handlers;
        client->userdata = userdata;
        client->next_serial = 1;
        client->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (client->fd < 0)
                return -errno;
        if (connect(client->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        r = check_listener(client->fd);
        if (r < 0)
                return r;

        r = client_request(
                client, &(SpawnerRequest){.op = SPAWNER_HELLO, .value = SPAWNER_PROTOCOL_VERSION},
                NULL, 0, NULL, NULL);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(client);
        return 0;
}
