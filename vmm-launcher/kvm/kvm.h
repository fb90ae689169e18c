/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * /dev/kvm: one function per ioctl (Linux, Documentation/virt/kvm/api.rst), for those that every
 * architecture has. All return 0 or more, or negative errno; none retries, logs or keeps state.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"

struct kvm_irq_routing;
struct kvm_run;

typedef struct KvmVm {
        int kvm_fd; /* /dev/kvm, borrowed */
        int fd;
} KvmVm;

typedef struct KvmVcpu {
        int fd;
        struct kvm_run *run; /* shared with the kernel */
        size_t run_size;     /* bytes of that mapping */
} KvmVcpu;

#define KVM_VM_NONE   ((KvmVm){-1, -1})
#define KVM_VCPU_NONE ((KvmVcpu){-1, NULL, 0})

/* On /dev/kvm itself. */
int kvm_get_api_version(int kvm_fd);
int kvm_get_vcpu_mmap_size(int kvm_fd);
/* On /dev/kvm or a VM; unsigned KVM_CAP_*. */
int kvm_check_extension(int fd, unsigned capability);
/* type: 0, or an architecture's KVM_CREATE_VM argument. */
int kvm_vm_create(int kvm_fd, unsigned long type, KvmVm *ret);
void kvm_vm_done(KvmVm *vm);

/* On a VM. */
int kvm_vm_set_memory(const KvmVm *vm, unsigned slot, uint64_t address, uint64_t size, void *host);
/* Drives an input of the in-kernel irqchip. */
int kvm_vm_irq_line(const KvmVm *vm, unsigned gsi, bool level);
/* Replaces all routes from GSIs to inputs of the irqchip and messages. */
int kvm_vm_set_gsi_routing(const KvmVm *vm, const struct kvm_irq_routing *routing);
/* run_size: of kvm_get_vcpu_mmap_size(). Maps kvm_run. */
int kvm_vcpu_create(const KvmVm *vm, unsigned id, size_t run_size, KvmVcpu *ret);
void kvm_vcpu_done(KvmVcpu *vcpu);

/* On a vCPU. -EINTR after a signal or with immediate_exit; else the exit is in vcpu->run. */
int kvm_vcpu_run(const KvmVcpu *vcpu);
