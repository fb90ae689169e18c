/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A start request becomes a machine: files checked, objects assembled in order, walls put up. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "sandbox.h"
#include "vm-internal.h"

#define FDS_AT_FIRST           64 /* of a new process: Linux, NR_OPEN_DEFAULT */
#define KVM_API_VERSION_NEEDED 12 /* the only one there has been since Linux 2.6.22 */

static int out_of_memory(VmProblem *problem)
{
        return vm_problem_set(problem, -ENOMEM, "The host has no memory left for the monitor.");
}

static int kvm_problem(VmProblem *problem, int error, const char *what)
{
        return vm_problem_set(problem, error, "KVM refused %s: %s.", what, strerrordesc_np(-error));
}

/* Takes the next of the message's descriptors. */
static int take_file(Message *message, size_t *at, FdAccess access, const char *what, int *ret,
                     VmProblem *problem)
{
        const char *why = NULL;
        int fd = message->fds[*at];

        if (fd_check_file(fd, access, false, &why) < 0)
                return vm_problem_set(problem, -EBADF,
                                      "The descriptor passed for %s is unusable: "
                                      "%s.",
                                      what, why);
        *ret = TAKE_FD(message->fds[(*at)++]);
        return 0;
}

static int take_images(Vm *vm, Message *message, size_t *at, VmProblem *problem)
{
        int r;

        if (vm->config.bootloader)
                return take_file(message, at, FD_ACCESS_READ, "the bootloader", &vm->files.image,
                                 problem);
        r = take_file(message, at, FD_ACCESS_READ, "the kernel", &vm->files.image, problem);
        if (r < 0 || !vm->config.initrd)
                return r;
        return take_file(message, at, FD_ACCESS_READ, "the initrd", &vm->files.initrd, problem);
}

/* /dev/kvm, the configuration's files, the log, the log before it: neither more nor fewer. */
static int vm_take_files(Vm *vm, const ProtocolStart *start, Message *message, VmProblem *problem)
{
        const char *keys[VM_CONFIG_MAX_FILES], *why = NULL;
        size_t at = 0;
        size_t n = 1 + vm_config_files(&vm->config, keys) + start->log + start->log_previous;
        int r;

        if (message->n_fds != n)
                return vm_problem_set(problem, -EBADF,
                                      "This start needs %zu descriptors (/dev/kvm, each file that "
                                      "the configuration names, the logs), but %zu came.",
                                      n, message->n_fds);
        if (sandbox_check_kvm_fd(message->fds[at], &why) < 0)
                return vm_problem_set(problem, -EBADF, "The descriptor for KVM is unusable: %s.",
                                      why);
        vm->files.kvm = TAKE_FD(message->fds[at++]);
        r = take_images(vm, message, &at, problem);
        if (r < 0)
                return r;
        if (start->log) {
                r = take_file(message, &at, FD_ACCESS_READ_WRITE, "the console log", &vm->files.log,
                              problem);
                if (r < 0)
                        return r;
        }
        if (start->log_previous)
                return take_file(message, &at, FD_ACCESS_READ_WRITE, "the previous console log",
                                 &vm->files.log_previous, problem);
        return 0;
}

/* The processors that this process may use, for cpu_topology match_host. */
static unsigned host_cpus(const VmConfig *config)
{
        cpu_set_t cpus;

        if (config->cpu_count > 0 || config->cpu_topology == VM_CPU_TOPOLOGY_ONE_CPU)
                return 1;
        return sched_getaffinity(0, sizeof(cpus), &cpus) < 0 ? 1 : (unsigned)CPU_COUNT(&cpus);
}

static int vm_load_config(Vm *vm, json_object *json, VmProblem *problem)
{
        JsonProblem why;
        int r;

        r = vm_config_load(json, &vm->config, &why);
        if (r == -ENOMEM)
                return out_of_memory(problem);
        if (r < 0)
                return vm_problem_set(problem, r, "The configuration was refused: %s%s%s.",
                                      why.pointer, *why.pointer ? ": " : "", why.message);
        if (vm->config.is_protected)
                return vm_problem_set(problem, -EOPNOTSUPP,
                                      "This monitor cannot make a protected VM on this host. "
                                      "Remove \"protected\", or use a host with pKVM.");
        vm->n_vcpus = vm_config_vcpus(&vm->config, host_cpus(&vm->config));
        return 0;
}

static int vm_take_start(Vm *vm, Message *message, VmProblem *problem)
{
        ProtocolStart start;
        JsonProblem why;
        int r;

        r = json_fields_load(protocol_start_fields, message->body, "", &start, &why);
        if (r == -ENOMEM)
                return out_of_memory(problem);
        if (r < 0)
                return vm_problem_set(problem, -EINVAL, "The start request was refused: %s: %s.",
                                      why.pointer, why.message);
        vm->run_id = TAKE_PTR(start.run_id);
        r = vm_load_config(vm, start.config, problem);
        if (r >= 0)
                r = vm_take_files(vm, &start, message, problem);
        json_fields_done(protocol_start_fields, &start);
        return r;
}

/* On each vCPU's thread. The first one finds out about the host, while the main thread goes on. */
static int vcpu_enter(void *context, unsigned index)
{
        Vm *vm = context;
        int r = index == 0 ? arch_host_survey(vm->host, vm->files.kvm) : 0;

        return r < 0 ? r : sandbox_lock_vcpu();
}

/*
 * A descriptor table that grows while there are threads makes the process wait for RCU, for tens of
 * milliseconds: it is made large enough before.
 */
static void grow_fd_table(unsigned n_vcpus)
{
        int fd;

        if (n_vcpus < FDS_AT_FIRST / 2)
                return;
        fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, (int)(FDS_AT_FIRST + n_vcpus));
        fd_close(fd);
}

/* All threads exist before the walls are up: a reset uses them again. */
static int vm_make_threads(Vm *vm, VmProblem *problem)
{
        const VcpuHandlers handlers = {vcpu_enter, vm_note_outcome, vm_note_parked, vm};
        int r;

        if (arch_host_new(&vm->host) < 0)
                return out_of_memory(problem);
        grow_fd_table(vm->n_vcpus);
        if (vcpu_set_new(vm->n_vcpus, &handlers, &vm->vcpu_set) < 0)
                return out_of_memory(problem);
        r = vcpu_set_start(vm->vcpu_set);
        if (r < 0)
                return vm_problem_set(problem, r, "The threads of %u vCPUs cannot be made: %s.",
                                      vm->n_vcpus, strerrordesc_np(-r));
        return 0;
}

static int vm_make_memory(Vm *vm, VmProblem *problem)
{
        GuestRegion layout[GUEST_MEMORY_MAX_REGIONS];
        size_t n = arch_memory_layout(vm->config.memory_mib << 20, layout);
        int r;

        r = guest_memory_new(layout, n, &vm->memory);
        vm->window = DMA_WINDOW_ALL(vm->memory);
        if (r < 0)
                return vm_problem_set(problem, r,
                                      "The host has no %llu MiB of memory for the guest: %s. Lower "
                                      "memory_mib.",
                                      (unsigned long long)vm->config.memory_mib,
                                      strerrordesc_np(-r));
        return 0;
}

int vm_load_image(Vm *vm, VmProblem *problem)
{
        const ArchBootInput input = {
                .memory = vm->memory,
                .kernel_fd = vm->files.image,
                .initrd_fd = vm->files.initrd,
                .cmdline = vm->config.params,
                .n_vcpus = vm->n_vcpus,
        };
        BootProblem why = {""};
        int r;

        r = arch_boot_load(&input, &vm->image, &vm->boot_params, &why);
        if (r < 0)
                return vm_problem_set(problem, r == -EFAULT || r == -E2BIG ? -ENOEXEC : r, "%s",
                                      why.message);
        return 0;
}

int vm_set_entry(Vm *vm, VmProblem *problem)
{
        int r = arch_vcpu_set_entry(&vm->vcpus[0], &vm->image, vm->boot_params);

        return r < 0 ? kvm_problem(problem, r, "the registers of the guest's entry") : 0;
}

/* A small payload goes into small pages, which cost less than a huge one. */
static int vm_load_first_image(Vm *vm, VmProblem *problem)
{
        int r = vm_load_image(vm, problem);

        guest_memory_use_huge_pages(vm->memory);
        return r;
}

/* Memory first: each memslot costs fifty times as much once the irqchip is there. */
static int vm_make_kvm(Vm *vm, VmProblem *problem)
{
        const GuestRegion *regions;
        size_t n = guest_memory_regions(vm->memory, &regions);
        int r;

        r = kvm_get_api_version(vm->files.kvm);
        if (r != KVM_API_VERSION_NEEDED)
                return vm_problem_set(problem, r < 0 ? r : -ENODEV,
                                      "/dev/kvm does not speak version %d of the KVM API.",
                                      KVM_API_VERSION_NEEDED);
        r = kvm_vm_create(vm->files.kvm, 0, &vm->kvm);
        if (r < 0)
                return kvm_problem(problem, r, "a VM");
        for (size_t i = 0; i < n; i++) {
                r = kvm_vm_set_memory(&vm->kvm, (unsigned)i, regions[i].address, regions[i].size,
                                      regions[i].host);
                if (r < 0)
                        return kvm_problem(problem, r, "the guest's memory");
        }
        r = arch_vm_init(&vm->kvm);
        return r < 0 ? kvm_problem(problem, r, "an interrupt controller") : 0;
}

static int vm_make_vcpus(Vm *vm, VmProblem *problem)
{
        int run_size = kvm_get_vcpu_mmap_size(vm->files.kvm);
        int r;

        vm->vcpus = calloc(vm->n_vcpus, sizeof(vm->vcpus[0]));
        if (!vm->vcpus)
                return out_of_memory(problem);
        for (unsigned i = 0; i < vm->n_vcpus; i++)
                vm->vcpus[i] = KVM_VCPU_NONE;
        for (unsigned i = 0; i < vm->n_vcpus; i++) {
                r = kvm_vcpu_create(&vm->kvm, i, run_size < 0 ? 0 : (size_t)run_size,
                                    &vm->vcpus[i]);
                if (r < 0)
                        return vm_problem_set(problem, r,
                                              "KVM refused vCPU %u of %u: %s. Lower cpu_count.",
                                              i + 1, vm->n_vcpus, strerrordesc_np(-r));
        }
        r = vcpu_set_await_entered(vm->vcpu_set);
        if (r < 0)
                return vm_problem_set(problem, r, "The threads of %u vCPUs cannot be set up: %s.",
                                      vm->n_vcpus, strerrordesc_np(-r));
        r = arch_vcpus_init(vm->host, vm->vcpus, vm->n_vcpus);
        return r < 0 ? kvm_problem(problem, r, "the processor's features") : 0;
}

static void vm_irq_set(void *context, unsigned line, bool level)
{
        Vm *vm = context;

        /* Fails for a line that the irqchip does not have, and the layout names none such. */
        (void)kvm_vm_irq_line(&vm->kvm, line, level);
}

static int vm_make_devices(Vm *vm, VmProblem *problem)
{
        const ConsoleConfig console = {
                .ring_size = vm->config.console_scrollback_kib << 10,
                .log_fd = vm->files.log,
                .log_previous_fd = vm->files.log_previous,
                .log_size = vm->config.console_log_kib << 10,
        };
        DeviceContext context = {
                .console = vm->console,
                .events = {vm_note_machine_event, vm},
                .irq = {.set = vm_irq_set, .context = vm},
                .loop = vm->loop,
                .kvm = &vm->kvm,
        };
        int r;

        r = console_configure(vm->console, &console);
        if (r == -EBADF)
                return vm_problem_set(problem, r,
                                      "The console log is not a regular file that is "
                                      "open for reading and writing.");
        if (r < 0)
                return out_of_memory(problem);
        if (bus_new(&vm->pio) < 0 || bus_new(&vm->mmio) < 0)
                return out_of_memory(problem);
        context.pio = vm->pio;
        context.mmio = vm->mmio;
        vcpu_set_attach(vm->vcpu_set, vm->vcpus, &(VcpuBuses){vm->pio, vm->mmio});
        r = device_table_init(&vm->devices, &context);
        return r < 0 ? vm_problem_set(problem, r, "The machine's devices cannot be made: %s.",
                                      strerrordesc_np(-r))
                     : 0;
}

static int vm_lock(Vm *vm, VmProblem *problem)
{
        const char *weakness = sandbox_weakness();
        int r;

        vm->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
        if (weakness)
                log_notice("This monitor %s", weakness);
        r = sandbox_lock_main();
        return r < 0 ? vm_problem_set(problem, r, "The system call filter cannot be set: %s.",
                                      strerrordesc_np(-r))
                     : 0;
}

int vm_assemble(Vm *vm, Message *message, VmProblem *problem)
{
        static int (*const steps[])(Vm *, VmProblem *) = {
                vm_make_threads, vm_make_memory, vm_load_first_image, vm_make_kvm,
                vm_make_vcpus,   vm_set_entry,   vm_make_devices,     vm_lock,
        };
        int r;

        r = vm_take_start(vm, message, problem);
        for (size_t i = 0; i < ARRAY_SIZE(steps) && r >= 0; i++)
                r = steps[i](vm, problem);
        return r;
}

void vm_disassemble(Vm *vm)
{
        vm->vcpu_set = vcpu_set_free(vm->vcpu_set);
        vm->console = console_free(vm->console);
        device_table_done(&vm->devices);
        vm->pio = bus_free(vm->pio);
        vm->mmio = bus_free(vm->mmio);
        for (unsigned i = 0; vm->vcpus && i < vm->n_vcpus; i++)
                kvm_vcpu_done(&vm->vcpus[i]);
        free(TAKE_PTR(vm->vcpus));
        kvm_vm_done(&vm->kvm);
        vm->memory = guest_memory_free(vm->memory);
        vm->host = arch_host_free(vm->host);
        fd_close(vm->statm_fd);
        fd_close(vm->files.log_previous);
        fd_close(vm->files.log);
        fd_close(vm->files.initrd);
        fd_close(vm->files.image);
        fd_close(vm->files.kvm);
        vm_config_done(&vm->config);
        free(TAKE_PTR(vm->run_id));
}
