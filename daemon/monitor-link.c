/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/monitor-link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>

#include "common/fd.h"
#include "common/string-util.h"

#define FRAMES_PER_WAKE     16U
#define DRAIN_FRAMES        4096U
#define QUEUE_MAX           12U
#define RESERVED            4U /* of calls and queue, for what moves or ends the run */
#define CALL_DEADLINE_USEC  (30ULL * 1000000ULL)
#define START_DEADLINE_USEC (120ULL * 1000000ULL) /* reads the guest's images */
#define EVENT_WINDOW_USEC   (10ULL * 1000000ULL)
#define EVENTS_PER_WINDOW   2000U
#define WATCH_ACCURACY_USEC (10ULL * 1000000ULL) /* many links share one wake-up */

typedef struct Call {
        uint64_t id; /* 0: free */
        Method method;
        uint64_t deadline;     /* CLOCK_MONOTONIC microseconds */
        MonitorReplyFunc func; /* NULL once answered with -ETIMEDOUT: a late reply is dropped */
        void *userdata;
} Call;

static uint64_t call_deadline(Method method)
{
        return method == METHOD_START ? START_DEADLINE_USEC : CALL_DEADLINE_USEC;
}

typedef struct Queued {
        Message message;
} Queued;

struct MonitorLink {
        int socket;
        sd_event *event;
        sd_event_source *io_source;
        sd_event_source *time_source; /* made by the first call that is not answered at once */
        MonitorLinkHandlers handlers;
        void *userdata;
        bool greeted, closed, adopted, ended;
        char token[ID128_STRING_SIZE];
        uint64_t hello_id, last_id, last_seq;
        uint64_t window_start;
        unsigned events_in_window;
        Call calls[MONITOR_LINK_CALLS_MAX];
        Queued queue[QUEUE_MAX];
        size_t n_queue;
};

static uint64_t link_now(const MonitorLink *link)
{
        uint64_t now = 0;

        (void)sd_event_now(link->event, CLOCK_MONOTONIC, &now);
        return now;
}

static void queued_done(Queued *queued)
{
        for (size_t i = 0; i < queued->message.n_fds; i++)
                (void)fd_close(queued->message.fds[i]);
        queued->message.n_fds = 0;
        message_done(&queued->message);
}

static Call *link_find_call(MonitorLink *link, uint64_t id)
{
        for (size_t i = 0; i < MONITOR_LINK_CALLS_MAX; i++)
                if (link->calls[i].id == id)
                        return &link->calls[i];
        return NULL;
}

static void call_answer(Call *call, int error, const char *message, json_object *result)
{
        MonitorReplyFunc func = call->func;
        void *userdata = call->userdata;

        *call = (Call){0};
        if (func)
                func(error, message, result, userdata);
}

/*
 * What clients ask for as often as they like. It must not keep the rest out: a power button that
 * finds no room is a guest that is killed instead of asked.
 */
static bool method_is_frequent(Method method)
{
        return method == METHOD_STATS || method == METHOD_CONSOLE || method == METHOD_RESET;
}

static bool link_has_room(const MonitorLink *link, Method method)
{
        size_t n = 0;

        for (size_t i = 0; i < MONITOR_LINK_CALLS_MAX; i++)
                n += link->calls[i].id != 0;
        return n < MONITOR_LINK_CALLS_MAX - (method_is_frequent(method) ? RESERVED : 0);
}

static void link_answer_all(MonitorLink *link, int error, const char *message)
{
        for (size_t i = 0; i < MONITOR_LINK_CALLS_MAX; i++)
                if (link->calls[i].id != 0)
                        call_answer(&link->calls[i], error, message, NULL);
}

static void link_close(MonitorLink *link, const char *violation)
{
        if (link->closed)
                return;
        link->closed = true;
        link->io_source = sd_event_source_disable_unref(link->io_source);
        link->time_source = sd_event_source_disable_unref(link->time_source);
        while (link->n_queue > 0)
                queued_done(&link->queue[--link->n_queue]);
        link_answer_all(link, -ECONNRESET,
                        violation ? violation : "the monitor closed its control socket");
        link->handlers.closed(violation, link->userdata);
}

static bool link_is_flooded(MonitorLink *link)
{
        uint64_t now = link_now(link);

        if (now - link->window_start > EVENT_WINDOW_USEC) {
                link->window_start = now;
                link->events_in_window = 0;
        }
        return ++link->events_in_window > EVENTS_PER_WINDOW;
}

static void link_handle_event(MonitorLink *link, Message *message)
{
        if (link->ended)
                link_close(link, "it spoke after its last event");
        else if (message->n_fds > 0)
                link_close(link, "it sent a descriptor");
        else if (message->id <= link->last_seq && link->greeted)
                link_close(link, "its events are out of order");
        else if (link_is_flooded(link))
                link_close(link, "it floods with events");
        else {
                link->last_seq = message->id;
                if (message->code == EVENT_ENDED)
                        link->ended = true;
                else if (!link->greeted)
                        return; /* meant for a predecessor */
                link->handlers.event((Event)message->code, message->body, link->userdata);
        }
}

/* Whether a reply is to our hello and not to a predecessor's with the same id. */
static bool link_is_greeting(MonitorLink *link, const Message *message, const char **ret_violation)
{
        ProtocolHelloReply reply;
        JsonProblem problem;
        bool ours;

        *ret_violation = NULL;
        if (message->id != link->hello_id)
                return false;
        if (message->error != 0)
                return !link->adopted;
        if (json_fields_load(protocol_hello_reply_fields, message->body, "", &reply, &problem) < 0)
                return false;
        ours = streq_ptr(reply.token, link->token);
        if (ours && reply.version != PROTOCOL_VERSION)
                *ret_violation = "it chose a protocol version that was not offered";
        json_fields_done(protocol_hello_reply_fields, &reply);
        return ours;
}

static void link_handle_reply(MonitorLink *link, Message *message)
{
        char text[768];
        const char *violation = NULL;
        Call *call;

        if (!link->greeted) {
                if (!link_is_greeting(link, message, &violation)) {
                        if (!link->adopted)
                                link_close(link, "its answer to hello is not one");
                        return;
                }
                link->greeted = true;
        }
        call = message->id > 0 ? link_find_call(link, message->id) : NULL;
        if (!call)
                violation = "it answered what was not asked";
        else if (message->n_fds > 0)
                violation = "it sent a descriptor";
        if (violation) {
                link_close(link, violation);
                return;
        }
        if (message->error == 0) {
                call_answer(call, 0, NULL, message->body);
                return;
        }
        string_escape_into(text, sizeof(text), message->error_message,
                           strlen(message->error_message));
        call_answer(call, -message->error, text, NULL);
}

/* 1: handled a frame; 0: nothing there; negative: the conversation is over. */
static int link_receive(MonitorLink *link)
{
        JsonProblem problem = {"", ""};
        char text[512];
        Message message;
        int r;

        if (link->closed)
                return -ENOTCONN;
        r = message_receive(link->socket, &message, &problem);
        if (r == -EAGAIN)
                return 0;
        if (r == -EBADMSG) {
                (void)snprintf(text, sizeof(text), "it sent a frame that is none: %s",
                               problem.message);
                link_close(link, text);
        } else if (r < 0) {
                link_close(link, NULL);
        } else {
                if (message.type == MESSAGE_EVENT)
                        link_handle_event(link, &message);
                else if (message.type == MESSAGE_REPLY)
                        link_handle_reply(link, &message);
                else
                        link_close(link, "it sent a request");
                message_done(&message);
        }
        return link->closed ? -ENOTCONN : 1;
}

static void link_flush(MonitorLink *link)
{
        size_t sent = 0;

        while (sent < link->n_queue) {
                int r = message_send(link->socket, &link->queue[sent].message);

                if (r == -EAGAIN)
                        break;
                queued_done(&link->queue[sent++]); /* an error is the end, which reading finds */
        }
        link->n_queue -= sent;
        memmove(link->queue, link->queue + sent, link->n_queue * sizeof(link->queue[0]));
        if (link->n_queue == 0 && link->io_source)
                (void)sd_event_source_set_io_events(link->io_source, EPOLLIN);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        MonitorLink *link = userdata;

        (void)source;
        (void)fd;
        if (events & EPOLLOUT)
                link_flush(link);
        for (unsigned i = 0; i < FRAMES_PER_WAKE; i++)
                if (link_receive(link) <= 0)
                        break;
        return 0;
}

void monitor_link_drain(MonitorLink *link)
{
        for (unsigned i = 0; i < DRAIN_FRAMES; i++)
                if (link_receive(link) <= 0)
                        break;
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
        MonitorLink *link = userdata;
        uint64_t next = UINT64_MAX, now = link_now(link);
        char text[128];

        (void)usec;
        for (size_t i = 0; i < MONITOR_LINK_CALLS_MAX; i++) {
                Call *call = &link->calls[i];
                MonitorReplyFunc func = call->func;

                if (call->id == 0 || !func)
                        continue;
                if (call->deadline > now) {
                        next = CONST_MIN(next, call->deadline);
                        continue;
                }
                call->func = NULL;
                (void)snprintf(text, sizeof(text),
                               "the monitor got \"%s\" and did not answer within %llu s",
                               method_to_string(call->method),
                               (unsigned long long)(call_deadline(call->method) / 1000000U));
                func(-ETIMEDOUT, text, NULL, call->userdata);
        }
        if (next == UINT64_MAX)
                return sd_event_source_set_enabled(source, SD_EVENT_OFF);
        (void)sd_event_source_set_time(source, next);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int monitor_link_new(sd_event *event, int socket, bool adopted, const MonitorLinkHandlers *handlers,
                     void *userdata, MonitorLink **ret)
{
        _cleanup_(monitor_link_freep) MonitorLink *link = calloc(1, sizeof(*link));
        int r;

        if (!link) {
                (void)fd_close(socket);
                return -ENOMEM;
        }
        link->socket = socket;
        link->event = event;
        link->adopted = adopted;
        link->handlers = *handlers;
        link->userdata = userdata;
        r = sd_event_add_io(event, &link->io_source, socket, EPOLLIN, on_io, link);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(link);
        return 0;
}

MonitorLink *monitor_link_free(MonitorLink *link)
{
        if (!link)
                return NULL;
        link->closed = true;
        sd_event_source_disable_unref(link->io_source);
        sd_event_source_disable_unref(link->time_source);
        while (link->n_queue > 0)
                queued_done(&link->queue[--link->n_queue]);
        link_answer_all(link, -ECONNRESET, "the run has ended");
        (void)fd_close(link->socket);
        free(link);
        return NULL;
}

static int link_enqueue(MonitorLink *link, const Message *message)
{
        Queued *queued = &link->queue[link->n_queue];

        if (link->n_queue >= QUEUE_MAX - (method_is_frequent((Method)message->code) ? RESERVED : 0))
                return -EBUSY;
        *queued = (Queued){.message = *message};
        queued->message.body = json_object_get(message->body);
        queued->message.n_fds = 0;
        for (size_t i = 0; i < message->n_fds; i++) {
                int fd = fcntl(message->fds[i], F_DUPFD_CLOEXEC, 3);

                if (fd < 0) {
                        int error = -errno;

                        queued_done(queued);
                        return error;
                }
                queued->message.fds[queued->message.n_fds++] = fd;
        }
        /* An EPOLLOUT that comes without need is without effect. */
        if (sd_event_source_set_io_events(link->io_source, EPOLLIN | EPOLLOUT) < 0) {
                queued_done(queued);
                return -ENOMEM;
        }
        link->n_queue++;
        return 0;
}

static int link_send(MonitorLink *link, const Message *message)
{
        int r = link->n_queue > 0 ? -EAGAIN : message_send(link->socket, message);

        if (r == -EAGAIN)
                return link_enqueue(link, message);
        return r == -EPIPE ? 0 : r; /* reading finds the end, and answers */
}

static int link_arm(MonitorLink *link, uint64_t deadline)
{
        int r;

        if (!link->time_source) {
                r = sd_event_add_time(link->event, &link->time_source, CLOCK_MONOTONIC, deadline,
                                      WATCH_ACCURACY_USEC, on_time, link);
                return r;
        }
        r = sd_event_source_get_enabled(link->time_source, NULL);
        if (r > 0) /* an earlier call's: it will look at this one, too */
                return 0;
        (void)sd_event_source_set_time(link->time_source, deadline);
        return sd_event_source_set_enabled(link->time_source, SD_EVENT_ONESHOT);
}

int monitor_link_call(MonitorLink *link, Method method, json_object *params, const int *fds,
                      size_t n_fds, MonitorReplyFunc func, void *userdata)
{
        Message message = {.type = MESSAGE_REQUEST, .code = (int)method, .body = params};
        Call *call = link_find_call(link, 0);
        uint64_t deadline;
        int r;

        if (link->closed)
                return -ENOTCONN;
        if (!call || !link_has_room(link, method) || n_fds > PROTOCOL_MAX_FDS)
                return -EBUSY;
        deadline = link_now(link) + call_deadline(method);
        r = link_arm(link, deadline); /* first: what has been sent must be answered */
        if (r < 0)
                return r;
        message.id = link->last_id + 1;
        for (size_t i = 0; i < n_fds; i++)
                message.fds[message.n_fds++] = fds[i];
        r = link_send(link, &message);
        if (r < 0)
                return r;
        link->last_id = message.id;
        *call = (Call){.id = message.id,
                       .method = method,
                       .deadline = deadline,
                       .func = func,
                       .userdata = userdata};
        return 0;
}

int monitor_link_hello(MonitorLink *link, MonitorReplyFunc func, void *userdata)
{
        ProtocolHello hello = {.token = link->token};
        json_object *params;
        Id128 token;
        int r;

        r = id128_random(&token);
        if (r < 0)
                return r;
        (void)id128_to_string(&token, link->token);
        hello.versions = json_object_new_array();
        if (!hello.versions)
                return -ENOMEM;
        (void)json_object_array_add(hello.versions, json_object_new_int(PROTOCOL_VERSION));
        params = json_fields_save(protocol_hello_fields, &hello);
        json_object_put(hello.versions);
        if (!params)
                return -ENOMEM;
        link->hello_id = link->last_id + 1;
        r = monitor_link_call(link, METHOD_HELLO, params, NULL, 0, func, userdata);
        json_object_put(params);
        return r;
}
