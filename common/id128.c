/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/id128.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static const char hex_digits[] = "0123456789abcdef";

int id128_random(Id128 *ret)
{
        Id128 id;
        ssize_t n;

        /* getrandom(2) fills up to 256 bytes in one piece once the pool is ready. */
        do
                n = getrandom(id.bytes, sizeof(id.bytes), 0);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        if ((size_t)n != sizeof(id.bytes))
                return -EIO;

        *ret = id;
        return 0;
}

bool id128_is_null(const Id128 *id)
{
        static const Id128 null = {0};

        return id128_equal(id, &null);
}

bool id128_equal(const Id128 *a, const Id128 *b)
{
        return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

char *id128_to_string(const Id128 *id, char buffer[ID128_STRING_SIZE])
{
        for (size_t i = 0; i < sizeof(id->bytes); i++) {
                buffer[2 * i] = hex_digits[id->bytes[i] >> 4];
                buffer[2 * i + 1] = hex_digits[id->bytes[i] & 0xf];
        }
        buffer[ID128_STRING_SIZE - 1] = '\0';
        return buffer;
}

int id128_from_string(const char *text, Id128 *ret)
{
        Id128 id = {0};

        for (size_t i = 0; i < 2 * sizeof(id.bytes); i++) {
                const char *digit = text[i] ? strchr(hex_digits, text[i]) : NULL;

                if (!digit)
                        return -EINVAL;
                id.bytes[i / 2] = (uint8_t)(id.bytes[i / 2] << 4 | (digit - hex_digits));
        }
        if (text[2 * sizeof(id.bytes)] != '\0')
                return -EINVAL;

        *ret = id;
        return 0;
}
