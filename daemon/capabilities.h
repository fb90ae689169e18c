/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What this host can do: the monitor's probe plus what the host says of itself. Pure: a table can
 * test it; capabilities-probe.h runs the probe.
 */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/problem.h"
#include "protocol/probe.h"
#include "vmconfig/vm-config.h"

/* AVF: VirtualMachineManager.CAPABILITY_* */
#define CAPABILITY_PROTECTED_VM     1U
#define CAPABILITY_NON_PROTECTED_VM 2U

typedef struct Capabilities {
        char *kvm_path;
        bool present; /* the device exists */
        bool opened;  /* and could be opened, by us */
        bool probed;  /* report holds the monitor's answer */
        ProbeReport report;
        char problem[512]; /* why no VM can run here: cause and fix; "" if one can */
        uint64_t memory_mib;
        unsigned cpus;
} Capabilities;

/* Begins anew, without a probe's answer. kvm_error: 0 or why the device could not be opened. */
int capabilities_init(Capabilities *capabilities, const char *kvm_path, int kvm_error,
                      uint64_t memory_mib, unsigned cpus);
void capabilities_done(Capabilities *capabilities);

/* Takes in what the probe wrote. -EBADMSG with *problem for what is no answer. */
int capabilities_take_probe(Capabilities *capabilities, const char *text, size_t length,
                            Problem *problem);

bool capabilities_usable(const Capabilities *capabilities);
uint32_t capabilities_mask(const Capabilities *capabilities);

/* Guest time / host time of one loop; 0 if unknown. Up to HARDWARE_RATIO_MAX it is the hardware. */
#define HARDWARE_RATIO_MAX 4.0
/* Up to here a Linux guest boots while a person waits. */
#define BEARABLE_RATIO_MAX 50.0
double capabilities_speed_ratio(const Capabilities *capabilities);

/*
 * The report of GetCapabilities by data/capabilities.schema.json. available_mib: the memory that is
 * free for use now. NULL without memory.
 */
json_object *capabilities_report(const Capabilities *capabilities, uint64_t available_mib);

/*
 * Whether a machine of this config could run on this host, as far as its config says: memory,
 * vCPUs, protected, boot loader. 0 or a negative errno with *problem, cause and fix. Does not ask
 * whether KVM is usable.
 */
int capabilities_check_config(const Capabilities *capabilities, const VmConfig *config,
                              Problem *problem);
