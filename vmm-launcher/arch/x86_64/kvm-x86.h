/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The ioctls that only x86 has, one function each, as kvm/kvm.h. 0 or negative errno. */

#include <linux/kvm.h>
#include <stdint.h>

#include "kvm/kvm.h"

int kvm_vm_set_tss_address(const KvmVm *vm, uint64_t address);
int kvm_vm_set_identity_map_address(const KvmVm *vm, uint64_t address);
int kvm_vm_create_irqchip(const KvmVm *vm);
int kvm_vm_get_irqchip(const KvmVm *vm, struct kvm_irqchip *chip); /* chip->chip_id says which */
int kvm_vm_set_irqchip(const KvmVm *vm, const struct kvm_irqchip *chip);

/* cpuid->nent: room, and on return the number of entries. On /dev/kvm. */
int kvm_get_supported_cpuid(int kvm_fd, struct kvm_cpuid2 *cpuid);

int kvm_vcpu_set_cpuid(const KvmVcpu *vcpu, const struct kvm_cpuid2 *cpuid);
int kvm_vcpu_get_regs(const KvmVcpu *vcpu, struct kvm_regs *ret);
int kvm_vcpu_set_regs(const KvmVcpu *vcpu, const struct kvm_regs *regs);
int kvm_vcpu_get_sregs(const KvmVcpu *vcpu, struct kvm_sregs *ret);
int kvm_vcpu_set_sregs(const KvmVcpu *vcpu, const struct kvm_sregs *sregs);
int kvm_vcpu_get_lapic(const KvmVcpu *vcpu, struct kvm_lapic_state *ret);
int kvm_vcpu_set_lapic(const KvmVcpu *vcpu, const struct kvm_lapic_state *lapic);
/* Returns how many were set: KVM stops at the first that it does not know. */
int kvm_vcpu_set_msrs(const KvmVcpu *vcpu, const struct kvm_msrs *msrs);
int kvm_vcpu_set_xsave(const KvmVcpu *vcpu, const struct kvm_xsave *xsave);
int kvm_vcpu_set_fpu(const KvmVcpu *vcpu, const struct kvm_fpu *fpu);
int kvm_vcpu_set_xcrs(const KvmVcpu *vcpu, const struct kvm_xcrs *xcrs);
int kvm_vcpu_set_debugregs(const KvmVcpu *vcpu, const struct kvm_debugregs *debugregs);
int kvm_vcpu_set_events(const KvmVcpu *vcpu, const struct kvm_vcpu_events *events);
/* KVM takes INIT and SIPI that are pending into account before it answers. */
int kvm_vcpu_get_mp_state(const KvmVcpu *vcpu, struct kvm_mp_state *ret);
/* Tells a guest that uses KVM's clock that it was stopped. -EINVAL for one that does not. */
int kvm_vcpu_clock_was_stopped(const KvmVcpu *vcpu);
int kvm_vcpu_set_mp_state(const KvmVcpu *vcpu, const struct kvm_mp_state *state);
