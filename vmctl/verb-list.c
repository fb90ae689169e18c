/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* list: the machines that the caller may see. */

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "vmctl/connect.h"
#include "vmctl/machine-text.h"
#include "vmctl/output.h"

enum {
        LIST_NAME,
        LIST_OWNER,
        LIST_STATE,
        LIST_PAYLOAD,
        LIST_SINCE,
        LIST_REASON,
        LIST_CODE,
        LIST_PID,
        LIST_TRANSIENT,
        LIST_PATH,
        _LIST_MAX,
};

static const Column all_columns[_LIST_MAX] = {
        [LIST_NAME] = {.key = "name", .header = "NAME"},
        [LIST_OWNER] = {.key = "owner", .header = "OWNER"},
        [LIST_STATE] = {.key = "state", .header = "STATE"},
        [LIST_PAYLOAD] = {.key = "payload_state", .header = "PAYLOAD"},
        [LIST_SINCE] = {.key = "since_usec", .header = "SINCE"},
        [LIST_REASON] = {.key = "stop_reason", .header = "LAST RUN"},
        [LIST_CODE] = {.key = "payload_exit_code", .header = "EXIT", .right = true},
        [LIST_PID] = {.key = "monitor_pid", .header = "PID", .right = true},
        [LIST_TRANSIENT] = {.key = "transient"},
        [LIST_PATH] = {.key = "object_path"},
};

static gint compare_names(gconstpointer a, gconstpointer b)
{
        return strcmp(vm_client_machine_get_name(*(VmClientMachine *const *)a),
                      vm_client_machine_get_name(*(VmClientMachine *const *)b));
}

static void add_machine(Table *table, VmClientMachine *machine)
{
        VmClientMachineState state = vm_client_machine_get_state(machine);
        VmClientPayloadState payload = vm_client_machine_get_payload_state(machine);
        VmClientStopReason reason = vm_client_machine_get_stop_reason(machine);
        int64_t since = machine_since(machine);
        int code = vm_client_machine_get_payload_exit_code(machine);
        uint32_t pid = vm_client_machine_get_monitor_pid(machine);
        uint32_t owner = vm_client_machine_get_owner(machine);
        const struct passwd *user = getpwuid(owner);
        g_autofree char *ago = format_ago(since, g_get_real_time());

        table_add_row(table);
        table_set_string(table, LIST_NAME, vm_client_machine_get_name(machine), TONE_STRONG);
        table_set_number(table, LIST_OWNER, owner, user ? user->pw_name : NULL);
        table_set_string(table, LIST_STATE, vm_client_machine_state_to_string(state),
                         machine_state_tone(state));
        table_set_string(table, LIST_PAYLOAD, vm_client_payload_state_to_string(payload),
                         TONE_PLAIN);
        table_set_number(table, LIST_SINCE, since, ago);
        table_set_string(table, LIST_REASON, vm_client_stop_reason_to_string(reason),
                         stop_reason_tone(reason));
        if (code >= 0)
                table_set_number(table, LIST_CODE, code, NULL);
        if (pid > 0)
                table_set_number(table, LIST_PID, pid, NULL);
        table_set_boolean(table, LIST_TRANSIENT, vm_client_machine_get_transient(machine));
        table_set_string(table, LIST_PATH, vm_client_machine_get_object_path(machine), TONE_PLAIN);
}

/* Columns that would say nothing are left out of the table; programs get them all. */
static void choose_columns(Column columns[_LIST_MAX], const GPtrArray *machines, bool all)
{
        bool others = false;

        memcpy(columns, all_columns, sizeof(all_columns));
        for (guint i = 0; i < machines->len; i++)
                others = others ||
                         vm_client_machine_get_owner(g_ptr_array_index(machines, i)) != geteuid();
        if (!others)
                columns[LIST_OWNER].header = NULL;
        if (!all)
                columns[LIST_REASON].header = columns[LIST_CODE].header = NULL;
}

static void print_footer(const Context *context, size_t n_running, size_t n_stopped, bool all)
{
        if (context->format != OUTPUT_TABLE || !context->legend || context->quiet)
                return;
        printf("%s%zu running, %zu stopped", n_running + (all ? n_stopped : 0) > 0 ? "\n" : "",
               n_running, n_stopped);
        if (!all && n_stopped > 0)
                printf(" (%s list -a shows them)", context->command);
        puts(".");
}

int verb_list(const Context *context)
{
        g_autoptr(VmClientManager) manager = connect_manager(context);
        bool all = invocation_has(context->invocation, OPTION_ALL);
        g_autoptr(GPtrArray) machines = NULL;
        g_autoptr(Table) table = NULL;
        Column columns[_LIST_MAX];
        size_t n_stopped = 0;

        if (!manager)
                return VMCTL_FAILURE;
        machines = vm_client_manager_list_machines(manager);
        g_ptr_array_sort(machines, compare_names);
        choose_columns(columns, machines, all);
        table = table_new(columns, _LIST_MAX);
        for (guint i = 0; i < machines->len; i++) {
                VmClientMachine *machine = g_ptr_array_index(machines, i);
                bool stopped =
                        vm_client_machine_get_state(machine) == VM_CLIENT_MACHINE_STATE_STOPPED;

                n_stopped += stopped;
                if (all || !stopped)
                        add_machine(table, machine);
        }
        if (table_print(table, context) < 0)
                return VMCTL_FAILURE;
        print_footer(context, machines->len - n_stopped, n_stopped, all);
        return VMCTL_OK;
}
