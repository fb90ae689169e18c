/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A record to store, and a pair of folders to store it in. */

#include "daemon/machine-record.h"
#include "daemon/machine-store.h"

typedef struct StoreFixture {
        char folder[64], state[80], runtime[80];
} StoreFixture;

void store_fixture_init(StoreFixture *fixture);
void store_fixture_done(StoreFixture *fixture); /* removes it all */
MachineStore *store_fixture_open(const StoreFixture *fixture);

/* id: the first digits of it, the rest is zeros. */
MachineRecord record_make(const char *id, const char *name, bool transient);

/* What loading finds: how many, and the last record's name and whether its run is on. */
typedef struct Loaded {
        unsigned n;
        char name[65];
        bool on;
        size_t unreadable;
} Loaded;
Loaded store_fixture_load(const StoreFixture *fixture);

/* The number of files and folders below path. */
unsigned count_entries(const char *path);
