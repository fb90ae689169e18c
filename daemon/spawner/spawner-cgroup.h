/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * cgroup v2, below a cgroup that is ours to arrange (Linux Documentation/admin-guide/cgroup-v2.rst,
 * "Delegation"; systemd's docs/CGROUP_DELEGATION.md):
 *
 *   BASE/spawner         vm-spawner itself: a cgroup that has controllers may hold no process
 *   BASE/machines/<id>   one for each child
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/id128.h"
#include "daemon/spawner/spawner-protocol.h"

typedef struct Cgroup {
        int machines_fd;      /* folder BASE/machines, or -1: no cgroups */
        uint32_t controllers; /* SpawnerController bits in effect for BASE/machines/<id> */
} Cgroup;

/*
 * Moves the caller into BASE/spawner, enables what controllers there are, and removes what a
 * predecessor left in BASE/machines. base: "own" (the caller's present cgroup, which must have been
 * delegated to it) or the absolute path of a cgroup's folder. Negative errno where no cgroup v2 can
 * be used (-EOPNOTSUPP: not mounted, or without cgroup.kill, Linux 5.14); nothing is left open
 * then.
 */
int cgroup_init(Cgroup *ret, const char *base);
void cgroup_done(Cgroup *cgroup);

static inline bool cgroup_in_use(const Cgroup *cgroup)
{
        return cgroup->machines_fd >= 0;
}

/* Makes machines/<id> with its limits; the caller closes *ret_fd. Leaves nothing on failure. */
int cgroup_make(const Cgroup *cgroup, const SpawnerRequest *limits, int *ret_fd);

/* Kills every process in it (cgroup.kill): no fork can outrun this. */
int cgroup_kill(const Cgroup *cgroup, const Id128 *id);

/* 0 when it is gone, -EBUSY while a process is left in it. */
int cgroup_remove(const Cgroup *cgroup, const Id128 *id);
