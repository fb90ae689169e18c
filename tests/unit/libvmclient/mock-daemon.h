/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A vmserviced for tests, on a private bus, in a thread of its own: it says what the test wants
 * said, in the order that the test wants, and can be made to fail, hang and die as the real one
 * cannot. It offers the interfaces of dbus/ (GDBus holds every call and answer to the XML).
 * All functions may be called from the test's thread and return when what they ask for is done.
 */

#include <gio/gio.h>

typedef struct MockDaemon MockDaemon;

MockDaemon *mock_daemon_new(const char *bus_address);
MockDaemon *mock_daemon_free(MockDaemon *mock);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MockDaemon, mock_daemon_free)

/* Connects and takes the name; machines are those that the mock had. */
void mock_daemon_appear(MockDaemon *mock);
/* Drops the connection, as kill -9 would: calls in flight are never answered. */
void mock_daemon_vanish(MockDaemon *mock);

/* A machine, with properties as for a machine that has never been run. Told to subscribers. */
void mock_daemon_add(MockDaemon *mock, const char *name);
void mock_daemon_remove(MockDaemon *mock, const char *name);
gboolean mock_daemon_has(MockDaemon *mock, const char *name);
/* Changes properties (a{sv} as text, like "{'State': <'running'>}"); told only if tell. */
void mock_daemon_set(MockDaemon *mock, const char *name, const char *changes, gboolean tell);
/* A signal of the Machine interface; parameters as text, like "('r1', 'SHUTDOWN', '')". */
void mock_daemon_signal(MockDaemon *mock, const char *name, const char *signal,
                        const char *parameters);

/* A whole run, as the real daemon tells it: state, payload, end. */
void mock_daemon_begin_run(MockDaemon *mock, const char *name, const char *run_id);
void mock_daemon_end_run(MockDaemon *mock, const char *name, const char *run_id,
                         const char *reason);

/* What the next call of a method does: "error:NAME:MESSAGE", "hang", "vanish". */
void mock_daemon_script(MockDaemon *mock, const char *method, const char *action);
/* The next call that names a machine is answered with this one, though it may be gone by then. */
void mock_daemon_answer_next(MockDaemon *mock, const char *name);
/* Run in the mock's thread when a method is called, before it is answered; may call the above. */
void mock_daemon_on_call(MockDaemon *mock, void (*func)(MockDaemon *mock, const char *method));
/* Waits until a method has been called so many times, in all. */
void mock_daemon_await_calls(MockDaemon *mock, const char *method, guint count);
guint mock_daemon_calls(MockDaemon *mock, const char *method);
/* The arguments of the last call of a method, printed; and how many descriptors came with it. */
char *mock_daemon_last_arguments(MockDaemon *mock, const char *method);
int mock_daemon_last_fds(MockDaemon *mock, const char *method);
guint mock_daemon_subscribers(MockDaemon *mock);
