#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds every name to dbus/names.json and the interface XML.

The XML's own comments, libvmclient's enums and error codes, and every mention of an error, a bus
name or an interface anywhere in the tree.
"""

import errno
import re

import consistency
import interfaces
from consistency import Plant, append, replace

ENUMS_H = "libvmclient/vm-client-enums.h"
ERROR_H = "libvmclient/vm-client-error.h"
ERROR_C = "libvmclient/vm-client-error.c"
POLICY = "policy/org.vmservice1.policy"
# Codes of the library's own: what happens without a daemon to name it.
LIBRARY_ERRORS = {"FAILED", "SERVICE_UNAVAILABLE", "SERVICE_LOST"}
# Files whose names begin with the bus name: org.vmservice1.conf and its like.
FILE_WORDS = {"conf", "policy", "service", "system", "session", "xml", "5", "scd", "Error", "rst"}


def check_json(names):
    """names.json in itself."""
    problems = []
    for name, enum in names["enums"].items():
        for column, what in ((0, "key"), (1, "text")):
            values = [v[column] for v in enum["values"]]
            if len(set(values)) != len(values):
                problems.append(f"{interfaces.NAMES}: {name} has a {what} twice")
    for column, what in ((0, "key"), (1, "name")):
        values = [e[column] for e in names["errors"]]
        if len(set(values)) != len(values):
            problems.append(f"{interfaces.NAMES}: an error's {what} is there twice")
    for key, _, number, _ in names["errors"]:
        if not hasattr(errno, number):
            problems.append(f"{interfaces.NAMES}: {key}: there is no {number}")
    return problems


def check_xml(root, names):
    """The XML's names, its documentation, and the values that its comments list."""
    problems = []
    found = interfaces.interfaces(root)
    expected = [names["bus_name"] + ".Manager", names["bus_name"] + ".Machine"]
    if list(found) != expected:
        problems.append(f"dbus: the interfaces are {', '.join(found)}, not {', '.join(expected)}")
    arguments = interfaces.arguments(root)
    for path, (interface, members) in zip(interfaces.XML, found.items()):
        comments = interfaces.comments(root, path)
        for kind in members:
            for member in members[kind]:
                comment = comments.get(member)
                if comment is None:
                    problems.append(f"{path}: {member} is not explained")
                    continue
                for argument in arguments.get((interface, kind, member), []):
                    if f"@{argument}:" not in comment:
                        problems.append(f"{path}: {member}: @{argument} is not explained")
    machine = interfaces.comments(root, interfaces.XML[1])
    for member, enum in (("State", "MachineState"), ("PayloadState", "PayloadState")):
        values = ", ".join(v[1] for v in names["enums"][enum]["values"])
        if machine.get(member) != values:
            problems.append(f"{interfaces.XML[1]}: {member} should list: {values}")
    return problems


def check_library(root, names):
    """The client library's enums and errors, number by number."""
    problems = []
    enums = consistency.text(root, ENUMS_H)
    for enum in names["enums"].values():
        for number, (key, _, _) in enumerate(enum["values"]):
            line = f"VM_CLIENT_{enum['prefix']}_{key} = {number},"
            if line not in enums:
                problems.append(f"{ENUMS_H}: should have {line}")
        count = len(re.findall(rf"^\s+VM_CLIENT_{enum['prefix']}_\w+ = \d+,$", enums, re.MULTILINE))
        if count != len(enum["values"]):
            problems.append(f"{ENUMS_H}: {count} values of {enum['prefix']}, not "
                            f"{len(enum['values'])}")
    errors, entries = consistency.text(root, ERROR_H), consistency.text(root, ERROR_C)
    for number, (key, _, _, _) in enumerate(names["errors"], 1):
        if f"VM_CLIENT_ERROR_{key} = {number}," not in errors:
            problems.append(f"{ERROR_H}: should have VM_CLIENT_ERROR_{key} = {number},")
        if not re.search(rf"\{{VM_CLIENT_ERROR_{key},\s*VMSERVICE_ERROR_{key}\}}", entries):
            problems.append(f"{ERROR_C}: VM_CLIENT_ERROR_{key} does not stand for its D-Bus error")
    return problems


def check_mentions(root, names):
    """Every error, bus name and interface that is named anywhere."""
    problems = []
    bus = names["bus_name"]
    keys = {e[0] for e in names["errors"]}
    error_names = {e[1] for e in names["errors"]}
    actions = set(re.findall(rf'action id="{re.escape(bus)}\.([\w-]+)"',
                             consistency.text(root, POLICY)))
    after_bus = FILE_WORDS | actions | {i.rsplit(".", 1)[1] for i in interfaces.interfaces(root)}
    for path in consistency.files(root):
        if path.is_relative_to("tests/consistency"):  # what is planted
            continue
        content = consistency.text(root, path)
        for name in re.findall(rf"{re.escape(bus)}\.Error\.(\w+)", content):
            if name not in error_names:
                problems.append(f"{path}: there is no error {bus}.Error.{name}")
        for key in re.findall(r"\bVMSERVICE_ERROR_([A-Z_]+)\b", content):
            if key not in keys:
                problems.append(f"{path}: there is no VMSERVICE_ERROR_{key}")
        for key in re.findall(r"\bVM_CLIENT_ERROR_([A-Z_]+)\b", content):
            if key not in keys | LIBRARY_ERRORS:
                problems.append(f"{path}: there is no VM_CLIENT_ERROR_{key}")
        for word in re.findall(rf"\b{re.escape(bus)}\.([\w-]+)", content):
            if word not in after_bus:
                problems.append(f"{path}: what is {bus}.{word}?")
        for number in re.findall(r"\borg\.vmservice(\d*)\b", content):
            if f"org.vmservice{number}" != bus:
                problems.append(f"{path}: org.vmservice{number} is not {bus}")
    return problems


def check(root):
    """All problems of names."""
    names = interfaces.names(root)
    return (check_json(names) + check_xml(root, names) + check_library(root, names)
            + check_mentions(root, names))


PLANTS = [
    Plant(interfaces.NAMES, replace('"STOPPED", "stopped"', '"STOPPED", "paused"'),
          "MachineState has a text twice"),
    Plant(interfaces.NAMES, replace('"ENOENT"', '"ENOSUCH"'), "there is no ENOSUCH"),
    Plant(interfaces.NAMES, replace('["PAUSED", "paused"', '["HALTED", "halted"'),
          "State should list"),
    Plant(interfaces.NAMES, replace('"CRASH", "CRASH"', '"CRASHED", "CRASHED"'),
          "should have VM_CLIENT_STOP_REASON_CRASHED = 8"),
    Plant(interfaces.XML[0], replace('<method name="ListMachines">', '<method name="ListAll">'),
          "ListAll is not explained"),
    Plant(interfaces.XML[0], replace("@normalized:", "@other:"),
          "ValidateConfig: @normalized is not explained"),
    Plant(interfaces.XML[1], replace("@detail:", "@other:"), "Stopped: @detail is not explained"),
    Plant(interfaces.XML[1], replace("pausing, paused", "paused, pausing"), "State should list"),
    Plant(interfaces.XML[1], replace('interface name="org.vmservice1.Machine"',
                                     'interface name="org.vmservice1.Vm"'), "the interfaces are"),
    Plant(ENUMS_H, replace("VM_CLIENT_STOP_REASON_HANGUP = 6,", "VM_CLIENT_STOP_REASON_HANGUP = 9,"),
          "should have VM_CLIENT_STOP_REASON_HANGUP = 6,"),
    Plant(ENUMS_H, replace("        VM_CLIENT_STOP_REASON_UNKNOWN = 11,",
                           "        VM_CLIENT_STOP_REASON_UNKNOWN = 11,\n"
                           "        VM_CLIENT_STOP_REASON_OTHER = 12,"), "values of STOP_REASON"),
    Plant(ERROR_H, replace("VM_CLIENT_ERROR_TIMED_OUT = 16,", "VM_CLIENT_ERROR_TIMEOUT = 16,"),
          "should have VM_CLIENT_ERROR_TIMED_OUT = 16,"),
    Plant(ERROR_C, replace("VMSERVICE_ERROR_WRONG_STATE}", "VMSERVICE_ERROR_TIMED_OUT}"),
          "VM_CLIENT_ERROR_WRONG_STATE does not stand for"),
    Plant("docs/architecture.md", append("org.vmservice1.Error.NoMachine\n"),
          "there is no error org.vmservice1.Error.NoMachine"),
    Plant("docs/architecture.md", append("VMSERVICE_ERROR_NOTHING\n"), "no VMSERVICE_ERROR_NOTHING"),
    Plant("docs/architecture.md", append("VM_CLIENT_ERROR_NOTHING\n"), "no VM_CLIENT_ERROR_NOTHING"),
    Plant("docs/architecture.md", append("org.vmservice1.Network\n"), "what is org.vmservice1.Net"),
    Plant("docs/architecture.md", append("org.vmservice2\n"), "org.vmservice2 is not"),
]

if __name__ == "__main__":
    consistency.run(check, PLANTS)
