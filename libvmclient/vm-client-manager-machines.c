/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making and finding machines. */
#include "vm-client-call.h"
#include "vm-client-config-private.h"
#include "vm-client-watch.h"

/* What D-Bus cannot carry; all else about names is for the daemon to say. */
static gboolean check_name(const char *name, GError **error)
{
        if (g_utf8_validate(name, -1, NULL))
                return TRUE;
        g_set_error(error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_INVALID_NAME,
                    "the machine name is not UTF-8: use 1 to 64 characters of A-Z a-z 0-9 . _ -");
        return FALSE;
}

static ClientCall *create_call(VmClientManager *manager, const char *method, const char *reply_type,
                               const char *name, VmClientConfig *config, VmClientCreateFlags flags,
                               VmClientOptions *options, GError **error)
{
        g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
        g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);
        GVariant *files;
        char *json;

        if (!check_name(name, error))
                return NULL;
        if (flags & VM_CLIENT_CREATE_FLAGS_START)
                g_variant_dict_insert(&dict, "start", "b", TRUE);
        if (flags & VM_CLIENT_CREATE_FLAGS_TRANSIENT)
                g_variant_dict_insert(&dict, "transient", "b", TRUE);
        if (flags & VM_CLIENT_CREATE_FLAGS_BOUND)
                g_variant_dict_insert(&dict, "lifetime", "s", "bound");
        files = client_config_open_files(config, fds, error);
        if (!files)
                return NULL;
        json = vm_client_config_to_json(config);
        return client_manager_call(manager, method, reply_type, g_variant_new_string(name),
                                   g_variant_new_take_string(json), files, &dict, options, fds,
                                   error);
}

static ClientCall *get_call(VmClientManager *manager, const char *name, VmClientOptions *options,
                            GError **error)
{
        g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
        g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

        if (!check_name(name, error))
                return NULL;
        return client_manager_call(manager, "GetMachine", "(o)", g_variant_new_string(name), NULL,
                                   NULL, &dict, options, fds, error);
}

/* What a call is about to name. While it lives, the hub throws no record away. */
typedef struct Found {
        ClientHub *hub;
        gboolean created;
} Found;

static void found_free(gpointer data)
{
        Found *found = data;

        if (!found)
                return;
        client_hub_end_call(found->hub);
        client_hub_unref(found->hub);
        g_free(found);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Found, found_free)

/* NULL if there is no hub; the call then fails with the cause. */
static Found *found_new(VmClientManager *manager)
{
        ClientHub *hub = client_manager_hub(manager, NULL);
        Found *found;

        if (!hub)
                return NULL;
        found = g_new0(Found, 1);
        found->hub = client_hub_ref(hub);
        client_hub_begin_call(hub);
        return found;
}

/* The watch for the machine that the reply names: (o) or (ob). */
static ClientWatch *watch_reply(Found *found, ClientReply *reply)
{
        g_autoptr(GVariant) path = g_variant_get_child_value(reply->values, 0);

        if (g_variant_n_children(reply->values) > 1)
                g_variant_get_child(reply->values, 1, "b", &found->created);
        return client_watch_new(CLIENT_WATCH_MACHINE, g_variant_get_string(path, NULL), NULL, 0);
}

/* Takes call, which is not NULL if found is not. */
static VmClientMachine *machine_sync(VmClientManager *manager, Found *found, ClientCall *call,
                                     GCancellable *cancellable, GError **error)
{
        g_autoptr(ClientReply) reply = client_call_sync(call, cancellable, error);
        g_autoptr(ClientWatch) watch = NULL;

        if (!reply)
                return NULL;
        watch = watch_reply(found, reply);
        if (!client_watch_wait(found->hub, watch, cancellable, error))
                return NULL;
        return client_machine_for_record(manager, found->hub, watch->record);
}

static void on_machine_known(GObject *source, GAsyncResult *result, gpointer data)
{
        g_autoptr(GTask) task = data;
        g_autoptr(ClientWatch) watch = NULL;
        Found *found = g_task_get_task_data(task);
        GError *error = NULL;

        watch = g_task_propagate_pointer(G_TASK(result), &error);
        if (!watch) {
                g_task_return_error(task, error);
                return;
        }
        g_task_return_pointer(
                task,
                client_machine_for_record(VM_CLIENT_MANAGER(source), found->hub, watch->record),
                g_object_unref);
}

static void finish_machine(GTask *task, ClientReply *reply)
{
        Found *found = g_task_get_task_data(task);

        client_watch_begin(found->hub, watch_reply(found, reply),
                           g_task_new(g_task_get_source_object(task), g_task_get_cancellable(task),
                                      on_machine_known, task));
        client_reply_free(reply);
}

/**
 * vm_client_manager_create_machine_async:
 * @manager: the manager
 * @name: 1 to 64 characters of `A-Z a-z 0-9 . _ -`, beginning with a letter or digit
 * @config: what the machine is made of
 * @flags: how
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the call has ended
 * @user_data: data for @callback
 *
 * Makes a machine, or nothing at all.
 *
 * The asynchronous form of [method@Manager.create_machine_sync].
 */
void vm_client_manager_create_machine_async(VmClientManager *manager, const char *name,
                                            VmClientConfig *config, VmClientCreateFlags flags,
                                            VmClientOptions *options, GCancellable *cancellable,
                                            GAsyncReadyCallback callback, gpointer user_data)
{
        g_autoptr(GError) error = NULL;
        ClientCall *call = NULL;
        GTask *task;

        g_return_if_fail(VM_CLIENT_IS_MANAGER(manager));
        g_return_if_fail(name != NULL);
        g_return_if_fail(VM_CLIENT_IS_CONFIG(config));

        task = g_task_new(manager, cancellable, callback, user_data);
        g_task_set_source_tag(task, vm_client_manager_create_machine_async);
        g_task_set_task_data(task, found_new(manager), found_free);
        call = create_call(manager, "CreateMachine", "(o)", name, config, flags, options, &error);
        client_call_async(call, task, finish_machine, g_steal_pointer(&error));
}

/**
 * vm_client_manager_create_machine_finish:
 * @manager: the manager
 * @result: what the callback was given
 * @error: return location for a #GError
 *
 * Ends [method@Manager.create_machine_async].
 *
 * Returns: (transfer full): the machine
 */
VmClientMachine *vm_client_manager_create_machine_finish(VmClientManager *manager,
                                                         GAsyncResult *result, GError **error)
{
        g_return_val_if_fail(g_task_is_valid(result, manager), NULL);

        return g_task_propagate_pointer(G_TASK(result), error);
}

/**
 * vm_client_manager_create_machine_sync:
 * @manager: the manager
 * @name: 1 to 64 characters of `A-Z a-z 0-9 . _ -`, beginning with a letter or digit
 * @config: what the machine is made of
 * @flags: how
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @error: return location for a #GError
 *
 * Makes a machine, or nothing at all.
 *
 * The files that the configuration names are opened by the caller first, and passed. Fails with
 * %VM_CLIENT_ERROR_MACHINE_EXISTS if the caller has one of this name.
 *
 * With %VM_CLIENT_CREATE_FLAGS_START it runs when the call ends; so that not even the shortest run
 * is missed, the handlers of [signal@Manager::machine-added] may connect to its signals, or a wait
 * may follow: [method@Machine.wait_stopped_sync] also works on a run that is over, and on a
 * transient machine that is gone.
 *
 * D-Bus: `Manager.CreateMachine`. AVF: `VirtualMachineManager.create()`.
 *
 * Returns: (transfer full): the machine
 */
VmClientMachine *vm_client_manager_create_machine_sync(VmClientManager *manager, const char *name,
                                                       VmClientConfig *config,
                                                       VmClientCreateFlags flags,
                                                       VmClientOptions *options,
                                                       GCancellable *cancellable, GError **error)
{
        g_autoptr(Found) found = NULL;
        ClientCall *call;

        g_return_val_if_fail(VM_CLIENT_IS_MANAGER(manager), NULL);
        g_return_val_if_fail(name != NULL, NULL);
        g_return_val_if_fail(VM_CLIENT_IS_CONFIG(config), NULL);

        found = found_new(manager);
        call = create_call(manager, "CreateMachine", "(o)", name, config, flags, options, error);
        return machine_sync(manager, found, call, cancellable, error);
}

/**
 * vm_client_manager_get_machine_async:
 * @manager: the manager
 * @name: the machine's name
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the call has ended
 * @user_data: data for @callback
 *
 * Finds a machine of the caller's.
 *
 * The asynchronous form of [method@Manager.get_machine_sync].
 */
void vm_client_manager_get_machine_async(VmClientManager *manager, const char *name,
                                         VmClientOptions *options, GCancellable *cancellable,
                                         GAsyncReadyCallback callback, gpointer user_data)
{
        g_autoptr(GError) error = NULL;
        ClientCall *call = NULL;
        GTask *task;

        g_return_if_fail(VM_CLIENT_IS_MANAGER(manager));
        g_return_if_fail(name != NULL);

        task = g_task_new(manager, cancellable, callback, user_data);
        g_task_set_source_tag(task, vm_client_manager_get_machine_async);
        g_task_set_task_data(task, found_new(manager), found_free);
        call = get_call(manager, name, options, &error);
        client_call_async(call, task, finish_machine, g_steal_pointer(&error));
}

/**
 * vm_client_manager_get_machine_finish:
 * @manager: the manager
 * @result: what the callback was given
 * @error: return location for a #GError
 *
 * Ends [method@Manager.get_machine_async].
 *
 * Returns: (transfer full): the machine
 */
VmClientMachine *vm_client_manager_get_machine_finish(VmClientManager *manager,
                                                      GAsyncResult *result, GError **error)
{
        g_return_val_if_fail(g_task_is_valid(result, manager), NULL);

        return g_task_propagate_pointer(G_TASK(result), error);
}

/**
 * vm_client_manager_get_machine_sync:
 * @manager: the manager
 * @name: the machine's name
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @error: return location for a #GError
 *
 * Finds a machine of the caller's.
 *
 * Root may find another user's by the option `owner` (a uid, of type `u`). Fails with
 * %VM_CLIENT_ERROR_NO_SUCH_MACHINE.
 *
 * D-Bus: `Manager.GetMachine`. AVF: `VirtualMachineManager.get()`.
 *
 * Returns: (transfer full): the machine
 */
VmClientMachine *vm_client_manager_get_machine_sync(VmClientManager *manager, const char *name,
                                                    VmClientOptions *options,
                                                    GCancellable *cancellable, GError **error)
{
        g_autoptr(Found) found = NULL;
        ClientCall *call;

        g_return_val_if_fail(VM_CLIENT_IS_MANAGER(manager), NULL);
        g_return_val_if_fail(name != NULL, NULL);

        found = found_new(manager);
        call = get_call(manager, name, options, error);
        return machine_sync(manager, found, call, cancellable, error);
}

/**
 * vm_client_manager_get_or_create_machine_async:
 * @manager: the manager
 * @name: 1 to 64 characters of `A-Z a-z 0-9 . _ -`, beginning with a letter or digit
 * @config: what the machine is made of
 * @flags: how
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the call has ended
 * @user_data: data for @callback
 *
 * Finds a machine of the caller's, or makes it. If it exists, @config and @flags have no meaning.
 *
 * The asynchronous form of [method@Manager.get_or_create_machine_sync].
 */
void vm_client_manager_get_or_create_machine_async(VmClientManager *manager, const char *name,
                                                   VmClientConfig *config,
                                                   VmClientCreateFlags flags,
                                                   VmClientOptions *options,
                                                   GCancellable *cancellable,
                                                   GAsyncReadyCallback callback, gpointer user_data)
{
        g_autoptr(GError) error = NULL;
        ClientCall *call = NULL;
        GTask *task;

        g_return_if_fail(VM_CLIENT_IS_MANAGER(manager));
        g_return_if_fail(name != NULL);
        g_return_if_fail(VM_CLIENT_IS_CONFIG(config));

        task = g_task_new(manager, cancellable, callback, user_data);
        g_task_set_source_tag(task, vm_client_manager_get_or_create_machine_async);
        g_task_set_task_data(task, found_new(manager), found_free);
        call = create_call(manager, "GetOrCreateMachine", "(ob)", name, config, flags, options,
                           &error);
        client_call_async(call, task, finish_machine, g_steal_pointer(&error));
}

/**
 * vm_client_manager_get_or_create_machine_finish:
 * @manager: the manager
 * @result: what the callback was given
 * @ret_created: (out) (optional): whether it was made by this call
 * @error: return location for a #GError
 *
 * Ends [method@Manager.get_or_create_machine_async].
 *
 * Returns: (transfer full): the machine
 */
VmClientMachine *vm_client_manager_get_or_create_machine_finish(VmClientManager *manager,
                                                                GAsyncResult *result,
                                                                gboolean *ret_created,
                                                                GError **error)
{
        Found *found;

        g_return_val_if_fail(g_task_is_valid(result, manager), NULL);

        found = g_task_get_task_data(G_TASK(result));
        if (ret_created)
                *ret_created = found && found->created;
        return g_task_propagate_pointer(G_TASK(result), error);
}

/**
 * vm_client_manager_get_or_create_machine_sync:
 * @manager: the manager
 * @name: 1 to 64 characters of `A-Z a-z 0-9 . _ -`, beginning with a letter or digit
 * @config: what the machine is made of
 * @flags: how
 * @options: (nullable): options, or %NULL
 * @ret_created: (out) (optional): whether it was made by this call
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @error: return location for a #GError
 *
 * Finds a machine of the caller's, or makes it. If it exists, @config and @flags have no meaning.
 *
 * Of several callers at once, one makes it and all get it.
 *
 * D-Bus: `Manager.GetOrCreateMachine`. AVF: `VirtualMachineManager.getOrCreate()`.
 *
 * Returns: (transfer full): the machine
 */
VmClientMachine *
vm_client_manager_get_or_create_machine_sync(VmClientManager *manager, const char *name,
                                             VmClientConfig *config, VmClientCreateFlags flags,
                                             VmClientOptions *options, gboolean *ret_created,
                                             GCancellable *cancellable, GError **error)
{
        g_autoptr(Found) found = NULL;
        VmClientMachine *machine;
        ClientCall *call;

        g_return_val_if_fail(VM_CLIENT_IS_MANAGER(manager), NULL);
        g_return_val_if_fail(name != NULL, NULL);
        g_return_val_if_fail(VM_CLIENT_IS_CONFIG(config), NULL);

        found = found_new(manager);
        call = create_call(manager, "GetOrCreateMachine", "(ob)", name, config, flags, options,
                           error);
        machine = machine_sync(manager, found, call, cancellable, error);
        if (ret_created)
                *ret_created = machine && found->created;
        return machine;
}

static int compare_machines(gconstpointer a, gconstpointer b)
{
        VmClientMachine *const *x = a, *const *y = b;
        guint x_owner = vm_client_machine_get_owner(*x), y_owner = vm_client_machine_get_owner(*y);

        if (x_owner != y_owner)
                return x_owner < y_owner ? -1 : 1;
        return g_strcmp0(vm_client_machine_get_name(*x), vm_client_machine_get_name(*y));
}

/**
 * vm_client_manager_list_machines:
 * @manager: the manager
 *
 * The machines that the caller may see. No call is made: the list is kept up to date by the
 * daemon's signals.
 *
 * D-Bus: `ObjectManager.GetManagedObjects`, `Manager.ListMachines`.
 *
 * Returns: (transfer container) (element-type VmClientMachine): the machines, in the order of owner
 * and name
 */
GPtrArray *vm_client_manager_list_machines(VmClientManager *manager)
{
        g_autoptr(GPtrArray) records = NULL;
        GPtrArray *machines;
        ClientHub *hub;

        g_return_val_if_fail(VM_CLIENT_IS_MANAGER(manager), NULL);

        machines = g_ptr_array_new_with_free_func(g_object_unref);
        hub = client_manager_hub(manager, NULL);
        if (!hub)
                return machines;
        records = client_hub_list(hub);
        for (guint i = 0; i < records->len; i++)
                g_ptr_array_add(machines,
                                client_machine_for_record(manager, hub, records->pdata[i]));
        g_ptr_array_sort(machines, compare_machines);
        return machines;
}
