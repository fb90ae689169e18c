/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Frames, as either end would read them from a hostile peer: envelope, then the body by its table.
 * What is taken encodes to a frame that decodes to the same.
 */

#include <errno.h>
#include <string.h>

#include "common/string-util.h"
#include "protocol/protocol.h"
#include "tests/fuzz/fuzz.h"

typedef union AnyBody {
        ProtocolHello hello;
        ProtocolHelloReply hello_reply;
        ProtocolStart start;
        ProtocolConsole console;
        ProtocolState state;
        ProtocolPayload payload;
        ProtocolConsoleWriter console_writer;
        ProtocolEnded ended;
        ProtocolStats stats;
        ProtocolSnapshot snapshot;
} AnyBody;

static const JsonField *const request_tables[_METHOD_MAX] = {
        [METHOD_HELLO] = protocol_hello_fields,
        [METHOD_START] = protocol_start_fields,
        [METHOD_CONSOLE] = protocol_console_fields,
};

static const JsonField *const event_tables[_EVENT_MAX] = {
        [EVENT_STATE] = protocol_state_fields,
        [EVENT_PAYLOAD] = protocol_payload_fields,
        [EVENT_CONSOLE_WRITER] = protocol_console_writer_fields,
        [EVENT_ENDED] = protocol_ended_fields,
};

static void check_body(const JsonField *fields, json_object *json)
{
        JsonProblem problem = {0};
        json_object *saved;
        AnyBody body;
        int r;

        r = json_fields_load(fields, json, "/body", &body, &problem);
        if (r < 0) {
                fuzz_check(r == -EBADMSG && problem.message[0] != '\0');
                return;
        }
        if (fields == protocol_hello_fields) {
                r = protocol_hello_choose(&body.hello);
                fuzz_check(r == PROTOCOL_VERSION || r == -EPROTONOSUPPORT || r == -EBADMSG);
        }
        saved = json_fields_save(fields, &body);
        json_fields_done(fields, &body);
        fuzz_check(saved);
        fuzz_check(json_fields_load(fields, saved, "/body", &body, &problem) == 0);
        json_fields_done(fields, &body);
        json_object_put(saved);
}

static void check_bodies(const Message *message)
{
        if (message->type == MESSAGE_REQUEST && request_tables[message->code])
                check_body(request_tables[message->code], message->body);
        if (message->type == MESSAGE_EVENT)
                check_body(event_tables[message->code], message->body);
        if (message->type == MESSAGE_REPLY && message->error == 0) {
                check_body(protocol_hello_reply_fields, message->body);
                check_body(protocol_stats_fields, message->body);
                check_body(protocol_snapshot_fields, message->body);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        Message first, second;
        JsonProblem problem = {0};
        size_t length;
        char *frame;
        int r;

        r = message_decode((const char *)data, size, &first, &problem);
        if (r < 0) {
                fuzz_check(r == -EBADMSG && problem.message[0] != '\0');
                return 0;
        }
        fuzz_check(first.body && first.n_fds == 0);
        fuzz_check(first.error == 0 || first.type == MESSAGE_REPLY);
        check_bodies(&first);

        r = message_encode(&first, &frame, &length);
        fuzz_check(r == 0 || r == -EMSGSIZE); /* escapes may make it longer than it came */
        if (r == 0) {
                fuzz_check(message_decode(frame, length, &second, &problem) == 0);
                fuzz_check(first.type == second.type && first.id == second.id &&
                           first.code == second.code && first.error == second.error);
                fuzz_check(streq_ptr(first.error_message, second.error_message));
                fuzz_check(json_object_equal(first.body, second.body));
                message_done(&second);
                free(frame);
        }
        message_done(&first);
        return 0;
}
