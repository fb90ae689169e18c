/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the boot targets share: a file with the input's bytes, a small guest memory, and what must
 * hold of every outcome. */

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "boot/boot.h"
#include "tests/fuzz/fuzz.h"

#define BOOT_TARGET_MEMORY (4ULL << 20)
#define BOOT_TARGET_LOWEST (1ULL << 20)

static inline GuestMemory *boot_target_memory(void)
{
        static GuestMemory *memory;
        const GuestRegion layout = {.size = BOOT_TARGET_MEMORY};

        if (!memory)
                fuzz_check(guest_memory_new(&layout, 1, &memory) == 0);
        return memory;
}

static inline int boot_target_file(const void *data, size_t size)
{
        static int fd = -1;

        if (fd < 0)
                fd = memfd_create("image", MFD_CLOEXEC);
        fuzz_check(fd >= 0);
        fuzz_check(ftruncate(fd, 0) == 0);
        fuzz_check(pwrite(fd, data, size, 0) == (ssize_t)size);
        return fd;
}

/* A refusal is a whole sentence; an image lies where it may, and nothing lies below. */
static inline void boot_target_load(const void *data, size_t size)
{
        const BootPlace place = {BOOT_TARGET_LOWEST, BOOT_TARGET_MEMORY};
        GuestMemory *memory = boot_target_memory();
        BootProblem problem = {{0}};
        BootImage image = {0};
        uint8_t below[4096];
        int r;

        r = boot_image_load(boot_target_file(data, size), memory, &place, &image, &problem);
        if (r < 0) {
                size_t length = strnlen(problem.message, sizeof(problem.message));

                fuzz_check(length > 0 && length < sizeof(problem.message) - 1);
                fuzz_check(problem.message[length - 1] == '.');
        } else {
                fuzz_check(image.entry >= place.lowest && image.entry < image.end);
                fuzz_check(image.end <= place.end);
                fuzz_check(image.setup_header_size <= sizeof(image.setup_header));
        }
        fuzz_check(guest_memory_read(memory, BOOT_TARGET_LOWEST - sizeof(below), below,
                                     sizeof(below)) == 0);
        for (size_t i = 0; i < sizeof(below); i++)
                fuzz_check(below[i] == 0);
}
