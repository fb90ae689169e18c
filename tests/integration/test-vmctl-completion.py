#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The completions of vmctl in the shells themselves: bash, zsh and fish are asked what they offer.

The shells call a stand-in for vmctl that knows four machines: what is tested is the shell code.
"""
import os
import pathlib
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

COMPLETIONS = pathlib.Path(__file__).resolve().parents[2] / "data/completions"
DEADLINE = 60

STAND_IN = """#!/bin/sh
case "$*" in
"--system list -o name") printf 'web\\ndb\\n' ;;
"--system list -a -o name") printf 'web\\ndb\\nold\\n' ;;
"--user list -o name") printf 'mine\\n' ;;
"--user list -a -o name") printf 'mine\\nmine-old\\n' ;;
esac
"""

BASH = r"""
. "$COMPLETIONS/vmctl"
IFS=$'\n' read -r -d '' -a COMP_WORDS <<<"$1"$'\n'
[[ $2 == blank ]] && COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_vmctl
printf '%s\n' "${COMPREPLY[@]}"
"""

ZSH = r"""
PS1='READY> '
unset zle_bracketed_paste
fpath=($COMPLETIONS $fpath)
autoload -Uz compinit; compinit -D -u
bindkey '^I' complete-word
zstyle ':completion:*' insert-tab false
offered_done () { print DONE >> $HITS }
compadd () {
  if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return $?; fi
  local -a hits
  builtin compadd -A hits "$@"
  (( $#hits )) && print -l -- $hits >> $HITS
  builtin compadd "$@"
}
comppostfuncs=(offered_done)
"""


def bash_words(line):
    """As readline cuts it: = is a word of its own."""
    words = []
    for word in line.split():
        head, equals, tail = word.partition("=")
        words += [head] + ([equals] if equals else []) + ([tail] if tail else [])
    return words


class Shell(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)
        (self.path / "bin").mkdir()
        stand_in = self.path / "bin/vmctl"
        stand_in.write_text(STAND_IN)
        stand_in.chmod(0o755)
        (self.path / "work").mkdir()
        (self.path / "work/config.json").write_text("{}")
        self.environment = dict(os.environ, PATH="%s:%s" % (self.path / "bin", os.environ["PATH"]),
                                HOME=self.folder.name, XDG_CONFIG_HOME=self.folder.name, TERM="dumb",
                                COMPLETIONS=str(COMPLETIONS), ZDOTDIR=self.folder.name, LC_ALL="C.UTF-8")
        self.environment.pop("VMCTL_MODE", None)

    def offered_by_bash(self, line):
        words = bash_words(line)
        result = subprocess.run(
            ["bash", "--norc", "-c", BASH, "bash", "\n".join(words),
             "blank" if line.endswith(" ") else ""],
            env=self.environment, cwd=self.path / "work", capture_output=True, text=True,
            timeout=DEADLINE, check=True)
        self.assertEqual(result.stderr, "")
        return [word for word in result.stdout.split("\n") if word]

    def offered_by_fish(self, line):
        fish = self.path / "fish/completions"
        fish.mkdir(parents=True, exist_ok=True)
        shutil.copy(COMPLETIONS / "vmctl.fish", fish)
        result = subprocess.run(["fish", "-c", "complete -C '%s'" % line], env=self.environment,
                                cwd=self.path / "work", capture_output=True, text=True,
                                timeout=DEADLINE, check=True)
        self.assertEqual(result.stderr, "")
        return [word.split("\t")[0] for word in result.stdout.split("\n") if word]

    def offered_by_zsh(self, line):
        hits = self.path / "hits"
        hits.write_text("")
        (self.path / ".zshrc").write_text(ZSH)
        environment = dict(self.environment, HITS=str(hits))
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.path / "work")
            os.execvpe("zsh", ["zsh", "-i", "-o", "NO_GLOBAL_RCS"], environment)
        try:
            self.wait_for_zsh(terminal, lambda seen: b"READY>" in seen)
            os.write(terminal, line.encode() + b"\t")
            self.wait_for_zsh(terminal, lambda seen: "DONE" in hits.read_text())
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(terminal)
        return [word for word in hits.read_text().split("\n") if word and word != "DONE"]

    def wait_for_zsh(self, terminal, condition):
        seen, end = b"", time.monotonic() + DEADLINE
        while not condition(seen):
            self.assertLess(time.monotonic(), end, "zsh shows %r" % seen)
            if select.select([terminal], [], [], 0.05)[0]:
                seen += os.read(terminal, 65536)

    def test_mode_from_the_environment(self):
        self.environment["VMCTL_MODE"] = "user"
        for shell in filter(shutil.which, SHELLS):
            with self.subTest(shell=shell):
                offered_by = getattr(self, "offered_by_" + shell)
                self.assertEqual(offered_by("vmctl stop "), ["mine"])
                self.assertEqual(sorted(offered_by("vmctl --system stop ")), ["db", "web"])


SHELLS = ("bash", "zsh", "fish")
VERBS = ["info", "doctor", "validate", "create", "cat", "set-config", "delete", "run", "start", "stop",
         "kill", "reboot", "pause", "resume", "wait", "list", "status", "show", "console", "logs", "events"]

# A command line, and exactly what is offered to go on with.
EXACT = [
    ("vmctl ", VERBS),
    ("vmctl st", ["start", "stop", "status"]),
    ("vmctl -o json li", ["list"]),
    ("vmctl stop ", ["web", "db"]),
    ("vmctl start ", ["old"]),
    ("vmctl cat ", ["web", "db", "old"]),
    ("vmctl --user start ", ["mine-old"]),
    ("vmctl status web d", ["db"]),
    ("vmctl list -o ", ["table", "json", "jsonl", "name"]),
    ("vmctl show -p Sto", ["StopReason", "StopDetail", "StoppedAt"]),
    ("vmctl show -p State w", ["web"]),
    ("vmctl run c", ["config.json"]),
    ("vmctl create new c", ["config.json"]),
    ("vmctl list --fo", []),
    ("vmctl logs --fo", ["--follow"]),
]

# A command line, what is among the offers, and what is not.
AMONG = [
    ("vmctl list --", ["--all", "--output", "--no-legend", "--help", "--user"], ["--follow", "--dump-verbs"]),
    ("vmctl run --", ["--rm", "--keep", "--memory", "--kernel"], ["--steal"]),
]


def stripped(offers):
    """--output= and --output are the same offer."""
    return sorted({offer.rstrip("=") for offer in offers})


def make_test(shell):
    def test(self):
        if not shutil.which(shell):
            self.skipTest("%s is not installed" % shell)
        offered_by = getattr(self, "offered_by_" + shell)
        for line, expected in EXACT:
            with self.subTest(line=line):
                self.assertEqual(stripped(offered_by(line)), sorted(expected))
        for line, there, absent in AMONG:
            with self.subTest(line=line):
                offers = stripped(offered_by(line))
                self.assertLessEqual(set(there), set(offers))
                self.assertFalse(set(absent) & set(offers), offers)
        with self.subTest("a list goes on behind its comma"):
            self.assertEqual({offer.rpartition(",")[2] for offer in
                              offered_by("vmctl show -p State,Sto")},
                             {"StopReason", "StopDetail", "StoppedAt"})
        with self.subTest("value behind ="):
            self.assertEqual({offer.rpartition("=")[2] for offer in offered_by("vmctl list --output=j")},
                             {"json", "jsonl"})
    return test


for name in SHELLS:
    setattr(Shell, "test_" + name, make_test(name))

if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
