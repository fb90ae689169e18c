/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vCPUs back to their power-on state (Intel SDM volume 3, 10.1.1, table 10-1) without making them
 * anew: KVM keeps the file descriptors, and no new ones are needed inside the sandbox.
 */

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>

#include "arch/arch.h"
#include "arch/x86_64/kvm-x86.h"
#include "arch/x86_64/msrs.h"
#include "arch/x86_64/registers.h"
#include "arch/x86_64/sregs.h"

#define FCW_RESET   0x37f /* what KVM gives a new vCPU: FNINIT's */
#define MXCSR_RESET 0x1f80
#define DR6_RESET   0xffff0ff0ULL
#define DR7_RESET   0x400ULL
#define XCR0_RESET  0x1ULL

static void lapic_put(struct kvm_lapic_state *lapic, unsigned offset, uint32_t value)
{
        memcpy(lapic->regs + offset, &value, sizeof(value));
}

/* Intel SDM volume 3, 11.4.7.1. Must follow the APIC base: that says in which mode the id is. */
static int reset_lapic(const KvmVcpu *vcpu, unsigned index)
{
        struct kvm_lapic_state old, lapic = {0};
        int r;

        r = kvm_vcpu_get_lapic(vcpu, &old);
        if (r < 0)
                return r;
        memcpy(lapic.regs + APIC_VERSION, old.regs + APIC_VERSION, sizeof(uint32_t));
        lapic_put(&lapic, APIC_ID, index << 24);
        lapic_put(&lapic, APIC_DFR, UINT32_MAX);
        lapic_put(&lapic, APIC_SPIV, 0xff);
        lapic_put(&lapic, APIC_LVT_CMCI, APIC_LVT_MASKED);
        for (unsigned lvt = APIC_LVT_TIMER; lvt <= APIC_LVT_ERROR; lvt += 0x10)
                lapic_put(&lapic, lvt, APIC_LVT_MASKED);
        if (index == 0) {
                lapic_put(&lapic, APIC_LVT_LINT0, APIC_MODE_EXTINT);
                lapic_put(&lapic, APIC_LVT_LINT1, APIC_MODE_NMI);
        }
        return kvm_vcpu_set_lapic(vcpu, &lapic);
}

/* The XSAVE area's header is all zero: every component in its initial state. */
static int reset_fpu(const KvmVcpu *vcpu)
{
        const struct kvm_fpu fpu = {.fcw = FCW_RESET, .mxcsr = MXCSR_RESET};
        /* KVM may copy more than the struct says, as far as the guest's features reach. */
        union {
                struct kvm_xsave xsave;
                char room[16384];
        } area = {.room = {0}};
        const struct kvm_xcrs xcrs = {.nr_xcrs = 1, .xcrs = {{.xcr = 0, .value = XCR0_RESET}}};
        const uint32_t mxcsr = MXCSR_RESET;
        int r;

        memcpy((char *)area.xsave.region + 24, &mxcsr, sizeof(mxcsr));
        area.xsave.region[0] = FCW_RESET;
        r = kvm_vcpu_set_xsave(vcpu, &area.xsave);
        if (r < 0) /* no KVM_CAP_XSAVE */
                return kvm_vcpu_set_fpu(vcpu, &fpu);
        r = kvm_vcpu_set_xcrs(vcpu, &xcrs);
        /* XCR0 = 1 is refused by a processor without XSAVE alone, which has no XCR0 (KVM takes the
         * legacy part of the area even there). */
        return r == -EINVAL ? 0 : r;
}

static int reset_events(const KvmVcpu *vcpu)
{
        const struct kvm_vcpu_events events = {
                .flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR |
                         KVM_VCPUEVENT_VALID_SHADOW,
        };
        const struct kvm_debugregs debugregs = {.dr6 = DR6_RESET, .dr7 = DR7_RESET};
        int r;

        r = kvm_vcpu_set_events(vcpu, &events);
        if (r < 0)
                return r;
        return kvm_vcpu_set_debugregs(vcpu, &debugregs);
}

static int vcpu_reset(const KvmVcpu *vcpu, unsigned index)
{
        const struct kvm_regs regs = {.rip = 0xfff0, .rflags = RFLAGS_RESERVED};
        struct kvm_sregs sregs;
        struct kvm_mp_state state;
        int r;

        /* An INIT or SIPI that another vCPU sent last is delivered now, and not after the reset. */
        r = kvm_vcpu_get_mp_state(vcpu, &state);
        if (r < 0)
                return r;
        sregs_power_on(&sregs, index == 0);
        r = kvm_vcpu_set_sregs(vcpu, &sregs);
        if (r < 0)
                return r;
        r = kvm_vcpu_set_regs(vcpu, &regs);
        if (r < 0)
                return r;
        r = reset_lapic(vcpu, index);
        if (r < 0)
                return r;
        r = msrs_reset(vcpu);
        if (r < 0)
                return r;
        r = reset_fpu(vcpu);
        if (r < 0)
                return r;
        r = reset_events(vcpu);
        if (r < 0)
                return r;
        state.mp_state = index == 0 ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_UNINITIALIZED;
        return kvm_vcpu_set_mp_state(vcpu, &state);
}

int arch_vcpus_reset(const KvmVcpu *vcpus, unsigned n_vcpus)
{
        for (unsigned i = 0; i < n_vcpus; i++) {
                int r = vcpu_reset(&vcpus[i], i);

                if (r < 0)
                        return r;
        }
        return 0;
}
