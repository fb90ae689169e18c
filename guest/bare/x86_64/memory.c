/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* RAM and the page tables that map it. */

#include "guest/bare/x86_64/cpu.h"
#include "guest/bare/x86_64/x86.h"

#define MEMORY_TYPE_RAM 1U
#define PAGE_SIZE       0x1000ULL
#define HUGE_SIZE       0x200000ULL
#define PTE_TABLE       0x003ULL /* present, writable */
#define PTE_HUGE        0x083ULL
#define PTE_ADDRESS     0x000ffffffffff000ULL
#define MAPPED_BY_START (4ULL << 30)

/* Xen public/arch-x86/hvm/start_info.h. */
typedef struct MemoryMapEntry {
        uint64_t start, size;
        uint32_t type, reserved;
} MemoryMapEntry;

extern uint64_t bare_pml4[];
extern char __image_end[];

static const MemoryMapEntry *map;
static unsigned map_entries;
static uint64_t taken_end, taken_max;

bool bare_ram_region(unsigned index, BareRegion *ret)
{
        for (unsigned i = 0; i < map_entries; i++)
                if (map[i].type == MEMORY_TYPE_RAM && index-- == 0) {
                        *ret = (BareRegion){map[i].start, map[i].size};
                        return true;
                }
        return false;
}

void memory_init(uint64_t memory_map, unsigned entries)
{
        BareRegion region;

        map = (const MemoryMapEntry *)(uintptr_t)memory_map;
        map_entries = memory_map != 0 ? entries : 0;
        taken_end = taken_max = (uintptr_t)__image_end;
        for (unsigned i = 0; bare_ram_region(i, &region); i++)
                if (region.start <= taken_end && region.start + region.size > taken_end)
                        taken_max = region.start + region.size;
}

uint64_t bare_free_memory(void)
{
        return taken_end;
}

void *memory_take(size_t n)
{
        void *at = (void *)(uintptr_t)taken_end;

        n = (n + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
        if (n > taken_max - taken_end)
                bare_panic("no memory left for %lu bytes", n);
        taken_end += n;
        return memset(at, 0, n);
}

static uint64_t *table_below(uint64_t *entry)
{
        if (*entry == 0)
                *entry = (uintptr_t)memory_take(PAGE_SIZE) | PTE_TABLE;
        return (uint64_t *)(uintptr_t)(*entry & PTE_ADDRESS);
}

void bare_map(uint64_t start, uint64_t size)
{
        uint64_t end = start + size;

        start &= ~(HUGE_SIZE - 1);
        if (start < MAPPED_BY_START)
                start = MAPPED_BY_START;
        for (uint64_t at = start; at < end; at += HUGE_SIZE) {
                uint64_t *pdpt = table_below(&bare_pml4[at >> 39 & 511]);
                uint64_t *pd = table_below(&pdpt[at >> 30 & 511]);

                pd[at >> 21 & 511] = at | PTE_HUGE;
        }
        cpu_flush_tlb();
}
