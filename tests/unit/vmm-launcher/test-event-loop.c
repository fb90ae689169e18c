/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/event-loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "check-main.h"

typedef struct Fixture Fixture;

typedef struct Node {
        Fixture *fixture;
        EventSource source;
        int fd;
        unsigned n_calls;
} Node;

struct Fixture {
        EventLoop *loop;
        Node nodes[3];
        void (*action)(Node *node);
};

static void node_handler(void *context, uint32_t events)
{
        Node *node = context;

        ck_assert_uint_eq(events, EPOLLIN);
        node->n_calls++;
        node->fixture->action(node);
}

static void fixture_init(Fixture *fixture, void (*action)(Node *node))
{
        *fixture = (Fixture){.action = action};
        ck_assert_int_eq(event_loop_new(&fixture->loop), 0);
        for (int i = 0; i < 3; i++) {
                Node *node = &fixture->nodes[i];

                node->fixture = fixture;
                node->fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
                ck_assert_int_ge(node->fd, 0);
                ck_assert_int_eq(event_loop_add(fixture->loop, &node->source, node->fd, EPOLLIN,
                                                node_handler, node),
                                 0);
        }
}

static void fixture_done(Fixture *fixture)
{
        for (int i = 0; i < 3; i++) {
                event_loop_remove(&fixture->nodes[i].source);
                close(fixture->nodes[i].fd);
        }
        event_loop_free(fixture->loop);
}

static void action_exit(Node *node)
{
        event_loop_exit(node->fixture->loop, 42);
}

START_TEST(test_exit_code)
{
        Fixture fixture;

        fixture_init(&fixture, action_exit);
        ck_assert_int_eq(event_loop_run(fixture.loop), 42);
        /* Nothing is handed out after the exit. */
        ck_assert_uint_eq(
                fixture.nodes[0].n_calls + fixture.nodes[1].n_calls + fixture.nodes[2].n_calls, 1);
        fixture_done(&fixture);
}
END_TEST

/* The first one called removes all: the others, ready in the same batch, are not called. */
static void action_remove_all(Node *node)
{
        for (int i = 0; i < 3; i++)
                event_loop_remove(&node->fixture->nodes[i].source);
        event_loop_exit(node->fixture->loop, 0);
}

static void action_remove_others(Node *node)
{
        for (int i = 0; i < 3; i++)
                if (&node->fixture->nodes[i] != node)
                        event_loop_remove(&node->fixture->nodes[i].source);
        if (node->n_calls == 3)
                event_loop_exit(node->fixture->loop, 0);
}

START_TEST(test_remove_in_handler)
{
        void (*actions[])(Node *) = {action_remove_all, action_remove_others};

        for (int i = 0; i < 2; i++) {
                Fixture fixture;
                unsigned n_called = 0;

                fixture_init(&fixture, actions[i]);
                ck_assert_int_eq(event_loop_run(fixture.loop), 0);
                for (int n = 0; n < 3; n++)
                        n_called += fixture.nodes[n].n_calls > 0;
                ck_assert_uint_eq(n_called, 1);
                fixture_done(&fixture);
        }
}
END_TEST

static void action_mute(Node *node)
{
        Fixture *fixture = node->fixture;
        unsigned n_muted = 0;

        ck_assert_int_eq(event_loop_modify(&node->source, 0), 0);
        for (int i = 0; i < 3; i++)
                n_muted += fixture->nodes[i].n_calls;
        if (n_muted == 3)
                event_loop_exit(fixture->loop, 0);
}

START_TEST(test_modify)
{
        Fixture fixture;

        fixture_init(&fixture, action_mute);
        ck_assert_int_eq(event_loop_run(fixture.loop), 0);
        for (int i = 0; i < 3; i++)
                ck_assert_uint_eq(fixture.nodes[i].n_calls, 1);
        fixture_done(&fixture);
}
END_TEST

START_TEST(test_misuse)
{
        Fixture fixture;
        EventSource unused = {0};

        fixture_init(&fixture, action_exit);
        ck_assert_int_eq(event_loop_add(fixture.loop, &fixture.nodes[0].source, 0, EPOLLIN,
                                        node_handler, NULL),
                         -EBUSY);
        ck_assert_int_eq(event_loop_add(fixture.loop, &unused, -1, EPOLLIN, node_handler, NULL),
                         -EBADF);
        ck_assert_int_eq(event_loop_modify(&unused, EPOLLIN), -ENOENT);
        event_loop_remove(&unused);
        ck_assert_ptr_null(event_loop_free(NULL));
        fixture_done(&fixture);
}
END_TEST

CHECK_MAIN("event-loop", {"exit code", test_exit_code},
           {"remove in handler", test_remove_in_handler}, {"modify", test_modify},
           {"misuse", test_misuse});
