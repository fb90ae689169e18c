/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Configuration, console, log, statistics, deletion. */
#include <unistd.h>

#include "vm-client-call.h"
#include "vm-client-config-private.h"

static ClientCall *delete_call(VmClientMachine *machine, VmClientOptions *options, GError **error)
{
        g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

        return client_machine_call(machine, "Delete", "()", NULL, &dict, options, error);
}

static ClientCall *set_config_call(VmClientMachine *machine, VmClientConfig *config,
                                   VmClientOptions *options, GError **error)
{
        g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

        return client_machine_call(machine, "SetConfig", "()", config, &dict, options, error);
}

static ClientCall *open_console_call(VmClientMachine *machine, VmClientConsoleFlags flags,
                                     VmClientOptions *options, GError **error)
{
        g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

        if (flags & VM_CLIENT_CONSOLE_FLAGS_WRITE)
                g_variant_dict_insert(&dict, "write", "b", TRUE);
        if (flags & VM_CLIENT_CONSOLE_FLAGS_STEAL)
                g_variant_dict_insert(&dict, "steal", "b", TRUE);
        if (flags & VM_CLIENT_CONSOLE_FLAGS_NO_SCROLLBACK)
                g_variant_dict_insert(&dict, "scrollback", "b", FALSE);
        return client_machine_call(machine, "OpenConsole", "(h)", NULL, &dict, options, error);
}

static ClientCall *open_log_call(VmClientMachine *machine, VmClientLogFlags flags,
                                 VmClientOptions *options, GError **error)
{
        g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

        if (flags & VM_CLIENT_LOG_FLAGS_PREVIOUS)
                g_variant_dict_insert(&dict, "previous", "b", TRUE);
        return client_machine_call(machine, "OpenLog", "(h)", NULL, &dict, options, error);
}

static ClientCall *get_stats_call(VmClientMachine *machine, VmClientOptions *options,
                                  GError **error)
{
        g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

        return client_machine_call(machine, "GetStats", "(a{sv})", NULL, &dict, options, error);
}

static void close_fd(gpointer fd)
{
        close(GPOINTER_TO_INT(fd));
}

/* As a pointer, so that a descriptor that nobody fetches is closed. */
static void finish_fd(GTask *task, ClientReply *reply)
{
        GError *error = NULL;
        int fd = client_reply_take_fd(reply, &error);

        if (fd < 0)
                g_task_return_error(task, error);
        else
                g_task_return_pointer(task, GINT_TO_POINTER(fd), close_fd);
        client_reply_free(reply);
        g_object_unref(task);
}

static int propagate_fd(GTask *task, GError **error)
{
        GError *problem = NULL;
        gpointer fd = g_task_propagate_pointer(task, &problem);

        if (!problem)
                return GPOINTER_TO_INT(fd);
        g_propagate_error(error, problem);
        return -1;
}

static void finish_stats(GTask *task, ClientReply *reply)
{
        g_task_return_pointer(task, g_variant_get_child_value(reply->values, 0),
                              (GDestroyNotify)g_variant_unref);
        client_reply_free(reply);
        g_object_unref(task);
}

/**
 * vm_client_machine_delete_async:
 * @machine: the machine
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the call has ended
 * @user_data: data for @callback
 *
 * Deletes a stopped machine with all that belongs to it.
 *
 * The asynchronous form of [method@Machine.delete_sync].
 */
void vm_client_machine_delete_async(VmClientMachine *machine, VmClientOptions *options,
                                    GCancellable *cancellable, GAsyncReadyCallback callback,
                                    gpointer user_data)
{
        g_autoptr(GError) error = NULL;
        ClientCall *call = NULL;
        GTask *task;

        g_return_if_fail(VM_CLIENT_IS_MACHINE(machine));

        task = g_task_new(machine, cancellable, callback, user_data);
        g_task_set_source_tag(task, vm_client_machine_delete_async);
        call = delete_call(machine, options, &error);
        client_call_async(call, task, client_finish_void, g_steal_pointer(&error));
}

/**
 * vm_client_machine_delete_finish:
 * @machine: the machine
 * @result: what the callback was given
 * @error: return location for a #GError
 *
 * Ends [method@Machine.delete_async].
 *
 * Returns: whether it succeeded
 */
gboolean vm_client_machine_delete_finish(VmClientMachine *machine, GAsyncResult *result,
                                         GError **error)
{
        g_return_val_if_fail(g_task_is_valid(result, machine), FALSE);

        return g_task_propagate_boolean(G_TASK(result), error);
}

/**
 * vm_client_machine_delete_sync:
 * @machine: the machine
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @error: return location for a #GError
 *
 * Deletes a stopped machine with all that belongs to it.
 *
 * D-Bus: `Machine.Delete`. AVF: `VirtualMachineManager.delete()`.
 *
 * Returns: whether it succeeded
 */
gboolean vm_client_machine_delete_sync(VmClientMachine *machine, VmClientOptions *options,
                                       GCancellable *cancellable, GError **error)
{
        g_autoptr(ClientReply) reply = NULL;

        g_return_val_if_fail(VM_CLIENT_IS_MACHINE(machine), FALSE);

        reply = client_call_sync(delete_call(machine, options, error), cancellable, error);
        return reply != NULL;
}

/**
 * vm_client_machine_set_config_async:
 * @machine: the machine
 * @config: the whole new configuration
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the call has ended
 * @user_data: data for @callback
 *
 * Replaces the configuration of a stopped machine.
 *
 * The asynchronous form of [method@Machine.set_config_sync].
 */
void vm_client_machine_set_config_async(VmClientMachine *machine, VmClientConfig *config,
                                        VmClientOptions *options, GCancellable *cancellable,
                                        GAsyncReadyCallback callback, gpointer user_data)
{
        g_autoptr(GError) error = NULL;
        ClientCall *call = NULL;
        GTask *task;

        g_return_if_fail(VM_CLIENT_IS_MACHINE(machine));

        task = g_task_new(machine, cancellable, callback, user_data);
        g_task_set_source_tag(task, vm_client_machine_set_config_async);
        call = set_config_call(machine, config, options, &error);
        client_call_async(call, task, client_finish_void, g_steal_pointer(&error));
}

/**
 * vm_client_machine_set_config_finish:
 * @machine: the machine
 * @result: what the callback was given
 * @error: return location for a #GError
 *
 * Ends [method@Machine.set_config_async].
 *
 * Returns: whether it succeeded
 */
gboolean vm_client_machine_set_config_finish(VmClientMachine *machine, GAsyncResult *result,
                                             GError **error)
{
        g_return_val_if_fail(g_task_is_valid(result, machine), FALSE);

        return g_task_propagate_boolean(G_TASK(result), error);
}

/**
 * vm_client_machine_set_config_sync:
 * @machine: the machine
 * @config: the whole new configuration
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @error: return location for a #GError
 *
 * Replaces the configuration of a stopped machine.
 *
 * Files are opened first, before the call is made; see [method@Machine.edit_config] for changing a
 * single key. Fails with %VM_CLIENT_ERROR_INCOMPATIBLE_CONFIG, which names what may not change.
 *
 * D-Bus: `Machine.SetConfig`. AVF: `VirtualMachine.setConfig()`.
 *
 * Returns: whether it succeeded
 */
gboolean vm_client_machine_set_config_sync(VmClientMachine *machine, VmClientConfig *config,
                                           VmClientOptions *options, GCancellable *cancellable,
                                           GError **error)
{
        g_autoptr(ClientReply) reply = NULL;

        g_return_val_if_fail(VM_CLIENT_IS_MACHINE(machine), FALSE);

        reply = client_call_sync(set_config_call(machine, config, options, error), cancellable,
                                 error);
        return reply != NULL;
}

/**
 * vm_client_machine_open_console_async:
 * @machine: the machine
 * @flags: how to open it
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the call has ended
 * @user_data: data for @callback
 *
 * Opens the guest's console: a stream socket with its output, and for its input.
 *
 * The asynchronous form of [method@Machine.open_console_sync].
 */
void vm_client_machine_open_console_async(VmClientMachine *machine, VmClientConsoleFlags flags,
                                          VmClientOptions *options, GCancellable *cancellable,
                                          GAsyncReadyCallback callback, gpointer user_data)
{
        g_autoptr(GError) error = NULL;
        ClientCall *call = NULL;
        GTask *task;

        g_return_if_fail(VM_CLIENT_IS_MACHINE(machine));

        task = g_task_new(machine, cancellable, callback, user_data);
        g_task_set_source_tag(task, vm_client_machine_open_console_async);
        call = open_console_call(machine, flags, options, &error);
        client_call_async(call, task, finish_fd, g_steal_pointer(&error));
}

/**
 * vm_client_machine_open_console_finish:
 * @machine: the machine
 * @result: what the callback was given
 * @error: return location for a #GError
 *
 * Ends [method@Machine.open_console_async].
 *
 * Returns: a file descriptor, close-on-exec, that the caller owns; -1 on failure
 */
int vm_client_machine_open_console_finish(VmClientMachine *machine, GAsyncResult *result,
                                          GError **error)
{
        g_return_val_if_fail(g_task_is_valid(result, machine), -1);

        return propagate_fd(G_TASK(result), error);
}

/**
 * vm_client_machine_open_console_sync:
 * @machine: the machine
 * @flags: how to open it
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @error: return location for a #GError
 *
 * Opens the guest's console: a stream socket with its output, and for its input.
 *
 * There may be any number of readers, and one writer. Who does not read loses output, and never
 * holds up the guest. What a guest prints may hold terminal escapes.
 *
 * D-Bus: `Machine.OpenConsole`. AVF: `VirtualMachine.getConsoleOutput()`,
 * `VirtualMachine.getConsoleInput()`.
 *
 * Returns: a file descriptor, close-on-exec, that the caller owns; -1 on failure
 */
int vm_client_machine_open_console_sync(VmClientMachine *machine, VmClientConsoleFlags flags,
                                        VmClientOptions *options, GCancellable *cancellable,
                                        GError **error)
{
        g_autoptr(ClientReply) reply = NULL;

        g_return_val_if_fail(VM_CLIENT_IS_MACHINE(machine), -1);

        reply = client_call_sync(open_console_call(machine, flags, options, error), cancellable,
                                 error);
        return reply ? client_reply_take_fd(reply, error) : -1;
}

/**
 * vm_client_machine_open_log_async:
 * @machine: the machine
 * @flags: which part of it
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the call has ended
 * @user_data: data for @callback
 *
 * Opens the console log of this or the last run, for reading.
 *
 * The asynchronous form of [method@Machine.open_log_sync].
 */
void vm_client_machine_open_log_async(VmClientMachine *machine, VmClientLogFlags flags,
                                      VmClientOptions *options, GCancellable *cancellable,
                                      GAsyncReadyCallback callback, gpointer user_data)
{
        g_autoptr(GError) error = NULL;
        ClientCall *call = NULL;
        GTask *task;

        g_return_if_fail(VM_CLIENT_IS_MACHINE(machine));

        task = g_task_new(machine, cancellable, callback, user_data);
        g_task_set_source_tag(task, vm_client_machine_open_log_async);
        call = open_log_call(machine, flags, options, &error);
        client_call_async(call, task, finish_fd, g_steal_pointer(&error));
}

/**
 * vm_client_machine_open_log_finish:
 * @machine: the machine
 * @result: what the callback was given
 * @error: return location for a #GError
 *
 * Ends [method@Machine.open_log_async].
 *
 * Returns: a file descriptor, close-on-exec, that the caller owns; -1 on failure
 */
int vm_client_machine_open_log_finish(VmClientMachine *machine, GAsyncResult *result,
                                      GError **error)
{
        g_return_val_if_fail(g_task_is_valid(result, machine), -1);

        return propagate_fd(G_TASK(result), error);
}

/**
 * vm_client_machine_open_log_sync:
 * @machine: the machine
 * @flags: which part of it
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @error: return location for a #GError
 *
 * Opens the console log of this or the last run, for reading.
 *
 * D-Bus: `Machine.OpenLog`. AVF: `VirtualMachine.getLogOutput()`.
 *
 * Returns: a file descriptor, close-on-exec, that the caller owns; -1 on failure
 */
int vm_client_machine_open_log_sync(VmClientMachine *machine, VmClientLogFlags flags,
                                    VmClientOptions *options, GCancellable *cancellable,
                                    GError **error)
{
        g_autoptr(ClientReply) reply = NULL;

        g_return_val_if_fail(VM_CLIENT_IS_MACHINE(machine), -1);

        reply = client_call_sync(open_log_call(machine, flags, options, error), cancellable, error);
        return reply ? client_reply_take_fd(reply, error) : -1;
}

/**
 * vm_client_machine_get_stats_async:
 * @machine: the machine
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @callback: (scope async): called when the call has ended
 * @user_data: data for @callback
 *
 * Asks for the statistics of a run.
 *
 * The asynchronous form of [method@Machine.get_stats_sync].
 */
void vm_client_machine_get_stats_async(VmClientMachine *machine, VmClientOptions *options,
                                       GCancellable *cancellable, GAsyncReadyCallback callback,
                                       gpointer user_data)
{
        g_autoptr(GError) error = NULL;
        ClientCall *call = NULL;
        GTask *task;

        g_return_if_fail(VM_CLIENT_IS_MACHINE(machine));

        task = g_task_new(machine, cancellable, callback, user_data);
        g_task_set_source_tag(task, vm_client_machine_get_stats_async);
        call = get_stats_call(machine, options, &error);
        client_call_async(call, task, finish_stats, g_steal_pointer(&error));
}

/**
 * vm_client_machine_get_stats_finish:
 * @machine: the machine
 * @result: what the callback was given
 * @error: return location for a #GError
 *
 * Ends [method@Machine.get_stats_async].
 *
 * Returns: (transfer full): an `a{sv}`
 */
GVariant *vm_client_machine_get_stats_finish(VmClientMachine *machine, GAsyncResult *result,
                                             GError **error)
{
        g_return_val_if_fail(g_task_is_valid(result, machine), NULL);

        return g_task_propagate_pointer(G_TASK(result), error);
}

/**
 * vm_client_machine_get_stats_sync:
 * @machine: the machine
 * @options: (nullable): options, or %NULL
 * @cancellable: (nullable): a #GCancellable, or %NULL
 * @error: return location for a #GError
 *
 * Asks for the statistics of a run.
 *
 * The keys are those of `GetStats` in the D-Bus reference: `vcpu_count`, `run_time_usec`, `exits`
 * and others.
 *
 * D-Bus: `Machine.GetStats`.
 *
 * Returns: (transfer full): an `a{sv}`
 */
GVariant *vm_client_machine_get_stats_sync(VmClientMachine *machine, VmClientOptions *options,
                                           GCancellable *cancellable, GError **error)
{
        g_autoptr(ClientReply) reply = NULL;

        g_return_val_if_fail(VM_CLIENT_IS_MACHINE(machine), NULL);

        reply = client_call_sync(get_stats_call(machine, options, error), cancellable, error);
        return reply ? g_variant_get_child_value(reply->values, 0) : NULL;
}
