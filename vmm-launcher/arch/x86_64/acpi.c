/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arch/x86_64/acpi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/acpi-aml.h"
#include "arch/x86_64/acpi-dsdt.h"
#include "arch/x86_64/layout.h"
#include "common/cleanup.h"

#define ACPI_ALIGN    16U
#define ACPI_MAX_CPUS 1024U
/* An upper bound of what the tables take, for a buffer of the right order; acpi_build() checks. */
#define ACPI_SIZE_FIXED    2048U
#define ACPI_SIZE_PER_VCPU 64U

typedef struct AcpiHeader { /* ACPI 6.5 section 5.2.6 */
        char signature[4];
        uint32_t length;
        uint8_t revision;
        uint8_t checksum;
        char oem_id[6];
        char oem_table_id[8];
        uint32_t oem_revision;
        char creator_id[4];
        uint32_t creator_revision;
} __attribute__((packed)) AcpiHeader;

typedef struct AcpiAddress { /* section 5.2.3.2 */
        uint8_t space;       /* 1: system I/O */
        uint8_t bit_width;
        uint8_t bit_offset;
        uint8_t access_size; /* 1: byte */
        uint64_t address;
} __attribute__((packed)) AcpiAddress;

typedef struct AcpiRsdp { /* section 5.2.5.3 */
        char signature[8];
        uint8_t checksum; /* of the first 20 bytes */
        char oem_id[6];
        uint8_t revision;
        uint32_t rsdt_address;
        uint32_t length;
        uint64_t xsdt_address;
        uint8_t extended_checksum;
        uint8_t reserved[3];
} __attribute__((packed)) AcpiRsdp;

typedef struct AcpiFadt { /* section 5.2.9; all zero in hardware-reduced mode is left out by name */
        AcpiHeader header;
        uint8_t legacy_1[73]; /* FIRMWARE_CTRL to CENTURY */
        uint16_t boot_flags;  /* IAPC_BOOT_ARCH, section 5.2.9.3 */
        uint8_t reserved;
        uint32_t flags;
        AcpiAddress reset_register;
        uint8_t reset_value;
        uint16_t arm_boot_flags;
        uint8_t minor_revision;
        uint64_t facs;           /* X_FIRMWARE_CTRL */
        uint64_t dsdt;           /* X_DSDT */
        AcpiAddress legacy_2[8]; /* X_PM1a_EVT_BLK to X_GPE1_BLK */
        AcpiAddress sleep_control;
        AcpiAddress sleep_status;
        char hypervisor[8];
} __attribute__((packed)) AcpiFadt;

_Static_assert(sizeof(AcpiHeader) == 36, "section 5.2.6");
_Static_assert(sizeof(AcpiRsdp) == 36, "section 5.2.5.3");
_Static_assert(sizeof(AcpiFadt) == 276, "section 5.2.9");

#define FADT_BOOT_NO_VGA      (1U << 2)
#define FADT_BOOT_NO_CMOS_RTC (1U << 5)
#define FADT_WBINVD           (1U << 0)
#define FADT_PROC_C1          (1U << 2)
#define FADT_PWR_BUTTON       (1U << 4) /* no fixed power button: PNP0C0C in the DSDT */
#define FADT_SLP_BUTTON       (1U << 5) /* no fixed sleep button */
#define FADT_RESET_REG_SUP    (1U << 10)
#define FADT_HW_REDUCED_ACPI  (1U << 20)
#define FADT_RESET_VALUE      0x42U

#define PORT_SLEEP_CONTROL (LAYOUT_PORT_ACPI + 0)
#define PORT_SLEEP_STATUS  (LAYOUT_PORT_ACPI + 1)
#define PORT_RESET         (LAYOUT_PORT_ACPI + 2)

/* Section 5.2.12 */
#define MADT_LOCAL_APIC     0U
#define MADT_IO_APIC        1U
#define MADT_OVERRIDE       2U
#define MADT_LOCAL_APIC_NMI 4U
#define MADT_LOCAL_X2APIC   9U
#define MADT_ENABLED        1U
#define MADT_LEVEL_HIGH     0x000dU /* MPS INTI flags: active high, level */
#define MADT_XAPIC_IDS      255U    /* ids below have the short structure, section 5.2.12.12 */

static uint8_t acpi_sum(const uint8_t *bytes, size_t size)
{
        uint8_t sum = 0;

        for (size_t i = 0; i < size; i++)
                sum = (uint8_t)(sum + bytes[i]);
        return sum;
}

static void table_header(AcpiHeader *header, const char *signature, uint8_t revision)
{
        memset(header, 0, sizeof(*header));
        memcpy(header->signature, signature, 4);
        header->revision = revision;
        memcpy(header->oem_id, "VMSERV", 6);
        memcpy(header->oem_table_id, "VMSERVIC", 8);
        header->oem_revision = 1;
        memcpy(header->creator_id, "VMSV", 4);
        header->creator_revision = 1;
}

/* Starts a table at the next aligned place; returns its offset. */
static size_t table_begin(Aml *out, const char *signature, uint8_t revision)
{
        static const uint8_t padding[ACPI_ALIGN];
        AcpiHeader header;
        size_t start;

        aml_bytes(out, padding, (ACPI_ALIGN - out->used % ACPI_ALIGN) % ACPI_ALIGN);
        start = out->used;
        table_header(&header, signature, revision);
        aml_bytes(out, &header, sizeof(header));
        return start;
}

static void table_end(Aml *out, size_t start)
{
        size_t length = out->used - start;
        AcpiHeader header;

        if (out->overflow)
                return;
        memcpy(&header, out->data + start, sizeof(header));
        header.length = (uint32_t)length;
        memcpy(out->data + start, &header, sizeof(header));
        out->data[start + offsetof(AcpiHeader, checksum)] =
                (uint8_t)-acpi_sum(out->data + start, length);
}

static AcpiAddress io_register(uint16_t port)
{
        return (AcpiAddress){.space = 1, .bit_width = 8, .access_size = 1, .address = port};
}

static size_t fadt_write(Aml *out, uint64_t dsdt)
{
        size_t start = table_begin(out, "FACP", 6);
        AcpiFadt fadt = {
                .boot_flags = FADT_BOOT_NO_VGA | FADT_BOOT_NO_CMOS_RTC,
                .flags = FADT_WBINVD | FADT_PROC_C1 | FADT_PWR_BUTTON | FADT_SLP_BUTTON |
                         FADT_RESET_REG_SUP | FADT_HW_REDUCED_ACPI,
                .reset_register = io_register(PORT_RESET),
                .reset_value = FADT_RESET_VALUE,
                .minor_revision = 3,
                .dsdt = dsdt,
                .sleep_control = io_register(PORT_SLEEP_CONTROL),
                .sleep_status = io_register(PORT_SLEEP_STATUS),
                .hypervisor = "VMSERVIC",
        };

        aml_bytes(out, (const uint8_t *)&fadt + sizeof(fadt.header),
                  sizeof(fadt) - sizeof(fadt.header));
        table_end(out, start);
        return start;
}

static void madt_write_cpu(Aml *out, uint32_t id)
{
        if (id < MADT_XAPIC_IDS) {
                aml_le(out, MADT_LOCAL_APIC, 1);
                aml_le(out, 8, 1);
                aml_le(out, id, 1); /* ACPI processor UID */
                aml_le(out, id, 1); /* APIC id */
                aml_le(out, MADT_ENABLED, 4);
        } else {
                aml_le(out, MADT_LOCAL_X2APIC, 1);
                aml_le(out, 16, 1);
                aml_le(out, 0, 2);
                aml_le(out, id, 4);
                aml_le(out, MADT_ENABLED, 4);
                aml_le(out, id, 4);
        }
}

static void madt_write_override(Aml *out, uint8_t irq)
{
        aml_le(out, MADT_OVERRIDE, 1);
        aml_le(out, 10, 1);
        aml_le(out, 0, 1); /* ISA */
        aml_le(out, irq, 1);
        aml_le(out, irq, 4); /* GSI */
        aml_le(out, MADT_LEVEL_HIGH, 2);
}

static size_t madt_write(Aml *out, const AcpiConfig *config)
{
        size_t start = table_begin(out, "APIC", 5);

        aml_le(out, LAYOUT_LAPIC_START, 4);
        aml_le(out, 0, 4); /* no 8259 pair to be masked */
        for (unsigned i = 0; i < config->n_vcpus; i++)
                madt_write_cpu(out, i);

        aml_le(out, MADT_IO_APIC, 1);
        aml_le(out, 12, 1);
        aml_le(out, 0, 2); /* id, reserved */
        aml_le(out, LAYOUT_IOAPIC_START, 4);
        aml_le(out, 0, 4); /* its first GSI */

        /* ISA interrupts are edge-triggered unless told otherwise; our devices drive levels. */
        madt_write_override(out, LAYOUT_GSI_SERIAL);
        madt_write_override(out, LAYOUT_GSI_GED);

        aml_le(out, MADT_LOCAL_APIC_NMI, 1);
        aml_le(out, 6, 1);
        aml_le(out, 0xff, 1); /* all processors */
        aml_le(out, 0, 2);
        aml_le(out, 1, 1); /* LINT1 */
        table_end(out, start);
        return start;
}

/* PCI Firmware Specification 3.3, section 4.1.2 */
static size_t mcfg_write(Aml *out)
{
        size_t start = table_begin(out, "MCFG", 1);

        aml_le(out, 0, 8);
        aml_le(out, LAYOUT_ECAM_START, 8);
        aml_le(out, 0, 2); /* segment */
        aml_le(out, 0, 1); /* first bus */
        aml_le(out, LAYOUT_ECAM_BUSES - 1, 1);
        aml_le(out, 0, 4);
        table_end(out, start);
        return start;
}

static size_t dsdt_table_write(Aml *out, const AcpiConfig *config)
{
        size_t start = table_begin(out, "DSDT", 2);

        dsdt_write(out, config);
        table_end(out, start);
        return start;
}

static void rsdp_fill(uint8_t *buffer, uint64_t xsdt)
{
        AcpiRsdp rsdp = {
                .revision = 2,
                .length = sizeof(rsdp),
                .xsdt_address = xsdt,
        };

        memcpy(rsdp.signature, "RSD PTR ", sizeof(rsdp.signature));
        memcpy(rsdp.oem_id, "VMSERV", sizeof(rsdp.oem_id));
        rsdp.checksum = (uint8_t)-acpi_sum((const uint8_t *)&rsdp, 20);
        rsdp.extended_checksum = (uint8_t)-acpi_sum((const uint8_t *)&rsdp, sizeof(rsdp));
        memcpy(buffer, &rsdp, sizeof(rsdp));
}

int acpi_build(const AcpiConfig *config, uint64_t address, void *buffer, size_t size,
               size_t *ret_size)
{
        Aml out = {.data = buffer, .size = size};
        const uint8_t room_for_rsdp[sizeof(AcpiRsdp)] = {0};
        size_t dsdt, fadt, madt, mcfg, xsdt;

        if (config->n_vcpus == 0 || config->n_vcpus > ACPI_MAX_CPUS)
                return -EINVAL;
        aml_bytes(&out, room_for_rsdp, sizeof(room_for_rsdp));
        dsdt = dsdt_table_write(&out, config);
        fadt = fadt_write(&out, address + dsdt);
        madt = madt_write(&out, config);
        mcfg = mcfg_write(&out);
        xsdt = table_begin(&out, "XSDT", 1);
        aml_le(&out, address + fadt, 8);
        aml_le(&out, address + madt, 8);
        aml_le(&out, address + mcfg, 8);
        table_end(&out, xsdt);
        if (out.overflow)
                return -ENOSPC;
        rsdp_fill(buffer, address + xsdt);
        *ret_size = out.used;
        return 0;
}

int acpi_load(GuestMemory *memory, const AcpiConfig *config, uint64_t *ret_rsdp)
{
        size_t room = ACPI_SIZE_FIXED + (size_t)ACPI_SIZE_PER_VCPU * config->n_vcpus;
        _cleanup_free_ uint8_t *buffer = NULL;
        size_t size = 0;
        int r;

        if (room > LAYOUT_RESET_VECTOR - LAYOUT_ACPI_START)
                room = LAYOUT_RESET_VECTOR - LAYOUT_ACPI_START;
        buffer = malloc(room);
        if (!buffer)
                return -ENOMEM;
        r = acpi_build(config, LAYOUT_ACPI_START, buffer, room, &size);
        if (r < 0)
                return r;
        r = guest_memory_write(memory, LAYOUT_ACPI_START, buffer, size);
        if (r < 0)
                return r;
        *ret_rsdp = LAYOUT_ACPI_START;
        return 0;
}
