#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The examples of libvmclient, as a reader would run them: on /dev/kvm where there is one."""

import json
import os
import shutil
import signal
import subprocess
import sys
import unittest

import harness

EXAMPLES = os.path.join(harness.BUILD, "libvmclient", "examples")
PYTHON_EXAMPLE = os.path.join(harness.SOURCE, "libvmclient", "examples", "run-vm.py")
BARE = os.path.join(harness.BUILD, "guest", "bare")
SANITIZED = "VMSERVICE_SANITIZED" in os.environ
TYPELIB = os.path.exists(os.path.join(harness.BUILD, "libvmclient", "VmClient-1.typelib"))


class ExampleTest(harness.SystemTest):
    def environment(self):
        return dict(os.environ, DBUS_SESSION_BUS_ADDRESS=self.bus.address)

    def write_config(self, **keys):
        path = os.path.join(self.folder, "vm.json")
        with open(path, "w", encoding="utf-8") as out:
            json.dump(keys, out)
        return path

    def run_example(self, *command, status=0):
        result = subprocess.run(command, env=self.environment(), cwd="/", text=True,
                                capture_output=True, timeout=5 * harness.DEADLINE, check=False)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        return result

    def c_example(self, name, *arguments, **keys):
        return self.run_example(os.path.join(EXAMPLES, name), *arguments, **keys)


@unittest.skipUnless(os.access("/dev/kvm", os.R_OK | os.W_OK), "needs a usable /dev/kvm")
class KvmTest(ExampleTest):
    """A bare guest on the real monitor."""

    monitor = harness.REAL_MONITOR
    kvm = None

    @unittest.skipUnless(TYPELIB, "this build has no introspection data")
    def test_twenty_lines_of_python(self):
        with open(PYTHON_EXAMPLE, encoding="utf-8") as source:
            self.assertLessEqual(len(source.readlines()), 20)
        config = self.write_config(kernel=os.path.join(BARE, "bare-countdown"), memory_mib=16,
                                   params="exit=5")
        said = self.run_example(sys.executable, PYTHON_EXAMPLE, config).stdout
        self.assertRegex(said, r"^run [0-9a-f]{32}\nended: shutdown \d+\n$")
        self.assertEqual(self.client.names(), [])

    def test_run_vm(self):
        config = self.write_config(kernel=os.path.join(BARE, "bare-hello"), memory_mib=16)
        result = self.c_example("run-vm", config)
        self.assertIn("hello from a virtual machine", result.stdout)
        self.assertIn("run-vm: SHUTDOWN: ", result.stderr)
        self.assertEqual(self.client.names(), [])


class FakeTest(ExampleTest):
    """What needs no guest."""

    def config_of(self, *words):
        return self.write_config(kernel="kernel", memory_mib=2, params=" ".join(words))

    def test_exit_code(self):
        config = self.config_of("start=payload:started,finished", "running=end:SHUTDOWN")
        result = self.c_example("run-vm", config, status=7)
        self.assertEqual(result.stdout, "fake console\n")

    def test_crash(self):
        self.assertIn("GUEST_PANIC", self.c_example(
            "run-vm", self.config_of("running=end:GUEST_PANIC"), status=1).stderr)

    def test_refusals(self):
        self.assertIn("No such file", self.c_example(
            "run-vm", os.path.join(self.folder, "absent.json"), status=125).stderr)
        self.assertIn("vm.json: line 1", self.c_example(
            "run-vm", self.write_text("{"), status=125).stderr)
        self.assertIn("/kernel", self.c_example(
            "run-vm", self.write_config(kernel="absent"), status=125).stderr)
        self.assertIn("usage", self.c_example("run-vm", status=125).stderr)
        self.daemon.kill()
        self.assertIn("systemctl start vmserviced", self.c_example(
            "run-vm", self.config_of(), status=125).stderr)
        self.assertIn("systemctl start vmserviced",
                      self.c_example("watch-vms", status=1).stderr)

    def write_text(self, text):
        path = os.path.join(self.folder, "vm.json")
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path

    @unittest.skipIf(SANITIZED, "valgrind cannot run a sanitized program")
    @unittest.skipUnless(shutil.which("valgrind"), "needs valgrind")
    def test_no_leak(self):
        """Nothing lost, no bad read, no descriptor left, on the good path and on a bad one."""
        config = self.config_of("running=end:SHUTDOWN")
        command = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full",
                   "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite",
                   "--suppressions=/usr/share/glib-2.0/valgrind/glib.supp",
                   os.path.join(EXAMPLES, "run-vm")]
        command = [word for word in command
                   if not word.startswith("--suppressions=") or os.path.exists(word[15:])]
        self.run_example(*command, config)
        self.run_example(*command, self.write_config(kernel="absent"), status=125)

    def watch(self):
        watcher = subprocess.Popen([os.path.join(EXAMPLES, "watch-vms")], text=True,
                                   env=self.environment(), stdout=subprocess.PIPE)
        self.addCleanup(watcher.stdout.close)
        self.addCleanup(watcher.wait)
        self.addCleanup(watcher.kill)
        return watcher

    def read_until(self, watcher, word):
        lines = []
        while not lines or word not in lines[-1]:
            lines.append(watcher.stdout.readline())
            self.assertNotEqual(lines[-1], "", lines)
        return lines

    def test_watch(self):
        watcher = self.watch()
        self.assertEqual(self.read_until(watcher, "watching"), ["watching 0 machines\n"])
        path = self.create("one", "running=payload:started,finished")
        run = self.client.property(path, "RunId")
        lines = self.read_until(watcher, "payload finished: 7")
        self.assertEqual(lines[0], "one is there\n")
        self.assertIn(f"one {run} is running\n", lines)
        pid = self.client.property(path, "MonitorPid")
        self.daemon.kill()
        os.kill(pid, signal.SIGKILL)
        self.assertEqual(self.read_until(watcher, "the daemon"), ["the daemon is away\n"])
        self.daemon.start()
        lines = self.read_until(watcher, f"one {run} ended: KILLED")
        self.assertIn("the daemon is back\n", lines)
        self.client.machine(path, "Delete")
        self.assertEqual(self.read_until(watcher, "is gone"), ["one is gone\n"])
        watcher.send_signal(signal.SIGINT)
        self.assertEqual(watcher.stdout.read(), "")
        self.assertEqual(watcher.wait(harness.DEADLINE), 0)


if __name__ == "__main__":
    unittest.main()
