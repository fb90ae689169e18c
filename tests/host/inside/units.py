# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The unit tests that need /dev/kvm, on the emulated host's: a machine without one skips them, and one
whose KVM emulates runs them on something that is not quite KVM.
"""

import json
import os
import subprocess

SKIPPED = 77
# Check's own time-outs are for a machine at full speed.
SLOWNESS = "8"


def unit_tests(build):
    """meson's list of the tests that name /dev/kvm as what they need: (name, command, environment)."""
    with open(os.path.join(build, "meson-info/intro-tests.json"), encoding="utf-8") as file:
        for test in json.load(file):
            if "needs-kvm" in (suite.split(":")[-1] for suite in test["suite"]):
                yield test["name"], test["cmd"], test["env"]


def run(command, environment):
    done = subprocess.run(
        command, env={**os.environ, **environment, "CK_TIMEOUT_MULTIPLIER": SLOWNESS},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", check=False)
    assert done.returncode != SKIPPED, f"skipped where KVM is: {done.stdout}"
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout[-3000:]}"


def tests():
    found = [(f"{name} on real KVM", lambda command=command, environment=environment:
              run(command, environment))
             for name, command, environment in unit_tests(os.environ["VMSERVICE_BUILD"])]
    assert found, "meson lists no test with the suite needs-kvm"
    return found
