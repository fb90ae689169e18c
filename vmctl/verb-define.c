/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* validate, create, cat, set-config: what machines are made of. */

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/string-util.h"
#include "vmctl/connect.h"
#include "vmctl/machine-config.h"
#include "vmctl/message.h"
#include "vmctl/output.h"

/* JSON that the daemon sent, laid out for people and safe for a terminal. */
static void print_config(const Context *context, const char *text)
{
        json_object *value = json_tokener_parse(text);

        if (value)
                output_json(value, OUTPUT_JSON);
        else
                message_error("the daemon's configuration is not JSON. Its version may not fit "
                              "this program's; see \"%s doctor\".",
                              context->command);
        json_object_put(value);
}

/* Says why no machine could be made of a file that a configuration names. */
static bool file_is_usable(const char *path, const char *file, const char *folder)
{
        g_autofree char *full = g_canonicalize_filename(file, folder);
        struct stat status;

        if (stat(full, &status) < 0 || access(full, R_OK) < 0) {
                message_error("%s: the file \"%s\" cannot be read: %s. Correct its name, or make "
                              "it readable for you.",
                              path, file, g_strerror(errno));
                return false;
        }
        if (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode))
                return true;
        message_error("%s: \"%s\" is %s. Name a regular file.", path, file,
                      S_ISDIR(status.st_mode) ? "a directory" : "not a file of bytes");
        return false;
}

/* The daemon looks at the configuration only; that its files can be read is ours to see. */
static bool files_are_usable(const char *path, VmClientConfig *config)
{
        g_auto(GStrv) files = vm_client_config_list_files(config);
        g_autofree char *full = g_canonicalize_filename(path, NULL);
        g_autofree char *folder = streq(path, "-") ? g_get_current_dir() : g_path_get_dirname(full);
        bool fine = true;

        for (char **file = files; file && *file; file++)
                fine = file_is_usable(path, *file, folder) && fine;
        return fine;
}

static int validate_file(const Context *context, VmClientManager *manager, const char *path)
{
        g_autoptr(VmClientConfig) config = machine_config_read(path);
        g_autoptr(GError) error = NULL;
        g_autofree char *normalized = NULL;
        Await await;

        if (!config)
                return VMCTL_FAILURE;
        await_begin(&await, context->quiet, 0, "waiting for the check of %s", path);
        vm_client_manager_validate_config_async(manager, config, NULL, NULL, await_ready, &await);
        normalized =
                vm_client_manager_validate_config_finish(manager, await_result(&await), &error);
        await_end(&await);
        if (!normalized)
                return report_error(streq(path, "-") ? "standard input" : path, error);
        if (!files_are_usable(path, config))
                return VMCTL_FAILURE;
        if (invocation_has(context->invocation, OPTION_PRINT))
                print_config(context, normalized);
        else if (!context->quiet) {
                _cleanup_free_ char *shown = string_escape(path, strlen(path));

                printf("%s: valid\n", shown);
        }
        return VMCTL_OK;
}

int verb_validate(const Context *context)
{
        g_autoptr(VmClientManager) manager = connect_manager(context);
        int code = VMCTL_OK;

        if (!manager)
                return VMCTL_FAILURE;
        for (size_t i = 0; i < context->invocation->n_args; i++)
                code = worse_exit(code,
                                  validate_file(context, manager, context->invocation->args[i]));
        return code;
}

int verb_create(const Context *context)
{
        const Invocation *invocation = context->invocation;
        const char *name = invocation->args[0];
        const char *path = invocation->n_args > 1 ? invocation->args[1] : NULL;
        VmClientCreateFlags flags = invocation_has(invocation, OPTION_START)
                                            ? VM_CLIENT_CREATE_FLAGS_START
                                            : VM_CLIENT_CREATE_FLAGS_NONE;
        g_autoptr(VmClientManager) manager = NULL;
        g_autoptr(VmClientMachine) machine = NULL;
        g_autoptr(VmClientConfig) config = NULL;
        g_autoptr(GError) error = NULL;
        int r = VMCTL_FAILURE;
        Await await;

        config = machine_config_build(context, path, &r);
        manager = config ? connect_manager(context) : NULL;
        if (!manager)
                return r;
        await_begin(&await, context->quiet, 0, "waiting for %s to be created%s", name,
                    flags & VM_CLIENT_CREATE_FLAGS_START ? " and started" : "");
        if (invocation_has(invocation, OPTION_EXIST_OK)) {
                vm_client_manager_get_or_create_machine_async(manager, name, config, flags, NULL,
                                                              NULL, await_ready, &await);
                machine = vm_client_manager_get_or_create_machine_finish(
                        manager, await_result(&await), NULL, &error);
        } else {
                vm_client_manager_create_machine_async(manager, name, config, flags, NULL, NULL,
                                                       await_ready, &await);
                machine = vm_client_manager_create_machine_finish(manager, await_result(&await),
                                                                  &error);
        }
        await_end(&await);
        return machine ? VMCTL_OK : report_error(NULL, error);
}

int verb_cat(const Context *context)
{
        g_autoptr(VmClientManager) manager = connect_manager(context);
        int code = VMCTL_OK;

        if (!manager)
                return VMCTL_FAILURE;
        for (size_t i = 0; i < context->invocation->n_args; i++) {
                g_autoptr(VmClientMachine) machine = NULL;
                g_autofree char *text = NULL;
                int r = VMCTL_OK;

                machine = connect_machine(context, manager, context->invocation->args[i], &r);
                code = worse_exit(code, r);
                if (!machine)
                        continue;
                text = vm_client_machine_dup_config(machine);
                print_config(context, text);
        }
        return code;
}

int verb_set_config(const Context *context)
{
        const char *const *args = context->invocation->args;
        g_autoptr(VmClientConfig) config = machine_config_read(args[1]);
        g_autoptr(VmClientManager) manager = NULL;
        g_autoptr(VmClientMachine) machine = NULL;
        g_autoptr(GError) error = NULL;
        int r = VMCTL_FAILURE;
        Await await;

        manager = config ? connect_manager(context) : NULL;
        machine = manager ? connect_machine(context, manager, args[0], &r) : NULL;
        if (!machine)
                return r;
        await_begin(&await, context->quiet, 0, "waiting for the configuration of %s", args[0]);
        vm_client_machine_set_config_async(machine, config, NULL, NULL, await_ready, &await);
        r = vm_client_machine_set_config_finish(machine, await_result(&await), &error)
                    ? VMCTL_OK
                    : report_error(args[0], error);
        await_end(&await);
        return r;
}
