/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the guest's ACPI name space holds. Ports and interrupts are layout.h's; the registers are
 * those of devices/acpi-pm.h.
 */

#include "arch/x86_64/acpi-dsdt.h"

#include <stdio.h>

#include "arch/x86_64/layout.h"

#define PORT_GED_EVENTS    (LAYOUT_PORT_ACPI + 4)
#define EVENT_POWER_BUTTON 0x01U
#define SLEEP_TYPE_S5      5U
#define NOTIFY_PRESSED     0x80U

_Static_assert(LAYOUT_PORT_PAYLOAD == LAYOUT_PORT_ACPI + LAYOUT_PORT_ACPI_SIZE,
               "the reserved ports are one range");

/* Section 7.4.2.6: \_S5, the only sleep state. */
static void dsdt_s5(Aml *aml)
{
        size_t package;

        aml_name(aml, "\\_S5_");
        package = aml_package_begin(aml, 4);
        aml_integer(aml, SLEEP_TYPE_S5);
        aml_integer(aml, SLEEP_TYPE_S5);
        aml_integer(aml, 0);
        aml_integer(aml, 0);
        aml_end(aml, package);
}

/* Section 8.4: each processor of the MADT is a device, with the same _UID. */
static void dsdt_processors(Aml *aml, unsigned n_vcpus)
{
        for (unsigned i = 0; i < n_vcpus; i++) {
                char name[8];
                size_t device;

                (void)snprintf(name, sizeof(name), "C%03X", i & 0xfffU);
                device = aml_device_begin(aml, name);
                aml_name_string(aml, "_HID", "ACPI0007");
                aml_name_integer(aml, "_UID", i);
                aml_end(aml, device);
        }
}

static void dsdt_serial(Aml *aml)
{
        AmlResources resources;
        size_t device = aml_device_begin(aml, "COM1");

        aml_name_eisa_id(aml, "_HID", "PNP0501");
        aml_name_integer(aml, "_UID", 1);
        aml_resources_begin(&resources);
        aml_resource_io(&resources, LAYOUT_PORT_SERIAL, 8);
        aml_resource_interrupt(&resources, LAYOUT_GSI_SERIAL);
        aml_name_resources(aml, "_CRS", &resources);
        aml_end(aml, device);
}

/* QEMU docs/specs/pvpanic */
static void dsdt_pvpanic(Aml *aml)
{
        AmlResources resources;
        size_t device = aml_device_begin(aml, "PEVT");

        aml_name_string(aml, "_HID", "QEMU0001");
        aml_resources_begin(&resources);
        aml_resource_io(&resources, LAYOUT_PORT_PVPANIC, 1);
        aml_name_resources(aml, "_CRS", &resources);
        aml_end(aml, device);
}

/* Section 4.8.2.2.1.2: a control method power button; section 5.6.9: its event arrives by the GED.
 */
static void dsdt_power_button(Aml *aml)
{
        AmlResources resources;
        size_t device, method, condition;

        device = aml_device_begin(aml, "PWRB");
        aml_name_eisa_id(aml, "_HID", "PNP0C0C");
        aml_end(aml, device);

        device = aml_device_begin(aml, "GED_");
        aml_name_string(aml, "_HID", "ACPI0013");
        aml_resources_begin(&resources);
        aml_resource_interrupt(&resources, LAYOUT_GSI_GED);
        aml_name_resources(aml, "_CRS", &resources);
        aml_io_byte(aml, "EREG", "EVTS", PORT_GED_EVENTS);
        method = aml_method_begin(aml, "_EVT", 1, true);
        aml_store_to_local(aml, "EVTS", 0);
        condition = aml_if_begin(aml);
        aml_and(aml, 0, EVENT_POWER_BUTTON);
        aml_notify(aml, "\\_SB_.PWRB", NOTIFY_PRESSED);
        aml_end(aml, condition);
        aml_end(aml, method);
        aml_end(aml, device);
}

/* PCI Firmware Specification 3.3, section 4: a PCI Express root bridge. */
static void dsdt_pci_root(Aml *aml)
{
        AmlResources resources;
        size_t device = aml_device_begin(aml, "PCI0");

        aml_name_eisa_id(aml, "_HID", "PNP0A08");
        aml_name_eisa_id(aml, "_CID", "PNP0A03");
        aml_name_integer(aml, "_UID", 0);
        aml_name_integer(aml, "_SEG", 0);
        aml_name_integer(aml, "_BBN", 0);
        aml_resources_begin(&resources);
        aml_resource_bus_range(&resources, 0, LAYOUT_ECAM_BUSES - 1);
        aml_resource_io(&resources, LAYOUT_PORT_PCI, LAYOUT_PORT_PCI_SIZE);
        aml_resource_memory_window(&resources, LAYOUT_MMIO32_START,
                                   LAYOUT_MMIO32_START + LAYOUT_MMIO32_SIZE - 1);
        aml_name_resources(aml, "_CRS", &resources);
        aml_end(aml, device);
}

/*
 * PNP0C02, motherboard resources: the ECAM area, which Linux uses only if it is reserved here or in
 * e820, and the ports of the power management and the payload registers.
 */
static void dsdt_reserved(Aml *aml)
{
        AmlResources resources;
        size_t device = aml_device_begin(aml, "MRES");

        aml_name_eisa_id(aml, "_HID", "PNP0C02");
        aml_name_integer(aml, "_UID", 0);
        aml_resources_begin(&resources);
        aml_resource_memory32(&resources, LAYOUT_ECAM_START, LAYOUT_ECAM_SIZE);
        aml_resource_io(&resources, LAYOUT_PORT_ACPI,
                        LAYOUT_PORT_ACPI_SIZE + LAYOUT_PORT_PAYLOAD_SIZE);
        aml_name_resources(aml, "_CRS", &resources);
        aml_end(aml, device);
}

void dsdt_write(Aml *aml, const AcpiConfig *config)
{
        size_t scope;

        dsdt_s5(aml);
        scope = aml_scope_begin(aml, "\\_SB_");
        dsdt_processors(aml, config->n_vcpus);
        dsdt_serial(aml);
        dsdt_pvpanic(aml);
        dsdt_power_button(aml);
        dsdt_pci_root(aml);
        dsdt_reserved(aml);
        aml_end(aml, scope);
}
