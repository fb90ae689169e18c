/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The inside of the mock: what it is (mock-daemon.c), and how tests steer it (mock-control.c). */

#include "mock-daemon.h"

#define MANAGER_PATH      "/org/vmservice1"
#define MANAGER_INTERFACE "org.vmservice1.Manager"
#define MACHINE_INTERFACE "org.vmservice1.Machine"

typedef struct MockMachine {
        char *name, *path;
        GHashTable *properties; /* name -> GVariant */
        guint registration;
} MockMachine;

typedef struct MockCall {
        guint count;
        char *action; /* of the next call, or NULL */
        char *arguments;
        int n_fds;
} MockCall;

struct MockDaemon {
        char *address;
        GThread *thread;
        GMainContext *context;
        GMainLoop *loop;
        GDBusConnection *connection;
        GDBusInterfaceInfo *manager_info, *machine_info;
        GDBusNodeInfo *object_manager;
        GPtrArray *machines;     /* MockMachine */
        GHashTable *subscribers; /* unique names */
        GPtrArray *hanging;      /* invocations that are never answered */
        guint next_id;
        char *next_path; /* what the next call that names a machine answers, or NULL */

        GMutex lock; /* over what follows */
        GCond changed;
        GHashTable *calls; /* method -> MockCall */
        void (*on_call)(MockDaemon *mock, const char *method);
};

/* All in the mock's thread. */
MockMachine *mock_find(MockDaemon *mock, const char *name);
void mock_machine_free(gpointer machine);
void mock_apply_changes(MockMachine *machine, GVariant *changes);
void mock_unicast(MockDaemon *mock, const char *path, const char *interface, const char *signal,
                  GVariant *parameters);
void mock_appear(MockDaemon *mock, gpointer data);
void mock_vanish(MockDaemon *mock, gpointer data);
void mock_add_machine(MockDaemon *mock, gpointer name);
void mock_remove_machine(MockDaemon *mock, gpointer name);

/* With the lock held. */
MockCall *mock_call_of(MockDaemon *mock, const char *method);
