# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs tests one after the other and prints TAP; compares the host before and after each."""

import signal
import sys
import time
import traceback

import hoststate
from bus import wait_for

TEST_DEADLINE = 600


class Deadline(Exception):
    pass


def _out_of_time(_signal, _frame):
    raise Deadline(f"the test took more than {TEST_DEADLINE} s")


def expect_unchanged(before, pids=None):
    """What a run made goes away by itself, if only some milliseconds after its end is told."""
    left = []

    def same():
        left[:] = before.differences(hoststate.take(pids))
        return not left

    wait_for(same, lambda: "clean host: " + "; ".join(left), hoststate.PATIENCE)


def _run_one(test):
    before = hoststate.take_settled()
    signal.alarm(TEST_DEADLINE)
    try:
        test()
        expect_unchanged(before)
    finally:
        signal.alarm(0)


def run(tests):
    """tests: (name, function). Returns the exit code."""
    signal.signal(signal.SIGALRM, _out_of_time)
    failed = 0
    print(f"1..{len(tests)}", flush=True)
    for number, (name, test) in enumerate(tests, 1):
        begin = time.monotonic()
        try:
            _run_one(test)
            print(f"ok {number} - {name} # time={time.monotonic() - begin:.1f}", flush=True)
        except Exception:  # whatever it was, the tests behind it still run
            failed += 1
            traceback.print_exc(file=sys.stdout)
            print(f"not ok {number} - {name} # time={time.monotonic() - begin:.1f}", flush=True)
    return 1 if failed else 0
