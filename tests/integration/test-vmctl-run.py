#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vmctl run and logs: bare payloads on /dev/kvm, their output, exit codes and ends."""

import json
import os
import signal
import subprocess
import unittest

import harness
from vmctltest import GuestTest, payload


class Run(GuestTest):
    """A machine as if it were a program, without a terminal."""

    def names(self):
        return self.vmctl("list", "-a", "-o", "name").split()

    def wait_gone(self, *but):
        harness.wait_for(lambda: self.names() == list(but), "no machine is left")

    def test_output_and_exit_code(self):
        self.assertEqual(self.vmctl("run", payload("countdown"), "--", "from=3", "exit=7", code=7),
                         "3\n2\n1\nliftoff\n")
        self.assertEqual(self.names(), [])

    def test_short_runs_lose_nothing(self):
        """The console is there before the first instruction: also a run of a millisecond is seen."""
        expected = self.vmctl("run", payload("hello"))
        self.assertIn("hello from a virtual machine\n", expected)
        for _ in range(20):
            self.assertEqual(self.vmctl("run", payload("hello")), expected)
        self.assertEqual(self.names(), [])

    def test_from_a_configuration(self):
        path = self.write("c.json", {"kernel": payload("countdown"), "params": "from=1 exit=3",
                                     "name": "mine"})
        self.assertEqual(self.vmctl("run", path, code=3), "1\nliftoff\n")
        self.assertEqual(self.vmctl("run", path, "--params=from=2 exit=4", code=4),
                         "2\n1\nliftoff\n")
        name = self.vmctl("run", "-d", path, "--kernel", payload("hang")).strip()
        self.assertRegex(name, "^mine-[0-9a-f]{8}$")
        self.vmctl("kill", name)

    def test_exit_codes_beyond_a_byte(self):
        self.vmctl("run", payload("countdown"), "--", "from=0", "exit=255", code=255)
        self.vmctl("run", payload("countdown"), "--", "from=0", "exit=256", code=255,
                   says="exit code 256")

    def test_ends_that_are_ours(self):
        self.vmctl("run", payload("crash"), code=125, says="GUEST_PANIC")
        self.assertEqual(self.names(), [])

    def test_refusals_are_ours(self):
        truncated = os.path.join(self.folder, "truncated")
        with open(payload("hello"), "rb") as whole, open(truncated, "wb") as part:
            part.write(whole.read(300))
        for args, words in (((), "nothing to boot"),
                            (("absent",), "No such file"),
                            ((truncated,), ""),
                            (("--bogus",), "unknown option"),
                            ((payload("hello"), "--memory=1000000G"), "memory"),
                            ((payload("hello"), "--name=a/b"), "name"),
                            ((payload("hello"), "--rm", "--keep"), "exclude each other"),
                            ((payload("hello"), "-d", "-i"), "exclude each other"),
                            ((payload("hello"), "extra"), "one argument too many")):
            with self.subTest(args=args):
                self.assertEqual(self.vmctl("run", *args, code=125, says=["vmctl: ", words]), "")
        self.assertEqual(self.names(), [])

    def test_name(self):
        name = self.vmctl("run", "-d", "--name=web", payload("hang")).strip()
        self.assertEqual(name, "web")
        self.vmctl("run", "--name=web", payload("hello"), code=125, says="web")
        self.vmctl("stop", "web")
        self.wait_gone()

    def test_keep(self):
        self.vmctl("run", "--keep", "--name=web", payload("countdown"), "--", "exit=5", code=5)
        self.assertEqual(self.names(), ["web"])
        self.assertIn("liftoff", self.vmctl("logs", "web"))
        self.vmctl("start", "--wait", "web", code=1)
        self.assertEqual(self.vmctl_json("show", "-p", "PayloadExitCode", "web"),
                         [{"PayloadExitCode": 5}])

    def test_output_is_escaped(self):
        """The input comes before the guest runs, and waits for it."""
        text = b"\033[31mred\r\n\a\x04"
        self.assertEqual(self.vmctl("run", "-i", payload("echo"), input=text, text=False),
                         b"echo: ready\n\\x1b[31mred\n\\x07")
        self.assertEqual(self.vmctl("run", "-i", "--raw", payload("echo"), input=text, text=False),
                         b"echo: ready\n\033[31mred\r\n\a")

    def test_without_interactive_nothing_is_sent(self):
        process = self.begin("run", "--name=web", payload("echo"), stdin=subprocess.PIPE)
        process.stdin.write(b"not for the guest\x04")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), b"echo: ready\n")
        self.vmctl("stop", "web")
        self.assertEqual(process.stdout.read(), b"")
        self.assertEqual(process.wait(harness.DEADLINE), 0)

    def begin_hang(self, *words):
        process = self.begin("run", "--name=web", payload("hang"), "--", *words)
        self.assertEqual(process.stdout.readline(), b"hanging\n")
        return process

    def test_interrupt_stops_gracefully(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            with self.subTest(number=number):
                process = self.begin_hang()
                process.send_signal(number)
                self.assertEqual(process.wait(harness.DEADLINE), 0)
                self.assertIn(b"power button", process.stdout.read())
                self.assertIn(b"^C again kills it", process.stderr.read())
                self.wait_gone()

    def test_second_interrupt_kills(self):
        process = self.begin_hang("ignore_button")
        process.send_signal(signal.SIGINT)
        self.assertIn(b"power button ignored", process.stdout.readline())
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(harness.DEADLINE), 125)
        self.assertIn(b"KILLED", process.stderr.read())
        self.wait_gone()

    def test_killed_itself_it_leaves_nothing(self):
        process = self.begin_hang("ignore_button")
        process.kill()
        process.wait()
        self.wait_gone()

    def test_reader_goes_away(self):
        """vmctl run ... | head -1 does not run for ever, and says nothing."""
        process = self.begin("run", payload("flood"))
        self.assertEqual(process.stdout.readline(), b"flood 0\n")
        process.stdout.close()
        process.stdout = None
        self.assertEqual(process.wait(harness.DEADLINE), -signal.SIGPIPE)
        self.assertEqual(process.stderr.read(), b"")
        self.wait_gone()


class Logs(GuestTest):
    """What a machine printed, while it runs and afterwards."""

    def create_flood(self, lines, **keys):
        path = self.write("flood.json", {"kernel": payload("flood"), "params": f"lines={lines}",
                                         "memory_mib": 16, **keys})
        self.vmctl("create", "flood", path)

    def test_log(self):
        self.create_flood(100)
        self.vmctl("start", "--wait", "flood")
        expected = "".join(f"flood {i}\n" for i in range(100))
        self.assertEqual(self.vmctl("logs", "flood"), expected)
        self.assertEqual(self.vmctl("logs", "-n", "2", "flood"), "flood 98\nflood 99\n")
        self.assertEqual(self.vmctl("logs", "-n0", "flood"), "")
        self.assertEqual(self.vmctl("logs", "-f", "flood"), expected)  # it does not run: all of it
        self.assertIn("flood 99\n", self.vmctl("status", "flood", code=3))
        self.assertNotIn("flood 9\n", self.vmctl("status", "-n3", "flood", code=3))
        self.vmctl("logs", "-n", "few", "flood", code=2, says="not a whole number")
        self.vmctl("logs", "-f", "--previous", "flood", code=2, says="exclude each other")

    def test_two_parts(self):
        self.create_flood(9000, console_log_kib=64)
        self.vmctl("start", "--wait", "flood")
        both = "".join(self.vmctl("logs", "--raw", *part, "flood") for part in (["--previous"], []))
        lines = both.split("\n")
        self.assertEqual(lines[-2], "flood 8999")
        first = int(lines[1].split()[1])
        self.assertEqual(lines[1:-1], [f"flood {i}" for i in range(first, 9000)])

    def type_to(self, name, text):
        """By a console that is held open until the guest has sent it back."""
        process = self.begin("console", "--raw", "--no-scrollback", name, stdin=subprocess.PIPE)
        process.stdin.write(text)
        process.stdin.flush()
        self.assertEqual(process.stdout.read(len(text)), text)
        self.finish(process)

    def test_log_is_escaped(self):
        self.vmctl("create", "web", payload("echo"), "--start")
        harness.wait_for(lambda: "ready" in self.vmctl("logs", "web"), "the guest is ready")
        self.type_to("web", b"\033[31m")
        self.vmctl("stop", "web")
        self.assertEqual(self.vmctl("logs", "web"), "echo: ready\n\\x1b[31m\n")
        self.assertEqual(self.vmctl("logs", "--raw", "web"), "echo: ready\n\033[31m")
        self.assertIn("\\x1b[31m", self.vmctl("status", "web", code=3))

    def test_follow(self):
        self.vmctl("create", "web", payload("echo"), "--start")
        process = self.begin("logs", "-f", "web", text=True)
        self.assertEqual(process.stdout.readline(), "echo: ready\n")
        for i in range(5):
            self.type_to("web", b"line %d\n" % i)
            self.assertEqual(process.stdout.readline(), f"line {i}\n")
        self.vmctl("stop", "web")
        self.assertEqual(process.wait(harness.DEADLINE), 0)
        self.assertEqual(process.stdout.read(), "")
        self.assertIn("web has ended: SHUTDOWN", process.stderr.read())

    def test_never_run(self):
        self.create_flood(1)
        self.vmctl("logs", "flood", code=1, says="flood")

    def test_statistics_of_a_real_guest(self):
        self.vmctl("create", "web", payload("echo"), "--start", "--memory=16")
        # "Running" comes before the first instruction; what has printed has left the guest.
        harness.wait_for(lambda: "echo: ready" in self.vmctl("logs", "web"), "the payload's line")
        stats = json.loads(self.vmctl("status", "web", "-o", "jsonl"))["Stats"]
        self.assertEqual(stats["memory_bytes"], 16 << 20)
        self.assertGreater(stats["exits"]["io"], 0)
        self.assertGreater(stats["rss_bytes"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
