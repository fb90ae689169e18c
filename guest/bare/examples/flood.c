/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Prints numbered lines without end, or lines=N of them. */

#include "guest/bare/bare.h"

int main(const char *cmdline)
{
        int64_t lines = bare_option_number("lines", INT64_MAX);

        (void)cmdline;
        bare_ready();
        for (int64_t i = 0; i < lines; i++)
                bare_printf("flood %ld\n", i);
        return 0;
}
