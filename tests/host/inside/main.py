#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""main.py GROUP IMAGES: runs one group of tests inside the emulated host and prints TAP."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import failures
import linux
import others
import tap
import units
from bus import Daemon

GROUPS = {
    "linux-1": lambda images: linux.tests(Daemon(), images, 1),
    "linux-2": lambda images: linux.tests(Daemon(), images, 2),
    "failures": lambda images: failures.tests(),
    "units": lambda images: units.tests(),
    "bare": lambda images: others.tests_bare(Daemon()),
    "memory": lambda images: others.tests_memory(Daemon(), images),
}


def main():
    group, directory = sys.argv[1:3]
    images = {name: os.path.join(directory, name) for name in ("vmlinux", "vmlinuz")}
    images["initrd"] = "/run/vmservice-host/guest.cpio"
    return tap.run(GROUPS[group](images))


if __name__ == "__main__":
    sys.exit(main())
