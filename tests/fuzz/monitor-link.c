/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A monitor gone bad, as the daemon hears it: the input's lines are its frames. With a first line
 * "adopted" the daemon is one that takes over. However it goes on: the end is told once, nothing is
 * told after it, every request is answered once, and the daemon's end stays whole.
 */

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/monitor-link.h"
#include "tests/fuzz/fuzz.h"

#define N_CALLS 3U

typedef struct Bench {
        MonitorLink *link;
        unsigned n_closed, n_replies, n_ended;
} Bench;

static void on_event(Event event, json_object *body, void *userdata)
{
        Bench *bench = userdata;

        fuzz_check(body && (size_t)event < _EVENT_MAX);
        fuzz_check(bench->n_closed == 0 && bench->n_ended == 0);
        bench->n_ended += event == EVENT_ENDED;
}

static void on_closed(const char *violation, void *userdata)
{
        Bench *bench = userdata;

        fuzz_check(!violation || *violation);
        fuzz_check(bench->n_closed++ == 0);
}

static void on_reply(int error, const char *message, json_object *result, void *userdata)
{
        Bench *bench = userdata;

        fuzz_check(error == 0 ? result != NULL : error < 0 && message != NULL);
        bench->n_replies++;
}

/* The monitor's answer to the first request: its token is fresh, and no input can know it. */
static void greet(int peer)
{
        Message message, reply = {.type = MESSAGE_REPLY, .id = 1};
        JsonProblem problem;
        json_object *token = NULL;

        if (message_receive(peer, &message, &problem) < 0)
                return;
        (void)json_object_object_get_ex(message.body, "token", &token);
        reply.body = json_object_new_object();
        (void)json_object_object_add(reply.body, "version", json_object_new_int(1));
        (void)json_object_object_add(reply.body, "token", json_object_get(token));
        (void)json_object_object_add(reply.body, "monitor", json_object_new_string("m"));
        (void)json_object_object_add(reply.body, "monitor_version", json_object_new_string("1"));
        (void)message_send(peer, &reply);
        json_object_put(reply.body);
        message_done(&message);
}

static void talk(Bench *bench, int peer, const char *text, size_t size)
{
        while (size > 0) {
                const char *end = memchr(text, '\n', size);
                size_t length = end ? (size_t)(end - text) : size;

                if (length == 5 && memcmp(text, "greet", 5) == 0)
                        greet(peer);
                else if (length > 0)
                        (void)send(peer, text, length, MSG_DONTWAIT | MSG_NOSIGNAL);
                monitor_link_drain(bench->link);
                length += end != NULL;
                text += length;
                size -= length;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const MonitorLinkHandlers handlers = {on_event, on_closed};
        bool adopted = size >= 8 && memcmp(data, "adopted\n", 8) == 0;
        Bench bench = {0};
        sd_event *event = NULL;
        int fds[2];

        fuzz_check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0);
        fuzz_check(sd_event_new(&event) >= 0);
        fuzz_check(monitor_link_new(event, fds[0], adopted, &handlers, &bench, &bench.link) >= 0);
        fuzz_check(monitor_link_hello(bench.link, on_reply, &bench) == 0);
        fuzz_check(monitor_link_call(bench.link, METHOD_SNAPSHOT, NULL, NULL, 0, on_reply,
                                     &bench) == 0);
        fuzz_check(monitor_link_call(bench.link, METHOD_STATS, NULL, NULL, 0, on_reply, &bench) ==
                   0);
        talk(&bench, fds[1], (const char *)data + (adopted ? 8 : 0), size - (adopted ? 8 : 0));
        close(fds[1]);
        monitor_link_drain(bench.link);
        fuzz_check(bench.n_closed == 1);
        monitor_link_free(bench.link);
        fuzz_check(bench.n_replies == N_CALLS && bench.n_closed == 1);
        sd_event_unref(event);
        return 0;
}
