/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Between the files of the manager. */

#include "daemon/manager.h"

/* manager-create.c */
void manager_jobs_free(Manager *manager);
uint64_t manager_jobs_of(const Manager *manager, uid_t uid);

/*
 * Holds the files that came against those that the config names: each named one must be there
 * (unless kept has it), each that came must be named, and each must be a file that can be copied
 * and fits into the machine's memory. *ret_bytes is the size of those that came.
 */
int manager_check_files(const VmConfig *config, const ClientFile *files, size_t n_files,
                        const MachineRecord *kept, uint64_t *ret_bytes, Problem *problem);

/* A name in the machine's folder that nothing there has: "file-..." (at least 32 bytes). */
int manager_file_name(char *buffer, size_t size);

/* manager-adopt.c: a child that belongs to no machine has exited. */
void manager_forget_orphan(Manager *manager, const Id128 *id);
/* A child, as of LIST, that belongs to no machine: killed if need be, then forgotten. */
void manager_end_orphan(Manager *manager, const SpawnerReply *row);

/* manager-spawner.c; -ECONNREFUSED if nobody listens. */
int manager_spawner_connect(Manager *manager, Problem *problem);
/* Holds our runs against what the spawner has: what it does not know has ended, and the rest of
 * what it has is killed. */
void manager_relist(Manager *manager);
/* manager-adopt.c: the connection broke before it was said what runs. */
void manager_adopt_again(Manager *manager);
void manager_spawner_close(Manager *manager);
