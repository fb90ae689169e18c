#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds every #include to the layers of docs/architecture.md, section 2.

The row of the most specific folder (or of the file itself) counts, on both sides: a folder may include itself and what its
row names, and a named folder stands for its files but not for a folder below it that has a row of
its own. Besides, libraries are kept out of where they do not belong, and no file outside an
architecture's folder asks which architecture it is compiled for.
"""

import pathlib
import re

import consistency
from consistency import Plant, append

DOCUMENT = "docs/architecture.md"
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.MULTILINE)
CONDITION = re.compile(r"^\s*#\s*(?:if|ifdef|ifndef|elif)\b(.*)$", re.MULTILINE)
ARCHITECTURE = re.compile(r"__(?:x86_64|amd64|i386|aarch64|arm|riscv|powerpc64|s390x)(?:__)?\b")
ARCHITECTURE_FOLDERS = {"arch", "x86_64", "arm64"}
FREE_FOLDERS = ("tests",)  # tests may include whatever they test

# Folder (its files and all below), pattern of a system header, why it may not be there.
FORBIDDEN = [
    ("common", r"(?:glib|gio|gobject|gmodule)[-./].*|glib.*\.h", "GLib is for libvmclient and vmctl"),
    ("vmconfig", r"(?:glib|gio|gobject|gmodule)[-./].*|glib.*\.h",
     "GLib is for libvmclient and vmctl"),
    ("protocol", r"(?:glib|gio|gobject|gmodule)[-./].*|glib.*\.h",
     "GLib is for libvmclient and vmctl"),
    ("daemon", r"(?:glib|gio|gobject|gmodule)[-./].*|glib.*\.h", "no GLib in a privileged process"),
    ("vmm-launcher", r"(?:glib|gio|gobject|gmodule)[-./].*|glib.*\.h", "no GLib in the monitor"),
    ("guest", r"(?:glib|gio|gobject|gmodule)[-./].*|glib.*\.h", "guests are libc only"),
    ("daemon/spawner", r"json-c/.*", "the spawner parses nothing"),
    ("guest", r"json-c/.*", "guests are libc only"),
    ("daemon/spawner", r"systemd/.*", "the spawner speaks no D-Bus and links libc only"),
    ("vmm-launcher", r"systemd/.*", "the monitor speaks no D-Bus"),
    ("common", r"systemd/.*", "common is below every program"),
    ("libvmclient", r"(?:json-c|systemd)/.*", "the library stands on GLib only"),
    ("", r"(?:libvirt|dbus)/.*", "neither libvirt nor libdbus"),
]
# The JSON half of common, which a libc-only program must not reach through its quoted name either.
JSON_HEADERS = {"common/json-fields.h"}
NO_JSON = ("daemon/spawner", "guest")


def read_table(document):
    """Rows of the layer table: folder -> list of what it may include."""
    section = document.split("\n## 2.", 1)[1].split("\n## ", 1)[0]
    rows = {}
    for line in section.splitlines():
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) >= 1 and cells[0] not in ("folder", "---"):
            rows[cells[0]] = cells[1].split() if len(cells) > 1 else []
    return rows


def row_of(rows, path):
    """The most specific folder with a row that holds path, or path itself, or None."""
    for parent in (path, *path.parents):
        if str(parent) in rows:
            return str(parent)
    return None


def generated_headers(root):
    """Names of headers that meson makes -> the folder whose meson.build names them."""
    found = {}
    for path in consistency.files(root, "meson.build"):
        for name in re.findall(r"'([\w./-]+\.h)'", consistency.text(root, path)):
            if not (pathlib.Path(root) / path.parent / name).exists():
                found.setdefault(pathlib.Path(name).name, path.parent)
        for name in re.findall(r"namebase:\s*'([\w-]+)'|gdbus_codegen\('([\w-]+)'",
                               consistency.text(root, path)):
            found.setdefault((name[0] or name[1]) + ".h", path.parent)
    found["vmservice-names.h"] = None
    return found


def include_folders(root):
    """The folders that some meson.build makes an include directory, the root first."""
    found = [pathlib.Path()]
    for path in consistency.files(root, "meson.build"):
        for names in re.findall(r"include_directories\(([^()]*)\)", consistency.text(root, path)):
            found += [path.parent / name for name in re.findall(r"'([\w./-]+)'", names)]
    return list(dict.fromkeys(found))


def resolve(root, path, name, generated, folders):
    """What a quoted name means: a path of the tree, "names", or None if it is nothing known."""
    for base in (path.parent, *folders):
        candidate = pathlib.Path(root) / base / name
        if candidate.exists():
            return candidate.resolve().relative_to(pathlib.Path(root).resolve())
    if pathlib.Path(name).name in generated:
        folder = generated[pathlib.Path(name).name]
        return "names" if folder is None else folder / pathlib.Path(name).name
    return None


def quoted_problem(rows, row, target):
    """Why a file of this row may not include target, or None."""
    allowed = rows[row]
    if target == "names":
        return None if "names" in allowed else f"{row} may not include the generated names"
    if str(target) in allowed:
        return None
    target_row = row_of(rows, target)
    if target_row == row or target_row in allowed:
        return None
    return f"{row} may not include {target_row or target.parent}"


def check_file(root, path, rows, generated, folders):
    """The problems of one C file."""
    problems = []
    content = consistency.text(root, path)
    row = row_of(rows, path)
    free = path.parts[0] in FREE_FOLDERS
    if row is None and not free:
        return [f"{path}: its folder has no row in {DOCUMENT}"]
    for quote, name in INCLUDE.findall(content):
        if quote == "<":
            for folder, pattern, why in FORBIDDEN:
                inside = folder == "" or path.is_relative_to(folder)
                if inside and re.fullmatch(pattern, name) and not free:
                    problems.append(f"{path}: <{name}>: {why}")
            continue
        target = resolve(root, path, name, generated, folders)
        if name.endswith(".c"):
            problems.append(f'{path}: "{name}": a source file is compiled and not included')
        elif target is None:
            problems.append(f'{path}: "{name}" is neither in the tree nor made by meson')
        elif not free:
            why = quoted_problem(rows, row, target)
            if why:
                problems.append(f'{path}: "{name}": {why}')
            if str(target) in JSON_HEADERS and any(path.is_relative_to(f) for f in NO_JSON):
                problems.append(f'{path}: "{name}": no JSON here')
    if path.parts[0] == "common" and not path.name.startswith("json-") and "<json-c/" in content:
        problems.append(f"{path}: <json-c/...>: in common only json-* may use it")
    if not ARCHITECTURE_FOLDERS & set(path.parts):
        for condition in CONDITION.findall(content):
            if ARCHITECTURE.search(condition):
                problems.append(f"{path}: #if on an architecture:{condition}; meson chooses it")
    return problems


def check(root):
    """All problems of the tree."""
    rows = read_table(consistency.text(root, DOCUMENT))
    generated, folders = generated_headers(root), include_folders(root)
    problems = []
    for folder in rows:
        for name in rows[folder]:
            if name != "names" and not (pathlib.Path(root) / name).exists():
                problems.append(f"{DOCUMENT}: row {folder} names {name}, which does not exist")
    for path in consistency.files(root, ".c", ".h"):
        problems += check_file(root, path, rows, generated, folders)
    return problems


PLANTS = [
    Plant("common/fd.c", append('#include "vmconfig/vm-config.h"\n'),
          "common may not include vmconfig"),
    Plant("common/fd.c", append("#include <glib.h>\n"), "<glib.h>"),
    Plant("common/fd.c", append("#include <json-c/json.h>\n"), "only json-* may use it"),
    Plant("vmconfig/vm-config.c", append('#include "vmservice-names.h"\n'),
          "vmconfig may not include the generated names"),
    Plant("protocol/message.c", append('#include "daemon/spawner/spawner-protocol.h"\n'),
          "protocol may not include daemon/spawner"),
    Plant("daemon/planted.c", append("#include <gio/gio.h>\n"), "<gio/gio.h>"),
    Plant("daemon/planted.c", append('#include "vmm-launcher/core/bus.h"\n'),
          "daemon may not include vmm-launcher/core"),
    Plant("daemon/spawner/planted.c", append("#include <json-c/json.h>\n"), "<json-c/json.h>"),
    Plant("daemon/spawner/planted.c", append('#include "common/json-fields.h"\n'), "no JSON here"),
    Plant("daemon/spawner/planted.c", append("#include <systemd/sd-bus.h>\n"), "systemd/sd-bus.h"),
    Plant("guest/planted.c", append("#include <json-c/json.h>\n"), "<json-c/json.h>"),
    Plant("guest/planted.c", append('#include "common/fd.h"\n'), "guest may not include common"),
    Plant("vmctl/planted.c", append('#include "protocol/protocol.h"\n'),
          "vmctl may not include protocol"),
    Plant("vmctl/planted.c", append('#include "libvmclient/vm-client-error.h"\n'),
          "vmctl may not include libvmclient"),
    Plant("libvmclient/planted.c", append("#include <json-c/json.h>\n"), "<json-c/json.h>"),
    Plant("vmm-launcher/core/planted.c", append('#include "vmm-launcher/boot/boot.h"\n'),
          "vmm-launcher/core may not include vmm-launcher/boot"),
    Plant("vmm-launcher/virtio/queue.c", append('#include "pci/pci-bus.h"\n'),
          "vmm-launcher/virtio may not include vmm-launcher/pci"),
    Plant("vmm-launcher/virtio/pci.c", append('#include "backend/console.h"\n'),
          "vmm-launcher/virtio/pci.c may not include vmm-launcher/backend"),
    Plant("vmm-launcher/core/planted.c", append("#ifdef __x86_64__\n#endif\n"),
          "#if on an architecture"),
    Plant("vmm-launcher/core/planted.c", append("#if defined(__aarch64__)\n#endif\n"),
          "#if on an architecture"),
    Plant("vmm-launcher/core/planted.c", append('#include "bus.c"\n'), "compiled and not included"),
    Plant("vmm-launcher/core/planted.c", append('#include "no-such.h"\n'),
          "neither in the tree nor made by meson"),
    Plant("elsewhere/planted.c", append("\n"), "has no row"),
    Plant(DOCUMENT, lambda before: before.replace("| protocol | common names |",
                                                  "| protocol | common names gone |"),
          "names gone, which does not exist"),
    Plant(DOCUMENT, lambda before: before.replace("| protocol | common names |",
                                                  "| protocol | common |"),
          "protocol may not include the generated names"),
]

if __name__ == "__main__":
    consistency.run(check, PLANTS)
