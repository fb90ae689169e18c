/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virtio/pci.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "core/guest-log.h"
#include "pci/pci-bus.h"
#include "virtio/pci-common.h"
#include "virtio/transport.h"

#define VENDOR_ID       0x1af4U /* section 4.1.2 */
#define DEVICE_ID_FIRST 0x1040U
#define DEVICE_ID_MAX   0x3fU /* up to 0x107f */
#define REVISION        1U    /* section 4.1.2.1: a device that is not transitional */

/* The BAR: a page for each structure, so that each can be mapped by itself. */
#define BAR         0U
#define BAR_SIZE    0x8000U
#define REGION_SIZE 0x1000U
#define COMMON      0x0000U
#define ISR         0x1000U
#define DEVICE      0x2000U
#define NOTIFY      0x3000U
#define MSIX_TABLE  0x4000U
#define MSIX_PBA    0x5000U
#define ISR_SIZE    4U
#define NOTIFY_STEP 4U /* notify_off_multiplier: a doorbell for each queue */

#define ISR_QUEUE  0x01U /* section 4.1.4.5 */
#define ISR_CONFIG 0x02U

_Static_assert(REGION_SIZE / NOTIFY_STEP >= VIRTIO_MAX_QUEUES, "all doorbells fit");
_Static_assert(REGION_SIZE / PCI_MSIX_ENTRY_SIZE > VIRTIO_MAX_QUEUES, "the MSI-X table fits");

/* struct virtio_pci_cfg_cap is packed as it stands: section 4.1.4.9. */
#define CFG_BAR    offsetof(struct virtio_pci_cfg_cap, cap.bar)
#define CFG_OFFSET offsetof(struct virtio_pci_cfg_cap, cap.offset)
#define CFG_LENGTH offsetof(struct virtio_pci_cfg_cap, cap.length)
#define CFG_DATA   offsetof(struct virtio_pci_cfg_cap, pci_cfg_data)

struct VirtioPci {
        VirtioDevice *device;
        PciDevice *function;
        Doorbell doorbell;
        GuestLog log;
        VirtioPciCommon common;
        unsigned cfg_capability; /* where VIRTIO_PCI_CAP_PCI_CFG is */

        /* Under the bus's lock: */
        uint64_t doorbells; /* guest physical; PCI_BAR_UNMAPPED: none */
        bool has_doorbell[VIRTIO_MAX_QUEUES];
};

/* What the driver says and not what it is: class, subclass, interface (PCI Code and ID Assignment).
 */
static uint32_t class_code(uint16_t id)
{
        switch (id) {
        case VIRTIO_ID_NET:
                return 0x020000; /* Ethernet controller */
        case VIRTIO_ID_BLOCK:
        case VIRTIO_ID_FS:
                return 0x018000; /* mass storage, other */
        case VIRTIO_ID_CONSOLE:
        case VIRTIO_ID_VSOCK:
                return 0x078000; /* communication controller, other */
        case VIRTIO_ID_BALLOON:
                return 0x058000; /* memory controller, other */
        default:
                return 0xff0000; /* none of the classes */
        }
}

unsigned virtio_pci_n_vectors(const VirtioDevice *device)
{
        return virtio_device_info(device)->n_queues + 1;
}

/* --- Interrupts --- */

static void interrupt(VirtioPci *pci, uint16_t vector)
{
        if (vector != VIRTIO_MSI_NO_VECTOR)
                pci_device_signal(pci->function, vector);
}

/* Section 4.1.5.1.3 and, for a driver that has MSI-X off and reads the ISR, 4.1.4.5.1. */
static void interrupt_queue(void *transport, unsigned queue)
{
        VirtioPci *pci = transport;

        if (!pci_device_has_msix_on(pci->function))
                (void)atomic_fetch_or(&pci->common.isr, ISR_QUEUE);
        interrupt(pci, atomic_load(&pci->common.queue_vectors[queue]));
}

static void interrupt_config(void *transport)
{
        VirtioPci *pci = transport;

        (void)atomic_fetch_or(&pci->common.isr, ISR_CONFIG);
        interrupt(pci, atomic_load(&pci->common.config_vector));
}

static const VirtioTransportOps transport_ops = {interrupt_queue, interrupt_config};

/* --- The BAR --- */

static void bar_read(void *device, _unused_ unsigned bar, uint64_t offset, void *data, size_t size)
{
        VirtioPci *pci = device;
        uint64_t within = offset % REGION_SIZE;

        memset(data, 0, size);
        if (within + size > REGION_SIZE)
                return;
        switch (offset - within) {
        case COMMON:
                virtio_pci_common_read(&pci->common, within, data, size);
                break;
        case ISR:
                /* Section 4.1.4.5.1: reading it clears it. */
                if (within == 0)
                        *(uint8_t *)data = atomic_exchange(&pci->common.isr, 0);
                break;
        case DEVICE:
                virtio_device_read_config(pci->device, within, data, size);
                break;
        default: /* doorbells, and nothing */
                break;
        }
}

static void bar_write(void *device, _unused_ unsigned bar, uint64_t offset, const void *data,
                      size_t size)
{
        VirtioPci *pci = device;
        uint64_t within = offset % REGION_SIZE;

        if (within + size > REGION_SIZE)
                return;
        switch (offset - within) {
        case COMMON:
                virtio_pci_common_write(&pci->common, within, data, size);
                break;
        case DEVICE:
                virtio_device_write_config(pci->device, within, data, size);
                break;
        case NOTIFY:
                /* As the doorbell: where it is written says which queue, section 4.1.5.2. */
                if (within % NOTIFY_STEP == 0)
                        virtio_device_notify_queue(pci->device, (unsigned)(within / NOTIFY_STEP));
                break;
        default:
                break;
        }
}

static void bar_moved(void *device, _unused_ unsigned bar, uint64_t address)
{
        VirtioPci *pci = device;
        int first_error = 0;

        if (!pci->doorbell.add)
                return;
        for (unsigned i = 0; i < pci->common.n_queues; i++) {
                int r, fd = virtio_device_queue_event_fd(pci->device, i);
                uint64_t at = i * NOTIFY_STEP;

                if (pci->has_doorbell[i])
                        pci->doorbell.remove(pci->doorbell.context, pci->doorbells + at, fd);
                pci->has_doorbell[i] = false;
                if (address == PCI_BAR_UNMAPPED || fd < 0)
                        continue;
                r = pci->doorbell.add(pci->doorbell.context, address + NOTIFY + at, fd);
                pci->has_doorbell[i] = r >= 0;
                if (r < 0 && first_error == 0)
                        first_error = r;
        }
        pci->doorbells = address + NOTIFY;
        if (first_error < 0)
                guest_log(&pci->log, LOG_WARNING,
                          "%s device: no doorbell at 0x%llx: %s; kicks take longer",
                          virtio_device_info(pci->device)->name, (unsigned long long)pci->doorbells,
                          strerrordesc_np(-first_error));
}

/* --- VIRTIO_PCI_CAP_PCI_CFG, section 4.1.4.9: the BAR through configuration space --- */

static uint32_t cfg_field(const VirtioPci *pci, size_t field)
{
        uint8_t bytes[4];

        pci_device_peek(pci->function, pci->cfg_capability + (unsigned)field, bytes, sizeof(bytes));
        return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
               (uint32_t)bytes[3] << 24;
}

/* Whether the capability names an access, and the hook is for its data. */
static bool cfg_is_access(const VirtioPci *pci, unsigned offset, size_t size, uint32_t *ret_offset,
                          uint32_t *ret_length)
{
        uint32_t at = cfg_field(pci, CFG_OFFSET), length = cfg_field(pci, CFG_LENGTH);

        *ret_offset = at;
        *ret_length = length;
        return offset + size > CFG_DATA && (cfg_field(pci, CFG_BAR) & 0xffU) == BAR &&
               (length == 1 || length == 2 || length == 4) && at % length == 0 &&
               at <= BAR_SIZE - length;
}

static void capability_read(void *device, unsigned offset, size_t size)
{
        VirtioPci *pci = device;
        uint32_t at, length;
        uint8_t bytes[4];

        if (!cfg_is_access(pci, offset, size, &at, &length))
                return;
        bar_read(pci, BAR, at, bytes, length);
        pci_device_poke(pci->function, pci->cfg_capability + (unsigned)CFG_DATA, bytes, length);
}

static void capability_written(void *device, unsigned offset, size_t size)
{
        VirtioPci *pci = device;
        uint32_t at, length;
        uint8_t bytes[4];

        if (!cfg_is_access(pci, offset, size, &at, &length))
                return;
        pci_device_peek(pci->function, pci->cfg_capability + (unsigned)CFG_DATA, bytes, length);
        bar_write(pci, BAR, at, bytes, length);
}

/* --- Assembly --- */

static void function_reset(void *device)
{
        VirtioPci *pci = device;

        virtio_pci_common_reset(&pci->common);
}

static const PciDeviceOps function_ops = {
        bar_read, bar_write, bar_moved, capability_read, capability_written, function_reset,
};

/* Section 4.1.4: a structure of size bytes at offset of the BAR. Returns as
 * pci_device_add_capability(). */
static int add_structure(VirtioPci *pci, uint8_t type, uint32_t offset, uint32_t size)
{
        struct virtio_pci_notify_cap body = {
                .cap = {.cap_len = sizeof(struct virtio_pci_cap),
                        .cfg_type = type,
                        .bar = BAR,
                        .offset = offset,
                        .length = size},
        };

        if (type == VIRTIO_PCI_CAP_NOTIFY_CFG) {
                body.cap.cap_len = sizeof(body);
                body.notify_off_multiplier = NOTIFY_STEP;
        }
        return pci_device_add_capability(pci->function, PCI_CAP_ID_VNDR, &body, NULL,
                                         body.cap.cap_len, false);
}

static int add_cfg_access(VirtioPci *pci)
{
        const struct virtio_pci_cfg_cap body = {
                .cap = {.cap_len = sizeof(body), .cfg_type = VIRTIO_PCI_CAP_PCI_CFG},
        };
        uint8_t mask[sizeof(body)] = {0};
        int r;

        memset(mask + CFG_BAR, 0xff, 1);
        memset(mask + CFG_OFFSET, 0xff, sizeof(mask) - CFG_OFFSET);
        r = pci_device_add_capability(pci->function, PCI_CAP_ID_VNDR, &body, mask, sizeof(body),
                                      true);
        if (r >= 0)
                pci->cfg_capability = (unsigned)r;
        return r;
}

static int add_structures(VirtioPci *pci, const MsiLine *msi)
{
        const VirtioInfo *info = virtio_device_info(pci->device);
        int r;

        r = pci_device_add_bar(pci->function, BAR, BAR_SIZE);
        if (r >= 0)
                r = add_structure(pci, VIRTIO_PCI_CAP_COMMON_CFG, COMMON, VIRTIO_PCI_COMMON_SIZE);
        if (r >= 0)
                r = add_structure(pci, VIRTIO_PCI_CAP_ISR_CFG, ISR, ISR_SIZE);
        if (r >= 0)
                r = add_structure(pci, VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY,
                                  info->n_queues * NOTIFY_STEP);
        if (r >= 0 && info->config_size > 0)
                r = add_structure(pci, VIRTIO_PCI_CAP_DEVICE_CFG, DEVICE, info->config_size);
        if (r >= 0)
                r = add_cfg_access(pci);
        return r < 0 ? r
                     : pci_device_add_msix(pci->function, pci->common.n_vectors, BAR, MSIX_TABLE,
                                           MSIX_PBA, msi);
}

int virtio_pci_new(PciBus *bus, unsigned slot, VirtioDevice *device, const MsiLine *msi,
                   const Doorbell *doorbell, VirtioPci **ret)
{
        const VirtioInfo *info = virtio_device_info(device);
        const uint16_t device_id = (uint16_t)(DEVICE_ID_FIRST + info->id);
        const PciIdentity identity = {
                .vendor = VENDOR_ID,
                .device = device_id,
                .subsystem_vendor = VENDOR_ID,
                .subsystem_device = device_id, /* section 4.1.2.1: 0x40 or more */
                .class_code = class_code(info->id),
                .revision = REVISION,
        };
        VirtioPci *pci;
        int r;

        if (info->id == 0 || info->id > DEVICE_ID_MAX)
                return -EINVAL;
        pci = calloc(1, sizeof(*pci));
        if (!pci)
                return -ENOMEM;
        pci->device = device;
        pci->doorbell = *doorbell;
        virtio_pci_common_init(&pci->common, device, virtio_pci_n_vectors(device));
        pci->doorbells = PCI_BAR_UNMAPPED;
        guest_log_init(&pci->log);
        r = pci_device_new(bus, slot, &identity, &function_ops, pci, &pci->function);
        if (r >= 0)
                r = add_structures(pci, msi);
        if (r < 0) {
                virtio_pci_free(pci);
                return r;
        }
        pci_device_set_pending(pci->function, &pci->common.isr);
        virtio_device_set_transport(device, &transport_ops, pci);
        *ret = pci;
        return 0;
}

VirtioPci *virtio_pci_free(VirtioPci *pci)
{
        if (!pci)
                return NULL;
        virtio_pci_common_done(&pci->common);
        guest_log_done(&pci->log);
        free(pci);
        return NULL;
}
