/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arch/x86_64/kvm-x86.h"

#include <errno.h>
#include <sys/ioctl.h>

static int result(int r)
{
        return r < 0 ? -errno : r;
}

int kvm_vm_set_tss_address(const KvmVm *vm, uint64_t address)
{
        return result(ioctl(vm->fd, KVM_SET_TSS_ADDR, (unsigned long)address));
}

int kvm_vm_set_identity_map_address(const KvmVm *vm, uint64_t address)
{
        return result(ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &address));
}

int kvm_vm_create_irqchip(const KvmVm *vm)
{
        return result(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
}

int kvm_vm_get_irqchip(const KvmVm *vm, struct kvm_irqchip *chip)
{
        return result(ioctl(vm->fd, KVM_GET_IRQCHIP, chip));
}

int kvm_vm_set_irqchip(const KvmVm *vm, const struct kvm_irqchip *chip)
{
        return result(ioctl(vm->fd, KVM_SET_IRQCHIP, chip));
}

int kvm_get_supported_cpuid(int kvm_fd, struct kvm_cpuid2 *cpuid)
{
        return result(ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid));
}

int kvm_vcpu_set_cpuid(const KvmVcpu *vcpu, const struct kvm_cpuid2 *cpuid)
{
        return result(ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid));
}

int kvm_vcpu_get_regs(const KvmVcpu *vcpu, struct kvm_regs *ret)
{
        return result(ioctl(vcpu->fd, KVM_GET_REGS, ret));
}

int kvm_vcpu_set_regs(const KvmVcpu *vcpu, const struct kvm_regs *regs)
{
        return result(ioctl(vcpu->fd, KVM_SET_REGS, regs));
}

int kvm_vcpu_get_sregs(const KvmVcpu *vcpu, struct kvm_sregs *ret)
{
        return result(ioctl(vcpu->fd, KVM_GET_SREGS, ret));
}

int kvm_vcpu_set_sregs(const KvmVcpu *vcpu, const struct kvm_sregs *sregs)
{
        return result(ioctl(vcpu->fd, KVM_SET_SREGS, sregs));
}

int kvm_vcpu_get_lapic(const KvmVcpu *vcpu, struct kvm_lapic_state *ret)
{
        return result(ioctl(vcpu->fd, KVM_GET_LAPIC, ret));
}

int kvm_vcpu_set_lapic(const KvmVcpu *vcpu, const struct kvm_lapic_state *lapic)
{
        return result(ioctl(vcpu->fd, KVM_SET_LAPIC, lapic));
}

int kvm_vcpu_set_msrs(const KvmVcpu *vcpu, const struct kvm_msrs *msrs)
{
        return result(ioctl(vcpu->fd, KVM_SET_MSRS, msrs));
}

int kvm_vcpu_set_xsave(const KvmVcpu *vcpu, const struct kvm_xsave *xsave)
{
        return result(ioctl(vcpu->fd, KVM_SET_XSAVE, xsave));
}

int kvm_vcpu_set_fpu(const KvmVcpu *vcpu, const struct kvm_fpu *fpu)
{
        return result(ioctl(vcpu->fd, KVM_SET_FPU, fpu));
}

int kvm_vcpu_set_xcrs(const KvmVcpu *vcpu, const struct kvm_xcrs *xcrs)
{
        return result(ioctl(vcpu->fd, KVM_SET_XCRS, xcrs));
}

int kvm_vcpu_set_debugregs(const KvmVcpu *vcpu, const struct kvm_debugregs *debugregs)
{
        return result(ioctl(vcpu->fd, KVM_SET_DEBUGREGS, debugregs));
}

int kvm_vcpu_set_events(const KvmVcpu *vcpu, const struct kvm_vcpu_events *events)
{
        return result(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, events));
}

int kvm_vcpu_get_mp_state(const KvmVcpu *vcpu, struct kvm_mp_state *ret)
{
        return result(ioctl(vcpu->fd, KVM_GET_MP_STATE, ret));
}

int kvm_vcpu_set_mp_state(const KvmVcpu *vcpu, const struct kvm_mp_state *state)
{
        return result(ioctl(vcpu->fd, KVM_SET_MP_STATE, state));
}

int kvm_vcpu_clock_was_stopped(const KvmVcpu *vcpu)
{
        return result(ioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0));
}
