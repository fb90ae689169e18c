/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* logs: the console log of this or the last run. */

#include <errno.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "vmctl/connect.h"
#include "vmctl/console-log.h"
#include "vmctl/message.h"
#include "vmctl/output.h"

#define LATE_MSEC 100 /* what the monitor shows its readers may reach the log a moment later */

typedef struct Follow {
        const Context *context;
        VmClientMachine *machine;
        ConsoleLog *log;
        GMainLoop *loop;
        guint console_source, late;
        int result;
} Follow;

static gboolean read_late(gpointer data)
{
        Follow *follow = data;

        follow->late = 0;
        follow->result = console_log_print_new(follow->log);
        if (follow->result < 0 || !output_flush())
                g_main_loop_quit(follow->loop);
        return G_SOURCE_REMOVE;
}

/*
 * A reader of the console tells when there is something new; what it says is not used, since only
 * the log has every byte, in order and once.
 */
static gboolean on_console(gint fd, _unused_ GIOCondition condition, gpointer data)
{
        Follow *follow = data;
        char ignored[4096];
        ssize_t n = read(fd, ignored, sizeof(ignored));

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return G_SOURCE_CONTINUE;
        if (n > 0) {
                if (follow->late == 0)
                        follow->late = g_timeout_add(LATE_MSEC, read_late, follow);
                return G_SOURCE_CONTINUE;
        }
        follow->console_source = 0;
        g_main_loop_quit(follow->loop);
        return G_SOURCE_REMOVE;
}

static void wait_for_end(const Follow *follow)
{
        Await await;

        await_begin(&await, follow->context->quiet, 0, "waiting for %s to end",
                    vm_client_machine_get_name(follow->machine));
        vm_client_machine_wait_stopped_async(follow->machine, NULL, await_ready, &await);
        (void)vm_client_machine_wait_stopped_finish(follow->machine, await_result(&await), NULL);
        await_end(&await);
}

static int follow_console(Follow *follow, int console)
{
        g_autofree char *how = NULL;

        follow->loop = g_main_loop_new(NULL, FALSE);
        follow->console_source = g_unix_fd_add(console, G_IO_IN, on_console, follow);
        g_main_loop_run(follow->loop);
        if (follow->console_source > 0)
                g_source_remove(follow->console_source);
        if (follow->late > 0)
                g_source_remove(follow->late);
        g_main_loop_unref(follow->loop);
        if (follow->result < 0)
                return follow->result;
        wait_for_end(follow);
        follow->result = console_log_print_new(follow->log);
        console_log_print_end(follow->log);
        if (!output_flush())
                return -EIO;
        how = describe_end(follow->machine);
        message_note(follow->context->quiet, "%s has ended: %s",
                     vm_client_machine_get_name(follow->machine), how);
        return follow->result;
}

/* The console is opened before the log is read, so that nothing falls in between. */
static int follow_log(const Context *context, VmClientMachine *machine, ConsoleLog *log)
{
        Follow follow = {.context = context, .machine = machine, .log = log};
        _cleanup_close_ int console = -1;

        console = vm_client_machine_open_console_sync(
                machine, VM_CLIENT_CONSOLE_FLAGS_NO_SCROLLBACK, NULL, NULL, NULL);
        follow.result = console_log_print_new(log);
        if (follow.result < 0 || !output_flush())
                return -EIO;
        if (console < 0) { /* it does not run: that was all */
                console_log_print_end(log);
                return 0;
        }
        follow.result = fd_set_nonblock(console, true);
        return follow.result < 0 ? follow.result : follow_console(&follow, console);
}

static int show_log(const Context *context, VmClientMachine *machine)
{
        const Invocation *invocation = context->invocation;
        ConsoleLogSettings settings = {
                .previous = invocation_has(invocation, OPTION_PREVIOUS),
                .raw = invocation_has(invocation, OPTION_RAW),
                .limit_lines = invocation_has(invocation, OPTION_LINES),
        };
        g_autoptr(ConsoleLog) log = NULL;
        g_autoptr(GError) error = NULL;
        int r = take_number(context, OPTION_LINES, &settings.lines);

        if (r != 0)
                return r;
        log = console_log_open(machine, &settings, &error);
        if (!log)
                return report_error(vm_client_machine_get_name(machine), error);
        if (invocation_has(invocation, OPTION_FOLLOW))
                r = follow_log(context, machine, log);
        else {
                r = console_log_print_new(log);
                console_log_print_end(log);
        }
        if (r < 0)
                message_error("cannot read the log: %s.", g_strerror(-r));
        return r < 0 ? VMCTL_FAILURE : VMCTL_OK;
}

int verb_logs(const Context *context)
{
        g_autoptr(VmClientManager) manager = NULL;
        g_autoptr(VmClientMachine) machine = NULL;
        int r = VMCTL_FAILURE;

        if (invocation_has(context->invocation, OPTION_FOLLOW) &&
            invocation_has(context->invocation, OPTION_PREVIOUS)) {
                message_error("--follow and --previous exclude each other: the older part of the "
                              "log does not grow. Give one of them.");
                return VMCTL_USAGE;
        }
        manager = connect_manager(context);
        if (!manager)
                return VMCTL_FAILURE;
        machine = connect_machine(context, manager, context->invocation->args[0], &r);
        return machine ? show_log(context, machine) : r;
}
