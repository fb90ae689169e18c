#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds what is written about vmctl to its verb table, and vm-config(5) to the field table.

usage: check-vmctl.py [--self-test] VMCTL DUMP-TABLES

Every verb and option stands in the help and in vmctl(1), and nothing else does; the completions are
those that generate.py makes; vm-config(5) has each field with its type, range, default and sentence;
the properties of "show" are those of the D-Bus interface.
"""

import importlib.util
import json
import re
import subprocess
import sys
import xml.etree.ElementTree

import consistency
from consistency import Plant, append, replace

VMCTL, DUMP_TABLES = sys.argv[-2:]
MAN = "docs/vmctl.1.scd"
CONFIG_MAN = "docs/vm-config.5.scd"
COMPLETIONS = "data/completions"
INTERFACE = "dbus/org.vmservice1.Machine.xml"
WHOLE_NUMBERS = ("u64", "i64")


def output_of(*command):
    """What a program prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def option_heading(option):
    """How an option stands in the man page."""
    letter = f"*-{option['letter']}*, " if option["letter"] else ""
    value = f"=_{option['value']}_" if option["value"] else ""
    return f"{letter}*--{option['name']}*{value}"


def verb_sections(page):
    """The part of the page on each verb: from its heading to the next one."""
    verbs = page.partition("# VERBS\n")[2].partition("\n# OPTIONS\n")[0]
    sections = {}
    name = None
    for line in verbs.split("\n"):
        match = re.match(r"\*([\w-]+)\*", line)
        if match:
            name = match.group(1)
        if name:
            sections[name] = sections.get(name, "") + line + "\n"
    return sections


def check_headings(where, expected, text):
    """Each option has a heading in the text, and each heading an option."""
    problems = []
    expected = set(expected)
    found = set(re.findall(r"^\t?((?:\*-\w\*, )?\*--[\w-]+\*(?:=_[^\n]+_)?)$", text, re.MULTILINE))
    for heading in sorted(expected - found):
        problems.append(f"{MAN}: {where}: {heading} is missing")
    for heading in sorted(found - expected):
        problems.append(f"{MAN}: {where}: {heading} is not an option of it")
    return problems


def check_man(table, page):
    """vmctl(1) and the verb table."""
    problems = []
    sections = verb_sections(page)
    for verb in table["verbs"]:
        section = sections.pop(verb["name"], None)
        if section is None:
            problems.append(f"{MAN}: the verb {verb['name']} is missing")
            continue
        synopsis = re.sub(r"[_*]", "", section.split("\n", 1)[0])
        expected = f"{verb['name']} [OPTION...] {verb['synopsis']}".rstrip()
        if synopsis != expected:
            problems.append(f"{MAN}: \"{synopsis}\" should be \"{expected}\"")
        problems += check_headings(verb["name"], map(option_heading, verb["options"]), section)
    problems += [f"{MAN}: {name} is no verb" for name in sections]
    options = page.partition("\n# OPTIONS\n")[2].partition("\n# OUTPUT\n")[0]
    return problems + check_headings("OPTIONS", map(option_heading, table["options"]), options)


def check_help(table):
    """The help has every verb, and the help of a verb every option."""
    problems = []
    overview = output_of(VMCTL, "--help")
    for verb in table["verbs"]:
        if not re.search(rf"^  {verb['name']} +\S", overview, re.MULTILINE):
            problems.append(f"vmctl --help: {verb['name']} is missing")
        text = output_of(VMCTL, verb["name"], "--help")
        for option in verb["options"] + table["options"]:
            shown = f"--{option['name']}" + (f"={option['value']}" if option["value"] else "")
            if not option["hidden"] and not re.search(rf"{re.escape(shown)} +\S", text):
                problems.append(f"vmctl {verb['name']} --help: {shown} is missing")
    problems += [f"vmctl --help: a line of {len(line)} columns: {line}"
                 for line in overview.split("\n") if len(line) > 80]
    return problems


def check_completions(root, table):
    """The completions in the tree are those that the table makes."""
    path = consistency.ROOT / COMPLETIONS / "generate.py"
    spec = importlib.util.spec_from_file_location("generate", path)
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    return [f"{COMPLETIONS}/{name}: not what the verb table makes: run "
            "\"vmctl --dump-verbs | data/completions/generate.py data/completions\""
            for name, text in generate.make_all(table).items()
            if consistency.text(root, f"{COMPLETIONS}/{name}") != text]


def field_heading(field):
    """How a field of the configuration stands in its man page."""
    if field["type"] in WHOLE_NUMBERS:
        kind = f"number, {field['min']} to {field['max']} {field['unit']}"
    elif field["type"] == "enum":
        kind = " or ".join(field["names"])
    elif field["type"] == "bool":
        kind = "boolean"
    else:
        kind = f"string, {field['min']} to {field['max']} bytes"
    if field["type"] == "bool":
        kind += f", default {json.dumps(field['default'])}"
    elif field.get("default"):
        kind += f", default {field['default']}"
    return f"*{field['key']}* ({kind})"


def check_config_man(fields, page):
    """vm-config(5) and the field table."""
    problems = []
    text = page.partition("\n# FIELDS\n")[2].partition("\n# EXAMPLES\n")[0]
    for field in fields:
        heading = field_heading(field)
        start = text.find(f"\n{heading}\n")
        if start < 0:
            problems.append(f"{CONFIG_MAN}: \"{heading}\" is missing")
            continue
        entry = " ".join(text[start + 1 + len(heading):].lstrip().split("\n\n")[0].split())
        if not entry.startswith(field["doc"].rstrip(".")):
            problems.append(f"{CONFIG_MAN}: {field['key']}: begin with \"{field['doc']}\"")
    keys = {field["key"] for field in fields}
    problems += [f"{CONFIG_MAN}: there is no field \"{key}\""
                 for key in re.findall(r"^\*(\w+)\*", text, re.MULTILINE) if key not in keys]
    return problems


def check_properties(table, interface):
    """What "show" knows, and what the machine's D-Bus interface has."""
    names = {p.get("name") for p in xml.etree.ElementTree.fromstring(interface).iter("property")}
    shown = set(table["properties"])
    return ([f"{INTERFACE}: vmctl show does not know {name}" for name in sorted(names - shown)] +
            [f"{INTERFACE}: vmctl show knows {name}, which is no property"
             for name in sorted(shown - names)])


def check(root):
    """All problems of the tree."""
    table = json.loads(output_of(VMCTL, "--dump-verbs"))
    fields = json.loads(output_of(DUMP_TABLES))["tables"]["vm-config"]
    return (check_man(table, consistency.text(root, MAN)) + check_help(table) +
            check_completions(root, table) +
            check_config_man(fields, consistency.text(root, CONFIG_MAN)) +
            check_properties(table, consistency.text(root, INTERFACE)))


PLANTS = [
    Plant(MAN, replace("\t*--force*\n", "\t*--froce*\n"), "delete: *--force* is missing"),
    Plant(MAN, replace("\t*--force*\n", "\t*--froce*\n"), "*--froce* is not an option of it"),
    Plant(MAN, replace("*-o*, *--output*=_FORMAT_", "*--output*=_FORMAT_"), "is missing"),
    Plant(MAN, replace("\n*pause* ", "\n*puase* "), "the verb pause is missing"),
    Plant(MAN, replace("\n*pause* ", "\n*puase* "), "puase is no verb"),
    Plant(MAN, replace("*validate* [_OPTION_...] _FILE_...", "*validate* [_OPTION_...] _FILE_"),
          "should be \"validate [OPTION...] FILE...\""),
    Plant(MAN, replace("*--dump-verbs*\n", "\n"), "OPTIONS: *--dump-verbs* is missing"),
    Plant(f"{COMPLETIONS}/vmctl", append("# more\n"), "vmctl: not what the verb table makes"),
    Plant(f"{COMPLETIONS}/_vmctl", append("# more\n"), "_vmctl: not what the verb table makes"),
    Plant(f"{COMPLETIONS}/vmctl.fish", append("# more\n"), "vmctl.fish: not what"),
    Plant(CONFIG_MAN, replace("default 256)", "default 512)"), "default 256)\" is missing"),
    Plant(CONFIG_MAN, replace("*initrd* (", "*inird* ("), "there is no field \"inird\""),
    Plant(CONFIG_MAN, replace("The guest's memory.", "Memory."), "memory_mib: begin with"),
    Plant(INTERFACE, replace('<property name="Owner"', '<property name="Uid"'),
          "vmctl show does not know Uid"),
    Plant(INTERFACE, replace('<property name="Owner"', '<property name="Uid"'),
          "vmctl show knows Owner, which is no property"),
]

if __name__ == "__main__":
    consistency.run(check, PLANTS)
