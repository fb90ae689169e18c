/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The memory map that the guest is told: ACPI 6.5 section 15, types as there. */

#include <stddef.h>
#include <stdint.h>

#include "core/guest-memory.h"

#define E820_RAM      1U
#define E820_RESERVED 2U
#define E820_ACPI     3U

#define E820_MAX (GUEST_MEMORY_MAX_REGIONS + 6U)

typedef struct E820Entry {
        uint64_t address, size;
        uint32_t type;
} E820Entry;

/* In rising order, disjoint. Returns how many. */
size_t e820_build(const GuestMemory *memory, E820Entry ret[E820_MAX]);
