#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each method, each property, each error of the D-Bus interface. The monitor is the fake one."""

import json
import os
import resource
import socket
import stat
import subprocess
import time
import unittest
import xml.etree.ElementTree as ElementTree

from gi.repository import Gio, GLib

from harness import (ERROR, MACHINE, MANAGER, MANAGER_PATH, PROPERTIES, SOURCE, Signals,
                     SystemTest, variant, wait_for)

INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
DBUS_ERROR = "org.freedesktop.DBus.Error."


def normalize(interface):
    """An interface element without comments and layout, for comparison."""
    for element in interface.iter():
        element.text = element.tail = None
    return ElementTree.canonicalize(ElementTree.tostring(interface, encoding="unicode"))


class Introspection(SystemTest):
    def introspect(self, path):
        return ElementTree.fromstring(self.client.call(path, INTROSPECTABLE, "Introspect", "")[0])

    def test_equals_xml(self):
        machine = self.create("one", start=False)
        for path, name in ((MANAGER_PATH, "Manager"), (machine, "Machine")):
            file = os.path.join(SOURCE, "dbus", f"org.vmservice1.{name}.xml")
            wanted = ElementTree.parse(file).getroot().find("interface")
            found = {i.get("name"): i for i in self.introspect(path).findall("interface")}
            self.assertEqual(normalize(found[f"org.vmservice1.{name}"]), normalize(wanted))
            self.assertIn(PROPERTIES, found)
            self.assertIn("org.freedesktop.DBus.Peer", found)

    def test_tree(self):
        machine = self.create("one", start=False)
        path, seen = "/", []
        while path != machine:
            nodes = [n.get("name") for n in self.introspect(path).findall("node")]
            self.assertEqual(len(nodes), 1)
            path = path.rstrip("/") + "/" + nodes[0]
            seen.append(path)
        self.assertEqual(seen[-2:], ["/org/vmservice1/machine", machine])

    def test_tools(self):
        """busctl and gdbus show the interface with its types."""
        machine = self.create("one", start=False)
        for path, words in ((MANAGER_PATH, ("CreateMachine", "ssa{sh}a{sv}", "GetManagedObjects")),
                            (machine, ("SetConfig", "sa{sh}a{sv}", "PayloadExitCode"))):
            shown = subprocess.run(
                ["busctl", f"--address={self.bus.address}", "introspect", "org.vmservice1", path],
                check=True, capture_output=True, text=True, timeout=60).stdout
            for word in words:
                self.assertIn(word, shown)
        shown = subprocess.run(
            ["gdbus", "introspect", "--address", self.bus.address, "--dest", "org.vmservice1",
             "--object-path", machine], check=True, capture_output=True, text=True,
            timeout=60).stdout
        for word in ("SetConfig(in  s config,", "in  a{sh} files,", "readonly s State = 'stopped'"):
            self.assertIn(word, shown)
        tree = subprocess.run(["busctl", f"--address={self.bus.address}", "tree",
                               "org.vmservice1"], check=True, capture_output=True, text=True,
                              timeout=60).stdout
        self.assertIn(machine, tree)

    def test_unknown(self):
        machine = self.create("one", start=False)
        with self.fails(DBUS_ERROR + "UnknownObject"):
            self.client.call("/org/vmservice2", MANAGER, "Subscribe", "a{sv}", {})
        with self.fails("NoSuchMachine"):
            self.client.machine(MANAGER_PATH + "/machine/" + "0" * 32, "Start")
        with self.fails("NoSuchMachine"):
            self.client.machine(machine + "/more", "Start")
        for path, interface, member in ((MANAGER_PATH, MANAGER, "Start"),
                                        (machine, MANAGER, "Start"),
                                        (machine, MACHINE, "CreateMachine"),
                                        (MANAGER_PATH, "org.example.Other", "Start"),
                                        (machine, OBJECT_MANAGER, "GetManagedObjects")):
            with self.fails(DBUS_ERROR + "UnknownMethod"):
                self.client.call(path, interface, member, "a{sv}", {})
        with self.fails(DBUS_ERROR + "InvalidArgs", "takes 'a{sv}' and was given 's'"):
            self.client.call(machine, MACHINE, "Start", "s", "now")
        with self.fails(DBUS_ERROR + "UnknownProperty"):
            self.client.property(machine, "Color")
        with self.fails(DBUS_ERROR + "UnknownInterface"):
            self.client.property(machine, "State", "org.example.Other")
        with self.fails(DBUS_ERROR + "PropertyReadOnly"):
            self.client.call(machine, PROPERTIES, "Set", "ssv", MACHINE, "State",
                             GLib.Variant("s", "running"))


class Reports(SystemTest):
    def test_notify(self):
        """READY, a STATUS that follows what there is, STOPPING."""
        self.assertIn("READY=1", self.daemon.messages)
        self.create("one")
        self.daemon.wait_notify("STATUS=1 machines, 1 running")
        self.daemon.terminate()
        wait_for(lambda: "STOPPING=1" in self.daemon.messages, "STOPPING=1")

    def test_watchdog(self):
        self.daemon.terminate()
        self.daemon.start(WATCHDOG_USEC="400000")
        self.daemon.wait_notify("WATCHDOG=1")

    def test_descriptors(self):
        """A session's soft limit is not the daemon's: it takes what it may have."""
        self.daemon.terminate()
        old = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, old)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, old[1]))
        self.daemon.start()
        self.assertEqual(resource.prlimit(self.daemon.process.pid, resource.RLIMIT_NOFILE),
                         (old[1], old[1]))

    def test_capabilities(self):
        import jsonschema
        mask, report = self.client.manager("GetCapabilities", "a{sv}", {})
        with open(os.path.join(SOURCE, "data", "capabilities.schema.json"),
                  encoding="utf-8") as schema:
            jsonschema.validate(json.loads(report), json.load(schema))
        report = json.loads(report)
        self.assertEqual(mask, 2)
        self.assertEqual(report["kvm"]["speed_ratio"], 300)
        self.assertFalse(report["kvm"]["hardware_speed"])
        self.assertIn("300 times as long", report["kvm"]["speed_note"])
        self.assertEqual(report["monitors"][0]["name"], "fake-monitor")
        self.assertGreater(report["memory"]["total_mib"], 0)

    def test_manager_properties(self):
        values = self.client.properties(MANAGER_PATH, MANAGER)
        self.assertEqual(values["Mode"], "session")
        self.assertRegex(values["Version"], r"^\d+\.\d+")
        self.assertIn("pause", values["Features"])
        self.assertEqual(self.client.property(MANAGER_PATH, "Mode", MANAGER), "session")

    def test_machine_properties(self):
        path = self.create("one", start=False, lifetime="bound")
        values = self.client.properties(path)
        config = json.loads(values.pop("Config"))
        self.assertEqual((config["kernel"], config["memory_mib"]), ("kernel", 2))
        self.assertEqual(values, {
            "Name": "one", "Id": path.rsplit("/", 1)[1], "Owner": os.getuid(), "Transient": False,
            "Lifetime": "bound", "State": "stopped", "PayloadState": "none", "RunId": "",
            "StopReason": "", "StopDetail": "", "PayloadExitCode": -1, "MonitorPid": 0,
            "StartedAt": 0, "StoppedAt": 0})
        before = time.time() * 1e6
        run_id, = self.client.machine(path, "Start")
        values = self.client.properties(path)
        self.assertEqual(values["RunId"], run_id)
        self.assertEqual(values["State"], "running")
        self.assertEqual([values["MonitorPid"]], self.monitors())
        self.assertGreaterEqual(values["StartedAt"], before)
        self.client.machine(path, "Stop")
        values = self.client.properties(path)
        self.assertEqual((values["StopReason"], values["MonitorPid"]), ("SHUTDOWN", 0))
        self.assertGreaterEqual(values["StoppedAt"], values["StartedAt"])

    def test_managed_objects(self):
        one, two = self.create("one", start=False), self.create("two")
        objects, = self.client.call(MANAGER_PATH, OBJECT_MANAGER, "GetManagedObjects", "")
        self.assertEqual(sorted(objects), sorted([one, two]))
        self.assertEqual(objects[two][MACHINE]["State"], "running")
        self.assertEqual(set(objects[one][MACHINE]), set(self.client.properties(one)))


class KvmChanges(SystemTest):
    """The device comes, goes and is forbidden while the daemon runs."""

    def setUp(self):
        self.kvm = None
        super().setUp()

    autostart = False

    def usable(self):
        report = json.loads(self.client.manager("GetCapabilities", "a{sv}", {})[1])["kvm"]
        return report["present"], report["usable"], report["problem"] or ""

    def test_changes(self):
        device = os.path.join(self.folder, "dev", "kvm")
        os.mkdir(os.path.dirname(device))
        self.daemon.command += ["--kvm", device]
        self.daemon.start()
        present, usable, problem = self.usable()
        self.assertFalse(present or usable)
        self.assertIn("kvm_intel", problem)
        with self.fails("KvmUnavailable", device, "does not exist"):
            self.create("one")
        self.assertEqual(self.client.names(), [])
        path = self.create("stopped", start=False)  # may be made, and started elsewhere
        with self.fails("KvmUnavailable", "does not exist"):
            self.client.machine(path, "Start")
        self.assertEqual(self.client.property(path, "RunId"), "")
        os.symlink("/dev/null", device)
        wait_for(lambda: self.usable()[1], "the new device is probed")
        self.client.machine(path, "Start")
        os.unlink(device)
        wait_for(lambda: not self.usable()[0], "its loss is seen")
        self.client.machine(path, "Stop")  # what runs goes on
        os.symlink(self.image, device)
        wait_for(lambda: "driver" in self.usable()[2], "a file is no device")


class Configurations(SystemTest):
    def refused(self, config, error, *fragments):
        for member, signature, extra in (("ValidateConfig", "sa{sv}", ({},)),
                                         ("CreateMachine", "ssa{sh}a{sv}", ({}, {}))):
            arguments = (config, *extra) if member == "ValidateConfig" else ("one", config, *extra)
            with self.fails(error, *fragments):
                self.client.manager(member, signature, *arguments)
        self.assertEqual(self.client.names(), [])

    def test_validate(self):
        text, = self.client.manager("ValidateConfig", "sa{sv}", '{"kernel": "/k", "x-mine": 1}', {})
        config = json.loads(text)
        self.assertEqual((config["kernel"], config["memory_mib"], config["on_reboot"]),
                         ("/k", 256, "restart"))
        again, = self.client.manager("ValidateConfig", "sa{sv}", text, {})
        self.assertEqual(text, again)

    def test_refused(self):
        before = self.tree()
        rows = [
            ('{"kernel": "k", "memroy_mib": 1}', "InvalidConfig", "/memroy_mib", "memory_mib"),
            ('{"kernel": 7}', "InvalidConfig", "/kernel", "string"),
            ('{"kernel": "k", "memory_mib": 1}', "InvalidConfig", "/memory_mib", "from 2"),
            ('{"kernel": "k", "bootloader": "b"}', "InvalidConfig", "excludes"),
            ("{}", "InvalidConfig", "nothing to boot"),
            ("", "InvalidConfig"),
            ("[" * 10000, "InvalidConfig"),
            ('{"kernel": "k"} x', "InvalidConfig"),
            (json.dumps({"kernel": "k", "params": "x" * 33000}), "InvalidConfig", "32768"),
            ('{"kernel": "k", "memory_mib": 1000000}', "NotEnoughMemory", "this host has"),
            ('{"kernel": "k", "cpu_count": 9}', "InvalidConfig", "at most 8"),
            ('{"kernel": "k", "protected": true}', "NotSupported", "never started unprotected"),
            ('{"bootloader": "b"}', "NotSupported", '"kernel" instead'),
        ]
        for row in rows:
            with self.subTest(config=row[0][:60]):
                self.refused(*row)
        self.assertEqual(self.tree(), before)

    def test_names(self):
        for name in ("", "a/b", "-a", ".a", "a b", "ä", "a" * 65, "a" * 300, "../../etc",
                     "a\x1b[31m", "a\n"):
            with self.subTest(name=name), self.fails("InvalidName") as caught:
                self.create(name, start=False)
            self.assertNotIn("\x1b", caught.exception.message)
        for name in ("a", "A.b_c-9", "9" * 64):
            self.create(name, start=False)


class Files(SystemTest):
    def create_with(self, files, config=None, fds=()):
        return self.client.create("one", config or self.config(), files, fds)

    def nothing_made(self):
        self.assertEqual(self.client.names(), [])
        self.assertEqual([e for e in self.tree() if "machines/" in e], [])

    def test_keys(self):
        with self.fails("InvalidFile", '"kernel"', "pass its descriptor"):
            self.create_with({})
        with self.fails("InvalidFile", '"other\\x1b"', "does not name it"):
            self.create_with({"kernel": self.image, "other\x1b": self.image})
        self.nothing_made()
        # One file under one key for two purposes.
        path = self.create_with({"kernel": self.image}, self.config(initrd="kernel"))
        self.client.machine(path, "Start")

    def test_descriptors(self):
        """Whatever is not a readable file of bytes is refused, with the reason."""
        write_only = os.open(self.image, os.O_WRONLY)
        read, write = os.pipe()
        fds = {
            "O_PATH": os.open(self.image, os.O_PATH),
            "folder": os.open(self.folder, os.O_RDONLY),
            "write-only": write_only,
            "/proc/self/mem": os.open("/proc/self/mem", os.O_RDONLY),
            "pipe": read,
            "device": os.open("/dev/zero", os.O_RDONLY),
            "empty": os.memfd_create("empty"),
        }
        try:
            for what, fd in fds.items():
                with self.subTest(what=what), self.fails("InvalidFile", '"kernel"'):
                    self.create_with({"kernel": 0}, fds=[fd])
        finally:
            for fd in (*fds.values(), write):
                os.close(fd)
        with open(os.path.join(self.folder, "big"), "wb") as big:
            big.truncate(3 << 20)
        with self.fails("InvalidFile", "does not fit", "memory_mib"):
            self.create_with({"kernel": big.name})
        self.nothing_made()

    def test_console(self):
        """What is not a stream socket is refused before anything is made, or started."""
        path = self.create("stopped", start=False)
        before, tree = self.client.properties(path), self.tree()
        datagram, listening = (socket.socket(socket.AF_UNIX, kind)
                               for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM))
        listening.bind(os.path.join(self.folder, "listening"))
        listening.listen()
        pipe = os.pipe()
        fds = {
            "O_PATH": os.open(self.image, os.O_PATH),
            "folder": os.open(self.folder, os.O_RDONLY),
            "file": os.open(self.image, os.O_RDWR),
            "/proc/self/mem": os.open("/proc/self/mem", os.O_RDWR),
            "pipe": pipe[1],
            "datagrams": datagram.detach(),
            "listening": listening.detach(),
        }
        image = os.open(self.image, os.O_RDONLY)
        for what, fd in fds.items():
            with self.subTest(what=what), self.fails("InvalidFile", "console", "pass "):
                self.client.create("one", self.config(), {"kernel": 0}, [image, fd], start=True,
                                   console=GLib.Variant("h", 1))
            with self.subTest(what=what), self.fails("InvalidFile", "console", "pass "):
                self.client.machine(path, "Start", {"console": GLib.Variant("h", 0)}, fds=[fd])
        for fd in (*fds.values(), image, pipe[0]):
            os.close(fd)
        self.assertEqual((self.client.names(), self.client.properties(path), self.tree()),
                         (["stopped"], before, tree))

    def test_index_without_fd(self):
        with self.assertRaises(GLib.Error):
            self.create_with({"kernel": 3})
        self.nothing_made()

    def test_copied(self):
        """The machine's images are copies: what becomes of the caller's is of no matter."""
        path = self.create_with({"kernel": self.image})
        folder = os.path.join(self.daemon.state, "machines", path.rsplit("/", 1)[1])
        copy, = [f for f in os.listdir(folder) if f.startswith("file-")]
        os.unlink(self.image)
        with open(os.path.join(folder, copy), "rb") as file:
            self.assertEqual(file.read(), b"not much of a kernel")
        self.client.machine(path, "Start")
        for top, folders, files in os.walk(self.daemon.state):
            for entry in folders:
                self.assertEqual(stat.S_IMODE(os.stat(os.path.join(top, entry)).st_mode), 0o700)
            for entry in files:
                self.assertEqual(stat.S_IMODE(os.stat(os.path.join(top, entry)).st_mode), 0o600)


class Options(SystemTest):
    def test_refused(self):
        machine = self.create("one", start=False)
        socket_options = {"console_write": variant(True)}
        rows = [
            (MANAGER_PATH, MANAGER, "ListMachines", {"al": variant(True)}, "no option"),
            (machine, MACHINE, "Start", {"consol": variant(True)}, 'did you mean "console"'),
            (machine, MACHINE, "Start", socket_options, 'needs "console"'),
            (machine, MACHINE, "Stop", {"deadline_usec": variant("1")}, "type 't'"),
            (machine, MACHINE, "Stop", {"deadline_usec": variant(1 << 62)}, "at most"),
            (machine, MACHINE, "OpenConsole", {"write": variant(1)}, "type 'b'"),
            (machine, MACHINE, "Delete", {"force\x1b": variant(True)}, "force\\x1b"),
        ]
        for path, interface, member, options, fragment in rows:
            with self.subTest(member=member), self.fails("InvalidOption", fragment):
                self.client.call(path, interface, member, "a{sv}", options)
        for options, fragment in (({"transient": True}, 'needs "start"'),
                                  ({"lifetime": "forever"}, '"bound"'),
                                  ({"console_write": True}, '"console"'),
                                  ({"start": "yes"}, "type 'b'")):
            with self.subTest(options=options), self.fails("InvalidOption", fragment):
                self.client.create("two", self.config(), {"kernel": self.image}, **options)
        self.assertEqual(self.client.names(), ["one"])

    def test_twice(self):
        bad = GLib.Variant.new_tuple(GLib.Variant.new_array(GLib.VariantType("{sv}"), [
            GLib.Variant.new_dict_entry(GLib.Variant("s", "previous"),
                                        GLib.Variant("v", GLib.Variant("b", True)))] * 2))
        machine = self.create("one", start=False)
        with self.fails("InvalidOption", "twice"):
            self.client.bus.call_sync("org.vmservice1", machine, MACHINE, "OpenLog", bad, None,
                                      Gio.DBusCallFlags.NONE, -1, None)


class Lookup(SystemTest):
    def test_get_and_list(self):
        one, two = self.create("one", start=False), self.create("two")
        self.assertEqual(self.client.manager("GetMachine", "sa{sv}", "one", {})[0], one)
        self.assertEqual(sorted(self.client.manager("ListMachines", "a{sv}", {})[0]), [
            ("one", one, os.getuid(), "stopped"), ("two", two, os.getuid(), "running")])
        with self.fails("NoSuchMachine", '"three"'):
            self.client.manager("GetMachine", "sa{sv}", "three", {})
        with self.fails("NoSuchMachine"):
            self.client.manager("GetMachine", "sa{sv}", "one", {"owner": GLib.Variant("u", 12345)})

    def get_or_create(self, name, config, files, *fds):
        return self.client.manager("GetOrCreateMachine", "ssa{sh}a{sv}", name, config, files, {},
                                   fds=fds)

    def test_get_or_create(self):
        with open(self.image, "rb") as image:
            config = json.dumps(self.config())
            path, created = self.get_or_create("one", config, {"kernel": 0}, image.fileno())
            self.assertTrue(created)
            # Its config is ignored, even if it makes no sense.
            self.assertEqual(self.get_or_create("one", "nonsense", {}), (path, False))
            with self.fails("InvalidConfig"):
                self.get_or_create("two", "nonsense", {})

    def test_exists(self):
        self.create("one", start=False)
        with self.fails("MachineExists", '"one"'):
            self.create("one", start=False)
        self.assertEqual(self.client.names(), ["one"])

    def test_racing_creators(self):
        """64 clients, one name: one winner, and nothing of the others is left."""
        clients = [self.connect() for _ in range(64)]
        text = json.dumps(self.config())
        fd = os.open(self.image, os.O_RDONLY)
        boxes = [c.call_async(MANAGER_PATH, MANAGER, "CreateMachine", "ssa{sh}a{sv}", "one", text,
                              {"kernel": 0}, {"start": variant(True)}, fds=[fd]) for c in clients]
        os.close(fd)
        won, lost = [], []
        for client, box in zip(clients, boxes):
            try:
                won.append(client.answer(box)[0])
            except GLib.Error as error:
                lost.append(Gio.DBusError.get_remote_error(error))
        self.assertEqual(len(won), 1)
        self.assertEqual(set(lost), {ERROR + "MachineExists"})
        self.assertEqual(self.client.names(), ["one"])
        self.assertEqual(len(self.monitors()), 1)
        machines = os.listdir(os.path.join(self.daemon.state, "machines"))
        self.assertEqual(machines, [won[0].rsplit("/", 1)[1]])

    def test_racing_get_or_create(self):
        """All get the same machine; one of them made it."""
        clients = [self.connect() for _ in range(16)]
        text = json.dumps(self.config())
        fd = os.open(self.image, os.O_RDONLY)
        boxes = [c.call_async(MANAGER_PATH, MANAGER, "GetOrCreateMachine", "ssa{sh}a{sv}", "one",
                              text, {"kernel": 0}, {}, fds=[fd]) for c in clients]
        os.close(fd)
        answers = [client.answer(box) for client, box in zip(clients, boxes)]
        self.assertEqual(len({path for path, _ in answers}), 1)
        self.assertEqual([created for _, created in answers].count(True), 1)


class Quotas(SystemTest):
    conf = "machines = 5\nrunning = 2\nmemory_mib = 10\nvcpus = 3\nimages_mib = 1\n"

    def test_machines(self):
        for i in range(5):
            self.create(f"m{i}", start=False)
        before = self.tree()
        for _ in range(100):
            with self.fails("QuotaExceeded", "'machines'", "at most 5", "vmservice.conf"):
                self.create("more", start=False)
        self.assertEqual(self.tree(), before)
        self.client.machine(self.client.manager("GetMachine", "sa{sv}", "m0", {})[0], "Delete")
        self.create("more", start=False)

    def test_running(self):
        one, two = self.create("one"), self.create("two")
        with self.fails("QuotaExceeded", "'running'"):
            self.create("three")
        three = self.create("three", start=False)
        with self.fails("QuotaExceeded", "'running'"):
            self.client.machine(three, "Start")
        self.client.machine(one, "Kill")
        self.client.machine(three, "Start")
        self.assertEqual(self.client.property(two, "State"), "running")

    def test_memory_and_vcpus(self):
        self.create("one", keys={"memory_mib": 6})
        with self.fails("QuotaExceeded", "'memory_mib'"):
            self.create("two", keys={"memory_mib": 5})
        with self.fails("QuotaExceeded", "'vcpus'"):
            self.create("two", keys={"cpu_count": 3})
        self.create("two", keys={"cpu_count": 2, "memory_mib": 4})

    def test_images(self):
        with open(self.image, "ab") as image:
            image.truncate(600 * 1024)
        path = self.create("one", start=False)
        with self.fails("QuotaExceeded", "'images_mib'"):
            self.create("two", start=False)
        self.create("three", transient=True)  # nothing is copied
        self.client.machine(path, "Delete")
        self.create("two", start=False)


class SetConfig(SystemTest):
    def set_config(self, path, config, files=None):
        fds = [os.open(f, os.O_RDONLY) for f in (files or {}).values()]
        try:
            self.client.call(path, MACHINE, "SetConfig", "sa{sh}a{sv}", json.dumps(config),
                             {key: i for i, key in enumerate(files or {})}, {}, fds=fds)
        finally:
            for fd in fds:
                os.close(fd)

    def files_of(self, path):
        folder = os.path.join(self.daemon.state, "machines", path.rsplit("/", 1)[1])
        found = []
        for name in sorted(os.listdir(folder)):
            if name.startswith("file-"):
                with open(os.path.join(folder, name), "rb") as file:
                    found.append(file.read())
        return sorted(found)

    def test_set(self):
        other = os.path.join(self.folder, "other")
        with open(other, "wb") as file:
            file.write(b"another")
        path = self.create("one", start=False)
        signals = Signals(self.client)
        self.set_config(path, self.config("new"))  # the kernel's string is unchanged: kept
        self.assertEqual(json.loads(self.client.property(path, "Config"))["params"], "new")
        self.assertEqual(self.files_of(path), [b"not much of a kernel"])
        self.set_config(path, self.config(initrd="i"), {"i": other})
        self.assertEqual(self.files_of(path), [b"another", b"not much of a kernel"])
        self.set_config(path, self.config(kernel="k2"), {"k2": other})
        self.assertEqual(self.files_of(path), [b"another"])
        self.set_config(path, self.config(kernel="k2"), {"k2": self.image})  # replaced
        self.assertEqual(self.files_of(path), [b"not much of a kernel"])
        signals.settle()
        changed = signals.of("PropertiesChanged", path)
        self.assertEqual([sorted(c[1]) for c in changed], [["Config"]] * 4)
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(json.loads(self.client.property(path, "Config"))["kernel"], "k2")
        self.client.machine(path, "Start")

    def test_refused(self):
        path = self.create("one", start=False)
        before = self.client.property(path, "Config"), self.tree()
        rows = [
            (self.config(kernel="new"), None, "InvalidFile"),
            (self.config(), {"extra": self.image}, "InvalidFile"),
            (self.config(memory_mib=1), None, "InvalidConfig"),
            (self.config(platform_version="1.0.0"), None, "IncompatibleConfig"),
        ]
        for config, files, error in rows:
            with self.subTest(error=error), self.fails(error):
                self.set_config(path, config, files)
        self.assertEqual((self.client.property(path, "Config"), self.tree()), before)
        self.client.machine(path, "Start")
        with self.fails("WrongState", "running"):
            self.set_config(path, self.config())


if __name__ == "__main__":
    unittest.main()
