/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * first-run [--monitor CONFIG FILE...] [--hold] -- PROGRAM [ARG...]
 *
 * Spawns a virtual machine monitor and prints the nanoseconds until its first KVM_RUN, on whichever
 * of its threads. It is told of it by a seccomp filter, inherited by the program, that sends every
 * ioctl(KVM_RUN) here and nothing else (seccomp_unotify(2)): no tracer, no preloaded library, the
 * same for every monitor, static or not. The program is killed there.
 *
 * --monitor: it is a vmm-launcher: file descriptor 3 is its control socket, over which it is sent
 * CONFIG and the files, as vmserviced does (protocol/protocol.h). /dev/kvm and the files are opened
 * within the time that is taken.
 * --hold: prints "PID" at the first KVM_RUN instead, and waits for the end of standard input, for
 * who wants to look at the program; its own seccomp() is answered with a success that it does not
 * have, for a filter that has no open() would keep a tool like valgrind from writing down what it
 * saw.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONTROL_FD    3
#define MAX_FILES     8
#define DEADLINE_MSEC 120000
#define HELLO                                                                                      \
        "{\"type\":\"request\",\"id\":1,\"method\":\"hello\",\"params\":{\"versions\":[1],"        \
        "\"token\":\"00000000000000000000000000000000\"}}"
#define START                                                                                      \
        "{\"type\":\"request\",\"id\":2,\"method\":\"start\",\"params\":{\"config\":%s,"           \
        "\"run_id\":\"11111111111111111111111111111111\",\"log\":false,\"log_previous\":false}}"

typedef struct Options {
        const char *config; /* NULL: a monitor that needs no telling */
        char **files;
        unsigned n_files;
        bool hold;
        char **program;
} Options;

static _Noreturn void fail(const char *what)
{
        (void)fprintf(stderr, "first-run: %s: %s\n", what, strerror(errno));
        exit(EXIT_FAILURE);
}

static uint64_t now_nsec(void)
{
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

/* The filter of this process and what it spawns; returns the descriptor that is told. */
static int filter_install(bool swallow)
{
        const uint32_t nr = offsetof(struct seccomp_data, nr);
        const uint32_t second = offsetof(struct seccomp_data, args[1]);
        const uint32_t pretend = swallow ? SECCOMP_RET_ERRNO | 0 : SECCOMP_RET_ALLOW;
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, nr),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 3, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, second),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, KVM_RUN, 2, 1),
                BPF_STMT(BPF_RET | BPF_K, pretend),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        };
        struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
        int fd;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                fail("no_new_privs");
        fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                          &program);
        if (fd < 0)
                fail("seccomp filter");
        return fd;
}

/* The program on one processor, its starter on another: neither waits for the other's. */
static void pin(bool program)
{
        cpu_set_t all, one;
        int cpu = program ? CPU_SETSIZE - 1 : 0;

        if (sched_getaffinity(0, sizeof(all), &all) < 0 || CPU_COUNT(&all) < 2)
                return;
        while (!CPU_ISSET(cpu, &all))
                cpu += program ? -1 : 1;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        (void)sched_setaffinity(0, sizeof(one), &one);
}

/* nothing: its standard input, not ours, which it may turn non-blocking. */
static pid_t spawn(const Options *options, int control, int nothing)
{
        pid_t pid;

        pin(true); /* inherited; this process moves away below */
        pid = vfork();
        if (pid < 0)
                fail("vfork");
        if (pid == 0) {
                if (dup2(nothing, STDIN_FILENO) < 0 ||
                    (control >= 0 && dup2(control, CONTROL_FD) < 0))
                        _exit(127);
                (void)close_range(control >= 0 ? CONTROL_FD + 1 : CONTROL_FD, ~0U, 0);
                (void)execv(options->program[0], options->program);
                _exit(127);
        }
        return pid;
}

static void move_away(const cpu_set_t *all)
{
        (void)sched_setaffinity(0, sizeof(*all), all);
        pin(false);
}

/* Sends start with /dev/kvm and the files, as the daemon would. */
static void monitor_start(const Options *options, int socket)
{
        int fds[MAX_FILES + 1];
        char frame[8192], control[CMSG_SPACE(sizeof(fds))];
        struct iovec part = {frame, 0};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control};
        struct cmsghdr *header;

        fds[0] = open("/dev/kvm", O_RDWR | O_CLOEXEC);
        if (fds[0] < 0)
                fail("/dev/kvm");
        for (unsigned i = 0; i < options->n_files; i++) {
                fds[i + 1] = open(options->files[i], O_RDONLY | O_CLOEXEC);
                if (fds[i + 1] < 0)
                        fail(options->files[i]);
        }
        if (send(socket, HELLO, strlen(HELLO), MSG_NOSIGNAL) < 0)
                fail("hello");
        part.iov_len = (size_t)snprintf(frame, sizeof(frame), START, options->config);
        message.msg_controllen = CMSG_SPACE((options->n_files + 1) * sizeof(int));
        header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN((options->n_files + 1) * sizeof(int));
        memcpy(CMSG_DATA(header), fds, (options->n_files + 1) * sizeof(int));
        if (sendmsg(socket, &message, MSG_NOSIGNAL) < 0)
                fail("start");
}

/* Waits for the first KVM_RUN; what the monitor said is shown when it ends without one. */
static uint64_t wait_for_run(int listener, int socket, pid_t pid)
{
        int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        struct pollfd fds[] = {{listener, POLLIN, 0}, {socket, POLLIN, 0}, {pidfd, POLLIN, 0}};
        char frame[65536], last[65536] = "nothing";

        for (;;) {
                int n = poll(fds, 3, DEADLINE_MSEC);

                if (n < 0 && errno == EINTR)
                        continue;
                if (fds[0].revents & POLLIN)
                        return now_nsec();
                if (n <= 0 || (fds[1].revents == 0 && fds[2].revents != 0))
                        break;
                if (fds[1].revents != 0) {
                        ssize_t length = recv(socket, frame, sizeof(frame) - 1, MSG_DONTWAIT);

                        if (length <= 0) {
                                fds[1].fd = -1;
                                continue;
                        }
                        frame[length] = '\0';
                        memcpy(last, frame, (size_t)length + 1);
                }
        }
        (void)fprintf(stderr, "first-run: no KVM_RUN; the monitor's last words: %s\n", last);
        exit(EXIT_FAILURE);
}

/* The thread's process, of a notification that stays unanswered. */
static pid_t notified_process(int listener)
{
        struct seccomp_notif *notification = calloc(1, 4096);

        if (!notification || ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, notification) < 0)
                fail("notification");
        return (pid_t)notification->pid;
}

static Options options_parse(int argc, char **argv)
{
        Options options = {0};
        int i = 1;

        for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
                if (strcmp(argv[i], "--hold") == 0) {
                        options.hold = true;
                } else if (strcmp(argv[i], "--monitor") == 0 && i + 1 < argc) {
                        options.config = argv[++i];
                        options.files = argv + i + 1;
                        while (i + 1 < argc && argv[i + 1][0] != '-') {
                                i++;
                                options.n_files++;
                        }
                }
        }
        if (i + 1 >= argc || options.n_files > MAX_FILES) {
                (void)fprintf(stderr, "usage: first-run [--monitor CONFIG FILE...] [--hold] -- "
                                      "PROGRAM [ARG...]\n");
                exit(2);
        }
        options.program = argv + i + 1;
        return options;
}

int main(int argc, char **argv)
{
        Options options = options_parse(argc, argv);
        int sockets[2] = {-1, -1}, listener = filter_install(options.hold);
        int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
        uint64_t begin, end;
        cpu_set_t all;
        char byte;
        pid_t pid, notified;

        if (options.config && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
                fail("socketpair");
        (void)sched_getaffinity(0, sizeof(all), &all);
        begin = now_nsec();
        pid = spawn(&options, sockets[1], nothing);
        move_away(&all);
        if (options.config) {
                (void)close(sockets[1]);
                monitor_start(&options, sockets[0]);
        }
        end = wait_for_run(listener, sockets[0], pid);
        /* A tool that runs the program ends with it, and writes down what it saw. */
        notified = notified_process(listener);
        if (options.hold) {
                printf("%d\n", notified);
                (void)fflush(stdout);
                while (read(STDIN_FILENO, &byte, 1) > 0)
                        continue;
        } else {
                printf("%llu\n", (unsigned long long)(end - begin));
        }
        (void)kill(notified, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        return 0;
}
