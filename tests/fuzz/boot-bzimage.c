/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Kernel images with Linux's magic, and without it all else that is told apart. The first byte says
 * which; a kernel file is longer than inputs are, so its place for code is implied.
 */

#include "tests/fuzz/boot-target.h"

#define HEADER_START 0x1f1U
#define HEADER_MAGIC 0x202U
#define FILE_SIZE    0x3000U

static void load_with_header(const uint8_t *data, size_t size)
{
        uint8_t file[FILE_SIZE] = {0};

        if (size > sizeof(file) - HEADER_START)
                size = sizeof(file) - HEADER_START;
        memcpy(file + HEADER_START, data, size);
        memcpy(file + HEADER_MAGIC, "HdrS", 4);
        boot_target_load(file, sizeof(file));
        /* The same, ending where the input does. */
        boot_target_load(file, HEADER_START + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size == 0 || data[0] == 0)
                boot_target_load(data + (size > 0), size > 0 ? size - 1 : 0);
        else
                load_with_header(data + 1, size - 1);
        return 0;
}
