/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Waiting that says what for. A line on standard error appears after a second, counts, and goes
 * away again; only on a terminal, and not with --quiet.
 */

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Progress {
        char *text;          /* "waiting for web to power off" */
        uint64_t begin;      /* monotonic microseconds */
        uint64_t limit_usec; /* 0: none */
        guint timer;
        bool enabled, shown;
} Progress;

/* limit_usec: how long it can take, 0 if nobody knows. text is copied. */
void progress_begin(Progress *progress, bool quiet, uint64_t limit_usec, const char *format, ...)
        G_GNUC_PRINTF(4, 5);
void progress_end(Progress *progress);
char *progress_line(const Progress *progress, uint64_t now); /* what it shows; g_free() */

/* One asynchronous call, waited for in the main loop. */
typedef struct Await {
        GMainLoop *loop;
        GAsyncResult *result;
        Progress progress;
} Await;

void await_begin(Await *await, bool quiet, uint64_t limit_usec, const char *format, ...)
        G_GNUC_PRINTF(4, 5);
/* The GAsyncReadyCallback to give to the call, with the Await as user data. */
void await_ready(GObject *source, GAsyncResult *result, gpointer await);
/* Runs the main loop until the result is there; it belongs to the Await. */
GAsyncResult *await_result(Await *await);
void await_end(Await *await);
