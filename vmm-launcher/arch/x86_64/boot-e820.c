/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arch/x86_64/boot-e820.h"

#include "arch/x86_64/layout.h"

#define LOW_RESERVED_END 0xa0000ULL /* video memory on a PC; here a hole */
/* Pages that KVM takes for itself: the identity map, then three for the TSS. */
#define KVM_PAGES_SIZE (LAYOUT_TSS + 0x3000ULL - LAYOUT_IDENTITY_MAP)

typedef struct E820 {
        E820Entry *entries;
        size_t n;
} E820;

static void e820_add(E820 *map, uint64_t address, uint64_t end, uint32_t type)
{
        if (end > address)
                map->entries[map->n++] = (E820Entry){address, end - address, type};
}

size_t e820_build(const GuestMemory *memory, E820Entry ret[E820_MAX])
{
        const GuestRegion *regions;
        size_t n_regions = guest_memory_regions(memory, &regions);
        E820 map = {.entries = ret};
        size_t i;

        e820_add(&map, 0, LAYOUT_EBDA_START, E820_RAM);
        e820_add(&map, LAYOUT_EBDA_START, LOW_RESERVED_END, E820_RESERVED);
        e820_add(&map, LAYOUT_ACPI_START, LAYOUT_ACPI_START + LAYOUT_ACPI_SIZE, E820_ACPI);
        for (i = 0; i < n_regions && regions[i].address < LAYOUT_HOLE_START; i++) {
                uint64_t start = regions[i].address;

                e820_add(&map, start < LAYOUT_KERNEL_START ? LAYOUT_KERNEL_START : start,
                         regions[i].address + regions[i].size, E820_RAM);
        }
        /* PCI Firmware Specification 3.3, section 4.1.2: ECAM is reserved. */
        e820_add(&map, LAYOUT_ECAM_START, LAYOUT_ECAM_START + LAYOUT_ECAM_SIZE, E820_RESERVED);
        e820_add(&map, LAYOUT_IDENTITY_MAP, LAYOUT_IDENTITY_MAP + KVM_PAGES_SIZE, E820_RESERVED);
        for (; i < n_regions; i++)
                e820_add(&map, regions[i].address, regions[i].address + regions[i].size, E820_RAM);
        return map.n;
}
