/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <time.h>

#include "common/log.h"
#include "common/string-util.h"
#include "daemon/machine-run.h"
#include "daemon/manager-internal.h"

#define LISTINGS_MAX 3U /* tries, beyond the first, to be told by a spawner what runs */

/*
 * After a start of the daemon: the records say what there was, the spawner what there is. A child
 * with a record is adopted, one without is killed; a record that is "on" without a child is ended.
 */

static void on_orphan_killed(const SpawnerReply *reply, SpawnerFds *fds, void *userdata)
{
        (void)fds;
        (void)userdata;
        if (reply->error < 0 && reply->error != -ECONNRESET)
                log_warning_errno(reply->error, "vm-spawner could not kill an orphan, ignoring");
}

void manager_forget_orphan(Manager *manager, const Id128 *id)
{
        if (manager->spawner)
                (void)spawner_client_forget(manager->spawner, id, on_orphan_killed, manager);
}

void manager_end_orphan(Manager *manager, const SpawnerReply *row)
{
        char text[ID128_STRING_SIZE];

        if (row->state == SPAWNER_STATE_EXITED) {
                manager_forget_orphan(manager, &row->id);
                return;
        }
        log_notice("Killing process %d (%s), which belongs to no machine", row->pid,
                   id128_to_string(&row->id, text));
        if (manager->spawner)
                (void)spawner_client_kill(manager->spawner, &row->id, on_orphan_killed, manager);
}

static Machine *find_by_run(const Manager *manager, const Id128 *id)
{
        char text[ID128_STRING_SIZE];

        (void)id128_to_string(id, text);
        for (size_t i = 0; i < MANAGER_BUCKETS; i++)
                for (Machine *m = manager->machines[i]; m; m = m->next)
                        if (m->record.run.on && streq(m->record.run.id, text))
                                return m;
        return NULL;
}

static void adopt_row(Manager *manager, const SpawnerReply *row, SpawnerFds *fds)
{
        Machine *machine = find_by_run(manager, &row->id);
        char text[ID128_STRING_SIZE];
        int r;

        (void)id128_to_string(&row->id, text);
        if (machine && machine->run) { /* told by its row and by EXITED, or listed once more */
                if (row->state == SPAWNER_STATE_EXITED)
                        run_exited(machine->run, row->exit_code, row->exit_status);
                return;
        }
        if (machine) {
                r = machine_adopt_run(machine, row, TAKE_FD(fds->socket), TAKE_FD(fds->pidfd));
                if (r < 0)
                        log_error_errno(r, "Cannot adopt the run of %s", text);
                return;
        }
        manager_end_orphan(manager, row);
}

static void adopt_without_child(Manager *manager)
{
        static const char host_down[] = "the host went down while it ran",
                          no_child[] = "its monitor is gone, and nobody knows how it ended";

        for (size_t i = 0; i < MANAGER_BUCKETS; i++)
                for (Machine *m = manager->machines[i]; m; m = m->next) {
                        bool here = streq_ptr(m->record.run.boot_id, manager->boot_id);

                        if (m->record.run.on && !m->run &&
                            machine_adopt_lost(m, here ? no_child : host_down) < 0)
                                log_error("Cannot end the run of %s: out of memory", m->record.id);
                }
}

static void adopt_done(Manager *manager)
{
        manager->adopt_source = sd_event_source_disable_unref(manager->adopt_source);
        completion_done(&manager->adopted, 0, NULL);
}

void manager_adopt_answered(Manager *manager)
{
        manager->n_adopting--;
        if (manager->n_adopting == 0 && !manager->spawner_listing)
                adopt_done(manager);
}

/* What was listed is all there is. */
static void adopt_conclude(Manager *manager)
{
        manager->spawner_listing = false;
        adopt_without_child(manager);
        if (manager->n_adopting == 0)
                adopt_done(manager);
}

static void on_listed(const SpawnerReply *reply, SpawnerFds *fds, void *userdata)
{
        Manager *manager = userdata;

        if (reply->error < 0)
                return; /* the connection is lost, which is told to manager_adopt_again() */
        if (!reply->last) {
                adopt_row(manager, reply, fds);
                return;
        }
        adopt_conclude(manager);
        if (manager->n_listings >
            0) /* what a broken listing named may have gone with its spawner */
                manager_relist(manager);
}

void manager_adopt_again(Manager *manager)
{
        Problem why = {"the connection broke again and again"};
        int r;

        r = ++manager->n_listings <= LISTINGS_MAX ? manager_spawner_connect(manager, &why)
                                                  : -ECONNRESET;
        if (r >= 0)
                r = spawner_client_list(manager->spawner, on_listed, manager);
        if (r >= 0)
                return;
        log_error("vm-spawner cannot be asked what runs: %s", why.message);
        for (MachineRun *run = manager->runs; run; run = run->next)
                run_lost(run, "vm-spawner was lost while it said what runs");
        adopt_conclude(manager);
}

/*
 * A monitor that does not answer holds up nobody else. A spawner that does not is waited for: who
 * serves without knowing what runs would run it twice.
 */
static int on_adopt_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
        Manager *manager = userdata;
        int r;

        (void)usec;
        if (!manager->spawner_listing) {
                if (manager->n_adopting > 0)
                        log_warning("%u monitors have not answered yet; going on without",
                                    manager->n_adopting);
                adopt_done(manager);
                return 0;
        }
        log_warning("vm-spawner has not said yet what runs; waiting for it");
        r = sd_event_source_set_time_relative(source, ADOPT_DEADLINE_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void on_record(MachineRecord *record, void *userdata)
{
        Manager *manager = userdata;
        Problem problem;
        Machine *machine;
        char id[ID128_STRING_SIZE];

        (void)string_escape_into(id, sizeof(id), record->id, strlen(record->id));
        if (machine_new(record, &machine, &problem) < 0) {
                log_error("Machine %s cannot be read (its config: %s); its folder is left as it "
                          "is: repair or remove it",
                          id, problem.message);
                return;
        }
        if (manager_find_name(manager, (uid_t)machine->record.owner, machine->record.name)) {
                log_error("Machine %s has the name of another of its owner; its folder is left as "
                          "it is: remove one of them",
                          id);
                machine_free(machine);
                return;
        }
        manager_insert(manager, machine);
        if (machine->record.transient && !machine->record.run.on)
                manager_retire(machine, true); /* it ended and was not asked how */
}

int manager_adopt(Manager *manager, Completion done, Problem *problem)
{
        SpawnerClient *spawner;
        Problem why;
        size_t unreadable;
        int r;

        r = machine_store_load(manager->store, on_record, manager, &unreadable);
        if (r < 0)
                return problem_set(problem, r, "the machines' folders cannot be read: %s",
                                   strerror(-r));
        r = sd_event_add_time_relative(manager->event, &manager->adopt_source, CLOCK_MONOTONIC,
                                       ADOPT_DEADLINE_USEC, 0, on_adopt_deadline, manager);
        if (r < 0)
                return problem_set(problem, r, "out of memory");
        manager->adopted = done;
        manager->spawner_listing = true;
        r = manager_spawner(manager, &spawner, &why);
        if (r >= 0)
                r = spawner_client_list(spawner, on_listed, manager);
        else
                log_error("%s", why.message);
        if (r < 0) {
                /* No spawner, no children: what ran has ended with it. */
                manager->spawner_listing = false;
                adopt_without_child(manager);
                (void)sd_event_source_set_time_relative(manager->adopt_source, 0);
        }
        return 0;
}
