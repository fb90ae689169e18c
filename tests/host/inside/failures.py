# SPDX-License-Identifier: LGPL-2.1-or-later
"""A start that fails, at every step: an error with its cause, and nothing left behind."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time

import hoststate
import tap
from bus import Daemon, GLib, error_name, spend, wait_for

LIBEXEC = "/usr/libexec/vmservice"
HELLO = "/usr/share/vmservice/examples/bare-hello"
SPAWNER_SOCKET = "/run/vmservice/spawner.sock"
CGROUP = "/sys/fs/cgroup/vmservice"
# The steps of a start as daemon/failpoint.h names them.
STEPS = ["start-begin", "start-recorded", "start-files", "start-spawn-sent", "start-spawned",
         "start-hello-sent", "start-sent", "start-greeted", "start-running"]


def replace_program(name, arguments, environment=None):
    """Ends a part of the service and starts it anew."""
    pid = hoststate.daemon_pid(name)
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not os.path.exists(f"/proc/{pid}/exe"), f"end of {name}")
    with open(f"/run/vmservice-host/{name}.log", "ab") as log:
        process = subprocess.Popen(
            arguments, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, start_new_session=True)
    with open(f"/run/vmservice-{name}.pid", "w", encoding="ascii") as file:
        file.write(str(process.pid))


def restart_daemon(*options, environment=None):
    replace_program("daemon", [f"{LIBEXEC}/vmserviced", "--spawner-socket", SPAWNER_SOCKET,
                               *options], environment)
    subprocess.run(["gdbus", "wait", "--system", "--timeout", "60", "org.vmservice1"], check=True)


def restart_spawner(monitor=f"{LIBEXEC}/vmm-launcher", cgroup=CGROUP):
    replace_program("spawner", [f"{LIBEXEC}/vm-spawner", "--monitor", monitor, "--socket",
                                SPAWNER_SOCKET, "--cgroup", cgroup])
    wait_for(lambda: os.path.exists(SPAWNER_SOCKET), "spawner's socket")


def expect_failed_start(kernel=HELLO, errors=("StartFailed", "InfrastructureError"), **config):
    """Creates a machine, sees its start fail, and sees the same host as before."""
    daemon = Daemon()
    try:
        before = hoststate.take_settled()
        nonce = secrets.token_hex(4)
        machine = daemon.create(
            f"failing-{nonce}", json.dumps({"kernel": "kernel", "memory_mib": 64, **config}),
            {"kernel": kernel})
        try:
            machine.start()
            raise AssertionError("the start went well")
        except GLib.Error as error:
            assert error_name(error) in errors, f"{error_name(error)}: {error.message}"
            assert len(error.message) > 20, f"no cause in {error.message!r}"
        wait_for(lambda: machine.get("State") == "stopped", "stopped machine")
        # Refused before there was a run: no end to report. Else its end, once.
        if machine.get("RunId"):
            assert machine.expect_end("START_FAILED"), "no detail"
        else:
            spend(0.2)
            assert not machine.signals("Stopped"), machine.signals("Stopped")
        machine.delete()
        tap.expect_unchanged(before)
    finally:
        daemon.close()


def step_of_the_daemon(step):
    restart_daemon(environment={"VMSERVICED_FAILPOINT": f"{step}:error"})
    expect_failed_start()


def probed():
    """The daemon knows what KVM can do, and needs no probe for what comes."""
    subprocess.run(["vmctl", "info"], check=True, stdout=subprocess.DEVNULL)


def limited(name, value):
    """A cgroup limit stands between the spawner and the monitor."""
    restart_daemon()
    probed()
    path = f"{CGROUP}/{name}"
    write(path, value)
    try:
        expect_failed_start()
    finally:
        write(path, "max")


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def with_monitor(script):
    """Something else has taken the monitor's place since the daemon looked at it."""
    path = "/usr/libexec/vmservice-monitor"
    shutil.copy(f"{LIBEXEC}/vmm-launcher", path)
    restart_spawner(monitor=path)
    restart_daemon()
    probed()
    os.unlink(path)
    write(path, script)
    os.chmod(path, 0o755)
    try:
        expect_failed_start()
    finally:
        restart_spawner()
        os.unlink(path)


def no_kvm():
    restart_daemon("--kvm", "/dev/no-kvm")
    expect_failed_start(errors=("KvmUnavailable",))


def kvm_is_something_else():
    restart_daemon("--kvm", "/dev/null")
    expect_failed_start(errors=("KvmUnavailable", "StartFailed"))


def bad_image(make):
    """An image that is found out only by the monitor, or by the daemon before it: never booted."""
    restart_daemon()
    with open(HELLO, "rb") as file:
        image = make(file.read())
    with tempfile.NamedTemporaryFile() as file:
        file.write(image)
        file.flush()
        expect_failed_start(kernel=file.name, errors=("InvalidImage",))


def good_again():
    """After all that, a start goes well with the same spawner and a plain daemon."""
    restart_daemon()
    begin = time.monotonic()
    done = subprocess.run(["vmctl", "run", HELLO], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 0 and "hello from" in done.stdout, (begin, done)


def tests():
    cases = [(f"a start that fails at {step}", lambda step=step: step_of_the_daemon(step))
             for step in STEPS]
    cases += [
        ("a start without /dev/kvm", no_kvm),
        ("a start on something that is not KVM", kvm_is_something_else),
        ("a start whose cgroup cannot be made", lambda: limited("cgroup.max.descendants", "0")),
        ("a start whose monitor cannot be cloned", lambda: limited("pids.max", "0")),
        ("a start whose monitor cannot be executed", lambda: with_monitor("no program")),
        ("a start whose monitor ends at once", lambda: with_monitor("#!/bin/sh\nexit 7\n")),
        ("a start whose monitor kills itself",
         lambda: with_monitor("#!/bin/sh\nkill -SEGV $$\n")),
        ("a start of a truncated image", lambda: bad_image(lambda image: image[:100])),
        ("a start of an image cut in its segments",
         lambda: bad_image(lambda image: image[:8192])),
        ("a start of something that is no image", lambda: bad_image(lambda image: b"x" * 4096)),
        ("a start that goes well afterwards", good_again),
    ]

    def bind(case):
        def test():
            try:
                case()
            finally:
                restart_daemon()
        return test

    return [(name, bind(case)) for name, case in cases]
