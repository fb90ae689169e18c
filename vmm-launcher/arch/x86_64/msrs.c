/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arch/x86_64/msrs.h"

#include <asm/kvm_para.h>
#include <errno.h>

#include "arch/x86_64/kvm-x86.h"
#include "arch/x86_64/registers.h"
#include "common/cleanup.h"

#define MSRS_AT_ONCE 2U

typedef struct Msr {
        uint32_t index;
        uint64_t value;
} Msr;

static const Msr firmware_msrs[] = {
        {MSR_IA32_MISC_ENABLE, MISC_ENABLE_FAST_STRING},
        /* Linux takes MTRRs that are off for broken firmware, and gives up the PAT with them. */
        {MSR_IA32_MTRR_DEF_TYPE, MTRR_DEF_TYPE_WB_ENABLE},
};

/* Intel SDM volume 3, 10.1.1; Linux, Documentation/virt/kvm/x86/msr.rst. */
static const Msr reset_msrs[] = {
        {MSR_KVM_WALL_CLOCK, 0},
        {MSR_KVM_SYSTEM_TIME, 0},
        {MSR_KVM_WALL_CLOCK_NEW, 0},
        {MSR_KVM_SYSTEM_TIME_NEW, 0},
        {MSR_KVM_ASYNC_PF_EN, 0},
        {MSR_KVM_ASYNC_PF_INT, 0},
        {MSR_KVM_STEAL_TIME, 0},
        {MSR_KVM_PV_EOI_EN, 0},
        {MSR_KVM_POLL_CONTROL, 1},
        {MSR_IA32_TSC_ADJUST, 0},
        {MSR_IA32_TSC_DEADLINE, 0},
        {MSR_IA32_SPEC_CTRL, 0},
        {MSR_MISC_FEATURES_ENABLES, 0}, /* CPUID faulting */
        {MSR_IA32_SYSENTER_CS, 0},
        {MSR_IA32_SYSENTER_ESP, 0},
        {MSR_IA32_SYSENTER_EIP, 0},
        {MSR_IA32_PAT, PAT_RESET},
        {MSR_IA32_XSS, 0},
        {MSR_STAR, 0},
        {MSR_LSTAR, 0},
        {MSR_CSTAR, 0},
        {MSR_SYSCALL_MASK, 0},
        {MSR_KERNEL_GS_BASE, 0},
        {MSR_TSC_AUX, 0},
};

/* struct kvm_msrs with room. */
typedef union Msrs {
        struct kvm_msrs header;
        char room[sizeof(struct kvm_msrs) + MSRS_AT_ONCE * sizeof(struct kvm_msr_entry)];
} Msrs;

int msrs_init(const KvmVcpu *vcpu)
{
        Msrs msrs = {.header.nmsrs = ARRAY_SIZE(firmware_msrs)};
        int n;

        _Static_assert(ARRAY_SIZE(firmware_msrs) <= MSRS_AT_ONCE, "room");
        for (size_t i = 0; i < ARRAY_SIZE(firmware_msrs); i++) {
                msrs.header.entries[i].index = firmware_msrs[i].index;
                msrs.header.entries[i].data = firmware_msrs[i].value;
        }
        n = kvm_vcpu_set_msrs(vcpu, &msrs.header);
        if (n < 0)
                return n;
        return (size_t)n == ARRAY_SIZE(firmware_msrs) ? 0 : -EIO;
}

/* Variable and fixed MTRRs: KVM_GET_MSRS knows how many there are no better than a try does. */
static void mtrrs_reset(const KvmVcpu *vcpu)
{
        static const uint32_t fixed[] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
                                         0x26b, 0x26c, 0x26d, 0x26e, 0x26f};
        Msrs msrs = {.header.nmsrs = 1};

        for (uint32_t i = 0; i < 16; i++) {
                msrs.header.entries[0].index = MSR_IA32_MTRR_PHYSBASE0 + i;
                if (kvm_vcpu_set_msrs(vcpu, &msrs.header) != 1)
                        break;
        }
        for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
                msrs.header.entries[0].index = fixed[i];
                (void)kvm_vcpu_set_msrs(vcpu, &msrs.header);
        }
}

int msrs_reset(const KvmVcpu *vcpu)
{
        Msrs msrs = {.header.nmsrs = 1};

        mtrrs_reset(vcpu);
        for (size_t i = 0; i < ARRAY_SIZE(reset_msrs); i++) {
                msrs.header.entries[0].index = reset_msrs[i].index;
                msrs.header.entries[0].data = reset_msrs[i].value;
                /* One that this KVM or processor lacks was not written by the guest either. */
                (void)kvm_vcpu_set_msrs(vcpu, &msrs.header);
        }
        return msrs_init(vcpu);
}
