#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
./run test: builds with both compilers and with sanitizers, runs the suites side by side, prints one
line per test and, last, "N passed, N failed, N skipped". Exit code 0 only if nothing failed.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MESON_SUITES = ["unit", "fuzz-corpus", "consistency", "integration"]
SANITIZED_SUITES = ["unit", "fuzz-corpus", "integration"]
SUITES = [*MESON_SUITES, "host-x86", "lint"]
LANES = 2
LOG_LINES = 120

BUILDS = {
    "build-test": {"CC": "gcc", "options": ["--werror", "--prefix=/usr"]},
    "build-clang": {"CC": "clang", "options": ["--werror", "--prefix=/usr"]},
    "build-san": {
        "CC": "gcc",
        "options": [
            "--werror", "-Db_sanitize=address,undefined", "-Db_lundef=false",
            "-Dintrospection=disabled", "-Ddocs=disabled",
        ],
    },
}
# A time-out is there to end what hangs: generous, for a machine that is shared costs nothing by it.
SLOWNESS = "6"
# Sanitizers end the program at the first finding: a test that goes on would hide it.
SANITIZER_ENVIRONMENT = {
    "ASAN_OPTIONS": "halt_on_error=1:abort_on_error=1:detect_leaks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:abort_on_error=1:print_stacktrace=1",
}


class Report:
    """Counts and prints; any thread."""

    def __init__(self):
        self.lock = threading.Lock()
        self.counts = {"ok": 0, "FAIL": 0, "skip": 0}
        self.skips = []

    def add(self, result, suite, name, seconds, detail=""):
        with self.lock:
            self.counts[result] += 1
            line = f"{result:<4}  {suite}: {name} ({seconds:.1f} s)"
            if result == "skip":
                self.skips.append(f"{suite}: {name}: {detail}")
                line += f": {detail}"
            print(line, flush=True)
            if result == "FAIL" and detail:
                lines = detail.rstrip().splitlines()[-LOG_LINES:]
                print("\n".join("      | " + text for text in lines), flush=True)

    def close(self):
        if self.skips:
            print("\nskipped:")
            print("\n".join("  " + skip for skip in sorted(self.skips)))
        ok, failed, skipped = (self.counts[key] for key in ("ok", "FAIL", "skip"))
        print(f"{ok} passed, {failed} failed, {skipped} skipped", flush=True)
        return failed == 0 and ok > 0


REPORT = Report()


def run_logged(command, environment=None):
    """Runs to the end: success, seconds, all output."""
    begin = time.monotonic()
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
    )
    return done.returncode == 0, time.monotonic() - begin, done.stdout


def build(directory, suite):
    """Configures and builds one directory; itself a test, for warnings are errors here."""
    settings = BUILDS[directory]
    output = ""
    begin = time.monotonic()
    ok = True
    if not os.path.exists(os.path.join(ROOT, directory, "build.ninja")):
        ok, _, output = run_logged(
            ["meson", "setup", "--wipe" if os.path.isdir(f"{ROOT}/{directory}") else directory]
            + ([directory] if os.path.isdir(f"{ROOT}/{directory}") else [])
            + settings["options"],
            {"CC": settings["CC"]},
        )
    if ok:
        ok, _, more = run_logged(["ninja", "-C", directory, "-j", str(LANES)])
        output += more
        warnings = [line for line in output.splitlines() if re.search(r"\bwarning: ", line)]
        if ok and warnings:
            ok, output = False, "\n".join(warnings)
    REPORT.add("ok" if ok else "FAIL", suite, f"build with {directory}", time.monotonic() - begin,
               output)
    return ok


def skip_reason(test):
    """What the program said last before it skipped itself."""
    lines = (test.get("stdout", "") + "\n" + test.get("stderr", "")).strip().splitlines()
    return lines[-1].strip() if lines else "no reason given"


def meson_suite(directory, suite, label):
    """One suite of one build directory, its results from meson's own log."""
    log_base = f"testlog-{label.replace(' ', '-')}"
    log = os.path.join(ROOT, directory, "meson-logs", log_base + ".json")
    if os.path.exists(log):
        os.unlink(log)
    environment = {"CK_TIMEOUT_MULTIPLIER": SLOWNESS}
    if directory == "build-san":
        environment.update(SANITIZER_ENVIRONMENT)
    ok, seconds, output = run_logged(
        ["meson", "test", "-C", directory, "--no-rebuild", "--suite", suite, "--logbase", log_base,
         "--num-processes", "1", "--timeout-multiplier", SLOWNESS],
        environment,
    )
    n_failed = n_tests = 0
    if os.path.exists(log):
        with open(log, encoding="utf-8") as file:
            for line in file:
                test = json.loads(line)
                n_tests += 1
                name = test["name"].split(" / ")[-1]
                if test["result"] in ("OK", "EXPECTEDFAIL"):
                    REPORT.add("ok", label, name, test["duration"])
                elif test["result"] == "SKIP":
                    REPORT.add("skip", label, name, test["duration"], skip_reason(test))
                else:
                    n_failed += 1
                    detail = (test.get("stdout") or "") + (test.get("stderr") or "")
                    REPORT.add("FAIL", label, f"{name} [{test['result']}]", test["duration"],
                               detail)
    if n_tests == 0 or (not ok and n_failed == 0):
        REPORT.add("FAIL", label, "meson test", seconds, output or "no test ran")


def tap_suite(label, command):
    """A program that prints TAP lines as it goes: "ok N - name", "not ok ...", "# SKIP reason"."""
    begin = last = time.monotonic()
    planned = seen = 0
    detail = []
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace",
    )
    for line in process.stdout:
        line = line.rstrip()
        plan = re.fullmatch(r"1\.\.(\d+)", line)
        match = re.fullmatch(r"(not )?ok \d+ - (.*?)(?: # SKIP (.*))?(?: # time=([\d.]+))?", line)
        if plan:
            planned = int(plan[1])
        elif match:
            now = time.monotonic()
            result = "FAIL" if match[1] else "skip" if match[3] is not None else "ok"
            REPORT.add(result, label, match[2], float(match[4] or now - last),
                       match[3] or "\n".join(detail))
            seen, last, detail = seen + 1, now, []
        else:
            detail.append(line)
    code = process.wait()
    if planned == 0 or seen != planned:
        REPORT.add("FAIL", label, f"all of {planned or 'the'} tests ran (exit code {code})",
                   time.monotonic() - begin, "\n".join(detail))


def lint():
    checks = subprocess.run(
        ["sh", "-c", ". tools/run.d/lint.sh; echo $lint_checks"],
        cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
    ).stdout.split()
    for check in checks:
        ok, seconds, output = run_logged(
            ["sh", "-euc", ". tools/run.d/packages.sh; . tools/run.d/lint.sh; lint_" + check])
        REPORT.add("ok" if ok else "FAIL", "lint", check.replace("_", "-"), seconds, output)


class Plan:
    """Steps with what they need, worked off by LANES threads in the order given."""

    def __init__(self):
        self.steps = []  # (name, needs, function)
        self.results = {}
        self.started = set()
        self.changed = threading.Condition()

    def add(self, name, needs, function):
        self.steps.append((name, needs, function))

    def _take(self):
        """The next step that can run; None when none is left. Called with the lock held."""
        while len(self.started) < len(self.steps):
            for name, needs, function in self.steps:
                if name in self.started or any(need not in self.results for need in needs):
                    continue
                self.started.add(name)
                return name, needs, function
            self.changed.wait()
        return None

    def _work(self):
        while True:
            with self.changed:
                step = self._take()
            if step is None:
                return
            name, needs, function = step
            good = False
            try:
                if all(self.results[need] for need in needs):
                    good = function() is not False
            except Exception as error:  # a broken step must not pass as a finished one
                REPORT.add("FAIL", name, "runner", 0, repr(error))
            with self.changed:
                self.results[name] = good
                self.changed.notify_all()

    def run(self):
        lanes = [threading.Thread(target=self._work) for _ in range(LANES)]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()


def make_plan(suites):
    plan = Plan()
    first = next((suite for suite in SUITES if suite in suites and suite != "lint"), None)
    if first:
        plan.add("build-test", [], lambda: build("build-test", first))
    if "host-x86" in suites:
        plan.add("host-x86", ["build-test"], lambda: tap_suite(
            "host-x86", ["/usr/bin/python3", "tests/host/suite.py", "build-test"]))
    if "unit" in suites:
        plan.add("build-clang", [], lambda: build("build-clang", "unit"))
    sanitized = [suite for suite in SANITIZED_SUITES if suite in suites]
    if sanitized:
        plan.add("build-san", [], lambda: build("build-san", sanitized[0]))
    if "lint" in suites:
        plan.add("lint", [], lint)
    for suite in [suite for suite in MESON_SUITES if suite in suites]:
        plan.add(suite, ["build-test"],
                 lambda suite=suite: meson_suite("build-test", suite, suite))
    for suite in sanitized:
        plan.add(f"{suite} sanitized", ["build-san"],
                 lambda suite=suite: meson_suite("build-san", suite, f"{suite} sanitized"))
    return plan


def main():
    suites = sys.argv[1:] or SUITES
    unknown = [suite for suite in suites if suite not in SUITES]
    if unknown:
        print(f"unknown suite {unknown[0]}; there are: {' '.join(SUITES)}", file=sys.stderr)
        return 2
    make_plan(suites).run()
    return 0 if REPORT.close() else 1


if __name__ == "__main__":
    sys.exit(main())
