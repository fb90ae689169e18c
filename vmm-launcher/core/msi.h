/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Message-signalled interrupts as a device's MSI-X capability sees them: KVM's irqfds and routes
 * behind it in the monitor (kvm/msi-router.h), a recorder in tests.
 *
 * Each vector has an eventfd. Whoever wants the interrupt writes it, from any thread or process:
 * the device, or one that another process serves. While the vector is masked the eventfd is not
 * connected, so its counter is the pending bit; unmasking delivers what came meanwhile.
 */

#include <stdbool.h>
#include <stdint.h>

typedef struct MsiOps {
        /* The vector's signals become this message from now on. 0 or negative errno (host failure).
         */
        int (*unmask)(void *context, unsigned vector, uint64_t address, uint32_t data);
        void (*mask)(void *context, unsigned vector);
        /* Whether a signal waits for the vector to be unmasked. */
        bool (*is_pending)(void *context, unsigned vector);
        /* Forgets a signal that waits: for a reset. */
        void (*clear)(void *context, unsigned vector);
        void (*signal)(void *context, unsigned vector);
        /* The eventfd itself, borrowed, to hand to another process; -1 if there is none. */
        int (*event_fd)(void *context, unsigned vector);
} MsiOps;

/* A device's own vectors, counted from 0. */
typedef struct MsiLine {
        const MsiOps *ops;
        void *context;
} MsiLine;
