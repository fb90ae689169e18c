#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the consistency checkers share: the list of files, the report, and the self-test.

A checker is a function of the tree's root that returns a list of problems, one line each. With
--self-test it has to find each of its planted violations in a copy of the tree: a checker that
cannot go red proves nothing.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED_FOLDERS = {".git", "__pycache__", ".cache", "subprojects"}


def files(root, *suffixes):
    """The tree's files as relative paths, sorted; build folders and caches are left out."""
    found = []
    for folder, folders, names in os.walk(root):
        folder = pathlib.Path(folder)
        if "build.ninja" in names:
            folders.clear()
            continue
        folders[:] = sorted(f for f in folders
                            if f not in SKIPPED_FOLDERS
                            and not (folder == pathlib.Path(root) and f.startswith("build")))
        for name in names:
            if name == ".git":  # a worktree's pointer to its repository
                continue
            if not suffixes or name.endswith(suffixes):
                found.append((folder / name).relative_to(root))
    return sorted(found)


def text(root, path):
    """A file's content; what is not UTF-8 shows as replacement characters."""
    return (pathlib.Path(root) / path).read_text(encoding="utf-8", errors="replace")


def dump_tables(*arguments):
    """What the program dump-tables says, which is a checker's last argument."""
    program = sys.argv[-1]
    if len(sys.argv) < 2 or program.startswith("-"):
        sys.exit(f"usage: {sys.argv[0]} [--self-test] DUMP-TABLES")
    return subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout


class Plant:
    """A violation to be planted: the file, how to change its text, what the problem must say."""

    def __init__(self, path, change, expected):
        self.path, self.change, self.expected = path, change, expected

    def apply(self, root):
        """Plants it; returns what undoes it."""
        path = pathlib.Path(root) / self.path
        before = path.read_bytes() if path.exists() else None
        path.parent.mkdir(parents=True, exist_ok=True)
        after = self.change(before.decode("utf-8") if before is not None else "")
        if before is not None and after.encode("utf-8") == before:
            sys.exit(f"the plant in {self.path} changes nothing ({self.expected!r})")
        path.write_text(after, encoding="utf-8")

        def undo():
            if before is None:
                path.unlink()
            else:
                path.write_bytes(before)
        return undo


def append(addition):
    """A change that adds a text at the end."""
    return lambda before: before + addition


def replace(old, new):
    """A change that replaces the first occurrence of a text that has to be there."""
    def change(before):
        if old not in before:
            sys.exit(f"nothing to plant in: {old!r} is not there")
        return before.replace(old, new, 1)
    return change


def self_test(check, plants):
    """Plants each violation in a copy and expects the checker to name it. Returns problems."""
    problems = []
    with tempfile.TemporaryDirectory(prefix="vmservice-consistency-") as folder:
        root = pathlib.Path(folder) / "tree"
        for path in files(ROOT):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, root / path)
        before = set(check(root))
        for plant in plants:
            undo = plant.apply(root)
            found = [p for p in check(root) if p not in before]
            undo()
            if not any(plant.expected in p for p in found):
                problems.append(f"planted in {plant.path}: expected {plant.expected!r}, "
                                f"found {found or 'nothing'}")
    print(f"{len(plants)} violations planted")
    return problems


def run(check, plants):
    """The main program of a checker."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--self-test", action="store_true",
                        help="plant violations in a copy and expect each to be found")
    arguments, _ = parser.parse_known_args()
    problems = self_test(check, plants) if arguments.self_test else check(ROOT)
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)
