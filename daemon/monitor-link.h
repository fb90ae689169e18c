/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One monitor's control socket on the event loop: requests with their replies, events, and nothing
 * that a hostile monitor could gain from it. What it sends is decoded by protocol/ within its
 * bounds; a reply to nothing, an event out of order, a flood, or a frame that does not decode is a
 * violation, which is told once; nothing is read after it. Requests that the socket does not take
 * at once wait in a bounded queue.
 */

#include <json-c/json.h>
#include <systemd/sd-event.h>

#include "common/cleanup.h"
#include "protocol/protocol.h"

#define MONITOR_LINK_CALLS_MAX 32U /* requests without a reply */

typedef struct MonitorLink MonitorLink;

typedef struct MonitorLinkHandlers {
        /* body is borrowed. */
        void (*event)(Event event, json_object *body, void *userdata);
        /*
         * The conversation is over: the monitor closed its end (violation is NULL), or broke the
         * protocol (how, one sentence). Told once. Open requests have been answered before.
         */
        void (*closed)(const char *violation, void *userdata);
} MonitorLinkHandlers;

/*
 * error: 0 and result; or negative errno and a sentence: the monitor's own, or ours: -ECONNRESET
 * when the link ended, -ETIMEDOUT when the monitor did not answer. result is borrowed.
 */
typedef void (*MonitorReplyFunc)(int error, const char *message, json_object *result,
                                 void *userdata);

/*
 * Takes over the socket (also on failure). Callbacks may make calls, but must not free the link.
 * adopted: another daemon talked here before, and what comes before our hello's reply was meant for
 * it; of that only "ended" is told.
 */
int monitor_link_new(sd_event *event, int socket, bool adopted, const MonitorLinkHandlers *handlers,
                     void *userdata, MonitorLink **ret);
/* Open requests are answered with -ECONNRESET. Takes NULL. */
MonitorLink *monitor_link_free(MonitorLink *link);
DEFINE_CLEANUP_FUNC(MonitorLink *, monitor_link_free);

/* The first call. func's result is not NULL, and of a version that we speak. */
int monitor_link_hello(MonitorLink *link, MonitorReplyFunc func, void *userdata);

/*
 * Sends a request; may be called before hello is answered. params (NULL: none) is borrowed, fds are
 * duplicated if they have to wait. 0: func will be called once, from the event loop or from free.
 * -ENOTCONN after the end; -EBUSY with too many open; -EMSGSIZE; -ENOMEM.
 */
int monitor_link_call(MonitorLink *link, Method method, json_object *params, const int *fds,
                      size_t n_fds, MonitorReplyFunc func, void *userdata);

/* Handles all that the monitor has sent so far: to be called when it is known to have exited. */
void monitor_link_drain(MonitorLink *link);
