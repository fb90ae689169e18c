/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>

#include "common/log.h"
#include "common/string-util.h"
#include "daemon/failpoint.h"
#include "daemon/machine-run.h"

#define EXIT_GRACE_USEC (10ULL * 1000000ULL) /* from the monitor's last word to its exit */
#define KILL_GRACE_USEC (30ULL * 1000000ULL) /* from SIGKILL to its exit, before we say so */

static void run_on_state(MachineRun *run, json_object *body);

static int pidfd_kill(int pidfd)
{
        if (pidfd < 0)
                return -ESRCH;
        return syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) < 0 ? -errno : 0;
}

static void on_killed(const SpawnerReply *reply, SpawnerFds *fds, void *userdata)
{
        MachineRun *run = manager_find_run(userdata, &reply->id);

        (void)fds;
        if (run && reply->error < 0 && reply->error != -ECONNRESET) {
                log_warning_errno(reply->error, "vm-spawner could not kill the monitor of %s",
                                  run->machine->record.id);
                (void)pidfd_kill(run->pidfd);
        }
}

static void run_violated(MachineRun *run, const char *how)
{
        run_kill(run, STOP_REASON_CRASH, "the monitor broke the protocol and was killed: %s", how);
}

void run_kill(MachineRun *run, StopReason reason, const char *format, ...)
{
        Manager *manager = run->manager;
        va_list ap;
        int r;

        if (run->asked == STOP_REASON_NONE) {
                run->asked = reason;
                va_start(ap, format);
                (void)vsnprintf(run->asked_detail, sizeof(run->asked_detail), format, ap);
                va_end(ap);
        }
        (void)machine_set_state(run->machine, MACHINE_STATE_STOPPING);
        if (run->spawning || run->kill_sent)
                return; /* on_spawned() comes back here */
        if (!run->child) {
                (void)run_finish_later(run);
                return;
        }
        run->kill_sent = true;
        run->stop_deadline = 0;
        r = manager->spawner ? spawner_client_kill(manager->spawner, &run->id, on_killed, manager)
                             : -ENOTCONN;
        if (r < 0)
                (void)pidfd_kill(run->pidfd);
        (void)failpoint(FAILPOINT_STOP_KILL_SENT);
        (void)run_arm(run, KILL_GRACE_USEC);
}

void run_fail_start(MachineRun *run, int error, const Problem *problem)
{
        if (run->start_error == 0) {
                run->start_error = error;
                run->start_problem = *problem;
        }
        if (run->asked == STOP_REASON_NONE && run->child && !run->kill_sent && run->link) {
                /* The monitor may be on its way out by itself; give its own last word a moment. */
                run->asked = STOP_REASON_START_FAILED;
                (void)snprintf(run->asked_detail, sizeof(run->asked_detail), "%s",
                               problem->message);
                (void)machine_set_state(run->machine, MACHINE_STATE_STOPPING);
                if (monitor_link_call(run->link, METHOD_QUIT, NULL, NULL, 0, NULL, NULL) >= 0 &&
                    run_arm(run, EXIT_GRACE_USEC) >= 0)
                        return;
        }
        run_kill(run, STOP_REASON_START_FAILED, "%s", problem->message);
}

/* How long to wait is up: for the guest to power off, or for a killed monitor to be gone. */
static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
        MachineRun *run = userdata;
        Problem problem;

        (void)source;
        (void)usec;
        if (!run->kill_sent) {
                if (run->stop_deadline > 0 && !run->has_frame)
                        run_kill(run, STOP_REASON_KILLED,
                                 "the guest was asked to power off (power button) and did not "
                                 "before the deadline; the monitor was killed");
                else
                        run_kill(run, STOP_REASON_CRASH,
                                 "the monitor had nothing more to do and did not exit; it was "
                                 "killed");
                return 0;
        }
        (void)problem_set(&problem, -ETIMEDOUT,
                          "the monitor (process %d) was killed and is not gone after %llu s: it "
                          "hangs in the kernel; the machine is stopped when it is gone",
                          (int)run->pid, KILL_GRACE_USEC / 1000000ULL);
        log_warning("Machine %s: %s", run->machine->record.id, problem.message);
        waiters_done(&run->machine->end_waiters, -ETIMEDOUT, &problem);
        completion_done(&run->start_done, -ETIMEDOUT, &problem);
        return 0;
}

int run_arm(MachineRun *run, uint64_t usec_from_now)
{
        int r;

        if (!run->time_source)
                return sd_event_add_time_relative(run->manager->event, &run->time_source,
                                                  CLOCK_MONOTONIC, usec_from_now, 0, on_time, run);
        r = sd_event_source_set_time_relative(run->time_source, usec_from_now);
        return r < 0 ? r : sd_event_source_set_enabled(run->time_source, SD_EVENT_ONESHOT);
}

static void run_on_payload(MachineRun *run, json_object *body)
{
        ProtocolPayload payload;
        JsonProblem problem;

        if (json_fields_load(protocol_payload_fields, body, "", &payload, &problem) < 0 ||
            machine_set_payload(run->machine, (PayloadState)payload.state, payload.exit_code) < 0)
                run_violated(run, "its payload event makes no sense");
}

static void run_on_ended(MachineRun *run, json_object *body)
{
        ProtocolEnded ended;
        JsonProblem problem = {"", ""};

        if (run->has_frame ||
            json_fields_load(protocol_ended_fields, body, "", &ended, &problem) < 0) {
                run_violated(run, "its last event makes no sense");
                return;
        }
        run->has_frame = true;
        run->frame_reason = (StopReason)ended.reason;
        if (ended.detail)
                string_escape_into(run->frame_detail, sizeof(run->frame_detail), ended.detail,
                                   strlen(ended.detail));
        json_fields_done(protocol_ended_fields, &ended);
        (void)failpoint(FAILPOINT_END_FRAME);
        (void)machine_set_state(run->machine, MACHINE_STATE_STOPPING);
        if (!run->kill_sent)
                (void)run_arm(run, EXIT_GRACE_USEC);
}

void run_on_event(Event event, json_object *body, void *userdata)
{
        MachineRun *run = userdata;

        switch (event) {
        case EVENT_STATE:
                run_on_state(run, body);
                break;
        case EVENT_PAYLOAD:
                run_on_payload(run, body);
                break;
        case EVENT_CONSOLE_WRITER:
                break; /* who writes is asked when it matters, by OpenConsole */
        case EVENT_ENDED:
                run_on_ended(run, body);
                break;
        case _EVENT_MAX:
                break;
        }
}

/* It got where it was told to go: who waits for that must not come to wait for the way back. */
static void run_changed(MachineRun *run, MachineState state)
{
        (void)machine_set_state(run->machine, state);
        waiters_done(&run->machine->change_waiters, 0, NULL);
}

/*
 * The monitor's word on where it is. Changes that we asked for are also told by the reply;
 * whichever comes first moves the state. A change that nobody asked for is a violation.
 */
static void run_on_state(MachineRun *run, json_object *body)
{
        Machine *machine = run->machine;
        ProtocolState state;
        JsonProblem problem;

        if (json_fields_load(protocol_state_fields, body, "", &state, &problem) < 0) {
                run_violated(run, "its state event makes no sense");
                return;
        }
        if (machine->state == MACHINE_STATE_STOPPING || (int)machine->state == state.state)
                return;
        switch ((MachineState)state.state) {
        case MACHINE_STATE_RUNNING:
                /* A start of ours is told by its reply; an adopted one has none. */
                if (machine->state == MACHINE_STATE_STARTING && run->adopted) {
                        run->started = true;
                        (void)machine_set_state(machine, MACHINE_STATE_RUNNING);
                } else if (machine->state == MACHINE_STATE_RESUMING) {
                        run_changed(run, MACHINE_STATE_RUNNING);
                } else if (machine->state == MACHINE_STATE_PAUSED) {
                        run_violated(run, "it resumed by itself");
                }
                break;
        case MACHINE_STATE_PAUSED:
                if (machine->state == MACHINE_STATE_PAUSING)
                        run_changed(run, MACHINE_STATE_PAUSED);
                else
                        run_violated(run, "it paused by itself");
                break;
        case MACHINE_STATE_STOPPING:
                (void)machine_set_state(machine, MACHINE_STATE_STOPPING);
                break;
        default:
                break; /* on its way to one of these */
        }
}

void run_on_closed(const char *violation, void *userdata)
{
        MachineRun *run = userdata;

        if (violation) {
                log_warning("Monitor of %s broke the protocol: %s", run->machine->record.id,
                            violation);
                run_violated(run, violation);
        } else if (!run->has_status && !run->kill_sent) {
                (void)run_arm(run, EXIT_GRACE_USEC);
        }
}

static void on_forgotten(const SpawnerReply *reply, SpawnerFds *fds, void *userdata)
{
        (void)fds;
        (void)userdata;
        if (reply->error < 0 && reply->error != -ECONNRESET && reply->error != -ENOENT)
                log_warning_errno(reply->error, "vm-spawner does not forget a run, ignoring");
}

static void run_resolve(MachineRun *run)
{
        char detail[STOP_DETAIL_MAX];
        StopReason reason;
        EndFacts facts = {
                .started = run->started,
                .has_frame = run->has_frame,
                .frame_reason = run->frame_reason,
                .frame_detail = run->frame_detail,
                .has_status = run->has_status,
                .code = run->code,
                .status = run->status,
                .frame_may_be_lost = run->adopted,
                .asked = run->asked,
                .asked_detail = run->asked_detail,
                .lost_detail = run->lost_detail,
        };

        if (run->start_error < 0 && !run->has_status && !run->lost_detail) {
                /* There never was a child. */
                reason = run->asked == STOP_REASON_KILLED ? STOP_REASON_KILLED
                                                          : STOP_REASON_START_FAILED;
                (void)snprintf(detail, sizeof(detail), "%s",
                               reason == STOP_REASON_KILLED ? run->asked_detail
                                                            : run->start_problem.message);
        } else {
                reason = run_end_resolve(&facts, detail, sizeof(detail));
        }
        machine_end_run(run->machine, reason, detail, realtime_usec());
}

static void run_answer_start(MachineRun *run)
{
        const RunRecord *record = &run->machine->record.run;
        Problem problem;

        if (!run->start_done.func)
                return;
        if (run->start_error < 0) {
                completion_done(&run->start_done, run->start_error, &run->start_problem);
                return;
        }
        (void)problem_set(&problem, -ECHILD,
                          "the run ended before its first guest instruction "
                          "(%s): %s",
                          stop_reason_to_string((StopReason)record->stop_reason),
                          record->stop_detail ? record->stop_detail : "");
        completion_done(&run->start_done, -ECHILD, &problem);
}

/* Persist, tell, forget: whoever follows a daemon killed in between tells what was not told. */
static void run_finish(MachineRun *run)
{
        Machine *machine = run->machine;
        Manager *manager = run->manager;
        bool linger = run->adopted;
        int r;

        if (run->finished)
                return;
        run->finished = true;
        run_resolve(run);
        r = machine_store_save(manager->store, &machine->record);
        if (r < 0)
                log_error_errno(r, "Cannot record how the run of %s ended", machine->record.id);
        (void)failpoint(FAILPOINT_END_RECORDED);
        log_info("Machine %s of uid %u ended: %s: %s", machine->record.id,
                 (unsigned)machine->record.owner,
                 stop_reason_to_string((StopReason)machine->record.run.stop_reason),
                 machine->record.run.stop_detail ? machine->record.run.stop_detail : "");
        (void)machine_set_state(machine, MACHINE_STATE_STOPPED);
        if (machine->observer && machine->observer->stopped)
                machine->observer->stopped(machine, machine->observer_userdata);
        (void)failpoint(FAILPOINT_END_SIGNALLED);
        if (run->child && manager->spawner)
                (void)spawner_client_forget(manager->spawner, &run->id, on_forgotten, manager);
        (void)failpoint(FAILPOINT_END_FORGOTTEN);
        machine->run = NULL;
        manager_run_ended(manager, run);
        run->link = monitor_link_free(run->link);
        waiters_done(&machine->change_waiters, -EBUSY,
                     &(Problem){"the run ended before the machine got there"});
        run_answer_start(run);
        waiters_done(&machine->end_waiters, 0, NULL);
        if (run->answering)
                manager_adopt_answered(manager);
        machine_run_free(run);
        if (machine->record.transient || machine->discard)
                manager_retire(machine, linger && !machine->discard);
}

static int on_defer(sd_event_source *source, void *userdata)
{
        (void)source;
        run_finish(userdata);
        return 0;
}

int run_finish_later(MachineRun *run)
{
        if (run->defer_source)
                return 0;
        return sd_event_add_defer(run->manager->event, &run->defer_source, on_defer, run);
}

void run_exited(MachineRun *run, int code, int status)
{
        if (run->finished)
                return;
        (void)failpoint(FAILPOINT_END_EXITED);
        run->has_status = true;
        run->code = code;
        run->status = status;
        if (run->link)
                monitor_link_drain(run->link); /* its last words are older than its exit */
        run_finish(run);
}

static int on_pidfd(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        (void)source;
        (void)fd;
        (void)events;
        run_finish(userdata);
        return 0;
}

/* Its parent is gone, and it goes with it; when, its pidfd says. */
void run_lost(MachineRun *run, const char *why)
{
        if (run->finished || run->lost_detail)
                return;
        run->lost_detail = why;
        run->spawning = false;
        run->child = false;
        (void)machine_set_state(run->machine, MACHINE_STATE_STOPPING);
        (void)pidfd_kill(run->pidfd);
        if (run->pidfd < 0 || sd_event_add_io(run->manager->event, &run->pidfd_source, run->pidfd,
                                              EPOLLIN, on_pidfd, run) < 0)
                (void)run_finish_later(run);
}
