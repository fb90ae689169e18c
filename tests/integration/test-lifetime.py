#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The end of the host, of the session, of the bus; and a thousand lives of machines."""

import os
import signal
import subprocess
import sys
import unittest

from harness import (BUILD, HERE, REAL_MONITOR, Signals, SystemTest, require_kvm, require_root,
                     wait_for)


class HostTest(SystemTest):
    """With somebody in the place of systemd and logind."""

    autostart = False

    def setUp(self):
        super().setUp()
        self.host = subprocess.Popen([sys.executable, os.path.join(HERE, "fake-host.py"),
                                      self.bus.address], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.stop_host)
        self.assertEqual(self.host_says(), "ready")
        self.daemon.start()

    def stop_host(self):
        self.host.stdin.close()
        self.host.kill()
        self.host.wait()
        self.host.stdout.close()

    def host_says(self):
        return self.host.stdout.readline().strip()

    def tell_host(self, line):
        self.host.stdin.write(line + "\n")
        self.host.stdin.flush()


@require_root
class HostShutdown(HostTest):
    session = False

    def test_prepare(self):
        """logind is held up until the machines have powered off; what is called off goes on."""
        self.assertEqual(self.host_says(), "inhibit shutdown delay")
        signals = Signals(self.client)
        one, two = self.create("one"), self.create("two", transient=True)
        self.client.machine(one, "Pause")
        self.tell_host("prepare true")
        self.assertEqual(self.host_says(), "released")
        signals.settle()
        self.assertEqual([s[1] for s in signals.of("Stopped")], ["SHUTDOWN", "SHUTDOWN"])
        with self.fails("WrongState", "the host is shutting down"):
            self.client.machine(one, "Start")
        with self.fails("WrongState", "the host is shutting down"):
            self.create("three")
        self.tell_host("prepare false")
        wait_for(lambda: self.try_start(one), "starts are taken again")
        self.assertEqual(self.host_says(), "inhibit shutdown delay")
        self.assertEqual(self.client.names(), ["one"])
        self.assertNotEqual(two, one)

    def try_start(self, path):
        from gi.repository import GLib
        try:
            self.client.machine(path, "Start")
        except GLib.Error:
            return False
        return True

    def test_terminated_with_host(self):
        path = self.create("one")
        self.tell_host("state stopping")
        self.wait_host()
        self.assertEqual(self.daemon.terminate(), 0)
        self.assertEqual(self.monitors_of_system(), [])
        self.tell_host("state running")
        self.daemon.start()
        self.assertEqual(self.client.property(path, "StopReason"), "SHUTDOWN")

    def wait_host(self):
        """It has read what we wrote when it answers the bus."""
        from gi.repository import GLib
        wait_for(lambda: self.client.bus.call_sync(
            "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
            "org.freedesktop.DBus.Properties", "Get",
            GLib.Variant("(ss)", ("org.freedesktop.systemd1.Manager", "SystemState")), None, 0, -1,
            None).unpack()[0] == "stopping", "the host is stopping")

    def monitors_of_system(self):
        from harness import children_of
        return children_of(self.spawner.pid, zombies=False)

    def test_terminated_alone(self):
        """An upgrade: the host stays, and so do the machines."""
        path = self.create("one")
        pid = self.client.property(path, "MonitorPid")
        self.assertEqual(self.daemon.terminate(), 0)
        self.assertEqual(self.monitors_of_system(), [pid])
        self.daemon.start()
        self.assertEqual(self.client.property(path, "MonitorPid"), pid)


class SessionEnd(HostTest):
    def test_terminated_with_session(self):
        path = self.create("one")
        self.tell_host("state stopping")
        HostShutdown.wait_host(self)
        self.assertEqual(self.daemon.terminate(), 0)
        self.assertEqual(self.monitors(), [])
        self.tell_host("state running")
        self.daemon.start()
        self.assertEqual(self.client.property(path, "StopReason"), "SHUTDOWN")

    def test_bus_gone(self):
        """A session's bus that ends is the session's end: machines are stopped, then the daemon."""
        self.create("one")
        self.create("two", "button=silent")  # a guest that does not heed the button
        self.assertEqual(len(self.monitors()), 2)
        self.bus.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.daemon.wait_exit(), 0)
        self.assertEqual(self.monitors(), [])


@require_root
class SystemBusGone(SystemTest):
    session = False

    def test_bus_gone(self):
        """The daemon ends, to be started again; the machines go on."""
        self.create("one")
        self.bus.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.daemon.wait_exit(), 1)
        self.assertEqual(len(HostShutdown.monitors_of_system(self)), 1)


@require_kvm
class Thousand(SystemTest):
    """1,000 times create, start, end, delete: as many descriptors as before, and as much memory."""

    monitor = REAL_MONITOR
    kvm = "/dev/kvm"
    ROUNDS = 1000

    def rss_kib(self):
        with open(f"/proc/{self.daemon.process.pid}/smaps_rollup", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Private_Dirty"))

    def is_sanitized(self):
        with open(f"/proc/{self.daemon.process.pid}/maps", encoding="utf-8") as file:
            return "libasan" in file.read()

    def live(self, signals, transient):
        path = self.client.create(
            "one", {"kernel": "k", "memory_mib": 2, "params": "from=0"},
            {"k": os.path.join(BUILD, "guest", "bare", "bare-countdown")}, start=True,
            **({"transient": True} if transient else {}))
        signals.wait("Stopped", path)
        if transient:
            signals.wait("InterfacesRemoved")
        else:
            self.client.machine(path, "Delete")
        signals.seen.clear()

    def test_flat(self):
        signals = Signals(self.client)
        for i in range(100):
            self.live(signals, i % 16 != 0)
        fds, rss, before = self.daemon.fds(), self.rss_kib(), self.tree()
        for i in range(self.ROUNDS - 100):
            self.live(signals, i % 16 != 0)
        self.assertEqual(self.daemon.fds(), fds)
        self.assertEqual(self.tree(), before)
        self.assertEqual(self.monitors(), [])
        # AddressSanitizer keeps what was freed for a while; it reports leaks itself.
        if not self.is_sanitized():
            self.assertLess(self.rss_kib() - rss, 256)  # KiB: a leak of 300 bytes a life would show


if __name__ == "__main__":
    unittest.main()
