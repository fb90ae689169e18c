/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "arch/x86_64/cpuid.h"
#include "arch/x86_64/kvm-x86.h"
#include "arch/x86_64/msrs.h"
#include "arch/x86_64/registers.h"
#include "arch/x86_64/sregs.h"

/*
 * Virtual wire mode, as firmware leaves the boot processor (Intel MultiProcessor Specification
 * 3.6.2.2): the 8259A behind LINT0, NMI behind LINT1. The others get theirs from the guest, after
 * the INIT that would undo it.
 */
static int boot_vcpu_set_lint(const KvmVcpu *vcpu)
{
        const uint32_t lint0 = APIC_MODE_EXTINT, lint1 = APIC_MODE_NMI;
        struct kvm_lapic_state lapic;
        int r;

        r = kvm_vcpu_get_lapic(vcpu, &lapic);
        if (r < 0)
                return r;
        memcpy(lapic.regs + APIC_LVT_LINT0, &lint0, sizeof(lint0));
        memcpy(lapic.regs + APIC_LVT_LINT1, &lint1, sizeof(lint1));
        return kvm_vcpu_set_lapic(vcpu, &lapic);
}

struct ArchHost {
        Cpuid cpuid;
        bool tsc_deadline_timer;
};

int arch_host_new(ArchHost **ret)
{
        ArchHost *host = malloc(sizeof(*host));

        if (!host)
                return -ENOMEM;
        host->cpuid.header.nent = 0;
        *ret = host;
        return 0;
}

ArchHost *arch_host_free(ArchHost *host)
{
        free(host);
        return NULL;
}

int arch_host_survey(ArchHost *host, int kvm_fd)
{
        host->tsc_deadline_timer = kvm_check_extension(kvm_fd, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
        host->cpuid.header.nent = CPUID_MAX_ENTRIES;
        return kvm_get_supported_cpuid(kvm_fd, &host->cpuid.header);
}

int arch_vcpus_init(ArchHost *host, const KvmVcpu *vcpus, unsigned n_vcpus)
{
        int r;

        r = cpuid_make(&host->cpuid, n_vcpus, host->tsc_deadline_timer);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < n_vcpus; i++) {
                cpuid_set_vcpu(&host->cpuid, i);
                r = kvm_vcpu_set_cpuid(&vcpus[i], &host->cpuid.header);
                if (r < 0)
                        return r;
                r = msrs_init(&vcpus[i]);
                if (r < 0)
                        return r;
        }
        return boot_vcpu_set_lint(&vcpus[0]);
}

int arch_vcpu_set_entry(const KvmVcpu *vcpu, const BootImage *image, uint64_t boot_params)
{
        struct kvm_regs regs = {.rip = image->entry, .rflags = RFLAGS_RESERVED};
        struct kvm_sregs sregs;
        int r;

        sregs_power_on(&sregs, true);
        sregs_set_entry(&sregs, image->format);
        r = kvm_vcpu_set_sregs(vcpu, &sregs);
        if (r < 0)
                return r;
        if (image->format == BOOT_FORMAT_BZIMAGE)
                regs.rsi = boot_params;
        else
                regs.rbx = boot_params;
        return kvm_vcpu_set_regs(vcpu, &regs);
}

void arch_vcpus_note_pause(const KvmVcpu *vcpus, unsigned n_vcpus)
{
        /* Refused for a vCPU without KVM's clock, which has no other way to be told. */
        for (unsigned i = 0; i < n_vcpus; i++)
                (void)kvm_vcpu_clock_was_stopped(&vcpus[i]);
}
