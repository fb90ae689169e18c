/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/string-util.h"
#include "seccomp-filters.h"

#ifdef HAVE_VALGRIND
#include <valgrind/valgrind.h>
#endif

/* Documentation/admin-guide/devices.txt: misc device 232 */
#define KVM_DEVICE makedev(10, 232)

#define WHY_SIZE 256

static int check_control_socket(int fd, char why[WHY_SIZE])
{
        int type = 0, domain = 0;
        socklen_t size = sizeof(type);

        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
            getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 || type != SOCK_SEQPACKET ||
            domain != AF_UNIX) {
                (void)snprintf(why, WHY_SIZE,
                               "file descriptor %d is not the daemon's control socket; "
                               "vmm-launcher is started by vmserviced, use vmctl",
                               fd);
                return -EBADF;
        }
        return 0;
}

/* 0 for one that is listed and yet not open: it belongs to a tool that runs us, valgrind. */
static int refuse_fd(int proc_fd, int fd, char why[WHY_SIZE])
{
        char name[16], target[64], escaped[96];
        ssize_t n;

        (void)snprintf(name, sizeof(name), "%d", fd);
        n = readlinkat(proc_fd, name, target, sizeof(target));
        if (close(fd) < 0 && errno == EBADF)
                return 0;
        (void)string_escape_into(escaped, sizeof(escaped), target, n > 0 ? (size_t)n : 0);
        (void)snprintf(why, WHY_SIZE,
                       "file descriptor %d (%s) was inherited and is not in the manifest; whoever "
                       "starts a monitor passes 0, 1, 2 and the control socket only",
                       fd, n > 0 ? escaped : "unknown");
        return -EBADF;
}

/* What is opened later must not get a number that log lines are written to. */
static int check_standard_fds(unsigned seen, char why[WHY_SIZE])
{
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                if (!(seen & 1U << fd)) {
                        (void)snprintf(why, WHY_SIZE,
                                       "file descriptor %d is closed; whoever starts a monitor "
                                       "opens 0, 1 and 2, if only on /dev/null",
                                       fd);
                        return -EBADF;
                }
        return 0;
}

/* The kernel's own records: readdir() would bring in stdio's buffers for a dozen bytes. */
static int check_fd_table(int proc_fd, int control_fd, char why[WHY_SIZE])
{
        _Alignas(struct dirent64) char buffer[1024];
        unsigned seen = 0; /* a bit for each of the first three */

        for (;;) {
                ssize_t n = getdents64(proc_fd, buffer, sizeof(buffer));

                if (n == 0)
                        return check_standard_fds(seen, why);
                if (n < 0) {
                        int r = -errno;

                        (void)snprintf(why, WHY_SIZE, "/proc/self/fd cannot be listed: %s",
                                       strerrordesc_np(-r));
                        return r;
                }
                for (ssize_t at = 0; at < n;) {
                        const struct dirent64 *entry = (const void *)(buffer + at);
                        int fd = atoi(entry->d_name);

                        at += entry->d_reclen;
                        if (*entry->d_name == '.' || fd == proc_fd || fd == control_fd)
                                continue;
                        if (fd <= STDERR_FILENO)
                                seen |= 1U << fd;
                        else if (refuse_fd(proc_fd, fd, why) < 0)
                                return -EBADF;
                }
        }
}

int sandbox_enter(int control_fd, char ret_why[WHY_SIZE])
{
        _cleanup_close_ int proc_fd = -1;
        int r;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
                r = -errno;
                (void)snprintf(ret_why, WHY_SIZE, "no_new_privs cannot be set: %s",
                               strerrordesc_np(-r));
                return r;
        }
        r = check_control_socket(control_fd, ret_why);
        if (r < 0)
                return r;
        proc_fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (proc_fd < 0) {
                r = -errno;
                (void)snprintf(ret_why, WHY_SIZE,
                               "/proc/self/fd cannot be read, so the inherited descriptors cannot "
                               "be checked: %s; mount /proc",
                               strerrordesc_np(-r));
                return r;
        }
        return check_fd_table(proc_fd, control_fd, ret_why);
}

/*
 * valgrind makes system calls of its own in our place, and knows no seccomp(2). Nobody but who runs
 * the monitor inside it can make this true.
 */
static bool is_in_valgrind(void)
{
#ifdef HAVE_VALGRIND
        return RUNNING_ON_VALGRIND;
#else
        return false;
#endif
}

/* The kernel takes a pointer that is not const; it only reads. */
static int filter_install(const struct sock_filter *filter, size_t n)
{
        struct sock_fprog program = {.len = (unsigned short)n,
                                     .filter = (struct sock_filter *)(uintptr_t)filter};

        if (is_in_valgrind())
                return 0;
        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}

#ifdef LAUNCHER_SANITIZED
#define FILTER_VCPU seccomp_filter_wide
#define FILTER_MAIN seccomp_filter_wide
#define FILTER_WIDE true
#else
#define FILTER_VCPU seccomp_filter_vcpu
#define FILTER_MAIN seccomp_filter_main
#define FILTER_WIDE false
#endif

int sandbox_lock_vcpu(void)
{
        return filter_install(FILTER_VCPU, ARRAY_SIZE(FILTER_VCPU));
}

int sandbox_lock_main(void)
{
        return filter_install(FILTER_MAIN, ARRAY_SIZE(FILTER_MAIN));
}

const char *sandbox_weakness(void)
{
        if (is_in_valgrind())
                return "runs inside valgrind, without a system call filter";
        return FILTER_WIDE ? "is a sanitizer build, whose system call filter is wide" : NULL;
}

int sandbox_check_kvm_fd(int fd, const char **ret_why)
{
        struct stat st;
        int flags;

        if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != KVM_DEVICE) {
                *ret_why = "the first descriptor is not /dev/kvm (character device 10:232)";
                return -EBADF;
        }
        flags = fcntl(fd, F_GETFL);
        if (flags < 0 || flags & O_PATH || (flags & O_ACCMODE) != O_RDWR) {
                *ret_why = "/dev/kvm is not open for reading and writing; open it with O_RDWR";
                return -EBADF;
        }
        return 0;
}
