/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/capabilities.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/utsname.h>

#include "common/string-util.h"

#define KVM_API_VERSION_EXPECTED                                                                   \
        12U /* <linux/kvm.h>: stable since 2.6.22; any other is refused                            \
             */

static void kvm_problem(char *text, size_t size, const char *path, int error)
{
        switch (error) {
        case -ENOENT:
                (void)snprintf(text, size,
                               "%s does not exist: turn on virtualization in the firmware and load "
                               "kvm_intel or kvm_amd (in a virtual machine: turn on nested "
                               "virtualization)",
                               path);
                break;
        case -EACCES:
        case -EPERM:
                (void)snprintf(text, size,
                               "%s may not be opened (%s): add the user to the group that owns it, "
                               "mostly 'kvm', or use the system service",
                               path, strerror(-error));
                break;
        case -ENXIO:
        case -ENODEV:
                (void)snprintf(text, size,
                               "%s has no driver behind it (%s): load kvm_intel or kvm_amd", path,
                               strerror(-error));
                break;
        default:
                (void)snprintf(text, size, "%s cannot be opened: %s", path, strerror(-error));
        }
}

int capabilities_init(Capabilities *capabilities, const char *kvm_path, int kvm_error,
                      uint64_t memory_mib, unsigned cpus)
{
        *capabilities = (Capabilities){.memory_mib = memory_mib, .cpus = cpus};
        capabilities->kvm_path = strdup(kvm_path);
        if (!capabilities->kvm_path)
                return -ENOMEM;
        capabilities->present = kvm_error != -ENOENT;
        capabilities->opened = kvm_error == 0;
        if (kvm_error < 0)
                kvm_problem(capabilities->problem, sizeof(capabilities->problem), kvm_path,
                            kvm_error);
        else
                (void)snprintf(capabilities->problem, sizeof(capabilities->problem),
                               "%s has not been probed", kvm_path);
        return 0;
}

void capabilities_done(Capabilities *capabilities)
{
        json_fields_done(probe_fields, &capabilities->report);
        free(capabilities->kvm_path);
        *capabilities = (Capabilities){0};
}

static int check_report(const ProbeReport *report, Problem *problem)
{
        if (!report->monitor || !report->monitor_version)
                return problem_set(problem, -EBADMSG, "the probe does not name its monitor");
        if (!report->usable && !report->problem)
                return problem_set(problem, -EBADMSG, "the probe does not say why it cannot");
        return 0;
}

int capabilities_take_probe(Capabilities *capabilities, const char *text, size_t length,
                            Problem *problem)
{
        JsonProblem json_problem = {"", ""};
        json_object *json = NULL;
        ProbeReport report;
        int r;

        r = json_parse_strict(text, length, &json, &json_problem);
        if (r >= 0) {
                r = json_fields_load(probe_fields, json, "", &report, &json_problem);
                json_object_put(json);
        }
        if (r < 0)
                return problem_set(problem, r, "the monitor's probe answered nonsense (%s: %s)",
                                   json_problem.pointer, json_problem.message);
        r = check_report(&report, problem);
        if (r < 0) {
                json_fields_done(probe_fields, &report);
                return r;
        }
        json_fields_done(probe_fields, &capabilities->report);
        capabilities->report = report;
        capabilities->probed = true;
        if (!capabilities->opened)
                return 0; /* why is known, and the monitor had nothing to ask */
        if (report.usable && report.api_version != KVM_API_VERSION_EXPECTED)
                (void)snprintf(capabilities->problem, sizeof(capabilities->problem),
                               "KVM's API version is %" PRIu64 " and must be %u: use a supported "
                               "kernel",
                               report.api_version, KVM_API_VERSION_EXPECTED);
        else if (report.usable)
                capabilities->problem[0] = '\0';
        else
                string_escape_into(capabilities->problem, sizeof(capabilities->problem),
                                   report.problem, strlen(report.problem));
        return 0;
}

bool capabilities_usable(const Capabilities *capabilities)
{
        return capabilities->probed && capabilities->problem[0] == '\0';
}

uint32_t capabilities_mask(const Capabilities *capabilities)
{
        if (!capabilities_usable(capabilities))
                return 0;
        return CAPABILITY_NON_PROTECTED_VM |
               (capabilities->report.protected_vms ? CAPABILITY_PROTECTED_VM : 0);
}

double capabilities_speed_ratio(const Capabilities *capabilities)
{
        const ProbeReport *report = &capabilities->report;

        if (report->host_nsec == 0 || report->guest_nsec == 0)
                return 0;
        return (double)report->guest_nsec / (double)report->host_nsec;
}

static void speed_note(const Capabilities *capabilities, char *text, size_t size)
{
        double ratio = capabilities_speed_ratio(capabilities);

        if (ratio <= 0)
                (void)snprintf(text, size, "How fast guest code runs here is not known.");
        else if (ratio <= HARDWARE_RATIO_MAX)
                (void)snprintf(text, size, "Guest code runs on the processor itself.");
        else if (ratio <= BEARABLE_RATIO_MAX)
                (void)snprintf(text, size,
                               "The same code takes %.0f times as long in a guest as on the host: "
                               "guests run, Linux included, but slowly. This is so on a host that "
                               "is itself emulated, or under heavy load.",
                               ratio);
        else
                (void)snprintf(text, size,
                               "KVM emulates here: the same code takes %.0f times as long in a "
                               "guest as on the host. Small bare payloads run; a Linux guest may "
                               "take hours to boot. This is so where KVM itself runs in a virtual "
                               "machine without nested hardware virtualization.",
                               ratio);
}

static void add(json_object *object, const char *key, json_object *value)
{
        (void)json_object_object_add(object, key, value);
}

static json_object *report_text(const char *text)
{
        return text && *text ? json_object_new_string(text) : NULL;
}

static json_object *report_kvm(const Capabilities *capabilities)
{
        const ProbeReport *report = &capabilities->report;
        json_object *kvm = json_object_new_object(), *limits = json_object_new_object();
        double ratio = capabilities_speed_ratio(capabilities);
        char note[512], number[32];

        speed_note(capabilities, note, sizeof(note));
        (void)snprintf(number, sizeof(number), "%.2f", ratio);
        add(kvm, "path", json_object_new_string(capabilities->kvm_path));
        add(kvm, "present", json_object_new_boolean(capabilities->present));
        add(kvm, "usable", json_object_new_boolean(capabilities_usable(capabilities)));
        add(kvm, "problem", report_text(capabilities->problem));
        add(kvm, "api_version", json_object_new_uint64(report->api_version));
        add(kvm, "speed_ratio", json_object_new_double_s(ratio, number));
        add(kvm, "hardware_speed",
            json_object_new_boolean(ratio > 0 && ratio <= HARDWARE_RATIO_MAX));
        add(kvm, "speed_note", json_object_new_string(note));
        add(kvm, "vm_types", json_object_new_uint64(report->vm_types));
        add(kvm, "vm_types_created", json_object_new_uint64(report->vm_types_created));
        add(kvm, "protected_vms", json_object_new_boolean(report->protected_vms));
        add(kvm, "guest_memfd", json_object_new_boolean(report->guest_memfd));
        add(limits, "max_vcpus", json_object_new_uint64(report->max_vcpus));
        add(limits, "recommended_vcpus", json_object_new_uint64(report->recommended_vcpus));
        add(limits, "max_memslots", json_object_new_uint64(report->max_memslots));
        add(kvm, "limits", limits);
        return kvm;
}

/*
 * What a protected VM would be guaranteed (design.md decision 9: a claim is tested, not assumed).
 * No kernel that this version knows enforces any of it on a machine that it supports.
 */
static json_object *report_guarantees(void)
{
        static const char *const names[] = {"memory", "cpu_state", "dma", "firmware",
                                            "attestation"};
        json_object *guarantees = json_object_new_object();

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                add(guarantees, names[i], json_object_new_string("no"));
        return guarantees;
}

static json_object *report_monitors(const Capabilities *capabilities)
{
        const ProbeReport *report = &capabilities->report;
        json_object *monitors = json_object_new_array(), *monitor;

        if (!capabilities->probed)
                return monitors;
        monitor = json_object_new_object();
        add(monitor, "name", json_object_new_string(report->monitor));
        add(monitor, "version", json_object_new_string(report->monitor_version));
        add(monitor, "usable", json_object_new_boolean(capabilities_usable(capabilities)));
        add(monitor, "problem", report_text(capabilities->problem));
        (void)json_object_array_add(monitors, monitor);
        return monitors;
}

json_object *capabilities_report(const Capabilities *capabilities, uint64_t available_mib)
{
        json_object *report = json_object_new_object(), *memory = json_object_new_object(),
                    *processors = json_object_new_object();
        struct utsname host = {0};

        if (!report || !memory || !processors)
                return NULL;
        (void)uname(&host);
        add(report, "version", json_object_new_int(1));
        add(report, "kvm", report_kvm(capabilities));
        add(report, "guarantees", report_guarantees());
        add(report, "monitors", report_monitors(capabilities));
        add(memory, "total_mib", json_object_new_uint64(capabilities->memory_mib));
        add(memory, "available_mib", json_object_new_uint64(available_mib));
        add(report, "memory", memory);
        add(processors, "count", json_object_new_uint64(capabilities->cpus));
        add(processors, "architecture", json_object_new_string(host.machine));
        add(report, "processors", processors);
        add(report, "kernel", json_object_new_string(host.release));
        return report;
}

int capabilities_check_config(const Capabilities *capabilities, const VmConfig *config,
                              Problem *problem)
{
        unsigned vcpus = vm_config_vcpus(config, capabilities->cpus);
        uint64_t max_vcpus = capabilities->report.max_vcpus;

        if (config->memory_mib > capabilities->memory_mib)
                return problem_set(problem, -ENOMEM,
                                   "/memory_mib: %" PRIu64 " MiB are asked for and this host has "
                                   "%" PRIu64 " MiB: ask for less",
                                   config->memory_mib, capabilities->memory_mib);
        if (max_vcpus > 0 && vcpus > max_vcpus)
                return problem_set(problem, -EBADMSG,
                                   "/cpu_count: %u vCPUs are asked for and KVM has at most "
                                   "%" PRIu64 " here: ask for fewer",
                                   vcpus, max_vcpus);
        if (config->is_protected && !(capabilities_mask(capabilities) & CAPABILITY_PROTECTED_VM))
                return problem_set(problem, -EOPNOTSUPP,
                                   "/protected: this host cannot run protected VMs (%s), and a VM "
                                   "asked to be protected is never started unprotected: set it to "
                                   "false, or use an arm64 host booted with "
                                   "kvm-arm.mode=protected",
                                   capabilities->probed ? "its KVM creates none"
                                                        : "KVM could not be probed");
        if (config->bootloader)
                return problem_set(problem, -EOPNOTSUPP,
                                   "/bootloader: the monitors of this host boot kernels only: give "
                                   "\"kernel\" instead, and \"initrd\" and \"params\" if need be");
        return 0;
}
