# SPDX-License-Identifier: LGPL-2.1-or-later
"""Inside the emulated host: the daemon, its machines and their consoles, by plain D-Bus."""

import os
import re
import socket
import time

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

NAME = "org.vmservice1"
ROOT = "/org/vmservice1"
MANAGER = NAME + ".Manager"
MACHINE = NAME + ".Machine"
PATIENCE = 180  # seconds for any one condition; the host is emulated, and shares its processors


def wait_for(condition, awaited, seconds=PATIENCE):
    """Runs the main loop until condition() is true; says what was awaited if it never is."""
    context = GLib.MainContext.default()
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"no {awaited() if callable(awaited) else awaited} in {seconds} s")
        timer = GLib.timeout_add(50, lambda: GLib.SOURCE_CONTINUE)
        context.iteration(True)
        GLib.source_remove(timer)


def spend(seconds):
    """Runs the main loop for a time: only to see that something does not happen."""
    end = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() > end, "end of time", seconds + PATIENCE)


class Console:
    """The test's end of a machine's console; collects what the guest prints."""

    def __init__(self):
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.data = b""
        self.watch = GLib.unix_fd_add_full(
            0, self.ours.fileno(), GLib.IOCondition.IN | GLib.IOCondition.HUP, self._readable, None)

    def _readable(self, _fd, _condition, _data):
        try:
            more = self.ours.recv(65536)
        except BlockingIOError:
            return GLib.SOURCE_CONTINUE
        except OSError:
            more = b""
        self.data += more
        if not more:
            self.watch = 0
            return GLib.SOURCE_REMOVE
        return GLib.SOURCE_CONTINUE

    @property
    def text(self):
        return self.data.decode(errors="replace").replace("\r\n", "\n")

    def lines(self, prefix=""):
        return [line for line in self.text.split("\n") if line.startswith(prefix)]

    def wait(self, pattern, count=1, seconds=PATIENCE):
        """Waits until the pattern has come count times; returns its last match."""
        found = []

        def enough():
            found[:] = re.finditer(pattern, self.text, re.MULTILINE)
            return len(found) >= count

        wait_for(enough, lambda: f"console line {pattern!r} ({len(found)} of {count}); "
                                 f"console ends with {self.text[-1500:]!r}", seconds)
        return found[count - 1]

    def close(self):
        if self.watch:
            GLib.source_remove(self.watch)
            self.watch = 0
        self.ours.close()
        self.theirs.close()


class Machine:
    def __init__(self, daemon, path):
        self.daemon = daemon
        self.path = path
        self.console = Console()

    def call(self, method, signature=None, *args, fds=()):
        return self.daemon.call(self.path, MACHINE, method, signature, *args, fds=fds)

    def get(self, name):
        (value,) = self.daemon.call(
            self.path, "org.freedesktop.DBus.Properties", "Get", "(ss)", MACHINE, name)
        return value

    def start(self):
        """Starts with the console attached from the first byte; returns the run's id."""
        fds = [self.console.theirs.fileno()]
        options = {"console": GLib.Variant("h", 0), "console_write": GLib.Variant("b", True)}
        (run_id,) = self.call("Start", "(a{sv})", options, fds=fds)
        return run_id

    def signals(self, name):
        return [args for path, member, args in self.daemon.signals
                if path == self.path and member == name]

    def wait_stopped(self):
        """Waits for the one Stopped signal of the run; its reason and detail."""
        wait_for(lambda: self.signals("Stopped"),
                 lambda: f"Stopped signal; State is {self.get('State')!r}, "
                         f"console ends with {self.console.text[-1500:]!r}")
        assert self.get("State") == "stopped", self.get("State")
        stopped = self.signals("Stopped")
        assert len(stopped) == 1, f"told {len(stopped)} times of one end: {stopped}"
        run_id, reason, detail = stopped[0]
        assert run_id == self.get("RunId")
        assert reason == self.get("StopReason")
        return reason, detail

    def expect_end(self, expected):
        reason, detail = self.wait_stopped()
        assert reason == expected, f"ended as {reason} ({detail}), not as {expected}"
        return detail

    def stats(self):
        (stats,) = self.call("GetStats", "(a{sv})", {})
        return stats

    def delete(self):
        self.console.close()
        self.call("Delete", "(a{sv})", {})


class Daemon:
    """A connection of its own to the system bus, subscribed to every signal of vmserviced."""

    def __init__(self):
        address = Gio.dbus_address_get_for_bus_sync(Gio.BusType.SYSTEM, None)
        flags = (Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
                 | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION)
        self.bus = Gio.DBusConnection.new_for_address_sync(address, flags, None, None)
        self.signals = []
        self.bus.signal_subscribe(NAME, MACHINE, None, None, None, Gio.DBusSignalFlags.NONE,
                                  self._signal)
        self.call(ROOT, MANAGER, "Subscribe", "(a{sv})", {})

    def _signal(self, _bus, _sender, path, _interface, member, args):
        self.signals.append((path, member, args.unpack()))

    def close(self):
        self.bus.close_sync(None)

    def call(self, path, interface, method, signature=None, *args, fds=()):
        body = GLib.Variant(signature, args) if signature else None
        reply, _ = self.bus.call_with_unix_fd_list_sync(
            NAME, path, interface, method, body, None, Gio.DBusCallFlags.NONE, PATIENCE * 1000,
            Gio.UnixFDList.new_from_array(list(map(os.dup, fds))) if fds else None, None)
        return reply.unpack()

    def create(self, name, config, files):
        """A stopped machine. files: path by the string that the config names it with."""
        opened = [os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in files.values()]
        try:
            handles = {key: index for index, key in enumerate(files)}
            (path,) = self.call(ROOT, MANAGER, "CreateMachine", "(ssa{sh}a{sv})",
                                name, config, handles, {}, fds=opened)
        finally:
            for fd in opened:
                os.close(fd)
        return Machine(self, path)


def error_name(error):
    """The D-Bus error behind a GLib.Error, without the project's prefix."""
    remote = Gio.DBusError.get_remote_error(error) or str(error)
    return remote.removeprefix(NAME + ".Error.")
