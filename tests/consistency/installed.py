# SPDX-License-Identifier: LGPL-2.1-or-later
"""An installed tree in a temporary folder, for the tests of what `meson install` installs."""

import os
import pathlib
import shutil
import subprocess
import tempfile


class InstalledTree:
    """The build's `meson install` into a folder; its paths as they would be on a host."""

    def __init__(self):
        build = os.environ["VMSERVICE_BUILD"]
        self.prefix = os.environ["VMSERVICE_PREFIX"]
        self.libexecdir = os.environ["VMSERVICE_LIBEXECDIR"]
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="vmservice-install-"))
        self.root.chmod(0o755)
        # uids other than root's look into it.
        subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet",
                        "--destdir", str(self.root)], check=True, umask=0o022,
                       stdout=subprocess.DEVNULL)

    def path(self, *parts):
        """Below the prefix, in the tree."""
        return self.root.joinpath(self.prefix.lstrip("/"), *parts)

    def host_path(self, path):
        """Where a path of the installed host lies in the tree."""
        return self.root / str(path).lstrip("/")

    def units(self, kind):
        """The folder of the units: kind is "system" or "user"."""
        return self.path("lib/systemd", kind)

    def close(self):
        """Removes it."""
        shutil.rmtree(self.root)


def unit_settings(path):
    """A unit as {section: {key: [values]}}; an empty value clears, as in systemd.syntax(7)."""
    sections = {}
    section = None
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), {})
            continue
        key, _, value = line.partition("=")
        values = section.setdefault(key.strip(), [])
        if not value.strip():
            values.clear()
        else:
            values.append(value.strip())
    return sections


def unit_words(unit, section, key):
    """All words of a setting that takes a list."""
    return " ".join(unit.get(section, {}).get(key, [])).split()
