/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The boot parameters that the kernel is handed, one kind for each boot protocol. */

#include <stdint.h>

#include "boot/boot.h"
#include "core/guest-memory.h"

typedef struct BootParams {
        const BootImage *image;
        uint64_t cmdline;             /* guest physical */
        uint64_t initrd, initrd_size; /* size 0: none */
        uint64_t rsdp;
} BootParams;

/* Each writes its structures at LAYOUT_ZERO_PAGE. 0 or -EFAULT. */
int boot_params_write_pvh(GuestMemory *memory, const BootParams *params);
int boot_params_write_linux(GuestMemory *memory, const BootParams *params);
