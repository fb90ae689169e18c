/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Runs while vmservice is built: "generate-filters ARCH PREFIX HEADER" writes the seccomp filters
 * of every role for ARCH (x86_64, arm64) as C arrays of BPF: PREFIX_vcpu, PREFIX_main, PREFIX_wide.
 * libseccomp translates between architectures, so it need not be the one that it runs on.
 */

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rules.h"

typedef struct Target {
        const char *name;
        unsigned arch;
        uint32_t token;
} Target;

static const Target targets[] = {
        {"x86_64", ARCH_X86_64, SCMP_ARCH_X86_64},
        {"arm64", ARCH_ARM64, SCMP_ARCH_AARCH64},
};

static void check(int r, const char *what, const char *name)
{
        if (r >= 0)
                return;
        fprintf(stderr, "generate-filters: %s %s: %s\n", what, name, strerror(-r));
        exit(EXIT_FAILURE);
}

static scmp_filter_ctx context_new(const Target *target, uint32_t default_action)
{
        scmp_filter_ctx context = seccomp_init(default_action);

        if (!context) {
                fprintf(stderr, "generate-filters: seccomp_init failed\n");
                exit(EXIT_FAILURE);
        }
        check(seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS),
              "bad architecture action", "");
        /* A binary search over the numbers instead of one comparison after the other. */
        check(seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2), "binary tree", "");
        if (target->token != seccomp_arch_native()) {
                check(seccomp_arch_add(context, target->token), "architecture", target->name);
                check(seccomp_arch_remove(context, seccomp_arch_native()), "native architecture",
                      "");
        }
        return context;
}

static void add_rule(scmp_filter_ctx context, const SyscallRule *rule)
{
        int number = seccomp_syscall_resolve_name(rule->name);
        struct scmp_arg_cmp conditions[2];

        if (number == __NR_SCMP_ERROR)
                check(-ENOENT, "no such system call:", rule->name);
        for (unsigned i = 0; i < rule->n_conditions; i++) {
                const SyscallCondition *condition = &rule->conditions[i];

                conditions[i] = SCMP_CMP(condition->argument, SCMP_CMP_MASKED_EQ, condition->mask,
                                         condition->value);
        }
        check(seccomp_rule_add_array(context, SCMP_ACT_ALLOW, number, rule->n_conditions,
                                     conditions),
              "rule for", rule->name);
        if (rule->priority > 0)
                check(seccomp_syscall_priority(context, number, (uint8_t)rule->priority),
                      "priority of", rule->name);
}

static scmp_filter_ctx role_filter(const Target *target, unsigned role)
{
        scmp_filter_ctx context = context_new(target, SCMP_ACT_KILL_PROCESS);

        for (const SyscallRule *rule = seccomp_rules; rule->name; rule++)
                if (rule->roles & role && rule->archs & target->arch)
                        add_rule(context, rule);
        return context;
}

static scmp_filter_ctx wide_filter(const Target *target)
{
        scmp_filter_ctx context = context_new(target, SCMP_ACT_ALLOW);

        for (size_t i = 0; seccomp_denied_when_wide[i]; i++) {
                const char *name = seccomp_denied_when_wide[i];
                int number = seccomp_syscall_resolve_name(name);

                if (number == __NR_SCMP_ERROR)
                        continue; /* newer than this libseccomp */
                check(seccomp_rule_add(context, SCMP_ACT_KILL_PROCESS, number, 0), "rule for",
                      name);
        }
        return context;
}

/* struct sock_filter (uapi linux/filter.h) is code, jt, jf, k. */
typedef struct Instruction {
        uint16_t code;
        uint8_t jt, jf;
        uint32_t k;
} Instruction;

static void write_filter(FILE *out, const char *prefix, const char *role, scmp_filter_ctx context)
{
        int fd = memfd_create("filter", MFD_CLOEXEC);
        Instruction instruction;

        check(fd < 0 ? -errno : 0, "memfd_create", "");
        check(seccomp_export_bpf(context, fd), "export of", role);
        check(lseek(fd, 0, SEEK_SET) < 0 ? -errno : 0, "lseek", "");
        fprintf(out, "\nstatic const struct sock_filter %s_%s[] __attribute__((unused)) = {\n",
                prefix, role);
        while (read(fd, &instruction, sizeof(instruction)) == (ssize_t)sizeof(instruction))
                fprintf(out, "        {0x%04x, %u, %u, 0x%08x},\n", instruction.code,
                        instruction.jt, instruction.jf, instruction.k);
        fprintf(out, "};\n");
        close(fd);
        seccomp_release(context);
}

int main(int argc, char *argv[])
{
        const Target *target = NULL;
        FILE *out;

        for (size_t i = 0; argc == 4 && i < sizeof(targets) / sizeof(targets[0]); i++)
                if (strcmp(argv[1], targets[i].name) == 0)
                        target = &targets[i];
        if (!target) {
                fprintf(stderr, "usage: generate-filters x86_64|arm64 PREFIX HEADER\n");
                return EXIT_FAILURE;
        }
        out = fopen(argv[3], "we");
        check(out ? 0 : -errno, "cannot write", argv[3]);
        fprintf(out, "/* SPDX-License-Identifier: LGPL-2.1-or-later */\n"
                     "/* Generated from vmm-launcher/seccomp/rules.c; do not edit. */\n"
                     "#pragma once\n\n#include <linux/filter.h>\n");
        write_filter(out, argv[2], "vcpu", role_filter(target, ROLE_VCPU));
        write_filter(out, argv[2], "main", role_filter(target, ROLE_MAIN));
        write_filter(out, argv[2], "wide", wide_filter(target));
        check(fclose(out) == 0 ? 0 : -errno, "cannot write", argv[3]);
        return EXIT_SUCCESS;
}
