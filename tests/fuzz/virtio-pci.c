/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A guest at the registers of a virtio device on the PCI bus, with the loop run between. Six bytes
 * each: operation, width, offset (16 bits), value (16 bits, repeated). The device gives each chain
 * back at once.
 */

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <stdbool.h>
#include <string.h>

#include "common/log.h"
#include "pci-harness.h"
#include "tests/fuzz/fuzz.h"
#include "virtio-driver.h"
#include "virtio/pci.h"

#define SLOT       8U
#define BAR        HARNESS_WINDOW
#define N_QUEUES   3U
#define QUEUE_SIZE 32U
#define COMMON     0U
#define NOTIFY     0x3000U

typedef struct Guest {
        VirtioDriver driver;
        PciHarness pci;
        MsiRecorder msi;
        VirtioDevice *device;
        VirtioPci *transport;
        unsigned n_bells;
} Guest;

static void give_back(void *context, unsigned queue)
{
        Guest *guest = context;
        VirtqueueChain chain;

        fuzz_check(queue < N_QUEUES);
        while (virtio_device_pop(guest->device, queue, &chain))
                virtio_device_push(guest->device, queue, chain.head, 0);
        virtio_device_notify(guest->device, queue);
}

static void take_config(void *context, unsigned offset, unsigned size)
{
        (void)context;
        fuzz_check(offset >= 4 && offset + size <= 6);
}

static const VirtioOps ops = {.handle_queue = give_back, .config_written = take_config};

static int add_bell(void *context, uint64_t address, int event_fd)
{
        Guest *guest = context;

        fuzz_check(address >= HARNESS_WINDOW && event_fd >= 0);
        fuzz_check(++guest->n_bells <= N_QUEUES);
        return 0;
}

static void remove_bell(void *context, uint64_t address, int event_fd)
{
        Guest *guest = context;

        fuzz_check(address >= HARNESS_WINDOW && event_fd >= 0);
        fuzz_check(guest->n_bells-- > 0);
}

static void guest_start(Guest *guest)
{
        static const uint32_t sizes[N_QUEUES] = {QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE};
        static const uint8_t writable[8] = {[4] = 0xff, [5] = 0x0f};
        const VirtioInfo info = {.name = "fuzz",
                                 .id = VIRTIO_ID_BLOCK,
                                 .features = 0xff,
                                 .n_queues = N_QUEUES,
                                 .queue_sizes = sizes,
                                 .config_size = sizeof(writable),
                                 .config_writable = writable};
        const MsiLine line = {&msi_recorder_ops, &guest->msi};
        const Doorbell bell = {add_bell, remove_bell, guest};

        virtio_driver_init(&guest->driver);
        fuzz_check(pci_harness_init(&guest->pci));
        fuzz_check(virtio_device_new(&info, &ops, guest, &guest->driver.window, guest->driver.loop,
                                     &guest->device) == 0);
        fuzz_check(virtio_pci_new(guest->pci.bus, SLOT, guest->device, &line, &bell,
                                  &guest->transport) == 0);
        pci_harness_config_write(&guest->pci, SLOT, PCI_COMMAND,
                                 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
}

static void guest_stop(Guest *guest)
{
        pci_harness_done(&guest->pci);
        virtio_pci_free(guest->transport);
        virtio_device_free(guest->device);
        virtio_driver_done(&guest->driver);
}

static void write_common(Guest *guest, unsigned field, uint64_t value, size_t size)
{
        pci_harness_write(&guest->pci, BAR + COMMON + field, value, size);
}

static uint64_t read_common(Guest *guest, unsigned field, size_t size)
{
        return pci_harness_read(&guest->pci, BAR + COMMON + field, size);
}

/* A short cut to a device that runs: what the input says is where its rings are. */
static void set_up(Guest *guest, uint16_t where)
{
        write_common(guest, VIRTIO_PCI_COMMON_STATUS, 3, 1);
        write_common(guest, VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
        write_common(guest, VIRTIO_PCI_COMMON_GF, where % 2 ? 0x101 : 1, 4);
        write_common(guest, VIRTIO_PCI_COMMON_STATUS, 11, 1);
        for (unsigned i = 0; i < N_QUEUES; i++) {
                uint64_t address = (uint64_t)where * 64 + 0x1000 * i;

                write_common(guest, VIRTIO_PCI_COMMON_Q_SELECT, i, 2);
                write_common(guest, VIRTIO_PCI_COMMON_Q_DESCLO, address, 8);
                write_common(guest, VIRTIO_PCI_COMMON_Q_AVAILLO, address + 0x200, 8);
                write_common(guest, VIRTIO_PCI_COMMON_Q_USEDLO, address + 0x400, 8);
                write_common(guest, VIRTIO_PCI_COMMON_Q_MSIX, i, 2);
                write_common(guest, VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
        }
        write_common(guest, VIRTIO_PCI_COMMON_STATUS, 15, 1);
}

static void guest_operate(Guest *guest, const uint8_t operation[6])
{
        uint32_t offset = operation[2] | (uint32_t)operation[3] << 8;
        size_t width = operation[1] % 17;
        uint8_t data[16];

        for (size_t i = 0; i < sizeof(data); i++)
                data[i] = operation[4 + i % 2];
        switch (operation[0] % 8) {
        case 0:
                bus_read(guest->pci.mmio, BAR + offset, data, width);
                break;
        case 1:
                bus_write(guest->pci.mmio, BAR + offset, data, width);
                break;
        case 2:
                bus_write(guest->pci.mmio, BAR + COMMON + offset % 64, data, width);
                break;
        case 3:
                bus_write(guest->pci.mmio, HARNESS_ECAM + (SLOT << 15) + offset % 256, data, width);
                break;
        case 4:
                bus_read(guest->pci.mmio, HARNESS_ECAM + (SLOT << 15) + offset % 256, data, width);
                break;
        case 5:
                virtio_driver_settle(&guest->driver);
                break;
        case 6:
                set_up(guest, (uint16_t)offset);
                break;
        default:
                /* What a driver would have in memory. */
                (void)guest_memory_write(guest->driver.memory, offset, data, width);
        }
}

/* What must hold whatever the guest did. */
static void guest_check(Guest *guest)
{
        uint8_t status = virtio_device_get_status(guest->device);
        uint64_t accepted = virtio_device_get_accepted(guest->device);

        fuzz_check(guest->n_bells == 0 || guest->n_bells == N_QUEUES);
        if (status & VIRTIO_CONFIG_S_FEATURES_OK) {
                fuzz_check(accepted & 1ULL << VIRTIO_F_VERSION_1);
                fuzz_check((accepted & ~virtio_device_get_offered(guest->device)) == 0);
        }
        if (status & VIRTIO_CONFIG_S_DRIVER_OK)
                fuzz_check(status & VIRTIO_CONFIG_S_FEATURES_OK);
        for (unsigned i = N_QUEUES + 1; i < HARNESS_MAX_VECTORS; i++)
                fuzz_check(!guest->msi.is_connected[i] && !guest->msi.is_pending[i]);
}

/* A driver that starts anew finds a device that works. */
static void guest_check_reset(Guest *guest)
{
        pci_bus_reset(guest->pci.bus);
        fuzz_check(guest->n_bells == 0);
        pci_harness_config_write(&guest->pci, SLOT, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
        write_common(guest, VIRTIO_PCI_COMMON_STATUS, 0, 1);
        virtio_driver_settle(&guest->driver);
        fuzz_check(read_common(guest, VIRTIO_PCI_COMMON_STATUS, 1) == 0);
        fuzz_check(read_common(guest, VIRTIO_PCI_COMMON_MSIX, 2) == 0xffff);
        fuzz_check(read_common(guest, VIRTIO_PCI_COMMON_Q_SELECT, 2) == 0);
        (void)guest_memory_write(guest->driver.memory, 0x40000 + 0x202, "\0\0", 2);
        set_up(guest, 0x1000);
        virtio_driver_settle(&guest->driver);
        fuzz_check(read_common(guest, VIRTIO_PCI_COMMON_STATUS, 1) & VIRTIO_CONFIG_S_DRIVER_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static Guest guest; /* large, for its recorder */

        log_set_max_level(LOG_EMERG);
        memset(&guest, 0, sizeof(guest));
        guest_start(&guest);
        for (size_t at = 0; at + 6 <= size; at += 6) {
                guest_operate(&guest, data + at);
                guest_check(&guest);
        }
        guest_check_reset(&guest);
        guest_stop(&guest);
        return 0;
}
