/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sends back what comes in on the console; ^D or the power button ends it. */

#include "guest/bare/bare.h"

#define END_OF_TRANSMISSION 4

int main(const char *cmdline)
{
        (void)cmdline;
        bare_puts("echo: ready\n");
        bare_ready();
        for (;;) {
                unsigned events = bare_wait();

                for (int c; (c = bare_getchar()) >= 0;) {
                        if (c == END_OF_TRANSMISSION)
                                return 0;
                        bare_putchar((char)c);
                }
                if (events & BARE_EVENT_POWER_BUTTON)
                        return 0;
        }
}
