#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
demo.py BUILD: the tour of ./run demo, on a daemon that runs already: what the host can do, a guest of
each kind, how each ended. demo.py --linux DIRECTORY: its second half, also on an emulated host.
"""

import contextlib
import json
import os
import re
import secrets
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
PATIENCE = 120
PATIENCE_WITH_A_HOST = 300
SIGNATURE = "KVMKVMKVM"


class Failed(Exception):
    pass


def vmctl(*words, check=True):
    done = subprocess.run(
        ["vmctl", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, errors="replace", timeout=PATIENCE, check=False)
    if check and done.returncode != 0:
        raise Failed(f"vmctl {' '.join(words)}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


@contextlib.contextmanager
def step(title):
    """One line with a check mark and a time; what a step finds out goes below it."""
    notes = []
    begin = time.monotonic()
    try:
        yield notes
    except (Failed, subprocess.SubprocessError, ValueError) as error:
        print(f"✗ {title} ({time.monotonic() - begin:.1f} s)\n{error}", flush=True)
        sys.exit(1)
    print(f"✓ {title} ({time.monotonic() - begin:.1f} s)", flush=True)
    for note in notes:
        print(f"    {note}", flush=True)


def expect(condition, problem):
    if not condition:
        raise Failed(problem)


class Machine:
    """A machine made for one step of the demo."""

    def __init__(self, kind, image, params, *options):
        self.nonce = secrets.token_hex(8)
        self.name = f"demo-{kind}-{self.nonce[:6]}"
        vmctl("create", self.name, *options, image, "--", f"nonce={self.nonce}", *params)

    def show(self, name):
        return vmctl("show", "-p", name, "--value", self.name).strip()

    def log(self):
        return vmctl("logs", "--raw", self.name).replace("\r\n", "\n")

    def wait_log(self, pattern):
        deadline = time.monotonic() + PATIENCE
        while not (match := re.search(pattern, self.log(), re.MULTILINE)):
            expect(time.monotonic() < deadline and self.show("State") == "running",
                   f"{self.name} is {self.show('State')} ({self.show('StopDetail')}), and "
                   f"{pattern!r} was not printed:\n{self.log()[-2000:]}")
            time.sleep(0.2)
        return match

    def expect_identity(self, notes):
        """The guest repeats this run's nonce, and names the hypervisor as its processor does."""
        self.wait_log(rf"nonce={self.nonce}\b")
        self.wait_log(rf"hypervisor={SIGNATURE}\b")
        notes.append(f"the guest says: nonce={self.nonce} hypervisor={SIGNATURE}")

    def note_exits(self, notes):
        """What the monitor counted: only a guest that ran on it can have made these."""
        status = json.loads(vmctl("status", "-o", "json", self.name))
        status = status[0] if isinstance(status, list) else status
        exits = {name: n for name, n in status["Stats"]["exits"].items() if n > 0}
        expect(sum(exits.values()) > 0, f"no exits counted: {status}")
        counted = ", ".join(f"{name} {n}" for name, n in sorted(exits.items()))
        notes.append(f"the monitor counted exits: {counted}")

    def expect_end(self, reason, notes):
        vmctl("wait", "--timeout", str(PATIENCE), self.name, check=False)
        ended = self.show("StopReason")
        expect(ended == reason, f"ended as {ended}, not as {reason}: {self.show('StopDetail')}\n"
                                f"{self.log()[-2000:]}")
        notes.append(f"ended: {ended}: {self.show('StopDetail')}")

    def delete(self):
        vmctl("delete", self.name)


def show_capabilities():
    with step("vmserviced says what this host can do") as notes:
        notes.extend(vmctl("info").rstrip().splitlines())
        return json.loads(vmctl("info", "-o", "json"))["report"]["kvm"]


def bare_guests(directory):
    def image(name):
        return os.path.join(directory, f"bare-{name}")

    with step("a bare guest: created over D-Bus, run on /dev/kvm, stopped") as notes:
        machine = Machine("hello", image("hello"), ["wait"])
        vmctl("start", machine.name)
        machine.expect_identity(notes)
        machine.note_exits(notes)
        vmctl("stop", machine.name)
        machine.expect_end("SHUTDOWN", notes)
        machine.delete()
    with step("a payload's exit code comes back") as notes:
        done = subprocess.run(
            ["vmctl", "run", image("countdown"), "--", "from=3", "exit=42"], text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=PATIENCE, check=False)
        expect(done.returncode == 42, f"exit code {done.returncode} instead of 42")
        notes.append(f"{' '.join(done.stdout.split())}; exit code 42")
    for how, reason in (("panic", "GUEST_PANIC"), ("triple", "TRIPLE_FAULT")):
        with step(f"a guest that crashes ({how})") as notes:
            machine = Machine("crash", image("crash"), [f"crash={how}"])
            vmctl("start", machine.name)
            machine.expect_end(reason, notes)
            machine.delete()


def linux_guest(directory, initrd):
    """Boots Debian's kernel, looks at it, presses its power button."""
    for vcpus in (1, 2):
        word = "processor" if vcpus == 1 else "processors"
        with step(f"a Linux guest with {vcpus} {word}: boot, power button, end") as notes:
            machine = Machine(
                "linux", os.path.join(directory, "vmlinux"),
                ["console=ttyS0", "quiet", "panic=-1", "pci=noearly", "do=button"],
                "--initrd", initrd, "--memory", "128", "--cpus", str(vcpus))
            vmctl("start", machine.name)
            up = machine.wait_log(r"^guest: up .* cpus=(\d+) .*kernel=(\S+)")
            expect(int(up[1]) == vcpus, f"the guest sees {up[1]} processors")
            machine.expect_identity(notes)
            notes.append(f"Linux {up[2]}, {up[1]} {word}")
            machine.wait_log("^guest: waiting for the power button")
            machine.note_exits(notes)
            vmctl("stop", machine.name)
            machine.expect_end("SHUTDOWN", notes)
            machine.delete()


def expect_nothing_left():
    with step("nothing is left") as notes:
        listed = json.loads(vmctl("list", "--all", "-o", "json"))
        expect(listed == [], f"machines are left: {listed}")
        notes.append("vmctl list --all: no machines")


def linux_on_emulated_host(build):
    import kernel
    import x86

    with step("the emulated x86-64 host is ready: QEMU TCG with SVM, Debian's kernel and kvm_amd"):
        linux = kernel.fetch()
    code = linux_on_one_host(linux, build)
    if code == x86.NO_ANSWER:  # TCG does that once in a while, whatever runs on it
        print("– the emulated host hung; once more", flush=True)
        code = linux_on_one_host(linux, build)
    return code


def linux_on_one_host(linux, build):
    import kernel
    import x86

    with x86.Host(linux, build=build) as host:
        kernel.write_guest_initramfs(
            linux, os.path.join(build, "tests/guest/guest.cpio"), host.path("guest.cpio"))
        code = host.run(["/usr/bin/python3", os.path.abspath(__file__), "--linux", linux.directory],
                        patience=PATIENCE_WITH_A_HOST, terminal=False)
        if code == x86.NO_ANSWER:
            print(f"the emulated host came to no end\n{host.kernel_log()[-3000:]}", flush=True)
        return code


def main():
    if sys.argv[1] == "--linux":
        show_capabilities()
        linux_guest(sys.argv[2], "/run/vmservice-host/guest.cpio")
        expect_nothing_left()
        return 0
    build = sys.argv[1]
    kvm = show_capabilities()
    if kvm["usable"]:
        bare_guests(os.path.join(build, "guest/bare"))
        expect_nothing_left()
    else:
        print(f"– no bare guest here: {kvm['problem']}", flush=True)
    if kvm["usable"] and kvm["hardware_speed"]:
        import kernel

        linux = kernel.fetch()
        initrd = os.path.join(os.environ["XDG_RUNTIME_DIR"], "guest.cpio")
        kernel.write_guest_initramfs(linux, os.path.join(build, "tests/guest/guest.cpio"), initrd)
        linux_guest(linux.directory, initrd)
        expect_nothing_left()
        return 0
    print("– this host's KVM does not run Linux at hardware speed: an emulated host does", flush=True)
    return linux_on_emulated_host(build)


if __name__ == "__main__":
    sys.exit(main())
