/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Inside the x86-64 part of the bare runtime: what its files offer each other. */

#include "guest/bare/runtime.h"

void interrupts_init(void);      /* exceptions end in bare_panic() from here on */
void interrupts_init_here(void); /* the same for the processor that calls it */

void memory_init(uint64_t memory_map, unsigned entries);
/* n bytes behind the program, page-aligned and zero; for page tables and stacks. */
void *memory_take(size_t n);

void processors_init(uint64_t rsdp);

/* Local APIC registers (SDM vol. 3A, table 11-1). */
#define LAPIC_ID       0x020U
#define LAPIC_EOI      0x0b0U
#define LAPIC_SPURIOUS 0x0f0U
#define LAPIC_ICR_LOW  0x300U
#define LAPIC_ICR_HIGH 0x310U

#define LAPIC_ENABLE    0x100U
#define VECTOR_SPURIOUS (BARE_VECTORS - 1U)

void lapic_enable(void);
void lapic_write(uint32_t offset, uint32_t value);
uint32_t lapic_read(uint32_t offset);
