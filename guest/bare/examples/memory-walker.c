/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Writes a value of its own into RAM every walk=MIB (default 64) and into the last page of each
 * region, then reads them all back: memory that is missing, or that answers at two addresses,
 * shows. Regions above 4 GiB included.
 */

#include "guest/bare/bare.h"

#define PAGE_SIZE 0x1000ULL

static uint64_t pattern(uint64_t address)
{
        return address * 0x9e3779b97f4a7c15ULL ^ 0x5851f42d4c957f2dULL;
}

/* Visits the probes of one region; returns how many there were. */
static unsigned walk(uint64_t start, uint64_t end, uint64_t step, bool verify)
{
        unsigned n = 0;

        for (uint64_t at = start; at < end; at = at + step < end ? at + step : end - PAGE_SIZE) {
                volatile uint64_t *word = (volatile uint64_t *)at;

                if (!verify)
                        *word = pattern(at);
                else if (*word != pattern(at))
                        bare_panic("0x%lx holds 0x%lx instead of 0x%lx", at, *word, pattern(at));
                n++;
                if (at == end - PAGE_SIZE)
                        break;
        }
        return n;
}

int main(const char *cmdline)
{
        int64_t step = bare_option_number("walk", 64);
        uint64_t total = 0;
        BareRegion region;
        unsigned n = 0;

        (void)cmdline;
        if (step <= 0)
                bare_panic("walk= wants a number of MiB above 0");
        for (unsigned i = 0; bare_ram_region(i, &region); i++)
                bare_map(region.start, region.size);
        for (int verify = 0; verify <= 1; verify++) {
                total = n = 0;
                for (unsigned i = 0; bare_ram_region(i, &region); i++) {
                        uint64_t start = region.start, end = region.start + region.size;

                        total += region.size;
                        /* Low memory holds what the monitor wrote: start info, page tables. */
                        if (start < bare_free_memory())
                                start = bare_free_memory();
                        if (start + PAGE_SIZE <= end)
                                n += walk(start, end, (uint64_t)step << 20, verify);
                }
        }
        for (unsigned i = 0; bare_ram_region(i, &region); i++)
                bare_printf("ram 0x%lx + %lu KiB\n", region.start, region.size >> 10);
        bare_printf("walked %lu MiB at %u places\n", total >> 20, n);
        return 0;
}
