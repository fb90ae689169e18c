/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-client-call.h"
#include "vm-client-watch.h"

/**
 * VmClientManager:
 *
 * The connection to the daemon: what the host can do, and the machines that the caller may see.
 *
 * A manager is made on the system bus for the host's daemon, or on the session bus for one of the
 * user's own, by [ctor@Manager.new_sync] or [func@Manager.new_async]. The bus starts the daemon if
 * it does not run. The manager follows it through restarts, and has it started again when a call
 * needs it.
 *
 * Its signals, and those of its machines, come in the main context that is the thread's default
 * one when it is made. Calls never time out, since the daemon answers or is seen to leave the bus
 * (%VM_CLIENT_ERROR_SERVICE_LOST); give a #GCancellable to bound one. Every function may be called
 * from any thread, but one VmClientConfig or VmClientOptions by one thread at a time.
 *
 * AVF: `android.system.virtualmachine.VirtualMachineManager`.
 */
struct _VmClientManager {
        GObject parent;
        GDBusConnection *connection;
        VmClientBus bus;
        VmClientManagerFlags flags;
        ClientHub *hub;
};

static void initable_iface_init(GInitableIface *iface);
static void async_initable_iface_init(GAsyncInitableIface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE(VmClientManager, vm_client_manager, G_TYPE_OBJECT,
                              G_IMPLEMENT_INTERFACE(G_TYPE_INITABLE, initable_iface_init)
                                      G_IMPLEMENT_INTERFACE(G_TYPE_ASYNC_INITABLE,
                                                            async_initable_iface_init))

typedef enum {
        PROPERTY_BUS = 1,
        PROPERTY_FLAGS,
        PROPERTY_CONNECTION,
        PROPERTY_DAEMON_RUNNING, /* from here on in the order of ClientDaemonValue */
        PROPERTY_DAEMON_VERSION,
        PROPERTY_MODE,
        PROPERTY_FEATURES,
        N_PROPERTIES,
} Property;

static GParamSpec *properties[N_PROPERTIES];

typedef enum {
        SIGNAL_MACHINE_ADDED,
        SIGNAL_MACHINE_REMOVED,
        N_SIGNALS,
} Signal;

static guint signals[N_SIGNALS];

static void vm_client_manager_get_property(GObject *object, guint id, GValue *value,
                                           GParamSpec *pspec)
{
        VmClientManager *manager = VM_CLIENT_MANAGER(object);

        switch ((Property)id) {
        case PROPERTY_BUS:
                g_value_set_enum(value, (int)manager->bus);
                break;
        case PROPERTY_FLAGS:
                g_value_set_flags(value, manager->flags);
                break;
        case PROPERTY_CONNECTION:
                g_value_set_object(value, manager->connection);
                break;
        case PROPERTY_DAEMON_RUNNING:
                g_value_set_boolean(value, vm_client_manager_get_daemon_running(manager));
                break;
        case PROPERTY_DAEMON_VERSION:
                g_value_take_string(value, vm_client_manager_dup_daemon_version(manager));
                break;
        case PROPERTY_MODE:
                g_value_take_string(value, vm_client_manager_dup_mode(manager));
                break;
        case PROPERTY_FEATURES:
                g_value_take_boxed(value, vm_client_manager_dup_features(manager));
                break;
        case N_PROPERTIES:
        default:
                G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
        }
}

static void vm_client_manager_set_property(GObject *object, guint id, const GValue *value,
                                           GParamSpec *pspec)
{
        VmClientManager *manager = VM_CLIENT_MANAGER(object);

        switch (id) {
        case PROPERTY_BUS:
                manager->bus = (VmClientBus)g_value_get_enum(value);
                break;
        case PROPERTY_FLAGS:
                manager->flags = g_value_get_flags(value);
                break;
        case PROPERTY_CONNECTION:
                manager->connection = g_value_dup_object(value);
                break;
        default:
                G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
        }
}

static void vm_client_manager_finalize(GObject *object)
{
        VmClientManager *manager = VM_CLIENT_MANAGER(object);

        if (manager->hub) {
                client_hub_stop(manager->hub);
                client_hub_unref(manager->hub);
        }
        g_clear_object(&manager->connection);
        G_OBJECT_CLASS(vm_client_manager_parent_class)->finalize(object);
}

#define READABLE  (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY)
#define CONSTRUCT (G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS)

static void install_construct_properties(void)
{
        /**
         * VmClientManager:bus:
         *
         * On which bus the daemon is; without a meaning if a connection was given.
         */
        properties[PROPERTY_BUS] = g_param_spec_enum("bus", NULL, NULL, VM_CLIENT_TYPE_BUS,
                                                     VM_CLIENT_BUS_SYSTEM, CONSTRUCT);
        /**
         * VmClientManager:flags:
         *
         * How the manager was made.
         */
        properties[PROPERTY_FLAGS] =
                g_param_spec_flags("flags", NULL, NULL, VM_CLIENT_TYPE_MANAGER_FLAGS, 0, CONSTRUCT);
        /**
         * VmClientManager:connection: (getter get_connection)
         *
         * The connection to the bus.
         */
        properties[PROPERTY_CONNECTION] =
                g_param_spec_object("connection", NULL, NULL, G_TYPE_DBUS_CONNECTION, CONSTRUCT);
}

static void install_daemon_properties(void)
{
        /**
         * VmClientManager:daemon-running: (getter get_daemon_running)
         *
         * Whether the daemon is on the bus. It turns %FALSE if it stops or is killed, and %TRUE
         * when it is back.
         */
        properties[PROPERTY_DAEMON_RUNNING] =
                g_param_spec_boolean("daemon-running", NULL, NULL, FALSE, READABLE);
        /**
         * VmClientManager:daemon-version: (getter dup_daemon_version)
         *
         * The daemon's version.
         */
        properties[PROPERTY_DAEMON_VERSION] =
                g_param_spec_string("daemon-version", NULL, NULL, "", READABLE);
        /**
         * VmClientManager:mode: (getter dup_mode)
         *
         * `system` or `session`.
         */
        properties[PROPERTY_MODE] = g_param_spec_string("mode", NULL, NULL, "", READABLE);
        /**
         * VmClientManager:features: (getter dup_features)
         *
         * What the daemon and its monitors offer. AVF:
         * `VirtualMachineManager.isFeatureEnabled()`.
         */
        properties[PROPERTY_FEATURES] =
                g_param_spec_boxed("features", NULL, NULL, G_TYPE_STRV, READABLE);
}

static void vm_client_manager_class_init(VmClientManagerClass *klass)
{
        GObjectClass *object_class = G_OBJECT_CLASS(klass);

        object_class->get_property = vm_client_manager_get_property;
        object_class->set_property = vm_client_manager_set_property;
        object_class->finalize = vm_client_manager_finalize;
        install_construct_properties();
        install_daemon_properties();
        g_object_class_install_properties(object_class, N_PROPERTIES, properties);

        /**
         * VmClientManager::machine-added:
         * @manager: the manager
         * @machine: the machine
         *
         * A machine has come into being that the caller may see. A handler that connects to the
         * machine's signals, and holds a reference to it as long as they matter, misses nothing of
         * its first run.
         */
        signals[SIGNAL_MACHINE_ADDED] =
                g_signal_new("machine-added", G_OBJECT_CLASS_TYPE(klass), G_SIGNAL_RUN_LAST, 0,
                             NULL, NULL, NULL, G_TYPE_NONE, 1, VM_CLIENT_TYPE_MACHINE);
        /**
         * VmClientManager::machine-removed:
         * @manager: the manager
         * @machine: the machine; its properties keep what was last known
         *
         * A machine is gone.
         */
        signals[SIGNAL_MACHINE_REMOVED] =
                g_signal_new("machine-removed", G_OBJECT_CLASS_TYPE(klass), G_SIGNAL_RUN_LAST, 0,
                             NULL, NULL, NULL, G_TYPE_NONE, 1, VM_CLIENT_TYPE_MACHINE);
}

static void vm_client_manager_init(VmClientManager *manager G_GNUC_UNUSED)
{
}

ClientHub *client_manager_hub(VmClientManager *manager, GError **error)
{
        if (!manager->hub)
                g_set_error(error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_SERVICE_UNAVAILABLE,
                            "this manager was not initialised: make it by "
                            "vm_client_manager_new_sync() or vm_client_manager_new_async()");
        return manager->hub;
}

void client_manager_tell_machine(VmClientManager *manager, VmClientMachine *machine, gboolean added)
{
        g_signal_emit(manager, signals[added ? SIGNAL_MACHINE_ADDED : SIGNAL_MACHINE_REMOVED], 0,
                      machine);
}

void client_manager_tell_daemon(VmClientManager *manager, guint values)
{
        for (int i = 0; i < CLIENT_N_DAEMON_VALUES; i++)
                if (values & 1U << i)
                        g_object_notify_by_pspec(G_OBJECT(manager),
                                                 properties[PROPERTY_DAEMON_RUNNING + i]);
}

/* With the connection at hand: begins to listen. */
static gboolean manager_open(VmClientManager *manager, GError **error)
{
        if (!g_dbus_connection_get_unique_name(manager->connection) ||
            g_dbus_connection_is_closed(manager->connection)) {
                g_set_error(error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_SERVICE_UNAVAILABLE,
                            "the connection is closed, or not one to a message bus: pass one that "
                            "is");
                return FALSE;
        }
        manager->hub = client_hub_new(manager->connection,
                                      !(manager->flags & VM_CLIENT_MANAGER_FLAGS_NO_ACTIVATION));
        g_weak_ref_set(&manager->hub->manager, manager);
        client_hub_start(manager->hub);
        return TRUE;
}

static GBusType bus_type(VmClientBus bus)
{
        return bus == VM_CLIENT_BUS_SESSION ? G_BUS_TYPE_SESSION : G_BUS_TYPE_SYSTEM;
}

/* AVF hands out no manager on a host that can run no machine: this is for those who want that. */
static gboolean check_vms(VmClientCapabilities *capabilities, GError **error)
{
        g_autoptr(GVariant) problem = NULL;

        if (vm_client_capabilities_get_mask(capabilities) != VM_CLIENT_CAPABILITY_NONE)
                return TRUE;
        problem = vm_client_capabilities_lookup(capabilities, "/kvm/problem");
        g_set_error(error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_KVM_UNAVAILABLE,
                    "this host can run no virtual machine (%s): see vmctl doctor",
                    problem && g_variant_is_of_type(problem, G_VARIANT_TYPE_STRING)
                            ? g_variant_get_string(problem, NULL)
                            : "its KVM is absent or unusable");
        return FALSE;
}

static gboolean manager_init_sync(GInitable *initable, GCancellable *cancellable, GError **error)
{
        VmClientManager *manager = VM_CLIENT_MANAGER(initable);
        g_autoptr(ClientWatch) watch = NULL;
        g_autoptr(VmClientCapabilities) capabilities = NULL;
        GError *problem = NULL;

        if (manager->hub)
                return TRUE;
        if (!manager->connection)
                manager->connection = g_bus_get_sync(bus_type(manager->bus), cancellable, &problem);
        if (!manager->connection) {
                g_propagate_error(error, client_error_no_bus(manager->bus, problem));
                return FALSE;
        }
        if (!manager_open(manager, error))
                return FALSE;
        watch = client_watch_new(CLIENT_WATCH_SYNCED, NULL, NULL, 0);
        if (!client_watch_wait(manager->hub, watch, cancellable, error))
                return FALSE;
        if (!(manager->flags & VM_CLIENT_MANAGER_FLAGS_REQUIRE_VMS))
                return TRUE;
        capabilities = vm_client_manager_get_capabilities_sync(manager, NULL, cancellable, error);
        return capabilities && check_vms(capabilities, error);
}

static void initable_iface_init(GInitableIface *iface)
{
        iface->init = manager_init_sync;
}

static void on_capabilities(GObject *source, GAsyncResult *result, gpointer data)
{
        g_autoptr(GTask) task = data;
        g_autoptr(VmClientCapabilities) capabilities = NULL;
        GError *error = NULL;

        capabilities = vm_client_manager_get_capabilities_finish(VM_CLIENT_MANAGER(source), result,
                                                                 &error);
        if (!capabilities || !check_vms(capabilities, &error))
                g_task_return_error(task, error);
        else
                g_task_return_boolean(task, TRUE);
}

static void on_synced(GObject *source, GAsyncResult *result, gpointer data)
{
        g_autoptr(GTask) task = data;
        g_autoptr(ClientWatch) watch = NULL;
        VmClientManager *manager = VM_CLIENT_MANAGER(source);
        GError *error = NULL;

        watch = g_task_propagate_pointer(G_TASK(result), &error);
        if (!watch)
                g_task_return_error(task, error);
        else if (manager->flags & VM_CLIENT_MANAGER_FLAGS_REQUIRE_VMS)
                vm_client_manager_get_capabilities_async(manager, NULL,
                                                         g_task_get_cancellable(task),
                                                         on_capabilities, g_object_ref(task));
        else
                g_task_return_boolean(task, TRUE);
}

/* Takes task. */
static void init_with_connection(VmClientManager *manager, GTask *task)
{
        GCancellable *cancellable = g_task_get_cancellable(task);
        GError *error = NULL;

        if (!manager_open(manager, &error)) {
                g_task_return_error(task, error);
                g_object_unref(task);
                return;
        }
        client_watch_begin(manager->hub, client_watch_new(CLIENT_WATCH_SYNCED, NULL, NULL, 0),
                           g_task_new(manager, cancellable, on_synced, task));
}

static void on_bus(GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer data)
{
        GTask *task = data;
        VmClientManager *manager = g_task_get_source_object(task);
        GError *error = NULL;

        manager->connection = g_bus_get_finish(result, &error);
        if (manager->connection) {
                init_with_connection(manager, task);
                return;
        }
        g_task_return_error(task, client_error_no_bus(manager->bus, error));
        g_object_unref(task);
}

static void manager_init_async(GAsyncInitable *initable, int priority, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data)
{
        VmClientManager *manager = VM_CLIENT_MANAGER(initable);
        GTask *task = g_task_new(initable, cancellable, callback, user_data);

        g_task_set_source_tag(task, manager_init_async);
        g_task_set_priority(task, priority);
        if (manager->hub) {
                g_task_return_boolean(task, TRUE);
                g_object_unref(task);
        } else if (manager->connection) {
                init_with_connection(manager, task);
        } else {
                g_bus_get(bus_type(manager->bus), cancellable, on_bus, task);
        }
}

static gboolean manager_init_finish(GAsyncInitable *initable, GAsyncResult *result, GError **error)
{
        g_return_val_if_fail(g_task_is_valid(result, initable), FALSE);

        return g_task_propagate_boolean(G_TASK(result), error);
}

static void async_initable_iface_init(GAsyncInitableIface *iface)
{
        iface->init_async = manager_init_async;
        iface->init_finish = manager_init_finish;
}
