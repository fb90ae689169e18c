/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Command lines and initrds against what a kernel takes. Input: the kernel's limit, the room, the
 * image's end and the initrd's highest address, two bytes each (the last two in pages), then the
 * text, which is also the initrd.
 */

#include <errno.h>

#include "tests/fuzz/boot-target.h"

#define ADDRESS 0x20000ULL
#define NUMBERS 8U

static uint64_t number(const uint8_t *data, unsigned index)
{
        return (uint64_t)data[index * 2] | (uint64_t)data[index * 2 + 1] << 8;
}

static void load_cmdline(GuestMemory *memory, const BootImage *image, const char *text,
                         uint64_t room)
{
        size_t length = strlen(text);
        BootProblem problem = {{0}};
        char *read_back = malloc(length + 2);
        int r;

        fuzz_check(read_back);
        fuzz_check(guest_memory_fill(memory, ADDRESS, 0xff, length + 2) == 0);
        r = boot_cmdline_load(text, memory, image, ADDRESS, room, &problem);
        fuzz_check(guest_memory_read(memory, ADDRESS, read_back, length + 2) == 0);
        if (length > image->cmdline_max || length >= room) {
                fuzz_check(r == -E2BIG && problem.message[0]);
                fuzz_check(read_back[0] == (char)0xff);
        } else {
                fuzz_check(r == 0 && memcmp(read_back, text, length + 1) == 0);
        }
        fuzz_check(read_back[length + 1] == (char)0xff);
        free(read_back);
}

static void load_initrd(GuestMemory *memory, const BootImage *image, const uint8_t *data,
                        size_t size)
{
        const BootPlace place = {BOOT_TARGET_LOWEST, BOOT_TARGET_MEMORY};
        uint64_t address = 0, loaded = 0;
        BootProblem problem = {{0}};
        int r;

        r = boot_initrd_load(boot_target_file(data, size), memory, &place, image, &address, &loaded,
                             &problem);
        if (r < 0) {
                fuzz_check(problem.message[0]);
                return;
        }
        fuzz_check(loaded == size && address % 4096 == 0);
        fuzz_check(address >= place.lowest && address >= image->end);
        fuzz_check(address + size <= place.end && address + size - 1 <= image->initrd_addr_max);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        BootImage image = {0};
        char *text;

        if (size < NUMBERS)
                return 0;
        image.cmdline_max = number(data, 0);
        image.end = number(data, 2) << 12;
        image.initrd_addr_max = number(data, 3) == 0xffff ? UINT64_MAX : number(data, 3) << 12;
        text = strndup((const char *)data + NUMBERS, size - NUMBERS);
        fuzz_check(text);
        load_cmdline(boot_target_memory(), &image, text, number(data, 1));
        load_initrd(boot_target_memory(), &image, data + NUMBERS, size - NUMBERS);
        free(text);
        return 0;
}
