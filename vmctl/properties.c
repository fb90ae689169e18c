/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/properties.h"

#include "common/string-util.h"
#include "vmctl/output.h"

/* get_Name(): a string that the machine owns, a copy that is ours, or a number. */
#define DEFINE_CONST_STRING(name, getter)                                                          \
        static json_object *get_##name(VmClientMachine *machine)                                   \
        {                                                                                          \
                return json_string(getter(machine));                                               \
        }                                                                                          \
        struct _swallow_semicolon_
#define DEFINE_STRING(name, getter)                                                                \
        static json_object *get_##name(VmClientMachine *machine)                                   \
        {                                                                                          \
                g_autofree char *text = getter(machine);                                           \
                return json_string(text);                                                          \
        }                                                                                          \
        struct _swallow_semicolon_
#define DEFINE_NUMBER(name, getter)                                                                \
        static json_object *get_##name(VmClientMachine *machine)                                   \
        {                                                                                          \
                return json_object_new_int64(getter(machine));                                     \
        }                                                                                          \
        struct _swallow_semicolon_

DEFINE_CONST_STRING(Name, vm_client_machine_get_name);
DEFINE_CONST_STRING(Id, vm_client_machine_get_id);
DEFINE_NUMBER(Owner, vm_client_machine_get_owner);
DEFINE_STRING(Config, vm_client_machine_dup_config);
DEFINE_STRING(RunId, vm_client_machine_dup_run_id);
DEFINE_STRING(StopDetail, vm_client_machine_dup_stop_detail);
DEFINE_NUMBER(PayloadExitCode, vm_client_machine_get_payload_exit_code);
DEFINE_NUMBER(MonitorPid, vm_client_machine_get_monitor_pid);
DEFINE_NUMBER(StartedAt, vm_client_machine_get_started_at);
DEFINE_NUMBER(StoppedAt, vm_client_machine_get_stopped_at);

static json_object *get_Transient(VmClientMachine *machine)
{
        return json_object_new_boolean(vm_client_machine_get_transient(machine));
}

static json_object *get_Lifetime(VmClientMachine *machine)
{
        return json_object_new_string(vm_client_machine_get_bound(machine) ? "bound" : "kept");
}

static json_object *get_State(VmClientMachine *machine)
{
        return json_string(vm_client_machine_state_to_string(vm_client_machine_get_state(machine)));
}

static json_object *get_PayloadState(VmClientMachine *machine)
{
        return json_string(
                vm_client_payload_state_to_string(vm_client_machine_get_payload_state(machine)));
}

static json_object *get_StopReason(VmClientMachine *machine)
{
        return json_string(
                vm_client_stop_reason_to_string(vm_client_machine_get_stop_reason(machine)));
}

#define PROPERTY(name)                                                                             \
        {                                                                                          \
#name, get_##name                                                                  \
        }

const Property property_table[] = {
        PROPERTY(Name),       PROPERTY(Id),           PROPERTY(Owner),
        PROPERTY(Transient),  PROPERTY(Lifetime),     PROPERTY(State),
        PROPERTY(RunId),      PROPERTY(PayloadState), PROPERTY(PayloadExitCode),
        PROPERTY(StopReason), PROPERTY(StopDetail),   PROPERTY(MonitorPid),
        PROPERTY(StartedAt),  PROPERTY(StoppedAt),    PROPERTY(Config),
};

const size_t property_count = G_N_ELEMENTS(property_table);

const Property *property_find(const char *name)
{
        for (size_t i = 0; i < property_count; i++)
                if (streq(property_table[i].name, name))
                        return &property_table[i];
        return NULL;
}

char *property_to_text(const Property *property, VmClientMachine *machine)
{
        json_object *value = property->get(machine);
        char *text;

        if (json_object_is_type(value, json_type_boolean))
                text = g_strdup(json_object_get_boolean(value) ? "yes" : "no");
        else
                text = g_strdup(value ? json_object_get_string(value) : "");
        json_object_put(value);
        return text;
}
