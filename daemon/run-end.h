/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How a run ended, made of all that is known about it: the monitor's last event, its exit status,
 * what we did to it. Pure, so that a table can test it.
 */

#include <stdbool.h>
#include <stddef.h>

#include "vmservice-names.h"

typedef struct EndFacts {
        bool started;   /* the vCPUs ran */
        bool has_frame; /* "ended" was received */
        StopReason frame_reason;
        const char *frame_detail; /* escaped; may be NULL */
        bool has_status;
        int code, status;       /* si_code (CLD_*) and si_status of waitid(2) */
        bool frame_may_be_lost; /* an earlier daemon may have received the event */
        StopReason asked;       /* why we killed it; NONE: we did not */
        const char *asked_detail;
        const char *lost_detail; /* there is no exit status, because ... */
} EndFacts;

/* The sentence goes into detail (size bytes). */
StopReason run_end_resolve(const EndFacts *facts, char *detail, size_t size);
