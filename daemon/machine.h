/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A machine: its record, its state and who waits for what. The state machine stands here, apart
 * from what drives it (machine-run.h) and from the bus (machine-dbus.c), which watches as the
 * observer.
 *
 * State moves by this table and no other way (machine_state_may_follow()):
 *   stopped  -> starting
 *   starting -> running, stopping, stopped
 *   running  -> pausing, stopping, stopped
 *   pausing  -> paused, running (it could not be paused), stopping, stopped
 *   paused   -> resuming, stopping, stopped
 *   resuming -> running, paused (it could not be resumed), stopping, stopped
 *   stopping -> stopped
 * PayloadState moves forward only within a run.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/machine-record.h"
#include "daemon/problem.h"
#include "vmconfig/vm-config.h"
#include "vmservice-names.h"

typedef struct Machine Machine;
typedef struct Manager Manager;
typedef struct MachineRun MachineRun;

typedef struct Waiter Waiter;
struct Waiter {
        Waiter *next;
        Completion completion;
};

/* Who is told of changes: the bus. Each may be NULL. A machine is whole while it is told. */
typedef struct MachineObserver {
        void (*added)(Machine *machine, void *userdata);
        void (*removed)(Machine *machine, void *userdata);
        void (*state_changed)(Machine *machine, MachineState old, void *userdata);
        void (*payload_changed)(Machine *machine, void *userdata);
        void (*stopped)(Machine *machine, void *userdata); /* once for each run, after the state */
        void (*config_changed)(Machine *machine, void *userdata);
        /* Whether the client of this unique name is on the bus now (for lifetime "bound"). */
        bool (*client_is_present)(const char *name, void *userdata);
} MachineObserver;

struct Machine {
        Manager *manager;
        Machine *next; /* in the manager's table */
        MachineRecord record;
        VmConfig config; /* the record's, parsed */
        MachineState state;
        pid_t monitor_pid;
        MachineRun *run;       /* while there is a monitor, or one is being made */
        bool creating;         /* its name is taken; nobody sees it yet */
        const char *busy;      /* what is done to the stopped machine now; "its files are ..." */
        bool discard;          /* made by a call whose start failed: goes with the end of its run */
        bool lingering;        /* a transient machine that has ended and waits to be asked how */
        uint64_t linger_until; /* CLOCK_MONOTONIC microseconds */
        Waiter *end_waiters;   /* Stop, Kill */
        Waiter *change_waiters; /* Pause while pausing, Resume while resuming */
        Waiter *create_waiters; /* GetOrCreateMachine while creating */
        const MachineObserver *observer;
        void *observer_userdata;
};

/* Takes over the record (which is emptied) and parses its config. -EBADMSG with *problem. */
int machine_new(MachineRecord *record, Machine **ret, Problem *problem);
/* Waiters must have been answered. Takes NULL. */
Machine *machine_free(Machine *machine);
DEFINE_CLEANUP_FUNC(Machine *, machine_free);

bool machine_state_may_follow(MachineState from, MachineState to);

/* Moves by the table and tells the observer; -EINVAL outside it. The same state again is 0, silent.
 */
int machine_set_state(Machine *machine, MachineState state);

/* No transition: where a run of an earlier daemon is found. Told, too: it may be found late. */
void machine_find_state(Machine *machine, MachineState state);

/* Moves forward only: -EINVAL backwards. The same state again is 0 and tells nobody. */
int machine_set_payload(Machine *machine, PayloadState state, int64_t exit_code);

/* A new run: forgets the last one. The record is not written here. */
int machine_begin_run(Machine *machine, const Id128 *run_id, const char *boot_id);
/* How the run ended: into the record; the observer is told by the change to stopped. */
void machine_end_run(Machine *machine, StopReason reason, const char *detail, uint64_t now_usec);

/* Root sees all; the owner its own. */
bool machine_is_visible_to(const Machine *machine, uid_t uid);

/* "running", for messages. */
const char *machine_state_word(const Machine *machine);

/* Waiter lists. add: -ENOMEM. done empties the list and answers each; new ones may join meanwhile.
 */
int waiters_add(Waiter **list, Completion completion);
void waiters_done(Waiter **list, int error, const Problem *problem);
/* Takes the waiter with this userdata out, unanswered; whether there was one. */
bool waiters_remove(Waiter **list, const void *userdata);

/* CLOCK_REALTIME, microseconds. */
uint64_t realtime_usec(void);
