# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bare payloads on real KVM, memory sizes, vmctl, and leaks planted to see them found."""

import json
import os
import secrets
import socket
import subprocess

import hoststate
import tap
from bus import wait_for
from linux import Guests

EXAMPLES = "/usr/share/vmservice/examples"


def bare(daemon, example, params="", expect=(), reason="SHUTDOWN", **config):
    """Runs one bare example to its end and checks what it printed."""
    nonce = secrets.token_hex(8)
    config = {"kernel": "kernel", "memory_mib": 64, "params": f"nonce={nonce} {params}", **config}
    machine = daemon.create(
        f"bare-{nonce}", json.dumps(config), {"kernel": f"{EXAMPLES}/bare-{example}"})
    try:
        machine.start()
        machine.expect_end(reason)
        for text in (*expect, *((f"nonce={nonce}",) if example == "hello" else ())):
            assert text in machine.console.text, f"no {text!r} in {machine.console.text[-500:]!r}"
        return machine.get("PayloadExitCode")
    finally:
        if machine.get("State") != "stopped":
            machine.call("Kill", "(a{sv})", {})
            wait_for(lambda: machine.get("State") == "stopped", "stopped machine")
        machine.delete()
        daemon.signals.clear()


def hello(daemon):
    assert bare(daemon, "hello", expect=["hypervisor=KVMKVMKVM"]) == 0


def countdown(daemon):
    assert bare(daemon, "countdown", "exit=42", expect=["liftoff"]) == 42


def crashes(daemon):
    for how, reason in (("panic", "GUEST_PANIC"), ("exception", "GUEST_PANIC"),
                        ("triple", "TRIPLE_FAULT"), ("reset", "REBOOT")):
        bare(daemon, "crash", f"crash={how}", reason=reason, on_reboot="stop")


def processors(daemon):
    bare(daemon, "smp", expect=["cpus=4", "cpu 3 runs"], cpu_count=4)


def planted_leaks(_daemon):
    """Each kind of leak turns the comparison red, and only while it is there."""
    watched = os.getpid()  # stands for the daemon, whose descriptors a test cannot open

    def finds(plant, uproot, word):
        before = hoststate.take({"planted": watched})
        planted = plant()
        found = before.differences(hoststate.take({"planted": watched}))
        uproot(planted)
        assert any(word in line for line in found), f"{word}: not found, but {found}"
        assert len(found) == 1, found
        tap.expect_unchanged(before, {"planted": watched})

    def end(process):
        process.kill()
        process.wait()

    finds(lambda: subprocess.Popen(["sleep", "1000"]), end, "processes: sleep 1000")
    finds(socket.socket, lambda leaked: leaked.close(), "descriptors of planted: socket")
    for path in ("/sys/fs/cgroup/vmservice/planted", "/var/lib/vmservice/planted",
                 "/run/vmservice/planted"):
        finds(lambda path=path: os.mkdir(path) or path, os.rmdir, path)


def vmctl(_daemon):
    """The same as a person sees it: run, exit code, list empty again."""
    done = subprocess.run(
        ["vmctl", "run", f"{EXAMPLES}/bare-countdown", "--", "exit=3"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        timeout=60, check=False)
    assert done.returncode == 3, (done.returncode, done.stdout, done.stderr)
    assert "liftoff" in done.stdout, done.stdout
    listed = subprocess.run(["vmctl", "list", "--all", "-o", "json"], check=True,
                            stdout=subprocess.PIPE, timeout=60).stdout
    assert json.loads(listed) == [], listed


def capabilities(_daemon):
    report = json.loads(subprocess.run(
        ["vmctl", "info", "-o", "json"], check=True, stdout=subprocess.PIPE, timeout=60).stdout)
    kvm = (report.get("report") or report)["kvm"]
    assert kvm["present"] and kvm["usable"], kvm


def spawner_limits():
    """vm-spawner's own tests of what needs cgroup controllers and CAP_SYS_RESOURCE."""
    program = os.path.join(os.environ["VMSERVICE_BUILD"], "tests/unit/daemon/test-spawner-child")
    for case in ("limits", "limit-refused", "oom-score"):
        done = subprocess.run(
            [program], env={**os.environ, "CK_RUN_CASE": case, "VMSERVICE_TEST_CONTROLLERS": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0 and "100%: Checks: 4," in done.stdout, done.stdout
        assert "cannot" not in done.stdout, done.stdout


def tests_bare(daemon):
    return [(name, lambda test=test: test(daemon)) for name, test in [
        ("capabilities of a host with KVM", capabilities),
        ("bare hello: nonce and hypervisor's signature", hello),
        ("bare countdown: exit code", countdown),
        ("bare crash: panic, exception, triple fault, reset", crashes),
        ("bare smp: four processors", processors),
        ("planted leaks turn the comparison red", planted_leaks),
        ("vmctl run and list", vmctl),
    ]] + [("vm-spawner: limits of a machine's cgroup, out-of-memory score", spawner_limits)]


def linux_with(daemon, images, memory_mib, low, high):
    guests = Guests(daemon, images, 1)
    try:
        machine = guests.make("poweroff", memory_mib=memory_mib)
        machine.start()
        seen = guests.expect_up(machine)
        assert low <= seen <= high, f"the guest sees {seen} MiB"
        machine.expect_end("SHUTDOWN")
    finally:
        guests.close()


def walk(daemon):
    bare(daemon, "memory-walker", "walk=64", memory_mib=5120,
         expect=["ram 0x100000000 +", "walked 5119 MiB"])


def tests_memory(daemon, images):
    return [
        ("Linux in 128 MiB", lambda: linux_with(daemon, images, 128, 80, 128)),
        ("Linux in 5 GiB, beyond the hole below 4 GiB",
         lambda: linux_with(daemon, images, 5120, 4700, 5120)),
        ("bare memory walker in 5 GiB", lambda: walk(daemon)),
    ]
