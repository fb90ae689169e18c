/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virtio-pci-fixture.h"

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <stdlib.h>

#include "common/cleanup.h"

static void echo_handle_queue(void *context, unsigned queue)
{
        Echo *echo = context;
        VirtqueueChain chain;

        while (virtio_device_pop(echo->device, queue, &chain)) {
                echo->n_handled[queue]++;
                virtio_device_push(echo->device, queue, chain.head, 0);
        }
        virtio_device_notify(echo->device, queue);
}

static void echo_config_written(void *context, unsigned offset, unsigned size)
{
        Echo *echo = context;

        (void)offset;
        (void)size;
        echo->n_config_writes++;
}

const VirtioOps echo_ops = {.handle_queue = echo_handle_queue,
                            .config_written = echo_config_written};

static int bell_add(void *context, uint64_t address, int event_fd)
{
        Echo *echo = context;

        ck_assert_int_ge(event_fd, 0);
        if (echo->bell_result < 0)
                return echo->bell_result;
        for (unsigned i = 0; i < echo->n_bells; i++)
                ck_assert_uint_ne(echo->bells[i].address, address);
        ck_assert_uint_lt(echo->n_bells, ARRAY_SIZE(echo->bells));
        echo->bells[echo->n_bells].address = address;
        echo->bells[echo->n_bells++].fd = event_fd;
        echo->n_bells_added++;
        return 0;
}

static void bell_remove(void *context, uint64_t address, int event_fd)
{
        Echo *echo = context;

        for (unsigned i = 0; i < echo->n_bells; i++)
                if (echo->bells[i].address == address && echo->bells[i].fd == event_fd) {
                        echo->bells[i] = echo->bells[--echo->n_bells];
                        return;
                }
        ck_abort_msg("no doorbell at %#llx", (unsigned long long)address);
}

Echo *echo_new_with(uint16_t id)
{
        static const uint32_t sizes[N_QUEUES] = {QUEUE_SIZE, QUEUE_SIZE, 16};
        static const uint8_t writable[8] = {[4] = 0xff, [5] = 0xff};
        const VirtioInfo info = {
                .name = "echo",
                .id = id,
                .features = 1ULL << 5 | 1ULL << 50,
                .n_queues = N_QUEUES,
                .queue_sizes = sizes,
                .config_size = sizeof(writable),
                .config_writable = writable,
        };
        Echo *echo = calloc(1, sizeof(*echo));
        MsiLine line;
        Doorbell bell;

        ck_assert_ptr_nonnull(echo);
        line = (MsiLine){&msi_recorder_ops, &echo->msi};
        bell = (Doorbell){bell_add, bell_remove, echo};
        virtio_driver_init(&echo->driver);
        ck_assert(pci_harness_init(&echo->pci));
        ck_assert_int_eq(virtio_device_new(&info, &echo_ops, echo, &echo->driver.window,
                                           echo->driver.loop, &echo->device),
                         0);
        virtio_device_set_config(echo->device, 0, "abcdefgh", 8);
        ck_assert_uint_eq(virtio_pci_n_vectors(echo->device), N_QUEUES + 1);
        ck_assert_int_eq(
                virtio_pci_new(echo->pci.bus, SLOT, echo->device, &line, &bell, &echo->transport),
                0);
        pci_harness_config_write(&echo->pci, SLOT, PCI_COMMAND,
                                 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
        return echo;
}

Echo *echo_new(void)
{
        return echo_new_with(VIRTIO_ID_BLOCK);
}

void echo_free(Echo *echo)
{
        pci_harness_done(&echo->pci);
        virtio_pci_free(echo->transport);
        virtio_device_free(echo->device);
        virtio_driver_done(&echo->driver);
        free(echo);
}

uint64_t echo_read(Echo *echo, uint64_t offset, size_t size)
{
        return pci_harness_read(&echo->pci, BAR + offset, size);
}

void echo_write(Echo *echo, uint64_t offset, uint64_t value, size_t size)
{
        pci_harness_write(&echo->pci, BAR + offset, value, size);
}

uint32_t echo_config(Echo *echo, unsigned offset, size_t size)
{
        return pci_harness_config_read(&echo->pci, SLOT, offset, size);
}

unsigned echo_find_structure(Echo *echo, uint8_t type, uint32_t *ret_offset, uint32_t *ret_length)
{
        unsigned at = 0;

        while ((at = pci_harness_find_capability(&echo->pci, SLOT, PCI_CAP_ID_VNDR, at)) != 0)
                if (echo_config(echo, at + VIRTIO_PCI_CAP_CFG_TYPE, 1) == type) {
                        *ret_offset = echo_config(echo, at + VIRTIO_PCI_CAP_OFFSET, 4);
                        *ret_length = echo_config(echo, at + VIRTIO_PCI_CAP_LENGTH, 4);
                        ck_assert_uint_eq(echo_config(echo, at + VIRTIO_PCI_CAP_BAR, 1), 0);
                        return at;
                }
        return 0;
}

void echo_find_all(Echo *echo)
{
        uint32_t length;

        ck_assert_uint_ne(
                echo_find_structure(echo, VIRTIO_PCI_CAP_COMMON_CFG, &echo->common, &length), 0);
        ck_assert_uint_ge(length, 60);
        ck_assert_uint_ne(
                echo_find_structure(echo, VIRTIO_PCI_CAP_NOTIFY_CFG, &echo->notify, &length), 0);
        ck_assert_uint_ne(echo_find_structure(echo, VIRTIO_PCI_CAP_ISR_CFG, &echo->isr, &length),
                          0);
        ck_assert_uint_ne(
                echo_find_structure(echo, VIRTIO_PCI_CAP_DEVICE_CFG, &echo->configuration, &length),
                0);
        echo->cfg_capability = echo_find_structure(echo, VIRTIO_PCI_CAP_PCI_CFG, &length, &length);
        ck_assert_uint_ne(echo->cfg_capability, 0);
}

static void connect_vectors(Echo *echo)
{
        unsigned msix = pci_harness_find_capability(&echo->pci, SLOT, PCI_CAP_ID_MSIX, 0);
        uint32_t table = echo_config(echo, msix + PCI_MSIX_TABLE, 4) & ~7U;

        pci_harness_config_write(&echo->pci, SLOT, msix + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE, 2);
        for (unsigned i = 0; i <= N_QUEUES; i++) {
                echo_write(echo, table + 16 * i, 0xfee00000, 8);
                echo_write(echo, table + 16 * i + 8, 0x40 + i, 4);
                echo_write(echo, table + 16 * i + 12, 0, 4);
                ck_assert(echo->msi.is_connected[i]);
        }
}

void echo_set_up_queue(Echo *echo, unsigned index)
{
        VirtioDriverQueue *queue = &echo->driver.queues[index];

        free(queue->free_heads);
        *queue = (VirtioDriverQueue){0};
        echo_write(echo, echo->common + VIRTIO_PCI_COMMON_Q_SELECT, index, 2);
        queue->size = (uint32_t)echo_read(echo, echo->common + VIRTIO_PCI_COMMON_Q_SIZE, 2);
        ck_assert_uint_eq(queue->size, index == 2 ? 16 : QUEUE_SIZE);
        ck_assert_uint_eq(echo_read(echo, echo->common + VIRTIO_PCI_COMMON_Q_NOFF, 2), index);
        queue->descriptor_table = virtio_driver_alloc(&echo->driver, 16ULL * queue->size, 16);
        queue->driver_area = virtio_driver_alloc(&echo->driver, 6 + 2ULL * queue->size, 2);
        queue->device_area = virtio_driver_alloc(&echo->driver, 6 + 8ULL * queue->size, 4);
        queue->free_heads = calloc(queue->size, sizeof(*queue->free_heads));
        ck_assert_ptr_nonnull(queue->free_heads);
        while (queue->n_free < queue->size) {
                queue->free_heads[queue->n_free] = (uint16_t)queue->n_free;
                queue->n_free++;
        }
        /* Halves, and both at once. */
        echo_write(echo, echo->common + VIRTIO_PCI_COMMON_Q_DESCLO, queue->descriptor_table, 4);
        echo_write(echo, echo->common + VIRTIO_PCI_COMMON_Q_DESCHI, queue->descriptor_table >> 32,
                   4);
        echo_write(echo, echo->common + VIRTIO_PCI_COMMON_Q_AVAILLO, queue->driver_area, 8);
        echo_write(echo, echo->common + VIRTIO_PCI_COMMON_Q_USEDLO, queue->device_area, 8);
        ck_assert_uint_eq(echo_read(echo, echo->common + VIRTIO_PCI_COMMON_Q_AVAILLO, 4),
                          queue->driver_area);
        ck_assert_uint_eq(echo_read(echo, echo->common + VIRTIO_PCI_COMMON_Q_USEDLO, 8),
                          queue->device_area);
        echo_write(echo, echo->common + VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
        ck_assert_uint_eq(echo_read(echo, echo->common + VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
}

void echo_set_status(Echo *echo, uint8_t status)
{
        echo_write(echo, echo->common + VIRTIO_PCI_COMMON_STATUS, status, 1);
}

uint8_t echo_get_status(Echo *echo)
{
        return (uint8_t)echo_read(echo, echo->common + VIRTIO_PCI_COMMON_STATUS, 1);
}

void echo_negotiate(Echo *echo)
{
        uint32_t words[2];

        echo_find_all(echo);
        echo_set_status(echo, VIRTIO_CONFIG_S_ACKNOWLEDGE);
        echo_set_status(echo, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
        for (unsigned i = 0; i < 2; i++) {
                echo_write(echo, echo->common + VIRTIO_PCI_COMMON_DFSELECT, i, 4);
                words[i] = (uint32_t)echo_read(echo, echo->common + VIRTIO_PCI_COMMON_DF, 4);
                echo_write(echo, echo->common + VIRTIO_PCI_COMMON_GFSELECT, i, 4);
                echo_write(echo, echo->common + VIRTIO_PCI_COMMON_GF, words[i], 4);
                ck_assert_uint_eq(echo_read(echo, echo->common + VIRTIO_PCI_COMMON_GF, 4),
                                  words[i]);
        }
        ck_assert(words[0] & 1U << 5);
        ck_assert(words[1] & 1U << (50 - 32));
        ck_assert(words[1] & 1U << (VIRTIO_F_VERSION_1 - 32));
        ck_assert(words[1] & 1U << (VIRTIO_F_RING_RESET - 32));
        echo_set_status(echo, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
                                      VIRTIO_CONFIG_S_FEATURES_OK);
        ck_assert(echo_get_status(echo) & VIRTIO_CONFIG_S_FEATURES_OK);
}

static void map_vectors(Echo *echo)
{
        echo_write(echo, echo->common + VIRTIO_PCI_COMMON_MSIX, N_QUEUES, 2);
        ck_assert_uint_eq(echo_read(echo, echo->common + VIRTIO_PCI_COMMON_MSIX, 2), N_QUEUES);
        for (unsigned i = 0; i < N_QUEUES; i++) {
                echo_write(echo, echo->common + VIRTIO_PCI_COMMON_Q_SELECT, i, 2);
                echo_write(echo, echo->common + VIRTIO_PCI_COMMON_Q_MSIX, i, 2);
                ck_assert_uint_eq(echo_read(echo, echo->common + VIRTIO_PCI_COMMON_Q_MSIX, 2), i);
        }
}

void echo_start(Echo *echo, bool with_msix)
{
        echo_negotiate(echo);
        if (with_msix) {
                connect_vectors(echo);
                map_vectors(echo);
        }
        for (unsigned i = 0; i < N_QUEUES; i++)
                echo_set_up_queue(echo, i);
        echo_set_status(echo, echo_get_status(echo) | VIRTIO_CONFIG_S_DRIVER_OK);
        virtio_driver_settle(&echo->driver);
        ck_assert_uint_eq(echo_get_status(echo), 0x0f);
}

bool echo_request(Echo *echo, unsigned queue)
{
        const VirtioDriverBuffer buffer = {virtio_driver_alloc(&echo->driver, 64, 1), 64, false};
        uint32_t written;
        uint16_t head;

        (void)virtio_driver_add(&echo->driver, queue, &buffer, 1);
        echo_write(echo, echo->notify + 4 * queue, queue, 2);
        virtio_driver_settle(&echo->driver);
        return virtio_driver_take(&echo->driver, queue, &head, &written);
}

/* The width of the field that begins at an offset, from the layout of section 4.1.4.3. */
size_t echo_field_width(unsigned offset)
{
        static const uint8_t layout[] = {4, 4, 4, 4, 2, 2, 1, 1, 2, 2, 2,
                                         2, 2, 4, 4, 4, 4, 4, 4, 2, 2};
        unsigned at = 0;

        for (size_t i = 0; i < sizeof(layout); at += layout[i++])
                if (at == offset)
                        return layout[i];
        return 0;
}

void echo_point(Echo *echo, uint8_t bar, uint32_t offset, uint32_t length)
{
        pci_harness_config_write(&echo->pci, SLOT, echo->cfg_capability + VIRTIO_PCI_CAP_BAR, bar,
                                 1);
        pci_harness_config_write(&echo->pci, SLOT, echo->cfg_capability + VIRTIO_PCI_CAP_OFFSET,
                                 offset, 4);
        pci_harness_config_write(&echo->pci, SLOT, echo->cfg_capability + VIRTIO_PCI_CAP_LENGTH,
                                 length, 4);
}
