/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What of a machine's history has been told to the application. Signals of the daemon and, after a
 * daemon has come back, its properties go in; out come the events that are new, each once for each
 * run. Pure: no bus, no locks.
 */

#include "vm-client-private.h"
#include "vm-client-values.h"

typedef enum ClientEventType {
        CLIENT_EVENT_STATE_CHANGED,
        CLIENT_EVENT_PAYLOAD_STARTED,
        CLIENT_EVENT_PAYLOAD_READY,
        CLIENT_EVENT_PAYLOAD_FINISHED,
        CLIENT_EVENT_STOPPED,
} ClientEventType;

typedef struct ClientEvent {
        ClientEventType type;
        char *run_id;
        VmClientMachineState old_state, new_state; /* STATE_CHANGED */
        int exit_code;                             /* PAYLOAD_FINISHED */
        VmClientStopReason reason;                 /* STOPPED */
        char *detail;                              /* STOPPED */
} ClientEvent;

void client_event_free(gpointer event);

typedef struct ClientLedger {
        char *run_id;          /* the current or last run; "" if there was none */
        char *previous_run_id; /* the one before it: what still comes of it is stale */
        gboolean over;         /* STOPPED was told for run_id, or run_id is "" */
        VmClientMachineState state;
        VmClientPayloadState payload_state;
        VmClientStopReason reason; /* of run_id, once over */
        char *detail;
} ClientLedger;

/* Begins with what the values say; nothing of it is told. */
void client_ledger_init(ClientLedger *ledger, const ClientValues *values);
void client_ledger_done(ClientLedger *ledger);

/* The daemon's signals. New events are appended to events (of ClientEvent). */
void client_ledger_state_changed(ClientLedger *ledger, const char *run_id,
                                 VmClientMachineState new_state, GPtrArray *events);
void client_ledger_payload(ClientLedger *ledger, const char *run_id, VmClientPayloadState state,
                           int exit_code, GPtrArray *events);
void client_ledger_stopped(ClientLedger *ledger, const char *run_id, VmClientStopReason reason,
                           const char *detail, GPtrArray *events);

/* A snapshot of the properties, after an absence: tells what was missed. */
void client_ledger_reconcile(ClientLedger *ledger, const ClientValues *values, GPtrArray *events);

/* The machine is gone. If its run was not known to have ended, the end is told as UNKNOWN. */
void client_ledger_gone(ClientLedger *ledger, GPtrArray *events);
