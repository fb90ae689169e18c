/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(VM_CLIENT_INSIDE) && !defined(VM_CLIENT_COMPILATION)
#error "Include <vmclient.h> only"
#endif

#include "vm-client-enums.h"

G_BEGIN_DECLS

#define VM_CLIENT_TYPE_CONFIG (vm_client_config_get_type())
VM_CLIENT_PUBLIC
G_DECLARE_FINAL_TYPE(VmClientConfig, vm_client_config, VM_CLIENT, CONFIG, GObject)

VM_CLIENT_PUBLIC VmClientConfig *vm_client_config_new(void);
VM_CLIENT_PUBLIC VmClientConfig *vm_client_config_new_from_file(const char *path, GError **error);
VM_CLIENT_PUBLIC VmClientConfig *vm_client_config_new_from_json(const char *json,
                                                                const char *folder, GError **error);

/* File names are opened when a machine is made of the config, relative ones from the folder. */
VM_CLIENT_PUBLIC void vm_client_config_set_kernel(VmClientConfig *config, const char *path);
VM_CLIENT_PUBLIC void vm_client_config_set_initrd(VmClientConfig *config, const char *path);
VM_CLIENT_PUBLIC void vm_client_config_set_bootloader(VmClientConfig *config, const char *path);
VM_CLIENT_PUBLIC void vm_client_config_set_params(VmClientConfig *config, const char *params);
VM_CLIENT_PUBLIC void vm_client_config_set_memory_mib(VmClientConfig *config, guint64 memory_mib);
VM_CLIENT_PUBLIC void vm_client_config_set_cpu_count(VmClientConfig *config, guint cpu_count);
VM_CLIENT_PUBLIC void vm_client_config_set_protected(VmClientConfig *config, gboolean is_protected);
VM_CLIENT_PUBLIC void vm_client_config_set_on_reboot(VmClientConfig *config, VmClientOnEnd on_end);
VM_CLIENT_PUBLIC void vm_client_config_set_on_crash(VmClientConfig *config, VmClientOnEnd on_end);

/* Any key of the configuration, also those that this library has no function for. */
VM_CLIENT_PUBLIC gboolean vm_client_config_set_value(VmClientConfig *config, const char *key,
                                                     GVariant *value, GError **error);
VM_CLIENT_PUBLIC GVariant *vm_client_config_get_value(VmClientConfig *config, const char *key);

/* Files by descriptor: for the string that the JSON uses, or for a key. */
VM_CLIENT_PUBLIC gboolean vm_client_config_attach_fd(VmClientConfig *config, const char *file,
                                                     int fd, GError **error);
VM_CLIENT_PUBLIC gboolean vm_client_config_set_file_fd(VmClientConfig *config, const char *key,
                                                       int fd, GError **error);
VM_CLIENT_PUBLIC char **vm_client_config_list_files(VmClientConfig *config);
VM_CLIENT_PUBLIC char *vm_client_config_to_json(VmClientConfig *config);

G_END_DECLS
