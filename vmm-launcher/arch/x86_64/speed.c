/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <linux/kvm.h>
#include <string.h>

#include "arch/arch.h"
#include "arch/x86_64/kvm-x86.h"
#include "kvm/uapi-compat.h"

/*
 * The bytes of the loop mean the same in 32-bit protected mode and in long mode (83 /5 ib, 75 cb).
 * In the guest they are followed by the bytes after speed_exit.
 */
void speed_loop(uint32_t count);
extern const char speed_loop_start[], speed_loop_end[], speed_exit[], speed_exit_end[];
__asm__(".pushsection .text\n"
        ".type speed_loop, @function\n"
        "speed_loop:\n"
        "        mov %edi, %ecx\n"
        "speed_loop_start:\n"
        "        sub $1, %ecx\n"
        "        jnz speed_loop_start\n"
        "speed_loop_end:\n"
        "        ret\n"
        "speed_exit:\n"
        "        out %al, $0xf4\n"
        "1:      jmp 1b\n"
        "speed_exit_end:\n"
        ".size speed_loop, . - speed_loop\n"
        ".popsection\n");

/* Of labels, which the compiler takes for objects of their own. */
static size_t distance(const char *start, const char *end)
{
        return (uintptr_t)end - (uintptr_t)start;
}

int arch_speed_load(GuestMemory *memory)
{
        size_t size = distance(speed_loop_start, speed_loop_end);
        int r;

        r = guest_memory_write(memory, ARCH_SPEED_CODE, speed_loop_start, size);
        if (r < 0)
                return r;
        return guest_memory_write(memory, ARCH_SPEED_CODE + size, speed_exit,
                                  distance(speed_exit, speed_exit_end));
}

int arch_speed_set_count(const KvmVcpu *vcpu, uint32_t count)
{
        const BootImage image = {.format = BOOT_FORMAT_ELF_PVH, .entry = ARCH_SPEED_CODE};
        struct kvm_regs regs;
        int r;

        r = arch_vcpu_set_entry(vcpu, &image, 0);
        if (r < 0)
                return r;
        r = kvm_vcpu_get_regs(vcpu, &regs);
        if (r < 0)
                return r;
        regs.rcx = count;
        return kvm_vcpu_set_regs(vcpu, &regs);
}

int arch_speed_get_count(const KvmVcpu *vcpu, uint32_t *ret)
{
        struct kvm_regs regs;
        int r;

        r = kvm_vcpu_get_regs(vcpu, &regs);
        if (r < 0)
                return r;
        *ret = (uint32_t)regs.rcx;
        return 0;
}

void arch_speed_run_on_host(uint32_t count)
{
        speed_loop(count);
}

/* What they are for needs firmware, attestation and launch steps that this monitor has not. */
static const ArchVmType vm_types[] = {
        {COMPAT_KVM_X86_SEV_VM, COMPAT_KVM_X86_SEV_VM, false},
        {COMPAT_KVM_X86_SEV_ES_VM, COMPAT_KVM_X86_SEV_ES_VM, false},
        {COMPAT_KVM_X86_SNP_VM, COMPAT_KVM_X86_SNP_VM, false},
        {COMPAT_KVM_X86_TDX_VM, COMPAT_KVM_X86_TDX_VM, false},
};

size_t arch_protected_vm_types(const ArchVmType **ret)
{
        *ret = vm_types;
        return ARRAY_SIZE(vm_types);
}
