/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/machine.h"

#include <errno.h>

#include "common/string-util.h"
#include "tests/unit/unit.h"

/* machine.h's table, restated: a row per state, a column per follower in the order of the enum. */
static const char *const table[_MACHINE_STATE_MAX] = {
        /*                          stopped starting running pausing paused resuming stopping */
        [MACHINE_STATE_STOPPED] = "0100000",  [MACHINE_STATE_STARTING] = "1010001",
        [MACHINE_STATE_RUNNING] = "1001001",  [MACHINE_STATE_PAUSING] = "1010101",
        [MACHINE_STATE_PAUSED] = "1000011",   [MACHINE_STATE_RESUMING] = "1010101",
        [MACHINE_STATE_STOPPING] = "1000000",
};

typedef struct Seen {
        unsigned states, payloads;
        MachineState old;
} Seen;

static void on_state(Machine *machine, MachineState old, void *userdata)
{
        Seen *seen = userdata;

        (void)machine;
        seen->states++;
        seen->old = old;
}

static void on_payload(Machine *machine, void *userdata)
{
        (void)machine;
        ((Seen *)userdata)->payloads++;
}

static const MachineObserver observer = {.state_changed = on_state, .payload_changed = on_payload};

static Machine *make(Seen *seen)
{
        MachineRecord record = {.version = 1, .owner = 1000};
        JsonProblem json_problem;
        Problem problem = {""};
        Machine *machine;

        record.id = strdup("00112233445566778899aabbccddeeff");
        record.name = strdup("one");
        record.files = json_object_new_object();
        ck_assert_int_eq(json_parse_strict("{\"kernel\":\"k\"}", 14, &record.config, &json_problem),
                         0);
        ck_assert_msg(machine_new(&record, &machine, &problem) == 0, "%s", problem.message);
        ck_assert_ptr_null(record.name); /* taken over */
        machine->observer = &observer;
        machine->observer_userdata = seen;
        return machine;
}

START_TEST(test_table)
{
        for (int from = 0; from < _MACHINE_STATE_MAX; from++)
                for (int to = 0; to < _MACHINE_STATE_MAX; to++)
                        ck_assert_msg(
                                machine_state_may_follow((MachineState)from, (MachineState)to) ==
                                        (table[from][to] == '1'),
                                "%s -> %s", machine_state_to_string((MachineState)from),
                                machine_state_to_string((MachineState)to));
        ck_assert(!machine_state_may_follow(_MACHINE_STATE_MAX, MACHINE_STATE_STOPPED));
        ck_assert(!machine_state_may_follow(MACHINE_STATE_STOPPED, _MACHINE_STATE_MAX));
}
END_TEST

/* Every transition is told once, none outside the table happens, and the same state is silent. */
START_TEST(test_set_state)
{
        for (int from = 0; from < _MACHINE_STATE_MAX; from++)
                for (int to = 0; to < _MACHINE_STATE_MAX; to++) {
                        Seen seen = {0};
                        Machine *machine = make(&seen);
                        bool allowed = table[from][to] == '1';
                        int r;

                        machine->state = (MachineState)from;
                        r = machine_set_state(machine, (MachineState)to);
                        ck_assert_int_eq(r, allowed || from == to ? 0 : -EINVAL);
                        ck_assert_int_eq(machine->state, allowed ? to : from);
                        ck_assert_uint_eq(seen.states, allowed);
                        if (allowed)
                                ck_assert_int_eq(seen.old, from);
                        machine_free(machine);
                }
}
END_TEST

START_TEST(test_payload_moves_forward)
{
        Seen seen = {0};
        Machine *machine = make(&seen);

        ck_assert_int_eq(machine_set_payload(machine, PAYLOAD_STATE_READY, 9), 0);
        ck_assert_int_eq(machine->record.run.payload_exit_code, -1); /* not finished */
        ck_assert_int_eq(machine_set_payload(machine, PAYLOAD_STATE_STARTED, 0), -EINVAL);
        ck_assert_int_eq(machine_set_payload(machine, PAYLOAD_STATE_READY, 0), 0);
        ck_assert_uint_eq(seen.payloads, 1);
        ck_assert_int_eq(machine_set_payload(machine, PAYLOAD_STATE_FINISHED, -3), 0);
        ck_assert_int_eq(machine->record.run.payload_exit_code, -3);
        ck_assert_int_eq(machine_set_payload(machine, _PAYLOAD_STATE_MAX, 0), -EINVAL);
        ck_assert_uint_eq(seen.payloads, 2);
        machine_free(machine);
}
END_TEST

START_TEST(test_runs)
{
        Seen seen = {0};
        Machine *machine = make(&seen);
        Id128 id = {{1}};

        ck_assert_int_eq(machine_begin_run(machine, &id, "boot"), 0);
        ck_assert_str_eq(machine->record.run.id, "01000000000000000000000000000000");
        ck_assert(machine->record.run.on);
        ck_assert_int_eq(machine_set_payload(machine, PAYLOAD_STATE_FINISHED, 4), 0);
        machine_end_run(machine, STOP_REASON_SHUTDOWN, "off", 77);
        ck_assert(!machine->record.run.on);
        ck_assert_str_eq(machine->record.run.stop_detail, "off");
        ck_assert_uint_eq(machine->record.run.stopped_at, 77);
        /* A new run forgets how the last one went. */
        ck_assert_int_eq(machine_begin_run(machine, &id, "boot"), 0);
        ck_assert_int_eq(machine->record.run.stop_reason, STOP_REASON_NONE);
        ck_assert_ptr_null(machine->record.run.stop_detail);
        ck_assert_int_eq(machine->record.run.payload_state, PAYLOAD_STATE_NONE);
        ck_assert_int_eq(machine->record.run.payload_exit_code, -1);
        ck_assert_uint_eq(machine->record.run.stopped_at, 0);
        machine_free(machine);
}
END_TEST

START_TEST(test_visibility)
{
        Seen seen = {0};
        Machine *machine = make(&seen);

        ck_assert(machine_is_visible_to(machine, 0));
        ck_assert(machine_is_visible_to(machine, 1000));
        ck_assert(!machine_is_visible_to(machine, 1001));
        machine->creating = true;
        ck_assert(!machine_is_visible_to(machine, 0));
        ck_assert(!machine_is_visible_to(machine, 1000));
        machine_free(machine);
}
END_TEST

static unsigned n_done, last_error;

static void on_done(void *userdata, int error, const Problem *problem)
{
        Waiter **again = userdata;

        ck_assert_ptr_nonnull(problem);
        n_done++;
        last_error = (unsigned)-error;
        if (again) /* one that waits anew must not be answered by the same answer */
                ck_assert_int_eq(waiters_add(again, (Completion){on_done, NULL}), 0);
}

START_TEST(test_waiters)
{
        Waiter *list = NULL;

        ck_assert_int_eq(waiters_add(&list, (Completion){on_done, NULL}), 0);
        ck_assert_int_eq(waiters_add(&list, (Completion){on_done, &list}), 0);
        waiters_done(&list, -EBUSY, NULL);
        ck_assert_uint_eq(n_done, 2);
        ck_assert_uint_eq(last_error, EBUSY);
        ck_assert_ptr_nonnull(list);
        waiters_done(&list, 0, NULL);
        ck_assert_uint_eq(n_done, 3);
        ck_assert_ptr_null(list);
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_test(tcase, test_table);
        tcase_add_test(tcase, test_set_state);
        tcase_add_test(tcase, test_payload_moves_forward);
        tcase_add_test(tcase, test_runs);
        tcase_add_test(tcase, test_visibility);
        tcase_add_test(tcase, test_waiters);
}

int main(void)
{
        return unit_run("machine", add_tests);
}
