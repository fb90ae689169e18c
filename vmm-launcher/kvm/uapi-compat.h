/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the kernel headers of Debian 12 (Linux 6.1) lack, from include/uapi/linux/kvm.h and
 * arch/{x86,arm64}/include/uapi/asm/kvm.h of Linux 6.18 and 7.2. Where the installed headers have a
 * name, the value here is checked against theirs.
 */

#include <linux/kvm.h>

#define COMPAT_KVM_CAP_USER_MEMORY2      231
#define COMPAT_KVM_CAP_MEMORY_FAULT_INFO 232
#define COMPAT_KVM_CAP_GUEST_MEMFD       234
#define COMPAT_KVM_CAP_VM_TYPES          235
#define COMPAT_KVM_EXIT_MEMORY_FAULT     39

/* Types for KVM_CREATE_VM on x86, as KVM_CAP_VM_TYPES numbers them. */
#define COMPAT_KVM_X86_DEFAULT_VM      0
#define COMPAT_KVM_X86_SW_PROTECTED_VM 1
#define COMPAT_KVM_X86_SEV_VM          2
#define COMPAT_KVM_X86_SEV_ES_VM       3
#define COMPAT_KVM_X86_SNP_VM          4
#define COMPAT_KVM_X86_TDX_VM          5

/* The flag of KVM_CREATE_VM's type on arm64 that asks pKVM for a protected VM. */
#define COMPAT_KVM_VM_TYPE_ARM_PROTECTED (1UL << 31)

#ifdef KVM_CAP_USER_MEMORY2
_Static_assert(KVM_CAP_USER_MEMORY2 == COMPAT_KVM_CAP_USER_MEMORY2, "uapi");
#endif
#ifdef KVM_CAP_MEMORY_FAULT_INFO
_Static_assert(KVM_CAP_MEMORY_FAULT_INFO == COMPAT_KVM_CAP_MEMORY_FAULT_INFO, "uapi");
#endif
#ifdef KVM_CAP_GUEST_MEMFD
_Static_assert(KVM_CAP_GUEST_MEMFD == COMPAT_KVM_CAP_GUEST_MEMFD, "uapi");
#endif
#ifdef KVM_CAP_VM_TYPES
_Static_assert(KVM_CAP_VM_TYPES == COMPAT_KVM_CAP_VM_TYPES, "uapi");
#endif
#ifdef KVM_EXIT_MEMORY_FAULT
_Static_assert(KVM_EXIT_MEMORY_FAULT == COMPAT_KVM_EXIT_MEMORY_FAULT, "uapi");
#endif
#ifdef KVM_X86_DEFAULT_VM
_Static_assert(KVM_X86_DEFAULT_VM == COMPAT_KVM_X86_DEFAULT_VM, "uapi");
#endif
#ifdef KVM_X86_SW_PROTECTED_VM
_Static_assert(KVM_X86_SW_PROTECTED_VM == COMPAT_KVM_X86_SW_PROTECTED_VM, "uapi");
#endif
#ifdef KVM_X86_SEV_VM
_Static_assert(KVM_X86_SEV_VM == COMPAT_KVM_X86_SEV_VM, "uapi");
#endif
#ifdef KVM_X86_SEV_ES_VM
_Static_assert(KVM_X86_SEV_ES_VM == COMPAT_KVM_X86_SEV_ES_VM, "uapi");
#endif
#ifdef KVM_X86_SNP_VM
_Static_assert(KVM_X86_SNP_VM == COMPAT_KVM_X86_SNP_VM, "uapi");
#endif
#ifdef KVM_X86_TDX_VM
_Static_assert(KVM_X86_TDX_VM == COMPAT_KVM_X86_TDX_VM, "uapi");
#endif
#ifdef KVM_VM_TYPE_ARM_PROTECTED
_Static_assert(KVM_VM_TYPE_ARM_PROTECTED == COMPAT_KVM_VM_TYPE_ARM_PROTECTED, "uapi");
#endif
