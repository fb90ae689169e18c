/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Does nothing, for ever. A press of the power button ends it, unless ignore_button is on the
 * command line; spin keeps the processor busy and deaf.
 */

#include "guest/bare/bare.h"

int main(const char *cmdline)
{
        bool ignore = bare_option("ignore_button", NULL, 0);

        (void)cmdline;
        bare_puts("hanging\n");
        bare_ready();
        if (bare_option("spin", NULL, 0))
                for (;;)
                        __asm__ volatile("");
        for (;;) {
                unsigned events = bare_wait();

                while (bare_getchar() >= 0)
                        continue;
                if (!(events & BARE_EVENT_POWER_BUTTON))
                        continue;
                bare_printf("power button%s\n", ignore ? " ignored" : "");
                if (!ignore)
                        bare_exit(0);
        }
}
