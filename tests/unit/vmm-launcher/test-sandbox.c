/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The walls, tried from inside: a child puts them up and does what they forbid. */

#include "sandbox.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check-main.h"
#include "common/fd.h"
#include "monitor-harness.h"

#define HARMLESS_EXIT 42

static int some_fd;

static void do_nothing(void)
{
}

static void do_write(void)
{
        (void)!write(some_fd, "", 0);
}

static void do_open(void)
{
        (void)syscall(SYS_open, "/etc/passwd", O_RDONLY);
}

static void do_openat(void)
{
        (void)open("/dev/null", O_RDWR);
}

static void do_socket(void)
{
        (void)socket(AF_UNIX, SOCK_STREAM, 0);
}

static void do_connect(void)
{
        (void)connect(some_fd, NULL, 0);
}

static void do_exec(void)
{
        (void)execl("/bin/true", "true", (char *)NULL);
}

static void do_fork(void)
{
        (void)syscall(SYS_fork);
}

static void do_ptrace(void)
{
        (void)syscall(SYS_ptrace, 0, 0, 0, 0);
}

static void do_clone(void)
{
        (void)syscall(SYS_clone3, NULL, 0);
}

static void do_other_ioctl(void)
{
        (void)ioctl(some_fd, TIOCSTI, "x");
}

static void do_create_vm(void)
{
        (void)ioctl(some_fd, KVM_CREATE_VM, 0);
}

static void do_map_executable(void)
{
        (void)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void do_protect(void)
{
        (void)mprotect(NULL, 4096, PROT_READ | PROT_EXEC);
}

static void do_prctl(void)
{
        (void)prctl(PR_SET_DUMPABLE, 1);
}

static void do_run(void)
{
        (void)ioctl(some_fd, KVM_RUN, 0);
}

static void do_receive(void)
{
        char byte;

        (void)recv(some_fd, &byte, 1, MSG_DONTWAIT);
}

typedef struct Attempt {
        const char *name;
        void (*attempt)(void);
        bool vcpu, main, wide; /* whether that filter lets it pass */
} Attempt;

static const Attempt attempts[] = {
        {"nothing", do_nothing, true, true, true},
        {"write", do_write, true, true, true},
        {"open", do_open, false, false, false},
        {"openat", do_openat, false, false, false},
        {"socket", do_socket, false, false, false},
        {"connect", do_connect, false, false, false},
        {"exec", do_exec, false, false, false},
        {"fork", do_fork, false, false, false},
        {"ptrace", do_ptrace, false, false, false},
        {"clone3", do_clone, false, false, true},
        {"another ioctl", do_other_ioctl, false, false, true},
        {"KVM_CREATE_VM", do_create_vm, false, false, true},
        {"executable mapping", do_map_executable, false, false, true},
        {"mprotect", do_protect, false, false, true},
        {"prctl", do_prctl, false, false, true},
        {"KVM_RUN", do_run, true, false, true},
        {"recv", do_receive, false, true, true},
};

/* -1: it could not be set up; else the wait status. */
static int attempt_in_child(const Attempt *attempt, int (*lock)(void))
{
        pid_t pid = fork();
        int status;

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || lock() < 0)
                        _exit(1);
                attempt->attempt();
                _exit(HARMLESS_EXIT);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        return status;
}

static void check_attempts(const char *role, int (*lock)(void), bool is_vcpu)
{
        bool wide = sandbox_weakness() != NULL;

        some_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        ck_assert_int_ge(some_fd, 0);
        for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
                const Attempt *attempt = &attempts[i];
                bool allowed = wide ? attempt->wide : is_vcpu ? attempt->vcpu : attempt->main;
                int status = attempt_in_child(attempt, lock);

                if (allowed)
                        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == HARMLESS_EXIT,
                                      "%s: %s: status %#x", role, attempt->name, (unsigned)status);
                else
                        ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS,
                                      "%s: %s: status %#x", role, attempt->name, (unsigned)status);
        }
        close(some_fd);
}

START_TEST(test_vcpu_role)
{
        check_attempts("vcpu", sandbox_lock_vcpu, true);
}
END_TEST

START_TEST(test_main_role)
{
        check_attempts("main", sandbox_lock_main, false);
}
END_TEST

/* Without no_new_privs the filter is refused, and that is told. */
START_TEST(test_lock_fails)
{
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                if (setresuid(65534, 65534, 65534) < 0)
                        _exit(HARMLESS_EXIT); /* as a user it is refused without this */
                _exit(sandbox_lock_main() == -EACCES ? HARMLESS_EXIT : 1);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        if (!sandbox_weakness() || strstr(sandbox_weakness(), "sanitizer"))
                ck_assert_int_eq(status, HARMLESS_EXIT << 8);
}
END_TEST

START_TEST(test_kvm_fd)
{
        const struct {
                const char *path;
                int flags;
        } bad[] = {
                {"/dev/null", O_RDWR},      {"/dev/zero", O_RDWR}, {"/", O_RDONLY | O_DIRECTORY},
                {"/proc/self/mem", O_RDWR}, {"/dev/kvm", O_PATH},  {"/dev/kvm", O_RDONLY},
                {"/dev/kvm", O_WRONLY},
        };
        const char *why = NULL;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                int fd = open(bad[i].path, bad[i].flags | O_CLOEXEC);

                if (fd < 0)
                        continue; /* no /dev/kvm here */
                why = NULL;
                ck_assert_msg(sandbox_check_kvm_fd(fd, &why) == -EBADF, "%s", bad[i].path);
                ck_assert_ptr_nonnull(why);
                close(fd);
        }
        ck_assert_int_eq(sandbox_check_kvm_fd(-1, &why), -EBADF);
        ck_assert_int_eq(sandbox_check_kvm_fd(1000, &why), -EBADF);
}
END_TEST

/* Everything that could be inherited, and is not in the manifest, ends the monitor by name. */
START_TEST(test_manifest)
{
        const char *const paths[] = {"/", "/dev/null", "/proc/self/status", "/etc/passwd"};

        for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
                MonitorSpawn how = MONITOR_SPAWN_DEFAULT;
                char log[2048];
                Monitor monitor;
                int status;

                how.extra_fd = open(paths[i], O_RDONLY | O_CLOEXEC);
                ck_assert_int_ge(how.extra_fd, 0);
                monitor_spawn(&monitor, &how);
                status = monitor_wait(&monitor);
                ck_assert(WIFEXITED(status));
                ck_assert_int_eq(WEXITSTATUS(status), monitor_exit_code(STOP_REASON_START_FAILED));
                monitor_read_log(&monitor, log, sizeof(log));
                ck_assert_msg(strstr(log, "descriptor 7 ("), "\"%s\"", log);
                ck_assert_msg(strstr(log, "manifest"), "\"%s\"", log);
                monitor_done(&monitor);
                close(how.extra_fd);
        }
}
END_TEST

/* The monitor's own files would take their numbers, and its log lines go there. */
START_TEST(test_standard_descriptors)
{
        for (int fd = 0; fd <= 2; fd++) {
                MonitorSpawn how = MONITOR_SPAWN_DEFAULT;
                char log[2048], closed[64];
                Monitor monitor;
                int status;

                how.closed_fd = fd;
                monitor_spawn(&monitor, &how);
                status = monitor_wait(&monitor);
                ck_assert(WIFEXITED(status));
                ck_assert_int_eq(WEXITSTATUS(status), monitor_exit_code(STOP_REASON_START_FAILED));
                monitor_read_log(&monitor, log, sizeof(log));
                (void)snprintf(closed, sizeof(closed), "descriptor %d is closed", fd);
                if (fd != STDERR_FILENO)
                        ck_assert_msg(strstr(log, closed), "\"%s\"", log);
                monitor_done(&monitor);
        }
}
END_TEST

START_TEST(test_control_socket)
{
        int sockets[2], pipes[2], wrong[4];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
        ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
        wrong[0] = sockets[0];
        wrong[1] = pipes[0];
        wrong[2] = open("/dev/null", O_RDWR | O_CLOEXEC);
        wrong[3] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        for (size_t i = 0; i < 4; i++) {
                MonitorSpawn how = MONITOR_SPAWN_DEFAULT;
                char log[2048];
                Monitor monitor;
                int status;

                if (wrong[i] < 0)
                        continue;
                how.control_fd = wrong[i];
                monitor_spawn(&monitor, &how);
                status = monitor_wait(&monitor);
                ck_assert_int_eq(WEXITSTATUS(status), monitor_exit_code(STOP_REASON_START_FAILED));
                monitor_read_log(&monitor, log, sizeof(log));
                ck_assert_msg(strstr(log, "control socket"), "\"%s\"", log);
                monitor_done(&monitor);
        }
}
END_TEST

#ifndef LAUNCHER_SANITIZED
static void check_dynamic(int fd, const Elf64_Phdr *segment)
{
        for (uint64_t at = 0; at < segment->p_filesz; at += sizeof(Elf64_Dyn)) {
                Elf64_Dyn dynamic;

                ck_assert_int_eq(
                        fd_pread_full(fd, &dynamic, sizeof(dynamic), segment->p_offset + at), 0);
                ck_assert_int_ne(dynamic.d_tag, DT_NEEDED);
        }
}

/* A static PIE: names no loader and no library, lies anywhere, has no page to write and to run. */
START_TEST(test_program)
{
        int fd = open(getenv("VMM_LAUNCHER"), O_RDONLY | O_CLOEXEC);
        bool has_stack = false, has_dynamic = false;
        Elf64_Ehdr header;

        ck_assert_int_eq(fd_pread_full(fd, &header, sizeof(header), 0), 0);
        ck_assert_int_eq(memcmp(header.e_ident, ELFMAG, SELFMAG), 0);
        ck_assert_uint_eq(header.e_type, ET_DYN);
        for (unsigned i = 0; i < header.e_phnum; i++) {
                Elf64_Phdr segment;

                ck_assert_int_eq(fd_pread_full(fd, &segment, sizeof(segment),
                                               header.e_phoff + i * sizeof(segment)),
                                 0);
                ck_assert_uint_ne(segment.p_type, PT_INTERP);
                ck_assert_uint_ne(segment.p_flags & (PF_W | PF_X), PF_W | PF_X);
                has_stack |= segment.p_type == PT_GNU_STACK;
                if (segment.p_type == PT_DYNAMIC) {
                        has_dynamic = true;
                        check_dynamic(fd, &segment);
                }
        }
        ck_assert(has_stack && has_dynamic);
        close(fd);
}
END_TEST
#endif

int main(void)
{
        const CheckTest tests[] = {
                {"vCPU role", test_vcpu_role},
                {"main role", test_main_role},
                {"lock fails", test_lock_fails},
                {"KVM fd", test_kvm_fd},
                {"manifest", test_manifest},
                {"standard descriptors", test_standard_descriptors},
                {"control socket", test_control_socket},
#ifndef LAUNCHER_SANITIZED
                {"program", test_program},
#endif
        };

        return check_run("sandbox", tests, sizeof(tests) / sizeof(tests[0]));
}
