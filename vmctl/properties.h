/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The properties of a machine by their D-Bus names, as text and as JSON. */

#include <json-c/json.h>
#include <stddef.h>

#include "libvmclient/vmclient.h"

typedef struct Property {
        const char *name;
        json_object *(*get)(VmClientMachine *machine); /* a new reference; a string or a number */
} Property;

extern const Property property_table[];
extern const size_t property_count;

const Property *property_find(const char *name);

/* As "show" prints it, unescaped: booleans are yes and no. g_free() */
char *property_to_text(const Property *property, VmClientMachine *machine);
