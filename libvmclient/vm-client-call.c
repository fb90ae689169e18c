/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-client-call.h"

#include "vm-client-config-private.h"
#include "vm-client-watch.h"

ClientCall *client_call_new(ClientHub *hub, const char *path, const char *interface,
                            const char *method, GVariant *parameters, const char *reply_type,
                            GUnixFDList *fds)
{
        ClientCall *call = g_new0(ClientCall, 1);

        call->hub = client_hub_ref(hub);
        call->path = g_strdup(path);
        call->interface = interface;
        call->method = method;
        call->reply_type = reply_type;
        call->parameters = g_variant_ref_sink(parameters);
        call->fds = fds ? g_object_ref(fds) : NULL;
        return call;
}

void client_call_free(ClientCall *call)
{
        if (!call)
                return;
        client_hub_unref(call->hub);
        g_variant_unref(call->parameters);
        g_clear_object(&call->fds);
        g_free(call->path);
        g_free(call);
}

void client_reply_free(gpointer data)
{
        ClientReply *reply = data;

        if (!reply)
                return;
        g_variant_unref(reply->values);
        g_clear_object(&reply->fds);
        g_free(reply);
}

/* The person may be asked for a password by polkit's agent, if there is one. */
static GDBusCallFlags call_flags(const ClientCall *call)
{
        return G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION |
               (call->hub->activate ? G_DBUS_CALL_FLAGS_NONE : G_DBUS_CALL_FLAGS_NO_AUTO_START);
}

static ClientReply *reply_new(GVariant *values, GUnixFDList *fds)
{
        ClientReply *reply = g_new0(ClientReply, 1);

        reply->values = values;
        reply->fds = fds;
        return reply;
}

/*
 * A daemon that has just come (back) answers calls before we have its snapshot, and did not yet
 * know whom to tell what the call did. So that what is known is up to date when the call returns,
 * the snapshot is waited for; the call has succeeded, whatever comes of that.
 */
static ClientWatch *new_settling(ClientHub *hub)
{
        gboolean settling;

        client_hub_lock(hub);
        settling = hub->sync == CLIENT_SYNC_RUNNING;
        client_hub_unlock(hub);
        return settling ? client_watch_new(CLIENT_WATCH_SETTLED, NULL, NULL, 0) : NULL;
}

ClientReply *client_call_sync(ClientCall *taken, GCancellable *cancellable, GError **error)
{
        g_autoptr(ClientCall) call = taken;
        GUnixFDList *fds = NULL;
        g_autoptr(ClientWatch) settling = NULL;
        GError *problem = NULL;
        GVariant *values;

        if (!call)
                return NULL;
        values = g_dbus_connection_call_with_unix_fd_list_sync(
                call->hub->connection, CLIENT_BUS_NAME, call->path, call->interface, call->method,
                call->parameters, G_VARIANT_TYPE(call->reply_type), call_flags(call), G_MAXINT,
                call->fds, &fds, cancellable, &problem);
        if (!values) {
                g_propagate_error(error, client_error_translate(problem));
                return NULL;
        }
        settling = new_settling(call->hub);
        if (settling)
                client_watch_wait(call->hub, settling, cancellable, NULL);
        return reply_new(values, fds);
}

typedef struct AsyncCall {
        ClientHub *hub;
        GTask *task;
        ClientFinish finish;
        ClientReply *reply;
} AsyncCall;

static void async_call_finish(AsyncCall *async)
{
        async->finish(async->task, async->reply);
        client_hub_unref(async->hub);
        g_free(async);
}

static void on_settled(GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer data)
{
        client_watch_free(g_task_propagate_pointer(G_TASK(result), NULL));
        async_call_finish(data);
}

static void on_answer(GObject *source, GAsyncResult *result, gpointer data)
{
        AsyncCall *async = data;
        ClientWatch *settling;
        GUnixFDList *fds = NULL;
        GError *error = NULL;
        GVariant *values = g_dbus_connection_call_with_unix_fd_list_finish(
                G_DBUS_CONNECTION(source), &fds, result, &error);

        if (!values) {
                g_task_return_error(async->task, client_error_translate(error));
                g_object_unref(async->task);
                client_hub_unref(async->hub);
                g_free(async);
                return;
        }
        async->reply = reply_new(values, fds);
        settling = new_settling(async->hub);
        if (settling)
                client_watch_begin(
                        async->hub, settling,
                        g_task_new(NULL, g_task_get_cancellable(async->task), on_settled, async));
        else
                async_call_finish(async);
}

void client_call_async(ClientCall *taken, GTask *task, ClientFinish finish, GError *error)
{
        g_autoptr(ClientCall) call = taken;
        AsyncCall *async;

        if (!call) {
                g_task_return_error(task, error);
                g_object_unref(task);
                return;
        }
        async = g_new0(AsyncCall, 1);
        async->hub = client_hub_ref(call->hub);
        async->task = task;
        async->finish = finish;
        g_dbus_connection_call_with_unix_fd_list(
                call->hub->connection, CLIENT_BUS_NAME, call->path, call->interface, call->method,
                call->parameters, G_VARIANT_TYPE(call->reply_type), call_flags(call), G_MAXINT,
                call->fds, g_task_get_cancellable(task), on_answer, async);
}

int client_reply_take_fd(ClientReply *reply, GError **error)
{
        gint32 handle = -1;

        g_variant_get(reply->values, "(h)", &handle);
        if (!reply->fds || handle < 0 || handle >= g_unix_fd_list_get_length(reply->fds)) {
                g_set_error(error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_INFRASTRUCTURE,
                            "vmserviced's answer lacks the file descriptor that it announces: "
                            "report this bug");
                return -1;
        }
        return g_unix_fd_list_get(reply->fds, handle, error);
}

ClientCall *client_machine_call(VmClientMachine *machine, const char *method,
                                const char *reply_type, VmClientConfig *config, GVariantDict *dict,
                                VmClientOptions *options, GError **error)
{
        g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
        ClientRecord *record = client_machine_record(machine);
        GVariant *parameters, *files = NULL;

        if (!record) {
                g_set_error(error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_NO_SUCH_MACHINE,
                            "this object stands for no machine: get one from a VmClientManager");
                return NULL;
        }
        if (config && !(files = client_config_open_files(config, fds, error)))
                return NULL;
        if (!client_options_merge(options, dict, fds, error)) {
                g_clear_pointer(&files, g_variant_unref);
                return NULL;
        }
        if (config) {
                g_autofree char *json = vm_client_config_to_json(config);

                parameters =
                        g_variant_new("(s@a{sh}@a{sv})", json, files, g_variant_dict_end(dict));
        } else {
                parameters = g_variant_new("(@a{sv})", g_variant_dict_end(dict));
        }
        return client_call_new(client_machine_hub(machine), record->path, CLIENT_MACHINE_INTERFACE,
                               method, parameters, reply_type, fds);
}

void client_finish_void(GTask *task, ClientReply *reply)
{
        client_reply_free(reply);
        g_task_return_boolean(task, TRUE);
        g_object_unref(task);
}
