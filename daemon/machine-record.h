/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What outlives the daemon of a machine: the JSON object in its folder. One field table reads and
 * writes it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/id128.h"
#include "common/json-fields.h"
#include "daemon/problem.h"
#include "vmservice-names.h"

#define MACHINE_RECORD_VERSION 1U
#define MACHINE_RECORD_MAX     (256U * 1024U) /* bytes; a config is at most 32 KiB */
#define STOP_DETAIL_MAX        768U           /* bytes of StopDetail that are kept */

/* The current run (on) or the last one. */
typedef struct RunRecord {
        char *id;       /* RunId; NULL: never run */
        bool on;        /* a monitor was asked for and its end is not recorded yet */
        char *boot_id;  /* the host's boot that it was started in */
        char *bound_to; /* lifetime "bound": the unique bus name whose end ends the run */
        char *bus_id;   /* the bus on which that name means something */
        uint64_t started_at, stopped_at; /* CLOCK_REALTIME microseconds; 0: not (yet) */
        int stop_reason;                 /* StopReason */
        char *stop_detail;
        int payload_state; /* PayloadState */
        int64_t payload_exit_code;
} RunRecord;

typedef struct MachineRecord {
        uint64_t version;
        char *id;   /* 32 hexadecimal digits */
        char *name; /* unique for its owner */
        uint64_t owner;
        bool transient;
        bool bound;            /* lifetime */
        json_object *config;   /* normalized VmConfig */
        json_object *files;    /* file key -> name in the machine's folder; empty if transient */
        uint64_t images_bytes; /* of those files, for the limit */
        RunRecord run;
} MachineRecord;

/* A record that is filled by load or by hand; done() frees what it holds. */
void machine_record_done(MachineRecord *record);

/*
 * 0; -EBADMSG with *problem for what this version did not write: not JSON, unknown keys, another
 * version, an id or a name that breaks its rules; -ENOMEM.
 */
int machine_record_parse(const char *text, size_t length, MachineRecord *ret, Problem *problem);

/* The text to write, NUL-terminated; the caller frees it. */
int machine_record_format(const MachineRecord *record, char **ret_text, size_t *ret_length);

/* The name, in the machine's folder, of the file that the config calls key; NULL if none. */
const char *machine_record_file(const MachineRecord *record, const char *key);
