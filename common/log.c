/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_MAX 2048U

#define LOG_LIMIT_LINES       5U
#define LOG_LIMIT_WINDOW_NSEC 10000000000ULL

/* Process-wide by nature: where standard error goes, and what the program calls itself. */
static int log_max_level = LOG_INFO;
static const char *log_ident;
static int log_to_terminal = -1; /* -1: not looked yet */

void log_set_max_level(int level)
{
        __atomic_store_n(&log_max_level, level, __ATOMIC_RELAXED);
}

static bool log_is_terminal(void)
{
        int terminal = __atomic_load_n(&log_to_terminal, __ATOMIC_RELAXED);

        if (terminal < 0) {
                terminal = isatty(STDERR_FILENO);
                __atomic_store_n(&log_to_terminal, terminal, __ATOMIC_RELAXED);
        }
        return terminal > 0;
}

void log_set_ident(const char *ident)
{
        __atomic_store_n(&log_ident, ident, __ATOMIC_RELAXED);
        (void)log_is_terminal();
}

/* A line being put together; what does not fit is cut off. One byte is kept for the line's end. */
typedef struct LogLine {
        char text[LOG_LINE_MAX];
        size_t used;
} LogLine;

static void log_line_advance(LogLine *line, int n)
{
        size_t room = sizeof(line->text) - 1 - line->used;

        if (n > 0)
                line->used += (size_t)n < room ? (size_t)n : room - 1;
}

static __attribute__((format(printf, 2, 0))) void log_line_append_va(LogLine *line,
                                                                     const char *format, va_list ap)
{
        log_line_advance(line, vsnprintf(line->text + line->used,
                                         sizeof(line->text) - 1 - line->used, format, ap));
}

static __attribute__((format(printf, 2, 3))) void log_line_append(LogLine *line, const char *format,
                                                                  ...)
{
        va_list ap;

        va_start(ap, format);
        log_line_append_va(line, format, ap);
        va_end(ap);
}

static __attribute__((format(printf, 3, 0))) void log_emit(int level, int error, const char *format,
                                                           va_list ap)
{
        const char *ident = __atomic_load_n(&log_ident, __ATOMIC_RELAXED);
        LogLine line;
        ssize_t n;

        line.used = 0;
        if (!log_is_terminal())
                log_line_append(&line, "<%d>", LOG_PRI(level));
        if (ident)
                log_line_append(&line, "%s: ", ident);
        log_line_append_va(&line, format, ap);
        if (error != 0) {
                /* Not strerror(): that one translates, and may allocate. */
                int number = error < 0 ? -error : error;
                const char *description = strerrordesc_np(number);

                if (description)
                        log_line_append(&line, ": %s", description);
                else
                        log_line_append(&line, ": error %d", number);
        }

        /* Whatever the arguments held, it stays one line. */
        for (size_t i = 0; i < line.used; i++)
                if (line.text[i] == '\n' || line.text[i] == '\r')
                        line.text[i] = ' ';
        line.text[line.used++] = '\n';

        /* There is nowhere to report a failure to log: ignoring it. */
        do
                n = write(STDERR_FILENO, line.text, line.used);
        while (n < 0 && errno == EINTR);
}

void log_write(int level, const char *format, ...)
{
        int saved_errno = errno;
        va_list ap;

        if (LOG_PRI(level) > __atomic_load_n(&log_max_level, __ATOMIC_RELAXED))
                return;

        va_start(ap, format);
        log_emit(level, 0, format, ap);
        va_end(ap);
        errno = saved_errno;
}

int log_errno(int level, int error, const char *format, ...)
{
        int saved_errno = errno;

        if (LOG_PRI(level) <= __atomic_load_n(&log_max_level, __ATOMIC_RELAXED)) {
                va_list ap;

                va_start(ap, format);
                log_emit(level, error, format, ap);
                va_end(ap);
        }
        errno = saved_errno;
        return error < 0 ? error : -error;
}

bool log_limit_allow(LogLimit *limit)
{
        struct timespec ts;
        uint64_t now;

        clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
        now = (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;

        /* n_in_window is 0 only before the first line: a zeroed LogLimit is ready for use. */
        if (limit->n_in_window == 0 || now - limit->window_start_nsec >= LOG_LIMIT_WINDOW_NSEC) {
                if (limit->n_suppressed > 0)
                        log_notice("%u similar lines were held back", limit->n_suppressed);
                *limit = (LogLimit){.window_start_nsec = now};
        }
        if (limit->n_in_window >= LOG_LIMIT_LINES) {
                limit->n_suppressed++;
                return false;
        }
        limit->n_in_window++;
        return true;
}
