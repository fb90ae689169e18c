/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The monitor's x86-64 machine as a bare program sees it: entry, console, ports, ends. */

#include "guest/bare/x86_64/cpu.h"
#include "guest/bare/x86_64/x86.h"
#include "vmm-launcher/arch/x86_64/layout.h"

/* 16550 registers (National Semiconductor PC16550D, 8.0). */
#define UART_DATA         (LAYOUT_PORT_SERIAL + 0)
#define UART_FIFO         (LAYOUT_PORT_SERIAL + 2)
#define UART_LINE_CONTROL (LAYOUT_PORT_SERIAL + 3)
#define UART_LINE_STATUS  (LAYOUT_PORT_SERIAL + 5)
#define UART_8N1          0x03
#define UART_FIFO_ENABLE  0x07 /* enable, and clear both */
#define UART_DATA_READY   0x01
#define UART_TRANSMIT     0x20 /* the transmit FIFO is empty: 16 bytes fit */
#define UART_FIFO_SIZE    16U

/* ACPI sleep control: SLP_TYP 5 | SLP_EN (ACPI 6.5, 4.8.3.7). */
#define ACPI_SLEEP_S5 ((5U << 2) | (1U << 5))

/* What the FADT's RESET_REG and RESET_VALUE say (ACPI 6.5, 4.8.3.6). */
#define ACPI_RESET       (LAYOUT_PORT_ACPI + 2)
#define ACPI_RESET_VALUE 0x42U

#define PVPANIC_PANICKED 1U

#define PAYLOAD_STATE   LAYOUT_PORT_PAYLOAD
#define PAYLOAD_EXIT    (LAYOUT_PORT_PAYLOAD + 4)
#define PAYLOAD_STARTED 1U
#define PAYLOAD_READY   2U

/* Xen public/arch-x86/hvm/start_info.h, version 1. */
#define START_INFO_MAGIC 0x336ec578U
typedef struct StartInfo {
        uint32_t magic, version, flags, n_modules;
        uint64_t modules, cmdline, rsdp;
        uint64_t memory_map;
        uint32_t memory_map_entries, reserved;
} StartInfo;

__attribute__((noreturn)) void x86_main(const StartInfo *info);

void x86_main(const StartInfo *info)
{
        interrupts_init();
        cpu_out8(UART_LINE_CONTROL, UART_8N1);
        cpu_out8(UART_FIFO, UART_FIFO_ENABLE);
        if (info->magic != START_INFO_MAGIC || info->version < 1)
                bare_panic("no PVH start info of version 1 or later at %p", (const void *)info);
        memory_init(info->memory_map, info->memory_map_entries);
        processors_init(info->rsdp);
        runtime_main(info->cmdline != 0 ? (const char *)(uintptr_t)info->cmdline : "");
}

void console_write(const char *text, size_t length)
{
        for (size_t i = 0; i < length; i++) {
                if (i % UART_FIFO_SIZE == 0)
                        while (!(cpu_in8(UART_LINE_STATUS) & UART_TRANSMIT))
                                cpu_pause();
                cpu_out8(UART_DATA, (uint8_t)text[i]);
        }
}

int bare_getchar(void)
{
        return cpu_in8(UART_LINE_STATUS) & UART_DATA_READY ? cpu_in8(UART_DATA) : -1;
}

void payload_report_started(void)
{
        cpu_out32(PAYLOAD_STATE, PAYLOAD_STARTED);
}

void bare_ready(void)
{
        cpu_out32(PAYLOAD_STATE, PAYLOAD_READY);
}

void bare_exit(int code)
{
        cpu_out32(PAYLOAD_EXIT, (uint32_t)code);
        bare_power_off();
}

void bare_power_off(void)
{
        cpu_out8(LAYOUT_PORT_ACPI, ACPI_SLEEP_S5);
        bare_halt();
}

void bare_reset(void)
{
        cpu_out8(ACPI_RESET, ACPI_RESET_VALUE);
        bare_halt();
}

void bare_panic(const char *format, ...)
{
        va_list args;

        bare_puts("panic: ");
        va_start(args, format);
        bare_vprintf(format, args);
        va_end(args);
        bare_putchar('\n');
        cpu_out8(LAYOUT_PORT_PVPANIC, PVPANIC_PANICKED);
        bare_halt();
}

void bare_halt(void)
{
        for (;;)
                cpu_halt();
}

void bare_hypervisor(char ret_signature[BARE_SIGNATURE_SIZE])
{
        uint32_t a, words[3];

        cpu_cpuid(0x40000000, &a, &words[0], &words[1], &words[2]);
        memcpy(ret_signature, words, sizeof(words));
        ret_signature[BARE_SIGNATURE_SIZE - 1] = '\0';
}
