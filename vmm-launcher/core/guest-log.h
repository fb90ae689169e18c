/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Lines that a guest can provoke, from any vCPU thread: rate-limited for each device. */

#include <pthread.h>

#include "common/log.h"

typedef struct GuestLog {
        pthread_mutex_t lock;
        LogLimit limit;
} GuestLog;

void guest_log_init(GuestLog *log);
void guest_log_done(GuestLog *log);

/* Whether one more line may be written. */
bool guest_log_allow(GuestLog *log);

#define guest_log(log, ...)                                                                        \
        do {                                                                                       \
                if (guest_log_allow(log))                                                          \
                        log_write(__VA_ARGS__);                                                    \
        } while (0)
