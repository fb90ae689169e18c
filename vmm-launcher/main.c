/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/string-util.h"
#include "probe.h"
#include "protocol/protocol.h"
#include "sandbox.h"
#include "vm.h"

#define CONTROL_FD 3
#define HEAP_KEPT  (1 << 20) /* bytes: a frame's buffer comes and goes */

#define USAGE                                                                                      \
        "usage: vmm-launcher                     run one VM; file descriptor 3 is the daemon's "   \
        "control socket\n"                                                                         \
        "       vmm-launcher --probe [--kvm-fd N]  write what KVM can do here, as JSON\n"          \
        "       vmm-launcher --version\n"                                                          \
        "It is started by vmserviced; use vmctl to run a VM.\n"

/*
 * One malloc arena: glibc opens files to make another, which the walls forbid. No signal but the
 * vCPUs' kick is handled; a closed standard error or a full log file must not end the machine.
 */
static void process_init(void)
{
        (void)mallopt(M_ARENA_MAX, 1);
        (void)mallopt(M_TRIM_THRESHOLD, HEAP_KEPT);
        (void)signal(SIGPIPE, SIG_IGN);
        (void)signal(SIGXFSZ, SIG_IGN);
        log_set_ident("vmm-launcher");
}

static int run_monitor(void)
{
        char why[256];
        Vm *vm;
        int r;

        process_init();
        if (sandbox_enter(CONTROL_FD, why) < 0) {
                log_error("%s", why);
                return monitor_exit_code(STOP_REASON_START_FAILED);
        }
        r = vm_new(CONTROL_FD, &vm);
        if (r < 0) {
                log_error_errno(r, "The monitor cannot be set up");
                return monitor_exit_code(STOP_REASON_START_FAILED);
        }
        r = vm_run(vm);
        if (sandbox_weakness())
                vm_free(vm); /* for who looks for leaks */
        /* Closing a VM takes KVM some 15 ms: left to the kernel, behind the parent's back. */
        _exit(r);
}

static int run_probe(int argc, char *argv[])
{
        uint64_t fd;

        if (argc == 2)
                return probe_main(-1);
        if (argc == 4 && streq(argv[2], "--kvm-fd") && parse_u64(argv[3], &fd) == 0 &&
            fd <= INT32_MAX)
                return probe_main((int)fd);
        fputs(USAGE, stderr);
        return EXIT_FAILURE;
}

int main(int argc, char *argv[])
{
        if (argc <= 1)
                return run_monitor();
        if (streq(argv[1], "--probe"))
                return run_probe(argc, argv);
        if (argc == 2 && streq(argv[1], "--version")) {
                puts("vmm-launcher " LAUNCHER_VERSION);
                return EXIT_SUCCESS;
        }
        if (argc == 2 && streq(argv[1], "--help")) {
                fputs(USAGE, stdout);
                return EXIT_SUCCESS;
        }
        fprintf(stderr, "vmm-launcher: unknown argument \"%.100s\"\n" USAGE, argv[1]);
        return EXIT_FAILURE;
}
