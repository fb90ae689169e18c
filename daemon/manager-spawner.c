/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <sys/epoll.h>

#include "common/log.h"
#include "daemon/capabilities-probe.h"
#include "daemon/machine-run.h"
#include "daemon/manager-internal.h"

/* The connection to vm-spawner: made when it is needed, made again when it was lost. */

static const char spawner_lost_text[] = "vm-spawner ended, and its machines with it";

static void runs_lost(Manager *manager, bool listed_only)
{
        for (MachineRun *run = manager->runs; run; run = run->next)
                if (!listed_only || !run->listed)
                        run_lost(run, spawner_lost_text);
}

static void spawner_drop(Manager *manager)
{
        manager->spawner_source = sd_event_source_disable_unref(manager->spawner_source);
        manager->spawner = spawner_client_free(manager->spawner);
}

void manager_spawner_close(Manager *manager)
{
        spawner_drop(manager);
}

/* After a broken connection to a spawner that lives: what it says of our runs. */
static void on_relist(const SpawnerReply *reply, SpawnerFds *fds, void *userdata)
{
        Manager *manager = userdata;
        MachineRun *run;

        (void)fds; /* we have them */
        if (reply->error < 0)
                return; /* lost again: told elsewhere */
        if (reply->last) {
                runs_lost(manager, true);
                return;
        }
        run = manager_find_run(manager, &reply->id);
        if (!run) { /* its SPAWN was not answered, and its run has been ended */
                if (!capabilities_probe_is_running(manager->probe, &reply->id))
                        manager_end_orphan(manager, reply);
                return;
        }
        run->listed = true;
        if (reply->state == SPAWNER_STATE_EXITED)
                run_exited(run, reply->exit_code, reply->exit_status);
}

void manager_relist(Manager *manager)
{
        for (MachineRun *run = manager->runs; run; run = run->next)
                run->listed = run->spawning; /* asked over this connection already */
        if (spawner_client_list(manager->spawner, on_relist, manager) < 0)
                runs_lost(manager, true);
}

/*
 * Also with no run of ours left, and after a start that had nobody to ask: a child whose SPAWN was
 * not answered would run on, known to nobody. A spawner that is another has none of ours.
 */
static void on_ready(const SpawnerReply *reply, void *userdata)
{
        Manager *manager = userdata;

        (void)reply;
        if (!manager->spawner_listing)
                manager_relist(manager);
}

static void on_exited(const SpawnerReply *reply, void *userdata)
{
        Manager *manager = userdata;
        MachineRun *run = manager_find_run(manager, &reply->id);

        if (run)
                run_exited(run, reply->exit_code, reply->exit_status);
        else if (capabilities_probe_exited(manager->probe, &reply->id))
                (void)spawner_client_forget(manager->spawner, &reply->id, NULL, NULL);
        else
                manager_forget_orphan(manager, &reply->id);
}

static void on_lost(int error, void *userdata)
{
        Manager *manager = userdata;
        Problem problem;
        int r;

        log_warning_errno(error, "The connection to vm-spawner is lost");
        spawner_drop(manager);
        capabilities_probe_lost(manager->probe);
        for (MachineRun *run = manager->runs; run; run = run->next)
                if (run->spawning) {
                        run->spawning = false;
                        run_lost(run, "vm-spawner ended while it made the monitor");
                }
        if (manager->spawner_listing) {
                manager_adopt_again(manager);
                return;
        }
        if (!manager->runs)
                return;
        /* If it lives, it says what is left; another one says that nothing is. */
        r = manager_spawner_connect(manager, &problem);
        if (r < 0)
                runs_lost(manager, false);
}

static int on_spawner_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        Manager *manager = userdata;

        (void)source;
        (void)fd;
        (void)events;
        if (manager->spawner)
                (void)spawner_client_process(manager->spawner); /* a loss is told to on_lost() */
        return 0;
}

int manager_spawner_connect(Manager *manager, Problem *problem)
{
        static const SpawnerClientHandlers handlers = {
                .ready = on_ready,
                .exited = on_exited,
                .lost = on_lost,
        };
        const char *path = manager->settings->spawner_socket;
        int r;

        if (manager->spawner)
                return 0;
        r = spawner_client_connect(path, &handlers, manager, &manager->spawner);
        if (r < 0)
                return problem_set(
                        problem, r == -ENOENT || r == -ECONNREFUSED ? -ECONNREFUSED : r,
                        "vm-spawner does not answer at %s (%s)%s", path, strerror(-r),
                        manager->settings->session ? "" : ": start vmservice-machines.service");
        r = sd_event_add_io(manager->event, &manager->spawner_source,
                            spawner_client_fd(manager->spawner), EPOLLIN, on_spawner_io, manager);
        if (r < 0) {
                spawner_drop(manager);
                return problem_set(problem, r, "cannot watch vm-spawner: %s", strerror(-r));
        }
        return 0;
}

int manager_spawner(Manager *manager, SpawnerClient **ret, Problem *problem)
{
        const Settings *settings = manager->settings;
        SpawnerSession session = {
                .spawner = settings->spawner,
                .monitor = settings->monitor,
                .socket = settings->spawner_socket,
        };
        int r;

        r = manager_spawner_connect(manager, problem);
        if (r == -ECONNREFUSED && settings->session) {
                r = spawner_client_start_session(&session);
                if (r < 0)
                        return problem_set(problem, -EIO, "%s cannot be started: %s",
                                           session.spawner, strerror(-r));
                r = manager_spawner_connect(manager, problem);
        }
        if (r < 0)
                return -EIO;
        *ret = manager->spawner;
        return 0;
}
