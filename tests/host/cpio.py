# SPDX-License-Identifier: LGPL-2.1-or-later
"""Initramfs archives (cpio "newc", Linux Documentation/driver-api/early-userspace/buffer-format)."""

import os
import stat
import sys


class Archive:
    """Collects entries; every owner is root, every time 0, so that equal inputs give equal bytes."""

    def __init__(self):
        self.entries = {}

    def directory(self, path, mode=0o755):
        self._add(path, stat.S_IFDIR | mode, b"")

    def file(self, path, data, mode=0o644):
        self._add(path, stat.S_IFREG | mode, data)

    def copy(self, path, source):
        with open(source, "rb") as file:
            self.file(path, file.read(), 0o755 if os.access(source, os.X_OK) else 0o644)

    def link(self, path, target):
        self._add(path, stat.S_IFLNK | 0o777, target.encode())

    def device(self, path, major, minor, mode=0o600):
        self._add(path, stat.S_IFCHR | mode, b"", (major, minor))

    def _add(self, path, mode, data, device=(0, 0)):
        path = path.strip("/")
        parent = os.path.dirname(path)
        if parent and parent not in self.entries:
            self.directory(parent)
        self.entries[path] = (mode, data, device)

    def write(self, file):
        for number, (path, (mode, data, device)) in enumerate(self.entries.items(), 1):
            self._write_entry(file, number, path, mode, data, device)
        self._write_entry(file, 0, "TRAILER!!!", 0, b"", (0, 0))

    @staticmethod
    def _write_entry(file, number, path, mode, data, device):
        name = path.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields) + name
        file.write(header + b"\0" * (-len(header) % 4))
        file.write(data + b"\0" * (-len(data) % 4))


def main():
    """cpio.py OUTPUT /path=FILE...: an archive of these files."""
    archive = Archive()
    archive.device("/dev/console", 5, 1)
    for pair in sys.argv[2:]:
        path, source = pair.split("=", 1)
        archive.copy(path, source)
    with open(sys.argv[1], "wb") as file:
        archive.write(file)


if __name__ == "__main__":
    main()
