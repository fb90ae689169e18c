/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* events: what happens to machines, as it happens. */

#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/string-util.h"
#include "vmctl/connect.h"
#include "vmctl/message.h"
#include "vmctl/output.h"
#include "vmctl/report.h"

typedef struct Events {
        const Context *context;
        GMainLoop *loop;
        GPtrArray *machines; /* an object that nobody holds tells nothing */
        uint32_t owner;      /* whose machines the names mean */
        bool failed;
} Events;

static bool is_wanted(const Events *events, VmClientMachine *machine)
{
        const Invocation *invocation = events->context->invocation;
        bool chosen = invocation->n_args > 0 || invocation_has(invocation, OPTION_OWNER);

        /* Names are unique for each owner only. */
        if (chosen && vm_client_machine_get_owner(machine) != events->owner)
                return false;
        for (size_t i = 0; i < invocation->n_args; i++)
                if (streq(invocation->args[i], vm_client_machine_get_name(machine)))
                        return true;
        return invocation->n_args == 0;
}

static void print_line(VmClientMachine *machine, const char *event, const char *detail)
{
        g_autoptr(GDateTime) now = g_date_time_new_now_local();
        g_autofree char *time = g_date_time_format(now, "%Y-%m-%d %H:%M:%S.%f");
        _cleanup_free_ char *clean = string_escape(detail, strlen(detail));

        time[strlen("2026-11-23 16:11:20.123")] = '\0'; /* milliseconds will do */
        printf("%s%s%s %s%s%s %s%s%s\n", tone_begin(TONE_FAINT), time, tone_end(TONE_FAINT),
               tone_begin(TONE_STRONG), vm_client_machine_get_name(machine), tone_end(TONE_STRONG),
               event, *detail ? " " : "", clean ? clean : "");
}

/* Takes fields (event-specific, may be NULL) over. */
static void print_event(Events *events, VmClientMachine *machine, const char *event,
                        const char *run_id, const char *detail, json_object *fields)
{
        json_object *object = json_object_new_object();

        json_object_object_add(object, "time_usec", json_object_new_int64(g_get_real_time()));
        json_object_object_add(object, "machine", json_string(vm_client_machine_get_name(machine)));
        json_object_object_add(object, "owner",
                               json_object_new_int64(vm_client_machine_get_owner(machine)));
        json_object_object_add(object, "event", json_string(event));
        if (run_id)
                json_object_object_add(object, "run_id", json_string(run_id));
        if (fields) {
                json_object_object_foreach (fields, key, value) {
                        json_object_object_add(object, key, json_object_get(value));
                }
        }
        if (is_wanted(events, machine)) {
                if (events->context->format == OUTPUT_TABLE)
                        print_line(machine, event, detail);
                else
                        output_json(object, OUTPUT_JSONL);
                events->failed = !output_flush(); /* a line is there when it happens */
                if (events->failed)
                        g_main_loop_quit(events->loop);
        }
        json_object_put(object);
        json_object_put(fields);
}

static void on_state_changed(VmClientMachine *machine, const char *run_id,
                             VmClientMachineState old_state, VmClientMachineState new_state,
                             gpointer data)
{
        const char *old_text = vm_client_machine_state_to_string(old_state);
        const char *new_text = vm_client_machine_state_to_string(new_state);
        g_autofree char *detail = g_strdup_printf("%s -> %s", old_text, new_text);
        json_object *fields = json_object_new_object();

        json_object_object_add(fields, "old_state", json_string(old_text));
        json_object_object_add(fields, "new_state", json_string(new_text));
        print_event(data, machine, "state", run_id, detail, fields);
}

static void on_payload_started(VmClientMachine *machine, const char *run_id, gpointer data)
{
        print_event(data, machine, "payload-started", run_id, "", NULL);
}

static void on_payload_ready(VmClientMachine *machine, const char *run_id, gpointer data)
{
        print_event(data, machine, "payload-ready", run_id, "", NULL);
}

static void on_payload_finished(VmClientMachine *machine, const char *run_id, int code,
                                gpointer data)
{
        g_autofree char *detail = g_strdup_printf("exit code %d", code);
        json_object *fields = json_object_new_object();

        json_object_object_add(fields, "exit_code", json_object_new_int(code));
        print_event(data, machine, "payload-finished", run_id, detail, fields);
}

static void on_stopped(VmClientMachine *machine, const char *run_id, VmClientStopReason reason,
                       const char *why, gpointer data)
{
        const char *text = vm_client_stop_reason_to_string(reason);
        g_autofree char *detail =
                g_strdup_printf("%s%s%s", text, why && *why ? ": " : "", why ? why : "");
        json_object *fields = json_object_new_object();

        json_object_object_add(fields, "reason", json_string(text));
        json_object_object_add(fields, "detail", json_string(why));
        print_event(data, machine, "stopped", run_id, detail, fields);
}

static void watch_machine(Events *events, VmClientMachine *machine)
{
        static const struct {
                const char *signal;
                GCallback callback;
        } signals[] = {
                {"state-changed", G_CALLBACK(on_state_changed)},
                {"payload-started", G_CALLBACK(on_payload_started)},
                {"payload-ready", G_CALLBACK(on_payload_ready)},
                {"payload-finished", G_CALLBACK(on_payload_finished)},
                {"stopped", G_CALLBACK(on_stopped)},
        };

        g_ptr_array_add(events->machines, g_object_ref(machine));
        for (size_t i = 0; i < G_N_ELEMENTS(signals); i++)
                g_signal_connect(machine, signals[i].signal, signals[i].callback, events);
}

static void on_machine_added(_unused_ VmClientManager *manager, VmClientMachine *machine,
                             gpointer data)
{
        watch_machine(data, machine);
        print_event(data, machine, "created", NULL, "", NULL);
}

static void on_machine_removed(_unused_ VmClientManager *manager, VmClientMachine *machine,
                               gpointer data)
{
        Events *events = data;

        print_event(events, machine, "deleted", NULL, "", NULL);
        g_ptr_array_remove_fast(events->machines, machine);
}

/* Silence has two meanings: nothing happens, or nobody is there to tell. */
static void on_daemon_running(VmClientManager *manager, _unused_ GParamSpec *property,
                              gpointer data)
{
        const Events *events = data;

        message_note(events->context->quiet, "%s",
                     vm_client_manager_get_daemon_running(manager)
                             ? "vmserviced is back; what was missed follows."
                             : "vmserviced has left the bus. Machines go on, and are told of when "
                               "it is back; ^C leaves.");
}

/* A name that is given must mean something now: a typing error would wait for ever. */
static int check_names(const Context *context, VmClientManager *manager)
{
        int code = VMCTL_OK;

        for (size_t i = 0; i < context->invocation->n_args; i++) {
                g_autoptr(VmClientMachine) machine = NULL;
                int r = VMCTL_OK;

                machine = connect_machine(context, manager, context->invocation->args[i], &r);
                code = worse_exit(code, r);
        }
        return code;
}

int verb_events(const Context *context)
{
        Events events = {.context = context};
        g_autoptr(VmClientManager) manager = NULL;
        g_autoptr(GPtrArray) machines = NULL;
        int r = refuse_names(context);

        if (r == 0)
                r = take_owner(context, &events.owner);
        if (r != 0)
                return r;
        manager = connect_manager(context);
        r = manager ? check_names(context, manager) : VMCTL_FAILURE;
        if (r != VMCTL_OK)
                return r;
        events.loop = g_main_loop_new(NULL, FALSE);
        events.machines = g_ptr_array_new_with_free_func(g_object_unref);
        g_signal_connect(manager, "machine-added", G_CALLBACK(on_machine_added), &events);
        g_signal_connect(manager, "machine-removed", G_CALLBACK(on_machine_removed), &events);
        g_signal_connect(manager, "notify::daemon-running", G_CALLBACK(on_daemon_running), &events);
        machines = vm_client_manager_list_machines(manager);
        for (guint i = 0; i < machines->len; i++)
                watch_machine(&events, g_ptr_array_index(machines, i));
        g_main_loop_run(events.loop);
        g_main_loop_unref(events.loop);
        g_signal_handlers_disconnect_by_data(manager, &events);
        g_ptr_array_unref(events.machines);
        return events.failed ? VMCTL_FAILURE : VMCTL_OK;
}
