/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/string-util.h"
#include "protocol/protocol.h"
#include "tests/unit/unit.h"

START_TEST(test_names)
{
        for (int i = 0; i < _METHOD_MAX; i++) {
                ck_assert_ptr_nonnull(method_to_string((Method)i));
                ck_assert_int_eq(method_from_string(method_to_string((Method)i)), i);
        }
        for (int i = 0; i < _EVENT_MAX; i++) {
                ck_assert_ptr_nonnull(event_to_string((Event)i));
                ck_assert_int_eq(event_from_string(event_to_string((Event)i)), i);
        }
        ck_assert_ptr_null(method_to_string(_METHOD_MAX));
        ck_assert_ptr_null(method_to_string((Method)-1));
        ck_assert_ptr_null(event_to_string(_EVENT_MAX));
        ck_assert_int_eq(method_from_string("nothing"), -EINVAL);
        ck_assert_int_eq(method_from_string(""), -EINVAL);
        ck_assert_int_eq(event_from_string("State"), -EINVAL);
}
END_TEST

/* Canonical frames: decoded and encoded again they are the same text. */
static const char *const frames[] = {
        "{\"type\":\"request\",\"id\":7,\"method\":\"pause\",\"params\":{}}",
        "{\"type\":\"request\",\"id\":18446744073709551615,\"method\":\"power-button\","
        "\"params\":{\"a\":[1,\"\\n/\",null]}}",
        "{\"type\":\"reply\",\"id\":0,\"result\":{}}",
        "{\"type\":\"reply\",\"id\":1,\"result\":{\"version\":1}}",
        "{\"type\":\"reply\",\"id\":7,\"error\":{\"errno\":16,\"message\":\"a \\\"b\\\" "
        "\\u0001\"}}",
        "{\"type\":\"event\",\"seq\":12,\"event\":\"state\",\"params\":{\"state\":\"running\"}}",
        "{\"type\":\"event\",\"seq\":13,\"event\":\"console-writer\",\"params\":{}}",
};

START_TEST(test_round_trip)
{
        _cleanup_free_ char *frame = NULL;
        JsonProblem problem = {0};
        Message message;
        size_t length;

        ck_assert_msg(message_decode(frames[_i], strlen(frames[_i]), &message, &problem) == 0,
                      "%s %s", problem.pointer, problem.message);
        ck_assert_ptr_nonnull(message.body);
        ck_assert_uint_eq(message.n_fds, 0);
        ck_assert_int_eq(message_encode(&message, &frame, &length), 0);
        ck_assert_str_eq(frame, frames[_i]);
        ck_assert_uint_eq(length, strlen(frame));
        message_done(&message);
        ck_assert_ptr_null(message.body);
        message_done(&message); /* twice is once */
}
END_TEST

static const char quit[] = "{\"type\":\"request\",\"id\":1,\"method\":\"quit\"}";

START_TEST(test_fields)
{
        Message message;

        ck_assert_int_eq(message_decode(frames[4], strlen(frames[4]), &message, NULL), 0);
        ck_assert_int_eq(message.type, MESSAGE_REPLY);
        ck_assert_uint_eq(message.id, 7);
        ck_assert_int_eq(message.error, 16);
        ck_assert_str_eq(message.error_message, "a \"b\" \001");
        ck_assert_int_eq(json_object_object_length(message.body), 0);
        message_done(&message);
        ck_assert_int_eq(message_decode(frames[5], strlen(frames[5]), &message, NULL), 0);
        ck_assert_int_eq(message.type, MESSAGE_EVENT);
        ck_assert_uint_eq(message.id, 12);
        ck_assert_int_eq(message.code, EVENT_STATE);
        ck_assert_int_eq(message.error, 0);
        ck_assert_ptr_null(message.error_message);
        message_done(&message);
        /* params may be left out. */
        ck_assert_int_eq(message_decode(quit, sizeof(quit) - 1, &message, NULL), 0);
        ck_assert_int_eq(message.code, METHOD_QUIT);
        ck_assert_ptr_nonnull(message.body);
        message_done(&message);
}
END_TEST

static const struct {
        const char *frame, *pointer, *message;
} refused[] = {
        {"", "", "line 1, column 1: the text is empty; at least {} is needed"},
        {"pause", "", "line 1, column 1: 'pause' stands where a value is expected"},
        {"[]", "", "an object {...} is needed here"},
        {"null", "", "an object {...} is needed here"},
        {"{}", "", "\"type\" is missing; add it"},
        {"{\"type\":1}", "/type", "\"type\" must be a string"},
        {"{\"type\":null}", "/type", "\"type\" must be a string"},
        {"{\"type\":\"signal\"}", "/type",
         "\"type\" must be one of \"request\", \"reply\", \"event\""},
        {"{\"type\":\"request\",\"method\":\"quit\"}", "", "\"id\" is missing; add it"},
        {"{\"type\":\"request\",\"id\":1}", "", "\"method\" is missing; add it"},
        {"{\"type\":\"request\",\"id\":-1,\"method\":\"quit\"}", "/id",
         "\"id\" is -1, but must be from 0 to 18446744073709551615"},
        {"{\"type\":\"request\",\"id\":1,\"method\":\"quit\",\"seq\":1}", "/seq",
         "unknown key \"seq\""},
        {"{\"type\":\"request\",\"id\":1,\"method\":\"quit\",\"params\":[]}", "/params",
         "an object {...} is needed here"},
        {"{\"type\":\"request\",\"id\":1,\"method\":\"quit\",\"params\":1}", "/params",
         "an object {...} is needed here"},
        {"{\"type\":\"event\",\"seq\":1,\"event\":\"stopped\"}", "/event",
         "\"event\" is \"stopped\", but must be one of \"state\", \"payload\", "
         "\"console-writer\", \"ended\""},
        {"{\"type\":\"event\",\"id\":1,\"event\":\"state\"}", "/id", "unknown key \"id\""},
        {"{\"type\":\"reply\",\"id\":1}", "", "a reply has either \"result\" or \"error\""},
        {"{\"type\":\"reply\",\"id\":1,\"result\":{},\"error\":{\"errno\":1,\"message\":\"\"}}", "",
         "a reply has either \"result\" or \"error\""},
        {"{\"type\":\"reply\",\"id\":1,\"result\":[]}", "/result",
         "an object {...} is needed here"},
        {"{\"type\":\"reply\",\"id\":1,\"error\":{}}", "/error", "\"errno\" is missing; add it"},
        {"{\"type\":\"reply\",\"id\":1,\"error\":{\"errno\":0,\"message\":\"\"}}", "/error/errno",
         "\"errno\" is 0, but must be from 1 to 4095"},
        {"{\"type\":\"reply\",\"id\":1,\"error\":{\"errno\":4096,\"message\":\"\"}}",
         "/error/errno", "\"errno\" is 4096, but must be from 1 to 4095"},
        {"{\"type\":\"reply\",\"id\":1,\"error\":\"no\"}", "/error",
         "an object {...} is needed here, not a string"},
        {"{\"type\":\"event\",\"seq\":1,\"seq\":2,\"event\":\"state\"}", "/seq",
         "line 1, column 30: the key is there twice; keep one"},
};

START_TEST(test_refused)
{
        JsonProblem problem = {0};
        Message message;

        memset(&message, 0x5a, sizeof(message));
        ck_assert_int_eq(
                message_decode(refused[_i].frame, strlen(refused[_i].frame), &message, &problem),
                -EBADMSG);
        ck_assert_str_eq(problem.message, refused[_i].message);
        ck_assert_str_eq(problem.pointer, refused[_i].pointer);
        ck_assert_int_eq(((unsigned char *)&message)[sizeof(message) - 1], 0x5a); /* untouched */
}
END_TEST

START_TEST(test_decode_limit)
{
        static char frame[PROTOCOL_FRAME_MAX + 2];
        JsonProblem problem = {0};
        Message message;

        memset(frame, ' ', sizeof(frame));
        memcpy(frame, frames[0], strlen(frames[0]));
        ck_assert_int_eq(message_decode(frame, PROTOCOL_FRAME_MAX, &message, &problem), 0);
        message_done(&message);
        ck_assert_int_eq(message_decode(frame, PROTOCOL_FRAME_MAX + 1, &message, &problem),
                         -EBADMSG);
        ck_assert_str_eq(problem.message, "the frame is over 65536 bytes");
}
END_TEST

static int encode(MessageType type, int code, json_object *body, int error, const char *text)
{
        _cleanup_free_ char *frame = NULL;
        size_t length = 0;
        Message message = {.type = type,
                           .code = code,
                           .body = body,
                           .error = error,
                           .error_message = (char *)(uintptr_t)text};
        int r = message_encode(&message, &frame, &length);

        if (r == 0)
                ck_assert_uint_eq(strlen(frame), length);
        json_object_put(body);
        return r;
}

static json_object *body_of_length(size_t length)
{
        static char text[PROTOCOL_FRAME_MAX];
        json_object *body = json_object_new_object();

        memset(text, 't', sizeof(text));
        json_object_object_add(body, "", json_object_new_string_len(text, (int)length));
        return body;
}

START_TEST(test_encode_refused)
{
        static const size_t around = sizeof("{\"type\":\"request\",\"id\":0,\"method\":\"hello\","
                                            "\"params\":{\"\":\"\"}}") -
                                     1;
        static char long_text[1026];
        json_object *body = json_object_new_object();

        ck_assert_int_eq(encode(MESSAGE_REQUEST, METHOD_HELLO, NULL, 0, NULL), 0);
        ck_assert_int_eq(encode(MESSAGE_REQUEST, _METHOD_MAX, NULL, 0, NULL), -EINVAL);
        ck_assert_int_eq(encode(MESSAGE_REQUEST, -1, NULL, 0, NULL), -EINVAL);
        ck_assert_int_eq(encode(MESSAGE_EVENT, _EVENT_MAX, NULL, 0, NULL), -EINVAL);
        ck_assert_int_eq(encode((MessageType)3, 0, NULL, 0, NULL), -EINVAL);
        ck_assert_int_eq(encode(MESSAGE_REQUEST, 0, json_object_new_array(), 0, NULL), -EINVAL);
        ck_assert_int_eq(encode(MESSAGE_REPLY, 0, NULL, -5, "negative"), -EINVAL);
        ck_assert_int_eq(encode(MESSAGE_REPLY, 0, NULL, 4096, "too large"), -EINVAL);
        ck_assert_int_eq(encode(MESSAGE_REPLY, 0, NULL, 4095, NULL), 0);
        memset(long_text, 'x', 1025);
        ck_assert_int_eq(encode(MESSAGE_REPLY, 0, NULL, 5, long_text), -EINVAL);
        ck_assert_int_eq(encode(MESSAGE_REPLY, 0, NULL, 5, long_text + 1), 0);
        ck_assert_int_eq(encode(MESSAGE_REPLY, 0, NULL, 5, "\xff"), -EILSEQ);
        json_object_object_add(body, "a", json_object_new_string("\xc3"));
        ck_assert_int_eq(encode(MESSAGE_EVENT, EVENT_ENDED, body, 0, NULL), -EILSEQ);

        ck_assert_int_eq(encode(MESSAGE_REQUEST, METHOD_HELLO,
                                body_of_length(PROTOCOL_FRAME_MAX - around), 0, NULL),
                         0);
        ck_assert_int_eq(encode(MESSAGE_REQUEST, METHOD_HELLO,
                                body_of_length(PROTOCOL_FRAME_MAX - around + 1), 0, NULL),
                         -EMSGSIZE);
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_test(tcase, test_names);
        tcase_add_loop_test(tcase, test_round_trip, 0, (int)ARRAY_SIZE(frames));
        tcase_add_test(tcase, test_fields);
        tcase_add_loop_test(tcase, test_refused, 0, (int)ARRAY_SIZE(refused));
        tcase_add_test(tcase, test_decode_limit);
        tcase_add_test(tcase, test_encode_refused);
}

int main(void)
{
        return unit_run("message", add_tests);
}
