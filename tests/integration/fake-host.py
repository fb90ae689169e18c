#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""systemd and systemd-logind, as far as vmserviced asks them. Usage: fake-host.py BUS-ADDRESS

Reads lines: "state WORD" (what SystemState says from now on), "prepare true|false" (logind's
PrepareForShutdown). Writes lines: "ready", "inhibit WHAT MODE", "released" (the lock was let go).
"""

import os
import sys

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

LOGIND_XML = """<node><interface name="org.freedesktop.login1.Manager">
<method name="Inhibit"><arg type="s" direction="in"/><arg type="s" direction="in"/>
<arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="h" direction="out"/></method>
<signal name="PrepareForShutdown"><arg type="b"/></signal>
</interface></node>"""
SYSTEMD_XML = """<node><interface name="org.freedesktop.systemd1.Manager">
<property name="SystemState" type="s" access="read"/></interface></node>"""


class Host:
    def __init__(self, address):
        self.state = "running"
        self.bus = Gio.DBusConnection.new_for_address_sync(
            address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT |
            Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
        logind = Gio.DBusNodeInfo.new_for_xml(LOGIND_XML).interfaces[0]
        systemd = Gio.DBusNodeInfo.new_for_xml(SYSTEMD_XML).interfaces[0]
        self.bus.register_object("/org/freedesktop/login1", logind, self.on_inhibit, None, None)
        self.bus.register_object("/org/freedesktop/systemd1", systemd, None,
                                 lambda *_: GLib.Variant("s", self.state), None)
        for name in ("org.freedesktop.login1", "org.freedesktop.systemd1"):
            self.bus.call_sync("org.freedesktop.DBus", "/org/freedesktop/DBus",
                               "org.freedesktop.DBus", "RequestName",
                               GLib.Variant("(su)", (name, 4)), None, 0, -1, None)
        GLib.io_add_watch(0, GLib.PRIORITY_DEFAULT, GLib.IOCondition.IN | GLib.IOCondition.HUP,
                          self.on_line)
        print("ready", flush=True)

    def on_inhibit(self, connection, sender, path, interface, method, parameters, invocation):
        what, _, _, mode = parameters.unpack()
        ours, theirs = os.pipe()
        fds = Gio.UnixFDList.new()
        fds.append(theirs)
        os.close(theirs)
        GLib.io_add_watch(ours, GLib.PRIORITY_DEFAULT, GLib.IOCondition.HUP, self.on_released)
        invocation.return_value_with_unix_fd_list(GLib.Variant("(h)", (0,)), fds)
        print(f"inhibit {what} {mode}", flush=True)

    def on_released(self, fd, condition):
        os.close(fd)
        print("released", flush=True)
        return False

    def on_line(self, fd, condition):
        line = sys.stdin.readline()
        if not line:
            os._exit(0)
        word, value = line.split()
        if word == "state":
            self.state = value
        else:
            self.bus.emit_signal(None, "/org/freedesktop/login1", "org.freedesktop.login1.Manager",
                                 "PrepareForShutdown", GLib.Variant("(b)", (value == "true",)))
        return True


if __name__ == "__main__":
    host = Host(sys.argv[1])
    GLib.MainLoop().run()
