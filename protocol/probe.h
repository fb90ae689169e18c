/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What "vmm-launcher --probe" writes to its standard output: one JSON object by probe_fields[],
 * then the end of the stream; exit code 0 whatever the answer is. Fd 3 is /dev/kvm if the daemon
 * could open it. The daemon reads it as strictly as a frame and makes the report of GetCapabilities
 * of it.
 *
 * speed: the same loop (the same bytes of machine code, self-contained, some milliseconds long
 * where KVM runs it by hardware) once in a guest and once on the host; the shortest of some runs
 * each.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/json-fields.h"

#define PROBE_OUTPUT_MAX (16U * 1024U) /* bytes */

typedef struct ProbeReport {
        char *monitor;         /* "vmm-launcher" */
        char *monitor_version; /* "0.1.0" */
        bool usable;           /* this monitor can run a VM here */
        char *problem;         /* why not: cause and fix, one sentence; NULL if usable */
        uint64_t api_version;  /* KVM_GET_API_VERSION; 0 without /dev/kvm, as all that follows */
        uint64_t max_vcpus;    /* KVM_CAP_MAX_VCPUS */
        uint64_t recommended_vcpus; /* KVM_CAP_NR_VCPUS */
        uint64_t max_memslots;      /* KVM_CAP_NR_MEMSLOTS */
        uint64_t vm_types;          /* KVM_CAP_VM_TYPES, a bit per type */
        uint64_t vm_types_created;  /* of those, the ones that promise more than a plain VM and with
                                       which KVM_CREATE_VM succeeded; the monitor may not offer them
                                       (x86: SEV-SNP 4, TDX 5) */
        bool protected_vms;         /* one that the monitor offers was tried and succeeded */
        bool guest_memfd;           /* KVM_CAP_GUEST_MEMFD */
        uint64_t guest_nsec;        /* the loop in a guest; 0 if it could not be run */
        uint64_t host_nsec;         /* the loop on the host */
} ProbeReport;

extern const JsonField probe_fields[];
