#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvmclient over GObject-Introspection, against the daemon."""

import json
import os
import socket
import subprocess
import sys
import threading
import unittest
import xml.etree.ElementTree as ElementTree

import harness
from clientcase import ClientTest, Gio, GLib, VmClient

State, Payload, Reason = VmClient.MachineState, VmClient.PayloadState, VmClient.StopReason
Error, Flags = VmClient.Error, VmClient.CreateFlags
CORE = "{http://www.gtk.org/introspection/core/1.0}"
C, GLIB = "{http://www.gtk.org/introspection/c/1.0}", "{http://www.gtk.org/introspection/glib/1.0}"


class ReferenceTest(unittest.TestCase):
    """What the introspection data say of the whole interface."""

    def setUp(self):
        path = os.path.join(harness.BUILD, "libvmclient", "VmClient-1.gir")
        self.elements = list(ElementTree.parse(path).getroot().iter())

    def names(self, *tags):
        return {e.get(C + "identifier") for e in self.elements if e.tag in [CORE + t for t in tags]}

    def test_every_call_comes_in_three_forms(self):
        names = self.names("function", "method", "constructor")
        calls = {name[:-len("_async")] for name in names if name.endswith("_async")}
        self.assertGreater(len(calls), 15)
        calls.remove("vm_client_manager_new_for_connection")  # ended by new_finish
        self.assertEqual({call + form for call in calls for form in ("_finish", "_sync")} - names,
                         set())
        self.assertIn("vm_client_manager_new_for_connection_sync", names)

    def test_everything_is_documented(self):
        documented = {CORE + tag for tag in (
            "function", "method", "constructor", "property", "class", "enumeration", "bitfield",
            "member", "parameter", "constant")} | {GLIB + "signal"}
        for element in self.elements:
            if element.tag in documented:
                doc = element.find(CORE + "doc")
                self.assertTrue(doc is not None and doc.text.strip(), element.attrib)


class ManagerTest(ClientTest):
    def test_what_it_tells_of_the_host(self):
        self.assertEqual(self.manager.props.mode, "session")
        self.assertRegex(self.manager.props.daemon_version, r"^\d+\.\d+")
        self.assertTrue(self.manager.props.daemon_running)
        self.assertIsInstance(self.manager.props.features, list)
        for feature in self.manager.props.features:
            self.assertTrue(self.manager.has_feature(feature))
        capabilities = self.manager.get_capabilities_sync()
        self.assertEqual(capabilities.props.mask, VmClient.CapabilityFlags.NON_PROTECTED_VM)
        report = json.loads(capabilities.props.report)
        self.assertEqual(capabilities.lookup("").unpack(), report)
        self.assertEqual(capabilities.props.hardware_speed, report["kvm"]["hardware_speed"])
        self.assertEqual(capabilities.props.speed_ratio, report["kvm"]["speed_ratio"])
        self.assertEqual(capabilities.lookup("/kvm/api_version").unpack(), 12)
        self.assertIsNone(capabilities.lookup("/kvm/no such key"))

    def test_require_vms(self):
        self.new_manager(flags=VmClient.ManagerFlags.REQUIRE_VMS)

    def test_validate(self):
        normalized = json.loads(self.manager.validate_config_sync(self.vm_config()))
        self.assertEqual(normalized["memory_mib"], 2)
        self.assertIn("on_reboot", normalized)
        config = self.vm_config()
        config.set_value("memory_mb", GLib.Variant("i", 5))
        with self.vm_fails(Error.INVALID_CONFIG, "/memory_mb", "memory_mib"):
            self.manager.validate_config_sync(config)

    def test_create_get_delete(self):
        machine = self.new_machine("one")
        self.assertEqual(machine.props.name, "one")
        self.assertEqual(machine.props.owner, os.geteuid())
        self.assertEqual(machine.props.state, State.STOPPED)
        self.assertEqual(machine.props.run_id, "")
        self.assertEqual(self.manager.get_machine_sync("one"), machine)
        again, created = self.manager.get_or_create_machine_sync("one", self.vm_config(),
                                                                 Flags.NONE)
        self.assertEqual((again, created), (machine, False))
        other, created = self.manager.get_or_create_machine_sync("two", self.vm_config(),
                                                                 Flags.NONE)
        self.assertTrue(created)
        self.assertEqual([m.props.name for m in self.manager.list_machines()], ["one", "two"])
        machine.delete_sync()
        self.assertTrue(machine.props.deleted)
        self.assertEqual(self.manager.list_machines(), [other])
        with self.vm_fails(Error.NO_SUCH_MACHINE):
            machine.start_sync()
        with self.vm_fails(Error.NO_SUCH_MACHINE, "one"):
            self.manager.get_machine_sync("one")

    def test_refusals(self):
        self.new_machine("one")
        with self.vm_fails(Error.MACHINE_EXISTS, "one"):
            self.new_machine("one")
        with self.vm_fails(Error.INVALID_NAME):
            self.new_machine("a/b")
        with self.vm_fails(Error.INVALID_NAME):
            self.new_machine("\x1b[31m" * 60)
        config = self.vm_config()
        config.set_kernel(os.path.join(self.folder, "absent"))
        with self.vm_fails(Error.INVALID_FILE, "/kernel", "absent", "No such file"):
            self.manager.create_machine_sync("x", config, Flags.NONE)
        config.set_value("memory_mib", GLib.Variant("s", "much"))
        config.set_kernel(self.image)
        with self.vm_fails(Error.INVALID_CONFIG, "/memory_mib"):
            self.manager.create_machine_sync("x", config, Flags.NONE)
        with self.vm_fails(Error.INVALID_OPTION, "bogus"):
            options = VmClient.Options()
            options.set_value("bogus", GLib.Variant("b", True))
            self.manager.create_machine_sync("x", self.vm_config(), Flags.NONE, options)
        with self.vm_fails(Error.INVALID_OPTION):
            self.manager.create_machine_sync("x", self.vm_config(), Flags.TRANSIENT)
        with self.vm_fails(Error.WRONG_STATE):
            self.manager.get_machine_sync("one").pause_sync()
        self.assertEqual([m.props.name for m in self.manager.list_machines()], ["one"])

    def test_hostile_descriptors(self):
        hostile = {"O_PATH": os.open(self.image, os.O_PATH),
                   "write only": os.open(self.image, os.O_WRONLY),
                   "a folder": os.open(self.folder, os.O_RDONLY),
                   "own memory": os.open("/proc/self/mem", os.O_RDWR)}
        for what, fd in hostile.items():
            config = VmClient.Config()
            config.set_file_fd("kernel", fd)
            with self.subTest(what), self.vm_fails(Error.INVALID_FILE):
                self.manager.create_machine_sync("x", config, Flags.NONE)
            os.close(fd)

    def test_config_file(self):
        path = os.path.join(self.folder, "vm.json")
        with open(path, "w", encoding="utf-8") as out:
            json.dump({"kernel": "kernel", "memory_mib": 4, "x-mine": [1]}, out)
        config = VmClient.Config.new_from_file(path)
        machine = self.manager.create_machine_sync("filed", config, Flags.NONE)
        self.assertEqual(json.loads(machine.props.config)["memory_mib"], 4)
        edited = machine.edit_config()
        edited.set_memory_mib(8)
        os.unlink(self.image)  # the machine has its own
        machine.set_config_sync(edited)
        self.assertEqual(json.loads(machine.props.config)["memory_mib"], 8)
        self.assertEqual(machine.start_sync(), machine.props.run_id)
        with self.vm_fails(Error.WRONG_STATE):
            machine.set_config_sync(edited)
        machine.kill_sync()

    def test_added_and_removed(self):
        seen, held = [], []

        def on_added(manager, machine):
            held.append(self.listen(machine))
            seen.append(("+", machine.props.name))

        self.manager.connect("machine-added", on_added)
        self.manager.connect("machine-removed", lambda m, machine: seen.append(
            ("-", machine.props.name)))
        self.create("brief", "running=end:SHUTDOWN", transient=True)
        harness.iterate_until(lambda: ("-", "brief") in seen, "brief is gone")
        self.assertEqual(seen, [("+", "brief"), ("-", "brief")])
        self.assertEqual([what for _, what in self.heard].count("SHUTDOWN"), 1)
        self.assertEqual(self.manager.list_machines(), [])


class RunTest(ClientTest):
    def test_a_life(self):
        machine = self.new_machine("one")
        run = machine.start_sync()
        self.assertEqual((machine.props.state, machine.props.run_id), (State.RUNNING, run))
        self.assertGreater(machine.props.monitor_pid, 1)
        self.assertGreater(machine.props.started_at, 0)
        with self.vm_fails(Error.WRONG_STATE):
            machine.start_sync()
        machine.pause_sync()
        self.assertEqual(machine.props.state, State.PAUSED)
        machine.resume_sync()
        self.assertEqual(machine.props.state, State.RUNNING)
        machine.reboot_sync()
        self.assertEqual(machine.props.run_id, run)
        self.assertEqual(machine.get_stats_sync().unpack()["vcpu_count"], 1)
        machine.stop_sync(-1)
        self.assertEqual((machine.props.state, machine.props.stop_reason),
                         (State.STOPPED, Reason.SHUTDOWN))
        self.assertEqual(machine.wait_stopped_sync(), Reason.SHUTDOWN)
        self.assertNotEqual(machine.props.stop_detail, "")
        self.assertNotEqual(machine.start_sync(), run)
        machine.kill_sync()
        self.assertEqual(machine.wait_stopped_sync(), Reason.KILLED)

    def test_deadline(self):
        machine = self.new_machine("stubborn", "button=silent")
        machine.start_sync()
        machine.stop_sync(100_000)
        self.assertEqual(machine.props.stop_reason, Reason.KILLED)

    def test_start_fails(self):
        machine = self.listen(self.new_machine("broken", "start=exit:17"))
        with self.vm_fails(Error.START_FAILED):
            machine.start_sync()
        self.assertEqual(machine.wait_stopped_sync(), Reason.START_FAILED)
        harness.iterate_until(lambda: self.heard and self.heard[-1][1] in ("stopped",
                                                                           "START_FAILED"),
                              "the end is told")
        self.idle()
        self.assertEqual([w for _, w in self.heard].count("START_FAILED"), 1)

    def test_signals(self):
        machine = self.listen(self.new_machine("one", "running=payload:started,ready,finished"))
        run = machine.start_sync()
        machine.wait_payload_sync(Payload.FINISHED)
        self.assertEqual(machine.props.payload_exit_code, 7)
        machine.stop_sync(-1)
        self.idle()
        told = [what for of, what in self.heard if of == run]
        self.assertEqual(len(told), len(self.heard))
        for once in ("starting", "running", "S", "R", "F7", "stopping", "stopped", "SHUTDOWN"):
            self.assertEqual(told.count(once), 1, (once, told))
        self.assertLess(told.index("S"), told.index("R"))
        self.assertLess(told.index("running"), told.index("stopped"))

    def test_transient_wait(self):
        for number in range(5):
            machine = self.new_machine(f"t{number}", "running=end:GUEST_PANIC",
                                       flags=Flags.START | Flags.TRANSIENT)
            self.assertTrue(machine.props.transient)
            self.assertEqual(machine.wait_stopped_sync(), Reason.GUEST_PANIC)
            machine.wait_state_sync(State.STOPPED)

    def test_bound(self):
        manager = self.new_manager()
        machine = self.new_machine("bound", flags=Flags.START | Flags.BOUND, manager=manager)
        self.assertTrue(machine.props.bound)
        mine = self.manager.get_machine_sync("bound")
        machine.get_property("name")
        manager.get_connection().close_sync(None)
        self.assertEqual(mine.wait_stopped_sync(), Reason.KILLED)

    def test_console(self):
        machine = self.new_machine("one")
        machine.start_sync()
        fd = machine.open_console_sync(VmClient.ConsoleFlags.WRITE)
        self.assertEqual(os.read(fd, 100), b"fake console\n")
        with self.vm_fails(Error.WRONG_STATE):
            machine.open_console_sync(VmClient.ConsoleFlags.WRITE)
        second = machine.open_console_sync(VmClient.ConsoleFlags.WRITE |
                                           VmClient.ConsoleFlags.STEAL)
        log = machine.open_log_sync(VmClient.LogFlags.NONE)
        with self.assertRaises(OSError):
            os.write(log, b"x")
        for each in (fd, second, log):
            os.close(each)
        machine.kill_sync()

    def test_console_from_the_first_byte(self):
        ours, theirs = socket.socketpair()
        options = VmClient.Options()
        options.set_console(theirs.fileno(), False)
        theirs.close()
        machine = self.manager.create_machine_sync(
            "brief", self.vm_config("running=end:SHUTDOWN"), Flags.START | Flags.TRANSIENT, options)
        del options
        self.assertEqual(machine.wait_stopped_sync(), Reason.SHUTDOWN)
        ours.settimeout(harness.DEADLINE)
        self.assertEqual(ours.recv(100), b"fake console\n")
        self.assertEqual(ours.recv(100), b"")
        ours.close()

    def test_async(self):
        machine = self.new_machine("one")
        results = []
        machine.start_async(None, None, lambda m, result: results.append(m.start_finish(result)))
        harness.iterate_until(lambda: results, "start")
        machine.wait_stopped_async(None, lambda m, result: results.append(
            m.wait_stopped_finish(result)))
        machine.kill_async(None, None, lambda m, result: results.append(m.kill_finish(result)))
        harness.iterate_until(lambda: len(results) == 3, "kill and wait")
        self.assertEqual(results[0], machine.props.run_id)
        self.assertIn(True, results)
        self.assertIn(Reason.KILLED, results)

    def test_cancel(self):
        machine = self.new_machine("one", "pause=hang")
        machine.start_sync()
        cancellable = Gio.Cancellable()
        timer = threading.Timer(0.3, cancellable.cancel)
        timer.start()
        with self.assertRaises(GLib.Error) as caught:
            machine.pause_sync(None, cancellable)
        self.assertTrue(caught.exception.matches(Gio.io_error_quark(),
                                                 Gio.IOErrorEnum.CANCELLED))
        with self.assertRaises(GLib.Error):
            machine.wait_stopped_sync(cancellable)
        timer.join()
        machine.kill_sync()


@harness.require_root
class TwoUsersTest(ClientTest):
    """One user neither sees nor hears of another's machines; root does."""

    session = False
    UIDS = (1, 2)  # "daemon" and "bin" are on every Debian; the bus looks their groups up

    def setUp(self):
        super().setUp()
        environment = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=self.bus.address)
        polkit = subprocess.Popen([sys.executable, "-m", "dbusmock", "--template", "polkitd"],
                                  env=environment)
        self.addCleanup(polkit.wait)
        self.addCleanup(polkit.kill)
        harness.wait_for(self.allow, "the mock of polkit answers")

    def allow(self):
        """What polkit's own defaults allow any local user."""
        actions = [f"org.vmservice1.{action}" for action in ("create", "custom", "manage")]
        try:
            self.client.bus.call_sync(
                "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority",
                "org.freedesktop.DBus.Mock", "SetAllowed", GLib.Variant("(as)", (actions,)), None,
                Gio.DBusCallFlags.NO_AUTO_START, -1, None)
        except GLib.Error:
            return False
        return True

    def test_owners(self):
        theirs = self.new_manager(uid=self.UIDS[0])
        others = self.new_manager(uid=self.UIDS[1])
        added = []
        others.connect("machine-added", lambda m, machine: added.append(machine))
        machine = self.new_machine("secret", manager=theirs, flags=Flags.START)
        self.assertEqual(machine.props.owner, self.UIDS[0])
        self.assertEqual(others.list_machines(), [])
        with self.vm_fails(Error.NO_SUCH_MACHINE):
            others.get_machine_sync("secret")
        mine = self.new_machine("secret", manager=others)
        self.assertNotEqual(mine.props.id, machine.props.id)
        harness.iterate_until(lambda: added, "one's own machine is told")
        self.assertEqual(added, [mine])
        owners = [(m.props.owner, m.props.name) for m in self.manager.list_machines()]
        self.assertEqual(owners, [(uid, "secret") for uid in self.UIDS])
        options = VmClient.Options()
        options.set_value("owner", GLib.Variant("u", self.UIDS[0]))
        root = self.manager.get_machine_sync("secret", options)
        self.assertEqual(root.props.id, machine.props.id)
        root.kill_sync()
        self.assertEqual(machine.wait_stopped_sync(), Reason.KILLED)
        with self.vm_fails(Error.NOT_AUTHORIZED):
            others.get_machine_sync("secret", options)


class NoDaemonTest(ClientTest):
    autostart = False

    def test_no_daemon(self):
        with self.vm_fails(Error.SERVICE_UNAVAILABLE, "systemctl start vmserviced"):
            self.new_manager()

    def test_no_bus(self):
        os.environ["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=/nonexistent"
        with self.vm_fails(Error.SERVICE_UNAVAILABLE, "dbus-run-session"):
            VmClient.Manager.new_sync(VmClient.Bus.SESSION, VmClient.ManagerFlags.NONE)


if __name__ == "__main__":
    unittest.main()
