# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon's part of one create-and-start: its own processor time and system calls, over those of a
method that does nothing, through the same bus."""

import contextlib
import json
import os
import re
import subprocess
import tempfile
import time

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

NAME = "org.vmservice1"
ROOT = "/org/vmservice1"
CALLS = 40
SHARE_MEMORY_MIB = 32  # of each: CALLS machines run at once, within the limit of a host of 2 GiB
STATE_PATIENCE = 30


class Client:
    """A connection to the daemon; made: over all of them, so that each machine has its name."""

    made = 0

    def __init__(self):
        self.bus = Gio.bus_get_sync(Gio.BusType.SESSION, None)
        (self.daemon_pid,) = self.call(
            "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionUnixProcessID",
            GLib.Variant("(s)", (NAME,)), name="org.freedesktop.DBus")

    def call(self, path, interface, method, body=None, fds=(), name=NAME):
        reply, _ = self.bus.call_with_unix_fd_list_sync(
            name, path, interface, method, body, None, Gio.DBusCallFlags.NONE, 60000,
            Gio.UnixFDList.new_from_array([os.dup(fd) for fd in fds]) if fds else None, None)
        return reply.unpack()

    def empty(self):
        """Unsubscribe of one who has not subscribed: dispatched, answered, nothing done."""
        self.call(ROOT, NAME + ".Manager", "Unsubscribe", GLib.Variant("(a{sv})", ({},)))

    def create_and_start(self, image_fd, memory_mib):
        Client.made += 1
        options = {"start": GLib.Variant("b", True), "transient": GLib.Variant("b", True)}
        config = json.dumps({"kernel": "kernel", "memory_mib": memory_mib})
        body = GLib.Variant("(ssa{sh}a{sv})",
                            (f"bench-{Client.made}", config, {"kernel": 0}, options))
        (path,) = self.call(ROOT, NAME + ".Manager", "CreateMachine", body, fds=[image_fd])
        return path

    def get(self, path, name):
        (value,) = self.call(path, "org.freedesktop.DBus.Properties", "Get",
                             GLib.Variant("(ss)", (NAME + ".Machine", name)))
        return value

    def kill(self, path):
        self.call(path, NAME + ".Machine", "Kill", GLib.Variant("(a{sv})", ({},)))


@contextlib.contextmanager
def running_machine(image, memory_mib):
    """The monitor's pid of a machine whose payload is up; killed afterwards."""
    client = Client()
    with open(image, "rb") as file:
        path = client.create_and_start(file.fileno(), memory_mib)
    try:
        end = time.monotonic() + STATE_PATIENCE
        while client.get(path, "PayloadState") != "ready":
            if time.monotonic() > end:
                raise RuntimeError("the payload does not get ready")
            time.sleep(0.01)
        yield client.get(path, "MonitorPid")
    finally:
        client.kill(path)


def processor_time(pid):
    """Nanoseconds, of all threads: the process's CPU clock (clock_getcpuclockid(3))."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def settle(pid):
    """What a call leaves to do after its answer belongs to it."""
    last = processor_time(pid)
    while True:
        time.sleep(0.02)
        now = processor_time(pid)
        if now == last:
            return now
        last = now


def measure_time(client, image_fd):
    """Microseconds per call: of the empty method, of create-and-start."""
    empty, full = [], []
    for _ in range(CALLS):
        before = settle(client.daemon_pid)
        client.empty()
        empty.append((settle(client.daemon_pid) - before) / 1e3)
        before = settle(client.daemon_pid)
        path = client.create_and_start(image_fd, SHARE_MEMORY_MIB)
        full.append((settle(client.daemon_pid) - before) / 1e3)
        client.kill(path)
    return empty, full


def count_calls(pid, action):
    """System calls of a process while action runs."""
    with tempfile.TemporaryDirectory() as directory:
        log = os.path.join(directory, "calls")
        tracer = subprocess.Popen(["strace", "-f", "-o", log, "-p", str(pid)],
                                  stderr=subprocess.PIPE, text=True)
        try:
            for line in tracer.stderr:
                if "attached" in line:
                    break
            action()
            settle(pid)
        finally:
            tracer.terminate()
            tracer.wait()
        with open(log, encoding="utf-8", errors="replace") as file:
            return sum(1 for line in file if re.match(r"\d+\s+\w+\(", line))


def measure_calls(client, image_fd):
    """System calls per call: of the empty method, of create-and-start."""
    def empty():
        for _ in range(CALLS):
            client.empty()

    paths = []

    def full():
        for _ in range(CALLS):
            paths.append(client.create_and_start(image_fd, SHARE_MEMORY_MIB))

    few = count_calls(client.daemon_pid, empty) / CALLS
    many = count_calls(client.daemon_pid, full) / CALLS
    for path in paths:
        client.kill(path)
    return [few], [many]


def run(image, results):
    client = Client()
    with open(image, "rb") as file:
        empty_time, full_time = measure_time(client, file.fileno())
        empty_calls, full_calls = measure_calls(client, file.fileno())
    name = "an empty method"
    results.add("daemon's time for create and start", "us", full_time, empty_time,
                goal="D: ratio <= 3", peer_name=name, share=True)
    results.add("daemon's system calls for create and start", "", full_calls, empty_calls,
                goal="D: ratio <= 3", peer_name=name, share=True)
