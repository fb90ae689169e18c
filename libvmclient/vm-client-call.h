/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One D-Bus call to the daemon, prepared once for the async and the sync form of a method. */

#include "vm-client-object-private.h"

typedef struct ClientCall {
        ClientHub *hub; /* reference */
        char *path;
        const char *interface, *method, *reply_type; /* static strings */
        GVariant *parameters;                        /* floating until it is sent */
        GUnixFDList *fds;
} ClientCall;

/* Takes the floating parameters. The call never times out: the daemon answers, or leaves the bus.
 */
ClientCall *client_call_new(ClientHub *hub, const char *path, const char *interface,
                            const char *method, GVariant *parameters, const char *reply_type,
                            GUnixFDList *fds);
void client_call_free(ClientCall *call);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ClientCall, client_call_free)

typedef struct ClientReply {
        GVariant *values;
        GUnixFDList *fds; /* NULL if there are none */
} ClientReply;

void client_reply_free(gpointer reply);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ClientReply, client_reply_free)

/* Takes call; NULL is passed through, with the error set already. */
ClientReply *client_call_sync(ClientCall *call, GCancellable *cancellable, GError **error);

/*
 * Takes call and task. finish runs in the task's context, takes task and reply, and returns the
 * task; an error of the call is returned without it. call NULL: error (taken) is returned.
 */
typedef void (*ClientFinish)(GTask *task, ClientReply *reply);
void client_call_async(ClientCall *call, GTask *task, ClientFinish finish, GError *error);

/* A new descriptor out of a reply with one handle, close-on-exec; -1 and an error. */
int client_reply_take_fd(ClientReply *reply, GError **error);

/*
 * A call of the machine's: (config, files, options) if config is not NULL, else (options). dict
 * holds what arguments and flags say; options are added to it. NULL and an error if a file cannot
 * be opened.
 */
ClientCall *client_machine_call(VmClientMachine *machine, const char *method,
                                const char *reply_type, VmClientConfig *config, GVariantDict *dict,
                                VmClientOptions *options, GError **error);

/* For methods without an answer. */
void client_finish_void(GTask *task, ClientReply *reply);

/*
 * A call of the manager's: up to three arguments (floating, or NULL) and the options. Takes the
 * arguments also on failure.
 */
ClientCall *client_manager_call(VmClientManager *manager, const char *method,
                                const char *reply_type, GVariant *first, GVariant *second,
                                GVariant *third, GVariantDict *dict, VmClientOptions *options,
                                GUnixFDList *fds, GError **error);
