#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Monitors that misbehave, starts that fail at each step, a daemon that dies at each step."""

import os
import re
import signal
import socket
import subprocess
import unittest

from gi.repository import Gio, GLib

from harness import (BUILD, ERROR, FAKE_MONITOR, MACHINE, MANAGER, MANAGER_PATH, SOURCE, Signals,
                     SystemTest, listener_pid, variant, wait_for)


def failpoints():
    """The steps, from the daemon's own table."""
    with open(os.path.join(SOURCE, "daemon", "failpoint.c"), encoding="utf-8") as source:
        return re.findall(r'\[FAILPOINT_\w+\] = "([a-z-]+)"', source.read())


class HostileMonitors(SystemTest):
    """A violating monitor is killed; the daemon serves on, and nothing is left."""

    ACTS = ["garbage", "not-json", "huge", "deep", "unasked", "request", "unknown-event",
            "bad-state", "backwards", "flood", "close", "fd"]

    def end_of(self, signals, path):
        signals.wait("Stopped", path)
        signals.settle()
        (_, reason, detail), = signals.of("Stopped", path)
        return reason, detail

    def test_while_running(self):
        fds, n = None, 0
        for act in self.ACTS:
            with self.subTest(act=act):
                signals = Signals(self.client)
                path = self.create(f"m{n}", f"reset={act}")
                n += 1
                with self.assertRaises(GLib.Error):
                    self.client.machine(path, "Reboot")
                reason, detail = self.end_of(signals, path)
                self.assertEqual(reason, "CRASH", detail)
                self.assertNotEqual(detail, "")
                self.client.machine(path, "Delete")
                self.assertEqual(self.monitors(), [])
                fds = fds or self.daemon.fds()
                self.assertEqual(self.daemon.fds(), fds)

    def test_by_itself(self):
        signals = Signals(self.client)
        path = self.create("one", "running=by-itself")
        reason, detail = self.end_of(signals, path)
        self.assertEqual(reason, "CRASH")
        self.assertIn("by itself", detail)

    def test_while_starting(self):
        """Start says why; the run ended before its first guest instruction, once."""
        before = self.tree()
        for act in [*self.ACTS, "exit:0", "exit:3", "signal:9", "signal:31", "signal:11",
                    "end:START_FAILED", "end:SHUTDOWN", "disagree", "refuse:5", "refuse:8"]:
            with self.subTest(act=act):
                signals = Signals(self.client)
                with self.assertRaises(GLib.Error) as caught:
                    self.create("one", f"start={act}")
                name = Gio.DBusError.get_remote_error(caught.exception)
                self.assertEqual(name, ERROR + ("InvalidImage" if act == "refuse:8"
                                                else "StartFailed"), caught.exception.message)
                signals.settle()
                (_, reason, _), = signals.of("Stopped")
                self.assertIn(reason, ("START_FAILED", "SHUTDOWN") if act == "end:SHUTDOWN"
                              else ("START_FAILED",))
                self.assertEqual((self.client.names(), self.monitors(), self.tree()),
                                 ([], [], before))
                signals.client.bus.signal_unsubscribe(signals.id)

    def test_ends(self):
        """Frame and exit code have to agree."""
        for act, expected, word in (("end:GUEST_PANIC", "GUEST_PANIC", "as asked"),
                                    ("end:REBOOT", "REBOOT", "as asked"),
                                    ("disagree", "CRASH", "exit code is 16"),
                                    ("exit:0", "CRASH", "did not say why"),
                                    ("signal:9", "KILLED", "not by vmservice"),
                                    ("signal:31", "CRASH", "SYS")):
            with self.subTest(act=act):
                signals = Signals(self.client)
                path = self.create("one", f"button={act}")
                self.client.machine(path, "Stop")
                reason, detail = self.end_of(signals, path)
                self.assertEqual(reason, expected)
                self.assertIn(word, detail)
                self.client.machine(path, "Delete")

    def test_words(self):
        """What a monitor says comes out whole, printable and short enough, however it is meant."""
        for act in ("words:ended", "words:refuse"):
            with self.subTest(act=act):
                with self.assertRaises(GLib.Error) as caught:
                    self.create("one", f"start={act}")
                self.assertNotIn("\x1b", caught.exception.message)
        path = self.create("one", "button=words:ended")
        self.client.machine(path, "Stop")
        detail = self.client.properties(path)["StopDetail"]
        self.assertIn("\\x1b[31m", detail)
        self.assertIn("\u20ac", detail)
        self.assertLess(len(detail.encode()), 768)
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.client.property(path, "StopDetail"), detail)
        for text in ("\u20ac" * 100, "\x1b[31m"):
            with self.fails("org.freedesktop.DBus.Error.UnknownProperty"):
                self.client.property(path, text)
            with self.fails("org.freedesktop.DBus.Error.UnknownInterface"):
                self.client.property(path, "State", "a" + text)

    def test_deaf(self):
        """A monitor that answers nothing is no reason to wait with anything else."""
        path = self.create("deaf", "pause=hang")
        box = self.client.call_async(path, MACHINE, "Pause", "a{sv}", {})
        other = self.create("other")
        self.client.machine(other, "Stop")
        self.client.machine(path, "Kill")
        with self.fails("WrongState"):
            self.client.answer(box)

    def test_deaf_to_a_new_daemon(self):
        """It holds up nobody for long, and where it is is told when it says so."""
        path = self.create("one")
        self.client.machine(path, "Pause")
        pid, = self.monitors()
        os.kill(pid, signal.SIGSTOP)
        self.daemon.kill()
        self.daemon.start()
        signals = Signals(self.client)
        other = self.create("other")
        self.client.machine(other, "Stop")
        self.assertEqual(self.client.property(path, "State"), "running")  # as far as is known
        os.kill(pid, signal.SIGCONT)
        (_, old, new), = signals.wait("StateChanged", path)
        self.assertEqual((old, new), ("running", "paused"))
        self.assertEqual(self.client.property(path, "State"), "paused")
        self.client.machine(path, "Resume")

    def test_superseded(self):
        """Somebody else at vm-spawner's socket: the connection is lost, and nothing besides."""
        path = self.create("one")
        pid = self.client.property(path, "MonitorPid")
        for _ in range(3):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as intruder:
                intruder.connect(self.daemon.spawner_socket)
                wait_for(lambda: "connection to vm-spawner is lost" in self.daemon.read_log(),
                         "it is told")
            other = self.create("other")
            self.client.machine(other, "Stop")
            self.client.machine(other, "Delete")
            self.assertEqual(self.client.property(path, "MonitorPid"), pid)
        self.client.machine(path, "Stop")
        self.assertEqual(self.client.property(path, "StopReason"), "SHUTDOWN")
        self.assertEqual(self.monitors(), [])

    def test_spawner_that_cannot(self):
        """No monitor to execute: the step and the cause are named, and nothing is left."""
        self.daemon.terminate()
        spawner = listener_pid(self.daemon.spawner_socket)
        os.kill(spawner, signal.SIGKILL)
        wait_for(lambda: not os.path.exists(f"/proc/{spawner}"), "the spawner is gone")
        monitor = os.path.join(self.folder, "monitor")
        os.symlink(FAKE_MONITOR, monitor)
        self.daemon.command[self.daemon.command.index("--monitor") + 1] = monitor
        self.daemon.start()
        self.client.manager("GetCapabilities", "a{sv}", {})
        os.unlink(monitor)
        before = self.tree()
        with self.fails("StartFailed", "step exec", "No such file"):
            self.create("one")
        self.assertEqual((self.client.names(), self.tree()), ([], before))


class StartErrors(SystemTest):
    """Each step of a creation and a start fails: nothing at all is left of it."""

    autostart = False

    def test_each_step(self):
        steps = [s for s in failpoints() if s.startswith(("create-", "start-"))]
        self.assertGreater(len(steps), 10)
        for transient in (False, True):
            for step in steps:
                passed = False
                with self.subTest(step=step, transient=transient):
                    self.check(step, transient)
                    passed = True
                if not passed:
                    self.wipe()

    def check(self, step, transient):
        self.daemon.start(VMSERVICED_FAILPOINT=f"{step}:error:2")
        # The first passes the step, so that what is compared has had everything once.
        path = self.create("warm", transient=transient)
        self.client.machine(path, "Kill")
        if not transient:
            self.client.machine(path, "Delete")
        wait_for(lambda: self.client.names() == [], "it is gone")
        before, fds = self.tree(), self.daemon.fds()
        signals = Signals(self.client)
        try:
            path = self.create("one", transient=transient)
        except GLib.Error as error:
            self.assertIn(Gio.DBusError.get_remote_error(error),
                          (ERROR + "StartFailed", ERROR + "InfrastructureError"))
            self.assertNotIn(step, ("start-signalled",))
        else:
            self.assertEqual(step, "start-signalled")  # too late to fail
            self.client.machine(path, "Kill")
            if not transient:
                self.client.machine(path, "Delete")
        signals.settle()
        wait_for(lambda: self.client.names() == [], "nothing is listed")
        self.assertEqual(self.monitors(), [])
        self.assertEqual(self.tree(), before)
        wait_for(lambda: self.daemon.fds() == fds, "descriptors as before")
        # Signalled once, if there was a run at all.
        self.assertLessEqual(len(signals.of("Stopped")), 1)
        self.assertEqual(len(signals.of("InterfacesAdded")), len(signals.of("InterfacesRemoved")))
        signals.client.bus.signal_unsubscribe(signals.id)
        self.daemon.kill()


class Killed(SystemTest):
    """kill -9 of the daemon at each step of a creation, a start, a stop and a deletion, with five
    other machines running, which notice nothing."""

    autostart = False
    LASTING = 5

    def start_lasting(self):
        self.daemon.start()
        self.lasting = {}
        for i in range(self.LASTING):
            path = super().create(f"lasting{i}", transient=i % 2 == 1)
            self.lasting[path] = self.life_of(path)
        self.daemon.kill()

    def life_of(self, path):
        values = self.client.properties(path)
        return values["State"], values["RunId"], values["MonitorPid"]

    def others(self):
        """Rows and processes but for those that last, which are all there."""
        rows = self.client.manager("ListMachines", "a{sv}", {})[0]
        self.assertLessEqual(set(self.lasting), {row[1] for row in rows})
        pids = {pid for _, _, pid in self.lasting.values()}
        self.assertLessEqual(pids, set(self.monitors()))
        return ([row for row in rows if row[1] not in self.lasting],
                [pid for pid in self.monitors() if pid not in pids])

    def test_each_step(self):
        self.start_lasting()
        for transient in (False, True):
            for step in failpoints():
                passed = False
                with self.subTest(step=step, transient=transient):
                    self.check(step, transient)
                    passed = True
                if not passed:
                    self.wipe()
                    self.start_lasting()

    def act(self, signals, transient):
        """A whole life, as far as the daemon lives."""
        try:
            path = self.create("one", transient=transient)
            self.client.machine(path, "Stop", {"deadline_usec": variant(50_000)})
            if not transient:
                self.client.machine(path, "Delete")
        except GLib.Error:
            pass

    def check(self, step, transient):
        self.daemon.start(VMSERVICED_FAILPOINT=f"{step}:kill")
        signals = Signals(self.client)
        # Stops are pressed first and then, since the button is ignored, killed.
        self.config_words = ("button=silent",) if step == "stop-kill-sent" else ()
        self.act(signals, transient)
        self.daemon.wait_exit()
        self.assertEqual(self.daemon.process.returncode, -signal.SIGKILL)
        self.daemon.start()
        self.check_after(signals, transient)
        self.daemon.kill()

    def create(self, name, *words, **options):
        return super().create(name, *getattr(self, "config_words", ()), *words, **options)

    def check_after(self, signals, transient):
        """There is a machine, whole, or none; its end is known, or it runs, and is the only one."""
        signals.client.manager("Subscribe", "a{sv}", {})
        signals.settle()
        told = signals.of("Stopped")
        self.assertLessEqual(len(told), 1)

        def settled():
            rows, _ = self.others()
            return all(row[3] in ("stopped", "running") for row in rows) and (rows, )
        rows, = wait_for(settled, "an end that is under way")
        self.assertLessEqual(len(rows), 1)
        for _, path, _, state in rows:
            values = self.client.properties(path)
            self.assertIn(state, ("stopped", "running"))
            if state == "running":
                self.assertEqual(values["StopReason"], "")
                self.assertEqual(told, [])
            elif values["RunId"]:
                self.assertNotEqual(values["StopReason"], "")
                for run_id, reason, _ in told:  # what was told is what is known
                    self.assertEqual((run_id, reason), (values["RunId"], values["StopReason"]))
            if state == "running":
                self.client.machine(path, "Kill")
            self.client.machine(path, "Delete")
        wait_for(lambda: self.others()[1] == [], "no orphans")
        signals.settle()
        self.assertLessEqual(len(signals.of("Stopped")), 1)
        self.check_lasting(signals)
        self.client.create("again", self.config(), {"kernel": self.image}, start=True)
        self.assertEqual(len(self.others()[1]), 1)
        path, = self.client.manager("GetMachine", "sa{sv}", "again", {})
        self.client.machine(path, "Kill")
        self.client.machine(path, "Delete")
        signals.client.bus.signal_unsubscribe(signals.id)

    def check_lasting(self, signals):
        """Each runs as before, once, nothing was said of it, and no other has left anything."""
        for path, life in self.lasting.items():
            self.assertEqual(self.life_of(path), life)
            self.assertEqual([s for s in signals.seen if s[0] == path], [])
        ids = {path.rsplit("/", 1)[1] for path in self.lasting}
        left = [e for e in self.tree() if "machines/" in e and e.split("machines/")[1].split("/")[0]
                not in ids]
        self.assertEqual(left, [])


class NoDaemon(SystemTest):
    """What is said when a part is not there."""

    autostart = False

    def run_daemon(self, *arguments, **environment):
        done = subprocess.run(
            [*self.daemon.command, *arguments], timeout=60, capture_output=True, text=True,
            env={"DBUS_SESSION_BUS_ADDRESS": self.bus.address, **environment})
        self.assertNotEqual(done.returncode, 0)
        return done.stderr

    def test_no_bus(self):
        said = self.run_daemon(DBUS_SESSION_BUS_ADDRESS="unix:path=/nonexistent")
        self.assertIn("cannot connect to the session bus", said)

    def test_second_daemon(self):
        self.daemon.start()
        self.assertIn("another vmserviced serves", self.run_daemon())
        other = subprocess.Popen(["dbus-daemon", "--session", "--nofork", "--print-address"],
                                 stdout=subprocess.PIPE)
        address = other.stdout.readline().decode().strip()
        said = self.run_daemon(DBUS_SESSION_BUS_ADDRESS=address)
        other.kill()
        other.wait()
        other.stdout.close()
        self.assertIn("another vmserviced holds", said)
        self.create("one")  # the first is none the worse for it

    def test_bad_settings(self):
        conf = os.path.join(self.folder, "bad.conf")
        with open(conf, "w", encoding="utf-8") as out:
            out.write("machnies = 7\n")
        said = self.run_daemon("--config", conf)
        self.assertIn("line 1: unknown key 'machnies', did you mean 'machines'?", said)
        self.assertIn("see --help", self.run_daemon("--bogus"))
        self.assertIn("cannot use /proc/nowhere", self.run_daemon("--state-dir", "/proc/nowhere"))

    def test_no_spawner(self):
        self.daemon.command += ["--spawner", "/nonexistent"]
        self.daemon.start()
        with self.fails("KvmUnavailable", "/nonexistent"):
            self.create("one")
        path = self.create("one", start=False)
        self.client.machine(path, "Delete")


if __name__ == "__main__":
    unittest.main()
