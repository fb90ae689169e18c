/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/subscribers.h"

#include "common/log.h"

#define PROPERTIES_INTERFACE     "org.freedesktop.DBus.Properties"
#define OBJECT_MANAGER_INTERFACE "org.freedesktop.DBus.ObjectManager"

/* A signal: where it comes from, and what is in it. */
typedef struct Signal Signal;
struct Signal {
        BusServer *server;
        const Machine *machine;
        const char *path, *interface, *member;
        int (*append)(const Signal *signal, sd_bus_message *message);
        const MachineProperty *properties; /* PropertiesChanged */
        size_t n_properties;
        MachineState old; /* StateChanged */
};

static void send_to(Peer *peer, void *userdata)
{
        const Signal *signal = userdata;
        sd_bus_message *message = NULL;
        int r;

        if (!machine_is_visible_to(signal->machine, peer->uid))
                return;
        r = sd_bus_message_new_signal(signal->server->bus, &message, signal->path,
                                      signal->interface, signal->member);
        if (r >= 0)
                r = sd_bus_message_set_destination(message, peer->name);
        if (r >= 0)
                r = signal->append(signal, message);
        if (r >= 0)
                r = sd_bus_send(signal->server->bus, message, NULL);
        if (r < 0)
                log_warning_errno(r, "Cannot send %s to %s, ignoring", signal->member, peer->name);
        sd_bus_message_unref(message);
}

static void send_signal(Signal *signal)
{
        peers_each_subscriber(signal->server->peers, send_to, signal);
}

static const char *run_id(const Machine *machine)
{
        return machine->record.run.id ? machine->record.run.id : "";
}

static int append_run(const Signal *signal, sd_bus_message *message)
{
        return sd_bus_message_append(message, "s", run_id(signal->machine));
}

static int append_finished(const Signal *signal, sd_bus_message *message)
{
        return sd_bus_message_append(message, "si", run_id(signal->machine),
                                     (int32_t)signal->machine->record.run.payload_exit_code);
}

static int append_state(const Signal *signal, sd_bus_message *message)
{
        return sd_bus_message_append(message, "sss", run_id(signal->machine),
                                     machine_state_to_string(signal->old),
                                     machine_state_word(signal->machine));
}

static int append_stopped(const Signal *signal, sd_bus_message *message)
{
        const RunRecord *run = &signal->machine->record.run;

        return sd_bus_message_append(message, "sss", run_id(signal->machine),
                                     stop_reason_to_string((StopReason)run->stop_reason),
                                     run->stop_detail ? run->stop_detail : "");
}

static int append_changed(const Signal *signal, sd_bus_message *message)
{
        int r;

        r = sd_bus_message_append(message, "s", VMSERVICE_MACHINE_INTERFACE);
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'a', "{sv}");
        for (size_t i = 0; i < signal->n_properties && r >= 0; i++)
                r = machine_bus_append_entry(signal->machine, message, signal->properties[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(message);
        return r < 0 ? r : sd_bus_message_append(message, "as", 0);
}

static int append_added(const Signal *signal, sd_bus_message *message)
{
        int r;

        r = sd_bus_message_append(message, "o", machine_bus_path(signal->machine).text);
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'a', "{sa{sv}}");
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'e', "sa{sv}");
        if (r >= 0)
                r = sd_bus_message_append(message, "s", VMSERVICE_MACHINE_INTERFACE);
        if (r >= 0)
                r = machine_bus_append_all(signal->machine, message);
        if (r >= 0)
                r = sd_bus_message_close_container(message);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_removed(const Signal *signal, sd_bus_message *message)
{
        return sd_bus_message_append(message, "oas", machine_bus_path(signal->machine).text, 1,
                                     VMSERVICE_MACHINE_INTERFACE);
}

static void send_changed(BusServer *server, const Machine *machine,
                         const MachineProperty *properties, size_t n_properties)
{
        MachinePath path = machine_bus_path(machine);
        Signal signal = {
                .server = server,
                .machine = machine,
                .path = path.text,
                .interface = PROPERTIES_INTERFACE,
                .member = "PropertiesChanged",
                .append = append_changed,
                .properties = properties,
                .n_properties = n_properties,
        };

        send_signal(&signal);
}

static void send_machine(BusServer *server, const Machine *machine, const char *member,
                         int (*append)(const Signal *signal, sd_bus_message *message),
                         MachineState old)
{
        MachinePath path = machine_bus_path(machine);
        Signal signal = {
                .server = server,
                .machine = machine,
                .path = path.text,
                .interface = VMSERVICE_MACHINE_INTERFACE,
                .member = member,
                .append = append,
                .old = old,
        };

        send_signal(&signal);
}

static void send_object(BusServer *server, const Machine *machine, const char *member,
                        int (*append)(const Signal *signal, sd_bus_message *message))
{
        Signal signal = {
                .server = server,
                .machine = machine,
                .path = VMSERVICE_OBJECT_PATH,
                .interface = OBJECT_MANAGER_INTERFACE,
                .member = member,
                .append = append,
        };

        send_signal(&signal);
}

static void on_added(Machine *machine, void *userdata)
{
        send_object(userdata, machine, "InterfacesAdded", append_added);
}

static void on_removed(Machine *machine, void *userdata)
{
        send_object(userdata, machine, "InterfacesRemoved", append_removed);
}

/* Properties before the signals that make people look at them. */
static void on_state_changed(Machine *machine, MachineState old, void *userdata)
{
        static const MachineProperty whole_run[] = {
                MACHINE_PROPERTY_STATE,       MACHINE_PROPERTY_PAYLOAD_STATE,
                MACHINE_PROPERTY_RUN_ID,      MACHINE_PROPERTY_STOP_REASON,
                MACHINE_PROPERTY_STOP_DETAIL, MACHINE_PROPERTY_PAYLOAD_EXIT_CODE,
                MACHINE_PROPERTY_MONITOR_PID, MACHINE_PROPERTY_STARTED_AT,
                MACHINE_PROPERTY_STOPPED_AT,
        };
        bool edge = old == MACHINE_STATE_STOPPED || old == MACHINE_STATE_STARTING ||
                    machine->state == MACHINE_STATE_STOPPED;

        send_changed(userdata, machine, whole_run, edge ? ARRAY_SIZE(whole_run) : 1);
        send_machine(userdata, machine, "StateChanged", append_state, old);
}

static void on_payload_changed(Machine *machine, void *userdata)
{
        static const MachineProperty properties[] = {
                MACHINE_PROPERTY_PAYLOAD_STATE,
                MACHINE_PROPERTY_PAYLOAD_EXIT_CODE,
        };

        send_changed(userdata, machine, properties, ARRAY_SIZE(properties));
        switch ((PayloadState)machine->record.run.payload_state) {
        case PAYLOAD_STATE_STARTED:
                send_machine(userdata, machine, "PayloadStarted", append_run, machine->state);
                break;
        case PAYLOAD_STATE_READY:
                send_machine(userdata, machine, "PayloadReady", append_run, machine->state);
                break;
        case PAYLOAD_STATE_FINISHED:
                send_machine(userdata, machine, "PayloadFinished", append_finished, machine->state);
                break;
        case PAYLOAD_STATE_NONE:
        case _PAYLOAD_STATE_MAX:
                break;
        }
}

static void on_stopped(Machine *machine, void *userdata)
{
        send_machine(userdata, machine, "Stopped", append_stopped, machine->state);
}

static void on_config_changed(Machine *machine, void *userdata)
{
        static const MachineProperty property = MACHINE_PROPERTY_CONFIG;

        send_changed(userdata, machine, &property, 1);
}

static bool client_is_present(const char *name, void *userdata)
{
        return peers_find(((BusServer *)userdata)->peers, name);
}

const MachineObserver subscribers_observer = {
        .added = on_added,
        .removed = on_removed,
        .state_changed = on_state_changed,
        .payload_changed = on_payload_changed,
        .stopped = on_stopped,
        .config_changed = on_config_changed,
        .client_is_present = client_is_present,
};
