/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(VM_CLIENT_INSIDE) && !defined(VM_CLIENT_COMPILATION)
#error "Include <vmclient.h> only"
#endif

#include "vm-client-config.h"
#include "vm-client-enums.h"
#include "vm-client-options.h"

G_BEGIN_DECLS

/*
 * One virtual machine (AVF: android.system.virtualmachine.VirtualMachine). Its values follow the
 * daemon by themselves; the getters never block and may be called from any thread.
 */
#define VM_CLIENT_TYPE_MACHINE (vm_client_machine_get_type())
VM_CLIENT_PUBLIC
G_DECLARE_FINAL_TYPE(VmClientMachine, vm_client_machine, VM_CLIENT, MACHINE, GObject)

/* What never changes. */
VM_CLIENT_PUBLIC const char *vm_client_machine_get_name(VmClientMachine *machine);
VM_CLIENT_PUBLIC const char *vm_client_machine_get_id(VmClientMachine *machine);
VM_CLIENT_PUBLIC const char *vm_client_machine_get_object_path(VmClientMachine *machine);
VM_CLIENT_PUBLIC guint vm_client_machine_get_owner(VmClientMachine *machine);
VM_CLIENT_PUBLIC gboolean vm_client_machine_get_transient(VmClientMachine *machine);
VM_CLIENT_PUBLIC gboolean vm_client_machine_get_bound(VmClientMachine *machine);

/* What changes: the getters named dup_ return a copy, freed by g_free(). */
VM_CLIENT_PUBLIC VmClientMachineState vm_client_machine_get_state(VmClientMachine *machine);
VM_CLIENT_PUBLIC VmClientPayloadState vm_client_machine_get_payload_state(VmClientMachine *machine);
VM_CLIENT_PUBLIC char *vm_client_machine_dup_run_id(VmClientMachine *machine);
VM_CLIENT_PUBLIC VmClientStopReason vm_client_machine_get_stop_reason(VmClientMachine *machine);
VM_CLIENT_PUBLIC char *vm_client_machine_dup_stop_detail(VmClientMachine *machine);
VM_CLIENT_PUBLIC int vm_client_machine_get_payload_exit_code(VmClientMachine *machine);
VM_CLIENT_PUBLIC guint vm_client_machine_get_monitor_pid(VmClientMachine *machine);
VM_CLIENT_PUBLIC gint64 vm_client_machine_get_started_at(VmClientMachine *machine);
VM_CLIENT_PUBLIC gint64 vm_client_machine_get_stopped_at(VmClientMachine *machine);
VM_CLIENT_PUBLIC char *vm_client_machine_dup_config(VmClientMachine *machine);
VM_CLIENT_PUBLIC gboolean vm_client_machine_get_deleted(VmClientMachine *machine);

/* A copy of the configuration to change and give to set_config: unchanged files are kept. */
VM_CLIENT_PUBLIC VmClientConfig *vm_client_machine_edit_config(VmClientMachine *machine,
                                                               GError **error);

/* Start: returns the run id once the vCPUs run. AVF: run(). */
VM_CLIENT_PUBLIC void vm_client_machine_start_async(VmClientMachine *machine,
                                                    VmClientOptions *options,
                                                    GCancellable *cancellable,
                                                    GAsyncReadyCallback callback,
                                                    gpointer user_data);
VM_CLIENT_PUBLIC char *vm_client_machine_start_finish(VmClientMachine *machine,
                                                      GAsyncResult *result, GError **error);
VM_CLIENT_PUBLIC char *vm_client_machine_start_sync(VmClientMachine *machine,
                                                    VmClientOptions *options,
                                                    GCancellable *cancellable, GError **error);

/* Stop: presses the power button; deadline in microseconds, -1 for the daemon's own (30 s). */
VM_CLIENT_PUBLIC void vm_client_machine_stop_async(VmClientMachine *machine, gint64 deadline_usec,
                                                   VmClientOptions *options,
                                                   GCancellable *cancellable,
                                                   GAsyncReadyCallback callback,
                                                   gpointer user_data);
VM_CLIENT_PUBLIC gboolean vm_client_machine_stop_finish(VmClientMachine *machine,
                                                        GAsyncResult *result, GError **error);
VM_CLIENT_PUBLIC gboolean vm_client_machine_stop_sync(VmClientMachine *machine,
                                                      gint64 deadline_usec,
                                                      VmClientOptions *options,
                                                      GCancellable *cancellable, GError **error);

/* Kill: pulls the plug. AVF: stop(). */
VM_CLIENT_PUBLIC void vm_client_machine_kill_async(VmClientMachine *machine,
                                                   VmClientOptions *options,
                                                   GCancellable *cancellable,
                                                   GAsyncReadyCallback callback,
                                                   gpointer user_data);
VM_CLIENT_PUBLIC gboolean vm_client_machine_kill_finish(VmClientMachine *machine,
                                                        GAsyncResult *result, GError **error);
VM_CLIENT_PUBLIC gboolean vm_client_machine_kill_sync(VmClientMachine *machine,
                                                      VmClientOptions *options,
                                                      GCancellable *cancellable, GError **error);

VM_CLIENT_PUBLIC void vm_client_machine_reboot_async(VmClientMachine *machine,
                                                     VmClientOptions *options,
                                                     GCancellable *cancellable,
                                                     GAsyncReadyCallback callback,
                                                     gpointer user_data);
VM_CLIENT_PUBLIC gboolean vm_client_machine_reboot_finish(VmClientMachine *machine,
                                                          GAsyncResult *result, GError **error);
VM_CLIENT_PUBLIC gboolean vm_client_machine_reboot_sync(VmClientMachine *machine,
                                                        VmClientOptions *options,
                                                        GCancellable *cancellable, GError **error);

VM_CLIENT_PUBLIC void vm_client_machine_pause_async(VmClientMachine *machine,
                                                    VmClientOptions *options,
                                                    GCancellable *cancellable,
                                                    GAsyncReadyCallback callback,
                                                    gpointer user_data);
VM_CLIENT_PUBLIC gboolean vm_client_machine_pause_finish(VmClientMachine *machine,
                                                         GAsyncResult *result, GError **error);
VM_CLIENT_PUBLIC gboolean vm_client_machine_pause_sync(VmClientMachine *machine,
                                                       VmClientOptions *options,
                                                       GCancellable *cancellable, GError **error);

VM_CLIENT_PUBLIC void vm_client_machine_resume_async(VmClientMachine *machine,
                                                     VmClientOptions *options,
                                                     GCancellable *cancellable,
                                                     GAsyncReadyCallback callback,
                                                     gpointer user_data);
VM_CLIENT_PUBLIC gboolean vm_client_machine_resume_finish(VmClientMachine *machine,
                                                          GAsyncResult *result, GError **error);
VM_CLIENT_PUBLIC gboolean vm_client_machine_resume_sync(VmClientMachine *machine,
                                                        VmClientOptions *options,
                                                        GCancellable *cancellable, GError **error);

VM_CLIENT_PUBLIC void vm_client_machine_delete_async(VmClientMachine *machine,
                                                     VmClientOptions *options,
                                                     GCancellable *cancellable,
                                                     GAsyncReadyCallback callback,
                                                     gpointer user_data);
VM_CLIENT_PUBLIC gboolean vm_client_machine_delete_finish(VmClientMachine *machine,
                                                          GAsyncResult *result, GError **error);
VM_CLIENT_PUBLIC gboolean vm_client_machine_delete_sync(VmClientMachine *machine,
                                                        VmClientOptions *options,
                                                        GCancellable *cancellable, GError **error);

VM_CLIENT_PUBLIC void
vm_client_machine_set_config_async(VmClientMachine *machine, VmClientConfig *config,
                                   VmClientOptions *options, GCancellable *cancellable,
                                   GAsyncReadyCallback callback, gpointer user_data);
VM_CLIENT_PUBLIC gboolean vm_client_machine_set_config_finish(VmClientMachine *machine,
                                                              GAsyncResult *result, GError **error);
VM_CLIENT_PUBLIC gboolean vm_client_machine_set_config_sync(VmClientMachine *machine,
                                                            VmClientConfig *config,
                                                            VmClientOptions *options,
                                                            GCancellable *cancellable,
                                                            GError **error);

/* A new file descriptor, close-on-exec, that the caller owns; -1 on failure. */
VM_CLIENT_PUBLIC void
vm_client_machine_open_console_async(VmClientMachine *machine, VmClientConsoleFlags flags,
                                     VmClientOptions *options, GCancellable *cancellable,
                                     GAsyncReadyCallback callback, gpointer user_data);
VM_CLIENT_PUBLIC int vm_client_machine_open_console_finish(VmClientMachine *machine,
                                                           GAsyncResult *result, GError **error);
VM_CLIENT_PUBLIC int vm_client_machine_open_console_sync(VmClientMachine *machine,
                                                         VmClientConsoleFlags flags,
                                                         VmClientOptions *options,
                                                         GCancellable *cancellable, GError **error);
VM_CLIENT_PUBLIC void
vm_client_machine_open_log_async(VmClientMachine *machine, VmClientLogFlags flags,
                                 VmClientOptions *options, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data);
VM_CLIENT_PUBLIC int vm_client_machine_open_log_finish(VmClientMachine *machine,
                                                       GAsyncResult *result, GError **error);
VM_CLIENT_PUBLIC int vm_client_machine_open_log_sync(VmClientMachine *machine,
                                                     VmClientLogFlags flags,
                                                     VmClientOptions *options,
                                                     GCancellable *cancellable, GError **error);

/* An a{sv}; the keys are those of GetStats in the D-Bus reference. */
VM_CLIENT_PUBLIC void vm_client_machine_get_stats_async(VmClientMachine *machine,
                                                        VmClientOptions *options,
                                                        GCancellable *cancellable,
                                                        GAsyncReadyCallback callback,
                                                        gpointer user_data);
VM_CLIENT_PUBLIC GVariant *vm_client_machine_get_stats_finish(VmClientMachine *machine,
                                                              GAsyncResult *result, GError **error);
VM_CLIENT_PUBLIC GVariant *vm_client_machine_get_stats_sync(VmClientMachine *machine,
                                                            VmClientOptions *options,
                                                            GCancellable *cancellable,
                                                            GError **error);

/*
 * Waits for the end of the current run, or returns at once how the last one ended. The end is found
 * also if the daemon was away when it came. VM_CLIENT_STOP_REASON_NONE and an error on failure.
 */
VM_CLIENT_PUBLIC void vm_client_machine_wait_stopped_async(VmClientMachine *machine,
                                                           GCancellable *cancellable,
                                                           GAsyncReadyCallback callback,
                                                           gpointer user_data);
VM_CLIENT_PUBLIC VmClientStopReason vm_client_machine_wait_stopped_finish(VmClientMachine *machine,
                                                                          GAsyncResult *result,
                                                                          GError **error);
VM_CLIENT_PUBLIC VmClientStopReason vm_client_machine_wait_stopped_sync(VmClientMachine *machine,
                                                                        GCancellable *cancellable,
                                                                        GError **error);

/* Waits until the machine is, or has been since the call, in a state; fails if it cannot be. */
VM_CLIENT_PUBLIC void vm_client_machine_wait_state_async(VmClientMachine *machine,
                                                         VmClientMachineState state,
                                                         GCancellable *cancellable,
                                                         GAsyncReadyCallback callback,
                                                         gpointer user_data);
VM_CLIENT_PUBLIC gboolean vm_client_machine_wait_state_finish(VmClientMachine *machine,
                                                              GAsyncResult *result, GError **error);
VM_CLIENT_PUBLIC gboolean vm_client_machine_wait_state_sync(VmClientMachine *machine,
                                                            VmClientMachineState state,
                                                            GCancellable *cancellable,
                                                            GError **error);

/* Waits until the payload of the current run has got that far; fails if the run ends before. */
VM_CLIENT_PUBLIC void vm_client_machine_wait_payload_async(VmClientMachine *machine,
                                                           VmClientPayloadState payload_state,
                                                           GCancellable *cancellable,
                                                           GAsyncReadyCallback callback,
                                                           gpointer user_data);
VM_CLIENT_PUBLIC gboolean vm_client_machine_wait_payload_finish(VmClientMachine *machine,
                                                                GAsyncResult *result,
                                                                GError **error);
VM_CLIENT_PUBLIC gboolean vm_client_machine_wait_payload_sync(VmClientMachine *machine,
                                                              VmClientPayloadState payload_state,
                                                              GCancellable *cancellable,
                                                              GError **error);

G_END_DECLS
