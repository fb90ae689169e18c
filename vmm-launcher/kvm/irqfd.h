/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * eventfds in place of exits and calls (Linux, Documentation/virt/kvm/api.rst, 4.75 KVM_IRQFD and
 * 4.59 KVM_IOEVENTFD). The eventfd stays the caller's; KVM keeps a reference until it is removed or
 * the VM is gone.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/doorbell.h"
#include "kvm/kvm.h"

/* A signal on event_fd is an edge on the irqchip's input gsi. 0 or negative errno. */
int irqfd_add(const KvmVm *vm, unsigned gsi, int event_fd);
/* The same for a level: the line stays up until the guest's end of interrupt, which signals
 * resample_fd. */
int irqfd_add_level(const KvmVm *vm, unsigned gsi, int event_fd, int resample_fd);
int irqfd_remove(const KvmVm *vm, unsigned gsi, int event_fd);

typedef struct IoEvent {
        bool is_port; /* a port, else guest physical memory */
        uint64_t address;
        unsigned size; /* of the write: 1, 2, 4, 8; 0: any (memory only) */
        bool match;    /* only writes of value */
        uint64_t value;
} IoEvent;

/* A guest write that matches signals event_fd and does not exit. 0 or negative errno. */
int ioeventfd_add(const KvmVm *vm, const IoEvent *event, int event_fd);
int ioeventfd_remove(const KvmVm *vm, const IoEvent *event, int event_fd);

/* ioeventfds as devices see them. vm is borrowed. */
Doorbell ioeventfd_doorbell(const KvmVm *vm);
