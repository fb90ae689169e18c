/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/id128.h"

#include <errno.h>

#include "common/string-util.h"
#include "tests/unit/unit.h"

START_TEST(test_round_trip)
{
        Id128 a, b;
        char text[ID128_STRING_SIZE];

        ck_assert_int_eq(id128_random(&a), 0);
        ck_assert(!id128_is_null(&a));
        ck_assert_ptr_eq(id128_to_string(&a, text), text);
        ck_assert_uint_eq(strlen(text), 32);
        ck_assert_int_eq(id128_from_string(text, &b), 0);
        ck_assert(id128_equal(&a, &b));
        ck_assert_int_eq(id128_random(&b), 0);
        ck_assert(!id128_equal(&a, &b));
}
END_TEST

START_TEST(test_known)
{
        const char *text = "00112233445566778899aabbccddeeff";
        char again[ID128_STRING_SIZE];
        Id128 id;

        ck_assert_int_eq(id128_from_string(text, &id), 0);
        for (unsigned i = 0; i < 16; i++)
                ck_assert_uint_eq(id.bytes[i], i * 0x11);
        ck_assert_str_eq(id128_to_string(&id, again), text);
        ck_assert_int_eq(id128_from_string("00000000000000000000000000000000", &id), 0);
        ck_assert(id128_is_null(&id));
}
END_TEST

START_TEST(test_refused)
{
        static const char *const bad[] = {
                "",
                "0",
                "00112233445566778899aabbccddeef",
                "00112233445566778899aabbccddeeff0",
                "00112233445566778899AABBCCDDEEFF",
                "00112233445566778899aabbccddeefg",
                " 0112233445566778899aabbccddeeff",
                "00112233-4455-6677-8899-aabbccddeeff",
        };
        Id128 id = {{42}};

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                ck_assert_int_eq(id128_from_string(bad[i], &id), -EINVAL);
        ck_assert_uint_eq(id.bytes[0], 42); /* untouched */
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_test(tcase, test_round_trip);
        tcase_add_test(tcase, test_known);
        tcase_add_test(tcase, test_refused);
}

int main(void)
{
        return unit_run("id128", add_tests);
}
