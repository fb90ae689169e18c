/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/run-end.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "protocol/protocol.h"

/* Signals by which people and service managers end processes; all others say that it failed. */
static bool is_kill(int signal_number)
{
        return signal_number == SIGKILL || signal_number == SIGTERM || signal_number == SIGINT ||
               signal_number == SIGHUP || signal_number == SIGQUIT;
}

static const char *signal_name(int signal_number)
{
        const char *name = sigabbrev_np(signal_number);

        return name ? name : "?";
}

static StopReason resolve_signal(const EndFacts *facts, char *detail, size_t size)
{
        if (facts->asked != STOP_REASON_NONE && facts->status == SIGKILL) {
                (void)snprintf(detail, size, "%s", facts->asked_detail);
                return facts->asked;
        }
        if (facts->has_frame) {
                (void)snprintf(detail, size,
                               "the monitor said that the run ended (%s), but was then killed by "
                               "signal %d (%s)",
                               stop_reason_to_string(facts->frame_reason), facts->status,
                               signal_name(facts->status));
                return STOP_REASON_CRASH;
        }
        if (is_kill(facts->status)) {
                (void)snprintf(detail, size,
                               "the monitor was killed by signal %d (%s), not by vmservice%s",
                               facts->status, signal_name(facts->status),
                               facts->status == SIGKILL
                                       ? ": by another process, or because memory ran out"
                                       : "");
                return STOP_REASON_KILLED;
        }
        (void)snprintf(detail, size, "the monitor was ended by signal %d (%s)%s", facts->status,
                       signal_name(facts->status),
                       facts->status == SIGSYS ? ": it made a system call that its filter forbids"
                                               : "");
        return STOP_REASON_CRASH;
}

static StopReason resolve_exit(const EndFacts *facts, char *detail, size_t size)
{
        StopReason by_code = monitor_exit_reason(facts->status);

        if (facts->has_frame) {
                (void)snprintf(detail, size,
                               "the monitor said that the run ended with %s, but its exit code is "
                               "%d",
                               facts->frame_reason == STOP_REASON_NONE
                                       ? "no reason"
                                       : stop_reason_to_string(facts->frame_reason),
                               facts->status);
                return STOP_REASON_CRASH;
        }
        if (facts->asked != STOP_REASON_NONE) {
                (void)snprintf(detail, size, "%s", facts->asked_detail);
                return facts->asked;
        }
        if (facts->frame_may_be_lost) {
                (void)snprintf(detail, size,
                               "known by the monitor's exit code %d: it ended while no vmserviced "
                               "was there to be told more",
                               facts->status);
                return by_code;
        }
        (void)snprintf(detail, size, "the monitor exited with code %d and did not say why",
                       facts->status);
        return STOP_REASON_CRASH;
}

static StopReason resolve(const EndFacts *facts, char *detail, size_t size)
{
        bool agrees = facts->has_frame && facts->frame_reason != STOP_REASON_NONE &&
                      (!facts->has_status ||
                       (facts->code == CLD_EXITED &&
                        monitor_exit_code(facts->frame_reason) == facts->status) ||
                       (facts->code != CLD_EXITED && facts->asked == STOP_REASON_KILLED &&
                        facts->status == SIGKILL));

        if (agrees) {
                /* Killed by us after its last event: the run had ended by then. */
                (void)snprintf(detail, size, "%s", facts->frame_detail ? facts->frame_detail : "");
                return facts->frame_reason;
        }
        if (!facts->has_status) {
                (void)snprintf(detail, size, "%s",
                               facts->lost_detail ? facts->lost_detail : "its end was not seen");
                return STOP_REASON_INFRASTRUCTURE_ERROR;
        }
        if (facts->code == CLD_EXITED)
                return resolve_exit(facts, detail, size);
        return resolve_signal(facts, detail, size);
}

StopReason run_end_resolve(const EndFacts *facts, char *detail, size_t size)
{
        StopReason reason = resolve(facts, detail, size);

        /* Before the first guest instruction everything but an order to end is a failed start. */
        if (!facts->started && reason != STOP_REASON_START_FAILED &&
            reason != STOP_REASON_INFRASTRUCTURE_ERROR &&
            !(reason == STOP_REASON_KILLED && facts->asked == STOP_REASON_KILLED))
                reason = STOP_REASON_START_FAILED;
        return reason;
}
