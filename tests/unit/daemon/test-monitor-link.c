/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/monitor-link.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "common/fd.h"
#include "common/string-util.h"
#include "tests/unit/unit.h"

/* The test is the monitor: it holds the other end of the socket. */
typedef struct Bench {
        sd_event *event;
        MonitorLink *link;
        int peer;
        unsigned n_events, n_closed, n_replies;
        Event last_event;
        char violation[512], message[512];
        int last_error;
} Bench;

static Bench bench;

static void on_event(Event event, json_object *body, void *userdata)
{
        Bench *b = userdata;

        ck_assert(json_object_is_type(body, json_type_object));
        b->n_events++;
        b->last_event = event;
}

static void on_closed(const char *violation, void *userdata)
{
        Bench *b = userdata;

        b->n_closed++;
        (void)snprintf(b->violation, sizeof(b->violation), "%s", violation ? violation : "");
}

static void on_reply(int error, const char *message, json_object *result, void *userdata)
{
        Bench *b = userdata;

        ck_assert_int_eq(error == 0, result != NULL);
        b->n_replies++;
        b->last_error = error;
        (void)snprintf(b->message, sizeof(b->message), "%s", message ? message : "");
}

static void open_link(bool adopted)
{
        static const MonitorLinkHandlers handlers = {on_event, on_closed};
        int fds[2];

        bench = (Bench){0};
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
        ck_assert_int_ge(sd_event_new(&bench.event), 0);
        bench.peer = fds[1];
        ck_assert_int_eq(
                monitor_link_new(bench.event, fds[0], adopted, &handlers, &bench, &bench.link), 0);
}

static void close_link(void)
{
        bench.link = monitor_link_free(bench.link);
        (void)fd_close(bench.peer);
        sd_event_unref(bench.event);
}

/* Handles what is there. */
static void run(void)
{
        while (sd_event_run(bench.event, 0) > 0)
                ;
}

static void say(const char *text)
{
        ck_assert_int_eq(send(bench.peer, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void say_event(unsigned seq, const char *event, const char *params)
{
        char text[512];

        (void)snprintf(text, sizeof(text),
                       "{\"type\":\"event\",\"seq\":%u,\"event\":\"%s\",\"params\":%s}", seq, event,
                       params);
        say(text);
}

static void say_reply(unsigned id, const char *result)
{
        char text[512];

        (void)snprintf(text, sizeof(text), "{\"type\":\"reply\",\"id\":%u,\"result\":%s}", id,
                       result);
        say(text);
}

/* The request that the daemon sent; the caller has its token if it is a hello. */
static Method hear(uint64_t *ret_id, char token[33])
{
        JsonProblem problem = {"", ""};
        json_object *value;
        Message message;
        Method method;

        ck_assert_msg(message_receive(bench.peer, &message, &problem) == 0, "%s", problem.message);
        ck_assert_int_eq(message.type, MESSAGE_REQUEST);
        method = (Method)message.code;
        *ret_id = message.id;
        if (token && json_object_object_get_ex(message.body, "token", &value))
                (void)snprintf(token, 33, "%s", json_object_get_string(value));
        while (message.n_fds > 0)
                (void)fd_close(message.fds[--message.n_fds]);
        message_done(&message);
        return method;
}

static void say_greeting(uint64_t id, const char *token)
{
        char text[256];

        (void)snprintf(
                text, sizeof(text),
                "{\"version\":1,\"token\":\"%s\",\"monitor\":\"m\",\"monitor_version\":\"1\"}",
                token);
        say_reply((unsigned)id, text);
}

static void greet(void)
{
        char token[33] = "";
        uint64_t id;

        ck_assert_int_eq(monitor_link_hello(bench.link, on_reply, &bench), 0);
        ck_assert_int_eq(hear(&id, token), METHOD_HELLO);
        say_greeting(id, token);
        run();
        ck_assert_uint_eq(bench.n_replies, 1);
        ck_assert_int_eq(bench.last_error, 0);
}

START_TEST(test_conversation)
{
        uint64_t id;

        open_link(false);
        greet();
        ck_assert_int_eq(
                monitor_link_call(bench.link, METHOD_PAUSE, NULL, NULL, 0, on_reply, &bench), 0);
        ck_assert_int_eq(hear(&id, NULL), METHOD_PAUSE);
        say_event(1, "state", "{\"state\":\"paused\"}");
        say_reply((unsigned)id, "{}");
        run();
        ck_assert_uint_eq(bench.n_events, 1);
        ck_assert_uint_eq(bench.n_replies, 2);
        /* An error, with what a guest may have chosen in it. */
        ck_assert_int_eq(
                monitor_link_call(bench.link, METHOD_RESET, NULL, NULL, 0, on_reply, &bench), 0);
        ck_assert_int_eq(hear(&id, NULL), METHOD_RESET);
        say("{\"type\":\"reply\",\"id\":3,\"error\":{\"errno\":16,\"message\":\"no\\u001b[2J\"}}");
        run();
        ck_assert_int_eq(bench.last_error, -EBUSY);
        ck_assert_str_eq(bench.message, "no\\x1b[2J");
        ck_assert_uint_eq(bench.n_closed, 0);
        close_link();
        ck_assert_uint_eq(bench.n_closed, 0); /* freeing is no end of the monitor's */
}
END_TEST

static const char *const violations[] = {
        "garbage",
        "{\"type\":\"request\",\"id\":1,\"method\":\"pause\",\"params\":{}}",
        "{\"type\":\"reply\",\"id\":99,\"result\":{}}",
        "{\"type\":\"reply\",\"id\":0,\"result\":{}}",
        "{\"type\":\"event\",\"seq\":0,\"event\":\"state\",\"params\":{\"state\":\"running\"}}",
        "{\"type\":\"event\",\"seq\":1,\"event\":\"boo\",\"params\":{}}",
        "{\"type\":\"event\",\"seq\":1,\"event\":\"state\",\"params\":{},\"more\":1}",
};

START_TEST(test_violation)
{
        open_link(false);
        greet();
        ck_assert_int_eq(
                monitor_link_call(bench.link, METHOD_STATS, NULL, NULL, 0, on_reply, &bench), 0);
        say(violations[_i]);
        run();
        ck_assert_uint_eq(bench.n_closed, 1);
        ck_assert_str_ne(bench.violation, "");
        ck_assert_uint_eq(bench.n_events, 0);
        /* What was asked is answered; nothing is asked, heard or told any more. */
        ck_assert_uint_eq(bench.n_replies, 2);
        ck_assert_int_eq(bench.last_error, -ECONNRESET);
        ck_assert_int_eq(
                monitor_link_call(bench.link, METHOD_STATS, NULL, NULL, 0, on_reply, &bench),
                -ENOTCONN);
        say_event(5, "ended", "{\"reason\":\"SHUTDOWN\"}");
        run();
        monitor_link_drain(bench.link);
        ck_assert_uint_eq(bench.n_closed, 1);
        ck_assert_uint_eq(bench.n_events, 0);
        close_link();
}
END_TEST

START_TEST(test_after_the_last_event)
{
        open_link(false);
        greet();
        say_event(1, "ended", "{\"reason\":\"SHUTDOWN\"}");
        say_event(2, "state", "{\"state\":\"running\"}");
        run();
        ck_assert_uint_eq(bench.n_events, 1);
        ck_assert_ptr_nonnull(strstr(bench.violation, "after its last event"));
        close_link();
}
END_TEST

START_TEST(test_order)
{
        open_link(false);
        greet();
        say_event(7, "console-writer", "{\"attached\":true}");
        say_event(7, "console-writer", "{\"attached\":false}");
        run();
        ck_assert_uint_eq(bench.n_events, 1);
        ck_assert_ptr_nonnull(strstr(bench.violation, "out of order"));
        close_link();
}
END_TEST

START_TEST(test_flood)
{
        unsigned seq = 1;

        open_link(false);
        greet();
        for (; bench.n_closed == 0 && seq < 100000; seq++) {
                say_event(seq, "console-writer", "{\"attached\":true}");
                run();
        }
        ck_assert_ptr_nonnull(strstr(bench.violation, "floods"));
        ck_assert_uint_eq(bench.n_events, 2000);
        close_link();
}
END_TEST

START_TEST(test_end_of_stream)
{
        open_link(false);
        greet();
        ck_assert_int_eq(
                monitor_link_call(bench.link, METHOD_STATS, NULL, NULL, 0, on_reply, &bench), 0);
        bench.peer = fd_close(bench.peer);
        run();
        ck_assert_uint_eq(bench.n_closed, 1);
        ck_assert_str_eq(bench.violation, "");
        ck_assert_int_eq(bench.last_error, -ECONNRESET);
        close_link();
}
END_TEST

/* A new daemon on an old conversation: only its own hello's answer counts, and an end. */
START_TEST(test_adoption)
{
        char token[33] = "";
        uint64_t id;

        open_link(true);
        /* Meant for the predecessor, who used the same ids. */
        say_greeting(1, "00000000000000000000000000000000");
        say_event(5, "state", "{\"state\":\"paused\"}");
        say_reply(2, "{}");
        say("{\"type\":\"reply\",\"id\":1,\"error\":{\"errno\":5,\"message\":\"old\"}}");
        ck_assert_int_eq(monitor_link_hello(bench.link, on_reply, &bench), 0);
        ck_assert_int_eq(
                monitor_link_call(bench.link, METHOD_SNAPSHOT, NULL, NULL, 0, on_reply, &bench), 0);
        run();
        ck_assert_uint_eq(bench.n_events, 0);
        ck_assert_uint_eq(bench.n_replies, 0);
        ck_assert_uint_eq(bench.n_closed, 0);
        ck_assert_int_eq(hear(&id, token), METHOD_HELLO);
        say_greeting(id, token);
        ck_assert_int_eq(hear(&id, NULL), METHOD_SNAPSHOT);
        say_event(6, "state", "{\"state\":\"running\"}");
        say_reply((unsigned)id, "{}");
        run();
        ck_assert_uint_eq(bench.n_events, 1);
        ck_assert_uint_eq(bench.n_replies, 2);
        close_link();
}
END_TEST

START_TEST(test_adoption_of_an_end)
{
        open_link(true);
        say_event(9, "ended", "{\"reason\":\"SHUTDOWN\"}");
        bench.peer = fd_close(bench.peer);
        ck_assert_int_eq(monitor_link_hello(bench.link, on_reply, &bench), 0);
        monitor_link_drain(bench.link);
        ck_assert_uint_eq(bench.n_events, 1);
        ck_assert_int_eq(bench.last_event, EVENT_ENDED);
        ck_assert_uint_eq(bench.n_closed, 1);
        close_link();
}
END_TEST

START_TEST(test_wrong_greeting)
{
        open_link(false);
        ck_assert_int_eq(monitor_link_hello(bench.link, on_reply, &bench), 0);
        say_greeting(1, "00000000000000000000000000000000");
        run();
        ck_assert_str_ne(bench.violation, "");
        close_link();
}
END_TEST

/* A monitor that does not read: what does not fit waits, up to a bound; then it is refused. */
START_TEST(test_queue)
{
        int size = 1, fd = STDERR_FILENO, n_before = fd_count_open(), r = 0;
        unsigned n_sent = 0, n_heard = 0;
        uint64_t id;

        open_link(false);
        greet();
        (void)setsockopt(bench.peer, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
        while (r == 0 && n_sent < 1000) {
                r = monitor_link_call(bench.link, METHOD_CONSOLE, NULL, &fd, 1, on_reply, &bench);
                n_sent += r == 0;
        }
        ck_assert_int_eq(r, -EBUSY);
        ck_assert_uint_le(n_sent, MONITOR_LINK_CALLS_MAX);
        while (n_heard < n_sent) {
                run();
                ck_assert_int_eq(hear(&id, NULL), METHOD_CONSOLE);
                ck_assert_uint_eq(id, n_heard + 2);
                n_heard++;
        }
        close_link();
        ck_assert_uint_eq(bench.n_replies, 1 + n_sent);
        ck_assert_int_eq(fd_count_open(), n_before); /* the waiting ones' duplicates are gone */
}
END_TEST

static unsigned call_until_busy(Method method)
{
        unsigned n = 0;
        int r;

        while ((r = monitor_link_call(bench.link, method, NULL, NULL, 0, on_reply, &bench)) == 0)
                n++;
        ck_assert_int_eq(r, -EBUSY);
        return n;
}

/* Whoever asks for statistics without end does not keep a stop out. */
START_TEST(test_room_for_a_stop)
{
        static const Method frequent[] = {METHOD_STATS, METHOD_CONSOLE, METHOD_RESET};
        int size = 1;

        open_link(false);
        greet();
        if (_i == (int)ARRAY_SIZE(frequent)) { /* by the queue of one that does not read */
                (void)setsockopt(bench.peer, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
                ck_assert_uint_gt(call_until_busy(METHOD_STATS), 0);
        } else {
                ck_assert_uint_eq(call_until_busy(frequent[_i]), MONITOR_LINK_CALLS_MAX - 4);
        }
        for (size_t i = 0; i < ARRAY_SIZE(frequent); i++)
                ck_assert_int_eq(
                        monitor_link_call(bench.link, frequent[i], NULL, NULL, 0, on_reply, &bench),
                        -EBUSY);
        ck_assert_int_eq(
                monitor_link_call(bench.link, METHOD_RESUME, NULL, NULL, 0, on_reply, &bench), 0);
        ck_assert_int_eq(
                monitor_link_call(bench.link, METHOD_POWER_BUTTON, NULL, NULL, 0, on_reply, &bench),
                0);
        ck_assert_int_eq(
                monitor_link_call(bench.link, METHOD_QUIT, NULL, NULL, 0, on_reply, &bench), 0);
        (void)call_until_busy(METHOD_QUIT); /* there is an end to it */
        close_link();
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_test(tcase, test_conversation);
        tcase_add_loop_test(tcase, test_violation, 0, (int)ARRAY_SIZE(violations));
        tcase_add_test(tcase, test_after_the_last_event);
        tcase_add_test(tcase, test_order);
        tcase_add_test(tcase, test_flood);
        tcase_add_test(tcase, test_end_of_stream);
        tcase_add_test(tcase, test_adoption);
        tcase_add_test(tcase, test_adoption_of_an_end);
        tcase_add_test(tcase, test_wrong_greeting);
        tcase_add_test(tcase, test_queue);
        tcase_add_loop_test(tcase, test_room_for_a_stop, 0, 4);
}

int main(void)
{
        return unit_run("monitor-link", add_tests);
}
