/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The properties of one machine, as last heard of. */

#include "vm-client-private.h"

/* Bits of what changed; each is the property of VmClientMachine of that name. */
typedef enum ClientValue {
        CLIENT_VALUE_NAME,
        CLIENT_VALUE_ID,
        CLIENT_VALUE_OWNER,
        CLIENT_VALUE_TRANSIENT,
        CLIENT_VALUE_BOUND,
        CLIENT_VALUE_CONFIG,
        CLIENT_VALUE_STATE,
        CLIENT_VALUE_PAYLOAD_STATE,
        CLIENT_VALUE_RUN_ID,
        CLIENT_VALUE_STOP_REASON,
        CLIENT_VALUE_STOP_DETAIL,
        CLIENT_VALUE_PAYLOAD_EXIT_CODE,
        CLIENT_VALUE_MONITOR_PID,
        CLIENT_VALUE_STARTED_AT,
        CLIENT_VALUE_STOPPED_AT,
        CLIENT_VALUE_DELETED,
        CLIENT_N_VALUES,
} ClientValue;

typedef struct ClientValues {
        char *name, *id;
        guint owner;
        gboolean is_transient, is_bound;
        char *config;
        VmClientMachineState state;
        VmClientPayloadState payload_state;
        char *run_id;
        VmClientStopReason stop_reason;
        char *stop_detail;
        int payload_exit_code;
        guint monitor_pid;
        gint64 started_at, stopped_at; /* CLOCK_REALTIME microseconds */
        gboolean deleted;
} ClientValues;

void client_values_init(ClientValues *values);
void client_values_done(ClientValues *values);

/*
 * Takes an a{sv} of D-Bus properties over; names that are not known and values of a wrong type are
 * passed by. Returns the bits of what changed.
 */
guint client_values_update(ClientValues *values, GVariant *dictionary);

/* What a signal says ahead of PropertiesChanged, or after it. Return the bits of what changed. */
guint client_values_set_run(ClientValues *values, const char *run_id);
guint client_values_set_state(ClientValues *values, VmClientMachineState state);
guint client_values_set_payload(ClientValues *values, VmClientPayloadState state, int exit_code);
guint client_values_set_stopped(ClientValues *values, VmClientStopReason reason,
                                const char *detail);
