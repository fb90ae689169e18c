/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(VM_CLIENT_INSIDE) && !defined(VM_CLIENT_COMPILATION)
#error "Include <vmclient.h> only"
#endif

#include "vm-client-enums.h"

G_BEGIN_DECLS

#define VM_CLIENT_TYPE_CAPABILITIES (vm_client_capabilities_get_type())
VM_CLIENT_PUBLIC
G_DECLARE_FINAL_TYPE(VmClientCapabilities, vm_client_capabilities, VM_CLIENT, CAPABILITIES, GObject)

VM_CLIENT_PUBLIC VmClientCapabilityFlags
vm_client_capabilities_get_mask(VmClientCapabilities *capabilities);
VM_CLIENT_PUBLIC const char *vm_client_capabilities_get_report(VmClientCapabilities *capabilities);
VM_CLIENT_PUBLIC GVariant *vm_client_capabilities_lookup(VmClientCapabilities *capabilities,
                                                         const char *pointer);
VM_CLIENT_PUBLIC gboolean
vm_client_capabilities_has_hardware_speed(VmClientCapabilities *capabilities);
VM_CLIENT_PUBLIC double vm_client_capabilities_get_speed_ratio(VmClientCapabilities *capabilities);

G_END_DECLS
