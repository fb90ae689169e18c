/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmconfig/vm-config.h"

#include <errno.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/string-util.h"
#include "vmconfig/platform-version.h"

#define DEFAULT_PLATFORM_VERSION "~1.0"
#define FILE_KEY_MAX             4095U /* PATH_MAX without its NUL */

static const char *const on_end_names[] = {
        [VM_ON_END_STOP] = "stop",
        [VM_ON_END_RESTART] = "restart",
        NULL,
};

static const char *const cpu_topology_names[] = {
        [VM_CPU_TOPOLOGY_ONE_CPU] = "one_cpu",
        [VM_CPU_TOPOLOGY_MATCH_HOST] = "match_host",
        NULL,
};

const JsonField vm_config_fields[] = {
        {"name", JSON_FIELD_STRING, offsetof(VmConfig, name), .min = 1, .max = 64,
         .doc = "What the machine is called, for people; its name is given at creation."},
        {"platform_version", JSON_FIELD_STRING, offsetof(VmConfig, platform_version), .min = 1,
         .max = 64,
         .doc = "The platform that the guest was made for, as a semantic version requirement."},
        {"kernel", JSON_FIELD_STRING, offsetof(VmConfig, kernel), .min = 1, .max = FILE_KEY_MAX,
         .doc = "The guest's kernel: a 64-bit ELF with a PVH note, or a bzImage."},
        {"initrd", JSON_FIELD_STRING, offsetof(VmConfig, initrd), .min = 1, .max = FILE_KEY_MAX,
         .doc = "The initial RAM disk that goes with the kernel."},
        {"params", JSON_FIELD_STRING, offsetof(VmConfig, params), .min = 0,
         .max = VM_CONFIG_MAX_PARAMS, .doc = "The kernel's command line."},
        {"bootloader", JSON_FIELD_STRING, offsetof(VmConfig, bootloader), .min = 1,
         .max = FILE_KEY_MAX,
         .doc = "Firmware that finds its own kernel; excludes kernel, initrd and params."},
        {"memory_mib", JSON_FIELD_U64, offsetof(VmConfig, memory_mib), .min = VM_CONFIG_MIN_MEMORY,
         .max = VM_CONFIG_MAX_MEMORY, .default_value = 256, .unit = "MiB",
         .doc = "The guest's memory."},
        {"cpu_topology", JSON_FIELD_ENUM, offsetof(VmConfig, cpu_topology),
         .names = cpu_topology_names, .default_value = VM_CPU_TOPOLOGY_ONE_CPU,
         .doc = "One virtual processor, or as many as the host has; excludes cpu_count."},
        {"cpu_count", JSON_FIELD_U64, offsetof(VmConfig, cpu_count), .min = 1,
         .max = VM_CONFIG_MAX_VCPUS, .default_value = 0, .unit = "processors",
         .doc = "The number of virtual processors; excludes cpu_topology."},
        {"protected", JSON_FIELD_BOOL, offsetof(VmConfig, is_protected),
         .doc = "Whether the guest's memory is kept from the host; refused where it cannot be."},
        {"on_reboot", JSON_FIELD_ENUM, offsetof(VmConfig, on_reboot), .names = on_end_names,
         .default_value = VM_ON_END_RESTART,
         .doc = "What follows when the guest asks for a reset."},
        {"on_crash", JSON_FIELD_ENUM, offsetof(VmConfig, on_crash), .names = on_end_names,
         .default_value = VM_ON_END_STOP, .doc = "What follows a guest's panic or triple fault."},
        {"console_scrollback_kib", JSON_FIELD_U64, offsetof(VmConfig, console_scrollback_kib),
         .min = 4, .max = 1024, .default_value = 64, .unit = "KiB",
         .doc = "How much console output is kept for those who attach to it."},
        {"console_log_kib", JSON_FIELD_U64, offsetof(VmConfig, console_log_kib), .min = 64,
         .max = 65536, .default_value = 1024, .unit = "KiB",
         .doc = "The size of each of the two parts of the rotated console log."},
        {NULL},
};

static int check_boot(const VmConfig *config, JsonProblem *problem)
{
        if (config->bootloader) {
                const char *other = config->kernel   ? "kernel"
                                    : config->initrd ? "initrd"
                                    : config->params ? "params"
                                                     : NULL;

                if (other)
                        return json_problem(problem, "/bootloader",
                                            "\"bootloader\" excludes \"%s\": a bootloader finds "
                                            "its own kernel; remove one of the two",
                                            other);
                return 0;
        }
        if (!config->kernel)
                return json_problem(problem, "",
                                    "there is nothing to boot: add \"kernel\" or \"bootloader\"");
        return 0;
}

static int check_cpus(json_object *json, JsonProblem *problem)
{
        if (json_object_object_get_ex(json, "cpu_topology", NULL) &&
            json_object_object_get_ex(json, "cpu_count", NULL))
                return json_problem(problem, "/cpu_count",
                                    "\"cpu_count\" excludes \"cpu_topology\": both say how many "
                                    "processors there are; remove one of the two");
        return 0;
}

static int check_platform_version(const VmConfig *config, JsonProblem *problem)
{
        char escaped[128];
        bool matches;

        string_escape_into(escaped, sizeof(escaped), config->platform_version,
                           strlen(config->platform_version));
        if (platform_version_matches(config->platform_version, VM_PLATFORM_VERSION, &matches) < 0)
                return json_problem(problem, "/platform_version",
                                    "\"platform_version\" is \"%s\", but must be a version "
                                    "requirement such as \"~1.0\" or \">=1.0, <2\"",
                                    escaped);
        if (!matches)
                return json_problem(problem, "/platform_version",
                                    "\"platform_version\" is \"%s\", which this platform, version "
                                    "%s, does not meet",
                                    escaped, VM_PLATFORM_VERSION);
        return 0;
}

static int check_rules(const VmConfig *config, json_object *json, JsonProblem *problem)
{
        const char *why = config->name ? machine_name_problem(config->name) : NULL;
        int r;

        if (why)
                return json_problem(problem, "/name", "%s", why);
        r = check_boot(config, problem);
        if (r < 0)
                return r;
        r = check_cpus(json, problem);
        if (r < 0)
                return r;
        return check_platform_version(config, problem);
}

int vm_config_load(json_object *json, VmConfig *ret, JsonProblem *problem)
{
        VmConfig config;
        int r;

        r = json_fields_load(vm_config_fields, json, "", &config, problem);
        if (r < 0)
                return r;
        if (!config.platform_version) {
                config.platform_version = strdup(DEFAULT_PLATFORM_VERSION);
                if (!config.platform_version) {
                        vm_config_done(&config);
                        return -ENOMEM;
                }
        }
        r = check_rules(&config, json, problem);
        if (r < 0) {
                vm_config_done(&config);
                return r;
        }
        *ret = config;
        return 0;
}

int vm_config_parse(const char *text, size_t length, VmConfig *ret, JsonProblem *problem)
{
        json_object *json = NULL;
        int r;

        if (length > VM_CONFIG_MAX_SIZE)
                return json_problem(problem, "",
                                    "the configuration is %zu bytes long, but must be at most %u "
                                    "bytes",
                                    length, VM_CONFIG_MAX_SIZE);
        r = json_parse_strict(text, length, &json, problem);
        if (r < 0)
                return r;
        r = vm_config_load(json, ret, problem);
        json_object_put(json);
        return r;
}

json_object *vm_config_save(const VmConfig *config)
{
        json_object *json = json_fields_save(vm_config_fields, config);

        /* The two exclude each other, also in what is written. */
        if (json)
                json_object_object_del(json, config->cpu_count > 0 ? "cpu_topology" : "cpu_count");
        return json;
}

size_t vm_config_files(const VmConfig *config, const char *ret_keys[VM_CONFIG_MAX_FILES])
{
        size_t n = 0;

        if (config->kernel)
                ret_keys[n++] = config->kernel;
        if (config->initrd)
                ret_keys[n++] = config->initrd;
        if (config->bootloader)
                ret_keys[n++] = config->bootloader;
        return n;
}

unsigned vm_config_vcpus(const VmConfig *config, unsigned host_cpus)
{
        if (config->cpu_count > 0)
                return (unsigned)config->cpu_count;
        if (config->cpu_topology == VM_CPU_TOPOLOGY_ONE_CPU || host_cpus == 0)
                return 1;
        return CONST_MIN(host_cpus, VM_CONFIG_MAX_VCPUS);
}

void vm_config_done(VmConfig *config)
{
        json_fields_done(vm_config_fields, config);
}
