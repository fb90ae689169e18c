/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/fd.h"
#include "common/log.h"
#include "daemon/spawner/spawner.h"

Child *children_find(Spawner *spawner, const Id128 *id)
{
        for (size_t i = 0; i < spawner->n_children; i++)
                if (id128_equal(&spawner->children[i].id, id))
                        return &spawner->children[i];
        return NULL;
}

Child *children_find_pid(Spawner *spawner, pid_t pid)
{
        for (size_t i = 0; i < spawner->n_children; i++)
                if (spawner->children[i].pid == pid && spawner->children[i].phase == CHILD_RUNNING)
                        return &spawner->children[i];
        return NULL;
}

static bool uid_is_free(const Spawner *spawner, uid_t uid)
{
        /* A child stays in the table, and its uid taken, until its cgroup is gone and it has been
         * forgotten. */
        for (size_t i = 0; i < spawner->n_children; i++)
                if (spawner->children[i].uid == uid)
                        return false;
        if (cgroup_in_use(&spawner->cgroup))
                return true;
        /* Without a cgroup a process may have got away: ESRCH says that the uid has none. */
        errno = 0;
        return getpriority(PRIO_USER, uid) == -1 && errno == ESRCH;
}

/* The uid whose last use is the longest ago. */
static int uid_take(Spawner *spawner, uid_t *ret)
{
        const SpawnerOptions *options = &spawner->options;
        uid_t n = options->uid_last - options->uid_first + 1;

        if (!spawner->exec.set_ids) {
                *ret = geteuid();
                return 0;
        }
        for (uid_t i = 0; i < n; i++) {
                uid_t uid = spawner->uid_next;

                spawner->uid_next = uid == options->uid_last ? options->uid_first : uid + 1;
                if (uid_is_free(spawner, uid)) {
                        *ret = uid;
                        return 0;
                }
        }
        return -EUSERS;
}

/* Fills in what is known before the child is there; the caller closes the fds in every case. */
static int spawn_prepare(Spawner *spawner, const SpawnerRequest *request, ExecRequest *exec,
                         int *ret_daemon_end, int *ret_child_end, SpawnerStep *ret_step)
{
        int r, pair[2];

        r = uid_take(spawner, &exec->uid);
        if (r < 0)
                return r;
        if (request->kind == SPAWNER_KIND_MONITOR) {
                *ret_step = SPAWNER_STEP_SOCKETPAIR;
                if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                        return -errno;
                *ret_daemon_end = pair[0];
                *ret_child_end = exec->third_fd = pair[1];
        }
        if (cgroup_in_use(&spawner->cgroup)) {
                *ret_step = SPAWNER_STEP_CGROUP;
                r = cgroup_make(&spawner->cgroup, request, &exec->cgroup_fd);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int spawn_check(Spawner *spawner, const SpawnerRequest *request)
{
        if (id128_is_null(&request->id) || request->cpu_weight > 10000 ||
            request->memory_max > INT64_MAX)
                return -EINVAL;
        if (children_find(spawner, &request->id))
                return -EEXIST;
        return spawner->n_children < spawner->options.children_max ? 0 : -EUSERS;
}

int children_spawn(Spawner *spawner, const SpawnerRequest *request, const int *fds, size_t n_fds,
                   Child **ret, SpawnerStep *ret_step)
{
        _cleanup_close_ int daemon_end = -1, child_end = -1, cgroup_fd = -1;
        ExecRequest exec = {
                .kind = request->kind,
                .cgroup_fd = -1,
                .stdout_fd = n_fds > 0 ? fds[0] : -1,
                .third_fd = n_fds > 1 ? fds[1] : -1,
        };
        int r, pidfd;
        pid_t pid;

        *ret_step = SPAWNER_STEP_NONE;
        r = spawn_check(spawner, request);
        if (r < 0)
                return r;
        r = spawn_prepare(spawner, request, &exec, &daemon_end, &child_end, ret_step);
        if (r < 0)
                return r;
        cgroup_fd = exec.cgroup_fd;
        r = exec_spawn(&spawner->exec, &exec, &pid, &pidfd, ret_step);
        if (r < 0) {
                if (cgroup_in_use(&spawner->cgroup) &&
                    cgroup_remove(&spawner->cgroup, &request->id) < 0)
                        log_warning("The cgroup of a failed spawn is not empty, ignoring");
                return r;
        }
        *ret_step = SPAWNER_STEP_NONE;
        *ret = &spawner->children[spawner->n_children++];
        **ret = (Child){
                .id = request->id,
                .pid = pid,
                .uid = exec.uid,
                .kind = request->kind,
                .phase = CHILD_RUNNING,
                .socket = TAKE_FD(daemon_end),
                .pidfd = pidfd,
        };
        spawner->n_unfinished++;
        return 0;
}

void child_kill(Spawner *spawner, Child *child)
{
        int r;

        if (child->phase == CHILD_EXITED)
                return;
        if (cgroup_in_use(&spawner->cgroup)) {
                r = cgroup_kill(&spawner->cgroup, &child->id);
                if (r == 0)
                        return;
                log_warning_errno(r, "Cannot kill a cgroup, killing its first process only");
        }
        /* Not reaped yet, so that the pid is nobody else's. */
        if (child->phase == CHILD_RUNNING) {
                kill(child->pid, SIGKILL);
                kill(-child->pid, SIGKILL);
        }
}

void children_kill_all(Spawner *spawner)
{
        for (size_t i = 0; i < spawner->n_children; i++)
                child_kill(spawner, &spawner->children[i]);
}

void children_forget(Spawner *spawner, Child *child)
{
        fd_close(child->socket);
        fd_close(child->pidfd);
        *child = spawner->children[--spawner->n_children];
}

/*
 * Without cgroups, a process that left its monitor's process group comes to us when its parent dies
 * (PR_SET_CHILD_SUBREAPER): no monitor has a reason to do that.
 */
static void strays_kill(Spawner *spawner)
{
        _cleanup_free_ char *pids = NULL;
        size_t length;
        char *next;

        if (fd_read_file_at(AT_FDCWD, "/proc/thread-self/children", 1024 * 1024, &pids, &length) <
            0)
                return;
        for (char *p = pids;; p = next) {
                long pid = strtol(p, &next, 10);

                if (next == p)
                        break;
                if (pid > 1 && !children_find_pid(spawner, (pid_t)pid))
                        kill((pid_t)pid, SIGKILL);
        }
}

/* Whether nothing is left of a child that has been reaped. */
static bool child_is_gone(Spawner *spawner, Child *child)
{
        if (!cgroup_in_use(&spawner->cgroup))
                return kill(-child->pid, 0) < 0 && errno == ESRCH;
        if (cgroup_remove(&spawner->cgroup, &child->id) == 0)
                return true;
        child_kill(spawner, child);
        return false;
}

static void child_drain(Spawner *spawner, Child *child)
{
        if (!child_is_gone(spawner, child))
                return;
        child->phase = CHILD_EXITED;
        spawner->n_unfinished--;
}

static void child_reap(Spawner *spawner, pid_t pid)
{
        Child *child = children_find_pid(spawner, pid);
        siginfo_t info;

        /* While it is a zombie, its pid and process group cannot be another's. */
        if (child && !cgroup_in_use(&spawner->cgroup))
                kill(-pid, SIGKILL);
        if (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0 || !child)
                return;
        child->exit_code = info.si_code;
        child->exit_status = info.si_status;
        child->phase = CHILD_DRAINING;
        log_debug("Process %d ended (%s %d)", (int)pid,
                  info.si_code == CLD_EXITED ? "status" : "signal", info.si_status);
}

bool children_draining(const Spawner *spawner)
{
        for (size_t i = 0; spawner->n_unfinished > 0 && i < spawner->n_children; i++)
                if (spawner->children[i].phase == CHILD_DRAINING)
                        return true;
        return false;
}

void children_reap(Spawner *spawner)
{
        for (;;) {
                siginfo_t info = {};

                if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
                        break;
                child_reap(spawner, info.si_pid);
        }
        if (!cgroup_in_use(&spawner->cgroup))
                strays_kill(spawner);
        for (size_t i = 0; spawner->n_unfinished > 0 && i < spawner->n_children; i++)
                if (spawner->children[i].phase == CHILD_DRAINING)
                        child_drain(spawner, &spawner->children[i]);
}
