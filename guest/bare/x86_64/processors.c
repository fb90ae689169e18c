/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The other processors: found in the ACPI MADT, started by INIT and SIPI. */

#include "guest/bare/x86_64/cpu.h"
#include "guest/bare/x86_64/x86.h"

#define PROCESSORS_MAX   256U
#define STACK_SIZE       4096U
#define MADT_HEADER      44U /* ACPI 6.5, table 5.19: what stands before the entries */
#define MADT_LOCAL_APIC  0U
#define MADT_ENABLED     1U
#define ICR_INIT         0x4500U /* INIT, assert (SDM vol. 3A, 11.6.1) */
#define ICR_START_UP     0x4600U
#define ICR_SEND_PENDING 0x1000U

typedef struct __attribute__((packed)) Rsdp {
        char signature[8]; /* "RSD PTR " */
        uint8_t checksum, oem_id[6], revision;
        uint32_t rsdt, length;
        uint64_t xsdt;
} Rsdp;

typedef struct __attribute__((packed)) TableHeader {
        char signature[4];
        uint32_t length;
        uint8_t rest[28];
} TableHeader;

extern const char bare_trampoline[], bare_trampoline_end[];
extern uint32_t bare_processor_stack;
uint32_t bare_processor_stack;
__attribute__((noreturn)) void processor_main(void);

static uint8_t apic_ids[PROCESSORS_MAX];
static unsigned n_processors = 1;
static void (*volatile start_function)(unsigned index, void *argument);
static void *volatile start_argument;
static volatile unsigned start_index;
static volatile bool start_done;

static void madt_read(const TableHeader *madt)
{
        const uint8_t *at = (const uint8_t *)madt + MADT_HEADER;
        const uint8_t *end = (const uint8_t *)madt + madt->length;

        n_processors = 0;
        for (; at + 8 <= end && at[1] >= 2; at += at[1])
                if (at[0] == MADT_LOCAL_APIC && (at[4] & MADT_ENABLED) != 0 &&
                    n_processors < PROCESSORS_MAX)
                        apic_ids[n_processors++] = at[3];
}

void processors_init(uint64_t rsdp_address)
{
        const Rsdp *rsdp = (const Rsdp *)(uintptr_t)rsdp_address;
        const TableHeader *xsdt;

        if (!rsdp || memcmp(rsdp->signature, "RSD PTR ", 8) != 0)
                return;
        xsdt = (const TableHeader *)(uintptr_t)rsdp->xsdt;
        for (uint32_t offset = sizeof(*xsdt); offset + 8 <= xsdt->length; offset += 8) {
                const TableHeader *table;
                uint64_t address;

                memcpy(&address, (const char *)xsdt + offset, sizeof(address));
                table = (const TableHeader *)(uintptr_t)address;
                if (memcmp(table->signature, "APIC", 4) == 0)
                        madt_read(table);
        }
}

unsigned bare_cpu_count(void)
{
        return n_processors;
}

static void ipi_send(uint8_t apic_id, uint32_t command)
{
        lapic_write(LAPIC_ICR_HIGH, (uint32_t)apic_id << 24);
        lapic_write(LAPIC_ICR_LOW, command);
        while (lapic_read(LAPIC_ICR_LOW) & ICR_SEND_PENDING)
                cpu_pause();
}

void processor_main(void)
{
        void (*function)(unsigned, void *) = start_function;
        void *argument = start_argument;
        unsigned index = start_index;

        interrupts_init_here();
        start_done = true;
        function(index, argument);
        bare_halt();
}

void bare_cpu_start(unsigned index, void (*function)(unsigned index, void *argument),
                    void *argument)
{
        char *stack;

        lapic_enable();
        if (index == 0 || index >= n_processors)
                bare_panic("no processor %u to start: there are %u", index, n_processors);
        stack = memory_take(STACK_SIZE);
        memcpy((void *)(uintptr_t)CPU_TRAMPOLINE, bare_trampoline,
               (size_t)(bare_trampoline_end - bare_trampoline));
        bare_processor_stack = (uint32_t)(uintptr_t)(stack + STACK_SIZE);
        start_function = function;
        start_argument = argument;
        start_index = index;
        start_done = false;
        __asm__ volatile("" : : : "memory");
        ipi_send(apic_ids[index], ICR_INIT);
        ipi_send(apic_ids[index], ICR_START_UP | CPU_TRAMPOLINE >> 12);
        while (!start_done)
                cpu_pause();
}
