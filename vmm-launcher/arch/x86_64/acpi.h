/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The ACPI tables of an x86-64 machine: hardware-reduced (ACPI 6.5 section 4.1), so that neither a
 * PM timer nor fixed events need a device. RSDP, XSDT, FADT, MADT, MCFG and a DSDT made by
 * acpi-aml.h.
 */

#include <stddef.h>
#include <stdint.h>

#include "core/guest-memory.h"

typedef struct AcpiConfig {
        unsigned n_vcpus; /* local APIC ids 0 to n_vcpus - 1 */
} AcpiConfig;

/*
 * Builds the tables into a buffer that is meant for guest physical address; the RSDP stands at its
 * start. 0; -ENOSPC if they do not fit into size bytes; -EINVAL for no vCPU or too many.
 */
int acpi_build(const AcpiConfig *config, uint64_t address, void *buffer, size_t size,
               size_t *ret_size);

/* Builds them at LAYOUT_ACPI_START; *ret_rsdp is the RSDP's address. As acpi_build(), -EFAULT. */
int acpi_load(GuestMemory *memory, const AcpiConfig *config, uint64_t *ret_rsdp);
