/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * From the daemon's negative errno to the D-Bus error name, by the table of dbus/names.json. For
 * *-dbus.c and the dispatcher: nobody else knows D-Bus error names.
 */

/* Never NULL: what the table does not know is InfrastructureError. */
const char *error_to_bus_name(int error);
