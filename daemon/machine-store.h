/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The machines on disk: one folder each (0700) with its record, its copied images and its console
 * logs (0600). Persistent ones below the state folder, transient ones below the runtime folder.
 *
 *   STATE-DIR/machines/ID/record.json       what machine-record.h says; replaced atomically
 *                         file-...          copied kernel, initrd, boot loader
 *                         console.log       the console of this or the last run
 *                         console.log.1     the rotated part before it
 *   RUNTIME-DIR/machines/ID/                the same for a transient machine, without files
 *   RUNTIME-DIR/lock                        held by the one daemon
 *
 * A machine exists from the moment that its folder has its name; until then it is ".new-ID", and
 * from its deletion on ".del-ID". What a killed daemon left of either is removed by the next one.
 */

#include <stdbool.h>
#include <stddef.h>

#include "daemon/machine-record.h"

#define MACHINE_STORE_RECORD       "record.json"
#define MACHINE_STORE_LOG          "console.log"
#define MACHINE_STORE_LOG_PREVIOUS "console.log.1"

typedef struct MachineStore MachineStore;

/*
 * Makes the folders if need be and takes the lock. -EBUSY if another daemon holds it; -EPERM if a
 * folder belongs to somebody else; errno.
 */
int machine_store_open(const char *state_dir, const char *runtime_dir, MachineStore **ret,
                       Problem *problem);
MachineStore *machine_store_close(MachineStore *store);
DEFINE_CLEANUP_FUNC(MachineStore *, machine_store_close);

/*
 * Removes leftovers and calls func for each machine found. The record is func's to take (it is
 * released if func leaves it). A folder whose record cannot be read is logged, left alone and
 * counted in *ret_unreadable.
 */
typedef void (*MachineStoreLoadFunc)(MachineRecord *record, void *userdata);
int machine_store_load(MachineStore *store, MachineStoreLoadFunc func, void *userdata,
                       size_t *ret_unreadable);

/*
 * Creation in two steps: prepare makes the folder ".new-ID" and returns it; the caller fills it,
 * record included; commit gives it its name. A transient machine needs no such care, since a folder
 * without a record is no machine: prepare makes it in place, *ret_dir is -1, and the first
 * machine_store_save() makes it one. abandon removes what is there of either; it never fails aloud.
 */
int machine_store_prepare(MachineStore *store, const MachineRecord *record, int *ret_dir);
int machine_store_commit(MachineStore *store, const MachineRecord *record);
void machine_store_abandon(MachineStore *store, const MachineRecord *record);

/*
 * Writes the record into a folder: old or new, never a part. durable: it also survives a power cut.
 */
int machine_store_write_record(int dir, const MachineRecord *record, bool durable);
/* The same for a machine that exists; durable unless it is transient. */
int machine_store_save(MachineStore *store, const MachineRecord *record);

/* Deletes a machine with all that belongs to it. Afterwards it is gone even if the daemon dies. */
int machine_store_remove(MachineStore *store, const MachineRecord *record);

/* The folder of a machine, and one file of it; flags as of open(2), mode 0600. */
int machine_store_open_dir(MachineStore *store, const MachineRecord *record, int *ret_dir);
int machine_store_open_file(MachineStore *store, const MachineRecord *record, const char *name,
                            int flags, int *ret_fd);

/* Removes files of the folder that neither the record nor the logs name. */
void machine_store_prune(MachineStore *store, const MachineRecord *record);
