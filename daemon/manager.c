/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/manager.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/string-util.h"
#include "daemon/capabilities-probe.h"
#include "daemon/failpoint.h"
#include "daemon/machine-run.h"
#include "daemon/manager-internal.h"

static void manager_read_boot_id(Manager *manager)
{
        _cleanup_free_ char *text = NULL;

        if (fd_read_file_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 128, &text, NULL) < 0)
                return;
        (void)snprintf(manager->boot_id, sizeof(manager->boot_id), "%.36s", text);
}

int manager_new(sd_event *event, const Settings *settings, Manager **ret, Problem *problem)
{
        _cleanup_(manager_freep) Manager *manager = calloc(1, sizeof(*manager));
        int r;

        if (!manager)
                return problem_set(problem, -ENOMEM, "out of memory");
        manager->event = sd_event_ref(event);
        manager->settings = settings;
        manager_read_boot_id(manager);
        r = machine_store_open(settings->state_dir, settings->runtime_dir, &manager->store,
                               problem);
        if (r < 0)
                return r;
        r = capabilities_probe_new(manager, &manager->probe);
        if (r < 0)
                return problem_set(problem, r, "cannot watch %s: %s", settings->kvm, strerror(-r));
        *ret = TAKE_PTR(manager);
        return 0;
}

Manager *manager_free(Manager *manager)
{
        Problem leaving = {"vmserviced is going down"};

        if (!manager)
                return NULL;
        manager->adopted = (Completion){NULL, NULL};
        for (MachineRun *run = manager->runs; run; run = run->next)
                completion_done(&run->start_done, -EIO, &leaving);
        manager_jobs_free(manager);
        for (size_t i = 0; i < MANAGER_BUCKETS; i++)
                while (manager->machines[i]) {
                        Machine *machine = manager->machines[i];

                        machine->observer = NULL;
                        if (machine->run) {
                                manager_run_ended(manager, machine->run);
                                machine->run = machine_run_free(machine->run);
                        }
                        waiters_done(&machine->end_waiters, -EIO, &leaving);
                        waiters_done(&machine->change_waiters, -EIO, &leaving);
                        waiters_done(&machine->create_waiters, -EIO, &leaving);
                        manager_remove(manager, machine);
                }
        waiters_done(&manager->idle_waiters, -EIO, &leaving);
        sd_event_source_disable_unref(manager->adopt_source);
        sd_event_source_disable_unref(manager->linger_source);
        manager_spawner_close(manager);
        capabilities_probe_free(manager->probe);
        machine_store_close(manager->store);
        sd_event_unref(manager->event);
        free(manager);
        return NULL;
}

void manager_set_observer(Manager *manager, const MachineObserver *observer, void *userdata,
                          const char *bus_id)
{
        manager->observer = observer;
        manager->observer_userdata = userdata;
        (void)snprintf(manager->bus_id, sizeof(manager->bus_id), "%s", bus_id);
}

static unsigned bucket_of(const char *id)
{
        static const char digits[] = "0123456789abcdef";
        const char *high = strchr(digits, id[0]), *low = id[0] ? strchr(digits, id[1]) : NULL;

        return (unsigned)((high ? high - digits : 0) * 16 + (low ? low - digits : 0)) %
               MANAGER_BUCKETS;
}

Machine *manager_find(const Manager *manager, const char *id)
{
        for (Machine *m = manager->machines[bucket_of(id)]; m; m = m->next)
                if (streq(m->record.id, id) && !m->creating)
                        return m;
        return NULL;
}

Machine *manager_find_name(const Manager *manager, uid_t owner, const char *name)
{
        for (size_t i = 0; i < MANAGER_BUCKETS; i++)
                for (Machine *m = manager->machines[i]; m; m = m->next)
                        if (m->record.owner == owner && streq(m->record.name, name))
                                return m;
        return NULL;
}

MachineRun *manager_find_run(const Manager *manager, const Id128 *run_id)
{
        for (MachineRun *run = manager->runs; run; run = run->next)
                if (id128_equal(&run->id, run_id))
                        return run;
        return NULL;
}

void manager_insert(Manager *manager, Machine *machine)
{
        Machine **bucket = &manager->machines[bucket_of(machine->record.id)];

        machine->manager = manager;
        machine->observer = manager->observer;
        machine->observer_userdata = manager->observer_userdata;
        machine->next = *bucket;
        *bucket = machine;
        manager->n_machines++;
}

void manager_remove(Manager *manager, Machine *machine)
{
        Machine **slot = &manager->machines[bucket_of(machine->record.id)];

        while (*slot && *slot != machine)
                slot = &(*slot)->next;
        if (*slot) {
                *slot = machine->next;
                manager->n_machines--;
        }
        machine_free(machine);
}

int manager_each_visible(const Manager *manager, uid_t uid, ManagerEachFunc func, void *userdata)
{
        for (size_t i = 0; i < MANAGER_BUCKETS; i++)
                for (Machine *m = manager->machines[i]; m; m = m->next) {
                        int r = machine_is_visible_to(m, uid) ? func(m, userdata) : 0;

                        if (r < 0)
                                return r;
                }
        return 0;
}

static void manager_sum_up(const Manager *manager, uid_t uid, QuotaUse *ret,
                           uint64_t *ret_image_bytes)
{
        QuotaUse use = {{0}};
        uint64_t images = 0;

        for (size_t i = 0; i < MANAGER_BUCKETS; i++)
                for (const Machine *m = manager->machines[i]; m; m = m->next) {
                        if (m->record.owner != uid)
                                continue;
                        use.used[LIMIT_MACHINES]++;
                        images += m->record.images_bytes;
                        if (!m->run)
                                continue;
                        use.used[LIMIT_RUNNING]++;
                        use.used[LIMIT_MEMORY_MIB] += m->config.memory_mib;
                        use.used[LIMIT_VCPUS] +=
                                vm_config_vcpus(&m->config, manager->settings->host_cpus);
                }
        use.used[LIMIT_IMAGES_MIB] = images >> 20;
        use.used[LIMIT_CREATES_IN_FLIGHT] = manager_jobs_of(manager, uid);
        *ret = use;
        if (ret_image_bytes)
                *ret_image_bytes = images;
}

int manager_check_quota(const Manager *manager, uid_t uid, Limit limit, uint64_t more,
                        Problem *problem)
{
        QuotaUse use;

        manager_sum_up(manager, uid, &use, NULL);
        return quota_check(&manager->settings->limits, &use, limit, more, uid,
                           manager->settings->conf, problem);
}

int manager_check_image_quota(const Manager *manager, uid_t uid, uint64_t more_bytes,
                              Problem *problem)
{
        const Settings *settings = manager->settings;
        uint64_t bytes, after;
        QuotaUse use;

        manager_sum_up(manager, uid, &use, &bytes);
        after = (bytes + more_bytes + (1U << 20) - 1) >> 20; /* all together, rounded once */
        return quota_check(&settings->limits, &use, LIMIT_IMAGES_MIB,
                           after - use.used[LIMIT_IMAGES_MIB], uid, settings->conf, problem);
}

int manager_check_start(const Manager *manager, Problem *problem)
{
        const Capabilities *capabilities = capabilities_probe_get(manager->probe);
        int kvm = capabilities_probe_kvm_fd(manager->probe);

        if (manager->refuses_starts)
                return problem_set(problem, -EBUSY, "%s: no machine is started any more",
                                   manager->refuses_starts);
        if (!capabilities_usable(capabilities))
                return problem_set(problem, -ENODEV, "no VM can run here: %s",
                                   capabilities->problem);
        if (kvm < 0)
                return problem_set(problem, -ENODEV, "%s cannot be opened: %s",
                                   capabilities->kvm_path, strerror(-kvm));
        return 0;
}

int manager_check_run_quota(const Manager *manager, uid_t uid, const VmConfig *config,
                            Problem *problem)
{
        const Settings *settings = manager->settings;
        unsigned vcpus = vm_config_vcpus(config, settings->host_cpus);
        QuotaUse use;
        int r;

        manager_sum_up(manager, uid, &use, NULL);
        r = quota_check(&settings->limits, &use, LIMIT_RUNNING, 1, uid, settings->conf, problem);
        if (r >= 0)
                r = quota_check(&settings->limits, &use, LIMIT_MEMORY_MIB, config->memory_mib, uid,
                                settings->conf, problem);
        if (r >= 0)
                r = quota_check(&settings->limits, &use, LIMIT_VCPUS, vcpus, uid, settings->conf,
                                problem);
        return r;
}

int manager_check_config(const Manager *manager, const char *text, size_t length, VmConfig *ret,
                         Problem *problem)
{
        JsonProblem json_problem = {"", ""};
        VmConfig config;
        int r;

        r = vm_config_parse(text, length, &config, &json_problem);
        if (r < 0)
                return problem_set(problem, r, "%s%s%s", json_problem.pointer,
                                   json_problem.pointer[0] ? ": " : "", json_problem.message);
        r = capabilities_check_config(capabilities_probe_get(manager->probe), &config, problem);
        if (r < 0) {
                vm_config_done(&config);
                return r;
        }
        *ret = config;
        return 0;
}

int manager_delete(Machine *machine, Problem *problem)
{
        Manager *manager = machine->manager;
        int r;

        if (machine->state != MACHINE_STATE_STOPPED || machine->run)
                return problem_set(problem, -EBUSY,
                                   "the machine is %s: stop it before it is deleted",
                                   machine_state_word(machine));
        if (machine->busy)
                return problem_set(problem, -EBUSY, "%s: try again when that is done",
                                   machine->busy);
        r = failpoint(FAILPOINT_DELETE_BEGIN);
        if (r >= 0)
                r = machine_store_remove(manager->store, &machine->record);
        if (r < 0)
                return problem_set(problem, -EIO, "the machine's folder cannot be removed: %s",
                                   strerror(-r));
        if (machine->observer && machine->observer->removed)
                machine->observer->removed(machine, machine->observer_userdata);
        manager_remove(manager, machine);
        return 0;
}

static int on_linger(sd_event_source *source, uint64_t usec, void *userdata)
{
        Manager *manager = userdata;
        uint64_t next = UINT64_MAX;
        Problem problem;

        for (size_t i = 0; i < MANAGER_BUCKETS; i++)
                for (Machine *m = manager->machines[i], *after; m; m = after) {
                        after = m->next;
                        if (!m->lingering)
                                continue;
                        if (m->linger_until > usec)
                                next = CONST_MIN(next, m->linger_until);
                        else if (manager_delete(m, &problem) < 0)
                                log_warning("Machine %s: %s, ignoring", m->record.id,
                                            problem.message);
                }
        if (next == UINT64_MAX)
                return 0;
        (void)sd_event_source_set_time(source, next);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int manager_arm_linger(Manager *manager, uint64_t until)
{
        uint64_t at;

        if (!manager->linger_source)
                return sd_event_add_time(manager->event, &manager->linger_source, CLOCK_MONOTONIC,
                                         until, 0, on_linger, manager);
        if (sd_event_source_get_enabled(manager->linger_source, NULL) > 0 &&
            sd_event_source_get_time(manager->linger_source, &at) >= 0 && at <= until)
                return 0;
        (void)sd_event_source_set_time(manager->linger_source, until);
        return sd_event_source_set_enabled(manager->linger_source, SD_EVENT_ONESHOT);
}

void manager_retire(Machine *machine, bool linger)
{
        Problem problem;
        uint64_t now;

        if (linger && sd_event_now(machine->manager->event, CLOCK_MONOTONIC, &now) >= 0 &&
            manager_arm_linger(machine->manager, now + LINGER_USEC) >= 0) {
                machine->lingering = true;
                machine->linger_until = now + LINGER_USEC;
                return;
        }
        if (manager_delete(machine, &problem) < 0)
                log_warning("Machine %s: %s, ignoring", machine->record.id, problem.message);
}

void manager_run_began(Manager *manager, MachineRun *run)
{
        run->next = manager->runs;
        manager->runs = run;
        manager->n_running++;
}

void manager_run_ended(Manager *manager, MachineRun *run)
{
        MachineRun **slot = &manager->runs;

        while (*slot && *slot != run)
                slot = &(*slot)->next;
        if (!*slot)
                return;
        *slot = run->next;
        if (--manager->n_running == 0)
                waiters_done(&manager->idle_waiters, 0, NULL);
}

void manager_client_left(Manager *manager, const char *name)
{
        Problem problem;

        for (MachineRun *run = manager->runs; run; run = run->next) {
                const RunRecord *record = &run->machine->record.run;

                if (run->finished || !record->bound_to || !streq(record->bound_to, name))
                        continue;
                if (machine_kill(run->machine,
                                 "the client that the machine's lifetime was bound to left the bus",
                                 (Completion){NULL, NULL}, &problem) < 0)
                        log_warning("Machine %s: %s, ignoring", run->machine->record.id,
                                    problem.message);
        }
}

bool manager_drop_waiter(Manager *manager, const void *userdata)
{
        for (size_t i = 0; i < MANAGER_BUCKETS; i++)
                for (Machine *m = manager->machines[i]; m; m = m->next)
                        if (waiters_remove(&m->end_waiters, userdata) ||
                            waiters_remove(&m->change_waiters, userdata) ||
                            waiters_remove(&m->create_waiters, userdata))
                                return true;
        return capabilities_probe_drop_waiter(manager->probe, userdata);
}

int manager_stop_all(Manager *manager, uint64_t deadline_usec, const char *why, Completion done)
{
        Problem problem;
        int r;

        manager->refuses_starts = why;
        r = waiters_add(&manager->idle_waiters, done);
        if (r < 0)
                return r;
        log_info("Stopping %zu machines: %s", manager->n_running, why);
        for (MachineRun *run = manager->runs; run; run = run->next)
                if (!run->finished && machine_stop(run->machine, deadline_usec,
                                                   (Completion){NULL, NULL}, &problem) < 0)
                        log_warning("Machine %s: %s, ignoring", run->machine->record.id,
                                    problem.message);
        if (manager->n_running == 0)
                waiters_done(&manager->idle_waiters, 0, NULL);
        return 0;
}
