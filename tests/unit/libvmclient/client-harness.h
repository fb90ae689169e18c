/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A private bus with a mock daemon, and a manager on a connection of its own. */

#include "libvmclient/vm-client-object-private.h"

#include "mock-daemon.h"

typedef struct Harness {
        GTestDBus *bus;
        MockDaemon *mock;
        GDBusConnection *connection;
        VmClientManager *manager; /* NULL until harness_open() */
        GString *heard;           /* what the signals said, by harness_listen() */
} Harness;

extern Harness harness;

void harness_setup(void);    /* a bus, a daemon on it */
void harness_teardown(void); /* fails if a descriptor was left open */

guint harness_count_fds(void);
/* A connection to the bus that does not end the program with the bus. */
GDBusConnection *harness_connect(void);
VmClientManager *harness_open(VmClientManagerFlags flags);

/* Runs the default main context until condition holds. */
void harness_run_until(gboolean (*condition)(gpointer data), gpointer data);
/* Dispatches what is due in the default main context. */
void harness_run_idle(void);

/* Writes the machine's signals into harness.heard, like "r1:running r1:S r1:SHUTDOWN ". */
void harness_listen(VmClientMachine *machine);
void harness_expect_heard(const char *expected);

/* The result of an async call, waited for by the main context. */
GAsyncResult *harness_await(GAsyncResult **result);
void harness_callback(GObject *source, GAsyncResult *result, gpointer ret_result);

void harness_expect_error(GError **error, VmClientError code, const char *says);
