/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Model-specific registers that a vCPU has to be given. 0 or negative errno. */

#include "kvm/kvm.h"

/* What firmware would have set, on a vCPU that is new. */
int msrs_init(const KvmVcpu *vcpu);

/*
 * The same on one that has run: all that a guest may have written, and above all the addresses in
 * its memory that KVM writes to, is as it was. The local APIC must be in its reset state.
 */
int msrs_reset(const KvmVcpu *vcpu);
