/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/string-util.h"
#include "daemon/failpoint.h"
#include "daemon/machine-run.h"
#include "daemon/manager-internal.h"
#include "daemon/store-worker.h"

/*
 * A creation under way. The machine is in the table from the start, as "creating", so that its name
 * is taken; it becomes visible when its folder has its name.
 */
struct CreateJob {
        CreateJob *next;
        Manager *manager;
        Machine *machine; /* NULL once it has failed, or lives on its own */
        uid_t uid;
        StartOptions start_options;
        bool start, answered, worker_gone;
        StoreWorker *worker;
        int dir;
        CreateFunc func;
        void *userdata;
};

uint64_t manager_jobs_of(const Manager *manager, uid_t uid)
{
        uint64_t n = 0;

        for (const CreateJob *job = manager->jobs; job; job = job->next)
                n += job->uid == uid;
        return n;
}

static void job_free(CreateJob *job)
{
        CreateJob **slot = &job->manager->jobs;

        while (*slot && *slot != job)
                slot = &(*slot)->next;
        if (*slot)
                *slot = job->next;
        store_worker_free(job->worker);
        (void)fd_close(job->dir);
        free(job);
}

void manager_jobs_free(Manager *manager)
{
        while (manager->jobs) {
                CreateJob *job = manager->jobs;

                if (!job->answered && job->machine && job->machine->creating)
                        machine_store_abandon(manager->store, &job->machine->record);
                if (!job->answered)
                        job->func(NULL, -EIO, &(Problem){"vmserviced is going down"},
                                  job->userdata);
                job_free(job);
        }
}

/* Answers, and frees the job unless its process is still about. */
static void job_answer(CreateJob *job, int error, const Problem *problem)
{
        static const Problem none = {""};
        Machine *machine = error < 0 ? NULL : job->machine;

        job->answered = true;
        job->func(machine, error, problem ? problem : &none, job->userdata);
        job->machine = NULL;
        if (job->worker_gone)
                job_free(job);
}

/* Nothing is left of it: not the name, not the folder. */
static void job_fail(CreateJob *job, int error, const Problem *problem)
{
        Machine *machine = TAKE_PTR(job->machine);
        Waiter *waiters = TAKE_PTR(machine->create_waiters);

        machine_store_abandon(job->manager->store, &machine->record);
        manager_remove(job->manager, machine);
        job_answer(job, error, problem);
        waiters_done(&waiters, error, problem);
}

static void on_started(void *userdata, int error, const Problem *problem)
{
        CreateJob *job = userdata;

        /* The run's end removes the machine, right after this. */
        if (error < 0)
                job->machine->discard = true;
        job_answer(job, error, problem);
}

/* The folder is whole: it gets its name, and the machine its visibility. */
static void job_commit(CreateJob *job)
{
        Machine *machine = job->machine;
        Problem problem;
        int r;

        r = failpoint(FAILPOINT_CREATE_COPIED);
        if (r >= 0)
                r = machine_store_commit(job->manager->store, &machine->record);
        if (r >= 0)
                r = failpoint(FAILPOINT_CREATE_COMMITTED);
        if (r < 0) {
                (void)problem_set(&problem, -EIO, "the machine's folder cannot be put in place: %s",
                                  strerror(-r));
                job_fail(job, -EIO, &problem);
                return;
        }
        machine->creating = false;
        if (machine->observer && machine->observer->added)
                machine->observer->added(machine, machine->observer_userdata);
        waiters_done(&machine->create_waiters, 0, NULL);
        if (!job->start) {
                job_answer(job, 0, NULL);
                return;
        }
        r = machine_start(machine, &job->start_options, (Completion){on_started, job}, &problem);
        if (r < 0) {
                Problem ignored;

                job->machine = NULL;
                if (manager_delete(machine, &ignored) < 0)
                        log_warning("Machine %s: %s, ignoring", machine->record.id,
                                    ignored.message);
                job_answer(job, r, &problem);
        }
}

static void on_copied(void *userdata, int error, const Problem *problem)
{
        CreateJob *job = userdata;

        if (error < 0)
                job_fail(job, error, problem);
        else
                job_commit(job);
}

static void on_worker_gone(void *userdata, int error, const Problem *problem)
{
        CreateJob *job = userdata;

        (void)error;
        (void)problem;
        job->worker_gone = true;
        if (job->answered)
                job_free(job);
}

int manager_file_name(char *buffer, size_t size)
{
        char text[ID128_STRING_SIZE];
        Id128 id;
        int r;

        r = id128_random(&id);
        if (r < 0)
                return r;
        (void)snprintf(buffer, size, "file-%.16s", id128_to_string(&id, text));
        return 0;
}

static int check_file(const VmConfig *config, const ClientFile *file, uint64_t *bytes,
                      Problem *problem)
{
        char key[128];
        const char *why;
        struct stat st;
        int r;

        string_escape_into(key, sizeof(key), file->key, strlen(file->key));
        r = fd_check_file(file->fd, FD_ACCESS_READ, false, &why);
        if (r < 0)
                return problem_set(problem, -EBADF, "the file \"%s\" cannot be used: %s", key, why);
        if (fstat(file->fd, &st) < 0)
                return problem_set(problem, -EBADF, "the file \"%s\" cannot be used: %s", key,
                                   strerror(errno));
        if (st.st_size == 0)
                return problem_set(problem, -EBADF, "the file \"%s\" is empty", key);
        if ((uint64_t)st.st_size > config->memory_mib << 20)
                return problem_set(problem, -EBADF,
                                   "the file \"%s\" (%" PRIu64 " MiB) does not fit into the "
                                   "machine's memory: raise memory_mib (%" PRIu64 ")",
                                   key, (uint64_t)st.st_size >> 20, config->memory_mib);
        *bytes += (uint64_t)st.st_size;
        return 0;
}

static const ClientFile *find_file(const ClientFile *files, size_t n_files, const char *key)
{
        for (size_t i = 0; i < n_files; i++)
                if (streq(files[i].key, key))
                        return &files[i];
        return NULL;
}

static bool names_file(const VmConfig *config, const char *key)
{
        const char *keys[VM_CONFIG_MAX_FILES];
        size_t n = vm_config_files(config, keys);

        for (size_t i = 0; i < n; i++)
                if (streq(keys[i], key))
                        return true;
        return false;
}

int manager_check_files(const VmConfig *config, const ClientFile *files, size_t n_files,
                        const MachineRecord *kept, uint64_t *ret_bytes, Problem *problem)
{
        const char *keys[VM_CONFIG_MAX_FILES];
        size_t n = vm_config_files(config, keys);
        uint64_t bytes = 0;
        char key[128];
        int r;

        for (size_t i = 0; i < n; i++)
                if (!find_file(files, n_files, keys[i]) &&
                    !(kept && machine_record_file(kept, keys[i]))) {
                        string_escape_into(key, sizeof(key), keys[i], strlen(keys[i]));
                        return problem_set(problem, -EBADF,
                                           "the configuration names the file \"%s\" and none came "
                                           "with the call: pass its descriptor under this key",
                                           key);
                }
        for (size_t i = 0; i < n_files; i++) {
                if (!names_file(config, files[i].key)) {
                        string_escape_into(key, sizeof(key), files[i].key, strlen(files[i].key));
                        return problem_set(problem, -EBADF,
                                           "the file \"%s\" came with the call and the "
                                           "configuration does not name it: leave it out, or name "
                                           "it",
                                           key);
                }
                r = check_file(config, &files[i], &bytes, problem);
                if (r < 0)
                        return r;
        }
        *ret_bytes = bytes;
        return 0;
}

static int create_check(Manager *manager, const CreateRequest *request, Problem *problem)
{
        const char *wrong = machine_name_problem(request->name);
        Machine *same;
        Problem ignored;
        int r;

        if (wrong)
                return problem_set(problem, -EINVAL, "%s", wrong);
        same = manager_find_name(manager, request->uid, request->name);
        if (same && same->lingering && manager_delete(same, &ignored) >= 0)
                same = NULL; /* it is there to be asked how it ended; a new one has precedence */
        if (same)
                return problem_set(problem, -EEXIST,
                                   "uid %u already has a machine named \"%s\": choose another "
                                   "name, or delete it",
                                   (unsigned)request->uid, request->name);
        r = manager_check_quota(manager, request->uid, LIMIT_MACHINES, 1, problem);
        if (r >= 0)
                r = manager_check_quota(manager, request->uid, LIMIT_CREATES_IN_FLIGHT, 1, problem);
        return r;
}

static int create_record(const CreateRequest *request, const VmConfig *config, uint64_t bytes,
                         MachineRecord *ret)
{
        _cleanup_(machine_record_done) MachineRecord record = {
                .version = MACHINE_RECORD_VERSION,
                .owner = request->uid,
                .transient = request->transient,
                .bound = request->bound,
                .images_bytes = request->transient ? 0 : bytes,
                .run = {.payload_exit_code = -1},
        };
        char text[ID128_STRING_SIZE];
        Id128 id;
        int r;

        r = id128_random(&id);
        if (r < 0)
                return r;
        record.id = strdup(id128_to_string(&id, text));
        record.name = strdup(request->name);
        record.config = vm_config_save(config);
        record.files = json_object_new_object();
        if (!record.id || !record.name || !record.config || !record.files)
                return -ENOMEM;
        *ret = record;
        record = (MachineRecord){0};
        return 0;
}

/* The copies to make, and the record's list of them. */
static int create_copies(MachineRecord *record, const StartOptions *options, StoreCopy *ret,
                         char names[][32])
{
        int r;

        for (size_t i = 0; i < options->n_files; i++) {
                r = manager_file_name(names[i], sizeof(names[i]));
                if (r < 0)
                        return r;
                if (json_object_object_add(record->files, options->files[i].key,
                                           json_object_new_string(names[i])) < 0)
                        return -ENOMEM;
                ret[i] = (StoreCopy){.key = options->files[i].key,
                                     .name = names[i],
                                     .source = options->files[i].fd};
        }
        return 0;
}

/* Transient: a folder in memory, at once. Persistent: copied by a process. */
static int job_begin(CreateJob *job, const StartOptions *options)
{
        StoreCopy copies[VM_CONFIG_MAX_FILES];
        char names[VM_CONFIG_MAX_FILES][32];
        MachineRecord *record = &job->machine->record;
        int r;

        r = failpoint(FAILPOINT_CREATE_BEGIN);
        if (r >= 0)
                r = machine_store_prepare(job->manager->store, record, &job->dir);
        if (r < 0)
                return r;
        if (record->transient) {
                job->worker_gone = true; /* there is none; its start, which follows, records it */
                return 0;
        }
        r = create_copies(record, options, copies, names);
        if (r < 0)
                return r;
        return store_worker_start(job->manager->event, job->dir, copies, options->n_files,
                                  record->images_bytes, record, (Completion){on_copied, job},
                                  (Completion){on_worker_gone, job}, &job->worker);
}

static int job_new(Manager *manager, const CreateRequest *request, const VmConfig *config,
                   uint64_t bytes, CreateJob **ret, Problem *problem)
{
        _cleanup_(machine_record_done) MachineRecord record = {0};
        CreateJob *job = calloc(1, sizeof(*job));
        int r;

        if (!job)
                return problem_set(problem, -ENOMEM, "out of memory");
        *job = (CreateJob){.manager = manager,
                           .uid = request->uid,
                           .start = request->start,
                           .start_options = request->start_options,
                           .dir = -1};
        r = create_record(request, config, bytes, &record);
        if (r >= 0)
                r = machine_new(&record, &job->machine, problem);
        if (r < 0) {
                free(job);
                return problem_set(problem, r, "out of memory");
        }
        job->machine->creating = true;
        manager_insert(manager, job->machine);
        job->next = manager->jobs;
        manager->jobs = job;
        *ret = job;
        return 0;
}

static int create_admit(Manager *manager, const CreateRequest *request, VmConfig *config,
                        uint64_t *ret_bytes, Problem *problem)
{
        const StartOptions *options = &request->start_options;
        uint64_t bytes;
        int r;

        r = manager_check_files(config, options->files, options->n_files, NULL, &bytes, problem);
        if (r < 0)
                return r;
        if (!request->transient) {
                r = manager_check_image_quota(manager, request->uid, bytes, problem);
                if (r < 0)
                        return r;
        }
        if (request->start) {
                r = manager_check_start(manager, problem);
                if (r >= 0)
                        r = manager_check_run_quota(manager, request->uid, config, problem);
                if (r < 0)
                        return r;
        }
        *ret_bytes = bytes;
        return 0;
}

int manager_create(Manager *manager, const CreateRequest *request, CreateFunc func, void *userdata,
                   Problem *problem)
{
        _cleanup_(vm_config_done) VmConfig config = {0};
        uint64_t bytes;
        CreateJob *job = NULL;
        int r;

        r = create_check(manager, request, problem);
        if (r >= 0)
                r = manager_check_config(manager, request->config, strlen(request->config), &config,
                                         problem);
        if (r >= 0)
                r = create_admit(manager, request, &config, &bytes, problem);
        if (r >= 0)
                r = job_new(manager, request, &config, bytes, &job, problem);
        if (r < 0)
                return r;
        job->func = func;
        job->userdata = userdata;
        r = job_begin(job, &request->start_options);
        if (r < 0) {
                machine_store_abandon(manager->store, &job->machine->record);
                manager_remove(manager, job->machine);
                job_free(job);
                return problem_set(problem, -EIO, "the machine's folder cannot be made: %s",
                                   strerror(-r));
        }
        if (job->machine->record.transient)
                job_commit(job);
        return 0;
}
