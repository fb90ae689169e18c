/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

#include "common/log.h"
#include "common/string-util.h"

/* One reply to the request at hand, and those that may be owed for longer: pause, resume, reset. */
#define QUEUE_MAX        8U
#define FINISH_MSEC      1000
#define MESSAGE_TEXT_MAX 640U

struct Control {
        EventLoop *loop;
        EventSource source;
        int socket;
        ControlHandlers handlers;
        uint64_t conversation; /* counts up with each hello; 0: none yet */
        uint64_t last_seq;
        bool closing;  /* requests are not read any more */
        bool finished; /* the last event is out, or as good as */
        Message queue[QUEUE_MAX];
        size_t n_queue;
};

static void control_lose(Control *control, const char *why)
{
        if (control->closing)
                return;
        control->closing = true;
        event_loop_remove(&control->source);
        control->handlers.lost(control->handlers.context, why);
}

static void control_update_events(Control *control)
{
        uint32_t events = control->n_queue > 0 ? EPOLLOUT : control->closing ? 0 : EPOLLIN;

        (void)event_loop_modify(&control->source, events);
}

static void control_drop_queue(Control *control)
{
        while (control->n_queue > 0)
                message_done(&control->queue[--control->n_queue]);
}

static void control_flush(Control *control)
{
        size_t sent = 0;

        /* A failure other than "full" is found again, and told, by reading. */
        while (sent < control->n_queue &&
               message_send(control->socket, &control->queue[sent]) != -EAGAIN)
                message_done(&control->queue[sent++]);
        control->n_queue -= sent;
        memmove(control->queue, control->queue + sent,
                control->n_queue * sizeof(control->queue[0]));
        control_update_events(control);
}

/* Takes the message. */
static void control_send_reply(Control *control, Message *message)
{
        if (control->n_queue == 0 && message_send(control->socket, message) != -EAGAIN) {
                message_done(message);
                return;
        }
        if (control->n_queue == QUEUE_MAX) {
                log_warning("Too many replies wait for the daemon, dropping one");
                message_done(message);
                return;
        }
        control->queue[control->n_queue++] = *message;
        control_update_events(control);
}

void control_reply(Control *control, ControlRequest *request, const JsonField *fields,
                   const void *result)
{
        Message message = {.type = MESSAGE_REPLY, .id = request->id};
        bool owed = request->conversation != 0 && request->conversation == control->conversation;

        *request = (ControlRequest){0};
        if (!owed)
                return;
        message.body = fields ? json_fields_save(fields, result) : json_object_new_object();
        if (message.body)
                control_send_reply(control, &message);
        else
                log_error("Out of memory for a reply, dropping it");
}

static void control_send_error(Control *control, uint64_t id, int error, const char *text)
{
        Message message = {.type = MESSAGE_REPLY, .id = id, .error = -error};

        message.error_message = strdup(text);
        if (message.error_message)
                control_send_reply(control, &message);
        else
                log_error("Out of memory for a reply, dropping it");
}

void control_reply_error(Control *control, ControlRequest *request, int error, const char *format,
                         ...)
{
        ControlRequest owed = *request;
        char text[MESSAGE_TEXT_MAX];
        va_list arguments;

        *request = (ControlRequest){0};
        if (owed.conversation == 0 || owed.conversation != control->conversation)
                return;
        va_start(arguments, format);
        (void)vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        utf8_trim_end(text);
        control_send_error(control, owed.id, error, text);
}

void control_event(Control *control, Event event, const JsonField *fields, const void *params)
{
        Message message = {.type = MESSAGE_EVENT, .id = ++control->last_seq, .code = event};
        int r = -EAGAIN;

        /* Before the first hello there is nobody to tell; after it the snapshot tells. */
        if (control->conversation == 0 || control->finished)
                return;
        if (control->n_queue == 0) {
                message.body = json_fields_save(fields, params);
                r = message.body ? message_send(control->socket, &message) : -ENOMEM;
                message_done(&message);
        }
        if (r < 0)
                log_debug("Event %llu was not sent: %s", (unsigned long long)control->last_seq,
                          strerrordesc_np(-r));
}

uint64_t control_last_seq(const Control *control)
{
        return control->last_seq;
}

/* A new conversation; what was owed to the former one is not sent any more. */
static void control_greet(Control *control, uint64_t id, ProtocolHello *hello)
{
        ControlRequest request = {id, ++control->conversation};
        ProtocolHelloReply reply = {
                .version = PROTOCOL_VERSION,
                .token = hello->token,
                .monitor = (char *)"vmm-launcher",
                .monitor_version = (char *)LAUNCHER_VERSION,
        };

        control_drop_queue(control);
        control_reply(control, &request, protocol_hello_reply_fields, &reply);
}

static void control_serve_hello(Control *control, const Message *message)
{
        ProtocolHello hello;
        JsonProblem problem;
        int r;

        r = json_fields_load(protocol_hello_fields, message->body, "", &hello, &problem);
        if (r < 0) {
                control_send_error(control, message->id, -EINVAL,
                                   r == -ENOMEM ? "out of memory" : problem.message);
                return;
        }
        r = protocol_hello_choose(&hello);
        if (r >= 0)
                control_greet(control, message->id, &hello);
        else if (r == -EBADMSG)
                control_send_error(control, message->id, -EINVAL,
                                   "\"versions\" must be an array of whole numbers");
        else
                control_send_error(control, message->id, -EPROTONOSUPPORT,
                                   "\"versions\" does not hold 1, the only version that this "
                                   "monitor speaks");
        json_fields_done(protocol_hello_fields, &hello);
}

static void control_serve(Control *control, Message *message)
{
        char why[128];

        if (message->type != MESSAGE_REQUEST)
                control_lose(control, "the daemon sent a frame that is not a request");
        else if (message->code == METHOD_HELLO && message->n_fds > 0)
                control_send_error(control, message->id, -EBADF, "hello takes no descriptors");
        else if (message->code == METHOD_HELLO)
                control_serve_hello(control, message);
        else if (control->conversation == 0) {
                (void)snprintf(why, sizeof(why), "\"%s\" came before hello",
                               method_to_string((Method)message->code));
                control_send_error(control, message->id, -EPROTO, why);
        } else
                control->handlers.request(control->handlers.context,
                                          (ControlRequest){message->id, control->conversation},
                                          message);
}

/* One frame at a time, so that other sources have their turn. */
static void control_handle(void *context, uint32_t epoll_events)
{
        Control *control = context;
        JsonProblem problem = {"", ""};
        char why[640];
        Message message;
        int r;

        if (epoll_events & EPOLLOUT)
                control_flush(control);
        if (!(epoll_events & (EPOLLIN | EPOLLHUP | EPOLLERR)) || control->n_queue > 0)
                return;
        r = message_receive(control->socket, &message, &problem);
        if (r == -EAGAIN || r == -ENOMEM)
                return;
        if (r == -EPIPE) {
                control_lose(control, "every other end of the control socket is closed: the "
                                      "daemon and vm-spawner are gone");
        } else if (r < 0) {
                (void)snprintf(why, sizeof(why), "the daemon sent a frame that is none: %s%s%s",
                               problem.pointer, *problem.pointer ? ": " : "",
                               r == -EBADMSG ? problem.message : strerrordesc_np(-r));
                control_lose(control, why);
        } else {
                control_serve(control, &message);
                message_done(&message);
        }
}

int control_new(EventLoop *loop, int socket, const ControlHandlers *handlers, Control **ret)
{
        _cleanup_(control_freep) Control *control = calloc(1, sizeof(*control));
        int r;

        if (!control)
                return -ENOMEM;
        control->loop = loop;
        control->socket = socket;
        control->handlers = *handlers;
        r = event_loop_add(loop, &control->source, socket, EPOLLIN, control_handle, control);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(control);
        return 0;
}

Control *control_free(Control *control)
{
        if (!control)
                return NULL;
        event_loop_remove(&control->source);
        control_drop_queue(control);
        free(control);
        return NULL;
}

static int64_t now_msec(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void control_finish(Control *control, const ProtocolEnded *ended)
{
        Message message = {.type = MESSAGE_EVENT, .id = ++control->last_seq, .code = EVENT_ENDED};
        int64_t deadline = now_msec() + FINISH_MSEC, left;

        control->closing = control->finished = true;
        if (control->conversation == 0)
                return;
        message.body = json_fields_save(protocol_ended_fields, ended);
        if (!message.body)
                return;
        control_send_reply(control, &message);
        while (control->n_queue > 0 && (left = deadline - now_msec()) > 0)
                if (event_loop_run_once(control->loop, (int)left) < 0)
                        break;
}
