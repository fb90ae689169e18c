/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the library share. Nothing here is exported: names begin with client_. */

#define VM_CLIENT_COMPILATION
#define G_LOG_DOMAIN "VmClient"

#include <gio/gunixfdlist.h>

#include "vmclient.h"

VmClientMachineState client_machine_state_from_string(const char *name);
VmClientPayloadState client_payload_state_from_string(const char *name);
VmClientStopReason client_stop_reason_from_string(const char *name);

/* Errors: see vm-client-error.c. */
GError *client_error_translate(GError *error);
GError *client_error_no_bus(VmClientBus bus, GError *error);

/* Options: see vm-client-options.c. */
gboolean client_options_merge(VmClientOptions *options, GVariantDict *dict, GUnixFDList *fds,
                              GError **error);

VmClientCapabilities *client_capabilities_new(guint32 mask, const char *report, GError **error);
