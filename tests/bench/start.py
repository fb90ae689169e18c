# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What a start costs. The clock and the counters stop at the monitor's first KVM_RUN, which first-run is
told of by the kernel (first-run.c); both monitors are given the same guest and 128 MiB.
"""

import contextlib
import json
import mmap
import os
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "host"))
import daemon_share
import kernel

RUNS = 15
COUNTED_RUNS = 3  # instructions and system calls hardly vary
MEMORY_MIB = 128
MANY = 8
MIB = 1 << 20


class Monitors:
    """The command lines: ours through first-run's --monitor, and the peer's."""

    def __init__(self, build):
        self.first_run = os.path.join(build, "tests/bench/first-run")
        self.launcher = os.path.join(build, "vmm-launcher/vmm-launcher")
        self.hang = os.path.join(build, "guest/bare/bare-hang")

    def ours(self, image, *wrapper, hold=False):
        config = json.dumps({"kernel": "kernel", "memory_mib": MEMORY_MIB})
        return [self.first_run, "--monitor", config, image, *(["--hold"] if hold else []), "--",
                *wrapper, self.launcher]

    @staticmethod
    def qemu(image):
        return ["/usr/bin/qemu-system-x86_64", "-M", "microvm", "-accel", "kvm",
                "-cpu", "host,-arch-capabilities", "-m", str(MEMORY_MIB), "-nodefaults",
                "-no-user-config", "-display", "none", "-serial", "stdio", "-kernel", image]

    def peer(self, image, *wrapper, hold=False):
        return [self.first_run, *(["--hold"] if hold else []), "--", *wrapper, *self.qemu(image)]


def output(command):
    done = subprocess.run(command, env={}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr or done.stdout}")
    return done.stdout


def milliseconds(command):
    return int(output(command).split()[-1]) / 1e6


def copy_milliseconds(path):
    """Reading a file into fresh anonymous memory: what no monitor that copies can do without."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        # Room to find a boundary of 2 MiB, where the kernel may give huge pages.
        memory = mmap.mmap(-1, size + 4 * MIB)
        memory.madvise(mmap.MADV_HUGEPAGE)
        begin = time.perf_counter()
        file.readinto(memoryview(memory)[:size])
        return (time.perf_counter() - begin) * 1e3


def time_starts(monitors, bzimage, results):
    bare, linux, copies = ([], []), ([], []), []
    for _ in range(RUNS):
        for figures, image in ((bare, monitors.hang), (linux, bzimage)):
            figures[0].append(milliseconds(monitors.ours(image)))
            figures[1].append(milliseconds(monitors.peer(image)))
        copies.append(copy_milliseconds(bzimage))
    copy = sorted(copies)[len(copies) // 2]
    results.add("spawn to first KVM_RUN, bare payload", "ms", *bare, goal="A: <= 1.5")
    results.add("spawn to first KVM_RUN, Debian's bzImage", "ms", *linux)
    results.add("the same without the copy of the image", "ms",
                *([figure - copy for figure in side] for side in linux), goal="A, net of the copy")


def callgrind_instructions(command_of, image):
    """User instructions of all threads until the first KVM_RUN, in an empty environment."""
    with tempfile.TemporaryDirectory() as directory:
        command = command_of(
            image, "/usr/bin/valgrind", "-q", "--tool=callgrind",
            f"--callgrind-out-file={directory}/out", f"--vgdb-prefix={directory}/vgdb", hold=True)
        process = subprocess.Popen(command, env={}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        try:
            pid = process.stdout.readline().strip()
            if not pid.isdigit():
                raise RuntimeError("no KVM_RUN under callgrind")
            with open(f"/proc/{pid}/status", encoding="ascii") as file:
                group = re.search(r"^Tgid:\s+(\d+)", file.read(), re.MULTILINE)[1]
            subprocess.run(
                ["vgdb", f"--vgdb-prefix={directory}/vgdb", f"--pid={group}", "dump"], check=True,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
        finally:
            process.stdin.close()
            process.wait(60)
        total = 0
        for name in os.listdir(directory):
            if not name.startswith("out"):
                continue
            with open(os.path.join(directory, name), encoding="utf-8", errors="replace") as file:
                total += sum(int(n) for n in re.findall(r"^(?:totals|summary): (\d+)",
                                                        file.read(), re.MULTILINE)[-1:])
        if total == 0:
            raise RuntimeError("callgrind wrote no totals")
        return total


def system_calls(command_of, image):
    """System calls of all threads until the first KVM_RUN."""
    with tempfile.TemporaryDirectory() as directory:
        log = os.path.join(directory, "calls")
        output(command_of(image, "/usr/bin/strace", "-f", "-q", "-o", log))
        with open(log, encoding="utf-8", errors="replace") as file:
            lines = [line.split(maxsplit=1)[1] for line in file if " " in line]
        return sum(1 for line in lines
                   if re.match(r"\w+\(", line) and "KVM_RUN" not in line)


def pss_kib(pid):
    """PSS without the guest's memory, which is the one mapping of at least its size."""
    total = size = 0
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as file:
        for line in file:
            match = re.match(r"(Size|Pss):\s+(\d+) kB", line)
            if match and match[1] == "Size":
                size = int(match[2])
            elif match and size < MEMORY_MIB * 1024:
                total += int(match[2])
    return total


def start_qemu(stack, monitors):
    """Its pid once the payload is up; ended with the stack."""
    qemu = subprocess.Popen(monitors.qemu(monitors.hang), stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE)
    stack.callback(qemu.wait)
    stack.callback(qemu.kill)
    while b"hanging" not in qemu.stdout.readline():
        if qemu.poll() is not None:
            raise RuntimeError("QEMU ended")
    return qemu.pid


def measure_pss(monitors, results):
    ours, peer = [], []
    for _ in range(COUNTED_RUNS):
        with daemon_share.running_machine(monitors.hang, MEMORY_MIB) as pid:
            ours.append(pss_kib(pid))
        with contextlib.ExitStack() as stack:
            peer.append(pss_kib(start_qemu(stack, monitors)))
    results.add("PSS of the monitor without guest memory, one VM", "KiB", ours, peer,
                goal="B: <= 200")
    with contextlib.ExitStack() as stack:
        pids = [stack.enter_context(daemon_share.running_machine(monitors.hang, MEMORY_MIB))
                for _ in range(MANY)]
        crowd = [pss_kib(pid) for pid in pids]
    with contextlib.ExitStack() as stack:
        pids = [start_qemu(stack, monitors) for _ in range(MANY)]
        peers = [pss_kib(pid) for pid in pids]
    results.add(f"the same of each of {MANY} VMs", "KiB", crowd, peers, goal="B: <= 200")


def require_kvm():
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        sys.exit(f"bench start: /dev/kvm cannot be opened ({error.strerror}), and both monitors are "
                 "measured on it; \"./run host x86 -- ./run bench start\" has one, whose counts are "
                 "worth as much as any and whose times are not")


def run(build, results):
    require_kvm()
    monitors = Monitors(build)
    bzimage = kernel.fetch().vmlinuz
    time_starts(monitors, bzimage, results)
    for metric, count, goal in (
            ("user instructions until first KVM_RUN, bare", callgrind_instructions, "A: <= 150,000"),
            ("system calls until first KVM_RUN, bare", system_calls, "A: <= 90")):
        pairs = [(count(monitors.ours, monitors.hang), count(monitors.peer, monitors.hang))
                 for _ in range(COUNTED_RUNS)]
        results.add(metric, "", [pair[0] for pair in pairs], [pair[1] for pair in pairs], goal=goal)
    measure_pss(monitors, results)
    daemon_share.run(monitors.hang, results)
