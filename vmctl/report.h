/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon's capability report (data/capabilities.schema.json), looked into by JSON pointers. */

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "libvmclient/vmclient.h"
#include "vmctl/vmctl.h"

/* The capabilities and, in *ret_report, a new reference to the report; NULL, error printed. */
VmClientCapabilities *report_fetch(const Context *context, VmClientManager *manager,
                                   json_object **ret_report);
/* The same without printing: the error is the caller's. */
VmClientCapabilities *report_fetch_quietly(const Context *context, VmClientManager *manager,
                                           json_object **ret_report, GError **error);

/* What stands at pointer, borrowed; NULL, "", 0 or false where there is nothing of the kind. */
json_object *report_lookup(json_object *report, const char *pointer);
const char *report_string(json_object *report, const char *pointer);
uint64_t report_number(json_object *report, const char *pointer);
double report_double(json_object *report, const char *pointer);
bool report_bool(json_object *report, const char *pointer);

/* Verbs about one thing have no names to print: -o name is refused. 0 or an exit code. */
int refuse_names(const Context *context);
