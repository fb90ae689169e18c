/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arch/x86_64/boot-params.h"

#include <asm/bootparam.h>
#include <stddef.h>
#include <string.h>

#include "arch/x86_64/boot-e820.h"
#include "arch/x86_64/boot-pvh.h"
#include "arch/x86_64/layout.h"
#include "common/cleanup.h"

#define LOADER_TYPE_UNDEFINED 0xffU   /* boot.rst, type_of_loader: no assigned id */
#define VIDEO_MODE_NORMAL     0xffffU /* boot.rst, vid_mode */

/* start_info, then at LAYOUT_PVH_MODULES the one module and the map; the zero page's place is free.
 */
typedef struct PvhTables {
        struct hvm_modlist_entry modules[1];
        struct hvm_memmap_table_entry memmap[E820_MAX];
} PvhTables;

_Static_assert(LAYOUT_ZERO_PAGE + sizeof(struct hvm_start_info) <= LAYOUT_PVH_MODULES,
               "hvm_start_info reaches the module list");
_Static_assert(LAYOUT_PVH_MODULES + sizeof(PvhTables) <= LAYOUT_PAGE_TABLES,
               "PVH tables reach the page tables");
_Static_assert(LAYOUT_ZERO_PAGE + sizeof(struct boot_params) <= LAYOUT_PAGE_TABLES,
               "the zero page reaches the page tables");
_Static_assert(E820_MAX <= E820_MAX_ENTRIES_ZEROPAGE, "the map does not fit into the zero page");

int boot_params_write_pvh(GuestMemory *memory, const BootParams *params)
{
        E820Entry map[E820_MAX];
        size_t n_map = e820_build(memory, map);
        PvhTables tables = {
                .modules[0] = {.paddr = params->initrd, .size = params->initrd_size},
        };
        struct hvm_start_info info = {
                .magic = HVM_START_MAGIC,
                .version = HVM_START_VERSION,
                .nr_modules = params->initrd_size > 0,
                .modlist_paddr = LAYOUT_PVH_MODULES + offsetof(PvhTables, modules),
                .cmdline_paddr = params->cmdline,
                .rsdp_paddr = params->rsdp,
                .memmap_paddr = LAYOUT_PVH_MODULES + offsetof(PvhTables, memmap),
                .memmap_entries = (uint32_t)n_map,
        };
        int r;

        for (size_t i = 0; i < n_map; i++)
                tables.memmap[i] = (struct hvm_memmap_table_entry){
                        .addr = map[i].address, .size = map[i].size, .type = map[i].type};
        r = guest_memory_write(memory, LAYOUT_PVH_MODULES, &tables, sizeof(tables));
        if (r < 0)
                return r;
        return guest_memory_write(memory, LAYOUT_ZERO_PAGE, &info, sizeof(info));
}

/* The header as the file has it, but for what the loader fills in; newer fields pass as they are.
 */
static void boot_params_fill_header(struct boot_params *zero_page, const BootParams *params)
{
        const BootImage *image = params->image;
        size_t room = offsetof(struct boot_params, edd_mbr_sig_buffer) -
                      offsetof(struct boot_params, hdr);
        struct setup_header *header = &zero_page->hdr;

        memcpy((char *)zero_page + offsetof(struct boot_params, hdr), image->setup_header,
               CONST_MIN(image->setup_header_size, room));
        header->type_of_loader = LOADER_TYPE_UNDEFINED;
        header->loadflags &= (uint8_t)~CAN_USE_HEAP; /* real mode's; never entered */
        header->vid_mode = VIDEO_MODE_NORMAL;
        header->setup_data = 0; /* the loader's list; the file's value points nowhere */
        header->cmd_line_ptr = (uint32_t)params->cmdline;
        zero_page->ext_cmd_line_ptr = (uint32_t)(params->cmdline >> 32);
        header->ramdisk_image = (uint32_t)params->initrd;
        header->ramdisk_size = (uint32_t)params->initrd_size;
        zero_page->ext_ramdisk_image = (uint32_t)(params->initrd >> 32);
        zero_page->ext_ramdisk_size = (uint32_t)(params->initrd_size >> 32);
}

int boot_params_write_linux(GuestMemory *memory, const BootParams *params)
{
        E820Entry map[E820_MAX];
        struct boot_params zero_page = {0};

        boot_params_fill_header(&zero_page, params);
        zero_page.acpi_rsdp_addr = params->rsdp;
        zero_page.e820_entries = (uint8_t)e820_build(memory, map);
        for (size_t i = 0; i < zero_page.e820_entries; i++)
                zero_page.e820_table[i] = (struct boot_e820_entry){
                        .addr = map[i].address, .size = map[i].size, .type = map[i].type};
        return guest_memory_write(memory, LAYOUT_ZERO_PAGE, &zero_page, sizeof(zero_page));
}
