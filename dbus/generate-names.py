#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes vmservice-names.h from names.json: enums, string tables, D-Bus error names."""

import json
import sys

HEADER = """/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Generated from dbus/names.json; do not edit. */
#pragma once

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define VMSERVICE_BUS_NAME            "{bus_name}"
#define VMSERVICE_OBJECT_PATH         "{object_path}"
#define VMSERVICE_MACHINE_PATH_PREFIX "{machine_path_prefix}"
#define VMSERVICE_MANAGER_INTERFACE   "{bus_name}.Manager"
#define VMSERVICE_MACHINE_INTERFACE   "{bus_name}.Machine"
"""


def snake(name):
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")


def enum_block(name, enum):
    prefix = enum["prefix"]
    lines = [f"/* {enum['doc']} */", f"typedef enum {name} {{"]
    lines += [f"        {prefix}_{value}, /* {doc} */" for value, _, doc in enum["values"]]
    lines += [f"        _{prefix}_MAX,", f"}} {name};", ""]
    table = ", ".join(f'[{prefix}_{value}] = "{text}"' for value, text, _ in enum["values"])
    function = snake(name)
    lines += [
        f"/* NULL-terminated, in the order of {name}. */",
        f"static const char *const {function}_names[] __attribute__((unused)) = {{{table}, NULL}};",
        "",
        f"static inline const char *{function}_to_string({name} value)",
        "{",
        f"        return (size_t)value < _{prefix}_MAX ? {function}_names[value] : NULL;",
        "}",
        "",
        f"/* The {name}, or -EINVAL. */",
        f"static inline int {function}_from_string(const char *text)",
        "{",
        f"        for (int i = 0; i < _{prefix}_MAX; i++)",
        f"                if (strcmp({function}_names[i], text) == 0)",
        "                        return i;",
        "        return -EINVAL;",
        "}",
        "",
    ]
    return "\n".join(lines)


def error_block(names):
    prefix = names["bus_name"] + ".Error."
    lines = ["/* D-Bus error names; beside each the errno that stands for it inside the daemon. */"]
    lines += [f'#define VMSERVICE_ERROR_{key} "{prefix}{name}" /* {doc} */'
              for key, name, _, doc in names["errors"]]
    lines += ["", "typedef struct VmserviceError {", "        const char *name;", "        int error;",
              "} VmserviceError;", "",
              "static const VmserviceError vmservice_errors[] __attribute__((unused)) = {"]
    lines += [f"        {{VMSERVICE_ERROR_{key}, {errno}}}," for key, _, errno, _ in names["errors"]]
    lines += ["};", ""]
    return "\n".join(lines)


def main():
    with open(sys.argv[1], encoding="utf-8") as source:
        names = json.load(source)
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        out.write(HEADER.format(**names))
        out.write("\n")
        for name, enum in names["enums"].items():
            out.write(enum_block(name, enum) + "\n")
        out.write(error_block(names))


if __name__ == "__main__":
    main()
