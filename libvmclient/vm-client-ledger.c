/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-client-ledger.h"

void client_event_free(gpointer data)
{
        ClientEvent *event = data;

        g_free(event->run_id);
        g_free(event->detail);
        g_free(event);
}

static ClientEvent *tell(ClientLedger *ledger, ClientEventType type, GPtrArray *events)
{
        ClientEvent *event = g_new0(ClientEvent, 1);

        event->type = type;
        event->run_id = g_strdup(ledger->run_id);
        g_ptr_array_add(events, event);
        return event;
}

void client_ledger_init(ClientLedger *ledger, const ClientValues *values)
{
        *ledger = (ClientLedger){
                .run_id = g_strdup(values->run_id),
                .previous_run_id = g_strdup(""),
                .state = values->state,
                .payload_state = values->payload_state,
                .reason = values->stop_reason,
                .detail = g_strdup(values->stop_detail),
                .over = *values->run_id == '\0' ||
                        values->stop_reason != VM_CLIENT_STOP_REASON_NONE,
        };
}

void client_ledger_done(ClientLedger *ledger)
{
        g_clear_pointer(&ledger->run_id, g_free);
        g_clear_pointer(&ledger->previous_run_id, g_free);
        g_clear_pointer(&ledger->detail, g_free);
}

static void end_run(ClientLedger *ledger, VmClientStopReason reason, const char *detail,
                    GPtrArray *events)
{
        ClientEvent *event;

        if (ledger->over)
                return;
        ledger->over = TRUE;
        ledger->reason = reason;
        g_free(ledger->detail);
        ledger->detail = g_strdup(detail);
        event = tell(ledger, CLIENT_EVENT_STOPPED, events);
        event->reason = reason;
        event->detail = g_strdup(detail);
}

/* FALSE if what is told of run_id is stale, or of no run. */
static gboolean enter_run(ClientLedger *ledger, const char *run_id, GPtrArray *events)
{
        if (g_str_equal(ledger->run_id, run_id))
                return TRUE;
        if (*run_id == '\0' || g_str_equal(ledger->previous_run_id, run_id))
                return FALSE;
        end_run(ledger, VM_CLIENT_STOP_REASON_UNKNOWN,
                "The run ended unseen, while vmserviced was away; a later run has taken its place.",
                events);
        g_free(ledger->previous_run_id);
        ledger->previous_run_id = ledger->run_id;
        ledger->run_id = g_strdup(run_id);
        ledger->over = FALSE;
        ledger->payload_state = VM_CLIENT_PAYLOAD_STATE_NONE;
        ledger->reason = VM_CLIENT_STOP_REASON_NONE;
        return TRUE;
}

static void advance_state(ClientLedger *ledger, VmClientMachineState state, GPtrArray *events)
{
        ClientEvent *event;

        if (ledger->state == state)
                return;
        event = tell(ledger, CLIENT_EVENT_STATE_CHANGED, events);
        event->old_state = ledger->state;
        event->new_state = state;
        ledger->state = state;
}

/* A payload that is ready, or has finished, was started; one that has finished need not have been
 * ready. */
static void advance_payload(ClientLedger *ledger, VmClientPayloadState state, int exit_code,
                            GPtrArray *events)
{
        VmClientPayloadState before = ledger->payload_state;

        if (state <= before)
                return;
        ledger->payload_state = state;
        if (before < VM_CLIENT_PAYLOAD_STATE_STARTED)
                tell(ledger, CLIENT_EVENT_PAYLOAD_STARTED, events);
        if (state == VM_CLIENT_PAYLOAD_STATE_READY)
                tell(ledger, CLIENT_EVENT_PAYLOAD_READY, events);
        if (state == VM_CLIENT_PAYLOAD_STATE_FINISHED)
                tell(ledger, CLIENT_EVENT_PAYLOAD_FINISHED, events)->exit_code = exit_code;
}

void client_ledger_state_changed(ClientLedger *ledger, const char *run_id,
                                 VmClientMachineState new_state, GPtrArray *events)
{
        if (enter_run(ledger, run_id, events))
                advance_state(ledger, new_state, events);
}

void client_ledger_payload(ClientLedger *ledger, const char *run_id, VmClientPayloadState state,
                           int exit_code, GPtrArray *events)
{
        if (enter_run(ledger, run_id, events))
                advance_payload(ledger, state, exit_code, events);
}

void client_ledger_stopped(ClientLedger *ledger, const char *run_id, VmClientStopReason reason,
                           const char *detail, GPtrArray *events)
{
        if (enter_run(ledger, run_id, events))
                end_run(ledger, reason, detail, events);
}

void client_ledger_reconcile(ClientLedger *ledger, const ClientValues *values, GPtrArray *events)
{
        gboolean stopped = values->state == VM_CLIENT_MACHINE_STATE_STOPPED;

        if (*values->run_id != '\0' && !enter_run(ledger, values->run_id, events))
                return;
        advance_payload(ledger, values->payload_state, values->payload_exit_code, events);
        advance_state(ledger, values->state, events);
        if (values->stop_reason != VM_CLIENT_STOP_REASON_NONE)
                end_run(ledger, values->stop_reason, values->stop_detail, events);
        else if (stopped)
                end_run(ledger, VM_CLIENT_STOP_REASON_UNKNOWN,
                        "The run ended unseen, while vmserviced was away.", events);
}

void client_ledger_gone(ClientLedger *ledger, GPtrArray *events)
{
        if (!ledger->over)
                advance_state(ledger, VM_CLIENT_MACHINE_STATE_STOPPED, events);
        end_run(ledger, VM_CLIENT_STOP_REASON_UNKNOWN,
                "The machine is gone; how its run ended was not told.", events);
}
