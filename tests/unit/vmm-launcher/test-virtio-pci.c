/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The modern PCI transport as a driver finds it (VIRTIO 1.3 section 4.1). */

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>

#include "check-main.h"
#include "common/cleanup.h"
#include "virtio-pci-fixture.h"

START_TEST(identity)
{
        const struct {
                uint16_t id;
                uint32_t class;
        } kinds[] = {
                {VIRTIO_ID_NET, 0x0200},     {VIRTIO_ID_BLOCK, 0x0180},
                {VIRTIO_ID_CONSOLE, 0x0780}, {VIRTIO_ID_RNG, 0xff00},
                {VIRTIO_ID_BALLOON, 0x0580}, {VIRTIO_ID_VSOCK, 0x0780},
                {VIRTIO_ID_FS, 0x0180},      {0x3f, 0xff00},
        };

        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                Echo *echo = echo_new_with(kinds[i].id);

                ck_assert_uint_eq(echo_config(echo, PCI_VENDOR_ID, 2), 0x1af4);
                ck_assert_uint_eq(echo_config(echo, PCI_DEVICE_ID, 2), 0x1040U + kinds[i].id);
                ck_assert_uint_eq(echo_config(echo, PCI_REVISION_ID, 1), 1);
                ck_assert_uint_eq(echo_config(echo, PCI_CLASS_DEVICE, 2), kinds[i].class);
                ck_assert_uint_ge(echo_config(echo, PCI_SUBSYSTEM_ID, 2), 0x40);
                ck_assert_uint_eq(echo_config(echo, PCI_INTERRUPT_PIN, 1), 0);
                echo_free(echo);
        }
}
END_TEST

/* Section 4.1.4: each structure within the BAR, none over another. */
START_TEST(structures)
{
        const struct {
                uint8_t type, length_of_capability;
                uint32_t length;
        } wanted[] = {
                {VIRTIO_PCI_CAP_COMMON_CFG, 16, 64},
                {VIRTIO_PCI_CAP_NOTIFY_CFG, 20, 4 * N_QUEUES},
                {VIRTIO_PCI_CAP_ISR_CFG, 16, 4},
                {VIRTIO_PCI_CAP_DEVICE_CFG, 16, 8},
        };
        Echo *echo = echo_new();
        uint32_t starts[4], lengths[4], offset, length;
        unsigned at;

        for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
                at = echo_find_structure(echo, wanted[i].type, &starts[i], &lengths[i]);
                ck_assert_uint_ne(at, 0);
                ck_assert_uint_eq(echo_config(echo, at + VIRTIO_PCI_CAP_LEN, 1),
                                  wanted[i].length_of_capability);
                ck_assert_uint_eq(lengths[i], wanted[i].length);
                ck_assert_uint_eq(starts[i] % 4, 0);
                ck_assert_uint_le(starts[i] + lengths[i], 0x8000);
                for (size_t k = 0; k < i; k++)
                        ck_assert(starts[i] + lengths[i] <= starts[k] ||
                                  starts[k] + lengths[k] <= starts[i]);
        }
        at = echo_find_structure(echo, VIRTIO_PCI_CAP_NOTIFY_CFG, &offset, &length);
        ck_assert_uint_eq(echo_config(echo, at + VIRTIO_PCI_NOTIFY_CAP_MULT, 4), 4);
        at = echo_find_structure(echo, VIRTIO_PCI_CAP_PCI_CFG, &offset, &length);
        ck_assert_uint_ne(at, 0);
        ck_assert_uint_eq(echo_config(echo, at + VIRTIO_PCI_CAP_LEN, 1), 20);
        at = pci_harness_find_capability(&echo->pci, SLOT, PCI_CAP_ID_MSIX, 0);
        ck_assert_uint_eq(echo_config(echo, at + PCI_MSIX_FLAGS, 2), N_QUEUES);
        echo_free(echo);
}
END_TEST

START_TEST(by_the_book)
{
        Echo *echo = echo_new();

        echo_start(echo, true);
        for (unsigned i = 0; i < N_QUEUES; i++) {
                unsigned before = echo->msi.n_delivered[i];

                ck_assert(echo_request(echo, i));
                ck_assert_uint_eq(echo->n_handled[i], 1);
                ck_assert_uint_eq(echo->msi.n_delivered[i], before + 1);
        }
        virtio_device_set_config(echo->device, 0, "x", 1);
        ck_assert_uint_eq(echo->msi.n_delivered[N_QUEUES], 1);
        /* With MSI-X nobody reads the ISR, but the configuration bit is there, section 4.1.4.5.1.
         */
        ck_assert_uint_eq(echo_read(echo, echo->isr, 1), 2);
        echo_free(echo);
}
END_TEST

/* Without MSI-X a driver polls: the ISR, or the status register. */
START_TEST(without_msix)
{
        Echo *echo = echo_new();

        echo_start(echo, false);
        ck_assert_uint_eq(echo_read(echo, echo->isr, 1), 0);
        ck_assert(echo_request(echo, 1));
        ck_assert_uint_eq(echo_config(echo, PCI_STATUS, 1) & PCI_STATUS_INTERRUPT,
                          PCI_STATUS_INTERRUPT);
        ck_assert_uint_eq(echo_read(echo, echo->isr, 1), 1);
        ck_assert_uint_eq(echo_read(echo, echo->isr, 1), 0);
        ck_assert_uint_eq(echo_config(echo, PCI_STATUS, 1) & PCI_STATUS_INTERRUPT, 0);
        virtio_device_set_config(echo->device, 0, "y", 1);
        ck_assert(echo_request(echo, 2));
        ck_assert_uint_eq(echo_read(echo, echo->isr, 4), 3);
        for (unsigned i = 0; i <= N_QUEUES; i++)
                ck_assert_uint_eq(echo->msi.n_delivered[i], 0);
        echo_free(echo);
}
END_TEST

START_TEST(device_configuration)
{
        Echo *echo = echo_new();
        uint64_t generation;

        echo_find_all(echo);
        ck_assert_uint_eq(echo_read(echo, echo->configuration, 8), 0x6867666564636261);
        ck_assert_uint_eq(echo_read(echo, echo->configuration + 6, 4), 0x6867);
        ck_assert_uint_eq(echo_read(echo, echo->configuration + 8, 8), 0);
        echo_write(echo, echo->configuration, 0x7878787878787878, 8);
        ck_assert_uint_eq(echo_read(echo, echo->configuration, 8), 0x6867787864636261);
        virtio_driver_settle(&echo->driver);
        ck_assert_uint_eq(echo->n_config_writes, 1);
        generation = echo_read(echo, echo->common + VIRTIO_PCI_COMMON_CFGGENERATION, 1);
        virtio_device_set_config(echo->device, 1, "B", 1);
        ck_assert_uint_ne(echo_read(echo, echo->common + VIRTIO_PCI_COMMON_CFGGENERATION, 1),
                          generation);
        echo_free(echo);
}
END_TEST

START_TEST(driver_resets)
{
        Echo *echo = echo_new();

        echo_start(echo, true);
        echo_set_status(echo, 0);
        virtio_driver_settle(&echo->driver);
        ck_assert_uint_eq(echo_get_status(echo), 0);
        for (unsigned offset = 0; offset < VIRTIO_PCI_COMMON_Q_SIZE; offset++) {
                uint64_t value = echo_read(echo, echo->common + offset, echo_field_width(offset));

                if (offset == VIRTIO_PCI_COMMON_MSIX)
                        ck_assert_uint_eq(value, 0xffff);
                else if (offset == VIRTIO_PCI_COMMON_DFSELECT ||
                         offset == VIRTIO_PCI_COMMON_GFSELECT || offset == VIRTIO_PCI_COMMON_GF ||
                         offset == VIRTIO_PCI_COMMON_Q_SELECT)
                        ck_assert_uint_eq(value, 0);
        }
        for (unsigned i = 0; i < N_QUEUES; i++) {
                echo_write(echo, echo->common + VIRTIO_PCI_COMMON_Q_SELECT, i, 2);
                ck_assert_uint_eq(echo_read(echo, echo->common + VIRTIO_PCI_COMMON_Q_MSIX, 2),
                                  0xffff);
                ck_assert_uint_eq(echo_read(echo, echo->common + VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
        }
        /* Again, with what a second driver would do. */
        echo_start(echo, true);
        ck_assert(echo_request(echo, 0));
        echo_free(echo);
}
END_TEST

/* VIRTIO_F_RING_RESET, section 4.1.4.3.2 */
START_TEST(queue_reset)
{
        Echo *echo = echo_new();

        echo_start(echo, true);
        echo_write(echo, echo->common + VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
        ck_assert_uint_eq(echo_read(echo, echo->common + VIRTIO_PCI_COMMON_Q_RESET, 2), 0);
        echo_write(echo, echo->common + VIRTIO_PCI_COMMON_Q_RESET, 1, 2);
        ck_assert_uint_eq(echo_read(echo, echo->common + VIRTIO_PCI_COMMON_Q_RESET, 2), 1);
        virtio_driver_settle(&echo->driver);
        ck_assert_uint_eq(echo_read(echo, echo->common + VIRTIO_PCI_COMMON_Q_RESET, 2), 0);
        ck_assert_uint_eq(echo_read(echo, echo->common + VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
        echo_set_up_queue(echo, 1);
        virtio_driver_settle(&echo->driver);
        ck_assert(echo_request(echo, 1));
        echo_free(echo);
}
END_TEST

START_TEST(doorbells)
{
        Echo *echo = echo_new();
        uint64_t place = 0xc7000000;

        echo_find_all(echo);
        ck_assert_uint_eq(echo->n_bells, N_QUEUES);
        for (unsigned i = 0; i < N_QUEUES; i++) {
                ck_assert_uint_eq(echo->bells[i].address, BAR + echo->notify + 4 * i);
                ck_assert_int_eq(echo->bells[i].fd, virtio_device_queue_event_fd(echo->device, i));
        }
        pci_harness_config_write(&echo->pci, SLOT, PCI_BASE_ADDRESS_0, (uint32_t)place, 4);
        ck_assert_uint_eq(echo->n_bells, N_QUEUES);
        for (unsigned i = 0; i < N_QUEUES; i++)
                ck_assert_uint_ge(echo->bells[i].address, place);
        pci_harness_config_write(&echo->pci, SLOT, PCI_COMMAND, 0, 2);
        ck_assert_uint_eq(echo->n_bells, 0);
        pci_harness_config_write(&echo->pci, SLOT, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
        ck_assert_uint_eq(echo->n_bells, N_QUEUES);
        pci_harness_config_write(&echo->pci, SLOT, PCI_BASE_ADDRESS_0, 0xffffffff, 4);
        ck_assert_uint_eq(echo->n_bells, 0);
        /* The host refuses: kicks come as writes, and nothing is removed that was not added. */
        echo->bell_result = -ENOSPC;
        pci_harness_config_write(&echo->pci, SLOT, PCI_BASE_ADDRESS_0, (uint32_t)BAR, 4);
        ck_assert_uint_eq(echo->n_bells, 0);
        pci_harness_config_write(&echo->pci, SLOT, PCI_COMMAND,
                                 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
        echo_start(echo, true);
        ck_assert(echo_request(echo, 0));
        pci_bus_reset(echo->pci.bus);
        echo_free(echo);
}
END_TEST

/* VIRTIO_PCI_CAP_PCI_CFG, section 4.1.4.9 */
START_TEST(through_configuration_space)
{
        Echo *echo = echo_new();

        echo_find_all(echo);
        /* Memory decoding is not needed for it. */
        pci_harness_config_write(&echo->pci, SLOT, PCI_COMMAND, 0, 2);
        echo_point(echo, 0, echo->common + VIRTIO_PCI_COMMON_NUMQ, 2);
        ck_assert_uint_eq(echo_config(echo, echo->cfg_capability + 16, 2), N_QUEUES);
        echo_point(echo, 0, echo->common + VIRTIO_PCI_COMMON_STATUS, 1);
        pci_harness_config_write(&echo->pci, SLOT, echo->cfg_capability + 16,
                                 VIRTIO_CONFIG_S_ACKNOWLEDGE, 1);
        pci_harness_config_write(&echo->pci, SLOT, echo->cfg_capability + 16, 0, 1);
        pci_harness_config_write(&echo->pci, SLOT, echo->cfg_capability + 16, 3, 1);
        echo_point(echo, 0, echo->common + VIRTIO_PCI_COMMON_DFSELECT, 4);
        pci_harness_config_write(&echo->pci, SLOT, echo->cfg_capability + 16, 1, 4);
        ck_assert_uint_eq(echo_config(echo, echo->cfg_capability + 16, 4), 1);
        echo_point(echo, 0, echo->common + VIRTIO_PCI_COMMON_DF, 4);
        ck_assert_uint_ne(echo_config(echo, echo->cfg_capability + 16, 4) & 1, 0); /* VERSION_1 */
        echo_point(echo, 0, echo->configuration, 4);
        ck_assert_uint_eq(echo_config(echo, echo->cfg_capability + 16, 4), 0x64636261);
        echo_free(echo);
}
END_TEST

START_TEST(what_is_refused)
{
        const VirtioInfo none = {.name = "none", .id = 0}, high = {.name = "high", .id = 0x40};
        const MsiLine line = {&msi_recorder_ops, NULL};
        const Doorbell bell = {NULL, NULL, NULL};
        Echo *echo = echo_new();
        VirtioDevice *device;
        VirtioPci *pci = NULL;

        ck_assert_int_eq(virtio_device_new(&none, &echo_ops, echo, &echo->driver.window,
                                           echo->driver.loop, &device),
                         0);
        ck_assert_int_eq(virtio_pci_new(echo->pci.bus, 2, device, &line, &bell, &pci), -EINVAL);
        virtio_device_free(device);
        ck_assert_int_eq(virtio_device_new(&high, &echo_ops, echo, &echo->driver.window,
                                           echo->driver.loop, &device),
                         0);
        ck_assert_int_eq(virtio_pci_new(echo->pci.bus, 2, device, &line, &bell, &pci), -EINVAL);
        virtio_device_free(device);
        ck_assert_int_eq(virtio_pci_new(echo->pci.bus, SLOT, echo->device, &line, &bell, &pci),
                         -EEXIST);
        ck_assert_ptr_null(pci);
        ck_assert_ptr_null(virtio_pci_free(NULL));
        echo_free(echo);
}
END_TEST

CHECK_MAIN("virtio-pci", {"identity", identity}, {"structures", structures},
           {"by the book", by_the_book}, {"without MSI-X", without_msix},
           {"device configuration", device_configuration}, {"driver resets", driver_resets},
           {"queue reset", queue_reset}, {"doorbells", doorbells},
           {"PCI_CFG", through_configuration_space}, {"refused", what_is_refused});
