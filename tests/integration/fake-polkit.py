#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""polkit as far as vmserviced asks it. Usage: fake-polkit.py BUS-ADDRESS RULES-FILE

RULES-FILE is JSON, read anew for each question: {"UID": ["action", ...], "wait": "PATH",
"answer": "garbage"}. With "wait", an answer is held back until the file PATH exists. Each question
is appended to RULES-FILE.log: action, uid, flags.
"""

import json
import os
import sys

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

XML = """<node><interface name="org.freedesktop.PolicyKit1.Authority">
<method name="CheckAuthorization">
<arg type="(sa{sv})" direction="in"/><arg type="s" direction="in"/><arg type="a{ss}" direction="in"/>
<arg type="u" direction="in"/><arg type="s" direction="in"/><arg type="(bba{ss})" direction="out"/>
</method></interface></node>"""


def uid_of(bus, name):
    try:
        return bus.call_sync("org.freedesktop.DBus", "/org/freedesktop/DBus",
                             "org.freedesktop.DBus", "GetConnectionUnixUser",
                             GLib.Variant("(s)", (name,)), None, 0, -1, None).unpack()[0]
    except GLib.Error:
        return None


def answer(invocation, rules, uid, action):
    if rules.get("wait") and not os.path.exists(rules["wait"]):
        GLib.timeout_add(10, answer, invocation, rules, uid, action)
        return False
    if rules.get("answer") == "garbage":
        invocation.return_dbus_error("org.example.Garbage", "\x1b[31mgarbage")
        return False
    allowed = action in rules.get(str(uid), [])
    invocation.return_value(GLib.Variant("((bba{ss}))", ((allowed, not allowed, {}),)))
    return False


def main():
    address, rules_file = sys.argv[1:]
    bus = Gio.DBusConnection.new_for_address_sync(
        address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT |
        Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)

    def on_call(connection, sender, path, interface, method, parameters, invocation):
        (kind, subject), action, _, flags, _ = parameters.unpack()
        with open(rules_file, encoding="utf-8") as file:
            rules = json.load(file)
        uid = uid_of(bus, subject.get("name", "")) if kind == "system-bus-name" else None
        with open(rules_file + ".log", "a", encoding="utf-8") as log:
            log.write(json.dumps([kind, action, uid, flags]) + "\n")
        answer(invocation, rules, uid, action)

    interface = Gio.DBusNodeInfo.new_for_xml(XML).interfaces[0]
    bus.register_object("/org/freedesktop/PolicyKit1/Authority", interface, on_call, None, None)
    bus.call_sync("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                  "RequestName", GLib.Variant("(su)", ("org.freedesktop.PolicyKit1", 4)), None, 0,
                  -1, None)
    print("ready", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
