/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* MSI-X (PCI 3.0 section 6.8.2): the table, the pending bits, the masks. */

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "pci/pci-internal.h"

#define VECTORS_MAX 2048U

#define WORD_ADDRESS_LOW  (PCI_MSIX_ENTRY_LOWER_ADDR / 4)
#define WORD_ADDRESS_HIGH (PCI_MSIX_ENTRY_UPPER_ADDR / 4)
#define WORD_DATA         (PCI_MSIX_ENTRY_DATA / 4)
#define WORD_CONTROL      (PCI_MSIX_ENTRY_VECTOR_CTRL / 4)

static uint32_t table_size(const Msix *msix)
{
        return msix->n_vectors * PCI_MSIX_ENTRY_SIZE;
}

static uint32_t pba_size(const Msix *msix)
{
        return (msix->n_vectors + 63) / 64 * 8;
}

static bool region_fits(uint32_t bar_size, uint32_t offset, uint32_t size)
{
        return offset % 8 == 0 && size <= bar_size && offset <= bar_size - size;
}

int pci_device_add_msix(PciDevice *device, unsigned n_vectors, unsigned bar, uint32_t table_offset,
                        uint32_t pba_offset, const MsiLine *msi)
{
        const uint8_t mask[PCI_CAP_MSIX_SIZEOF] = {
                [PCI_MSIX_FLAGS + 1] = (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8};
        uint8_t body[PCI_CAP_MSIX_SIZEOF] = {0};
        Msix msix = {.line = *msi,
                     .n_vectors = n_vectors,
                     .bar = bar,
                     .table = table_offset,
                     .pba = pba_offset};
        int r;

        if (device->msix.n_vectors > 0)
                return -EEXIST;
        if (n_vectors == 0 || n_vectors > VECTORS_MAX || bar >= PCI_BARS ||
            !region_fits(device->bars[bar].size, table_offset, table_size(&msix)) ||
            !region_fits(device->bars[bar].size, pba_offset, pba_size(&msix)))
                return -EINVAL;
        body[PCI_MSIX_FLAGS] = (uint8_t)(n_vectors - 1);
        body[PCI_MSIX_FLAGS + 1] = (uint8_t)((n_vectors - 1) >> 8);
        for (unsigned i = 0; i < 4; i++) {
                body[PCI_MSIX_TABLE + i] = (uint8_t)((table_offset | bar) >> 8 * i);
                body[PCI_MSIX_PBA + i] = (uint8_t)((pba_offset | bar) >> 8 * i);
        }
        msix.vectors = calloc(n_vectors, sizeof(*msix.vectors));
        if (!msix.vectors)
                return -ENOMEM;
        r = pci_device_add_capability(device, PCI_CAP_ID_MSIX, body, mask, sizeof(body), false);
        if (r < 0) {
                free(msix.vectors);
                return r;
        }
        msix.capability = (unsigned)r;
        device->msix = msix;
        msix_reset(device);
        return 0;
}

void msix_done(PciDevice *device)
{
        free(TAKE_PTR(device->msix.vectors));
}

/* Section 6.8.2.9 and, for bus mastering, without which a function sends no message, 6.2.2. */
static bool vector_should_be_connected(const PciDevice *device, const MsixVector *vector)
{
        uint16_t flags = pci_config_word(device, device->msix.capability + PCI_MSIX_FLAGS);

        return flags & PCI_MSIX_FLAGS_ENABLE && !(flags & PCI_MSIX_FLAGS_MASKALL) &&
               pci_config_word(device, PCI_COMMAND) & PCI_COMMAND_MASTER &&
               !(vector->words[WORD_CONTROL] & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

static void vector_connect(PciDevice *device, unsigned index)
{
        MsixVector *vector = &device->msix.vectors[index];
        const MsiLine *line = &device->msix.line;
        uint64_t address =
                vector->words[WORD_ADDRESS_LOW] | (uint64_t)vector->words[WORD_ADDRESS_HIGH] << 32;
        int r = line->ops->unmask(line->context, index, address, vector->words[WORD_DATA]);

        if (r < 0)
                guest_log(&device->bus->log, LOG_WARNING,
                          "PCI 00:%02x.0: interrupt vector %u cannot be connected (message 0x%llx, "
                          "0x%x): %s; it stays silent",
                          device->slot, index, (unsigned long long)address,
                          vector->words[WORD_DATA], strerrordesc_np(-r));
        vector->is_connected = r >= 0;
}

static void vector_disconnect(PciDevice *device, unsigned index)
{
        const MsiLine *line = &device->msix.line;

        line->ops->mask(line->context, index);
        device->msix.vectors[index].is_connected = false;
}

void msix_update(PciDevice *device)
{
        Msix *msix = &device->msix;

        if (msix->n_vectors == 0)
                return;
        atomic_store(&msix->is_enabled, pci_config_word(device, msix->capability + PCI_MSIX_FLAGS) &
                                                PCI_MSIX_FLAGS_ENABLE);
        for (unsigned i = 0; i < msix->n_vectors; i++) {
                bool wanted = vector_should_be_connected(device, &msix->vectors[i]);

                if (wanted && !msix->vectors[i].is_connected)
                        vector_connect(device, i);
                else if (!wanted && msix->vectors[i].is_connected)
                        vector_disconnect(device, i);
        }
}

/* The registers have their reset values. */
void msix_reset(PciDevice *device)
{
        Msix *msix = &device->msix;

        msix_update(device);
        for (unsigned i = 0; i < msix->n_vectors; i++) {
                msix->line.ops->clear(msix->line.context, i);
                msix->vectors[i] =
                        (MsixVector){.words = {[WORD_CONTROL] = PCI_MSIX_ENTRY_CTRL_MASKBIT}};
        }
}

static void table_write(PciDevice *device, unsigned word, uint32_t value)
{
        unsigned index = word / 4;
        MsixVector *vector = &device->msix.vectors[index];

        /* The rest of the control word is reserved and reads as zero. */
        if (word % 4 == WORD_CONTROL)
                value &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
        if (vector->words[word % 4] == value)
                return;
        vector->words[word % 4] = value;
        /* A message that changes while it is not masked: the guest may not, and gets the new one.
         */
        if (vector_should_be_connected(device, vector))
                vector_connect(device, index);
        else if (vector->is_connected)
                vector_disconnect(device, index);
}

/* A vector that is connected has nothing pending: it has been delivered. */
static uint32_t pending_word(const PciDevice *device, unsigned word)
{
        const Msix *msix = &device->msix;
        uint32_t bits = 0;

        for (unsigned i = word * 32; i < msix->n_vectors && i < word * 32 + 32; i++)
                if (!msix->vectors[i].is_connected &&
                    msix->line.ops->is_pending(msix->line.context, i))
                        bits |= 1U << i % 32;
        return bits;
}

typedef enum MsixPart { MSIX_ELSEWHERE, MSIX_TABLE, MSIX_PBA, MSIX_NONSENSE } MsixPart;

static bool touches(uint64_t offset, size_t size, uint32_t start, uint32_t length)
{
        return offset < (uint64_t)start + length && offset + size > start;
}

/* *ret_word: which 32-bit word of the part. */
static MsixPart msix_find(const PciDevice *device, unsigned bar, uint64_t offset, size_t size,
                          unsigned *ret_word)
{
        const Msix *msix = &device->msix;
        bool in_table, in_pba;

        if (msix->n_vectors == 0 || bar != msix->bar)
                return MSIX_ELSEWHERE;
        in_table = touches(offset, size, msix->table, table_size(msix));
        in_pba = touches(offset, size, msix->pba, pba_size(msix));
        if (!in_table && !in_pba)
                return MSIX_ELSEWHERE;
        if ((size != 4 && size != 8) || offset % size != 0)
                return MSIX_NONSENSE;
        *ret_word = (unsigned)(offset - (in_table ? msix->table : msix->pba)) / 4;
        return in_table ? MSIX_TABLE : MSIX_PBA;
}

bool msix_read(PciDevice *device, unsigned bar, uint64_t offset, void *data, size_t size)
{
        uint32_t words[2];
        unsigned word = 0;
        MsixPart part = msix_find(device, bar, offset, size, &word);

        if (part == MSIX_ELSEWHERE)
                return false;
        if (part == MSIX_NONSENSE) {
                memset(data, 0xff, size);
                return true;
        }
        for (unsigned i = 0; i < size / 4; i++)
                words[i] = part == MSIX_TABLE
                                   ? device->msix.vectors[(word + i) / 4].words[(word + i) % 4]
                                   : pending_word(device, word + i);
        memcpy(data, words, size);
        return true;
}

bool msix_write(PciDevice *device, unsigned bar, uint64_t offset, const void *data, size_t size)
{
        uint32_t words[2];
        unsigned word = 0;
        MsixPart part = msix_find(device, bar, offset, size, &word);

        if (part != MSIX_TABLE)
                return part != MSIX_ELSEWHERE;
        memcpy(words, data, size);
        for (unsigned i = 0; i < size / 4; i++)
                table_write(device, word + i, words[i]);
        return true;
}

bool pci_device_has_msix_on(const PciDevice *device)
{
        return atomic_load(&device->msix.is_enabled);
}

void pci_device_signal(PciDevice *device, unsigned vector)
{
        const MsiLine *line = &device->msix.line;

        if (vector < device->msix.n_vectors && pci_device_has_msix_on(device))
                line->ops->signal(line->context, vector);
}
