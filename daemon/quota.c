/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/quota.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>

#include "common/string-util.h"

typedef struct LimitRow {
        const char *key;
        const char *what; /* in "uid 1000 may have at most 256 machines" */
        const char *relief;
        uint64_t default_max; /* 0: the host's memory */
} LimitRow;

static const LimitRow limit_table[_LIMIT_MAX] = {
        [LIMIT_MACHINES] = {"machines", "machines", "delete some", 256},
        [LIMIT_RUNNING] = {"running", "running machines", "stop some", 64},
        [LIMIT_MEMORY_MIB] = {"memory_mib", "MiB of memory in running machines", "stop some", 0},
        [LIMIT_VCPUS] = {"vcpus", "vCPUs in running machines", "stop some", 256},
        [LIMIT_CREATES_IN_FLIGHT] = {"creates_in_flight", "creations at a time",
                                     "wait for some to be answered", 32},
        [LIMIT_IMAGES_MIB] = {"images_mib", "MiB of copied images", "delete some machines", 16384},
};

const char *limit_to_string(Limit limit)
{
        return (size_t)limit < _LIMIT_MAX ? limit_table[limit].key : NULL;
}

int limit_from_string(const char *text)
{
        for (int i = 0; i < _LIMIT_MAX; i++)
                if (streq(limit_table[i].key, text))
                        return i;
        return -EINVAL;
}

void limits_set_default(Limits *limits, uint64_t host_memory_mib)
{
        for (int i = 0; i < _LIMIT_MAX; i++)
                limits->max[i] =
                        limit_table[i].default_max ? limit_table[i].default_max : host_memory_mib;
}

int quota_check(const Limits *limits, const QuotaUse *use, Limit limit, uint64_t more, uid_t uid,
                const char *conf, Problem *problem)
{
        const LimitRow *row = &limit_table[limit];
        uint64_t max = limits->max[limit], used = use->used[limit];

        if (used <= max && more <= max - used)
                return 0;
        return problem_set(problem, -EDQUOT,
                           "uid %u may have at most %" PRIu64 " %s and has %" PRIu64
                           " (asked for %" PRIu64 " more): %s, or let the administrator raise "
                           "'%s' in %s",
                           (unsigned)uid, max, row->what, used, more, row->relief, row->key, conf);
}
