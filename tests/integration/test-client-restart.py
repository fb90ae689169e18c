#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvmclient over the daemon's death and return: each end once, and nobody left waiting."""

import os
import random
import threading
import unittest

import harness
from clientcase import ClientTest, Gio, GLib, VmClient

State, Reason, Error = VmClient.MachineState, VmClient.StopReason, VmClient.Error
REASONS = {VmClient.stop_reason_to_string(Reason(value)) for value in range(1, 12)}


class RestartTest(ClientTest):
    def setUp(self):
        super().setUp()
        self.reborn = []
        self.manager.connect("notify::daemon-running",
                             lambda m, _: self.reborn.append(m.props.daemon_running))

    def ends(self):
        """run id -> the reasons that were told for it."""
        ends = {}
        for run, what in self.heard:
            ends.setdefault(run, [])
            if what in REASONS:
                ends[run].append(what)
        return ends

    def settle(self, *machines):
        """Until the library has caught up, and has told all that it knows."""
        harness.iterate_until(lambda: self.manager.props.daemon_running, "the daemon is back")
        for machine in machines:
            if machine.props.run_id:
                machine.wait_stopped_sync()
        # What is told is queued before a wait returns, but for what is told after the end.
        harness.iterate_until(lambda: all(
            m.props.run_id == "" or self.ends().get(m.props.run_id) for m in machines),
            "each last run has its end")
        self.manager.get_capabilities_sync()
        self.idle()

    def assert_each_once(self):
        for run, reasons in self.ends().items():
            self.assertEqual(len(reasons), 1, (run, self.heard))

    def call_and_die(self, machine, method, *arguments):
        """Calls; the daemon dies somewhere on the way."""
        try:
            getattr(machine, method + "_sync")(*arguments)
        except GLib.Error as error:
            self.assertTrue(error.matches(Error.quark(), Error.SERVICE_LOST), error.message)
            self.assertIn("whether it took effect is unknown", error.message)
        self.daemon.process.wait(harness.DEADLINE)

    def test_dies_at_each_step_of_an_end(self):
        for step in ("stop-begin", "stop-kill-sent", "end-frame", "end-exited", "end-recorded",
                     "end-signalled", "end-forgotten"):
            with self.subTest(step):
                self.kill_at_end(step)

    def kill_at_end(self, step):
        self.restart_daemon(VMSERVICED_FAILPOINT=f"{step}:kill")
        machine = self.listen(self.new_machine("m-" + step))
        machine.start_sync()
        if step == "end-frame":
            self.call_and_die(machine, "stop", -1)  # a monitor that is killed says nothing
        else:
            self.call_and_die(machine, "kill")
        self.daemon.start()
        if step.startswith("stop"):
            # Asked for and not done, perhaps: the machine may well run on.
            self.manager.get_capabilities_sync()
            if machine.props.state != State.STOPPED:
                machine.kill_sync()
        self.settle(machine)
        self.assert_each_once()
        machine.delete_sync()

    def test_dies_at_each_step_of_a_start(self):
        for step in ("start-begin", "start-recorded", "start-files", "start-spawn-sent",
                     "start-spawned", "start-hello-sent", "start-sent", "start-greeted",
                     "start-running", "start-signalled"):
            with self.subTest(step):
                self.kill_at_start(step)

    def kill_at_start(self, step):
        self.restart_daemon(VMSERVICED_FAILPOINT=f"{step}:kill")
        machine = self.listen(self.new_machine("m-" + step))
        self.call_and_die(machine, "start")
        self.daemon.start()
        self.manager.get_capabilities_sync()  # by now the snapshot is in
        if machine.props.state in (State.STARTING, State.STOPPING):
            machine.wait_stopped_sync()
        if machine.props.state != State.STOPPED:
            machine.kill_sync()
        self.settle(machine)
        self.assert_each_once()
        machine.start_sync()
        machine.kill_sync()
        self.settle(machine)
        self.assert_each_once()
        machine.delete_sync()

    def test_end_while_nobody_watches(self):
        machine = self.listen(self.new_machine("one"))
        run = machine.start_sync()
        monitor = machine.props.monitor_pid
        self.daemon.kill()
        os.kill(monitor, 9)
        waited = []
        thread = threading.Thread(target=lambda: waited.append(machine.wait_stopped_sync()))
        thread.start()
        self.daemon.start()
        thread.join(harness.DEADLINE)
        self.assertEqual(waited, [Reason.KILLED])
        self.settle(machine)
        self.assertEqual(self.ends(), {run: ["KILLED"]})
        self.assertEqual(len(self.reborn), 2)  # away and back; by now the property says back

    def test_transient_end_while_nobody_watches(self):
        machine = self.listen(self.new_machine(
            "brief", flags=VmClient.CreateFlags.START | VmClient.CreateFlags.TRANSIENT))
        run = machine.props.run_id
        self.daemon.kill()
        os.kill(machine.props.monitor_pid, 9)
        self.daemon.start()
        self.assertEqual(machine.wait_stopped_sync(), Reason.KILLED)
        harness.iterate_until(lambda: self.ends().get(run), "the end is told")
        self.idle()
        self.assertEqual(self.ends(), {run: ["KILLED"]})

    def test_at_random(self):
        dice = random.Random(20261123)
        names = ["a", "b", "c"]
        machines = [self.listen(self.new_machine(name)) for name in names]
        started = []
        for _ in range(12):
            for machine in machines:
                if machine.props.state == State.STOPPED and dice.random() < 0.7:
                    started.append(machine.start_sync())
            act = dice.randrange(4)
            victim = dice.choice(machines)
            if act == 0 and victim.props.monitor_pid:
                os.kill(victim.props.monitor_pid, 9)
            elif act == 1 and victim.props.state == State.RUNNING:
                victim.kill_async(None, None, None)
            self.daemon.kill()
            if act == 2 and victim.props.monitor_pid:
                os.kill(victim.props.monitor_pid, 9)
            self.daemon.start()
            self.manager.get_capabilities_sync()
            if act in (0, 2) and victim.props.run_id:
                victim.wait_stopped_sync()
        for machine in machines:
            if machine.props.state != State.STOPPED:
                try:
                    machine.kill_sync()
                except GLib.Error as error:  # it ended by itself in between
                    self.assertTrue(error.matches(Error.quark(), Error.WRONG_STATE),
                                    error.message)
        self.settle(*machines)
        self.assert_each_once()
        self.assertEqual(set(self.ends()), set(started))

    def test_hanging_call(self):
        machine = self.new_machine("one", "pause=hang")
        machine.start_sync()
        timer = threading.Timer(0.3, self.daemon.kill)
        timer.start()
        with self.vm_fails(Error.SERVICE_LOST):
            machine.pause_sync()
        timer.join()
        with self.vm_fails(Error.SERVICE_UNAVAILABLE):
            machine.pause_sync()

    def test_bus_dies(self):
        machine = self.new_machine("one")
        machine.start_sync()
        self.manager.get_connection().set_exit_on_close(False)
        timer = threading.Timer(0.3, self.bus.process.kill)
        timer.start()
        with self.vm_fails(Error.SERVICE_LOST, "the connection to the bus was lost"):
            machine.wait_stopped_sync()
        timer.join()


class ActivationTest(ClientTest):
    """The bus starts the daemon when a call, or a wait, needs it."""

    autostart = False

    def setUp(self):
        super().setUp()
        services = os.path.join(self.folder, "services")
        os.mkdir(services)
        with open(os.path.join(services, "org.vmservice1.service"), "w",
                  encoding="utf-8") as out:
            out.write("[D-BUS Service]\nName=org.vmservice1\nExec="
                      f"{' '.join(self.daemon.command)}\n")
        path = os.path.join(self.folder, "bus.conf")
        with open(path, encoding="utf-8") as file:
            config = file.read()
        with open(path, "w", encoding="utf-8") as out:
            out.write(config.replace("</busconfig>",
                                     f"<servicedir>{services}</servicedir></busconfig>"))
        self.bus_call("ReloadConfig", "()")
        self.addCleanup(self.kill_daemon)

    def bus_call(self, member, signature, *arguments):
        return self.client.bus.call_sync(
            "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", member,
            GLib.Variant(signature, arguments), None, Gio.DBusCallFlags.NONE, -1, None).unpack()

    def daemon_pid(self):
        try:
            return self.bus_call("GetConnectionUnixProcessID", "(s)", "org.vmservice1")[0]
        except GLib.Error:
            return None

    def kill_daemon(self):
        pid = self.daemon_pid()
        if pid:
            os.kill(pid, 9)

    def test_call_and_wait(self):
        with self.vm_fails(Error.SERVICE_UNAVAILABLE):
            self.new_manager(flags=VmClient.ManagerFlags.NO_ACTIVATION)
        self.assertIsNone(self.daemon_pid())
        self.manager = self.new_manager()
        self.assertEqual(self.manager.props.mode, "session")
        machine = self.listen(self.new_machine("one"))
        run = machine.start_sync()
        first = self.daemon_pid()
        os.kill(first, 9)
        os.kill(machine.props.monitor_pid, 9)
        self.assertEqual(machine.wait_stopped_sync(), Reason.KILLED)
        self.assertNotIn(self.daemon_pid(), (None, first))
        harness.iterate_until(lambda: (run, "KILLED") in self.heard, "the end is told")
        self.kill_daemon()
        harness.wait_for(lambda: not self.daemon_pid(), "the bus has seen it go")
        machine.delete_sync()
        self.assertEqual(self.manager.list_machines(), [])


if __name__ == "__main__":
    unittest.main()
