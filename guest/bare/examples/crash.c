/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Ends badly: crash=panic (default; reported by pvpanic), crash=exception (a page fault, which the
 * runtime turns into a panic), crash=triple (triple fault), crash=reset (ACPI reset).
 */

#include "guest/bare/bare.h"

int main(const char *cmdline)
{
        char how[16] = "panic";

        (void)cmdline;
        bare_option("crash", how, sizeof(how));
        bare_ready();
        bare_printf("crash=%s\n", how);
        if (strcmp(how, "triple") == 0)
                bare_triple_fault();
        if (strcmp(how, "reset") == 0)
                bare_reset();
        if (strcmp(how, "exception") == 0)
                *(volatile uint32_t *)(64ULL << 40) = 1;
        bare_panic("asked to");
}
