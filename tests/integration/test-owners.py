#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""System mode: what one user may see and do of another's machines (nothing), and who says so."""

import json
import os
import pwd
import subprocess
import sys
import unittest
import xml.etree.ElementTree as ElementTree

from gi.repository import Gio, GLib

from harness import (ERROR, HERE, MACHINE, MANAGER, MANAGER_PATH, PROPERTIES, SOURCE, Signals,
                     SystemTest, iterate_until, require_root, variant, wait_for)

# Two users that every Debian has: dbus-daemon turns away uids without a name.
ALICE, BOB = pwd.getpwnam("games").pw_uid, pwd.getpwnam("man").pw_uid
OWN = ["org.vmservice1.create", "org.vmservice1.custom", "org.vmservice1.manage",
       "org.vmservice1.console"]
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"


def methods_of(name):
    root = ElementTree.parse(os.path.join(SOURCE, "dbus", f"org.vmservice1.{name}.xml")).getroot()
    for method in root.find("interface").findall("method"):
        yield method.get("name"), "".join(a.get("type") for a in method.findall("arg")
                                          if a.get("direction") == "in")


def arguments_for(signature):
    """Something of each type that our methods take."""
    values = {"sa{sh}a{sv}": ("{}", {}, {}), "ssa{sh}a{sv}": ("x", "{}", {}, {}),
              "sa{sv}": ("x", {}), "a{sv}": ({},)}
    return values[signature]


@require_root
class OwnersTest(SystemTest):
    session = False
    with_polkit = True

    def setUp(self):
        super().setUp()
        os.chmod(self.image, 0o644)
        self.rules_file = os.path.join(self.folder, "rules")
        self.rules({str(ALICE): OWN, str(BOB): OWN})
        if self.with_polkit:
            self.polkit = subprocess.Popen(
                [sys.executable, os.path.join(HERE, "fake-polkit.py"), self.bus.address,
                 self.rules_file], stdout=subprocess.PIPE)
            self.addCleanup(self.stop_polkit)
            self.assertTrue(self.polkit.stdout.readline())
        self.alice, self.bob = self.connect(ALICE), self.connect(BOB)

    def stop_polkit(self):
        self.polkit.kill()
        self.polkit.wait()
        self.polkit.stdout.close()

    def rules(self, rules):
        with open(self.rules_file + ".new", "w", encoding="utf-8") as out:
            json.dump(rules, out)
        os.rename(self.rules_file + ".new", self.rules_file)

    def asked(self):
        with open(self.rules_file + ".log", encoding="utf-8") as log:
            return [json.loads(line) for line in log]

    def error_of(self, client, path, interface, member, signature, *arguments):
        try:
            client.call(path, interface, member, signature, *arguments)
        except GLib.Error as error:
            return Gio.DBusError.get_remote_error(error), error.message.replace(path, "PATH")
        return None


class Visibility(OwnersTest):
    def test_matrix(self):
        """Each method of a foreign machine fails as that of one that is not there."""
        path = self.create("secret", client=self.alice)
        nowhere = MANAGER_PATH + "/machine/" + "0" * 32
        calls = [(MACHINE, *method) for method in methods_of("Machine")]
        calls += [(PROPERTIES, "GetAll", "s"), (PROPERTIES, "Get", "ss"),
                  (INTROSPECTABLE, "Introspect", "")]
        for interface, member, signature in calls:
            arguments = {"s": (MACHINE,), "ss": (MACHINE, "Name"), "": ()}.get(signature)
            arguments = arguments_for(signature) if arguments is None else arguments
            with self.subTest(member=member):
                found = self.error_of(self.bob, path, interface, member, signature, *arguments)
                absent = self.error_of(self.bob, nowhere, interface, member, signature, *arguments)
                self.assertIsNotNone(found)
                self.assertEqual(found, absent)
                self.assertEqual(found[0], ERROR + "NoSuchMachine")
        self.assertEqual(self.alice.property(path, "State"), "running")
        # polkit was never asked about any of it: there is nothing to ask about.
        self.assertEqual([a for a in self.asked() if a[2] == BOB], [])

    def test_enumeration(self):
        path = self.create("secret", client=self.alice)
        identity = path.rsplit("/", 1)[1]
        other = self.create("secret", client=self.bob, start=False)  # names are per owner
        self.assertNotEqual(path, other)
        self.assertEqual([m[1] for m in self.bob.manager("ListMachines", "a{sv}", {})[0]], [other])
        objects, = self.bob.call(MANAGER_PATH, OBJECT_MANAGER, "GetManagedObjects", "")
        self.assertEqual(list(objects), [other])
        for node in ("/", "/org", MANAGER_PATH, MANAGER_PATH + "/machine", other):
            text, = self.bob.call(node, INTROSPECTABLE, "Introspect", "")
            self.assertNotIn(identity, text)
        text, = self.alice.call(MANAGER_PATH + "/machine", INTROSPECTABLE, "Introspect", "")
        self.assertIn(identity, text)
        self.assertEqual(self.bob.manager("GetMachine", "sa{sv}", "secret", {})[0], other)
        with self.fails("NotAuthorized", "only root"):
            self.bob.manager("GetMachine", "sa{sv}", "secret", {"owner": GLib.Variant("u", ALICE)})

    def test_root(self):
        path = self.create("hers", client=self.alice)
        self.assertEqual(self.client.names(), ["hers"])
        self.assertEqual(self.client.property(path, "Owner"), ALICE)
        found, = self.client.manager("GetMachine", "sa{sv}", "hers",
                                     {"owner": GLib.Variant("u", ALICE)})
        self.assertEqual(found, path)
        self.client.machine(path, "Stop")
        self.client.machine(path, "Delete")

    def test_signals(self):
        """Who matches everything and subscribes still learns nothing of another's."""
        spy, owner, root = Signals(self.bob), Signals(self.alice), Signals(self.client)
        path = self.create("secret", client=self.alice)
        self.alice.machine(path, "Pause")
        self.alice.machine(path, "Kill")
        self.alice.machine(path, "Delete")
        owner.wait("InterfacesRemoved")
        root.wait("InterfacesRemoved")
        spy.settle()
        self.assertEqual(spy.seen, [])
        self.assertEqual([s[:2] for s in owner.seen], [s[:2] for s in root.seen])

    def test_quota_is_per_uid(self):
        """Ten thousand creates by one uid: refused from the limit on, and another uid still may."""
        for i in range(256):
            self.create(f"m{i}", client=self.alice, start=False)
        before = self.tree()
        fd = os.open(self.image, os.O_RDONLY)
        text = json.dumps(self.config())
        refused = 0
        for _ in range(100):
            boxes = [self.alice.call_async(MANAGER_PATH, MANAGER, "CreateMachine", "ssa{sh}a{sv}",
                                           f"n{i}", text, {"kernel": 0}, {}, fds=[fd])
                     for i in range(100)]
            for box in boxes:
                with self.assertRaises(GLib.Error) as caught:
                    self.alice.answer(box)
                name = Gio.DBusError.get_remote_error(caught.exception)
                self.assertEqual(name, ERROR + "QuotaExceeded", caught.exception.message)
                refused += 1
        os.close(fd)
        self.assertEqual(refused, 10000)
        self.assertEqual(self.tree(), before)
        self.create("his", client=self.bob)


class Waiting(OwnersTest):
    """Calls that wait keep their descriptors: there is a bound for each uid."""

    CALLS = 256

    def wait_for_stop(self, client, path, fd, n):
        """A stop that takes an hour, with descriptors that nobody asked for; past polkit."""
        box = client.call_async(path, MACHINE, "Stop", "a{sv}",
                                {"deadline_usec": variant(3600_000_000)}, fds=[fd] * 4)
        wait_for(lambda: sum(1 for a in self.asked() if a[1].endswith(".manage")) == n,
                 "polkit was asked")
        return box

    def test_bound(self):
        path = self.create("one", "button=silent", client=self.alice)
        his = self.create("his", client=self.bob)
        before = self.daemon.fds()
        waiting = [self.connect(ALICE), self.connect(ALICE)]
        fd = os.open(self.image, os.O_RDONLY)
        boxes = [self.wait_for_stop(waiting[n % 2], path, fd, n + 1) for n in range(self.CALLS)]
        os.close(fd)
        for _ in range(10):
            with self.fails("QuotaExceeded", f"{self.CALLS} calls", "close"):
                self.alice.machine(path, "Kill")
        self.assertEqual([box for box in boxes if box], [])
        self.assertEqual(len(self.daemon.fds()), len(before) + 4 * self.CALLS)
        self.assertEqual(self.bob.property(his, "State"), "running")  # others are served
        self.assertEqual(self.client.property(path, "State"), "stopping")
        for client in waiting:  # who is gone waits for nothing
            client.close()
        wait_for(lambda: self.daemon.fds() == before, "their descriptors are closed")
        self.alice.machine(path, "Kill")
        self.assertEqual(self.alice.property(path, "StopReason"), "KILLED")


class Authorization(OwnersTest):
    def test_actions(self):
        """Which action each method asks for, by bus name, and never for root."""
        path = self.create("one", client=self.alice)
        self.alice.machine(path, "Stop")
        fds = []
        self.alice.machine(path, "OpenLog", reply_fds=fds)
        os.close(fds[0])
        self.create("roots")
        self.assertEqual(self.asked(), [
            ["system-bus-name", "org.vmservice1.create", ALICE, 0],
            ["system-bus-name", "org.vmservice1.custom", ALICE, 0],
            ["system-bus-name", "org.vmservice1.manage", ALICE, 0],
            ["system-bus-name", "org.vmservice1.console", ALICE, 0]])

    def test_denied(self):
        path = self.create("one", client=self.alice)
        self.rules({str(ALICE): []})
        for member, signature in methods_of("Machine"):
            with self.subTest(member=member), self.fails("NotAuthorized", "polkit action"):
                self.alice.call(path, MACHINE, member, signature, *arguments_for(signature))
        for member in ("CreateMachine", "GetOrCreateMachine"):
            with self.fails("NotAuthorized", "org.vmservice1.create"):
                self.alice.manager(member, "ssa{sh}a{sv}", "two", "{}", {}, {})
        self.rules({str(ALICE): ["org.vmservice1.create"]})
        with self.fails("NotAuthorized", "org.vmservice1.custom"):
            self.create("two", client=self.alice)
        # What needs no permission is still there, and what it says is one's own.
        self.assertEqual(self.alice.names(), ["one"])
        self.alice.manager("GetCapabilities", "a{sv}", {})
        # A denial keeps no lock: the next call that is allowed is answered.
        self.rules({str(ALICE): OWN})
        self.alice.machine(path, "Stop")

    def test_console_is_its_own_right(self):
        import socket
        self.rules({str(ALICE): [a for a in OWN if not a.endswith(".console")]})
        ours, theirs = socket.socketpair()
        with ours, theirs, open(self.image, "rb") as image:
            with self.fails("NotAuthorized", "org.vmservice1.console"):
                self.alice.create("one", self.config(), {"kernel": 0},
                                  fds=[image.fileno(), theirs.fileno()], start=True,
                                  console=GLib.Variant("h", 1))
        self.assertEqual(self.alice.names(), [])

    def test_nothing_is_parsed_before(self):
        """31 MiB (the bus takes 32) from somebody who may not: refused for that, and not looked at."""
        self.rules({})
        for text in ("{" * (31 << 20), '{"kernel": "' + "x" * (31 << 20) + '"}'):
            with self.fails("NotAuthorized"):
                self.alice.manager("CreateMachine", "ssa{sh}a{sv}", "one", text, {}, {})
        self.rules({str(ALICE): OWN})
        with self.fails("InvalidConfig", "32768"):
            self.alice.manager("CreateMachine", "ssa{sh}a{sv}", "one", text, {}, {})

    def test_gone_while_asked(self):
        """Who leaves before polkit has answered has not been authorized, whatever it answers."""
        gate = os.path.join(self.folder, "gate")
        self.rules({str(ALICE): OWN, "wait": gate})
        fds = self.daemon.fds()
        fd = os.open(self.image, os.O_RDONLY)
        leavers = [self.connect(ALICE) for _ in range(5)]
        for i, client in enumerate(leavers):
            client.call_async(MANAGER_PATH, MANAGER, "CreateMachine", "ssa{sh}a{sv}", f"m{i}",
                              json.dumps(self.config()), {"kernel": 0}, {}, fds=[fd])
        wait_for(lambda: os.path.exists(self.rules_file + ".log") and len(self.asked()) == 5,
                 "polkit was asked")
        for client in leavers:
            client.close()
        # The daemon has been told of it: it answers what comes after.
        self.client.manager("ListMachines", "a{sv}", {})
        with open(gate, "wb"):
            pass
        self.create("after", client=self.alice, start=False)
        self.assertEqual(self.client.names(), ["after"])
        os.close(fd)
        wait_for(lambda: self.daemon.fds() == fds, "no descriptor is left over")

    def test_too_many_questions(self):
        gate = os.path.join(self.folder, "gate")
        self.rules({str(ALICE): OWN, str(BOB): OWN, "wait": gate})
        boxes = [self.alice.call_async(MANAGER_PATH, MANAGER, "CreateMachine", "ssa{sh}a{sv}",
                                       f"m{i}", "{}", {}, {}) for i in range(20)]
        iterate_until(lambda: sum(1 for box in boxes if box) == 4, "the four beyond the bound")
        self.assertEqual(self.bob.names(), [])  # others are served meanwhile
        with open(gate, "wb"):
            pass
        errors = set()
        for box in boxes:
            with self.assertRaises(GLib.Error) as caught:
                self.alice.answer(box)
            errors.add(Gio.DBusError.get_remote_error(caught.exception))
        self.assertEqual(errors, {ERROR + "InvalidConfig", ERROR + "QuotaExceeded"})

    def test_polkit_fails(self):
        self.rules({"answer": "garbage"})
        with self.fails("NotAuthorized", "could not be asked") as caught:
            self.create("one", client=self.alice)
        self.assertNotIn("\x1b", caught.exception.message)
        self.stop_polkit()
        self.polkit = subprocess.Popen(["true"], stdout=subprocess.PIPE)
        with self.fails("NotAuthorized", "polkit is not running"):
            self.create("one", client=self.alice)
        self.create("roots")


@require_root
class ForeignInSession(SystemTest):
    """A session's daemon is its user's: others get nothing, even if the bus lets them in."""

    def test_foreign(self):
        path = self.create("mine")
        os.chmod(self.image, 0o644)
        bob = self.connect(BOB)
        with self.fails("NotAuthorized", "session of uid 0"):
            self.create("his", client=bob)
        self.assertEqual(bob.names(), [])
        with self.fails("NoSuchMachine"):
            bob.machine(path, "Kill")


@require_root
class Policy(OwnersTest):
    """The installed bus policy, as far as it stands before the daemon."""

    def test_own(self):
        with self.assertRaises(GLib.Error):
            self.bob.bus.call_sync(
                "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                "RequestName", GLib.Variant("(su)", ("org.vmservice1", 4)), None, 0, -1, None)

    def test_every_method_passes(self):
        """No method of the XML is stopped by the bus (it would be AccessDenied, not ours)."""
        for interface, path in (("Manager", MANAGER_PATH),
                                ("Machine", self.create("one", client=self.bob))):
            for member, signature in methods_of(interface):
                error = self.error_of(self.bob, path, f"org.vmservice1.{interface}", member,
                                      signature, *arguments_for(signature))
                if error:
                    self.assertTrue(error[0].startswith(ERROR), (member, error))
        with self.fails("org.freedesktop.DBus.Error.AccessDenied"):
            self.bob.call(MANAGER_PATH, PROPERTIES, "Set", "ssv", MANAGER, "Version", variant("2"))


if __name__ == "__main__":
    unittest.main()
