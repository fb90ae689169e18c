/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The objects that applications hold, as seen from the hub. All run in the application's thread. */

#include "vm-client-hub.h"

/* The hub; or NULL and an error if the manager was made by g_object_new() alone. */
ClientHub *client_manager_hub(VmClientManager *manager, GError **error);
ClientHub *client_machine_hub(VmClientMachine *machine);
ClientRecord *client_machine_record(VmClientMachine *machine);

/* The one object that stands for record, made if there is none. A new reference. */
VmClientMachine *client_machine_for_record(VmClientManager *manager, ClientHub *hub,
                                           ClientRecord *record);

/* Emit signals and notifications. */
void client_machine_tell_values(VmClientMachine *machine, guint values);
void client_machine_tell_event(VmClientMachine *machine, const ClientEvent *event);
void client_manager_tell_machine(VmClientManager *manager, VmClientMachine *machine,
                                 gboolean added);
void client_manager_tell_daemon(VmClientManager *manager, guint values);
