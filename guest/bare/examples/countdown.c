/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Counts down from from=N (default 5) and exits with exit=CODE (default 0). */

#include "guest/bare/bare.h"

int main(const char *cmdline)
{
        (void)cmdline;
        bare_ready();
        for (int64_t i = bare_option_number("from", 5); i > 0; i--)
                bare_printf("%ld\n", i);
        bare_puts("liftoff\n");
        return (int)bare_option_number("exit", 0);
}
