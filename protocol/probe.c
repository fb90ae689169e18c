/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "protocol/probe.h"

#define TEXT(k, m, maximum, d)                                                                     \
        {                                                                                          \
                .key = (k), .type = JSON_FIELD_STRING, .offset = offsetof(ProbeReport, m),         \
                .min = 1, .max = (maximum), .doc = (d)                                             \
        }
#define NUMBER(k, m, d)                                                                            \
        {                                                                                          \
                .key = (k), .type = JSON_FIELD_U64, .offset = offsetof(ProbeReport, m),            \
                .max = INT64_MAX, .required = true, .doc = (d)                                     \
        }
#define FLAG(k, m, d)                                                                              \
        {                                                                                          \
                .key = (k), .type = JSON_FIELD_BOOL, .offset = offsetof(ProbeReport, m),           \
                .required = true, .doc = (d)                                                       \
        }

const JsonField probe_fields[] = {
        TEXT("monitor", monitor, 64, "The monitor's name."),
        TEXT("monitor_version", monitor_version, 64, "The monitor's version."),
        FLAG("usable", usable, "Whether this monitor can run a VM on this host."),
        TEXT("problem", problem, 512, "Why it cannot: cause and fix."),
        NUMBER("api_version", api_version, "KVM_GET_API_VERSION."),
        NUMBER("max_vcpus", max_vcpus, "KVM_CAP_MAX_VCPUS."),
        NUMBER("recommended_vcpus", recommended_vcpus, "KVM_CAP_NR_VCPUS."),
        NUMBER("max_memslots", max_memslots, "KVM_CAP_NR_MEMSLOTS."),
        NUMBER("vm_types", vm_types, "KVM_CAP_VM_TYPES, a bit per type."),
        NUMBER("vm_types_created", vm_types_created,
               "Of those, the protected ones that could be created, a bit per type."),
        FLAG("protected_vms", protected_vms, "Whether a protected VM could be created."),
        FLAG("guest_memfd", guest_memfd, "KVM_CAP_GUEST_MEMFD."),
        NUMBER("guest_nsec", guest_nsec, "The loop's time in a guest."),
        NUMBER("host_nsec", host_nsec, "The loop's time on the host."),
        {NULL},
};
