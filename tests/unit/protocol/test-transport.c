/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fd.h"
#include "protocol/protocol.h"
#include "tests/unit/unit.h"

static const char quit[] = "{\"type\":\"request\",\"id\":1,\"method\":\"quit\"}";
static int near_end, far_end;
static int n_fds_before;

static void setup(void)
{
        int pair[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        near_end = pair[0];
        far_end = pair[1];
        n_fds_before = fd_count_open();
        ck_assert_int_ge(n_fds_before, 5);
}

/* No test may gain or lose a descriptor. */
static void teardown(void)
{
        ck_assert_int_eq(fd_count_open(), n_fds_before);
        fd_close(near_end);
        fd_close(far_end);
}

static int send_quit(const int *fds, size_t n_fds)
{
        Message message = {.type = MESSAGE_REQUEST, .id = 1, .code = METHOD_QUIT, .n_fds = n_fds};

        if (n_fds > 0)
                memcpy(message.fds, fds, CONST_MIN(n_fds, PROTOCOL_MAX_FDS) * sizeof(int));
        return message_send(near_end, &message);
}

/* Past the codec: any bytes, and any number of copies of a descriptor. */
static void send_raw(const void *bytes, size_t length, unsigned n_fds)
{
        static char control[CMSG_SPACE(64 * sizeof(int))];
        struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = length};
        struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};

        if (n_fds > 0) {
                struct cmsghdr *cmsg;

                header.msg_control = control;
                header.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                cmsg = CMSG_FIRSTHDR(&header);
                cmsg->cmsg_level = SOL_SOCKET;
                cmsg->cmsg_type = SCM_RIGHTS;
                cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                for (unsigned i = 0; i < n_fds; i++) {
                        int fd = STDOUT_FILENO;

                        memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &fd, sizeof(fd));
                }
        }
        ck_assert_int_eq(sendmsg(near_end, &header, MSG_NOSIGNAL), (ssize_t)length);
}

static void refuse_raw(const void *bytes, size_t length, unsigned n_fds, const char *why)
{
        JsonProblem problem = {0};
        Message message;

        send_raw(bytes, length, n_fds);
        ck_assert_int_eq(message_receive(far_end, &message, &problem), -EBADMSG);
        ck_assert_msg(strstr(problem.message, why), "\"%s\" does not say \"%s\"", problem.message,
                      why);
        ck_assert_int_eq(fd_count_open(), n_fds_before);
}

START_TEST(test_plain)
{
        JsonProblem problem;
        Message message;

        ck_assert_int_eq(message_receive(far_end, &message, &problem), -EAGAIN);
        ck_assert_int_eq(send_quit(NULL, 0), 0);
        ck_assert_int_eq(message_receive(far_end, &message, &problem), 0);
        ck_assert_int_eq(message.code, METHOD_QUIT);
        ck_assert_uint_eq(message.n_fds, 0);
        message_done(&message);
        ck_assert_int_eq(message_receive(far_end, &message, &problem), -EAGAIN);
}
END_TEST

START_TEST(test_fds)
{
        int fds[PROTOCOL_MAX_FDS], taken;
        JsonProblem problem;
        struct stat a, b;
        Message message;

        for (unsigned i = 0; i < PROTOCOL_MAX_FDS; i++)
                fds[i] = i % 2 ? STDERR_FILENO : near_end;
        ck_assert_int_eq(send_quit(fds, PROTOCOL_MAX_FDS), 0);
        ck_assert_int_eq(fd_count_open(), n_fds_before); /* they stay the sender's */
        ck_assert_int_eq(message_receive(far_end, &message, &problem), 0);
        ck_assert_uint_eq(message.n_fds, PROTOCOL_MAX_FDS);
        ck_assert_int_eq(fd_count_open(), n_fds_before + (int)PROTOCOL_MAX_FDS);
        for (unsigned i = 0; i < PROTOCOL_MAX_FDS; i++) {
                ck_assert_int_eq(fcntl(message.fds[i], F_GETFD), FD_CLOEXEC);
                ck_assert_int_eq(fstat(message.fds[i], &a), 0);
                ck_assert_int_eq(fstat(fds[i], &b), 0);
                ck_assert(a.st_dev == b.st_dev && a.st_ino == b.st_ino);
        }
        taken = TAKE_FD(message.fds[3]);
        message_done(&message);
        ck_assert_int_eq(fd_count_open(), n_fds_before + 1);
        fd_close(taken);

        ck_assert_int_eq(send_quit(fds, PROTOCOL_MAX_FDS + 1), -EINVAL);
        ck_assert_int_eq(send_quit((int[]){-1}, 1), -EBADF);
        ck_assert_int_eq(message_receive(far_end, &message, &problem), -EAGAIN);
}
END_TEST

START_TEST(test_hostile_frames)
{
        static char big[PROTOCOL_FRAME_MAX + 1];

        memset(big, ' ', sizeof(big));
        refuse_raw(big, sizeof(big), 0, "the frame is over 65536 bytes");
        refuse_raw(big, sizeof(big), 5, "the frame is over 65536 bytes");
        refuse_raw(big, PROTOCOL_FRAME_MAX, 5, "the text is empty");
        refuse_raw("{}", 2, 5, "\"type\" is missing");
        refuse_raw("{\"type\":\"req", 12, 1, "the text ends within a string");
        refuse_raw("\x7f"
                   "ELF\0\0\0",
                   7, 20, "stands where a value is expected");
        refuse_raw("\0", 1, 1, "a NUL byte");
        refuse_raw(quit, sizeof(quit) - 1, PROTOCOL_MAX_FDS + 1, "more than 20 descriptors");
        refuse_raw(quit, sizeof(quit) - 1, 60, "more than 20 descriptors");
}
END_TEST

START_TEST(test_largest_frame)
{
        static char big[PROTOCOL_FRAME_MAX];
        JsonProblem problem;
        Message message;

        memset(big, ' ', sizeof(big));
        memcpy(big, quit, sizeof(quit) - 1);
        send_raw(big, sizeof(big), 1);
        ck_assert_int_eq(message_receive(far_end, &message, &problem), 0);
        ck_assert_uint_eq(message.n_fds, 1);
        message_done(&message);
}
END_TEST

/* An empty frame is what the end of the stream looks like; its descriptors are not kept. */
START_TEST(test_empty_frame)
{
        JsonProblem problem;
        Message message;

        send_raw("", 0, 3);
        ck_assert_int_eq(message_receive(far_end, &message, &problem), -EPIPE);
}
END_TEST

START_TEST(test_full_socket)
{
        JsonProblem problem;
        Message message;
        unsigned n = 0;
        int r;

        while ((r = send_quit((int[]){STDOUT_FILENO}, 1)) == 0)
                n++;
        ck_assert_int_eq(r, -EAGAIN);
        ck_assert_uint_gt(n, 0);
        for (; n > 0; n--) {
                ck_assert_int_eq(message_receive(far_end, &message, &problem), 0);
                message_done(&message);
        }
        ck_assert_int_eq(message_receive(far_end, &message, &problem), -EAGAIN);
        ck_assert_int_eq(send_quit(NULL, 0), 0);
}
END_TEST

START_TEST(test_peer_gone)
{
        JsonProblem problem;
        Message message;

        /* What it had said is still read, then comes the end. */
        ck_assert_int_eq(send_quit(NULL, 0), 0);
        near_end = fd_close(near_end);
        n_fds_before--;
        ck_assert_int_eq(message_receive(far_end, &message, &problem), 0);
        message_done(&message);
        ck_assert_int_eq(message_receive(far_end, &message, &problem), -EPIPE);
        message = (Message){.type = MESSAGE_EVENT, .code = EVENT_STATE};
        ck_assert_int_eq(message_send(far_end, &message), -EPIPE); /* and no SIGPIPE */
        ck_assert_int_eq(message_send(-1, &message), -EBADF);
        ck_assert_int_eq(message_receive(-1, &message, &problem), -EBADF);
}
END_TEST

/* The peer went without reading what it was sent: the kernel says ECONNRESET once. */
START_TEST(test_peer_gone_unread)
{
        JsonProblem problem;
        Message message = {.type = MESSAGE_EVENT, .code = EVENT_STATE};

        ck_assert_int_eq(message_send(far_end, &message), 0);
        near_end = fd_close(near_end);
        n_fds_before--;
        ck_assert_int_eq(message_receive(far_end, &message, &problem), -EPIPE);
        ck_assert_int_eq(message_receive(far_end, &message, &problem), -EPIPE);
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, test_plain);
        tcase_add_test(tcase, test_fds);
        tcase_add_test(tcase, test_hostile_frames);
        tcase_add_test(tcase, test_largest_frame);
        tcase_add_test(tcase, test_empty_frame);
        tcase_add_test(tcase, test_full_socket);
        tcase_add_test(tcase, test_peer_gone);
        tcase_add_test(tcase, test_peer_gone_unread);
}

int main(void)
{
        return unit_run("transport", add_tests);
}
