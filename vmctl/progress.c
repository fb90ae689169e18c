/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "common/cleanup.h"

#define USEC_PER_SEC UINT64_C(1000000)

char *progress_line(const Progress *progress, uint64_t now)
{
        uint64_t seconds = (now - progress->begin) / USEC_PER_SEC;

        if (progress->limit_usec > 0)
                return g_strdup_printf("%s (%" PRIu64 " s of %" PRIu64 " s)...", progress->text,
                                       seconds, progress->limit_usec / USEC_PER_SEC);
        return g_strdup_printf("%s (%" PRIu64 " s)...", progress->text, seconds);
}

static gboolean show(gpointer data)
{
        Progress *progress = data;
        g_autofree char *line = progress_line(progress, (uint64_t)g_get_monotonic_time());

        /* EL: erases what is left of a longer line. */
        fprintf(stderr, "\r%s\033[K", line);
        fflush(stderr);
        progress->shown = true;
        return G_SOURCE_CONTINUE;
}

static void G_GNUC_PRINTF(4, 0)
        begin(Progress *progress, bool quiet, uint64_t limit_usec, const char *format, va_list list)
{
        *progress = (Progress){
                .text = g_strdup_vprintf(format, list),
                .begin = (uint64_t)g_get_monotonic_time(),
                .limit_usec = limit_usec,
                .enabled = !quiet && isatty(STDERR_FILENO),
        };
        if (progress->enabled)
                progress->timer = g_timeout_add(1000, show, progress);
}

void progress_begin(Progress *progress, bool quiet, uint64_t limit_usec, const char *format, ...)
{
        va_list list;

        va_start(list, format);
        begin(progress, quiet, limit_usec, format, list);
        va_end(list);
}

void progress_end(Progress *progress)
{
        if (progress->timer > 0)
                g_source_remove(progress->timer);
        if (progress->shown) {
                fputs("\r\033[K", stderr);
                fflush(stderr);
        }
        g_free(progress->text);
        *progress = (Progress){0};
}

void await_begin(Await *await, bool quiet, uint64_t limit_usec, const char *format, ...)
{
        va_list list;

        *await = (Await){.loop = g_main_loop_new(NULL, FALSE)};
        va_start(list, format);
        begin(&await->progress, quiet, limit_usec, format, list);
        va_end(list);
}

void await_ready(_unused_ GObject *source, GAsyncResult *result, gpointer data)
{
        Await *await = data;

        await->result = g_object_ref(result);
        g_main_loop_quit(await->loop);
}

GAsyncResult *await_result(Await *await)
{
        if (!await->result)
                g_main_loop_run(await->loop);
        return await->result;
}

void await_end(Await *await)
{
        progress_end(&await->progress);
        g_clear_object(&await->result);
        g_main_loop_unref(await->loop);
}
