#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bare guests on /dev/kvm through bus, daemon, spawner and monitor: every way to end has its reason."""

import os
import select
import signal
import socket
import time
import unittest
import uuid

from gi.repository import GLib

from harness import (BUILD, MACHINE, REAL_MONITOR, Signals, SystemTest, iterate_until, require_kvm,
                     variant, wait_for)


def bare(name):
    return os.path.join(BUILD, "guest", "bare", f"bare-{name}")


def read_until(fd, word):
    """Output of a console up to a word, or to its end."""
    data = b""
    end = time.monotonic() + 60
    while word not in data and time.monotonic() < end:
        if select.select([fd], [], [], 1)[0]:
            part = os.read(fd, 65536)
            if not part:
                break
            data += part
    return data


@require_kvm
class GuestTest(SystemTest):
    monitor = REAL_MONITOR
    kvm = "/dev/kvm"

    def run_guest(self, guest, *words, transient=False, **keys):
        """Creates and starts it in one call; returns its path."""
        options = {"start": True, **({"transient": True} if transient else {})}
        return self.client.create(guest, {"kernel": "k", "memory_mib": 16,
                                          "params": " ".join(words), **keys},
                                  {"k": bare(guest)}, **options)

    def end_of(self, signals, path):
        _, reason, detail = signals.wait("Stopped", path)[-1]
        return reason, detail


class Ends(GuestTest):
    def test_hello(self):
        """A transient machine that runs for milliseconds loses no output."""
        nonce = uuid.uuid4().hex
        signals = Signals(self.client)
        ours, theirs = socket.socketpair()
        with ours, theirs, open(bare("hello"), "rb") as image:
            import json
            self.client.manager(
                "CreateMachine", "ssa{sh}a{sv}", "hello",
                json.dumps({"kernel": "k", "memory_mib": 16, "params": f"nonce={nonce}"}),
                {"k": 0}, {"start": variant(True), "transient": variant(True),
                           "console": GLib.Variant("h", 1)}, fds=[image.fileno(), theirs.fileno()])
            theirs.close()
            output = read_until(ours.fileno(), b"never said")
        self.assertIn(f"nonce={nonce}".encode(), output)
        self.assertIn(b"hypervisor=", output)
        (_, reason, _), = signals.wait("Stopped")
        self.assertEqual(reason, "SHUTDOWN")
        signals.wait("InterfacesRemoved")
        self.assertEqual((self.client.names(), self.monitors()), ([], []))

    def test_exit_code(self):
        signals = Signals(self.client)
        path = self.run_guest("countdown", "from=3", "exit=42")
        self.assertEqual(self.end_of(signals, path)[0], "SHUTDOWN")
        signals.settle()
        self.assertEqual(signals.of("PayloadFinished"), [(signals.of("Stopped")[0][0], 42)])
        self.assertEqual(self.client.property(path, "PayloadExitCode"), 42)
        self.assertEqual(self.client.property(path, "PayloadState"), "finished")
        fds = []
        self.client.machine(path, "OpenLog", reply_fds=fds)
        log = os.read(fds[0], 4096)
        os.close(fds[0])
        self.assertIn(b"3", log)
        self.assertIn(b"liftoff", log)

    def test_crashes(self):
        for word, keys, reason in (("panic", {}, "GUEST_PANIC"), ("triple", {}, "TRIPLE_FAULT"),
                                   ("exception", {}, "GUEST_PANIC"),
                                   ("reset", {"on_reboot": "stop"}, "REBOOT")):
            with self.subTest(crash=word):
                signals = Signals(self.client)
                path = self.run_guest("crash", f"crash={word}", **keys)
                self.assertEqual(self.end_of(signals, path)[0], reason)
                self.client.machine(path, "Delete")
                signals.client.bus.signal_unsubscribe(signals.id)

    def test_restart(self):
        """on_crash restart: the run goes on, under the same id."""
        path = self.run_guest("crash", "crash=panic", on_crash="restart")
        wait_for(lambda: self.client.machine(path, "GetStats")[0]["resets"] >= 2, "two resets")
        self.client.machine(path, "Kill")
        self.assertEqual(self.client.property(path, "StopReason"), "KILLED")

    def test_stop(self):
        path = self.run_guest("hang")
        self.wait_ready(path)
        self.client.machine(path, "Stop")
        self.assertEqual(self.client.property(path, "StopReason"), "SHUTDOWN")

    def wait_ready(self, path):
        wait_for(lambda: self.client.property(path, "PayloadState") == "ready", "the guest's word")

    def test_stop_deadline(self):
        path = self.run_guest("hang", "ignore_button")
        self.wait_ready(path)
        self.client.machine(path, "Stop", {"deadline_usec": variant(200_000)})
        values = self.client.properties(path)
        self.assertEqual(values["StopReason"], "KILLED")
        self.assertIn("power button", values["StopDetail"])

    def test_pause(self):
        """A paused guest prints nothing; a resumed one goes on."""
        def printed():
            return self.client.machine(path, "GetStats")[0]["console_bytes"]
        path = self.run_guest("flood")
        wait_for(lambda: printed() > 100, "the flood")
        self.client.machine(path, "Pause")
        self.assertEqual(self.client.property(path, "State"), "paused")
        bytes_then = printed()
        self.assertEqual([printed() for _ in range(20)], [bytes_then] * 20)
        self.client.machine(path, "Resume")
        wait_for(lambda: printed() > bytes_then, "the flood to go on")
        self.client.machine(path, "Kill")

    def test_reboot(self):
        path = self.run_guest("hang")
        self.wait_ready(path)
        run_id = self.client.property(path, "RunId")
        self.client.machine(path, "Reboot")
        wait_for(lambda: self.client.machine(path, "GetStats")[0]["resets"] == 1, "the reset")
        self.assertEqual(self.client.property(path, "RunId"), run_id)
        self.client.machine(path, "Kill")

    def test_monitor_killed(self):
        """By somebody else: told so, at once, and nothing of it is left."""
        before = self.daemon.fds()
        for signal_number, reason, word in ((signal.SIGKILL, "KILLED", "not by vmservice"),
                                            (signal.SIGABRT, "CRASH", "ABRT")):
            with self.subTest(signal=signal_number):
                signals = Signals(self.client)
                path = self.run_guest("hang")
                os.kill(self.client.property(path, "MonitorPid"), signal_number)
                found, detail = self.end_of(signals, path)
                self.assertEqual(found, reason)
                self.assertIn(word, detail)
                self.client.machine(path, "Delete")
                self.assertEqual(len(signals.of("Stopped", path)), 1)
        self.assertEqual(self.monitors(), [])
        wait_for(lambda: self.daemon.fds() == before, "the descriptors are back")

    def test_start_again(self):
        path = self.run_guest("countdown", "from=1")
        runs = set()
        for _ in range(3):
            self.client.wait_state(path, "stopped")
            runs.add(self.client.property(path, "RunId"))
            runs.add(self.client.machine(path, "Start")[0])
        self.client.wait_state(path, "stopped")
        self.assertEqual(len(runs), 4)

    def test_spawner_killed(self):
        """Its machines end with it, and the next start has a new one."""
        from harness import listener_pid
        signals = Signals(self.client)
        one, two = self.run_guest("hang"), self.run_guest("countdown", "from=100000000")
        pids = [self.client.property(path, "MonitorPid") for path in (one, two)]
        os.kill(listener_pid(self.daemon.spawner_socket), signal.SIGKILL)
        for path in (one, two):
            reason, detail = self.end_of(signals, path)
            self.assertEqual(reason, "INFRASTRUCTURE_ERROR")
            self.assertIn("vm-spawner", detail)
        for pid in pids:
            wait_for(lambda pid=pid: not os.path.exists(f"/proc/{pid}"), "the monitor is gone")
        self.client.machine(one, "Start")
        self.client.machine(one, "Kill")


class Consoles(GuestTest):
    def open(self, path, **options):
        fds = []
        self.client.machine(path, "OpenConsole", {k: variant(v) for k, v in options.items()},
                            reply_fds=fds)
        return fds[0]

    def test_writer_and_readers(self):
        path = self.run_guest("echo")
        writer = self.open(path, write=True)
        self.assertIn(b"echo: ready", read_until(writer, b"ready"))
        with self.fails("WrongState"):
            self.open(path, write=True)
        reader = self.open(path)
        self.assertIn(b"echo: ready", read_until(reader, b"ready"))  # the scrollback
        fresh = self.open(path, scrollback=False)
        os.write(writer, b"to and fro")
        for fd in (writer, reader, fresh):
            self.assertIn(b"to and fro", read_until(fd, b"fro"))
        thief = self.open(path, write=True, steal=True)
        os.write(thief, b"\x04")
        self.client.wait_state(path, "stopped")
        self.assertEqual(self.client.property(path, "StopReason"), "SHUTDOWN")
        for fd in (writer, reader, fresh, thief):
            os.close(fd)

    def test_undrained(self):
        """A reader that does not read never holds up the guest."""
        path = self.run_guest("flood", "lines=7000", console_log_kib=64)
        idle = self.open(path)
        self.client.wait_state(path, "stopped")
        self.assertEqual(self.client.property(path, "StopReason"), "SHUTDOWN")
        os.close(idle)
        fds = []
        for previous in (False, True):
            self.client.machine(path, "OpenLog", {"previous": variant(previous)}, reply_fds=fds)
            self.assertLessEqual(os.fstat(fds[-1]).st_size, 64 * 1024)
        os.close(fds[0])
        os.close(fds[1])


class Starts(GuestTest):
    def test_bad_images(self):
        """Each gives a sentence, its reason, and nothing is left."""
        with open(bare("hello"), "rb") as file:
            good = file.read()
        images = {
            "text": b"this is no kernel at all\n" * 100,
            "one byte": b"\x7f",
            "truncated": good[:100],
            "cut": good[:len(good) // 2],
            "32 bit": good[:4] + b"\x01" + good[5:],
            "wrong machine": good[:18] + b"\xb7\x00" + good[20:],
            "wild offsets": good[:32] + b"\xff" * 8 + good[40:],
        }
        before, fds = self.tree(), None
        signals = Signals(self.client)
        for what, content in images.items():
            with self.subTest(image=what):
                file = os.path.join(self.folder, "image")
                with open(file, "wb") as image:
                    image.write(content)
                with self.fails("InvalidImage"):
                    self.client.create("bad", {"kernel": "k", "memory_mib": 16}, {"k": file},
                                       start=True)
                self.assertEqual((self.client.names(), self.monitors()), ([], []))
                self.assertEqual(self.tree(), before)
                now = self.daemon.fds()
                fds = fds or now
                self.assertEqual(now, fds)
        signals.settle()
        stopped = signals.of("Stopped")
        self.assertEqual([s[1] for s in stopped], ["START_FAILED"] * len(images))
        # The same of a machine that stays.
        path = self.client.create("bad", {"kernel": "k", "memory_mib": 16}, {"k": file})
        with self.fails("InvalidImage"):
            self.client.machine(path, "Start")
        values = self.client.properties(path)
        self.assertEqual((values["State"], values["StopReason"]), ("stopped", "START_FAILED"))
        self.assertNotEqual(values["StopDetail"], "")


if __name__ == "__main__":
    unittest.main()
