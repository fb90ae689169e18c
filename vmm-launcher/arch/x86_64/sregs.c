/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arch/x86_64/sregs.h"

#include "arch/x86_64/entry.h"
#include "arch/x86_64/registers.h"

void sregs_power_on(struct kvm_sregs *sregs, bool is_boot_vcpu)
{
        const struct kvm_segment data = {.limit = 0xffff, .type = 3, .present = 1, .s = 1};

        *sregs = (struct kvm_sregs){
                .cs = {.base = 0xffff0000,
                       .limit = 0xffff,
                       .selector = 0xf000,
                       .type = 11,
                       .present = 1,
                       .s = 1},
                .ds = data,
                .es = data,
                .fs = data,
                .gs = data,
                .ss = data,
                .tr = {.limit = 0xffff, .type = 11, .present = 1},
                .ldt = {.limit = 0xffff, .type = 2, .present = 1},
                .gdt = {.limit = 0xffff},
                .idt = {.limit = 0xffff},
                .cr0 = CR0_CD | CR0_NW | CR0_ET,
                .apic_base =
                        APIC_BASE_ADDRESS | APIC_BASE_ENABLE | (is_boot_vcpu ? APIC_BASE_BSP : 0),
        };
}

/* A segment register as loading the selector from the GDT at LAYOUT_GDT would leave it. */
static struct kvm_segment segment(uint16_t selector, uint64_t descriptor)
{
        uint32_t limit = (uint32_t)((descriptor & 0xffff) | (descriptor >> 32 & 0xf0000));
        struct kvm_segment segment = {
                .base = (descriptor >> 16 & 0xffffff) | (descriptor >> 32 & 0xff000000),
                .selector = selector,
                .type = descriptor >> 40 & 0xf,
                .s = descriptor >> 44 & 1,
                .dpl = descriptor >> 45 & 3,
                .present = descriptor >> 47 & 1,
                .avl = descriptor >> 52 & 1,
                .l = descriptor >> 53 & 1,
                .db = descriptor >> 54 & 1,
                .g = descriptor >> 55 & 1,
        };

        segment.limit = segment.g ? limit << 12 | 0xfff : limit;
        return segment;
}

void sregs_set_entry(struct kvm_sregs *sregs, BootFormat format)
{
        const struct kvm_segment data = segment(ENTRY_SELECTOR_DATA, ENTRY_GDT_DATA);
        bool long_mode = format == BOOT_FORMAT_BZIMAGE;

        sregs->cs = long_mode ? segment(ENTRY_SELECTOR_CODE64, ENTRY_GDT_CODE64)
                              : segment(ENTRY_SELECTOR_CODE32, ENTRY_GDT_CODE32);
        sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
        sregs->tr = segment(ENTRY_SELECTOR_TSS, ENTRY_GDT_TSS);
        sregs->gdt.base = LAYOUT_GDT;
        sregs->gdt.limit = ENTRY_GDT_LIMIT;
        sregs->idt.base = 0;
        sregs->idt.limit = 0;
        sregs->cr0 = CR0_PE | CR0_ET;
        sregs->cr3 = 0;
        sregs->cr4 = 0;
        sregs->efer = 0;
        if (long_mode) {
                sregs->cr0 |= CR0_PG;
                sregs->cr3 = ENTRY_PML4;
                sregs->cr4 = CR4_PAE;
                sregs->efer = EFER_LME | EFER_LMA;
        }
}
