/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(VM_CLIENT_INSIDE) && !defined(VM_CLIENT_COMPILATION)
#error "Include <vmclient.h> only"
#endif

#include "vm-client-enums.h"

G_BEGIN_DECLS

/**
 * VmClientError:
 * @VM_CLIENT_ERROR_FAILED: an error that this library has no code for; the message has its name
 * @VM_CLIENT_ERROR_NO_SUCH_MACHINE: no machine of this name is visible to the caller
 * @VM_CLIENT_ERROR_MACHINE_EXISTS: the caller already has a machine of this name
 * @VM_CLIENT_ERROR_INVALID_NAME: the machine name breaks the name rules
 * @VM_CLIENT_ERROR_INVALID_CONFIG: the configuration was refused
 * @VM_CLIENT_ERROR_INVALID_OPTION: an option is unknown, of the wrong type or out of range
 * @VM_CLIENT_ERROR_INVALID_FILE: a file is missing, unreadable or of the wrong kind
 * @VM_CLIENT_ERROR_INVALID_IMAGE: the kernel or initrd image cannot be booted
 * @VM_CLIENT_ERROR_WRONG_STATE: the machine's state does not allow this
 * @VM_CLIENT_ERROR_INCOMPATIBLE_CONFIG: the new configuration would change what may not change
 * @VM_CLIENT_ERROR_QUOTA_EXCEEDED: a limit of the caller's uid is reached
 * @VM_CLIENT_ERROR_NOT_AUTHORIZED: the caller may not do this
 * @VM_CLIENT_ERROR_NOT_SUPPORTED: this host, monitor or daemon cannot do it
 * @VM_CLIENT_ERROR_KVM_UNAVAILABLE: `/dev/kvm` is absent, unusable or forbidden
 * @VM_CLIENT_ERROR_NOT_ENOUGH_MEMORY: the host has not the memory that was asked for
 * @VM_CLIENT_ERROR_START_FAILED: the monitor could not start the guest
 * @VM_CLIENT_ERROR_TIMED_OUT: a deadline ran out
 * @VM_CLIENT_ERROR_INFRASTRUCTURE: a part of vmservice itself failed
 * @VM_CLIENT_ERROR_SERVICE_UNAVAILABLE: there is no bus or no daemon, and it cannot be started
 * @VM_CLIENT_ERROR_SERVICE_LOST: the daemon or the bus went away during the call; whether it
 *   took effect is unknown
 *
 * Errors of the domain [func@Error.quark]. All but the first and the last two stand one to one for
 * the D-Bus errors `org.vmservice1.Error.*`. Every message names the cause and the fix.
 */
typedef enum {
        VM_CLIENT_ERROR_FAILED = 0,
        VM_CLIENT_ERROR_NO_SUCH_MACHINE = 1,
        VM_CLIENT_ERROR_MACHINE_EXISTS = 2,
        VM_CLIENT_ERROR_INVALID_NAME = 3,
        VM_CLIENT_ERROR_INVALID_CONFIG = 4,
        VM_CLIENT_ERROR_INVALID_OPTION = 5,
        VM_CLIENT_ERROR_INVALID_FILE = 6,
        VM_CLIENT_ERROR_INVALID_IMAGE = 7,
        VM_CLIENT_ERROR_WRONG_STATE = 8,
        VM_CLIENT_ERROR_INCOMPATIBLE_CONFIG = 9,
        VM_CLIENT_ERROR_QUOTA_EXCEEDED = 10,
        VM_CLIENT_ERROR_NOT_AUTHORIZED = 11,
        VM_CLIENT_ERROR_NOT_SUPPORTED = 12,
        VM_CLIENT_ERROR_KVM_UNAVAILABLE = 13,
        VM_CLIENT_ERROR_NOT_ENOUGH_MEMORY = 14,
        VM_CLIENT_ERROR_START_FAILED = 15,
        VM_CLIENT_ERROR_TIMED_OUT = 16,
        VM_CLIENT_ERROR_INFRASTRUCTURE = 17,
        VM_CLIENT_ERROR_SERVICE_UNAVAILABLE = 18,
        VM_CLIENT_ERROR_SERVICE_LOST = 19,
} VmClientError;

/**
 * VM_CLIENT_ERROR:
 *
 * The error domain of this library.
 */
#define VM_CLIENT_ERROR (vm_client_error_quark())
VM_CLIENT_PUBLIC GQuark vm_client_error_quark(void);

#define VM_CLIENT_TYPE_ERROR (vm_client_error_get_type())
VM_CLIENT_PUBLIC GType vm_client_error_get_type(void) G_GNUC_CONST;

G_END_DECLS
