#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds every file to the house rules that a machine can see.

Licence lines, lengths of files and functions, ASCII and tabs in code, work left undone, headers
whose functions nobody explained, and names of places that are not the project's.
"""

import pathlib
import re

import consistency
from consistency import Plant, append, replace

LICENCE = "SPDX-License-Identifier: LGPL-2.1-or-later"
FILE_LINES = 600
FUNCTION_LINES = 80
CODE = (".c", ".h", ".S", ".py", ".sh", ".build", ".ld")
C = (".c", ".h")
# Inputs that are what they are, the licences themselves, and samples of other programs' output.
DATA_FOLDERS = ("LICENSES", "tests/fuzz/corpus", "tests/consistency/configs")
# Headers that are contracts between parts, where each function needs a comment.
CONTRACTS = ("common", "vmconfig", "protocol", "daemon/spawner/spawner-protocol.h",
             "daemon/spawner/spawner-client.h", "vmm-launcher/core", "vmm-launcher/arch/arch.h",
             "vmm-launcher/boot/boot.h", "vmm-launcher/devices/device-events.h")
LIBRARY, PUBLIC = "libvmclient", "VM_CLIENT_PUBLIC"
# What functions of these names do, and to whom their object belongs, is the same everywhere.
LIFECYCLE = ("_new", "_free", "_init", "_done", "_ref", "_unref")
# Each spelt in two parts, so that this file is not its own finding.
UNDONE = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|not imple" r"mented)\b")
PLACES = re.compile(r"(?:^|[\s\"'(=:])/wo" r"rk/|snap" r"shot\.debian\.org")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
PROTOTYPE = re.compile(r"^[a-zA-Z_][\w\s*]*?\b(\w+)\([^;{}]*\)[^;{}]*;", re.MULTILINE)
NO_PROTOTYPE = re.compile(r"^\s*(?:#|typedef\b|struct \w+ \{|union\b|enum\b|\}|return\b)")
FUNCTION = re.compile(r"^(?!\s|#|typedef\b|struct \w+ \{|union \w+ \{|enum\b)[^;={}]*\)"
                      r"[^;={}()]*\n\{\n", re.MULTILINE)


def is_data(path):
    """Whether a file is input and not source."""
    return any(path.is_relative_to(f) for f in DATA_FOLDERS)


def check_lines(path, content):
    """What any source file has to keep."""
    problems = []
    lines = content.splitlines()
    if LICENCE not in "\n".join(lines[:8]):
        problems.append(f"{path}: no \"{LICENCE}\" in its first lines")
    if path.suffix in CODE and len(lines) > FILE_LINES:
        problems.append(f"{path}: {len(lines)} lines, at most {FILE_LINES}")
    if content and not content.endswith("\n"):
        problems.append(f"{path}: no line end at its end")
    for number, line in enumerate(lines, 1):
        where = f"{path}:{number}"
        if UNDONE.search(line):
            problems.append(f"{where}: work left undone: {line.strip()}")
        if PLACES.search(line):
            problems.append(f"{where}: a place that is not the project's: {line.strip()}")
        if path.suffix != ".md" and line != line.rstrip():
            problems.append(f"{where}: blanks at the end of the line")
        if path.suffix in CODE and path.parts[0] != "tests" and not line.isascii():
            problems.append(f"{where}: not ASCII")
        if path.suffix in C and "\t" in line:
            problems.append(f"{where}: a tab")
    return problems


def check_functions(path, content):
    """Lengths, from the signature's first line to the closing brace."""
    problems = []
    content = COMMENT.sub(lambda comment: "\n" * comment.group(0).count("\n"), content)
    for match in FUNCTION.finditer(content):
        end = content.find("\n}", match.end() - 1)
        if end < 0:
            continue
        lines = content.count("\n", match.start(), end) + 2
        if lines > FUNCTION_LINES:
            names = re.findall(r"(\w+)\s*\(", match.group(0))
            problems.append(f"{path}: {names[-1] if names else '?'}() has {lines} lines, at most "
                            f"{FUNCTION_LINES}")
    return problems


def documented_in_sources(root):
    """Functions with a documentation block in a source file, as GObject libraries have them."""
    found = set()
    for path in consistency.files(root, ".c"):
        if path.parts[0] == "libvmclient":
            found |= set(re.findall(r"/\*\*\n \* (\w+):", consistency.text(root, path)))
    return found


def check_header(path, content, documented):
    """Each function needs a comment: its own, or one at the head of the group that it stands in."""
    problems = []
    for group in re.split(r"\n\s*\n", content):
        bare = COMMENT.sub("", group)
        has_comment = bare != group
        for match in PROTOTYPE.finditer(bare):
            name = match.group(1)
            if NO_PROTOTYPE.match(match.group(0)) or name.isupper() or name in ("_Static_assert",
                                                                               "static_assert"):
                continue
            if not has_comment and name not in documented and "_get_type" not in name and \
                    (path.is_relative_to(LIBRARY) or not name.endswith(LIFECYCLE)):
                problems.append(f"{path}: {name}() is not explained")
    return problems


def check(root):
    """All problems of the tree."""
    problems = []
    documented = documented_in_sources(root)
    for path in consistency.files(root):
        raw = (pathlib.Path(root) / path).read_bytes()
        if is_data(path) or b"\0" in raw:
            continue
        content = raw.decode("utf-8", errors="replace")
        problems += check_lines(path, content)
        if path.suffix in C:
            problems += check_functions(path, content)
        if path.suffix == ".h" and (any(path.is_relative_to(c) for c in CONTRACTS)
                                    or (path.is_relative_to(LIBRARY) and PUBLIC in content)):
            problems += check_header(path, content, documented)
    return problems


def long_function(lines):
    """A function of that many lines."""
    return "int planted(void)\n{\n" + "        planted();\n" * (lines - 3) + "}\n"


HEAD = f"/* {LICENCE} */\n"
PLANTS = [
    Plant("common/planted.c", append("int planted;\n"), "no \"SPDX"),
    Plant("common/fd.c", replace(LICENCE, "GPL"), "no \"SPDX"),
    Plant("run-planted", append("#!/bin/sh\n"), "no \"SPDX"),
    Plant("common/planted.c", append(HEAD + "\n" * FILE_LINES), "601 lines, at most 600"),
    Plant("common/planted.c", append(HEAD + long_function(FUNCTION_LINES + 1)),
          "planted() has 81 lines"),
    Plant("common/planted.c", append(HEAD + "/* TO" "DO */\n"), "work left undone"),
    Plant("docs/architecture.md", append("FIX" "ME\n"), "work left undone"),
    Plant("common/planted.c", append(HEAD + "\tint planted;\n"), "a tab"),
    Plant("common/planted.c", append(HEAD + "int planted; \n"), "blanks at the end"),
    Plant("common/planted.c", append(HEAD + "/* \u00e9 */\n"), "not ASCII"),
    Plant("common/planted.c", append(HEAD + "int planted;"), "no line end"),
    Plant("common/planted.c", append(HEAD + "/* see /wo" "rk/notes */\n"), "not the project's"),
    Plant("common/planted.h", append(HEAD + "\nint planted(int a, char *b);\n"),
          "planted() is not explained"),
    Plant("libvmclient/planted.h", append(HEAD + "\nVM_CLIENT_PUBLIC int planted(int a);\n"),
          "planted() is not explained"),
    Plant("common/planted.h", append(HEAD + "\n/* Why. */\nint one(void);\n\n"
                                     "const char *planted(\n        int a);\n"),
          "planted() is not explained"),
]

if __name__ == "__main__":
    consistency.run(check, PLANTS)
