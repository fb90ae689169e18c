/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>

#include "boot/boot-file.h"

#define INITRD_ALIGN 4096ULL

int boot_initrd_load(int fd, GuestMemory *memory, const BootPlace *place, const BootImage *image,
                     uint64_t *ret_address, uint64_t *ret_size, BootProblem *problem)
{
        uint64_t lowest = image->end > place->lowest ? image->end : place->lowest;
        uint64_t end = place->end, address;
        BootFile file;
        int r;

        r = boot_file_open(fd, "initrd", &file, problem);
        if (r < 0)
                return r;
        if (image->initrd_addr_max < end)
                end = image->initrd_addr_max + 1;
        address = file.size < end ? (end - file.size) & ~(INITRD_ALIGN - 1) : 0;
        if (address < lowest)
                return boot_problem(problem, -EFAULT,
                                    "The initrd has %" PRIu64
                                    " MiB, and between the kernel's end at "
                                    "%" PRIu64 " MiB and the highest address that it may take, "
                                    "%" PRIu64 " MiB, there is no room. Raise memory_mib, or give "
                                    "a smaller initrd.",
                                    BOOT_MIB(file.size), BOOT_MIB(lowest), end >> 20);
        r = boot_file_load(&file, 0, file.size, memory, address, problem);
        if (r < 0)
                return r;
        *ret_address = address;
        *ret_size = file.size;
        return 0;
}
