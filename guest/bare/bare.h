/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A single C program is a virtual machine. Link it with the bare runtime and it runs as the whole
 * guest: no kernel, no libc, one address space, every byte of RAM mapped one to one.
 *
 *     #include "bare.h"
 *     int main(const char *cmdline)
 *     {
 *             bare_printf("hello, command line: %s\n", cmdline);
 *             return 0;
 *     }
 *
 * The runtime is entered by the PVH protocol (Xen docs/misc/pvh.pandoc), goes to 64-bit mode,
 * reports "started" to the monitor and calls main(). What main() returns is the payload's exit
 * code; the machine is then switched off. Only general registers are used: no floating point.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The program. cmdline is the machine's "params", never NULL. */
int main(const char *cmdline);

/* --- Console: the first serial port --- */

void bare_putchar(char c);
void bare_puts(const char *text); /* adds no newline */
/* %c %s %d %i %u %x %p %%, with 0, a width, l and ll. "\n" goes out as it is. */
void bare_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void bare_vprintf(const char *format, va_list args) __attribute__((format(printf, 1, 0)));
/* One byte of input, or -1 when there is none now. */
int bare_getchar(void);

/* --- Command line --- */

/*
 * Finds the word "name" or "name=value" of the command line. True if it is there; its value (empty
 * without one, cut to size) goes to ret_value unless that is NULL.
 */
bool bare_option(const char *name, char *ret_value, size_t size);
/* The decimal value of "name=number" (a sign is taken), or fallback. */
int64_t bare_option_number(const char *name, int64_t fallback);

/* --- Reports and ends --- */

void bare_ready(void); /* payload state "ready"; "started" was reported before main() */
__attribute__((noreturn)) void bare_exit(int code);  /* payload "finished" with code, power off */
__attribute__((noreturn)) void bare_power_off(void); /* ACPI S5, without an exit code */
__attribute__((noreturn)) void bare_reset(void);     /* ACPI reset register */
/* Prints, reports a guest panic by pvpanic, and halts for good. */
__attribute__((noreturn)) void bare_panic(const char *format, ...)
        __attribute__((format(printf, 1, 2)));
__attribute__((noreturn)) void bare_triple_fault(void);
__attribute__((noreturn)) void bare_halt(void); /* interrupts off, for ever */

/* --- Waiting --- */

typedef enum BareEvent {
        BARE_EVENT_POWER_BUTTON = 1 << 0, /* the host asks for a graceful stop */
        BARE_EVENT_INPUT = 1 << 1,        /* bare_getchar() has something */
} BareEvent;

/* Halts the processor until one of these comes; returns the BareEvent bits that are due. */
unsigned bare_wait(void);

/* --- The machine --- */

/* The hypervisor's signature of CPUID leaf 0x40000000: 12 characters and a NUL. */
#define BARE_SIGNATURE_SIZE 13
void bare_hypervisor(char ret_signature[BARE_SIGNATURE_SIZE]);

typedef struct BareRegion {
        uint64_t start, size; /* bytes, guest physical */
} BareRegion;

/* RAM as the monitor reports it; false beyond the last region. */
bool bare_ram_region(unsigned index, BareRegion *ret);
/* First byte behind the program and all that the runtime uses; RAM from here is the program's. */
uint64_t bare_free_memory(void);
/*
 * Maps [start, start + size) one to one, in pages of 2 MiB. Below 4 GiB all is mapped already.
 * Panics when no memory is left for page tables.
 */
void bare_map(uint64_t start, uint64_t size);

/* Processors by the ACPI MADT; 1 without one. Index 0 runs main(). */
unsigned bare_cpu_count(void);
/*
 * Starts processor `index` (1 and up) in function(index, argument), with interrupts off and a stack
 * of 4 KiB; it halts when that returns. Returns once it runs. Each can be started once.
 */
void bare_cpu_start(unsigned index, void (*function)(unsigned index, void *argument),
                    void *argument);

/* --- What freestanding compilers call --- */

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);
