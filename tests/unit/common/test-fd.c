/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static bool is_open(int fd)
{
        return fcntl(fd, F_GETFD) >= 0;
}

START_TEST(test_close)
{
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        errno = EXDEV;
        ck_assert_int_eq(fd_close(fd), -1);
        ck_assert_int_eq(errno, EXDEV);
        ck_assert(!is_open(fd));
        errno = EXDEV;
        ck_assert_int_eq(fd_close(fd), -1); /* a closed number: errno still kept */
        ck_assert_int_eq(fd_close(-1), -1);
        ck_assert_int_eq(fd_close(-EBADF), -1);
        ck_assert_int_eq(errno, EXDEV);
}
END_TEST

START_TEST(test_cleanup_and_take)
{
        int n = fd_count_open(), taken;

        ck_assert_int_ge(n, 3);
        {
                _cleanup_close_ int a = open("/dev/null", O_RDONLY | O_CLOEXEC);
                _cleanup_close_ int b = open("/dev/null", O_RDONLY | O_CLOEXEC);

                ck_assert_int_ge(a, 0);
                ck_assert_int_eq(fd_count_open(), n + 2);
                taken = TAKE_FD(b);
                ck_assert_int_eq(b, -1);
        }
        ck_assert_int_eq(fd_count_open(), n + 1);
        fd_close(taken);
        ck_assert_int_eq(fd_count_open(), n);
}
END_TEST

/* In a process of its own, since it closes what Check needs. The exit status is the answer. */
static int close_in_child(const int *keep, size_t n_keep, const int *fds, size_t n_fds,
                          unsigned expected_open)
{
        pid_t pid = fork();
        int status;

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                unsigned open_mask = 0;

                if (fd_close_all_except(keep, n_keep) < 0)
                        _exit(100);
                for (size_t i = 0; i < n_fds; i++)
                        open_mask |= (unsigned)is_open(fds[i]) << i;
                if (!is_open(0) || !is_open(1) || !is_open(2))
                        _exit(101);
                if (fd_count_open() != 3 + __builtin_popcount(expected_open))
                        _exit(102);
                _exit(open_mask == expected_open ? 0 : 103);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status));
        return WEXITSTATUS(status);
}

START_TEST(test_close_all_except)
{
        int fds[8];

        for (int i = 0; i < 8; i++) {
                fds[i] = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 20 + i);
                ck_assert_int_ge(fds[i], 0);
        }
        ck_assert_int_eq(close_in_child(NULL, 0, fds, 8, 0), 0);
        ck_assert_int_eq(close_in_child(fds, 8, fds, 8, 0xff), 0);
        ck_assert_int_eq(
                close_in_child((int[]){fds[5], -1, fds[2], fds[5], 0}, 5, fds, 8, 1 << 5 | 1 << 2),
                0);
        ck_assert_int_eq(close_in_child((int[]){fds[4], fds[2]}, 2, fds, 8, 1 << 4 | 1 << 2), 0);
        ck_assert_int_eq(close_in_child(&fds[7], 1, fds, 8, 1 << 7), 0);
}
END_TEST

START_TEST(test_flags)
{
        _cleanup_close_ int fd = open("/dev/null", O_RDONLY);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fd_set_cloexec(fd, true), 0);
        ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
        ck_assert_int_eq(fd_set_cloexec(fd, false), 0);
        ck_assert_int_eq(fcntl(fd, F_GETFD), 0);
        ck_assert_int_eq(fd_set_nonblock(fd, true), 0);
        ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
        ck_assert_int_eq(fd_set_nonblock(fd, false), 0);
        ck_assert(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
        ck_assert_int_eq(fd_set_cloexec(-1, true), -EBADF);
        ck_assert_int_eq(fd_set_nonblock(-1, true), -EBADF);
}
END_TEST

static void on_alarm(int signal_number)
{
        (void)signal_number;
}

/* A socket hands out what is there; an interval timer without SA_RESTART interrupts the waits. */
START_TEST(test_short_and_interrupted)
{
        struct sigaction action = {.sa_handler = on_alarm};
        static char sent[1 << 20], received[1 << 20];
        int pair[2], status;
        pid_t pid;

        for (size_t i = 0; i < sizeof(sent); i++)
                sent[i] = (char)(i * 7 + i / 251);
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                fd_close(pair[0]);
                _exit(fd_write_full(pair[1], sent, sizeof(sent)) == 0 ? 0 : 1);
        }
        fd_close(pair[1]);
        ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
        ualarm(1000, 1000);
        ck_assert_int_eq(fd_read_full(pair[0], received, sizeof(received)), 0);
        ck_assert_int_eq(fd_read_full(pair[0], received, 1), -EPIPE);
        ualarm(0, 0);
        ck_assert_mem_eq(sent, received, sizeof(sent));
        while (waitpid(pid, &status, 0) < 0)
                ck_assert_int_eq(errno, EINTR);
        ck_assert_int_eq(status, 0);
        fd_close(pair[0]);
}
END_TEST

START_TEST(test_pread)
{
        _cleanup_close_ int fd = memfd_create("pread", MFD_CLOEXEC);
        char buffer[8];

        ck_assert_int_eq(fd_write_full(fd, "0123456789", 10), 0);
        ck_assert_int_eq(fd_pread_full(fd, buffer, 4, 3), 0);
        ck_assert_mem_eq(buffer, "3456", 4);
        ck_assert_int_eq(fd_pread_full(fd, buffer, 4, 7), -EPIPE);
        ck_assert_int_eq(fd_pread_full(fd, buffer, 1, UINT64_MAX), -EPIPE);
        ck_assert_int_eq(fd_pread_full(fd, buffer, 0, UINT64_MAX), 0);
        ck_assert_int_lt(fd_pread_full(fd, buffer, 8, INT64_MAX - 3), 0);
        ck_assert_int_eq(fd_pread_full(-1, buffer, 1, 0), -EBADF);
        ck_assert_int_eq(fd_read_full(-1, buffer, 1), -EBADF);
        ck_assert_int_eq(fd_write_full(-1, buffer, 1), -EBADF);
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_test(tcase, test_close);
        tcase_add_test(tcase, test_cleanup_and_take);
        tcase_add_test(tcase, test_close_all_except);
        tcase_add_test(tcase, test_flags);
        tcase_add_test(tcase, test_short_and_interrupted);
        tcase_add_test(tcase, test_pread);
}

int main(void)
{
        return unit_run("fd", add_tests);
}
