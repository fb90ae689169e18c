#!/usr/bin/python3 -IS
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A monitor that misbehaves on demand.

It speaks protocol/protocol.h and runs no guest. What it does is said by the machine's "params", as
words: a word MOMENT=ACT has it do ACT at MOMENT (start, button, pause, snapshot, console; see
ACTS), any other word is a setting. With --probe it answers as a host with KVM would.
"""

import array
import json
import os
import select
import signal
import socket
import sys
import time

FRAME_MAX = 64 * 1024
EXIT_CODES = {"SHUTDOWN": 0, "REBOOT": 10, "GUEST_PANIC": 11, "TRIPLE_FAULT": 12,
              "KILLED": 15, "CRASH": 16, "START_FAILED": 17, "UNKNOWN": 19}


class Monitor:
    def __init__(self):
        self.socket = socket.socket(fileno=3)
        self.state = "stopped"
        self.run_id = None
        self.seq = 0
        self.words = {}
        self.payload = "none"
        self.consoles = []
        self.writer = False

    def send(self, frame, fds=()):
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        if isinstance(frame, dict):
            frame = json.dumps(frame).encode()
        self.socket.sendmsg([frame], control)

    def event(self, name, **params):
        self.seq += 1
        self.send({"type": "event", "seq": self.seq, "event": name, "params": params})

    def reply(self, request, **result):
        self.send({"type": "reply", "id": request["id"], "result": result})

    def refuse(self, request, errno, message):
        self.send({"type": "reply", "id": request["id"],
                   "error": {"errno": errno, "message": message}})

    def set_state(self, state):
        self.state = state
        self.event("state", state=state)

    def end(self, reason, detail="as asked", code=None, exit_code=-1):
        self.event("ended", reason=reason, detail=detail, exit_code=exit_code)
        os._exit(EXIT_CODES[reason] if code is None else code)

    def act(self, moment, request=None):
        """Does what the params ask for at this moment; whether the request is dealt with."""
        act = self.words.get(moment)
        if act is None:
            return False
        name, _, argument = act.partition(":")
        return ACTS[name](self, request, argument) is not False

    def do_hello(self, request, fds):
        self.reply(request, version=1, token=request["params"]["token"], monitor="fake-monitor",
                   monitor_version="1")

    def do_start(self, request, fds):
        params = request["params"]
        self.run_id = params["run_id"]
        for word in params["config"].get("params", "").split():
            key, _, value = word.partition("=")
            self.words[key] = value
        for fd in fds:
            os.close(fd)
        self.state = "starting"
        if self.act("start", request):
            return
        self.set_state("running")
        self.reply(request)
        self.act("running")

    def do_pause(self, request, fds):
        if self.act("pause", request):
            return
        self.set_state("paused")
        self.reply(request)

    def do_resume(self, request, fds):
        if self.act("resume", request):
            return
        self.set_state("running")
        self.reply(request)

    def do_power_button(self, request, fds):
        self.reply(request)
        if not self.act("button", request):
            self.end("SHUTDOWN", "the guest powered off")

    def do_reset(self, request, fds):
        if not self.act("reset", request):
            self.reply(request)

    def do_stats(self, request, fds):
        if self.act("stats", request):
            return
        self.reply(request, uptime_usec=1, vcpu_count=1, run_time_usec=[1], exits={"io": 2},
                   console_bytes=0, console_dropped=0, resets=0, memory_bytes=1, rss_bytes=1)

    def do_snapshot(self, request, fds):
        if self.act("snapshot", request):
            return
        result = {"state": self.state, "payload_state": self.payload, "payload_exit_code": -1,
                  "console_writer": self.writer, "seq": self.seq}
        if self.run_id:
            result["run_id"] = self.run_id
        self.reply(request, **result)

    def do_console(self, request, fds):
        if self.act("console", request):
            return
        if request["params"].get("write"):
            if self.writer and not request["params"].get("steal"):
                self.refuse(request, 16, "the console has a writer")
                return
            self.writer = True
        console = socket.socket(fileno=fds[0])
        console.send(b"fake console\n")
        self.consoles.append(console)
        self.reply(request)

    def do_quit(self, request, fds):
        self.reply(request)
        self.end("START_FAILED" if self.state in ("stopped", "starting") else "KILLED")

    def run(self):
        while True:
            data, control, _, _ = self.socket.recvmsg(FRAME_MAX, socket.CMSG_SPACE(20 * 4),
                                                      socket.MSG_CMSG_CLOEXEC)
            if not data:
                os._exit(EXIT_CODES["UNKNOWN"])  # no daemon holds the socket: cannot be
            fds = array.array("i")
            for level, kind, payload in control:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    fds.frombytes(payload)
            request = json.loads(data)
            getattr(self, "do_" + request["method"].replace("-", "_"))(request, list(fds))


def act_flood(monitor, request, argument):
    while True:
        monitor.event("console-writer", attached=True)


def act_raw(frame):
    def act(monitor, request, argument):
        monitor.send(frame)
        time.sleep(600)
    return act


def act_payload(monitor, request, argument):
    for state in argument.split(","):
        monitor.payload = state
        monitor.event("payload", state=state, exit_code=7 if state == "finished" else -1)
    return False


def act_end_soon(monitor, request, argument):
    """Powers off after a while, as a guest does by itself."""
    def on_alarm(*_):
        monitor.end("SHUTDOWN", "the guest powered off")
    signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, 0.3)


def act_late(monitor, request, argument):
    """Says by an event what it has done, and answers when it is asked for the next thing."""
    monitor.set_state("paused")
    monitor.late = request


def act_answer_late(monitor, request, argument):
    monitor.reply(monitor.late)
    return False


def act_fd(monitor, request, argument):
    monitor.send({"type": "reply", "id": request["id"], "result": {}}, [0])
    time.sleep(600)


def act_words(monitor, request, argument):
    words = "\x1b[31m" + "a\u20ac" * 250
    if argument == "refuse":
        monitor.refuse(request, 5, words)
        return True
    return monitor.end("SHUTDOWN" if monitor.state == "running" else "START_FAILED", words)


ACTS = {
    "words": act_words,
    "end-soon": act_end_soon,
    "late": act_late,
    "answer-late": act_answer_late,
    "refuse": lambda m, r, a: m.refuse(r, int(a or 5), "refused as asked"),
    "end": lambda m, r, a: m.end(a),
    "end-hostile": lambda m, r, a: m.end("GUEST_PANIC", "\033[31m\nvmctl: forged\u202e\x9b"),
    "disagree": lambda m, r, a: m.end("SHUTDOWN", code=16),
    "exit": lambda m, r, a: os._exit(int(a)),
    "signal": lambda m, r, a: os.kill(os.getpid(), int(a)),
    "close": lambda m, r, a: (m.socket.close(), time.sleep(600)),
    "hang": lambda m, r, a: time.sleep(600),
    "silent": lambda m, r, a: True,
    "flood": act_flood,
    "payload": act_payload,
    "fd": act_fd,
    "garbage": act_raw(b"\0\1\2"),
    "not-json": act_raw(b"{\"type\": "),
    "huge": act_raw(b"[" * FRAME_MAX),
    "deep": act_raw(b"[" * 1000 + b"]" * 1000),
    "unasked": act_raw(b'{"type": "reply", "id": 77, "result": {}}'),
    "request": act_raw(b'{"type": "request", "id": 1, "method": "pause", "params": {}}'),
    "unknown-event": act_raw(b'{"type": "event", "seq": 99, "event": "boo", "params": {}}'),
    "bad-state": act_raw(b'{"type": "event", "seq": 99, "event": "state", "params": {"state": 1}}'),
    "backwards": act_raw(b'{"type": "event", "seq": 0, "event": "state", '
                         b'"params": {"state": "running"}}'),
    "by-itself": act_raw(b'{"type": "event", "seq": 99, "event": "state", '
                         b'"params": {"state": "paused"}}'),
}


def probe():
    print(json.dumps({
        "monitor": "fake-monitor", "monitor_version": "1", "usable": True, "api_version": 12,
        "max_vcpus": 8, "recommended_vcpus": 2, "max_memslots": 64, "vm_types": 1,
        "vm_types_created": 0, "protected_vms": False, "guest_memfd": False, "guest_nsec": 300000, "host_nsec": 1000,
    }))


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if sys.argv[1:] == ["--probe"]:
        probe()
    else:
        Monitor().run()
