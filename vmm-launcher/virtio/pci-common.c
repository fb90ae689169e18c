/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virtio/pci-common.h"

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <string.h>

/* Section 4.1.5.1.2.1: what there is no vector for reads back as none. */
static uint16_t vector_mapped(const VirtioPciCommon *common, uint32_t vector)
{
        return vector < common->n_vectors ? (uint16_t)vector : VIRTIO_MSI_NO_VECTOR;
}

/* Also what the driver finds after it wrote a status of 0. */
static void forget_registers(VirtioPciCommon *common)
{
        common->device_feature_select = common->driver_feature_select = 0;
        common->queue_select = 0;
        atomic_store(&common->config_vector, VIRTIO_MSI_NO_VECTOR);
        for (unsigned i = 0; i < common->n_queues; i++)
                atomic_store(&common->queue_vectors[i], VIRTIO_MSI_NO_VECTOR);
        atomic_store(&common->isr, 0);
}

static uint32_t feature_word(uint64_t features, uint32_t select)
{
        return select < 2 ? (uint32_t)(features >> 32 * select) : 0;
}

static void set_feature_word(VirtioPciCommon *common, uint32_t value)
{
        unsigned shift = 32 * common->driver_feature_select;
        uint64_t features;

        if (common->driver_feature_select >= 2)
                return;
        features = virtio_device_get_accepted(common->device) & ~(0xffffffffULL << shift);
        virtio_device_set_accepted(common->device, features | (uint64_t)value << shift);
}

static uint16_t queue_vector(VirtioPciCommon *common)
{
        return common->queue_select < common->n_queues
                       ? atomic_load(&common->queue_vectors[common->queue_select])
                       : VIRTIO_MSI_NO_VECTOR;
}

static uint32_t queue_read(VirtioPciCommon *common, unsigned field)
{
        VirtioQueueRegisters queue = virtio_device_get_queue(common->device, common->queue_select);

        switch (field) {
        case VIRTIO_PCI_COMMON_Q_SIZE:
                return queue.size;
        case VIRTIO_PCI_COMMON_Q_MSIX:
                return queue_vector(common);
        case VIRTIO_PCI_COMMON_Q_ENABLE:
                return queue.enabled;
        case VIRTIO_PCI_COMMON_Q_NOFF:
                return common->queue_select < common->n_queues ? common->queue_select : 0;
        case VIRTIO_PCI_COMMON_Q_DESCLO:
                return (uint32_t)queue.descriptor_table;
        case VIRTIO_PCI_COMMON_Q_DESCHI:
                return (uint32_t)(queue.descriptor_table >> 32);
        case VIRTIO_PCI_COMMON_Q_AVAILLO:
                return (uint32_t)queue.driver_area;
        case VIRTIO_PCI_COMMON_Q_AVAILHI:
                return (uint32_t)(queue.driver_area >> 32);
        case VIRTIO_PCI_COMMON_Q_USEDLO:
                return (uint32_t)queue.device_area;
        case VIRTIO_PCI_COMMON_Q_USEDHI:
                return (uint32_t)(queue.device_area >> 32);
        case VIRTIO_PCI_COMMON_Q_RESET:
                return virtio_device_is_queue_resetting(common->device, common->queue_select);
        default:
                return 0;
        }
}

static uint32_t register_read(VirtioPciCommon *common, unsigned field)
{
        switch (field) {
        case VIRTIO_PCI_COMMON_DFSELECT:
                return common->device_feature_select;
        case VIRTIO_PCI_COMMON_DF:
                return feature_word(virtio_device_get_offered(common->device),
                                    common->device_feature_select);
        case VIRTIO_PCI_COMMON_GFSELECT:
                return common->driver_feature_select;
        case VIRTIO_PCI_COMMON_GF:
                return feature_word(virtio_device_get_accepted(common->device),
                                    common->driver_feature_select);
        case VIRTIO_PCI_COMMON_MSIX:
                return atomic_load(&common->config_vector);
        case VIRTIO_PCI_COMMON_NUMQ:
                return common->n_queues;
        case VIRTIO_PCI_COMMON_STATUS:
                return virtio_device_get_status(common->device);
        case VIRTIO_PCI_COMMON_CFGGENERATION:
                return virtio_device_get_generation(common->device);
        case VIRTIO_PCI_COMMON_Q_SELECT:
                return common->queue_select;
        default:
                return queue_read(common, field);
        }
}

static void replace_low(uint64_t *word, uint32_t value)
{
        *word = (*word & ~0xffffffffULL) | value;
}

static void replace_high(uint64_t *word, uint32_t value)
{
        *word = (*word & 0xffffffffULL) | (uint64_t)value << 32;
}

/* A register of the queue that is selected. Whether it may be written now is the device's to say.
 */
static void queue_write(VirtioPciCommon *common, unsigned field, uint32_t value)
{
        VirtioQueueRegisters queue = virtio_device_get_queue(common->device, common->queue_select);

        switch (field) {
        case VIRTIO_PCI_COMMON_Q_SIZE:
                queue.size = value;
                break;
        case VIRTIO_PCI_COMMON_Q_ENABLE:
                if (value != 1) /* section 4.1.4.3.2: the driver must not write 0 */
                        return;
                queue.enabled = true;
                break;
        case VIRTIO_PCI_COMMON_Q_DESCLO:
                replace_low(&queue.descriptor_table, value);
                break;
        case VIRTIO_PCI_COMMON_Q_DESCHI:
                replace_high(&queue.descriptor_table, value);
                break;
        case VIRTIO_PCI_COMMON_Q_AVAILLO:
                replace_low(&queue.driver_area, value);
                break;
        case VIRTIO_PCI_COMMON_Q_AVAILHI:
                replace_high(&queue.driver_area, value);
                break;
        case VIRTIO_PCI_COMMON_Q_USEDLO:
                replace_low(&queue.device_area, value);
                break;
        case VIRTIO_PCI_COMMON_Q_USEDHI:
                replace_high(&queue.device_area, value);
                break;
        default:
                return;
        }
        virtio_device_set_queue(common->device, common->queue_select, &queue);
}

static void register_write(VirtioPciCommon *common, unsigned field, uint32_t value)
{
        switch (field) {
        case VIRTIO_PCI_COMMON_DFSELECT:
                common->device_feature_select = value;
                break;
        case VIRTIO_PCI_COMMON_GFSELECT:
                common->driver_feature_select = value;
                break;
        case VIRTIO_PCI_COMMON_GF:
                set_feature_word(common, value);
                break;
        case VIRTIO_PCI_COMMON_MSIX:
                atomic_store(&common->config_vector, vector_mapped(common, value));
                break;
        case VIRTIO_PCI_COMMON_STATUS:
                if (value == 0)
                        forget_registers(common);
                virtio_device_set_status(common->device, (uint8_t)value);
                break;
        case VIRTIO_PCI_COMMON_Q_SELECT:
                common->queue_select = (uint16_t)value;
                break;
        case VIRTIO_PCI_COMMON_Q_MSIX:
                if (common->queue_select < common->n_queues)
                        atomic_store(&common->queue_vectors[common->queue_select],
                                     vector_mapped(common, value));
                break;
        case VIRTIO_PCI_COMMON_Q_RESET:
                if (value == 1)
                        virtio_device_reset_queue(common->device, common->queue_select);
                break;
        default:
                queue_write(common, field, value);
        }
}

/* The width of the field that begins here; 0: none does. 64-bit ones are two halves. */
static size_t common_width(uint64_t offset)
{
        static const uint8_t widths[VIRTIO_PCI_COMMON_SIZE] = {
                [VIRTIO_PCI_COMMON_DFSELECT] = 4,  [VIRTIO_PCI_COMMON_DF] = 4,
                [VIRTIO_PCI_COMMON_GFSELECT] = 4,  [VIRTIO_PCI_COMMON_GF] = 4,
                [VIRTIO_PCI_COMMON_MSIX] = 2,      [VIRTIO_PCI_COMMON_NUMQ] = 2,
                [VIRTIO_PCI_COMMON_STATUS] = 1,    [VIRTIO_PCI_COMMON_CFGGENERATION] = 1,
                [VIRTIO_PCI_COMMON_Q_SELECT] = 2,  [VIRTIO_PCI_COMMON_Q_SIZE] = 2,
                [VIRTIO_PCI_COMMON_Q_MSIX] = 2,    [VIRTIO_PCI_COMMON_Q_ENABLE] = 2,
                [VIRTIO_PCI_COMMON_Q_NOFF] = 2,    [VIRTIO_PCI_COMMON_Q_DESCLO] = 4,
                [VIRTIO_PCI_COMMON_Q_DESCHI] = 4,  [VIRTIO_PCI_COMMON_Q_AVAILLO] = 4,
                [VIRTIO_PCI_COMMON_Q_AVAILHI] = 4, [VIRTIO_PCI_COMMON_Q_USEDLO] = 4,
                [VIRTIO_PCI_COMMON_Q_USEDHI] = 4,  [VIRTIO_PCI_COMMON_Q_NDATA] = 2,
                [VIRTIO_PCI_COMMON_Q_RESET] = 2,
        };

        return offset < VIRTIO_PCI_COMMON_SIZE ? widths[offset] : 0;
}

/* Section 4.1.3.1: the driver uses a field's own width, and for 64 bits may use both halves' at
 * once. How many fields of width *ret_width the access is; 0: it is none. */
static unsigned common_fields(uint64_t offset, size_t size, size_t *ret_width)
{
        size_t width = common_width(offset);

        *ret_width = width;
        if (width > 0 && size == width)
                return 1;
        if (size == 8 && width == 4 && offset >= VIRTIO_PCI_COMMON_Q_DESCLO && offset % 8 == 0)
                return 2;
        return 0;
}

void virtio_pci_common_read(VirtioPciCommon *common, uint64_t offset, uint8_t *data, size_t size)
{
        size_t width;
        unsigned n = common_fields(offset, size, &width);

        (void)pthread_mutex_lock(&common->lock);
        for (unsigned i = 0; i < n; i++) {
                uint32_t value = register_read(common, (unsigned)(offset + i * width));

                memcpy(data + i * width, &value, width);
        }
        (void)pthread_mutex_unlock(&common->lock);
}

void virtio_pci_common_write(VirtioPciCommon *common, uint64_t offset, const uint8_t *data,
                             size_t size)
{
        size_t width;
        unsigned n = common_fields(offset, size, &width);

        (void)pthread_mutex_lock(&common->lock);
        for (unsigned i = 0; i < n; i++) {
                uint32_t value = 0;

                memcpy(&value, data + i * width, width);
                register_write(common, (unsigned)(offset + i * width), value);
        }
        (void)pthread_mutex_unlock(&common->lock);
}

void virtio_pci_common_init(VirtioPciCommon *common, VirtioDevice *device, unsigned n_vectors)
{
        *common = (VirtioPciCommon){
                .device = device,
                .n_queues = virtio_device_info(device)->n_queues,
                .n_vectors = n_vectors,
        };
        (void)pthread_mutex_init(&common->lock, NULL);
        forget_registers(common);
}

void virtio_pci_common_done(VirtioPciCommon *common)
{
        (void)pthread_mutex_destroy(&common->lock);
}

void virtio_pci_common_reset(VirtioPciCommon *common)
{
        (void)pthread_mutex_lock(&common->lock);
        forget_registers(common);
        (void)pthread_mutex_unlock(&common->lock);
}
