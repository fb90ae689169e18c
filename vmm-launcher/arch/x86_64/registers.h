/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Bits and numbers of x86-64 registers, by their names in the Intel SDM (volume 3, chapters 2, 10
 * and 11; volume 4 for MSRs) and in the AMD APM; the kernel's uapi headers do not have them.
 */

#define CR0_PE 0x00000001ULL
#define CR0_ET 0x00000010ULL
#define CR0_NW 0x20000000ULL
#define CR0_CD 0x40000000ULL
#define CR0_PG 0x80000000ULL

#define CR4_PAE 0x00000020ULL

#define EFER_LME 0x00000100ULL
#define EFER_LMA 0x00000400ULL

#define RFLAGS_RESERVED 0x2ULL /* bit 1 reads as one */

#define APIC_BASE_BSP     0x100ULL
#define APIC_BASE_ENABLE  0x800ULL
#define APIC_BASE_ADDRESS 0xfee00000ULL

/* Offsets into the local APIC's page. */
#define APIC_ID          0x020U
#define APIC_VERSION     0x030U
#define APIC_DFR         0x0e0U
#define APIC_SPIV        0x0f0U
#define APIC_LVT_CMCI    0x2f0U
#define APIC_LVT_TIMER   0x320U
#define APIC_LVT_LINT0   0x350U
#define APIC_LVT_LINT1   0x360U
#define APIC_LVT_ERROR   0x370U
#define APIC_LVT_MASKED  0x10000U
#define APIC_MODE_NMI    0x400U
#define APIC_MODE_EXTINT 0x700U

#define MSR_IA32_TSC_ADJUST       0x0000003bU
#define MSR_IA32_SPEC_CTRL        0x00000048U
#define MSR_MISC_FEATURES_ENABLES 0x00000140U
#define MSR_IA32_SYSENTER_CS      0x00000174U
#define MSR_IA32_SYSENTER_ESP     0x00000175U
#define MSR_IA32_SYSENTER_EIP     0x00000176U
#define MSR_IA32_MISC_ENABLE      0x000001a0U
#define MSR_IA32_MTRR_PHYSBASE0   0x00000200U
#define MSR_IA32_PAT              0x00000277U
#define MSR_IA32_MTRR_DEF_TYPE    0x000002ffU
#define MSR_IA32_TSC_DEADLINE     0x000006e0U
#define MSR_IA32_XSS              0x00000da0U
#define MSR_STAR                  0xc0000081U
#define MSR_LSTAR                 0xc0000082U
#define MSR_CSTAR                 0xc0000083U
#define MSR_SYSCALL_MASK          0xc0000084U
#define MSR_KERNEL_GS_BASE        0xc0000102U
#define MSR_TSC_AUX               0xc0000103U

#define MISC_ENABLE_FAST_STRING 0x1ULL
#define MTRR_DEF_TYPE_WB_ENABLE 0x806ULL              /* E, write-back where no range says else */
#define PAT_RESET               0x0007040600070406ULL /* Intel SDM volume 3, 12.12.4 */
