/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arch/x86_64/cpuid.h"

#include <asm/kvm_para.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"

#define BIT(n) (1U << (n))

/* Leaves: Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E. */
#define LEAF_MAX_BASIC         0x0U
#define LEAF_FEATURES          0x1U
#define LEAF_CACHE_INTEL       0x4U
#define LEAF_TOPOLOGY          0xbU
#define LEAF_TOPOLOGY_V2       0x1fU
#define LEAF_EXTENDED_FEATURES 0x80000001U
#define LEAF_EXTENDED_SIZES    0x80000008U
#define LEAF_CACHE_AMD         0x8000001dU
#define LEAF_TOPOLOGY_AMD      0x8000001eU

#define ANY_INDEX UINT32_MAX

/* Level types of the topology leaves. */
#define LEVEL_THREAD 1U
#define LEVEL_CORE   2U

typedef struct CpuidMask {
        uint32_t leaf, index;
        uint32_t eax, ebx, ecx, edx; /* bits that may stay */
} CpuidMask;

#define KEEP UINT32_MAX

/* What KVM could do and this monitor does not provide. */
static const CpuidMask hidden[] = {
        /* ecx: MONITOR (3), VMX (5: no nested VMs), SMX (6), EST (8), TM2 (8), PDCM (15), OSXSAVE
         * (27: KVM's to set); edx: DS (21), ACPI thermal (22), HTT (28: set below), TM (29), PBE
         * (31). */
        {LEAF_FEATURES, 0, KEEP, KEEP,
         ~(BIT(3) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(15) | BIT(27)),
         ~(BIT(21) | BIT(22) | BIT(28) | BIT(29) | BIT(31))},
        /* Thermal and power: only ARAT (eax 2), set below. */
        {0x6, 0, 0, 0, 0, 0},
        /* SGX (ebx 2), SGX_LC (ecx 30): no enclave memory. PKS, PCONFIG and the like KVM hides. */
        {0x7, 0, KEEP, ~BIT(2), ~BIT(30), KEEP},
        /* No performance counters: they count the host. */
        {0xa, 0, 0, 0, 0, 0},
        {0x80000022U, 0, 0, 0, 0, 0},
        /* No SGX, no processor trace. */
        {0x12, ANY_INDEX, 0, 0, 0, 0},
        {0x14, ANY_INDEX, 0, 0, 0, 0},
        /* KVM's own leaf: what needs no help from the monitor. Extended MSI destinations (15) need
         * a split irqchip, page-state hypercalls (16) and migration (17) are not answered. */
        {KVM_CPUID_FEATURES, 0,
         BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_NOP_IO_DELAY) |
                 BIT(KVM_FEATURE_CLOCKSOURCE2) | BIT(KVM_FEATURE_ASYNC_PF) |
                 BIT(KVM_FEATURE_STEAL_TIME) | BIT(KVM_FEATURE_PV_EOI) |
                 BIT(KVM_FEATURE_PV_UNHALT) | BIT(KVM_FEATURE_PV_TLB_FLUSH) |
                 BIT(KVM_FEATURE_ASYNC_PF_VMEXIT) | BIT(KVM_FEATURE_PV_SEND_IPI) |
                 BIT(KVM_FEATURE_POLL_CONTROL) | BIT(KVM_FEATURE_PV_SCHED_YIELD) |
                 BIT(KVM_FEATURE_ASYNC_PF_INT) | BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT),
         0, 0, 0},
        /* ecx: SVM (2), IBS (10), SKINIT (12), WDT (13), LWP (15), PERFCTR_CORE (23),
         * PERFCTR_NB (24), PERFCTR_LLC (28). */
        {LEAF_EXTENDED_FEATURES, 0, KEEP, KEEP,
         ~(BIT(2) | BIT(10) | BIT(12) | BIT(13) | BIT(15) | BIT(23) | BIT(24) | BIT(28)), KEEP},
        /* SVM's and encryption's own leaves. */
        {0x8000000aU, 0, 0, 0, 0, 0},
        {0x8000001fU, 0, 0, 0, 0, 0},
};

static struct kvm_cpuid_entry2 *cpuid_find(Cpuid *cpuid, uint32_t leaf, uint32_t index)
{
        for (uint32_t i = 0; i < cpuid->header.nent; i++) {
                struct kvm_cpuid_entry2 *entry = &cpuid->header.entries[i];

                if (entry->function == leaf && entry->index == index)
                        return entry;
        }
        return NULL;
}

static int cpuid_append(Cpuid *cpuid, const struct kvm_cpuid_entry2 *entry)
{
        if (cpuid->header.nent >= CPUID_MAX_ENTRIES)
                return -ENOSPC;
        cpuid->header.entries[cpuid->header.nent++] = *entry;
        return 0;
}

static void cpuid_hide(struct kvm_cpuid_entry2 *entry)
{
        for (size_t i = 0; i < ARRAY_SIZE(hidden); i++) {
                const CpuidMask *mask = &hidden[i];

                if (entry->function != mask->leaf ||
                    (mask->index != ANY_INDEX && entry->index != mask->index))
                        continue;
                entry->eax &= mask->eax;
                entry->ebx &= mask->ebx;
                entry->ecx &= mask->ecx;
                entry->edx &= mask->edx;
        }
}

unsigned cpuid_apic_id_bits(unsigned n_vcpus)
{
        unsigned bits = 0;

        while ((1U << bits) < n_vcpus)
                bits++;
        return bits;
}

static void set_field(uint32_t *value, unsigned shift, unsigned bits, uint32_t field)
{
        uint32_t mask = (BIT(bits) - 1) << shift;

        *value = (*value & ~mask) | (field << shift & mask);
}

/* Caches of level 3 and up belong to the package, the others to one core. */
static void cache_set_sharing(struct kvm_cpuid_entry2 *entry, unsigned n_vcpus)
{
        unsigned level = entry->eax >> 5 & 7;
        unsigned ids = 1U << cpuid_apic_id_bits(n_vcpus);

        if ((entry->eax & 0x1f) == 0) /* no more caches */
                return;
        set_field(&entry->eax, 14, 12, level >= 3 ? ids - 1 : 0);
        if (entry->function == LEAF_CACHE_INTEL)
                set_field(&entry->eax, 26, 6, CONST_MIN(ids, 64U) - 1);
}

static void entry_adapt(struct kvm_cpuid_entry2 *entry, unsigned n_vcpus, bool tsc_deadline_timer)
{
        unsigned bits = cpuid_apic_id_bits(n_vcpus);

        switch (entry->function) {
        case LEAF_MAX_BASIC:
                entry->eax = CONST_MAX(entry->eax, LEAF_TOPOLOGY);
                break;
        case LEAF_FEATURES:
                set_field(&entry->ebx, 16, 8, CONST_MIN(1U << bits, 255U));
                entry->ecx |= BIT(21) | BIT(31); /* x2APIC, hypervisor */
                if (tsc_deadline_timer)
                        entry->ecx |= BIT(24);
                if (n_vcpus > 1)
                        entry->edx |= BIT(28); /* HTT: ebx has the count */
                break;
        case LEAF_CACHE_INTEL:
        case LEAF_CACHE_AMD:
                cache_set_sharing(entry, n_vcpus);
                break;
        case 0x6:
                entry->eax = BIT(2); /* ARAT: the local timer runs in every C-state */
                break;
        case LEAF_EXTENDED_FEATURES:
                set_field(&entry->ecx, 1, 1, n_vcpus > 1); /* AMD CmpLegacy */
                break;
        case LEAF_EXTENDED_SIZES:
                set_field(&entry->ecx, 0, 8, n_vcpus - 1);
                set_field(&entry->ecx, 12, 4, bits);
                break;
        case LEAF_TOPOLOGY_AMD:
                entry->ebx = 0; /* one thread per core; the core's id is set for each vCPU */
                entry->ecx = 0; /* node 0 of one */
                break;
        default:
                break;
        }
}

/* Keeps the order of what stays; the topology leaves are made anew. */
static void cpuid_drop_topology(Cpuid *cpuid)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < cpuid->header.nent; i++) {
                uint32_t leaf = cpuid->header.entries[i].function;

                if (leaf != LEAF_TOPOLOGY && leaf != LEAF_TOPOLOGY_V2)
                        cpuid->header.entries[n++] = cpuid->header.entries[i];
        }
        cpuid->header.nent = n;
}

static int cpuid_add_topology(Cpuid *cpuid, uint32_t leaf, unsigned n_vcpus)
{
        const struct kvm_cpuid_entry2 levels[] = {
                {.eax = 0, .ebx = 1, .ecx = LEVEL_THREAD << 8},
                {.eax = cpuid_apic_id_bits(n_vcpus), .ebx = n_vcpus, .ecx = LEVEL_CORE << 8 | 1},
                {.ecx = 2}, /* no further level */
        };

        for (uint32_t i = 0; i < ARRAY_SIZE(levels); i++) {
                struct kvm_cpuid_entry2 entry = levels[i];
                int r;

                entry.function = leaf;
                entry.index = i;
                entry.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
                r = cpuid_append(cpuid, &entry);
                if (r < 0)
                        return r;
        }
        return 0;
}

int cpuid_make(Cpuid *cpuid, unsigned n_vcpus, bool tsc_deadline_timer)
{
        const struct kvm_cpuid_entry2 power = {.function = 0x6};
        const struct kvm_cpuid_entry2 *basic;
        int r;

        cpuid_drop_topology(cpuid);
        if (!cpuid_find(cpuid, power.function, 0)) {
                r = cpuid_append(cpuid, &power);
                if (r < 0)
                        return r;
        }
        for (uint32_t i = 0; i < cpuid->header.nent; i++) {
                cpuid_hide(&cpuid->header.entries[i]);
                entry_adapt(&cpuid->header.entries[i], n_vcpus, tsc_deadline_timer);
        }
        r = cpuid_add_topology(cpuid, LEAF_TOPOLOGY, n_vcpus);
        if (r < 0)
                return r;
        basic = cpuid_find(cpuid, LEAF_MAX_BASIC, 0);
        if (!basic || basic->eax < LEAF_TOPOLOGY_V2)
                return 0;
        return cpuid_add_topology(cpuid, LEAF_TOPOLOGY_V2, n_vcpus);
}

void cpuid_set_vcpu(Cpuid *cpuid, unsigned index)
{
        for (uint32_t i = 0; i < cpuid->header.nent; i++) {
                struct kvm_cpuid_entry2 *entry = &cpuid->header.entries[i];

                switch (entry->function) {
                case LEAF_FEATURES:
                        set_field(&entry->ebx, 24, 8, index);
                        break;
                case LEAF_TOPOLOGY:
                case LEAF_TOPOLOGY_V2:
                        entry->edx = index;
                        break;
                case LEAF_TOPOLOGY_AMD:
                        entry->eax = index;
                        set_field(&entry->ebx, 0, 8, index);
                        break;
                default:
                        break;
                }
        }
}
