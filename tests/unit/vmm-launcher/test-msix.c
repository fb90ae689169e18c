/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* MSI-X as a driver and as a hostile guest use it (PCI 3.0 section 6.8.2). */

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdatomic.h>

#include "check-main.h"
#include "common/cleanup.h"
#include "pci-harness.h"

#define SLOT      9U
#define BAR_SIZE  0x10000U
#define TABLE     0x1000U
#define PBA       0xa000U
#define N_VECTORS 70U /* the pending bits take two quadwords, the second not full */
#define BAR       HARNESS_WINDOW

typedef struct Function {
        PciHarness pci;
        PciDevice *device;
        MsiRecorder msi;
        unsigned capability;
        unsigned n_bar_accesses;
        _Atomic uint8_t pending;
} Function;

static void function_read(void *context, unsigned bar, uint64_t offset, void *data, size_t size)
{
        Function *function = context;

        ck_assert_uint_eq(bar, 0);
        ck_assert_uint_le(offset + size, BAR_SIZE);
        function->n_bar_accesses++;
        memset(data, 0x5a, size);
}

static void function_write(void *context, unsigned bar, uint64_t offset, const void *data,
                           size_t size)
{
        Function *function = context;

        (void)data;
        ck_assert_uint_eq(bar, 0);
        ck_assert_uint_le(offset + size, BAR_SIZE);
        function->n_bar_accesses++;
}

static const PciDeviceOps function_ops = {.bar_read = function_read, .bar_write = function_write};

static Function *function_new(unsigned n_vectors)
{
        const PciIdentity identity = {.vendor = 1, .device = 2};
        Function *function = calloc(1, sizeof(*function));
        MsiLine line;

        ck_assert_ptr_nonnull(function);
        line = (MsiLine){&msi_recorder_ops, &function->msi};
        ck_assert(pci_harness_init(&function->pci));
        ck_assert_int_eq(pci_device_new(function->pci.bus, SLOT, &identity, &function_ops, function,
                                        &function->device),
                         0);
        ck_assert_int_eq(pci_device_add_bar(function->device, 0, BAR_SIZE), 0);
        ck_assert_int_eq(pci_device_add_msix(function->device, n_vectors, 0, TABLE, PBA, &line), 0);
        function->capability =
                pci_harness_find_capability(&function->pci, SLOT, PCI_CAP_ID_MSIX, 0);
        ck_assert_uint_ne(function->capability, 0);
        pci_device_set_pending(function->device, &function->pending);
        pci_harness_config_write(&function->pci, SLOT, PCI_COMMAND,
                                 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
        return function;
}

static void function_free(Function *function)
{
        pci_harness_done(&function->pci);
        free(function);
}

static void set_flags(Function *function, uint16_t flags)
{
        pci_harness_config_write(&function->pci, SLOT, function->capability + PCI_MSIX_FLAGS, flags,
                                 2);
}

static uint64_t bar_read(Function *function, uint64_t offset, size_t size)
{
        return pci_harness_read(&function->pci, BAR + offset, size);
}

static void bar_write(Function *function, uint64_t offset, uint64_t value, size_t size)
{
        pci_harness_write(&function->pci, BAR + offset, value, size);
}

static void set_vector(Function *function, unsigned vector, uint64_t address, uint32_t data,
                       uint32_t control)
{
        bar_write(function, TABLE + 16 * vector, address, 8);
        bar_write(function, TABLE + 16 * vector + 8, data, 4);
        bar_write(function, TABLE + 16 * vector + 12, control, 4);
}

START_TEST(capability)
{
        const MsiLine line = {&msi_recorder_ops, NULL};
        const PciIdentity identity = {0};
        PciDevice *device;
        Function *function = function_new(N_VECTORS);

        ck_assert_uint_eq(pci_harness_config_read(&function->pci, SLOT, function->capability, 4),
                          (N_VECTORS - 1) << 16 | PCI_CAP_ID_MSIX);
        ck_assert_uint_eq(
                pci_harness_config_read(&function->pci, SLOT, function->capability + 4, 4), TABLE);
        ck_assert_uint_eq(
                pci_harness_config_read(&function->pci, SLOT, function->capability + 8, 4), PBA);
        set_flags(function, 0xffff);
        ck_assert_uint_eq(
                pci_harness_config_read(&function->pci, SLOT, function->capability + 2, 2),
                PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL | (N_VECTORS - 1));
        ck_assert_int_eq(pci_device_add_msix(function->device, 1, 0, TABLE, PBA, &line), -EEXIST);

        ck_assert_int_eq(
                pci_device_new(function->pci.bus, 1, &identity, &function_ops, NULL, &device), 0);
        ck_assert_int_eq(pci_device_add_msix(device, 1, 0, 0, 0x100, &line), -EINVAL); /* no BAR */
        ck_assert_int_eq(pci_device_add_bar(device, 0, 0x1000), 0);
        ck_assert_int_eq(pci_device_add_msix(device, 0, 0, 0, 0x100, &line), -EINVAL);
        ck_assert_int_eq(pci_device_add_msix(device, 2049, 0, 0, 0x100, &line), -EINVAL);
        ck_assert_int_eq(pci_device_add_msix(device, 1, 6, 0, 0x100, &line), -EINVAL);
        ck_assert_int_eq(pci_device_add_msix(device, 1, 0, 4, 0x100, &line), -EINVAL);
        ck_assert_int_eq(pci_device_add_msix(device, 1, 0, 0xff8, 0x100, &line), -EINVAL);
        ck_assert_int_eq(pci_device_add_msix(device, 1, 0, 0, 0x1000, &line), -EINVAL);
        ck_assert_int_eq(pci_device_add_msix(device, 257, 0, 0, 0x100, &line), -EINVAL);
        function_free(function);
}
END_TEST

START_TEST(table_after_reset)
{
        Function *function = function_new(N_VECTORS);

        for (unsigned i = 0; i < N_VECTORS; i++) {
                ck_assert_uint_eq(bar_read(function, TABLE + 16 * i, 8), 0);
                ck_assert_uint_eq(bar_read(function, TABLE + 16 * i + 8, 8), 1ULL << 32);
        }
        function_free(function);
}
END_TEST

/* Connected only if enabled, not masked as a function, not masked itself, and a bus master. */
START_TEST(every_mask)
{
        Function *function = function_new(N_VECTORS);

        set_vector(function, 3, 0xfee00000, 0x41, 0);
        for (unsigned bits = 0; bits < 16; bits++) {
                bool enabled = bits & 1, function_masked = bits & 2, masked = bits & 4;
                bool master = bits & 8;
                bool want = enabled && !function_masked && !masked && master;

                pci_harness_config_write(&function->pci, SLOT, PCI_COMMAND,
                                         PCI_COMMAND_MEMORY | (master ? PCI_COMMAND_MASTER : 0), 2);
                set_flags(function, (uint16_t)((enabled ? PCI_MSIX_FLAGS_ENABLE : 0) |
                                               (function_masked ? PCI_MSIX_FLAGS_MASKALL : 0)));
                bar_write(function, TABLE + 16 * 3 + 12, masked, 4);
                ck_assert_int_eq(function->msi.is_connected[3], want);
                ck_assert_int_eq(pci_device_has_msix_on(function->device), enabled);
                for (unsigned i = 0; i < N_VECTORS; i++)
                        ck_assert(i == 3 || !function->msi.is_connected[i]);
        }
        function_free(function);
}
END_TEST

START_TEST(message)
{
        Function *function = function_new(N_VECTORS);
        unsigned n;

        set_flags(function, PCI_MSIX_FLAGS_ENABLE);
        set_vector(function, 69, 0x1fee01000, 0x42, 0);
        ck_assert_uint_eq(function->msi.address[69], 0x1fee01000);
        ck_assert_uint_eq(function->msi.data[69], 0x42);
        /* Changed without being masked: as newer drivers never do. */
        bar_write(function, TABLE + 16 * 69 + 8, 0x43, 4);
        ck_assert_uint_eq(function->msi.data[69], 0x43);
        n = function->msi.n_unmasks;
        bar_write(function, TABLE + 16 * 69 + 8, 0x43, 4);
        bar_write(function, TABLE + 16 * 69 + 12, 0xfffffffe, 4);
        ck_assert_uint_eq(function->msi.n_unmasks, n);
        ck_assert_uint_eq(bar_read(function, TABLE + 16 * 69 + 12, 4), 0);
        bar_write(function, TABLE + 16 * 69 + 8, 0x100000044, 8); /* data and mask in one */
        ck_assert(!function->msi.is_connected[69]);
        ck_assert_uint_eq(bar_read(function, TABLE + 16 * 69 + 8, 8), 0x100000044);
        function_free(function);
}
END_TEST

START_TEST(pending)
{
        Function *function = function_new(N_VECTORS);

        /* Off: a signal is nobody's. */
        pci_device_signal(function->device, 0);
        ck_assert(!function->msi.is_pending[0]);
        set_flags(function, PCI_MSIX_FLAGS_ENABLE);
        for (unsigned i = 0; i < N_VECTORS; i++)
                pci_device_signal(function->device, i);
        ck_assert_uint_eq(bar_read(function, PBA, 8), UINT64_MAX);
        ck_assert_uint_eq(bar_read(function, PBA + 8, 8), 0x3f);
        ck_assert_uint_eq(bar_read(function, PBA + 4, 4), 0xffffffff);
        bar_write(function, PBA, 0, 8);
        ck_assert_uint_eq(bar_read(function, PBA, 8), UINT64_MAX);
        set_vector(function, 65, 0xfee00000, 0x45, 0);
        ck_assert_uint_eq(function->msi.n_delivered[65], 1);
        ck_assert_uint_eq(bar_read(function, PBA + 8, 4), 0x3d);
        pci_device_signal(function->device, 65);
        ck_assert_uint_eq(function->msi.n_delivered[65], 2);
        ck_assert_uint_eq(bar_read(function, PBA + 8, 4), 0x3d);
        /* The interrupt status bit is of drivers without MSI-X. */
        atomic_store(&function->pending, 2);
        ck_assert_uint_eq(pci_harness_config_read(&function->pci, SLOT, PCI_STATUS, 1),
                          PCI_STATUS_CAP_LIST);
        set_flags(function, 0);
        ck_assert_uint_eq(pci_harness_config_read(&function->pci, SLOT, PCI_STATUS, 1),
                          PCI_STATUS_CAP_LIST | PCI_STATUS_INTERRUPT);
        pci_bus_reset(function->pci.bus);
        for (unsigned i = 0; i < N_VECTORS; i++) {
                ck_assert(!function->msi.is_pending[i]);
                ck_assert(!function->msi.is_connected[i]);
        }
        ck_assert(!pci_device_has_msix_on(function->device));
        function_free(function);
}
END_TEST

/* hardening.md row 13 */
START_TEST(vectors_out_of_range)
{
        const unsigned counts[] = {1, 63, 64, 65, 2048};

        for (size_t c = 0; c < ARRAY_SIZE(counts); c++) {
                unsigned n = counts[c];
                Function *function = function_new(n);
                unsigned n_accesses = function->n_bar_accesses;

                set_flags(function, PCI_MSIX_FLAGS_ENABLE);
                pci_device_signal(function->device, n - 1);
                ck_assert(function->msi.is_pending[n - 1]);
                pci_device_signal(function->device, n);
                pci_device_signal(function->device, n + 1);
                pci_device_signal(function->device, 65535);
                pci_device_signal(function->device, UINT32_MAX);
                if (n < HARNESS_MAX_VECTORS)
                        ck_assert(!function->msi.is_pending[n]);
                /* Behind the table and behind the pending bits there is the device. */
                (void)bar_read(function, TABLE + 16 * n, 4);
                bar_write(function, TABLE + 16 * n + 12, 0, 4);
                (void)bar_read(function, PBA + (n + 63) / 64 * 8, 4);
                (void)bar_read(function, TABLE - 4, 4);
                (void)bar_read(function, PBA - 4, 4);
                ck_assert_uint_eq(function->n_bar_accesses, n_accesses + 5);
                function_free(function);
        }
}
END_TEST

/* Rows 12 and 13: every offset around both parts, at every width; only whole words mean anything.
 */
START_TEST(odd_widths)
{
        const uint32_t parts[][2] = {{TABLE, N_VECTORS * 16}, {PBA, 16}};
        Function *function = function_new(N_VECTORS);

        for (size_t p = 0; p < ARRAY_SIZE(parts); p++)
                for (uint32_t offset = parts[p][0] - 9; offset < parts[p][0] + parts[p][1] + 9;
                     offset++)
                        for (size_t size = 0; size <= 16; size++) {
                                bool touches = offset + size > parts[p][0] &&
                                               offset < parts[p][0] + parts[p][1];
                                bool whole = (size == 4 || size == 8) && offset % size == 0;
                                unsigned before = function->n_bar_accesses;
                                uint8_t data[16];

                                memset(data, 0x77, sizeof(data));
                                bus_read(function->pci.mmio, BAR + offset, data, size);
                                if (size == 0 || size > 8)
                                        ck_assert_uint_eq(data[0], size == 0 ? 0x77 : 0xff);
                                else if (!touches)
                                        ck_assert_uint_eq(function->n_bar_accesses, before + 1);
                                else
                                        ck_assert_uint_eq(function->n_bar_accesses, before);
                                for (size_t i = 0; i < size && touches && size <= 8; i++)
                                        ck_assert(whole ? data[i] <= 1 : data[i] == 0xff);
                                for (size_t i = size; i < 16; i++)
                                        ck_assert_uint_eq(data[i], 0x77);
                                if (touches && !whole) {
                                        memset(data, 0, sizeof(data));
                                        bus_write(function->pci.mmio, BAR + offset, data, size);
                                }
                        }
        for (unsigned i = 0; i < N_VECTORS; i++)
                ck_assert_uint_eq(bar_read(function, TABLE + 16 * i + 8, 8), 1ULL << 32);
        function_free(function);
}
END_TEST

/* The host refuses: the vector stays silent, the guest goes on. */
START_TEST(host_refuses)
{
        Function *function = function_new(1);

        set_flags(function, PCI_MSIX_FLAGS_ENABLE);
        function->msi.unmask_result = -ENOSPC;
        set_vector(function, 0, 0xfee00000, 0x45, 0);
        ck_assert_uint_eq(function->msi.n_unmasks, 1);
        pci_device_signal(function->device, 0);
        ck_assert_uint_eq(bar_read(function, PBA, 8), 1);
        function->msi.unmask_result = 0;
        bar_write(function, TABLE + 12, 1, 4);
        bar_write(function, TABLE + 12, 0, 4);
        ck_assert_uint_eq(function->msi.n_delivered[0], 1);
        ck_assert_uint_eq(function->msi.n_masks, 0);
        function_free(function);
}
END_TEST

CHECK_MAIN("msix", {"capability", capability}, {"table", table_after_reset}, {"masks", every_mask},
           {"message", message}, {"pending", pending}, {"out of range", vectors_out_of_range},
           {"odd widths", odd_widths}, {"host refuses", host_refuses});
