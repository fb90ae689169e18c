/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-client-private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vm-client-config-private.h"

/**
 * vm_client_config_attach_fd:
 * @config: the configuration
 * @file: the string that the configuration uses for the file
 * @fd: the opened file; it is duplicated and stays the caller's
 * @error: return location for a #GError
 *
 * Gives a file of the configuration by descriptor: it need not have a name that can be opened, and
 * may be a memfd. Any number of keys may use the same string. A string that the configuration does
 * not name by the time a machine is made of it is an error then.
 *
 * AVF: the `ParcelFileDescriptor` fields of `VirtualMachineRawConfig`.
 *
 * Returns: %FALSE with %VM_CLIENT_ERROR_INVALID_FILE if @fd is none
 */
gboolean vm_client_config_attach_fd(VmClientConfig *config, const char *file, int fd,
                                    GError **error)
{
        ClientFile *attached;
        int copy;

        g_return_val_if_fail(VM_CLIENT_IS_CONFIG(config), FALSE);
        g_return_val_if_fail(file != NULL, FALSE);

        copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (copy < 0) {
                g_set_error(error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_INVALID_FILE,
                            "file %s: file descriptor %d cannot be duplicated (%s): pass one that "
                            "is open",
                            file, fd, g_strerror(errno));
                return FALSE;
        }
        attached = g_new0(ClientFile, 1);
        attached->fd = copy;
        g_hash_table_replace(config->files, g_strdup(file), attached);
        return TRUE;
}

/**
 * vm_client_config_set_file_fd:
 * @config: the configuration
 * @key: `kernel`, `initrd` or `bootloader`
 * @fd: the opened file; it is duplicated and stays the caller's
 * @error: return location for a #GError
 *
 * Sets a file of the configuration by descriptor. The document gets the string `fd:` and the key.
 *
 * Returns: %FALSE with %VM_CLIENT_ERROR_INVALID_CONFIG if @key names no file, or
 *   %VM_CLIENT_ERROR_INVALID_FILE if @fd is none
 */
gboolean vm_client_config_set_file_fd(VmClientConfig *config, const char *key, int fd,
                                      GError **error)
{
        g_autofree char *file = NULL;

        g_return_val_if_fail(VM_CLIENT_IS_CONFIG(config), FALSE);
        g_return_val_if_fail(key != NULL, FALSE);

        if (!client_config_is_file_key(key)) {
                g_set_error(error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_INVALID_CONFIG,
                            "/%s is not a key that names a file: use kernel, initrd or bootloader",
                            key);
                return FALSE;
        }
        file = g_strconcat("fd:", key, NULL);
        if (!vm_client_config_attach_fd(config, file, fd, error))
                return FALSE;
        client_config_put(config, key, g_variant_new_string(file));
        return TRUE;
}

/**
 * vm_client_config_list_files:
 * @config: the configuration
 *
 * The files that the configuration names, by the strings that it uses.
 *
 * Returns: (transfer full) (array zero-terminated=1): the strings, each once
 */
char **vm_client_config_list_files(VmClientConfig *config)
{
        g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
        const char *key, *file;
        gsize position = 0;

        g_return_val_if_fail(VM_CLIENT_IS_CONFIG(config), NULL);

        while (client_config_next_file(config, &position, &key, &file))
                g_strv_builder_add(builder, file);
        return g_strv_builder_end(builder);
}

void client_config_keep_files(VmClientConfig *config)
{
        const char *key, *name;
        gsize position = 0;

        while (client_config_next_file(config, &position, &key, &name)) {
                ClientFile *file = g_new0(ClientFile, 1);

                file->fd = -1;
                file->kept = TRUE;
                g_hash_table_replace(config->files, g_strdup(name), file);
        }
}

static char *file_path(VmClientConfig *config, const char *name, const ClientFile *file)
{
        if (file && file->path)
                return g_strdup(file->path);
        return g_canonicalize_filename(name, config->folder);
}

/* O_NONBLOCK so that a FIFO cannot hold the caller up; it is taken off again. */
static int open_file(const char *key, const char *path, GError **error)
{
        g_autofree char *shown = g_filename_display_name(path);
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0) {
                g_set_error(error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_INVALID_FILE,
                            "/%s: %s cannot be opened (%s): check its name and permissions", key,
                            shown, g_strerror(errno));
        } else if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
                g_set_error(error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_INVALID_FILE,
                            "/%s: %s is %s: name a regular file", key, shown,
                            S_ISDIR(st.st_mode) ? "a directory" : "not a file of bytes");
        } else if (fcntl(fd, F_SETFL, O_RDONLY) < 0) {
                g_set_error(error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_INVALID_FILE,
                            "/%s: %s cannot be read (%s): copy it to another file system", key,
                            shown, g_strerror(errno));
        } else {
                return fd;
        }
        if (fd >= 0)
                close(fd);
        return -1;
}

/* The file's index in fds, or -1. */
static int append_file(VmClientConfig *config, const char *key, const char *name,
                       const ClientFile *file, GUnixFDList *fds, GError **error)
{
        g_autofree char *path = NULL;
        int fd, handle;

        if (file && file->fd >= 0)
                return g_unix_fd_list_append(fds, file->fd, error);
        path = file_path(config, name, file);
        fd = open_file(key, path, error);
        if (fd < 0)
                return -1;
        handle = g_unix_fd_list_append(fds, fd, error);
        close(fd);
        return handle;
}

/* A descriptor that no key uses was meant for something: do not drop it without a word. */
static gboolean check_attached(VmClientConfig *config, GError **error)
{
        g_auto(GStrv) named = vm_client_config_list_files(config);
        GHashTableIter iter;
        gpointer name, file;

        g_hash_table_iter_init(&iter, config->files);
        while (g_hash_table_iter_next(&iter, &name, &file)) {
                if (((ClientFile *)file)->fd < 0 ||
                    g_strv_contains((const char *const *)named, name))
                        continue;
                g_set_error(error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_INVALID_FILE,
                            "a file descriptor is attached as %s, which the configuration does not "
                            "name: set kernel, initrd or bootloader to this string",
                            (const char *)name);
                return FALSE;
        }
        return TRUE;
}

GVariant *client_config_open_files(VmClientConfig *config, GUnixFDList *fds, GError **error)
{
        g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a{sh}"));
        const char *key, *name;
        gsize position = 0;

        if (!check_attached(config, error))
                return NULL;
        while (client_config_next_file(config, &position, &key, &name)) {
                const ClientFile *file = g_hash_table_lookup(config->files, name);
                int handle;

                if (file && file->kept)
                        continue;
                handle = append_file(config, key, name, file, fds, error);
                if (handle < 0)
                        return NULL;
                g_variant_builder_add(&builder, "{sh}", name, handle);
        }
        return g_variant_builder_end(&builder);
}
