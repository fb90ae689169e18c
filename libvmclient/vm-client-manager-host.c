/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the host can do, and what a configuration means. */
#include "vm-client-call.h"

ClientCall *client_manager_call(VmClientManager *manager, const char *method,
                                const char *reply_type, GVariant *first, GVariant *second,
                                GVariant *third, GVariantDict *dict, VmClientOptions *options,
                                GUnixFDList *fds, GError **error)
{
        ClientHub *hub = client_manager_hub(manager, error);
        GVariant *children[4] = {first, second, third};
        gsize n = 0;

        while (children[n])
                n++;
        if (!hub || !client_options_merge(options, dict, fds, error)) {
                for (gsize i = 0; i < n; i++)
                        g_variant_unref(g_variant_ref_sink(children[i]));
                return NULL;
        }
        children[n++] = g_variant_dict_end(dict);
        return client_call_new(hub, CLIENT_OBJECT_PATH, CLIENT_MANAGER_INTERFACE, method,
                               g_variant_new_tuple(children, n), reply_type, fds);
}

static ClientCall *capabilities_call(VmClientManager *manager, VmClientOptions *options,
                                     GError **error)
{
        g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
        g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

        return client_manager_call(manager, "GetCapabilities", "(us)", NULL, NULL, NULL, &dict,
                                   options, fds, error);
}

static VmClientCapabilities *take_capabilities(ClientReply *reply, GError **error)
{
        const char *report;
        guint32 mask;

        g_variant_get(reply->values, "(u&s)", &mask, &report);
        return client_capabilities_new(mask, report, error);
}

static void finish_capabilities(GTask *task, ClientReply *reply)
{
        GError *error = NULL;
        VmClientCapabilities *capabilities = take_capabilities(reply, &error);

        if (capabilities)
                g_task_return_pointer(task, capabilities, g_object_unref);
        else
                g_task_return_error(task, error);
        client_reply_free(reply);
        g_object_unref(task);
}

static ClientCall *validate_call(VmClientManager *manager, VmClientConfig *config,
                                 VmClientOptions *options, GError **error)
{
        g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
        g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);
        char *json = vm_client_config_to_json(config);

        return client_manager_call(manager, "ValidateConfig", "(s)",
                                   g_variant_new_take_string(json), NULL, NULL, &dict, options, fds,
                                   error);
}

static char *take_string(ClientReply *reply)
{
        char *text;

        g_variant_get(reply->values, "(s)", &text);
        return text;
}

static void finish_string(GTask *task, ClientReply *reply)
{
        g_task_return_pointer(task, take_string(reply), g_free);
        client_reply_free(reply);
        g_object_unref(task);
}

/**
 * vm_client_manager_get_capabilities_async:
 * @manager: the manager
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the call has ended
 * @user_data: data for @callback
 *
 * Asks what the host can do. It is probed, and not assumed.
 *
 * The asynchronous form of [method@Manager.get_capabilities_sync].
 */
void vm_client_manager_get_capabilities_async(VmClientManager *manager, VmClientOptions *options,
                                              GCancellable *cancellable,
                                              GAsyncReadyCallback callback, gpointer user_data)
{
        g_autoptr(GError) error = NULL;
        ClientCall *call = NULL;
        GTask *task;

        g_return_if_fail(VM_CLIENT_IS_MANAGER(manager));

        task = g_task_new(manager, cancellable, callback, user_data);
        g_task_set_source_tag(task, vm_client_manager_get_capabilities_async);
        call = capabilities_call(manager, options, &error);
        client_call_async(call, task, finish_capabilities, g_steal_pointer(&error));
}

/**
 * vm_client_manager_get_capabilities_finish:
 * @manager: the manager
 * @result: what the callback was given
 * @error: return location for a #GError
 *
 * Ends [method@Manager.get_capabilities_async].
 *
 * Returns: (transfer full): the capabilities
 */
VmClientCapabilities *vm_client_manager_get_capabilities_finish(VmClientManager *manager,
                                                                GAsyncResult *result,
                                                                GError **error)
{
        g_return_val_if_fail(g_task_is_valid(result, manager), NULL);

        return g_task_propagate_pointer(G_TASK(result), error);
}

/**
 * vm_client_manager_get_capabilities_sync:
 * @manager: the manager
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @error: return location for a #GError
 *
 * Asks what the host can do. It is probed, and not assumed.
 *
 * D-Bus: `Manager.GetCapabilities`. AVF: `VirtualMachineManager.getCapabilities()`.
 *
 * Returns: (transfer full): the capabilities
 */
VmClientCapabilities *vm_client_manager_get_capabilities_sync(VmClientManager *manager,
                                                              VmClientOptions *options,
                                                              GCancellable *cancellable,
                                                              GError **error)
{
        g_autoptr(ClientReply) reply = NULL;

        g_return_val_if_fail(VM_CLIENT_IS_MANAGER(manager), NULL);

        reply = client_call_sync(capabilities_call(manager, options, error), cancellable, error);
        return reply ? take_capabilities(reply, error) : NULL;
}

/**
 * vm_client_manager_validate_config_async:
 * @manager: the manager
 * @config: the configuration
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the call has ended
 * @user_data: data for @callback
 *
 * Has the daemon check a configuration, by the rules by which it makes machines. Nothing is made,
 * and files are not looked at.
 *
 * The asynchronous form of [method@Manager.validate_config_sync].
 */
void vm_client_manager_validate_config_async(VmClientManager *manager, VmClientConfig *config,
                                             VmClientOptions *options, GCancellable *cancellable,
                                             GAsyncReadyCallback callback, gpointer user_data)
{
        g_autoptr(GError) error = NULL;
        ClientCall *call = NULL;
        GTask *task;

        g_return_if_fail(VM_CLIENT_IS_MANAGER(manager));
        g_return_if_fail(VM_CLIENT_IS_CONFIG(config));

        task = g_task_new(manager, cancellable, callback, user_data);
        g_task_set_source_tag(task, vm_client_manager_validate_config_async);
        call = validate_call(manager, config, options, &error);
        client_call_async(call, task, finish_string, g_steal_pointer(&error));
}

/**
 * vm_client_manager_validate_config_finish:
 * @manager: the manager
 * @result: what the callback was given
 * @error: return location for a #GError
 *
 * Ends [method@Manager.validate_config_async].
 *
 * Returns: (transfer full): the configuration as JSON, with every default filled in
 */
char *vm_client_manager_validate_config_finish(VmClientManager *manager, GAsyncResult *result,
                                               GError **error)
{
        g_return_val_if_fail(g_task_is_valid(result, manager), NULL);

        return g_task_propagate_pointer(G_TASK(result), error);
}

/**
 * vm_client_manager_validate_config_sync:
 * @manager: the manager
 * @config: the configuration
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @error: return location for a #GError
 *
 * Has the daemon check a configuration, by the rules by which it makes machines. Nothing is made,
 * and files are not looked at.
 *
 * Fails with %VM_CLIENT_ERROR_INVALID_CONFIG: the message has the JSON pointer of the place, the
 * cause and the fix.
 *
 * D-Bus: `Manager.ValidateConfig`.
 *
 * Returns: (transfer full): the configuration as JSON, with every default filled in
 */
char *vm_client_manager_validate_config_sync(VmClientManager *manager, VmClientConfig *config,
                                             VmClientOptions *options, GCancellable *cancellable,
                                             GError **error)
{
        g_autoptr(ClientReply) reply = NULL;

        g_return_val_if_fail(VM_CLIENT_IS_MANAGER(manager), NULL);
        g_return_val_if_fail(VM_CLIENT_IS_CONFIG(config), NULL);

        reply = client_call_sync(validate_call(manager, config, options, error), cancellable,
                                 error);
        return reply ? take_string(reply) : NULL;
}

/**
 * vm_client_manager_get_connection: (get-property connection)
 * @manager: the manager
 *
 * Gets [property@Manager:connection].
 *
 * Returns: (transfer none) (nullable): the connection to the bus
 */
GDBusConnection *vm_client_manager_get_connection(VmClientManager *manager)
{
        ClientHub *hub;

        g_return_val_if_fail(VM_CLIENT_IS_MANAGER(manager), NULL);

        hub = client_manager_hub(manager, NULL);
        return hub ? hub->connection : NULL;
}

/**
 * vm_client_manager_dup_daemon_version: (get-property daemon-version)
 * @manager: the manager
 *
 * Gets [property@Manager:daemon-version].
 *
 * Returns: (transfer full): the daemon's version; empty if it is not known
 */
char *vm_client_manager_dup_daemon_version(VmClientManager *manager)
{
        ClientHub *hub;
        char *value;

        g_return_val_if_fail(VM_CLIENT_IS_MANAGER(manager), NULL);

        hub = client_manager_hub(manager, NULL);
        if (!hub)
                return g_strdup("");
        client_hub_lock(hub);
        value = g_strdup(hub->version ? hub->version : "");
        client_hub_unlock(hub);
        return value;
}

/**
 * vm_client_manager_dup_mode: (get-property mode)
 * @manager: the manager
 *
 * Gets [property@Manager:mode].
 *
 * Returns: (transfer full): `system` or `session`; empty if it is not known
 */
char *vm_client_manager_dup_mode(VmClientManager *manager)
{
        ClientHub *hub;
        char *value;

        g_return_val_if_fail(VM_CLIENT_IS_MANAGER(manager), NULL);

        hub = client_manager_hub(manager, NULL);
        if (!hub)
                return g_strdup("");
        client_hub_lock(hub);
        value = g_strdup(hub->mode ? hub->mode : "");
        client_hub_unlock(hub);
        return value;
}

/**
 * vm_client_manager_dup_features: (get-property features)
 * @manager: the manager
 *
 * Gets [property@Manager:features].
 *
 * Returns: (transfer full) (array zero-terminated=1): names of features
 */
char **vm_client_manager_dup_features(VmClientManager *manager)
{
        ClientHub *hub;
        char **value = NULL;

        g_return_val_if_fail(VM_CLIENT_IS_MANAGER(manager), NULL);

        hub = client_manager_hub(manager, NULL);
        if (hub) {
                client_hub_lock(hub);
                value = g_strdupv(hub->features);
                client_hub_unlock(hub);
        }
        return value ? value : g_new0(char *, 1);
}

/**
 * vm_client_manager_has_feature:
 * @manager: the manager
 * @feature: a name
 *
 * Whether the daemon and its monitors offer something. AVF:
 * `VirtualMachineManager.isFeatureEnabled()`.
 *
 * Returns: whether [property@Manager:features] has the name
 */
gboolean vm_client_manager_has_feature(VmClientManager *manager, const char *feature)
{
        g_auto(GStrv) features = NULL;

        g_return_val_if_fail(VM_CLIENT_IS_MANAGER(manager), FALSE);
        g_return_val_if_fail(feature != NULL, FALSE);

        features = vm_client_manager_dup_features(manager);
        return g_strv_contains((const char *const *)features, feature);
}

/**
 * vm_client_manager_get_daemon_running: (get-property daemon-running)
 * @manager: the manager
 *
 * Gets [property@Manager:daemon-running].
 *
 * Returns: whether the daemon is on the bus
 */
gboolean vm_client_manager_get_daemon_running(VmClientManager *manager)
{
        ClientHub *hub;
        gboolean running;

        g_return_val_if_fail(VM_CLIENT_IS_MANAGER(manager), FALSE);

        hub = client_manager_hub(manager, NULL);
        if (!hub)
                return FALSE;
        client_hub_lock(hub);
        running = hub->owner != NULL;
        client_hub_unlock(hub);
        return running;
}
