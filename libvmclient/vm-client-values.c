/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-client-values.h"

void client_values_init(ClientValues *values)
{
        *values = (ClientValues){
                .name = g_strdup(""),
                .id = g_strdup(""),
                .config = g_strdup("{}"),
                .run_id = g_strdup(""),
                .stop_detail = g_strdup(""),
                .payload_exit_code = -1,
        };
}

void client_values_done(ClientValues *values)
{
        g_clear_pointer(&values->name, g_free);
        g_clear_pointer(&values->id, g_free);
        g_clear_pointer(&values->config, g_free);
        g_clear_pointer(&values->run_id, g_free);
        g_clear_pointer(&values->stop_detail, g_free);
}

#define BIT(value) (1U << (value))

static guint set_string(char **slot, const char *text, guint bit)
{
        if (g_str_equal(*slot, text))
                return 0;
        g_free(*slot);
        *slot = g_strdup(text);
        return bit;
}

static guint set_int(int *slot, int number, guint bit)
{
        guint changed = *slot == number ? 0 : bit;

        *slot = number;
        return changed;
}

static guint set_uint(guint *slot, guint number, guint bit)
{
        guint changed = *slot == number ? 0 : bit;

        *slot = number;
        return changed;
}

static guint set_time(gint64 *slot, guint64 usec, guint bit)
{
        gint64 time = (gint64)MIN(usec, (guint64)G_MAXINT64);
        guint changed = *slot == time ? 0 : bit;

        *slot = time;
        return changed;
}

static guint update_text(ClientValues *values, const char *name, const char *text)
{
        if (g_str_equal(name, "Name"))
                return set_string(&values->name, text, BIT(CLIENT_VALUE_NAME));
        if (g_str_equal(name, "Id"))
                return set_string(&values->id, text, BIT(CLIENT_VALUE_ID));
        if (g_str_equal(name, "Lifetime"))
                return set_int(&values->is_bound, g_str_equal(text, "bound"),
                               BIT(CLIENT_VALUE_BOUND));
        if (g_str_equal(name, "Config"))
                return set_string(&values->config, text, BIT(CLIENT_VALUE_CONFIG));
        if (g_str_equal(name, "State"))
                return client_values_set_state(values, client_machine_state_from_string(text));
        if (g_str_equal(name, "PayloadState"))
                return client_values_set_payload(values, client_payload_state_from_string(text),
                                                 values->payload_exit_code);
        if (g_str_equal(name, "RunId"))
                return set_string(&values->run_id, text, BIT(CLIENT_VALUE_RUN_ID));
        if (g_str_equal(name, "StopReason")) {
                guint changed = values->stop_reason == client_stop_reason_from_string(text)
                                        ? 0
                                        : BIT(CLIENT_VALUE_STOP_REASON);

                values->stop_reason = client_stop_reason_from_string(text);
                return changed;
        }
        if (g_str_equal(name, "StopDetail"))
                return set_string(&values->stop_detail, text, BIT(CLIENT_VALUE_STOP_DETAIL));
        return 0;
}

static guint update_one(ClientValues *values, const char *name, GVariant *value)
{
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_STRING))
                return update_text(values, name, g_variant_get_string(value, NULL));
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_BOOLEAN) && g_str_equal(name, "Transient"))
                return set_int(&values->is_transient, g_variant_get_boolean(value),
                               BIT(CLIENT_VALUE_TRANSIENT));
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_INT32) &&
            g_str_equal(name, "PayloadExitCode"))
                return set_int(&values->payload_exit_code, g_variant_get_int32(value),
                               BIT(CLIENT_VALUE_PAYLOAD_EXIT_CODE));
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_UINT32)) {
                if (g_str_equal(name, "Owner"))
                        return set_uint(&values->owner, g_variant_get_uint32(value),
                                        BIT(CLIENT_VALUE_OWNER));
                if (g_str_equal(name, "MonitorPid"))
                        return set_uint(&values->monitor_pid, g_variant_get_uint32(value),
                                        BIT(CLIENT_VALUE_MONITOR_PID));
        }
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_UINT64)) {
                if (g_str_equal(name, "StartedAt"))
                        return set_time(&values->started_at, g_variant_get_uint64(value),
                                        BIT(CLIENT_VALUE_STARTED_AT));
                if (g_str_equal(name, "StoppedAt"))
                        return set_time(&values->stopped_at, g_variant_get_uint64(value),
                                        BIT(CLIENT_VALUE_STOPPED_AT));
        }
        return 0;
}

guint client_values_update(ClientValues *values, GVariant *dictionary)
{
        GVariantIter iter;
        const char *name;
        GVariant *value;
        guint changed = 0;

        g_variant_iter_init(&iter, dictionary);
        while (g_variant_iter_loop(&iter, "{&sv}", &name, &value))
                changed |= update_one(values, name, value);
        return changed;
}

guint client_values_set_run(ClientValues *values, const char *run_id)
{
        guint changed = *run_id ? set_string(&values->run_id, run_id, BIT(CLIENT_VALUE_RUN_ID)) : 0;

        if (!changed)
                return 0;
        changed |= client_values_set_payload(values, VM_CLIENT_PAYLOAD_STATE_NONE, -1);
        if (values->stop_reason != VM_CLIENT_STOP_REASON_NONE)
                changed |= BIT(CLIENT_VALUE_STOP_REASON);
        values->stop_reason = VM_CLIENT_STOP_REASON_NONE;
        return changed | set_string(&values->stop_detail, "", BIT(CLIENT_VALUE_STOP_DETAIL));
}

guint client_values_set_state(ClientValues *values, VmClientMachineState state)
{
        guint changed = values->state == state ? 0 : BIT(CLIENT_VALUE_STATE);

        values->state = state;
        return changed;
}

guint client_values_set_payload(ClientValues *values, VmClientPayloadState state, int exit_code)
{
        guint changed = values->payload_state == state ? 0 : BIT(CLIENT_VALUE_PAYLOAD_STATE);

        values->payload_state = state;
        return changed |
               set_int(&values->payload_exit_code, exit_code, BIT(CLIENT_VALUE_PAYLOAD_EXIT_CODE));
}

/* A run that is over leaves the machine stopped, whichever message is heard first. */
guint client_values_set_stopped(ClientValues *values, VmClientStopReason reason, const char *detail)
{
        guint changed = client_values_set_state(values, VM_CLIENT_MACHINE_STATE_STOPPED);

        if (values->stop_reason != reason)
                changed |= BIT(CLIENT_VALUE_STOP_REASON);
        values->stop_reason = reason;
        changed |= set_uint(&values->monitor_pid, 0, BIT(CLIENT_VALUE_MONITOR_PID));
        return changed | set_string(&values->stop_detail, detail, BIT(CLIENT_VALUE_STOP_DETAIL));
}
