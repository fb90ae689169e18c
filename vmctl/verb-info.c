/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* info: what the host can do, for people. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vmctl/connect.h"
#include "vmctl/output.h"
#include "vmctl/report.h"

#define MIB (UINT64_C(1) << 20)

static void print_host(json_object *report)
{
        uint64_t total = report_number(report, "/memory/total_mib") * MIB;
        uint64_t available = report_number(report, "/memory/available_mib") * MIB;
        g_autofree char *total_text = format_mib(total), *available_text = format_mib(available);
        uint64_t processors = report_number(report, "/processors/count");

        output_field("Host", TONE_PLAIN,
                     "Linux %s, %s, %" PRIu64 " processor%s, %s memory (%s available)",
                     report_string(report, "/kernel"),
                     report_string(report, "/processors/architecture"), processors,
                     processors == 1 ? "" : "s", total_text, available_text);
}

static void print_kvm(const Context *context, json_object *report)
{
        const char *problem = report_string(report, "/kvm/problem");
        bool fast = report_bool(report, "/kvm/hardware_speed");
        double ratio = report_double(report, "/kvm/speed_ratio");

        if (!report_bool(report, "/kvm/usable")) {
                g_autofree char *hint = g_strdup_printf(
                        "\"%s doctor\" checks what a start needs, one thing after the other.",
                        context->command);

                output_field("KVM", TONE_BAD, "not usable");
                output_paragraph(problem);
                output_paragraph(hint);
                return;
        }
        output_field("KVM", TONE_GOOD,
                     "%s usable, API version %" PRIu64 ", up to %" PRIu64 " vCPUs",
                     report_string(report, "/kvm/path"), report_number(report, "/kvm/api_version"),
                     report_number(report, "/kvm/limits/max_vcpus"));
        if (fast)
                output_field("Speed", TONE_GOOD, "hardware");
        else if (ratio > 0)
                output_field("Speed", TONE_WARNING, "emulated");
        else
                output_field("Speed", TONE_WARNING, "not known");
        if (!fast)
                output_paragraph(report_string(report, "/kvm/speed_note"));
}

/* "memory yes, DMA no": the keys of an object whose values are "yes" and "no". */
static char *list_guarantees(json_object *report)
{
        json_object *guarantees = report_lookup(report, "/guarantees");
        GString *text = g_string_new(NULL);

        if (!guarantees || !json_object_is_type(guarantees, json_type_object))
                return g_string_free(text, FALSE);
        json_object_object_foreach (guarantees, key, value) {
                g_autofree char *words = g_strdelimit(g_strdup(key), "_", ' ');

                g_string_append_printf(text, "%s%s %s", text->len > 0 ? ", " : "", words,
                                       json_object_get_string(value));
        }
        return g_string_free(text, FALSE);
}

static void print_kinds(json_object *report, VmClientCapabilityFlags mask)
{
        bool plain = mask & VM_CLIENT_CAPABILITY_NON_PROTECTED_VM;
        bool is_protected = mask & VM_CLIENT_CAPABILITY_PROTECTED_VM;
        g_autofree char *guarantees = list_guarantees(report);

        output_field("Machines", plain ? TONE_GOOD : TONE_BAD,
                     plain ? "yes: plain ones, whose memory the host can read" : "no");
        output_field("Protected", is_protected ? TONE_GOOD : TONE_FAINT,
                     is_protected ? "yes: machines whose memory the host cannot read"
                                  : "no: this host does not keep a guest's memory from itself");
        if (is_protected)
                output_field("", TONE_PLAIN, "kept from the host: %s", guarantees);
}

static void print_monitors(json_object *report)
{
        json_object *monitors = report_lookup(report, "/monitors");
        size_t n = monitors && json_object_is_type(monitors, json_type_array)
                           ? json_object_array_length(monitors)
                           : 0;

        for (size_t i = 0; i < n; i++) {
                json_object *monitor = json_object_array_get_idx(monitors, i);
                bool usable = report_bool(monitor, "/usable");

                output_field(i == 0 ? "Monitors" : "", usable ? TONE_PLAIN : TONE_BAD, "%s %s%s",
                             report_string(monitor, "/name"), report_string(monitor, "/version"),
                             usable ? "" : ", not usable");
        }
}

static void print_people(const Context *context, VmClientManager *manager,
                         VmClientCapabilities *capabilities, json_object *report)
{
        g_autofree char *version = vm_client_manager_dup_daemon_version(manager);
        g_autofree char *mode = vm_client_manager_dup_mode(manager);
        g_auto(GStrv) features = vm_client_manager_dup_features(manager);
        g_autofree char *feature_text = features ? g_strjoinv(", ", features) : g_strdup("");

        print_host(report);
        output_field("Daemon", TONE_PLAIN, "vmserviced %s, %s mode, reached by --%s", version, mode,
                     context_mode(context));
        print_kvm(context, report);
        print_kinds(report, vm_client_capabilities_get_mask(capabilities));
        print_monitors(report);
        if (*feature_text)
                output_field("Features", TONE_PLAIN, "%s", feature_text);
}

static void print_json(const Context *context, VmClientManager *manager,
                       VmClientCapabilities *capabilities, json_object *report)
{
        json_object *root = json_object_new_object(), *list = json_object_new_array();
        g_autofree char *version = vm_client_manager_dup_daemon_version(manager);
        g_autofree char *mode = vm_client_manager_dup_mode(manager);
        g_auto(GStrv) features = vm_client_manager_dup_features(manager);

        for (char **feature = features; feature && *feature; feature++)
                json_object_array_add(list, json_string(*feature));
        json_object_object_add(root, "daemon_version", json_string(version));
        json_object_object_add(root, "mode", json_string(mode));
        json_object_object_add(root, "features", list);
        json_object_object_add(
                root, "mask", json_object_new_int64(vm_client_capabilities_get_mask(capabilities)));
        json_object_object_add(root, "report", json_object_get(report));
        output_json(root, context->format);
        json_object_put(root);
}

int verb_info(const Context *context)
{
        g_autoptr(VmClientCapabilities) capabilities = NULL;
        g_autoptr(VmClientManager) manager = NULL;
        json_object *report;
        int r = refuse_names(context);

        if (r != 0)
                return r;
        manager = connect_manager(context);
        if (!manager)
                return VMCTL_FAILURE;
        capabilities = report_fetch(context, manager, &report);
        if (!capabilities)
                return VMCTL_FAILURE;
        if (context->format == OUTPUT_TABLE)
                print_people(context, manager, capabilities, report);
        else
                print_json(context, manager, capabilities, report);
        json_object_put(report);
        return VMCTL_OK;
}
