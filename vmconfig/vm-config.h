/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * VmConfig: what a machine is made of (AVF: VirtualMachineRawConfig, VirtualMachineConfig). One
 * field table, vm_config_fields[], is the source for parse, validation, serialisation and the
 * documents; data/vm-config.schema.json is checked against it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/json-fields.h"

#define VM_CONFIG_MAX_SIZE   (32U * 1024U) /* bytes of JSON */
#define VM_CONFIG_MIN_MEMORY 2U            /* MiB: the kernel is loaded at 1 MiB */
#define VM_CONFIG_MAX_MEMORY                                                                       \
        (1024U * 1024U) /* MiB: 1 TiB; the host's own size is checked by the daemon */
#define VM_CONFIG_MAX_VCPUS                                                                        \
        255U /* xAPIC ids; beyond them comes with x2APIC interrupt remapping                       \
              */
#define VM_CONFIG_MAX_PARAMS 65535U /* bytes; the kernel image's own limit is checked at boot */

typedef enum VmOnEnd {
        VM_ON_END_STOP,
        VM_ON_END_RESTART,
} VmOnEnd;

typedef enum VmCpuTopology {
        VM_CPU_TOPOLOGY_ONE_CPU,
        VM_CPU_TOPOLOGY_MATCH_HOST,
} VmCpuTopology;

typedef struct VmConfig {
        char *name;             /* informational; the machine's name is given at creation */
        char *platform_version; /* "~1.0": which platform the guest was made for; default "~1.0" */
        char *kernel;           /* file key: a 64-bit ELF with a PVH note, or a bzImage */
        char *initrd;           /* file key */
        char *params;           /* kernel command line */
        char *bootloader;       /* file key; excludes kernel, initrd and params */
        uint64_t memory_mib;    /* default 256 */
        int cpu_topology;       /* VmCpuTopology; excludes cpu_count */
        uint64_t cpu_count;     /* 0: by cpu_topology */
        bool is_protected;      /* key "protected" */
        int on_reboot;          /* VmOnEnd; default restart */
        int on_crash;           /* VmOnEnd, for guest panic and triple fault; default stop */
        uint64_t console_scrollback_kib; /* ring in the monitor; 4 to 1024, default 64 */
        uint64_t console_log_kib; /* per part of the rotated log; 64 to 65536, default 1024; two
                                     parts kept */
} VmConfig;

extern const JsonField vm_config_fields[];

/*
 * Parses and validates in full: field by field, then the rules between fields (kernel or bootloader
 * and not both; initrd and params need kernel; cpu_topology excludes cpu_count; platform_version is
 * a semantic version requirement). 0, -EBADMSG with *problem, -ENOMEM. On success the caller calls
 * vm_config_done().
 */
int vm_config_parse(const char *text, size_t length, VmConfig *ret, JsonProblem *problem);

/* The same from a parsed object (the monitor receives its config inside a frame). */
int vm_config_load(json_object *json, VmConfig *ret, JsonProblem *problem);

/* The opposite, defaults filled in: parses again to the same. NULL without memory. */
json_object *vm_config_save(const VmConfig *config);

/* The files that the config names: keys in the order kernel, initrd, bootloader; borrowed strings.
 */
#define VM_CONFIG_MAX_FILES 16
size_t vm_config_files(const VmConfig *config, const char *ret_keys[VM_CONFIG_MAX_FILES]);

/* The number of vCPUs that the config means on a host with host_cpus processors. */
unsigned vm_config_vcpus(const VmConfig *config, unsigned host_cpus);

/* Frees what the config owns and empties it. */
void vm_config_done(VmConfig *config);
