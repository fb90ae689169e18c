/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The daemon's socket, as the monitor sees it (protocol/protocol.h): greets, hands requests on,
 * sends replies and events. Never blocks. Whoever says hello last is the daemon: replies that are
 * still owed to a former one are dropped. An event that finds the socket full is dropped, its
 * number is not used again, and a snapshot tells what it would have; a reply waits, and no request
 * is read meanwhile. That the daemon is gone ends nothing: the spawner holds its end too.
 */

#include <json-c/json.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "core/event-loop.h"
#include "protocol/protocol.h"

typedef struct Control Control;

/* A request that is owed an answer, now or later. */
typedef struct ControlRequest {
        uint64_t id;
        uint64_t conversation; /* 0: none, nothing is owed */
} ControlRequest;

typedef struct ControlHandlers {
        /*
         * Any method but hello, of a daemon that said hello. Descriptors that the handler does not
         * take (TAKE_FD) are closed after it.
         */
        void (*request)(void *context, ControlRequest request, Message *message);
        /* No frame can be read any more. why is a sentence. */
        void (*lost)(void *context, const char *why);
        void *context;
} ControlHandlers;

/* The socket stays the caller's. */
int control_new(EventLoop *loop, int socket, const ControlHandlers *handlers, Control **ret);
Control *control_free(Control *control);
DEFINE_CLEANUP_FUNC(Control *, control_free);

/* Answers *request, which is empty then. NULL fields: an empty result. */
void control_reply(Control *control, ControlRequest *request, const JsonField *fields,
                   const void *result);
/* error: negative errno. */
void control_reply_error(Control *control, ControlRequest *request, int error, const char *format,
                         ...) __attribute__((format(printf, 4, 5)));

void control_event(Control *control, Event event, const JsonField *fields, const void *params);
/* The number of the last event, sent or dropped. */
uint64_t control_last_seq(const Control *control);

/*
 * The last frame: waits up to a second for a full socket, serves no request any more. Runs the
 * event loop.
 */
void control_finish(Control *control, const ProtocolEnded *ended);
