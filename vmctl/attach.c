/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/attach.h"

#include <errno.h>
#include <glib-unix.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "vmctl/message.h"
#include "vmctl/terminal.h"

#define GRACE_MSEC    5000 /* for what follows an end at once: the console's last bytes, the news */
#define REMINDER_SEC  10
#define USEC_PER_SEC  INT64_C(1000000)
#define STOP_DEADLINE 30 /* seconds: the daemon's own */

typedef struct Attach {
        const Context *context;
        const AttachSettings *settings;
        VmClientMachine *machine;
        ConsoleSession *console;
        GMainLoop *loop;
        AttachEnd end;
        int signal;
        unsigned interrupts;
        int64_t stop_begin;
        bool console_ended, run_ended;
        GCancellable *cancellable;
        unsigned n_calls; /* not yet answered */
        guint signals, grace, reminder;
} Attach;

static void note(const Attach *attach, const char *text)
{
        if (!attach->context->quiet)
                fprintf(stderr, "%s%s: %s%s", console_session_line_break(attach->console),
                        vm_client_machine_get_name(attach->machine), text,
                        console_session_newline(attach->console));
}

static void quit(Attach *attach, AttachEnd end)
{
        attach->end = end;
        g_main_loop_quit(attach->loop);
}

static gboolean grace_over(gpointer data)
{
        Attach *attach = data;

        attach->grace = 0;
        quit(attach, attach->run_ended ? ATTACH_RUN_ENDED : ATTACH_CONSOLE_LOST);
        return G_SOURCE_REMOVE;
}

/* Both the console and the run end, in either order; one is given a moment after the other. */
static void check_end(Attach *attach)
{
        if (attach->run_ended && attach->console_ended)
                quit(attach, ATTACH_RUN_ENDED);
        else if (attach->grace == 0 && (attach->run_ended || !attach->settings->stop_machine))
                attach->grace = g_timeout_add(GRACE_MSEC, grace_over, attach);
}

static void call_ready(GObject *source, GAsyncResult *result, gpointer data, bool stop)
{
        VmClientMachine *machine = VM_CLIENT_MACHINE(source);
        g_autoptr(GError) error = NULL;
        Attach *attach = data;
        bool ok = stop ? vm_client_machine_stop_finish(machine, result, &error)
                       : vm_client_machine_kill_finish(machine, result, &error);

        attach->n_calls--;
        /* That it has ended meanwhile is what was wanted. */
        if (!ok && !attach->run_ended &&
            !g_error_matches(error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_WRONG_STATE) &&
            !g_error_matches(error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_NO_SUCH_MACHINE) &&
            !g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
                note(attach, error->message);
}

static void stop_ready(GObject *source, GAsyncResult *result, gpointer data)
{
        call_ready(source, result, data, true);
}

static void kill_ready(GObject *source, GAsyncResult *result, gpointer data)
{
        call_ready(source, result, data, false);
}

static gboolean remind(gpointer data)
{
        Attach *attach = data;
        int64_t seconds = (g_get_monotonic_time() - attach->stop_begin) / USEC_PER_SEC;
        g_autofree char *text = g_strdup_printf("still waiting for the guest to power off (%" PRId64
                                                " s of %d s); ^C kills it",
                                                seconds, STOP_DEADLINE);

        note(attach, text);
        return G_SOURCE_CONTINUE;
}

static void interrupt(Attach *attach)
{
        attach->interrupts++;
        if (attach->run_ended)
                return;
        if (attach->interrupts == 1) {
                note(attach, "power button pressed, waiting up to 30 s for the end; "
                             "^C again kills it");
                attach->stop_begin = g_get_monotonic_time();
                attach->reminder = g_timeout_add_seconds(REMINDER_SEC, remind, attach);
                attach->n_calls++;
                vm_client_machine_stop_async(attach->machine, -1, NULL, attach->cancellable,
                                             stop_ready, attach);
        } else if (attach->interrupts == 2) {
                note(attach, "killing it");
                attach->n_calls++;
                vm_client_machine_kill_async(attach->machine, NULL, attach->cancellable, kill_ready,
                                             attach);
        }
}

static void on_console(ConsoleEvent event, void *user_data)
{
        Attach *attach = user_data;

        switch (event) {
        case CONSOLE_EVENT_END:
                attach->console_ended = true;
                check_end(attach);
                break;
        case CONSOLE_EVENT_DETACH:
                quit(attach, ATTACH_DETACHED);
                break;
        case CONSOLE_EVENT_INTERRUPT:
                if (attach->settings->stop_machine)
                        interrupt(attach);
                else
                        quit(attach, ATTACH_DETACHED);
                break;
        case CONSOLE_EVENT_OUTPUT_LOST:
                quit(attach, ATTACH_OUTPUT_LOST);
                break;
        }
}

static gboolean on_signal(gint fd, _unused_ GIOCondition condition, gpointer data)
{
        struct signalfd_siginfo info;
        Attach *attach = data;

        if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
                return G_SOURCE_CONTINUE;
        switch (info.ssi_signo) {
        case SIGTSTP:
                terminal_suspend();
                break;
        case SIGCONT:
                terminal_reapply();
                break;
        default:
                attach->signal = (int)info.ssi_signo;
                if (attach->settings->stop_machine)
                        interrupt(attach);
                else
                        quit(attach, ATTACH_SIGNALLED);
        }
        return G_SOURCE_CONTINUE;
}

static void on_stopped(GObject *source, GAsyncResult *result, gpointer data)
{
        g_autoptr(GError) error = NULL;
        Attach *attach = data;

        (void)vm_client_machine_wait_stopped_finish(VM_CLIENT_MACHINE(source), result, &error);
        attach->n_calls--;
        if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
                return;
        if (error) {
                report_error(vm_client_machine_get_name(attach->machine), error);
                quit(attach, ATTACH_FAILED);
                return;
        }
        attach->run_ended = true;
        check_end(attach);
}

static void stop_source(guint *source)
{
        if (*source > 0)
                g_source_remove(*source);
        *source = 0;
}

/* Calls that are under way still hold a pointer to the Attach. */
static void finish_calls(Attach *attach)
{
        g_cancellable_cancel(attach->cancellable);
        while (attach->n_calls > 0)
                (void)g_main_context_iteration(NULL, TRUE);
}

AttachEnd attach_run(const Context *context, VmClientMachine *machine, int console_fd,
                     const AttachSettings *settings, int *ret_signal)
{
        Attach attach = {.context = context, .settings = settings, .machine = machine};

        attach.console = console_session_new(console_fd, &settings->console, on_console, &attach);
        if (!attach.console) {
                message_error("cannot set the terminal to raw mode: %s.", g_strerror(errno));
                return ATTACH_FAILED;
        }
        attach.loop = g_main_loop_new(NULL, FALSE);
        attach.cancellable = g_cancellable_new();
        attach.signals = g_unix_fd_add(settings->signal_fd, G_IO_IN, on_signal, &attach);
        attach.n_calls++;
        vm_client_machine_wait_stopped_async(machine, attach.cancellable, on_stopped, &attach);
        if (settings->interrupted)
                interrupt(&attach);
        g_main_loop_run(attach.loop);

        finish_calls(&attach);
        stop_source(&attach.signals);
        stop_source(&attach.grace);
        stop_source(&attach.reminder);
        attach.console = console_session_free(attach.console);
        g_object_unref(attach.cancellable);
        g_main_loop_unref(attach.loop);
        *ret_signal = attach.signal;
        return attach.end;
}

static gboolean on_early_signal(gint fd, _unused_ GIOCondition condition, gpointer data)
{
        struct signalfd_siginfo info;
        unsigned *n_interrupts = data;

        if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
                return G_SOURCE_CONTINUE;
        if (info.ssi_signo == SIGTSTP) {
                terminal_suspend();
                return G_SOURCE_CONTINUE;
        }
        if (info.ssi_signo == SIGCONT)
                return G_SOURCE_CONTINUE;
        if (!n_interrupts || ++*n_interrupts > 1)
                die_by_signal((int)info.ssi_signo);
        message_note(false, "it will be stopped once it has started; a second ^C leaves at once.");
        return G_SOURCE_CONTINUE;
}

guint attach_watch_early(int signal_fd, unsigned *n_interrupts)
{
        return g_unix_fd_add(signal_fd, G_IO_IN, on_early_signal, n_interrupts);
}

void die_by_signal(int number)
{
        sigset_t mask;

        terminal_restore();
        sigemptyset(&mask);
        sigaddset(&mask, number);
        (void)signal(number, SIG_DFL);
        (void)sigprocmask(SIG_UNBLOCK, &mask, NULL);
        (void)raise(number);
}
