/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "protocol/protocol.h"

#define TOKEN_LENGTH 32U
#define NAME_MAX_LEN 64U

const JsonField protocol_hello_fields[] = {
        {"versions", JSON_FIELD_JSON, offsetof(ProtocolHello, versions), .required = true,
         .doc = "Array of the protocol versions that the daemon speaks."},
        {"token", JSON_FIELD_STRING, offsetof(ProtocolHello, token), .min = TOKEN_LENGTH,
         .max = TOKEN_LENGTH, .required = true,
         .doc = "32 fresh hexadecimal digits, which the reply repeats."},
        {NULL},
};

const JsonField protocol_hello_reply_fields[] = {
        {"version", JSON_FIELD_U64, offsetof(ProtocolHelloReply, version), .min = 1,
         .max = UINT32_MAX, .required = true, .doc = "The version that was chosen."},
        {"token", JSON_FIELD_STRING, offsetof(ProtocolHelloReply, token), .min = TOKEN_LENGTH,
         .max = TOKEN_LENGTH, .required = true, .doc = "The request's token."},
        {"monitor", JSON_FIELD_STRING, offsetof(ProtocolHelloReply, monitor), .min = 1,
         .max = NAME_MAX_LEN, .required = true, .doc = "The monitor's name."},
        {"monitor_version", JSON_FIELD_STRING, offsetof(ProtocolHelloReply, monitor_version),
         .min = 1, .max = NAME_MAX_LEN, .required = true, .doc = "The monitor's own version."},
        {NULL},
};

const JsonField protocol_start_fields[] = {
        {"config", JSON_FIELD_JSON, offsetof(ProtocolStart, config), .required = true,
         .doc = "The machine's configuration."},
        {"run_id", JSON_FIELD_STRING, offsetof(ProtocolStart, run_id), .min = TOKEN_LENGTH,
         .max = TOKEN_LENGTH, .required = true, .doc = "Names the run: 32 hexadecimal digits."},
        {"log", JSON_FIELD_BOOL, offsetof(ProtocolStart, log),
         .doc = "Whether a descriptor for the console log is passed."},
        {"log_previous", JSON_FIELD_BOOL, offsetof(ProtocolStart, log_previous),
         .doc = "Whether a descriptor for the log's rotated part is passed."},
        {NULL},
};

const JsonField protocol_console_fields[] = {
        {"write", JSON_FIELD_BOOL, offsetof(ProtocolConsole, write),
         .doc = "Whether the passed socket is also read for guest input."},
        {"steal", JSON_FIELD_BOOL, offsetof(ProtocolConsole, steal),
         .doc = "Whether a present writer is replaced."},
        {"scrollback", JSON_FIELD_BOOL, offsetof(ProtocolConsole, scrollback),
         .default_value = true, .doc = "Whether the ring's content is sent first."},
        {NULL},
};

const JsonField protocol_state_fields[] = {
        {"state", JSON_FIELD_ENUM, offsetof(ProtocolState, state), .names = machine_state_names,
         .required = true, .doc = "The machine's state now."},
        {NULL},
};

const JsonField protocol_payload_fields[] = {
        {"state", JSON_FIELD_ENUM, offsetof(ProtocolPayload, state), .names = payload_state_names,
         .required = true, .doc = "The payload's state now."},
        {"exit_code", JSON_FIELD_I64, offsetof(ProtocolPayload, exit_code),
         .min = (uint64_t)INT32_MIN, .max = INT32_MAX, .default_value = (uint64_t)-1,
         .doc = "Of a finished payload; -1: none."},
        {NULL},
};

const JsonField protocol_console_writer_fields[] = {
        {"attached", JSON_FIELD_BOOL, offsetof(ProtocolConsoleWriter, attached), .required = true,
         .doc = "Whether the console has a writer now."},
        {NULL},
};

const JsonField protocol_ended_fields[] = {
        {"reason", JSON_FIELD_ENUM, offsetof(ProtocolEnded, reason), .names = stop_reason_names,
         .required = true, .doc = "How the run ended."},
        {"detail", JSON_FIELD_STRING, offsetof(ProtocolEnded, detail), .min = 0, .max = 1024,
         .doc = "One sentence for people."},
        {"exit_code", JSON_FIELD_I64, offsetof(ProtocolEnded, exit_code),
         .min = (uint64_t)INT32_MIN, .max = INT32_MAX, .default_value = (uint64_t)-1,
         .doc = "The payload's exit code; -1: none."},
        {NULL},
};

const JsonField protocol_stats_fields[] = {
        {"uptime_usec", JSON_FIELD_U64, offsetof(ProtocolStats, uptime_usec), .required = true,
         .unit = "microseconds", .doc = "Since the first guest instruction."},
        {"vcpu_count", JSON_FIELD_U64, offsetof(ProtocolStats, vcpu_count), .required = true,
         .doc = "The number of vCPUs."},
        {"run_time_usec", JSON_FIELD_JSON, offsetof(ProtocolStats, run_time_usec), .required = true,
         .doc = "Array: the processor time of each vCPU in microseconds."},
        {"exits", JSON_FIELD_JSON, offsetof(ProtocolStats, exits), .required = true,
         .doc = "Object: exit reason to count."},
        {"console_bytes", JSON_FIELD_U64, offsetof(ProtocolStats, console_bytes), .unit = "bytes",
         .doc = "Console output so far."},
        {"console_dropped", JSON_FIELD_U64, offsetof(ProtocolStats, console_dropped),
         .unit = "bytes", .doc = "Console output that readers were too slow for."},
        {"resets", JSON_FIELD_U64, offsetof(ProtocolStats, resets),
         .doc = "How often the guest was reset in this run."},
        {"memory_bytes", JSON_FIELD_U64, offsetof(ProtocolStats, memory_bytes), .unit = "bytes",
         .doc = "The guest's memory."},
        {"rss_bytes", JSON_FIELD_U64, offsetof(ProtocolStats, rss_bytes), .unit = "bytes",
         .doc = "The monitor's resident memory, guest memory included."},
        {NULL},
};

const JsonField protocol_snapshot_fields[] = {
        {"state", JSON_FIELD_ENUM, offsetof(ProtocolSnapshot, state), .names = machine_state_names,
         .required = true, .doc = "The machine's state now."},
        {"run_id", JSON_FIELD_STRING, offsetof(ProtocolSnapshot, run_id), .min = TOKEN_LENGTH,
         .max = TOKEN_LENGTH, .doc = "Of the start request; absent before it."},
        {"payload_state", JSON_FIELD_ENUM, offsetof(ProtocolSnapshot, payload_state),
         .names = payload_state_names, .required = true, .doc = "The payload's state now."},
        {"payload_exit_code", JSON_FIELD_I64, offsetof(ProtocolSnapshot, payload_exit_code),
         .min = (uint64_t)INT32_MIN, .max = INT32_MAX, .default_value = (uint64_t)-1,
         .doc = "Of a finished payload; -1: none."},
        {"console_writer", JSON_FIELD_BOOL, offsetof(ProtocolSnapshot, console_writer),
         .required = true, .doc = "Whether the console has a writer now."},
        {"seq", JSON_FIELD_U64, offsetof(ProtocolSnapshot, seq), .required = true,
         .doc = "The number of the last event; 0: none was sent."},
        {NULL},
};

int protocol_hello_choose(const ProtocolHello *hello)
{
        bool is_known = false;

        if (!json_object_is_type(hello->versions, json_type_array))
                return -EBADMSG;
        for (size_t i = 0; i < json_object_array_length(hello->versions); i++) {
                json_object *version = json_object_array_get_idx(hello->versions, i);

                if (!json_object_is_type(version, json_type_int))
                        return -EBADMSG;
                is_known |= json_object_get_int64(version) == PROTOCOL_VERSION;
        }
        return is_known ? PROTOCOL_VERSION : -EPROTONOSUPPORT;
}

/*
 * Part of the protocol: a daemon may be younger than the monitor that it adopts. Never renumbered.
 * 1 and what a shell or a signal would give stay free.
 */
static const int exit_codes[_STOP_REASON_MAX] = {
        [STOP_REASON_NONE] = 16, /* a run that ended without a reason: the monitor is at fault */
        [STOP_REASON_SHUTDOWN] = 0,
        [STOP_REASON_REBOOT] = 10,
        [STOP_REASON_GUEST_PANIC] = 11,
        [STOP_REASON_TRIPLE_FAULT] = 12,
        [STOP_REASON_WATCHDOG_REBOOT] = 13,
        [STOP_REASON_HANGUP] = 14,
        [STOP_REASON_KILLED] = 15,
        [STOP_REASON_CRASH] = 16,
        [STOP_REASON_START_FAILED] = 17,
        [STOP_REASON_INFRASTRUCTURE_ERROR] = 18,
        [STOP_REASON_UNKNOWN] = 19,
};

int monitor_exit_code(StopReason reason)
{
        return (size_t)reason < _STOP_REASON_MAX ? exit_codes[reason]
                                                 : exit_codes[STOP_REASON_CRASH];
}

StopReason monitor_exit_reason(int exit_code)
{
        for (StopReason reason = STOP_REASON_SHUTDOWN; reason < _STOP_REASON_MAX; reason++)
                if (exit_codes[reason] == exit_code)
                        return reason;
        return STOP_REASON_CRASH;
}
