/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/string-util.h"
#include "daemon/machine-run.h"
#include "daemon/manager-internal.h"
#include "daemon/store-worker.h"

/*
 * SetConfig: new files go beside the old ones, then the record changes over to them at once, then
 * the old ones go. A daemon that is killed in between leaves the old or the new config, and files
 * that the next one prunes.
 */
typedef struct ConfigJob {
        Machine *machine;
        MachineRecord *record; /* what it will be */
        StoreWorker *worker;
        int dir;
        Completion done;
} ConfigJob;

static void config_job_free(ConfigJob *job)
{
        if (!job)
                return;
        if (job->record) {
                machine_record_done(job->record);
                free(job->record);
        }
        store_worker_free(job->worker);
        (void)fd_close(job->dir);
        free(job);
}

/* AVF: VirtualMachineConfig.isCompatibleWith(). */
static int check_compatible(const VmConfig *old, const VmConfig *new, Problem *problem)
{
        bool protection = old->is_protected != new->is_protected,
             platform = !streq_ptr(old->platform_version, new->platform_version);

        if (!protection && !platform)
                return 0;
        return problem_set(problem, -ESTALE,
                           "the new configuration is not compatible with the machine: %s%s%s may "
                           "not change; create a new machine instead",
                           protection ? "\"protected\"" : "", protection && platform ? " and " : "",
                           platform ? "\"platform_version\"" : "");
}

static int copy_string(const char *text, char **ret)
{
        *ret = text ? strdup(text) : NULL;
        return text && !*ret ? -ENOMEM : 0;
}

/* The machine's record with the new config; its files are those kept. */
static int new_record(const Machine *machine, const VmConfig *config, MachineRecord **ret)
{
        const MachineRecord *old = &machine->record;
        MachineRecord *record = malloc(sizeof(*record));
        int r;

        if (!record)
                return -ENOMEM;
        *record = *old;
        record->id = record->name = NULL;
        record->run.id = record->run.boot_id = record->run.bound_to = record->run.bus_id = NULL;
        record->run.stop_detail = NULL;
        record->config = vm_config_save(config);
        record->files = json_object_new_object();
        r = record->config && record->files ? 0 : -ENOMEM;
        if (r >= 0)
                r = copy_string(old->id, &record->id);
        if (r >= 0)
                r = copy_string(old->name, &record->name);
        if (r >= 0)
                r = copy_string(old->run.id, &record->run.id);
        if (r >= 0)
                r = copy_string(old->run.boot_id, &record->run.boot_id);
        if (r >= 0)
                r = copy_string(old->run.stop_detail, &record->run.stop_detail);
        if (r < 0) {
                machine_record_done(record);
                free(record);
                return r;
        }
        *ret = record;
        return 0;
}

static int keep_files(const Machine *machine, const VmConfig *config, const ClientFile *files,
                      size_t n_files, MachineRecord *record)
{
        const char *keys[VM_CONFIG_MAX_FILES];
        size_t n = vm_config_files(config, keys);

        for (size_t i = 0; i < n; i++) {
                const char *name = machine_record_file(&machine->record, keys[i]);
                bool replaced = false;

                for (size_t j = 0; j < n_files; j++)
                        replaced = replaced || streq(files[j].key, keys[i]);
                if (name && !replaced &&
                    json_object_object_add(record->files, keys[i], json_object_new_string(name)) <
                            0)
                        return -ENOMEM;
        }
        return 0;
}

static uint64_t files_size(const Machine *machine, const MachineRecord *record)
{
        uint64_t bytes = 0;

        json_object_object_foreach (record->files, key, value) {
                _cleanup_close_ int fd = -1;
                struct stat st;

                (void)key;
                if (machine_store_open_file(machine->manager->store, &machine->record,
                                            json_object_get_string(value), O_RDONLY, &fd) >= 0 &&
                    fstat(fd, &st) >= 0)
                        bytes += (uint64_t)st.st_size;
        }
        return bytes;
}

/* The changeover; on failure the old config stands. */
static int config_job_commit(ConfigJob *job, Problem *problem)
{
        Machine *machine = job->machine;
        VmConfig config;
        JsonProblem json_problem;
        int r;

        r = vm_config_load(job->record->config, &config, &json_problem);
        if (r < 0)
                return problem_set(problem, r, "%s", json_problem.message);
        r = machine_store_save(machine->manager->store, job->record);
        if (r < 0) {
                vm_config_done(&config);
                return problem_set(problem, -EIO, "the machine's record cannot be written: %s",
                                   strerror(-r));
        }
        vm_config_done(&machine->config);
        machine->config = config;
        machine_record_done(&machine->record);
        machine->record = *job->record;
        *job->record = (MachineRecord){0};
        machine_store_prune(machine->manager->store, &machine->record);
        if (machine->observer && machine->observer->config_changed)
                machine->observer->config_changed(machine, machine->observer_userdata);
        return 0;
}

static void on_config_copied(void *userdata, int error, const Problem *problem)
{
        ConfigJob *job = userdata;
        Machine *machine = job->machine;
        Problem why = *problem;

        if (error >= 0)
                error = config_job_commit(job, &why);
        if (error < 0)
                machine_store_prune(machine->manager->store, &machine->record);
        machine->busy = NULL;
        completion_done(&job->done, error, &why);
}

static void on_config_worker_gone(void *userdata, int error, const Problem *problem)
{
        (void)error;
        (void)problem;
        config_job_free(userdata);
}

static int config_job_copy(ConfigJob *job, const ClientFile *files, size_t n_files, uint64_t bytes)
{
        StoreCopy copies[VM_CONFIG_MAX_FILES];
        char names[VM_CONFIG_MAX_FILES][32];
        Manager *manager = job->machine->manager;
        int r;

        for (size_t i = 0; i < n_files; i++) {
                r = manager_file_name(names[i], sizeof(names[i]));
                if (r < 0)
                        return r;
                if (json_object_object_add(job->record->files, files[i].key,
                                           json_object_new_string(names[i])) < 0)
                        return -ENOMEM;
                copies[i] = (StoreCopy){files[i].key, names[i], files[i].fd};
        }
        r = machine_store_open_dir(manager->store, &job->machine->record, &job->dir);
        if (r < 0)
                return r;
        return store_worker_start(manager->event, job->dir, copies, n_files, bytes, NULL,
                                  (Completion){on_config_copied, job},
                                  (Completion){on_config_worker_gone, job}, &job->worker);
}

static int set_config_check(Machine *machine, Problem *problem)
{
        if (machine->state != MACHINE_STATE_STOPPED)
                return problem_set(problem, -EBUSY,
                                   "the machine is %s: only a stopped one's configuration can be "
                                   "replaced",
                                   machine_state_word(machine));
        if (machine->busy)
                return problem_set(problem, -EBUSY, "%s: try again when that is done",
                                   machine->busy);
        if (machine->record.transient)
                return problem_set(problem, -EBUSY,
                                   "the machine is transient and has ended: create it again");
        return 0;
}

/* Fills the new record and the sizes; everything that can be refused is refused here. */
static int set_config_prepare(Machine *machine, const char *text, const ClientFile *files,
                              size_t n_files, MachineRecord **ret, uint64_t *ret_bytes,
                              Problem *problem)
{
        _cleanup_(vm_config_done) VmConfig config = {0};
        uint64_t more;
        int r;

        r = manager_check_config(machine->manager, text, strlen(text), &config, problem);
        if (r >= 0)
                r = check_compatible(&machine->config, &config, problem);
        if (r >= 0)
                r = manager_check_files(&config, files, n_files, &machine->record, ret_bytes,
                                        problem);
        if (r < 0)
                return r;
        r = new_record(machine, &config, ret);
        if (r >= 0)
                r = keep_files(machine, &config, files, n_files, *ret);
        if (r < 0)
                return problem_set(problem, r, "out of memory");
        (*ret)->images_bytes = files_size(machine, *ret) + *ret_bytes;
        more = (*ret)->images_bytes > machine->record.images_bytes
                       ? (*ret)->images_bytes - machine->record.images_bytes
                       : 0;
        return manager_check_image_quota(machine->manager, machine->record.owner, more, problem);
}

int manager_set_config(Machine *machine, const char *config, const ClientFile *files,
                       size_t n_files, Completion done, Problem *problem)
{
        ConfigJob *job;
        uint64_t bytes;
        int r;

        r = set_config_check(machine, problem);
        if (r < 0)
                return r;
        job = calloc(1, sizeof(*job));
        if (!job)
                return problem_set(problem, -ENOMEM, "out of memory");
        job->machine = machine;
        job->dir = -1;
        r = set_config_prepare(machine, config, files, n_files, &job->record, &bytes, problem);
        if (r >= 0 && n_files == 0) {
                r = config_job_commit(job, problem);
                config_job_free(job);
                if (r >= 0)
                        completion_done(&done, 0, NULL);
                return r;
        }
        if (r >= 0) {
                r = config_job_copy(job, files, n_files, bytes);
                if (r < 0)
                        (void)problem_set(problem, -EIO, "the files cannot be copied: %s",
                                          strerror(-r));
        }
        if (r < 0) {
                config_job_free(job);
                return r;
        }
        job->done = done;
        machine->busy = "its configuration is being replaced";
        return 0;
}
