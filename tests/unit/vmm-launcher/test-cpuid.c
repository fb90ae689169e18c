/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arch/x86_64/cpuid.h"

#include <asm/kvm_para.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "check-main.h"

static struct kvm_cpuid_entry2 *find(Cpuid *cpuid, uint32_t leaf, uint32_t index)
{
        struct kvm_cpuid_entry2 *found = NULL;

        for (uint32_t i = 0; i < cpuid->header.nent; i++) {
                struct kvm_cpuid_entry2 *entry = &cpuid->header.entries[i];

                if (entry->function != leaf || entry->index != index)
                        continue;
                ck_assert_msg(!found, "leaf %#x index %u twice", leaf, index);
                found = entry;
        }
        ck_assert_msg(found, "no leaf %#x index %u", leaf, index);
        return found;
}

static void add(Cpuid *cpuid, uint32_t leaf, uint32_t index, uint32_t value)
{
        cpuid->header.entries[cpuid->header.nent++] = (struct kvm_cpuid_entry2){.function = leaf,
                                                                                .index = index,
                                                                                .eax = value,
                                                                                .ebx = value,
                                                                                .ecx = value,
                                                                                .edx = value};
}

/* A host that supports everything, every bit of every leaf. */
static void everything(Cpuid *cpuid)
{
        const uint32_t leaves[] = {0x1,
                                   0x2,
                                   0x6,
                                   0x7,
                                   0xa,
                                   0x12,
                                   0x14,
                                   KVM_CPUID_SIGNATURE,
                                   KVM_CPUID_FEATURES,
                                   0x80000001,
                                   0x80000008,
                                   0x8000000a,
                                   0x8000001e,
                                   0x8000001f,
                                   0x80000022};

        cpuid->header.nent = 0;
        add(cpuid, 0, 0, 0x20);
        for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
                add(cpuid, leaves[i], 0, UINT32_MAX);
        for (uint32_t level = 1; level <= 4; level++) { /* the fourth ends the list */
                uint32_t type = level == 4 ? 0 : 1;

                add(cpuid, 0x4, level, 0xffffff00U | level << 5 | type);
                add(cpuid, 0x8000001d, level, 0x03ffff00U | level << 5 | type);
                find(cpuid, 0x4, level)->eax &= ~0xe0U;
                find(cpuid, 0x4, level)->eax |= level << 5;
                find(cpuid, 0x8000001d, level)->eax &= ~0xe0U;
                find(cpuid, 0x8000001d, level)->eax |= level << 5;
        }
        for (uint32_t index = 0; index < 6; index++) {
                add(cpuid, 0xb, index, UINT32_MAX);
                add(cpuid, 0x1f, index, UINT32_MAX);
        }
}

START_TEST(test_apic_id_bits)
{
        const unsigned expected[][2] = {{1, 0}, {2, 1},  {3, 2},  {4, 2},   {5, 3},  {8, 3},
                                        {9, 4}, {64, 6}, {65, 7}, {128, 7}, {255, 8}};

        for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
                ck_assert_uint_eq(cpuid_apic_id_bits(expected[i][0]), expected[i][1]);
}
END_TEST

START_TEST(test_features)
{
        Cpuid cpuid;

        everything(&cpuid);
        ck_assert_int_eq(cpuid_make(&cpuid, 1, true), 0);
        /* x2APIC, TSC deadline, hypervisor are there; VMX, MONITOR, SMX are not. */
        ck_assert_uint_eq(find(&cpuid, 1, 0)->ecx & 0x81200000U, 0x81200000U);
        ck_assert_uint_eq(find(&cpuid, 1, 0)->ecx & (1U << 3 | 1U << 5 | 1U << 6 | 1U << 27), 0);
        ck_assert_uint_eq(find(&cpuid, 1, 0)->edx & (1U << 28), 0); /* HTT */
        ck_assert_uint_eq(find(&cpuid, 6, 0)->eax, 1U << 2);        /* ARAT alone */
        ck_assert_uint_eq(find(&cpuid, 6, 0)->ecx, 0);
        ck_assert_uint_eq(find(&cpuid, 7, 0)->ebx & 1U << 2, 0); /* SGX */
        ck_assert_uint_eq(find(&cpuid, 0xa, 0)->eax, 0);         /* PMU */
        ck_assert_uint_eq(find(&cpuid, 0x12, 0)->eax, 0);
        ck_assert_uint_eq(find(&cpuid, 0x14, 0)->ebx, 0);
        ck_assert_uint_eq(find(&cpuid, 0x80000001, 0)->ecx & 1U << 2, 0); /* SVM */
        ck_assert_uint_eq(find(&cpuid, 0x8000000a, 0)->edx, 0);
        ck_assert_uint_eq(find(&cpuid, 0x8000001f, 0)->eax, 0); /* SEV */
        ck_assert_uint_eq(find(&cpuid, 0x80000022, 0)->eax, 0);
        /* The clock is there; what needs an answer from the monitor is not. */
        ck_assert_uint_eq(find(&cpuid, KVM_CPUID_FEATURES, 0)->eax & 0x01000009U, 0x01000009U);
        ck_assert_uint_eq(find(&cpuid, KVM_CPUID_FEATURES, 0)->eax & 0xfe038000U, 0);
        ck_assert_uint_eq(find(&cpuid, KVM_CPUID_FEATURES, 0)->edx, 0);
        ck_assert_uint_eq(find(&cpuid, KVM_CPUID_SIGNATURE, 0)->ebx, UINT32_MAX);

        everything(&cpuid);
        find(&cpuid, 1, 0)->ecx = 0;
        ck_assert_int_eq(cpuid_make(&cpuid, 1, false), 0);
        ck_assert_uint_eq(find(&cpuid, 1, 0)->ecx, 0x80200000U);
}
END_TEST

static void check_topology(unsigned n)
{
        unsigned bits = cpuid_apic_id_bits(n);
        Cpuid cpuid;

        everything(&cpuid);
        ck_assert_int_eq(cpuid_make(&cpuid, n, true), 0);
        for (unsigned i = 0; i < n; i++) {
                cpuid_set_vcpu(&cpuid, i);
                ck_assert_uint_eq(find(&cpuid, 1, 0)->ebx >> 24, i);
                ck_assert_uint_eq(find(&cpuid, 1, 0)->ebx >> 16 & 0xff,
                                  (1U << bits) > 255 ? 255 : 1U << bits);
                ck_assert_uint_eq(find(&cpuid, 1, 0)->ebx & 0xffff, 0xffff); /* CLFLUSH kept */
                for (uint32_t leaf = 0xb; leaf <= 0x1f; leaf += 0x14) {
                        for (uint32_t level = 0; level < 3; level++)
                                ck_assert_uint_eq(find(&cpuid, leaf, level)->edx, i);
                        ck_assert_uint_eq(find(&cpuid, leaf, 0)->eax, 0);
                        ck_assert_uint_eq(find(&cpuid, leaf, 0)->ebx, 1);
                        ck_assert_uint_eq(find(&cpuid, leaf, 0)->ecx, 0x100);
                        ck_assert_uint_eq(find(&cpuid, leaf, 1)->eax, bits);
                        ck_assert_uint_eq(find(&cpuid, leaf, 1)->ebx, n);
                        ck_assert_uint_eq(find(&cpuid, leaf, 1)->ecx, 0x201);
                        ck_assert_uint_eq(find(&cpuid, leaf, 2)->ebx, 0);
                        ck_assert_uint_eq(find(&cpuid, leaf, 2)->ecx, 2);
                }
                ck_assert_uint_eq(find(&cpuid, 0x8000001e, 0)->eax, i);
                ck_assert_uint_eq(find(&cpuid, 0x8000001e, 0)->ebx, i);
                ck_assert_uint_eq(find(&cpuid, 0x8000001e, 0)->ecx, 0);
        }
        ck_assert_uint_eq(find(&cpuid, 1, 0)->edx >> 28 & 1, n > 1);
        ck_assert_uint_eq(find(&cpuid, 0x80000001, 0)->ecx >> 1 & 1, n > 1);
        ck_assert_uint_eq(find(&cpuid, 0x80000008, 0)->ecx & 0xff, n - 1);
        ck_assert_uint_eq(find(&cpuid, 0x80000008, 0)->ecx >> 12 & 0xf, bits);
        for (uint32_t level = 1; level <= 3; level++) {
                uint32_t sharing = level == 3 ? (1U << bits) - 1 : 0;
                uint32_t cores = (1U << bits) > 64 ? 63 : (1U << bits) - 1;

                ck_assert_uint_eq(find(&cpuid, 0x4, level)->eax >> 14 & 0xfff, sharing);
                ck_assert_uint_eq(find(&cpuid, 0x4, level)->eax >> 26, cores);
                ck_assert_uint_eq(find(&cpuid, 0x8000001d, level)->eax >> 14 & 0xfff, sharing);
        }
}

START_TEST(test_topology)
{
        check_topology(1);
        check_topology(2);
        check_topology(3);
        check_topology(8);
        check_topology(255);
}
END_TEST

/* A processor from before the topology leaves gets them all the same, for x2APIC ids. */
START_TEST(test_old_processor)
{
        Cpuid cpuid = {.header.nent = 0};

        add(&cpuid, 0, 0, 5);
        add(&cpuid, 1, 0, 0);
        ck_assert_int_eq(cpuid_make(&cpuid, 2, true), 0);
        ck_assert_uint_eq(find(&cpuid, 0, 0)->eax, 0xb);
        ck_assert_uint_eq(find(&cpuid, 0xb, 1)->ebx, 2);
        ck_assert_uint_eq(find(&cpuid, 6, 0)->eax, 1U << 2);
        for (uint32_t i = 0; i < cpuid.header.nent; i++)
                ck_assert_uint_ne(cpuid.header.entries[i].function, 0x1f);
}
END_TEST

START_TEST(test_no_room)
{
        Cpuid cpuid = {.header.nent = 0};

        while (cpuid.header.nent < CPUID_MAX_ENTRIES)
                add(&cpuid, 0x40000100, cpuid.header.nent, 0);
        ck_assert_int_eq(cpuid_make(&cpuid, 2, true), -ENOSPC);
        cpuid.header.nent = CPUID_MAX_ENTRIES - 3;
        ck_assert_int_eq(cpuid_make(&cpuid, 2, true), -ENOSPC);
}
END_TEST

CHECK_MAIN("cpuid", {"apic id bits", test_apic_id_bits}, {"features", test_features},
           {"topology", test_topology}, {"old processor", test_old_processor},
           {"no room", test_no_room});
