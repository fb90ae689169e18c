/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The guest physical address map and the I/O ports of an x86-64 machine. Everything fixed is here.
 */

#define LAYOUT_RAM_LOW_MAX    0xc0000000ULL /* RAM below 4 GiB ends here at the latest */
#define LAYOUT_HOLE_START     LAYOUT_RAM_LOW_MAX
#define LAYOUT_MMIO32_START   0xc0000000ULL /* PCI BARs, 32 bit */
#define LAYOUT_MMIO32_SIZE    0x20000000ULL
#define LAYOUT_ECAM_START     0xe0000000ULL /* one bus segment: 1 MiB per bus */
#define LAYOUT_ECAM_BUSES     1U
#define LAYOUT_ECAM_SIZE      (LAYOUT_ECAM_BUSES << 20)
#define LAYOUT_IOAPIC_START   0xfec00000ULL
#define LAYOUT_LAPIC_START    0xfee00000ULL
#define LAYOUT_IDENTITY_MAP   0xfeffc000ULL /* KVM_SET_IDENTITY_MAP_ADDR, one page */
#define LAYOUT_TSS            0xfeffd000ULL /* KVM_SET_TSS_ADDR, three pages */
#define LAYOUT_RAM_HIGH_START 0x100000000ULL

/* Low memory that the monitor fills before the first instruction. */
#define LAYOUT_GDT          0x500ULL
#define LAYOUT_ZERO_PAGE    0x7000ULL /* struct boot_params, or hvm_start_info */
#define LAYOUT_PVH_MODULES  0x7800ULL /* hvm_modlist_entry[], hvm_memmap_table_entry[] */
#define LAYOUT_PAGE_TABLES  0x9000ULL /* PML4, PDPT, PDs for the 64-bit entry */
#define LAYOUT_CMDLINE      0x20000ULL
#define LAYOUT_CMDLINE_MAX  0x10000ULL
#define LAYOUT_EBDA_START   0x9fc00ULL /* end of usable low memory in the e820 map */
#define LAYOUT_ACPI_START   0xe0000ULL /* RSDP, then all tables; reserved in the e820 map */
#define LAYOUT_ACPI_SIZE    0x20000ULL
#define LAYOUT_RESET_VECTOR 0xffff0ULL /* F000:FFF0: code that resets the machine, see entry.c */
#define LAYOUT_KERNEL_START 0x100000ULL

/* Ports */
#define LAYOUT_PORT_SERIAL       0x3f8 /* 8 ports, 16550A */
#define LAYOUT_PORT_PCI          0xcf8 /* CONFIG_ADDRESS, CONFIG_DATA */
#define LAYOUT_PORT_PCI_SIZE     8
#define LAYOUT_PORT_I8042        0x64  /* command 0xfe: reset; reads as an empty buffer */
#define LAYOUT_PORT_PVPANIC      0x505 /* 1 port, as QEMU's isa-pvpanic */
#define LAYOUT_PORT_ACPI         0x600 /* ACPI_PORT_*: sleep control, sleep status, reset, GED events */
#define LAYOUT_PORT_ACPI_SIZE    8
#define LAYOUT_PORT_PAYLOAD      0x608 /* payload port: what a bare payload reports through */
#define LAYOUT_PORT_PAYLOAD_SIZE 8

/* Interrupts (GSI) */
#define LAYOUT_GSI_SERIAL     4U
#define LAYOUT_GSI_SCI        9U
#define LAYOUT_GSI_GED        5U /* level, high; power button */
#define LAYOUT_GSI_FIRST_FREE 16U
