/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/connect.h"

#include <pwd.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/string-util.h"
#include "vmctl/message.h"

const char *context_mode(const Context *context)
{
        return context->session ? "user" : "system";
}

VmClientManager *connect_manager(const Context *context)
{
        VmClientBus bus = context->session ? VM_CLIENT_BUS_SESSION : VM_CLIENT_BUS_SYSTEM;
        g_autoptr(GError) error = NULL;
        VmClientManager *manager;
        Await await;

        await_begin(&await, context->quiet, 0, "waiting for the %s's daemon to answer",
                    context_mode(context));
        vm_client_manager_new_async(bus, VM_CLIENT_MANAGER_FLAGS_NONE, NULL, await_ready, &await);
        manager = vm_client_manager_new_finish(await_result(&await), &error);
        await_end(&await);
        if (!manager)
                message_error("%s. \"vmctl --%s doctor\" looks into it.", error->message,
                              context_mode(context));
        return manager;
}

/* A user name or a uid. */
int take_owner(const Context *context, uint32_t *ret_uid)
{
        const char *owner = invocation_value(context->invocation, OPTION_OWNER);
        const struct passwd *user = owner ? getpwnam(owner) : NULL;
        uint64_t number;

        if (!owner)
                *ret_uid = geteuid();
        else if (user)
                *ret_uid = user->pw_uid;
        else if (parse_u64(owner, &number) == 0 && number < UINT32_MAX)
                *ret_uid = (uint32_t)number;
        else {
                message_error("--owner=%s: there is no such user. Give a user name or a uid.",
                              owner);
                return VMCTL_USAGE;
        }
        return 0;
}

/* A typing error, another's machine, or the other daemon's: what is there shows which. */
static int report_no_machine(const Context *context, VmClientManager *manager, const char *name,
                             uint32_t owner, const GError *error)
{
        g_autoptr(GPtrArray) machines = vm_client_manager_list_machines(manager);
        g_autofree const char **names = g_new(const char *, machines->len + 1);
        const char *nearest;
        size_t n = 0;

        for (guint i = 0; i < machines->len; i++) {
                VmClientMachine *machine = g_ptr_array_index(machines, i);
                const char *other = vm_client_machine_get_name(machine);

                if (vm_client_machine_get_owner(machine) == owner)
                        names[n++] = other;
                else if (streq(other, name)) {
                        message_error("%s. Another user has one: mean it with --owner=%u.",
                                      error->message, vm_client_machine_get_owner(machine));
                        return VMCTL_NO_MACHINE;
                }
        }
        nearest = string_nearest(name, names, n);
        if (nearest)
                message_error("%s. Did you mean \"%s\"?", error->message, nearest);
        else
                message_error("%s. \"vmctl --%s list -a\" lists those that there are.",
                              error->message, context_mode(context));
        return VMCTL_NO_MACHINE;
}

VmClientMachine *connect_machine(const Context *context, VmClientManager *manager, const char *name,
                                 int *ret_exit)
{
        g_autoptr(VmClientOptions) options = NULL;
        g_autoptr(GError) error = NULL;
        VmClientMachine *machine;
        uint32_t uid = 0;
        Await await;
        int r;

        r = take_owner(context, &uid);
        if (r != 0) {
                *ret_exit = r;
                return NULL;
        }
        if (invocation_has(context->invocation, OPTION_OWNER)) {
                options = vm_client_options_new();
                vm_client_options_set_value(options, "owner", g_variant_new_uint32(uid));
        }
        await_begin(&await, context->quiet, 0, "looking for machine %s", name);
        vm_client_manager_get_machine_async(manager, name, options, NULL, await_ready, &await);
        machine = vm_client_manager_get_machine_finish(manager, await_result(&await), &error);
        await_end(&await);
        if (!machine)
                *ret_exit = error_exit_code(error) == VMCTL_NO_MACHINE
                                    ? report_no_machine(context, manager, name, uid, error)
                                    : report_error(NULL, error);
        return machine;
}

int error_exit_code(const GError *error)
{
        if (g_error_matches(error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_NO_SUCH_MACHINE))
                return VMCTL_NO_MACHINE;
        return VMCTL_FAILURE;
}

int report_error(const char *subject, const GError *error)
{
        if (subject)
                message_error("%s: %s", subject, error->message);
        else
                message_error("%s", error->message);
        return error_exit_code(error);
}

int worse_exit(int a, int b)
{
        return a != VMCTL_OK ? a : b;
}

bool run_ended_well(VmClientMachine *machine)
{
        return vm_client_machine_get_stop_reason(machine) == VM_CLIENT_STOP_REASON_SHUTDOWN &&
               vm_client_machine_get_payload_exit_code(machine) <= 0;
}

char *describe_end(VmClientMachine *machine)
{
        VmClientStopReason reason = vm_client_machine_get_stop_reason(machine);
        int code = vm_client_machine_get_payload_exit_code(machine);
        g_autofree char *detail = vm_client_machine_dup_stop_detail(machine);
        GString *text = g_string_new(vm_client_stop_reason_to_string(reason));

        if (code >= 0)
                g_string_append_printf(text, ", exit code %d", code);
        if (detail && *detail) {
                _cleanup_free_ char *clean = string_escape(detail, strlen(detail));

                g_string_append_printf(text, ": %s", clean ? clean : "");
        }
        return g_string_free(text, FALSE);
}

int take_timeout(const Context *context, int64_t *ret_usec)
{
        const char *text = invocation_value(context->invocation, OPTION_TIMEOUT);
        uint64_t usec;

        *ret_usec = -1;
        if (!text)
                return 0;
        if (parse_span(text, &usec) < 0) {
                message_error("--timeout=%s: not a time. Use seconds, or a suffix: 90, 500ms, "
                              "2min, 1h; at most a year.",
                              text);
                return VMCTL_USAGE;
        }
        *ret_usec = (int64_t)usec;
        return 0;
}

int take_number(const Context *context, OptionId id, uint64_t *ret)
{
        const char *text = invocation_value(context->invocation, id);

        if (!text)
                return 0;
        if (parse_u64(text, ret) < 0) {
                message_error("--%s=%s: not a whole number. Use decimal digits.",
                              option_table[id].name, text);
                return VMCTL_USAGE;
        }
        return 0;
}
