/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The filters as they were built, of every architecture, run through an interpreter: once with all
 * values known, once with unknown arguments, which says what a role could call at all.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "check-main.h"
#include "common/cleanup.h"
#include "seccomp-filters-arm64.h"
#include "seccomp-filters-x86_64.h"

#define SYSCALL_MAX 1024
#define X32_BIT     0x40000000

/* hardening.md's goals; the whole monitor is both roles together. */
#define VCPU_CALLS_MAX 20U
#define MAIN_CALLS_MAX 35U

typedef struct Filter {
        const struct sock_filter *code;
        size_t n;
        uint32_t arch;
} Filter;

#define FILTER(name, arch) ((Filter){name, ARRAY_SIZE(name), arch})

static const struct {
        const char *name;
        uint32_t arch, other_arch;
        const struct sock_filter *vcpu, *main, *wide;
        size_t n_vcpu, n_main, n_wide;
        /* open, openat, openat2, socket, execve, execveat, clone, clone3, ptrace, mprotect,
         * prctl, seccomp; -1: it has no such call */
        int forbidden[12];
        int ioctl_number;
} targets[] = {
        {"x86_64",
         AUDIT_ARCH_X86_64,
         AUDIT_ARCH_I386,
         seccomp_x86_64_vcpu,
         seccomp_x86_64_main,
         seccomp_x86_64_wide,
         ARRAY_SIZE(seccomp_x86_64_vcpu),
         ARRAY_SIZE(seccomp_x86_64_main),
         ARRAY_SIZE(seccomp_x86_64_wide),
         {2, 257, 437, 41, 59, 322, 56, 435, 101, 10, 157, 317},
         16},
        {"arm64",
         AUDIT_ARCH_AARCH64,
         AUDIT_ARCH_ARM,
         seccomp_arm64_vcpu,
         seccomp_arm64_main,
         seccomp_arm64_wide,
         ARRAY_SIZE(seccomp_arm64_vcpu),
         ARRAY_SIZE(seccomp_arm64_main),
         ARRAY_SIZE(seccomp_arm64_wide),
         {-1, 56, 437, 198, 221, 281, 220, 435, 117, 226, 167, 277},
         29},
};

/* The accumulator and the scratch memory may hold something unknown. */
typedef struct Value {
        bool known;
        uint32_t value;
} Value;

typedef struct Machine {
        const Filter *filter;
        const struct seccomp_data *data;
        bool arguments_known;
        Value a, memory[BPF_MEMWORDS];
} Machine;

static bool jump_taken(uint16_t code, uint32_t a, uint32_t k)
{
        switch (BPF_OP(code)) {
        case BPF_JEQ:
                return a == k;
        case BPF_JGT:
                return a > k;
        case BPF_JGE:
                return a >= k;
        case BPF_JSET:
                return a & k;
        default:
                ck_abort_msg("unknown jump %#x", code);
                return false;
        }
}

static Value load(const Machine *machine, uint32_t offset)
{
        Value value = {.known = machine->arguments_known ||
                                offset < offsetof(struct seccomp_data, args)};

        ck_assert_uint_le(offset, sizeof(*machine->data) - sizeof(uint32_t));
        memcpy(&value.value, (const char *)machine->data + offset, sizeof(value.value));
        return value;
}

/* Whether the filter can end in ALLOW from pc on. */
static bool can_allow(Machine machine, size_t pc)
{
        for (;; pc++) {
                const struct sock_filter *at = &machine.filter->code[pc];

                ck_assert_uint_lt(pc, machine.filter->n);
                switch (BPF_CLASS(at->code)) {
                case BPF_LD:
                        machine.a = BPF_MODE(at->code) == BPF_MEM ? machine.memory[at->k]
                                                                  : load(&machine, at->k);
                        break;
                case BPF_ST:
                        machine.memory[at->k] = machine.a;
                        break;
                case BPF_ALU:
                        ck_assert_uint_eq(at->code, BPF_ALU | BPF_AND | BPF_K);
                        machine.a.value &= at->k;
                        break;
                case BPF_JMP:
                        if (BPF_OP(at->code) == BPF_JA)
                                pc += at->k;
                        else if (machine.a.known)
                                pc += jump_taken(at->code, machine.a.value, at->k) ? at->jt
                                                                                   : at->jf;
                        else if (can_allow(machine, pc + 1 + at->jt))
                                return true;
                        else
                                pc += at->jf;
                        break;
                case BPF_RET:
                        ck_assert(at->k == SECCOMP_RET_ALLOW || at->k == SECCOMP_RET_KILL_PROCESS);
                        return at->k == SECCOMP_RET_ALLOW;
                default:
                        ck_abort_msg("unknown instruction %#x", at->code);
                }
        }
}

static bool filter_can_allow(Filter filter, uint32_t arch, int number)
{
        const struct seccomp_data data = {.nr = number, .arch = arch};

        return can_allow((Machine){.filter = &filter, .data = &data}, 0);
}

static bool filter_allows(Filter filter, int number, uint64_t a0, uint64_t a1, uint64_t a2,
                          uint64_t a3)
{
        const struct seccomp_data data = {
                .nr = number, .arch = filter.arch, .args = {a0, a1, a2, a3}};

        return can_allow((Machine){.filter = &filter, .data = &data, .arguments_known = true}, 0);
}

static unsigned count_allowed(Filter filter, const char *name)
{
        unsigned n = 0;

        for (int number = 0; number < SYSCALL_MAX; number++)
                n += filter_can_allow(filter, filter.arch, number);
        printf("%s: %u system calls, %zu instructions\n", name, n, filter.n);
        return n;
}

START_TEST(test_numbers)
{
        for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
                const Filter vcpu = {targets[i].vcpu, targets[i].n_vcpu, targets[i].arch};
                const Filter main_filter = {targets[i].main, targets[i].n_main, targets[i].arch};
                unsigned n_vcpu = count_allowed(vcpu, "vcpu");
                unsigned n_main = count_allowed(main_filter, "main");

                ck_assert_uint_gt(n_vcpu, 5);
                ck_assert_uint_le(n_vcpu, VCPU_CALLS_MAX);
                ck_assert_uint_gt(n_main, n_vcpu);
                ck_assert_uint_le(n_main, MAIN_CALLS_MAX);
        }
}
END_TEST

/* None of open, socket, exec: not with any argument, not in any role, not when wide. */
START_TEST(test_forbidden)
{
        for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
                const Filter filters[] = {
                        {targets[i].vcpu, targets[i].n_vcpu, targets[i].arch},
                        {targets[i].main, targets[i].n_main, targets[i].arch},
                        {targets[i].wide, targets[i].n_wide, targets[i].arch},
                };

                for (size_t f = 0; f < ARRAY_SIZE(filters); f++)
                        for (size_t c = 0; c < ARRAY_SIZE(targets[i].forbidden); c++) {
                                int number = targets[i].forbidden[c];
                                bool only_narrow = c == 6 || c == 7 || c >= 9;

                                if (number < 0 || (f == 2 && only_narrow))
                                        continue;
                                ck_assert_msg(
                                        !filter_can_allow(filters[f], targets[i].arch, number),
                                        "%s filter %zu allows %d", targets[i].name, f, number);
                        }
        }
}
END_TEST

/* Another architecture's numbers mean other calls. */
START_TEST(test_other_architecture)
{
        for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
                const Filter filters[] = {
                        {targets[i].vcpu, targets[i].n_vcpu, targets[i].arch},
                        {targets[i].main, targets[i].n_main, targets[i].arch},
                        {targets[i].wide, targets[i].n_wide, targets[i].arch},
                };

                for (size_t f = 0; f < ARRAY_SIZE(filters); f++)
                        for (int number = 0; number < SYSCALL_MAX; number++) {
                                ck_assert(!filter_can_allow(filters[f], targets[i].other_arch,
                                                            number));
                                ck_assert(!filter_can_allow(filters[f], 0, number));
                        }
        }
        for (int number = 0; number < SYSCALL_MAX; number++) {
                ck_assert(!filter_can_allow(FILTER(seccomp_x86_64_vcpu, AUDIT_ARCH_X86_64),
                                            AUDIT_ARCH_X86_64, number | X32_BIT));
                ck_assert(!filter_can_allow(FILTER(seccomp_x86_64_main, AUDIT_ARCH_X86_64),
                                            AUDIT_ARCH_X86_64, number | X32_BIT));
        }
}
END_TEST

static bool ioctl_allowed(Filter filter, int number, uint64_t request)
{
        return filter_allows(filter, number, 3, request, 0, 0);
}

START_TEST(test_shared_requests)
{
        const uint64_t refused[] = {KVM_CREATE_VM,
                                    KVM_CREATE_VCPU,
                                    KVM_SET_USER_MEMORY_REGION,
                                    KVM_CHECK_EXTENSION,
                                    TIOCSTI,
                                    FIONREAD,
                                    0,
                                    KVM_RUN + 1,
                                    KVM_RUN | 1ULL << 31,
                                    UINT32_MAX};

        for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
                const Filter vcpu = {targets[i].vcpu, targets[i].n_vcpu, targets[i].arch};
                const Filter main_filter = {targets[i].main, targets[i].n_main, targets[i].arch};
                int number = targets[i].ioctl_number;

                ck_assert(ioctl_allowed(vcpu, number, KVM_RUN));
                ck_assert(!ioctl_allowed(main_filter, number, KVM_RUN));
                ck_assert(ioctl_allowed(vcpu, number, KVM_IRQ_LINE));
                ck_assert(ioctl_allowed(main_filter, number, KVM_IRQ_LINE));
                ck_assert(ioctl_allowed(main_filter, number, KVM_GET_MP_STATE));
                ck_assert(ioctl_allowed(main_filter, number, KVM_SET_MP_STATE));
                ck_assert(!ioctl_allowed(vcpu, number, KVM_SET_MP_STATE));
                ck_assert(ioctl_allowed(vcpu, number, KVM_IRQFD));
                ck_assert(ioctl_allowed(main_filter, number, KVM_IRQFD));
                ck_assert(ioctl_allowed(vcpu, number, KVM_SET_GSI_ROUTING));
                ck_assert(!ioctl_allowed(main_filter, number, KVM_SET_GSI_ROUTING));
                ck_assert(ioctl_allowed(vcpu, number, KVM_IOEVENTFD));
                ck_assert(ioctl_allowed(main_filter, number, KVM_IOEVENTFD));
                for (size_t r = 0; r < ARRAY_SIZE(refused); r++) {
                        ck_assert_msg(!ioctl_allowed(vcpu, number, refused[r]), "%#llx",
                                      (unsigned long long)refused[r]);
                        ck_assert(!ioctl_allowed(main_filter, number, refused[r]));
                }
                /* The kernel looks at the low half of a request only. */
                ck_assert(ioctl_allowed(vcpu, number, KVM_RUN | 1ULL << 40));
        }
}
END_TEST

#ifdef KVM_SET_LAPIC
/* The numbers in rules.c, against the headers of the architecture that has them. */
START_TEST(test_reset_requests)
{
        const uint64_t reset[] = {KVM_GET_IRQCHIP,     KVM_SET_IRQCHIP,   KVM_SET_REGS,
                                  KVM_SET_SREGS,       KVM_SET_MSRS,      KVM_SET_FPU,
                                  KVM_GET_LAPIC,       KVM_SET_LAPIC,     KVM_SET_XSAVE,
                                  KVM_SET_VCPU_EVENTS, KVM_SET_DEBUGREGS, KVM_SET_XCRS,
                                  KVM_KVMCLOCK_CTRL};
        const Filter main_filter = FILTER(seccomp_x86_64_main, AUDIT_ARCH_X86_64);
        const Filter vcpu = FILTER(seccomp_x86_64_vcpu, AUDIT_ARCH_X86_64);

        for (size_t i = 0; i < ARRAY_SIZE(reset); i++) {
                ck_assert_msg(ioctl_allowed(main_filter, SYS_ioctl, reset[i]), "%zu", i);
                ck_assert(!ioctl_allowed(vcpu, SYS_ioctl, reset[i]));
        }
}
END_TEST

START_TEST(test_arguments)
{
        const Filter filter = FILTER(seccomp_x86_64_main, AUDIT_ARCH_X86_64);
        const Filter vcpu = FILTER(seccomp_x86_64_vcpu, AUDIT_ARCH_X86_64);

        for (uint64_t prot = 0; prot < 16; prot++)
                ck_assert_int_eq(filter_allows(filter, SYS_mmap, 0, 4096, prot, MAP_PRIVATE),
                                 !(prot & PROT_EXEC));
        for (uint64_t advice = 0; advice < 110; advice++)
                ck_assert_int_eq(filter_allows(filter, SYS_madvise, 0, 4096, advice, 0),
                                 advice == MADV_DONTNEED);
        for (int number = 0; number <= SIGRTMAX; number++)
                ck_assert_int_eq(filter_allows(filter, SYS_tgkill, 1, 1, (uint64_t)number, 0),
                                 number == SIGUSR1);
        ck_assert(filter_allows(filter, SYS_newfstatat, 3, 0, 0, AT_EMPTY_PATH));
        ck_assert(!filter_allows(filter, SYS_newfstatat, 3, 0, 0, 0));
        ck_assert(!filter_allows(filter, SYS_newfstatat, 3, 0, 0, AT_SYMLINK_NOFOLLOW));
        ck_assert(!filter_can_allow(vcpu, AUDIT_ARCH_X86_64, SYS_mmap));
        ck_assert(!filter_can_allow(vcpu, AUDIT_ARCH_X86_64, SYS_recvmsg));
        ck_assert(!filter_can_allow(vcpu, AUDIT_ARCH_X86_64, SYS_sendmsg));
        ck_assert(!filter_can_allow(vcpu, AUDIT_ARCH_X86_64, SYS_pwrite64));
}
END_TEST
#endif

int main(void)
{
        const CheckTest tests[] = {
                {"numbers", test_numbers},
                {"forbidden", test_forbidden},
                {"other architecture", test_other_architecture},
                {"shared requests", test_shared_requests},
#ifdef KVM_SET_LAPIC
                {"reset requests", test_reset_requests},
                {"arguments", test_arguments},
#endif
        };

        return check_run("seccomp", tests, ARRAY_SIZE(tests));
}
