/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The PCI bus as a guest finds it: every offset at every width, BARs anywhere, both mechanisms. */

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdatomic.h>

#include "check-main.h"
#include "common/cleanup.h"
#include "pci-harness.h"

#define SLOT     4U
#define BAR_SIZE 0x1000U

static const PciIdentity identity = {
        .vendor = 0x1af4,
        .device = 0x1042,
        .subsystem_vendor = 0x1234,
        .subsystem_device = 0x5678,
        .class_code = 0x018001,
        .revision = 7,
};

/* A device that notes what reaches it. */
typedef struct Probe {
        PciHarness pci;
        PciDevice *device;
        unsigned n_reads, n_writes, n_moves, n_resets, n_config_reads, n_config_writes;
        unsigned bar, config_offset;
        uint64_t offset, address, value;
        size_t size, config_size;
        _Atomic uint8_t pending;
} Probe;

static void probe_read(void *context, unsigned bar, uint64_t offset, void *data, size_t size)
{
        Probe *probe = context;

        ck_assert_uint_le(offset + size, BAR_SIZE);
        probe->n_reads++;
        probe->bar = bar;
        probe->offset = offset;
        probe->size = size;
        memset(data, 0x5a, size);
        /* No lock is held: a device may be slow, and another vCPU reach the bus meanwhile. */
        (void)pci_harness_config_read(&probe->pci, SLOT, 0, 4);
}

static void probe_write(void *context, unsigned bar, uint64_t offset, const void *data, size_t size)
{
        Probe *probe = context;

        ck_assert_uint_le(offset + size, BAR_SIZE);
        probe->n_writes++;
        probe->bar = bar;
        probe->offset = offset;
        probe->size = size;
        probe->value = 0;
        memcpy(&probe->value, data, size);
        (void)pci_harness_config_read(&probe->pci, SLOT, 0, 4);
}

static void probe_moved(void *context, unsigned bar, uint64_t address)
{
        Probe *probe = context;

        probe->n_moves++;
        probe->bar = bar;
        probe->address = address;
}

static void probe_capability_read(void *context, unsigned offset, size_t size)
{
        Probe *probe = context;

        probe->n_config_reads++;
        probe->config_offset = offset;
        probe->config_size = size;
}

static void probe_capability_written(void *context, unsigned offset, size_t size)
{
        Probe *probe = context;

        probe->n_config_writes++;
        probe->config_offset = offset;
        probe->config_size = size;
}

static void probe_reset(void *context)
{
        Probe *probe = context;

        probe->n_resets++;
        /* No lock is held, and the function is as after power-on. */
        ck_assert_uint_eq(pci_harness_config_read(&probe->pci, SLOT, PCI_COMMAND, 2), 0);
}

static const PciDeviceOps probe_ops = {
        probe_read,  probe_write, probe_moved, probe_capability_read, probe_capability_written,
        probe_reset,
};

/* Capability 1: 8 bytes, two of them writable; capability 2: 5 bytes, with hooks. */
static unsigned capability_1, capability_2;

static void probe_init(Probe *probe)
{
        const uint8_t body_1[8] = {0, 0, 8, 1, 2, 3, 4, 5}, mask_1[8] = {[3] = 0x0f, [7] = 0xff};
        const uint8_t body_2[5] = {0, 0, 5, 6, 7}, mask_2[5] = {[4] = 0xff};
        int r;

        *probe = (Probe){.bar = 99};
        ck_assert(pci_harness_init(&probe->pci));
        ck_assert_int_eq(
                pci_device_new(probe->pci.bus, SLOT, &identity, &probe_ops, probe, &probe->device),
                0);
        ck_assert_int_eq(pci_device_add_bar(probe->device, 1, BAR_SIZE), 0);
        r = pci_device_add_capability(probe->device, PCI_CAP_ID_VNDR, body_1, mask_1, 8, false);
        ck_assert_int_eq(r, 0x40);
        capability_1 = (unsigned)r;
        r = pci_device_add_capability(probe->device, PCI_CAP_ID_VPD, body_2, mask_2, 5, true);
        ck_assert_int_eq(r, 0x48);
        capability_2 = (unsigned)r;
        pci_device_set_pending(probe->device, &probe->pending);
}

static void probe_done(Probe *probe)
{
        pci_harness_done(&probe->pci);
}

static uint32_t config_read(Probe *probe, unsigned offset, size_t size)
{
        return pci_harness_config_read(&probe->pci, SLOT, offset, size);
}

static void config_write(Probe *probe, unsigned offset, uint32_t value, size_t size)
{
        pci_harness_config_write(&probe->pci, SLOT, offset, value, size);
}

START_TEST(header)
{
        Probe probe;

        probe_init(&probe);
        ck_assert_uint_eq(config_read(&probe, 0, 4), 0x10421af4);
        ck_assert_uint_eq(config_read(&probe, PCI_COMMAND, 2), 0);
        ck_assert_uint_eq(config_read(&probe, PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
        ck_assert_uint_eq(config_read(&probe, PCI_CLASS_REVISION, 4), 0x01800107);
        ck_assert_uint_eq(config_read(&probe, 0x0c, 4), 0);
        ck_assert_uint_eq(config_read(&probe, PCI_BASE_ADDRESS_0, 4), 0);
        ck_assert_uint_eq(config_read(&probe, PCI_BASE_ADDRESS_1, 4), HARNESS_WINDOW);
        ck_assert_uint_eq(config_read(&probe, PCI_SUBSYSTEM_VENDOR_ID, 4), 0x56781234);
        ck_assert_uint_eq(config_read(&probe, PCI_CAPABILITY_LIST, 1), capability_1);
        ck_assert_uint_eq(config_read(&probe, capability_1, 4), 0x01080009U | capability_2 << 8);
        ck_assert_uint_eq(config_read(&probe, capability_2, 4), 0x06050003);
        ck_assert_uint_eq(config_read(&probe, PCI_INTERRUPT_LINE, 4), 0);
        /* The host bridge. */
        ck_assert_uint_eq(pci_harness_config_read(&probe.pci, 0, PCI_CLASS_DEVICE, 2), 0x0600);
        ck_assert_uint_ne(pci_harness_config_read(&probe.pci, 0, 0, 4), 0xffffffff);
        probe_done(&probe);
}
END_TEST

START_TEST(what_cannot_be_put_together)
{
        const uint8_t body[256] = {0};
        PciDevice *device;
        Probe probe;

        probe_init(&probe);
        ck_assert_int_eq(pci_device_new(probe.pci.bus, 0, &identity, &probe_ops, NULL, &device),
                         -EINVAL);
        ck_assert_int_eq(pci_device_new(probe.pci.bus, 32, &identity, &probe_ops, NULL, &device),
                         -EINVAL);
        ck_assert_int_eq(pci_device_new(probe.pci.bus, SLOT, &identity, &probe_ops, NULL, &device),
                         -EEXIST);
        ck_assert_int_eq(pci_device_new(probe.pci.bus, 31, &identity, &probe_ops, NULL, &device),
                         0);
        ck_assert_int_eq(pci_device_add_bar(device, 0, 8), -EINVAL);
        ck_assert_int_eq(pci_device_add_bar(device, 0, 0), -EINVAL);
        ck_assert_int_eq(pci_device_add_bar(device, 0, 0x1800), -EINVAL);
        ck_assert_int_eq(pci_device_add_bar(device, 6, 0x1000), -EINVAL);
        ck_assert_int_eq(pci_device_add_bar(device, 0, 0x10000000), 0);
        ck_assert_int_eq(pci_device_add_bar(device, 0, 0x1000), -EEXIST);
        /* The window's rest is half of it. */
        ck_assert_int_eq(pci_device_add_bar(device, 1, 0x20000000), -ENOSPC);
        ck_assert_int_eq(pci_device_add_bar(device, 1, 0x80000000), -ENOSPC);
        ck_assert_int_eq(pci_device_add_capability(device, 1, body, NULL, 3, false), -EINVAL);
        ck_assert_int_eq(pci_device_add_capability(device, 1, body, NULL, 193, false), -ENOSPC);
        ck_assert_int_eq(pci_device_add_capability(device, 1, body, NULL, 192, false), 0x40);
        ck_assert_int_eq(pci_device_add_capability(device, 1, body, NULL, 4, false), -ENOSPC);
        ck_assert_int_eq(pci_device_add_registers(device, 0x3f, body, NULL, 1, false), -EINVAL);
        ck_assert_int_eq(pci_device_add_registers(device, 0xff, body, NULL, 2, false), -EINVAL);
        ck_assert_int_eq(pci_device_add_registers(device, 0xff, body, NULL, 1, false), 0);
        probe_done(&probe);
        ck_assert_ptr_null(pci_bus_free(NULL));
}
END_TEST

/* What the guest may write, byte by byte, from the specification and the test's own capabilities.
 */
static void expected_masks(uint8_t masks[256])
{
        memset(masks, 0, 256);
        masks[PCI_COMMAND] = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
        masks[PCI_COMMAND + 1] = PCI_COMMAND_INTX_DISABLE >> 8;
        masks[PCI_BASE_ADDRESS_1 + 1] = 0xf0;
        masks[PCI_BASE_ADDRESS_1 + 2] = masks[PCI_BASE_ADDRESS_1 + 3] = 0xff;
        masks[capability_1 + 3] = 0x0f;
        masks[capability_1 + 7] = 0xff;
        masks[capability_2 + 4] = 0xff;
}

static void take_config(Probe *probe, uint8_t bytes[256])
{
        for (unsigned i = 0; i < 256; i++)
                bytes[i] = (uint8_t)config_read(probe, i, 1);
}

/* hardening.md row 11: every offset x width, of both mechanisms, with all ones and all zeros. */
START_TEST(every_offset_and_width)
{
        uint8_t masks[256], before[256], after[256];

        for (unsigned offset = 0; offset < 4096; offset++)
                for (size_t size = 0; size <= 16; size++) {
                        bool is_register = (size == 1 || size == 2 || size == 4) &&
                                           offset % size == 0 && offset < 256;
                        uint8_t data[16], read[16];
                        Probe probe;

                        /* A fresh one each time is dear; beyond the conventional part sample. */
                        if (offset >= 300 && offset % 61 != 0 && offset < 4080)
                                continue;
                        probe_init(&probe);
                        expected_masks(masks);
                        take_config(&probe, before);
                        memset(data, offset % 2 ? 0xff : 0xa5, sizeof(data));
                        bus_write(probe.pci.mmio, HARNESS_ECAM + (SLOT << 15) + offset, data, size);
                        take_config(&probe, after);
                        for (unsigned i = 0; i < 256; i++) {
                                uint8_t mask = is_register && i >= offset && i < offset + size
                                                       ? masks[i]
                                                       : 0;

                                ck_assert_uint_eq(after[i], (before[i] & ~mask) | (data[0] & mask));
                        }
                        memset(read, 0x77, sizeof(read));
                        bus_read(probe.pci.mmio, HARNESS_ECAM + (SLOT << 15) + offset, read, size);
                        for (size_t i = 0; i < sizeof(read); i++) {
                                uint8_t want = i >= size                        ? 0x77
                                               : is_register                    ? after[offset + i]
                                               : size > 4 || size == 3          ? 0xff
                                               : size > 0 && offset % size != 0 ? 0xff
                                                                                : 0x00;

                                ck_assert_uint_eq(read[i], want);
                        }
                        probe_done(&probe);
                }
}
END_TEST

static uint32_t port_read(Probe *probe, unsigned port, size_t size)
{
        uint32_t value = 0;

        bus_read(probe->pci.pio, HARNESS_PORT + port, &value, size);
        return value;
}

static void port_write(Probe *probe, unsigned port, uint32_t value, size_t size)
{
        bus_write(probe->pci.pio, HARNESS_PORT + port, &value, size);
}

/* Configuration mechanism #1 (PCI 3.0 section 3.2.2.3.2) agrees with ECAM. */
START_TEST(ports)
{
        Probe probe;

        probe_init(&probe);
        ck_assert_uint_eq(port_read(&probe, 4, 4), 0xffffffff); /* closed */
        for (unsigned offset = 0; offset < 256; offset += 4) {
                port_write(&probe, 0, 0x80000000U | SLOT << 11 | offset, 4);
                ck_assert_uint_eq(port_read(&probe, 0, 4), 0x80000000U | SLOT << 11 | offset);
                ck_assert_uint_eq(port_read(&probe, 4, 4), config_read(&probe, offset, 4));
                for (unsigned i = 0; i < 4; i++)
                        ck_assert_uint_eq(port_read(&probe, 4 + i, 1),
                                          config_read(&probe, offset + i, 1));
                ck_assert_uint_eq(port_read(&probe, 6, 2), config_read(&probe, offset + 2, 2));
                /* Neither one register nor the other. */
                ck_assert_uint_eq(port_read(&probe, 2, 4), 0xffffffff);
                ck_assert_uint_eq(port_read(&probe, 5, 2), 0xffff);
                ck_assert_uint_eq(port_read(&probe, 0, 1), 0xff);
        }
        /* What belongs to others: 0xcf9 is many chipsets' reset register, Linux writes 0xcfb. */
        port_write(&probe, 3, 1, 1);
        port_write(&probe, 1, 6, 1);
        port_write(&probe, 0, 0, 2);
        ck_assert_uint_eq(port_read(&probe, 0, 4), 0x80000000U | SLOT << 11 | 0xfc);
        /* Reserved bits stay zero. */
        port_write(&probe, 0, 0xffffffff, 4);
        ck_assert_uint_eq(port_read(&probe, 0, 4), 0x80fffffc);
        ck_assert_uint_eq(port_read(&probe, 4, 4), 0xffffffff);
        port_write(&probe, 4, 0, 4);
        port_write(&probe, 0, 0x80000000U | SLOT << 11 | PCI_COMMAND, 4);
        port_write(&probe, 4, PCI_COMMAND_MEMORY, 2);
        ck_assert_uint_eq(config_read(&probe, PCI_COMMAND, 2), PCI_COMMAND_MEMORY);
        port_write(&probe, 0, SLOT << 11 | PCI_COMMAND, 4);
        port_write(&probe, 4, 0, 2);
        ck_assert_uint_eq(config_read(&probe, PCI_COMMAND, 2), PCI_COMMAND_MEMORY);
        pci_bus_reset(probe.pci.bus);
        ck_assert_uint_eq(port_read(&probe, 0, 4), 0);
        probe_done(&probe);
}
END_TEST

START_TEST(nobody_there)
{
        Probe probe;

        probe_init(&probe);
        for (unsigned devfn = 0; devfn < 256; devfn++) {
                uint64_t address = HARNESS_ECAM + ((uint64_t)devfn << 12);

                if (devfn == 0 || devfn == SLOT << 3)
                        continue;
                pci_harness_write(&probe.pci, address + PCI_COMMAND, 0xffff, 2);
                ck_assert_uint_eq(pci_harness_read(&probe.pci, address, 4), 0xffffffff);
                port_write(&probe, 0, 0x80000000U | devfn << 8, 4);
                ck_assert_uint_eq(port_read(&probe, 4, 4), 0xffffffff);
        }
        for (unsigned bus = 1; bus < 256; bus++) {
                port_write(&probe, 0, 0x80000000U | bus << 16 | SLOT << 11, 4);
                ck_assert_uint_eq(port_read(&probe, 4, 4), 0xffffffff);
        }
        ck_assert_uint_eq(config_read(&probe, PCI_COMMAND, 2), 0);
        probe_done(&probe);
}
END_TEST

/* PCI 3.0 section 6.2.5.1: all ones written, the size read back. */
START_TEST(bar_sizing)
{
        Probe probe;

        probe_init(&probe);
        config_write(&probe, PCI_BASE_ADDRESS_1, 0xffffffff, 4);
        ck_assert_uint_eq(config_read(&probe, PCI_BASE_ADDRESS_1, 4), ~(BAR_SIZE - 1));
        config_write(&probe, PCI_BASE_ADDRESS_0, 0xffffffff, 4);
        ck_assert_uint_eq(config_read(&probe, PCI_BASE_ADDRESS_0, 4), 0);
        config_write(&probe, PCI_ROM_ADDRESS, 0xffffffff, 4);
        ck_assert_uint_eq(config_read(&probe, PCI_ROM_ADDRESS, 4), 0);
        ck_assert_uint_eq(probe.n_moves, 0);
        probe_done(&probe);
}
END_TEST

START_TEST(bar_decode)
{
        const uint32_t places[] = {0xc0000000, 0xdffff000, 0xc1234000};
        Probe probe;

        probe_init(&probe);
        ck_assert_uint_eq(pci_harness_read(&probe.pci, HARNESS_WINDOW, 4), 0xffffffff);
        config_write(&probe, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
        ck_assert_uint_eq(probe.n_moves, 1);
        ck_assert_uint_eq(probe.address, HARNESS_WINDOW);
        config_write(&probe, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
        ck_assert_uint_eq(probe.n_moves, 1);
        for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
                config_write(&probe, PCI_BASE_ADDRESS_1, places[i], 4);
                ck_assert_uint_eq(probe.address, places[i]);
                ck_assert_uint_eq(pci_harness_read(&probe.pci, places[i] + 8, 4), 0x5a5a5a5a);
                ck_assert_uint_eq(probe.offset, 8);
                ck_assert_uint_eq(probe.bar, 1);
                pci_harness_write(&probe.pci, places[i] + BAR_SIZE - 2, 0xbeef, 2);
                ck_assert_uint_eq(probe.offset, BAR_SIZE - 2);
                ck_assert_uint_eq(probe.value, 0xbeef);
        }
        ck_assert_uint_eq(probe.n_reads, 3);
        ck_assert_uint_eq(probe.n_writes, 3);
        config_write(&probe, PCI_COMMAND, 0, 2);
        ck_assert_uint_eq(probe.address, PCI_BAR_UNMAPPED);
        ck_assert_uint_eq(pci_harness_read(&probe.pci, places[2], 4), 0xffffffff);
        pci_harness_write(&probe.pci, places[2], 0, 4);
        ck_assert_uint_eq(probe.n_reads + probe.n_writes, 6);
        probe_done(&probe);
}
END_TEST

/* Over RAM, the ECAM area, the local APIC, the end of the address space: nowhere. */
START_TEST(bar_outside_the_window)
{
        const uint32_t places[] = {0x00000000, 0x00100000, 0xbffff000, 0xe0000000,
                                   0xe0020000, 0xfee00000, 0xfffff000};
        Probe probe;

        probe_init(&probe);
        config_write(&probe, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
        for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
                config_write(&probe, PCI_BASE_ADDRESS_1, places[i], 4);
                ck_assert_uint_eq(probe.address, PCI_BAR_UNMAPPED);
                ck_assert_uint_eq(config_read(&probe, PCI_BASE_ADDRESS_1, 4), places[i]);
        }
        /* The function can still be reached where the BAR was laid over it. */
        ck_assert_uint_eq(config_read(&probe, 0, 4), 0x10421af4);
        config_write(&probe, PCI_BASE_ADDRESS_1, 0xc0000000, 4);
        ck_assert_uint_eq(probe.address, 0xc0000000);
        probe_done(&probe);
}
END_TEST

/* hardening.md row 12: widths 0 to 16 around both ends of a BAR, of the window, of memory. */
START_TEST(bar_edges)
{
        const uint64_t edges[] = {HARNESS_WINDOW, HARNESS_WINDOW + BAR_SIZE,
                                  HARNESS_WINDOW + HARNESS_WINDOW_SIZE, 1ULL << 32, 0};
        Probe probe;

        probe_init(&probe);
        config_write(&probe, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
        for (size_t e = 0; e < ARRAY_SIZE(edges); e++)
                for (uint64_t address = edges[e] - 20; address != edges[e] + 20; address++)
                        for (size_t size = 0; size <= 16; size++) {
                                bool inside = size >= 1 && size <= 8 && address >= HARNESS_WINDOW &&
                                              address < HARNESS_WINDOW + BAR_SIZE &&
                                              size <= HARNESS_WINDOW + BAR_SIZE - address;
                                unsigned before = probe.n_reads + probe.n_writes;
                                uint8_t data[16];

                                if (address >= HARNESS_ECAM && address < 1ULL << 32)
                                        continue; /* the host bridge's registers */
                                memset(data, 0x33, sizeof(data));
                                bus_write(probe.pci.mmio, address, data, size);
                                bus_read(probe.pci.mmio, address, data, size);
                                ck_assert_uint_eq(probe.n_reads + probe.n_writes - before,
                                                  inside ? 2 : 0);
                                for (size_t i = 0; i < size; i++)
                                        ck_assert_uint_eq(data[i], inside ? 0x5a : 0xff);
                        }
        probe_done(&probe);
}
END_TEST

START_TEST(two_bars_at_one_place)
{
        Probe probe, other = {0};

        probe_init(&probe);
        other.pci = probe.pci;
        ck_assert_int_eq(
                pci_device_new(probe.pci.bus, 5, &identity, &probe_ops, &other, &other.device), 0);
        ck_assert_int_eq(pci_device_add_bar(other.device, 0, BAR_SIZE), 0);
        pci_harness_config_write(&probe.pci, 5, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
        ck_assert_uint_eq(other.address, HARNESS_WINDOW + BAR_SIZE);
        config_write(&probe, PCI_BASE_ADDRESS_1, HARNESS_WINDOW + BAR_SIZE, 4);
        config_write(&probe, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
        (void)pci_harness_read(&probe.pci, HARNESS_WINDOW + BAR_SIZE, 4);
        ck_assert_uint_eq(probe.n_reads, 1);
        ck_assert_uint_eq(other.n_reads, 0);
        config_write(&probe, PCI_COMMAND, 0, 2);
        (void)pci_harness_read(&probe.pci, HARNESS_WINDOW + BAR_SIZE, 4);
        ck_assert_uint_eq(other.n_reads, 1);
        probe_done(&probe);
}
END_TEST

/* A hook hears of the bytes that are its own, and of no others. */
START_TEST(hooks)
{
        Probe probe;

        probe_init(&probe);
        for (unsigned offset = 0x40; offset < 0x60; offset++)
                for (size_t size = 1; size <= 4; size *= 2) {
                        unsigned first = CONST_MAX(offset, capability_2);
                        unsigned last = CONST_MIN(offset + (unsigned)size, capability_2 + 5);
                        unsigned want = offset % size == 0 && first < last;

                        probe.n_config_reads = probe.n_config_writes = 0;
                        (void)config_read(&probe, offset, size);
                        ck_assert_uint_eq(probe.n_config_reads, want);
                        if (want) {
                                ck_assert_uint_eq(probe.config_offset, first - capability_2);
                                ck_assert_uint_eq(probe.config_size, last - first);
                        }
                        config_write(&probe, offset, 0x11111111, size);
                        ck_assert_uint_eq(probe.n_config_writes, want);
                }
        probe_done(&probe);
}
END_TEST

START_TEST(peek_and_poke)
{
        const uint8_t bytes[2] = {0xab, 0xcd};
        uint8_t got[2];
        Probe probe;

        probe_init(&probe);
        pci_device_poke(probe.device, capability_1 + 4, bytes, 2);
        ck_assert_uint_eq(config_read(&probe, capability_1 + 4, 2), 0xcdab);
        config_write(&probe, capability_1 + 7, 0x42, 1);
        pci_device_peek(probe.device, capability_1 + 6, got, 2);
        ck_assert_uint_eq(got[0], 4);
        ck_assert_uint_eq(got[1], 0x42);
        probe_done(&probe);
}
END_TEST

START_TEST(reset)
{
        uint8_t before[256], after[256];
        Probe probe;

        probe_init(&probe);
        take_config(&probe, before);
        config_write(&probe, PCI_COMMAND, 0xffff, 2);
        config_write(&probe, PCI_BASE_ADDRESS_1, 0xc5000000, 4);
        config_write(&probe, capability_1 + 7, 0x42, 1);
        atomic_store(&probe.pending, 1);
        ck_assert_uint_eq(config_read(&probe, PCI_STATUS, 1),
                          PCI_STATUS_CAP_LIST | PCI_STATUS_INTERRUPT);
        atomic_store(&probe.pending, 0);
        ck_assert_uint_eq(probe.address, 0xc5000000);
        pci_bus_reset(probe.pci.bus);
        ck_assert_uint_eq(probe.n_resets, 1);
        ck_assert_uint_eq(probe.address, PCI_BAR_UNMAPPED);
        take_config(&probe, after);
        ck_assert_mem_eq(before, after, 256);
        probe_done(&probe);
}
END_TEST

CHECK_MAIN("pci", {"header", header}, {"assembly", what_cannot_be_put_together},
           {"offsets and widths", every_offset_and_width}, {"ports", ports},
           {"nobody there", nobody_there}, {"BAR sizing", bar_sizing}, {"BAR decode", bar_decode},
           {"BAR outside", bar_outside_the_window}, {"BAR edges", bar_edges},
           {"BAR overlap", two_bars_at_one_place}, {"hooks", hooks}, {"peek", peek_and_poke},
           {"reset", reset});
