/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "common/log.h"
#include "common/string-util.h"
#include "daemon/bus-server.h"
#include "daemon/host-shutdown.h"

#define STATUS_USEC 1000000ULL /* at most one STATUS= in so long */

typedef struct Daemon {
        Settings settings;
        sd_event *event;
        sd_bus *bus;
        Manager *manager;
        BusServer *server;
        HostShutdown *shutdown;
        sd_bus_slot *disconnected_slot;
        sd_event_source *status_source, *status_time;
        size_t status_machines, status_running;
} Daemon;

static void daemon_done(Daemon *daemon)
{
        sd_event_source_disable_unref(daemon->status_source);
        sd_event_source_disable_unref(daemon->status_time);
        host_shutdown_free(daemon->shutdown);
        sd_bus_slot_unref(daemon->disconnected_slot);
        manager_free(daemon->manager); /* answers who waits: the server is still there */
        bus_server_free(daemon->server);
        if (daemon->bus) {
                (void)sd_bus_flush(daemon->bus);
                sd_bus_detach_event(daemon->bus);
                sd_bus_close_unref(daemon->bus);
        }
        sd_event_unref(daemon->event);
        settings_done(&daemon->settings);
}

static void on_may_end(void *userdata, int error, const Problem *problem)
{
        Daemon *daemon = userdata;

        (void)error;
        (void)problem;
        (void)sd_event_exit(daemon->event, EXIT_SUCCESS);
}

static int on_terminate(sd_event_source *source, const struct signalfd_siginfo *info,
                        void *userdata)
{
        Daemon *daemon = userdata;

        (void)source;
        (void)info;
        (void)sd_notify(0, "STOPPING=1\nSTATUS=Ending; machines go on unless the host goes down");
        host_shutdown_terminate(daemon->shutdown);
        return 0;
}

/*
 * The end of the session's bus is the end of the session. A system bus that goes away is coming
 * back: so does the daemon, by its unit, and finds everything again.
 */
static int on_disconnected(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        Daemon *daemon = userdata;

        (void)message;
        (void)error;
        if (!daemon->settings.session) {
                log_error("The system bus is gone; ending, to be started again");
                return sd_event_exit(daemon->event, EXIT_FAILURE);
        }
        if (manager_stop_all(daemon->manager, SESSION_END_USEC, "the session's bus is gone",
                             (Completion){on_may_end, daemon}) < 0)
                return sd_event_exit(daemon->event, EXIT_FAILURE);
        return 0;
}

/* The line of systemctl status; at most once in a while. */
static int on_status_time(sd_event_source *source, uint64_t usec, void *userdata)
{
        Daemon *daemon = userdata;
        const Manager *manager = daemon->manager;

        (void)source;
        (void)usec;
        daemon->status_machines = manager->n_machines;
        daemon->status_running = manager->n_running;
        (void)sd_notifyf(0, "STATUS=%zu machines, %zu running", manager->n_machines,
                         manager->n_running);
        return 0;
}

/* After each event: is there something to tell? */
static int on_post(sd_event_source *source, void *userdata)
{
        Daemon *daemon = userdata;
        const Manager *manager = daemon->manager;
        int enabled;

        (void)source;
        if ((manager->n_machines == daemon->status_machines &&
             manager->n_running == daemon->status_running) ||
            sd_event_source_get_enabled(daemon->status_time, &enabled) < 0 ||
            enabled != SD_EVENT_OFF)
                return 0;
        (void)sd_event_source_set_time_relative(daemon->status_time, STATUS_USEC);
        return sd_event_source_set_enabled(daemon->status_time, SD_EVENT_ONESHOT);
}

static int daemon_watch_status(Daemon *daemon)
{
        int r;

        if (!getenv("NOTIFY_SOCKET"))
                return 0;
        r = sd_event_add_time(daemon->event, &daemon->status_time, CLOCK_MONOTONIC, 0, STATUS_USEC,
                              on_status_time, daemon);
        if (r >= 0)
                r = sd_event_source_set_enabled(daemon->status_time, SD_EVENT_OFF);
        if (r < 0)
                return r;
        return sd_event_add_post(daemon->event, &daemon->status_source, on_post, daemon);
}

static void on_adopted(void *userdata, int error, const Problem *problem)
{
        Daemon *daemon = userdata;
        int r;

        (void)error;
        (void)problem;
        bus_server_check_bound(daemon->server);
        r = sd_bus_attach_event(daemon->bus, daemon->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0) {
                log_error_errno(r, "Cannot serve the bus");
                (void)sd_event_exit(daemon->event, EXIT_FAILURE);
                return;
        }
        daemon->status_machines = daemon->manager->n_machines;
        daemon->status_running = daemon->manager->n_running;
        (void)sd_notifyf(0, "READY=1\nSTATUS=%zu machines, %zu running", daemon->status_machines,
                         daemon->status_running);
        log_info("Serving %s on the %s bus: %zu machines, %zu running", VMSERVICE_BUS_NAME,
                 daemon->settings.session ? "session" : "system", daemon->status_machines,
                 daemon->status_running);
}

static int daemon_open_bus(Daemon *daemon, Problem *problem)
{
        const char *which = daemon->settings.session ? "session" : "system";
        int r;

        r = daemon->settings.session
                    ? sd_bus_open_user_with_description(&daemon->bus, "vmserviced")
                    : sd_bus_open_system_with_description(&daemon->bus, "vmserviced");
        if (r < 0)
                return problem_set(problem, r,
                                   "cannot connect to the %s bus: %s; is dbus-daemon running, and "
                                   "does DBUS_%s_BUS_ADDRESS name it?",
                                   which, strerror(-r),
                                   daemon->settings.session ? "SESSION" : "SYSTEM");
        r = sd_bus_match_signal(daemon->bus, &daemon->disconnected_slot, NULL,
                                "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                "Disconnected", on_disconnected, daemon);
        if (r < 0)
                return problem_set(problem, r, "cannot watch the bus: %s", strerror(-r));
        /* The name is the first lock: whoever has it serves. */
        r = sd_bus_request_name(daemon->bus, VMSERVICE_BUS_NAME, 0);
        if (r == -EEXIST)
                return problem_set(problem, r, "another vmserviced serves the %s bus", which);
        if (r < 0)
                return problem_set(problem, r,
                                   "the %s bus does not give us the name %s: %s; is its policy "
                                   "installed (dbus-1/system.d/org.vmservice1.conf)?",
                                   which, VMSERVICE_BUS_NAME, strerror(-r));
        return 0;
}

/*
 * A session begins with 1,024 for the sake of select(2), which nothing here uses: too few for the
 * machines that the user's own limits allow. In system mode the unit says how many (LimitNOFILE=).
 */
static void daemon_raise_fd_limit(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
                return;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
                log_warning_errno(-errno, "Cannot raise the limit of open files, ignoring");
}

static int daemon_prepare(Daemon *daemon, Problem *problem)
{
        sigset_t mask;
        int r;

        (void)sigemptyset(&mask);
        (void)sigaddset(&mask, SIGTERM);
        (void)sigaddset(&mask, SIGINT);
        (void)sigaddset(&mask, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return problem_set(problem, -errno, "cannot block signals: %s", strerror(errno));
        (void)signal(SIGPIPE, SIG_IGN);
        if (daemon->settings.session)
                daemon_raise_fd_limit();
        r = sd_event_default(&daemon->event);
        if (r >= 0)
                r = sd_event_add_signal(daemon->event, NULL, SIGTERM, on_terminate, daemon);
        if (r >= 0)
                r = sd_event_add_signal(daemon->event, NULL, SIGINT, on_terminate, daemon);
        if (r >= 0)
                r = sd_event_set_watchdog(daemon->event, 1);
        return r < 0 ? problem_set(problem, r, "cannot make an event loop: %s", strerror(-r)) : 0;
}

static int daemon_start(Daemon *daemon, Problem *problem)
{
        int r;

        r = daemon_prepare(daemon, problem);
        if (r < 0)
                return r;
        r = daemon_open_bus(daemon, problem);
        if (r < 0)
                return r;
        r = manager_new(daemon->event, &daemon->settings, &daemon->manager, problem);
        if (r < 0)
                return r;
        r = bus_server_new(daemon->bus, daemon->manager, &daemon->settings, &daemon->server,
                           problem);
        if (r < 0)
                return r;
        r = host_shutdown_new(daemon->bus, daemon->manager, (Completion){on_may_end, daemon},
                              &daemon->shutdown);
        if (r >= 0)
                r = daemon_watch_status(daemon);
        if (r < 0)
                return problem_set(problem, r, "cannot watch for the host's end: %s", strerror(-r));
        return manager_adopt(daemon->manager, (Completion){on_adopted, daemon}, problem);
}

int daemon_run(int argc, char **argv)
{
        _cleanup_(daemon_done) Daemon daemon = {0};
        Problem problem = {""};
        int r;

        log_set_ident("vmserviced");
        r = settings_load(&daemon.settings, argc, argv, &problem);
        if (r > 0)
                return EXIT_SUCCESS;
        if (r >= 0)
                r = daemon_start(&daemon, &problem);
        if (r < 0) {
                log_error("%s", problem.message);
                return EXIT_FAILURE;
        }
        r = sd_event_loop(daemon.event);
        return r < 0 ? EXIT_FAILURE : r;
}
