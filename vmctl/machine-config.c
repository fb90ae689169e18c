/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/machine-config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fd.h"
#include "common/string-util.h"
#include "vmctl/connect.h"
#include "vmctl/message.h"

#define STDIN_MAX       (32U * 1024U) /* bytes: what the daemon takes */
#define NAME_PREFIX_MAX 40

FileKind file_kind(const unsigned char *head, size_t size)
{
        size_t i = 0;

        if (size >= 4 && memcmp(head, "\177ELF", 4) == 0)
                return FILE_KIND_IMAGE;
        /* Linux Documentation/arch/x86/boot.rst: boot_flag at 0x1fe, "HdrS" at 0x202. */
        if (size >= FILE_KIND_BYTES && head[0x1fe] == 0x55 && head[0x1ff] == 0xaa &&
            memcmp(head + 0x202, "HdrS", 4) == 0)
                return FILE_KIND_IMAGE;
        /* Documentation/arch/arm64/booting.rst: magic at 56. */
        if (size >= 60 && memcmp(head + 56, "ARM\x64", 4) == 0)
                return FILE_KIND_IMAGE;
        if (size >= 2 && head[0] == 0x1f && head[1] == 0x8b)
                return FILE_KIND_GZIP;
        while (i < size && strchr(" \t\r\n", head[i]) && head[i] != '\0')
                i++;
        return i < size && head[i] == '{' ? FILE_KIND_CONFIG : FILE_KIND_OTHER;
}

/* Reads at most size bytes; fewer at the end of the file. */
static ssize_t read_head(int fd, unsigned char *buffer, size_t size)
{
        size_t n = 0;

        while (n < size) {
                ssize_t r = read(fd, buffer + n, size - n);

                if (r < 0 && errno == EINTR)
                        continue;
                if (r < 0)
                        return -errno;
                if (r == 0)
                        break;
                n += (size_t)r;
        }
        return (ssize_t)n;
}

static VmClientConfig *read_stdin(void)
{
        g_autofree char *text = g_malloc(STDIN_MAX + 2);
        ssize_t n = read_head(STDIN_FILENO, (unsigned char *)text, STDIN_MAX + 1);
        g_autoptr(GError) error = NULL;
        VmClientConfig *config;

        if (n < 0 || n > (ssize_t)STDIN_MAX || memchr(text, '\0', (size_t)n)) {
                message_error("standard input: %s. Give a configuration as JSON.",
                              n < 0                    ? g_strerror((int)-n)
                              : n > (ssize_t)STDIN_MAX ? "more than 32 KiB"
                                                       : "it has NUL bytes");
                return NULL;
        }
        text[n] = '\0';
        config = vm_client_config_new_from_json(text, NULL, &error);
        if (!config)
                report_error("standard input", error);
        return config;
}

VmClientConfig *machine_config_read(const char *path)
{
        g_autoptr(GError) error = NULL;
        VmClientConfig *config;

        if (streq(path, "-"))
                return read_stdin();
        config = vm_client_config_new_from_file(path, &error);
        if (!config)
                report_error(NULL, error);
        return config;
}

/* A file name on the command line is relative to where the caller is, not to the config. */
static char *absolute(const char *path)
{
        return g_canonicalize_filename(path, NULL);
}

static VmClientConfig *config_for_image(const char *path)
{
        VmClientConfig *config = vm_client_config_new();
        g_autofree char *full = absolute(path);

        vm_client_config_set_kernel(config, full);
        return config;
}

static VmClientConfig *read_config_or_image(const char *path)
{
        unsigned char head[FILE_KIND_BYTES];
        _cleanup_close_ int fd = -1;
        ssize_t n;

        if (streq(path, "-"))
                return read_stdin();
        /* O_NONBLOCK: a FIFO that nobody writes to must not hang us. */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        n = fd < 0 ? -errno : read_head(fd, head, sizeof(head));
        if (n < 0) {
                message_error("cannot read \"%s\": %s. Give a configuration (JSON), or a kernel or "
                              "bare payload (ELF or bzImage).",
                              path, g_strerror((int)-n));
                return NULL;
        }
        switch (file_kind(head, (size_t)n)) {
        case FILE_KIND_CONFIG:
                return machine_config_read(path);
        case FILE_KIND_IMAGE:
                return config_for_image(path);
        case FILE_KIND_GZIP:
                message_error("\"%s\" is compressed. Unpack it with gunzip first, or use the "
                              "bzImage.",
                              path);
                return NULL;
        case FILE_KIND_OTHER:
                break;
        }
        message_error("\"%s\" is neither a configuration (JSON, beginning with {) nor a kernel or "
                      "bare payload (ELF or bzImage). vm-config(5) describes the former.",
                      path);
        return NULL;
}

static char *join_params(VmClientConfig *config, const Invocation *invocation)
{
        g_autoptr(GVariant) old = vm_client_config_get_value(config, "params");
        bool is_text = old && g_variant_is_of_type(old, G_VARIANT_TYPE_STRING);
        GString *text = g_string_new(is_text ? g_variant_get_string(old, NULL) : "");

        for (size_t i = 0; i < invocation->n_guest_args; i++)
                g_string_append_printf(text, "%s%s", text->len > 0 ? " " : "",
                                       invocation->guest_args[i]);
        return g_string_free(text, FALSE);
}

/* The form is looked at here; the limits are the daemon's to say. */
static int apply_sizes(const Context *context, VmClientConfig *config)
{
        const char *memory = invocation_value(context->invocation, OPTION_MEMORY);
        uint64_t cpus = 0, mib;
        int r = take_number(context, OPTION_CPUS, &cpus);

        if (r != 0)
                return r;
        if (invocation_has(context->invocation, OPTION_CPUS)) {
                (void)vm_client_config_set_value(config, "cpu_topology", NULL,
                                                 NULL); /* excludes a count */
                (void)vm_client_config_set_value(config, "cpu_count", g_variant_new_uint64(cpus),
                                                 NULL); /* any number is JSON */
        }
        if (memory) {
                if (parse_mib(memory, &mib) < 0) {
                        message_error("--memory=%s: not a size. Give MiB, or a suffix: 512, 512M, "
                                      "2G.",
                                      memory);
                        return VMCTL_USAGE;
                }
                vm_client_config_set_memory_mib(config, mib);
        }
        return 0;
}

static int apply_options(const Context *context, VmClientConfig *config)
{
        const Invocation *invocation = context->invocation;
        const char *kernel = invocation_value(invocation, OPTION_KERNEL);
        const char *initrd = invocation_value(invocation, OPTION_INITRD);
        const char *params = invocation_value(invocation, OPTION_PARAMS);

        if (kernel) {
                g_autofree char *full = absolute(kernel);

                vm_client_config_set_kernel(config, full);
        }
        if (initrd) {
                g_autofree char *full = absolute(initrd);

                vm_client_config_set_initrd(config, full);
        }
        if (params)
                vm_client_config_set_params(config, params);
        if (invocation->n_guest_args > 0) {
                g_autofree char *joined = join_params(config, invocation);

                vm_client_config_set_params(config, joined);
        }
        return apply_sizes(context, config);
}

VmClientConfig *machine_config_build(const Context *context, const char *path, int *ret_exit)
{
        bool kernel = invocation_has(context->invocation, OPTION_KERNEL);
        g_autoptr(VmClientConfig) config = NULL;
        int r;

        if (!path && !kernel) {
                message_error("there is nothing to boot. Give a configuration (JSON), an image "
                              "(ELF or bzImage), or --kernel=FILE.");
                *ret_exit = VMCTL_USAGE;
                return NULL;
        }
        config = path ? read_config_or_image(path) : vm_client_config_new();
        r = config ? apply_options(context, config) : VMCTL_FAILURE;
        if (r == 0)
                return g_steal_pointer(&config);
        *ret_exit = r;
        return NULL;
}

/* What the configuration calls it; else the file that was named, without its folder. */
static char *name_source(const Context *context, const char *path, VmClientConfig *config)
{
        g_autoptr(GVariant) name = config ? vm_client_config_get_value(config, "name") : NULL;
        const char *kernel = invocation_value(context->invocation, OPTION_KERNEL);

        if (name && g_variant_is_of_type(name, G_VARIANT_TYPE_STRING))
                return g_variant_dup_string(name, NULL);
        return g_path_get_basename(path && !streq(path, "-") ? path : kernel ? kernel : "vm");
}

char *machine_config_make_name(const Context *context, const char *path, VmClientConfig *config)
{
        g_autofree char *base = name_source(context, path, config);
        GString *name = g_string_new(NULL);

        for (const char *p = base; *p && *p != '.' && name->len < NAME_PREFIX_MAX; p++)
                if (g_ascii_isalnum(*p) || (name->len > 0 && (*p == '_' || *p == '-')))
                        g_string_append_c(name, *p);
        if (name->len == 0)
                g_string_append(name, "vm");
        g_string_append_printf(name, "-%08x", g_random_int());
        return g_string_free(name, FALSE);
}
