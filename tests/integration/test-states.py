#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What each method does in each state, and what a client that leaves does. The monitor is the fake."""

import json
import os
import unittest

from harness import (MACHINE, MANAGER, MANAGER_PATH, Signals, SystemTest, iterate_until, variant,
                     wait_for)


class States(SystemTest):
    """What each method answers in each state, and who waits with whom."""

    def states_of(self, signals, path):
        signals.settle()
        return [(old, new) for _, old, new in signals.of("StateChanged", path)]

    def test_wrong_state(self):
        path = self.create("one", start=False)
        for member in ("Stop", "Kill", "Pause", "Resume", "Reboot", "OpenConsole", "OpenLog",
                       "GetStats"):
            with self.subTest(member=member), self.fails("WrongState"):
                self.client.machine(path, member)
        self.client.machine(path, "Start")
        for member in ("Start", "Resume", "Delete"):
            with self.subTest(member=member), self.fails("WrongState", "running"):
                self.client.machine(path, member)
        self.client.machine(path, "Pause")
        for member in ("Start", "Pause", "Reboot", "Delete"):
            with self.subTest(member=member), self.fails("WrongState", "paused"):
                self.client.machine(path, member)
        self.client.machine(path, "Resume")
        self.client.machine(path, "Reboot")
        self.client.machine(path, "GetStats")
        self.client.machine(path, "Stop")
        self.client.machine(path, "Delete")
        with self.fails("NoSuchMachine"):
            self.client.machine(path, "Start")

    def test_signals(self):
        """Each transition once, in order, with the run's id."""
        signals = Signals(self.client)
        path = self.create("one", "running=payload:started,ready,finished")
        self.client.machine(path, "Pause")
        self.client.machine(path, "Stop")  # of a paused one: resumed, then the power button
        self.client.machine(path, "Delete")
        signals.wait("InterfacesRemoved")
        run_id = signals.of("Stopped")[0][0]
        self.assertEqual(self.states_of(signals, path), [
            ("stopped", "starting"), ("starting", "running"), ("running", "pausing"),
            ("pausing", "paused"), ("paused", "stopping"), ("stopping", "stopped")])
        members = [member for _, member, _ in signals.seen if member != "PropertiesChanged"]
        self.assertEqual(members[0], "InterfacesAdded")
        self.assertEqual(members[-2:], ["Stopped", "InterfacesRemoved"])
        self.assertEqual(signals.of("PayloadStarted"), [(run_id,)])
        self.assertEqual(signals.of("PayloadReady"), [(run_id,)])
        self.assertEqual(signals.of("PayloadFinished"), [(run_id, 7)])
        self.assertEqual(signals.of("Stopped"), [(run_id, "SHUTDOWN", "the guest powered off")])
        for values in signals.of("StateChanged"):
            self.assertEqual(values[0], run_id)

    def test_not_subscribed(self):
        """Who did not ask is told nothing; nor is who stopped asking."""
        silent = Signals(self.connect(), subscribe=False)
        loud = Signals(self.client)
        once = Signals(self.connect())
        once.client.manager("Unsubscribe", "a{sv}", {})
        self.create("one")
        loud.wait("StateChanged", count=2)
        silent.settle()
        once.settle()
        self.assertEqual((silent.seen, once.seen), ([], []))

    def test_stops_wait_together(self):
        path = self.create("one", "button=silent")
        signals = Signals(self.client)
        boxes = [c.call_async(path, MACHINE, "Stop", "a{sv}", {"deadline_usec": variant(usec)})
                 for c, usec in ((self.connect(), 3600_000_000), (self.connect(), 300_000),
                                 (self.connect(), 60_000_000))]
        self.client.wait_state(path, "stopping")
        for member in ("Start", "Pause", "Delete", "Reboot"):
            with self.fails("WrongState", "stopping"):
                self.client.machine(path, member)
        for client, box in zip(self.clients[1:], boxes):
            client.answer(box)
        signals.wait("Stopped")
        signals.settle()
        (_, reason, detail), = signals.of("Stopped")
        self.assertEqual(reason, "KILLED")
        self.assertIn("power button", detail)

    def test_kill_during_stop(self):
        path = self.create("one", "button=silent")
        stopper = self.connect()
        box = stopper.call_async(path, MACHINE, "Stop", "a{sv}", {})
        self.client.wait_state(path, "stopping")
        self.client.machine(path, "Kill")
        stopper.answer(box)
        self.assertEqual(self.client.property(path, "StopReason"), "KILLED")

    def test_kill_and_stop_during_start(self):
        for member, reason in (("Kill", "KILLED"), ("Stop", "KILLED")):
            with self.subTest(member=member):
                path = self.create("one", "start=silent", start=False)
                starter = self.connect()
                box = starter.call_async(path, MACHINE, "Start", "a{sv}", {})
                self.client.wait_state(path, "starting")
                with self.fails("WrongState", "starting"):
                    self.client.machine(path, "Start")
                with self.fails("WrongState", "starting"):
                    self.client.machine(path, "OpenConsole")
                options = {"deadline_usec": variant(100_000)} if member == "Stop" else {}
                self.client.machine(path, member, options)
                with self.fails("StartFailed", "before its first guest instruction"):
                    starter.answer(box)
                self.assertEqual(self.client.property(path, "StopReason"), reason)
                self.client.machine(path, "Delete")

    def test_pauses_wait_together(self):
        path = self.create("one", "pause=silent")
        first, second = self.connect(), self.connect()
        boxes = [c.call_async(path, MACHINE, "Pause", "a{sv}", {}) for c in (first, second)]
        self.client.wait_state(path, "pausing")
        self.client.machine(path, "Kill")
        for client, box in zip((first, second), boxes):
            with self.fails("WrongState"):
                client.answer(box)

    def test_pause_answered_late(self):
        """Its event comes long before its answer: a resume in between is not taken for it."""
        path = self.create("one", "pause=late", "resume=answer-late")
        signals = Signals(self.client)
        pauser = self.connect()
        box = pauser.call_async(path, MACHINE, "Pause", "a{sv}", {})
        self.client.wait_state(path, "paused")
        pauser.answer(box)
        self.client.machine(path, "Resume")
        self.assertEqual(self.client.property(path, "State"), "running")
        self.assertEqual(self.states_of(signals, path), [
            ("running", "pausing"), ("pausing", "paused"), ("paused", "resuming"),
            ("resuming", "running")])

    def test_refused_by_monitor(self):
        path = self.create("one", "pause=refuse:95", "reset=refuse:5")
        with self.fails("NotSupported", "refused as asked"):
            self.client.machine(path, "Pause")
        self.assertEqual(self.client.property(path, "State"), "running")
        with self.fails("InfrastructureError", "refused as asked"):
            self.client.machine(path, "Reboot")

    def test_console(self):
        path = self.create("one")
        fds = []
        self.client.machine(path, "OpenConsole", {"write": variant(True)}, reply_fds=fds)
        self.assertEqual(os.read(fds[0], 100), b"fake console\n")
        with self.fails("WrongState", "has a writer"):
            self.client.machine(path, "OpenConsole", {"write": variant(True)})
        self.client.machine(path, "OpenConsole",
                            {"write": variant(True), "steal": variant(True)}, reply_fds=fds)
        self.client.machine(path, "Kill")
        self.assertEqual(os.read(fds[0], 100), b"")  # nobody else holds its other end
        for fd in fds:
            os.close(fd)

    def test_log(self):
        path = self.create("one")
        self.client.machine(path, "Stop")
        for options in ({}, {"previous": variant(True)}):
            fds = []
            self.client.machine(path, "OpenLog", options, reply_fds=fds)
            with self.assertRaises(OSError):
                os.write(fds[0], b"x")
            os.close(fds[0])

    def test_transient(self):
        signals = Signals(self.client)
        path = self.create("one", transient=True)
        self.assertEqual(os.listdir(os.path.join(self.daemon.state, "machines")), [])
        self.assertTrue(self.client.property(path, "Transient"))
        self.client.machine(path, "Stop")
        signals.wait("InterfacesRemoved")
        self.assertEqual(self.client.names(), [])
        self.assertEqual(os.listdir(os.path.join(self.daemon.runtime, "machines")), [])
        self.create("one", transient=True)  # the name is free again

    def test_bound(self):
        """Ended when the client that started it leaves the bus; it itself stays."""
        signals = Signals(self.client)
        other = self.connect()
        path = self.create("one", client=other, lifetime="bound")
        kept = self.create("two", client=other)
        other.close()
        (_, reason, detail), = signals.wait("Stopped", path)
        self.assertEqual(reason, "KILLED")
        self.assertIn("left the bus", detail)
        self.assertEqual(self.client.property(kept, "State"), "running")
        self.assertEqual(self.client.names(), ["one", "two"])
        self.client.machine(path, "Start")  # bound to us now
        signals.settle()
        self.assertEqual(self.client.property(path, "State"), "running")


class Disconnections(SystemTest):
    """A client that leaves after each message leaves nothing behind that it did not ask for."""

    def test_after_each_call(self):
        path = self.create("kept")
        config, before = json.dumps(self.config()), self.daemon.fds()
        fd = os.open(self.image, os.O_RDONLY)
        calls = [
            (MANAGER_PATH, MANAGER, "GetCapabilities", "a{sv}", ({},), ()),
            (MANAGER_PATH, MANAGER, "Subscribe", "a{sv}", ({},), ()),
            (MANAGER_PATH, MANAGER, "ListMachines", "a{sv}", ({},), ()),
            (MANAGER_PATH, MANAGER, "CreateMachine", "ssa{sh}a{sv}",
             ("bound", config, {"kernel": 0},
              {"start": variant(True), "transient": variant(True), "lifetime": variant("bound")}),
             (fd,)),
            (MANAGER_PATH, MANAGER, "CreateMachine", "ssa{sh}a{sv}",
             ("bad", config, {"kernel": 0, "other": 1}, {}), (fd, fd)),
            (path, MACHINE, "OpenConsole", "a{sv}", ({},), ()),
            (path, MACHINE, "GetStats", "a{sv}", ({},), ()),
            (path, MACHINE, "Pause", "a{sv}", ({},), ()),
            (path, MACHINE, "Resume", "a{sv}", ({},), ()),
        ]
        for calls_before_leaving in range(len(calls) + 1):
            for wait in (False, True):
                client = self.connect()
                for target, interface, member, signature, arguments, fds in (
                        calls[:calls_before_leaving]):
                    box = client.call_async(target, interface, member, signature, *arguments,
                                            fds=fds)
                    if wait:
                        iterate_until(lambda: box, f"an answer to {member}")
                client.close()
        os.close(fd)
        wait_for(lambda: self.client.names() == ["kept"], "the bound machines are gone")
        state = self.client.property(path, "State")
        if state == "paused":
            self.client.machine(path, "Resume")
        self.client.wait_state(path, "running")
        wait_for(lambda: self.daemon.fds() == before, "no descriptor is left over")
        self.assertEqual(len(self.monitors()), 1)


if __name__ == "__main__":
    unittest.main()
