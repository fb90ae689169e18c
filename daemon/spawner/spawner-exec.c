/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "daemon/spawner/spawner-exec.h"

/* A monitor with every device there may be stays below this. */
#define CHILD_NOFILE 1024
/* Threads of one uid; as many as SPAWNER_PIDS_MAX_DEFAULT, where no pids controller says so. */
#define CHILD_NPROC SPAWNER_PIDS_MAX_DEFAULT

#define THIRD_FD 3

static bool own_oom_score_is_low(void)
{
        _cleanup_free_ char *text = NULL;
        size_t length;

        return fd_read_file_at(AT_FDCWD, "/proc/self/oom_score_adj", 64, &text, &length) == 0 &&
               text[0] == '-';
}

static struct rlimit limit_at_most(int resource, rlim_t value)
{
        struct rlimit limit;

        if (getrlimit(resource, &limit) == 0)
                value = CONST_MIN(value, limit.rlim_max);
        return (struct rlimit){.rlim_cur = value, .rlim_max = value};
}

int exec_context_init(ExecContext *ret, const char *monitor, bool set_ids)
{
        _cleanup_close_ int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        void *page;

        if (null_fd < 0)
                return -errno;
        page = mmap(NULL, sizeof(ExecReport), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                    -1, 0);
        if (page == MAP_FAILED)
                return -errno;
        *ret = (ExecContext){
                .monitor = monitor,
                .report = page,
                .nofile = limit_at_most(RLIMIT_NOFILE, CHILD_NOFILE),
                .nproc = limit_at_most(RLIMIT_NPROC, CHILD_NPROC),
                .set_ids = set_ids,
                .reset_oom = own_oom_score_is_low(),
                .null_fd = TAKE_FD(null_fd),
        };
        return 0;
}

void exec_context_done(ExecContext *context)
{
        context->null_fd = fd_close(context->null_fd);
        if (context->report)
                munmap(context->report, sizeof(*context->report));
        context->report = NULL;
}

/* From here to exec_spawn(): in the child. Nothing is allocated, nothing logged. */

static int place_fd(int fd, int place)
{
        if (fd == place)
                return fd_set_cloexec(fd, false);
        return dup2(fd, place) < 0 ? -errno : 0;
}

/* 0 to 2, 3 if there is one, and nothing else. 2 is the spawner's own: the journal. */
static int child_set_fds(const ExecContext *context, const ExecRequest *request)
{
        int out = request->stdout_fd >= 0 ? request->stdout_fd : context->null_fd;
        int r;

        r = place_fd(context->null_fd, STDIN_FILENO);
        if (r == 0)
                r = place_fd(out, STDOUT_FILENO);
        if (r == 0 && request->third_fd >= 0)
                r = place_fd(request->third_fd, THIRD_FD);
        if (r < 0)
                return r;
        if (close_range(request->third_fd >= 0 ? THIRD_FD + 1 : THIRD_FD, ~0U, 0) < 0)
                return -errno;
        return 0;
}

/* RLIMIT_CORE is 0 in the spawner already, and so is no_new_privs set. */
static int child_set_limits(const ExecContext *context)
{
        if (setrlimit(RLIMIT_NOFILE, &context->nofile) < 0)
                return -errno;
        /* Counted per uid: in session mode it would count the user's other processes too. */
        if (context->set_ids && setrlimit(RLIMIT_NPROC, &context->nproc) < 0)
                return -errno;
        if (context->reset_oom) {
                _cleanup_close_ int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

                if (fd < 0 || write(fd, "0", 1) < 0)
                        return -errno;
        }
        return 0;
}

/* With no_new_privs, uid 0 does not get them back at execve(2). */
static int child_drop_capabilities(void)
{
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};

        return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

static int child_set_credentials(const ExecContext *context, const ExecRequest *request,
                                 pid_t parent)
{
        sigset_t none;
        int r;

        if (context->set_ids &&
            (setgroups(0, NULL) < 0 || setresgid(request->uid, request->uid, request->uid) < 0 ||
             setresuid(request->uid, request->uid, request->uid) < 0))
                return -errno;
        r = child_drop_capabilities();
        if (r < 0)
                return r;
        /* After the ids: prctl(2) says that a change of credentials clears it. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
                return -errno;
        if (getppid() != parent)
                return -ECHILD;
        sigemptyset(&none);
        return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

static _noreturn_ void child_main(const ExecContext *context, const ExecRequest *request,
                                  pid_t parent)
{
        static char *const no_environment[] = {NULL};
        char *const arguments[] = {
                (char *)"vmm-launcher",
                request->kind == SPAWNER_KIND_PROBE ? (char *)"--probe" : NULL,
                NULL,
        };
        ExecReport *report = context->report;
        int r;

        report->step = SPAWNER_STEP_FDS;
        r = setsid() < 0 ? -errno : 0;
        if (r == 0)
                r = child_set_limits(context);
        if (r == 0)
                r = child_set_fds(context, request);
        if (r == 0) {
                report->step = SPAWNER_STEP_CREDENTIALS;
                r = child_set_credentials(context, request, parent);
        }
        if (r == 0) {
                report->step = SPAWNER_STEP_EXEC;
                execve(context->monitor, arguments, no_environment);
                r = -errno;
        }
        report->error = r;
        _exit(EXIT_FAILURE);
}

/*
 * CLONE_VFORK: the call returns when the child has executed the monitor or is dead, so that
 * report needs no pipe. Memory is not shared (no CLONE_VM), and the spawner's is small.
 * CLONE_INTO_CGROUP: no moment outside of the cgroup, and no migration.
 */
int exec_spawn(const ExecContext *context, const ExecRequest *request, pid_t *ret_pid,
               int *ret_pidfd, SpawnerStep *ret_step)
{
        pid_t parent = getpid(), pid;
        int pidfd = -1;
        struct clone_args args = {
                .flags = CLONE_VFORK | CLONE_PIDFD | CLONE_CLEAR_SIGHAND |
                         (request->cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0),
                .pidfd = (uintptr_t)&pidfd,
                .exit_signal = SIGCHLD,
                .cgroup = request->cgroup_fd >= 0 ? (uint64_t)request->cgroup_fd : 0,
        };

        context->report->error = 0;
        context->report->step = SPAWNER_STEP_CLONE;
        pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
        if (pid < 0) {
                *ret_step = SPAWNER_STEP_CLONE;
                return -errno;
        }
        if (pid == 0)
                child_main(context, request, parent);

        if (context->report->error < 0) {
                *ret_step = context->report->step;
                fd_close(pidfd);
                while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                        ;
                return context->report->error;
        }
        *ret_pid = pid;
        *ret_pidfd = pidfd;
        return 0;
}
