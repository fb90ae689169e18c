#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vmctl at a terminal: consoles that are attached and detached, runs, and the terminal's modes."""

import fcntl
import os
import signal
import subprocess
import unittest

import harness
from vmctltest import GuestTest, payload

DETACH = "\x1d\x1d\x1d"
INTERRUPT = "\x03"


class Console(GuestTest):
    def setUp(self):
        super().setUp()
        self.vmctl("create", "web", payload("echo"), "--start")
        harness.wait_for(lambda: "echo: ready" in self.vmctl("logs", "web"), "the guest is ready")

    def attach(self, *args):
        terminal = self.terminal("console", "web", *args)
        terminal.expect("vmctl: attached to web; ^]^]^] within a second detaches")
        terminal.wait_raw()
        return terminal

    def detach(self, terminal):
        terminal.send(DETACH)
        terminal.expect("vmctl: detached; web goes on.")
        self.assertEqual(terminal.wait(), 0)
        self.assertFalse(terminal.is_raw())

    def test_attach_type_detach_and_back(self):
        terminal = self.attach()
        terminal.expect("echo: ready\r\n")
        terminal.send("hello")
        terminal.expect("hello")
        self.detach(terminal)
        self.assertEqual(self.state_of("web"), "running")
        again = self.attach()
        again.expect("echo: ready\r\nhello")  # the scrollback, ^] included where they were echoed
        again.send("!")
        again.expect("!")
        self.detach(again)
        bare = self.attach("--no-scrollback")
        bare.send("?")
        self.assertNotIn(b"ready", bare.expect("?"))
        self.detach(bare)

    def test_keys_reach_the_guest(self):
        terminal = self.attach()
        terminal.expect("ready\r\n")
        for key in (INTERRUPT, "\x1a", "\x1c", "\x1d", "\x11\x13", "\r", "\x7f"):
            with self.subTest(key=key):
                terminal.send(key)
                terminal.expect(key)

    def test_detach_key_comes_in_pieces(self):
        terminal = self.attach()
        for _ in range(3):
            terminal.send("\x1d")
        terminal.expect("detached")
        self.assertEqual(terminal.wait(), 0)

    def test_guest_bytes_on_a_terminal(self):
        terminal = self.attach()
        terminal.send("\x1b[31m")
        terminal.expect("\x1b[31m")
        self.detach(terminal)
        escaping = self.attach("--escape")
        escaping.expect("\\x1b[31m")
        self.detach(escaping)

    def test_terminal_is_reset_after_escape_sequences(self):
        terminal = self.attach()
        terminal.send("\x1b[31m")
        terminal.expect("\x1b[31m")
        terminal.send(DETACH)
        terminal.expect("\x1b[!p\x1b[0m")

    def test_read_only(self):
        terminal = self.attach("--read-only")
        terminal.expect("ready\r\n")
        terminal.send("nothing of this")
        writer = self.attach()
        writer.send("seen")
        terminal.expect("seen")
        terminal.send(INTERRUPT)
        terminal.expect("detached")
        self.assertEqual(terminal.wait(), 0)
        self.assertNotIn("nothing", self.vmctl("logs", "web"))
        self.vmctl("console", "web", "--read-only", "--steal", code=2, says="exclude each other")

    def test_one_writer(self):
        first = self.attach()
        self.vmctl("console", "web", code=1, says=["--read-only", "--steal"])
        second = self.attach("--steal")
        second.send("mine")
        second.expect("mine")
        first.expect("mine")  # it goes on as a reader
        self.detach(first)
        self.detach(second)

    def test_run_ends_under_it(self):
        terminal = self.attach()
        self.vmctl("stop", "web")
        terminal.expect("vmctl: web has ended: SHUTDOWN")
        self.assertEqual(terminal.wait(), 0)
        self.assertFalse(terminal.is_raw())
        self.vmctl("console", "web", code=1,
                   says=["web does not run", "vmctl --user start web", "vmctl --user logs web"])

    def test_modes_after_signals(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT,
                       signal.SIGABRT, signal.SIGSEGV):
            with self.subTest(number=number):
                terminal = self.attach("--steal")
                terminal.kill(number)
                self.assertEqual(terminal.wait(), -number)
                self.assertFalse(terminal.is_raw())

    def test_modes_while_stopped(self):
        terminal = self.attach()
        terminal.kill(signal.SIGTSTP)
        harness.wait_for(lambda: not terminal.is_raw(), "the terminal is as before")
        terminal.kill(signal.SIGCONT)
        terminal.wait_raw()
        terminal.send("on")
        terminal.expect("on")
        self.detach(terminal)

    def stats(self, name):
        return self.vmctl_json("status", "-n0", name)[0]["Stats"]

    def test_reader_that_does_not_drain(self):
        """It reads nothing: it loses output in the end, and the guest prints on all the same."""
        self.vmctl("create", "flood", payload("flood"), "--start")
        lazy = self.begin("console", "flood", "--read-only")
        harness.wait_for(lambda: self.stats("flood")["console_dropped"] > 0, "output is dropped",
                         deadline=5 * harness.DEADLINE)
        printed = self.stats("flood")["console_bytes"]
        harness.wait_for(lambda: self.stats("flood")["console_bytes"] > printed + 10000, "more")
        seen = b""
        while b" bytes lost " not in seen:  # it is told so, when it reads at last
            data = os.read(lazy.stdout.fileno(), 65536)
            self.assertTrue(data)
            seen = seen[-100:] + data
        self.vmctl("kill", "flood")

    def test_terminal_that_does_not_drain(self):
        """Its reader is stuck, and ^]^]^] still works."""
        terminal = self.attach()
        other = self.begin("console", "web", "--steal", stdin=subprocess.PIPE)
        for _ in range(200):
            other.stdin.write(b"y" * 4095 + b"\r")
        other.stdin.flush()
        harness.wait_for(lambda: terminal_is_full(terminal), "the terminal takes no more")
        terminal.send(DETACH)
        terminal.expect("detached")
        self.assertEqual(terminal.wait(), 0)

    def test_input_from_a_pipe(self):
        process = self.begin("console", "web", stdin=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), b"echo: ready\n")
        process.stdin.write(b"\x1b[1m\x1d\x1d\x1dbold\n")
        process.stdin.close()
        process.stdin = None
        self.assertEqual(process.stdout.readline(), b"\\x1b[1m\\x1d\\x1d\\x1dbold\n")
        self.vmctl("stop", "web")
        self.assertEqual(process.wait(harness.DEADLINE), 0)

    def test_daemon_restarts_under_it(self):
        """The console is the monitor's: the daemon's end is no end of it."""
        terminal = self.attach()
        terminal.expect("ready\r\n")
        self.daemon.kill()
        terminal.send("alone")
        terminal.expect("alone")
        self.daemon.start()
        terminal.send("again")
        terminal.expect("again")
        self.vmctl("stop", "web")
        terminal.expect("vmctl: web has ended: SHUTDOWN")
        self.assertEqual(terminal.wait(), 0)


def terminal_is_full(terminal):
    """Whether a pseudo terminal has more to read than a page."""
    buffer = fcntl.ioctl(terminal.fd, 0x541B, b"\0" * 4)  # FIONREAD
    return int.from_bytes(buffer, "little") >= 4095


class Run(GuestTest):
    """A run at a terminal."""

    def run_hang(self, *words):
        terminal = self.terminal("run", "--name=web", payload("hang"), "--", *words)
        terminal.expect("hanging\r\n")
        terminal.wait_raw()
        return terminal

    def test_interrupt(self):
        terminal = self.run_hang()
        terminal.send(INTERRUPT)
        terminal.expect("web: power button pressed")
        self.assertEqual(terminal.wait(), 0)
        self.assertFalse(terminal.is_raw())

    def test_interrupt_twice(self):
        terminal = self.run_hang("ignore_button")
        terminal.send(INTERRUPT)
        terminal.expect("^C again kills it")
        terminal.expect("power button ignored")
        terminal.send(INTERRUPT)
        terminal.expect("web: killing it")
        terminal.expect("KILLED")
        self.assertEqual(terminal.wait(), 125)
        self.assertFalse(terminal.is_raw())
        self.assertEqual(self.vmctl("list", "-a", "-o", "name"), "")

    def test_detach_leaves_it_running(self):
        terminal = self.run_hang()
        terminal.send(DETACH)
        terminal.expect('"vmctl --user console web" attaches again')
        self.assertEqual(terminal.wait(), 0)
        self.assertEqual(self.state_of("web"), "running")
        again = self.terminal("console", "web")
        again.expect("hanging")
        self.vmctl("stop", "web")
        self.assertEqual(again.wait(), 0)
        self.assertEqual(self.vmctl("list", "-a", "-o", "name"), "")  # it vanishes with its run

    def test_interactive_passes_the_interrupt_on(self):
        terminal = self.terminal("run", "-i", payload("echo"))
        terminal.expect("ready\r\n")
        terminal.wait_raw()
        terminal.send(INTERRUPT)
        terminal.expect(INTERRUPT)
        terminal.send("\x04")
        self.assertEqual(terminal.wait(), 0)

    def test_exit_code_and_modes(self):
        terminal = self.terminal("run", payload("countdown"), "--", "from=2", "exit=9")
        terminal.expect("2\r\n1\r\nliftoff\r\n")
        self.assertEqual(terminal.wait(), 9)
        self.assertFalse(terminal.is_raw())

    def test_raw_changes_nothing(self):
        terminal = self.terminal("run", "--raw", payload("countdown"), "--", "from=1")
        terminal.expect("1\nliftoff\n")
        self.assertEqual(terminal.wait(), 0)

    def test_hangup(self):
        """The terminal is closed: the machine is stopped gracefully."""
        terminal = self.run_hang()
        terminal.kill(signal.SIGHUP)
        terminal.expect("power button pressed")
        self.assertEqual(terminal.wait(), 0)

    def test_start_fails(self):
        path = os.path.join(self.folder, "no-kernel")
        with open(path, "wb") as file:
            file.write(b"\x7fELF" + bytes(100))
        terminal = self.terminal("run", path)
        self.assertEqual(terminal.wait(), 125)
        self.assertIn(b"vmctl: ", terminal.seen)
        self.assertFalse(terminal.is_raw())


if __name__ == "__main__":
    unittest.main(verbosity=2)
