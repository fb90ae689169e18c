/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "common/fd.h"
#include "common/string-util.h"
#include "daemon/bus-options.h"
#include "daemon/bus-server.h"
#include "daemon/machine-run.h"

/* org.vmservice1.Machine */

#define DEADLINE_MAX_USEC (24ULL * 3600ULL * 1000000ULL)

MachinePath machine_bus_path(const Machine *machine)
{
        MachinePath path;

        (void)snprintf(path.text, sizeof(path.text), "%s/%.32s", VMSERVICE_MACHINE_PATH_PREFIX,
                       machine->record.id);
        return path;
}

static int append_config(const Machine *machine, sd_bus_message *message)
{
        return sd_bus_message_append(
                message, "s",
                json_object_to_json_string_ext(machine->record.config,
                                               JSON_C_TO_STRING_PLAIN |
                                                       JSON_C_TO_STRING_NOSLASHESCAPE));
}

static int append_string(sd_bus_message *message, const char *text)
{
        return sd_bus_message_append(message, "s", text ? text : "");
}

int machine_bus_append_property(const Machine *machine, sd_bus_message *message,
                                MachineProperty property)
{
        const MachineRecord *record = &machine->record;
        const RunRecord *run = &record->run;

        switch (property) {
        case MACHINE_PROPERTY_NAME:
                return append_string(message, record->name);
        case MACHINE_PROPERTY_ID:
                return append_string(message, record->id);
        case MACHINE_PROPERTY_OWNER:
                return sd_bus_message_append(message, "u", (uint32_t)record->owner);
        case MACHINE_PROPERTY_TRANSIENT:
                return sd_bus_message_append(message, "b", (int)record->transient);
        case MACHINE_PROPERTY_LIFETIME:
                return append_string(message, record->bound ? "bound" : "kept");
        case MACHINE_PROPERTY_CONFIG:
                return append_config(machine, message);
        case MACHINE_PROPERTY_STATE:
                return append_string(message, machine_state_word(machine));
        case MACHINE_PROPERTY_PAYLOAD_STATE:
                return append_string(message,
                                     payload_state_to_string((PayloadState)run->payload_state));
        case MACHINE_PROPERTY_RUN_ID:
                return append_string(message, run->id);
        case MACHINE_PROPERTY_STOP_REASON:
                return append_string(message, stop_reason_to_string((StopReason)run->stop_reason));
        case MACHINE_PROPERTY_STOP_DETAIL:
                return append_string(message, run->stop_detail);
        case MACHINE_PROPERTY_PAYLOAD_EXIT_CODE:
                return sd_bus_message_append(message, "i", (int32_t)run->payload_exit_code);
        case MACHINE_PROPERTY_MONITOR_PID:
                return sd_bus_message_append(message, "u", (uint32_t)machine->monitor_pid);
        case MACHINE_PROPERTY_STARTED_AT:
                return sd_bus_message_append(message, "t", run->started_at);
        case MACHINE_PROPERTY_STOPPED_AT:
                return sd_bus_message_append(message, "t", run->stopped_at);
        case _MACHINE_PROPERTY_MAX:
                break;
        }
        return -EINVAL;
}

int machine_bus_append_entry(const Machine *machine, sd_bus_message *message,
                             MachineProperty property)
{
        const BusPropertyInfo *info = &machine_properties[property];
        int r;

        r = sd_bus_message_open_container(message, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(message, "s", info->name);
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'v', info->signature);
        if (r >= 0)
                r = machine_bus_append_property(machine, message, property);
        if (r >= 0)
                r = sd_bus_message_close_container(message);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

int machine_bus_append_all(const Machine *machine, sd_bus_message *message)
{
        int r;

        r = sd_bus_message_open_container(message, 'a', "{sv}");
        for (int i = 0; i < _MACHINE_PROPERTY_MAX && r >= 0; i++)
                r = machine_bus_append_entry(machine, message, (MachineProperty)i);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

typedef struct StartState {
        StartOptions options;
} StartState;

static void on_started(void *userdata, int error, const Problem *problem)
{
        BusCall *call = userdata;
        Machine *machine;

        if (error < 0) {
                bus_call_fail(call, error, problem);
                return;
        }
        machine = bus_call_machine(call);
        if (machine)
                bus_call_reply(call, "s", machine->record.run.id);
}

static void start(BusCall *call)
{
        const StartState *state = call->state;
        Machine *machine = bus_call_machine(call);
        Problem problem;
        int r;

        if (!machine)
                return;
        r = machine_start(machine, &state->options, (Completion){on_started, call}, &problem);
        if (r < 0)
                bus_call_fail(call, r, &problem);
}

static void on_start(BusCall *call)
{
        StartState *state = calloc(1, sizeof(*state));
        StartOptions *options = &state->options;
        bool console = false;
        BusOption known[] = {
                {"console", 'h', &options->console_fd, &console},
                {"console_write", 'b', &options->console_write, NULL},
        };

        if (!state) {
                bus_call_fail(call, -ENOMEM, &(Problem){"out of memory"});
                return;
        }
        call->state = state;
        options->console_fd = -1;
        options->client = call->sender;
        if (bus_options_read(call, known, ARRAY_SIZE(known)) < 0)
                return;
        if (options->console_write && !console)
                bus_options_fail(call, "\"console_write\" needs \"console\"");
        else if (!console)
                start(call);
        else if (bus_console_check(call, options->console_fd))
                bus_call_authorize(call, AUTH_CONSOLE, start);
}

static void on_stop(BusCall *call)
{
        uint64_t deadline = STOP_DEADLINE_USEC;
        BusOption known[] = {{"deadline_usec", 't', &deadline, NULL}};
        Machine *machine;
        Problem problem;
        int r;

        if (bus_options_read(call, known, ARRAY_SIZE(known)) < 0)
                return;
        if (deadline > DEADLINE_MAX_USEC) {
                bus_options_fail(call, "\"deadline_usec\" is at most %llu (a day)",
                                 DEADLINE_MAX_USEC);
                return;
        }
        machine = bus_call_machine(call);
        if (!machine)
                return;
        r = machine_stop(machine, deadline, bus_call_completion(call), &problem);
        if (r < 0)
                bus_call_fail(call, r, &problem);
}

/* The options of a method that has none yet, then the machine; NULL with the call answered. */
static Machine *read_no_options(BusCall *call)
{
        return bus_options_read(call, NULL, 0) < 0 ? NULL : bus_call_machine(call);
}

static void on_kill(BusCall *call)
{
        Machine *machine;
        Problem problem;
        int r;

        machine = read_no_options(call);
        if (!machine)
                return;
        r = machine_kill(machine, "killed on request", bus_call_completion(call), &problem);
        if (r < 0)
                bus_call_fail(call, r, &problem);
}

/* Methods without options that a completion answers. */
static void simple(BusCall *call, int (*func)(Machine *machine, Completion done, Problem *problem))
{
        Machine *machine;
        Problem problem;
        int r;

        machine = read_no_options(call);
        if (!machine)
                return;
        r = func(machine, bus_call_completion(call), &problem);
        if (r < 0)
                bus_call_fail(call, r, &problem);
}

static void on_reboot(BusCall *call)
{
        simple(call, machine_reboot);
}

static void on_pause(BusCall *call)
{
        simple(call, machine_pause);
}

static void on_resume(BusCall *call)
{
        simple(call, machine_resume);
}

static void on_delete(BusCall *call)
{
        Machine *machine;
        Problem problem;
        int r;

        machine = read_no_options(call);
        if (!machine)
                return;
        r = manager_delete(machine, &problem);
        if (r < 0)
                bus_call_fail(call, r, &problem);
        else
                bus_call_reply(call, "");
}

static void on_set_config(BusCall *call)
{
        const char *config;
        Machine *machine;
        Problem problem;
        int r;

        r = sd_bus_message_read(call->message, "s", &config);
        if (r <= 0) {
                bus_call_fail_read(call, r);
                return;
        }
        if (bus_files_read(call) < 0)
                return;
        machine = read_no_options(call);
        if (!machine)
                return;
        r = manager_set_config(machine, config, call->files, call->n_files,
                               bus_call_completion(call), &problem);
        if (r < 0)
                bus_call_fail(call, r, &problem);
}

static void on_console_open(void *userdata, int error, const Problem *problem)
{
        BusCall *call = userdata;

        if (error < 0)
                bus_call_fail(call, error, problem);
        else
                bus_call_reply(call, "h", call->fd);
}

static void on_open_console(BusCall *call)
{
        bool write = false, steal = false, scrollback = true;
        BusOption known[] = {
                {"write", 'b', &write, NULL},
                {"steal", 'b', &steal, NULL},
                {"scrollback", 'b', &scrollback, NULL},
        };
        _cleanup_close_ int theirs = -1;
        Machine *machine;
        Problem problem;
        int fds[2], r;

        if (bus_options_read(call, known, ARRAY_SIZE(known)) < 0)
                return;
        machine = bus_call_machine(call);
        if (!machine)
                return;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
                (void)problem_set(&problem, -EIO, "no socket could be made: %s", strerror(errno));
                bus_call_fail(call, -EIO, &problem);
                return;
        }
        call->fd = fds[0];
        theirs = fds[1];
        r = machine_open_console(machine, theirs, write, steal, scrollback,
                                 (Completion){on_console_open, call}, &problem);
        if (r < 0)
                bus_call_fail(call, r, &problem);
}

static void on_open_log(BusCall *call)
{
        bool previous = false;
        BusOption known[] = {{"previous", 'b', &previous, NULL}};
        Machine *machine;
        Problem problem;
        int r;

        if (bus_options_read(call, known, ARRAY_SIZE(known)) < 0)
                return;
        machine = bus_call_machine(call);
        if (!machine)
                return;
        r = machine_open_log(machine, previous, &call->fd, &problem);
        if (r < 0)
                bus_call_fail(call, r, &problem);
        else
                bus_call_reply(call, "h", call->fd);
}

static int append_run_times(sd_bus_message *reply, json_object *times)
{
        int r;

        if (!json_object_is_type(times, json_type_array))
                return -EBADMSG;
        r = sd_bus_message_append(reply, "s", "run_time_usec");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'v', "at");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "t");
        for (size_t i = 0; r >= 0 && i < json_object_array_length(times); i++)
                r = sd_bus_message_append(
                        reply, "t", json_object_get_uint64(json_object_array_get_idx(times, i)));
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_exits(sd_bus_message *reply, json_object *exits)
{
        int r;

        if (!json_object_is_type(exits, json_type_object))
                return -EBADMSG;
        r = sd_bus_message_append(reply, "s", "exits");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'v', "a{st}");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "{st}");
        json_object_object_foreach (exits, key, value) {
                if (r >= 0)
                        r = sd_bus_message_append(reply, "{st}", key,
                                                  json_object_get_uint64(value));
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_stats(sd_bus_message *reply, const ProtocolStats *stats)
{
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(
                        reply, "{sv}{sv}{sv}{sv}{sv}{sv}{sv}", "vcpu_count", "u",
                        (uint32_t)stats->vcpu_count, "uptime_usec", "t", stats->uptime_usec,
                        "console_bytes", "t", stats->console_bytes, "console_dropped", "t",
                        stats->console_dropped, "resets", "t", stats->resets, "memory_bytes", "t",
                        stats->memory_bytes, "rss_bytes", "t", stats->rss_bytes);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'e', "sv");
        if (r >= 0)
                r = append_run_times(reply, stats->run_time_usec);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'e', "sv");
        if (r >= 0)
                r = append_exits(reply, stats->exits);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static void on_stats(int error, const char *message, json_object *result, void *userdata)
{
        BusCall *call = userdata;
        JsonProblem json_problem = {"", ""};
        sd_bus_message *reply = NULL;
        ProtocolStats stats;
        Problem problem;
        int r;

        if (error >= 0) {
                error = json_fields_load(protocol_stats_fields, result, "", &stats, &json_problem);
                message = json_problem.message;
        }
        if (error < 0) {
                (void)problem_set(&problem, error, "the monitor gave no statistics: %s", message);
                bus_call_fail(call, error == -ECONNRESET ? -EBUSY : -EIO, &problem);
                return;
        }
        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0)
                r = append_stats(reply, &stats);
        json_fields_done(protocol_stats_fields, &stats);
        if (r < 0) {
                sd_bus_message_unref(reply);
                bus_call_fail(call, -EIO, &(Problem){"the monitor's statistics make no sense"});
                return;
        }
        bus_call_reply_message(call, reply);
}

static void on_get_stats(BusCall *call)
{
        Machine *machine;
        Problem problem;
        int r;

        machine = read_no_options(call);
        if (!machine)
                return;
        r = machine_stats(machine, on_stats, call, &problem);
        if (r < 0)
                bus_call_fail(call, r, &problem);
}

const BusMethod machine_bus_methods[_MACHINE_METHOD_MAX] = {
        [MACHINE_METHOD_START] = {on_start, AUTH_MANAGE, true},
        [MACHINE_METHOD_STOP] = {on_stop, AUTH_MANAGE, false},
        [MACHINE_METHOD_KILL] = {on_kill, AUTH_MANAGE, false},
        [MACHINE_METHOD_REBOOT] = {on_reboot, AUTH_MANAGE, false},
        [MACHINE_METHOD_PAUSE] = {on_pause, AUTH_MANAGE, false},
        [MACHINE_METHOD_RESUME] = {on_resume, AUTH_MANAGE, false},
        [MACHINE_METHOD_DELETE] = {on_delete, AUTH_MANAGE, false},
        [MACHINE_METHOD_SET_CONFIG] = {on_set_config, AUTH_MANAGE | AUTH_CUSTOM, true},
        [MACHINE_METHOD_OPEN_CONSOLE] = {on_open_console, AUTH_CONSOLE, false},
        [MACHINE_METHOD_OPEN_LOG] = {on_open_log, AUTH_CONSOLE, false},
        [MACHINE_METHOD_GET_STATS] = {on_get_stats, AUTH_MANAGE, false},
};
