/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvmclient/vm-client-ledger.h"

#include "tests/unit/unit.h"

/* A machine as the daemon has it, and a ledger that hears of it, with gaps. */
typedef struct Story {
        ClientValues truth;
        ClientLedger ledger;
        gboolean hears;
        GPtrArray *events;
} Story;

static void story_begin(Story *story)
{
        client_values_init(&story->truth);
        client_ledger_init(&story->ledger, &story->truth);
        story->hears = TRUE;
        story->events = g_ptr_array_new_with_free_func(client_event_free);
}

static void story_end(Story *story)
{
        client_values_done(&story->truth);
        client_ledger_done(&story->ledger);
        g_ptr_array_unref(story->events);
}

static void story_state(Story *story, VmClientMachineState state)
{
        client_values_set_state(&story->truth, state);
        if (story->hears)
                client_ledger_state_changed(&story->ledger, story->truth.run_id, state,
                                            story->events);
}

static void story_start(Story *story, const char *run_id)
{
        client_values_set_run(&story->truth, run_id);
        story_state(story, VM_CLIENT_MACHINE_STATE_STARTING);
        story_state(story, VM_CLIENT_MACHINE_STATE_RUNNING);
}

static void story_payload(Story *story, VmClientPayloadState state)
{
        int code = state == VM_CLIENT_PAYLOAD_STATE_FINISHED ? 3 : -1;

        client_values_set_payload(&story->truth, state, code);
        if (story->hears)
                client_ledger_payload(&story->ledger, story->truth.run_id, state, code,
                                      story->events);
}

static void story_stop(Story *story, VmClientStopReason reason)
{
        story_state(story, VM_CLIENT_MACHINE_STATE_STOPPING);
        story_state(story, VM_CLIENT_MACHINE_STATE_STOPPED);
        client_values_set_stopped(&story->truth, reason, "so it went");
        if (story->hears)
                client_ledger_stopped(&story->ledger, story->truth.run_id, reason, "so it went",
                                      story->events);
}

static void story_hear(Story *story, gboolean hears)
{
        if (hears && !story->hears)
                client_ledger_reconcile(&story->ledger, &story->truth, story->events);
        story->hears = hears;
}

/* "running started STOPPED/SHUTDOWN ..." */
static char *told(Story *story)
{
        GString *out = g_string_new(NULL);

        for (guint i = 0; i < story->events->len; i++) {
                const ClientEvent *event = story->events->pdata[i];

                g_string_append_printf(out, "%s%s:", i ? " " : "", event->run_id);
                switch (event->type) {
                case CLIENT_EVENT_STATE_CHANGED:
                        g_string_append(out, vm_client_machine_state_to_string(event->new_state));
                        break;
                case CLIENT_EVENT_PAYLOAD_STARTED:
                        g_string_append(out, "S");
                        break;
                case CLIENT_EVENT_PAYLOAD_READY:
                        g_string_append(out, "R");
                        break;
                case CLIENT_EVENT_PAYLOAD_FINISHED:
                        g_string_append_printf(out, "F%d", event->exit_code);
                        break;
                case CLIENT_EVENT_STOPPED:
                        g_string_append(out, vm_client_stop_reason_to_string(event->reason));
                        break;
                default:
                        ck_abort();
                }
        }
        return g_string_free(out, FALSE);
}

static void expect(Story *story, const char *expected)
{
        g_autofree char *got = told(story);

        ck_assert_str_eq(got, expected);
}

START_TEST(test_whole_run)
{
        Story story;

        story_begin(&story);
        story_start(&story, "a");
        story_payload(&story, VM_CLIENT_PAYLOAD_STATE_STARTED);
        story_payload(&story, VM_CLIENT_PAYLOAD_STATE_READY);
        story_payload(&story, VM_CLIENT_PAYLOAD_STATE_FINISHED);
        story_stop(&story, VM_CLIENT_STOP_REASON_SHUTDOWN);
        expect(&story, "a:starting a:running a:S a:R a:F3 a:stopping a:stopped a:SHUTDOWN");
        story_end(&story);
}
END_TEST

START_TEST(test_everything_twice_is_told_once)
{
        Story story;

        story_begin(&story);
        for (int i = 0; i < 2; i++) {
                client_ledger_state_changed(&story.ledger, "a", VM_CLIENT_MACHINE_STATE_RUNNING,
                                            story.events);
                client_ledger_payload(&story.ledger, "a", VM_CLIENT_PAYLOAD_STATE_READY, -1,
                                      story.events);
        }
        for (int i = 0; i < 2; i++)
                client_ledger_stopped(&story.ledger, "a", VM_CLIENT_STOP_REASON_CRASH, "",
                                      story.events);
        expect(&story, "a:running a:S a:R a:CRASH");
        story_end(&story);
}
END_TEST

START_TEST(test_end_missed)
{
        Story story;

        story_begin(&story);
        story_start(&story, "a");
        story_hear(&story, FALSE);
        story_payload(&story, VM_CLIENT_PAYLOAD_STATE_FINISHED);
        story_stop(&story, VM_CLIENT_STOP_REASON_GUEST_PANIC);
        story_hear(&story, TRUE);
        expect(&story, "a:starting a:running a:S a:F3 a:stopped a:GUEST_PANIC");
        story_end(&story);
}
END_TEST

START_TEST(test_whole_run_missed)
{
        Story story;

        story_begin(&story);
        story_hear(&story, FALSE);
        story_start(&story, "a");
        story_stop(&story, VM_CLIENT_STOP_REASON_KILLED);
        story_hear(&story, TRUE);
        expect(&story, "a:KILLED");
        story_end(&story);
}
END_TEST

START_TEST(test_end_of_one_and_beginning_of_next_missed)
{
        Story story;

        story_begin(&story);
        story_start(&story, "a");
        story_hear(&story, FALSE);
        story_stop(&story, VM_CLIENT_STOP_REASON_SHUTDOWN);
        story_start(&story, "b");
        story_payload(&story, VM_CLIENT_PAYLOAD_STATE_READY);
        story_hear(&story, TRUE);
        expect(&story, "a:starting a:running a:UNKNOWN b:S b:R");
        /* What of the old run is still on its way comes too late. */
        client_ledger_stopped(&story.ledger, "a", VM_CLIENT_STOP_REASON_SHUTDOWN, "", story.events);
        client_ledger_state_changed(&story.ledger, "a", VM_CLIENT_MACHINE_STATE_STOPPED,
                                    story.events);
        story_stop(&story, VM_CLIENT_STOP_REASON_REBOOT);
        expect(&story, "a:starting a:running a:UNKNOWN b:S b:R b:stopping b:stopped b:REBOOT");
        story_end(&story);
}
END_TEST

START_TEST(test_nothing_missed_is_nothing_told)
{
        Story story;

        story_begin(&story);
        story_hear(&story, FALSE);
        story_hear(&story, TRUE);
        expect(&story, "");
        story_start(&story, "a");
        story_hear(&story, FALSE);
        story_hear(&story, TRUE);
        story_stop(&story, VM_CLIENT_STOP_REASON_SHUTDOWN);
        story_hear(&story, FALSE);
        story_hear(&story, TRUE);
        expect(&story, "a:starting a:running a:stopping a:stopped a:SHUTDOWN");
        story_end(&story);
}
END_TEST

START_TEST(test_what_was_before_us_is_not_told)
{
        ClientLedger ledger;
        ClientValues values;
        g_autoptr(GPtrArray) events = g_ptr_array_new_with_free_func(client_event_free);

        client_values_init(&values);
        client_values_set_run(&values, "a");
        client_values_set_payload(&values, VM_CLIENT_PAYLOAD_STATE_FINISHED, 0);
        client_values_set_stopped(&values, VM_CLIENT_STOP_REASON_CRASH, "x");
        client_ledger_init(&ledger, &values);
        client_ledger_reconcile(&ledger, &values, events);
        client_ledger_stopped(&ledger, "a", VM_CLIENT_STOP_REASON_CRASH, "x", events);
        client_ledger_gone(&ledger, events);
        ck_assert_uint_eq(events->len, 0);
        ck_assert_int_eq(ledger.reason, VM_CLIENT_STOP_REASON_CRASH);
        client_ledger_done(&ledger);
        client_values_done(&values);
}
END_TEST

START_TEST(test_gone_while_running)
{
        Story story;

        story_begin(&story);
        story_start(&story, "a");
        client_ledger_gone(&story.ledger, story.events);
        client_ledger_gone(&story.ledger, story.events);
        expect(&story, "a:starting a:running a:stopped a:UNKNOWN");
        story_end(&story);
}
END_TEST

/* A daemon that forgot how the run ended must not leave anybody waiting. */
START_TEST(test_stopped_without_reason)
{
        Story story;

        story_begin(&story);
        story_start(&story, "a");
        story_hear(&story, FALSE);
        client_values_set_state(&story.truth, VM_CLIENT_MACHINE_STATE_STOPPED);
        story_hear(&story, TRUE);
        expect(&story, "a:starting a:running a:stopped a:UNKNOWN");
        story_end(&story);
}
END_TEST

START_TEST(test_messages_without_a_run)
{
        Story story;

        story_begin(&story);
        client_ledger_state_changed(&story.ledger, "", VM_CLIENT_MACHINE_STATE_RUNNING,
                                    story.events);
        client_ledger_payload(&story.ledger, "", VM_CLIENT_PAYLOAD_STATE_STARTED, -1, story.events);
        client_ledger_stopped(&story.ledger, "", VM_CLIENT_STOP_REASON_CRASH, "", story.events);
        ck_assert(story.ledger.over);
        story_end(&story);
}
END_TEST

/* Of each run at most one of each event, no event after STOPPED but the last states, and STOPPED
 * for each run that was heard of, with the true reason if it was the last one. */
static void check_once(Story *story)
{
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(GHashTable) runs = g_hash_table_new(g_str_hash, g_str_equal);

        for (guint i = 0; i < story->events->len; i++) {
                const ClientEvent *event = story->events->pdata[i];

                g_hash_table_add(runs, event->run_id);
                if (event->type == CLIENT_EVENT_STATE_CHANGED) {
                        ck_assert_int_ne(event->old_state, event->new_state);
                        continue;
                }
                ck_assert(g_hash_table_add(
                        seen, g_strdup_printf("%s/%d", event->run_id, (int)event->type)));
                if (event->type == CLIENT_EVENT_STOPPED &&
                    g_str_equal(event->run_id, story->truth.run_id))
                        ck_assert_int_eq(event->reason, story->truth.stop_reason);
        }
        for (GList *at = g_hash_table_get_keys(runs), *list = at;; at = at->next) {
                g_autofree char *key = NULL;

                if (!at) {
                        g_list_free(list);
                        break;
                }
                key = g_strdup_printf("%s/%d", (char *)at->data, (int)CLIENT_EVENT_STOPPED);
                ck_assert_msg(g_hash_table_contains(seen, key), "run %s has no end",
                              (char *)at->data);
        }
}

/* Histories at random, heard with gaps at random. */
START_TEST(test_random)
{
        g_autoptr(GRand) rand = g_rand_new_with_seed(20261123);

        for (int round = 0; round < 2000; round++) {
                Story story;
                int runs = g_rand_int_range(rand, 1, 5);

                story_begin(&story);
                for (int run = 0; run < runs; run++) {
                        g_autofree char *id = g_strdup_printf("r%d", run);

                        story_hear(&story, g_rand_boolean(rand));
                        story_start(&story, id);
                        for (int payload = 1; payload <= 3; payload++) {
                                story_hear(&story, g_rand_boolean(rand));
                                if (g_rand_boolean(rand))
                                        story_payload(&story, (VmClientPayloadState)payload);
                        }
                        story_hear(&story, g_rand_boolean(rand));
                        story_stop(&story, (VmClientStopReason)g_rand_int_range(
                                                   rand, VM_CLIENT_STOP_REASON_SHUTDOWN,
                                                   VM_CLIENT_STOP_REASON_UNKNOWN));
                }
                story_hear(&story, TRUE);
                check_once(&story);
                ck_assert_int_eq(story.ledger.state, story.truth.state);
                ck_assert_int_eq(story.ledger.payload_state, story.truth.payload_state);
                ck_assert(story.ledger.over);
                story_end(&story);
        }
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_test(tcase, test_whole_run);
        tcase_add_test(tcase, test_everything_twice_is_told_once);
        tcase_add_test(tcase, test_end_missed);
        tcase_add_test(tcase, test_whole_run_missed);
        tcase_add_test(tcase, test_end_of_one_and_beginning_of_next_missed);
        tcase_add_test(tcase, test_nothing_missed_is_nothing_told);
        tcase_add_test(tcase, test_what_was_before_us_is_not_told);
        tcase_add_test(tcase, test_gone_while_running);
        tcase_add_test(tcase, test_stopped_without_reason);
        tcase_add_test(tcase, test_messages_without_a_run);
        tcase_add_test(tcase, test_random);
}

int main(void)
{
        return unit_run("client-ledger", add_tests);
}
