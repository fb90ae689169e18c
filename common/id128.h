/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* 128-bit identifiers: machines and runs. */

#include <stdbool.h>
#include <stdint.h>

#define ID128_STRING_SIZE 33 /* 32 hexadecimal digits and NUL */

typedef struct Id128 {
        uint8_t bytes[16];
} Id128;

int id128_random(Id128 *ret); /* getrandom(2) */
bool id128_is_null(const Id128 *id);
bool id128_equal(const Id128 *a, const Id128 *b);
char *id128_to_string(const Id128 *id, char buffer[ID128_STRING_SIZE]);
int id128_from_string(const char *text,
                      Id128 *ret); /* exactly 32 lower-case digits, else -EINVAL */
