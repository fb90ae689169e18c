/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The vCPUs of a machine, a thread each. They are parked or they run, together: the event loop's
 * thread says which, and is told when all have parked. A parked vCPU has no unfinished port or
 * memory access in KVM, so its registers are complete and may be replaced.
 *
 * Kick: the flag immediate_exit in kvm_run, then a signal whose handler does nothing
 * (Linux, Documentation/virt/kvm/api.rst, KVM_RUN). The flag catches a vCPU that is on its way into
 * KVM_RUN, the signal one that is inside it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kvm/kvm.h"
#include "kvm/vcpu-exit.h"

typedef struct VcpuSet VcpuSet;

typedef struct VcpuHandlers {
        /* On each vCPU's thread, once, before all else: what it can do for the start, then its
         * walls. 0 or negative errno. */
        int (*enter)(void *context, unsigned index);
        /* On a vCPU's thread: it cannot go on (never VCPU_CONTINUE). It parks then, and no vCPU is
         * run on from its next exit; vcpu_set_park() hurries them. */
        void (*outcome)(void *context, unsigned index, VcpuOutcome outcome,
                        const VcpuDetail *detail);
        /* On a vCPU's thread: all have parked after a run. A hint: vcpu_set_is_parked() says what
         * holds. */
        void (*parked)(void *context);
        void *context;
} VcpuHandlers;

/* 0 or negative errno. */
int vcpu_set_new(unsigned n_vcpus, const VcpuHandlers *handlers, VcpuSet **ret);
/*
 * Starts the threads. They pass enter() and park, while the caller goes on with other things. 0 or
 * negative errno: then some threads may be there, and as one cannot leave the walls that its
 * enter() may have put up, the set is kept until the process ends.
 */
int vcpu_set_start(VcpuSet *set);
/* Waits until each has passed enter(): 0, or the first error. Once, before the first run. */
int vcpu_set_await_entered(VcpuSet *set);
/* What they are to run; stays the caller's and must outlive the set. Before the first run. */
void vcpu_set_attach(VcpuSet *set, const KvmVcpu *vcpus, const VcpuBuses *buses);
/* Ends and joins the threads, which no walls may keep from ending. */
VcpuSet *vcpu_set_free(VcpuSet *set);
DEFINE_CLEANUP_FUNC(VcpuSet *, vcpu_set_free);

/* All must be parked. */
void vcpu_set_run(VcpuSet *set);
/* Asks all to park, and kicks those that run. Event loop's thread. */
void vcpu_set_park(VcpuSet *set);
/* Asks all to park at their next exit; the caller's own comes at once. On a vCPU's thread. */
void vcpu_set_request_park(VcpuSet *set);
bool vcpu_set_is_parked(VcpuSet *set);

/* Processor time that the vCPU's thread has taken, in microseconds. */
uint64_t vcpu_set_run_time_usec(const VcpuSet *set, unsigned index);
/* Exits of this class, over all vCPUs, since the set was made. */
uint64_t vcpu_set_exits(const VcpuSet *set, VcpuExitClass class);
