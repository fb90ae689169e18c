/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kvm/kvm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int result(int r)
{
        return r < 0 ? -errno : r;
}

int kvm_get_api_version(int kvm_fd)
{
        return result(ioctl(kvm_fd, KVM_GET_API_VERSION, 0));
}

int kvm_get_vcpu_mmap_size(int kvm_fd)
{
        return result(ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0));
}

int kvm_check_extension(int fd, unsigned capability)
{
        return result(ioctl(fd, KVM_CHECK_EXTENSION, (unsigned long)capability));
}

int kvm_vm_create(int kvm_fd, unsigned long type, KvmVm *ret)
{
        int fd = result(ioctl(kvm_fd, KVM_CREATE_VM, type));

        if (fd < 0)
                return fd;
        *ret = (KvmVm){kvm_fd, fd};
        return 0;
}

void kvm_vm_done(KvmVm *vm)
{
        if (vm->fd >= 0)
                (void)close(vm->fd);
        *vm = KVM_VM_NONE;
}

int kvm_vm_set_memory(const KvmVm *vm, unsigned slot, uint64_t address, uint64_t size, void *host)
{
        struct kvm_userspace_memory_region region = {
                .slot = slot,
                .guest_phys_addr = address,
                .memory_size = size,
                .userspace_addr = (uintptr_t)host,
        };

        return result(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region));
}

int kvm_vm_irq_line(const KvmVm *vm, unsigned gsi, bool level)
{
        struct kvm_irq_level line = {.irq = gsi, .level = level};

        return result(ioctl(vm->fd, KVM_IRQ_LINE, &line));
}

int kvm_vm_set_gsi_routing(const KvmVm *vm, const struct kvm_irq_routing *routing)
{
        return result(ioctl(vm->fd, KVM_SET_GSI_ROUTING, routing));
}

int kvm_vcpu_create(const KvmVm *vm, unsigned id, size_t run_size, KvmVcpu *ret)
{
        KvmVcpu vcpu = {.run_size = run_size};

        if (run_size < sizeof(struct kvm_run))
                return -EINVAL;
        vcpu.fd = result(ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)id));
        if (vcpu.fd < 0)
                return vcpu.fd;
        vcpu.run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu.fd, 0);
        if (vcpu.run == MAP_FAILED) {
                int r = -errno;

                (void)close(vcpu.fd);
                return r;
        }
        *ret = vcpu;
        return 0;
}

void kvm_vcpu_done(KvmVcpu *vcpu)
{
        if (vcpu->run)
                (void)munmap(vcpu->run, vcpu->run_size);
        if (vcpu->fd >= 0)
                (void)close(vcpu->fd);
        *vcpu = KVM_VCPU_NONE;
}

int kvm_vcpu_run(const KvmVcpu *vcpu)
{
        return result(ioctl(vcpu->fd, KVM_RUN, 0));
}
