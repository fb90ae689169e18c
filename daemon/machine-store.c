/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/machine-store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/string-util.h"
#include "daemon/failpoint.h"

#define PREFIX_NEW "new-" /* after a dot */
#define PREFIX_DEL "del-"

struct MachineStore {
        int state_fd;   /* STATE-DIR/machines */
        int runtime_fd; /* RUNTIME-DIR/machines */
        int lock_fd;
};

/* Room for ".new-" + id + "/console.log.1" */
typedef struct StorePath {
        char text[96];
} StorePath;

static StorePath store_path(const char *state, const char *id, const char *file)
{
        StorePath path;

        (void)snprintf(path.text, sizeof(path.text), "%s%s%.32s%s%.40s", *state ? "." : "", state,
                       id, file ? "/" : "", file ? file : "");
        return path;
}

static int store_base(const MachineStore *store, const MachineRecord *record)
{
        return record->transient ? store->runtime_fd : store->state_fd;
}

/* mkdir -p; the last folder gets mode 0700. */
static int make_folders(const char *path)
{
        _cleanup_free_ char *copy = strdup(path);

        if (!copy)
                return -ENOMEM;
        for (char *p = copy + 1; *p; p++)
                if (*p == '/') {
                        *p = '\0';
                        if (mkdir(copy, 0755) < 0 && errno != EEXIST)
                                return -errno;
                        *p = '/';
                }
        return mkdir(copy, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* A folder that is ours alone. */
static int open_private(int at, const char *path, int *ret)
{
        _cleanup_close_ int fd = -1;
        struct stat st;

        if (at >= 0 && mkdirat(at, path, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(at >= 0 ? at : AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid != geteuid())
                return -EPERM;
        if ((st.st_mode & 07777) != 0700 && fchmod(fd, 0700) < 0)
                return -errno;
        *ret = TAKE_FD(fd);
        return 0;
}

static int open_machines(const char *path, int *ret_base, int *ret, Problem *problem)
{
        _cleanup_close_ int base = -1;
        int r;

        r = make_folders(path);
        if (r >= 0)
                r = open_private(-1, path, &base);
        if (r >= 0)
                r = open_private(base, "machines", ret);
        if (r == -EPERM)
                return problem_set(problem, r,
                                   "%s belongs to somebody else: remove it or name "
                                   "another folder",
                                   path);
        if (r < 0)
                return problem_set(problem, r, "cannot use %s: %s", path, strerror(-r));
        *ret_base = TAKE_FD(base);
        return 0;
}

int machine_store_open(const char *state_dir, const char *runtime_dir, MachineStore **ret,
                       Problem *problem)
{
        _cleanup_(machine_store_closep) MachineStore *store = NULL;
        _cleanup_close_ int state = -1, runtime = -1;
        int r;

        store = malloc(sizeof(*store));
        if (!store)
                return problem_set(problem, -ENOMEM, "out of memory");
        *store = (MachineStore){.state_fd = -1, .runtime_fd = -1, .lock_fd = -1};
        r = open_machines(state_dir, &state, &store->state_fd, problem);
        if (r < 0)
                return r;
        r = open_machines(runtime_dir, &runtime, &store->runtime_fd, problem);
        if (r < 0)
                return r;
        store->lock_fd = openat(runtime, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (store->lock_fd < 0)
                return problem_set(problem, -errno, "cannot make %s/lock: %s", runtime_dir,
                                   strerror(errno));
        if (flock(store->lock_fd, LOCK_EX | LOCK_NB) < 0)
                return problem_set(problem, -EBUSY,
                                   "another vmserviced holds %s/lock: stop it, or give this one "
                                   "folders of its own",
                                   runtime_dir);
        *ret = TAKE_PTR(store);
        return 0;
}

MachineStore *machine_store_close(MachineStore *store)
{
        if (!store)
                return NULL;
        (void)fd_close(store->state_fd);
        (void)fd_close(store->runtime_fd);
        (void)fd_close(store->lock_fd);
        free(store);
        return NULL;
}

/* A folder of ours holds files only. */
static int remove_folder(int base, const char *name)
{
        _cleanup_close_ int fd = -1;
        struct dirent *entry;
        DIR *dir;

        fd = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        dir = fdopendir(fd);
        if (!dir)
                return -errno;
        (void)TAKE_FD(fd);
        while ((entry = readdir(dir)))
                if (!streq(entry->d_name, ".") && !streq(entry->d_name, "..") &&
                    unlinkat(dirfd(dir), entry->d_name, 0) < 0)
                        log_warning_errno(-errno, "Cannot remove %s/%s, ignoring", name,
                                          entry->d_name);
        (void)closedir(dir);
        return unlinkat(base, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int read_record(int base, const char *name, MachineRecord *ret, Problem *problem)
{
        StorePath path = store_path("", name, MACHINE_STORE_RECORD);
        _cleanup_(machine_record_done) MachineRecord record = {0};
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = fd_read_file_at(base, path.text, MACHINE_RECORD_MAX, &text, &size);
        if (r < 0)
                return problem_set(problem, r, "%s", strerror(-r));
        r = machine_record_parse(text, size, &record, problem);
        if (r < 0)
                return r;
        if (!streq(record.id, name))
                return problem_set(problem, -EBADMSG, "its id is not its folder's name");
        *ret = record;
        record = (MachineRecord){0};
        return 0;
}

static bool load_one(MachineStore *store, int base, const char *name, MachineStoreLoadFunc func,
                     void *userdata)
{
        _cleanup_(machine_record_done) MachineRecord record = {0};
        bool transient = base == store->runtime_fd;
        Problem problem = {""};
        int r;

        r = read_record(base, name, &record, &problem);
        if (r == -ENOENT && transient) {
                /* Killed between mkdir and the first record: nobody was told of it. */
                (void)remove_folder(base, name);
                return true;
        }
        if (r >= 0 && record.transient != transient)
                r = problem_set(&problem, -EBADMSG, "it lies in the wrong tree");
        if (r < 0) {
                log_error("Machine %s cannot be read (its " MACHINE_STORE_RECORD ": %s); its "
                          "folder is left as it is: repair or remove it",
                          name, problem.message);
                return false;
        }
        machine_store_prune(store, &record);
        func(&record, userdata);
        return true;
}

static int load_tree(MachineStore *store, int base, MachineStoreLoadFunc func, void *userdata,
                     size_t *unreadable)
{
        _cleanup_close_ int fd = -1;
        struct dirent *entry;
        Id128 id;
        DIR *dir;

        fd = openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        dir = fdopendir(fd);
        if (!dir)
                return -errno;
        (void)TAKE_FD(fd);
        while ((entry = readdir(dir))) {
                if (strncmp(entry->d_name, "." PREFIX_NEW, 5) == 0 ||
                    strncmp(entry->d_name, "." PREFIX_DEL, 5) == 0) {
                        log_info("Removing %s, left by a daemon that was killed", entry->d_name);
                        (void)remove_folder(base, entry->d_name);
                } else if (id128_from_string(entry->d_name, &id) >= 0 &&
                           !load_one(store, base, entry->d_name, func, userdata)) {
                        (*unreadable)++;
                }
        }
        (void)closedir(dir);
        return 0;
}

int machine_store_load(MachineStore *store, MachineStoreLoadFunc func, void *userdata,
                       size_t *ret_unreadable)
{
        size_t unreadable = 0;
        int r;

        r = load_tree(store, store->state_fd, func, userdata, &unreadable);
        if (r >= 0)
                r = load_tree(store, store->runtime_fd, func, userdata, &unreadable);
        if (r >= 0)
                *ret_unreadable = unreadable;
        return r;
}

int machine_store_prepare(MachineStore *store, const MachineRecord *record, int *ret_dir)
{
        StorePath path = store_path(PREFIX_NEW, record->id, NULL);
        int base = store_base(store, record), fd;

        if (record->transient) {
                if (mkdirat(base, record->id, 0700) < 0)
                        return -errno;
                *ret_dir = -1;
                return 0;
        }
        if (mkdirat(base, path.text, 0700) < 0)
                return -errno;
        fd = openat(base, path.text, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        *ret_dir = fd;
        return 0;
}

int machine_store_commit(MachineStore *store, const MachineRecord *record)
{
        StorePath from = store_path(PREFIX_NEW, record->id, NULL),
                  to = store_path("", record->id, NULL);
        int base = store_base(store, record);

        if (record->transient)
                return 0;
        if (renameat(base, from.text, base, to.text) < 0 || fsync(base) < 0)
                return -errno;
        return 0;
}

void machine_store_abandon(MachineStore *store, const MachineRecord *record)
{
        int base = store_base(store, record);

        (void)remove_folder(base, store_path(PREFIX_NEW, record->id, NULL).text);
        (void)remove_folder(base, store_path("", record->id, NULL).text);
}

/* A record of the runtime folder need not outlive a power cut: no fsync(2). */
static int replace_file_at(int dir, const char *path, const char *data, size_t size)
{
        _cleanup_close_ int fd = -1;
        StorePath temporary;
        int r;

        (void)snprintf(temporary.text, sizeof(temporary.text), "%s~", path);
        fd = openat(dir, temporary.text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                    0600);
        if (fd < 0)
                return -errno;
        r = fd_write_full(fd, data, size);
        if (r >= 0 && renameat(dir, temporary.text, dir, path) < 0)
                r = -errno;
        if (r < 0)
                (void)unlinkat(dir, temporary.text, 0);
        return r;
}

static int write_record_at(int dir, const char *path, const MachineRecord *record, bool durable)
{
        _cleanup_free_ char *text = NULL;
        size_t length;
        int r;

        r = machine_record_format(record, &text, &length);
        if (r < 0)
                return r;
        return durable ? fd_write_file_atomic_at(dir, path, text, length, 0600)
                       : replace_file_at(dir, path, text, length);
}

int machine_store_write_record(int dir, const MachineRecord *record, bool durable)
{
        return write_record_at(dir, MACHINE_STORE_RECORD, record, durable);
}

int machine_store_save(MachineStore *store, const MachineRecord *record)
{
        StorePath path = store_path("", record->id, MACHINE_STORE_RECORD);
        _cleanup_close_ int dir = -1;
        int r;

        if (record->transient)
                return write_record_at(store->runtime_fd, path.text, record, false);
        r = machine_store_open_dir(store, record, &dir);
        if (r < 0)
                return r;
        return machine_store_write_record(dir, record, true);
}

/* Without its record it is gone; what is in its folder besides is known. */
static int remove_transient(MachineStore *store, const MachineRecord *record)
{
        static const char *const files[] = {MACHINE_STORE_RECORD, MACHINE_STORE_LOG,
                                            MACHINE_STORE_LOG_PREVIOUS};
        int r;

        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                if (unlinkat(store->runtime_fd, store_path("", record->id, files[i]).text, 0) < 0 &&
                    errno != ENOENT)
                        return -errno;
                r = i == 0 ? failpoint(FAILPOINT_DELETE_RENAMED) : 0;
                if (r < 0)
                        return r;
        }
        if (unlinkat(store->runtime_fd, record->id, AT_REMOVEDIR) < 0)
                return errno == ENOENT ? -ENOENT : remove_folder(store->runtime_fd, record->id);
        return 0;
}

int machine_store_remove(MachineStore *store, const MachineRecord *record)
{
        StorePath from = store_path("", record->id, NULL),
                  to = store_path(PREFIX_DEL, record->id, NULL);
        int base = store_base(store, record), r;

        if (record->transient)
                return remove_transient(store, record);
        if (renameat(base, from.text, base, to.text) < 0)
                return -errno;
        if (fsync(base) < 0)
                log_warning_errno(-errno, "Cannot flush the deletion of %s, ignoring", record->id);
        r = failpoint(FAILPOINT_DELETE_RENAMED);
        if (r >= 0)
                r = remove_folder(base, to.text);
        if (r < 0)
                log_warning_errno(r, "Cannot remove the files of %s; the next start will, ignoring",
                                  record->id);
        return 0;
}

int machine_store_open_dir(MachineStore *store, const MachineRecord *record, int *ret_dir)
{
        int fd = openat(store_base(store, record), record->id,
                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        *ret_dir = fd;
        return 0;
}

int machine_store_open_file(MachineStore *store, const MachineRecord *record, const char *name,
                            int flags, int *ret_fd)
{
        StorePath path = store_path("", record->id, name);
        int fd = openat(store_base(store, record), path.text, flags | O_NOFOLLOW | O_CLOEXEC, 0600);

        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}

static bool record_names(const MachineRecord *record, const char *name)
{
        if (streq(name, MACHINE_STORE_RECORD) || streq(name, MACHINE_STORE_LOG) ||
            streq(name, MACHINE_STORE_LOG_PREVIOUS) || streq(name, ".") || streq(name, ".."))
                return true;
        json_object_object_foreach (record->files, key, value) {
                (void)key;
                if (streq(json_object_get_string(value), name))
                        return true;
        }
        return false;
}

void machine_store_prune(MachineStore *store, const MachineRecord *record)
{
        struct dirent *entry;
        DIR *dir;
        int fd;

        if (machine_store_open_dir(store, record, &fd) < 0)
                return;
        dir = fdopendir(fd);
        if (!dir) {
                (void)fd_close(fd);
                return;
        }
        while ((entry = readdir(dir)))
                if (!record_names(record, entry->d_name))
                        (void)unlinkat(dirfd(dir), entry->d_name, 0);
        (void)closedir(dir);
}
