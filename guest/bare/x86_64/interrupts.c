/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Exceptions, and the two interrupts that a bare program can wait for. */

#include "guest/bare/x86_64/cpu.h"
#include "guest/bare/x86_64/x86.h"
#include "vmm-launcher/arch/x86_64/layout.h"

#define VECTOR_IRQ       32U /* vector of GSI 0 */
#define SELECTOR_CODE64  0x08U
#define GATE_INTERRUPT   0x8e00U /* present, ring 0, 64-bit interrupt gate (SDM vol. 3A, 6.14.1) */
#define IOAPIC_LEVEL     (1U << 15)
#define UART_INTERRUPTS  (LAYOUT_PORT_SERIAL + 1)
#define UART_MODEM       (LAYOUT_PORT_SERIAL + 4)
#define UART_RECEIVED    0x01
#define UART_OUT2        0x08 /* gates the interrupt line on a PC */
#define UART_LINE_STATUS (LAYOUT_PORT_SERIAL + 5)
#define UART_DATA_READY  0x01
#define GED_EVENTS       (LAYOUT_PORT_ACPI + 4) /* reading clears them and lowers the line */
#define GED_POWER_BUTTON 0x01
#define PIC_MASTER_MASK  0x21
#define PIC_SLAVE_MASK   0xa1

typedef struct InterruptFrame {
        uint64_t saved[9]; /* r11 r10 r9 r8 rdi rsi rdx rcx rax */
        uint64_t vector, error, rip, cs, rflags, rsp, ss;
} InterruptFrame;

typedef struct Gate {
        uint16_t offset_low, selector, flags, offset_middle;
        uint32_t offset_high, reserved;
} Gate;

typedef struct __attribute__((packed)) DescriptorRegister {
        uint16_t limit;
        uint64_t base;
} DescriptorRegister;

extern const char bare_vectors[];
void interrupt_dispatch(const InterruptFrame *frame);

static Gate idt[BARE_VECTORS];
static bool listening;
static volatile bool power_button;

void lapic_write(uint32_t offset, uint32_t value)
{
        *(volatile uint32_t *)(LAYOUT_LAPIC_START + offset) = value;
}

uint32_t lapic_read(uint32_t offset)
{
        return *(volatile uint32_t *)(LAYOUT_LAPIC_START + offset);
}

void lapic_enable(void)
{
        lapic_write(LAPIC_SPURIOUS, LAPIC_ENABLE | VECTOR_SPURIOUS);
}

void interrupts_init_here(void)
{
        const DescriptorRegister reg = {sizeof(idt) - 1, (uintptr_t)idt};

        __asm__ volatile("lidt %0" : : "m"(reg));
}

void interrupts_init(void)
{
        for (unsigned i = 0; i < BARE_VECTORS; i++) {
                uintptr_t entry = (uintptr_t)(bare_vectors + 16 * i);

                idt[i] = (Gate){
                        .offset_low = (uint16_t)entry,
                        .selector = SELECTOR_CODE64,
                        .flags = GATE_INTERRUPT,
                        .offset_middle = (uint16_t)(entry >> 16),
                };
        }
        interrupts_init_here();
}

void bare_triple_fault(void)
{
        const DescriptorRegister empty = {0, 0};

        __asm__ volatile("lidt %0; ud2" : : "m"(empty));
        bare_halt();
}

void interrupt_dispatch(const InterruptFrame *frame)
{
        if (frame->vector < VECTOR_IRQ)
                bare_panic("exception %lu, error 0x%lx, at 0x%lx, address 0x%lx", frame->vector,
                           frame->error, frame->rip, cpu_fault_address());
        if (frame->vector == VECTOR_SPURIOUS)
                return;
        if (frame->vector == VECTOR_IRQ + LAYOUT_GSI_GED && cpu_in8(GED_EVENTS) & GED_POWER_BUTTON)
                power_button = true;
        /* Received bytes stay in the UART: bare_getchar() fetches them. */
        lapic_write(LAPIC_EOI, 0);
}

static void ioapic_route(unsigned gsi, uint32_t flags)
{
        volatile uint32_t *select = (volatile uint32_t *)LAYOUT_IOAPIC_START;
        volatile uint32_t *window = select + 4;

        *select = 0x11 + 2 * gsi;
        *window = lapic_read(LAPIC_ID);
        *select = 0x10 + 2 * gsi;
        *window = flags | (VECTOR_IRQ + gsi);
}

static void listen(void)
{
        /* The 8259s would deliver the same lines at vectors that they were never told. */
        cpu_out8(PIC_MASTER_MASK, 0xff);
        cpu_out8(PIC_SLAVE_MASK, 0xff);
        lapic_enable();
        ioapic_route(LAYOUT_GSI_SERIAL, 0);
        ioapic_route(LAYOUT_GSI_GED, IOAPIC_LEVEL);
        cpu_out8(UART_MODEM, UART_OUT2);
        cpu_out8(UART_INTERRUPTS, UART_RECEIVED);
        listening = true;
}

unsigned bare_wait(void)
{
        unsigned events = 0;

        if (!listening)
                listen();
        for (;;) {
                if (power_button)
                        events |= BARE_EVENT_POWER_BUTTON;
                if (cpu_in8(UART_LINE_STATUS) & UART_DATA_READY)
                        events |= BARE_EVENT_INPUT;
                power_button = false;
                if (events != 0)
                        return events;
                cpu_wait_for_interrupt();
        }
}
