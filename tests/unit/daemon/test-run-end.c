/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/run-end.h"

#include <signal.h>

#include "common/cleanup.h"
#include "protocol/protocol.h"
#include "tests/unit/unit.h"

#define FRAME(reason)                                                                              \
        .has_frame = true, .frame_reason = STOP_REASON_##reason, .frame_detail = "said"
#define EXITED(n)         .has_status = true, .code = CLD_EXITED, .status = (n)
#define SIGNALLED(signal) .has_status = true, .code = CLD_KILLED, .status = (signal)
#define ASKED(reason)     .asked = STOP_REASON_##reason, .asked_detail = "asked"

typedef struct Row {
        EndFacts facts;
        StopReason reason;
        const char *detail; /* a part of it */
} Row;

static const Row rows[] = {
        /* Frame and exit code agree. */
        {{.started = true, FRAME(SHUTDOWN), EXITED(0)}, STOP_REASON_SHUTDOWN, "said"},
        {{.started = true, FRAME(GUEST_PANIC), EXITED(11)}, STOP_REASON_GUEST_PANIC, "said"},
        {{FRAME(START_FAILED), EXITED(17)}, STOP_REASON_START_FAILED, "said"},
        /* They do not. */
        {{.started = true, FRAME(SHUTDOWN), EXITED(11)}, STOP_REASON_CRASH, "exit code is 11"},
        {{.started = true, FRAME(NONE), EXITED(0)}, STOP_REASON_CRASH, "no reason"},
        {{.started = true, FRAME(SHUTDOWN), SIGNALLED(SIGSEGV)}, STOP_REASON_CRASH, "SEGV"},
        {{.started = true, FRAME(SHUTDOWN), SIGNALLED(SIGKILL)}, STOP_REASON_CRASH, "KILL"},
        /* No frame. */
        {{.started = true, EXITED(0)}, STOP_REASON_CRASH, "did not say why"},
        {{.started = true, EXITED(1)}, STOP_REASON_CRASH, "code 1"},
        {{.started = true, SIGNALLED(SIGKILL)}, STOP_REASON_KILLED, "not by vmservice"},
        {{.started = true, SIGNALLED(SIGTERM)}, STOP_REASON_KILLED, "TERM"},
        {{.started = true, SIGNALLED(SIGSYS)}, STOP_REASON_CRASH, "filter forbids"},
        {{.started = true, SIGNALLED(SIGABRT)}, STOP_REASON_CRASH, "ABRT"},
        /* A predecessor may have had the frame: the code is believed. */
        {{.started = true, .frame_may_be_lost = true, EXITED(0)},
         STOP_REASON_SHUTDOWN,
         "exit code 0"},
        {{.started = true, .frame_may_be_lost = true, EXITED(12)}, STOP_REASON_TRIPLE_FAULT, "12"},
        {{.started = true, .frame_may_be_lost = true, EXITED(99)}, STOP_REASON_CRASH, "99"},
        {{.started = true, .frame_may_be_lost = true, SIGNALLED(SIGKILL)}, STOP_REASON_KILLED, "9"},
        /* We killed it. */
        {{.started = true, ASKED(KILLED), SIGNALLED(SIGKILL)}, STOP_REASON_KILLED, "asked"},
        {{.started = true, ASKED(CRASH), SIGNALLED(SIGKILL)}, STOP_REASON_CRASH, "asked"},
        {{.started = true, ASKED(KILLED), EXITED(16)}, STOP_REASON_KILLED, "asked"},
        /* It ended by itself before our kill got there. */
        {{.started = true, FRAME(SHUTDOWN), ASKED(KILLED), EXITED(0)},
         STOP_REASON_SHUTDOWN,
         "said"},
        {{.started = true, FRAME(SHUTDOWN), ASKED(KILLED), SIGNALLED(SIGKILL)},
         STOP_REASON_SHUTDOWN,
         "said"},
        /* What broke the protocol is not believed. */
        {{.started = true, FRAME(SHUTDOWN), ASKED(CRASH), SIGNALLED(SIGKILL)},
         STOP_REASON_CRASH,
         "asked"},
        /* A signal that was not ours. */
        {{.started = true, ASKED(KILLED), SIGNALLED(SIGSEGV)}, STOP_REASON_CRASH, "SEGV"},
        /* No status will come. */
        {{.started = true, .lost_detail = "lost"}, STOP_REASON_INFRASTRUCTURE_ERROR, "lost"},
        {{.started = true, .lost_detail = "lost", FRAME(REBOOT)}, STOP_REASON_REBOOT, "said"},
        {{.lost_detail = "lost"}, STOP_REASON_INFRASTRUCTURE_ERROR, "lost"},
        {{.started = true}, STOP_REASON_INFRASTRUCTURE_ERROR, "not seen"},
        /* Before the first guest instruction. */
        {{SIGNALLED(SIGKILL)}, STOP_REASON_START_FAILED, "not by vmservice"},
        {{SIGNALLED(SIGSYS)}, STOP_REASON_START_FAILED, "filter forbids"},
        {{EXITED(0)}, STOP_REASON_START_FAILED, "did not say why"},
        {{ASKED(START_FAILED), SIGNALLED(SIGKILL)}, STOP_REASON_START_FAILED, "asked"},
        {{ASKED(KILLED), SIGNALLED(SIGKILL)}, STOP_REASON_KILLED, "asked"},
        {{FRAME(START_FAILED), ASKED(KILLED), EXITED(17)}, STOP_REASON_START_FAILED, "said"},
};

START_TEST(test_row)
{
        const Row *row = &rows[_i];
        char detail[512] = "";
        StopReason reason = run_end_resolve(&row->facts, detail, sizeof(detail));

        ck_assert_msg(reason == row->reason, "row %d: %s, not %s (%s)", _i,
                      stop_reason_to_string(reason), stop_reason_to_string(row->reason), detail);
        ck_assert_msg(strstr(detail, row->detail), "row %d: \"%s\" lacks \"%s\"", _i, detail,
                      row->detail);
}
END_TEST

/* The detail never overruns, and every reason's own frame and code agree. */
START_TEST(test_agreement)
{
        for (int reason = STOP_REASON_SHUTDOWN; reason < _STOP_REASON_MAX; reason++) {
                EndFacts facts = {
                        .started = true,
                        .has_frame = true,
                        .frame_reason = (StopReason)reason,
                        .frame_detail = "a sentence that is longer than its place",
                        EXITED(monitor_exit_code((StopReason)reason)),
                };
                char detail[16];

                ck_assert_int_eq(run_end_resolve(&facts, detail, sizeof(detail)), reason);
                ck_assert_uint_eq(strlen(detail), sizeof(detail) - 1);
        }
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_loop_test(tcase, test_row, 0, (int)ARRAY_SIZE(rows));
        tcase_add_test(tcase, test_agreement);
}

int main(void)
{
        return unit_run("run-end", add_tests);
}
