/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "common/cleanup.h"
#include "protocol/protocol.h"
#include "tests/unit/unit.h"

#define TOKEN "0123456789abcdef0123456789abcdef"

START_TEST(test_exit_codes)
{
        for (int i = STOP_REASON_SHUTDOWN; i < _STOP_REASON_MAX; i++) {
                int code = monitor_exit_code((StopReason)i);

                ck_assert_int_eq(monitor_exit_reason(code), i);
                ck_assert(code == 0 || (code >= 10 && code < 64));
                for (int j = STOP_REASON_SHUTDOWN; j < i; j++)
                        ck_assert_int_ne(code, monitor_exit_code((StopReason)j));
        }
        ck_assert_int_eq(monitor_exit_code(STOP_REASON_SHUTDOWN), 0);
        /* No reason, no such reason, no such code: the monitor is at fault. */
        ck_assert_int_eq(monitor_exit_reason(monitor_exit_code(STOP_REASON_NONE)),
                         STOP_REASON_CRASH);
        ck_assert_int_eq(monitor_exit_reason(monitor_exit_code((StopReason)1000)),
                         STOP_REASON_CRASH);
        ck_assert_int_eq(monitor_exit_reason(1), STOP_REASON_CRASH);
        ck_assert_int_eq(monitor_exit_reason(127), STOP_REASON_CRASH);
        ck_assert_int_eq(monitor_exit_reason(-1), STOP_REASON_CRASH);
        ck_assert_int_eq(monitor_exit_reason(255), STOP_REASON_CRASH);
}
END_TEST

/* The numbers are part of the protocol: a monitor may be older than its daemon. */
START_TEST(test_exit_codes_are_fixed)
{
        static const int codes[] = {0, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19};

        ck_assert_uint_eq(ARRAY_SIZE(codes), _STOP_REASON_MAX - 1);
        for (int i = 0; i < (int)ARRAY_SIZE(codes); i++)
                ck_assert_int_eq(monitor_exit_code((StopReason)(i + 1)), codes[i]);
}
END_TEST

static const struct {
        const JsonField *fields;
        const char *text; /* canonical: what is saved is the same text */
} bodies[] = {
        {protocol_hello_fields, "{\"versions\":[1,2],\"token\":\"" TOKEN "\"}"},
        {protocol_hello_reply_fields,
         "{\"version\":1,\"token\":\"" TOKEN
         "\",\"monitor\":\"vmm-launcher\",\"monitor_version\":\"0.1.0\"}"},
        {protocol_start_fields, "{\"config\":{\"kernel\":\"k\"},\"run_id\":\"" TOKEN
                                "\",\"log\":true,\"log_previous\":false}"},
        {protocol_console_fields, "{\"write\":true,\"steal\":false,\"scrollback\":false}"},
        {protocol_state_fields, "{\"state\":\"pausing\"}"},
        {protocol_payload_fields, "{\"state\":\"finished\",\"exit_code\":-7}"},
        {protocol_console_writer_fields, "{\"attached\":true}"},
        {protocol_ended_fields,
         "{\"reason\":\"GUEST_PANIC\",\"detail\":\"a panic\",\"exit_code\":-1}"},
        {protocol_stats_fields,
         "{\"uptime_usec\":1,\"vcpu_count\":1,\"run_time_usec\":[5],\"exits\":{\"io\":2},"
         "\"console_bytes\":3,\"console_dropped\":4,\"resets\":5,\"memory_bytes\":6,"
         "\"rss_bytes\":7}"},
        {protocol_snapshot_fields,
         "{\"state\":\"running\",\"run_id\":\"" TOKEN
         "\",\"payload_state\":\"ready\",\"payload_exit_code\":-1,\"console_writer\":true,"
         "\"seq\":18446744073709551615}"},
};

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

START_TEST(test_round_trip)
{
        json_object *json = NULL, *saved;
        JsonProblem problem = {0};
        AnyBody body;

        ck_assert_int_eq(
                json_parse_strict(bodies[_i].text, strlen(bodies[_i].text), &json, &problem), 0);
        ck_assert_msg(json_fields_load(bodies[_i].fields, json, "", &body, &problem) == 0, "%s %s",
                      problem.pointer, problem.message);
        saved = json_fields_save(bodies[_i].fields, &body);
        ck_assert_str_eq(json_object_to_json_string_ext(saved, JSON_C_TO_STRING_PLAIN),
                         bodies[_i].text);
        json_fields_done(bodies[_i].fields, &body);
        json_object_put(saved);

        /* Strict: one more key, and each required one less. */
        json_object_object_add(json, "more", json_object_new_int(1));
        ck_assert_int_eq(json_fields_load(bodies[_i].fields, json, "", &body, &problem), -EBADMSG);
        ck_assert_str_eq(problem.pointer, "/more");
        json_object_object_del(json, "more");
        for (const JsonField *f = bodies[_i].fields; f->key; f++) {
                json_object *less = NULL;

                if (!f->required)
                        continue;
                ck_assert_int_eq(json_object_deep_copy(json, &less, NULL), 0);
                json_object_object_del(less, f->key);
                ck_assert_int_eq(json_fields_load(bodies[_i].fields, less, "", &body, &problem),
                                 -EBADMSG);
                json_object_put(less);
        }
        json_object_put(json);
}
END_TEST

static int choose(const char *versions)
{
        ProtocolHello hello = {0};
        int r;

        ck_assert_int_eq(json_parse_strict(versions, strlen(versions), &hello.versions, NULL), 0);
        r = protocol_hello_choose(&hello);
        json_object_put(hello.versions);
        return r;
}

START_TEST(test_versions)
{
        ck_assert_int_eq(choose("[1]"), 1);
        ck_assert_int_eq(choose("[3, 2, 1]"), 1);
        ck_assert_int_eq(choose("[]"), -EPROTONOSUPPORT);
        ck_assert_int_eq(choose("[0, 2]"), -EPROTONOSUPPORT);
        ck_assert_int_eq(choose("[4294967297]"), -EPROTONOSUPPORT);
        ck_assert_int_eq(choose("[\"1\"]"), -EBADMSG);
        ck_assert_int_eq(choose("[1.0]"), -EBADMSG);
        ck_assert_int_eq(choose("[1, \"2\"]"), -EBADMSG);
        ck_assert_int_eq(choose("{\"1\": 1}"), -EBADMSG);
}
END_TEST

START_TEST(test_documented)
{
        for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
                for (const JsonField *f = bodies[i].fields; f->key; f++)
                        ck_assert_ptr_nonnull(f->doc);
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_test(tcase, test_exit_codes);
        tcase_add_test(tcase, test_exit_codes_are_fixed);
        tcase_add_loop_test(tcase, test_round_trip, 0, (int)ARRAY_SIZE(bodies));
        tcase_add_test(tcase, test_versions);
        tcase_add_test(tcase, test_documented);
}

int main(void)
{
        return unit_run("bodies", add_tests);
}
