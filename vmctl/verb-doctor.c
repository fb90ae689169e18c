/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doctor: each thing that a start needs, with cause and fix. */

#include <errno.h>
#include <gio/gio.h>
#include <inttypes.h>
#include <langinfo.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/string-util.h"
#include "vmctl-version.h"
#include "vmctl/connect.h"
#include "vmctl/output.h"
#include "vmctl/report.h"

#define BUS_NAME       "org.vmservice1"
#define POLKIT_NAME    "org.freedesktop.PolicyKit1"
#define KVM_PATH       "/dev/kvm"
#define DEFAULT_MEMORY 256 /* MiB: what a machine has unless it says otherwise */
#define CHECK_WIDTH    12
#define DBUS_TIMEOUT   5000 /* ms */
#define ANSWER_SECONDS 10   /* what a daemon has that the bus may first have to start */

typedef enum Health {
        HEALTH_GOOD,
        HEALTH_WARNING, /* a start works, but not as one would wish */
        HEALTH_BAD,     /* no start works */
        HEALTH_UNKNOWN, /* cannot be checked before another is mended */
} Health;

typedef struct Doctor {
        const Context *context;
        json_object *checks; /* array, for JSON */
        bool utf8, failed;
} Doctor;

/* One check is done: what was found and, if it is not good, the fix. */
static void finding(Doctor *doctor, const char *what, Health health, const char *fix,
                    const char *format, ...) G_GNUC_PRINTF(5, 6);

static void print_finding(const Doctor *doctor, const char *what, Health health, const char *fix,
                          const char *detail)
{
        static const struct {
                const char *mark, *plain;
                Tone tone;
        } looks[] = {
                [HEALTH_GOOD] = {"\342\234\223", "ok", TONE_GOOD},
                [HEALTH_WARNING] = {"!", "! ", TONE_WARNING},
                [HEALTH_BAD] = {"\342\234\227", "NO", TONE_BAD},
                [HEALTH_UNKNOWN] = {"?", "? ", TONE_FAINT},
        };

        printf("%s%s%s %-*s ", tone_begin(looks[health].tone),
               doctor->utf8 ? looks[health].mark : looks[health].plain,
               tone_end(looks[health].tone), CHECK_WIDTH, what);
        output_wrapped(detail, CHECK_WIDTH + (doctor->utf8 ? 3 : 4));
        if (fix) {
                g_autofree char *text = g_strdup_printf("Fix: %s", fix);

                printf("%*s", CHECK_WIDTH + (doctor->utf8 ? 3 : 4), "");
                output_wrapped(text, CHECK_WIDTH + (doctor->utf8 ? 3 : 4));
        }
}

static void finding(Doctor *doctor, const char *what, Health health, const char *fix,
                    const char *format, ...)
{
        static const char *const words[] = {"good", "warning", "bad", "unknown"};
        json_object *object = json_object_new_object();
        g_autofree char *detail = NULL;
        va_list list;

        va_start(list, format);
        detail = g_strdup_vprintf(format, list);
        va_end(list);
        doctor->failed = doctor->failed || health == HEALTH_BAD;
        if (doctor->context->format == OUTPUT_TABLE)
                print_finding(doctor, what, health, fix, detail);
        json_object_object_add(object, "check", json_string(what));
        json_object_object_add(object, "health", json_string(words[health]));
        json_object_object_add(object, "detail", json_string(detail));
        json_object_object_add(object, "fix", json_string(fix));
        json_object_array_add(doctor->checks, object);
}

static GDBusConnection *check_bus(Doctor *doctor)
{
        bool session = doctor->context->session;
        GBusType type = session ? G_BUS_TYPE_SESSION : G_BUS_TYPE_SYSTEM;
        g_autoptr(GError) error = NULL;
        g_autofree char *address = g_dbus_address_get_for_bus_sync(type, NULL, NULL);
        GDBusConnection *bus = g_bus_get_sync(type, NULL, &error);

        if (bus) {
                finding(doctor, "bus", HEALTH_GOOD, NULL, "the %s bus answers at %s",
                        session ? "session" : "system", address ? address : "its address");
                return bus;
        }
        finding(doctor, "bus", HEALTH_BAD,
                session ? "log in to a session that has a bus, or run \"dbus-run-session -- "
                          "COMMAND\"; DBUS_SESSION_BUS_ADDRESS must name its socket."
                        : "install and start dbus: \"systemctl start dbus.socket\". Without root, "
                          "\"vmctl --user\" uses the session bus.",
                "the %s bus does not answer: %s", session ? "session" : "system", error->message);
        return NULL;
}

static GVariant *ask_bus(GDBusConnection *bus, const char *method, GVariant *args)
{
        return g_dbus_connection_call_sync(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                           "org.freedesktop.DBus", method, args, NULL,
                                           G_DBUS_CALL_FLAGS_NONE, DBUS_TIMEOUT, NULL, NULL);
}

static bool name_has_owner(GDBusConnection *bus, const char *name)
{
        g_autoptr(GVariant) reply = ask_bus(bus, "NameHasOwner", g_variant_new("(s)", name));
        gboolean has = FALSE;

        if (reply && g_variant_is_of_type(reply, G_VARIANT_TYPE("(b)")))
                g_variant_get(reply, "(b)", &has);
        return has;
}

static bool name_is_activatable(GDBusConnection *bus, const char *name)
{
        g_autoptr(GVariant) reply = ask_bus(bus, "ListActivatableNames", NULL);
        g_autofree const char **names = NULL;

        if (!reply || !g_variant_is_of_type(reply, G_VARIANT_TYPE("(as)")))
                return false;
        g_variant_get(reply, "(^a&s)", &names);
        return g_strv_contains(names, name);
}

static gboolean give_up(gpointer cancellable)
{
        g_cancellable_cancel(cancellable);
        return G_SOURCE_REMOVE;
}

/* A daemon that hangs is what a doctor is called for: it is not waited for without end. */
static VmClientManager *ask_daemon(const Doctor *doctor, GDBusConnection *bus, GError **error)
{
        g_autoptr(GCancellable) cancellable = g_cancellable_new();
        guint limit = g_timeout_add_seconds(ANSWER_SECONDS, give_up, cancellable);
        VmClientManager *manager;
        Await await;

        await_begin(&await, doctor->context->quiet, ANSWER_SECONDS * G_USEC_PER_SEC,
                    "waiting for vmserviced to answer");
        vm_client_manager_new_for_connection_async(bus, VM_CLIENT_MANAGER_FLAGS_NONE, cancellable,
                                                   await_ready, &await);
        manager = vm_client_manager_new_finish(await_result(&await), error);
        await_end(&await);
        if (!g_cancellable_is_cancelled(cancellable))
                g_source_remove(limit);
        else if (!manager) {
                g_clear_error(error);
                g_set_error(error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_TIMED_OUT,
                            "it is on the bus, and its snapshot was awaited for %d s in vain",
                            ANSWER_SECONDS);
        }
        return manager;
}

/* The manager, if the daemon is there or can be started and answers. */
static VmClientManager *check_daemon(Doctor *doctor, GDBusConnection *bus)
{
        bool session = doctor->context->session, running = name_has_owner(bus, BUS_NAME);
        const char *how = session ? "start it with \"vmserviced --user\", or install vmservice's "
                                    "session service."
                                  : "install vmservice and run \"systemctl start vmserviced\", or "
                                    "use your own daemon with \"vmctl --user\".";
        g_autofree char *version = NULL;
        g_autoptr(GError) error = NULL;
        VmClientManager *manager;

        if (!running && !name_is_activatable(bus, BUS_NAME)) {
                finding(doctor, "daemon", HEALTH_BAD, how,
                        "vmserviced does not run, and the %s bus does not know how to start it",
                        session ? "session" : "system");
                return NULL;
        }
        manager = ask_daemon(doctor, bus, &error);
        if (!manager) {
                finding(doctor, "daemon", HEALTH_BAD,
                        session ? "see what \"vmserviced --user\" prints."
                                : "see \"systemctl status vmserviced\" and \"journalctl -u "
                                  "vmserviced\".",
                        "vmserviced does not answer: %s", error->message);
                return NULL;
        }
        version = vm_client_manager_dup_daemon_version(manager);
        if (!streq_ptr(version, VMCTL_VERSION))
                finding(doctor, "daemon", HEALTH_WARNING,
                        "install the two from one version, and restart the daemon (machines go "
                        "on).",
                        "vmserviced %s answers, and this vmctl is of version %s", version,
                        VMCTL_VERSION);
        else
                finding(doctor, "daemon", HEALTH_GOOD, NULL, "vmserviced %s answers%s", version,
                        running ? "" : " (the bus has just started it)");
        return manager;
}

static void check_spawner(Doctor *doctor, json_object *report)
{
        json_object *monitor = report_lookup(report, "/monitors/0");
        const char *version = report_string(monitor, "/version");

        if (!monitor)
                finding(doctor, "spawner", HEALTH_BAD,
                        doctor->context->session
                                ? "see what vmserviced printed; its installation may be incomplete."
                                : "see \"systemctl status vmservice-machines\" and \"journalctl -u "
                                  "vmservice-machines\".",
                        "vm-spawner has started no monitor");
        else if (!streq(version, VMCTL_VERSION))
                finding(doctor, "spawner", HEALTH_WARNING, "install all parts from one version.",
                        "vm-spawner starts monitors: %s, of another version (%s)",
                        report_string(monitor, "/name"), version);
        else
                finding(doctor, "spawner", HEALTH_GOOD, NULL, "vm-spawner starts monitors: %s %s",
                        report_string(monitor, "/name"), version);
}

static void check_speed(Doctor *doctor, json_object *report)
{
        double ratio = report_double(report, "/kvm/speed_ratio");

        if (!report_bool(report, "/kvm/usable"))
                finding(doctor, "speed", HEALTH_UNKNOWN, NULL, "cannot be measured without KVM");
        else if (report_bool(report, "/kvm/hardware_speed"))
                finding(doctor, "speed", HEALTH_GOOD, NULL,
                        "guest code runs at hardware speed (%.1f times the host's time)", ratio);
        else
                finding(doctor, "speed", HEALTH_WARNING,
                        "use a host whose KVM has the processor's virtualization extensions; in a "
                        "cloud machine, one with nested virtualization.",
                        "%s", report_string(report, "/kvm/speed_note"));
}

/* Whether the processor offers virtualization, by the flags of /proc/cpuinfo. */
static bool cpu_has_extensions(void)
{
        g_autofree char *text = NULL;

        return g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL) &&
               (strstr(text, " vmx") || strstr(text, " svm") ||
                g_str_has_prefix(text, "processor\t: 0\nBogoMIPS"));
}

/* /dev/kvm with our own eyes: all that can be seen where no daemon answers. */
static void check_kvm_here(Doctor *doctor)
{
        if (access(KVM_PATH, F_OK) < 0)
                finding(doctor, "KVM", HEALTH_BAD,
                        cpu_has_extensions()
                                ? "load the module: \"modprobe kvm_intel\" or \"modprobe kvm_amd\"."
                                : "switch virtualization on in the firmware's set-up; in a virtual "
                                  "machine, switch on nested virtualization for it.",
                        KVM_PATH " is absent%s",
                        cpu_has_extensions()
                                ? ""
                                : ", and the processor offers no virtualization extensions");
        else if (access(KVM_PATH, R_OK | W_OK) < 0 && doctor->context->session)
                finding(doctor, "KVM", HEALTH_BAD,
                        "become a member of its group: \"usermod -aG kvm USER\" as root, and log "
                        "in again.",
                        KVM_PATH " is there, and you may not open it: %s", g_strerror(errno));
        else
                finding(doctor, "KVM", HEALTH_UNKNOWN, NULL,
                        KVM_PATH " is there; whether it works can be said once the daemon answers");
}

static void check_kvm(Doctor *doctor, json_object *report)
{
        if (report_bool(report, "/kvm/usable"))
                finding(doctor, "KVM", HEALTH_GOOD, NULL, "%s is usable, API version %" PRIu64,
                        report_string(report, "/kvm/path"),
                        report_number(report, "/kvm/api_version"));
        else if (access(KVM_PATH, F_OK) < 0)
                check_kvm_here(doctor);
        else
                finding(doctor, "KVM", HEALTH_BAD, "mend what the cause names, and look again.",
                        "%s", report_string(report, "/kvm/problem"));
}

static void check_memory(Doctor *doctor, json_object *report)
{
        uint64_t mib = report_number(report, "/memory/available_mib");
        g_autofree char *text = format_mib(mib << 20);

        if (mib >= DEFAULT_MEMORY)
                finding(doctor, "memory", HEALTH_GOOD, NULL, "%s available", text);
        else
                finding(doctor, "memory", HEALTH_WARNING,
                        "end other programs, or give machines less (memory_mib).",
                        "only %s available; a machine has %d MiB unless it says otherwise", text,
                        DEFAULT_MEMORY);
}

/* In system mode polkit decides what a user other than root may do. */
static void check_polkit(Doctor *doctor, GDBusConnection *bus)
{
        bool there = name_has_owner(bus, POLKIT_NAME) || name_is_activatable(bus, POLKIT_NAME);

        if (doctor->context->session)
                return;
        if (there)
                finding(doctor, "polkit", HEALTH_GOOD, NULL, "polkit is there to be asked");
        else
                finding(doctor, "polkit", geteuid() == 0 ? HEALTH_WARNING : HEALTH_BAD,
                        "install polkitd (Debian: \"apt install polkitd\").",
                        "polkit is absent, so nobody but root may do anything%s",
                        geteuid() == 0 ? " (you are root)" : "");
}

static void check_host(Doctor *doctor, VmClientManager *manager)
{
        g_autoptr(VmClientCapabilities) capabilities = NULL;
        g_autoptr(GError) error = NULL;
        json_object *report = NULL;

        if (manager)
                capabilities = report_fetch_quietly(doctor->context, manager, &report, &error);
        if (error)
                finding(doctor, "host", HEALTH_BAD, "see the daemon's messages.",
                        "the daemon cannot say what the host can do: %s", error->message);
        if (!report) {
                check_kvm_here(doctor);
                return;
        }
        check_spawner(doctor, report);
        check_kvm(doctor, report);
        check_speed(doctor, report);
        check_memory(doctor, report);
        json_object_put(report);
}

static void print_verdict(const Doctor *doctor)
{
        if (doctor->context->quiet)
                return;
        printf("\n%s%s%s\n", tone_begin(doctor->failed ? TONE_BAD : TONE_GOOD),
               doctor->failed ? "Machines cannot be started before this is mended."
                              : "Machines can be started.",
               tone_end(doctor->failed ? TONE_BAD : TONE_GOOD));
}

int verb_doctor(const Context *context)
{
        Doctor doctor = {.context = context, .utf8 = streq(nl_langinfo(CODESET), "UTF-8")};
        g_autoptr(VmClientManager) manager = NULL;
        g_autoptr(GDBusConnection) bus = NULL;
        int r = refuse_names(context);

        if (r != 0)
                return r;
        doctor.checks = json_object_new_array();
        finding(&doctor, "mode", HEALTH_GOOD, NULL, "%s",
                context->session ? "user: your own daemon on the session bus (--user)"
                                 : "system: the host's daemon on the system bus (--system)");
        bus = check_bus(&doctor);
        manager = bus ? check_daemon(&doctor, bus) : NULL;
        check_host(&doctor, manager);
        if (bus)
                check_polkit(&doctor, bus);
        if (context->format == OUTPUT_TABLE)
                print_verdict(&doctor);
        else if (context->format == OUTPUT_JSON)
                output_json(doctor.checks, OUTPUT_JSON);
        else
                for (size_t i = 0; i < json_object_array_length(doctor.checks); i++)
                        output_json(json_object_array_get_idx(doctor.checks, i), OUTPUT_JSONL);
        json_object_put(doctor.checks);
        return doctor.failed ? VMCTL_FAILURE : VMCTL_OK;
}
