# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of vmctl stand on: the program as a child, by pipes or at a terminal of its own."""

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

import harness

VMCTL = os.path.join(harness.BUILD, "vmctl", "vmctl")
BARE = os.path.join(harness.BUILD, "guest", "bare")
DEADLINE = harness.DEADLINE


def payload(name):
    """One of the bare example payloads."""
    return os.path.join(BARE, f"bare-{name}")


class Terminal:
    """A program at a pseudo terminal: what it shows, what is typed, the terminal's modes."""

    def __init__(self, command, environment):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(command[0], command, environment)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        self.status = None

    def read(self, timeout):
        if not select.select([self.fd], [], [], timeout)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the last one has closed it
            data = b""
        self.seen += data
        return bool(data)

    def expect(self, text):
        """Waits until text is shown, and forgets all up to its end. Returns what came before."""
        text = text.encode() if isinstance(text, str) else text
        end = time.monotonic() + DEADLINE
        while text not in self.seen:
            if time.monotonic() > end or not self.read(0.2):
                raise AssertionError(f"{text!r} was not shown, but {self.seen!r}")
        before, _, self.seen = self.seen.partition(text)
        return before

    def send(self, text):
        os.write(self.fd, text.encode() if isinstance(text, str) else text)

    def is_raw(self):
        """The terminal itself is asked: its far end has the same modes."""
        flags = termios.tcgetattr(self.fd)[3]
        return not flags & (termios.ICANON | termios.ECHO | termios.ISIG)

    def wait_raw(self):
        harness.wait_for(self.is_raw, "the terminal is in raw mode")

    def kill(self, number):
        os.kill(self.pid, number)

    def wait(self):
        """The exit code; negative for a signal. All that it shows until then is in seen."""
        end = time.monotonic() + DEADLINE
        while self.status is None:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
            if pid and not os.WIFSTOPPED(status):
                self.status = os.waitstatus_to_exitcode(status)
            if time.monotonic() > end:
                raise AssertionError(f"it does not end; it has shown {self.seen!r}")
        while select.select([self.fd], [], [], 0)[0] and self.read(0):
            pass
        return self.status

    def close(self):
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


class VmctlTest(harness.SystemTest):
    """A bus, a daemon, and vmctl talking to them."""

    def setUp(self):
        super().setUp()
        self.environment = {
            "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TERM": "xterm", "HOME": self.folder,
            "DBUS_SESSION_BUS_ADDRESS": self.bus.address,
            "DBUS_SYSTEM_BUS_ADDRESS": self.bus.address}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "LD_LIBRARY_PATH"):
            if name in os.environ:
                self.environment[name] = os.environ[name]

    def command(self, *args):
        return [VMCTL, "--user" if self.session else "--system", *args]

    def vmctl(self, *args, code=0, says=(), input=None, text=True, user=None):
        """Runs it to its end; checks the exit code, and that standard error has these words."""
        result = subprocess.run(self.command(*args), env=self.environment, input=input,
                                stdin=subprocess.DEVNULL if input is None else None, text=text,
                                capture_output=True, cwd=self.folder, timeout=DEADLINE, user=user,
                                check=False)
        shown = f"vmctl {' '.join(args)}: {result}"
        self.assertEqual(result.returncode, code, shown)
        for words in [says] if isinstance(says, str) else says:
            self.assertIn(words, result.stderr, shown)
        if not says and text and code == 0:
            self.assertEqual(result.stderr, "", shown)
        return result.stdout

    def vmctl_json(self, *args, **kwargs):
        return json.loads(self.vmctl(*args, "-o", "json", **kwargs))

    def begin(self, *args, **kwargs):
        """Starts it with pipes, and lets it run."""
        kwargs = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                  "stderr": subprocess.PIPE, **kwargs}
        process = subprocess.Popen(self.command(*args), env=self.environment, cwd=self.folder,
                                   **kwargs)
        self.addCleanup(self.finish, process)
        return process

    def finish(self, process):
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()

    def terminal(self, *args, **environment):
        terminal = Terminal(self.command(*args), {**self.environment, **environment})
        self.addCleanup(terminal.close)
        return terminal

    def state_of(self, name):
        return self.vmctl("show", "-p", "State", "--value", name).strip()

    def wait_state_of(self, name, state):
        harness.wait_for(lambda: self.state_of(name) == state, f"{name} is {state}")

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))
        return path


@unittest.skipUnless(os.path.exists("/dev/kvm"), "needs /dev/kvm, to run bare payloads")
class GuestTest(VmctlTest):
    """The same with the real monitor and bare payloads."""

    monitor = harness.REAL_MONITOR
    kvm = None
