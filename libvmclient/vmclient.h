/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * libvmclient: virtual machines for applications (AVF: android.system.virtualmachine).
 *
 * Reference: the gi-docgen pages made from the comments in the sources; pkg-config vmclient-1,
 * GObject-Introspection namespace VmClient-1. This is the only header to include.
 */

#define VM_CLIENT_INSIDE
#include "vm-client-enums.h"

#include "vm-client-capabilities.h"
#include "vm-client-config.h"
#include "vm-client-error.h"
#include "vm-client-machine.h"
#include "vm-client-manager.h"
#include "vm-client-options.h"
#undef VM_CLIENT_INSIDE
