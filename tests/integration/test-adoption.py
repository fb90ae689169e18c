#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""kill -9 of vmserviced with machines running: no machine lost, none doubled, none orphaned, every
end reported once. The guests are real; where KVM cannot be had, a monitor without one stands in, so
that the daemon's part is shown on every host."""

import os
import random
import signal
import threading
import unittest

from gi.repository import Gio, GLib

from harness import (BUILD, ERROR, FAKE_MONITOR, REAL_MONITOR, Signals, SystemTest, kvm_problem,
                     wait_for)

ROUNDS = 200
GONE = ("org.freedesktop.DBus.Error.NoReply", "org.freedesktop.DBus.Error.ServiceUnknown",
        "org.freedesktop.DBus.Error.NameHasNoOwner", "org.freedesktop.DBus.Error.UnknownMethod")


STAND_IN = {"countdown": "running=end-soon"}


def bare(name):
    return os.path.join(BUILD, "guest", "bare", f"bare-{name}")


class Ledger:
    """Who ran, how each run ended, and how often that was told."""

    def __init__(self, test):
        self.test = test
        self.ends = {}      # run id -> reason, as the property says
        self.ran = set()    # run ids that were seen running
        self.told = {}      # run id -> reasons of its Stopped signals

    def take_signals(self, signals, settle=True):
        if settle:
            signals.settle()
        context = GLib.MainContext.default()
        while context.iteration(False):
            pass
        for run_id, reason, _ in signals.of("Stopped"):
            self.told.setdefault(run_id, []).append(reason)
        signals.seen.clear()

    def take(self, values):
        """A machine's properties; whether its last run has ended."""
        run_id, state, reason = values["RunId"], values["State"], values["StopReason"]
        if not run_id:
            return True
        if state == "running":
            self.test.assertEqual(reason, "")
            self.test.assertNotIn(run_id, self.ends, "a run that had ended runs again")
            self.ran.add(run_id)
        if state != "stopped":
            return False
        self.test.assertNotEqual(reason, "")
        self.test.assertEqual(self.ends.setdefault(run_id, reason), reason, "an end was changed")
        return True

    def check(self):
        for run_id, reasons in self.told.items():
            self.test.assertEqual(len(reasons), 1, f"{run_id} was told {reasons}")
            self.test.assertEqual(self.ends.get(run_id, reasons[0]), reasons[0])
        for run_id in self.ran:
            self.test.assertTrue(run_id in self.ends or run_id in self.told,
                                 f"nobody ever said how {run_id} ended")


class AdoptionTest(SystemTest):
    real = kvm_problem() is None
    monitor = REAL_MONITOR if real else FAKE_MONITOR
    kvm = "/dev/kvm" if real else "/dev/null"

    def make(self, name, guest, *words, client=None, **options):
        """A bare guest, or the stand-in's way to do as it does."""
        params = " ".join(words) if self.real else STAND_IN.get(guest, "")
        return (client or self.client).create(
            name, {"kernel": "k", "memory_mib": 8, "params": params},
            {"k": bare(guest) if self.real else self.image}, **options)


class Killed(AdoptionTest):

    def kill_soon(self):
        """At a random instant from now: of its start, of its probe of KVM, or of what is asked of it
        after that."""
        process = self.daemon.process
        timer = threading.Timer(self.random.uniform(0, 0.3), process.kill)
        timer.start()
        return timer

    def check_lasting(self):
        """The machines that are to live through it all: same run, same process, one each."""
        for path, run_id, pid in self.lasting:
            values = self.client.properties(path)
            self.assertEqual((values["State"], values["RunId"], values["MonitorPid"]),
                             ("running", run_id, pid))
            self.ledger.take(values)

    def settled(self):
        """All machines with their properties, once none is on its way to another state."""
        found = {}
        for name, path, _, _ in self.client.manager("ListMachines", "a{sv}", {})[0]:
            try:
                found[name] = (path, self.client.properties(path))
            except GLib.Error as error:  # a transient one that has vanished since
                if Gio.DBusError.get_remote_error(error) != ERROR + "NoSuchMachine":
                    raise
        if all(v["State"] in ("running", "stopped") for _, v in found.values()):
            return found
        return None

    def look(self):
        """Into the ledger with it."""
        found = wait_for(self.settled, "states that rest")
        for _, values in found.values():
            self.ledger.take(values)
        return found, sorted(v["MonitorPid"] for _, v in found.values() if v["State"] == "running")

    def stir(self):
        """Ends and new runs, until the daemon is killed in their midst."""
        while self.daemon.process.poll() is None:
            try:
                found, _ = self.look()
                path, values = found["coming"]
                if values["State"] == "stopped":
                    self.client.machine(path, "Start")
                elif self.random.random() < 0.2:
                    self.client.machine(path, "Kill")
                if "going" not in found or found["going"][1]["State"] == "stopped":
                    self.make("going", "countdown", "from=20", start=True, transient=True)
            except GLib.Error as error:
                name = Gio.DBusError.get_remote_error(error)
                # It was killed; or the guest came to its end before our call came to it.
                if name not in (*GONE, ERROR + "WrongState"):
                    raise

    def test_at_random(self):
        """Five machines that run all the time, and two that come and go."""
        seed = int.from_bytes(os.urandom(4), "little")
        self.random = random.Random(seed)
        print(f"seed {seed}")
        self.ledger = Ledger(self)
        self.lasting = []
        for name, options in (("a", {}), ("b", {"transient": True}), ("c", {"lifetime": "bound"}),
                              ("d", {}), ("e", {"transient": True, "lifetime": "bound"})):
            path = self.make(name, "hang", start=True, **options)
            values = self.client.properties(path)
            self.lasting.append((path, values["RunId"], values["MonitorPid"]))
        self.make("coming", "countdown", "from=50", start=True)
        signals = Signals(self.client, subscribe=False)
        for i in range(ROUNDS):
            if i % 4:
                self.client.manager("Subscribe", "a{sv}", {})
                self.check_lasting()
                found, _ = self.look()
                timer = self.kill_soon()
                self.stir()
                timer.join()
                # What it had told before it was killed is here, or on its way.
                self.ledger.take_signals(signals, settle=False)
            else:  # killed while it starts, and finds what there is
                timer = self.kill_soon()
                timer.join()
            self.daemon.process.wait()
            pid = found["coming"][1]["MonitorPid"] if i > 0 else 0
            if i % 10 == 9 and pid in self.monitors():  # somebody else's kill meanwhile
                os.kill(pid, signal.SIGKILL)
            self.daemon.start(wait=(i + 1) % 4 != 0)
        self.daemon.wait_ready()
        self.finish(signals)

    def finish(self, signals):
        self.client.manager("Subscribe", "a{sv}", {})
        self.check_lasting()
        wait_for(lambda: self.monitors_are_known(), "each process is one machine's")
        for path, _, _ in self.lasting:
            self.client.machine(path, "Kill")
        self.ledger.take_signals(signals)
        for run_id in (run_id for _, run_id, _ in self.lasting):
            self.assertEqual(self.ledger.told[run_id], ["KILLED"])
        wait_for(lambda: self.look()[1] == [], "the last countdown")
        self.ledger.take_signals(signals)
        self.ledger.check()
        wait_for(lambda: self.monitors() == [], "no orphan")
        reasons = set(self.ledger.ends.values())
        self.assertLessEqual(reasons, {"SHUTDOWN", "KILLED", "START_FAILED",
                                       "INFRASTRUCTURE_ERROR"})
        # A run that was seen is never said to have failed to start, or to have been lost.
        for run_id in self.ledger.ran:
            self.assertIn(self.ledger.ends.get(run_id, "SHUTDOWN"), ("SHUTDOWN", "KILLED"))
        print(f"{len(self.ledger.ran)} runs seen, {len(self.ledger.ends)} ends read, "
              f"{len(self.ledger.told)} told")

    def monitors_are_known(self):
        return self.look()[1] == self.monitors()


class Found(AdoptionTest):
    """What a new daemon makes of what it finds."""

    def test_ends_meanwhile(self):
        """An end while no daemon is there: by its last words, or by its exit status."""
        one = self.make("one", "hang", start=True)
        two = self.make("two", "hang", start=True, transient=True)
        pids = [self.client.property(p, "MonitorPid") for p in (one, two)]
        self.daemon.kill()
        os.kill(pids[0], signal.SIGKILL)
        os.kill(pids[1], signal.SIGABRT)
        for pid in pids:
            wait_for(lambda pid=pid: pid not in self.monitors(), "it has ended")
        self.daemon.start()
        self.client.wait_state(one, "stopped")
        self.client.wait_state(two, "stopped")  # transient, and there to be asked
        self.assertEqual(self.client.property(one, "StopReason"), "KILLED")
        self.assertEqual(self.client.property(two, "StopReason"), "CRASH")
        with self.fails("WrongState", "transient"):
            self.client.machine(two, "Start")
        three = self.make("two", "hang", start=True, transient=True)  # the name is free
        self.assertNotEqual(two, three)
        self.client.machine(one, "Start")

    def test_paused(self):
        path = self.make("one", "flood", start=True)
        self.client.machine(path, "Pause")
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.client.property(path, "State"), "paused")
        self.client.machine(path, "Resume")
        self.client.machine(path, "Kill")

    def test_bound_client_leaves_meanwhile(self):
        other = self.connect()
        path = self.make("one", "hang", client=other, start=True, lifetime="bound")
        kept = self.make("two", "hang", start=True, lifetime="bound")
        self.daemon.kill()
        other.close()
        self.daemon.start()
        self.client.wait_state(path, "stopped")
        self.assertEqual(self.client.property(path, "StopReason"), "KILLED")
        self.assertEqual(self.client.property(kept, "State"), "running")

    def test_orphan(self):
        """A child of the spawner without a record is killed."""
        import shutil
        path = self.make("one", "hang", start=True)
        pid = self.client.property(path, "MonitorPid")
        self.daemon.kill()
        shutil.rmtree(os.path.join(self.daemon.state, "machines"))
        self.daemon.start()
        wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "the orphan is gone")
        self.assertEqual(self.client.names(), [])

    def test_spawner_lost_meanwhile(self):
        from harness import listener_pid
        path = self.make("one", "hang", start=True)
        spawner = listener_pid(self.daemon.spawner_socket)
        self.daemon.kill()
        os.kill(spawner, signal.SIGKILL)
        wait_for(lambda: not os.path.exists(f"/proc/{spawner}"), "the spawner is gone")
        self.daemon.start()
        self.client.wait_state(path, "stopped")
        values = self.client.properties(path)
        self.assertEqual(values["StopReason"], "INFRASTRUCTURE_ERROR")
        self.assertNotEqual(values["StopDetail"], "")

    def test_host_was_down(self):
        """A record from before the host's last start: said so."""
        import json
        path = self.make("one", "hang", start=True)
        self.daemon.kill()
        record = os.path.join(self.daemon.state, "machines", path.rsplit("/", 1)[1], "record.json")
        with open(record, encoding="utf-8") as file:
            content = json.load(file)
        content["run"]["boot_id"] = "another"
        content["run"]["id"] = "0" * 31 + "1"
        with open(record, "w", encoding="utf-8") as file:
            json.dump(content, file)
        self.daemon.start()
        self.client.wait_state(path, "stopped")
        self.assertIn("host went down", self.client.property(path, "StopDetail"))
        wait_for(lambda: self.monitors() == [], "the orphan is gone")

    def test_upgrade(self):
        """SIGTERM of the daemon alone: machines go on, and the next one has them."""
        path = self.make("one", "hang", start=True)
        before = self.client.properties(path)
        self.assertEqual(self.daemon.terminate(), 0)
        self.daemon.start()
        self.assertEqual({**self.client.properties(path)},
                         {**before, "StartedAt": self.client.property(path, "StartedAt"),
                          "PayloadState": self.client.property(path, "PayloadState")})


if __name__ == "__main__":
    unittest.main()
