/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One epoll loop, owned by the main thread. Sources are embedded in their owners (no allocation per
 * source); a source may be removed from inside any handler, its own included.
 */

#include <stdbool.h>
#include <stdint.h>

typedef struct EventLoop EventLoop;
typedef struct EventSource EventSource;

struct EventSource {
        int fd;
        void (*handler)(void *context, uint32_t epoll_events);
        void *context;
        EventLoop *loop; /* NULL while not added */
};

int event_loop_new(EventLoop **ret);
EventLoop *event_loop_free(EventLoop *loop);

/* events: EPOLLIN | EPOLLOUT...; level-triggered. The source must stay where it is until removed.
 */
int event_loop_add(EventLoop *loop, EventSource *source, int fd, uint32_t events,
                   void (*handler)(void *context, uint32_t epoll_events), void *context);
int event_loop_modify(EventSource *source, uint32_t events);
void event_loop_remove(EventSource *source);

/* Runs until event_loop_exit(); returns its code, or negative errno. */
int event_loop_run(EventLoop *loop);
void event_loop_exit(EventLoop *loop, int code);

/* One wait of at most timeout_msec (-1: for ever) and its handlers. The number of events, 0 when
 * the time is up, negative errno. For what has to be done after event_loop_run(). */
int event_loop_run_once(EventLoop *loop, int timeout_msec);
