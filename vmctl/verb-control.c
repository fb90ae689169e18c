/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* start, stop, kill, reboot, pause, resume, wait, delete: one call per machine. */

#include <stdio.h>

#include "common/cleanup.h"
#include "vmctl/jobs.h"
#include "vmctl/message.h"
#include "vmctl/output.h"

#define USEC_PER_MSEC INT64_C(1000)
#define DEFAULT_STOP_TIMEOUT                                                                       \
        INT64_C(30000000) /* microseconds, as Stop in org.vmservice1.Machine                       \
                           */

/* Calls that take no more than options, and whose end is a boolean. */
#define DEFINE_SIMPLE_JOB(name, text)                                                              \
        static void name##_begin(VmClientMachine *machine, _unused_ const JobCall *call,           \
                                 GAsyncReadyCallback callback, gpointer user_data)                 \
        {                                                                                          \
                vm_client_machine_##name##_async(machine, NULL, NULL, callback, user_data);        \
        }                                                                                          \
        static bool name##_finish(VmClientMachine *machine, GAsyncResult *result, GError **error)  \
        {                                                                                          \
                return vm_client_machine_##name##_finish(machine, result, error);                  \
        }                                                                                          \
        static const JobKind name##_job = {                                                        \
                .waiting = (text), .begin = name##_begin, .finish = name##_finish}

DEFINE_SIMPLE_JOB(kill, "to be killed");
DEFINE_SIMPLE_JOB(reboot, "to be reset");
DEFINE_SIMPLE_JOB(pause, "to come to a halt");
DEFINE_SIMPLE_JOB(resume, "to go on");
DEFINE_SIMPLE_JOB(delete, "to be deleted");

static int run_simple(const Context *context, const JobKind *kind)
{
        return jobs_run(kind, &(JobCall){.context = context, .timeout = -1});
}

int verb_kill(const Context *context)
{
        return run_simple(context, &kill_job);
}

int verb_reboot(const Context *context)
{
        return run_simple(context, &reboot_job);
}

int verb_pause(const Context *context)
{
        return run_simple(context, &pause_job);
}

int verb_resume(const Context *context)
{
        return run_simple(context, &resume_job);
}

static void stop_begin(VmClientMachine *machine, const JobCall *call, GAsyncReadyCallback callback,
                       gpointer user_data)
{
        vm_client_machine_stop_async(machine, call->timeout, NULL, NULL, callback, user_data);
}

static bool stop_finish(VmClientMachine *machine, GAsyncResult *result, GError **error)
{
        return vm_client_machine_stop_finish(machine, result, error);
}

/* That the guest was killed in the end is worth a word: what it had not written is lost. */
static int stop_after(VmClientMachine *machine, const JobCall *call)
{
        g_autofree char *span = format_span((uint64_t)call->timeout);

        if (vm_client_machine_get_stop_reason(machine) == VM_CLIENT_STOP_REASON_KILLED)
                message_note(call->context->quiet,
                             "%s: the power button was pressed, the guest had not powered off "
                             "after %s, so it was killed. Give it longer with --timeout.",
                             vm_client_machine_get_name(machine), span);
        return VMCTL_OK;
}

int verb_stop(const Context *context)
{
        static const JobKind kind = {.waiting = "to power off",
                                     .begin = stop_begin,
                                     .finish = stop_finish,
                                     .after = stop_after};
        JobCall call = {.context = context};
        int r = take_timeout(context, &call.timeout);

        if (r != 0)
                return r;
        if (call.timeout < 0)
                call.timeout = DEFAULT_STOP_TIMEOUT;
        return jobs_run(&kind, &call);
}

/* A run's end, in the columns of "wait" and "start --wait". */
enum { END_NAME, END_REASON, END_CODE, END_DETAIL, _END_MAX };

static const Column end_columns[_END_MAX] = {
        [END_NAME] = {.key = "name", .header = "NAME"},
        [END_REASON] = {.key = "reason", .header = "REASON"},
        [END_CODE] = {.key = "exit_code", .header = "EXIT", .right = true},
        [END_DETAIL] = {.key = "detail", .header = "DETAIL"},
};

typedef struct Wait {
        Table *table;
        GCancellable *cancellable;
        guint timer;
} Wait;

static gboolean wait_ran_out(gpointer data)
{
        Wait *wait = data;

        wait->timer = 0;
        g_cancellable_cancel(wait->cancellable);
        return G_SOURCE_REMOVE;
}

static void wait_begin(VmClientMachine *machine, const JobCall *call, GAsyncReadyCallback callback,
                       gpointer user_data)
{
        Wait *wait = call->data;

        vm_client_machine_wait_stopped_async(machine, wait->cancellable, callback, user_data);
}

static bool wait_finish(VmClientMachine *machine, GAsyncResult *result, GError **error)
{
        GError *problem = NULL;

        (void)vm_client_machine_wait_stopped_finish(machine, result, &problem);
        if (g_error_matches(problem, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
                VmClientPayloadState payload = vm_client_machine_get_payload_state(machine);

                g_clear_error(&problem);
                g_set_error(error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_TIMED_OUT,
                            "the time is up; the machine is %s, its payload's state is \"%s\", "
                            "the end of its run was awaited. It goes on; wait longer with "
                            "--timeout, or stop it.",
                            vm_client_machine_state_to_string(vm_client_machine_get_state(machine)),
                            vm_client_payload_state_to_string(payload));
                return false;
        }
        if (problem)
                g_propagate_error(error, problem);
        return !problem;
}

static int wait_after(VmClientMachine *machine, const JobCall *call)
{
        Wait *wait = call->data;
        VmClientStopReason reason = vm_client_machine_get_stop_reason(machine);
        int code = vm_client_machine_get_payload_exit_code(machine);
        g_autofree char *detail = vm_client_machine_dup_stop_detail(machine);
        bool well = run_ended_well(machine);

        table_add_row(wait->table);
        table_set_string(wait->table, END_NAME, vm_client_machine_get_name(machine), TONE_STRONG);
        table_set_string(wait->table, END_REASON, vm_client_stop_reason_to_string(reason),
                         well ? TONE_GOOD : TONE_BAD);
        if (code >= 0)
                table_set_number(wait->table, END_CODE, code, NULL);
        table_set_string(wait->table, END_DETAIL, detail, TONE_PLAIN);
        return well ? VMCTL_OK : VMCTL_FAILURE;
}

static const JobKind wait_job = {
        .waiting = "to end", .begin = wait_begin, .finish = wait_finish, .after = wait_after};

int verb_wait(const Context *context)
{
        g_autoptr(Table) table = table_new(end_columns, _END_MAX);
        g_autoptr(GCancellable) cancellable = g_cancellable_new();
        Wait wait = {.table = table, .cancellable = cancellable};
        JobCall call = {.context = context, .data = &wait};
        int r = take_timeout(context, &call.timeout);

        if (r != 0)
                return r;
        if (call.timeout >= 0)
                wait.timer = g_timeout_add((guint)MIN(call.timeout / USEC_PER_MSEC, G_MAXUINT),
                                           wait_ran_out, &wait);
        r = jobs_run(&wait_job, &call);
        if (wait.timer > 0)
                g_source_remove(wait.timer);
        if (!context->quiet && table_print(table, context) < 0)
                return VMCTL_FAILURE;
        return r;
}

static void start_begin(VmClientMachine *machine, _unused_ const JobCall *call,
                        GAsyncReadyCallback callback, gpointer user_data)
{
        vm_client_machine_start_async(machine, NULL, NULL, callback, user_data);
}

static bool start_finish(VmClientMachine *machine, GAsyncResult *result, GError **error)
{
        g_autofree char *run_id = vm_client_machine_start_finish(machine, result, error);

        return run_id != NULL;
}

int verb_start(const Context *context)
{
        static const JobKind kind = {
                .waiting = "to start", .begin = start_begin, .finish = start_finish};
        JobCall call = {.context = context, .timeout = -1};
        int r = jobs_run(&kind, &call);

        if (r != VMCTL_OK || !invocation_has(context->invocation, OPTION_WAIT))
                return r;
        return verb_wait(context);
}

/* delete --force: what runs is killed first, since the daemon refuses to delete it. */
typedef struct ForcedDelete {
        VmClientMachine *machine;
        const JobCall *call;
        GAsyncReadyCallback callback;
        gpointer user_data;
} ForcedDelete;

static void forced_kill_ready(_unused_ GObject *source, GAsyncResult *result, gpointer data)
{
        ForcedDelete *forced = data;

        /* If it could not be killed, the refusal to delete it says why. */
        (void)kill_finish(forced->machine, result, NULL);
        delete_begin(forced->machine, forced->call, forced->callback, forced->user_data);
        g_free(forced);
}

static void forced_delete_begin(VmClientMachine *machine, const JobCall *call,
                                GAsyncReadyCallback callback, gpointer user_data)
{
        ForcedDelete *forced;

        if (vm_client_machine_get_state(machine) == VM_CLIENT_MACHINE_STATE_STOPPED) {
                delete_begin(machine, call, callback, user_data);
                return;
        }
        forced = g_new(ForcedDelete, 1);
        *forced = (ForcedDelete){
                .machine = machine, .call = call, .callback = callback, .user_data = user_data};
        kill_begin(machine, call, forced_kill_ready, forced);
}

/* A transient machine is gone as soon as it was killed, which is what was asked for. */
static bool forced_delete_finish(VmClientMachine *machine, GAsyncResult *result, GError **error)
{
        return delete_finish(machine, result, error) ||
               (vm_client_machine_get_deleted(machine) && (g_clear_error(error), true));
}

int verb_delete(const Context *context)
{
        static const JobKind forced = {.waiting = "to be deleted",
                                       .begin = forced_delete_begin,
                                       .finish = forced_delete_finish};

        return run_simple(context, invocation_has(context->invocation, OPTION_FORCE) ? &forced
                                                                                     : &delete_job);
}
