/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Machine configurations: what is taken is within its limits, and saved it parses to the same. */

#include <errno.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "vmconfig/vm-config.h"

static char *save(const VmConfig *config)
{
        json_object *json = vm_config_save(config);
        char *text;

        fuzz_check(json);
        fuzz_check(json_print(json, &text, NULL) == 0);
        json_object_put(json);
        return text;
}

static void check_limits(const VmConfig *config)
{
        const char *keys[VM_CONFIG_MAX_FILES];
        size_t n = vm_config_files(config, keys);

        fuzz_check(n >= 1 && n <= VM_CONFIG_MAX_FILES);
        fuzz_check(!config->kernel != !config->bootloader);
        fuzz_check(config->memory_mib >= VM_CONFIG_MIN_MEMORY &&
                   config->memory_mib <= VM_CONFIG_MAX_MEMORY);
        fuzz_check(config->cpu_count <= VM_CONFIG_MAX_VCPUS);
        fuzz_check(vm_config_vcpus(config, 100000) >= 1 &&
                   vm_config_vcpus(config, 100000) <= VM_CONFIG_MAX_VCPUS);
        fuzz_check(config->platform_version);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        JsonProblem problem = {0};
        char *first, *second;
        VmConfig config;
        int r;

        r = vm_config_parse((const char *)data, size, &config, &problem);
        if (r < 0) {
                fuzz_check(r == -EBADMSG && problem.message[0] != '\0');
                return 0;
        }
        check_limits(&config);
        first = save(&config);
        vm_config_done(&config);

        fuzz_check(vm_config_parse(first, strlen(first), &config, &problem) == 0 ||
                   strlen(first) > VM_CONFIG_MAX_SIZE);
        if (strlen(first) <= VM_CONFIG_MAX_SIZE) {
                second = save(&config);
                vm_config_done(&config);
                fuzz_check(strcmp(first, second) == 0);
                free(second);
        }
        free(first);
        return 0;
}
