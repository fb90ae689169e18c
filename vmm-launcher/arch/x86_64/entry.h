/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The state in which vCPU 0 meets the kernel: arch_boot_load() writes the tables,
 * arch_vcpu_set_entry() the registers that go with them.
 *
 * BOOT_FORMAT_ELF_PVH (Xen, docs/misc/pvh.pandoc): 32-bit protected mode, paging off; cr0 = PE,
 * cr4 = 0, eflags = 2, ebx = boot_params (struct hvm_start_info), eip = image->entry; cs flat
 * 32-bit code, ds, es, ss flat data, tr a 32-bit TSS with base 0 and limit 0x67.
 *
 * BOOT_FORMAT_BZIMAGE (Linux, Documentation/arch/x86/boot.rst, "64-bit boot protocol"): long mode;
 * cr0 = PE | PG, cr3 = ENTRY_PML4, cr4 = PAE, efer = LME | LMA, rflags = 2, rsi = boot_params (the
 * zero page), rip = image->entry; cs = __BOOT_CS (0x10) flat 64-bit code, ds, es, ss = __BOOT_DS
 * (0x18) flat data. The first 4 GiB are mapped one to one.
 */

#include <stdint.h>

#include "arch/x86_64/layout.h"
#include "boot/boot.h"
#include "core/guest-memory.h"

#define ENTRY_SELECTOR_CODE64 0x10U
#define ENTRY_SELECTOR_DATA   0x18U
#define ENTRY_SELECTOR_CODE32 0x20U
#define ENTRY_SELECTOR_TSS    0x28U

/* The GDT at LAYOUT_GDT, by selector; Intel SDM volume 3, 3.4.5. Accessed and busy bits are set, as
 * KVM wants them in segment registers. */
#define ENTRY_GDT_CODE64  0x00af9b000000ffffULL
#define ENTRY_GDT_DATA    0x00cf93000000ffffULL
#define ENTRY_GDT_CODE32  0x00cf9b000000ffffULL
#define ENTRY_GDT_TSS     0x00008b0000000067ULL
#define ENTRY_GDT_ENTRIES 7U /* a TSS takes two in long mode */
#define ENTRY_GDT_LIMIT   (ENTRY_GDT_ENTRIES * 8U - 1U)

#define ENTRY_PML4 LAYOUT_PAGE_TABLES

/* The reset vector, the GDT, and for BOOT_FORMAT_BZIMAGE the page tables. 0 or -EFAULT. */
int entry_write_tables(GuestMemory *memory, BootFormat format);
