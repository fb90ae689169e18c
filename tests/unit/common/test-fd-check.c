/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/fd.h"
#include "tests/unit/unit.h"

static int temporary_file(int flags)
{
        char path[] = "/tmp/vmservice-fd-check-XXXXXX";
        int fd = mkstemp(path), again;

        ck_assert_int_ge(fd, 0);
        again = open(path, flags | O_CLOEXEC);
        ck_assert_int_ge(again, 0);
        fd_close(fd);
        unlink(path);
        return again;
}

static void accept_fd(int fd, FdAccess access)
{
        const char *why = "";

        ck_assert_int_ge(fd, 0);
        ck_assert_msg(fd_check_file(fd, access, false, &why) == 0, "%s", why);
        fd_close(fd);
}

/* Refused with a sentence that has the word in it. */
static void refuse_fd(int fd, FdAccess access, const char *word)
{
        const char *why = NULL;

        ck_assert_int_eq(fd_check_file(fd, access, false, &why), -EBADF);
        ck_assert_ptr_nonnull(why);
        ck_assert_msg(strstr(why, word), "\"%s\" does not say \"%s\"", why, word);
        fd_close(fd);
}

START_TEST(test_accepted)
{
        accept_fd(temporary_file(O_RDONLY), FD_ACCESS_READ);
        accept_fd(temporary_file(O_RDWR), FD_ACCESS_READ);
        accept_fd(temporary_file(O_RDWR), FD_ACCESS_WRITE);
        accept_fd(temporary_file(O_WRONLY), FD_ACCESS_WRITE);
        accept_fd(temporary_file(O_RDWR), FD_ACCESS_READ_WRITE);
        accept_fd(temporary_file(O_RDWR | O_APPEND), FD_ACCESS_READ);
        accept_fd(open("/etc/passwd", O_RDONLY | O_CLOEXEC), FD_ACCESS_READ);
}
END_TEST

START_TEST(test_wrong_mode)
{
        refuse_fd(temporary_file(O_WRONLY), FD_ACCESS_READ, "not open for reading");
        refuse_fd(temporary_file(O_WRONLY), FD_ACCESS_READ_WRITE, "not open for reading");
        refuse_fd(temporary_file(O_RDONLY), FD_ACCESS_WRITE, "not open for writing");
        refuse_fd(temporary_file(O_RDONLY), FD_ACCESS_READ_WRITE, "not open for writing");
        refuse_fd(temporary_file(O_WRONLY | O_APPEND), FD_ACCESS_WRITE, "O_APPEND");
        /* Access mode 3: for ioctl(2) only (open(2)). */
        refuse_fd(temporary_file(O_ACCMODE), FD_ACCESS_READ, "not open for reading");
        refuse_fd(temporary_file(O_ACCMODE), FD_ACCESS_WRITE, "not open for writing");
}
END_TEST

START_TEST(test_not_open)
{
        refuse_fd(-1, FD_ACCESS_READ, "not an open file descriptor");
        refuse_fd(99999, FD_ACCESS_READ, "not an open file descriptor");
}
END_TEST

START_TEST(test_o_path)
{
        refuse_fd(temporary_file(O_PATH), FD_ACCESS_READ, "O_PATH");
        refuse_fd(open("/", O_PATH | O_CLOEXEC), FD_ACCESS_READ, "O_PATH");
        refuse_fd(open("/proc/self/exe", O_PATH | O_NOFOLLOW | O_CLOEXEC), FD_ACCESS_READ,
                  "O_PATH");
}
END_TEST

START_TEST(test_wrong_type)
{
        int pair[2], pipe_fds[2];

        refuse_fd(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), FD_ACCESS_READ, "directory");
        refuse_fd(open("/dev/zero", O_RDWR | O_CLOEXEC), FD_ACCESS_READ, "character device");
        refuse_fd(open("/dev/null", O_RDWR | O_CLOEXEC), FD_ACCESS_READ, "character device");
        ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
        refuse_fd(pipe_fds[0], FD_ACCESS_READ, "pipe");
        refuse_fd(pipe_fds[1], FD_ACCESS_WRITE, "pipe");
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        refuse_fd(pair[0], FD_ACCESS_READ, "socket");
        fd_close(pair[1]);
        refuse_fd(eventfd(0, EFD_CLOEXEC), FD_ACCESS_READ, "");
}
END_TEST

START_TEST(test_kernel_files)
{
        refuse_fd(open("/proc/self/mem", O_RDWR | O_CLOEXEC), FD_ACCESS_READ, "kernel's own");
        refuse_fd(open("/proc/self/environ", O_RDONLY | O_CLOEXEC), FD_ACCESS_READ, "kernel's own");
        refuse_fd(open("/proc/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC), FD_ACCESS_READ, "");
        refuse_fd(open("/sys/kernel/notes", O_RDONLY | O_CLOEXEC), FD_ACCESS_READ, "");
        refuse_fd(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), FD_ACCESS_READ, "kernel's own");
        refuse_fd((int)syscall(SYS_pidfd_open, getpid(), 0), FD_ACCESS_READ, "");
#ifdef SYS_memfd_secret
        refuse_fd((int)syscall(SYS_memfd_secret, 0), FD_ACCESS_READ, "");
#endif
}
END_TEST

START_TEST(test_memfd)
{
        int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        accept_fd(memfd_create("image", MFD_CLOEXEC), FD_ACCESS_READ_WRITE);
        ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
        accept_fd(dup(fd), FD_ACCESS_READ_WRITE);
        ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL), 0);
        accept_fd(dup(fd), FD_ACCESS_READ);
        refuse_fd(dup(fd), FD_ACCESS_WRITE, "sealed");
        refuse_fd(fd, FD_ACCESS_READ_WRITE, "sealed");
        fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
        refuse_fd(fd, FD_ACCESS_WRITE, "sealed");
}
END_TEST

/* A block device node needs mknod: root with a device-friendly /tmp. Major 7 is loop. */
START_TEST(test_block_device)
{
        const char *path = "/tmp/vmservice-fd-check-block";
        const char *why = NULL;
        int fd;

        unlink(path);
        if (mknod(path, S_IFBLK | 0600, makedev(7, 0)) < 0)
                return;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        unlink(path);
        if (fd < 0)
                return;
        ck_assert_int_eq(fd_check_file(fd, FD_ACCESS_READ, true, &why), 0);
        refuse_fd(fd, FD_ACCESS_READ, "block device");
}
END_TEST

static void refuse_stream(int fd, const char *word)
{
        const char *why = NULL;

        ck_assert_int_eq(fd_check_stream_socket(fd, &why), -EBADF);
        ck_assert_ptr_nonnull(why);
        ck_assert_msg(strstr(why, word), "\"%s\" does not say \"%s\"", why, word);
        fd_close(fd);
}

START_TEST(test_stream_socket)
{
        int pair[2], pipe_fds[2];
        const char *why = NULL;

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        ck_assert_int_eq(fd_check_stream_socket(pair[0], &why), 0);
        fd_close(pair[1]);
        ck_assert_int_eq(fd_check_stream_socket(pair[0], &why), 0); /* who left it is no matter */
        fd_close(pair[0]);
        ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
        refuse_stream(pipe_fds[0], "not a stream socket");
        refuse_stream(pipe_fds[1], "not a stream socket");
        refuse_stream(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "not a stream socket");
        refuse_stream(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), "not a stream socket");
        refuse_stream(open("/proc/self/mem", O_RDWR | O_CLOEXEC), "not a stream socket");
        refuse_stream(open("/", O_PATH | O_CLOEXEC), "not a stream socket");
        refuse_stream(-1, "not a stream socket");
        pair[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(
                bind(pair[0], &(struct sockaddr){.sa_family = AF_UNIX}, sizeof(sa_family_t)),
                0); /* an address of the kernel's choice: unix(7), autobind */
        ck_assert_int_eq(listen(pair[0], 1), 0);
        refuse_stream(pair[0], "listening");
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_test(tcase, test_accepted);
        tcase_add_test(tcase, test_wrong_mode);
        tcase_add_test(tcase, test_not_open);
        tcase_add_test(tcase, test_o_path);
        tcase_add_test(tcase, test_wrong_type);
        tcase_add_test(tcase, test_kernel_files);
        tcase_add_test(tcase, test_memfd);
        tcase_add_test(tcase, test_stream_socket);
        tcase_add_test(tcase, test_block_device);
}

int main(void)
{
        return unit_run("fd-check", add_tests);
}
