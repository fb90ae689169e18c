/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The system calls that the monitor makes once its walls are up, by thread role: one table for all
 * architectures. generate-filters makes BPF of it while the monitor is built, so that the sandboxed
 * process carries no library for it.
 */

#include <stdint.h>

#define ROLE_VCPU 0x1U /* a vCPU thread */
#define ROLE_MAIN 0x2U /* the event loop's thread */

#define ARCH_X86_64 0x1U
#define ARCH_ARM64  0x2U
#define ARCH_ALL    (ARCH_X86_64 | ARCH_ARM64)

/* One argument of a call: allowed if (argument & mask) == value. */
typedef struct SyscallCondition {
        unsigned argument;
        uint64_t mask, value;
} SyscallCondition;

typedef struct SyscallRule {
        const char *name;
        unsigned roles;
        unsigned archs;
        unsigned n_conditions; /* all of them must hold; other rules may allow the call as well */
        SyscallCondition conditions[2];
        unsigned priority; /* the highest is looked at first */
} SyscallRule;

extern const SyscallRule seccomp_rules[]; /* ends with a NULL name */

/*
 * Sanitizers make calls of their own, and not always the same: in such a build everything is
 * allowed but these, which end the process in every role.
 */
extern const char *const seccomp_denied_when_wide[]; /* ends with NULL */
