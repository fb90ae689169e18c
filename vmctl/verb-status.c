/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* status: one machine, or the daemon, for people. */

#include <inttypes.h>
#include <langinfo.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "common/string-util.h"
#include "vmctl/connect.h"
#include "vmctl/console-log.h"
#include "vmctl/machine-text.h"
#include "vmctl/message.h"
#include "vmctl/output.h"
#include "vmctl/properties.h"
#include "vmctl/report.h"

#define DEFAULT_LINES 10
#define MIB           (UINT64_C(1) << 20)

/* GetStats of a machine that runs; NULL where there is nothing to ask. */
static GVariant *fetch_stats(const Context *context, VmClientMachine *machine)
{
        GVariant *stats;
        Await await;

        if (vm_client_machine_get_state(machine) == VM_CLIENT_MACHINE_STATE_STOPPED)
                return NULL;
        await_begin(&await, context->quiet, 0, "waiting for the statistics of %s",
                    vm_client_machine_get_name(machine));
        vm_client_machine_get_stats_async(machine, NULL, NULL, await_ready, &await);
        stats = vm_client_machine_get_stats_finish(machine, await_result(&await), NULL);
        await_end(&await);
        return stats;
}

static uint64_t stat_number(GVariant *stats, const char *key)
{
        guint64 value = 0;

        (void)g_variant_lookup(stats, key, "t", &value);
        return value;
}

static uint64_t total_run_time(GVariant *stats)
{
        g_autoptr(GVariant) times =
                g_variant_lookup_value(stats, "run_time_usec", G_VARIANT_TYPE("at"));
        uint64_t total = 0;
        gsize n;
        const guint64 *values =
                times ? g_variant_get_fixed_array(times, &n, sizeof(*values)) : NULL;

        for (gsize i = 0; values && i < n; i++)
                total += values[i];
        return total;
}

/* "io 1,204, mmio 3": the exits by reason, without those that did not occur. */
static char *list_exits(GVariant *stats)
{
        g_autoptr(GVariant) exits = g_variant_lookup_value(stats, "exits", G_VARIANT_TYPE("a{st}"));
        GString *text = g_string_new(NULL);
        const char *reason;
        GVariantIter iter;
        guint64 count;

        if (!exits)
                return g_string_free(text, FALSE);
        g_variant_iter_init(&iter, exits);
        while (g_variant_iter_next(&iter, "{&st}", &reason, &count)) {
                g_autofree char *number = format_count(count);

                if (count > 0)
                        g_string_append_printf(text, "%s%s %s", text->len > 0 ? ", " : "", reason,
                                               number);
        }
        return g_string_free(text, FALSE);
}

static void print_stats(GVariant *stats)
{
        g_autofree char *run_time = format_span(total_run_time(stats));
        g_autofree char *memory = format_mib(stat_number(stats, "memory_bytes"));
        g_autofree char *rss = format_mib(stat_number(stats, "rss_bytes"));
        g_autofree char *exits = list_exits(stats);
        g_autofree char *printed = format_count(stat_number(stats, "console_bytes"));
        g_autofree char *dropped = format_count(stat_number(stats, "console_dropped"));
        uint64_t resets = stat_number(stats, "resets");

        output_field("Memory", TONE_PLAIN, "%s for the guest, %s resident in the monitor", memory,
                     rss);
        output_field("CPU", TONE_PLAIN, "%s spent in the guest by all processors", run_time);
        if (*exits)
                output_field("Exits", TONE_PLAIN, "%s", exits);
        if (resets > 0)
                output_field("Resets", TONE_PLAIN, "%" PRIu64, resets);
        output_field("Console", TONE_PLAIN, "%s bytes printed%s%s%s", printed,
                     stat_number(stats, "console_dropped") > 0 ? ", " : "",
                     stat_number(stats, "console_dropped") > 0 ? dropped : "",
                     stat_number(stats, "console_dropped") > 0 ? " dropped" : "");
}

static void print_heading(VmClientMachine *machine)
{
        VmClientMachineState state = vm_client_machine_get_state(machine);
        bool utf8 = streq(nl_langinfo(CODESET), "UTF-8");
        Tone tone = machine_state_tone(state);

        printf("%s%s%s %s%s%s\n", tone_begin(tone), utf8 ? "\342\227\217" : "*", tone_end(tone),
               tone_begin(TONE_STRONG), vm_client_machine_get_name(machine), tone_end(TONE_STRONG));
}

static void print_state(VmClientMachine *machine)
{
        VmClientMachineState state = vm_client_machine_get_state(machine);
        VmClientStopReason reason = vm_client_machine_get_stop_reason(machine);
        VmClientPayloadState payload = vm_client_machine_get_payload_state(machine);
        int64_t since = machine_since(machine);
        g_autofree char *time = format_time(since);
        g_autofree char *ago = format_ago(since, g_get_real_time());
        g_autofree char *how = NULL;

        if (since > 0)
                output_field("State", machine_state_tone(state), "%s since %s; %s",
                             vm_client_machine_state_to_string(state), time, ago);
        else
                output_field("State", machine_state_tone(state), "%s, has never run",
                             vm_client_machine_state_to_string(state));
        if (reason != VM_CLIENT_STOP_REASON_NONE) {
                how = describe_end(machine);
                output_field("Last run", stop_reason_tone(reason), "%s", how);
        }
        if (payload != VM_CLIENT_PAYLOAD_STATE_NONE)
                output_field("Payload", TONE_PLAIN, "%s",
                             vm_client_payload_state_to_string(payload));
}

/* "kernel /boot/vmlinuz, 2 processors, 512 MiB": the main part of the configuration. */
static void print_config(VmClientMachine *machine)
{
        g_autofree char *text = vm_client_machine_dup_config(machine);
        json_object *config = json_tokener_parse(text);
        g_autofree char *memory = format_mib(report_number(config, "/memory_mib") * MIB);
        uint64_t cpus = report_number(config, "/cpu_count");
        const char *kernel = report_string(config, "/kernel");
        const char *image = *kernel ? kernel : report_string(config, "/bootloader");

        output_field("Image", TONE_PLAIN, "%s", image);
        if (cpus > 0)
                output_field("Size", TONE_PLAIN, "%" PRIu64 " processor%s, %s memory%s", cpus,
                             cpus == 1 ? "" : "s", memory,
                             report_bool(config, "/protected") ? ", protected" : "");
        else
                output_field("Size", TONE_PLAIN, "%s, %s memory%s",
                             streq(report_string(config, "/cpu_topology"), "match_host")
                                     ? "as many processors as the host"
                                     : "1 processor",
                             memory, report_bool(config, "/protected") ? ", protected" : "");
        json_object_put(config);
}

static void print_identity(const Context *context, VmClientMachine *machine)
{
        uint32_t owner = vm_client_machine_get_owner(machine);
        uint32_t pid = vm_client_machine_get_monitor_pid(machine);
        const struct passwd *user = getpwuid(owner);
        g_autofree char *run_id = vm_client_machine_dup_run_id(machine);
        g_autofree char *who =
                user ? g_strdup(user->pw_name) : g_strdup_printf("uid %" PRIu32, owner);

        output_field("Owner", TONE_PLAIN, "%s (%s mode)%s%s", who, context_mode(context),
                     vm_client_machine_get_transient(machine) ? ", deleted when its run ends" : "",
                     vm_client_machine_get_bound(machine) ? ", ends with its creator" : "");
        if (pid > 0)
                output_field("Monitor", TONE_PLAIN, "process %" PRIu32, pid);
        if (run_id && *run_id)
                output_field("Run", TONE_FAINT, "%s", run_id);
}

static void print_log(const Context *context, VmClientMachine *machine)
{
        ConsoleLogSettings settings = {.limit_lines = true, .lines = DEFAULT_LINES};
        g_autoptr(ConsoleLog) log = NULL;

        if (take_number(context, OPTION_LINES, &settings.lines) != 0 || settings.lines == 0)
                return;
        log = console_log_open(machine, &settings, NULL);
        if (!log)
                return;
        puts("");
        if (console_log_print_new(log) == 0)
                console_log_print_end(log);
}

static void print_machine(const Context *context, VmClientMachine *machine)
{
        g_autoptr(GVariant) stats = fetch_stats(context, machine);

        print_heading(machine);
        print_state(machine);
        print_config(machine);
        print_identity(context, machine);
        if (stats)
                print_stats(stats);
        print_log(context, machine);
}

static json_object *stats_to_json(GVariant *stats)
{
        json_object *object = json_object_new_object(), *exits = json_object_new_object();
        static const char *const keys[] = {"uptime_usec", "console_bytes", "console_dropped",
                                           "resets",      "memory_bytes",  "rss_bytes"};
        g_autoptr(GVariant) reasons =
                g_variant_lookup_value(stats, "exits", G_VARIANT_TYPE("a{st}"));
        const char *reason;
        GVariantIter iter;
        guint64 count;

        for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
                json_object_object_add(object, keys[i],
                                       json_object_new_uint64(stat_number(stats, keys[i])));
        json_object_object_add(object, "run_time_usec",
                               json_object_new_uint64(total_run_time(stats)));
        if (reasons) {
                g_variant_iter_init(&iter, reasons);
                while (g_variant_iter_next(&iter, "{&st}", &reason, &count))
                        json_object_object_add(exits, reason, json_object_new_uint64(count));
        }
        json_object_object_add(object, "exits", exits);
        return object;
}

static json_object *machine_to_json(const Context *context, VmClientMachine *machine)
{
        g_autoptr(GVariant) stats = fetch_stats(context, machine);
        json_object *object = json_object_new_object();

        for (size_t i = 0; i < property_count; i++)
                json_object_object_add(object, property_table[i].name,
                                       property_table[i].get(machine));
        json_object_object_add(object, "Stats", stats ? stats_to_json(stats) : NULL);
        return object;
}

/* Without a name: whom this program talks to, and what it knows. */
static int daemon_status(const Context *context, VmClientManager *manager)
{
        g_autoptr(GPtrArray) machines = vm_client_manager_list_machines(manager);
        g_autofree char *version = vm_client_manager_dup_daemon_version(manager);
        g_autofree char *mode = vm_client_manager_dup_mode(manager);
        json_object *object;
        guint n_running = 0;

        for (guint i = 0; i < machines->len; i++)
                n_running += vm_client_machine_get_state(g_ptr_array_index(machines, i)) !=
                             VM_CLIENT_MACHINE_STATE_STOPPED;
        if (context->format == OUTPUT_TABLE) {
                output_field("Daemon", TONE_PLAIN, "vmserviced %s, %s mode, reached by --%s",
                             version, mode, context_mode(context));
                output_field("Machines", TONE_PLAIN, "%u running, %u stopped", n_running,
                             machines->len - n_running);
                return VMCTL_OK;
        }
        object = json_object_new_object();
        json_object_object_add(object, "daemon_version", json_string(version));
        json_object_object_add(object, "mode", json_string(mode));
        json_object_object_add(object, "running", json_object_new_int64(n_running));
        json_object_object_add(object, "stopped",
                               json_object_new_int64((int64_t)machines->len - n_running));
        output_json(object, context->format);
        json_object_put(object);
        return VMCTL_OK;
}

static void add_status(const Context *context, VmClientMachine *machine, json_object *all)
{
        json_object *object;

        if (context->format == OUTPUT_TABLE) {
                print_machine(context, machine);
                return;
        }
        object = machine_to_json(context, machine);
        if (context->format == OUTPUT_JSON) {
                json_object_array_add(all, object);
                return;
        }
        output_json(object, OUTPUT_JSONL);
        json_object_put(object);
}

static int machine_status(const Context *context, VmClientManager *manager)
{
        json_object *all = json_object_new_array();
        int code = VMCTL_OK;

        for (size_t i = 0; i < context->invocation->n_args; i++) {
                g_autoptr(VmClientMachine) machine = NULL;
                int r = VMCTL_OK;

                machine = connect_machine(context, manager, context->invocation->args[i], &r);
                code = worse_exit(code, r);
                if (!machine)
                        continue;
                if (i > 0 && context->format == OUTPUT_TABLE)
                        puts("");
                add_status(context, machine, all);
                if (vm_client_machine_get_state(machine) == VM_CLIENT_MACHINE_STATE_STOPPED)
                        code = worse_exit(code, VMCTL_NOT_RUNNING);
        }
        if (context->format == OUTPUT_JSON)
                output_json(all, OUTPUT_JSON);
        json_object_put(all);
        return code;
}

/* What is said of the daemon has neither owner nor log. */
static int refuse_without_name(const Context *context)
{
        static const OptionId ids[] = {OPTION_OWNER, OPTION_LINES};

        for (size_t i = 0; i < G_N_ELEMENTS(ids) && context->invocation->n_args == 0; i++)
                if (invocation_has(context->invocation, ids[i])) {
                        message_error("--%s is about a machine. Name one, or leave it out.",
                                      option_table[ids[i]].name);
                        return VMCTL_USAGE;
                }
        return 0;
}

int verb_status(const Context *context)
{
        g_autoptr(VmClientManager) manager = NULL;
        uint64_t lines;
        int r = refuse_names(context);

        if (r == 0)
                r = refuse_without_name(context);
        if (r == 0)
                r = take_number(context, OPTION_LINES, &lines); /* refused before all else */
        if (r != 0)
                return r;
        manager = connect_manager(context);
        if (!manager)
                return VMCTL_FAILURE;
        if (context->invocation->n_args == 0)
                return daemon_status(context, manager);
        return machine_status(context, manager);
}
