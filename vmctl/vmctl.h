/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * vmctl: libvmclient for a person at a shell. verbs.c has the one table of verbs and options; help,
 * completion and the checks of the man page are made from it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmctl/options.h"

/* Exit codes, as documented in vmctl(1). */
typedef enum VmctlExit {
        VMCTL_OK = 0,
        VMCTL_FAILURE = 1,      /* the operation failed */
        VMCTL_USAGE = 2,        /* unknown verb, option or argument */
        VMCTL_NOT_RUNNING = 3,  /* status: a machine does not run (as systemctl) */
        VMCTL_NO_MACHINE = 4,   /* no machine of that name */
        VMCTL_RUN_FAILED = 125, /* run: not the guest's code but ours, the cause is printed */
} VmctlExit;

typedef enum OutputFormat {
        OUTPUT_TABLE, /* for people */
        OUTPUT_JSON,  /* one document */
        OUTPUT_JSONL, /* one object per line */
        OUTPUT_NAME,  /* one name per line */
} OutputFormat;

/* What a verb is given. Borrowed from main, valid for the life of the program. */
typedef struct Context {
        const Invocation *invocation;
        bool session;        /* --user: the session bus and the caller's own daemon */
        const char *command; /* what reaches the same daemon again: "vmctl", "vmctl --user" */
        bool quiet;
        bool legend; /* headers and footers in tables */
        OutputFormat format;
} Context;

/* Parses, dispatches and returns the exit code. */
int vmctl_main(int argc, char **argv);

/* The verbs, one group per file. Each prints its own errors and returns an exit code. */
int verb_info(const Context *context);
int verb_doctor(const Context *context);
int verb_validate(const Context *context);
int verb_create(const Context *context);
int verb_cat(const Context *context);
int verb_set_config(const Context *context);
int verb_delete(const Context *context);
int verb_run(const Context *context);
int verb_start(const Context *context);
int verb_stop(const Context *context);
int verb_kill(const Context *context);
int verb_reboot(const Context *context);
int verb_pause(const Context *context);
int verb_resume(const Context *context);
int verb_wait(const Context *context);
int verb_list(const Context *context);
int verb_status(const Context *context);
int verb_show(const Context *context);
int verb_console(const Context *context);
int verb_logs(const Context *context);
int verb_events(const Context *context);
