#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Daemon, spawner and monitor do their work within the walls of their installed units.

systemd does not run here, so nothing would stop a program that goes beyond its unit. It runs with
the unit's capabilities, and strace writes down what it asks of the kernel: each system call has to
be among those that the unit's SystemCallFilter= lets through, each file where the unit leaves it
in sight, and writable only where the unit says so.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import unittest

from harness import (BUILD, MACHINE, REAL_MONITOR, SOURCE, Signals, SystemTest, require_kvm,
                     variant, wait_for)

sys.path.insert(0, os.path.join(SOURCE, "tests", "consistency"))
from installed import unit_settings, unit_words  # noqa: E402

UNITS = {"vmserviced": "vmserviced.service", "vm-spawner": "vmservice-machines.service",
         "vmm-launcher": "vmservice-machines.service"}
CALL = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)(?:\(| resumed)(.*)$")
OPEN = re.compile(r'^(?:AT_FDCWD(?:<[^>]*>)?, )?"([^"]+)", ([A-Z_|]+).* = (\d+)')
# Flags that change what is there, or are for writing.
WRITES = re.compile(r"O_(WRONLY|RDWR|CREAT|TRUNC)")


class Trace:
    """What strace -f wrote, as (program, system call, rest of the line), by the program that ran."""

    def __init__(self, path):
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = list(self.whole(match.groups() for match in map(CALL.match, file) if match))
        parents = {}
        for pid, call, rest in lines:
            child = re.search(r"\) += (\d+)$", rest)
            if call in ("clone", "clone3", "fork", "vfork") and child:
                parents[child.group(1)] = pid
        programs, executing = {}, {}
        self.calls = []
        for pid, call, rest in lines:
            if pid not in programs:
                programs[pid] = programs.get(parents.get(pid), "")
            name = re.match(r'"([^"]*)"', rest)
            if call == "execve" and name:
                executing[pid] = os.path.basename(name.group(1))
            if call == "execve" and rest.endswith(" = 0"):
                programs[pid] = executing[pid]
                continue
            self.calls.append((programs[pid], call, rest))

    @staticmethod
    def whole(lines):
        """Puts together what strace tore apart when another process came between."""
        begun = {}
        for pid, call, rest in lines:
            if rest.endswith("<unfinished ...>"):
                begun[pid] = (call, rest[:-len("<unfinished ...>")])
            elif rest.startswith(">"):
                yield pid, call, begun.pop(pid, ("", ""))[1] + rest[1:]
            else:
                yield pid, call, rest
        for pid, (call, rest) in begun.items():  # never returned
            yield pid, call, rest

    def of(self, program):
        """Its calls, as (name, arguments and result)."""
        return [(call, rest) for name, call, rest in self.calls if name == program]


def unit_of(program):
    """The settings of the system unit that a program runs in."""
    name = UNITS[program]
    for suffix in (".in", ""):
        path = os.path.join(SOURCE, "systemd", name + suffix)
        if os.path.exists(path):
            import pathlib
            return unit_settings(pathlib.Path(path))
    raise FileNotFoundError(name)


def expand(words):
    """System calls of names and @groups."""
    calls = set()
    for word in words:
        if not word.startswith("@"):
            calls.add(word)
            continue
        text = subprocess.run(["systemd-analyze", "syscall-filter", word], check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        members = [line.strip() for line in text.splitlines()[1:] if line.strip()]
        calls |= expand([member for member in members if not member.startswith("#")])
    return calls


def allowed_calls(unit):
    """What SystemCallFilter= lets through: lists in order, '~' takes away."""
    calls = set()
    for line in unit["Service"]["SystemCallFilter"]:
        names = expand(line.lstrip("~").split())
        calls = calls - names if line.startswith("~") else calls | names
    return calls


def hidden(unit, path):
    """Whether the unit's settings take a path out of sight."""
    service = unit["Service"]
    if path.startswith("/proc/") and service.get("ProcSubset") == ["pid"]:
        return not re.match(r"/proc/(self|thread-self|\d+)(/|$)", path)
    if path.startswith("/dev/") and service.get("PrivateDevices") == ["yes"]:
        return not re.match(r"/dev/(null|zero|full|u?random|tty|fd|std(in|out|err))(/|$)", path)
    if path.startswith("/dev/") and service.get("DevicePolicy") == ["closed"]:
        allowed = [line.split()[0] for line in service.get("DeviceAllow", [])]
        return path not in allowed and \
            not re.match(r"/dev/(null|zero|full|u?random|tty|ptmx|pts)(/|$)", path)
    return False


def problems_of(program, calls, unit, writable):
    """What a program did that its unit would not have let it do."""
    allowed = allowed_calls(unit)
    families = unit_words(unit, "Service", "RestrictAddressFamilies")
    problems = {f"{program}: {call} is not in SystemCallFilter="
                for call, _ in calls if call not in allowed}
    for call, rest in calls:
        line = f"{program}: {call}({rest}"
        if call in ("socket", "socketpair") and rest.split(",")[0] not in families:
            problems.add(f"{line}: not in RestrictAddressFamilies=")
        if call in ("mmap", "mprotect", "pkey_mprotect") and "PROT_WRITE" in rest and \
                "PROT_EXEC" in rest:
            problems.add(f"{line}: MemoryDenyWriteExecute=")
        if call == "mprotect" and "PROT_EXEC" in rest:
            problems.add(f"{line}: MemoryDenyWriteExecute=")
        opened = OPEN.match(rest) if call in ("open", "openat") else None
        if not opened:
            continue
        path, flags, _ = opened.groups()
        if hidden(unit, path):
            problems.add(f"{line}: not in sight")
        elif WRITES.search(flags) and path.startswith("/") and \
                not path.startswith(("/dev/", "/proc/self/") + writable):
            problems.add(f"{line}: ProtectSystem=strict")
    return sorted(problems)


def within_unit(program, trace):
    """The command line that gives what follows a unit's capabilities, under strace."""
    kept = unit_words(unit_of(program), "Service", "CapabilityBoundingSet")
    bounding = ",".join(["-all"] + ["+" + cap.replace("CAP_", "").lower() for cap in kept])
    return ["strace", "-D", "-f", "-qq", "-s", "256", "-A", "-o", trace,
            "setpriv", f"--bounding-set={bounding}", "--inh-caps=-all", "--no-new-privs"]


def tracer_is_done(path):
    """strace -D ends after the last process that it follows."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"strace") and path.encode() in words:
            return False
    return True


class Checker(unittest.TestCase):
    """That what follows can go red."""

    def test_syscall_lists(self):
        daemon, machines = (allowed_calls(unit_of(p)) for p in ("vmserviced", "vm-spawner"))
        self.assertIn("openat", daemon)
        self.assertNotIn("setresuid", daemon)
        self.assertNotIn("mount", daemon)
        self.assertLessEqual({"clone3", "setresuid", "setgroups", "seccomp", "ioctl"}, machines)
        self.assertNotIn("mount", machines)

    def test_problems(self):
        for program, call, rest, expected in [
                ("vmserviced", "mount", '"a", "b") = 0', "SystemCallFilter="),
                ("vmserviced", "socket", "AF_INET, SOCK_STREAM, 0) = 3", "RestrictAddress"),
                ("vmserviced", "mmap", "NULL, 1, PROT_WRITE|PROT_EXEC, 0) = 0", "WriteExecute"),
                ("vmserviced", "openat", 'AT_FDCWD, "/dev/sda", O_RDONLY) = 3', "not in sight"),
                ("vmserviced", "openat", 'AT_FDCWD, "/etc/x", O_RDWR|O_CREAT) = 3', "strict"),
                ("vm-spawner", "openat", 'AT_FDCWD, "/dev/kvm", O_RDWR) = 3', "not in sight"),
                ("vmm-launcher", "openat", 'AT_FDCWD, "/proc/cpuinfo", O_RDONLY) = 3',
                 "not in sight")]:
            found = problems_of(program, [(call, rest)], unit_of(program), ())
            self.assertEqual(len(found), 1, (call, rest, found))
            self.assertIn(expected, found[0])
        for program, rest in [("vmserviced", '"/dev/kvm", O_RDWR) = 3'),
                              ("vm-spawner", '"/proc/self/cgroup", O_RDONLY) = 3'),
                              ("vmserviced", '"/proc/meminfo", O_RDONLY) = 3'),
                              ("vmserviced", '"/etc/x", O_RDWR|O_CREAT) = -1 ENOENT')]:
            self.assertEqual(problems_of(program, [("openat", "AT_FDCWD, " + rest)],
                                         unit_of(program), ()), [])


@require_kvm
@unittest.skipUnless(os.geteuid() == 0, "system mode needs root")
@unittest.skipUnless(shutil.which("strace"), "strace is needed")
class Walls(SystemTest):
    monitor = REAL_MONITOR
    kvm = "/dev/kvm"
    session = False
    autostart = False

    def setUp(self):
        super().setUp()
        self.traces = [os.path.join(self.folder, "trace-daemon"), self.spawner_trace]
        self.daemon.command = within_unit("vmserviced", self.traces[0]) + self.daemon.command
        self.daemon.start()

    def start_system_spawner(self):
        os.makedirs(os.path.join(self.folder, "run"), mode=0o700, exist_ok=True)
        path = os.path.join(self.folder, "run", "spawner.sock")
        self.spawner_trace = os.path.join(self.folder, "trace-spawner")
        self.spawner = subprocess.Popen(
            within_unit("vm-spawner", self.spawner_trace) +
            [os.path.join(BUILD, "daemon", "spawner", "vm-spawner"), "--socket", path,
             "--monitor", self.monitor])
        wait_for(lambda: os.path.exists(path), "vm-spawner listens")

    def bare(self, name, guest, *words, **options):
        return self.client.create(name, {"kernel": "k", "memory_mib": 16,
                                         "params": " ".join(words)},
                                  {"k": os.path.join(BUILD, "guest", "bare", f"bare-{guest}")},
                                  **options)

    def work(self):
        """About all that daemon, spawner and monitor can do."""
        self.client.manager("GetCapabilities", "a{sv}", {})
        signals = Signals(self.client)
        hello = self.bare("hello", "hello", start=True)
        signals.wait("Stopped", hello)
        hang = self.bare("hang", "hang")
        self.client.machine(hang, "Start")
        for method in ("Pause", "Resume", "GetStats", "Reboot"):
            self.client.machine(hang, method)
        fds = []
        self.client.machine(hang, "OpenConsole", {"write": variant(True)}, reply_fds=fds)
        self.client.machine(hang, "OpenLog", reply_fds=fds)
        for fd in fds:
            os.close(fd)
        self.client.machine(hang, "Stop", {"deadline_usec": variant(1000)})
        self.client.machine(hang, "Start")
        # The next daemon takes over.
        self.daemon.terminate()
        self.daemon.start()
        self.client.machine(hang, "Kill")
        for machine in (hello, hang):
            self.client.machine(machine, "Delete")
        self.assertEqual(self.client.names(), [])
        return self.client.property("/org/vmservice1", "Mode", MACHINE.replace("Machine",
                                                                              "Manager"))

    def test_within(self):
        self.assertEqual(self.work(), "system")
        self.daemon.terminate()
        self.spawner.send_signal(signal.SIGTERM)
        self.assertEqual(self.spawner.wait(60), 0)
        problems = []
        seen = set()
        for path in self.traces:
            wait_for(lambda: tracer_is_done(path), "strace to have written all")
            trace = Trace(path)
            for program in UNITS:
                calls = trace.of(program)
                if calls:
                    seen.add(program)
                    problems += problems_of(program, calls, unit_of(program), (self.folder,))
        self.assertEqual(problems, [])
        self.assertEqual(seen, set(UNITS))


if __name__ == "__main__":
    unittest.main(verbosity=2)
