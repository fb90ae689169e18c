/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "boot/boot-file.h"

const BootLoader boot_loaders[] = {
        {elf_probe, elf_load},
        {bzimage_probe, bzimage_load},
        {0},
};

const char boot_formats_wanted[] = "a 64-bit ELF with a PVH note, or a Linux bzImage";
