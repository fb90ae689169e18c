/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/host-shutdown.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/string-util.h"

#define LOGIND_NAME       "org.freedesktop.login1"
#define LOGIND_PATH       "/org/freedesktop/login1"
#define LOGIND_INTERFACE  "org.freedesktop.login1.Manager"
#define SYSTEMD_NAME      "org.freedesktop.systemd1"
#define SYSTEMD_PATH      "/org/freedesktop/systemd1"
#define SYSTEMD_INTERFACE "org.freedesktop.systemd1.Manager"
#define ASK_DEADLINE_USEC (2ULL * 1000000ULL)

struct HostShutdown {
        sd_bus *bus;
        Manager *manager;
        Completion done;
        int lock_fd; /* logind's delay lock: open as long as machines may have to be stopped */
        bool terminating;
        sd_bus_slot *lock_slot, *signal_slot, *ask_slot;
};

static void on_all_stopped(void *userdata, int error, const Problem *problem)
{
        HostShutdown *shutdown = userdata;

        (void)error;
        (void)problem;
        shutdown->lock_fd = fd_close(shutdown->lock_fd);
        if (shutdown->terminating)
                completion_done(&shutdown->done, 0, NULL);
}

static void stop_all(HostShutdown *shutdown)
{
        const char *why = shutdown->manager->settings->session ? "the session is ending"
                                                               : "the host is shutting down";
        if (manager_stop_all(shutdown->manager, STOP_DEADLINE_USEC, why,
                             (Completion){on_all_stopped, shutdown}) < 0)
                on_all_stopped(shutdown, -ENOMEM, NULL);
}

static int take_lock(HostShutdown *shutdown);

static int on_prepare(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        HostShutdown *shutdown = userdata;
        int begins;

        (void)error;
        if (sd_bus_message_read(message, "b", &begins) < 0)
                return 0;
        if (begins) {
                stop_all(shutdown);
                return 0;
        }
        shutdown->manager->refuses_starts = NULL; /* it was called off */
        if (shutdown->lock_fd < 0)
                (void)take_lock(shutdown);
        return 0;
}

static int on_lock(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        HostShutdown *shutdown = userdata;
        int fd;

        (void)error;
        if (sd_bus_message_is_method_error(reply, NULL) || sd_bus_message_read(reply, "h", &fd) < 0)
                return 0; /* no logind: the service manager alone tells */
        (void)fd_close(shutdown->lock_fd);
        shutdown->lock_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return 0;
}

static int take_lock(HostShutdown *shutdown)
{
        shutdown->lock_slot = sd_bus_slot_unref(shutdown->lock_slot);
        return sd_bus_call_method_async(shutdown->bus, &shutdown->lock_slot, LOGIND_NAME,
                                        LOGIND_PATH, LOGIND_INTERFACE, "Inhibit", on_lock, shutdown,
                                        "ssss", "shutdown", "vmservice",
                                        "Virtual machines are stopped first", "delay");
}

static int watch_logind(HostShutdown *shutdown)
{
        int r;

        r = sd_bus_match_signal_async(shutdown->bus, &shutdown->signal_slot, LOGIND_NAME,
                                      LOGIND_PATH, LOGIND_INTERFACE, "PrepareForShutdown",
                                      on_prepare, NULL, shutdown);
        return r < 0 ? r : take_lock(shutdown);
}

int host_shutdown_new(sd_bus *bus, Manager *manager, Completion done, HostShutdown **ret)
{
        _cleanup_(host_shutdown_freep) HostShutdown *shutdown = calloc(1, sizeof(*shutdown));
        int r;

        if (!shutdown)
                return -ENOMEM;
        *shutdown = (HostShutdown){
                .bus = sd_bus_ref(bus), .manager = manager, .done = done, .lock_fd = -1};
        if (!manager->settings->session) {
                r = watch_logind(shutdown);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(shutdown);
        return 0;
}

HostShutdown *host_shutdown_free(HostShutdown *shutdown)
{
        if (!shutdown)
                return NULL;
        sd_bus_slot_unref(shutdown->lock_slot);
        sd_bus_slot_unref(shutdown->signal_slot);
        sd_bus_slot_unref(shutdown->ask_slot);
        (void)fd_close(shutdown->lock_fd);
        sd_bus_unref(shutdown->bus);
        free(shutdown);
        return NULL;
}

/* systemd's D-Bus API: Manager.SystemState. */
static int on_system_state(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        HostShutdown *shutdown = userdata;
        const char *state = "";

        (void)error;
        if (!sd_bus_message_is_method_error(reply, NULL))
                (void)sd_bus_message_read(reply, "v", "s", &state);
        if (streq(state, "stopping"))
                stop_all(shutdown);
        else
                completion_done(&shutdown->done, 0, NULL);
        return 0;
}

void host_shutdown_terminate(HostShutdown *shutdown)
{
        sd_bus_message *call = NULL;
        int r;

        if (shutdown->terminating)
                return;
        shutdown->terminating = true;
        if (shutdown->manager->refuses_starts) { /* known already: wait for what is under way */
                stop_all(shutdown);
                return;
        }
        r = sd_bus_message_new_method_call(shutdown->bus, &call, SYSTEMD_NAME, SYSTEMD_PATH,
                                           "org.freedesktop.DBus.Properties", "Get");
        if (r >= 0)
                r = sd_bus_message_append(call, "ss", SYSTEMD_INTERFACE, "SystemState");
        if (r >= 0)
                r = sd_bus_message_set_auto_start(call, 0);
        if (r >= 0)
                r = sd_bus_call_async(shutdown->bus, &shutdown->ask_slot, call, on_system_state,
                                      shutdown, ASK_DEADLINE_USEC);
        sd_bus_message_unref(call);
        if (r < 0)
                completion_done(&shutdown->done, 0, NULL);
}
