# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the whole-system tests stand on: a private bus, the daemon with its spawner, and clients.

Nothing here waits for a guess: every wait is for a condition, with a deadline that only a broken
daemon reaches.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

BUS_NAME = "org.vmservice1"
MANAGER_PATH = "/org/vmservice1"
MANAGER = "org.vmservice1.Manager"
MACHINE = "org.vmservice1.Machine"
PROPERTIES = "org.freedesktop.DBus.Properties"
ERROR = "org.vmservice1.Error."
DEADLINE = 180  # seconds for whatever is awaited: a shared machine has slow moments

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("VMSERVICE_BUILD", os.path.join(SOURCE, "build"))
FAKE_MONITOR = os.path.join(HERE, "fake-monitor.py")
REAL_MONITOR = os.path.join(BUILD, "vmm-launcher", "vmm-launcher")

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>{type}</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <{own} own="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true"/>
    <allow receive_requested_reply="true"/>
    <allow send_destination="*" eavesdrop="false"/>
  </policy>
  <policy user="root">
    <allow own_prefix="org.freedesktop"/>
  </policy>
  {policy}
  <limit name="max_connections_per_user">2048</limit>
  <limit name="max_pending_service_starts">10000</limit>
</busconfig>
"""


def wait_for(condition, what, deadline=None):
    """Polls condition until it holds; returns its value."""
    deadline = deadline or DEADLINE
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline} s for: {what}")
        time.sleep(0.01)


@contextlib.contextmanager
def effective_uid(uid):
    """The bus and the kernel take a connection's uid from its connect(2)."""
    old = os.geteuid()
    if uid != old:
        os.seteuid(uid)
    try:
        yield
    finally:
        if uid != old:
            os.seteuid(old)


class Bus:
    """A dbus-daemon of our own; as_system: with the installed policy of org.vmservice1."""

    def __init__(self, folder, as_system=False):
        self.path = os.path.join(folder, "bus")
        self.address = f"unix:path={self.path}"
        config = os.path.join(folder, "bus.conf")
        policy = ""
        if as_system:
            policy = f"<include>{SOURCE}/dbus/org.vmservice1.conf</include>"
        with open(config, "w", encoding="utf-8") as out:
            out.write(BUS_CONFIG.format(type="system" if as_system else "session",
                                        own="deny" if as_system else "allow", socket=self.path,
                                        policy=policy))
        self.process = subprocess.Popen(
            ["dbus-daemon", "--nofork", "--nosyslog", f"--config-file={config}",
             "--print-address=1"], stdout=subprocess.PIPE)
        if not self.process.stdout.readline():
            raise AssertionError("dbus-daemon did not start")

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Client:
    """A connection to the bus, with calls that raise GLib.Error."""

    def __init__(self, address, uid=None):
        with effective_uid(os.geteuid() if uid is None else uid):
            self.bus = Gio.DBusConnection.new_for_address_sync(
                address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT |
                Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
        self.name = self.bus.get_unique_name()

    def close(self):
        if not self.bus.is_closed():
            self.bus.close_sync(None)

    def call(self, path, interface, member, signature, *args, fds=(), reply_fds=None,
             timeout=DEADLINE):
        """Args by the signature; an fd's place is its index in fds. Returns the reply's values."""
        fd_list = Gio.UnixFDList.new()
        for fd in fds:
            fd_list.append(fd)
        reply, out = self.bus.call_with_unix_fd_list_sync(
            BUS_NAME, path, interface, member, GLib.Variant(f"({signature})", args), None,
            Gio.DBusCallFlags.NO_AUTO_START, timeout * 1000, fd_list, None)
        if reply_fds is not None and out:
            reply_fds.extend(out.steal_fds())
        return reply.unpack()

    def call_async(self, path, interface, member, signature, *args, fds=()):
        """Sends and does not wait; the answer comes by answer()."""
        fd_list = Gio.UnixFDList.new()
        for fd in fds:
            fd_list.append(fd)
        box = []
        self.bus.call_with_unix_fd_list(
            BUS_NAME, path, interface, member, GLib.Variant(f"({signature})", args), None,
            Gio.DBusCallFlags.NO_AUTO_START, DEADLINE * 1000, fd_list, None,
            lambda bus, result: box.append(result))
        return box

    def answer(self, box):
        iterate_until(lambda: box, "an answer")
        return self.bus.call_with_unix_fd_list_finish(box[0])[0].unpack()

    def manager(self, member, signature, *args, **kwargs):
        return self.call(MANAGER_PATH, MANAGER, member, signature, *args, **kwargs)

    def machine(self, path, member, options=None, **kwargs):
        return self.call(path, MACHINE, member, "a{sv}", options or {}, **kwargs)

    def property(self, path, name, interface=MACHINE):
        return self.call(path, PROPERTIES, "Get", "ss", interface, name)[0]

    def properties(self, path, interface=MACHINE):
        return self.call(path, PROPERTIES, "GetAll", "s", interface)[0]

    def create(self, name, config, files=None, fds=(), **options):
        """files: key -> path (opened here) or, with fds, key -> index."""
        opened, handles, variants = list(fds), {}, {}
        try:
            own = []
            for key, file in (files or {}).items():
                if isinstance(file, str):
                    own.append(os.open(file, os.O_RDONLY | os.O_CLOEXEC))
                    opened.append(own[-1])
                    file = len(opened) - 1
                handles[key] = file
            for key, value in options.items():
                variants[key] = value if isinstance(value, GLib.Variant) else variant(value)
            text = config if isinstance(config, str) else json.dumps(config)
            return self.manager("CreateMachine", "ssa{sh}a{sv}", name, text, handles, variants,
                                fds=opened)[0]
        finally:
            for fd in own:
                os.close(fd)

    def names(self):
        return sorted(row[0] for row in self.manager("ListMachines", "a{sv}", {})[0])

    def wait_state(self, path, state):
        return wait_for(lambda: self.property(path, "State") == state, f"{path} is {state}")


def variant(value):
    if isinstance(value, bool):
        return GLib.Variant("b", value)
    if isinstance(value, int):
        return GLib.Variant("t", value)
    return GLib.Variant("s", value)


def iterate_until(condition, what, deadline=None):
    """Runs the main context (signals, asynchronous answers) until condition holds."""
    context = GLib.MainContext.default()
    deadline = deadline or DEADLINE
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline} s for: {what}")
        if not context.iteration(False):
            time.sleep(0.005)


class Signals:
    """All signals of the service that reach a client, in order, as (path, member, values)."""

    def __init__(self, client, subscribe=True):
        self.client = client
        self.seen = []
        self.id = client.bus.signal_subscribe(None, None, None, None, None,
                                              Gio.DBusSignalFlags.NONE, self.on_signal)
        if subscribe:
            client.manager("Subscribe", "a{sv}", {})

    def on_signal(self, bus, sender, path, interface, member, parameters, *_):
        if path.startswith(MANAGER_PATH):
            self.seen.append((path, member, parameters.unpack()))

    def of(self, member, path=None):
        return [s[2] for s in self.seen if s[1] == member and path in (None, s[0])]

    def settle(self):
        """A round trip through the daemon: what it had sent before has arrived."""
        self.client.manager("ListMachines", "a{sv}", {})
        context = GLib.MainContext.default()
        while context.iteration(False):
            pass

    def wait(self, member, path=None, count=1):
        iterate_until(lambda: len(self.of(member, path)) >= count, f"{count} times {member}")
        return self.of(member, path)


class Daemon:
    """vmserviced on a bus, with its own folders."""

    def __init__(self, folder, bus, monitor, session=True, kvm=None, environment=None,
                 arguments=(), spawner_socket=None):
        self.folder, self.bus, self.session = folder, bus, session
        self.state, self.runtime = os.path.join(folder, "state"), os.path.join(folder, "run")
        self.environment = dict(environment or {})
        self.notify_path = os.path.join(folder, "notify")
        self.notify = None
        self.log = open(os.path.join(folder, "daemon.log"), "ab")
        self.command = [os.path.join(BUILD, "daemon", "vmserviced"), "--state-dir", self.state,
                        "--runtime-dir", self.runtime, "--spawner",
                        os.path.join(BUILD, "daemon", "spawner", "vm-spawner"), "--monitor",
                        monitor, "--config", os.path.join(folder, "vmservice.conf"), *arguments]
        if session:
            self.command.append("--user")
        if kvm:
            self.command += ["--kvm", kvm]
        self.spawner_socket = spawner_socket or os.path.join(self.runtime, "spawner.sock")
        self.command += ["--spawner-socket", self.spawner_socket]
        self.process = None
        self.messages = []

    def listen_notify(self):
        """A socket for each process: what the one before it said last is not this one's."""
        self.close_notify()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.notify_path)
        self.messages = []
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(self.notify_path)
        threading.Thread(target=self.read_notify, args=(self.notify, self.messages),
                         daemon=True).start()

    @staticmethod
    def read_notify(notify, messages):
        """As a service manager does: whoever notifies must not have to wait."""
        with contextlib.suppress(OSError), notify:
            while data := notify.recv(4096):
                messages += data.decode().split("\n")

    def close_notify(self):
        """Its reader closes it."""
        if self.notify:
            with contextlib.suppress(OSError):
                self.notify.shutdown(socket.SHUT_RD)
        self.notify = None

    def start(self, wait=True, **environment):
        variables = {"PATH": "/usr/bin:/bin", "NOTIFY_SOCKET": self.notify_path, "LC_ALL": "C",
                     "DBUS_SESSION_BUS_ADDRESS": self.bus.address,
                     "DBUS_SYSTEM_BUS_ADDRESS": self.bus.address,
                     **self.environment, **environment}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                variables[name] = os.environ[name]
        self.listen_notify()
        self.process = subprocess.Popen(self.command, env=variables, stderr=self.log,
                                        stdin=subprocess.DEVNULL)
        if wait:
            self.wait_ready()
        return self

    def wait_notify(self, word):
        """Until sd_notify has told it, as a line that begins with word."""
        def told():
            if self.process.poll() is not None:
                raise AssertionError(f"vmserviced ended with {self.process.returncode}; "
                                     f"{self.read_log()[-3000:]}")
            return any(line.startswith(word) for line in list(self.messages))
        wait_for(told, f"sd_notify {word}; {self.read_log()[-3000:]}")

    def wait_ready(self):
        self.wait_notify("READY=1")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(DEADLINE)

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)

    def wait_exit(self):
        return self.process.wait(DEADLINE)

    def read_log(self):
        with open(os.path.join(self.folder, "daemon.log"), encoding="utf-8",
                  errors="replace") as log:
            return log.read()

    def fds(self):
        """What it has open when nothing is under way; the number of each is of no matter."""
        wait_for(lambda: not children_of(self.process.pid), "its copying processes are gone")
        folder = f"/proc/{self.process.pid}/fd"
        links = []
        for fd in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                links.append(os.readlink(os.path.join(folder, fd)).split(":")[0])
        return sorted(links)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.close_notify()
        self.log.close()


def children_of(pid, zombies=True):
    found = []
    for other in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{other}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            if int(fields[1]) == pid and (zombies or fields[0] != "Z"):
                found.append(int(other))
    return sorted(found)


def listener_pid(path):
    """Who listens at a socket, without connecting: a connection would supersede the daemon's."""
    inode = None
    with open("/proc/net/unix", encoding="utf-8") as table:
        for line in table:
            fields = line.split()
            if fields[-1] == path and fields[3] == "00010000":
                inode = fields[6]
    if inode is None:
        return None
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as comm:
                if comm.read() != "vm-spawner\n":
                    continue
            for fd in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{fd}") == f"socket:[{inode}]":
                    return int(pid)
    return None


class SystemTest(unittest.TestCase):
    """A bus, a daemon and a client of its own for each test."""

    monitor = FAKE_MONITOR
    kvm = "/dev/null"  # a character device: the fake monitor asks it nothing
    session = True
    conf = ""
    arguments = ()
    autostart = True

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="vmservice-test-")
        os.chmod(self.folder, 0o755)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.addCleanup(self.keep_log)
        with open(os.path.join(self.folder, "vmservice.conf"), "w", encoding="utf-8") as conf:
            conf.write(self.conf)
        self.bus = Bus(self.folder, as_system=not self.session)
        self.addCleanup(self.bus.stop)
        self.spawner = None
        if not self.session:
            self.start_system_spawner()
        self.daemon = Daemon(self.folder, self.bus, self.monitor, self.session, self.kvm,
                             arguments=self.arguments)
        self.addCleanup(self.stop_all)
        self.image = os.path.join(self.folder, "kernel")
        with open(self.image, "wb") as image:
            image.write(b"not much of a kernel")
        self.clients = []
        if self.autostart:
            self.daemon.start()
        self.client = self.connect()

    def wipe(self):
        """As if nothing had ever run: for the next of several rounds in one test."""
        if self.daemon.process and self.daemon.process.poll() is None:
            self.daemon.kill()
        spawner = listener_pid(self.daemon.spawner_socket)
        if spawner:
            os.kill(spawner, signal.SIGKILL)
            wait_for(lambda: not os.path.exists(f"/proc/{spawner}"), "the spawner is gone")
        shutil.rmtree(self.daemon.state, ignore_errors=True)
        shutil.rmtree(self.daemon.runtime, ignore_errors=True)

    def start_system_spawner(self):
        os.makedirs(os.path.join(self.folder, "run"), mode=0o700, exist_ok=True)
        path = os.path.join(self.folder, "run", "spawner.sock")
        self.spawner = subprocess.Popen(
            [os.path.join(BUILD, "daemon", "spawner", "vm-spawner"), "--socket", path, "--monitor",
             self.monitor])
        wait_for(lambda: os.path.exists(path), "vm-spawner listens")

    def keep_log(self):
        """On failure the daemon's log is the test's output."""
        failed = any(error for _, error in self._outcome.errors) if hasattr(
            self._outcome, "errors") else not self._outcome.success
        if failed:
            with contextlib.suppress(OSError):
                print(f"--- {self.id()}: vmserviced said:\n{self.daemon.read_log()[-6000:]}")

    def stop_all(self):
        for client in self.clients:
            with contextlib.suppress(GLib.Error):
                client.close()
        spawner = listener_pid(self.daemon.spawner_socket)
        self.daemon.stop()
        if spawner:
            with contextlib.suppress(ProcessLookupError):
                os.kill(spawner, signal.SIGKILL)
        if self.spawner:
            self.spawner.kill()
            self.spawner.wait()

    def connect(self, uid=None):
        client = Client(self.bus.address, uid)
        self.clients.append(client)
        return client

    def config(self, *words, **keys):
        return {"kernel": "kernel", "memory_mib": 2, "params": " ".join(words), **keys}

    def create(self, name, *words, client=None, start=True, transient=False, keys=None, **options):
        options.update({key: True for key, value in
                        {"start": start, "transient": transient}.items() if value})
        return (client or self.client).create(name, self.config(*words, **(keys or {})),
                                              {"kernel": self.image}, **options)

    @contextlib.contextmanager
    def fails(self, error, *fragments):
        """The block raises this D-Bus error, with these words in its message."""
        with self.assertRaises(GLib.Error) as caught:
            yield caught
        name = Gio.DBusError.get_remote_error(caught.exception)
        expected = error if "." in error else ERROR + error
        self.assertEqual(name, expected, caught.exception.message)
        for fragment in fragments:
            self.assertIn(fragment, caught.exception.message)

    def tree(self):
        """What lies in the state and runtime folders."""
        found = []
        for top in (self.daemon.state, self.daemon.runtime):
            for folder, _, files in os.walk(top):
                found += [os.path.relpath(os.path.join(folder, f), self.folder) for f in files]
                found.append(os.path.relpath(folder, self.folder))
        return sorted(found)

    def monitors(self):
        spawner = listener_pid(self.daemon.spawner_socket)
        return children_of(spawner, zombies=False) if spawner else []


def require_root(test):
    return unittest.skipUnless(os.geteuid() == 0, "needs root, to be two users")(test)


def kvm_problem():
    if not os.path.exists(REAL_MONITOR):
        return "vmm-launcher is not built"
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError as error:
        return f"/dev/kvm: {error.strerror}"
    return None


def require_kvm(test):
    problem = kvm_problem()
    return unittest.skipIf(problem, problem)(test)
