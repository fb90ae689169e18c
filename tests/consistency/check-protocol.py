#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds docs/protocol.md to the tables that both ends of the protocol go by.

The dump-tables program is the last argument. With --print, writes sections 6 and 7 as they should be.
"""

import json
import re
import sys

import consistency
from consistency import Plant, dump_tables, replace

DOCUMENT = "docs/protocol.md"
# Bodies by the place where they stand; the document has a table for each of them.
NOT_PROTOCOL = {"vm-config"}
NO_LIMITS = {"json", "bool", "object"}


def dump():
    """What the program says."""
    return json.loads(dump_tables())


def limits(field):
    """The cell about what values there may be."""
    unit = f" {field['unit']}" if "unit" in field else ""
    if field["type"] == "enum":
        return ", ".join(f"`{n}`" if n else '`""`' for n in field["names"])
    if field["type"] in NO_LIMITS:
        return {"json": "JSON", "bool": "`true`, `false`", "object": "object"}[field["type"]]
    if field["type"] == "string":
        if field["min"] == field["max"]:
            return f"string of {field['min']} bytes"
        return f"string of {field['min']} to {field['max']} bytes"
    if "max" in field:
        return f"{field['min']} to {field['max']}{unit}"
    return f"whole number{' of' if unit else ''}{unit}"


def presence(field):
    """The cell about what holds when the key is not there."""
    if field["required"]:
        return "required"
    if "default" in field:
        return f"`{json.dumps(field['default'])}`"
    return "none"


def body_table(fields):
    """The lines of a body's table."""
    lines = ["| key | values | if absent | meaning |", "| --- | --- | --- | --- |"]
    lines += [f"| {f['key']} | {limits(f)} | {presence(f)} | {f['doc']} |" for f in fields]
    return lines


def exit_table(protocol):
    """The lines of the table of exit codes."""
    lines = ["| reason | exit code |", "| --- | --- |"]
    return lines + [f"| {reason} | {code} |" for reason, code in protocol["exit_codes"].items()]


def first_cells(section):
    """The first column of a section's first table."""
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [row.strip("|").split("|")[0].strip() for row in rows[2:]]


def check(root):
    """All problems of the document."""
    facts = dump()
    protocol = facts["protocol"]
    document = consistency.text(root, DOCUMENT)
    sections = dict(re.findall(r"^## (\d+)\..*?\n(.*?)(?=^## |\Z)", document, re.DOTALL | re.MULTILINE))
    problems = []
    for number, words in (("1", (f"at most {protocol['frame_max']} bytes",
                                 f"at most {protocol['max_fds']}.")),
                          ("4", (f"version is {protocol['version']}.",))):
        for word in words:
            if word not in sections[number]:
                problems.append(f'{DOCUMENT}: section {number} should say "{word}"')
    if first_cells(sections["5"]) != protocol["methods"]:
        problems.append(f"{DOCUMENT}: section 5 should have the methods "
                        f"{', '.join(protocol['methods'])}, in this order")
    bodies = {name: fields for name, fields in facts["tables"].items()
              if name not in NOT_PROTOCOL}
    headings = re.findall(r"^### (?:Event )?`?([\w -]+)`?$", sections["6"], re.MULTILINE)
    if headings != list(bodies):
        problems.append(f"{DOCUMENT}: section 6 should have the bodies {', '.join(bodies)}, "
                        "in this order")
    for event in protocol["events"]:
        if event not in headings:
            problems.append(f"{DOCUMENT}: event {event} has no body in section 6")
    for name, fields in bodies.items():
        for line in body_table(fields):
            part = sections["6"].split(f"### {name}\n", 1)
            if len(part) < 2 or line not in part[1].split("\n### ", 1)[0].splitlines():
                problems.append(f"{DOCUMENT}: body {name} should have the line: {line}")
    rows = [line for line in sections["6"].splitlines() if line.startswith("|")]
    if len(rows) != sum(len(body_table(fields)) for fields in bodies.values()):
        problems.append(f"{DOCUMENT}: section 6 has lines that are in no table of the code")
    if [line for line in sections["7"].splitlines() if line.startswith("|")] != exit_table(protocol):
        problems.append(f"{DOCUMENT}: section 7 should have the table:\n"
                        + "\n".join(exit_table(protocol)))
    return problems


def print_expected():
    """Sections 6 and 7 for a writer to take over."""
    facts = dump()
    for name, fields in facts["tables"].items():
        if name not in NOT_PROTOCOL:
            print("\n".join([f"### {name}", *body_table(fields), ""]))
    print("\n".join(exit_table(facts["protocol"])))


PLANTS = [
    Plant(DOCUMENT, replace("at most 65536 bytes", "at most 64000 bytes"), "section 1 should say"),
    Plant(DOCUMENT, replace("at most 20.", "at most 21."), "section 1 should say"),
    Plant(DOCUMENT, replace("version is 1.", "version is 2."), "section 4 should say"),
    Plant(DOCUMENT, replace("| power-button |", "| power |"), "section 5 should have"),
    Plant(DOCUMENT, replace("| quit | none | none | empty |\n", ""), "section 5 should have"),
    Plant(DOCUMENT, replace("### snapshot reply\n", "### snapshot\n"), "section 6 should have"),
    Plant(DOCUMENT, replace("| run_id | string of 32 bytes |", "| run_id | string |"),
          "body start should have the line"),
    Plant(DOCUMENT, replace("| attached |", "| gone | JSON | none | x |\n| attached |"),
          "lines that are in no table"),
    Plant(DOCUMENT, replace("| REBOOT | 10 |", "| REBOOT | 11 |"), "section 7 should have"),
]

if __name__ == "__main__":
    if "--print" in sys.argv:
        print_expected()
    else:
        consistency.run(check, PLANTS)
