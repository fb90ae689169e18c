# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a run may leave behind: processes, descriptors, cgroups, files. Taken before and after."""

import collections
import os
import re
import time

STATE_DIRECTORIES = ["/var/lib/vmservice", "/run/vmservice"]
CGROUPS = "/sys/fs/cgroup"
PATIENCE = 30


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def daemon_pid(name):
    with open(f"/run/vmservice-{name}.pid", encoding="ascii") as file:
        return int(file.read())


def processes():
    """Command lines of all programs but this one, counted; kernel threads have none."""
    found = collections.Counter()
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            line = read(f"/proc/{entry}/cmdline").replace(b"\0", b" ").decode(errors="replace")
            if line:
                found[line.strip()] += 1
    return found


def descriptors(pid):
    """What a process holds open, counted by kind: numbers of sockets and pipes say nothing."""
    found = collections.Counter()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError:
            continue
        found[re.sub(r":\[\d+\]$", "", target)] += 1
    return found


def tree(directory, directories_only=False):
    found = collections.Counter()
    for root, _, files in os.walk(directory):
        found[root] += 1
        if not directories_only:
            found.update(os.path.join(root, name) for name in files)
    return found


class HostState:
    """One look at the host; pids: processes whose descriptors are counted too."""

    def __init__(self, pids):
        self.parts = {"processes": processes(), "cgroups": tree(CGROUPS, directories_only=True)}
        for directory in STATE_DIRECTORIES:
            self.parts[f"files below {directory}"] = tree(directory)
        for name, pid in pids.items():
            self.parts[f"descriptors of {name}"] = descriptors(pid)

    def differences(self, later):
        """One line for each thing that came or went."""
        lines = []
        for part, before in self.parts.items():
            after = later.parts[part]
            for thing in sorted(set(before) | set(after)):
                if before[thing] != after[thing]:
                    lines.append(f"{part}: {thing}: {before[thing]} before, {after[thing]} after")
        return lines


def watched():
    return {"vmserviced": daemon_pid("daemon"), "vm-spawner": daemon_pid("spawner")}


def take(pids=None):
    return HostState(watched() if pids is None else pids)


def take_settled():
    """A look at a host on which nothing is on its way any more."""
    before = take()
    while True:
        time.sleep(0.5)
        after = take()
        if not before.differences(after):
            return after
        before = after
