/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The same call on several machines at once: stopping three takes as long as stopping the slowest.
 */

#include "vmctl/connect.h"

typedef struct JobCall {
        const Context *context;
        int64_t timeout; /* microseconds; shown as the limit if above 0 */
        void *data;      /* the verb's own */
} JobCall;

typedef struct JobKind {
        const char *waiting; /* what is waited for, after the names: "to power off" */
        void (*begin)(VmClientMachine *machine, const JobCall *call, GAsyncReadyCallback callback,
                      gpointer user_data);
        bool (*finish)(VmClientMachine *machine, GAsyncResult *result, GError **error);
        /* After all have ended, for each that succeeded; may be NULL. An exit code. */
        int (*after)(VmClientMachine *machine, const JobCall *call);
} JobKind;

/* Does it to every machine that the arguments name, and returns the exit code. */
int jobs_run(const JobKind *kind, const JobCall *call);
