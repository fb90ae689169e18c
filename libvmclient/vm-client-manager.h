/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(VM_CLIENT_INSIDE) && !defined(VM_CLIENT_COMPILATION)
#error "Include <vmclient.h> only"
#endif

#include "vm-client-capabilities.h"
#include "vm-client-config.h"
#include "vm-client-enums.h"
#include "vm-client-machine.h"
#include "vm-client-options.h"

G_BEGIN_DECLS

/*
 * The connection to the daemon (AVF: VirtualMachineManager): what the host can do, and the
 * machines that the caller may see. It follows the daemon through restarts.
 */
#define VM_CLIENT_TYPE_MANAGER (vm_client_manager_get_type())
VM_CLIENT_PUBLIC
G_DECLARE_FINAL_TYPE(VmClientManager, vm_client_manager, VM_CLIENT, MANAGER, GObject)

VM_CLIENT_PUBLIC VmClientManager *vm_client_manager_new_sync(VmClientBus bus,
                                                             VmClientManagerFlags flags,
                                                             GCancellable *cancellable,
                                                             GError **error);
VM_CLIENT_PUBLIC void vm_client_manager_new_async(VmClientBus bus, VmClientManagerFlags flags,
                                                  GCancellable *cancellable,
                                                  GAsyncReadyCallback callback, gpointer user_data);
VM_CLIENT_PUBLIC VmClientManager *
vm_client_manager_new_for_connection_sync(GDBusConnection *connection, VmClientManagerFlags flags,
                                          GCancellable *cancellable, GError **error);
VM_CLIENT_PUBLIC void vm_client_manager_new_for_connection_async(GDBusConnection *connection,
                                                                 VmClientManagerFlags flags,
                                                                 GCancellable *cancellable,
                                                                 GAsyncReadyCallback callback,
                                                                 gpointer user_data);
/* Ends both new_async and new_for_connection_async. */
VM_CLIENT_PUBLIC VmClientManager *vm_client_manager_new_finish(GAsyncResult *result,
                                                               GError **error);

/* Known since the manager was made; a daemon that comes back may have others. */
VM_CLIENT_PUBLIC GDBusConnection *vm_client_manager_get_connection(VmClientManager *manager);
VM_CLIENT_PUBLIC char *vm_client_manager_dup_daemon_version(VmClientManager *manager);
VM_CLIENT_PUBLIC char *vm_client_manager_dup_mode(VmClientManager *manager);
VM_CLIENT_PUBLIC char **vm_client_manager_dup_features(VmClientManager *manager);
VM_CLIENT_PUBLIC gboolean vm_client_manager_has_feature(VmClientManager *manager,
                                                        const char *feature);
VM_CLIENT_PUBLIC gboolean vm_client_manager_get_daemon_running(VmClientManager *manager);

VM_CLIENT_PUBLIC void vm_client_manager_get_capabilities_async(VmClientManager *manager,
                                                               VmClientOptions *options,
                                                               GCancellable *cancellable,
                                                               GAsyncReadyCallback callback,
                                                               gpointer user_data);
VM_CLIENT_PUBLIC VmClientCapabilities *
vm_client_manager_get_capabilities_finish(VmClientManager *manager, GAsyncResult *result,
                                          GError **error);
VM_CLIENT_PUBLIC VmClientCapabilities *
vm_client_manager_get_capabilities_sync(VmClientManager *manager, VmClientOptions *options,
                                        GCancellable *cancellable, GError **error);

/* The configuration with every default filled in, as JSON. Files are not looked at. */
VM_CLIENT_PUBLIC void
vm_client_manager_validate_config_async(VmClientManager *manager, VmClientConfig *config,
                                        VmClientOptions *options, GCancellable *cancellable,
                                        GAsyncReadyCallback callback, gpointer user_data);
VM_CLIENT_PUBLIC char *vm_client_manager_validate_config_finish(VmClientManager *manager,
                                                                GAsyncResult *result,
                                                                GError **error);
VM_CLIENT_PUBLIC char *vm_client_manager_validate_config_sync(VmClientManager *manager,
                                                              VmClientConfig *config,
                                                              VmClientOptions *options,
                                                              GCancellable *cancellable,
                                                              GError **error);

VM_CLIENT_PUBLIC void
vm_client_manager_create_machine_async(VmClientManager *manager, const char *name,
                                       VmClientConfig *config, VmClientCreateFlags flags,
                                       VmClientOptions *options, GCancellable *cancellable,
                                       GAsyncReadyCallback callback, gpointer user_data);
VM_CLIENT_PUBLIC VmClientMachine *vm_client_manager_create_machine_finish(VmClientManager *manager,
                                                                          GAsyncResult *result,
                                                                          GError **error);
VM_CLIENT_PUBLIC VmClientMachine *
vm_client_manager_create_machine_sync(VmClientManager *manager, const char *name,
                                      VmClientConfig *config, VmClientCreateFlags flags,
                                      VmClientOptions *options, GCancellable *cancellable,
                                      GError **error);

VM_CLIENT_PUBLIC void
vm_client_manager_get_machine_async(VmClientManager *manager, const char *name,
                                    VmClientOptions *options, GCancellable *cancellable,
                                    GAsyncReadyCallback callback, gpointer user_data);
VM_CLIENT_PUBLIC VmClientMachine *vm_client_manager_get_machine_finish(VmClientManager *manager,
                                                                       GAsyncResult *result,
                                                                       GError **error);
VM_CLIENT_PUBLIC VmClientMachine *vm_client_manager_get_machine_sync(VmClientManager *manager,
                                                                     const char *name,
                                                                     VmClientOptions *options,
                                                                     GCancellable *cancellable,
                                                                     GError **error);

VM_CLIENT_PUBLIC void
vm_client_manager_get_or_create_machine_async(VmClientManager *manager, const char *name,
                                              VmClientConfig *config, VmClientCreateFlags flags,
                                              VmClientOptions *options, GCancellable *cancellable,
                                              GAsyncReadyCallback callback, gpointer user_data);
VM_CLIENT_PUBLIC VmClientMachine *
vm_client_manager_get_or_create_machine_finish(VmClientManager *manager, GAsyncResult *result,
                                               gboolean *ret_created, GError **error);
VM_CLIENT_PUBLIC VmClientMachine *
vm_client_manager_get_or_create_machine_sync(VmClientManager *manager, const char *name,
                                             VmClientConfig *config, VmClientCreateFlags flags,
                                             VmClientOptions *options, gboolean *ret_created,
                                             GCancellable *cancellable, GError **error);

/* The machines that the caller may see, as known now: no call is made. */
VM_CLIENT_PUBLIC GPtrArray *vm_client_manager_list_machines(VmClientManager *manager);

G_END_DECLS
