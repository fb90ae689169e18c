/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The daemon's requests, but hello: control.c has answered that. */

#include <errno.h>
#include <string.h>

#include "common/fd.h"
#include "common/log.h"
#include "vm-internal.h"

void vm_send_state(Vm *vm)
{
        const ProtocolState params = {.state = (int)vm->state};

        control_event(vm->control, EVENT_STATE, protocol_state_fields, &params);
}

void vm_send_payload(Vm *vm, PayloadState state)
{
        const ProtocolPayload params = {
                .state = (int)state,
                .exit_code = vm->payload_exit_code,
        };

        control_event(vm->control, EVENT_PAYLOAD, protocol_payload_fields, &params);
}

void vm_send_console_writer(void *context, bool attached)
{
        const ProtocolConsoleWriter params = {.attached = attached};
        Vm *vm = context;

        control_event(vm->control, EVENT_CONSOLE_WRITER, protocol_console_writer_fields, &params);
}

static void serve_start(Vm *vm, ControlRequest request, Message *message)
{
        VmProblem problem;

        if (vm->run_id || vm->vcpu_set) {
                control_reply_error(vm->control, &request, -EBUSY,
                                    "this monitor has been started already; each run has its own");
                return;
        }
        if (vm_assemble(vm, message, &problem) < 0) {
                control_reply_error(vm->control, &request, problem.error, "%s", problem.message);
                vm_end(vm, STOP_REASON_START_FAILED, "%s", problem.message);
                return;
        }
        vm_begin_run(vm);
        control_reply(vm->control, &request, NULL, NULL);
}

static void serve_pause(Vm *vm, ControlRequest request, _unused_ Message *message)
{
        vm_pause(vm, request);
}

static void serve_resume(Vm *vm, ControlRequest request, _unused_ Message *message)
{
        vm_resume(vm, request);
}

static void serve_power_button(Vm *vm, ControlRequest request, _unused_ Message *message)
{
        if (!vm->vcpu_set) {
                control_reply_error(vm->control, &request, -EBUSY,
                                    "the machine has not been started");
                return;
        }
        device_table_power_button(&vm->devices);
        control_reply(vm->control, &request, NULL, NULL);
}

static void serve_reset(Vm *vm, ControlRequest request, _unused_ Message *message)
{
        vm_reset(vm, request);
}

static void serve_stats(Vm *vm, ControlRequest request, _unused_ Message *message)
{
        ProtocolStats stats;

        if (vm_get_stats(vm, &stats) < 0) {
                control_reply_error(vm->control, &request, -ENOMEM, "out of memory");
                return;
        }
        control_reply(vm->control, &request, protocol_stats_fields, &stats);
        json_fields_done(protocol_stats_fields, &stats);
}

static void serve_snapshot(Vm *vm, ControlRequest request, _unused_ Message *message)
{
        ProtocolSnapshot snapshot;

        if (vm_get_snapshot(vm, &snapshot) < 0) {
                control_reply_error(vm->control, &request, -ENOMEM, "out of memory");
                return;
        }
        control_reply(vm->control, &request, protocol_snapshot_fields, &snapshot);
        json_fields_done(protocol_snapshot_fields, &snapshot);
}

/* Takes the socket on success. */
static void attach_console(Vm *vm, ControlRequest *request, Message *message,
                           const ProtocolConsole *console)
{
        const ConsoleAttach how = {
                .write = console->write,
                .steal = console->steal,
                .scrollback = console->scrollback,
        };
        const char *why = NULL;
        int r;

        r = fd_check_stream_socket(message->fds[0], &why);
        if (r < 0) {
                control_reply_error(vm->control, request, r,
                                    "the console's descriptor cannot be used: %s", why);
                return;
        }
        r = console_attach(vm->console, message->fds[0], &how);
        if (r >= 0) {
                (void)TAKE_FD(message->fds[0]);
                control_reply(vm->control, request, NULL, NULL);
        } else if (r == -EBUSY)
                control_reply_error(vm->control, request, r,
                                    "the console has a writer; ask to steal it, or only to read");
        else if (r == -EUSERS)
                control_reply_error(vm->control, request, -EBUSY,
                                    "the console has %u readers, which is the limit; detach one",
                                    CONSOLE_MAX_READERS);
        else
                control_reply_error(vm->control, request, r, "the console cannot be attached: %s",
                                    strerrordesc_np(-r));
}

static void serve_console(Vm *vm, ControlRequest request, Message *message)
{
        ProtocolConsole console;
        JsonProblem problem;
        int r;

        r = json_fields_load(protocol_console_fields, message->body, "", &console, &problem);
        if (r < 0) {
                control_reply_error(vm->control, &request, -EINVAL, "%s: %s", problem.pointer,
                                    r == -ENOMEM ? "out of memory" : problem.message);
                return;
        }
        attach_console(vm, &request, message, &console);
        json_fields_done(protocol_console_fields, &console);
}

static void serve_quit(Vm *vm, ControlRequest request, _unused_ Message *message)
{
        vm->drain_console = false;
        control_reply(vm->control, &request, NULL, NULL);
        vm_end(vm, STOP_REASON_KILLED, "the monitor was told to end the run at once");
}

typedef struct MethodService {
        void (*serve)(Vm *vm, ControlRequest request, Message *message);
        bool has_params;
        bool takes_fds; /* any number: the service says how many */
        unsigned n_fds;
        bool after_end; /* also while the run's end is being wound up */
} MethodService;

static const MethodService services[_METHOD_MAX] = {
        [METHOD_START] = {serve_start, .has_params = true, .takes_fds = true},
        [METHOD_PAUSE] = {serve_pause},
        [METHOD_RESUME] = {serve_resume},
        [METHOD_POWER_BUTTON] = {serve_power_button},
        [METHOD_RESET] = {serve_reset},
        [METHOD_STATS] = {serve_stats, .after_end = true},
        [METHOD_SNAPSHOT] = {serve_snapshot, .after_end = true},
        [METHOD_CONSOLE] = {serve_console, .has_params = true, .n_fds = 1},
        [METHOD_QUIT] = {serve_quit, .after_end = true},
};

static void vm_serve_request(void *context, ControlRequest request, Message *message)
{
        const MethodService *service = &services[message->code];
        const char *name = method_to_string((Method)message->code);
        Vm *vm = context;

        if (!service->has_params && json_object_object_length(message->body) > 0)
                control_reply_error(vm->control, &request, -EINVAL, "%s takes no parameters", name);
        else if (!service->takes_fds && message->n_fds != service->n_fds)
                control_reply_error(vm->control, &request, -EBADF,
                                    "%s takes %u descriptors, but %zu came", name, service->n_fds,
                                    message->n_fds);
        else if (vm->end_reason != STOP_REASON_NONE && !service->after_end)
                control_reply_error(vm->control, &request, -ECHILD, "the run has ended: %s",
                                    vm->end_detail);
        else
                service->serve(vm, request, message);
}

static void vm_lost_daemon(void *context, const char *why)
{
        log_error("%s", why);
        vm_end(context, STOP_REASON_INFRASTRUCTURE_ERROR, "%s", why);
}

const ControlHandlers vm_control_handlers = {vm_serve_request, vm_lost_daemon, NULL};
