/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The modern PCI transport as a hostile guest uses it: hardening.md rows 8, 10, 12, 13. */

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "check-main.h"
#include "common/cleanup.h"
#include "virtio-pci-fixture.h"

/* Section 4.1.5.1.2.1; hardening.md row 13 */
START_TEST(vectors)
{
        Echo *echo = echo_new();

        echo_find_all(echo);
        ck_assert_uint_eq(echo_read(echo, echo->common + VIRTIO_PCI_COMMON_MSIX, 2), 0xffff);
        for (unsigned vector = 0; vector < 0x10000; vector++) {
                uint64_t want = vector <= N_QUEUES ? vector : 0xffff;

                echo_write(echo, echo->common + VIRTIO_PCI_COMMON_MSIX, vector, 2);
                ck_assert_uint_eq(echo_read(echo, echo->common + VIRTIO_PCI_COMMON_MSIX, 2), want);
                echo_write(echo, echo->common + VIRTIO_PCI_COMMON_Q_SELECT, vector % N_QUEUES, 2);
                echo_write(echo, echo->common + VIRTIO_PCI_COMMON_Q_MSIX, vector, 2);
                ck_assert_uint_eq(echo_read(echo, echo->common + VIRTIO_PCI_COMMON_Q_MSIX, 2),
                                  want);
        }
        echo_free(echo);
}
END_TEST

/* hardening.md row 10: every value of queue_select, with every register written; every doorbell. */
START_TEST(every_queue_number)
{
        const unsigned fields[] = {VIRTIO_PCI_COMMON_Q_SIZE,    VIRTIO_PCI_COMMON_Q_MSIX,
                                   VIRTIO_PCI_COMMON_Q_ENABLE,  VIRTIO_PCI_COMMON_Q_NOFF,
                                   VIRTIO_PCI_COMMON_Q_RESET,   VIRTIO_PCI_COMMON_Q_NDATA,
                                   VIRTIO_PCI_COMMON_Q_DESCLO,  VIRTIO_PCI_COMMON_Q_DESCHI,
                                   VIRTIO_PCI_COMMON_Q_AVAILLO, VIRTIO_PCI_COMMON_Q_AVAILHI,
                                   VIRTIO_PCI_COMMON_Q_USEDLO,  VIRTIO_PCI_COMMON_Q_USEDHI};
        Echo *echo = echo_new();

        echo_negotiate(echo);
        for (unsigned queue = 0; queue < 0x10000; queue++) {
                echo_write(echo, echo->common + VIRTIO_PCI_COMMON_Q_SELECT, queue, 2);
                ck_assert_uint_eq(echo_read(echo, echo->common + VIRTIO_PCI_COMMON_Q_SELECT, 2),
                                  queue);
                echo_write(echo, echo->notify, queue, 2);
                if (queue < N_QUEUES)
                        continue;
                for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
                        size_t size = fields[i] >= VIRTIO_PCI_COMMON_Q_DESCLO &&
                                                      fields[i] <= VIRTIO_PCI_COMMON_Q_USEDHI
                                              ? 4
                                              : 2;

                        echo_write(echo, echo->common + fields[i], 1, size);
                        ck_assert_uint_eq(echo_read(echo, echo->common + fields[i], size),
                                          fields[i] == VIRTIO_PCI_COMMON_Q_MSIX ? 0xffff : 0);
                }
        }
        for (uint32_t offset = 0; offset < 0x1000; offset++)
                for (size_t size = 1; size <= 8; size++) {
                        echo_write(echo, echo->notify + offset, UINT64_MAX, size);
                        if (offset + size <= 0x1000) /* behind it there is the MSI-X table */
                                ck_assert_uint_eq(echo_read(echo, echo->notify + offset, size), 0);
                }
        virtio_driver_settle(&echo->driver);
        ck_assert_uint_eq(echo->n_handled[0] + echo->n_handled[1] + echo->n_handled[2], 0);
        for (unsigned i = 0; i < N_QUEUES; i++)
                echo_set_up_queue(echo, i);
        echo_set_status(echo, echo_get_status(echo) | VIRTIO_CONFIG_S_DRIVER_OK);
        virtio_driver_settle(&echo->driver);
        ck_assert(echo_request(echo, 0));
        echo_free(echo);
}
END_TEST

/* hardening.md row 12: every offset x width; what is no field changes nothing and reads as zero. */
START_TEST(odd_accesses)
{
        Echo *echo = echo_new();

        echo_negotiate(echo);
        echo_write(echo, echo->common + VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
        for (unsigned offset = 0; offset < 0x1000; offset++)
                for (size_t size = 0; size <= 16; size++) {
                        bool is_pair = size == 8 && (offset == 32 || offset == 40 || offset == 48);
                        bool is_field = (size > 0 && size == echo_field_width(offset)) || is_pair;
                        uint8_t data[16], before[64], after[64];

                        if (offset > 100 && offset < 0xff0)
                                continue;
                        memset(data, 0xcc, sizeof(data));
                        if (!is_field) {
                                for (unsigned i = 0; i < 15; i++)
                                        before[i] =
                                                (uint8_t)echo_read(echo, echo->common + 4 * i, 4);
                                bus_write(echo->pci.mmio, BAR + echo->common + offset, data, size);
                                for (unsigned i = 0; i < 15; i++) {
                                        after[i] =
                                                (uint8_t)echo_read(echo, echo->common + 4 * i, 4);
                                        ck_assert_uint_eq(before[i], after[i]);
                                }
                        }
                        bus_read(echo->pci.mmio, BAR + echo->common + offset, data, size);
                        for (size_t i = 0; i < size && !is_field; i++)
                                ck_assert_uint_eq(data[i], size > 8 ? 0xff : 0);
                        for (size_t i = size; i < sizeof(data); i++)
                                ck_assert_uint_eq(data[i], 0xcc);
                }
        ck_assert_uint_eq(echo_get_status(echo), 0x0b);
        ck_assert_uint_eq(echo_read(echo, echo->common + VIRTIO_PCI_COMMON_Q_SELECT, 2), 1);
        ck_assert_uint_eq(echo_read(echo, echo->common + VIRTIO_PCI_COMMON_Q_SIZE, 2), QUEUE_SIZE);
        echo_free(echo);
}
END_TEST

/* All of the BAR, at every width: nothing crashes, nothing hangs, the device still works. */
START_TEST(whole_bar)
{
        Echo *echo = echo_new();

        for (uint32_t offset = 0; offset < 0x8010; offset++)
                for (size_t size = 0; size <= 16; size++) {
                        uint8_t data[16];

                        bus_read(echo->pci.mmio, BAR + offset, data, size);
                        memset(data, (int)(offset ^ size), sizeof(data));
                        bus_write(echo->pci.mmio, BAR + offset, data, size);
                        if (offset % 64 == 0)
                                virtio_driver_settle(&echo->driver);
                }
        echo_find_all(echo);
        echo_set_status(echo, 0);
        virtio_driver_settle(&echo->driver);
        ck_assert_uint_eq(echo_get_status(echo), 0);
        pci_bus_reset(echo->pci.bus);
        pci_harness_config_write(&echo->pci, SLOT, PCI_COMMAND,
                                 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
        echo_start(echo, true);
        ck_assert(echo_request(echo, 2));
        echo_free(echo);
}
END_TEST

/* hardening.md row 8, as far as the transport goes: an enabled queue's registers stay. */
START_TEST(registers_of_a_live_queue)
{
        Echo *echo = echo_new();

        echo_start(echo, true);
        for (unsigned i = 0; i < N_QUEUES; i++) {
                uint64_t desc;

                echo_write(echo, echo->common + VIRTIO_PCI_COMMON_Q_SELECT, i, 2);
                desc = echo_read(echo, echo->common + VIRTIO_PCI_COMMON_Q_DESCLO, 8);
                echo_write(echo, echo->common + VIRTIO_PCI_COMMON_Q_SIZE, 2, 2);
                echo_write(echo, echo->common + VIRTIO_PCI_COMMON_Q_DESCLO, UINT64_MAX, 8);
                echo_write(echo, echo->common + VIRTIO_PCI_COMMON_Q_ENABLE, 0, 2);
                ck_assert_uint_eq(echo_read(echo, echo->common + VIRTIO_PCI_COMMON_Q_SIZE, 2),
                                  i == 2 ? 16 : QUEUE_SIZE);
                ck_assert_uint_eq(echo_read(echo, echo->common + VIRTIO_PCI_COMMON_Q_DESCLO, 8),
                                  desc);
                ck_assert_uint_eq(echo_read(echo, echo->common + VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
        }
        echo_free(echo);
}
END_TEST

START_TEST(nonsense_through_configuration_space)
{
        const uint32_t offsets[] = {0,      1,      2,          3,          0x7ffc,    0x7ffd,
                                    0x7fff, 0x8000, 0x80000000, 0xfffffffc, 0xffffffff};
        const uint32_t lengths[] = {0, 1, 2, 3, 4, 5, 8, 0x80000000, 0xffffffff};
        Echo *echo = echo_new();

        echo_find_all(echo);
        for (unsigned bar = 0; bar < 256; bar++)
                for (size_t o = 0; o < ARRAY_SIZE(offsets); o++)
                        for (size_t l = 0; l < ARRAY_SIZE(lengths); l++) {
                                echo_point(echo, (uint8_t)bar, offsets[o], lengths[l]);
                                for (size_t size = 1; size <= 4; size *= 2) {
                                        (void)echo_config(echo, echo->cfg_capability + 16, size);
                                        pci_harness_config_write(&echo->pci, SLOT,
                                                                 echo->cfg_capability + 16,
                                                                 0xffffffff, size);
                                }
                        }
        virtio_driver_settle(&echo->driver);
        echo_set_status(echo, 0);
        virtio_driver_settle(&echo->driver);
        ck_assert_uint_eq(echo_get_status(echo), 0);
        echo_free(echo);
}
END_TEST

CHECK_MAIN("virtio-pci-hostile", {"vectors", vectors}, {"queue numbers", every_queue_number},
           {"odd accesses", odd_accesses}, {"whole BAR", whole_bar},
           {"live queue", registers_of_a_live_queue},
           {"PCI_CFG nonsense", nonsense_through_configuration_space});
