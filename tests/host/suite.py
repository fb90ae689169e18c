#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
suite.py BUILD [GROUP...]: the tests of the emulated x86-64 host, as TAP. Each group has a boot of its
own. A host that comes to no end, which QEMU's TCG does once in a while, says nothing about the tests:
its group is run once more, and only a second time fails.
"""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kernel
from x86 import NO_ANSWER, Host

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = 420  # seconds without a word; a test that fails for want of an answer says so before
# Guests over 4 GiB need a host over 4 GiB: its memory, too, is only taken when it is touched.
GROUPS = {"units": 2048, "bare": 2048, "linux-1": 2048, "linux-2": 2048, "failures": 2048, "memory": 7168}


def run_group(linux, build, group):
    """One boot: its exit code, what it printed, and the end of the logs on the way."""
    with Host(linux, memory_mib=GROUPS[group], build=build) as host:
        kernel.write_guest_initramfs(
            linux, os.path.join(build, "tests/guest/guest.cpio"), host.path("guest.cpio"))
        with open(host.path("output"), "wb+") as output:
            code = host.run(
                ["/usr/bin/python3", os.path.join(HERE, "inside/main.py"), group, linux.directory],
                environment={"VMSERVICE_BUILD": os.path.abspath(build)}, patience=PATIENCE,
                output=output)
            output.seek(0)
            text = output.read().decode(errors="replace").replace("\r\n", "\n")
        logs = ""
        if code != 0:
            for name in ("daemon.log", "spawner.log", "kernel.log"):
                if os.path.exists(host.path(name)):
                    with open(host.path(name), encoding="utf-8", errors="replace") as file:
                        logs += f"--- {name}\n" + file.read()[-6000:] + "\n"
        return code, text, logs


def print_comment(text):
    """What an attempt that does not count said: none of it is a result."""
    for line in text.splitlines():
        print("#", line)
    sys.stdout.flush()


def main():
    build = sys.argv[1]
    groups = sys.argv[2:] or list(GROUPS)
    linux = kernel.fetch()
    number = failed = 0
    for group in groups:
        code, text, logs = run_group(linux, build, group)
        if code == NO_ANSWER:
            print(f"# the emulated host hung in group {group}; once more", flush=True)
            print_comment(text + logs)
            code, text, logs = run_group(linux, build, group)
        seen = 0
        for line in text.splitlines():
            match = re.fullmatch(r"(not )?ok \d+ - (.*)", line)
            if match:
                number, seen = number + 1, seen + 1
                failed += match[1] is not None
                if match[1]:
                    print(logs, flush=True)
                    logs = ""
                print(f"{match[1] or ''}ok {number} - {group}: {match[2]}", flush=True)
            elif not re.fullmatch(r"1\.\.\d+", line):
                print(line, flush=True)
        plan = re.search(r"^1\.\.(\d+)$", text, re.MULTILINE)
        if code == NO_ANSWER or not plan or int(plan[1]) != seen:
            number, failed = number + 1, failed + 1
            why = "the emulated host hung twice" if code == NO_ANSWER else f"exit code {code}"
            print(logs)
            print(f"not ok {number} - {group}: all of its tests ran ({why})", flush=True)
    print(f"1..{number}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"suite: {error}")
