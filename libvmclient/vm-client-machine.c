/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-client-config-private.h"
#include "vm-client-object-private.h"

/**
 * VmClientMachine:
 *
 * One virtual machine.
 *
 * Its properties follow the daemon by themselves. They are up to date with everything that the
 * daemon said before a call was answered, whether or not a main loop runs, and may be read from any
 * thread. Signals and notifications come in the main context that was the thread's default one
 * when the [class@Manager] was made, so they need a running main loop there.
 *
 * Each of [signal@Machine::payload-started], [signal@Machine::payload-ready],
 * [signal@Machine::payload-finished] and [signal@Machine::stopped] comes once for each run, also
 * if the daemon is killed and comes back in between: what was missed is found out by then. A
 * property tells the present, which may be further on than the signal that is being handled.
 *
 * As long as somebody holds one, there is one object for each machine and [class@Manager],
 * wherever it is obtained. Hold it for as long as its signals matter: an object that nobody holds
 * is gone, with its handlers. It keeps its manager alive.
 *
 * AVF: `android.system.virtualmachine.VirtualMachine`.
 */
struct _VmClientMachine {
        GObject parent;
        VmClientManager *manager;
        ClientHub *hub;
        ClientRecord *record;
};

G_DEFINE_FINAL_TYPE(VmClientMachine, vm_client_machine, G_TYPE_OBJECT)

/* ClientValue + 1, so that a notification needs no table. */
static GParamSpec *properties[CLIENT_N_VALUES + 1];

typedef enum {
        SIGNAL_STATE_CHANGED,
        SIGNAL_PAYLOAD_STARTED,
        SIGNAL_PAYLOAD_READY,
        SIGNAL_PAYLOAD_FINISHED,
        SIGNAL_STOPPED,
        N_SIGNALS,
} Signal;

static guint signals[N_SIGNALS];

static void get_constant(VmClientMachine *machine, ClientValue id, GValue *value)
{
        const ClientValues *values = &machine->record->values;

        switch ((guint)id) {
        case CLIENT_VALUE_NAME:
                g_value_set_string(value, values->name);
                break;
        case CLIENT_VALUE_ID:
                g_value_set_string(value, values->id);
                break;
        case CLIENT_VALUE_OWNER:
                g_value_set_uint(value, values->owner);
                break;
        case CLIENT_VALUE_TRANSIENT:
                g_value_set_boolean(value, values->is_transient);
                break;
        case CLIENT_VALUE_BOUND:
                g_value_set_boolean(value, values->is_bound);
                break;
        default:
                g_assert_not_reached();
        }
}

static void vm_client_machine_get_property(GObject *object, guint id, GValue *value,
                                           GParamSpec *pspec)
{
        VmClientMachine *machine = VM_CLIENT_MACHINE(object);

        switch (id - 1) {
        case CLIENT_VALUE_NAME:
        case CLIENT_VALUE_ID:
        case CLIENT_VALUE_OWNER:
        case CLIENT_VALUE_TRANSIENT:
        case CLIENT_VALUE_BOUND:
                get_constant(machine, (ClientValue)(id - 1), value);
                break;
        case CLIENT_VALUE_CONFIG:
                g_value_take_string(value, vm_client_machine_dup_config(machine));
                break;
        case CLIENT_VALUE_STATE:
                g_value_set_enum(value, vm_client_machine_get_state(machine));
                break;
        case CLIENT_VALUE_PAYLOAD_STATE:
                g_value_set_enum(value, vm_client_machine_get_payload_state(machine));
                break;
        case CLIENT_VALUE_RUN_ID:
                g_value_take_string(value, vm_client_machine_dup_run_id(machine));
                break;
        case CLIENT_VALUE_STOP_REASON:
                g_value_set_enum(value, vm_client_machine_get_stop_reason(machine));
                break;
        case CLIENT_VALUE_STOP_DETAIL:
                g_value_take_string(value, vm_client_machine_dup_stop_detail(machine));
                break;
        case CLIENT_VALUE_PAYLOAD_EXIT_CODE:
                g_value_set_int(value, vm_client_machine_get_payload_exit_code(machine));
                break;
        case CLIENT_VALUE_MONITOR_PID:
                g_value_set_uint(value, vm_client_machine_get_monitor_pid(machine));
                break;
        case CLIENT_VALUE_STARTED_AT:
                g_value_set_int64(value, vm_client_machine_get_started_at(machine));
                break;
        case CLIENT_VALUE_STOPPED_AT:
                g_value_set_int64(value, vm_client_machine_get_stopped_at(machine));
                break;
        case CLIENT_VALUE_DELETED:
                g_value_set_boolean(value, vm_client_machine_get_deleted(machine));
                break;
        default:
                G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
        }
}

static void vm_client_machine_finalize(GObject *object)
{
        VmClientMachine *machine = VM_CLIENT_MACHINE(object);

        if (machine->hub) {
                client_hub_facade_gone(machine->hub, machine->record);
                client_record_unref(machine->record);
                client_hub_unref(machine->hub);
                g_object_unref(machine->manager);
        }
        G_OBJECT_CLASS(vm_client_machine_parent_class)->finalize(object);
}

#define READABLE (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY)

static void install(GObjectClass *klass, ClientValue value, GParamSpec *pspec)
{
        properties[value + 1] = pspec;
        g_object_class_install_property(klass, (guint)value + 1, pspec);
}

static void install_constants(GObjectClass *klass)
{
        /**
         * VmClientMachine:name:
         *
         * The name, unique for its owner.
         */
        install(klass, CLIENT_VALUE_NAME, g_param_spec_string("name", NULL, NULL, "", READABLE));
        /**
         * VmClientMachine:id:
         *
         * 128 random bits in hexadecimal, never used twice.
         */
        install(klass, CLIENT_VALUE_ID, g_param_spec_string("id", NULL, NULL, "", READABLE));
        /**
         * VmClientMachine:owner:
         *
         * The uid of the user that the machine belongs to.
         */
        install(klass, CLIENT_VALUE_OWNER,
                g_param_spec_uint("owner", NULL, NULL, 0, G_MAXUINT, 0, READABLE));
        /**
         * VmClientMachine:transient:
         *
         * Whether the machine vanishes when its run ends.
         */
        install(klass, CLIENT_VALUE_TRANSIENT,
                g_param_spec_boolean("transient", NULL, NULL, FALSE, READABLE));
        /**
         * VmClientMachine:bound:
         *
         * Whether the run ends when the machine's creator leaves the bus.
         */
        install(klass, CLIENT_VALUE_BOUND,
                g_param_spec_boolean("bound", NULL, NULL, FALSE, READABLE));
}

static void install_run(GObjectClass *klass)
{
        /**
         * VmClientMachine:config:
         *
         * The configuration as JSON, with every default filled in.
         */
        install(klass, CLIENT_VALUE_CONFIG,
                g_param_spec_string("config", NULL, NULL, "{}", READABLE));
        /**
         * VmClientMachine:state:
         *
         * What the machine is doing. AVF: `VirtualMachine.getStatus()`.
         */
        install(klass, CLIENT_VALUE_STATE,
                g_param_spec_enum("state", NULL, NULL, VM_CLIENT_TYPE_MACHINE_STATE,
                                  VM_CLIENT_MACHINE_STATE_STOPPED, READABLE));
        /**
         * VmClientMachine:payload-state:
         *
         * How far the payload got in the current or last run.
         */
        install(klass, CLIENT_VALUE_PAYLOAD_STATE,
                g_param_spec_enum("payload-state", NULL, NULL, VM_CLIENT_TYPE_PAYLOAD_STATE,
                                  VM_CLIENT_PAYLOAD_STATE_NONE, READABLE));
        /**
         * VmClientMachine:run-id:
         *
         * Names the current or last run; empty if there was none.
         */
        install(klass, CLIENT_VALUE_RUN_ID,
                g_param_spec_string("run-id", NULL, NULL, "", READABLE));
        /**
         * VmClientMachine:payload-exit-code:
         *
         * The exit code of the payload that finished last; -1 if none has in this run.
         */
        install(klass, CLIENT_VALUE_PAYLOAD_EXIT_CODE,
                g_param_spec_int("payload-exit-code", NULL, NULL, G_MININT, G_MAXINT, -1,
                                 READABLE));
        /**
         * VmClientMachine:monitor-pid:
         *
         * The process that runs the guest; 0 while stopped.
         */
        install(klass, CLIENT_VALUE_MONITOR_PID,
                g_param_spec_uint("monitor-pid", NULL, NULL, 0, G_MAXUINT, 0, READABLE));
        /**
         * VmClientMachine:started-at:
         *
         * When the last run began, in microseconds since 1970 (UTC); 0 if there was none.
         */
        install(klass, CLIENT_VALUE_STARTED_AT,
                g_param_spec_int64("started-at", NULL, NULL, 0, G_MAXINT64, 0, READABLE));
}

static void install_end(GObjectClass *klass)
{
        /**
         * VmClientMachine:stop-reason:
         *
         * How the last run ended; %VM_CLIENT_STOP_REASON_NONE while running.
         */
        install(klass, CLIENT_VALUE_STOP_REASON,
                g_param_spec_enum("stop-reason", NULL, NULL, VM_CLIENT_TYPE_STOP_REASON,
                                  VM_CLIENT_STOP_REASON_NONE, READABLE));
        /**
         * VmClientMachine:stop-detail:
         *
         * One sentence for people on how the last run ended.
         */
        install(klass, CLIENT_VALUE_STOP_DETAIL,
                g_param_spec_string("stop-detail", NULL, NULL, "", READABLE));
        /**
         * VmClientMachine:stopped-at:
         *
         * When the last run ended, in microseconds since 1970 (UTC); 0 while running.
         */
        install(klass, CLIENT_VALUE_STOPPED_AT,
                g_param_spec_int64("stopped-at", NULL, NULL, 0, G_MAXINT64, 0, READABLE));
        /**
         * VmClientMachine:deleted:
         *
         * Whether the machine is gone. The other properties keep what was last known. AVF:
         * `STATUS_DELETED`.
         */
        install(klass, CLIENT_VALUE_DELETED,
                g_param_spec_boolean("deleted", NULL, NULL, FALSE, READABLE));
}

static void install_signals(GType type)
{
        /**
         * VmClientMachine::state-changed:
         * @machine: the machine
         * @run_id: the run
         * @old_state: the state before
         * @new_state: the state now
         *
         * The state has changed. After an absence of the daemon, changes in between are one.
         */
        signals[SIGNAL_STATE_CHANGED] = g_signal_new(
                "state-changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 3,
                G_TYPE_STRING, VM_CLIENT_TYPE_MACHINE_STATE, VM_CLIENT_TYPE_MACHINE_STATE);
        /**
         * VmClientMachine::payload-started:
         * @machine: the machine
         * @run_id: the run
         *
         * The payload was started. AVF: `VirtualMachineCallback.onPayloadStarted()`.
         */
        signals[SIGNAL_PAYLOAD_STARTED] =
                g_signal_new("payload-started", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                             G_TYPE_NONE, 1, G_TYPE_STRING);
        /**
         * VmClientMachine::payload-ready:
         * @machine: the machine
         * @run_id: the run
         *
         * The payload says that it is ready. AVF: `VirtualMachineCallback.onPayloadReady()`.
         */
        signals[SIGNAL_PAYLOAD_READY] =
                g_signal_new("payload-ready", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                             G_TYPE_NONE, 1, G_TYPE_STRING);
        /**
         * VmClientMachine::payload-finished:
         * @machine: the machine
         * @run_id: the run
         * @exit_code: the payload's exit code
         *
         * The payload ended. AVF: `VirtualMachineCallback.onPayloadFinished()`.
         */
        signals[SIGNAL_PAYLOAD_FINISHED] =
                g_signal_new("payload-finished", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                             G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_INT);
        /**
         * VmClientMachine::stopped:
         * @machine: the machine
         * @run_id: the run
         * @reason: how it ended
         * @detail: one sentence for people
         *
         * The run ended. AVF: `VirtualMachineCallback.onStopped()`, and `onError()` by the detail.
         */
        signals[SIGNAL_STOPPED] =
                g_signal_new("stopped", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE,
                             3, G_TYPE_STRING, VM_CLIENT_TYPE_STOP_REASON, G_TYPE_STRING);
}

static void vm_client_machine_class_init(VmClientMachineClass *klass)
{
        GObjectClass *object_class = G_OBJECT_CLASS(klass);

        object_class->get_property = vm_client_machine_get_property;
        object_class->finalize = vm_client_machine_finalize;
        install_constants(object_class);
        install_run(object_class);
        install_end(object_class);
        install_signals(G_OBJECT_CLASS_TYPE(klass));
}

static void vm_client_machine_init(VmClientMachine *machine G_GNUC_UNUSED)
{
}

ClientHub *client_machine_hub(VmClientMachine *machine)
{
        return machine->hub;
}

ClientRecord *client_machine_record(VmClientMachine *machine)
{
        return machine->record;
}

/* Two threads may make one at a time: the loser's is dropped before anybody has seen it. */
VmClientMachine *client_machine_for_record(VmClientManager *manager, ClientHub *hub,
                                           ClientRecord *record)
{
        VmClientMachine *machine = g_weak_ref_get(&record->facade);
        VmClientMachine *winner;

        if (machine)
                return machine;
        machine = g_object_new(VM_CLIENT_TYPE_MACHINE, NULL);
        machine->manager = g_object_ref(manager);
        machine->hub = client_hub_ref(hub);
        machine->record = client_record_ref(record);
        client_hub_facade_made(hub, record);
        client_hub_lock(hub);
        winner = g_weak_ref_get(&record->facade);
        if (!winner)
                g_weak_ref_set(&record->facade, machine);
        client_hub_unlock(hub);
        if (!winner)
                return machine;
        g_object_unref(machine);
        return winner;
}

void client_machine_tell_values(VmClientMachine *machine, guint values)
{
        GObject *object = G_OBJECT(machine);

        for (guint i = 0; i < CLIENT_N_VALUES; i++)
                if (values & 1U << i)
                        g_object_notify_by_pspec(object, properties[i + 1]);
}

void client_machine_tell_event(VmClientMachine *machine, const ClientEvent *event)
{
        switch (event->type) {
        case CLIENT_EVENT_STATE_CHANGED:
                g_signal_emit(machine, signals[SIGNAL_STATE_CHANGED], 0, event->run_id,
                              event->old_state, event->new_state);
                break;
        case CLIENT_EVENT_PAYLOAD_STARTED:
                g_signal_emit(machine, signals[SIGNAL_PAYLOAD_STARTED], 0, event->run_id);
                break;
        case CLIENT_EVENT_PAYLOAD_READY:
                g_signal_emit(machine, signals[SIGNAL_PAYLOAD_READY], 0, event->run_id);
                break;
        case CLIENT_EVENT_PAYLOAD_FINISHED:
                g_signal_emit(machine, signals[SIGNAL_PAYLOAD_FINISHED], 0, event->run_id,
                              event->exit_code);
                break;
        case CLIENT_EVENT_STOPPED:
                g_signal_emit(machine, signals[SIGNAL_STOPPED], 0, event->run_id, event->reason,
                              event->detail);
                break;
        default:
                g_assert_not_reached();
        }
}
