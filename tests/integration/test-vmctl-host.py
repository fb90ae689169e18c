#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vmctl where something is missing or forbidden, and what it says of the host."""

import json
import os
import select
import signal
import subprocess
import sys
import unittest

import harness
from vmctltest import GuestTest, VmctlTest

NOBODY = 65534
OTHER = 65533


class Help(VmctlTest):
    """What needs no daemon works without one."""

    autostart = False

    def connect(self, uid=None):
        return None

    def plain(self, *args, code=0, says=()):
        result = subprocess.run([self.command()[0], *args], env=self.environment, text=True,
                                capture_output=True, timeout=harness.DEADLINE, check=False)
        self.assertEqual(result.returncode, code, result)
        for words in [says] if isinstance(says, str) else says:
            self.assertIn(words, result.stderr)
        return result.stdout

    def test_help(self):
        self.assertIn("Create, run and look at virtual machines", self.plain("--help"))
        self.assertIn("vmctl run [OPTION...]", self.plain("run", "-h"))
        self.assertIn("vmctl run [OPTION...]", self.plain("-h", "run", "what", "ever"))
        self.assertRegex(self.plain("--version"), r"^vmctl \(vmservice\) [0-9.]+\n$")

    def test_usage(self):
        self.plain(code=2, says='vmctl: no verb was given. "vmctl --help" lists them.')
        self.plain("strat", code=2, says='Did you mean "start"?')
        self.plain("list", "--al", code=2, says='Did you mean "--all"?')
        self.plain("list", "-o", "yaml", code=2, says="table, json, jsonl, name")
        self.plain("start", code=2, says="too few arguments. Use: vmctl start NAME...\n")
        self.plain("list", "web", code=2, says='"web" is one argument too many. Use: vmctl list\n')
        self.plain("run", "--bogus", code=125, says="unknown option")
        self.plain("info", "-o", "name", code=2, says="no names to print")

    def test_mode_from_the_environment(self):
        self.environment["VMCTL_MODE"] = "sideways"
        self.plain("list", code=2, says=["VMCTL_MODE=sideways", '"user" or "system"'])
        self.environment["VMCTL_MODE"] = "user"
        self.assertIn("user: your own daemon", self.plain("doctor", code=1))
        self.assertIn("system: the host's daemon", self.plain("--system", "doctor", code=1))
        self.plain("--system", "--user", "list", code=2, says="exclude each other")


class NoDaemon(VmctlTest):
    """A bus without the daemon, and no bus."""

    autostart = False

    def test_no_daemon(self):
        for args in (["list"], ["status", "web"], ["info"], ["events"], ["console", "web"]):
            with self.subTest(args=args):
                self.vmctl(*args, code=1, says=["vmserviced is not running", "start it",
                                                '"vmctl --user doctor" looks into it'])
        self.vmctl("run", self.image, code=125, says="")
        self.vmctl("run", "--kernel", self.image, code=125, says="vmserviced is not running")

    def test_doctor(self):
        checks = {c["check"]: c for c in self.vmctl_json("doctor", code=1)}
        self.assertEqual((checks["bus"]["health"], checks["daemon"]["health"]), ("good", "bad"))
        self.assertIn("vmserviced --user", checks["daemon"]["fix"])
        out = self.vmctl("doctor", code=1)
        self.assertIn("\u2717 daemon", out)
        self.assertIn("Machines cannot be started before this is mended.", out)
        self.environment["LC_ALL"] = "C"
        self.assertIn("NO daemon", self.vmctl("doctor", code=1))

    def test_no_bus(self):
        address = f"unix:path={self.folder}/nowhere"
        self.environment["DBUS_SESSION_BUS_ADDRESS"] = address
        self.vmctl("list", code=1, says=["the session bus cannot be reached", "dbus-run-session"])
        checks = {c["check"]: c for c in self.vmctl_json("doctor", code=1)}
        self.assertEqual(checks["bus"]["health"], "bad")
        self.assertTrue(checks["bus"]["fix"])


class SilentDaemon(VmctlTest):
    """A daemon that hangs."""

    def test_interrupt_while_waiting(self):
        """What is awaited is said, and ^C ends the wait; the terminal was not touched yet."""
        os.kill(self.daemon.process.pid, signal.SIGSTOP)
        for args in (["list"], ["console", "web"]):
            with self.subTest(args=args):
                terminal = self.terminal(*args)
                terminal.expect("waiting for the user's daemon to answer (1 s)...")
                self.assertFalse(terminal.is_raw())
                terminal.send("\x03")
                self.assertEqual(terminal.wait(), -signal.SIGINT)


    def test_doctor(self):
        """It is not silent for ever itself."""
        os.kill(self.daemon.process.pid, signal.SIGSTOP)
        terminal = self.terminal("doctor")
        terminal.expect("waiting for vmserviced to answer (1 s of 10 s)...")
        terminal.expect("vmserviced does not answer: it is on the bus, and its snapshot was awaited")
        terminal.expect("Fix: see what")
        self.assertEqual(terminal.wait(), 1)


class NoKvm(VmctlTest):
    """A host without /dev/kvm."""

    monitor = harness.REAL_MONITOR
    kvm = "/nowhere/kvm"

    def test_it_is_said(self):
        self.vmctl("create", "web", "--kernel", self.image)
        self.vmctl("start", "web", code=1, says="/nowhere/kvm")
        self.vmctl("run", "--kernel", self.image, code=125, says="/nowhere/kvm")
        self.assertIn("KVM: not usable", self.vmctl("info"))
        self.assertEqual(self.vmctl_json("info")["mask"], 0)
        checks = {c["check"]: c for c in self.vmctl_json("doctor", code=1)}
        self.assertEqual((checks["KVM"]["health"], checks["daemon"]["health"]), ("bad", "good"))
        self.assertTrue(checks["KVM"]["fix"])


class Host(GuestTest):
    """info and doctor where machines can be started."""

    def test_info(self):
        info = self.vmctl_json("info")
        self.assertEqual((info["mode"], info["mask"] & 2), ("session", 2))
        self.assertIsInstance(info["features"], list)
        report = info["report"]
        out = self.vmctl("info")
        self.assertIn("session mode, reached by --user", out)
        self.assertIn("Speed: " + ("hardware" if report["kvm"]["hardware_speed"] else "emulated"),
                      out)
        for line in out.split("\n"):
            self.assertLessEqual(len(line), 80)
        self.assertEqual(json.loads(self.vmctl("info", "-o", "jsonl"))["mode"], "session")

    def test_doctor(self):
        out = self.vmctl("doctor")
        for check in ("bus", "daemon", "spawner", "KVM", "memory"):
            self.assertRegex(out, f"(?m)^\u2713 {check} ")
        self.assertIn("Machines can be started.", out)
        for line in self.vmctl("doctor", "-o", "jsonl").strip().split("\n"):
            self.assertEqual(set(json.loads(line)), {"check", "health", "detail", "fix"})


@harness.require_root
class Users(VmctlTest):
    """The system's daemon, root, and two users who know nothing of each other."""

    session = False
    conf = ""

    def setUp(self):
        super().setUp()
        # What root alone may read would hide what is tested here.
        for path in (self.folder, os.path.dirname(self.image)):
            os.chmod(path, 0o755)

    def test_root(self):
        self.vmctl("create", "web", "--kernel", self.image, "--start")
        self.assertIn("(system mode)", self.vmctl("status", "web"))
        self.assertIn("system mode, reached by --system", self.vmctl("status"))

    def test_forbidden(self):
        """Without polkit to be asked nobody but root may create."""
        self.vmctl("create", "web", "--kernel", self.image, user=NOBODY, code=1, says="vmctl: ")
        self.vmctl("run", "--kernel", self.image, user=NOBODY, code=125, says="vmctl: ")
        self.assertEqual(self.vmctl("list", "-a", "-o", "name"), "")
        self.vmctl("list", "--no-legend", user=NOBODY)
        checks = {c["check"]: c for c in self.vmctl_json("doctor", code=1, user=NOBODY)}
        self.assertEqual(checks["polkit"]["health"], "bad")

    def test_others_are_not_seen(self):
        self.vmctl("create", "web", "--kernel", self.image, "--start")
        self.assertEqual(self.vmctl("list", "-a", "-o", "name", user=NOBODY), "")
        for verb in ("stop", "status", "delete", "console", "logs"):
            with self.subTest(verb=verb):
                self.vmctl(verb, "web", user=NOBODY, code=4, says="web")

    def test_owner(self):
        self.vmctl("create", "web", "--kernel", self.image)
        self.assertEqual(self.vmctl("show", "-p", "Name", "--value", "--owner=root", "web"), "web\n")
        self.assertEqual(self.vmctl("show", "-p", "Name", "--value", "--owner", "0", "web"), "web\n")
        self.vmctl("start", "web", f"--owner={OTHER}", code=4,
                   says="Another user has one: mean it with --owner=0.")
        self.vmctl("start", "web", "--owner=no-such-user", code=2, says="there is no such user")
        self.vmctl("start", "web", "--owner=0", user=NOBODY, code=1, says="vmctl: ")

    def allow(self, uid, *actions):
        """polkit is there from now on, and lets this user do this."""
        rules = os.path.join(self.folder, "rules")
        with open(rules, "w", encoding="utf-8") as file:
            json.dump({str(uid): [f"org.vmservice1.{action}" for action in actions]}, file)
        polkit = subprocess.Popen(
            [sys.executable, os.path.join(harness.HERE, "fake-polkit.py"), self.bus.address, rules],
            stdout=subprocess.PIPE)
        self.addCleanup(self.finish, polkit)
        self.assertTrue(polkit.stdout.readline())

    def first_line(self, watching):
        """Until it prints an event: what comes from now on, it hears."""
        for verb in ("pause", "resume") * (harness.DEADLINE * 5):
            self.vmctl(verb, "web")
            if select.select([watching.stdout], [], [], 0.1)[0]:
                return
        self.fail("vmctl events prints nothing")

    def test_events_of_one_owner(self):
        """A name is unique for each owner only, and root sees the machines of all."""
        self.allow(NOBODY, "create", "custom", "manage")
        self.vmctl("create", "web", "--kernel", self.image, "--start")
        for args in (["web"], ["--owner=root"]):
            with self.subTest(args=args):
                watching = self.begin("events", "-o", "jsonl", *args, text=True)
                self.first_line(watching)
                self.vmctl("create", "web", "--kernel", self.image, "--start", user=NOBODY)
                self.vmctl("delete", "--force", "web", user=NOBODY)
                self.vmctl("kill", "web")
                owners, event = set(), {}
                while event.get("event") != "stopped":
                    event = json.loads(watching.stdout.readline())
                    owners.add(event["owner"])
                self.assertEqual(owners, {0})
                self.vmctl("start", "web")


if __name__ == "__main__":
    unittest.main(verbosity=2)
