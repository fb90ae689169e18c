/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/string-util.h"
#include "daemon/bus-server.h"
#include "daemon/capabilities-probe.h"
#include "daemon/errors.h"

/*
 * A call that waits (for a guest to power off, for a person to type a password) keeps its message,
 * and with it as many as 16 descriptors: dbus-daemon's limit for a message. So much for one uid
 * leaves most of LimitNOFILE= to the others.
 */
#define CALLS_PER_UID_MAX 256U

/* How many calls of a uid are unanswered; there is one while there are any. */
struct CallCount {
        CallCount *next;
        uid_t uid;
        unsigned n;
};

static CallCount *count_get(BusServer *server, uid_t uid)
{
        CallCount *count;

        for (count = server->counts; count; count = count->next)
                if (count->uid == uid)
                        return count;
        count = malloc(sizeof(*count));
        if (!count)
                return NULL;
        *count = (CallCount){.next = server->counts, .uid = uid};
        server->counts = count;
        return count;
}

static void count_drop(BusServer *server, CallCount *count)
{
        CallCount **slot = &server->counts;

        if (--count->n > 0)
                return;
        while (*slot != count)
                slot = &(*slot)->next;
        *slot = count->next;
        free(count);
}

static void call_link(BusCall *call)
{
        BusServer *server = call->server;

        call->next_call = server->calls;
        if (server->calls)
                server->calls->previous_call = call;
        server->calls = call;
}

static void call_unlink(BusCall *call)
{
        if (call->previous_call)
                call->previous_call->next_call = call->next_call;
        else
                call->server->calls = call->next_call;
        if (call->next_call)
                call->next_call->previous_call = call->previous_call;
}

/* Root may do worse, and in a session there is nobody else. */
static bool is_limited(const BusServer *server, const Peer *peer)
{
        return peer->uid != 0 && !server->settings->session;
}

BusCall *bus_call_new(BusServer *server, sd_bus_message *message, const Peer *peer)
{
        BusCall *call = calloc(1, sizeof(*call));
        CallCount *count = call && is_limited(server, peer) ? count_get(server, peer->uid) : NULL;

        if (!call || (!count && is_limited(server, peer))) {
                free(call);
                (void)sd_bus_reply_method_errno(message, -ENOMEM, NULL);
                return NULL;
        }
        if (count && count->n >= CALLS_PER_UID_MAX) {
                free(call);
                (void)sd_bus_reply_method_errorf(
                        message, VMSERVICE_ERROR_QUOTA_EXCEEDED,
                        "uid %u has %u calls that have not been answered: wait for some, or close "
                        "the connections that wait for them",
                        (unsigned)peer->uid, count->n);
                return NULL;
        }
        if (count)
                count->n++;
        *call = (BusCall){
                .server = server,
                .count = count,
                .message = sd_bus_message_ref(message),
                .uid = peer->uid,
                .sender = sd_bus_message_get_sender(message),
                .fd = -1,
        };
        call_link(call);
        return call;
}

void bus_call_drop(void *userdata)
{
        BusCall *call = userdata;

        call_unlink(call);
        if (call->count)
                count_drop(call->server, call->count);
        sd_bus_message_unref(call->message);
        (void)fd_close(call->fd);
        free(call->state);
        free(call);
}

void bus_calls_peer_left(BusServer *server, const char *name)
{
        BusCall *next;

        for (BusCall *call = server->calls; call; call = next) {
                next = call->next_call;
                if (streq(call->sender, name) && manager_drop_waiter(server->manager, call))
                        bus_call_drop(call);
        }
}

void bus_calls_free(BusServer *server)
{
        while (server->calls)
                bus_call_drop(server->calls);
}

void bus_call_reply_message(BusCall *call, sd_bus_message *reply)
{
        int r = -ENOMEM;

        if (reply)
                r = sd_bus_message_get_expect_reply(call->message) > 0
                            ? sd_bus_send(call->server->bus, reply, NULL)
                            : 0;
        if (r < 0)
                log_warning_errno(r, "Cannot answer %s, ignoring", call->sender);
        sd_bus_message_unref(reply);
        bus_call_drop(call);
}

void bus_call_reply(BusCall *call, const char *types, ...)
{
        sd_bus_message *reply = NULL;
        va_list ap;
        int r;

        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0 && *types) {
                va_start(ap, types);
                r = sd_bus_message_appendv(reply, types, ap);
                va_end(ap);
        }
        if (r < 0)
                reply = sd_bus_message_unref(reply);
        bus_call_reply_message(call, reply);
}

void bus_call_fail_as(BusCall *call, const char *name, const Problem *problem)
{
        char whole[sizeof(problem->message)];
        const char *text = problem->message;
        int r;

        /* A sentence that was cut within a character would not get past the bus. */
        if (!utf8_is_valid(text, strlen(text)))
                text = string_escape_into(whole, sizeof(whole), text, strlen(text));
        r = sd_bus_reply_method_errorf(call->message, name, "%s", text);

        if (r < 0)
                log_warning_errno(r, "Cannot answer %s, ignoring", call->sender);
        bus_call_drop(call);
}

void bus_call_fail(BusCall *call, int error, const Problem *problem)
{
        bus_call_fail_as(call, error_to_bus_name(error), problem);
}

void bus_call_fail_read(BusCall *call, int error)
{
        Problem problem;

        (void)problem_set(&problem, error, "The call's arguments cannot be read: %s",
                          strerror(-error));
        bus_call_fail_as(call, SD_BUS_ERROR_INVALID_ARGS, &problem);
}

static void on_completion(void *userdata, int error, const Problem *problem)
{
        BusCall *call = userdata;

        if (error < 0)
                bus_call_fail(call, error, problem);
        else
                bus_call_reply(call, "");
}

Completion bus_call_completion(BusCall *call)
{
        return (Completion){on_completion, call};
}
