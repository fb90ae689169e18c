/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/string-util.h"
#include "vm-internal.h"

#define PARK_MSEC  1000
#define DRAIN_MSEC 2000

int vm_problem_set(VmProblem *problem, int error, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(problem->message, sizeof(problem->message), format, arguments);
        va_end(arguments);
        utf8_trim_end(problem->message);
        problem->error = error;
        return error;
}

int vm_new(int control_fd, Vm **ret)
{
        _cleanup_(vm_freep) Vm *vm = calloc(1, sizeof(*vm));
        ControlHandlers handlers = vm_control_handlers;
        int r;

        if (!vm)
                return -ENOMEM;
        vm->state = MACHINE_STATE_STARTING;
        vm->payload_exit_code = -1;
        vm->files = (VmFiles){-1, -1, -1, -1, -1};
        vm->statm_fd = vm->wake_fd = -1;
        vm->kvm = KVM_VM_NONE;
        r = event_loop_new(&vm->loop);
        if (r < 0)
                return r;
        handlers.context = vm;
        r = control_new(vm->loop, control_fd, &handlers, &vm->control);
        if (r < 0)
                return r;
        r = console_new(vm->loop, &vm->console);
        if (r < 0)
                return r;
        console_set_writer_changed(vm->console, vm_send_console_writer, vm);
        vm->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (vm->wake_fd < 0)
                return -errno;
        r = event_loop_add(vm->loop, &vm->wake, vm->wake_fd, EPOLLIN, vm_handle_wake, vm);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(vm);
        return 0;
}

Vm *vm_free(Vm *vm)
{
        if (!vm)
                return NULL;
        vm_disassemble(vm);
        event_loop_remove(&vm->wake);
        fd_close(vm->wake_fd);
        console_free(vm->console);
        control_free(vm->control);
        event_loop_free(vm->loop);
        free(vm);
        return NULL;
}

static int64_t now_msec(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whoever is told of the end may count on it: no guest instruction comes after. */
static void vm_await_parked(Vm *vm)
{
        int64_t deadline = now_msec() + PARK_MSEC, left;

        while (vm->started_nsec > 0 && !vcpu_set_is_parked(vm->vcpu_set) &&
               (left = deadline - now_msec()) > 0)
                if (event_loop_run_once(vm->loop, (int)left) < 0)
                        break;
}

/* What the guest printed last reaches its readers, if they take it within reason. */
static void vm_drain_console(Vm *vm)
{
        int64_t deadline = now_msec() + DRAIN_MSEC, left;

        while (console_flush(vm->console) > 0 && vm->drain_console &&
               (left = deadline - now_msec()) > 0)
                if (event_loop_run_once(vm->loop, (int)left) < 0)
                        break;
}

int vm_run(Vm *vm)
{
        ProtocolEnded ended;
        int r = event_loop_run(vm->loop);

        if (r < 0)
                vm_end(vm, STOP_REASON_CRASH, "the monitor's event loop failed: %s",
                       strerrordesc_np(-r));
        vm_await_parked(vm);
        vm_drain_console(vm);
        ended = (ProtocolEnded){
                .reason = (int)vm->end_reason,
                .detail = vm->end_detail,
                .exit_code = vm->payload_exit_code,
        };
        control_finish(vm->control, &ended);
        return monitor_exit_code(vm->end_reason);
}
