#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The installed bus policy and polkit actions, in the programs that apply them.

A private dbus-daemon reads the policy as the system bus would: every declared call reaches the
service, everything else is stopped by the bus. A private polkitd reads actions and rules, and is
asked for users in the group and not.
"""

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree as ElementTree

from gi.repository import Gio, GLib

from installed import InstalledTree

BUS_NAME = "org.vmservice1"
DEADLINE_SECONDS = 60
ACCESS_DENIED = "org.freedesktop.DBus.Error.AccessDenied"
UNKNOWN_METHOD = "org.freedesktop.DBus.Error.UnknownMethod"
DTD = "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
DTD_URL = "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd"
# The default policy of dbus-daemon's own system.conf.
SYSTEM_BUS = f"""<!DOCTYPE busconfig PUBLIC "{DTD}" "{DTD_URL}">
<busconfig>
  <type>system</type>
  <listen>unix:path=%(socket)s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
  </policy>
  <includedir>%(policies)s</includedir>
</busconfig>
"""
POLKITD = next((path for path in ("/usr/lib/polkit-1/polkitd", "/usr/libexec/polkitd")
                if os.access(path, os.X_OK)), None)
POLKITD_POLICY = "/usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf"
MEMBER_UID, STRANGER_UID, GROUP_GID = 4242, 4243, 4244

TREE = None


def setUpModule():
    global TREE
    TREE = InstalledTree()


def tearDownModule():
    TREE.close()


def wait_for(condition, what):
    """Polls, with a deadline that says what was awaited."""
    end = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.02)


def listens(path):
    """Whether somebody takes connections there: the file alone comes a moment earlier."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        return peer.connect_ex(str(path)) == 0


class Bus:
    """A private dbus-daemon with the policies of a folder."""

    def __init__(self, policies):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="vmservice-bus-"))
        self.folder.chmod(0o755)
        path = self.folder / "bus"
        config = self.folder / "bus.conf"
        config.write_text(SYSTEM_BUS % {"socket": path, "policies": policies}, encoding="utf-8")
        self.address = f"unix:path={path}"
        self.log = open(self.folder / "log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            ["dbus-daemon", "--nofork", "--nosyslog", f"--config-file={config}"],
            stdout=self.log, stderr=self.log)
        wait_for(lambda: listens(path) or self.process.poll() is not None, "dbus-daemon")
        if self.process.poll() is not None:
            message = self.messages()
            self.close()
            raise AssertionError(f"dbus-daemon does not accept the policy: {message}")

    def messages(self):
        """What dbus-daemon has written."""
        self.log.seek(0)
        return self.log.read()

    def close(self):
        """Ends it."""
        self.process.terminate()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder)


def connect(address):
    """A connection of one's own."""
    flags = Gio.DBusConnectionFlags
    return Gio.DBusConnection.new_for_address_sync(
        address, flags.AUTHENTICATION_CLIENT | flags.MESSAGE_BUS_CONNECTION, None, None)


def request_name(connection):
    """The bus's answer to RequestName: 1 is success."""
    reply = connection.call_sync("org.freedesktop.DBus", "/org/freedesktop/DBus",
                                 "org.freedesktop.DBus", "RequestName",
                                 GLib.Variant("(su)", (BUS_NAME, 4)), None, 0, -1, None)
    return reply.unpack()[0]


def call_error(connection, interface, method):
    """The name of the error that a call ends with. Nobody implements anything: UnknownMethod comes
    from the service's connection, AccessDenied from the bus."""
    try:
        connection.call_sync(BUS_NAME, "/org/vmservice1", interface, method, None, None,
                             Gio.DBusCallFlags.NO_AUTO_START, DEADLINE_SECONDS * 1000, None)
    except GLib.Error as error:
        return Gio.DBusError.get_remote_error(error)
    return None


def client(uid, address, *arguments):
    """A client of that uid, in a process of its own (GDBus does not survive a fork). Prints the
    error name of each call "interface method", or what RequestName said."""
    done = subprocess.run([sys.executable, __file__, "--client", str(uid), address, *arguments],
                          capture_output=True, text=True, timeout=2 * DEADLINE_SECONDS, check=False)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return done.stdout.splitlines()


def client_main(uid, address, *arguments):
    """client()'s other side."""
    os.setgroups([])
    os.setresgid(int(uid), int(uid), int(uid))
    os.setresuid(int(uid), int(uid), int(uid))
    connection = connect(address)
    if arguments == ("own",):
        try:
            print(request_name(connection), flush=True)
        except GLib.Error as error:
            print(Gio.DBusError.get_remote_error(error))
            return 0
        if uid == "0":
            GLib.MainLoop().run()
    for call in arguments:
        print(call_error(connection, *call.split()))
    return 0


class BusPolicy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bus = Bus(TREE.path("share/dbus-1/system.d"))
        cls.service = None
        if os.geteuid() == 0:
            cls.service = subprocess.Popen(
                [sys.executable, __file__, "--client", "0", cls.bus.address, "own"],
                stdout=subprocess.PIPE, text=True)
            cls.owned = cls.service.stdout.readline().strip()

    @classmethod
    def tearDownClass(cls):
        if cls.service:
            cls.service.kill()
            cls.service.communicate()
        cls.bus.close()

    def setUp(self):
        if not self.service:
            self.skipTest("only root may own the name, which is the point: root is needed")

    def declared(self):
        """"interface method" of the installed interface files."""
        return [f"{interface.get('name')} {method.get('name')}"
                for file in TREE.path("share/dbus-1/interfaces").iterdir()
                for interface in ElementTree.parse(file).getroot().iter("interface")
                for method in interface.iter("method")]

    def test_declared_calls_pass(self):
        calls = self.declared()
        self.assertGreater(len(calls), 10)
        for uid in (0, 65534):
            self.assertEqual(dict(zip(calls, client(uid, self.bus.address, *calls))),
                             {call: UNKNOWN_METHOD for call in calls})

    def test_other_calls_do_not_pass(self):
        """Root's are stopped too: nobody needs them."""
        calls = ["org.vmservice1.Manager NoSuchMethod", "org.vmservice1.Machine GetCapabilities",
                 "org.vmservice1.Other Start", "org.freedesktop.DBus.Properties Set",
                 "org.freedesktop.DBus.ObjectManager Other",
                 "org.freedesktop.DBus.Debug.Stats GetStats"]
        for uid in (0, 65534):
            self.assertEqual(dict(zip(calls, client(uid, self.bus.address, *calls))),
                             {call: ACCESS_DENIED for call in calls})

    def test_only_root_owns_the_name(self):
        self.assertEqual(self.owned, "1")
        self.assertEqual(client(65534, self.bus.address, "own"), [ACCESS_DENIED])

    def test_can_fail(self):
        """A policy that is not well-formed, or says what is not known, does not load."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="vmservice-policy-"))
        text = TREE.path("share/dbus-1/system.d/org.vmservice1.conf").read_text(encoding="utf-8")
        for broken in (text.replace("</busconfig>", ""),
                       text.replace("<allow own=", "<allow owns=")):
            (folder / "org.vmservice1.conf").write_text(broken, encoding="utf-8")
            # dbus-daemon leaves out a file that it cannot parse: then root does not own the name.
            try:
                bus = Bus(folder)
            except AssertionError:
                continue
            with self.assertRaises(GLib.Error):
                request_name(connect(bus.address))
            bus.close()
        shutil.rmtree(folder)


class Polkit(unittest.TestCase):
    def test_document(self):
        """xmllint, with polkit's own DTD where it is installed."""
        policy = str(TREE.path("share/polkit-1/actions/org.vmservice1.policy"))
        dtd = "/usr/share/polkit-1/policyconfig-1.dtd"
        command = ["xmllint", "--noout", "--nonet"]
        if os.path.exists(dtd):
            command += ["--dtdvalid", dtd]
        done = subprocess.run(command + [policy], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_answers(self):
        """The real polkitd, over the installed actions and rules, in a mount namespace."""
        if os.geteuid() != 0 or not POLKITD or not shutil.which("pkcheck"):
            self.skipTest("root, polkitd and pkcheck are needed")
        done = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", sys.executable, __file__,
             "--polkit", str(TREE.root), TREE.prefix],
            capture_output=True, text=True, timeout=2 * DEADLINE_SECONDS, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


def bind(source, target):
    """A bind mount in our own namespace."""
    subprocess.run(["mount", "--bind", str(source), str(target)], check=True)


def users_file(folder, name, extra):
    """A copy of /etc/<name> with lines more, in its place."""
    copy = folder / name
    copy.write_text(pathlib.Path("/etc", name).read_text(encoding="utf-8") + extra,
                    encoding="utf-8")
    copy.chmod(0o644)
    bind(copy, f"/etc/{name}")


def check_authorization(bus, uid, action):
    """What pkcheck(1) says for a process of that uid: 0 yes, 2 and 3 no or not without a password."""
    subject = subprocess.Popen(["setpriv", "--reuid", str(uid), "--regid", str(uid),
                                "--clear-groups", "sleep", "600"])
    try:
        wait_for(lambda: os.stat(f"/proc/{subject.pid}").st_uid == uid, "the subject")
        return subprocess.run(["pkcheck", "--process", str(subject.pid), "--action-id", action],
                              env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": bus.address},
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              timeout=DEADLINE_SECONDS, check=False).returncode
    finally:
        subject.kill()
        subject.wait()


def polkit_main(root, prefix):
    """Inside the namespace. Prints what is wrong."""
    share = pathlib.Path(root) / prefix.lstrip("/") / "share/polkit-1"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="vmservice-polkit-"))
    folder.chmod(0o755)
    (share / "rules.d").chmod(0o755)
    bind(share / "actions", "/usr/share/polkit-1/actions")
    bind(share / "rules.d", "/usr/share/polkit-1/rules.d")
    users_file(folder, "passwd", f"vms-member:x:{MEMBER_UID}:{MEMBER_UID}::/:/bin/sh\n"
                                 f"vms-stranger:x:{STRANGER_UID}:{STRANGER_UID}::/:/bin/sh\n")
    users_file(folder, "group", f"vmservice:x:{GROUP_GID}:vms-member\n")
    policies = folder / "policies"
    policies.mkdir()
    shutil.copy(POLKITD_POLICY, policies)
    policies.chmod(0o755)
    bus = Bus(policies)
    polkitd = subprocess.Popen([POLKITD, "--no-debug"], stdout=subprocess.DEVNULL,
                               env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": bus.address})
    connection = connect(bus.address)
    problems = []
    try:
        wait_for(lambda: connection.call_sync(
            "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner",
            GLib.Variant("(s)", ("org.freedesktop.PolicyKit1",)), None, 0, -1, None).unpack()[0],
            "polkitd")
        for uid, action, expected in [
                (MEMBER_UID, "create", True), (MEMBER_UID, "custom", True),
                (MEMBER_UID, "manage", True), (MEMBER_UID, "console", True),
                (STRANGER_UID, "create", False), (STRANGER_UID, "custom", False),
                (STRANGER_UID, "manage", True), (STRANGER_UID, "console", True),
                (MEMBER_UID, "no-such-action", False)]:
            status = check_authorization(bus, uid, f"org.vmservice1.{action}")
            if (status == 0) != expected:
                problems.append(f"uid {uid}, {action}: pkcheck returned {status}")
    finally:
        polkitd.terminate()
        polkitd.wait()
        bus.close()
    for name in ("passwd", "group"):
        subprocess.run(["umount", f"/etc/{name}"], check=True)
    shutil.rmtree(folder)
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--polkit"]:
        sys.exit(polkit_main(*sys.argv[2:]))
    if sys.argv[1:2] == ["--client"]:
        sys.exit(client_main(*sys.argv[2:]))
    unittest.main(verbosity=2)
