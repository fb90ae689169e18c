/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An interrupt line as a device sees it; KVM's irqchip behind it in the monitor, a counter in
 * tests. */

#include <stdbool.h>

typedef struct IrqLine {
        void (*set)(void *context, unsigned line, bool level);
        void *context;
        unsigned line; /* GSI */
} IrqLine;

static inline void irq_line_set(const IrqLine *irq, bool level)
{
        if (irq->set)
                irq->set(irq->context, irq->line, level);
}
