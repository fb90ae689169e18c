/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/event-loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 8

struct EventLoop {
        int epoll_fd;
        bool exiting;
        int exit_code;
        /* The batch being handed out: event_loop_remove() strikes its source from it. */
        struct epoll_event batch[EVENTS_AT_ONCE];
        int n_batch;
};

int event_loop_new(EventLoop **ret)
{
        EventLoop *loop = calloc(1, sizeof(*loop));

        if (!loop)
                return -ENOMEM;
        loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (loop->epoll_fd < 0) {
                int r = -errno;

                free(loop);
                return r;
        }
        *ret = loop;
        return 0;
}

EventLoop *event_loop_free(EventLoop *loop)
{
        if (!loop)
                return NULL;
        (void)close(loop->epoll_fd);
        free(loop);
        return NULL;
}

int event_loop_add(EventLoop *loop, EventSource *source, int fd, uint32_t events,
                   void (*handler)(void *context, uint32_t epoll_events), void *context)
{
        struct epoll_event event = {.events = events, .data.ptr = source};

        if (source->loop)
                return -EBUSY;
        if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
                return -errno;
        *source = (EventSource){fd, handler, context, loop};
        return 0;
}

int event_loop_modify(EventSource *source, uint32_t events)
{
        struct epoll_event event = {.events = events, .data.ptr = source};

        if (!source->loop)
                return -ENOENT;
        if (epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event) < 0)
                return -errno;
        return 0;
}

void event_loop_remove(EventSource *source)
{
        EventLoop *loop = source->loop;

        if (!loop)
                return;
        (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
        for (int i = 0; i < loop->n_batch; i++)
                if (loop->batch[i].data.ptr == source)
                        loop->batch[i].data.ptr = NULL;
        source->loop = NULL;
}

static void loop_dispatch(EventLoop *loop)
{
        for (int i = 0; i < loop->n_batch; i++) {
                EventSource *source = loop->batch[i].data.ptr;

                if (!source)
                        continue;
                /* A source that is removed and added again by a later handler waits its turn. */
                loop->batch[i].data.ptr = NULL;
                source->handler(source->context, loop->batch[i].events);
                if (loop->exiting)
                        break;
        }
        loop->n_batch = 0;
}

int event_loop_run_once(EventLoop *loop, int timeout_msec)
{
        int n = epoll_wait(loop->epoll_fd, loop->batch, EVENTS_AT_ONCE, timeout_msec);

        if (n < 0)
                return errno == EINTR ? 0 : -errno;
        loop->n_batch = n;
        loop_dispatch(loop);
        return n;
}

int event_loop_run(EventLoop *loop)
{
        while (!loop->exiting) {
                int r = event_loop_run_once(loop, -1);

                if (r < 0)
                        return r;
        }
        return loop->exit_code;
}

void event_loop_exit(EventLoop *loop, int code)
{
        loop->exiting = true;
        loop->exit_code = code;
}
