/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store-fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/string-util.h"
#include "tests/unit/unit.h"

void store_fixture_init(StoreFixture *fixture)
{
        strcpy(fixture->folder, "/tmp/vmservice-store-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(fixture->folder));
        (void)snprintf(fixture->state, sizeof(fixture->state), "%s/state", fixture->folder);
        (void)snprintf(fixture->runtime, sizeof(fixture->runtime), "%s/run", fixture->folder);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void)st;
        (void)type;
        (void)ftw;
        return remove(path);
}

void store_fixture_done(StoreFixture *fixture)
{
        (void)nftw(fixture->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

MachineStore *store_fixture_open(const StoreFixture *fixture)
{
        MachineStore *store = NULL;
        Problem problem = {""};

        ck_assert_msg(machine_store_open(fixture->state, fixture->runtime, &store, &problem) == 0,
                      "%s", problem.message);
        return store;
}

MachineRecord record_make(const char *id, const char *name, bool transient)
{
        MachineRecord record = {
                .version = MACHINE_RECORD_VERSION,
                .owner = 1000,
                .transient = transient,
                .run = {.payload_exit_code = -1},
        };
        char text[33] = "00000000000000000000000000000000";

        memcpy(text, id, strlen(id));
        record.id = strdup(text);
        record.name = strdup(name);
        record.config = json_tokener_parse("{\"kernel\": \"k\"}");
        record.files = json_object_new_object();
        return record;
}

static void on_record(MachineRecord *record, void *userdata)
{
        Loaded *loaded = userdata;

        loaded->n++;
        (void)snprintf(loaded->name, sizeof(loaded->name), "%s", record->name);
        loaded->on = record->run.on;
}

Loaded store_fixture_load(const StoreFixture *fixture)
{
        MachineStore *store = store_fixture_open(fixture);
        Loaded loaded = {0};

        ck_assert_int_eq(machine_store_load(store, on_record, &loaded, &loaded.unreadable), 0);
        machine_store_close(store);
        return loaded;
}

static unsigned n_entries;

static int count_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void)path;
        (void)st;
        (void)type;
        (void)ftw;
        n_entries++;
        return 0;
}

unsigned count_entries(const char *path)
{
        n_entries = 0;
        (void)nftw(path, count_entry, 16, FTW_PHYS);
        return n_entries;
}
