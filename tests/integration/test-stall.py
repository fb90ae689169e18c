#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A file that is never read to its end: its file system (FUSE) answers everything but reads."""

import contextlib
import ctypes
import json
import os
import signal
import struct
import unittest

from gi.repository import Gio, GLib

from harness import ERROR, MANAGER, MANAGER_PATH, SystemTest, children_of, wait_for

# <linux/fuse.h>
LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE, FLUSH, INIT, ACCESS, INTERRUPT, DESTROY = (
    1, 2, 3, 14, 15, 17, 18, 25, 26, 34, 36, 38)
IN_HEADER, OUT_HEADER = struct.Struct("<IIQQIIIHH"), struct.Struct("<IiQ")
DIRECT_IO = 1
SIZE = 64 * 1024


def attributes(node):
    mode, size = (0o040755, 0) if node == 1 else (0o100644, SIZE)
    return struct.pack("<6Q10I", node, size, 1, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def answer(opcode, node):
    """The body of the answer, an errno, or None for no answer at all."""
    if opcode == INIT:
        return struct.pack("<IIIIHHIIHHI28x", 7, 31, 0, 0, 8, 8, 65536, 1, 16, 0, 0)
    if opcode == LOOKUP:
        return struct.pack("<QQQQII", 2, 1, 60, 60, 0, 0) + attributes(2)
    if opcode == GETATTR:
        return struct.pack("<QII", 60, 0, 0) + attributes(node)
    if opcode == OPEN:
        return struct.pack("<QII", 1, DIRECT_IO, 0)
    if opcode == STATFS:
        return struct.pack("<5Q4I24x", 1, 0, 0, 2, 0, 4096, 255, 4096, 0)
    if opcode in (FLUSH, RELEASE, ACCESS, DESTROY):
        return b""
    if opcode in (READ, FORGET, INTERRUPT):
        return None
    return -38  # ENOSYS


def serve(fd):
    while True:
        request = os.read(fd, 1 << 17)
        _, opcode, unique, node = IN_HEADER.unpack_from(request)[:4]
        body = answer(opcode, node)
        if body is None:
            continue
        error, body = (body, b"") if isinstance(body, int) else (0, body)
        os.write(fd, OUT_HEADER.pack(OUT_HEADER.size + len(body), error, unique) + body)


def problem():
    if os.geteuid() != 0:
        return "needs root, to mount"
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse cannot be used"
    return None


@unittest.skipIf(problem(), problem())
class Stall(SystemTest):
    def setUp(self):
        super().setUp()
        self.mount = os.path.join(self.folder, "mnt")
        os.mkdir(self.mount)
        fd = os.open("/dev/fuse", os.O_RDWR)
        libc = ctypes.CDLL(None, use_errno=True)
        options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other"
        if libc.mount(b"stall", self.mount.encode(), b"fuse", 0, options.encode()) != 0:
            self.skipTest(f"mount: {os.strerror(ctypes.get_errno())}")
        self.addCleanup(libc.umount2, self.mount.encode(), 2)  # MNT_DETACH
        self.server = os.fork()
        if self.server == 0:
            try:
                serve(fd)
            finally:
                os._exit(0)
        self.addCleanup(self.stop_server)
        os.close(fd)

    def stop_server(self):
        if self.server:
            os.kill(self.server, signal.SIGKILL)
            os.waitpid(self.server, 0)
        self.server = None

    def close(self, fd):
        with contextlib.suppress(OSError):  # a flush that nobody answers any more
            os.close(fd)

    def test_others_are_served(self):
        fds = self.daemon.fds()
        before = self.tree()
        fd = os.open(os.path.join(self.mount, "kernel"), os.O_RDONLY)
        box = self.client.call_async(MANAGER_PATH, MANAGER, "CreateMachine", "ssa{sh}a{sv}", "slow",
                                     json.dumps(self.config()), {"kernel": 0}, {}, fds=[fd])
        wait_for(lambda: children_of(self.daemon.process.pid), "the copying process")
        other = self.connect()
        for i in range(5):
            path = self.create(f"quick{i}", client=other)
            other.machine(path, "Kill")
            other.machine(path, "Delete")
        self.assertEqual(other.names(), [])  # what is being made is nobody's to see
        with self.fails("MachineExists"):
            self.create("slow", client=other)
        self.assertEqual(box, [])
        self.stop_server()
        with self.assertRaises(GLib.Error) as caught:
            self.client.answer(box)
        self.assertEqual(Gio.DBusError.get_remote_error(caught.exception),
                         ERROR + "InfrastructureError")
        self.assertIn('"kernel"', caught.exception.message)
        self.close(fd)
        wait_for(lambda: self.daemon.fds() == fds, "no descriptor is left over")
        self.assertEqual(self.tree(), before)
        self.create("slow")

    def test_killed_meanwhile(self):
        """The copying process dies with its daemon, and what it had copied goes with the next."""
        fd = os.open(os.path.join(self.mount, "kernel"), os.O_RDONLY)
        self.client.call_async(MANAGER_PATH, MANAGER, "CreateMachine", "ssa{sh}a{sv}", "slow",
                               json.dumps(self.config()), {"kernel": 0}, {}, fds=[fd])
        child, = wait_for(lambda: children_of(self.daemon.process.pid), "the copying process")
        wait_for(lambda: any(".new-" in e for e in self.tree()), "its folder")
        self.daemon.kill()
        self.close(fd)
        self.stop_server()  # only then can it die
        wait_for(lambda: not os.path.exists(f"/proc/{child}"), "it is gone")
        self.daemon.start()
        self.assertEqual(self.client.names(), [])
        self.assertEqual([e for e in self.tree() if "machines/" in e], [])


if __name__ == "__main__":
    unittest.main()
