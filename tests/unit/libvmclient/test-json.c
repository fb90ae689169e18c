/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "libvmclient/vm-client-private.h"

#include "libvmclient/vm-client-json.h"
#include "tests/unit/unit.h"

static GVariant *parse(const char *text)
{
        GError *error = NULL;
        GVariant *value = client_json_parse(text, strlen(text), &error);

        ck_assert_msg(value != NULL, "%s: %s", text, error ? error->message : "");
        ck_assert(!g_variant_is_floating(value));
        return value;
}

static char *print(GVariant *value)
{
        g_autoptr(GString) out = g_string_new(NULL);

        ck_assert(client_json_print(value, out));
        return g_string_free(g_steal_pointer(&out), FALSE);
}

static void expect_type(const char *text, const char *type, const char *again)
{
        g_autoptr(GVariant) value = parse(text);
        g_autofree char *printed = print(value);

        ck_assert_str_eq(g_variant_get_type_string(value), type);
        ck_assert_str_eq(printed, again);
}

START_TEST(test_values)
{
        expect_type("null", "mv", "null");
        expect_type(" true ", "b", "true");
        expect_type("false", "b", "false");
        expect_type("0", "x", "0");
        expect_type("-0", "x", "0");
        expect_type("-9223372036854775808", "x", "-9223372036854775808");
        expect_type("9223372036854775807", "x", "9223372036854775807");
        expect_type("9223372036854775808", "t", "9223372036854775808");
        expect_type("18446744073709551615", "t", "18446744073709551615");
        expect_type("18446744073709551616", "d", "1.8446744073709552e+19");
        expect_type("1.5", "d", "1.5");
        expect_type("1e2", "d", "100.0");
        expect_type("1E-400", "d", "0.0");
        expect_type("\"\"", "s", "\"\"");
        expect_type("[]", "av", "[]");
        expect_type("{}", "a{sv}", "{}");
        expect_type("[1,[2,\"x\"],{\"a\":null}]", "av", "[1,[2,\"x\"],{\"a\":null}]");
        expect_type("\t\r\n { \"b\" : 1 , \"a\" : [ ] } ", "a{sv}", "{\"b\":1,\"a\":[]}");
}
END_TEST

START_TEST(test_strings)
{
        expect_type("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "s", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"");
        expect_type("\"\\u0041\\u00e9\\u20AC\"", "s", "\"A\303\251\342\202\254\"");
        expect_type("\"\\ud83d\\ude00\"", "s", "\"\360\237\230\200\"");
        expect_type("\"\\u001f\"", "s", "\"\\u001f\"");
        expect_type("\"\177\"", "s", "\"\177\"");
}
END_TEST

static const struct {
        const char *text, *message;
} bad[] = {
        {"", "line 1, column 1: a value is expected"},
        {"  ", "line 1, column 3: a value is expected"},
        {"nul", "a value is expected"},
        {"truex", "line 1, column 5: something follows"},
        {"{} {}", "line 1, column 4: something follows"},
        {"{\n  \"a\": 1,\n  \"a\": 2}", "line 3, column 3: this key stands twice"},
        {"{\"a\":1,}", "line 1, column 8: a key in quotes"},
        {"{a:1}", "a key in quotes"},
        {"{\"a\" 1}", "line 1, column 6: ':' is expected"},
        {"{\"a\":}", "a value is expected"},
        {"{\"a\":1", "',' or '}' is expected"},
        {"{", "a key in quotes"},
        {"[1,]", "a value is expected"},
        {"[1 2]", "line 1, column 4: ',' or ']' is expected"},
        {"[", "a value is expected"},
        {"]", "a value is expected"},
        {"\"abc", "line 1, column 1: this string does not end"},
        {"\"a\nb\"", "line 1, column 3: a control character"},
        {"\"\\x\"", "an escape"},
        {"\"\\", "an escape"},
        {"\"\\u12\"", "an escape"},
        {"\"\\u000\"", "an escape"},
        {"\"\\u0000\"", "an escape"},
        {"\"\\ud83d\"", "an escape"},
        {"\"\\ud83dx\"", "an escape"},
        {"\"\\ud83d\\u0041\"", "an escape"},
        {"\"\\ude00\"", "an escape"},
        {"01", "a value is expected"},
        {"-", "a value is expected"},
        {"+1", "a value is expected"},
        {".5", "a value is expected"},
        {"1.", "a value is expected"},
        {"1e", "a value is expected"},
        {"1e+", "a value is expected"},
        {"0x10", "something follows"},
        {"1e999", "this number is too large"},
        {"-1e999", "this number is too large"},
        {"NaN", "a value is expected"},
        {"'a'", "a value is expected"},
        {"\"\xff\"", "line 1, column 2: the text is not UTF-8"},
        {"\"\xed\xa0\x80\"", "the text is not UTF-8"},
        {"/* c */ 1", "a value is expected"},
};

START_TEST(test_bad)
{
        g_autoptr(GError) error = NULL;

        ck_assert_ptr_null(client_json_parse(bad[_i].text, strlen(bad[_i].text), &error));
        ck_assert(g_error_matches(error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_INVALID_CONFIG));
        ck_assert_msg(strstr(error->message, bad[_i].message) != NULL, "%s: %s", bad[_i].text,
                      error->message);
}
END_TEST

START_TEST(test_nul_inside)
{
        g_autoptr(GError) error = NULL;

        ck_assert_ptr_null(client_json_parse("{}\0 ", 4, &error));
        ck_assert_ptr_nonnull(strstr(error->message, "NUL"));
}
END_TEST

/* Every prefix of a good document is refused, without reading past its end. */
START_TEST(test_prefixes)
{
        static const char text[] = "{\"a\": [1, -2.5e+3, \"x\\u00e9\\ud83d\\ude00\"], \"b\": "
                                   "{\"c\": null, \"d\": true}, \"e\": false}";

        for (size_t n = 0; n < sizeof(text) - 1; n++) {
                g_autoptr(GError) error = NULL;
                g_autofree char *copy = g_memdup2(text, n ? n : 1);

                ck_assert_ptr_null(client_json_parse(copy, n, &error));
                ck_assert_ptr_nonnull(error);
        }
}
END_TEST

static char *nested(unsigned depth)
{
        GString *text = g_string_new(NULL);

        for (unsigned i = 0; i < depth; i++)
                g_string_append(text, i % 2 ? "{\"a\":" : "[");
        g_string_append(text, "1");
        for (unsigned i = depth; i-- > 0;)
                g_string_append_c(text, i % 2 ? '}' : ']');
        return g_string_free(text, FALSE);
}

START_TEST(test_depth)
{
        g_autofree char *deepest = nested(CLIENT_JSON_MAX_DEPTH);
        g_autofree char *deeper = nested(CLIENT_JSON_MAX_DEPTH + 1);
        g_autofree char *endless = nested(1000000);
        g_autoptr(GVariant) value = parse(deepest);
        g_autofree char *printed = print(value);
        g_autoptr(GString) out = g_string_new(NULL);
        g_autoptr(GVariant) one_more = NULL;
        g_autoptr(GError) error = NULL;

        ck_assert_str_eq(printed, deepest);
        ck_assert_ptr_null(client_json_parse(deeper, strlen(deeper), &error));
        ck_assert_ptr_nonnull(strstr(error->message, "16 levels"));
        g_clear_error(&error);
        ck_assert_ptr_null(client_json_parse(endless, strlen(endless), &error));
        one_more = g_variant_ref_sink(g_variant_new_array(G_VARIANT_TYPE_VARIANT, NULL, 0));
        for (unsigned i = 0; i < CLIENT_JSON_MAX_DEPTH; i++) {
                GVariant *inner = g_variant_new_variant(one_more);
                GVariant *outer = g_variant_ref_sink(g_variant_new_array(NULL, &inner, 1));

                g_variant_unref(one_more);
                one_more = outer;
        }
        ck_assert(!client_json_print(one_more, out));
}
END_TEST

static void expect_print(const char *variant, const char *expected)
{
        g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_new_parsed(variant));
        g_autofree char *printed = print(value);

        ck_assert_str_eq(printed, expected);
}

START_TEST(test_print_types)
{
        expect_print("byte 200", "200");
        expect_print("int16 -5", "-5");
        expect_print("uint16 5", "5");
        expect_print("-7", "-7");
        expect_print("uint32 4000000000", "4000000000");
        expect_print("@ms nothing", "null");
        expect_print("@ms 'x'", "\"x\"");
        expect_print("objectpath '/a'", "\"/a\"");
        expect_print("('a', 1, <true>)", "[\"a\",1,true]");
        expect_print("{'a': 1, 'b': 2}", "{\"a\":1,\"b\":2}");
        expect_print("['a', 'b']", "[\"a\",\"b\"]");
        expect_print("<<<'deep'>>>", "\"deep\"");
}
END_TEST

START_TEST(test_print_refuses)
{
        static const char *const values[] = {"{1: 2}", "handle 3", "<handle 3>", "[handle 3]",
                                             "{'a': <handle 3>}"};
        g_autoptr(GString) out = g_string_new(NULL);
        g_autoptr(GVariant) nan_value = g_variant_ref_sink(g_variant_new_double(NAN));
        g_autoptr(GVariant) infinite = g_variant_ref_sink(g_variant_new_double(INFINITY));

        for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
                g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_new_parsed(values[i]));

                ck_assert_msg(!client_json_print(value, out), "%s", values[i]);
        }
        ck_assert(!client_json_print(nan_value, out));
        ck_assert(!client_json_print(infinite, out));
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_test(tcase, test_values);
        tcase_add_test(tcase, test_strings);
        tcase_add_loop_test(tcase, test_bad, 0, G_N_ELEMENTS(bad));
        tcase_add_test(tcase, test_nul_inside);
        tcase_add_test(tcase, test_prefixes);
        tcase_add_test(tcase, test_depth);
        tcase_add_test(tcase, test_print_types);
        tcase_add_test(tcase, test_print_refuses);
}

int main(void)
{
        return unit_run("client-json", add_tests);
}
