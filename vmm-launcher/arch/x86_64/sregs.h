/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* System registers as whole sets. Pure. */

#include <linux/kvm.h>
#include <stdbool.h>

#include "boot/boot.h"

/* Intel SDM volume 3, 10.1.1, table 10-1. */
void sregs_power_on(struct kvm_sregs *sregs, bool is_boot_vcpu);

/* On top of that, what entry.h promises a kernel of this format. */
void sregs_set_entry(struct kvm_sregs *sregs, BootFormat format);
