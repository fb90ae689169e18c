/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/machine-record.h"

#include <errno.h>

#include "common/string-util.h"
#include "store-fixture.h"
#include "tests/unit/unit.h"

START_TEST(test_round_trip)
{
        MachineRecord record = record_make("abc", "one", true), again;
        _cleanup_free_ char *text = NULL, *text_again = NULL;
        Problem problem = {""};
        size_t length;

        record.bound = true;
        record.images_bytes = 12345;
        (void)json_object_object_add(record.files, "/boot/vmlinuz \"x\"",
                                     json_object_new_string("file-1"));
        record.run = (RunRecord){
                .id = strdup("00112233445566778899aabbccddeeff"),
                .on = true,
                .boot_id = strdup("b"),
                .bound_to = strdup(":1.5"),
                .bus_id = strdup("bus"),
                .started_at = 1,
                .stopped_at = INT64_MAX,
                .stop_reason = STOP_REASON_TRIPLE_FAULT,
                .stop_detail = strdup("how\n\x01"),
                .payload_state = PAYLOAD_STATE_FINISHED,
                .payload_exit_code = INT32_MIN,
        };
        ck_assert_int_eq(machine_record_format(&record, &text, &length), 0);
        ck_assert_uint_eq(strlen(text), length);
        ck_assert_msg(machine_record_parse(text, length, &again, &problem) == 0, "%s",
                      problem.message);
        ck_assert_int_eq(machine_record_format(&again, &text_again, &length), 0);
        ck_assert_str_eq(text, text_again);
        ck_assert_str_eq(machine_record_file(&again, "/boot/vmlinuz \"x\""), "file-1");
        ck_assert_ptr_null(machine_record_file(&again, "other"));
        ck_assert_int_eq(again.run.payload_exit_code, INT32_MIN);
        ck_assert_int_eq(again.run.stop_reason, STOP_REASON_TRIPLE_FAULT);
        machine_record_done(&record);
        machine_record_done(&again);
}
END_TEST

/* Each value of each enum is written so that it is read again. */
START_TEST(test_enums)
{
        for (int reason = 0; reason < _STOP_REASON_MAX; reason++)
                for (int payload = 0; payload < _PAYLOAD_STATE_MAX; payload++) {
                        MachineRecord record = record_make("1", "n", false), again;
                        _cleanup_free_ char *text = NULL;
                        Problem problem = {""};
                        size_t length;

                        record.run.stop_reason = reason;
                        record.run.payload_state = payload;
                        ck_assert_int_eq(machine_record_format(&record, &text, &length), 0);
                        ck_assert_msg(machine_record_parse(text, length, &again, &problem) == 0,
                                      "%s", problem.message);
                        ck_assert_int_eq(again.run.stop_reason, reason);
                        ck_assert_int_eq(again.run.payload_state, payload);
                        machine_record_done(&record);
                        machine_record_done(&again);
                }
}
END_TEST

static void refused(json_object *json, const char *part)
{
        const char *text = json_object_to_json_string(json);
        MachineRecord record = {0};
        Problem problem = {""};

        ck_assert_msg(machine_record_parse(text, strlen(text), &record, &problem) == -EBADMSG, "%s",
                      text);
        ck_assert_msg(strstr(problem.message, part), "\"%s\" lacks \"%s\"", problem.message, part);
        ck_assert_ptr_null(record.name);
        json_object_put(json);
}

static json_object *whole(void)
{
        MachineRecord record = record_make("1", "n", false);
        _cleanup_free_ char *text = NULL;
        size_t length;

        ck_assert_int_eq(machine_record_format(&record, &text, &length), 0);
        machine_record_done(&record);
        return json_tokener_parse(text);
}

static json_object *with(const char *key, json_object *value)
{
        json_object *json = whole();

        (void)json_object_object_add(json, key, value);
        return json;
}

START_TEST(test_refused)
{
        static const char *const ways_out[] = {"../../etc/shadow", "/etc/shadow", "record.json",
                                               "file-/../x", ""};
        json_object *json;

        refused(with("version", json_object_new_int(2)), "version 2");
        refused(with("more", json_object_new_int(2)), "more");
        refused(with("id", json_object_new_string("zz")), "/id");
        refused(with("id", json_object_new_string("../../../../../../../../../../../")), "id");
        refused(with("name", json_object_new_string("a/b")), "name");
        refused(with("owner", json_object_new_int64(UINT32_MAX)), "owner");
        refused(with("files", json_object_new_array()), "files");
        for (size_t i = 0; i < ARRAY_SIZE(ways_out); i++) {
                json_object *files = json_object_new_object();

                (void)json_object_object_add(files, "k", json_object_new_string(ways_out[i]));
                refused(with("files", files), "files");
        }
        json = whole();
        json_object_object_del(json, "config");
        refused(json, "config");
        json = whole();
        (void)json_object_object_add(json_object_object_get(json, "run"), "on",
                                     json_object_new_boolean(true));
        refused(json, "without a run's id");
}
END_TEST

/* Every prefix of what we write, and every one with a byte changed: refused or read, no more. */
START_TEST(test_every_prefix)
{
        json_object *json = whole();
        _cleanup_free_ char *text = strdup(json_object_to_json_string(json));
        size_t length = strlen(text);

        for (size_t n = 0; n < length; n++) {
                MachineRecord record = {0};
                char byte = text[n];
                Problem problem;

                ck_assert_int_eq(machine_record_parse(text, n, &record, &problem), -EBADMSG);
                text[n] = (char)(byte ^ 0x15);
                if (machine_record_parse(text, length, &record, &problem) == 0)
                        machine_record_done(&record);
                text[n] = byte;
        }
        json_object_put(json);
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_test(tcase, test_round_trip);
        tcase_add_test(tcase, test_enums);
        tcase_add_test(tcase, test_refused);
        tcase_add_test(tcase, test_every_prefix);
}

int main(void)
{
        return unit_run("machine-record", add_tests);
}
