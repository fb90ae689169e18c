/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "common/fd.h"
#include "common/string-util.h"
#include "daemon/bus-options.h"
#include "daemon/bus-server.h"
#include "daemon/capabilities-probe.h"

/* org.vmservice1.Manager */

/* What this daemon and its monitor offer; AVF: isFeatureEnabled(). */
static const char *const features[] = {
        "persistent-machines",
        "transient-machines",
        "bound-lifetime",
        "pause",
        "reboot",
        "console",
        "console-log",
        "statistics",
        NULL,
};

static uint64_t memory_available_mib(void)
{
        _cleanup_free_ char *text = NULL;
        unsigned long long kib = 0;
        const char *line;

        if (fd_read_file_at(AT_FDCWD, "/proc/meminfo", 64U * 1024U, &text, NULL) < 0)
                return 0;
        line = strstr(text, "MemAvailable:");
        if (line)
                (void)sscanf(line, "MemAvailable: %llu kB", &kib);
        return kib >> 10;
}

static void on_get_capabilities(BusCall *call)
{
        const Capabilities *capabilities = capabilities_probe_get(call->server->manager->probe);
        json_object *report;

        if (bus_options_read(call, NULL, 0) < 0)
                return;
        report = capabilities_report(capabilities, memory_available_mib());
        if (!report) {
                bus_call_fail(call, -ENOMEM, &(Problem){"out of memory"});
                return;
        }
        bus_call_reply(call, "us", capabilities_mask(capabilities),
                       json_object_to_json_string_ext(
                               report, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(report);
}

static void on_validate_config(BusCall *call)
{
        json_object *normalized;
        const char *text;
        Problem problem;
        VmConfig config;
        int r;

        r = sd_bus_message_read(call->message, "s", &text);
        if (r <= 0) {
                bus_call_fail_read(call, r);
                return;
        }
        if (bus_options_read(call, NULL, 0) < 0)
                return;
        r = manager_check_config(call->server->manager, text, strlen(text), &config, &problem);
        if (r < 0) {
                bus_call_fail(call, r, &problem);
                return;
        }
        normalized = vm_config_save(&config);
        vm_config_done(&config);
        if (!normalized)
                bus_call_fail(call, -ENOMEM, &(Problem){"out of memory"});
        else
                bus_call_reply(call, "s",
                               json_object_to_json_string_ext(
                                       normalized,
                                       JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(normalized);
}

typedef struct CreateState {
        CreateRequest request;
        bool get; /* GetOrCreateMachine */
} CreateState;

static void on_created(Machine *machine, int error, const Problem *problem, void *userdata)
{
        BusCall *call = userdata;
        CreateState *state = call->state;

        if (error < 0)
                bus_call_fail(call, error, problem);
        else if (state->get)
                bus_call_reply(call, "ob", machine_bus_path(machine).text, 1);
        else
                bus_call_reply(call, "o", machine_bus_path(machine).text);
}

static void create(BusCall *call)
{
        CreateState *state = call->state;
        Problem problem;
        int r;

        r = manager_create(call->server->manager, &state->request, on_created, call, &problem);
        if (r < 0)
                bus_call_fail(call, r, &problem);
}

static void get_or_create(BusCall *call);

/* Another's creation of the same name was under way, and came to an end of some kind. */
static void on_other_created(void *userdata, int error, const Problem *problem)
{
        (void)error;
        (void)problem;
        get_or_create(userdata);
}

static void get_or_create(BusCall *call)
{
        const CreateRequest *request = &((CreateState *)call->state)->request;
        Machine *machine = manager_find_name(call->server->manager, call->uid, request->name);

        if (!machine || machine->lingering)
                create(call);
        else if (!machine->creating)
                bus_call_reply(call, "ob", machine_bus_path(machine).text, 0);
        else if (waiters_add(&machine->create_waiters, (Completion){on_other_created, call}) < 0)
                bus_call_fail(call, -ENOMEM, &(Problem){"out of memory"});
}

/* The rules between options; whether they hold. */
static bool check_create_options(BusCall *call, const CreateRequest *request, bool console,
                                 const char *lifetime)
{
        if (request->transient && !request->start)
                bus_options_fail(call, "\"transient\" needs \"start\": such a machine is gone when "
                                       "its run ends");
        else if (console && !request->start)
                bus_options_fail(call, "\"console\" needs \"start\": it is attached to the run");
        else if (request->start_options.console_write && !console)
                bus_options_fail(call, "\"console_write\" needs \"console\"");
        else if (!streq(lifetime, "kept") && !streq(lifetime, "bound"))
                bus_options_fail(call, "\"lifetime\" is \"kept\" or \"bound\"");
        else
                return true;
        return false;
}

static void read_create(BusCall *call, bool get)
{
        CreateState *state = calloc(1, sizeof(*state));
        CreateRequest *request = &state->request;
        const char *lifetime = "kept";
        bool console = false;
        BusOption options[] = {
                {"start", 'b', &request->start, NULL},
                {"transient", 'b', &request->transient, NULL},
                {"lifetime", 's', &lifetime, NULL},
                {"console", 'h', &request->start_options.console_fd, &console},
                {"console_write", 'b', &request->start_options.console_write, NULL},
        };
        BusMethodFunc next = get ? get_or_create : create;
        int r;

        if (!state) {
                bus_call_fail(call, -ENOMEM, &(Problem){"out of memory"});
                return;
        }
        call->state = state;
        state->get = get;
        request->uid = call->uid;
        request->start_options.console_fd = -1;
        request->start_options.client = call->sender;
        r = sd_bus_message_read(call->message, "ss", &request->name, &request->config);
        if (r <= 0) {
                bus_call_fail_read(call, r);
                return;
        }
        if (bus_files_read(call) < 0 || bus_options_read(call, options, ARRAY_SIZE(options)) < 0 ||
            !check_create_options(call, request, console, lifetime))
                return;
        request->bound = streq(lifetime, "bound");
        request->start_options.files = call->files;
        request->start_options.n_files = call->n_files;
        if (!console)
                next(call);
        else if (bus_console_check(call, request->start_options.console_fd))
                bus_call_authorize(call, AUTH_CONSOLE, next);
}

static void on_create_machine(BusCall *call)
{
        read_create(call, false);
}

static void on_get_or_create_machine(BusCall *call)
{
        read_create(call, true);
}

static void on_get_machine(BusCall *call)
{
        uint32_t owner = call->uid;
        BusOption options[] = {{"owner", 'u', &owner, NULL}};
        Machine *machine;
        const char *name;
        Problem problem;
        char escaped[128];
        int r;

        r = sd_bus_message_read(call->message, "s", &name);
        if (r <= 0) {
                bus_call_fail_read(call, r);
                return;
        }
        if (bus_options_read(call, options, ARRAY_SIZE(options)) < 0)
                return;
        if (owner != call->uid && call->uid != 0) {
                (void)problem_set(&problem, -EACCES, "only root may name another's machine");
                bus_call_fail(call, -EACCES, &problem);
                return;
        }
        machine = manager_find_name(call->server->manager, owner, name);
        if (!machine || machine->creating) {
                string_escape_into(escaped, sizeof(escaped), name, strlen(name));
                (void)problem_set(&problem, -ENOENT, "uid %u has no machine named \"%s\"", owner,
                                  escaped);
                bus_call_fail(call, -ENOENT, &problem);
                return;
        }
        bus_call_reply(call, "o", machine_bus_path(machine).text);
}

static int append_row(Machine *machine, void *userdata)
{
        return sd_bus_message_append(userdata, "(sous)", machine->record.name,
                                     machine_bus_path(machine).text,
                                     (uint32_t)machine->record.owner, machine_state_word(machine));
}

static void on_list_machines(BusCall *call)
{
        sd_bus_message *reply = NULL;
        int r;

        if (bus_options_read(call, NULL, 0) < 0)
                return;
        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sous)");
        if (r >= 0)
                r = manager_each_visible(call->server->manager, call->uid, append_row, reply);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r < 0)
                reply = sd_bus_message_unref(reply);
        bus_call_reply_message(call, reply);
}

static void set_subscribed(BusCall *call, bool subscribed)
{
        Peer *peer;

        if (bus_options_read(call, NULL, 0) < 0)
                return;
        peer = peers_find(call->server->peers, call->sender);
        if (peer)
                peer->subscribed = subscribed;
        bus_call_reply(call, "");
}

static void on_subscribe(BusCall *call)
{
        set_subscribed(call, true);
}

static void on_unsubscribe(BusCall *call)
{
        set_subscribed(call, false);
}

const BusMethod manager_bus_methods[_MANAGER_METHOD_MAX] = {
        [MANAGER_METHOD_GET_CAPABILITIES] = {on_get_capabilities, 0, true},
        [MANAGER_METHOD_VALIDATE_CONFIG] = {on_validate_config, 0, true},
        [MANAGER_METHOD_CREATE_MACHINE] = {on_create_machine, AUTH_CREATE | AUTH_CUSTOM, true},
        [MANAGER_METHOD_GET_MACHINE] = {on_get_machine, 0, false},
        [MANAGER_METHOD_GET_OR_CREATE_MACHINE] = {on_get_or_create_machine,
                                                  AUTH_CREATE | AUTH_CUSTOM, true},
        [MANAGER_METHOD_LIST_MACHINES] = {on_list_machines, 0, false},
        [MANAGER_METHOD_SUBSCRIBE] = {on_subscribe, 0, false},
        [MANAGER_METHOD_UNSUBSCRIBE] = {on_unsubscribe, 0, false},
};

int manager_bus_append_property(BusServer *server, sd_bus_message *message,
                                ManagerProperty property)
{
        switch (property) {
        case MANAGER_PROPERTY_VERSION:
                return sd_bus_message_append(message, "s", VMSERVICE_VERSION);
        case MANAGER_PROPERTY_MODE:
                return sd_bus_message_append(message, "s",
                                             server->settings->session ? "session" : "system");
        case MANAGER_PROPERTY_FEATURES:
                return sd_bus_message_append_strv(message, (char **)(uintptr_t)features);
        case _MANAGER_PROPERTY_MAX:
                break;
        }
        return -EINVAL;
}
