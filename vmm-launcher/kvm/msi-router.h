/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * MsiOps over KVM (core/msi.h): an eventfd for each vector, connected by KVM_IRQFD to a GSI of its
 * own, which KVM_SET_GSI_ROUTING leads to the message that the guest wrote.
 *
 * Eventfds are made when a vector is first used, on whichever thread that is; memory is not: lines
 * are added while single-threaded, and vCPU threads allocate nothing.
 */

#include "core/msi.h"
#include "kvm/kvm.h"

typedef struct MsiRouter MsiRouter;

/* Costs no system call. vm is borrowed; its irqchip is there when the first vector is unmasked. */
int msi_router_new(const KvmVm *vm, MsiRouter **ret);
/* No thread uses a line any more. The VM may be gone already. */
MsiRouter *msi_router_free(MsiRouter *router);

/* Vectors for one device, good until the router is freed. 0, -ENOMEM, or -ENOSPC if KVM has no room
 * for as many. */
int msi_router_add(MsiRouter *router, unsigned n_vectors, MsiLine *ret);
