/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What an exit from the guest means: struct kvm_run -> outcome, through the buses. Pure: no ioctl,
 * no state of its own, so that tests feed it made-up exits.
 */

#include <stddef.h>
#include <stdint.h>

#include "core/bus.h"

struct kvm_run;

typedef enum VcpuOutcome {
        VCPU_CONTINUE,
        VCPU_TRIPLE_FAULT, /* KVM_EXIT_SHUTDOWN */
        VCPU_POWER_OFF,    /* KVM_EXIT_SYSTEM_EVENT: firmware calls (PSCI on arm64) */
        VCPU_RESET,
        VCPU_GUEST_CRASH,
        VCPU_FAILED, /* KVM or the processor refuses to go on: the detail says why */
} VcpuOutcome;

typedef struct VcpuBuses {
        const Bus *pio, *mmio;
} VcpuBuses;

typedef struct VcpuDetail {
        char text[192];
} VcpuDetail;

/*
 * run_size: bytes of the mapping that run stands at the start of; port data beyond it is refused.
 * *ret_detail is set for VCPU_FAILED only.
 */
VcpuOutcome vcpu_exit_handle(struct kvm_run *run, size_t run_size, const VcpuBuses *buses,
                             VcpuDetail *ret_detail);

/* Exits are counted by these classes; names as they stand in the statistics. */
typedef enum VcpuExitClass {
        VCPU_EXIT_IO,
        VCPU_EXIT_MMIO,
        VCPU_EXIT_HALT,
        VCPU_EXIT_SHUTDOWN,
        VCPU_EXIT_SYSTEM_EVENT,
        VCPU_EXIT_INTERRUPTED, /* a signal: pause, reset, end */
        VCPU_EXIT_ERROR,       /* internal error, failed entry, memory fault */
        VCPU_EXIT_OTHER,
        _VCPU_EXIT_CLASS_MAX,
} VcpuExitClass;

extern const char *const vcpu_exit_class_names[_VCPU_EXIT_CLASS_MAX];
VcpuExitClass vcpu_exit_class(uint32_t exit_reason);
