/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Starts every processor by INIT and SIPI; each reports, one after the other. */

#include "guest/bare/bare.h"

static volatile unsigned reported;

static void report(unsigned index, void *argument)
{
        bare_printf("cpu %u runs, %s\n", index, (const char *)argument);
        reported = index;
}

int main(const char *cmdline)
{
        static char word[] = "started by cpu 0";
        unsigned n = bare_cpu_count();

        (void)cmdline;
        for (unsigned i = 1; i < n; i++) {
                bare_cpu_start(i, report, word);
                while (reported != i)
                        __asm__ volatile("pause");
        }
        bare_printf("cpus=%u\n", n);
        return 0;
}
