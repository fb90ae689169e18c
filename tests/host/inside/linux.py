# SPDX-License-Identifier: LGPL-2.1-or-later
"""Linux guests: every way in which a run goes on or ends, for a number of vCPUs."""

import json
import os
import re
import secrets
import signal

from bus import GLib, error_name, spend

# noearly: or an AMD guest looks for AGP bridges on 256 buses, 33,000 exits, before PCI is found.
PARAMS = "console=ttyS0 quiet panic=-1 pci=noearly"
# As ACPICA and Linux's ACPI code begin them (acpica/acoutput.h, linux/printk.h FW_BUG).
ACPI_TROUBLE = re.compile(r"ACPI (BIOS )?(Error|Warning|Exception)|\[Firmware (Bug|Warn)\]|"
                          r"ACPI: .*(error|warning|fail|invalid)", re.IGNORECASE)


class Guests:
    """Makes machines of the test guest. images: vmlinux, vmlinuz, initrd -> path."""

    def __init__(self, daemon, images, vcpus):
        self.daemon = daemon
        self.images = images
        self.vcpus = vcpus
        self.machines = []

    def make(self, do, params="", kernel="vmlinux", memory_mib=128, **config):
        nonce = secrets.token_hex(8)
        config = {
            "kernel": "kernel", "initrd": "initrd", "memory_mib": memory_mib,
            "cpu_count": self.vcpus,
            "params": f"{PARAMS} nonce={nonce} do={do} {params}".strip(),
            **config,
        }
        machine = self.daemon.create(
            f"linux-{nonce}", json.dumps(config),
            {"kernel": self.images[kernel], "initrd": self.images["initrd"]})
        machine.nonce = nonce
        self.machines.append(machine)
        return machine

    def close(self):
        """Removes every machine, also after a test that failed half-way."""
        while self.machines:
            machine = self.machines.pop()
            if machine.get("State") != "stopped":
                machine.call("Kill", "(a{sv})", {})
                machine.wait_stopped()
            machine.delete()
        self.daemon.signals.clear()

    def expect_up(self, machine, count=1):
        """The guest's own account of itself, which no other kernel's output can pass for."""
        up = machine.console.wait(
            r"^guest: up nonce=(\S*) hypervisor=(\S+) cpus=(\d+) memory_mib=(\d+) kernel=(\S+)",
            count)
        assert up[1] == machine.nonce, f"nonce {up[1]} instead of {machine.nonce}"
        assert up[2] == "KVMKVMKVM", f"hypervisor {up[2]}"
        assert int(up[3]) == self.vcpus, f"{up[3]} processors instead of {self.vcpus}"
        return int(up[4])


def boot(guests, kernel):
    machine = guests.make("poweroff", kernel=kernel)
    machine.start()
    guests.expect_up(machine)
    machine.expect_end("SHUTDOWN")
    states = [args[1:] for args in machine.signals("StateChanged")]
    assert states[0] == ("stopped", "starting") and states[-1][1] == "stopped", states
    assert len(states) == len(set(states)), f"a transition was signalled twice: {states}"
    trouble = [line for line in machine.console.lines("guest: kernel:")
               if ACPI_TROUBLE.search(line)]
    assert not trouble, trouble


def acpi(guests):
    """All that the kernel says about ACPI, at every level, holds neither error nor warning."""
    machine = guests.make("poweroff", params="loglevel=7 ignore_loglevel")
    machine.start()
    guests.expect_up(machine)
    machine.expect_end("SHUTDOWN")
    lines = [line for line in machine.console.lines() if "ACPI" in line]
    assert any("DSDT" in line for line in lines), "the kernel says nothing of our tables"
    assert any("APIC" in line for line in lines), "the kernel says nothing of the MADT"
    trouble = [line for line in lines if ACPI_TROUBLE.search(line)]
    assert not trouble, "\n".join(trouble)


def statistics(guests):
    machine = guests.make("button")
    machine.start()
    machine.console.wait("^guest: waiting for the power button")
    stats = machine.stats()
    assert stats["vcpu_count"] == guests.vcpus, stats
    assert len(stats["run_time_usec"]) == guests.vcpus, stats
    assert all(usec > 0 for usec in stats["run_time_usec"]), stats
    assert sum(stats["exits"].values()) > 100, stats
    assert stats["console_bytes"] > 0 and stats["memory_bytes"] == 128 << 20, stats
    machine.call("Stop", "(a{sv})", {})
    machine.expect_end("SHUTDOWN")


def reboot_restart(guests):
    machine = guests.make("reboot", on_reboot="restart")
    machine.start()
    guests.expect_up(machine, count=2)
    assert machine.get("State") == "running"
    assert machine.stats()["resets"] >= 1, machine.stats()
    assert not machine.signals("Stopped")
    machine.call("Kill", "(a{sv})", {})
    machine.expect_end("KILLED")


def reboot_stop(guests):
    machine = guests.make("reboot", on_reboot="stop")
    machine.start()
    guests.expect_up(machine)
    machine.expect_end("REBOOT")
    assert machine.console.text.count("guest: up") == 1


def reboot_asked_from_outside(guests):
    machine = guests.make("button", on_reboot="stop")
    run_id = machine.start()
    machine.console.wait("^guest: waiting for the power button")
    machine.call("Reboot", "(a{sv})", {})
    machine.console.wait("^guest: waiting for the power button", count=2)
    assert machine.get("RunId") == run_id, "a reboot is not a new run"
    machine.call("Stop", "(a{sv})", {})
    machine.expect_end("SHUTDOWN")


def power_button(guests):
    machine = guests.make("button")
    machine.start()
    machine.console.wait("^guest: waiting for the power button")
    machine.call("Stop", "(a{sv})", {})
    machine.expect_end("SHUTDOWN")
    assert "guest: power button" in machine.console.text, machine.console.text[-500:]


def deaf_to_the_button(guests):
    machine = guests.make("deaf")
    machine.start()
    machine.console.wait("^guest: waiting for the power button")
    deadline = GLib.Variant("t", 3_000_000)
    machine.call("Stop", "(a{sv})", {"deadline_usec": deadline})
    detail = machine.expect_end("KILLED")
    assert detail, "a kill by deadline says so"
    machine.console.wait("^guest: power button")


def pause_and_resume(guests):
    machine = guests.make("tick")
    machine.start()
    machine.console.wait("^guest: tick 3$")
    machine.call("Pause", "(a{sv})", {})
    assert machine.get("State") == "paused"
    before = machine.stats()["run_time_usec"]
    spend(0.5)  # what was on its way when the vCPUs halted arrives; then there is silence
    seen = machine.console.text
    spend(2)
    assert machine.console.text == seen, "a paused guest prints"
    assert machine.stats()["run_time_usec"] == before, "a paused guest runs"
    tick = max(map(int, re.findall(r"^guest: tick (\d+)$", seen, re.MULTILINE)))
    machine.call("Resume", "(a{sv})", {})
    assert machine.get("State") == "running"
    machine.console.wait(f"^guest: tick {tick + 3}$")
    machine.call("Stop", "(a{sv})", {})
    machine.expect_end("SHUTDOWN")


def monitor_killed(guests):
    machine = guests.make("tick")
    machine.start()
    machine.console.wait("^guest: tick 1$")
    os.kill(machine.get("MonitorPid"), signal.SIGKILL)
    machine.expect_end("KILLED")


def guest_panic(guests):
    machine = guests.make("panic")
    machine.start()
    guests.expect_up(machine)
    machine.expect_end("GUEST_PANIC")


def guest_panic_restart(guests):
    machine = guests.make("panic", on_crash="restart")
    machine.start()
    guests.expect_up(machine, count=2)
    machine.call("Kill", "(a{sv})", {})
    machine.expect_end("KILLED")


def triple_fault(guests):
    machine = guests.make("triple", params="reboot=t")
    machine.start()
    guests.expect_up(machine)
    machine.expect_end("TRIPLE_FAULT")


def start_of_a_running_machine(guests):
    machine = guests.make("button")
    machine.start()
    machine.console.wait("^guest: waiting for the power button")
    try:
        machine.call("Start", "(a{sv})", {})
        raise AssertionError("a running machine was started")
    except GLib.Error as error:
        assert error_name(error) == "WrongState", error
    machine.call("Kill", "(a{sv})", {})
    machine.expect_end("KILLED")


CASES = [
    ("boot of a vmlinux to user space, power off", lambda guests: boot(guests, "vmlinux")),
    ("boot of a bzImage to user space, power off", lambda guests: boot(guests, "vmlinuz")),
    ("no ACPI error or warning", acpi),
    ("statistics", statistics),
    ("reboot, on_reboot restart", reboot_restart),
    ("reboot, on_reboot stop", reboot_stop),
    ("reboot asked from outside", reboot_asked_from_outside),
    ("power button stop", power_button),
    ("power button ignored: killed at the deadline", deaf_to_the_button),
    ("pause and resume", pause_and_resume),
    ("kill -9 of the monitor", monitor_killed),
    ("guest panic, on_crash stop", guest_panic),
    ("guest panic, on_crash restart", guest_panic_restart),
    ("triple fault", triple_fault),
    ("start of a running machine", start_of_a_running_machine),
]


def tests(daemon, images, vcpus):
    """The cases above as (name, function) for a guest with so many vCPUs."""
    guests = Guests(daemon, images, vcpus)

    def bind(case):
        def test():
            try:
                case(guests)
            finally:
                guests.close()
        return test

    count = "1 vCPU" if vcpus == 1 else f"{vcpus} vCPUs"
    return [(f"Linux, {count}: {name}", bind(case)) for name, case in CASES]
