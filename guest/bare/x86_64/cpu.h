/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The instructions that C has no words for, and the runtime's own address map. */

#include <stdint.h>

#define CPU_TRAMPOLINE                                                                             \
        0x8000U /* where processors other than the first begin; below 1 MiB, free                  \
                 */

static inline void cpu_out8(uint16_t port, uint8_t value)
{
        __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void cpu_out32(uint16_t port, uint32_t value)
{
        __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t cpu_in8(uint16_t port)
{
        uint8_t value;

        __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
        return value;
}

static inline void cpu_cpuid(uint32_t leaf, uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
        __asm__ volatile("cpuid" : "=a"(*a), "=b"(*b), "=c"(*c), "=d"(*d) : "a"(leaf), "c"(0));
}

static inline void cpu_halt(void)
{
        __asm__ volatile("cli; hlt" : : : "memory");
}

/* Interrupts are on for this instruction only: sti holds them off until hlt has begun. */
static inline void cpu_wait_for_interrupt(void)
{
        __asm__ volatile("sti; hlt; cli" : : : "memory");
}

static inline void cpu_pause(void)
{
        __asm__ volatile("pause" : : : "memory");
}

static inline void cpu_flush_tlb(void)
{
        uint64_t cr3;

        __asm__ volatile("mov %%cr3, %0; mov %0, %%cr3" : "=r"(cr3) : : "memory");
}

static inline uint64_t cpu_fault_address(void)
{
        uint64_t cr2;

        __asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
        return cr2;
}
