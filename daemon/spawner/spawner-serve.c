/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/fd.h"
#include "common/log.h"
#include "daemon/spawner/spawner.h"

/* More than any request takes, so that one too many is seen and not cut off. */
#define REQUEST_FDS_MAX 4

typedef struct Request {
        SpawnerRequest data;
        int fds[REQUEST_FDS_MAX];
        size_t n_fds;
} Request;

static void request_done(Request *request)
{
        while (request->n_fds > 0)
                fd_close(request->fds[--request->n_fds]);
}

void serve_disconnect(Spawner *spawner)
{
        spawner->connection = fd_close(spawner->connection);
        spawner->greeted = false;
        spawner->output = (Output){};
}

static bool peer_is_allowed(const Spawner *spawner, int fd)
{
        struct ucred cred;
        socklen_t size = sizeof(cred);

        return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0 &&
               (cred.uid == geteuid() || cred.uid == spawner->options.daemon_uid);
}

void serve_accept(Spawner *spawner)
{
        _cleanup_close_ int fd =
                accept4(spawner->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0) {
                if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
                        log_warning_errno(-errno, "Cannot accept a connection, trying again");
                        spawner->accept_paused = true;
                }
                return;
        }
        if (!peer_is_allowed(spawner, fd)) {
                if (log_limit_allow(&spawner->refused_limit))
                        log_warning("Refusing a connection: its process is not the daemon's user");
                return;
        }
        if (spawner->connection >= 0)
                log_info("A new connection supersedes the old");
        serve_disconnect(spawner);
        spawner->connection = TAKE_FD(fd);
}

static void output_start(Spawner *spawner, const SpawnerRequest *request, int error)
{
        spawner->output.pending = true;
        spawner->output.n_fds = 0;
        spawner->output.reply = (SpawnerReply){
                .op = request->op,
                .error = error,
                .serial = request->serial,
                .id = request->id,
        };
}

/* A child's fields and fds, as SPAWN and LIST tell them. */
static void output_child(Spawner *spawner, const Child *child)
{
        Output *output = &spawner->output;

        output->reply.id = child->id;
        output->reply.value = child->uid;
        output->reply.pid = child->pid;
        output->reply.state =
                child->phase == CHILD_EXITED ? SPAWNER_STATE_EXITED : SPAWNER_STATE_RUNNING;
        if (child->phase == CHILD_EXITED) {
                output->reply.exit_code = child->exit_code;
                output->reply.exit_status = child->exit_status;
        }
        if (output->reply.op == SPAWNER_EXITED)
                return;
        if (child->socket >= 0)
                output->fds[output->n_fds++] = child->socket;
        if (output->reply.state == SPAWNER_STATE_RUNNING)
                output->fds[output->n_fds++] = child->pidfd;
}

static int output_send(Spawner *spawner)
{
        Output *output = &spawner->output;
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(output->fds))];
        } control = {};
        struct iovec iov = {.iov_base = &output->reply, .iov_len = sizeof(output->reply)};
        struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

        if (output->n_fds > 0) {
                size_t size = output->n_fds * sizeof(int);

                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(size);
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(size);
                memcpy(CMSG_DATA(&control.header), output->fds, size);
        }
        if (sendmsg(spawner->connection, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
                return -errno;
        output->pending = false;
        return 0;
}

static void handle_hello(Spawner *spawner, const SpawnerRequest *request)
{
        bool same = request->value == SPAWNER_PROTOCOL_VERSION;
        SpawnerReply *reply = &spawner->output.reply;

        output_start(spawner, request, same ? 0 : -EPROTONOSUPPORT);
        reply->value = SPAWNER_PROTOCOL_VERSION;
        reply->pid = getpid();
        reply->containment = cgroup_in_use(&spawner->cgroup) ? SPAWNER_CONTAINMENT_CGROUP
                                                             : SPAWNER_CONTAINMENT_GROUP;
        reply->controllers = spawner->cgroup.controllers;
        spawner->greeted = same;
        /* What has ended before is told by LIST. */
        for (size_t i = 0; i < spawner->n_children; i++)
                if (spawner->children[i].phase == CHILD_EXITED)
                        spawner->children[i].announced = true;
}

static void handle_spawn(Spawner *spawner, const Request *request)
{
        SpawnerStep step = SPAWNER_STEP_NONE;
        Child *child = NULL;
        int r = spawner->terminating ? -EBUSY
                                     : children_spawn(spawner, &request->data, request->fds,
                                                      request->n_fds, &child, &step);

        output_start(spawner, &request->data, r);
        if (r == 0) {
                output_child(spawner, child);
                return;
        }
        spawner->output.reply.step = step;
}

static void handle_kill(Spawner *spawner, const SpawnerRequest *request)
{
        Child *child = children_find(spawner, &request->id);

        if (child)
                child_kill(spawner, child);
        output_start(spawner, request, child ? 0 : -ENOENT);
}

static void handle_forget(Spawner *spawner, const SpawnerRequest *request)
{
        Child *child = children_find(spawner, &request->id);
        int r = !child ? -ENOENT : child->phase != CHILD_EXITED ? -EBUSY : 0;

        if (r == 0)
                children_forget(spawner, child);
        output_start(spawner, request, r);
}

static bool request_is_well_formed(const Spawner *spawner, const Request *request)
{
        const SpawnerRequest *data = &request->data;

        if (spawner->greeted == (data->op == SPAWNER_HELLO))
                return false;
        if (data->op != SPAWNER_SPAWN)
                return request->n_fds == 0;
        return (data->kind == SPAWNER_KIND_MONITOR && request->n_fds == 0) ||
               (data->kind == SPAWNER_KIND_PROBE && request->n_fds >= 1 && request->n_fds <= 2);
}

/* 0, or -EBADMSG for what ends the connection. */
static int handle_request(Spawner *spawner, const Request *request)
{
        const SpawnerRequest *data = &request->data;

        if (!request_is_well_formed(spawner, request))
                return -EBADMSG;
        switch (data->op) {
        case SPAWNER_HELLO:
                handle_hello(spawner, data);
                return 0;
        case SPAWNER_SPAWN:
                handle_spawn(spawner, request);
                return 0;
        case SPAWNER_LIST:
                spawner->output.listing = true;
                spawner->output.list_serial = data->serial;
                spawner->output.list_next = 0;
                return 0;
        case SPAWNER_KILL:
                handle_kill(spawner, data);
                return 0;
        case SPAWNER_FORGET:
                handle_forget(spawner, data);
                return 0;
        case SPAWNER_SHUTDOWN:
                spawner->done = spawner->n_children == 0;
                output_start(spawner, data, spawner->done ? 0 : -EBUSY);
                return 0;
        default:
                return -EBADMSG;
        }
}

static void request_take_fds(Request *request, struct msghdr *message)
{
        for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
                size_t n;

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < n; i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
                        if (request->n_fds < REQUEST_FDS_MAX)
                                request->fds[request->n_fds++] = fd;
                        else
                                fd_close(fd);
                }
        }
}

/* 0, -EAGAIN, -ECONNRESET at the end, -EBADMSG. */
static int request_receive(int socket, Request *ret)
{
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(REQUEST_FDS_MAX * sizeof(int))];
        } control;
        struct iovec iov = {.iov_base = &ret->data, .iov_len = sizeof(ret->data)};
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        ssize_t n = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        if (n < 0)
                return -errno;
        request_take_fds(ret, &message);
        /* An empty message looks like the end of the stream, and is as unwelcome. */
        if (n == 0)
                return -ECONNRESET;
        if ((size_t)n != sizeof(ret->data) || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
                return -EBADMSG;
        return 0;
}

/* Takes one request after another, each once the one before it has been answered in full. */
void serve_receive(Spawner *spawner)
{
        while (spawner->connection >= 0 && !serve_wants_output(spawner) && !spawner->done) {
                _cleanup_(request_done) Request request = {};
                int r = request_receive(spawner->connection, &request);

                if (r == -EAGAIN || r == -EINTR)
                        return;
                if (r == 0)
                        r = handle_request(spawner, &request);
                if (r == -EBADMSG)
                        log_warning("The daemon sent a request that breaks the protocol; "
                                    "closing its connection");
                if (r < 0)
                        serve_disconnect(spawner);
                serve_flush(spawner);
        }
}

static bool output_next_exited(Spawner *spawner)
{
        for (size_t i = 0; i < spawner->n_children; i++) {
                Child *child = &spawner->children[i];

                if (child->phase != CHILD_EXITED || child->announced)
                        continue;
                child->announced = true;
                output_start(spawner, &(SpawnerRequest){.op = SPAWNER_EXITED}, 0);
                output_child(spawner, child);
                return true;
        }
        return false;
}

static bool output_next_row(Spawner *spawner)
{
        Output *output = &spawner->output;
        Child *child;

        if (!output->listing)
                return false;
        output_start(spawner, &(SpawnerRequest){.op = SPAWNER_LIST, .serial = output->list_serial},
                     0);
        if (output->list_next == spawner->n_children) {
                output->reply.last = 1;
                output->listing = false;
                return true;
        }
        child = &spawner->children[output->list_next++];
        output_child(spawner, child);
        return true;
}

bool serve_wants_output(const Spawner *spawner)
{
        return spawner->output.pending || spawner->output.listing;
}

/* Sends what there is to send, as far as the socket takes it. */
void serve_flush(Spawner *spawner)
{
        while (spawner->connection >= 0) {
                int r;

                if (!spawner->output.pending &&
                    !(spawner->greeted && output_next_exited(spawner)) && !output_next_row(spawner))
                        return;
                r = output_send(spawner);
                if (r == -EINTR)
                        continue;
                if (r == -EAGAIN || r == -ETOOMANYREFS || r == -ENOBUFS || r == -ENOMEM)
                        return;
                if (r < 0)
                        serve_disconnect(spawner);
        }
}
