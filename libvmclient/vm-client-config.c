/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-client-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "vm-client-config-private.h"
#include "vm-client-json.h"

/**
 * VmClientConfig:
 *
 * What a machine is made of: a JSON document, and the files that it names.
 *
 * It is built from a file, from JSON text, or by setters. The library looks only for the keys
 * that name files, since the client opens them and passes the descriptors: the daemon opens no
 * path that a caller names. All other keys go to the daemon as they are, which knows them all and
 * refuses what it does not know; [method@Manager.validate_config_sync] has it check a configuration
 * and makes nothing. A file is opened when a machine is made of the configuration, so one
 * configuration can serve for many machines.
 *
 * An object is used by one thread at a time; a call copies what it needs before it returns.
 *
 * AVF: `VirtualMachineConfig`, `VirtualMachineRawConfig`.
 */

/* The keys that name files; test-config.c compares them with the daemon's vm_config_files(). */
static const char *const file_keys[] = {"kernel", "initrd", "bootloader"};

typedef struct Member {
        char *key;
        GVariant *value;
} Member;

G_DEFINE_FINAL_TYPE(VmClientConfig, vm_client_config, G_TYPE_OBJECT)

static void member_clear(gpointer data)
{
        Member *member = data;

        g_free(member->key);
        g_variant_unref(member->value);
}

void client_file_free(gpointer data)
{
        ClientFile *file = data;

        if (file->fd >= 0)
                close(file->fd);
        g_free(file->path);
        g_free(file);
}

static void vm_client_config_finalize(GObject *object)
{
        VmClientConfig *config = VM_CLIENT_CONFIG(object);

        g_array_unref(config->members);
        g_hash_table_unref(config->files);
        g_free(config->folder);
        G_OBJECT_CLASS(vm_client_config_parent_class)->finalize(object);
}

static void vm_client_config_class_init(VmClientConfigClass *klass)
{
        G_OBJECT_CLASS(klass)->finalize = vm_client_config_finalize;
}

static void vm_client_config_init(VmClientConfig *config)
{
        config->members = g_array_new(FALSE, FALSE, sizeof(Member));
        g_array_set_clear_func(config->members, member_clear);
        config->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, client_file_free);
}

/**
 * vm_client_config_new:
 *
 * Makes an empty configuration, to be filled by setters.
 *
 * Returns: (transfer full): the configuration
 */
VmClientConfig *vm_client_config_new(void)
{
        return g_object_new(VM_CLIENT_TYPE_CONFIG, NULL);
}

static Member *config_find(VmClientConfig *config, const char *key)
{
        for (guint i = 0; i < config->members->len; i++) {
                Member *member = &g_array_index(config->members, Member, i);

                if (g_str_equal(member->key, key))
                        return member;
        }
        return NULL;
}

/* What was set for the old file of a key goes with it, unless another key uses that file too. */
static void config_forget_file(VmClientConfig *config, const char *old)
{
        const char *key, *file;
        gsize position = 0;

        while (client_config_next_file(config, &position, &key, &file))
                if (g_str_equal(file, old))
                        return;
        g_hash_table_remove(config->files, old);
}

/* Keeps the place of a key that is there already; NULL removes it. */
void client_config_put(VmClientConfig *config, const char *key, GVariant *value)
{
        g_autoptr(GVariant) held = value ? g_variant_ref_sink(value) : NULL;
        g_autoptr(GVariant) old = NULL;
        Member *member = config_find(config, key);

        if (!member && held) {
                Member added = {g_strdup(key), g_steal_pointer(&held)};

                g_array_append_val(config->members, added);
                return;
        }
        if (!member)
                return;
        old = g_variant_ref(member->value);
        if (held) {
                g_variant_unref(member->value);
                member->value = g_steal_pointer(&held);
        } else {
                g_array_remove_index(config->members,
                                     (guint)(member - (Member *)(void *)config->members->data));
        }
        if (client_config_is_file_key(key) && g_variant_is_of_type(old, G_VARIANT_TYPE_STRING))
                config_forget_file(config, g_variant_get_string(old, NULL));
}

/**
 * vm_client_config_new_from_json:
 * @json: a configuration as JSON
 * @folder: (nullable) (type filename): where relative file names in it begin; %NULL for the
 *   current folder
 * @error: return location for a #GError
 *
 * Reads a configuration. Only the form is checked here: the daemon checks the content.
 *
 * Returns: (transfer full): the configuration; %NULL with %VM_CLIENT_ERROR_INVALID_CONFIG and the
 *   line and column if it is not a JSON object
 */
VmClientConfig *vm_client_config_new_from_json(const char *json, const char *folder, GError **error)
{
        g_autoptr(VmClientConfig) config = NULL;
        g_autoptr(GVariant) tree = NULL;
        GVariantIter iter;
        const char *key;
        GVariant *value;

        g_return_val_if_fail(json != NULL, NULL);

        tree = client_json_parse(json, strlen(json), error);
        if (!tree)
                return NULL;
        if (!g_variant_is_of_type(tree, G_VARIANT_TYPE_VARDICT)) {
                g_set_error(error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_INVALID_CONFIG,
                            "the configuration is not a JSON object: put it in { }");
                return NULL;
        }
        config = vm_client_config_new();
        config->folder = g_strdup(folder);
        g_variant_iter_init(&iter, tree);
        while (g_variant_iter_next(&iter, "{&sv}", &key, &value)) {
                client_config_put(config, key, value);
                g_variant_unref(value);
        }
        return g_steal_pointer(&config);
}

/* At most one byte more than the limit, so that an endless file costs nothing. */
static char *read_config_file(const char *path, GError **error)
{
        g_autofree char *text = g_malloc(CLIENT_CONFIG_MAX_SIZE + 2);
        gsize size = 0;
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        ssize_t n = fd < 0 ? -1 : 1;

        while (n > 0 && size <= CLIENT_CONFIG_MAX_SIZE) {
                n = TEMP_FAILURE_RETRY(read(fd, text + size, CLIENT_CONFIG_MAX_SIZE + 1 - size));
                size += n > 0 ? (gsize)n : 0;
        }
        if (n < 0) {
                g_autofree char *name = g_filename_display_name(path);

                g_set_error(error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_INVALID_FILE,
                            "configuration file %s cannot be read (%s): check its name and "
                            "permissions",
                            name, g_strerror(errno));
                g_clear_pointer(&text, g_free);
        } else if (size > CLIENT_CONFIG_MAX_SIZE || memchr(text, 0, size)) {
                g_autofree char *name = g_filename_display_name(path);

                g_set_error(error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_INVALID_CONFIG,
                            "%s is no configuration (it is larger than %u bytes, or binary): name "
                            "a JSON file",
                            name, CLIENT_CONFIG_MAX_SIZE);
                g_clear_pointer(&text, g_free);
        } else {
                text[size] = '\0';
        }
        if (fd >= 0)
                close(fd);
        return g_steal_pointer(&text);
}

/**
 * vm_client_config_new_from_file:
 * @path: (type filename): a file with a configuration as JSON
 * @error: return location for a #GError
 *
 * Reads a configuration. Relative file names in it begin at the file's folder, wherever the
 * program runs.
 *
 * Returns: (transfer full): the configuration; %NULL with %VM_CLIENT_ERROR_INVALID_FILE or
 *   %VM_CLIENT_ERROR_INVALID_CONFIG
 */
VmClientConfig *vm_client_config_new_from_file(const char *path, GError **error)
{
        g_autofree char *text = NULL;
        g_autofree char *absolute = NULL;
        g_autofree char *folder = NULL;
        VmClientConfig *config;

        g_return_val_if_fail(path != NULL, NULL);

        text = read_config_file(path, error);
        if (!text)
                return NULL;
        absolute = g_canonicalize_filename(path, NULL);
        folder = g_path_get_dirname(absolute);
        config = vm_client_config_new_from_json(text, folder, error);
        if (!config) {
                g_autofree char *name = g_filename_display_name(path);

                g_prefix_error(error, "%s: ", name);
        }
        return config;
}

static void config_put_string(VmClientConfig *config, const char *key, const char *text)
{
        client_config_put(config, key, g_variant_new_string(text));
}

/* The document has the absolute name, or a URI where JSON cannot carry the bytes of the name. */
static void config_put_path(VmClientConfig *config, const char *key, const char *path)
{
        g_autofree char *absolute = g_canonicalize_filename(path, NULL);
        g_autofree char *name = g_utf8_validate(absolute, -1, NULL)
                                        ? g_strdup(absolute)
                                        : g_filename_to_uri(absolute, NULL, NULL);
        ClientFile *file = g_new0(ClientFile, 1);

        file->fd = -1;
        file->path = g_steal_pointer(&absolute);
        config_put_string(config, key, name);
        g_hash_table_replace(config->files, g_steal_pointer(&name), file);
}

/**
 * vm_client_config_set_kernel:
 * @config: the configuration
 * @path: (type filename): a bzImage, or a 64-bit ELF file with a PVH note; relative to the current
 *   folder
 *
 * Sets the kernel. AVF: `VirtualMachineRawConfig.kernel`.
 */
void vm_client_config_set_kernel(VmClientConfig *config, const char *path)
{
        g_return_if_fail(VM_CLIENT_IS_CONFIG(config));
        g_return_if_fail(path != NULL);

        config_put_path(config, "kernel", path);
}

/**
 * vm_client_config_set_initrd:
 * @config: the configuration
 * @path: (type filename): the initial RAM disk; relative to the current folder
 *
 * Sets the initial RAM disk of a kernel. AVF: `VirtualMachineRawConfig.initrd`.
 */
void vm_client_config_set_initrd(VmClientConfig *config, const char *path)
{
        g_return_if_fail(VM_CLIENT_IS_CONFIG(config));
        g_return_if_fail(path != NULL);

        config_put_path(config, "initrd", path);
}

/**
 * vm_client_config_set_bootloader:
 * @config: the configuration
 * @path: (type filename): the boot loader; relative to the current folder
 *
 * Sets a boot loader, which takes the place of kernel, initrd and params. AVF:
 * `VirtualMachineRawConfig.bootloader`.
 */
void vm_client_config_set_bootloader(VmClientConfig *config, const char *path)
{
        g_return_if_fail(VM_CLIENT_IS_CONFIG(config));
        g_return_if_fail(path != NULL);

        config_put_path(config, "bootloader", path);
}

/**
 * vm_client_config_set_params:
 * @config: the configuration
 * @params: the kernel's command line
 *
 * Sets the kernel's command line. AVF: `VirtualMachineRawConfig.params`.
 */
void vm_client_config_set_params(VmClientConfig *config, const char *params)
{
        g_return_if_fail(VM_CLIENT_IS_CONFIG(config));
        g_return_if_fail(params != NULL && g_utf8_validate(params, -1, NULL));

        config_put_string(config, "params", params);
}

/**
 * vm_client_config_set_memory_mib:
 * @config: the configuration
 * @memory_mib: the guest's memory in MiB
 *
 * Sets the guest's memory. AVF: `VirtualMachineRawConfig.memoryMib`.
 */
void vm_client_config_set_memory_mib(VmClientConfig *config, guint64 memory_mib)
{
        g_return_if_fail(VM_CLIENT_IS_CONFIG(config));

        client_config_put(config, "memory_mib", g_variant_new_uint64(memory_mib));
}

/**
 * vm_client_config_set_cpu_count:
 * @config: the configuration
 * @cpu_count: how many processors the guest has
 *
 * Sets the number of the guest's processors. AVF: `VirtualMachineRawConfig.cpuCount`.
 */
void vm_client_config_set_cpu_count(VmClientConfig *config, guint cpu_count)
{
        g_return_if_fail(VM_CLIENT_IS_CONFIG(config));

        client_config_put(config, "cpu_count", g_variant_new_uint32(cpu_count));
}

/**
 * vm_client_config_set_protected:
 * @config: the configuration
 * @is_protected: whether the guest's memory is to be gone from the host
 *
 * Asks for a protected machine, or for a plain one. A machine that was asked to be protected is
 * never started unprotected. AVF: `VirtualMachineRawConfig.protectedVm`.
 */
void vm_client_config_set_protected(VmClientConfig *config, gboolean is_protected)
{
        g_return_if_fail(VM_CLIENT_IS_CONFIG(config));

        client_config_put(config, "protected", g_variant_new_boolean(is_protected != FALSE));
}

static void config_put_on_end(VmClientConfig *config, const char *key, VmClientOnEnd on_end)
{
        config_put_string(config, key, on_end == VM_CLIENT_ON_END_RESTART ? "restart" : "stop");
}

/**
 * vm_client_config_set_on_reboot:
 * @config: the configuration
 * @on_end: what follows
 *
 * Sets what follows when the guest resets itself.
 */
void vm_client_config_set_on_reboot(VmClientConfig *config, VmClientOnEnd on_end)
{
        g_return_if_fail(VM_CLIENT_IS_CONFIG(config));

        config_put_on_end(config, "on_reboot", on_end);
}

/**
 * vm_client_config_set_on_crash:
 * @config: the configuration
 * @on_end: what follows
 *
 * Sets what follows when the guest panics or triple-faults.
 */
void vm_client_config_set_on_crash(VmClientConfig *config, VmClientOnEnd on_end)
{
        g_return_if_fail(VM_CLIENT_IS_CONFIG(config));

        config_put_on_end(config, "on_crash", on_end);
}

/**
 * vm_client_config_set_value:
 * @config: the configuration
 * @key: a key of the configuration
 * @value: (nullable): its value; a floating reference is taken. Numbers, strings, booleans, arrays
 *   and dictionaries with string keys become JSON's; %NULL removes the key
 * @error: return location for a #GError
 *
 * Sets any key, also one that this library has no function for. A file that @value names is
 * opened when a machine is made, as if the configuration had been read with it.
 *
 * Returns: %FALSE with %VM_CLIENT_ERROR_INVALID_CONFIG if JSON has no such value
 */
gboolean vm_client_config_set_value(VmClientConfig *config, const char *key, GVariant *value,
                                    GError **error)
{
        g_autoptr(GVariant) held = value ? g_variant_ref_sink(value) : NULL;
        g_autoptr(GString) printed = g_string_new(NULL);

        g_return_val_if_fail(VM_CLIENT_IS_CONFIG(config), FALSE);
        g_return_val_if_fail(key != NULL && g_utf8_validate(key, -1, NULL), FALSE);

        if (held && !client_json_print(held, printed)) {
                g_set_error(error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_INVALID_CONFIG,
                            "/%s: JSON has no value for the type %s, or it is nested too deep: use "
                            "strings, finite numbers, booleans, arrays and dictionaries",
                            key, g_variant_get_type_string(held));
                return FALSE;
        }
        client_config_put(config, key, held);
        return TRUE;
}

/**
 * vm_client_config_get_value:
 * @config: the configuration
 * @key: a key of the configuration
 *
 * The value of a key. What was read from JSON has the types of
 * [method@Capabilities.lookup].
 *
 * Returns: (transfer full) (nullable): the value; %NULL if the key is not set
 */
GVariant *vm_client_config_get_value(VmClientConfig *config, const char *key)
{
        Member *member;

        g_return_val_if_fail(VM_CLIENT_IS_CONFIG(config), NULL);
        g_return_val_if_fail(key != NULL, NULL);

        member = config_find(config, key);
        return member ? g_variant_ref(member->value) : NULL;
}

/**
 * vm_client_config_to_json:
 * @config: the configuration
 *
 * The configuration as the daemon will get it.
 *
 * Returns: (transfer full): JSON
 */
char *vm_client_config_to_json(VmClientConfig *config)
{
        g_autoptr(GString) out = g_string_new("{");

        g_return_val_if_fail(VM_CLIENT_IS_CONFIG(config), NULL);

        for (guint i = 0; i < config->members->len; i++) {
                Member *member = &g_array_index(config->members, Member, i);

                if (i > 0)
                        g_string_append_c(out, ',');
                client_json_print_string(member->key, out);
                g_string_append_c(out, ':');
                client_json_print(member->value, out);
        }
        g_string_append_c(out, '}');
        return g_string_free(g_steal_pointer(&out), FALSE);
}

/* The key and string of the next file that the configuration names, each string once. */
gboolean client_config_next_file(VmClientConfig *config, gsize *position, const char **ret_key,
                                 const char **ret_file)
{
        while (*position < G_N_ELEMENTS(file_keys)) {
                const char *key = file_keys[(*position)++];
                Member *member = config_find(config, key);
                gboolean seen = FALSE;

                if (!member || !g_variant_is_of_type(member->value, G_VARIANT_TYPE_STRING))
                        continue;
                for (gsize i = 0; i + 1 < *position && !seen; i++) {
                        Member *before = config_find(config, file_keys[i]);

                        seen = before && g_variant_equal(before->value, member->value);
                }
                if (seen)
                        continue;
                *ret_key = key;
                *ret_file = g_variant_get_string(member->value, NULL);
                return TRUE;
        }
        return FALSE;
}

gboolean client_config_is_file_key(const char *key)
{
        for (gsize i = 0; i < G_N_ELEMENTS(file_keys); i++)
                if (g_str_equal(file_keys[i], key))
                        return TRUE;
        return FALSE;
}
