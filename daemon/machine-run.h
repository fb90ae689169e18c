/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One run of a machine, from the order to start it to the record of its end:
 *
 *   record "on" -> SPAWN -> hello, console, start -> events -> "ended" and exit status
 *   -> record of the end -> signals -> FORGET
 *
 * The record comes first on both sides, so that whoever follows a killed daemon knows of every
 * child, and reports every end once. machine-run.c begins and drives a run, machine-end.c ends it,
 * machine-control.c does what is asked of a running machine. A run is freed by its end alone, from
 * the event loop; callbacks of others find it by its id.
 */

#include "daemon/manager.h"
#include "daemon/monitor-link.h"
#include "daemon/run-end.h"

#define RUN_FDS_MAX (VM_CONFIG_MAX_FILES + 3U)

struct MachineRun {
        MachineRun *next;
        Manager *manager;
        Machine *machine;
        Id128 id;
        MonitorLink *link;
        int pidfd;
        pid_t pid;
        bool spawning;      /* SPAWN is not answered yet */
        bool child;         /* the spawner has, or had, a child of this id */
        bool adopted;       /* begun by an earlier daemon */
        bool answering;     /* adopted, and its monitor has not answered yet */
        bool started;       /* the vCPUs ran */
        bool button_wanted; /* a stop waits for the start's end */
        bool kill_sent;
        unsigned change; /* counts pauses and resumes: an answer is to the one that it belongs to */
        bool listed;     /* false: not named yet by the LIST that is under way (manager_relist()) */

        int fds[RUN_FDS_MAX]; /* what start takes along: KVM, files, logs */
        bool fd_owned[RUN_FDS_MAX];
        size_t n_fds;
        int console_fd; /* borrowed; -1 */
        bool console_write;

        Completion start_done;
        int start_error; /* what Start answers if the run ends before it ran; 0: by its end */
        Problem start_problem;

        bool has_frame;
        StopReason frame_reason;
        char frame_detail[STOP_DETAIL_MAX]; /* escaped */
        bool has_status;
        int code, status;
        StopReason asked;
        char asked_detail[STOP_DETAIL_MAX];
        const char *lost_detail;
        bool finished;

        uint64_t stop_deadline;       /* CLOCK_MONOTONIC; 0: none */
        sd_event_source *time_source; /* the stop's deadline, then the kill's */
        sd_event_source *defer_source;
        sd_event_source *pidfd_source;
};

/* machine-run.c */

/*
 * Starts a stopped machine. 0: done is called once: with 0 when its vCPUs run, else when the run
 * has ended and nothing of it is left. Negative with *problem: nothing was begun.
 */
int machine_start(Machine *machine, const StartOptions *options, Completion done, Problem *problem);
/* Takes over a run that the spawner still has. socket and pidfd are taken; -1: there is none. */
int machine_adopt_run(Machine *machine, const SpawnerReply *row, int socket, int pidfd);
/* A run whose child is gone without a trace: ends it. */
int machine_adopt_lost(Machine *machine, const char *why);
/* Frees what a run holds; for manager_free(). */
MachineRun *machine_run_free(MachineRun *run);

/* machine-end.c */

void run_on_event(Event event, json_object *body, void *userdata);
void run_on_closed(const char *violation, void *userdata);
/* The start cannot succeed: remembers why, and has the child killed or the run ended. */
void run_fail_start(MachineRun *run, int error, const Problem *problem);
/* Has the monitor killed for this reason; the first reason stays. */
void run_kill(MachineRun *run, StopReason reason, const char *format, ...) _printf_(3, 4);
/* The spawner says that it exited. */
void run_exited(MachineRun *run, int code, int status);
/* The spawner is lost: no exit status will come. */
void run_lost(MachineRun *run, const char *why);
/* From the event loop, soon: the run has no child and ends. */
int run_finish_later(MachineRun *run);
/* Sets the timer that ends waiting: the stop's deadline, then that of the kill. */
int run_arm(MachineRun *run, uint64_t usec_from_now);
void run_press_button(MachineRun *run);

/* machine-control.c; 0: done will be called (not from inside). Negative with *problem: it is not.
 */

int machine_stop(Machine *machine, uint64_t deadline_usec, Completion done, Problem *problem);
int machine_kill(Machine *machine, const char *why, Completion done, Problem *problem);
int machine_pause(Machine *machine, Completion done, Problem *problem);
int machine_resume(Machine *machine, Completion done, Problem *problem);
int machine_reboot(Machine *machine, Completion done, Problem *problem);
/* fd is borrowed: the monitor's end of the console's socket. */
int machine_open_console(Machine *machine, int fd, bool write, bool steal, bool scrollback,
                         Completion done, Problem *problem);
int machine_open_log(Machine *machine, bool previous, int *ret_fd, Problem *problem);
/* func as for monitor_link_call(). */
int machine_stats(Machine *machine, MonitorReplyFunc func, void *userdata, Problem *problem);
