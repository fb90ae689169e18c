/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* run: a machine from its creation to its end, with its console here, as if it were a program. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd.h"
#include "vmctl/attach.h"
#include "vmctl/machine-config.h"
#include "vmctl/message.h"
#include "vmctl/terminal.h"

typedef struct Run {
        const Context *context;
        VmClientManager *manager;
        VmClientMachine *machine;
        char *name;
        bool detach, keep, terminal, write;
        int console, signal_fd;
        unsigned n_interrupts; /* before the machine ran */
} Run;

static bool given(const Run *run, OptionId id)
{
        return invocation_has(run->context->invocation, id);
}

static int check_options(const Run *run)
{
        static const OptionId pairs[][2] = {
                {OPTION_RM, OPTION_KEEP},
                {OPTION_RAW, OPTION_ESCAPE},
                {OPTION_DETACH, OPTION_INTERACTIVE},
                {OPTION_DETACH, OPTION_RAW},
                {OPTION_DETACH, OPTION_ESCAPE},
        };

        for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
                if (given(run, pairs[i][0]) && given(run, pairs[i][1])) {
                        message_error("--%s and --%s exclude each other. Give one of them.",
                                      option_table[pairs[i][0]].name,
                                      option_table[pairs[i][1]].name);
                        return -EINVAL;
                }
        return 0;
}

/*
 * The console is attached by the start itself, before the first guest instruction: a run may be
 * over before another call could open it.
 */
static VmClientOptions *create_options(Run *run, GError **error)
{
        g_autoptr(VmClientOptions) options = NULL;
        _cleanup_close_ int ours = -1, theirs = -1;
        int pair[2];

        if (run->detach)
                return NULL;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
                g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno),
                            "cannot make a socket for the console: %s.", g_strerror(errno));
                return NULL;
        }
        ours = pair[0];
        theirs = pair[1];
        options = vm_client_options_new();
        if (!vm_client_options_set_console(options, theirs, run->write, error))
                return NULL;
        run->console = TAKE_FD(ours);
        return g_steal_pointer(&options);
}

/*
 * Without a terminal nobody can detach, so the run is bound to ours: a kill of this program leaves
 * nothing behind. What is kept is not: its later runs are no business of this program.
 */
static VmClientCreateFlags create_flags(const Run *run)
{
        VmClientCreateFlags flags = VM_CLIENT_CREATE_FLAGS_START;

        if (!run->keep)
                flags |= VM_CLIENT_CREATE_FLAGS_TRANSIENT;
        if (!run->detach && !run->terminal && !run->keep)
                flags |= VM_CLIENT_CREATE_FLAGS_BOUND;
        return flags;
}

static int create(Run *run, VmClientConfig *config)
{
        g_autoptr(VmClientOptions) options = NULL;
        g_autoptr(GError) error = NULL;
        Await await;

        options = create_options(run, &error);
        if (error) {
                report_error(NULL, error);
                return -EIO;
        }
        await_begin(&await, run->context->quiet, 0, "waiting for %s to start", run->name);
        vm_client_manager_create_machine_async(run->manager, run->name, config, create_flags(run),
                                               options, NULL, await_ready, &await);
        run->machine =
                vm_client_manager_create_machine_finish(run->manager, await_result(&await), &error);
        await_end(&await);
        if (run->machine)
                return 0;
        report_error(run->name, error);
        return -EIO;
}

/* Pulls the plug and waits for it: nobody is there any more to see the output. */
static void kill_machine(Run *run)
{
        Await await;

        await_begin(&await, run->context->quiet, 0, "waiting for %s to be killed", run->name);
        vm_client_machine_kill_async(run->machine, NULL, NULL, await_ready, &await);
        (void)vm_client_machine_kill_finish(run->machine, await_result(&await), NULL);
        await_end(&await);
}

/* The guest program's exit code, or 125 with the cause. */
static int exit_code(const Run *run)
{
        VmClientStopReason reason = vm_client_machine_get_stop_reason(run->machine);
        int code = vm_client_machine_get_payload_exit_code(run->machine);
        g_autofree char *how = NULL;

        if (reason != VM_CLIENT_STOP_REASON_SHUTDOWN) {
                how = describe_end(run->machine);
                message_error("%s has not ended by itself: %s", run->name, how);
                return VMCTL_RUN_FAILED;
        }
        if (code < 0)
                return VMCTL_OK; /* powered off without a word */
        if (code <= 255)
                return code;
        message_note(run->context->quiet,
                     "%s ended with exit code %d; a program can pass on no "
                     "more than 255.",
                     run->name, code);
        return 255;
}

static int attach(Run *run)
{
        AttachSettings settings = {
                .console =
                        {
                                .write = run->write,
                                .terminal = run->terminal,
                                .catch_interrupt = !given(run, OPTION_INTERACTIVE),
                                .untouched = given(run, OPTION_RAW),
                                .escape = !given(run, OPTION_RAW) &&
                                          (!run->terminal || given(run, OPTION_ESCAPE)),
                        },
                .signal_fd = run->signal_fd,
                .stop_machine = true,
                .interrupted = run->n_interrupts > 0,
        };
        int number = 0;

        switch (attach_run(run->context, run->machine, TAKE_FD(run->console), &settings, &number)) {
        case ATTACH_RUN_ENDED:
                return exit_code(run);
        case ATTACH_DETACHED:
                message_note(run->context->quiet,
                             "detached; %s goes on. \"%s console %s\" attaches again, \"%s stop "
                             "%s\" ends it.",
                             run->name, run->context->command, run->name, run->context->command,
                             run->name);
                return VMCTL_OK;
        case ATTACH_OUTPUT_LOST:
                kill_machine(run);
                die_by_signal(SIGPIPE);
                break;
        case ATTACH_CONSOLE_LOST:
        case ATTACH_SIGNALLED:
        case ATTACH_FAILED:
                break;
        }
        return VMCTL_RUN_FAILED;
}

static int run_config(Run *run, VmClientConfig *config)
{
        guint early = attach_watch_early(run->signal_fd, &run->n_interrupts);
        int r = -EIO;

        run->manager = connect_manager(run->context);
        if (run->manager)
                r = create(run, config);
        g_source_remove(early);
        if (r < 0)
                return VMCTL_RUN_FAILED;
        if (!run->detach)
                return attach(run);
        puts(run->name);
        return VMCTL_OK;
}

static void run_done(Run *run)
{
        fd_close(run->console);
        fd_close(run->signal_fd);
        g_clear_object(&run->machine);
        g_clear_object(&run->manager);
        g_free(run->name);
}

int verb_run(const Context *context)
{
        const Invocation *invocation = context->invocation;
        const char *path = invocation->n_args > 0 ? invocation->args[0] : NULL;
        const char *name = invocation_value(invocation, OPTION_NAME);
        bool tty = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
        Run run = {
                .context = context,
                .detach = invocation_has(invocation, OPTION_DETACH),
                .keep = invocation_has(invocation, OPTION_KEEP),
                .console = -1,
        };
        g_autoptr(VmClientConfig) config = NULL;
        int r = VMCTL_RUN_FAILED, ignored;

        run.terminal = tty && !run.detach;
        run.write = run.terminal || invocation_has(invocation, OPTION_INTERACTIVE);
        if (check_options(&run) < 0)
                return r;
        config = machine_config_build(context, path, &ignored);
        if (!config)
                return r;
        run.signal_fd = terminal_open_signals();
        if (run.signal_fd < 0) {
                message_error("cannot watch for signals: %s.", g_strerror(-run.signal_fd));
                return r;
        }
        run.name = name ? g_strdup(name) : machine_config_make_name(context, path, config);
        r = run_config(&run, config);
        run_done(&run);
        return r;
}
