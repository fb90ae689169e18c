#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon's connection to vm-spawner breaks, or stalls, at a moment of the test's choice: the other
end is the test. The real one is not brought to that."""

import array
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import unittest

from harness import FAKE_MONITOR, MACHINE, MANAGER, MANAGER_PATH, SystemTest, variant, wait_for

# daemon/spawner/spawner-protocol.h
REQUEST = struct.Struct("<IIQ16sQQII")
REPLY = struct.Struct("<IiQ16sQiIiiIIII")
HELLO, SPAWN, LIST, KILL, FORGET, EXITED = range(1, 7)
MONITOR, PROBE = 1, 2
RUNNING = 1
CLD_KILLED = 2
DEADLINE = 60
AS_DESCRIPTOR_3 = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.execv(sys.argv[2], sys.argv[2:])"


class Request:
    def __init__(self, data, fds):
        self.op, self.kind, self.serial, self.id = REQUEST.unpack(data)[:4]
        self.fds = fds


class FakeSpawner:
    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(path)
        self.listener.listen()
        self.listener.settimeout(DEADLINE)
        self.connection = None
        self.children = {}  # id -> (process, the daemon's end of its socket)

    def accept(self):
        """The daemon connects, and says hello."""
        old, self.connection = self.connection, self.listener.accept()[0]
        if old:
            old.close()
        self.connection.settimeout(DEADLINE)
        self.reply(self.expect(HELLO), value=1)

    def drop(self):
        self.connection.close()

    def close(self):
        if self.connection:
            self.connection.close()
        self.listener.close()
        for process, end in self.children.values():
            process.kill()
            process.wait()
            end.close()

    def expect(self, op):
        data, control, _, _ = self.connection.recvmsg(4096, socket.CMSG_SPACE(16))
        fds = array.array("i")
        for _, _, payload in control:
            fds.frombytes(payload)
        request = Request(data, list(fds))
        assert request.op == op, f"{request.op} came and {op} was awaited"
        return request

    def is_silent(self):
        """Whether nothing has come that was not awaited."""
        return not select.select([self.connection], [], [], 0)[0]

    def send(self, op, serial, child, fds=(), value=0, pid=0, state=0, code=0, status=0, last=0):
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.connection.sendmsg([REPLY.pack(op, 0, serial, child, value, pid, state, code, status, 0,
                                            last, 1, 0)], control)

    def reply(self, request, **fields):
        self.send(request.op, request.serial, request.id, **fields)

    def row(self, request, child, **fields):
        self.send(LIST, request.serial, child, state=RUNNING, **fields)

    def start_monitor(self, request):
        """Does what SPAWN of a monitor asks for, and does not tell."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        process = subprocess.Popen([sys.executable, "-c", AS_DESCRIPTOR_3, str(theirs.fileno()),
                                    FAKE_MONITOR], stdin=subprocess.DEVNULL,
                                   pass_fds=[theirs.fileno()])
        theirs.close()
        self.children[request.id] = (process, ours)

    def tell_monitor(self, send, child):
        """By send: its pid, control socket and pidfd."""
        process, end = self.children[child]
        pidfd = os.pidfd_open(process.pid)
        send(pid=process.pid, value=os.getuid(), fds=[end.fileno(), pidfd])
        os.close(pidfd)

    def reap(self, child):
        process, end = self.children.pop(child)
        process.kill()
        process.wait()
        end.close()
        self.send(EXITED, 0, child, pid=process.pid, code=CLD_KILLED, status=signal.SIGKILL)

    def spawn_probe(self, request):
        """Tells of it; what it prints comes by finish_probe()."""
        pidfd = os.pidfd_open(os.getpid())
        self.reply(request, pid=os.getpid(), fds=[pidfd])
        os.close(pidfd)

    @staticmethod
    def finish_probe(request):
        subprocess.run([FAKE_MONITOR, "--probe"], stdout=request.fds[0], check=True)
        for fd in request.fds:
            os.close(fd)


class Links(SystemTest):
    autostart = False

    def setUp(self):
        super().setUp()
        os.makedirs(self.daemon.runtime, mode=0o700)
        self.fake = FakeSpawner(self.daemon.spawner_socket)
        self.addCleanup(self.fake.close)

    def start(self):
        self.daemon.start(wait=False)
        self.fake.accept()
        self.fake.reply(self.fake.expect(LIST), last=1)
        self.daemon.wait_ready()

    def probe(self):
        box = self.client.call_async(MANAGER_PATH, MANAGER, "GetCapabilities", "a{sv}", {})
        request = self.fake.expect(SPAWN)
        self.assertEqual(request.kind, PROBE)
        self.fake.spawn_probe(request)
        self.fake.finish_probe(request)
        self.client.answer(box)

    def create_soon(self, name):
        """A creation with a start; its answer, later."""
        fd = os.open(self.image, os.O_RDONLY)
        try:
            return self.client.call_async(
                MANAGER_PATH, MANAGER, "CreateMachine", "ssa{sh}a{sv}", name,
                json.dumps(self.config()), {"kernel": 0}, {"start": variant(True)}, fds=[fd])
        finally:
            os.close(fd)

    def spawn(self):
        """What the daemon asks for, and gets; its id."""
        request = self.fake.expect(SPAWN)
        self.assertEqual(request.kind, MONITOR)
        self.fake.start_monitor(request)
        self.fake.tell_monitor(lambda **fields: self.fake.reply(request, **fields), request.id)
        return request.id

    def run_one(self):
        box = self.create_soon("one")
        child = self.spawn()
        path, = self.client.answer(box)
        return path, child

    def life_of(self, path):
        self.daemon.wait_ready()
        values = self.client.properties(path)
        return values["State"], values["RunId"], values["MonitorPid"]

    def name(self, child, last=True):
        """Answers LIST with a child that runs."""
        listing = self.fake.expect(LIST)
        self.fake.tell_monitor(lambda **fields: self.fake.row(listing, child, **fields), child)
        if last:
            self.fake.reply(listing, last=1)

    def end(self, path, child):
        box = self.client.call_async(path, MACHINE, "Kill", "a{sv}", {})
        self.assertEqual(self.fake.expect(KILL).id, child)
        self.fake.reap(child)
        self.client.answer(box)
        self.assertEqual(self.client.property(path, "StopReason"), "KILLED")

    def test_spawn_not_answered(self):
        """The child of a start that was given up is found, and killed, with nothing else running."""
        self.start()
        self.probe()
        box = self.create_soon("one")
        lost = self.fake.expect(SPAWN)
        self.fake.drop()
        self.fake.accept()
        with self.fails("StartFailed"):
            self.client.answer(box)
        listing = self.fake.expect(LIST)
        self.fake.row(listing, lost.id, pid=os.getpid())
        self.fake.reply(listing, last=1)
        self.assertEqual(self.fake.expect(KILL).id, lost.id)
        self.assertEqual(self.client.names(), [])

    def test_probe_is_no_orphan(self):
        self.start()
        box = self.client.call_async(MANAGER_PATH, MANAGER, "GetCapabilities", "a{sv}", {})
        lost = self.fake.expect(SPAWN)
        self.fake.drop()
        self.assertFalse(json.loads(self.client.answer(box)[1])["kvm"]["usable"])
        box = self.client.call_async(MANAGER_PATH, MANAGER, "GetCapabilities", "a{sv}", {})
        self.fake.accept()
        request = self.fake.expect(SPAWN)
        self.fake.spawn_probe(request)
        listing = self.fake.expect(LIST)
        for child in (lost.id, request.id):
            self.fake.row(listing, child, pid=os.getpid())
        self.fake.reply(listing, last=1)
        self.assertEqual(self.fake.expect(KILL).id, lost.id)
        self.fake.finish_probe(request)
        self.assertTrue(json.loads(self.client.answer(box)[1])["kvm"]["usable"])
        self.assertTrue(self.fake.is_silent())

    def test_start_while_listing(self):
        """What is begun after the question is not in the answer, and not lost."""
        self.start()
        self.probe()
        path, child = self.run_one()
        self.fake.drop()
        self.fake.accept()
        listing = self.fake.expect(LIST)
        box = self.create_soon("two")
        wait_for(lambda: not self.fake.is_silent(), "its SPAWN")
        self.fake.row(listing, child, pid=os.getpid())
        self.fake.reply(listing, last=1)
        self.spawn()
        two, = self.client.answer(box)
        self.assertEqual([self.client.property(p, "State") for p in (path, two)], ["running"] * 2)

    def test_listing_breaks_off(self):
        """A new daemon that is cut off before it has heard what runs asks again, and loses nothing."""
        self.start()
        self.probe()
        path, child = self.run_one()
        before = self.life_of(path)
        self.daemon.kill()
        self.daemon.start(wait=False)
        self.fake.accept()
        self.fake.expect(LIST)
        self.fake.drop()
        self.fake.accept()
        self.name(child, last=False)  # and once more, with the machine named already
        self.fake.drop()
        self.fake.accept()
        self.name(child)
        self.name(child)  # asked whether all that was named is still there
        self.assertEqual(self.life_of(path), before)
        self.end(path, child)

    def test_listing_stalls(self):
        """Who has not heard what runs does not serve: it would run it twice."""
        self.start()
        self.probe()
        path, child = self.run_one()
        before = self.life_of(path)
        self.daemon.kill()
        self.daemon.start(wait=False)
        self.fake.accept()
        wait_for(lambda: "has not said yet what runs" in self.daemon.read_log(), "its patience")
        self.assertNotIn("READY=1", self.daemon.messages)
        self.name(child)
        self.assertEqual(self.life_of(path), before)
        self.end(path, child)


if __name__ == "__main__":
    unittest.main()
