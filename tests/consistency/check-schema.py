#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds data/vm-config.schema.json to the field table that the parser goes by.

Row by row, and by configurations: the schema and the real parser have to agree on each line of
tests/consistency/configs/, except for those that only the parser can refuse, and both have to take
every example. The dump-tables program is the last argument.
"""

import json
import pathlib
import tempfile

import jsonschema

import consistency
from consistency import Plant, append, dump_tables, replace

SCHEMA = "data/vm-config.schema.json"
CONFIGS = "tests/consistency/configs"
EXAMPLES = "data/examples"
# Strings that stand where the table has none: the parser fills them in after the fields.
STRING_DEFAULTS = {"platform_version": "~1.0"}
# Rows whose default means "not given".
NO_DEFAULT = {"cpu_count"}
# Keywords that say more than the table, held by the configurations.
BEYOND_TABLE = {"pattern"}


def expected_property(field):
    """The schema's property for a row of the table."""
    unit = f" In {field['unit']}." if "unit" in field else ""
    expected = {"description": field["doc"] + unit}
    if field["type"] == "string":
        expected |= {"type": "string", "minLength": field["min"], "maxLength": field["max"]}
        if field["key"] in STRING_DEFAULTS:
            expected["default"] = STRING_DEFAULTS[field["key"]]
    elif field["type"] == "u64":
        expected |= {"type": "integer", "minimum": field["min"], "maximum": field["max"]}
    elif field["type"] == "bool":
        expected["type"] = "boolean"
    elif field["type"] == "enum":
        expected["enum"] = field["names"]
    if "default" in field and field["key"] not in NO_DEFAULT:
        expected["default"] = field["default"]
    return expected


def check_table(schema):
    """The properties against the rows, both ways."""
    problems = []
    fields = json.loads(dump_tables())["tables"]["vm-config"]
    properties = schema.get("properties", {})
    if list(properties) != [f["key"] for f in fields]:
        problems.append(f"{SCHEMA}: the properties are {', '.join(properties)}, the table's keys "
                        f"are {', '.join(f['key'] for f in fields)}")
    for field in fields:
        actual = {k: v for k, v in properties.get(field["key"], {}).items()
                  if k not in BEYOND_TABLE}
        if actual != expected_property(field):
            problems.append(f"{SCHEMA}: {field['key']}: is {json.dumps(actual)}, the table says "
                            f"{json.dumps(expected_property(field))}")
    required = [f["key"] for f in fields if f["required"]]
    if schema.get("required", []) != required:
        problems.append(f"{SCHEMA}: required should be {required}")
    if schema.get("additionalProperties") is not False or \
            list(schema.get("patternProperties", {})) != ["^x-"]:
        problems.append(f"{SCHEMA}: has to refuse unknown keys but for x-...")
    return problems


def parse_all(lines):
    """What the real parser says to each text."""
    with tempfile.TemporaryDirectory(prefix="vmservice-configs-") as folder:
        paths = []
        for number, line in enumerate(lines):
            path = pathlib.Path(folder) / f"{number:04}.json"
            path.write_text(line, encoding="utf-8")
            paths.append(str(path))
        return dump_tables(*paths).splitlines()


def check_list(root, validator, name, parser_takes, schema_takes):
    """Each line of a list against both."""
    problems = []
    lines = consistency.text(root, f"{CONFIGS}/{name}.jsonl").splitlines()
    if len(lines) < 5:
        problems.append(f"{CONFIGS}/{name}.jsonl: next to nothing in it")
    for line, answer in zip(lines, parse_all(lines), strict=True):
        if (answer == "ok") != parser_takes:
            problems.append(f"{name}: {line}: the parser says {answer}")
        if validator.is_valid(json.loads(line)) != schema_takes:
            problems.append(f"{name}: {line}: the schema {'refuses' if schema_takes else 'takes'} "
                            "it")
    return problems


def check_examples(root, validator):
    """The installed examples, and the schema's defaults in the one that shows every key."""
    problems = []
    paths = [p for p in consistency.files(root, ".json") if p.is_relative_to(EXAMPLES)]
    if len(paths) < 3:
        problems.append(f"{EXAMPLES}: where are the examples?")
    for path in paths:
        content = consistency.text(root, path)
        if parse_all([content]) != ["ok"]:
            problems.append(f"{path}: the parser says {parse_all([content])[0]}")
        for error in validator.iter_errors(json.loads(content)):
            problems.append(f"{path}: the schema says {error.message}")
    everything = json.loads(consistency.text(root, f"{EXAMPLES}/everything.json"))
    for key, value in validator.schema["properties"].items():
        if key in ("bootloader", "cpu_count"):
            continue
        if key not in everything:
            problems.append(f"{EXAMPLES}/everything.json: {key} is not shown")
        elif "default" in value and everything[key] != value["default"]:
            problems.append(f"{EXAMPLES}/everything.json: {key} is not at its default")
    return problems


def check(root):
    """All problems of schema, lists and examples."""
    schema = json.loads(consistency.text(root, SCHEMA))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    return (check_table(schema)
            + check_list(root, validator, "good", True, True)
            + check_list(root, validator, "bad", False, False)
            + check_list(root, validator, "parser-only", False, True)
            + check_examples(root, validator))


PLANTS = [
    Plant(SCHEMA, replace('"maximum": 1048576', '"maximum": 1048575'), "memory_mib: is"),
    Plant(SCHEMA, replace('"default": 256', '"default": 128'), "memory_mib: is"),
    Plant(SCHEMA, replace("The guest's memory.", "Memory."), "memory_mib: is"),
    Plant(SCHEMA, replace('["one_cpu", "match_host"]', '["one_cpu"]'), "cpu_topology: is"),
    Plant(SCHEMA, replace('"on_crash"', '"on_panic"'), "the properties are"),
    Plant(SCHEMA, replace('"additionalProperties": false', '"additionalProperties": true'),
          "refuse unknown keys"),
    Plant(SCHEMA, replace('"pattern": "^[A-Za-z0-9]', '"pattern": "^[A-Za-z]'),
          "the schema refuses it"),
    Plant(SCHEMA, replace('"required": ["cpu_topology", "cpu_count"]', '"required": ["none"]'),
          "the schema takes it"),
    Plant(SCHEMA, replace('"required": ["initrd"]', '"required": ["none"]'),
          "the schema takes it"),
    Plant(f"{CONFIGS}/good.jsonl", append('{"kernel": "k", "memory_mib": 1}\n'),
          "the parser says /memory_mib"),
    Plant(f"{CONFIGS}/bad.jsonl", append('{"kernel": "k"}\n'), "the parser says ok"),
    Plant(f"{EXAMPLES}/linux.json", replace("memory_mib", "memory"), "the parser says /memory"),
    Plant(f"{EXAMPLES}/everything.json", replace("256", "512"), "not at its default"),
]

if __name__ == "__main__":
    consistency.run(check, PLANTS)
