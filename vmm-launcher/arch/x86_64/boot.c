/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From files to a guest memory that vCPU 0 can start in. */

#include <errno.h>
#include <stdio.h>

#include "arch/arch.h"
#include "arch/x86_64/acpi.h"
#include "arch/x86_64/boot-params.h"
#include "arch/x86_64/entry.h"
#include "arch/x86_64/layout.h"

static int boot_problem_set(BootProblem *problem, int error, const char *message)
{
        (void)snprintf(problem->message, sizeof(problem->message), "%s", message);
        return error;
}

/* The RAM below the hole from 1 MiB on, and the RAM above 4 GiB; either may be empty. */
static void boot_places(const GuestMemory *memory, BootPlace *ret_low, BootPlace *ret_high)
{
        const GuestRegion *regions;
        size_t n_regions = guest_memory_regions(memory, &regions);

        *ret_low = (BootPlace){LAYOUT_KERNEL_START, LAYOUT_KERNEL_START};
        *ret_high = (BootPlace){LAYOUT_RAM_HIGH_START, LAYOUT_RAM_HIGH_START};
        for (size_t i = 0; i < n_regions; i++) {
                uint64_t end = regions[i].address + regions[i].size;

                if (regions[i].address == 0 && end > ret_low->end)
                        ret_low->end = end;
                if (regions[i].address == LAYOUT_RAM_HIGH_START)
                        ret_high->end = end;
        }
}

/* Below the hole if it fits there; above 4 GiB only a kernel that says it can is given one. */
static int boot_load_initrd(const ArchBootInput *input, BootParams *params, const BootPlace *low,
                            const BootPlace *high, BootProblem *problem)
{
        int r;

        if (input->initrd_fd < 0)
                return 0;
        r = boot_initrd_load(input->initrd_fd, input->memory, low, params->image, &params->initrd,
                             &params->initrd_size, problem);
        if (r != -EFAULT || high->end == high->lowest ||
            params->image->initrd_addr_max < high->end - 1)
                return r;
        return boot_initrd_load(input->initrd_fd, input->memory, high, params->image,
                                &params->initrd, &params->initrd_size, problem);
}

static int boot_load_acpi(const ArchBootInput *input, BootParams *params, BootProblem *problem)
{
        const AcpiConfig config = {.n_vcpus = input->n_vcpus};
        int r;

        r = acpi_load(input->memory, &config, &params->rsdp);
        if (r < 0)
                return boot_problem_set(problem, r,
                                        "The ACPI tables for this many vCPUs cannot be made. Lower "
                                        "cpu_count.");
        return 0;
}

static int boot_write_params(const ArchBootInput *input, const BootParams *params)
{
        int r;

        r = entry_write_tables(input->memory, params->image->format);
        if (r < 0)
                return r;
        return params->image->format == BOOT_FORMAT_BZIMAGE
                       ? boot_params_write_linux(input->memory, params)
                       : boot_params_write_pvh(input->memory, params);
}

int arch_boot_load(const ArchBootInput *input, BootImage *ret_image, uint64_t *ret_boot_params,
                   BootProblem *problem)
{
        BootImage image = {0};
        BootParams params = {.image = &image, .cmdline = LAYOUT_CMDLINE};
        BootPlace low, high;
        int r;

        boot_places(input->memory, &low, &high);
        if (low.end == low.lowest)
                return boot_problem_set(problem, -EFAULT,
                                        "The machine has no memory from 1 MiB on, where a kernel "
                                        "starts. Raise memory_mib.");
        r = boot_image_load(input->kernel_fd, input->memory, &low, &image, problem);
        if (r < 0)
                return r;
        r = boot_cmdline_load(input->cmdline, input->memory, &image, LAYOUT_CMDLINE,
                              LAYOUT_CMDLINE_MAX, problem);
        if (r < 0)
                return r;
        r = boot_load_initrd(input, &params, &low, &high, problem);
        if (r < 0)
                return r;
        r = boot_load_acpi(input, &params, problem);
        if (r < 0)
                return r;
        r = boot_write_params(input, &params);
        if (r < 0)
                return boot_problem_set(problem, r,
                                        "The machine's memory below 1 MiB has a hole. Raise "
                                        "memory_mib.");
        *ret_image = image;
        *ret_boot_params = LAYOUT_ZERO_PAGE;
        return 0;
}
