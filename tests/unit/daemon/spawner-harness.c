/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spawner-harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/id128.h"

#define ARGUMENTS_MAX 24

static const Mode modes[] = {
        {"session", true, false},
        {"session with cgroup", true, true},
        {"system", false, false},
        {"system with cgroup", false, true},
};

static const char *cgroup2_mount(void)
{
        static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
        struct statfs fs;

        for (size_t i = 0; i < ARRAY_SIZE(places); i++)
                if (statfs(places[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
                        return places[i];
        return NULL;
}

static bool mode_can_run(const Mode *mode)
{
        if (!mode->session && geteuid() != 0)
                return false;
        return !mode->cgroup ||
               (geteuid() == 0 && cgroup2_mount() && access(cgroup2_mount(), W_OK) == 0);
}

int modes_count(void)
{
        int n = 0;

        for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
                n += mode_can_run(&modes[i]);
        return n;
}

const Mode *mode_get(int i)
{
        for (size_t m = 0; m < ARRAY_SIZE(modes); m++)
                if (mode_can_run(&modes[m]) && i-- == 0)
                        return &modes[m];
        ck_abort_msg("no such mode");
        return NULL;
}

static void pause_briefly(void)
{
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

void wait_until(bool (*condition)(void *), void *userdata, const char *what)
{
        time_t end = time(NULL) + DEADLINE_MSEC / 1000;

        while (!condition(userdata)) {
                ck_assert_msg(time(NULL) < end, "waited in vain for: %s", what);
                pause_briefly();
        }
}

void fd_wait_readable(int fd, const char *what)
{
        struct pollfd pollfd = {.fd = fd, .events = POLLIN};
        int r;

        do
                r = poll(&pollfd, 1, DEADLINE_MSEC);
        while (r < 0 && errno == EINTR);
        ck_assert_msg(r == 1, "waited in vain for: %s", what);
}

/* The monitor runs under uids that may have no way into the build folder. */
static void copy_monitor(const char *to)
{
        _cleanup_close_ int in = open(TEST_MONITOR, O_RDONLY | O_CLOEXEC);
        _cleanup_close_ int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);

        ck_assert_int_ge(in, 0);
        ck_assert_int_ge(out, 0);
        ck_assert_int_eq(fchmod(out, 0755), 0);
        ck_assert_int_eq(fd_copy_file(in, out, 256U << 20), 0);
}

void harness_init(Harness *harness, const Mode *mode)
{
        *harness = (Harness){.mode = mode, .pid = -1};
        strcpy(harness->dir, "/tmp/vmservice-test-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(harness->dir));
        ck_assert_int_eq(chmod(harness->dir, 0755), 0);
        snprintf(harness->socket, sizeof(harness->socket), "%s/spawner.sock", harness->dir);
        snprintf(harness->monitor, sizeof(harness->monitor), "%s/monitor", harness->dir);
        copy_monitor(harness->monitor);
        if (!mode->cgroup)
                return;
        snprintf(harness->cgroup, sizeof(harness->cgroup), "%s%s", cgroup2_mount(),
                 strrchr(harness->dir, '/'));
        ck_assert_int_eq(mkdir(harness->cgroup, 0755), 0);
}

static void fail_syscall(int number, int error)
{
        struct sock_filter filter[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = {.len = ARRAY_SIZE(filter), .filter = filter};

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
                _exit(99);
}

/* As vmservice-machines.service: CapabilityBoundingSet=. */
static void drop_capabilities(void)
{
        for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
                if (cap != CAP_SETUID && cap != CAP_SETGID && cap != CAP_KILL)
                        prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

static _noreturn_ void harness_exec(const Harness *harness, int ready_fd)
{
        const char *arguments[ARGUMENTS_MAX];
        char ready[16];
        size_t n = 0;

        arguments[n++] = "vm-spawner";
        arguments[n++] = "--monitor";
        arguments[n++] = harness->monitor;
        if (harness->mode->session)
                arguments[n++] = "--session";
        if (harness->mode->cgroup) {
                arguments[n++] = "--cgroup";
                arguments[n++] = harness->cgroup;
        }
        arguments[n++] = "--socket";
        arguments[n++] = harness->socket;
        snprintf(ready, sizeof(ready), "%d", ready_fd);
        arguments[n++] = "--ready-fd";
        arguments[n++] = ready;
        for (const char *const *e = harness->extra; e && *e && n < ARGUMENTS_MAX - 1; e++)
                arguments[n++] = *e;
        arguments[n] = NULL;

        if (!harness->mode->session)
                drop_capabilities();
        /* A test that fails takes its spawner, and so its children, with it. */
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (harness->fail_errno > 0)
                fail_syscall(harness->fail_syscall, harness->fail_errno);
        execv(VM_SPAWNER, (char *const *)arguments);
        _exit(98);
}

void harness_start(Harness *harness)
{
        int32_t ready = -1;
        int fds[2];

        ck_assert_int_eq(pipe(fds), 0);
        harness->pid = fork();
        ck_assert_int_ge(harness->pid, 0);
        if (harness->pid == 0) {
                close(fds[0]);
                harness_exec(harness, fds[1]);
        }
        close(fds[1]);
        if (!harness->no_wait) {
                fd_wait_readable(fds[0], "vm-spawner to listen");
                ck_assert_msg(fd_read_full(fds[0], &ready, sizeof(ready)) == 0,
                              "vm-spawner did not start");
                ck_assert_int_eq(ready, 0);
        }
        close(fds[0]);
}

static bool has_ended(void *userdata)
{
        siginfo_t info = {};
        pid_t pid = *(pid_t *)userdata;

        ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
        return info.si_pid == pid;
}

int harness_wait_end(Harness *harness)
{
        int status;

        wait_until(has_ended, &harness->pid, "vm-spawner to end");
        ck_assert_int_eq(waitpid(harness->pid, &status, 0), harness->pid);
        harness->pid = -1;
        return status;
}

static bool cgroups_are_gone(void *userdata)
{
        const Harness *harness = userdata;
        char path[160];

        /* The spawner, just dead, may still be counted. */
        snprintf(path, sizeof(path), "%s/spawner", harness->cgroup);
        if (rmdir(path) < 0 && errno != ENOENT)
                return false;
        snprintf(path, sizeof(path), "%s/machines", harness->cgroup);
        if (rmdir(path) < 0 && errno != ENOENT)
                return false;
        return rmdir(harness->cgroup) == 0 || errno == ENOENT;
}

void harness_check_gone(Harness *harness)
{
        char path[128];

        ck_assert_msg(access(harness->socket, F_OK) < 0, "the socket was left behind");
        if (harness->cgroup[0] != '\0')
                wait_until(cgroups_are_gone, harness, "the spawner's cgroups to be empty");
        unlink(harness->monitor);
        snprintf(path, sizeof(path), "%s.lock", harness->socket);
        unlink(path);
        ck_assert_int_eq(rmdir(harness->dir), 0);
}

void harness_stop(Harness *harness)
{
        int status;

        ck_assert_int_eq(kill(harness->pid, SIGTERM), 0);
        status = harness_wait_end(harness);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "it ended with status %#x",
                      (unsigned)status);
        harness_check_gone(harness);
}

static int entries_count(const char *path)
{
        DIR *dir = opendir(path);
        const struct dirent *entry;
        int n = 0;

        ck_assert_msg(dir != NULL, "cannot open %s", path);
        while ((entry = readdir(dir)))
                n += entry->d_name[0] != '.' &&
                     (entry->d_type == DT_DIR || entry->d_type == DT_LNK);
        closedir(dir);
        return n;
}

int harness_fd_count(const Harness *harness)
{
        char path[64];

        snprintf(path, sizeof(path), "/proc/%d/fd", (int)harness->pid);
        return entries_count(path);
}

typedef struct FdCount {
        const Harness *harness;
        int expected;
} FdCount;

static bool has_fd_count(void *userdata)
{
        const FdCount *count = userdata;

        return harness_fd_count(count->harness) == count->expected;
}

void harness_expect_fd_count(const Harness *harness, int expected)
{
        FdCount count = {harness, expected};

        wait_until(has_fd_count, &count, "vm-spawner to have as many descriptors as before");
}

int harness_cgroup_count(const Harness *harness)
{
        char path[160];

        snprintf(path, sizeof(path), "%s/machines", harness->cgroup);
        return entries_count(path);
}

int harness_child_count(const Harness *harness)
{
        char path[64];
        FILE *file;
        int pid, n = 0;

        snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)harness->pid,
                 (int)harness->pid);
        file = fopen(path, "re");
        ck_assert_ptr_nonnull(file);
        while (fscanf(file, "%d", &pid) == 1)
                n++;
        fclose(file);
        return n;
}

static bool childless(void *userdata)
{
        return harness_child_count(userdata) == 0;
}

void harness_wait_childless(Harness *harness)
{
        wait_until(childless, harness, "vm-spawner's children to be gone");
}

static bool sleeps(void *userdata)
{
        const Harness *harness = userdata;
        char path[64], state = '?';
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%d/stat", (int)harness->pid);
        file = fopen(path, "re");
        ck_assert_ptr_nonnull(file);
        ck_assert_int_eq(fscanf(file, "%*d (%*[^)]) %c", &state), 1);
        fclose(file);
        return state == 'S';
}

void harness_wait_asleep(Harness *harness)
{
        wait_until(sleeps, harness, "vm-spawner to have nothing more to do");
}

int try_connect(const Harness *harness)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        ck_assert_int_ge(fd, 0);
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", harness->socket);
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int raw_connect(const Harness *harness)
{
        int fd = try_connect(harness);

        ck_assert_int_ge(fd, 0);
        return fd;
}

int harness_connect(const Harness *harness)
{
        int fd = raw_connect(harness);
        SpawnerReply reply = request_call(
                fd, &(SpawnerRequest){.op = SPAWNER_HELLO, .value = SPAWNER_PROTOCOL_VERSION});

        ck_assert_int_eq(reply.error, 0);
        return fd;
}

void raw_send(int socket, const void *data, size_t size, const int *fds, size_t n_fds)
{
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(64 * sizeof(int))];
        } control = {};
        struct iovec iov = {.iov_base = (void *)data, .iov_len = size};
        struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

        ck_assert_uint_le(n_fds, 64);
        if (n_fds > 0) {
                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
        }
        ck_assert_int_eq(sendmsg(socket, &message, MSG_NOSIGNAL), (ssize_t)size);
}

void request_send(int socket, const SpawnerRequest *request)
{
        raw_send(socket, request, sizeof(*request), NULL, 0);
}

bool answer_receive(int socket, Answer *ret)
{
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(4 * sizeof(int))];
        } control;
        struct iovec iov = {.iov_base = &ret->reply, .iov_len = sizeof(ret->reply)};
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        ssize_t n;

        *ret = (Answer){};
        fd_wait_readable(socket, "vm-spawner's answer");
        n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
                return false;
        ck_assert_int_eq(n, (ssize_t)sizeof(ret->reply));
        ck_assert_int_eq(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC), 0);
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
                ret->n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                memcpy(ret->fds, CMSG_DATA(c), ret->n_fds * sizeof(int));
        }
        return true;
}

void answer_done(Answer *answer)
{
        while (answer->n_fds > 0)
                close(answer->fds[--answer->n_fds]);
}

void expect_closed(int socket)
{
        Answer answer;

        ck_assert_msg(!answer_receive(socket, &answer), "answered instead of closing: op %u",
                      answer.reply.op);
        close(socket);
}

SpawnerReply request_call(int socket, const SpawnerRequest *request)
{
        static uint64_t serial;
        SpawnerRequest numbered = *request;
        Answer answer;

        numbered.serial = ++serial;
        request_send(socket, &numbered);
        ck_assert_msg(answer_receive(socket, &answer), "closed instead of answering op %u",
                      request->op);
        answer_done(&answer);
        ck_assert_uint_eq(answer.reply.op, request->op);
        ck_assert_uint_eq(answer.reply.serial, numbered.serial);
        return answer.reply;
}

Id128 test_id(unsigned n)
{
        Id128 id = {.bytes = {0x54, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};

        return id;
}

TestChild child_spawn(int socket, unsigned n)
{
        TestChild child = {.id = test_id(n)};
        Answer answer;

        request_send(socket, &(SpawnerRequest){.op = SPAWNER_SPAWN,
                                               .kind = SPAWNER_KIND_MONITOR,
                                               .serial = n,
                                               .id = child.id});
        ck_assert(answer_receive(socket, &answer));
        ck_assert_uint_eq(answer.reply.op, SPAWNER_SPAWN);
        ck_assert_msg(answer.reply.error == 0, "spawn: %s at step %u",
                      strerror(-answer.reply.error), answer.reply.step);
        ck_assert_uint_eq(answer.reply.serial, n);
        ck_assert(id128_equal(&answer.reply.id, &child.id));
        ck_assert_uint_eq(answer.n_fds, 2);
        child.pid = answer.reply.pid;
        child.uid = (uid_t)answer.reply.value;
        child.socket = answer.fds[0];
        child.pidfd = answer.fds[1];
        return child;
}

void child_tell(const TestChild *child, const char *command)
{
        ck_assert_int_eq(send(child->socket, command, strlen(command), MSG_NOSIGNAL),
                         (ssize_t)strlen(command));
}

const char *child_ask(const TestChild *child, const char *command)
{
        static char text[32768];
        ssize_t n;

        child_tell(child, command);
        fd_wait_readable(child->socket, "the child's answer");
        n = recv(child->socket, text, sizeof(text) - 1, 0);
        if (n <= 0)
                return NULL;
        text[n] = '\0';
        return text;
}

const char *line_value(const char *lines, const char *key)
{
        static char value[512];
        size_t length = strlen(key);

        for (const char *p = lines; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
                if (strncmp(p, key, length) == 0 && p[length] == ' ') {
                        snprintf(value, sizeof(value), "%s", p + length + 1);
                        value[strcspn(value, "\n")] = '\0';
                        return value;
                }
        ck_abort_msg("no %s in:\n%s", key, lines);
        return NULL;
}

void child_close(TestChild *child)
{
        close(child->socket);
        close(child->pidfd);
        child->socket = child->pidfd = -1;
}

SpawnerReply expect_exited(int socket, const TestChild *child)
{
        Answer answer;

        ck_assert(answer_receive(socket, &answer));
        ck_assert_uint_eq(answer.reply.op, SPAWNER_EXITED);
        ck_assert_uint_eq(answer.reply.serial, 0);
        ck_assert_int_eq(answer.reply.error, 0);
        ck_assert_uint_eq(answer.n_fds, 0);
        ck_assert_uint_eq(answer.reply.state, SPAWNER_STATE_EXITED);
        ck_assert(id128_equal(&answer.reply.id, &child->id));
        ck_assert_int_eq(answer.reply.pid, child->pid);
        return answer.reply;
}

void child_forget(int socket, TestChild *child)
{
        SpawnerReply reply =
                request_call(socket, &(SpawnerRequest){.op = SPAWNER_FORGET, .id = child->id});

        ck_assert_int_eq(reply.error, 0);
        child_close(child);
}

int harness_run_tests(const char *name, const HarnessTest *tests, size_t n_tests)
{
        Suite *suite = suite_create(name);
        SRunner *runner = srunner_create(suite);
        int n_failed;

        for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
                if (!mode_can_run(&modes[i]))
                        printf("mode \"%s\" cannot run here: root (and cgroup v2) needed\n",
                               modes[i].name);
        for (size_t i = 0; i < n_tests; i++) {
                TCase *tcase = tcase_create(tests[i].name);

                tcase_set_timeout(tcase, 2 * DEADLINE_MSEC / 1000);
                tcase_add_loop_test(tcase, tests[i].test, 0, tests[i].once ? 1 : modes_count());
                suite_add_tcase(suite, tcase);
        }
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
