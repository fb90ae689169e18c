/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(VM_CLIENT_INSIDE) && !defined(VM_CLIENT_COMPILATION)
#error "Include <vmclient.h> only"
#endif

#include "vm-client-enums.h"

G_BEGIN_DECLS

/*
 * What a call is given beyond its arguments: the a{sv} of the D-Bus method, with file descriptors.
 * Wherever a function takes options, NULL means none.
 */
#define VM_CLIENT_TYPE_OPTIONS (vm_client_options_get_type())
VM_CLIENT_PUBLIC
G_DECLARE_FINAL_TYPE(VmClientOptions, vm_client_options, VM_CLIENT, OPTIONS, GObject)

VM_CLIENT_PUBLIC VmClientOptions *vm_client_options_new(void);
VM_CLIENT_PUBLIC void vm_client_options_set_value(VmClientOptions *options, const char *name,
                                                  GVariant *value);
VM_CLIENT_PUBLIC gboolean vm_client_options_set_fd(VmClientOptions *options, const char *name,
                                                   int fd, GError **error);
VM_CLIENT_PUBLIC gboolean vm_client_options_set_console(VmClientOptions *options, int fd,
                                                        gboolean be_writer, GError **error);

G_END_DECLS
