/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Running, pausing, resetting, ending. Whatever is to happen to the machine, the vCPUs park first;
 * vm_parked() then does it and lets them go on.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/string-util.h"
#include "vm-internal.h"

static void vm_set_state(Vm *vm, MachineState state)
{
        if (vm->state == state)
                return;
        vm->state = state;
        vm_send_state(vm);
}

void vm_end(Vm *vm, StopReason reason, const char *format, ...)
{
        va_list arguments;

        if (vm->end_reason != STOP_REASON_NONE)
                return;
        vm->end_reason = reason;
        va_start(arguments, format);
        (void)vsnprintf(vm->end_detail, sizeof(vm->end_detail), format, arguments);
        va_end(arguments);
        utf8_trim_end(vm->end_detail);
        control_reply_error(vm->control, &vm->pause_request, -ECHILD, "%s", vm->end_detail);
        control_reply_error(vm->control, &vm->resume_request, -ECHILD, "%s", vm->end_detail);
        control_reply_error(vm->control, &vm->reset_request, -ECHILD, "%s", vm->end_detail);
        vm_set_state(vm, MACHINE_STATE_STOPPING);
        if (vm->started_nsec > 0)
                vcpu_set_park(vm->vcpu_set);
        event_loop_exit(vm->loop, 0);
}

static void vm_wake(Vm *vm)
{
        const uint64_t one = 1;

        /* Full means that it is readable already. */
        (void)!write(vm->wake_fd, &one, sizeof(one));
}

/* The first cause counts: what a guest does after its power-off is not another end. */
static void vm_note_cause(Vm *vm, VmCause cause)
{
        int none = VM_CAUSE_NONE;

        atomic_compare_exchange_strong(&vm->report.cause, &none, (int)cause);
        vcpu_set_request_park(vm->vcpu_set);
        vm_wake(vm);
}

static void vm_note_payload(Vm *vm, PayloadState state)
{
        unsigned bit = 1U << state;

        /* Only what is new is worth a wake-up. */
        if (!(atomic_fetch_or(&vm->report.payload_seen, bit) & bit))
                vm_wake(vm);
}

void vm_note_machine_event(void *context, MachineEvent event, int32_t argument)
{
        Vm *vm = context;

        switch (event) {
        case MACHINE_EVENT_POWER_OFF:
                vm_note_cause(vm, VM_CAUSE_POWER_OFF);
                break;
        case MACHINE_EVENT_RESET:
                vm_note_cause(vm, VM_CAUSE_RESET);
                break;
        case MACHINE_EVENT_GUEST_PANIC:
                vm_note_cause(vm, VM_CAUSE_GUEST_PANIC);
                break;
        case MACHINE_EVENT_WATCHDOG:
                vm_note_cause(vm, VM_CAUSE_WATCHDOG);
                break;
        case MACHINE_EVENT_PAYLOAD_STARTED:
                vm_note_payload(vm, PAYLOAD_STATE_STARTED);
                break;
        case MACHINE_EVENT_PAYLOAD_READY:
                vm_note_payload(vm, PAYLOAD_STATE_READY);
                break;
        case MACHINE_EVENT_PAYLOAD_FINISHED:
                if (!(atomic_load(&vm->report.payload_seen) & 1U << PAYLOAD_STATE_FINISHED))
                        atomic_store(&vm->report.payload_exit_code, argument);
                vm_note_payload(vm, PAYLOAD_STATE_FINISHED);
                vm_note_cause(vm, VM_CAUSE_PAYLOAD_FINISHED);
                break;
        }
}

void vm_note_outcome(void *context, _unused_ unsigned index, VcpuOutcome outcome,
                     const VcpuDetail *detail)
{
        static const VmCause causes[] = {
                [VCPU_CONTINUE] = VM_CAUSE_NONE,
                [VCPU_TRIPLE_FAULT] = VM_CAUSE_TRIPLE_FAULT,
                [VCPU_POWER_OFF] = VM_CAUSE_POWER_OFF,
                [VCPU_RESET] = VM_CAUSE_RESET,
                [VCPU_GUEST_CRASH] = VM_CAUSE_GUEST_PANIC,
                [VCPU_FAILED] = VM_CAUSE_FAILED,
        };
        Vm *vm = context;

        if (outcome == VCPU_FAILED && !atomic_exchange(&vm->report.detail_taken, true))
                vm->report.detail = *detail;
        vm_note_cause(vm, causes[outcome]);
}

void vm_note_parked(void *context)
{
        vm_wake(context);
}

/* Forward only, each once, whatever the guest says and in which order. */
static void vm_tell_payload(Vm *vm)
{
        unsigned seen = atomic_load(&vm->report.payload_seen);

        for (int state = PAYLOAD_STATE_STARTED; state <= PAYLOAD_STATE_FINISHED; state++) {
                if (!(seen & 1U << state) || state <= (int)vm->payload_state)
                        continue;
                vm->payload_state = (PayloadState)state;
                if (state == PAYLOAD_STATE_FINISHED)
                        vm->payload_exit_code = atomic_load(&vm->report.payload_exit_code);
                vm_send_payload(vm, vm->payload_state);
        }
}

/* Power-on state: memory, irqchip, vCPUs, devices, image. The vCPUs are parked. */
static int vm_power_cycle(Vm *vm, VmProblem *problem)
{
        int r;

        r = guest_memory_reset(vm->memory);
        if (r < 0)
                return vm_problem_set(problem, r, "the guest's memory cannot be cleared: %s",
                                      strerrordesc_np(-r));
        device_table_reset(&vm->devices);
        r = arch_vm_reset(&vm->kvm);
        if (r >= 0)
                r = arch_vcpus_reset(vm->vcpus, vm->n_vcpus);
        if (r < 0)
                return vm_problem_set(problem, r, "KVM refused to reset the machine: %s",
                                      strerrordesc_np(-r));
        r = vm_load_image(vm, problem);
        return r < 0 ? r : vm_set_entry(vm, problem);
}

static void vm_do_reset(Vm *vm)
{
        VmProblem problem;

        vm->reset_wanted = false;
        atomic_store(&vm->report.cause, VM_CAUSE_NONE);
        if (vm_power_cycle(vm, &problem) < 0) {
                vm_end(vm, STOP_REASON_CRASH, "the machine could not be reset: %s",
                       problem.message);
                return;
        }
        vm->n_resets++;
        control_reply(vm->control, &vm->reset_request, NULL, NULL);
}

/* What the guest brought about: an end, or, as the configuration says, a reset. */
static void vm_judge_cause(Vm *vm)
{
        bool reboots = vm->config.on_reboot == VM_ON_END_RESTART;
        bool restarts = vm->config.on_crash == VM_ON_END_RESTART;

        vm->drain_console = true;
        switch ((VmCause)atomic_load(&vm->report.cause)) {
        case VM_CAUSE_NONE:
                break;
        case VM_CAUSE_POWER_OFF:
                vm_end(vm, STOP_REASON_SHUTDOWN, "the guest powered off");
                break;
        case VM_CAUSE_PAYLOAD_FINISHED:
                vm_end(vm, STOP_REASON_SHUTDOWN, "the payload finished with exit code %lld",
                       (long long)vm->payload_exit_code);
                break;
        case VM_CAUSE_RESET:
                vm->reset_wanted |= reboots;
                if (!reboots)
                        vm_end(vm, STOP_REASON_REBOOT, "the guest asked for a reset");
                break;
        case VM_CAUSE_GUEST_PANIC:
                vm->reset_wanted |= restarts;
                if (!restarts)
                        vm_end(vm, STOP_REASON_GUEST_PANIC, "the guest reported a panic");
                break;
        case VM_CAUSE_TRIPLE_FAULT:
                vm->reset_wanted |= restarts;
                if (!restarts)
                        vm_end(vm, STOP_REASON_TRIPLE_FAULT, "a vCPU triple-faulted");
                break;
        case VM_CAUSE_WATCHDOG:
                vm->reset_wanted |= restarts;
                if (!restarts)
                        vm_end(vm, STOP_REASON_WATCHDOG_REBOOT, "the guest's watchdog ran out");
                break;
        case VM_CAUSE_FAILED:
                vm_end(vm, STOP_REASON_CRASH, "%s", vm->report.detail.text);
                break;
        }
}

static void vm_parked(Vm *vm);

static void vm_note_quiet(void *context)
{
        Vm *vm = context;

        vm->devices_state = VM_DEVICES_QUIET;
        if (vm->end_reason == STOP_REASON_NONE)
                vm_parked(vm);
}

/* A machine at rest is one whose devices are, too. Whether they are; else vm_parked() comes again.
 */
static bool vm_quiesce_devices(Vm *vm)
{
        if (vm->devices_state == VM_DEVICES_BUSY) {
                vm->devices_state = VM_DEVICES_QUIESCING;
                device_table_quiesce(&vm->devices, vm_note_quiet, vm);
                return false;
        }
        return vm->devices_state == VM_DEVICES_QUIET;
}

static void vm_go_on(Vm *vm)
{
        vm->devices_state = VM_DEVICES_BUSY;
        device_table_resume(&vm->devices);
        vcpu_set_run(vm->vcpu_set);
        vm_set_state(vm, MACHINE_STATE_RUNNING);
}

/* All vCPUs have parked: do what they were parked for. */
static void vm_parked(Vm *vm)
{
        /* What the guest reported last comes before the end that follows from it. */
        vm_tell_payload(vm);
        vm_judge_cause(vm);
        if (vm->end_reason != STOP_REASON_NONE || !vm_quiesce_devices(vm))
                return;
        if (vm->reset_wanted)
                vm_do_reset(vm);
        if (vm->end_reason != STOP_REASON_NONE)
                return;
        if (vm->state == MACHINE_STATE_PAUSING) {
                vm_set_state(vm, MACHINE_STATE_PAUSED);
                control_reply(vm->control, &vm->pause_request, NULL, NULL);
        }
        if (vm->state == MACHINE_STATE_PAUSED && vm->resume_request.conversation == 0)
                return;
        if (vm->state == MACHINE_STATE_PAUSED) {
                vm_set_state(vm, MACHINE_STATE_RESUMING);
                arch_vcpus_note_pause(vm->vcpus, vm->n_vcpus);
        }
        vm_go_on(vm);
        control_reply(vm->control, &vm->resume_request, NULL, NULL);
}

/* Parked already, or asked to and told later by vm_handle_wake(). */
static void vm_park(Vm *vm)
{
        if (vcpu_set_is_parked(vm->vcpu_set))
                vm_parked(vm);
        else
                vcpu_set_park(vm->vcpu_set);
}

void vm_handle_wake(void *context, _unused_ uint32_t epoll_events)
{
        Vm *vm = context;
        uint64_t count;

        (void)!read(vm->wake_fd, &count, sizeof(count));
        if (!vm->vcpu_set || vm->end_reason != STOP_REASON_NONE)
                return;
        vm_tell_payload(vm);
        if (atomic_load(&vm->report.cause) != VM_CAUSE_NONE || vm->reset_wanted ||
            vm->state == MACHINE_STATE_PAUSING)
                vm_park(vm);
}

void vm_begin_run(Vm *vm)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        vm->started_nsec = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
        vcpu_set_run(vm->vcpu_set);
        vm_set_state(vm, MACHINE_STATE_RUNNING);
}

void vm_pause(Vm *vm, ControlRequest request)
{
        if (vm->state != MACHINE_STATE_RUNNING) {
                control_reply_error(vm->control, &request, -EBUSY,
                                    "the machine is %s: only a running one can be paused",
                                    machine_state_to_string(vm->state));
                return;
        }
        vm->pause_request = request;
        vm_set_state(vm, MACHINE_STATE_PAUSING);
        vm_park(vm);
}

void vm_resume(Vm *vm, ControlRequest request)
{
        bool pausing = vm->state == MACHINE_STATE_PAUSING;

        if ((vm->state != MACHINE_STATE_PAUSED && !pausing) ||
            vm->resume_request.conversation != 0) {
                control_reply_error(vm->control, &request, -EBUSY,
                                    "the machine is %s: only a paused one can be resumed",
                                    machine_state_to_string(vm->state));
                return;
        }
        /* One that is being paused gets there first. */
        vm->resume_request = request;
        vm_park(vm);
}

void vm_reset(Vm *vm, ControlRequest request)
{
        if (!vm->vcpu_set || vm->reset_request.conversation != 0) {
                control_reply_error(vm->control, &request, -EBUSY,
                                    vm->vcpu_set ? "the machine is being reset already"
                                                 : "the machine has not been started");
                return;
        }
        vm->reset_request = request;
        vm->reset_wanted = true;
        vm_park(vm);
}
