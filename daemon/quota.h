/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Limits per uid, so that one user's machines leave the host to the others. Each is checked before
 * anything is allocated for what it limits. Pure: the caller sums up the use.
 */

#include <stdint.h>
#include <sys/types.h>

#include "daemon/problem.h"

typedef enum Limit {
        LIMIT_MACHINES,          /* machines that exist */
        LIMIT_RUNNING,           /* machines that are not stopped */
        LIMIT_MEMORY_MIB,        /* guest memory of those, MiB */
        LIMIT_VCPUS,             /* vCPUs of those */
        LIMIT_CREATES_IN_FLIGHT, /* creations that have not answered yet */
        LIMIT_IMAGES_MIB,        /* copied kernels and initial RAM disks, MiB */
        _LIMIT_MAX,
} Limit;

/* The key in vmservice.conf: "machines", "running", ... NULL outside the enum. */
const char *limit_to_string(Limit limit);
int limit_from_string(const char *text);

typedef struct Limits {
        uint64_t max[_LIMIT_MAX];
} Limits;

/* The compiled-in limits, on a host with this much memory: guests of one uid may fill it. */
void limits_set_default(Limits *limits, uint64_t host_memory_mib);

typedef struct QuotaUse {
        uint64_t used[_LIMIT_MAX];
} QuotaUse;

/*
 * Whether uid may take `more` of what limit counts. 0, or -EDQUOT with a sentence that names the
 * limit, how far it is used and how to raise it in the file conf.
 */
int quota_check(const Limits *limits, const QuotaUse *use, Limit limit, uint64_t more, uid_t uid,
                const char *conf, Problem *problem);
