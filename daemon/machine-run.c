/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/machine-run.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/string-util.h"
#include "daemon/capabilities-probe.h"
#include "daemon/failpoint.h"

/* What a monitor may use beyond its guest's memory, for the cgroup: code, heap, page tables. */
#define MONITOR_OVERHEAD_MIB 128U

static int run_new(Machine *machine, const Id128 *id, MachineRun **ret)
{
        MachineRun *run = calloc(1, sizeof(*run));

        if (!run)
                return -ENOMEM;
        run->manager = machine->manager;
        run->machine = machine;
        run->id = *id;
        run->pidfd = run->console_fd = -1;
        run->listed = true;
        machine->run = run;
        manager_run_began(machine->manager, run);
        *ret = run;
        return 0;
}

static void run_close_fds(MachineRun *run)
{
        for (size_t i = 0; i < run->n_fds; i++)
                if (run->fd_owned[i])
                        (void)fd_close(run->fds[i]);
        run->n_fds = 0;
        run->console_fd = -1;
}

MachineRun *machine_run_free(MachineRun *run)
{
        if (!run)
                return NULL;
        run_close_fds(run);
        monitor_link_free(run->link);
        (void)fd_close(run->pidfd);
        sd_event_source_disable_unref(run->time_source);
        sd_event_source_disable_unref(run->defer_source);
        sd_event_source_disable_unref(run->pidfd_source);
        free(run);
        return NULL;
}

static void run_add_fd(MachineRun *run, int fd, bool owned)
{
        run->fds[run->n_fds] = fd;
        run->fd_owned[run->n_fds++] = owned;
}

static int run_open_image(MachineRun *run, const StartOptions *options, const char *key,
                          Problem *problem)
{
        const MachineRecord *record = &run->machine->record;
        const char *name = machine_record_file(record, key);
        int fd, r;

        for (size_t i = 0; record->transient && i < options->n_files; i++)
                if (streq(options->files[i].key, key)) {
                        run_add_fd(run, options->files[i].fd, false);
                        return 0;
                }
        r = name ? machine_store_open_file(run->manager->store, record, name, O_RDONLY, &fd)
                 : -ENOENT;
        if (r < 0)
                return problem_set(problem, -EIO,
                                   "the machine's copy of \"%s\" cannot be opened: "
                                   "%s",
                                   key, strerror(-r));
        run_add_fd(run, fd, true);
        return 0;
}

static int run_open_log(MachineRun *run, const char *name, Problem *problem)
{
        int fd, r;

        r = machine_store_open_file(run->manager->store, &run->machine->record, name,
                                    O_RDWR | O_CREAT | O_TRUNC, &fd);
        if (r < 0)
                return problem_set(problem, -EIO, "the console log cannot be made: %s",
                                   strerror(-r));
        run_add_fd(run, fd, true);
        return 0;
}

/* protocol.h: /dev/kvm, the files in the config's order, the log, the previous log. */
static int run_open_fds(MachineRun *run, const StartOptions *options, Problem *problem)
{
        const char *keys[VM_CONFIG_MAX_FILES];
        size_t n = vm_config_files(&run->machine->config, keys);
        int r;

        run_add_fd(run, capabilities_probe_kvm_fd(run->manager->probe), false);
        for (size_t i = 0; i < n; i++) {
                r = run_open_image(run, options, keys[i], problem);
                if (r < 0)
                        return r;
        }
        r = run_open_log(run, MACHINE_STORE_LOG, problem);
        if (r >= 0)
                r = run_open_log(run, MACHINE_STORE_LOG_PREVIOUS, problem);
        return r;
}

static void on_start_reply(int error, const char *message, json_object *result, void *userdata)
{
        MachineRun *run = userdata;
        Machine *machine = run->machine;
        Problem problem;

        (void)result;
        run_close_fds(run);
        if (error == -ECONNRESET)
                return; /* its end says more */
        if (run->start_error != 0)
                return; /* it was given up meanwhile, and the monitor told to end */
        if (error >= 0)
                error = failpoint(FAILPOINT_START_RUNNING);
        if (error < 0) {
                (void)problem_set(&problem, error, "%s", message ? message : "a failpoint");
                run_fail_start(run, error == -ENOEXEC ? error : -ECHILD, &problem);
                return;
        }
        run->started = true;
        machine->record.run.started_at = realtime_usec();
        (void)machine_set_state(machine, MACHINE_STATE_RUNNING);
        (void)failpoint(FAILPOINT_START_SIGNALLED);
        completion_done(&run->start_done, 0, NULL);
        if (run->button_wanted)
                run_press_button(run);
}

static void on_hello_reply(int error, const char *message, json_object *result, void *userdata)
{
        MachineRun *run = userdata;
        Problem problem;

        (void)result;
        if (error == -ECONNRESET)
                return;
        if (error >= 0)
                error = failpoint(FAILPOINT_START_GREETED);
        if (error < 0) {
                (void)problem_set(&problem, -ECHILD, "the monitor does not speak our protocol: %s",
                                  message ? message : "a failpoint");
                run_fail_start(run, -ECHILD, &problem);
        }
}

static void on_console_reply(int error, const char *message, json_object *result, void *userdata)
{
        MachineRun *run = userdata;
        Problem problem;

        (void)result;
        if (error >= 0 || error == -ECONNRESET)
                return;
        (void)problem_set(&problem, -ECHILD, "the console cannot be attached: %s", message);
        run_fail_start(run, -ECHILD, &problem);
}

static int run_send_console(MachineRun *run)
{
        ProtocolConsole console = {.write = run->console_write, .scrollback = true};
        json_object *params;
        int r;

        if (run->console_fd < 0)
                return 0;
        params = json_fields_save(protocol_console_fields, &console);
        if (!params)
                return -ENOMEM;
        r = monitor_link_call(run->link, METHOD_CONSOLE, params, &run->console_fd, 1,
                              on_console_reply, run);
        json_object_put(params);
        return r;
}

static int run_send_start(MachineRun *run)
{
        ProtocolStart start = {
                .config = run->machine->record.config,
                .run_id = run->machine->record.run.id,
                .log = true,
                .log_previous = true,
        };
        json_object *params = json_fields_save(protocol_start_fields, &start);
        int r;

        if (!params)
                return -ENOMEM;
        r = monitor_link_call(run->link, METHOD_START, params, run->fds, run->n_fds, on_start_reply,
                              run);
        json_object_put(params);
        return r;
}

static int run_link(MachineRun *run, int socket)
{
        static const MonitorLinkHandlers handlers = {
                .event = run_on_event,
                .closed = run_on_closed,
        };

        return monitor_link_new(run->manager->event, socket, run->adopted, &handlers, run,
                                &run->link);
}

/* The three requests go out in one breath: a monitor that refuses one ends the run anyway. */
static int run_converse(MachineRun *run, int socket, Problem *problem)
{
        int r;

        r = failpoint(FAILPOINT_START_SPAWNED);
        if (r < 0)
                (void)fd_close(socket);
        if (r >= 0)
                r = run_link(run, socket);
        if (r >= 0)
                r = monitor_link_hello(run->link, on_hello_reply, run);
        if (r >= 0)
                r = failpoint(FAILPOINT_START_HELLO_SENT);
        if (r >= 0)
                r = run_send_console(run);
        if (r >= 0)
                r = run_send_start(run);
        if (r >= 0)
                r = failpoint(FAILPOINT_START_SENT);
        if (r < 0)
                return problem_set(problem, -ECHILD, "the monitor cannot be told to start: %s",
                                   strerror(-r));
        return 0;
}

static void on_spawned(const SpawnerReply *reply, SpawnerFds *fds, void *userdata)
{
        MachineRun *run = manager_find_run(userdata, &reply->id);
        Problem problem;
        int r;

        if (!run || reply->error == -ECONNRESET)
                return; /* the loss of the spawner is told to every run */
        run->spawning = false;
        if (reply->error < 0) {
                (void)problem_set(
                        &problem, -ECHILD, "vm-spawner could not make the monitor (step %s): %s",
                        spawner_step_to_string((SpawnerStep)reply->step), strerror(-reply->error));
                run_fail_start(run, -ECHILD, &problem);
                return;
        }
        run->child = true;
        run->pid = reply->pid;
        run->machine->monitor_pid = reply->pid;
        run->pidfd = TAKE_FD(fds->pidfd);
        if (run->asked != STOP_REASON_NONE) {
                run_kill(run, run->asked, "%s", run->asked_detail);
                return;
        }
        r = run_converse(run, TAKE_FD(fds->socket), &problem);
        if (r < 0)
                run_fail_start(run, r, &problem);
}

static int run_spawn(MachineRun *run, Problem *problem)
{
        SpawnerClient *spawner;
        SpawnerSpawn spawn = {
                .id = run->id,
                .kind = SPAWNER_KIND_MONITOR,
                .memory_max = (run->machine->config.memory_mib + MONITOR_OVERHEAD_MIB) << 20,
        };
        int r;

        r = manager_spawner(run->manager, &spawner, problem);
        if (r < 0)
                return r;
        r = spawner_client_spawn(spawner, &spawn, on_spawned, run->manager);
        if (r < 0)
                return problem_set(problem, -EIO, "vm-spawner cannot be asked: %s", strerror(-r));
        run->spawning = true;
        r = failpoint(FAILPOINT_START_SPAWN_SENT);
        return r < 0 ? problem_set(problem, r, "a failpoint") : 0;
}

static int run_launch(MachineRun *run, const StartOptions *options, Problem *problem)
{
        int r;

        r = machine_store_save(run->manager->store, &run->machine->record);
        if (r >= 0)
                r = failpoint(FAILPOINT_START_RECORDED);
        if (r < 0)
                return problem_set(problem, -EIO, "the machine's record cannot be written: %s",
                                   strerror(-r));
        r = run_open_fds(run, options, problem);
        if (r < 0)
                return r;
        if (failpoint(FAILPOINT_START_FILES) < 0)
                return problem_set(problem, -EIO, "a failpoint");
        return run_spawn(run, problem);
}

static int start_check(Machine *machine, Problem *problem)
{
        Manager *manager = machine->manager;
        int r;

        if (machine->state != MACHINE_STATE_STOPPED)
                return problem_set(problem, -EBUSY,
                                   "the machine is %s: only a stopped one can be "
                                   "started",
                                   machine_state_word(machine));
        if (machine->busy)
                return problem_set(problem, -EBUSY, "%s: try again when that is done",
                                   machine->busy);
        if (machine->lingering)
                return problem_set(problem, -EBUSY,
                                   "the machine is transient and has ended: create it again");
        r = manager_check_start(manager, problem);
        if (r < 0)
                return r;
        return manager_check_run_quota(manager, machine->record.owner, &machine->config, problem);
}

/* Lifetime "bound": to who starts it. A caller that has left already bound nothing. */
static int start_bind(Machine *machine, const StartOptions *options, Problem *problem)
{
        RunRecord *run = &machine->record.run;
        const MachineObserver *observer = machine->observer;

        if (!machine->record.bound)
                return 0;
        if (!options->client ||
            (observer && observer->client_is_present &&
             !observer->client_is_present(options->client, machine->observer_userdata)))
                return problem_set(problem, -ECHILD,
                                   "the client that the machine's lifetime is "
                                   "bound to has left the bus");
        run->bound_to = strdup(options->client);
        run->bus_id = strdup(machine->manager->bus_id);
        if (!run->bound_to || !run->bus_id)
                return problem_set(problem, -ENOMEM, "out of memory");
        return 0;
}

int machine_start(Machine *machine, const StartOptions *options, Completion done, Problem *problem)
{
        Problem why = {""};
        MachineRun *run;
        Id128 id;
        int r;

        r = start_check(machine, problem);
        if (r < 0)
                return r;
        if (failpoint(FAILPOINT_START_BEGIN) < 0)
                return problem_set(problem, -EIO, "a failpoint");
        r = id128_random(&id);
        if (r >= 0)
                r = machine_begin_run(machine, &id, machine->manager->boot_id);
        if (r >= 0)
                r = run_new(machine, &id, &run);
        if (r < 0)
                return problem_set(problem, r, "out of memory");
        machine->record.run.started_at = realtime_usec(); /* till it is known to the dot */
        run->start_done = done;
        run->console_fd = options->console_fd;
        run->console_write = options->console_write;
        (void)machine_set_state(machine, MACHINE_STATE_STARTING);
        r = start_bind(machine, options, &why);
        if (r >= 0)
                r = run_launch(run, options, &why);
        if (r < 0)
                run_fail_start(run, r, &why);
        return 0;
}

/* Where the monitor says that the run is; what it means to us. */
static int run_take_snapshot(MachineRun *run, const ProtocolSnapshot *snapshot)
{
        Machine *machine = run->machine;

        if (!snapshot->run_id) {
                run->start_error = -ECHILD;
                run_kill(run, STOP_REASON_START_FAILED,
                         "vmserviced was killed before it could tell the monitor to start");
                return 0;
        }
        if (!streq_ptr(snapshot->run_id, machine->record.run.id))
                return -EBADMSG;
        run->started = snapshot->state != MACHINE_STATE_STARTING;
        if (snapshot->payload_state > machine->record.run.payload_state)
                (void)machine_set_payload(machine, (PayloadState)snapshot->payload_state,
                                          snapshot->payload_exit_code);
        /* "stopped" is about to be told by its end. */
        if (snapshot->state != MACHINE_STATE_STOPPED && machine->state != MACHINE_STATE_STOPPING)
                machine_find_state(machine, (MachineState)snapshot->state);
        return 0;
}

static void on_snapshot_reply(int error, const char *message, json_object *result, void *userdata)
{
        MachineRun *run = userdata;
        ProtocolSnapshot snapshot;
        JsonProblem problem = {"", ""};

        if (error == -ECONNRESET) {
                message = NULL; /* its end says more */
        } else if (error < 0) {
                run_kill(run, STOP_REASON_CRASH, "the monitor did not answer a new vmserviced: %s",
                         message);
        } else if (json_fields_load(protocol_snapshot_fields, result, "", &snapshot, &problem) <
                   0) {
                run_kill(run, STOP_REASON_CRASH, "the monitor's snapshot is none: %s",
                         problem.message);
        } else {
                if (run_take_snapshot(run, &snapshot) < 0)
                        run_kill(run, STOP_REASON_CRASH,
                                 "the monitor's snapshot is of another run");
                json_fields_done(protocol_snapshot_fields, &snapshot);
        }
        if (run->answering) {
                run->answering = false;
                manager_adopt_answered(run->manager);
        }
}

static void on_adopt_hello(int error, const char *message, json_object *result, void *userdata)
{
        MachineRun *run = userdata;

        (void)result;
        if (error < 0 && error != -ECONNRESET)
                run_kill(run, STOP_REASON_CRASH, "the monitor did not answer a new vmserviced: %s",
                         message);
}

static int run_resume_conversation(MachineRun *run, int socket)
{
        int r;

        r = run_link(run, socket);
        if (r >= 0)
                r = monitor_link_hello(run->link, on_adopt_hello, run);
        if (r >= 0)
                r = monitor_link_call(run->link, METHOD_SNAPSHOT, NULL, NULL, 0, on_snapshot_reply,
                                      run);
        return r;
}

int machine_adopt_run(Machine *machine, const SpawnerReply *row, int socket, int pidfd)
{
        MachineRun *run;
        int r;

        r = run_new(machine, &row->id, &run);
        if (r < 0) {
                (void)fd_close(socket);
                (void)fd_close(pidfd);
                return r;
        }
        run->adopted = run->child = true;
        run->started = true; /* unless the monitor says otherwise */
        run->pid = row->pid;
        run->pidfd = pidfd;
        machine->monitor_pid = row->pid;
        machine->state = MACHINE_STATE_RUNNING; /* until it says otherwise */
        r = socket >= 0 ? run_resume_conversation(run, socket) : -EBADF;
        if (row->state == SPAWNER_STATE_EXITED) {
                run_exited(run, row->exit_code, row->exit_status);
                return 0;
        }
        if (r < 0) {
                run_kill(run, STOP_REASON_CRASH, "its control socket is lost: %s", strerror(-r));
                return 0;
        }
        run->answering = true;
        run->manager->n_adopting++;
        return 0;
}

int machine_adopt_lost(Machine *machine, const char *why)
{
        MachineRun *run;
        Id128 id;
        int r;

        r = id128_from_string(machine->record.run.id, &id);
        if (r >= 0)
                r = run_new(machine, &id, &run);
        if (r < 0)
                return r;
        run->adopted = true;
        run->started = true;
        run->lost_detail = why;
        machine->state = MACHINE_STATE_RUNNING;
        return run_finish_later(run);
}
