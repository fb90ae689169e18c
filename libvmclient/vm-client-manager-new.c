/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a manager is made. */
#include "vm-client-private.h"

/**
 * vm_client_manager_new_sync:
 * @bus: the bus
 * @flags: how
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @error: return location for a #GError
 *
 * Connects to the daemon, which the bus starts if need be, and learns of its machines.
 *
 * Fails, with the cause and the fix, with
 * %VM_CLIENT_ERROR_SERVICE_UNAVAILABLE if there is no bus, or no daemon and it cannot be started;
 * %VM_CLIENT_ERROR_NOT_AUTHORIZED if this user may not talk to it; and, only with
 * %VM_CLIENT_MANAGER_FLAGS_REQUIRE_VMS, with %VM_CLIENT_ERROR_KVM_UNAVAILABLE.
 *
 * AVF: `Context.getSystemService(VirtualMachineManager.class)`, which is null without AVF.
 *
 * Returns: (transfer full): a new manager
 */
VmClientManager *vm_client_manager_new_sync(VmClientBus bus, VmClientManagerFlags flags,
                                            GCancellable *cancellable, GError **error)
{
        return g_initable_new(VM_CLIENT_TYPE_MANAGER, cancellable, error, "bus", bus, "flags",
                              flags, NULL);
}

/**
 * vm_client_manager_new_async:
 * @bus: the bus
 * @flags: how
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the call has ended
 * @user_data: data for @callback
 *
 * Connects to the daemon. The asynchronous form of [ctor@Manager.new_sync]; ended by
 * [ctor@Manager.new_finish].
 */
void vm_client_manager_new_async(VmClientBus bus, VmClientManagerFlags flags,
                                 GCancellable *cancellable, GAsyncReadyCallback callback,
                                 gpointer user_data)
{
        g_async_initable_new_async(VM_CLIENT_TYPE_MANAGER, G_PRIORITY_DEFAULT, cancellable,
                                   callback, user_data, "bus", bus, "flags", flags, NULL);
}

/**
 * vm_client_manager_new_for_connection_sync:
 * @connection: a connection to a message bus
 * @flags: how
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @error: return location for a #GError
 *
 * Connects to the daemon on a connection that is there already. Like [ctor@Manager.new_sync].
 *
 * Returns: (transfer full): a new manager
 */
VmClientManager *vm_client_manager_new_for_connection_sync(GDBusConnection *connection,
                                                           VmClientManagerFlags flags,
                                                           GCancellable *cancellable,
                                                           GError **error)
{
        g_return_val_if_fail(G_IS_DBUS_CONNECTION(connection), NULL);

        return g_initable_new(VM_CLIENT_TYPE_MANAGER, cancellable, error, "connection", connection,
                              "flags", flags, NULL);
}

/**
 * vm_client_manager_new_for_connection_async:
 * @connection: a connection to a message bus
 * @flags: how
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the call has ended
 * @user_data: data for @callback
 *
 * Connects to the daemon on a connection that is there already. The asynchronous form of
 * [ctor@Manager.new_for_connection_sync]; ended by [ctor@Manager.new_finish].
 */
void vm_client_manager_new_for_connection_async(GDBusConnection *connection,
                                                VmClientManagerFlags flags,
                                                GCancellable *cancellable,
                                                GAsyncReadyCallback callback, gpointer user_data)
{
        g_return_if_fail(G_IS_DBUS_CONNECTION(connection));

        g_async_initable_new_async(VM_CLIENT_TYPE_MANAGER, G_PRIORITY_DEFAULT, cancellable,
                                   callback, user_data, "connection", connection, "flags", flags,
                                   NULL);
}

/**
 * vm_client_manager_new_finish:
 * @result: what the callback was given
 * @error: return location for a #GError
 *
 * Ends [func@Manager.new_async] and [func@Manager.new_for_connection_async].
 *
 * Returns: (transfer full): a new manager
 */
VmClientManager *vm_client_manager_new_finish(GAsyncResult *result, GError **error)
{
        g_autoptr(GObject) source = g_async_result_get_source_object(result);
        GObject *manager;

        g_return_val_if_fail(G_IS_ASYNC_INITABLE(source), NULL);

        manager = g_async_initable_new_finish(G_ASYNC_INITABLE(source), result, error);
        return manager ? VM_CLIENT_MANAGER(manager) : NULL;
}
