/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/report.h"

#include "vmctl/connect.h"
#include "vmctl/message.h"

VmClientCapabilities *report_fetch_quietly(const Context *context, VmClientManager *manager,
                                           json_object **ret_report, GError **error)
{
        VmClientCapabilities *capabilities;
        Await await;

        await_begin(&await, context->quiet, 0, "waiting for the daemon to look at the host");
        vm_client_manager_get_capabilities_async(manager, NULL, NULL, await_ready, &await);
        capabilities =
                vm_client_manager_get_capabilities_finish(manager, await_result(&await), error);
        await_end(&await);
        if (capabilities)
                *ret_report = json_tokener_parse(vm_client_capabilities_get_report(capabilities));
        return capabilities;
}

VmClientCapabilities *report_fetch(const Context *context, VmClientManager *manager,
                                   json_object **ret_report)
{
        g_autoptr(GError) error = NULL;
        VmClientCapabilities *capabilities =
                report_fetch_quietly(context, manager, ret_report, &error);

        if (!capabilities)
                report_error(NULL, error);
        return capabilities;
}

json_object *report_lookup(json_object *report, const char *pointer)
{
        json_object *value;

        return json_pointer_get(report, pointer, &value) == 0 ? value : NULL;
}

const char *report_string(json_object *report, const char *pointer)
{
        json_object *value = report_lookup(report, pointer);

        return value && json_object_is_type(value, json_type_string) ? json_object_get_string(value)
                                                                     : "";
}

uint64_t report_number(json_object *report, const char *pointer)
{
        return json_object_get_uint64(report_lookup(report, pointer));
}

double report_double(json_object *report, const char *pointer)
{
        return json_object_get_double(report_lookup(report, pointer));
}

bool report_bool(json_object *report, const char *pointer)
{
        return json_object_get_boolean(report_lookup(report, pointer));
}

int refuse_names(const Context *context)
{
        if (context->format != OUTPUT_NAME)
                return 0;
        message_error("%s has no names to print. Use -o table, json or jsonl.",
                      context->invocation->verb->name);
        return VMCTL_USAGE;
}
