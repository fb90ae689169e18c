/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Enums and error codes against dbus/names.json, and the errors of the bus itself. */
#include "libvmclient/vm-client-private.h"

#include <string.h>

#include "tests/unit/unit.h"
#include "vmservice-names.h"

/* Each value of the enum type has the C name PREFIX_NAME for the name in names.json. */
static void check_enum(GType type, const char *prefix, const char *const *names,
                       const char *(*to_string)(int))
{
        g_autoptr(GEnumClass) class = g_type_class_ref(type);

        for (int i = 0; names[i]; i++) {
                GEnumValue *value = g_enum_get_value(class, i);
                g_autofree char *upper = g_ascii_strup(*names[i] ? names[i] : "none", -1);
                g_autofree char *expected = g_strconcat(prefix, upper, NULL);

                ck_assert_ptr_nonnull(value);
                ck_assert_str_eq(value->value_name, expected);
                ck_assert_str_eq(to_string(i), names[i]);
        }
}

static const char *state_name(int state)
{
        return vm_client_machine_state_to_string((VmClientMachineState)state);
}

static const char *payload_name(int state)
{
        return vm_client_payload_state_to_string((VmClientPayloadState)state);
}

static const char *reason_name(int reason)
{
        return vm_client_stop_reason_to_string((VmClientStopReason)reason);
}

START_TEST(test_enums)
{
        check_enum(VM_CLIENT_TYPE_MACHINE_STATE, "VM_CLIENT_MACHINE_STATE_", machine_state_names,
                   state_name);
        check_enum(VM_CLIENT_TYPE_PAYLOAD_STATE, "VM_CLIENT_PAYLOAD_STATE_", payload_state_names,
                   payload_name);
        check_enum(VM_CLIENT_TYPE_STOP_REASON, "VM_CLIENT_STOP_REASON_", stop_reason_names,
                   reason_name);
}
END_TEST

START_TEST(test_names_of_a_newer_daemon)
{
        ck_assert_int_eq(client_machine_state_from_string("hibernating"),
                         VM_CLIENT_MACHINE_STATE_UNKNOWN);
        ck_assert_int_eq(client_payload_state_from_string("dreaming"),
                         VM_CLIENT_PAYLOAD_STATE_NONE);
        ck_assert_int_eq(client_stop_reason_from_string("EVAPORATED"),
                         VM_CLIENT_STOP_REASON_UNKNOWN);
        ck_assert_str_eq(vm_client_machine_state_to_string(VM_CLIENT_MACHINE_STATE_UNKNOWN),
                         "unknown");
        ck_assert_str_eq(vm_client_machine_state_to_string((VmClientMachineState)99), "unknown");
        ck_assert_str_eq(vm_client_stop_reason_to_string((VmClientStopReason)99), "UNKNOWN");
        ck_assert_str_eq(vm_client_payload_state_to_string((VmClientPayloadState)99), "unknown");
}
END_TEST

static void *public_type(int i)
{
        GType (*const types[])(void) = {vm_client_bus_get_type,
                                        vm_client_manager_flags_get_type,
                                        vm_client_capability_flags_get_type,
                                        vm_client_create_flags_get_type,
                                        vm_client_console_flags_get_type,
                                        vm_client_log_flags_get_type,
                                        vm_client_on_end_get_type,
                                        vm_client_error_get_type};

        return i < (int)G_N_ELEMENTS(types) ? g_type_class_ref(types[i]()) : NULL;
}

START_TEST(test_types)
{
        int i = 0;

        for (gpointer class; (class = public_type(i)); i++)
                g_type_class_unref(class);
        ck_assert_int_eq(i, 8);
}
END_TEST

static GError *translated(const char *name, const char *message)
{
        return client_error_translate(g_dbus_error_new_for_dbus_error(name, message));
}

/* One code for each error of names.json, in both directions, with the message as the daemon wrote
 * it. */
START_TEST(test_errors_are_one_to_one)
{
        g_autoptr(GEnumClass) class = g_type_class_ref(VM_CLIENT_TYPE_ERROR);
        guint64 seen = 0;

        for (size_t i = 0; i < G_N_ELEMENTS(vmservice_errors); i++) {
                g_autoptr(GError) error = NULL;
                g_autofree char *name = NULL;

                vm_client_error_quark();
                error = translated(vmservice_errors[i].name, "the cause: the fix");
                ck_assert(error->domain == VM_CLIENT_ERROR);
                ck_assert_ptr_nonnull(g_enum_get_value(class, error->code));
                ck_assert_str_eq(error->message, "the cause: the fix");
                ck_assert(!(seen & 1ULL << error->code));
                seen |= 1ULL << error->code;
                name = g_dbus_error_encode_gerror(error);
                ck_assert_str_eq(name, vmservice_errors[i].name);
        }
        ck_assert(!(seen & 1ULL << VM_CLIENT_ERROR_FAILED));
        ck_assert(!(seen & 1ULL << VM_CLIENT_ERROR_SERVICE_LOST));
        ck_assert(!(seen & 1ULL << VM_CLIENT_ERROR_SERVICE_UNAVAILABLE));
        ck_assert_uint_eq((unsigned)class->n_values, G_N_ELEMENTS(vmservice_errors) + 3);
}
END_TEST

#define BUS "org.freedesktop.DBus.Error."

static const struct {
        const char *name;
        VmClientError code;
        const char *says;
} bus_errors[] = {
        {BUS "ServiceUnknown", VM_CLIENT_ERROR_SERVICE_UNAVAILABLE, "systemctl start vmserviced"},
        {BUS "NameHasNoOwner", VM_CLIENT_ERROR_SERVICE_UNAVAILABLE, "vmserviced --user"},
        {BUS "Spawn.ChildExited", VM_CLIENT_ERROR_SERVICE_UNAVAILABLE, "journalctl"},
        {BUS "Spawn.ServiceNotFound", VM_CLIENT_ERROR_SERVICE_UNAVAILABLE, "journalctl"},
        {BUS "TimedOut", VM_CLIENT_ERROR_SERVICE_UNAVAILABLE, "in time"},
        {BUS "NoReply", VM_CLIENT_ERROR_SERVICE_LOST, "whether it took effect is unknown"},
        {BUS "Disconnected", VM_CLIENT_ERROR_SERVICE_LOST, "new VmClientManager"},
        {BUS "AccessDenied", VM_CLIENT_ERROR_NOT_AUTHORIZED, "D-Bus policy"},
        {BUS "UnknownObject", VM_CLIENT_ERROR_NO_SUCH_MACHINE, "list the machines"},
        {BUS "UnknownMethod", VM_CLIENT_ERROR_NOT_SUPPORTED, "older"},
        {BUS "UnknownInterface", VM_CLIENT_ERROR_NOT_SUPPORTED, "older"},
        {BUS "InvalidArgs", VM_CLIENT_ERROR_NOT_SUPPORTED, "same version"},
        {BUS "LimitsExceeded", VM_CLIENT_ERROR_QUOTA_EXCEEDED, "limit"},
        {BUS "NoMemory", VM_CLIENT_ERROR_NOT_ENOUGH_MEMORY, "memory"},
        {"org.example.Odd", VM_CLIENT_ERROR_FAILED, "org.example.Odd"},
        {VMSERVICE_BUS_NAME ".Error.FromTheFuture", VM_CLIENT_ERROR_FAILED, "FromTheFuture"},
};

START_TEST(test_bus_errors)
{
        g_autoptr(GError) error = translated(bus_errors[_i].name, "said the bus");

        ck_assert_msg(g_error_matches(error, VM_CLIENT_ERROR, (int)bus_errors[_i].code), "%s: %s",
                      bus_errors[_i].name, error->message);
        ck_assert_ptr_nonnull(strstr(error->message, "said the bus"));
        ck_assert_ptr_nonnull(strstr(error->message, bus_errors[_i].says));
        ck_assert_ptr_null(strstr(error->message, "GDBus.Error"));
}
END_TEST

START_TEST(test_own_errors)
{
        g_autoptr(GError) cancelled = NULL;
        g_autoptr(GError) closed = NULL;
        g_autoptr(GError) slow = NULL;
        g_autoptr(GError) odd = NULL;
        g_autoptr(GError) system = NULL;
        g_autoptr(GError) session = NULL;

        cancelled =
                client_error_translate(g_error_new(G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled"));
        ck_assert(g_error_matches(cancelled, G_IO_ERROR, G_IO_ERROR_CANCELLED));
        closed = client_error_translate(g_error_new(G_IO_ERROR, G_IO_ERROR_CLOSED, "closed"));
        ck_assert(g_error_matches(closed, VM_CLIENT_ERROR, VM_CLIENT_ERROR_SERVICE_LOST));
        slow = client_error_translate(g_error_new(G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "late"));
        ck_assert(g_error_matches(slow, VM_CLIENT_ERROR, VM_CLIENT_ERROR_TIMED_OUT));
        odd = client_error_translate(g_error_new(G_IO_ERROR, G_IO_ERROR_NO_SPACE, "full"));
        ck_assert(g_error_matches(odd, VM_CLIENT_ERROR, VM_CLIENT_ERROR_FAILED));
        system = client_error_no_bus(VM_CLIENT_BUS_SYSTEM,
                                     g_error_new(G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "no socket"));
        ck_assert(g_error_matches(system, VM_CLIENT_ERROR, VM_CLIENT_ERROR_SERVICE_UNAVAILABLE));
        ck_assert_ptr_nonnull(strstr(system->message, "system bus"));
        session = client_error_no_bus(VM_CLIENT_BUS_SESSION,
                                      g_error_new(G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled"));
        ck_assert(g_error_matches(session, G_IO_ERROR, G_IO_ERROR_CANCELLED));
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_test(tcase, test_enums);
        tcase_add_test(tcase, test_names_of_a_newer_daemon);
        tcase_add_test(tcase, test_types);
        tcase_add_test(tcase, test_errors_are_one_to_one);
        tcase_add_loop_test(tcase, test_bus_errors, 0, G_N_ELEMENTS(bus_errors));
        tcase_add_test(tcase, test_own_errors);
}

int main(void)
{
        return unit_run("client-names", add_tests);
}
