/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/capabilities-probe.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/string-util.h"

#define PROBE_DEADLINE_USEC (60ULL * 1000000ULL)

struct CapabilitiesProbe {
        Manager *manager;
        Capabilities capabilities;
        bool answered; /* an answer for the device as it is now */
        int kvm_fd;    /* or negative errno */
        sd_event_source *inotify_source;
        char device[64]; /* the last part of its path */

        Waiter *waiters;
        bool running; /* a probe is under way */
        bool again;   /* the device changed meanwhile */
        Id128 id;     /* of its process */
        int read_fd;
        char output[PROBE_OUTPUT_MAX + 1];
        size_t n_output;
        sd_event_source *io_source;
        sd_event_source *time_source;
};

static void probe_open_kvm(CapabilitiesProbe *probe)
{
        const char *path = probe->manager->settings->kvm;
        struct stat st;

        if (probe->kvm_fd >= 0)
                (void)fd_close(probe->kvm_fd);
        probe->kvm_fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (probe->kvm_fd < 0)
                probe->kvm_fd = -errno;
        else if (fstat(probe->kvm_fd, &st) < 0 || !S_ISCHR(st.st_mode)) {
                (void)fd_close(probe->kvm_fd);
                probe->kvm_fd = -ENODEV;
        }
}

static int probe_reset(CapabilitiesProbe *probe)
{
        const Settings *settings = probe->manager->settings;

        probe_open_kvm(probe);
        probe->answered = false;
        capabilities_done(&probe->capabilities);
        return capabilities_init(&probe->capabilities, settings->kvm,
                                 probe->kvm_fd < 0 ? probe->kvm_fd : 0, settings->host_memory_mib,
                                 settings->host_cpus);
}

static void probe_forget_process(CapabilitiesProbe *probe)
{
        probe->io_source = sd_event_source_disable_unref(probe->io_source);
        probe->time_source = sd_event_source_disable_unref(probe->time_source);
        probe->read_fd = fd_close(probe->read_fd);
        probe->running = false;
        probe->n_output = 0;
}

static void probe_begin(CapabilitiesProbe *probe);

/* An answer, or why there is none. */
static void probe_conclude(CapabilitiesProbe *probe, const char *failure)
{
        Capabilities *capabilities = &probe->capabilities;
        Problem problem;

        if (!failure &&
            capabilities_take_probe(capabilities, probe->output, probe->n_output, &problem) < 0)
                failure = problem.message;
        if (failure) {
                log_warning("KVM could not be probed: %.400s", failure);
                if (probe->kvm_fd >= 0)
                        (void)snprintf(capabilities->problem, sizeof(capabilities->problem),
                                       "KVM could not be probed: %.400s", failure);
        }
        probe_forget_process(probe);
        if (probe->again) {
                probe->again = false;
                if (probe_reset(probe) >= 0) {
                        probe_begin(probe);
                        return;
                }
        }
        probe->answered = !failure || probe->kvm_fd < 0;
        waiters_done(&probe->waiters, 0, NULL);
}

static int on_output(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        CapabilitiesProbe *probe = userdata;
        ssize_t n;

        (void)source;
        (void)events;
        n = read(fd, probe->output + probe->n_output, sizeof(probe->output) - probe->n_output);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n > 0) {
                probe->n_output += (size_t)n;
                if (probe->n_output <= PROBE_OUTPUT_MAX)
                        return 0;
                probe_conclude(probe, "the monitor's probe writes without end");
                return 0;
        }
        probe_conclude(probe, NULL);
        return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
        CapabilitiesProbe *probe = userdata;
        Manager *manager = probe->manager;

        (void)source;
        (void)usec;
        if (manager->spawner)
                (void)spawner_client_kill(manager->spawner, &probe->id, NULL, NULL);
        probe_conclude(probe, "the monitor's probe did not end in time and was killed");
        return 0;
}

static void on_probe_spawned(const SpawnerReply *reply, SpawnerFds *fds, void *userdata)
{
        CapabilitiesProbe *probe = ((Manager *)userdata)->probe;
        char text[160];

        (void)fds;
        if (!probe || !probe->running || !id128_equal(&reply->id, &probe->id) || reply->error >= 0)
                return;
        (void)snprintf(text, sizeof(text), "vm-spawner could not run the probe (step %s): %s",
                       spawner_step_to_string((SpawnerStep)reply->step), strerror(-reply->error));
        probe_conclude(probe, text);
}

static int probe_spawn(CapabilitiesProbe *probe, int stdout_fd, Problem *problem)
{
        SpawnerSpawn spawn = {
                .kind = SPAWNER_KIND_PROBE,
                .probe_stdout = stdout_fd,
                .probe_kvm = probe->kvm_fd >= 0 ? probe->kvm_fd : -1,
        };
        SpawnerClient *spawner;
        int r;

        r = manager_spawner(probe->manager, &spawner, problem);
        if (r < 0)
                return r;
        r = id128_random(&probe->id);
        if (r >= 0) {
                spawn.id = probe->id;
                r = spawner_client_spawn(spawner, &spawn, on_probe_spawned, probe->manager);
        }
        return r < 0 ? problem_set(problem, r, "vm-spawner cannot be asked: %s", strerror(-r)) : 0;
}

static int probe_start(CapabilitiesProbe *probe, Problem *problem)
{
        sd_event *event = probe->manager->event;
        _cleanup_close_ int writer = -1;
        int fds[2], r;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return problem_set(problem, -errno, "%s", strerror(errno));
        probe->read_fd = fds[0];
        writer = fds[1];
        probe->running = true;
        r = fd_set_nonblock(probe->read_fd, true);
        if (r >= 0)
                r = sd_event_add_io(event, &probe->io_source, probe->read_fd, EPOLLIN, on_output,
                                    probe);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &probe->time_source, CLOCK_MONOTONIC,
                                               PROBE_DEADLINE_USEC, 0, on_deadline, probe);
        if (r < 0)
                return problem_set(problem, r, "%s", strerror(-r));
        return probe_spawn(probe, writer, problem);
}

static void probe_begin(CapabilitiesProbe *probe)
{
        Problem problem;

        if (probe_start(probe, &problem) < 0)
                probe_conclude(probe, problem.message);
}

/* Something of the folder /dev changed. */
static int on_inotify(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
        CapabilitiesProbe *probe = userdata;

        (void)source;
        if (event->len > 0 && !streq(event->name, probe->device))
                return 0;
        log_info("%s changed", probe->manager->settings->kvm);
        if (probe->running)
                probe->again = true;
        else
                (void)probe_reset(probe); /* probed when it is asked for next */
        return 0;
}

static int probe_watch(CapabilitiesProbe *probe)
{
        _cleanup_free_ char *folder = strdup(probe->manager->settings->kvm);
        _cleanup_free_ char *device = strdup(probe->manager->settings->kvm);
        int r;

        if (!folder || !device)
                return -ENOMEM;
        (void)snprintf(probe->device, sizeof(probe->device), "%s", basename(device));
        r = sd_event_add_inotify(probe->manager->event, &probe->inotify_source, dirname(folder),
                                 IN_CREATE | IN_DELETE | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO,
                                 on_inotify, probe);
        return r == -ENOENT ? 0 : r;
}

int capabilities_probe_new(Manager *manager, CapabilitiesProbe **ret)
{
        CapabilitiesProbe *probe = calloc(1, sizeof(*probe));
        int r;

        if (!probe)
                return -ENOMEM;
        probe->manager = manager;
        probe->kvm_fd = probe->read_fd = -1;
        r = probe_watch(probe);
        if (r >= 0)
                r = probe_reset(probe);
        if (r < 0) {
                capabilities_probe_free(probe);
                return r;
        }
        *ret = probe;
        return 0;
}

CapabilitiesProbe *capabilities_probe_free(CapabilitiesProbe *probe)
{
        if (!probe)
                return NULL;
        waiters_done(&probe->waiters, -EIO, &(Problem){"vmserviced is going down"});
        probe_forget_process(probe);
        sd_event_source_disable_unref(probe->inotify_source);
        capabilities_done(&probe->capabilities);
        if (probe->kvm_fd >= 0)
                (void)fd_close(probe->kvm_fd);
        free(probe);
        return NULL;
}

const Capabilities *capabilities_probe_get(const CapabilitiesProbe *probe)
{
        return &probe->capabilities;
}

int capabilities_probe_kvm_fd(const CapabilitiesProbe *probe)
{
        return probe->kvm_fd;
}

int capabilities_probe_wait(CapabilitiesProbe *probe, Completion done)
{
        int r;

        if (probe->answered)
                return 1;
        r = waiters_add(&probe->waiters, done);
        if (r < 0)
                return r;
        if (!probe->running)
                probe_begin(probe);
        return 0;
}

bool capabilities_probe_drop_waiter(CapabilitiesProbe *probe, const void *userdata)
{
        return waiters_remove(&probe->waiters, userdata);
}

bool capabilities_probe_is_running(const CapabilitiesProbe *probe, const Id128 *id)
{
        return probe->running && id128_equal(&probe->id, id);
}

bool capabilities_probe_exited(CapabilitiesProbe *probe, const Id128 *id)
{
        return id128_equal(&probe->id, id); /* the end of its output says the rest */
}

void capabilities_probe_lost(CapabilitiesProbe *probe)
{
        if (probe->running)
                probe_conclude(probe, "vm-spawner ended meanwhile");
}
