/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A VM on /dev/kvm for tests below the machine: memory, buses, vCPUs, no devices. */

#include <stdbool.h>
#include <stdint.h>

#include "core/bus.h"
#include "core/guest-memory.h"
#include "kvm/kvm.h"

#define SKIP_EXIT_CODE 77 /* meson: the test was skipped */

#define FIXTURE_MEMORY_SIZE (2U << 20)
#define FIXTURE_MAX_VCPUS   4U
#define FIXTURE_CODE        0x10000U /* where the guest's first instruction is */

typedef struct KvmFixture {
        int kvm_fd;
        KvmVm vm;
        GuestMemory *memory;
        Bus *pio, *mmio;
        KvmVcpu vcpus[FIXTURE_MAX_VCPUS];
        unsigned n_vcpus;
} KvmFixture;

/* Prints why and exits with SKIP_EXIT_CODE where there is no /dev/kvm that can be used. */
void kvm_fixture_require_kvm(void);

/* A VM with vCPUs as the monitor makes them. */
void kvm_fixture_init(KvmFixture *fixture, unsigned n_vcpus);
/* Code for 32-bit protected mode without paging; vCPU 0 begins there. */
void kvm_fixture_load(KvmFixture *fixture, const void *code, const void *code_end);
void kvm_fixture_done(KvmFixture *fixture);
