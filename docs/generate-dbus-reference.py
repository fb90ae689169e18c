#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes org.vmservice1(5), as scdoc text, from the interface XML with its comments and from names.json."""

import json
import re
import sys
import textwrap
import xml.etree.ElementTree as ElementTree


def escape(text):
    """Guards what scdoc reads as markup."""
    return re.sub(r"([_*\\#~`<>|-])", r"\\\1", text) if text else ""


def comments_and_elements(path):
    """Yields (comment, element) for each element of the interface, in order."""
    builder = ElementTree.TreeBuilder(insert_comments=True)
    root = ElementTree.parse(path, ElementTree.XMLParser(target=builder)).getroot()
    comment = ""
    for node in root.iter():
        if node.tag is ElementTree.Comment:
            comment = textwrap.dedent(node.text).strip()
        elif node.tag in ("interface", "method", "signal", "property"):
            yield comment, node
            comment = ""


def split_comment(comment, name):
    """(arguments {name: text}, paragraphs) of one gtk-doc style comment."""
    head, _, rest = comment.partition("\n")
    if not head.startswith(f"{name}:"):
        sys.exit(f"{name}: its comment must begin with '{name}:', not {head!r}")
    arguments, paragraphs, current = {}, [], None
    paragraphs.append(head[len(name) + 1:].strip())
    for line in rest.splitlines():
        stripped = line.strip()
        match = re.match(r"@(\w+):\s*(.*)", stripped)
        if match:
            current = match[1]
            arguments[current] = match[2]
        elif not stripped:
            current = None
            paragraphs.append("")
        elif current:
            arguments[current] += " " + stripped
        else:
            paragraphs[-1] += (" " if paragraphs[-1] else "") + stripped
    return arguments, [p for p in paragraphs if p]


def signature(node):
    """The method or signal as one line of types and names."""
    def args(direction):
        return ", ".join(f"{a.get('type')} {a.get('name')}" for a in node.findall("arg")
                         if a.get("direction", "out") == direction)
    line = f"{node.get('name')}({args('in') if node.tag == 'method' else args('out')})"
    if node.tag == "method" and args("out"):
        line += f" -> {args('out')}"
    return line


def interface(path, out):
    title = {"method": "Methods", "signal": "Signals", "property": "Properties"}
    section = None
    for comment, node in comments_and_elements(path):
        arguments, paragraphs = split_comment(comment, node.get("name"))
        if node.tag == "interface":
            out.append(f"# INTERFACE {escape(node.get('name'))}\n")
        else:
            if section != node.tag:
                section = node.tag
                out.append(f"## {title[section]}\n")
            line = signature(node) if node.tag != "property" else \
                f"{node.get('type')} {node.get('name')}"
            out.append(f"*{escape(line)}*\n")
        indent = "" if node.tag == "interface" else "\t"
        for paragraph in paragraphs:
            out.append(f"{indent}{escape(paragraph)}\n")
        for name, text in arguments.items():
            if name != "short_description":
                out.append(f"{indent}_{escape(name)}_: {escape(text)}\n")


def main():
    *xml, names_path = sys.argv[1:]
    with open(names_path, encoding="utf-8") as source:
        names = json.load(source)
    out = ['org.vmservice1(5) "vmservice" "vmservice"\n', "# NAME\n",
           "org.vmservice1 - the D-Bus interface of vmserviced\n",
           "# DESCRIPTION\n",
           f"*vmserviced*(8) owns the name {escape(names['bus_name'])} on the system bus, and with "
           "*\\-\\-user* on the session bus. Its manager stands at "
           f"{escape(names['object_path'])}, its machines below "
           f"{escape(names['machine_path_prefix'])}. Both objects also have "
           "org.freedesktop.DBus.Properties, Introspectable and Peer; the manager has "
           "org.freedesktop.DBus.ObjectManager.\n"]
    for path in xml:
        interface(path, out)
    for name, enum in names["enums"].items():
        out += [f"# {escape(name).upper()}\n", f"{escape(enum['doc'])}\n"]
        for _, value, doc in enum["values"]:
            shown = escape(value) if value else '(empty)'
            out.append(f"*{shown}*\n\t{escape(doc)}\n")
    out.append("# ERRORS\n")
    for _, name, _, doc in names["errors"]:
        out.append(f"*{escape(names['bus_name'])}.Error.{name}*\n\t{escape(doc)}\n")
    out += ["# SEE ALSO\n", "*vmserviced*(8), *vmctl*(1)"]
    print("\n".join(out))


if __name__ == "__main__":
    main()
