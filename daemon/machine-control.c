/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include "common/string-util.h"
#include "daemon/failpoint.h"
#include "daemon/machine-run.h"

#define OUT_OF_MEMORY "out of memory"

/* A request whose answer is a completion. Freed by its answer, which the link never fails to give.
 */
typedef struct ControlCall {
        MachineRun *run;
        MachineState from; /* where the state falls back to on failure */
        MachineState to;
        unsigned change; /* run->change when it was sent */
        Completion done;
} ControlCall;

static int wrong_state(const Machine *machine, const char *what, Problem *problem)
{
        return problem_set(problem, -EBUSY, "the machine is %s: %s", machine_state_word(machine),
                           what);
}

static int control_send(MachineRun *run, Method method, const ControlCall *template,
                        MonitorReplyFunc func, json_object *params, const int *fds, size_t n_fds,
                        Problem *problem)
{
        ControlCall *call;
        int r;

        if (!run->link)
                return problem_set(problem, -EBUSY, "the machine's monitor is not there yet");
        call = malloc(sizeof(*call));
        if (!call)
                return problem_set(problem, -ENOMEM, OUT_OF_MEMORY);
        *call = *template;
        call->run = run;
        r = monitor_link_call(run->link, method, params, fds, n_fds, func, call);
        if (r >= 0)
                return 0;
        free(call);
        if (r == -ENOTCONN)
                return problem_set(problem, -EBUSY, "the machine's monitor is ending");
        if (r == -EBUSY)
                return problem_set(problem, -EBUSY,
                                   "too many requests wait for the machine's monitor: try again");
        return problem_set(problem, -EIO, "the machine's monitor cannot be asked: %s",
                           strerror(-r));
}

/* The monitor's refusals keep their kind; everything else that fails is ours. */
static int control_error(int error)
{
        switch (error) {
        case -EBUSY:
        case -EOPNOTSUPP:
        case -ETIMEDOUT:
                return error;
        case -ECONNRESET:
                return -EBUSY; /* the run ended meanwhile */
        default:
                return -EIO;
        }
}

static void on_control_reply(int error, const char *message, json_object *result, void *userdata)
{
        ControlCall *call = userdata;
        Problem problem;

        (void)result;
        if (error < 0)
                (void)problem_set(&problem, control_error(error), "%s", message);
        completion_done(&call->done, error < 0 ? control_error(error) : 0,
                        error < 0 ? &problem : NULL);
        free(call);
}

/* Pause and resume: the state moves with the answer, unless the run has gone elsewhere by then. */
static void on_change_reply(int error, const char *message, json_object *result, void *userdata)
{
        ControlCall *call = userdata;
        Machine *machine = call->run->machine;
        MachineState via =
                call->to == MACHINE_STATE_PAUSED ? MACHINE_STATE_PAUSING : MACHINE_STATE_RESUMING;
        Problem problem;

        (void)result;
        if (call->change !=
            call->run->change) { /* told by its event, and another has begun since */
                free(call);
                return;
        }
        if (error >= 0 && machine->state == via)
                (void)machine_set_state(machine, call->to);
        if (error >= 0 && machine->state == call->to) {
                waiters_done(&machine->change_waiters, 0, NULL);
        } else if (error >= 0) {
                (void)problem_set(&problem, -EBUSY, "the machine is %s by now",
                                  machine_state_word(machine));
                waiters_done(&machine->change_waiters, -EBUSY, &problem);
        } else {
                if (error != -ECONNRESET && error != -ETIMEDOUT && machine->state == via)
                        (void)machine_set_state(machine, call->from);
                (void)problem_set(&problem, control_error(error), "%s", message);
                waiters_done(&machine->change_waiters, control_error(error), &problem);
        }
        free(call);
}

static int machine_change(Machine *machine, Method method, MachineState from, MachineState via,
                          MachineState to, Completion done, Problem *problem)
{
        ControlCall call = {.from = from, .to = to};
        int r;

        if (machine->state != from && machine->state != via)
                return wrong_state(machine,
                                   to == MACHINE_STATE_PAUSED ? "only a running one can be paused"
                                                              : "only a paused one can be resumed",
                                   problem);
        r = waiters_add(&machine->change_waiters, done);
        if (r < 0)
                return problem_set(problem, r, OUT_OF_MEMORY);
        if (machine->state == via)
                return 0; /* another's call is under way: they wait together */
        call.change = ++machine->run->change;
        r = control_send(machine->run, method, &call, on_change_reply, NULL, NULL, 0, problem);
        if (r < 0) {
                (void)waiters_remove(&machine->change_waiters, done.userdata);
                return r;
        }
        (void)machine_set_state(machine, via);
        return 0;
}

int machine_pause(Machine *machine, Completion done, Problem *problem)
{
        return machine_change(machine, METHOD_PAUSE, MACHINE_STATE_RUNNING, MACHINE_STATE_PAUSING,
                              MACHINE_STATE_PAUSED, done, problem);
}

int machine_resume(Machine *machine, Completion done, Problem *problem)
{
        return machine_change(machine, METHOD_RESUME, MACHINE_STATE_PAUSED, MACHINE_STATE_RESUMING,
                              MACHINE_STATE_RUNNING, done, problem);
}

int machine_reboot(Machine *machine, Completion done, Problem *problem)
{
        ControlCall call = {.done = done};

        if (machine->state != MACHINE_STATE_RUNNING)
                return wrong_state(machine, "only a running one can be rebooted", problem);
        return control_send(machine->run, METHOD_RESET, &call, on_control_reply, NULL, NULL, 0,
                            problem);
}

static void on_button_reply(int error, const char *message, json_object *result, void *userdata)
{
        MachineRun *run = userdata;

        (void)result;
        if (error < 0 && error != -ECONNRESET && error != -ETIMEDOUT)
                run_kill(run, STOP_REASON_KILLED,
                         "the power button could not be pressed (%s); the monitor was killed",
                         message);
}

void run_press_button(MachineRun *run)
{
        int r;

        run->button_wanted = false;
        r = run->link ? monitor_link_call(run->link, METHOD_POWER_BUTTON, NULL, NULL, 0,
                                          on_button_reply, run)
                      : -ENOTCONN;
        if (r < 0 && r != -ENOTCONN)
                run_kill(run, STOP_REASON_KILLED,
                         "the power button could not be pressed (%s); the monitor was killed",
                         strerror(-r));
        (void)failpoint(FAILPOINT_STOP_BUTTON_SENT);
}

/* A guest whose vCPUs rest cannot see a power button: they are set going first. */
static void run_begin_stop(MachineRun *run)
{
        MachineState state = run->machine->state;

        (void)machine_set_state(run->machine, MACHINE_STATE_STOPPING);
        if (!run->started) {
                run->button_wanted = true;
                return;
        }
        if ((state == MACHINE_STATE_PAUSED || state == MACHINE_STATE_PAUSING) && run->link)
                (void)monitor_link_call(run->link, METHOD_RESUME, NULL, NULL, 0, NULL, NULL);
        run_press_button(run);
}

/* Several stops wait together; the earliest deadline counts. */
static int run_set_deadline(MachineRun *run, uint64_t deadline_usec)
{
        uint64_t now, deadline;
        int r;

        r = sd_event_now(run->manager->event, CLOCK_MONOTONIC, &now);
        if (r < 0)
                return r;
        deadline = deadline_usec > UINT64_MAX - now ? UINT64_MAX : now + deadline_usec;
        if (run->kill_sent || (run->stop_deadline > 0 && run->stop_deadline <= deadline))
                return 0;
        run->stop_deadline = deadline;
        return run_arm(run, deadline_usec);
}

int machine_stop(Machine *machine, uint64_t deadline_usec, Completion done, Problem *problem)
{
        MachineRun *run = machine->run;
        int r;

        if (!run)
                return wrong_state(machine, "there is nothing to stop", problem);
        r = waiters_add(&machine->end_waiters, done);
        if (r < 0)
                return problem_set(problem, r, OUT_OF_MEMORY);
        (void)failpoint(FAILPOINT_STOP_BEGIN);
        if (run_set_deadline(run, deadline_usec) < 0)
                run_kill(run, STOP_REASON_KILLED,
                         "no deadline could be set; the monitor was "
                         "killed");
        else if (machine->state != MACHINE_STATE_STOPPING)
                run_begin_stop(run);
        return 0;
}

int machine_kill(Machine *machine, const char *why, Completion done, Problem *problem)
{
        int r;

        if (!machine->run)
                return wrong_state(machine, "there is nothing to kill", problem);
        r = waiters_add(&machine->end_waiters, done);
        if (r < 0)
                return problem_set(problem, r, OUT_OF_MEMORY);
        (void)failpoint(FAILPOINT_STOP_BEGIN);
        run_kill(machine->run, STOP_REASON_KILLED, "%s", why);
        return 0;
}

int machine_open_console(Machine *machine, int fd, bool write, bool steal, bool scrollback,
                         Completion done, Problem *problem)
{
        ProtocolConsole console = {.write = write, .steal = steal, .scrollback = scrollback};
        ControlCall call = {.done = done};
        json_object *params;
        int r;

        if (!machine->run || !machine->run->started)
                return wrong_state(machine,
                                   "it has a console while it runs; to have it from the first "
                                   "instruction on, pass one to Start",
                                   problem);
        params = json_fields_save(protocol_console_fields, &console);
        if (!params)
                return problem_set(problem, -ENOMEM, OUT_OF_MEMORY);
        r = control_send(machine->run, METHOD_CONSOLE, &call, on_control_reply, params, &fd, 1,
                         problem);
        json_object_put(params);
        return r;
}

int machine_open_log(Machine *machine, bool previous, int *ret_fd, Problem *problem)
{
        int r;

        r = machine_store_open_file(machine->manager->store, &machine->record,
                                    previous ? MACHINE_STORE_LOG_PREVIOUS : MACHINE_STORE_LOG,
                                    O_RDONLY, ret_fd);
        if (r == -ENOENT)
                return problem_set(problem, -EBUSY,
                                   "the machine has not been run yet: there is no log");
        if (r < 0)
                return problem_set(problem, -EIO, "the log cannot be opened: %s", strerror(-r));
        return 0;
}

int machine_stats(Machine *machine, MonitorReplyFunc func, void *userdata, Problem *problem)
{
        int r;

        if (!machine->run || !machine->run->started || !machine->run->link)
                return wrong_state(machine, "there are statistics while it runs", problem);
        r = monitor_link_call(machine->run->link, METHOD_STATS, NULL, NULL, 0, func, userdata);
        if (r == -ENOTCONN || r == -EBUSY)
                return problem_set(problem, -EBUSY,
                                   "the machine's monitor is ending or busy: try "
                                   "again");
        if (r < 0)
                return problem_set(problem, -EIO, "the machine's monitor cannot be asked: %s",
                                   strerror(-r));
        return 0;
}
