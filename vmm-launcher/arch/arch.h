/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The contract between the monitor and a processor architecture. arch/<a>/ holds files of the same
 * names for each: layout, vm, vcpu, exit, boot, acpi (x86_64) or fdt (arm64). Shared files name no
 * architecture; meson picks the folder.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot/boot.h"
#include "core/bus.h"
#include "core/guest-memory.h"
#include "core/pci-place.h"
#include "kvm/kvm.h"

/* The guest's RAM regions for memory_bytes, in rising order: with the hole below 4 GiB on x86-64.
 */
size_t arch_memory_layout(uint64_t memory_bytes, GuestRegion ret[GUEST_MEMORY_MAX_REGIONS]);

/*
 * After the memslots, which the in-kernel irqchip makes fifty times dearer: what the processor
 * needs reserved in guest physical memory, then the irqchip.
 */
int arch_vm_init(const KvmVm *vm);

/*
 * The routes of the irqchip's own inputs, as KVM has them after arch_vm_init(): a table of routes
 * replaces them all, so they stand in each. Returns how many; *ret_first_free is the first GSI that
 * none of them takes.
 */
#define ARCH_IRQ_ROUTES_MAX 64U
struct kvm_irq_routing_entry;
size_t arch_irq_routes(struct kvm_irq_routing_entry *ret, unsigned *ret_first_free);

/* Where its PCI bus is. Static storage. */
const PciPlace *arch_pci_place(void);

/* What KVM supports on this host, for vCPUs to be made of. */
typedef struct ArchHost ArchHost;

int arch_host_new(ArchHost **ret);
ArchHost *arch_host_free(ArchHost *host);
/*
 * Fills it, on any thread, while nothing else is at the object: slow where KVM itself runs in a
 * virtual machine, and so done beside other things.
 */
int arch_host_survey(ArchHost *host, int kvm_fd);

/* Features, topology and firmware's register settings of new vCPUs, before their first run. Uses up
 * the survey. */
int arch_vcpus_init(ArchHost *host, const KvmVcpu *vcpus, unsigned n_vcpus);

/* Power-on state again, for a machine that has run; no vCPU may be running. */
int arch_vm_reset(const KvmVm *vm);
int arch_vcpus_reset(const KvmVcpu *vcpus, unsigned n_vcpus);

/* Tells the guest that it was paused, before it goes on: its watchdogs are not to count the time.
 */
void arch_vcpus_note_pause(const KvmVcpu *vcpus, unsigned n_vcpus);

/* Registers of vCPU 0 at the image's entry; the others wait for the guest to start them. */
int arch_vcpu_set_entry(const KvmVcpu *vcpu, const BootImage *image, uint64_t boot_params);

typedef struct ArchBootInput {
        GuestMemory *memory;
        int kernel_fd, initrd_fd; /* initrd_fd: -1 for none */
        const char *cmdline;
        unsigned n_vcpus;
} ArchBootInput;

/*
 * Loads kernel, initrd, command line, the boot parameters and the platform description (ACPI
 * tables) into guest memory. *ret_boot_params is what vCPU 0 is handed. Errors as
 * boot_image_load().
 */
int arch_boot_load(const ArchBootInput *input, BootImage *ret_image, uint64_t *ret_boot_params,
                   BootProblem *problem);

/* The platform's devices that are not found by probing, and where this architecture has them. */
typedef enum ArchDeviceKind {
        ARCH_DEVICE_SERIAL,
        ARCH_DEVICE_POWER, /* power-off, reset, power button */
        ARCH_DEVICE_PVPANIC,
        ARCH_DEVICE_PAYLOAD_PORT,
        ARCH_DEVICE_I8042,
        _ARCH_DEVICE_KIND_MAX,
} ArchDeviceKind;

typedef struct ArchDevicePlace {
        ArchDeviceKind kind;
        bool is_port; /* on the port bus, else on the memory bus */
        uint64_t address, size;
        unsigned gsi;
} ArchDevicePlace;

/* Static storage. */
size_t arch_devices(const ArchDevicePlace **ret);

/*
 * The same bytes of machine code on the host and in a guest: count rounds of a loop. In a guest
 * they stand at ARCH_SPEED_CODE, followed by an access that leaves it.
 */
#define ARCH_SPEED_CODE 0x10000ULL

int arch_speed_load(GuestMemory *memory);
int arch_speed_set_count(const KvmVcpu *vcpu, uint32_t count);
/* The rounds that are still to go, after an interruption. */
int arch_speed_get_count(const KvmVcpu *vcpu, uint32_t *ret);
void arch_speed_run_on_host(uint32_t count);

/* A type of KVM_CREATE_VM that promises more than a plain VM. */
typedef struct ArchVmType {
        unsigned bit;           /* in KVM_CAP_VM_TYPES' answer */
        unsigned long argument; /* of KVM_CREATE_VM */
        bool is_offered;        /* this monitor can start protected VMs of it */
} ArchVmType;

/* The kinds that this architecture knows (*ret is static storage), and how many. */
size_t arch_protected_vm_types(const ArchVmType **ret);
