/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Copies a caller's files into a machine's folder, in a process of its own: a file may be large, on
 * a slow disk, or on a file system whose server (FUSE) never answers, and none of this may hold up
 * the daemon. The process holds nothing of the daemon but what it copies, dies with it, and is
 * killed when its time is up.
 */

#include <systemd/sd-event.h>

#include "daemon/machine-record.h"
#include "daemon/machine-store.h"
#include "daemon/problem.h"

typedef struct StoreCopy {
        const char *key;  /* what the caller calls it, for messages */
        const char *name; /* file in the folder; must not exist */
        int source;       /* borrowed for the worker's lifetime */
} StoreCopy;

typedef struct StoreWorker StoreWorker;

/*
 * Begins: each copy into dir (budget bytes in all), then, if record is not NULL, the record, all
 * flushed to the disk. Afterwards done is called from the event loop; on failure the caller removes
 * what is there. gone is called last, when the process is no more: a process that hangs in the
 * kernel cannot be killed, and whoever caused it should have it counted against a limit until then.
 * Both may free the worker. SIGCHLD must be blocked.
 */
int store_worker_start(sd_event *event, int dir, const StoreCopy *copies, size_t n_copies,
                       uint64_t budget, const MachineRecord *record, Completion done,
                       Completion gone, StoreWorker **ret);

/* Kills it if it still runs; nothing is then called. Takes NULL. */
StoreWorker *store_worker_free(StoreWorker *worker);
DEFINE_CLEANUP_FUNC(StoreWorker *, store_worker_free);
