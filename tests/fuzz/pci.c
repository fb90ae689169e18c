/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A guest at the PCI bus: configuration space by ECAM and by ports, BARs that it moves, the MSI-X
 * table, and a device that signals meanwhile. Eight bytes each: operation, width, offset (16 bits),
 * value (32 bits).
 */

#include <linux/pci_regs.h>
#include <stdbool.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "pci-harness.h"
#include "tests/fuzz/fuzz.h"

#define N_DEVICES   3U
#define FIRST_SLOT  3U
#define N_VECTORS   70U
#define BAR_SIZE    0x4000U
#define TABLE       0x1000U
#define PBA         0x2000U
#define HOOK_OFFSET 0xf0U
#define HOOK_SIZE   8U

typedef struct Guest Guest;

typedef struct Function {
        Guest *guest;
        PciDevice *device;
        MsiRecorder msi;
        unsigned slot;
        unsigned msix;    /* its capability */
        uint64_t address; /* as bar_moved said last */
} Function;

struct Guest {
        PciHarness pci;
        Function functions[N_DEVICES];
};

static void take_read(void *context, unsigned bar, uint64_t offset, void *data, size_t size)
{
        Function *function = context;

        fuzz_check(bar == 0 && size >= 1 && size <= 8 && offset + size <= BAR_SIZE);
        fuzz_check(function->address != PCI_BAR_UNMAPPED);
        memset(data, 0x5a, size);
}

static void take_write(void *context, unsigned bar, uint64_t offset, const void *data, size_t size)
{
        Function *function = context;

        fuzz_check(bar == 0 && data && size >= 1 && size <= 8 && offset + size <= BAR_SIZE);
        fuzz_check(function->address != PCI_BAR_UNMAPPED);
        /* The table and the pending bits are not the device's. */
        fuzz_check(offset + size <= TABLE || offset >= TABLE + N_VECTORS * 16);
        fuzz_check(offset + size <= PBA || offset >= PBA + 16);
        /* No lock is held. */
        (void)pci_harness_config_read(&function->guest->pci, function->slot, PCI_COMMAND, 2);
}

static void take_moved(void *context, unsigned bar, uint64_t address)
{
        Function *function = context;

        fuzz_check(bar == 0 && address != function->address);
        fuzz_check(address == PCI_BAR_UNMAPPED ||
                   (address >= HARNESS_WINDOW && address % BAR_SIZE == 0 &&
                    address + BAR_SIZE <= HARNESS_WINDOW + HARNESS_WINDOW_SIZE));
        function->address = address;
}

static void take_hook(void *context, unsigned offset, size_t size)
{
        Function *function = context;
        uint8_t bytes[HOOK_SIZE];

        fuzz_check(size >= 1 && offset + size <= HOOK_SIZE);
        pci_device_peek(function->device, HOOK_OFFSET, bytes, sizeof(bytes));
        fuzz_check(bytes[7] == 0x77); /* not writable */
        pci_device_poke(function->device, HOOK_OFFSET, bytes, 4);
}

static const PciDeviceOps ops = {take_read, take_write, take_moved, take_hook, take_hook, NULL};

static void add_function(Guest *guest, unsigned index)
{
        const PciIdentity identity = {.vendor = 0x1af4, .device = 0x1042};
        const uint8_t registers[HOOK_SIZE] = {[7] = 0x77};
        const uint8_t mask[HOOK_SIZE] = {0xff, 0xff, 0xff, 0xff, 0x0f};
        Function *function = &guest->functions[index];
        const MsiLine line = {&msi_recorder_ops, &function->msi};

        function->guest = guest;
        function->slot = FIRST_SLOT + index;
        function->address = PCI_BAR_UNMAPPED;
        fuzz_check(pci_device_new(guest->pci.bus, function->slot, &identity, &ops, function,
                                  &function->device) == 0);
        fuzz_check(pci_device_add_bar(function->device, 0, BAR_SIZE) == 0);
        fuzz_check(pci_device_add_registers(function->device, HOOK_OFFSET, registers, mask,
                                            HOOK_SIZE, true) == 0);
        fuzz_check(pci_device_add_msix(function->device, N_VECTORS, 0, TABLE, PBA, &line) == 0);
        function->msix =
                pci_harness_find_capability(&guest->pci, function->slot, PCI_CAP_ID_MSIX, 0);
}

static uint32_t config(Function *function, unsigned offset, size_t size)
{
        return pci_harness_config_read(&function->guest->pci, function->slot, offset, size);
}

/* A vector is connected if, and only if, the guest's registers say so, and to what they say. */
static void check_vectors(Function *function)
{
        uint32_t flags = config(function, function->msix + PCI_MSIX_FLAGS, 2);
        bool on = flags & PCI_MSIX_FLAGS_ENABLE && !(flags & PCI_MSIX_FLAGS_MASKALL) &&
                  config(function, PCI_COMMAND, 2) & PCI_COMMAND_MASTER;

        fuzz_check((flags & PCI_MSIX_FLAGS_QSIZE) == N_VECTORS - 1);
        fuzz_check(pci_device_has_msix_on(function->device) == !!(flags & PCI_MSIX_FLAGS_ENABLE));
        if (function->address == PCI_BAR_UNMAPPED)
                return;
        for (unsigned i = 0; i < N_VECTORS; i++) {
                uint64_t entry = function->address + TABLE + 16 * i;
                uint64_t control = pci_harness_read(&function->guest->pci, entry + 12, 4);

                /* Another BAR may lie over this one. */
                if (function != &function->guest->functions[0])
                        break;
                fuzz_check(function->msi.is_connected[i] == (on && !(control & 1)));
                if (!function->msi.is_connected[i])
                        continue;
                fuzz_check(function->msi.address[i] ==
                           pci_harness_read(&function->guest->pci, entry, 8));
                fuzz_check(function->msi.data[i] ==
                           pci_harness_read(&function->guest->pci, entry + 8, 4));
                fuzz_check(!function->msi.is_pending[i]);
        }
}

/* Identity and structure are nobody's to change. */
static void check_function(Function *function)
{
        uint32_t bar = config(function, PCI_BASE_ADDRESS_0, 4);
        bool decodes = config(function, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY;

        fuzz_check(config(function, PCI_VENDOR_ID, 4) == 0x10421af4);
        fuzz_check(config(function, PCI_HEADER_TYPE, 1) == 0);
        fuzz_check(bar % BAR_SIZE == 0);
        fuzz_check(function->address == PCI_BAR_UNMAPPED || (decodes && function->address == bar));
        check_vectors(function);
}

static void guest_operate(Guest *guest, const uint8_t operation[8])
{
        Function *function = &guest->functions[operation[0] >> 4 & 3U];
        size_t width = operation[1] % 17;
        uint32_t offset = operation[2] | (uint32_t)operation[3] << 8;
        uint8_t data[32];

        if (function == &guest->functions[N_DEVICES])
                function = &guest->functions[0];
        memset(data, 0x11, sizeof(data));
        memcpy(data, operation + 4, 4);
        memcpy(data + 4, operation + 4, 4);
        switch (operation[0] % 8) {
        case 0:
                bus_read(guest->pci.mmio, HARNESS_ECAM + (function->slot << 15) + offset % 4096,
                         data, width);
                break;
        case 1:
                bus_write(guest->pci.mmio, HARNESS_ECAM + (function->slot << 15) + offset % 4096,
                          data, width);
                break;
        case 2:
                bus_read(guest->pci.pio, HARNESS_PORT + offset % 12, data, width);
                break;
        case 3:
                bus_write(guest->pci.pio, HARNESS_PORT + offset % 12, data, width);
                break;
        case 4:
                bus_read(guest->pci.mmio, function->address + offset, data, width);
                break;
        case 5:
                bus_write(guest->pci.mmio, function->address + offset, data, width);
                break;
        case 6:
                pci_device_signal(function->device, offset);
                break;
        default:
                /* Anywhere on the bus; a reset, rarely. */
                if (width == 16)
                        pci_bus_reset(guest->pci.bus);
                else
                        bus_write(guest->pci.mmio, HARNESS_ECAM + (uint64_t)offset * 16, data,
                                  width);
        }
        for (size_t i = CONST_MAX(width, 8); i < sizeof(data); i++)
                fuzz_check(data[i] == 0x11);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static Guest guest; /* large, for its recorders */

        log_set_max_level(LOG_EMERG);
        memset(&guest, 0, sizeof(guest));
        fuzz_check(pci_harness_init(&guest.pci));
        for (unsigned i = 0; i < N_DEVICES; i++)
                add_function(&guest, i);
        for (size_t at = 0; at + 8 <= size; at += 8) {
                guest_operate(&guest, data + at);
                for (unsigned i = 0; i < N_DEVICES; i++)
                        check_function(&guest.functions[i]);
        }
        pci_bus_reset(guest.pci.bus);
        for (unsigned i = 0; i < N_DEVICES; i++) {
                fuzz_check(guest.functions[i].address == PCI_BAR_UNMAPPED);
                for (unsigned k = 0; k < N_VECTORS; k++)
                        fuzz_check(!guest.functions[i].msi.is_connected[k] &&
                                   !guest.functions[i].msi.is_pending[k]);
        }
        pci_harness_done(&guest.pci);
        return 0;
}
