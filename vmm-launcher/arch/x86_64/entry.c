/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arch/x86_64/entry.h"

#define PAGE_PRESENT 0x001ULL
#define PAGE_WRITE   0x002ULL
#define PAGE_LARGE   0x080ULL /* in a page directory: 2 MiB */

#define TABLE_ENTRIES    512U
#define TABLE_SIZE       4096ULL
#define LARGE_PAGE_SIZE  0x200000ULL
#define N_DIRECTORIES    4U /* 1 GiB each: all that a kernel can be loaded into */
#define PDPT             (ENTRY_PML4 + TABLE_SIZE)
#define DIRECTORY(index) (PDPT + TABLE_SIZE * (1ULL + (index)))

_Static_assert(DIRECTORY(N_DIRECTORIES) <= LAYOUT_CMDLINE, "page tables reach the command line");
_Static_assert(LAYOUT_GDT + ENTRY_GDT_LIMIT < LAYOUT_ZERO_PAGE, "GDT reaches the zero page");

static int entry_write_gdt(GuestMemory *memory)
{
        const uint64_t gdt[ENTRY_GDT_ENTRIES] = {
                [ENTRY_SELECTOR_CODE64 / 8] = ENTRY_GDT_CODE64,
                [ENTRY_SELECTOR_DATA / 8] = ENTRY_GDT_DATA,
                [ENTRY_SELECTOR_CODE32 / 8] = ENTRY_GDT_CODE32,
                [ENTRY_SELECTOR_TSS / 8] = ENTRY_GDT_TSS,
        };

        return guest_memory_write(memory, LAYOUT_GDT, gdt, sizeof(gdt));
}

/* Intel SDM volume 3, 4.5: 4-level paging with 2 MiB pages. */
static int entry_write_page_tables(GuestMemory *memory)
{
        uint64_t tables[2U + N_DIRECTORIES][TABLE_ENTRIES] = {0};

        tables[0][0] = PDPT | PAGE_PRESENT | PAGE_WRITE;
        for (unsigned i = 0; i < N_DIRECTORIES; i++)
                tables[1][i] = DIRECTORY(i) | PAGE_PRESENT | PAGE_WRITE;
        for (unsigned i = 0; i < N_DIRECTORIES * TABLE_ENTRIES; i++)
                tables[2U + i / TABLE_ENTRIES][i % TABLE_ENTRIES] =
                        i * LARGE_PAGE_SIZE | PAGE_PRESENT | PAGE_WRITE | PAGE_LARGE;
        return guest_memory_write(memory, ENTRY_PML4, tables, sizeof(tables));
}

/*
 * Linux on hardware-reduced ACPI means to reset by EFI, and where there is none, jumps to the
 * BIOS's reset vector (arch/x86/kernel/reboot.c, reboot_init() and BOOT_BIOS). In its place stands
 * what the FADT says of a reset, in real mode.
 */
static int entry_write_reset_vector(GuestMemory *memory)
{
        static const uint8_t code[] = {
                0xba,
                (LAYOUT_PORT_ACPI + 2) & 0xff,
                (LAYOUT_PORT_ACPI + 2) >> 8, /* mov dx, port */
                0xb0,
                0x42, /* mov al, 0x42 */
                0xee, /* out dx, al */
                0xfa, /* cli */
                0xf4, /* hlt */
                0xeb,
                0xfd, /* jmp to hlt */
        };

        _Static_assert(LAYOUT_RESET_VECTOR + sizeof(code) <= LAYOUT_KERNEL_START, "too long");
        return guest_memory_write(memory, LAYOUT_RESET_VECTOR, code, sizeof(code));
}

int entry_write_tables(GuestMemory *memory, BootFormat format)
{
        int r;

        r = entry_write_reset_vector(memory);
        if (r < 0)
                return r;
        r = entry_write_gdt(memory);
        if (r < 0 || format != BOOT_FORMAT_BZIMAGE)
                return r;
        return entry_write_page_tables(memory);
}
