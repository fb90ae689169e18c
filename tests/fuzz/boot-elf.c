/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Kernel images that begin as an ELF does. */

#include "tests/fuzz/boot-target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        uint8_t *image = malloc(size + 1);

        fuzz_check(image);
        if (size > 0)
                memcpy(image, data, size);
        if (size >= 4)
                memcpy(image,
                       "\x7f"
                       "ELF",
                       4);
        boot_target_load(image, size);
        free(image);
        return 0;
}
