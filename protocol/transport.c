/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "common/cleanup.h"
#include "common/fd.h"
#include "protocol/message-internal.h"
#include "protocol/protocol.h"

typedef union ControlBuffer {
        char bytes[CMSG_SPACE(PROTOCOL_MAX_FDS * sizeof(int))];
        struct cmsghdr align;
} ControlBuffer;

int message_send(int socket, const Message *message)
{
        _cleanup_free_ char *frame = NULL;
        ControlBuffer control = {0};
        struct iovec iov;
        struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
        size_t length;
        ssize_t n;
        int r;

        if (message->n_fds > PROTOCOL_MAX_FDS)
                return -EINVAL;
        r = message_encode(message, &frame, &length);
        if (r < 0)
                return r;

        iov = (struct iovec){.iov_base = frame, .iov_len = length};
        if (message->n_fds > 0) {
                struct cmsghdr *cmsg;

                header.msg_control = control.bytes;
                header.msg_controllen = CMSG_SPACE(message->n_fds * sizeof(int));
                cmsg = CMSG_FIRSTHDR(&header);
                cmsg->cmsg_level = SOL_SOCKET;
                cmsg->cmsg_type = SCM_RIGHTS;
                cmsg->cmsg_len = CMSG_LEN(message->n_fds * sizeof(int));
                memcpy(CMSG_DATA(cmsg), message->fds, message->n_fds * sizeof(int));
        }
        do
                n = sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == ECONNRESET || errno == ENOTCONN ? -EPIPE : -errno;
        return 0;
}

typedef struct ReceivedFds {
        int fds[PROTOCOL_MAX_FDS];
        size_t n;
} ReceivedFds;

static void received_fds_done(ReceivedFds *received)
{
        while (received->n > 0)
                fd_close(received->fds[--received->n]);
}

/* Takes over every descriptor that came along, before anything else can fail. */
static void collect_fds(struct msghdr *header, ReceivedFds *ret)
{
        ret->n = 0;
        for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(header); cmsg; cmsg = CMSG_NXTHDR(header, cmsg)) {
                const unsigned char *data = CMSG_DATA(cmsg);
                size_t n;

                if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
                        continue;
                n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < n; i++) {
                        int fd;

                        memcpy(&fd, data + i * sizeof(int), sizeof(fd));
                        /* The buffer has no room for more than fit, but trust no arithmetic. */
                        if (ret->n < PROTOCOL_MAX_FDS)
                                ret->fds[ret->n++] = fd;
                        else
                                fd_close(fd);
                }
        }
}

int message_receive(int socket, Message *ret, JsonProblem *problem)
{
        _cleanup_(received_fds_done) ReceivedFds received = {0};
        _cleanup_free_ char *frame = NULL;
        ControlBuffer control;
        struct iovec iov;
        struct msghdr header = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control.bytes,
                .msg_controllen = sizeof(control.bytes),
        };
        ssize_t n;
        int r;

        /* On the heap and not on the stack: pages that a short frame does not reach stay untouched.
         */
        frame = malloc(PROTOCOL_FRAME_MAX + 1);
        if (!frame)
                return -ENOMEM;
        iov = (struct iovec){.iov_base = frame, .iov_len = PROTOCOL_FRAME_MAX};
        do
                n = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == ECONNRESET || errno == ENOTCONN ? -EPIPE : -errno;

        collect_fds(&header, &received);
        if (header.msg_flags & MSG_TRUNC)
                return json_problem(problem, "", "the frame is over %u bytes", PROTOCOL_FRAME_MAX);
        if (header.msg_flags & MSG_CTRUNC)
                return json_problem(problem, "", "more than %u descriptors came with the frame",
                                    PROTOCOL_MAX_FDS);
        if (n == 0)
                return -EPIPE;
        frame[n] = '\0';
        r = message_decode_in_place(frame, (size_t)n, ret, problem);
        if (r < 0)
                return r;
        memcpy(ret->fds, received.fds, received.n * sizeof(int));
        ret->n_fds = received.n;
        received.n = 0;
        return 0;
}
