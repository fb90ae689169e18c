/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Says hello, repeats nonce=... from the command line and names the hypervisor, so that no other
 * guest's output can pass for it. wait: reports ready and waits for the power button first.
 */

#include "guest/bare/bare.h"

int main(const char *cmdline)
{
        char nonce[64] = "", signature[BARE_SIGNATURE_SIZE];

        (void)cmdline;
        bare_hypervisor(signature);
        bare_printf("hello from a virtual machine\nhypervisor=%s\n", signature);
        if (bare_option("nonce", nonce, sizeof(nonce)))
                bare_printf("nonce=%s\n", nonce);
        bare_ready();
        if (bare_option("wait", NULL, 0)) {
                while (!(bare_wait() & BARE_EVENT_POWER_BUTTON))
                        continue;
                bare_puts("power button\n");
        }
        return 0;
}
