/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "boot/boot-file.h"

int boot_cmdline_load(const char *cmdline, GuestMemory *memory, const BootImage *image,
                      uint64_t address, uint64_t room, BootProblem *problem)
{
        size_t length = cmdline ? strlen(cmdline) : 0;
        int r;

        if (length > image->cmdline_max)
                return boot_problem(problem, -E2BIG,
                                    "The kernel command line has %zu bytes, and this kernel takes "
                                    "at most %" PRIu64 ". Shorten params.",
                                    length, image->cmdline_max);
        if (length >= room)
                return boot_problem(problem, -E2BIG,
                                    "The kernel command line has %zu bytes, and the monitor has "
                                    "room for %" PRIu64 ". Shorten params.",
                                    length, room ? room - 1 : 0);
        r = guest_memory_write(memory, address, cmdline ? cmdline : "", length + 1);
        if (r < 0)
                return boot_problem(problem, r,
                                    "The command line does not fit: no memory at 0x%" PRIx64
                                    ". Raise memory_mib.",
                                    address);
        return 0;
}
