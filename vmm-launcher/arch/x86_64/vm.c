/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <linux/kvm.h>
#include <string.h>

#include "arch/arch.h"
#include "arch/x86_64/kvm-x86.h"
#include "arch/x86_64/layout.h"

#define PIC_PINS 8U

_Static_assert(KVM_IOAPIC_NUM_PINS + 2 * PIC_PINS <= ARCH_IRQ_ROUTES_MAX, "all routes fit");

int arch_vm_init(const KvmVm *vm)
{
        int r;

        r = kvm_vm_set_identity_map_address(vm, LAYOUT_IDENTITY_MAP);
        if (r < 0)
                return r;
        r = kvm_vm_set_tss_address(vm, LAYOUT_TSS);
        if (r < 0)
                return r;
        return kvm_vm_create_irqchip(vm);
}

/* Linux, arch/x86/kvm/irq.c (irq_comm.c before 6.17): default_routing. */
size_t arch_irq_routes(struct kvm_irq_routing_entry *ret, unsigned *ret_first_free)
{
        size_t n = 0;

        for (uint32_t gsi = 0; gsi < KVM_IOAPIC_NUM_PINS; gsi++) {
                ret[n++] = (struct kvm_irq_routing_entry){
                        .gsi = gsi,
                        .type = KVM_IRQ_ROUTING_IRQCHIP,
                        .u.irqchip = {.irqchip = KVM_IRQCHIP_IOAPIC, .pin = gsi},
                };
                if (gsi < 2 * PIC_PINS)
                        ret[n++] = (struct kvm_irq_routing_entry){
                                .gsi = gsi,
                                .type = KVM_IRQ_ROUTING_IRQCHIP,
                                .u.irqchip = {.irqchip = gsi < PIC_PINS ? KVM_IRQCHIP_PIC_MASTER
                                                                        : KVM_IRQCHIP_PIC_SLAVE,
                                              .pin = gsi % PIC_PINS},
                        };
        }
        *ret_first_free = KVM_IOAPIC_NUM_PINS;
        return n;
}

/* 8259A after power-on: all is zero but the mask of edge/level control, which is wired. */
static int pic_reset(const KvmVm *vm, uint32_t chip_id)
{
        struct kvm_irqchip chip = {.chip_id = chip_id};
        uint8_t elcr_mask;
        int r;

        r = kvm_vm_get_irqchip(vm, &chip);
        if (r < 0)
                return r;
        elcr_mask = chip.chip.pic.elcr_mask;
        chip.chip.pic = (struct kvm_pic_state){.elcr_mask = elcr_mask};
        return kvm_vm_set_irqchip(vm, &chip);
}

/* I/O APIC after power-on (Intel 82093AA data sheet): every redirection entry masked. */
static int ioapic_reset(const KvmVm *vm)
{
        struct kvm_irqchip chip = {.chip_id = KVM_IRQCHIP_IOAPIC};

        chip.chip.ioapic.base_address = LAYOUT_IOAPIC_START;
        for (unsigned i = 0; i < KVM_IOAPIC_NUM_PINS; i++)
                chip.chip.ioapic.redirtbl[i].fields.mask = 1;
        return kvm_vm_set_irqchip(vm, &chip);
}

int arch_vm_reset(const KvmVm *vm)
{
        int r;

        r = pic_reset(vm, KVM_IRQCHIP_PIC_MASTER);
        if (r < 0)
                return r;
        r = pic_reset(vm, KVM_IRQCHIP_PIC_SLAVE);
        if (r < 0)
                return r;
        return ioapic_reset(vm);
}
