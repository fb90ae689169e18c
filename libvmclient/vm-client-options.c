/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-client-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <unistd.h>

/**
 * VmClientOptions:
 *
 * What a call is given beyond its arguments: the `a{sv}` that each D-Bus method takes, file
 * descriptors included. Wherever a function takes options, %NULL means none. The daemon refuses
 * an option that it does not know, so that none is silently ignored.
 *
 * The names are those of the D-Bus reference: see the `options` of each method there. What the
 * arguments and flags of a function say comes before an option of the same name.
 */
struct _VmClientOptions {
        GObject parent;
        GHashTable *values; /* name -> GVariant */
        GHashTable *fds;    /* name -> fd, owned */
};

G_DEFINE_FINAL_TYPE(VmClientOptions, vm_client_options, G_TYPE_OBJECT)

static void fd_free(gpointer fd)
{
        close(GPOINTER_TO_INT(fd));
}

static void vm_client_options_finalize(GObject *object)
{
        VmClientOptions *options = VM_CLIENT_OPTIONS(object);

        g_hash_table_unref(options->values);
        g_hash_table_unref(options->fds);
        G_OBJECT_CLASS(vm_client_options_parent_class)->finalize(object);
}

static void vm_client_options_class_init(VmClientOptionsClass *klass)
{
        G_OBJECT_CLASS(klass)->finalize = vm_client_options_finalize;
}

static void vm_client_options_init(VmClientOptions *options)
{
        options->values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                                (GDestroyNotify)g_variant_unref);
        options->fds = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, fd_free);
}

/**
 * vm_client_options_new:
 *
 * Makes an empty set of options.
 *
 * Returns: (transfer full): the options
 */
VmClientOptions *vm_client_options_new(void)
{
        return g_object_new(VM_CLIENT_TYPE_OPTIONS, NULL);
}

/**
 * vm_client_options_set_value:
 * @options: the options
 * @name: the name of the option in the D-Bus reference
 * @value: (nullable): its value, of the type given there; a floating reference is taken. %NULL
 *   removes the option
 *
 * Sets an option.
 */
void vm_client_options_set_value(VmClientOptions *options, const char *name, GVariant *value)
{
        g_return_if_fail(VM_CLIENT_IS_OPTIONS(options));
        g_return_if_fail(name != NULL);

        g_hash_table_remove(options->fds, name);
        if (value)
                g_hash_table_replace(options->values, g_strdup(name), g_variant_ref_sink(value));
        else
                g_hash_table_remove(options->values, name);
}

/**
 * vm_client_options_set_fd:
 * @options: the options
 * @name: the name of the option in the D-Bus reference
 * @fd: a file descriptor; it is duplicated and stays the caller's
 * @error: return location for a #GError
 *
 * Sets an option that is a file descriptor.
 *
 * Returns: %FALSE with %VM_CLIENT_ERROR_INVALID_FILE if @fd is none
 */
gboolean vm_client_options_set_fd(VmClientOptions *options, const char *name, int fd,
                                  GError **error)
{
        int copy;

        g_return_val_if_fail(VM_CLIENT_IS_OPTIONS(options), FALSE);
        g_return_val_if_fail(name != NULL, FALSE);

        copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (copy < 0) {
                g_set_error(error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_INVALID_FILE,
                            "option %s: file descriptor %d cannot be duplicated (%s): pass one "
                            "that is open",
                            name, fd, g_strerror(errno));
                return FALSE;
        }
        g_hash_table_remove(options->values, name);
        g_hash_table_replace(options->fds, g_strdup(name), GINT_TO_POINTER(copy));
        return TRUE;
}

/**
 * vm_client_options_set_console:
 * @options: the options
 * @fd: a stream socket; it is duplicated and stays the caller's
 * @be_writer: whether what is written to the other end becomes the guest's input
 * @error: return location for a #GError
 *
 * For a call that starts a machine: attaches a socket to its console before the first guest
 * instruction, so that not even the shortest run loses output. Make a pair of sockets, give one
 * end here, close it after the call, and read the guest's output from the other.
 *
 * AVF: the console descriptor that `IVirtualizationService.createVm()` takes.
 *
 * Returns: %FALSE with %VM_CLIENT_ERROR_INVALID_FILE if @fd is none
 */
gboolean vm_client_options_set_console(VmClientOptions *options, int fd, gboolean be_writer,
                                       GError **error)
{
        if (!vm_client_options_set_fd(options, "console", fd, error))
                return FALSE;
        vm_client_options_set_value(options, "console_write",
                                    g_variant_new_boolean(be_writer != FALSE));
        return TRUE;
}

/*
 * Adds the options to dict, which holds what arguments and flags say, and their descriptors to fds.
 */
gboolean client_options_merge(VmClientOptions *options, GVariantDict *dict, GUnixFDList *fds,
                              GError **error)
{
        GHashTableIter iter;
        gpointer name, value;

        if (!options)
                return TRUE;
        g_hash_table_iter_init(&iter, options->values);
        while (g_hash_table_iter_next(&iter, &name, &value))
                if (!g_variant_dict_contains(dict, name))
                        g_variant_dict_insert_value(dict, name, value);
        g_hash_table_iter_init(&iter, options->fds);
        while (g_hash_table_iter_next(&iter, &name, &value)) {
                int handle;

                if (g_variant_dict_contains(dict, name))
                        continue;
                handle = g_unix_fd_list_append(fds, GPOINTER_TO_INT(value), error);
                if (handle < 0)
                        return FALSE;
                g_variant_dict_insert_value(dict, name, g_variant_new_handle(handle));
        }
        return TRUE;
}
