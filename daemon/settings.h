/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the daemon was told at its start: mode, places, limits. Options of the command line, then
 * vmservice.conf for the limits ("key = value" lines, '#' begins a comment), then what is compiled
 * in.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/problem.h"
#include "daemon/quota.h"

typedef struct Settings {
        bool session;         /* --user: session bus, the caller's own uid */
        char *state_dir;      /* machines that outlive the host's next start */
        char *runtime_dir;    /* transient machines, the lock */
        char *spawner;        /* session mode: the vm-spawner to start */
        char *spawner_socket; /* where it listens */
        char *monitor;        /* session mode: the vmm-launcher that it starts */
        char *kvm;            /* the device; another path in tests */
        char *conf;           /* vmservice.conf */
        Limits limits;
        uint64_t host_memory_mib;
        unsigned host_cpus;
} Settings;

/*
 * 0; 1 if the options asked for a text that is now printed (--help, --version); negative errno with
 * *problem. Creates no folder.
 */
int settings_load(Settings *ret, int argc, char **argv, Problem *problem);
void settings_done(Settings *settings);

/* Reads "key = value" lines into limits. 0; -EINVAL with *problem, which names line and fix. */
int settings_parse_limits(const char *text, const char *path, Limits *limits, Problem *problem);
