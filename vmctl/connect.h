/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The way from a verb to the daemon: manager, machines by name, errors as exit codes. */

#include "libvmclient/vmclient.h"
#include "vmctl/progress.h"
#include "vmctl/vmctl.h"

/* "system" or "user", for people. */
const char *context_mode(const Context *context);

/* The manager, or NULL with the error printed. Unreferenced by the caller. */
VmClientManager *connect_manager(const Context *context);

/*
 * Whose machines are meant: --owner, or the caller's. 0 with *ret_uid set, or an exit code with the
 * error printed.
 */
int take_owner(const Context *context, uint32_t *ret_uid);

/*
 * The machine of that name, or NULL with the error printed and *ret_exit set. --owner is heeded.
 */
VmClientMachine *connect_machine(const Context *context, VmClientManager *manager, const char *name,
                                 int *ret_exit);

/* Prints the error, after subject if that is not NULL, and returns its exit code. */
int report_error(const char *subject, const GError *error);
int error_exit_code(const GError *error);

/* The code that says more: what failed first counts, and a machine that is missing least. */
int worse_exit(int a, int b);

/* Whether a run that ended so ended well: SHUTDOWN, and exit code 0 or none. */
bool run_ended_well(VmClientMachine *machine);

/*
 * "SHUTDOWN, exit code 3: <detail>" for people, on one line, what the guest chose escaped;
 * g_free().
 */
char *describe_end(VmClientMachine *machine);

/* Parses --timeout. 0 with *ret_usec set if it was given (-1 if not); else the exit code. */
int take_timeout(const Context *context, int64_t *ret_usec);

/* Parses a number option. 0 with *ret set (untouched if it was not given); else the exit code. */
int take_number(const Context *context, OptionId id, uint64_t *ret);
