/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rules.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>

/*
 * Requests whose argument differs between architectures: built with the sizes of their structs as
 * arch/{x86,arm64}/include/uapi/asm/kvm.h has them, because this runs on the machine that builds. A
 * test compares them with the headers.
 */
#define X86_KVM_GET_IRQCHIP     _IOC(_IOC_READ | _IOC_WRITE, KVMIO, 0x62, 520)
#define X86_KVM_SET_IRQCHIP     _IOC(_IOC_READ, KVMIO, 0x63, 520)
#define X86_KVM_SET_REGS        _IOC(_IOC_WRITE, KVMIO, 0x82, 144)
#define X86_KVM_SET_SREGS       _IOC(_IOC_WRITE, KVMIO, 0x84, 312)
#define X86_KVM_SET_MSRS        _IOC(_IOC_WRITE, KVMIO, 0x89, 8)
#define X86_KVM_SET_FPU         _IOC(_IOC_WRITE, KVMIO, 0x8d, 416)
#define X86_KVM_GET_LAPIC       _IOC(_IOC_READ, KVMIO, 0x8e, 1024)
#define X86_KVM_SET_LAPIC       _IOC(_IOC_WRITE, KVMIO, 0x8f, 1024)
#define X86_KVM_SET_VCPU_EVENTS _IOC(_IOC_WRITE, KVMIO, 0xa0, 64)
#define X86_KVM_SET_DEBUGREGS   _IOC(_IOC_WRITE, KVMIO, 0xa2, 128)
#define X86_KVM_SET_XSAVE       _IOC(_IOC_WRITE, KVMIO, 0xa5, 4096)
#define X86_KVM_SET_XCRS        _IOC(_IOC_WRITE, KVMIO, 0xa7, 392)
#define X86_KVM_KVMCLOCK_CTRL   _IOC(_IOC_NONE, KVMIO, 0xad, 0)
#define ARM64_KVM_VCPU_INIT     _IOC(_IOC_WRITE, KVMIO, 0xae, 32)

#define IOCTL_REQUEST 1 /* argument */
#define MMAP_PROT     2
#define STAT_FLAGS    3
#define TGKILL_SIGNAL 2

#define LOW_32 0xffffffffULL /* the kernel looks at no more of an int or a request */
#define BOTH   (ROLE_VCPU | ROLE_MAIN)

#define CALL(n, r, a)                                                                              \
        {                                                                                          \
                .name = (n), .roles = (r), .archs = (a)                                            \
        }
#define CALL_IF(n, r, a, arg, m, v)                                                                \
        {                                                                                          \
                .name = (n), .roles = (r), .archs = (a), .n_conditions = 1, .conditions = {        \
                        {(arg), (m), (v)}                                                          \
                }                                                                                  \
        }
#define KVM(request, r, a) CALL_IF("ioctl", r, a, IOCTL_REQUEST, LOW_32, (uint32_t)(request))

const SyscallRule seccomp_rules[] = {
        /* Running the guest and its interrupt lines. */
        {.name = "ioctl",
         .roles = ROLE_VCPU,
         .archs = ARCH_ALL,
         .n_conditions = 1,
         .conditions = {{IOCTL_REQUEST, LOW_32, KVM_RUN}},
         .priority = 255},
        KVM(KVM_IRQ_LINE, BOTH, ARCH_ALL),

        /* What a pause has to tell the guest. */
        KVM(X86_KVM_KVMCLOCK_CTRL, ROLE_MAIN, ARCH_X86_64),
        /* PCI: a guest that writes an MSI-X table connects vectors and says where they lead; one
         * that moves a BAR moves its doorbells. A reset undoes it. Vectors get their eventfd when
         * they are first used; what is pending is asked of it. */
        KVM(KVM_IRQFD, BOTH, ARCH_ALL),
        KVM(KVM_SET_GSI_ROUTING, ROLE_VCPU, ARCH_ALL),
        KVM(KVM_IOEVENTFD, BOTH, ARCH_ALL),
        CALL("eventfd2", BOTH, ARCH_ALL),
        CALL("ppoll", ROLE_VCPU, ARCH_ALL),
        /* The watchdog: a guest's write reloads it, a pause of the machine stops it. */
        CALL("timerfd_settime", BOTH, ARCH_ALL),

        /* A reset of the machine. */
        KVM(KVM_GET_MP_STATE, ROLE_MAIN, ARCH_ALL),
        KVM(KVM_SET_MP_STATE, ROLE_MAIN, ARCH_ALL),
        KVM(X86_KVM_GET_IRQCHIP, ROLE_MAIN, ARCH_X86_64),
        KVM(X86_KVM_SET_IRQCHIP, ROLE_MAIN, ARCH_X86_64),
        KVM(X86_KVM_SET_REGS, ROLE_MAIN, ARCH_X86_64),
        KVM(X86_KVM_SET_SREGS, ROLE_MAIN, ARCH_X86_64),
        KVM(X86_KVM_SET_MSRS, ROLE_MAIN, ARCH_X86_64),
        KVM(X86_KVM_SET_FPU, ROLE_MAIN, ARCH_X86_64),
        KVM(X86_KVM_GET_LAPIC, ROLE_MAIN, ARCH_X86_64),
        KVM(X86_KVM_SET_LAPIC, ROLE_MAIN, ARCH_X86_64),
        KVM(X86_KVM_SET_VCPU_EVENTS, ROLE_MAIN, ARCH_X86_64),
        KVM(X86_KVM_SET_DEBUGREGS, ROLE_MAIN, ARCH_X86_64),
        KVM(X86_KVM_SET_XSAVE, ROLE_MAIN, ARCH_X86_64),
        KVM(X86_KVM_SET_XCRS, ROLE_MAIN, ARCH_X86_64),
        KVM(KVM_GET_ONE_REG, ROLE_MAIN, ARCH_ARM64),
        KVM(KVM_SET_ONE_REG, ROLE_MAIN, ARCH_ARM64),
        KVM(ARM64_KVM_VCPU_INIT, ROLE_MAIN, ARCH_ARM64),
        CALL_IF("madvise", ROLE_MAIN, ARCH_ALL, 2, LOW_32, MADV_DONTNEED),
        CALL("fstat", ROLE_MAIN, ARCH_ALL),
        CALL_IF("newfstatat", ROLE_MAIN, ARCH_ALL, STAT_FLAGS, LOW_32, AT_EMPTY_PATH),

        /* Threads: locks, the kick and its signal. */
        CALL("futex", BOTH, ARCH_ALL),
        CALL("rt_sigreturn", BOTH, ARCH_ALL),
        CALL("restart_syscall", BOTH, ARCH_ALL),
        CALL("getpid", ROLE_MAIN, ARCH_ALL),
        CALL_IF("tgkill", ROLE_MAIN, ARCH_ALL, TGKILL_SIGNAL, LOW_32, SIGUSR1),

        /* Wake-ups and log lines; what has no vDSO asks the kernel for the time. */
        CALL("write", BOTH, ARCH_ALL),
        CALL("clock_gettime", BOTH, ARCH_ALL),
        CALL("exit_group", BOTH, ARCH_ALL),

        /* The event loop, the daemon's socket, the console. */
        CALL("epoll_wait", ROLE_MAIN, ARCH_X86_64),
        CALL("epoll_pwait", ROLE_MAIN, ARCH_ARM64),
        CALL("epoll_ctl", ROLE_MAIN, ARCH_ALL),
        CALL("recvmsg", ROLE_MAIN, ARCH_ALL),
        CALL("sendmsg", ROLE_MAIN, ARCH_ALL),
        CALL("recvfrom", ROLE_MAIN, ARCH_ALL),
        CALL("sendto", ROLE_MAIN, ARCH_ALL),
        CALL("read", ROLE_MAIN, ARCH_ALL),
        CALL("pread64", ROLE_MAIN, ARCH_ALL),
        CALL("pwrite64", ROLE_MAIN, ARCH_ALL),
        CALL("ftruncate", ROLE_MAIN, ARCH_ALL),
        CALL("close", ROLE_MAIN, ARCH_ALL),
        CALL("getsockopt", ROLE_MAIN, ARCH_ALL),

        /* The entropy device: its bytes, and the timer of its rate limit. */
        CALL("getrandom", ROLE_MAIN, ARCH_ALL),
        CALL("timerfd_settime", ROLE_MAIN, ARCH_ALL),

        /* malloc(): one arena, so no mprotect(); nothing executable. */
        CALL("brk", ROLE_MAIN, ARCH_ALL),
        CALL_IF("mmap", ROLE_MAIN, ARCH_ALL, MMAP_PROT, PROT_EXEC, 0),
        CALL("munmap", ROLE_MAIN, ARCH_ALL),
        CALL("mremap", ROLE_MAIN, ARCH_ALL),
        {.name = NULL},
};

const char *const seccomp_denied_when_wide[] = {
        "open",
        "openat",
        "openat2",
        "creat",
        "open_by_handle_at",
        "socket",
        "connect",
        "accept",
        "accept4",
        "bind",
        "listen",
        "execve",
        "execveat",
        "fork",
        "vfork",
        "ptrace",
        "mount",
        "umount2",
        "pivot_root",
        "chroot",
        "setns",
        "unshare",
        "bpf",
        "io_uring_setup",
        "process_vm_readv",
        "process_vm_writev",
        "perf_event_open",
        NULL,
};
