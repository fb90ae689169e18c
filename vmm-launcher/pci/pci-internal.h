/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * struct PciBus and struct PciDevice, and what their files share: pci-bus.c (who is addressed),
 * pci-config.c (configuration space), pci-device.c (putting a function together), msix.c.
 * Everything is under the bus's lock once vCPUs run, but what says atomic.
 */

#include <pthread.h>
#include <stdatomic.h>

#include "core/guest-log.h"
#include "pci/pci-bus.h"

#define PCI_SLOTS           32U
#define PCI_CONFIG_SIZE     256U
#define PCI_CONFIG_EXTENDED 4096U /* what ECAM has room for */
#define PCI_BARS            6U
#define PCI_MAX_HOOKS       8U
#define PCI_MAX_BARS        (PCI_SLOTS * 2U) /* of all functions together */

typedef struct PciBar {
        PciDevice *device;
        unsigned index;
        uint32_t size;    /* bytes; 0: there is none */
        uint64_t address; /* where it answers, or PCI_BAR_UNMAPPED */
} PciBar;

/* Bytes of configuration space that the device wants to know of. */
typedef struct PciHook {
        unsigned offset, size;
} PciHook;

typedef struct MsixVector {
        uint32_t words[4]; /* as the guest sees them: address, data, control */
        bool is_connected;
} MsixVector;

typedef struct Msix {
        MsiLine line;
        unsigned capability; /* its offset in configuration space */
        unsigned n_vectors;  /* 0: no MSI-X */
        unsigned bar;
        uint32_t table, pba; /* offsets in the BAR */
        MsixVector *vectors;
        _Atomic bool is_enabled; /* by the guest; for signals, which take no lock */
} Msix;

struct PciDevice {
        PciBus *bus;
        unsigned slot;
        const PciDeviceOps *ops;
        void *context;
        uint8_t config[PCI_CONFIG_SIZE];
        uint8_t write_mask[PCI_CONFIG_SIZE];  /* a one for each bit that the guest may write */
        uint8_t reset_value[PCI_CONFIG_SIZE]; /* what config is after power-on */
        unsigned capabilities_end;            /* the next one goes here */
        unsigned last_capability;             /* 0: none yet */
        PciHook hooks[PCI_MAX_HOOKS];
        unsigned n_hooks;
        PciBar bars[PCI_BARS];
        Msix msix;
        const _Atomic uint8_t *pending; /* NULL: never */
};

struct PciBus {
        PciPlace place;
        pthread_mutex_t lock;
        PciDevice *devices[PCI_SLOTS];
        PciBar *bars[PCI_MAX_BARS]; /* those that exist */
        unsigned n_bars;
        uint64_t window_used;    /* bytes, from the window's start */
        uint32_t config_address; /* CONFIG_ADDRESS, PCI 3.0 section 3.2.2.3.2 */
        GuestLog log;
};

/* pci-config.c. One access of a vCPU to a function's configuration space; any offset, any size. */
void pci_config_read(PciDevice *device, uint64_t offset, void *data, size_t size);
void pci_config_write(PciDevice *device, uint64_t offset, const void *data, size_t size);
/* Follows what command and base address registers say now. */
void pci_config_update_bars(PciDevice *device);
uint16_t pci_config_word(const PciDevice *device, unsigned offset);
void pci_config_reset(PciDevice *device);

/* pci-device.c. slot may be 0. */
int pci_device_make(PciBus *bus, unsigned slot, const PciIdentity *identity,
                    const PciDeviceOps *ops, void *context, PciDevice **ret);
PciDevice *pci_device_free(PciDevice *device);

/*
 * msix.c. An access to a BAR: whether it touches the table or the pending bits, and was dealt with.
 * Only whole, aligned words of 4 or 8 bytes mean anything there (PCI 3.0 section 6.8.2).
 */
bool msix_read(PciDevice *device, unsigned bar, uint64_t offset, void *data, size_t size);
bool msix_write(PciDevice *device, unsigned bar, uint64_t offset, const void *data, size_t size);
/* Connects and disconnects vectors as the registers say now. */
void msix_update(PciDevice *device);
void msix_reset(PciDevice *device);
void msix_done(PciDevice *device);
