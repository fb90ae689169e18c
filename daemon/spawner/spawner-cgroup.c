/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/string-util.h"
#include "daemon/spawner/spawner-cgroup.h"

#define CGROUP_PATH_MAX 4096

static const struct {
        const char *name;
        uint32_t bit;
} controllers[] = {
        {"memory", SPAWNER_CONTROLLER_MEMORY},
        {"cpu", SPAWNER_CONTROLLER_CPU},
        {"pids", SPAWNER_CONTROLLER_PIDS},
};

/* The kernel takes a cgroup attribute in one write(2). */
static int attribute_write(int dir_fd, const char *path, const char *value)
{
        _cleanup_close_ int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write(fd, value, strlen(value)) < 0)
                return -errno;
        return 0;
}

static int attribute_write_u64(int dir_fd, const char *path, uint64_t value)
{
        char text[21];

        snprintf(text, sizeof(text), "%" PRIu64, value);
        return attribute_write(dir_fd, path, text);
}

/* The unified hierarchy, or the v2 half of a hybrid one. */
static int cgroup2_mount_find(const char **ret)
{
        static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
        struct statfs fs;

        for (size_t i = 0; i < ARRAY_SIZE(places); i++)
                if (statfs(places[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC) {
                        *ret = places[i];
                        return 0;
                }
        return -EOPNOTSUPP;
}

/* The path of the caller's cgroup in the file system, from the "0::" line of /proc/self/cgroup. */
static int cgroup_own_path(char *ret, size_t size)
{
        _cleanup_free_ char *lines = NULL;
        const char *mount = NULL;
        char *line;
        size_t length;
        int r;

        r = cgroup2_mount_find(&mount);
        if (r < 0)
                return r;
        r = fd_read_file_at(AT_FDCWD, "/proc/self/cgroup", 64 * 1024, &lines, &length);
        if (r < 0)
                return r;
        line = strncmp(lines, "0::/", 4) == 0 ? lines : strstr(lines, "\n0::/");
        if (!line)
                return -EOPNOTSUPP;
        line += strcspn(line, "/");
        line[strcspn(line, "\n")] = '\0';
        /* Outside our cgroup namespace: there is no way to it. */
        if (strstr(line, "/.."))
                return -EOPNOTSUPP;
        if ((size_t)snprintf(ret, size, "%s%s", mount, line) >= size)
                return -ENAMETOOLONG;
        return 0;
}

static int dir_open(int dir_fd, const char *path)
{
        int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

        return fd < 0 ? -errno : fd;
}

static int dir_make(int dir_fd, const char *name)
{
        if (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST)
                return -errno;
        return dir_open(dir_fd, name);
}

static bool word_in(const char *words, const char *word)
{
        size_t length = strlen(word);

        for (const char *p = words; (p = strstr(p, word)); p += length)
                if ((p == words || p[-1] == ' ') && strchr(" \n", p[length]))
                        return true;
        return false;
}

/* Those of our controllers that the folder's children may have, switched on. */
static uint32_t controllers_enable(int dir_fd)
{
        _cleanup_free_ char *available = NULL;
        uint32_t enabled = 0;
        size_t length;

        if (fd_read_file_at(dir_fd, "cgroup.controllers", 4096, &available, &length) < 0)
                return 0;
        for (size_t i = 0; i < ARRAY_SIZE(controllers); i++) {
                char change[16];
                int r;

                if (!word_in(available, controllers[i].name))
                        continue;
                snprintf(change, sizeof(change), "+%s", controllers[i].name);
                r = attribute_write(dir_fd, "cgroup.subtree_control", change);
                if (r < 0)
                        log_warning_errno(r, "Cannot enable the cgroup controller %s, ignoring",
                                          controllers[i].name);
                else
                        enabled |= controllers[i].bit;
        }
        return enabled;
}

/* Ends and removes what a predecessor left behind. */
static void machines_sweep(int machines_fd)
{
        int fd = openat(machines_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
        const struct dirent *entry;
        char path[sizeof(entry->d_name) + 16];

        if (!dir) {
                fd_close(fd);
                return;
        }
        while ((entry = readdir(dir))) {
                if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
                    unlinkat(machines_fd, entry->d_name, AT_REMOVEDIR) == 0)
                        continue;
                log_notice("Killing what is left in cgroup machines/%s", entry->d_name);
                snprintf(path, sizeof(path), "%s/cgroup.kill", entry->d_name);
                if (attribute_write(machines_fd, path, "1") < 0 ||
                    unlinkat(machines_fd, entry->d_name, AT_REMOVEDIR) < 0)
                        log_debug("cgroup machines/%s is not empty yet, ignoring", entry->d_name);
        }
        closedir(dir);
}

int cgroup_init(Cgroup *ret, const char *base)
{
        _cleanup_close_ int base_fd = -1, leaf_fd = -1, machines_fd = -1;
        char own[CGROUP_PATH_MAX];
        uint32_t enabled;
        struct statfs fs;
        int r;

        if (streq(base, "own")) {
                r = cgroup_own_path(own, sizeof(own));
                if (r < 0)
                        return r;
                base = own;
        }
        base_fd = dir_open(AT_FDCWD, base);
        if (base_fd < 0)
                return base_fd;
        if (fstatfs(base_fd, &fs) < 0)
                return -errno;
        if (fs.f_type != CGROUP2_SUPER_MAGIC)
                return -EOPNOTSUPP;

        leaf_fd = dir_make(base_fd, "spawner");
        if (leaf_fd < 0)
                return leaf_fd;
        if (faccessat(leaf_fd, "cgroup.kill", W_OK, AT_EACCESS) < 0)
                return errno == ENOENT ? -EOPNOTSUPP : -errno;
        machines_fd = dir_make(base_fd, "machines");
        if (machines_fd < 0)
                return machines_fd;
        r = attribute_write(leaf_fd, "cgroup.procs", "0");
        if (r < 0)
                return r;
        machines_sweep(machines_fd);
        /* Top down: a cgroup can pass on only what it was given. */
        enabled = controllers_enable(base_fd);
        enabled &= controllers_enable(machines_fd);
        *ret = (Cgroup){.controllers = enabled, .machines_fd = TAKE_FD(machines_fd)};
        return 0;
}

void cgroup_done(Cgroup *cgroup)
{
        cgroup->machines_fd = fd_close(cgroup->machines_fd);
}

static int limits_set(const Cgroup *cgroup, int fd, const SpawnerRequest *limits)
{
        uint32_t pids = limits->pids_max > 0 ? limits->pids_max : SPAWNER_PIDS_MAX_DEFAULT;
        int r = 0;

        if ((cgroup->controllers & SPAWNER_CONTROLLER_MEMORY) && limits->memory_max > 0) {
                r = attribute_write_u64(fd, "memory.max", limits->memory_max);
                /* A monitor without one of its processes is of no use: all or none. */
                if (r == 0)
                        r = attribute_write(fd, "memory.oom.group", "1");
        }
        if (r == 0 && (cgroup->controllers & SPAWNER_CONTROLLER_CPU) && limits->cpu_weight > 0)
                r = attribute_write_u64(fd, "cpu.weight", limits->cpu_weight);
        if (r == 0 && (cgroup->controllers & SPAWNER_CONTROLLER_PIDS))
                r = attribute_write_u64(fd, "pids.max", pids);
        return r;
}

int cgroup_make(const Cgroup *cgroup, const SpawnerRequest *limits, int *ret_fd)
{
        _cleanup_close_ int fd = -1;
        char name[ID128_STRING_SIZE];
        int r;

        id128_to_string(&limits->id, name);
        /* Left by a predecessor that was killed, and empty by now: or the id is not free. */
        if (mkdirat(cgroup->machines_fd, name, 0755) < 0 &&
            (errno != EEXIST || unlinkat(cgroup->machines_fd, name, AT_REMOVEDIR) < 0 ||
             mkdirat(cgroup->machines_fd, name, 0755) < 0))
                return -errno;
        fd = dir_open(cgroup->machines_fd, name);
        r = fd < 0 ? fd : limits_set(cgroup, fd, limits);
        if (r < 0) {
                unlinkat(cgroup->machines_fd, name, AT_REMOVEDIR);
                return r;
        }
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int cgroup_kill(const Cgroup *cgroup, const Id128 *id)
{
        char path[ID128_STRING_SIZE + sizeof("/cgroup.kill")], name[ID128_STRING_SIZE];

        snprintf(path, sizeof(path), "%s/cgroup.kill", id128_to_string(id, name));
        return attribute_write(cgroup->machines_fd, path, "1");
}

int cgroup_remove(const Cgroup *cgroup, const Id128 *id)
{
        char name[ID128_STRING_SIZE];

        if (unlinkat(cgroup->machines_fd, id128_to_string(id, name), AT_REMOVEDIR) < 0 &&
            errno != ENOENT)
                return -errno;
        return 0;
}
