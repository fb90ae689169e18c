/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/bare/bare.h"

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
        unsigned char *t = to;
        const unsigned char *f = from;

        while (n-- > 0)
                *t++ = *f++;
        return to;
}

void *memmove(void *to, const void *from, size_t n)
{
        unsigned char *t = to;
        const unsigned char *f = from;

        if (t <= f)
                return memcpy(to, from, n);
        while (n-- > 0)
                t[n] = f[n];
        return to;
}

void *memset(void *to, int byte, size_t n)
{
        unsigned char *t = to;

        while (n-- > 0)
                *t++ = (unsigned char)byte;
        return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
        const unsigned char *x = a, *y = b;

        for (size_t i = 0; i < n; i++)
                if (x[i] != y[i])
                        return x[i] < y[i] ? -1 : 1;
        return 0;
}

size_t strlen(const char *text)
{
        size_t n = 0;

        while (text[n] != '\0')
                n++;
        return n;
}

int strcmp(const char *a, const char *b)
{
        while (*a != '\0' && *a == *b) {
                a++;
                b++;
        }
        return (unsigned char)*a - (unsigned char)*b;
}
