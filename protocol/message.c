/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fd.h"
#include "common/string-util.h"
#include "protocol/message-internal.h"
#include "protocol/protocol.h"

#define MAX_ERRNO         4095 /* include/linux/err.h */
#define ERROR_MESSAGE_MAX 1024

static const char *const type_names[] = {
        [MESSAGE_REQUEST] = "request",
        [MESSAGE_REPLY] = "reply",
        [MESSAGE_EVENT] = "event",
        NULL,
};

static const char *const method_names[_METHOD_MAX + 1] = {
        [METHOD_HELLO] = "hello",
        [METHOD_START] = "start",
        [METHOD_PAUSE] = "pause",
        [METHOD_RESUME] = "resume",
        [METHOD_POWER_BUTTON] = "power-button",
        [METHOD_RESET] = "reset",
        [METHOD_STATS] = "stats",
        [METHOD_SNAPSHOT] = "snapshot",
        [METHOD_CONSOLE] = "console",
        [METHOD_QUIT] = "quit",
};

static const char *const event_names[_EVENT_MAX + 1] = {
        [EVENT_STATE] = "state",
        [EVENT_PAYLOAD] = "payload",
        [EVENT_CONSOLE_WRITER] = "console-writer",
        [EVENT_ENDED] = "ended",
};

const char *method_to_string(Method method)
{
        return (size_t)method < _METHOD_MAX ? method_names[method] : NULL;
}

int method_from_string(const char *text)
{
        return string_table_lookup(method_names, _METHOD_MAX, text);
}

const char *event_to_string(Event event)
{
        return (size_t)event < _EVENT_MAX ? event_names[event] : NULL;
}

int event_from_string(const char *text)
{
        return string_table_lookup(event_names, _EVENT_MAX, text);
}

/* The envelopes, each with the keys that its type may have. */
typedef struct Envelope {
        int type;
        uint64_t number;
        int code;
        json_object *body;
        json_object *error;
} Envelope;

static const JsonField request_fields[] = {
        {"type", JSON_FIELD_ENUM, offsetof(Envelope, type), .names = type_names, .required = true},
        {"id", JSON_FIELD_U64, offsetof(Envelope, number), .required = true},
        {"method", JSON_FIELD_ENUM, offsetof(Envelope, code), .names = method_names,
         .required = true},
        {"params", JSON_FIELD_JSON, offsetof(Envelope, body)},
        {NULL},
};

static const JsonField reply_fields[] = {
        {"type", JSON_FIELD_ENUM, offsetof(Envelope, type), .names = type_names, .required = true},
        {"id", JSON_FIELD_U64, offsetof(Envelope, number), .required = true},
        {"result", JSON_FIELD_JSON, offsetof(Envelope, body)},
        {"error", JSON_FIELD_JSON, offsetof(Envelope, error)},
        {NULL},
};

static const JsonField event_fields[] = {
        {"type", JSON_FIELD_ENUM, offsetof(Envelope, type), .names = type_names, .required = true},
        {"seq", JSON_FIELD_U64, offsetof(Envelope, number), .required = true},
        {"event", JSON_FIELD_ENUM, offsetof(Envelope, code), .names = event_names,
         .required = true},
        {"params", JSON_FIELD_JSON, offsetof(Envelope, body)},
        {NULL},
};

static const JsonField *const envelope_fields[] = {
        [MESSAGE_REQUEST] = request_fields,
        [MESSAGE_REPLY] = reply_fields,
        [MESSAGE_EVENT] = event_fields,
};

typedef struct ErrorBody {
        uint64_t error;
        char *message;
} ErrorBody;

static const JsonField error_fields[] = {
        {"errno", JSON_FIELD_U64, offsetof(ErrorBody, error), .min = 1, .max = MAX_ERRNO,
         .required = true},
        {"message", JSON_FIELD_STRING, offsetof(ErrorBody, message), .min = 0,
         .max = ERROR_MESSAGE_MAX, .required = true},
        {NULL},
};

void message_done(Message *message)
{
        json_object_put(message->body);
        message->body = NULL;
        free(message->error_message);
        message->error_message = NULL;
        for (size_t i = 0; i < message->n_fds; i++)
                message->fds[i] = fd_close(message->fds[i]);
        message->n_fds = 0;
}

static int check_reply(const Envelope *envelope, ErrorBody *ret, JsonProblem *problem)
{
        if (!envelope->body == !envelope->error)
                return json_problem(problem, "", "a reply has either \"result\" or \"error\"");
        if (!envelope->error)
                return 0;
        return json_fields_load(error_fields, envelope->error, "/error", ret, problem);
}

static int envelope_to_message(Envelope *envelope, Message *ret, JsonProblem *problem)
{
        static const char *const body_pointers[] = {"/params", "/result", "/params"};
        ErrorBody error = {0};
        int r;

        if (envelope->type == MESSAGE_REPLY) {
                r = check_reply(envelope, &error, problem);
                if (r < 0)
                        return r;
        }
        if (envelope->body && !json_object_is_type(envelope->body, json_type_object))
                return json_problem(problem, body_pointers[envelope->type],
                                    "an object {...} is needed here");
        if (!envelope->body) {
                envelope->body = json_object_new_object();
                if (!envelope->body) {
                        free(error.message);
                        return -ENOMEM;
                }
        }

        *ret = (Message){
                .type = (MessageType)envelope->type,
                .id = envelope->number,
                .code = envelope->code,
                .body = TAKE_PTR(envelope->body),
                .error = (int)error.error,
                .error_message = error.message,
        };
        return 0;
}

/* The type alone decides which other keys there may be. */
static int read_type(json_object *json, JsonProblem *problem)
{
        json_object *value;
        int type;

        if (!json_object_is_type(json, json_type_object))
                return json_problem(problem, "", "an object {...} is needed here");
        if (!json_object_object_get_ex(json, "type", &value))
                return json_problem(problem, "", "\"type\" is missing; add it");
        if (!json_object_is_type(value, json_type_string))
                return json_problem(problem, "/type", "\"type\" must be a string");
        type = string_table_lookup(type_names, ARRAY_SIZE(type_names),
                                   json_object_get_string(value));
        if (type < 0)
                return json_problem(problem, "/type",
                                    "\"type\" must be one of \"request\", \"reply\", \"event\"");
        return type;
}

static int decode_object(json_object *json, Message *ret, JsonProblem *problem)
{
        Envelope envelope = {0};
        const JsonField *fields;
        int r;

        r = read_type(json, problem);
        if (r < 0)
                return r;
        fields = envelope_fields[r];
        r = json_fields_load(fields, json, "", &envelope, problem);
        if (r < 0)
                return r;
        r = envelope_to_message(&envelope, ret, problem);
        json_fields_done(fields, &envelope);
        return r;
}

int message_decode_in_place(char *frame, size_t length, Message *ret, JsonProblem *problem)
{
        json_object *json = NULL;
        int r;

        if (length > PROTOCOL_FRAME_MAX)
                return json_problem(problem, "", "the frame is over %u bytes", PROTOCOL_FRAME_MAX);
        r = json_parse_strict_in_place(frame, length, &json, problem);
        if (r < 0)
                return r;
        r = decode_object(json, ret, problem);
        json_object_put(json);
        return r;
}

int message_decode(const char *frame, size_t length, Message *ret, JsonProblem *problem)
{
        _cleanup_free_ char *copy = NULL;

        if (length > PROTOCOL_FRAME_MAX)
                return json_problem(problem, "", "the frame is over %u bytes", PROTOCOL_FRAME_MAX);
        copy = malloc(length + 1);
        if (!copy)
                return -ENOMEM;
        memcpy(copy, frame, length);
        copy[length] = '\0';
        return message_decode_in_place(copy, length, ret, problem);
}

/* The envelope is a line of printf: making objects only to print them would cost several times as
 * much. Names come from our tables and need no escaping. */
static int encode_with_body(const Message *message, const char *body, char **ret)
{
        const char *name;

        switch (message->type) {
        case MESSAGE_REQUEST:
                name = method_to_string((Method)message->code);
                if (!name)
                        return -EINVAL;
                *ret = string_format("{\"type\":\"request\",\"id\":%" PRIu64
                                     ",\"method\":\"%s\",\"params\":%s}",
                                     message->id, name, body);
                break;
        case MESSAGE_REPLY:
                *ret = string_format("{\"type\":\"reply\",\"id\":%" PRIu64 ",\"result\":%s}",
                                     message->id, body);
                break;
        case MESSAGE_EVENT:
                name = event_to_string((Event)message->code);
                if (!name)
                        return -EINVAL;
                *ret = string_format("{\"type\":\"event\",\"seq\":%" PRIu64
                                     ",\"event\":\"%s\",\"params\":%s}",
                                     message->id, name, body);
                break;
        default:
                return -EINVAL;
        }
        return *ret ? 0 : -ENOMEM;
}

static int encode_error(const Message *message, char **ret)
{
        const char *text = message->error_message ? message->error_message : "";
        _cleanup_free_ char *quoted = NULL;
        json_object *string;
        int r;

        if (message->error < 0 || message->error > MAX_ERRNO || strlen(text) > ERROR_MESSAGE_MAX)
                return -EINVAL;
        string = json_object_new_string(text);
        if (!string)
                return -ENOMEM;
        r = json_print(string, &quoted, NULL);
        json_object_put(string);
        if (r < 0)
                return r;
        *ret = string_format("{\"type\":\"reply\",\"id\":%" PRIu64
                             ",\"error\":{\"errno\":%d,\"message\":%s}}",
                             message->id, message->error, quoted);
        return *ret ? 0 : -ENOMEM;
}

int message_encode(const Message *message, char **ret_frame, size_t *ret_length)
{
        _cleanup_free_ char *frame = NULL, *body = NULL;
        size_t length;
        int r;

        if (message->type == MESSAGE_REPLY && message->error != 0) {
                r = encode_error(message, &frame);
        } else {
                if (message->body && !json_object_is_type(message->body, json_type_object))
                        return -EINVAL;
                r = message->body ? json_print(message->body, &body, NULL) : 0;
                if (r >= 0)
                        r = encode_with_body(message, body ? body : "{}", &frame);
        }
        if (r < 0)
                return r;

        length = strlen(frame);
        if (length > PROTOCOL_FRAME_MAX)
                return -EMSGSIZE;
        *ret_frame = TAKE_PTR(frame);
        *ret_length = length;
        return 0;
}
