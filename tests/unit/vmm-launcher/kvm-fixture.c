/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kvm-fixture.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/arch.h"

void kvm_fixture_require_kvm(void)
{
        int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

        if (fd < 0) {
                printf("skipped: /dev/kvm: %m\n");
                exit(SKIP_EXIT_CODE);
        }
        close(fd);
}

void kvm_fixture_init(KvmFixture *fixture, unsigned n_vcpus)
{
        GuestRegion layout[GUEST_MEMORY_MAX_REGIONS];
        const GuestRegion *regions;
        ArchHost *host;
        int run_size;

        *fixture = (KvmFixture){.n_vcpus = n_vcpus};
        fixture->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
        ck_assert_int_ge(fixture->kvm_fd, 0);
        run_size = kvm_get_vcpu_mmap_size(fixture->kvm_fd);
        ck_assert_int_gt(run_size, 0);
        ck_assert_int_eq(kvm_vm_create(fixture->kvm_fd, 0, &fixture->vm), 0);
        ck_assert_uint_eq(arch_memory_layout(FIXTURE_MEMORY_SIZE, layout), 1);
        ck_assert_int_eq(guest_memory_new(layout, 1, &fixture->memory), 0);
        (void)guest_memory_regions(fixture->memory, &regions);
        ck_assert_int_eq(kvm_vm_set_memory(&fixture->vm, 0, regions[0].address, regions[0].size,
                                           regions[0].host),
                         0);
        ck_assert_int_eq(arch_vm_init(&fixture->vm), 0);
        for (unsigned i = 0; i < n_vcpus; i++)
                ck_assert_int_eq(
                        kvm_vcpu_create(&fixture->vm, i, (size_t)run_size, &fixture->vcpus[i]), 0);
        ck_assert_int_eq(arch_host_new(&host), 0);
        ck_assert_int_eq(arch_host_survey(host, fixture->kvm_fd), 0);
        ck_assert_int_eq(arch_vcpus_init(host, fixture->vcpus, n_vcpus), 0);
        arch_host_free(host);
        ck_assert_int_eq(bus_new(&fixture->pio), 0);
        ck_assert_int_eq(bus_new(&fixture->mmio), 0);
}

void kvm_fixture_load(KvmFixture *fixture, const void *code, const void *code_end)
{
        const BootImage image = {.format = BOOT_FORMAT_ELF_PVH, .entry = FIXTURE_CODE};
        size_t size = (size_t)((const char *)code_end - (const char *)code);

        ck_assert_int_eq(guest_memory_write(fixture->memory, FIXTURE_CODE, code, size), 0);
        ck_assert_int_eq(arch_vcpu_set_entry(&fixture->vcpus[0], &image, 0), 0);
}

void kvm_fixture_done(KvmFixture *fixture)
{
        for (unsigned i = 0; i < fixture->n_vcpus; i++)
                kvm_vcpu_done(&fixture->vcpus[i]);
        kvm_vm_done(&fixture->vm);
        bus_free(fixture->pio);
        bus_free(fixture->mmio);
        guest_memory_free(fixture->memory);
        close(fixture->kvm_fd);
}
