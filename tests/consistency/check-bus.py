#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds bus policy, polkit actions, activation files and units to the interface XML.

Hand-kept lists drift: a method that is in the XML and not in the policy is one that only root can
call, and one that is in the policy and not in the XML is a hole.
"""

import configparser
import pathlib
import re
import xml.etree.ElementTree as ElementTree

import consistency
import interfaces
from consistency import Plant, append, replace

BUS_POLICY = "dbus/org.vmservice1.conf"
POLKIT = "policy/org.vmservice1.policy"
RULES = "policy/50-vmservice.rules"
ACTIVATION = {"dbus/org.vmservice1.system.service": "systemd",
              "dbus/org.vmservice1.session.service.in": "systemd/user"}
# What any caller may ask of a bus service besides its own methods. No Properties.Set: no property
# can be written.
STANDARD = {
    ("org.freedesktop.DBus.Properties", "Get"),
    ("org.freedesktop.DBus.Properties", "GetAll"),
    ("org.freedesktop.DBus.ObjectManager", "GetManagedObjects"),
    ("org.freedesktop.DBus.Introspectable", "Introspect"),
    ("org.freedesktop.DBus.Peer", "Ping"),
    ("org.freedesktop.DBus.Peer", "GetMachineId"),
}


def check_bus_policy(root, bus):
    """Default deny, then exactly the methods of the XML."""
    problems = []
    methods = {(interface, method) for interface, members in interfaces.interfaces(root).items()
               for method in members["method"]}
    allowed = []
    owners = []
    denied_first = False
    for policy in ElementTree.fromstring(consistency.text(root, BUS_POLICY)).iter("policy"):
        for rule in policy:
            attributes = rule.attrib
            if rule.tag == "allow" and "own" in attributes:
                owners.append((policy.get("user"), attributes["own"]))
            elif rule.tag == "deny" and attributes.get("send_destination") == bus and \
                    policy.get("context") == "default" and not allowed:
                denied_first = set(attributes) <= {"send_destination", "send_type"}
            elif rule.tag == "allow" and set(attributes) == {"send_destination", "send_interface",
                                                             "send_member"} and \
                    attributes["send_destination"] == bus and policy.get("context") == "default":
                allowed.append((attributes["send_interface"], attributes["send_member"]))
            else:
                problems.append(f"{BUS_POLICY}: a rule too broad, or for others: {attributes}")
    if not denied_first:
        problems.append(f"{BUS_POLICY}: the default policy should begin with a deny")
    if owners != [("root", bus)]:
        problems.append(f"{BUS_POLICY}: root alone should own {bus}")
    for interface, method in sorted((methods | STANDARD) - set(allowed)):
        problems.append(f"{BUS_POLICY}: {interface}.{method} is not let through")
    for interface, method in sorted(set(allowed) - methods - STANDARD):
        problems.append(f"{BUS_POLICY}: {interface}.{method} is let through and does not exist")
    for interface, method in sorted({a for a in allowed if allowed.count(a) > 1}):
        problems.append(f"{BUS_POLICY}: {interface}.{method} is there twice")
    return problems


def check_polkit(root, bus):
    """The actions that are declared, asked for by the daemon, and answered by the rules."""
    problems = []
    declared = []
    for action in ElementTree.fromstring(consistency.text(root, POLKIT)).iter("action"):
        name = action.get("id")
        declared.append(name)
        for element in ("description", "message"):
            if not action.findtext(element):
                problems.append(f"{POLKIT}: {name} has no {element}")
        for who in ("allow_any", "allow_inactive", "allow_active"):
            if not action.findtext(f"defaults/{who}"):
                problems.append(f"{POLKIT}: {name} does not say {who}")
    pattern = re.compile(rf'"({re.escape(bus)}\.[a-z][a-z-]*)"')
    asked = set()
    for path in consistency.files(root, ".c"):
        if path.is_relative_to("daemon"):
            asked |= set(pattern.findall(consistency.text(root, path)))
    for name in sorted(asked - set(declared)):
        problems.append(f"{POLKIT}: the daemon asks for {name}, which is not declared")
    for name in sorted(set(declared) - asked):
        problems.append(f"{POLKIT}: {name} is declared, and the daemon never asks for it")
    for name in sorted(set(pattern.findall(consistency.text(root, RULES))) - set(declared)):
        problems.append(f"{RULES}: {name} is not declared")
    return problems


def unit(root, folder, name):
    """A unit, parsed; None if there is none."""
    for path in (f"{folder}/{name}", f"{folder}/{name}.in"):
        if (pathlib.Path(root) / path).exists():
            parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
            parser.optionxform = str
            parser.read_string(consistency.text(root, path))
            return parser
    return None


def check_activation(root, bus):
    """The bus starts the daemon in its unit, and the unit waits for the bus name."""
    problems = []
    for path, folder in ACTIVATION.items():
        parser = configparser.RawConfigParser()
        parser.optionxform = str
        parser.read_string(consistency.text(root, path))
        service = dict(parser["D-BUS Service"])
        if service.get("Name") != bus:
            problems.append(f"{path}: Name should be {bus}")
        started = unit(root, folder, service.get("SystemdService", ""))
        if started is None:
            problems.append(f"{path}: there is no unit {service.get('SystemdService')} in {folder}")
            continue
        if started.get("Service", "BusName", fallback=None) != bus or \
                started.get("Service", "Type", fallback=None) not in ("dbus", "notify"):
            problems.append(f"{folder}: {service['SystemdService']} should have BusName={bus} and "
                            "Type=notify")
    return problems


def check(root):
    """All problems around the bus."""
    bus = interfaces.names(root)["bus_name"]
    return check_bus_policy(root, bus) + check_polkit(root, bus) + check_activation(root, bus)


PLANTS = [
    Plant(interfaces.XML[0], replace('<method name="ListMachines">', '<method name="ListAll">'),
          "ListAll is not let through"),
    Plant(interfaces.XML[1], replace('<method name="GetStats">', '<method name="GetNumbers">'),
          "GetStats is let through and does not exist"),
    Plant(BUS_POLICY, replace('send_member="Kill"', 'send_member="Ping"'), "Machine.Kill is not"),
    Plant(BUS_POLICY, replace('send_member="Get"', 'send_member="Set"'), "Properties.Set is let"),
    Plant(BUS_POLICY, replace(' send_member="Pause"', ""), "a rule too broad"),
    Plant(BUS_POLICY, replace('<deny send_destination="org.vmservice1" send_type="method_call"/>',
                              ""), "begin with a deny"),
    Plant(BUS_POLICY, replace('<policy user="root">', '<policy user="nobody">'), "root alone"),
    Plant(BUS_POLICY, replace('send_member="Stop"', 'send_member="Start"'), "Start is there twice"),
    Plant(POLKIT, replace("org.vmservice1.create", "org.vmservice1.make"),
          "the daemon asks for org.vmservice1.create"),
    Plant(POLKIT, replace("<allow_any>auth_admin</allow_any>", ""), "does not say allow_any"),
    Plant("daemon/planted.c", append('const char *p = "org.vmservice1.planted";\n'),
          "asks for org.vmservice1.planted"),
    Plant(RULES, replace("org.vmservice1.custom", "org.vmservice1.other"), "other is not declared"),
    Plant("dbus/org.vmservice1.system.service", replace("vmserviced.service", "vmd.service"),
          "there is no unit vmd.service"),
    Plant("systemd/vmserviced.service.in", replace("BusName=org.vmservice1", "BusName=org.other"),
          "should have BusName"),
]

if __name__ == "__main__":
    consistency.run(check, PLANTS)
