/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * vmm-launcher --probe: what KVM can do here, tried and not assumed, as one JSON object by
 * probe_fields[] (protocol/probe.h) on standard output. So no privileged process touches KVM.
 */

#include "protocol/probe.h"

/*
 * kvm_fd: /dev/kvm; -1: descriptor 3 if that is it, else the file is opened. Returns the program's
 * exit code: 0 whatever the answer is.
 */
int probe_main(int kvm_fd);

/* The strings are static or allocated as for json_fields_done(). kvm_fd < 0: negative errno. */
int probe_make_report(int kvm_fd, ProbeReport *ret);
