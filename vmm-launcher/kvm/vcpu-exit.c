/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kvm/vcpu-exit.h"

#include <linux/kvm.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "kvm/uapi-compat.h"

const char *const vcpu_exit_class_names[_VCPU_EXIT_CLASS_MAX] = {
        [VCPU_EXIT_IO] = "io",
        [VCPU_EXIT_MMIO] = "mmio",
        [VCPU_EXIT_HALT] = "halt",
        [VCPU_EXIT_SHUTDOWN] = "shutdown",
        [VCPU_EXIT_SYSTEM_EVENT] = "system-event",
        [VCPU_EXIT_INTERRUPTED] = "interrupted",
        [VCPU_EXIT_ERROR] = "error",
        [VCPU_EXIT_OTHER] = "other",
};

VcpuExitClass vcpu_exit_class(uint32_t exit_reason)
{
        switch (exit_reason) {
        case KVM_EXIT_IO:
                return VCPU_EXIT_IO;
        case KVM_EXIT_MMIO:
                return VCPU_EXIT_MMIO;
        case KVM_EXIT_HLT:
                return VCPU_EXIT_HALT;
        case KVM_EXIT_SHUTDOWN:
                return VCPU_EXIT_SHUTDOWN;
        case KVM_EXIT_SYSTEM_EVENT:
                return VCPU_EXIT_SYSTEM_EVENT;
        case KVM_EXIT_INTR:
                return VCPU_EXIT_INTERRUPTED;
        case KVM_EXIT_INTERNAL_ERROR:
        case KVM_EXIT_FAIL_ENTRY:
        case COMPAT_KVM_EXIT_MEMORY_FAULT:
                return VCPU_EXIT_ERROR;
        default:
                return VCPU_EXIT_OTHER;
        }
}

static VcpuOutcome _printf_(2, 3) failed(VcpuDetail *detail, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(detail->text, sizeof(detail->text), format, arguments);
        va_end(arguments);
        return VCPU_FAILED;
}

/* String instructions come as count accesses of size bytes to one port. */
static VcpuOutcome handle_io(struct kvm_run *run, size_t run_size, const VcpuBuses *buses,
                             VcpuDetail *detail)
{
        uint64_t offset = run->io.data_offset, size = run->io.size, count = run->io.count;
        char *data;

        if (size == 0 || size > 4 || offset > run_size || count > (run_size - offset) / size)
                return failed(detail,
                              "KVM described port data of %llu times %llu bytes at offset %llu, "
                              "outside the %zu bytes that it shares",
                              (unsigned long long)count, (unsigned long long)size,
                              (unsigned long long)offset, run_size);
        data = (char *)run + offset;
        for (uint64_t i = 0; i < count; i++, data += size)
                if (run->io.direction == KVM_EXIT_IO_OUT)
                        bus_write(buses->pio, run->io.port, data, size);
                else
                        bus_read(buses->pio, run->io.port, data, size);
        return VCPU_CONTINUE;
}

static VcpuOutcome handle_mmio(struct kvm_run *run, const VcpuBuses *buses, VcpuDetail *detail)
{
        if (run->mmio.len == 0 || run->mmio.len > sizeof(run->mmio.data))
                return failed(detail, "KVM described a memory access of %u bytes", run->mmio.len);
        if (run->mmio.is_write)
                bus_write(buses->mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
        else
                bus_read(buses->mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
        return VCPU_CONTINUE;
}

static VcpuOutcome handle_system_event(const struct kvm_run *run, VcpuDetail *detail)
{
        switch (run->system_event.type) {
        case KVM_SYSTEM_EVENT_SHUTDOWN:
                return VCPU_POWER_OFF;
        case KVM_SYSTEM_EVENT_RESET:
                return VCPU_RESET;
        case KVM_SYSTEM_EVENT_CRASH:
                return VCPU_GUEST_CRASH;
        default:
                return failed(detail, "KVM reported system event %u, which is not known",
                              run->system_event.type);
        }
}

/* The layout of the data depends on the suberror; data[] is all that is common (uapi header). */
static VcpuOutcome handle_internal_error(const struct kvm_run *run, VcpuDetail *detail)
{
        static const char *const names[] = {
                [KVM_INTERNAL_ERROR_EMULATION] = "an instruction cannot be emulated",
                [KVM_INTERNAL_ERROR_SIMUL_EX] = "an exception arose while another was delivered",
                [KVM_INTERNAL_ERROR_DELIVERY_EV] = "an exit arose while an event was delivered",
                [KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON] = "the processor's exit is not known",
        };
        uint32_t suberror = run->internal.suberror;
        const char *name = suberror < ARRAY_SIZE(names) ? names[suberror] : NULL;
        char hex[2 * sizeof(run->emulation_failure.insn_bytes) + 1] = "";

        if (suberror == KVM_INTERNAL_ERROR_EMULATION && run->emulation_failure.ndata >= 3 &&
            run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) {
                unsigned n = CONST_MIN(run->emulation_failure.insn_size,
                                       sizeof(run->emulation_failure.insn_bytes));

                for (unsigned i = 0; i < n; i++)
                        (void)snprintf(hex + 2 * (size_t)i, 3, "%02x",
                                       run->emulation_failure.insn_bytes[i]);
        }
        return failed(detail, "KVM internal error %u (%s)%s%s", suberror, name ? name : "unknown",
                      *hex ? ", instruction bytes " : "", hex);
}

VcpuOutcome vcpu_exit_handle(struct kvm_run *run, size_t run_size, const VcpuBuses *buses,
                             VcpuDetail *ret_detail)
{
        switch (run->exit_reason) {
        case KVM_EXIT_IO:
                return handle_io(run, run_size, buses, ret_detail);
        case KVM_EXIT_MMIO:
                return handle_mmio(run, buses, ret_detail);
        case KVM_EXIT_INTR:
        case KVM_EXIT_IRQ_WINDOW_OPEN:
                return VCPU_CONTINUE;
        case KVM_EXIT_SHUTDOWN:
                return VCPU_TRIPLE_FAULT;
        case KVM_EXIT_SYSTEM_EVENT:
                return handle_system_event(run, ret_detail);
        case KVM_EXIT_INTERNAL_ERROR:
                return handle_internal_error(run, ret_detail);
        case KVM_EXIT_FAIL_ENTRY:
                return failed(ret_detail, "the processor refused to enter the guest, reason %#llx",
                              (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
        case KVM_EXIT_UNKNOWN:
                return failed(ret_detail, "KVM reported an unknown exit of the processor, %#llx",
                              (unsigned long long)run->hw.hardware_exit_reason);
        default:
                return failed(ret_detail, "KVM reported exit %u, which was not asked for",
                              run->exit_reason);
        }
}
