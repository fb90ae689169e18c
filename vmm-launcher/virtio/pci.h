/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * virtio over PCI, the modern transport and no other (VIRTIO 1.3 section 4.1). One BAR holds the
 * common, ISR, device and notification registers and the MSI-X structures. A driver that has MSI-X
 * on gets a vector for each queue and one for changes of the configuration; one without polls.
 */

#include "core/doorbell.h"
#include "core/msi.h"
#include "virtio/device.h"

struct PciBus;

typedef struct VirtioPci VirtioPci;

/* How many vectors the device has, for MsiOps to provide. */
unsigned virtio_pci_n_vectors(const VirtioDevice *device);

/*
 * Puts the device at slot of the bus, as its transport. bus and device are borrowed; the bus goes
 * first, or no vCPU runs any more. msi and doorbell are copied. As pci_device_new(); -EINVAL also
 * for an id that has no PCI device id.
 */
int virtio_pci_new(struct PciBus *bus, unsigned slot, VirtioDevice *device, const MsiLine *msi,
                   const Doorbell *doorbell, VirtioPci **ret);
VirtioPci *virtio_pci_free(VirtioPci *pci);
