/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The frames between daemon and monitor: one JSON object per SOCK_SEQPACKET message, at most 64
 * KiB, file descriptors by SCM_RIGHTS. Both ends use this codec and nothing else. See
 * docs/protocol.md.
 *
 *   {"type": "request", "id": 7, "method": "pause", "params": {...}}
 *   {"type": "reply",   "id": 7, "result": {...}}
 *   {"type": "reply",   "id": 7, "error": {"errno": 16, "message": "..."}}
 *   {"type": "event",   "seq": 12, "event": "state", "params": {...}}
 *
 * The first request of a connection, and of each daemon that takes the connection over, is "hello"
 * {"versions": [1], "token": "<32 hex digits, fresh>"}; its reply {"version": 1, "token": <the
 * same>, "monitor": "vmm-launcher", "monitor_version": "0.1.0"} begins the conversation: whoever
 * sent hello drops everything that comes before that reply (it was meant for a predecessor). Within
 * a version both ends are strict: an unknown type, method, event, key or a missing descriptor is a
 * violation; the monitor answers a bad request with an error and ends on an undecodable frame, the
 * daemon ends a monitor that violates.
 *
 * Methods (monitor serves): hello; start {config, run_id, log: bool, log_previous: bool} + fds:
 * /dev/kvm, then one per file of vm_config_files() in that order, then the log, then the previous
 * log (the monitor opens nothing, ever); pause; resume;
 * power-button; reset; stats; snapshot (full state: state, run_id, payload_state,
 * payload_exit_code, console_writer, seq); console {write, steal, scrollback} + fd (also
 * before start: then attached before the first guest instruction); quit (end now, reason KILLED).
 * Events: state {state}, payload {state, exit_code}, console-writer {attached}, ended {reason,
 * detail, exit_code}. "ended" is the last frame; the process then exits with
 * monitor_exit_code(reason).
 */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/id128.h"
#include "common/json-fields.h"
#include "vmservice-names.h"

#define PROTOCOL_VERSION   1
#define PROTOCOL_FRAME_MAX (64U * 1024U)
#define PROTOCOL_MAX_FDS   20U

typedef enum MessageType {
        MESSAGE_REQUEST,
        MESSAGE_REPLY,
        MESSAGE_EVENT,
} MessageType;

typedef enum Method {
        METHOD_HELLO,
        METHOD_START,
        METHOD_PAUSE,
        METHOD_RESUME,
        METHOD_POWER_BUTTON,
        METHOD_RESET,
        METHOD_STATS,
        METHOD_SNAPSHOT,
        METHOD_CONSOLE,
        METHOD_QUIT,
        _METHOD_MAX,
} Method;

typedef enum Event {
        EVENT_STATE,
        EVENT_PAYLOAD,
        EVENT_CONSOLE_WRITER,
        EVENT_ENDED,
        _EVENT_MAX,
} Event;

/* The names that stand in frames. to_string: NULL for no such value; from_string: -EINVAL. */
const char *method_to_string(Method method);
int method_from_string(const char *text);
const char *event_to_string(Event event);
int event_from_string(const char *text);

typedef struct Message {
        MessageType type;
        uint64_t id;               /* request and reply; event: seq */
        int code;                  /* Method of a request, Event of an event */
        json_object *body;         /* params or result; owned; never NULL after decode */
        int error;                 /* reply: positive errno, or 0 */
        char *error_message;       /* reply with error: one sentence; owned */
        int fds[PROTOCOL_MAX_FDS]; /* owned; taken with TAKE_FD */
        size_t n_fds;
} Message;

/* Frees what the message owns, closes its descriptors and empties it. */
void message_done(Message *message);

/* A text frame of at most PROTOCOL_FRAME_MAX bytes -> message without fds. 0, -EBADMSG, -ENOMEM. */
int message_decode(const char *frame, size_t length, Message *ret, JsonProblem *problem);
/*
 * The opposite; the caller frees *ret_frame. -EMSGSIZE if it is too large, -EILSEQ if a string in
 * it is not UTF-8 (pass what a guest chose through string_escape() first), -EINVAL for a type, code
 * or error that the protocol does not have, -ENOMEM. A body of NULL stands for {}.
 */
int message_encode(const Message *message, char **ret_frame, size_t *ret_length);

/*
 * Sends one message with its fds (which stay the caller's). Never blocks: -EAGAIN when the socket
 * is full. -EPIPE when the peer is gone, else 0 or negative errno (those of message_encode()
 * included); never raises SIGPIPE.
 */
int message_send(int socket, const Message *message);
/*
 * Receives one message: 0; -EAGAIN when there is none; -EPIPE at the end of the stream (an empty
 * frame counts as one); -EBADMSG with *problem for a frame that is too large, truncated, not JSON,
 * or not of this protocol (fds already closed). Received fds are close-on-exec.
 */
int message_receive(int socket, Message *ret, JsonProblem *problem);

/*
 * Exit code of a monitor <-> reason of its end, so that the two agree: 0 is SHUTDOWN. An exit code
 * that is nobody's means CRASH, and so does STOP_REASON_NONE: a run cannot end for no reason.
 */
int monitor_exit_code(StopReason reason);
StopReason monitor_exit_reason(int exit_code);

/*
 * Field tables of the bodies, so that both ends read them the same way: json_fields_load(),
 * json_fields_save(), json_fields_done(). The methods pause, resume, power-button, reset, stats,
 * snapshot and quit have no params; start, pause, resume, power-button, reset, console and quit
 * have an empty result.
 */
typedef struct ProtocolHello {
        json_object *versions;
        char *token;
} ProtocolHello;
/* The version that the monitor answers, or -EPROTONOSUPPORT, or -EBADMSG if versions is not an
 * array of integers. */
int protocol_hello_choose(const ProtocolHello *hello);

typedef struct ProtocolHelloReply {
        uint64_t version;
        char *token;
        char *monitor;
        char *monitor_version;
} ProtocolHelloReply;
typedef struct ProtocolStart {
        json_object *config;
        char *run_id;
        bool log;
        bool log_previous;
} ProtocolStart;
typedef struct ProtocolConsole {
        bool write;
        bool steal;
        bool scrollback;
} ProtocolConsole;
typedef struct ProtocolState {
        int state;
} ProtocolState;
typedef struct ProtocolPayload {
        int state;
        int64_t exit_code;
} ProtocolPayload;
typedef struct ProtocolConsoleWriter {
        bool attached;
} ProtocolConsoleWriter;
typedef struct ProtocolEnded {
        int reason;
        char *detail;
        int64_t exit_code;
} ProtocolEnded;
typedef struct ProtocolStats {
        uint64_t uptime_usec;
        uint64_t vcpu_count;
        json_object *run_time_usec; /* array, one per vCPU */
        json_object *exits;         /* object: exit reason -> count */
        uint64_t console_bytes;
        uint64_t console_dropped;
        uint64_t resets;
        uint64_t memory_bytes;
        uint64_t rss_bytes;
} ProtocolStats;
typedef struct ProtocolSnapshot {
        int state;
        char *run_id; /* NULL before start */
        int payload_state;
        int64_t payload_exit_code; /* -1: none */
        bool console_writer;
        uint64_t seq; /* of the last event */
} ProtocolSnapshot;

extern const JsonField protocol_hello_fields[], protocol_hello_reply_fields[],
        protocol_start_fields[], protocol_console_fields[], protocol_state_fields[],
        protocol_payload_fields[], protocol_console_writer_fields[], protocol_ended_fields[],
        protocol_stats_fields[], protocol_snapshot_fields[];
