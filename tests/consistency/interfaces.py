#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads dbus/*.xml and dbus/names.json for the checkers."""

import json
import re
import xml.etree.ElementTree as ElementTree

import consistency

XML = ("dbus/org.vmservice1.Manager.xml", "dbus/org.vmservice1.Machine.xml")
NAMES = "dbus/names.json"


def names(root):
    """names.json, parsed."""
    return json.loads(consistency.text(root, NAMES))


def interfaces(root):
    """Interface name -> {"method": [...], "signal": [...], "property": [...]}, in order."""
    found = {}
    for path in XML:
        for interface in ElementTree.fromstring(consistency.text(root, path)).iter("interface"):
            found[interface.get("name")] = {
                kind: [e.get("name") for e in interface.iter(kind)]
                for kind in ("method", "signal", "property")}
    return found


def arguments(root):
    """(interface, kind, member) -> names of its arguments."""
    found = {}
    for path in XML:
        for interface in ElementTree.fromstring(consistency.text(root, path)).iter("interface"):
            for kind in ("method", "signal"):
                for member in interface.iter(kind):
                    found[interface.get("name"), kind, member.get("name")] = \
                        [a.get("name") for a in member.iter("arg")]
    return found


def comments(root, path):
    """Member or interface name -> its comment: the one whose first line is "Name:..."."""
    found = {}
    for comment in re.findall(r"<!--(.*?)-->", consistency.text(root, path), re.DOTALL):
        match = re.match(r"\s*([\w.]+):(.*)", comment, re.DOTALL)
        if match:
            found[match.group(1)] = match.group(2).strip()
    return found
