/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arch/x86_64/layout.h"

#include "arch/arch.h"

size_t arch_memory_layout(uint64_t memory_bytes, GuestRegion ret[GUEST_MEMORY_MAX_REGIONS])
{
        uint64_t low = CONST_MIN(memory_bytes, LAYOUT_RAM_LOW_MAX);

        ret[0] = (GuestRegion){.address = 0, .size = low};
        if (memory_bytes == low)
                return 1;
        ret[1] = (GuestRegion){.address = LAYOUT_RAM_HIGH_START, .size = memory_bytes - low};
        return 2;
}

static const ArchDevicePlace device_places[] = {
        {ARCH_DEVICE_SERIAL, true, LAYOUT_PORT_SERIAL, 8, LAYOUT_GSI_SERIAL},
        {ARCH_DEVICE_POWER, true, LAYOUT_PORT_ACPI, LAYOUT_PORT_ACPI_SIZE, LAYOUT_GSI_GED},
        {ARCH_DEVICE_PVPANIC, true, LAYOUT_PORT_PVPANIC, 1, 0},
        {ARCH_DEVICE_PAYLOAD_PORT, true, LAYOUT_PORT_PAYLOAD, LAYOUT_PORT_PAYLOAD_SIZE, 0},
        {ARCH_DEVICE_I8042, true, LAYOUT_PORT_I8042, 1, 0},
};

size_t arch_devices(const ArchDevicePlace **ret)
{
        *ret = device_places;
        return ARRAY_SIZE(device_places);
}

static const PciPlace pci_place = {
        .ecam = LAYOUT_ECAM_START,
        .ecam_size = LAYOUT_ECAM_SIZE,
        .window = LAYOUT_MMIO32_START,
        .window_size = LAYOUT_MMIO32_SIZE,
        .config_port = LAYOUT_PORT_PCI,
};

const PciPlace *arch_pci_place(void)
{
        return &pci_place;
}
