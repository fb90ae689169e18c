/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/json-fields.h"

#include <errno.h>
#include <string.h>

#include "common/cleanup.h"
#include "tests/unit/unit.h"

typedef struct Inner {
        char *label;
        uint64_t size;
} Inner;

typedef struct Sample {
        char *text;
        bool flag;
        uint64_t count;
        uint64_t free_count;
        int64_t offset;
        int mode;
        Inner inner;
        json_object *any;
} Sample;

static const char *const mode_names[] = {"", "slow", "fast", NULL};

static const JsonField inner_fields[] = {
        {"label", JSON_FIELD_STRING, offsetof(Inner, label), .min = 1, .max = 8, .required = true},
        {"size", JSON_FIELD_U64, offsetof(Inner, size), .default_value = 5},
        {NULL},
};

static const JsonField sample_fields[] = {
        {"text", JSON_FIELD_STRING, offsetof(Sample, text), .min = 1, .max = 8},
        {"flag", JSON_FIELD_BOOL, offsetof(Sample, flag), .default_value = true},
        {"count", JSON_FIELD_U64, offsetof(Sample, count), .min = 2, .max = 10, .default_value = 3,
         .unit = "KiB", .required = true},
        {"free_count", JSON_FIELD_U64, offsetof(Sample, free_count)},
        {"offset", JSON_FIELD_I64, offsetof(Sample, offset), .min = (uint64_t)-5, .max = 5,
         .default_value = (uint64_t)-1},
        {"mode", JSON_FIELD_ENUM, offsetof(Sample, mode), .names = mode_names, .default_value = 2},
        {"inner", JSON_FIELD_OBJECT, offsetof(Sample, inner), .fields = inner_fields},
        {"any", JSON_FIELD_JSON, offsetof(Sample, any)},
        {NULL},
};

static int load(const char *text, Sample *ret, JsonProblem *problem)
{
        json_object *json = NULL;
        int r;

        ck_assert_msg(json_parse_strict(text, strlen(text), &json, problem) == 0, "%s: %s", text,
                      problem->message);
        r = json_fields_load(sample_fields, json, "/top", ret, problem);
        json_object_put(json);
        return r;
}

START_TEST(test_defaults)
{
        JsonProblem problem = {0};
        Sample sample;

        memset(&sample, 0xff, sizeof(sample));
        ck_assert_int_eq(load("{\"count\": 2}", &sample, &problem), 0);
        ck_assert_ptr_null(sample.text);
        ck_assert(sample.flag);
        ck_assert_uint_eq(sample.count, 2);
        ck_assert_uint_eq(sample.free_count, 0);
        ck_assert_int_eq(sample.offset, -1);
        ck_assert_int_eq(sample.mode, 2);
        ck_assert_ptr_null(sample.inner.label);
        ck_assert_uint_eq(sample.inner.size, 5);
        ck_assert_ptr_null(sample.any);
        json_fields_done(sample_fields, &sample);
}
END_TEST

START_TEST(test_everything)
{
        const char *text = "{\"text\":\"12345678\",\"flag\":false,\"count\":10,"
                           "\"free_count\":18446744073709551615,\"offset\":-5,\"mode\":\"\","
                           "\"inner\":{\"label\":\"l\",\"size\":9223372036854775808},"
                           "\"any\":[1,{\"a\":null}]}";
        JsonProblem problem = {0};
        json_object *saved;
        Sample sample, again;

        ck_assert_msg(load(text, &sample, &problem) == 0, "%s", problem.message);
        ck_assert_str_eq(sample.text, "12345678");
        ck_assert(!sample.flag);
        ck_assert_uint_eq(sample.count, 10);
        ck_assert_uint_eq(sample.free_count, UINT64_MAX);
        ck_assert_int_eq(sample.offset, -5);
        ck_assert_int_eq(sample.mode, 0);
        ck_assert_str_eq(sample.inner.label, "l");
        ck_assert_uint_eq(sample.inner.size, UINT64_C(1) << 63);

        saved = json_fields_save(sample_fields, &sample);
        ck_assert_str_eq(json_object_to_json_string_ext(saved, JSON_C_TO_STRING_PLAIN), text);
        ck_assert_int_eq(json_fields_load(sample_fields, saved, "", &again, &problem), 0);
        json_object_put(saved);
        json_fields_done(sample_fields, &again);
        json_fields_done(sample_fields, &sample);
        ck_assert_ptr_null(sample.text);
        ck_assert_ptr_null(sample.inner.label);
        ck_assert_ptr_null(sample.any);
        json_fields_done(sample_fields, &sample); /* twice is once */
}
END_TEST

/* What JSON Schema calls an integer is one here as well. */
START_TEST(test_whole_numbers)
{
        static const char *const whole[] = {"{\"count\": 4.0}", "{\"count\": 4e0}",
                                            "{\"count\": 0.4e1}", "{\"count\": 40E-1}"};
        JsonProblem problem = {0};
        Sample sample;

        for (size_t i = 0; i < ARRAY_SIZE(whole); i++) {
                ck_assert_int_eq(load(whole[i], &sample, &problem), 0);
                ck_assert_uint_eq(sample.count, 4);
        }
        ck_assert_int_eq(load("{\"count\": 4, \"offset\": -4.0}", &sample, &problem), 0);
        ck_assert_int_eq(sample.offset, -4);
        ck_assert_int_eq(load("{\"count\": 4, \"offset\": 5}", &sample, &problem), 0);
        ck_assert_int_eq(sample.offset, 5);
}
END_TEST

static const struct {
        const char *text, *pointer, *message;
} refused[] = {
        {"[]", "/top", "an object {...} is needed here, not an array"},
        {"null", "/top", "an object {...} is needed here, not null"},
        {"{}", "/top", "\"count\" is missing; add it"},
        {"{\"count\": 2, \"coutn\": 2}", "/top/coutn",
         "unknown key \"coutn\"; did you mean \"count\"?"},
        {"{\"count\": 2, \"zzz\": 2}", "/top/zzz", "unknown key \"zzz\""},
        {"{\"count\": 2, \"x\": 2}", "/top/x", "unknown key \"x\""},
        {"{\"count\": 2, \"a/b~\\u001b\": 2}", "/top/a~1b~0\\x1b", "unknown key \"a/b~\\x1b\""},
        {"{\"count\": 1}", "/top/count", "\"count\" is 1, but must be from 2 to 10 KiB"},
        {"{\"count\": 11}", "/top/count", "\"count\" is 11, but must be from 2 to 10 KiB"},
        {"{\"count\": -1}", "/top/count", "\"count\" is -1, but must be from 2 to 10 KiB"},
        {"{\"count\": -3.0}", "/top/count", "\"count\" is -3.0, but must be from 2 to 10 KiB"},
        {"{\"count\": 1e300}", "/top/count", "\"count\" is 1e300, but must be from 2 to 10 KiB"},
        {"{\"count\": 2.5}", "/top/count",
         "\"count\" must be a whole number of KiB, not a fraction"},
        {"{\"count\": \"2\"}", "/top/count",
         "\"count\" must be a whole number of KiB, not a string"},
        {"{\"count\": null}", "/top/count", "\"count\" must be a whole number of KiB, not null"},
        {"{\"count\": true}", "/top/count", "\"count\" must be a whole number of KiB, not true"},
        {"{\"count\": 2, \"free_count\": -1}", "/top/free_count",
         "\"free_count\" is -1, but must be from 0 to 18446744073709551615"},
        {"{\"count\": 2, \"free_count\": 18446744073709551616}", "/top/free_count",
         "\"free_count\" is 18446744073709551616, but must be from 0 to 18446744073709551615"},
        {"{\"count\": 2, \"offset\": -6}", "/top/offset",
         "\"offset\" is -6, but must be from -5 to 5"},
        {"{\"count\": 2, \"offset\": 6}", "/top/offset",
         "\"offset\" is 6, but must be from -5 to 5"},
        {"{\"count\": 2, \"offset\": 18446744073709551615}", "/top/offset",
         "\"offset\" is 18446744073709551615, but must be from -5 to 5"},
        {"{\"count\": 2, \"text\": \"\"}", "/top/text", "\"text\" must not be empty"},
        {"{\"count\": 2, \"text\": \"123456789\"}", "/top/text",
         "\"text\" is 9 bytes long, but must be from 1 to 8 bytes"},
        {"{\"count\": 2, \"text\": 5}", "/top/text", "\"text\" must be a string, not a number"},
        {"{\"count\": 2, \"flag\": 1}", "/top/flag",
         "\"flag\" must be true or false, not a number"},
        {"{\"count\": 2, \"flag\": \"true\"}", "/top/flag",
         "\"flag\" must be true or false, not a string"},
        {"{\"count\": 2, \"mode\": \"fsat\"}", "/top/mode",
         "\"mode\" is \"fsat\", but must be one of \"\", \"slow\", \"fast\"; did you mean "
         "\"fast\"?"},
        {"{\"count\": 2, \"mode\": \"\\u202e\"}", "/top/mode",
         "\"mode\" is \"\\xe2\\x80\\xae\", but must be one of \"\", \"slow\", \"fast\""},
        {"{\"count\": 2, \"mode\": 1}", "/top/mode", "\"mode\" must be a string, not a number"},
        {"{\"count\": 2, \"inner\": []}", "/top/inner",
         "\"inner\" must be an object, not an array"},
        {"{\"count\": 2, \"inner\": {}}", "/top/inner", "\"label\" is missing; add it"},
        {"{\"count\": 2, \"inner\": {\"lable\": 1}}", "/top/inner/lable",
         "unknown key \"lable\"; did you mean \"label\"?"},
        {"{\"count\": 2, \"text\": \"owned\", \"any\": {}, \"inner\": {\"label\": 1}}",
         "/top/inner/label", "\"label\" must be a string, not a number"},
};

START_TEST(test_refused)
{
        JsonProblem problem = {0};
        Sample sample;

        ck_assert_int_eq(load(refused[_i].text, &sample, &problem), -EBADMSG);
        ck_assert_str_eq(problem.message, refused[_i].message);
        ck_assert_str_eq(problem.pointer, refused[_i].pointer);
        /* Nothing is owned any more. */
        ck_assert_ptr_null(sample.text);
        ck_assert_ptr_null(sample.inner.label);
        ck_assert_ptr_null(sample.any);
}
END_TEST

START_TEST(test_own_keys)
{
        JsonProblem problem = {0};
        json_object *saved;
        Sample sample;

        ck_assert_int_eq(load("{\"x-a\": [1], \"count\": 2, \"x-\": {}}", &sample, &problem), 0);
        saved = json_fields_save(sample_fields, &sample);
        ck_assert(!json_object_object_get_ex(saved, "x-a", NULL));
        json_object_put(saved);
        json_fields_done(sample_fields, &sample);
}
END_TEST

/* Objects that did not come from a text may hold what a text cannot. */
START_TEST(test_made_objects)
{
        json_object *json = json_object_new_object();
        JsonProblem problem = {0};
        Sample sample;

        json_object_object_add(json, "count", json_object_new_int(2));
        json_object_object_add(json, "text", json_object_new_string_len("a\0b", 3));
        ck_assert_int_eq(json_fields_load(sample_fields, json, "", &sample, &problem), -EBADMSG);
        ck_assert_str_eq(problem.message, "\"text\" holds a NUL byte; remove it");
        json_object_object_del(json, "text");
        json_object_object_add(json, "mode", json_object_new_string_len("fast\0x", 6));
        ck_assert_int_eq(json_fields_load(sample_fields, json, "", &sample, NULL), -EBADMSG);
        json_object_put(json);
}
END_TEST

START_TEST(test_required_null)
{
        static const JsonField fields[] = {
                {"any", JSON_FIELD_JSON, offsetof(Sample, any), .required = true},
                {NULL},
        };
        JsonProblem problem = {0};
        json_object *json = NULL;
        Sample sample;

        ck_assert_int_eq(json_parse_strict("{\"any\": null}", 13, &json, &problem), 0);
        ck_assert_int_eq(json_fields_load(fields, json, "", &sample, &problem), -EBADMSG);
        ck_assert_str_eq(problem.message, "\"any\" must be a value, not null");
        json_object_put(json);
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_test(tcase, test_defaults);
        tcase_add_test(tcase, test_everything);
        tcase_add_test(tcase, test_whole_numbers);
        tcase_add_loop_test(tcase, test_refused, 0, (int)ARRAY_SIZE(refused));
        tcase_add_test(tcase, test_own_keys);
        tcase_add_test(tcase, test_made_objects);
        tcase_add_test(tcase, test_required_null);
}

int main(void)
{
        return unit_run("json-fields", add_tests);
}
