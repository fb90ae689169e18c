/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The machines of this host (system mode) or user (session mode): who has which, what they may
 * take, what is made and what is found again. Knows no D-Bus: the bus calls in, and watches as the
 * observer. Split by task: manager.c (tables, limits), manager-create.c, manager-config.c,
 * manager-adopt.c, manager-spawner.c.
 */

#include <systemd/sd-event.h>

#include "daemon/machine-store.h"
#include "daemon/machine.h"
#include "daemon/settings.h"
#include "daemon/spawner/spawner-client.h"

#define MANAGER_BUCKETS    256U
#define STOP_DEADLINE_USEC (30ULL * 1000000ULL) /* default of Machine.Stop */
#define ADOPT_DEADLINE_USEC                                                                        \
        (3ULL * 1000000ULL)                   /* for monitors to answer a new daemon: nobody       \
                                                 is served meanwhile */
#define LINGER_USEC      (30ULL * 1000000ULL) /* transient machines that ended unseen */
#define SESSION_END_USEC (10ULL * 1000000ULL) /* for machines when the session's bus ends */

typedef struct CapabilitiesProbe CapabilitiesProbe;
typedef struct CreateJob CreateJob;

struct Manager {
        sd_event *event;
        const Settings *settings;
        MachineStore *store;
        CapabilitiesProbe *probe;
        Machine *machines[MANAGER_BUCKETS]; /* by the first byte of the id */
        size_t n_machines, n_running;
        MachineRun *runs;
        CreateJob *jobs;
        char boot_id[40];
        const char *refuses_starts; /* why: the host or the session is going down; NULL */

        SpawnerClient *spawner; /* NULL: not connected */
        sd_event_source *spawner_source;
        bool spawner_listing; /* it has not been said yet what a predecessor left */
        unsigned n_listings;  /* tries to be told that broke off */
        Completion adopted;   /* told once when what was left by a predecessor is sorted out */
        unsigned n_adopting;  /* monitors that have not answered us yet */
        sd_event_source *adopt_source, *linger_source;
        Waiter *idle_waiters; /* for n_running to become 0 */

        const MachineObserver *observer;
        void *observer_userdata;
        char bus_id[40]; /* of the bus on which clients have their names; "" before it is known */
};

/* Opens the store (which takes the lock) and begins to probe. settings are borrowed. */
int manager_new(sd_event *event, const Settings *settings, Manager **ret, Problem *problem);
/* Lets go of everything; what runs goes on. Takes NULL. */
Manager *manager_free(Manager *manager);
DEFINE_CLEANUP_FUNC(Manager *, manager_free);

/* Before manager_adopt(). */
void manager_set_observer(Manager *manager, const MachineObserver *observer, void *userdata,
                          const char *bus_id);

/*
 * Loads the records, finds what runs, ends what has ended meanwhile, kills what belongs to no
 * record. done is called from the event loop once all monitors have answered, or their time is up.
 */
int manager_adopt(Manager *manager, Completion done, Problem *problem);

/* Tables. Machines in creation are found by name only, and by whoever made them. */
Machine *manager_find(const Manager *manager, const char *id);
Machine *manager_find_name(const Manager *manager, uid_t owner, const char *name);
MachineRun *manager_find_run(const Manager *manager, const Id128 *run_id);
void manager_insert(Manager *manager, Machine *machine);
/* Out of the table and freed; nobody is told. */
void manager_remove(Manager *manager, Machine *machine);

/* Calls func for each machine that uid may see, oldest table order; func may not remove any. */
typedef int (*ManagerEachFunc)(Machine *machine, void *userdata);
int manager_each_visible(const Manager *manager, uid_t uid, ManagerEachFunc func, void *userdata);

/* -EDQUOT with *problem, or 0. */
int manager_check_quota(const Manager *manager, uid_t uid, Limit limit, uint64_t more,
                        Problem *problem);
int manager_check_image_quota(const Manager *manager, uid_t uid, uint64_t more_bytes,
                              Problem *problem);
/* Whether anything can be started at all: the host stays up and KVM works. */
int manager_check_start(const Manager *manager, Problem *problem);
/* running, memory, vCPUs of one more run of this config. */
int manager_check_run_quota(const Manager *manager, uid_t uid, const VmConfig *config,
                            Problem *problem);

/* Parses a config and checks it against this host. -EBADMSG and others with *problem. */
int manager_check_config(const Manager *manager, const char *text, size_t length, VmConfig *ret,
                         Problem *problem);

/* A file that a client passed, keyed by the string of its config. The fd is borrowed. */
typedef struct ClientFile {
        const char *key;
        int fd;
} ClientFile;

/* How a run is begun, beyond what the machine is. All borrowed until the call is answered. */
typedef struct StartOptions {
        const ClientFile *files; /* transient machines: not copied anywhere */
        size_t n_files;
        int console_fd; /* -1: none */
        bool console_write;
        const char *client; /* unique bus name of the caller, for lifetime "bound" */
} StartOptions;

typedef struct CreateRequest {
        uid_t uid;
        const char *name;
        const char *config;
        bool start, transient, bound;
        StartOptions start_options; /* its files are the machine's */
} CreateRequest;

/* machine is NULL on failure, and valid during the call only. */
typedef void (*CreateFunc)(Machine *machine, int error, const Problem *problem, void *userdata);

/*
 * Makes a machine, or nothing at all. 0: func is called once, perhaps before this returns.
 * Negative: it is not, and *problem says why. What request points to is borrowed until then.
 */
int manager_create(Manager *manager, const CreateRequest *request, CreateFunc func, void *userdata,
                   Problem *problem);

/* Replaces a stopped machine's config. files may lack those whose string is unchanged. As above. */
int manager_set_config(Machine *machine, const char *config, const ClientFile *files,
                       size_t n_files, Completion done, Problem *problem);

/* Deletes a stopped machine: files first, then told and freed. */
int manager_delete(Machine *machine, Problem *problem);

/* A transient machine's end has been told: it vanishes now, or after it was there to be asked. */
void manager_retire(Machine *machine, bool linger);

/* The client of a unique name has left the bus: what is bound to it ends. */
void manager_client_left(Manager *manager, const char *name);

/* Whoever waits with this userdata, for a machine or the probe, waits no longer; whether one did.
 */
bool manager_drop_waiter(Manager *manager, const void *userdata);

/* Stops all that runs, gracefully until the deadline; done when nothing runs. why: for people. */
int manager_stop_all(Manager *manager, uint64_t deadline_usec, const char *why, Completion done);

/* Counts runs, and answers who waits for there being none. */
void manager_run_began(Manager *manager, MachineRun *run);
void manager_run_ended(Manager *manager, MachineRun *run);

/* manager-spawner.c: connects if need be (session mode: starts one). -EIO with *problem. */
int manager_spawner(Manager *manager, SpawnerClient **ret, Problem *problem);
/* An adopted monitor has answered, or never will. */
void manager_adopt_answered(Manager *manager);
