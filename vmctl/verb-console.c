/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "common/fd.h"
#include "vmctl/attach.h"
#include "vmctl/message.h"
#include "vmctl/terminal.h"

static VmClientConsoleFlags console_flags(const Context *context)
{
        VmClientConsoleFlags flags = VM_CLIENT_CONSOLE_FLAGS_NONE;

        if (!invocation_has(context->invocation, OPTION_READ_ONLY))
                flags |= VM_CLIENT_CONSOLE_FLAGS_WRITE;
        if (invocation_has(context->invocation, OPTION_STEAL))
                flags |= VM_CLIENT_CONSOLE_FLAGS_STEAL;
        if (invocation_has(context->invocation, OPTION_NO_SCROLLBACK))
                flags |= VM_CLIENT_CONSOLE_FLAGS_NO_SCROLLBACK;
        return flags;
}

/* -1 with the error printed. */
static int open_console(const Context *context, VmClientMachine *machine)
{
        const char *name = vm_client_machine_get_name(machine);
        g_autoptr(GError) error = NULL;
        Await await;
        int fd;

        await_begin(&await, context->quiet, 0, "waiting for the console of %s", name);
        vm_client_machine_open_console_async(machine, console_flags(context), NULL, NULL,
                                             await_ready, &await);
        fd = vm_client_machine_open_console_finish(machine, await_result(&await), &error);
        await_end(&await);
        if (fd >= 0)
                return fd;
        if (vm_client_machine_get_state(machine) == VM_CLIENT_MACHINE_STATE_STOPPED)
                message_error(
                        "%s does not run, so it has no console. Start it with \"%s start %s\"; "
                        "what it printed is in \"%s logs %s\".",
                        name, context->command, name, context->command, name);
        else if (g_error_matches(error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_WRONG_STATE))
                message_error("%s: %s (--read-only only reads, --steal takes the console over)",
                              name, error->message);
        else
                report_error(name, error);
        return -1;
}

/* The run ended, or another took the console: what is left to say, and the exit code. */
static int say_end(const Context *context, VmClientMachine *machine, AttachEnd end, int number)
{
        const char *name = vm_client_machine_get_name(machine);
        g_autofree char *how = NULL;

        switch (end) {
        case ATTACH_RUN_ENDED:
                how = describe_end(machine);
                message_note(context->quiet, "%s has ended: %s", name, how);
                return VMCTL_OK;
        case ATTACH_DETACHED:
                message_note(context->quiet,
                             "detached; %s goes on. \"%s console %s\" attaches again.", name,
                             context->command, name);
                return VMCTL_OK;
        case ATTACH_CONSOLE_LOST:
                message_error("the console of %s was closed: another has taken it over. Watch it "
                              "with --read-only, or take it back with --steal.",
                              name);
                return VMCTL_FAILURE;
        case ATTACH_OUTPUT_LOST:
                die_by_signal(SIGPIPE);
                return VMCTL_FAILURE;
        case ATTACH_SIGNALLED:
                die_by_signal(number);
                return VMCTL_FAILURE;
        case ATTACH_FAILED:
                break;
        }
        return VMCTL_FAILURE;
}

/* Takes fd, the console. */
static int attach_machine(const Context *context, VmClientMachine *machine, int fd, int signal_fd)
{
        const Invocation *invocation = context->invocation;
        bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
        bool read_only = invocation_has(invocation, OPTION_READ_ONLY);
        bool raw = invocation_has(invocation, OPTION_RAW);
        AttachSettings settings = {
                .console =
                        {
                                .write = !read_only,
                                .terminal = terminal,
                                .catch_interrupt = read_only,
                                .untouched = raw,
                                .escape = !raw &&
                                          (!terminal || invocation_has(invocation, OPTION_ESCAPE)),
                        },
                .signal_fd = signal_fd,
        };
        int number = 0;
        AttachEnd end;

        if (terminal)
                message_note(context->quiet, "attached to %s; ^]^]^] within a second detaches%s",
                             vm_client_machine_get_name(machine), read_only ? ", so does ^C" : "");
        end = attach_run(context, machine, fd, &settings, &number);
        return say_end(context, machine, end, number);
}

/* Options that exclude each other. */
static int check_options(const Context *context)
{
        static const OptionId pairs[][2] = {
                {OPTION_RAW, OPTION_ESCAPE},
                {OPTION_READ_ONLY, OPTION_STEAL},
        };

        for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
                if (invocation_has(context->invocation, pairs[i][0]) &&
                    invocation_has(context->invocation, pairs[i][1])) {
                        message_error("--%s and --%s exclude each other. Give one of them.",
                                      option_table[pairs[i][0]].name,
                                      option_table[pairs[i][1]].name);
                        return VMCTL_USAGE;
                }
        return 0;
}

int verb_console(const Context *context)
{
        g_autoptr(VmClientManager) manager = NULL;
        g_autoptr(VmClientMachine) machine = NULL;
        _cleanup_close_ int signal_fd = -1;
        int r = check_options(context), fd = -1;
        guint early;

        if (r != 0)
                return r;
        signal_fd = terminal_open_signals();
        if (signal_fd < 0) {
                message_error("cannot watch for signals: %s.", g_strerror(-signal_fd));
                return VMCTL_FAILURE;
        }
        early = attach_watch_early(signal_fd, NULL);
        r = VMCTL_FAILURE;
        manager = connect_manager(context);
        if (manager)
                machine = connect_machine(context, manager, context->invocation->args[0], &r);
        if (machine)
                fd = open_console(context, machine);
        g_source_remove(early);
        return fd >= 0 ? attach_machine(context, machine, fd, signal_fd) : r;
}
