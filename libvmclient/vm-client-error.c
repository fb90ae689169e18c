/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-client-private.h"

#include "vmservice-names.h"

/* clang-format off */
static const GDBusErrorEntry error_entries[] = {
        {VM_CLIENT_ERROR_NO_SUCH_MACHINE,     VMSERVICE_ERROR_NO_SUCH_MACHINE},
        {VM_CLIENT_ERROR_MACHINE_EXISTS,      VMSERVICE_ERROR_MACHINE_EXISTS},
        {VM_CLIENT_ERROR_INVALID_NAME,        VMSERVICE_ERROR_INVALID_NAME},
        {VM_CLIENT_ERROR_INVALID_CONFIG,      VMSERVICE_ERROR_INVALID_CONFIG},
        {VM_CLIENT_ERROR_INVALID_OPTION,      VMSERVICE_ERROR_INVALID_OPTION},
        {VM_CLIENT_ERROR_INVALID_FILE,        VMSERVICE_ERROR_INVALID_FILE},
        {VM_CLIENT_ERROR_INVALID_IMAGE,       VMSERVICE_ERROR_INVALID_IMAGE},
        {VM_CLIENT_ERROR_WRONG_STATE,         VMSERVICE_ERROR_WRONG_STATE},
        {VM_CLIENT_ERROR_INCOMPATIBLE_CONFIG, VMSERVICE_ERROR_INCOMPATIBLE_CONFIG},
        {VM_CLIENT_ERROR_QUOTA_EXCEEDED,      VMSERVICE_ERROR_QUOTA_EXCEEDED},
        {VM_CLIENT_ERROR_NOT_AUTHORIZED,      VMSERVICE_ERROR_NOT_AUTHORIZED},
        {VM_CLIENT_ERROR_NOT_SUPPORTED,       VMSERVICE_ERROR_NOT_SUPPORTED},
        {VM_CLIENT_ERROR_KVM_UNAVAILABLE,     VMSERVICE_ERROR_KVM_UNAVAILABLE},
        {VM_CLIENT_ERROR_NOT_ENOUGH_MEMORY,   VMSERVICE_ERROR_NOT_ENOUGH_MEMORY},
        {VM_CLIENT_ERROR_START_FAILED,        VMSERVICE_ERROR_START_FAILED},
        {VM_CLIENT_ERROR_TIMED_OUT,           VMSERVICE_ERROR_TIMED_OUT},
        {VM_CLIENT_ERROR_INFRASTRUCTURE,      VMSERVICE_ERROR_INFRASTRUCTURE},
};
/* clang-format on */

/* An error that is added to dbus/names.json must be added here and to VmClientError. */
G_STATIC_ASSERT(G_N_ELEMENTS(error_entries) == G_N_ELEMENTS(vmservice_errors));

/**
 * vm_client_error_quark:
 *
 * The error domain of this library.
 *
 * Returns: the quark
 */
GQuark vm_client_error_quark(void)
{
        static gsize quark;

        g_dbus_error_register_error_domain("vm-client-error-quark", &quark, error_entries,
                                           G_N_ELEMENTS(error_entries));
        return (GQuark)quark;
}

G_DEFINE_ENUM_TYPE(VmClientError, vm_client_error,
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_ERROR_FAILED, "failed"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_ERROR_NO_SUCH_MACHINE, "no-such-machine"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_ERROR_MACHINE_EXISTS, "machine-exists"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_ERROR_INVALID_NAME, "invalid-name"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_ERROR_INVALID_CONFIG, "invalid-config"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_ERROR_INVALID_OPTION, "invalid-option"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_ERROR_INVALID_FILE, "invalid-file"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_ERROR_INVALID_IMAGE, "invalid-image"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_ERROR_WRONG_STATE, "wrong-state"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_ERROR_INCOMPATIBLE_CONFIG, "incompatible-config"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_ERROR_QUOTA_EXCEEDED, "quota-exceeded"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_ERROR_NOT_AUTHORIZED, "not-authorized"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_ERROR_NOT_SUPPORTED, "not-supported"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_ERROR_KVM_UNAVAILABLE, "kvm-unavailable"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_ERROR_NOT_ENOUGH_MEMORY, "not-enough-memory"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_ERROR_START_FAILED, "start-failed"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_ERROR_TIMED_OUT, "timed-out"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_ERROR_INFRASTRUCTURE, "infrastructure"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_ERROR_SERVICE_UNAVAILABLE, "service-unavailable"),
                   G_DEFINE_ENUM_VALUE(VM_CLIENT_ERROR_SERVICE_LOST, "service-lost"))

#define FREEDESKTOP "org.freedesktop.DBus.Error."

/* What the bus itself, or GDBus below us, has to say, in terms of this library. */
typedef struct BusError {
        const char *name;
        VmClientError code;
        const char *cause;
        const char *fix;
} BusError;

#define NOT_RUNNING "vmserviced is not running and cannot be activated"
#define START_IT                                                                                   \
        "start it (system: systemctl start vmserviced; session: vmserviced --user), or install "   \
        "vmservice"
#define SEE_JOURNAL "see why with: journalctl -u vmserviced"
#define LOST        "vmserviced went away during the call; whether it took effect is unknown"
#define LOOK_AGAIN  "look at the machine's state and repeat the call"

/* clang-format off */
static const BusError bus_errors[] = {
        {FREEDESKTOP "ServiceUnknown",  VM_CLIENT_ERROR_SERVICE_UNAVAILABLE, NOT_RUNNING, START_IT},
        {FREEDESKTOP "NameHasNoOwner",  VM_CLIENT_ERROR_SERVICE_UNAVAILABLE, NOT_RUNNING, START_IT},
        {FREEDESKTOP "TimedOut",        VM_CLIENT_ERROR_SERVICE_UNAVAILABLE,
         "vmserviced did not come up in time", SEE_JOURNAL},
        {FREEDESKTOP "NoReply",         VM_CLIENT_ERROR_SERVICE_LOST, LOST, LOOK_AGAIN},
        {FREEDESKTOP "Disconnected",    VM_CLIENT_ERROR_SERVICE_LOST,
         "the connection to the bus was lost", "make a new VmClientManager"},
        {FREEDESKTOP "AccessDenied",    VM_CLIENT_ERROR_NOT_AUTHORIZED,
         "the bus does not let this user talk to vmserviced",
         "have the administrator allow it in the D-Bus policy of org.vmservice1"},
        {FREEDESKTOP "UnknownObject",   VM_CLIENT_ERROR_NO_SUCH_MACHINE,
         "the machine is gone, or not visible to this user", "list the machines"},
        {FREEDESKTOP "UnknownMethod",   VM_CLIENT_ERROR_NOT_SUPPORTED,
         "vmserviced does not know this call", "upgrade vmservice: it is older than the library"},
        {FREEDESKTOP "UnknownInterface", VM_CLIENT_ERROR_NOT_SUPPORTED,
         "vmserviced does not know this call", "upgrade vmservice: it is older than the library"},
        {FREEDESKTOP "InvalidArgs",     VM_CLIENT_ERROR_NOT_SUPPORTED,
         "vmserviced and the library do not understand each other",
         "install them from the same version"},
        {FREEDESKTOP "LimitsExceeded",  VM_CLIENT_ERROR_QUOTA_EXCEEDED,
         "a limit of the bus is reached", "close connections or wait for calls to end"},
        {FREEDESKTOP "NoMemory",        VM_CLIENT_ERROR_NOT_ENOUGH_MEMORY,
         "vmserviced or the bus is out of memory", "free some and repeat the call"},
};
/* clang-format on */

static const BusError *bus_error_find(const char *remote)
{
        static const BusError spawn = {FREEDESKTOP "Spawn.*", VM_CLIENT_ERROR_SERVICE_UNAVAILABLE,
                                       "the bus could not start vmserviced", SEE_JOURNAL};

        for (gsize i = 0; remote && i < G_N_ELEMENTS(bus_errors); i++)
                if (g_str_equal(bus_errors[i].name, remote))
                        return &bus_errors[i];
        return remote && g_str_has_prefix(remote, FREEDESKTOP "Spawn.") ? &spawn : NULL;
}

static GError *error_from_gio(GError *error)
{
        if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CLOSED) ||
            g_error_matches(error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE) ||
            g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED)) {
                const BusError *lost = bus_error_find(FREEDESKTOP "Disconnected");

                return g_error_new(VM_CLIENT_ERROR, lost->code, "%s (%s): %s", lost->cause,
                                   error->message, lost->fix);
        }
        if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
                return g_error_new(VM_CLIENT_ERROR, VM_CLIENT_ERROR_TIMED_OUT,
                                   "vmserviced did not answer in time: %s", error->message);
        return g_error_new(VM_CLIENT_ERROR, VM_CLIENT_ERROR_FAILED, "%s", error->message);
}

/* Takes error. Cancellation stays G_IO_ERROR_CANCELLED; all else becomes VM_CLIENT_ERROR. */
GError *client_error_translate(GError *error)
{
        g_autoptr(GError) taken = error;
        g_autofree char *remote = NULL;
        const BusError *known;

        if (g_error_matches(taken, G_IO_ERROR, G_IO_ERROR_CANCELLED))
                return g_steal_pointer(&taken);
        remote = g_dbus_error_get_remote_error(taken);
        g_dbus_error_strip_remote_error(taken);
        if (taken->domain == VM_CLIENT_ERROR)
                return g_steal_pointer(&taken);
        known = bus_error_find(remote);
        if (known)
                return g_error_new(VM_CLIENT_ERROR, known->code, "%s (%s): %s", known->cause,
                                   taken->message, known->fix);
        if (remote)
                return g_error_new(VM_CLIENT_ERROR, VM_CLIENT_ERROR_FAILED, "%s (%s)",
                                   taken->message, remote);
        return error_from_gio(taken);
}

/* The bus itself cannot be reached. Takes error. */
GError *client_error_no_bus(VmClientBus bus, GError *error)
{
        g_autoptr(GError) taken = error;

        if (g_error_matches(taken, G_IO_ERROR, G_IO_ERROR_CANCELLED))
                return g_steal_pointer(&taken);
        g_dbus_error_strip_remote_error(taken);
        return g_error_new(VM_CLIENT_ERROR, VM_CLIENT_ERROR_SERVICE_UNAVAILABLE,
                           "the %s bus cannot be reached (%s): %s",
                           bus == VM_CLIENT_BUS_SESSION ? "session" : "system", taken->message,
                           bus == VM_CLIENT_BUS_SESSION
                                   ? "log in with a session bus, or run under dbus-run-session"
                                   : "start the host's D-Bus daemon");
}
