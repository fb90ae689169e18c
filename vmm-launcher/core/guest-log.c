/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/guest-log.h"

void guest_log_init(GuestLog *log)
{
        *log = (GuestLog){0};
        (void)pthread_mutex_init(&log->lock, NULL);
}

void guest_log_done(GuestLog *log)
{
        (void)pthread_mutex_destroy(&log->lock);
}

bool guest_log_allow(GuestLog *log)
{
        bool allow;

        (void)pthread_mutex_lock(&log->lock);
        allow = log_limit_allow(&log->limit);
        (void)pthread_mutex_unlock(&log->lock);
        return allow;
}
