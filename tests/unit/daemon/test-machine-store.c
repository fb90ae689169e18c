/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/machine-store.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/string-util.h"
#include "store-fixture.h"
#include "tests/unit/unit.h"

static StoreFixture fixture;

static void setup(void)
{
        log_set_max_level(LOG_EMERG);
        store_fixture_init(&fixture);
}

static void teardown(void)
{
        store_fixture_done(&fixture);
}

static void create(MachineStore *store, MachineRecord *record)
{
        int dir;

        ck_assert_int_eq(machine_store_prepare(store, record, &dir), 0);
        if (record->transient)
                ck_assert_int_eq(machine_store_save(store, record), 0);
        else
                ck_assert_int_eq(machine_store_write_record(dir, record, true), 0);
        ck_assert_int_eq(machine_store_commit(store, record), 0);
        (void)fd_close(dir);
}

START_TEST(test_life)
{
        for (int transient = 0; transient < 2; transient++) {
                MachineStore *store = store_fixture_open(&fixture);
                MachineRecord record = record_make("1", "one", transient);
                Loaded loaded;

                create(store, &record);
                record.run.id = strdup("00112233445566778899aabbccddeeff");
                record.run.on = true;
                ck_assert_int_eq(machine_store_save(store, &record), 0);
                machine_store_close(store);
                loaded = store_fixture_load(&fixture);
                ck_assert_uint_eq(loaded.n, 1);
                ck_assert_str_eq(loaded.name, "one");
                ck_assert(loaded.on);
                store = store_fixture_open(&fixture);
                ck_assert_int_eq(machine_store_remove(store, &record), 0);
                ck_assert_int_eq(machine_store_remove(store, &record), -ENOENT);
                machine_store_close(store);
                ck_assert_uint_eq(store_fixture_load(&fixture).n, 0);
                machine_record_done(&record);
        }
        /* The folders, each "machines", and the lock. */
        ck_assert_uint_eq(count_entries(fixture.folder), 6);
}
END_TEST

static bool modes_right;

static int check_mode(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        mode_t expected = type == FTW_D ? 0700 : 0600;

        (void)ftw;
        if ((st->st_mode & 07777) != expected) {
                (void)fprintf(stderr, "%s has mode %o\n", path, (unsigned)st->st_mode & 07777);
                modes_right = false;
        }
        return 0;
}

START_TEST(test_modes)
{
        MachineStore *store;
        MachineRecord record = record_make("1", "one", false);
        int fd;

        (void)umask(0);
        ck_assert_int_eq(mkdir(fixture.state, 0777), 0); /* made by somebody careless */
        store = store_fixture_open(&fixture);
        create(store, &record);
        ck_assert_int_eq(
                machine_store_open_file(store, &record, MACHINE_STORE_LOG, O_RDWR | O_CREAT, &fd),
                0);
        (void)fd_close(fd);
        modes_right = true;
        (void)nftw(fixture.state, check_mode, 16, FTW_PHYS);
        (void)nftw(fixture.runtime, check_mode, 16, FTW_PHYS);
        ck_assert(modes_right);
        machine_record_done(&record);
        machine_store_close(store);
}
END_TEST

START_TEST(test_one_daemon)
{
        MachineStore *store = store_fixture_open(&fixture), *second = NULL;
        Problem problem = {""};

        ck_assert_int_eq(machine_store_open(fixture.state, fixture.runtime, &second, &problem),
                         -EBUSY);
        ck_assert_ptr_nonnull(strstr(problem.message, "another vmserviced"));
        machine_store_close(store);
        ck_assert_int_eq(machine_store_open(fixture.state, fixture.runtime, &second, &problem), 0);
        machine_store_close(second);
}
END_TEST

static void put(const char *path, const char *text)
{
        char whole[256];
        int fd;

        (void)snprintf(whole, sizeof(whole), "%s/%s", fixture.folder, path);
        fd = open(whole, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        ck_assert_msg(fd >= 0, "%s", whole);
        ck_assert_int_eq(fd_write_full(fd, text, strlen(text)), 0);
        (void)fd_close(fd);
}

static void make_folder(const char *path)
{
        char whole[256];

        (void)snprintf(whole, sizeof(whole), "%s/%s", fixture.folder, path);
        ck_assert_int_eq(mkdir(whole, 0700), 0);
}

#define ID "abcdefabcdefabcdefabcdefabcdefab"

/* Our own state, unreadable: said, left alone, and no reason not to serve the rest. */
START_TEST(test_unreadable)
{
        static const char *const texts[] = {"", "{", "[]", "{\"version\": 1}", "\xff\xfe"};
        MachineStore *store = store_fixture_open(&fixture);
        MachineRecord record = record_make("1", "good", false);

        create(store, &record);
        machine_store_close(store);
        make_folder("state/machines/" ID);
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                Loaded loaded;

                put("state/machines/" ID "/record.json", texts[i]);
                put("state/machines/" ID "/file-1", "kept");
                loaded = store_fixture_load(&fixture);
                ck_assert_uint_eq(loaded.n, 1);
                ck_assert_str_eq(loaded.name, "good");
                ck_assert_uint_eq(loaded.unreadable, 1);
        }
        ck_assert_uint_eq(count_entries(fixture.state), 7); /* nothing of it was removed */
        machine_record_done(&record);
}
END_TEST

START_TEST(test_leftovers)
{
        MachineStore *store = store_fixture_open(&fixture);
        MachineRecord record = record_make("1", "good", false);

        create(store, &record);
        machine_store_close(store);
        make_folder("state/machines/.new-" ID);
        put("state/machines/.new-" ID "/file-1", "half a ker");
        make_folder("state/machines/.del-" ID);
        put("state/machines/.del-" ID "/record.json", "{}");
        make_folder("run/machines/" ID); /* killed before the first record */
        put("state/machines/10000000000000000000000000000000/file-dead", "unnamed");
        put("state/machines/10000000000000000000000000000000/.record.json.tmp", "half");
        ck_assert_uint_eq(store_fixture_load(&fixture).n, 1);
        ck_assert_uint_eq(count_entries(fixture.state), 4);
        ck_assert_uint_eq(count_entries(fixture.runtime), 3);
        machine_record_done(&record);
}
END_TEST

/* The record's folder is the record's: a copy elsewhere is not a machine. */
START_TEST(test_misplaced)
{
        MachineStore *store = store_fixture_open(&fixture);
        MachineRecord record = record_make("1", "good", false);
        char from[256], to[256];

        create(store, &record);
        machine_store_close(store);
        (void)snprintf(from, sizeof(from), "%s/machines/%s", fixture.state, record.id);
        (void)snprintf(to, sizeof(to), "%s/machines/" ID, fixture.state);
        ck_assert_int_eq(rename(from, to), 0);
        ck_assert_uint_eq(store_fixture_load(&fixture).unreadable, 1);
        (void)snprintf(from, sizeof(from), "%s/machines/%s", fixture.runtime, record.id);
        ck_assert_int_eq(rename(to, from), 0);
        ck_assert_uint_eq(store_fixture_load(&fixture).unreadable, 1);
        machine_record_done(&record);
}
END_TEST

/* What the killed process was about; the record is the fixture's. */
static void act_create(MachineStore *store, MachineRecord *record)
{
        int dir;

        if (machine_store_prepare(store, record, &dir) < 0 ||
            (record->transient ? machine_store_save(store, record)
                               : machine_store_write_record(dir, record, true)) < 0)
                _exit(1);
        (void)machine_store_commit(store, record);
}

static void act_save(MachineStore *store, MachineRecord *record)
{
        record->run.id = strdup("00112233445566778899aabbccddeeff");
        record->run.on = true;
        (void)machine_store_save(store, record);
}

static void act_remove(MachineStore *store, MachineRecord *record)
{
        (void)machine_store_remove(store, record);
}

/*
 * Runs act in a process that is killed at its nth system call. Whether it got to its end first.
 */
static bool run_killed_at(void (*act)(MachineStore *store, MachineRecord *record),
                          MachineRecord *record, unsigned n)
{
        pid_t pid = fork();
        int status;

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                MachineStore *store = store_fixture_open(&fixture);

                if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGSTOP) != 0)
                        _exit(77);
                act(store, record);
                _exit(0);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFSTOPPED(status), "ptrace(2) does not work here");
        for (unsigned i = 0; i < n; i++) {
                ck_assert_int_eq(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
                ck_assert_int_eq(waitpid(pid, &status, 0), pid);
                if (WIFEXITED(status)) {
                        ck_assert_int_eq(WEXITSTATUS(status), 0);
                        return true;
                }
        }
        (void)kill(pid, SIGKILL);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        return false;
}

typedef struct Sequence {
        const char *name;
        void (*act)(MachineStore *store, MachineRecord *record);
        bool exists_before, exists_after, transient;
} Sequence;

static const Sequence sequences[] = {
        {"create", act_create, false, true, false},
        {"create transient", act_create, false, true, true},
        {"save", act_save, true, true, false},
        {"save transient", act_save, true, true, true},
        {"remove", act_remove, true, false, false},
        {"remove transient", act_remove, true, false, true},
};

/*
 * Every prefix of the sequence of system calls (each one is met twice: before and after it): then
 * there is the old or the new, never a part, never anything unreadable, never a leftover.
 */
START_TEST(test_every_prefix)
{
        const Sequence *sequence = &sequences[_i];
        bool done = false, seen_old = false, seen_new = false;
        unsigned n;

        for (n = 0; !done; n++) {
                MachineRecord record = record_make("1", "one", sequence->transient);
                const char *tree = sequence->transient ? fixture.runtime : fixture.state;
                bool is_new;
                Loaded loaded;

                ck_assert_uint_lt(n, 2000);
                if (sequence->exists_before) {
                        MachineStore *store = store_fixture_open(&fixture);

                        create(store, &record);
                        machine_store_close(store);
                }
                done = run_killed_at(sequence->act, &record, n);
                loaded = store_fixture_load(&fixture);
                ck_assert_uint_eq(loaded.unreadable, 0);
                if (sequence->exists_before && sequence->exists_after) {
                        ck_assert_uint_eq(loaded.n, 1);
                        is_new = loaded.on;
                } else {
                        ck_assert_uint_le(loaded.n, 1);
                        is_new = loaded.n == sequence->exists_after;
                }
                ck_assert_uint_eq(count_entries(tree),
                                  2U + (sequence->transient ? 1 : 0) + 2U * loaded.n);
                seen_old = seen_old || !is_new;
                seen_new = seen_new || is_new;
                if (done)
                        ck_assert(is_new);
                machine_record_done(&record);
                teardown();
                setup();
        }
        ck_assert_msg(seen_old && seen_new, "%s: the change was not among %u steps", sequence->name,
                      n);
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, test_life);
        tcase_add_test(tcase, test_modes);
        tcase_add_test(tcase, test_one_daemon);
        tcase_add_test(tcase, test_unreadable);
        tcase_add_test(tcase, test_leftovers);
        tcase_add_test(tcase, test_misplaced);
        tcase_add_loop_test(tcase, test_every_prefix, 0, (int)ARRAY_SIZE(sequences));
}

int main(void)
{
        return unit_run("machine-store", add_tests);
}
