/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The processor that the guest sees: what KVM supports on this host, less what this monitor does
 * not provide, plus the topology of one package with n cores of one thread. Pure.
 */

#include <linux/kvm.h>
#include <stdbool.h>

#define CPUID_MAX_ENTRIES 256U /* KVM_MAX_CPUID_ENTRIES */

/* struct kvm_cpuid2 with room. */
typedef union Cpuid {
        struct kvm_cpuid2 header;
        char room[sizeof(struct kvm_cpuid2) + CPUID_MAX_ENTRIES * sizeof(struct kvm_cpuid_entry2)];
} Cpuid;

/* Makes KVM_GET_SUPPORTED_CPUID's answer into a machine of n_vcpus. 0; -ENOSPC without room. */
int cpuid_make(Cpuid *cpuid, unsigned n_vcpus, bool tsc_deadline_timer);

/* Makes it that of one vCPU; its APIC id is index. Call for each on the same table. */
void cpuid_set_vcpu(Cpuid *cpuid, unsigned index);

/* The number of bits that hold an APIC id of n_vcpus. */
unsigned cpuid_apic_id_bits(unsigned n_vcpus);
