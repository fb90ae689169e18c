/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/jobs.h"

#include "common/cleanup.h"

typedef struct Jobs Jobs;

typedef struct Job {
        Jobs *jobs;
        VmClientMachine *machine;
        GError *error;
        bool done;
} Job;

struct Jobs {
        const JobKind *kind;
        const JobCall *call;
        GMainLoop *loop;
        GPtrArray *list; /* Job * */
        size_t n_running;
        Progress progress;
};

static void job_free(gpointer data)
{
        Job *job = data;

        g_clear_object(&job->machine);
        g_clear_error(&job->error);
        g_free(job);
}

/* "web, db to power off": who is still being waited for. */
static void update_text(Jobs *jobs)
{
        GString *text = g_string_new("waiting for ");
        bool first = true;

        for (guint i = 0; i < jobs->list->len; i++) {
                const Job *job = g_ptr_array_index(jobs->list, i);

                if (job->done)
                        continue;
                g_string_append_printf(text, "%s%s", first ? "" : ", ",
                                       vm_client_machine_get_name(job->machine));
                first = false;
        }
        g_string_append_printf(text, " %s", jobs->kind->waiting);
        g_free(jobs->progress.text);
        jobs->progress.text = g_string_free(text, FALSE);
}

static void job_ready(_unused_ GObject *source, GAsyncResult *result, gpointer data)
{
        Job *job = data;
        Jobs *jobs = job->jobs;

        (void)jobs->kind->finish(job->machine, result, &job->error);
        job->done = true;
        if (--jobs->n_running == 0)
                g_main_loop_quit(jobs->loop);
        else
                update_text(jobs);
}

/* There is one object for each machine. */
static bool is_listed(const Jobs *jobs, const VmClientMachine *machine)
{
        for (guint i = 0; i < jobs->list->len; i++)
                if (((const Job *)g_ptr_array_index(jobs->list, i))->machine == machine)
                        return true;
        return false;
}

static int find_machines(const Context *context, VmClientManager *manager, Jobs *jobs)
{
        int code = VMCTL_OK;

        for (size_t i = 0; i < context->invocation->n_args; i++) {
                int r = VMCTL_OK;
                VmClientMachine *machine =
                        connect_machine(context, manager, context->invocation->args[i], &r);
                Job *job;

                code = worse_exit(code, r);
                if (!machine || is_listed(jobs, machine)) { /* named twice: done once */
                        g_clear_object(&machine);
                        continue;
                }
                job = g_new0(Job, 1);
                *job = (Job){.jobs = jobs, .machine = machine};
                g_ptr_array_add(jobs->list, job);
        }
        return code;
}

static int collect(const Jobs *jobs, int code)
{
        for (guint i = 0; i < jobs->list->len; i++) {
                const Job *job = g_ptr_array_index(jobs->list, i);

                if (job->error)
                        code = worse_exit(
                                code,
                                report_error(vm_client_machine_get_name(job->machine), job->error));
                else if (jobs->kind->after)
                        code = worse_exit(code, jobs->kind->after(job->machine, jobs->call));
        }
        return code;
}

int jobs_run(const JobKind *kind, const JobCall *call)
{
        g_autoptr(VmClientManager) manager = connect_manager(call->context);
        Jobs jobs = {.kind = kind, .call = call};
        int code;

        if (!manager)
                return VMCTL_FAILURE;
        jobs.list = g_ptr_array_new_with_free_func(job_free);
        jobs.loop = g_main_loop_new(NULL, FALSE);
        code = find_machines(call->context, manager, &jobs);
        jobs.n_running = jobs.list->len;
        progress_begin(&jobs.progress, call->context->quiet,
                       call->timeout > 0 ? (uint64_t)call->timeout : 0, " ");
        update_text(&jobs);
        for (guint i = 0; i < jobs.list->len; i++) {
                Job *job = g_ptr_array_index(jobs.list, i);

                kind->begin(job->machine, call, job_ready, job);
        }
        if (jobs.n_running > 0)
                g_main_loop_run(jobs.loop);
        progress_end(&jobs.progress);
        code = collect(&jobs, code);
        g_ptr_array_unref(jobs.list);
        g_main_loop_unref(jobs.loop);
        return code;
}
