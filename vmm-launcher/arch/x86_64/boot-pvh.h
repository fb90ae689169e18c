/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a PVH kernel is handed in ebx: Xen public/arch-x86/hvm/start_info.h, which no Debian package
 * of headers carries.
 */

#include <stdint.h>

#define HVM_START_MAGIC   0x336ec578U
#define HVM_START_VERSION 1U

struct hvm_start_info {
        uint32_t magic;
        uint32_t version;
        uint32_t flags;
        uint32_t nr_modules;
        uint64_t modlist_paddr;
        uint64_t cmdline_paddr;
        uint64_t rsdp_paddr;
        uint64_t memmap_paddr;
        uint32_t memmap_entries;
        uint32_t reserved;
};

struct hvm_modlist_entry {
        uint64_t paddr;
        uint64_t size;
        uint64_t cmdline_paddr;
        uint64_t reserved;
};

struct hvm_memmap_table_entry {
        uint64_t addr;
        uint64_t size;
        uint32_t type; /* as in e820 */
        uint32_t reserved;
};
