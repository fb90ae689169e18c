/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fd.h"

static struct {
        volatile sig_atomic_t raw;
        int fd;
        struct termios saved, wanted;
} terminal;

void terminal_restore(void)
{
        int saved_errno = errno;

        /* TCSANOW: what drains would wait for a terminal that nobody reads. */
        if (terminal.raw)
                (void)tcsetattr(terminal.fd, TCSANOW, &terminal.saved);
        terminal.raw = 0;
        errno = saved_errno;
}

/* A crash of ours must not leave the user's shell without echo. tcsetattr() is signal-safe. */
static void restore_and_die(int number)
{
        terminal_restore();
        (void)signal(number, SIG_DFL);
        (void)raise(number);
}

static void guard_exits(void)
{
        static const int deadly[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
        static bool guarded;

        if (guarded)
                return;
        guarded = true;
        (void)atexit(terminal_restore);
        for (size_t i = 0; i < ARRAY_SIZE(deadly); i++)
                (void)signal(deadly[i], restore_and_die);
}

int terminal_make_raw(int fd)
{
        if (terminal.raw)
                return 0;
        if (tcgetattr(fd, &terminal.saved) < 0)
                return -errno;
        terminal.wanted = terminal.saved;
        cfmakeraw(&terminal.wanted);
        guard_exits();
        terminal.fd = fd;
        terminal.raw = 1;
        if (tcsetattr(fd, TCSANOW, &terminal.wanted) < 0) {
                terminal.raw = 0;
                return -errno;
        }
        return 0;
}

void terminal_soft_reset(int fd)
{
        /* DECSTR; SGR 0; ASCII in G0; mouse modes, focus reports, bracketed paste off; cursor on.
         */
        static const char sequence[] = "\033[!p\033[0m\033(B\033[?1000l\033[?1002l\033[?1003l"
                                       "\033[?1004l\033[?1006l\033[?2004l\033[?25h";

        (void)fd_write_full(fd, sequence, sizeof(sequence) - 1);
}

static void fill_mask(sigset_t *mask)
{
        static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT};

        sigemptyset(mask);
        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
                sigaddset(mask, numbers[i]);
}

int terminal_open_signals(void)
{
        sigset_t mask;
        int fd;

        fill_mask(&mask);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        return fd < 0 ? -errno : fd;
}

void terminal_reapply(void)
{
        if (terminal.raw)
                (void)tcsetattr(terminal.fd, TCSANOW, &terminal.wanted);
}

void terminal_suspend(void)
{
        bool was_raw = terminal.raw;
        int fd = terminal.fd;

        terminal_restore();
        (void)raise(SIGSTOP); /* the parent sees a stop; who sent SIGTSTP wanted no more */
        if (was_raw)
                (void)terminal_make_raw(fd);
}
