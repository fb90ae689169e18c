/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Failpoints: named steps of a start, an end and a creation at which a test lets the daemon die or
 * fail. VMSERVICED_FAILPOINT=STEP:ACTION, where ACTION is "kill" (SIGKILL to the daemon itself) or
 * "error" (the step fails with EIO); with ":N" after it, at the Nth time the step is reached. Only
 * in builds with -Dtests=true; elsewhere failpoint() is the constant 0.
 */

typedef enum Failpoint {
        FAILPOINT_CREATE_BEGIN,     /* accepted; nothing on disk yet */
        FAILPOINT_CREATE_COPIED,    /* files and record are in the temporary folder */
        FAILPOINT_CREATE_COMMITTED, /* the folder has its name; nobody was told */
        FAILPOINT_START_BEGIN,      /* accepted; nothing done yet */
        FAILPOINT_START_RECORDED,   /* the record says that the run is on */
        FAILPOINT_START_FILES,      /* files and logs are open */
        FAILPOINT_START_SPAWN_SENT, /* the spawner was asked */
        FAILPOINT_START_SPAWNED,    /* the spawner has answered; the socket is not used yet */
        FAILPOINT_START_HELLO_SENT, /* hello is out */
        FAILPOINT_START_SENT,       /* start is out, with the descriptors */
        FAILPOINT_START_GREETED,    /* hello was answered */
        FAILPOINT_START_RUNNING,    /* start was answered; nobody was told */
        FAILPOINT_START_SIGNALLED,  /* the change to running was signalled */
        FAILPOINT_STOP_BEGIN,       /* a stop was accepted */
        FAILPOINT_STOP_BUTTON_SENT, /* the power button is pressed */
        FAILPOINT_STOP_KILL_SENT,   /* the spawner was asked to kill */
        FAILPOINT_END_FRAME,        /* the monitor said that it has ended */
        FAILPOINT_END_EXITED,       /* the spawner said that it has exited */
        FAILPOINT_END_RECORDED,     /* the record has the end; nobody was told */
        FAILPOINT_END_SIGNALLED,    /* the end was signalled; the spawner still keeps it */
        FAILPOINT_END_FORGOTTEN,    /* the spawner was told to forget */
        FAILPOINT_DELETE_BEGIN,     /* a deletion was accepted */
        FAILPOINT_DELETE_RENAMED,   /* it is a machine no more; files of it are still there */
        _FAILPOINT_MAX,
} Failpoint;

const char *failpoint_to_string(Failpoint step);

#ifdef VMSERVICE_FAILPOINTS
/* 0, or -EIO if the step is to fail. */
int failpoint(Failpoint step);
#else
static inline int failpoint(Failpoint step)
{
        (void)step;
        return 0;
}
#endif
