/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "arch/arch.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/string-util.h"
#include "kvm/kvm.h"
#include "kvm/uapi-compat.h"
#include "sandbox.h"

#define KVM_PATH           "/dev/kvm"
#define KVM_INHERITED_FD   3
#define KVM_API_VERSION_OK 12
#define PROBE_MEMORY       (1U << 20)

/*
 * Speed: rounds are raised until the guest needs some milliseconds for them, so that what it costs
 * to enter and leave it is small beside them. Where KVM emulates, the first try takes tens of
 * milliseconds and is the last; the alarm is for where it takes for ever. A busy host may not let
 * the guest through its first round before the alarm: that says nothing of KVM, so it gets more.
 */
#define SPEED_FIRST_COUNT 16384U
#define SPEED_COUNT_MAX   (SPEED_FIRST_COUNT << 12)
#define SPEED_STEP        8U
#define SPEED_ENOUGH_NSEC 4000000ULL
#define SPEED_RUNS        3U
#define SPEED_ALARM_USEC  200000
#define SPEED_ALARMS      25U

typedef struct ProbeVm {
        ArchHost *host;
        GuestMemory *memory;
        KvmVm kvm;
        KvmVcpu vcpu;
} ProbeVm;

/* What the alarm's handler is to stop. */
static struct kvm_run *alarm_run;

static void handle_alarm(_unused_ int number)
{
        __atomic_store_n(&alarm_run->immediate_exit, 1, __ATOMIC_SEQ_CST);
}

static int alarm_arm(struct kvm_run *run)
{
        const struct sigaction action = {.sa_handler = handle_alarm};
        const struct itimerval time = {.it_value.tv_usec = SPEED_ALARM_USEC};

        alarm_run = run;
        __atomic_store_n(&run->immediate_exit, 0, __ATOMIC_SEQ_CST);
        if (sigaction(SIGALRM, &action, NULL) < 0 || setitimer(ITIMER_REAL, &time, NULL) < 0)
                return -errno;
        return 0;
}

static void alarm_disarm(void)
{
        const struct itimerval none = {0};

        (void)setitimer(ITIMER_REAL, &none, NULL);
}

static uint64_t now_nsec(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static int set_problem(ProbeReport *report, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

static int set_problem(ProbeReport *report, const char *format, ...)
{
        char text[512];
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        report->problem = strdup(text);
        return report->problem ? 0 : -ENOMEM;
}

static int problem_of_open(ProbeReport *report, int error)
{
        switch (error) {
        case -ENOENT:
                return set_problem(report,
                                   KVM_PATH " does not exist: turn on virtualization in the "
                                            "firmware and load kvm_intel or kvm_amd (in a virtual "
                                            "machine: turn on nested virtualization)");
        case -EACCES:
        case -EPERM:
                return set_problem(report, KVM_PATH " may not be opened: add the user to the group "
                                                    "that owns it, mostly \"kvm\"");
        default:
                return set_problem(report, KVM_PATH " cannot be opened: %s",
                                   strerrordesc_np(-error));
        }
}

static void probe_vm_done(ProbeVm *vm)
{
        kvm_vcpu_done(&vm->vcpu);
        kvm_vm_done(&vm->kvm);
        vm->memory = guest_memory_free(vm->memory);
        vm->host = arch_host_free(vm->host);
}

/* As a machine is made, with one vCPU and without devices. *ret_what: the step that failed. */
static int probe_vm_init(int kvm_fd, ProbeVm *vm, const char **ret_what)
{
        GuestRegion layout[GUEST_MEMORY_MAX_REGIONS];
        const GuestRegion *regions;
        int r, run_size = kvm_get_vcpu_mmap_size(kvm_fd);

        *vm = (ProbeVm){NULL, NULL, KVM_VM_NONE, KVM_VCPU_NONE};
        *ret_what = "guest memory";
        r = guest_memory_new(layout, arch_memory_layout(PROBE_MEMORY, layout), &vm->memory);
        if (r >= 0)
                r = arch_speed_load(vm->memory);
        if (r < 0)
                return r;
        *ret_what = "a VM";
        r = kvm_vm_create(kvm_fd, 0, &vm->kvm);
        if (r < 0)
                return r;
        *ret_what = "the guest's memory";
        (void)guest_memory_regions(vm->memory, &regions);
        r = kvm_vm_set_memory(&vm->kvm, 0, regions[0].address, regions[0].size, regions[0].host);
        if (r < 0)
                return r;
        *ret_what = "an interrupt controller";
        r = arch_vm_init(&vm->kvm);
        if (r < 0)
                return r;
        *ret_what = "a vCPU";
        r = kvm_vcpu_create(&vm->kvm, 0, run_size < 0 ? 0 : (size_t)run_size, &vm->vcpu);
        if (r < 0)
                return r;
        *ret_what = "the processor's features";
        r = arch_host_new(&vm->host);
        if (r >= 0)
                r = arch_host_survey(vm->host, kvm_fd);
        return r < 0 ? r : arch_vcpus_init(vm->host, &vm->vcpu, 1);
}

/* Until the rounds are done (*ret_left is 0), or an alarm finds some of them done. */
static int guest_run_rounds(const KvmVcpu *vcpu, uint32_t count, uint32_t *ret_left)
{
        for (unsigned i = 0; i < SPEED_ALARMS; i++) {
                int r = kvm_vcpu_run(vcpu);

                if (r != -EINTR) {
                        *ret_left = 0;
                        return r;
                }
                r = arch_speed_get_count(vcpu, ret_left);
                if (r < 0 || *ret_left < count)
                        return r < 0 ? r : -EINTR;
                r = alarm_arm(vcpu->run);
                if (r < 0)
                        return r;
        }
        return -ETIMEDOUT;
}

/* The time of count rounds in the guest; reckoned up from what it got done before the alarm. */
static int guest_time(const KvmVcpu *vcpu, uint32_t count, uint64_t *ret_nsec)
{
        uint32_t left = 0;
        uint64_t start, nsec;
        int r;

        r = arch_speed_set_count(vcpu, count);
        if (r < 0)
                return r;
        start = now_nsec();
        r = guest_run_rounds(vcpu, count, &left);
        nsec = now_nsec() - start;
        if (r == -EINTR) {
                r = 0;
        } else if (r >= 0 && vcpu->run->exit_reason != KVM_EXIT_IO &&
                   vcpu->run->exit_reason != KVM_EXIT_MMIO)
                r = -EIO;
        if (r < 0)
                return r;
        *ret_nsec = left < count ? nsec * count / (count - left) : nsec;
        return left == 0 ? 0 : 1;
}

static uint64_t host_time(uint32_t count)
{
        uint64_t best = UINT64_MAX;

        for (unsigned i = 0; i < SPEED_RUNS; i++) {
                uint64_t start = now_nsec(), nsec;

                arch_speed_run_on_host(count);
                nsec = now_nsec() - start;
                best = CONST_MIN(best, nsec);
        }
        return CONST_MAX(best, 1U);
}

static int probe_speed(const ProbeVm *vm, ProbeReport *report)
{
        uint32_t count = SPEED_FIRST_COUNT;
        uint64_t best, nsec;
        int r;

        r = guest_time(&vm->vcpu, count, &best);
        while (r == 0 && best < SPEED_ENOUGH_NSEC && count < SPEED_COUNT_MAX) {
                count *= SPEED_STEP;
                r = guest_time(&vm->vcpu, count, &best);
        }
        for (unsigned i = 1; r == 0 && i < SPEED_RUNS && best < 2 * SPEED_STEP * SPEED_ENOUGH_NSEC;
             i++) {
                r = guest_time(&vm->vcpu, count, &nsec);
                if (r >= 0)
                        best = CONST_MIN(best, nsec);
        }
        if (r < 0)
                return r;
        report->guest_nsec = best;
        report->host_nsec = host_time(count);
        return 0;
}

static uint64_t limit(int kvm_fd, unsigned capability, uint64_t fallback)
{
        int r = kvm_check_extension(kvm_fd, capability);

        return r > 0 ? (uint64_t)r : fallback;
}

/* A claim that is not tried is none. */
static void probe_vm_types(int kvm_fd, ProbeReport *report)
{
        const ArchVmType *types;
        size_t n = arch_protected_vm_types(&types);

        for (size_t i = 0; i < n; i++) {
                KvmVm vm;

                if (!(report->vm_types & 1ULL << types[i].bit) ||
                    kvm_vm_create(kvm_fd, types[i].argument, &vm) < 0)
                        continue;
                report->vm_types_created |= 1ULL << types[i].bit;
                report->protected_vms |= types[i].is_offered;
                kvm_vm_done(&vm);
        }
}

static int probe_kvm(int kvm_fd, ProbeReport *report)
{
        const char *what = "";
        ProbeVm vm;
        int r;

        r = kvm_get_api_version(kvm_fd);
        if (r < 0)
                return set_problem(report, KVM_PATH " does not answer: %s", strerrordesc_np(-r));
        report->api_version = (uint64_t)r;
        /* Fallbacks: Linux, Documentation/virt/kvm/api.rst, 4.7 KVM_CREATE_VCPU. */
        report->recommended_vcpus = limit(kvm_fd, KVM_CAP_NR_VCPUS, 4);
        report->max_vcpus = limit(kvm_fd, KVM_CAP_MAX_VCPUS, report->recommended_vcpus);
        report->max_memslots = limit(kvm_fd, KVM_CAP_NR_MEMSLOTS, 32);
        report->vm_types = limit(kvm_fd, COMPAT_KVM_CAP_VM_TYPES, 1);
        report->guest_memfd = kvm_check_extension(kvm_fd, COMPAT_KVM_CAP_GUEST_MEMFD) > 0;
        if (report->api_version != KVM_API_VERSION_OK)
                return set_problem(report,
                                   "KVM's API version is %d and must be %d: use a "
                                   "supported kernel",
                                   r, KVM_API_VERSION_OK);
        probe_vm_types(kvm_fd, report);
        r = probe_vm_init(kvm_fd, &vm, &what);
        if (r >= 0) {
                r = alarm_arm(vm.vcpu.run);
                what = "to run a guest";
                if (r >= 0)
                        r = probe_speed(&vm, report);
                alarm_disarm();
        }
        probe_vm_done(&vm);
        report->usable = r >= 0;
        return r < 0 ? set_problem(report, "KVM refused %s: %s", what, strerrordesc_np(-r)) : 0;
}

int probe_make_report(int kvm_fd, ProbeReport *ret)
{
        ProbeReport report = {0};
        int r;

        report.monitor = strdup("vmm-launcher");
        report.monitor_version = strdup(LAUNCHER_VERSION);
        r = report.monitor && report.monitor_version ? 0 : -ENOMEM;
        if (r >= 0)
                r = kvm_fd < 0 ? problem_of_open(&report, kvm_fd) : probe_kvm(kvm_fd, &report);
        if (r < 0) {
                json_fields_done(probe_fields, &report);
                return r;
        }
        *ret = report;
        return 0;
}

static int write_report(const ProbeReport *report)
{
        json_object *json = json_fields_save(probe_fields, report);
        const char *text;
        size_t length;
        int r = -ENOMEM;

        text = json ? json_object_to_json_string_length(json, JSON_C_TO_STRING_PLAIN, &length)
                    : NULL;
        if (text)
                r = fd_write_full(STDOUT_FILENO, text, length);
        if (r >= 0)
                r = fd_write_full(STDOUT_FILENO, "\n", 1);
        json_object_put(json);
        return r;
}

int probe_main(int kvm_fd)
{
        _cleanup_close_ int opened = -1;
        ProbeReport report;
        const char *why;
        int r;

        log_set_ident("vmm-launcher");
        if (kvm_fd < 0 && sandbox_check_kvm_fd(KVM_INHERITED_FD, &why) >= 0)
                kvm_fd = KVM_INHERITED_FD;
        else if (kvm_fd < 0) {
                opened = open(KVM_PATH, O_RDWR | O_CLOEXEC);
                kvm_fd = opened < 0 ? -errno : opened;
        } else if (sandbox_check_kvm_fd(kvm_fd, &why) < 0) {
                log_error("%s", why);
                return EXIT_FAILURE;
        }
        r = probe_make_report(kvm_fd, &report);
        if (r >= 0) {
                r = write_report(&report);
                json_fields_done(probe_fields, &report);
        }
        if (r < 0)
                log_error_errno(r, "The report cannot be made");
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
