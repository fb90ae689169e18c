#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vmctl's verbs about machines, with the real daemon and a monitor that does as it is told."""

import json
import os
import select
import signal
import subprocess
import unittest

import harness
from vmctltest import VmctlTest


class Definitions(VmctlTest):
    """validate, create, cat, set-config, delete."""

    def test_create_from_a_configuration(self):
        path = self.write("web.json", {"kernel": "kernel", "memory_mib": 5, "x-note": "mine"})
        self.assertEqual(self.vmctl("create", "web", path), "")
        self.assertEqual(json.loads(self.vmctl("cat", "web"))["memory_mib"], 5)
        self.assertEqual(self.state_of("web"), "stopped")

    def test_file_names_are_relative_to_the_configuration(self):
        os.mkdir(os.path.join(self.folder, "sub"))
        self.write("sub/image", "an image")
        self.write("sub/web.json", {"kernel": "image"})
        self.vmctl("create", "web", "sub/web.json")

    def test_create_from_standard_input(self):
        self.vmctl("create", "web", "-", input=json.dumps({"kernel": "kernel"}))
        self.vmctl("create", "bad", "-", input="{", code=1, says="standard input")
        self.vmctl("create", "bad", "-", input="x" * 40000, code=1, says="more than 32 KiB")
        self.assertEqual(self.vmctl("list", "-a", "-o", "name"), "web\n")

    def test_options_complete_and_change(self):
        path = self.write("web.json", {"kernel": "other", "memory_mib": 5, "params": "a=1",
                                       "cpu_topology": "match_host"})
        self.vmctl("create", "web", path, "--kernel", self.image, "--memory=1G", "--cpus", "2",
                   "--", "b=2", "c")
        config = json.loads(self.vmctl("cat", "web"))
        self.assertEqual((config["memory_mib"], config["cpu_count"], config["params"]),
                         (1024, 2, "a=1 b=2 c"))
        self.vmctl("create", "other", "--kernel=kernel", "--params=x", "--memory", "7")
        self.assertEqual(json.loads(self.vmctl("cat", "other"))["params"], "x")

    def test_bad_options(self):
        for args, code, words in ((["--memory=x"], 2, "--memory=x: not a size"),
                                  (["--memory=0"], 1, "must be from 2 to"),
                                  (["--memory=9999999G"], 1, "must be from 2 to"),
                                  (["--cpus=0"], 1, "must be from 1 to"),
                                  (["--cpus=5000000000"], 1, "must be from 1 to"),
                                  (["--cpus=many"], 2, "not a whole number")):
            with self.subTest(args=args):
                self.vmctl("create", "web", "--kernel=kernel", *args, code=code, says=words)
        self.vmctl("create", "web", code=2, says="nothing to boot")
        self.assertEqual(self.vmctl("list", "-a", "-o", "name"), "")

    def test_what_is_no_image(self):
        self.write("script", "#!/bin/sh\n")
        self.write("kernel.gz", "\x1f")
        with open(os.path.join(self.folder, "kernel.gz"), "wb") as file:
            file.write(b"\x1f\x8b\x08")
        os.mkfifo(os.path.join(self.folder, "fifo"))
        for name, words in (("script", "neither a configuration"), ("kernel.gz", "is compressed"),
                            ("absent", "No such file"), (".", "Is a directory"),
                            ("fifo", "neither a configuration")):
            with self.subTest(name=name):
                self.vmctl("create", "web", name, code=1, says=words)

    def test_name_is_taken(self):
        self.create("web", start=False)
        self.vmctl("create", "web", "--kernel=kernel", code=1, says="web")
        self.vmctl("create", "web", "--kernel=kernel", "--exist-ok", "--memory=9")
        self.assertEqual(json.loads(self.vmctl("cat", "web"))["memory_mib"], 2)

    def test_impossible_names(self):
        for name in ("a/b", "", ".x", "-", "x" * 300, "x\n", "\033[31m"):
            with self.subTest(name=name):
                self.vmctl("create", name, "kernel", code=2, says="cannot be a machine's name")
                self.vmctl("status", "--", name, code=2, says="cannot be a machine's name")

    def test_create_and_start(self):
        self.vmctl("create", "web", "--kernel=kernel", "--start")
        self.assertEqual(self.state_of("web"), "running")
        self.vmctl("create", "bad", "--kernel=kernel", "--params=start=refuse", "--start", code=1,
                   says="refused as asked")
        self.assertEqual(self.vmctl("list", "-a", "-o", "name"), "web\n")

    def test_validate(self):
        good = self.write("good.json", {"kernel": "kernel"})
        self.assertEqual(self.vmctl("validate", good), f"{good}: valid\n")
        self.assertEqual(self.vmctl("validate", "-q", good), "")
        self.assertEqual(json.loads(self.vmctl("validate", "--print", good))["memory_mib"], 256)

    def test_validate_where_the_caller_is(self):
        """Names are relative: the configuration's to the caller, its files' to itself."""
        os.makedirs(os.path.join(self.folder, "sub/folder"))
        self.write("sub/image", "an image")
        self.write("sub/web.json", {"kernel": "image"})
        self.write("here.json", {"kernel": "kernel"})
        for name in ("here.json", "sub/web.json", "./sub/../here.json"):
            with self.subTest(name=name):
                self.assertEqual(self.vmctl("validate", name), f"{name}: valid\n")
        self.vmctl("validate", "-", input=json.dumps({"kernel": "sub/image"}))
        self.write("sub/web.json", {"kernel": "folder"})
        os.mkfifo(os.path.join(self.folder, "fifo"))
        self.write("here.json", {"kernel": "fifo"})
        self.vmctl("validate", "sub/web.json", code=1,
                   says='"folder" is a directory. Name a regular file.')
        self.vmctl("validate", "here.json", code=1, says='"fifo" is not a file of bytes')

    def test_validate_names_cause_and_place(self):
        cases = (
            ({"kernel": "kernel", "memry_mib": 5}, ["/memry_mib", 'did you mean "memory_mib"']),
            ({"kernel": "kernel", "memory_mib": "5"}, ["/memory_mib"]),
            ({"kernel": "kernel", "memory_mib": 1 << 30}, ["/memory_mib", "1048576"]),
            ({"kernel": "kernel", "bootloader": "kernel"}, ["bootloader", "kernel"]),
            ({"kernel": "absent"}, ['"absent"', "No such file"]),
            ("{\"kernel\": ", ["bad.json"]),
            ("[]", ["bad.json"]),
        )
        good = self.write("good.json", {"kernel": "kernel"})
        for config, words in cases:
            with self.subTest(config=config):
                bad = self.write("bad.json", config)
                out = self.vmctl("validate", bad, good, code=1, says=words)
                self.assertEqual(out, f"{good}: valid\n")  # the others are looked at all the same

    def test_set_config(self):
        self.create("web", start=False)
        path = self.write("new.json", {"kernel": "kernel", "memory_mib": 7})
        self.vmctl("set-config", "web", path)
        self.assertEqual(json.loads(self.vmctl("cat", "web"))["memory_mib"], 7)
        self.vmctl("start", "web")
        self.vmctl("set-config", "web", path, code=1, says="web:")

    def test_delete(self):
        for name in ("a", "b", "c"):
            self.create(name, start=False)
        self.create("running")
        self.vmctl("delete", "a", "b")
        self.vmctl("delete", "running", "c", code=1, says="running: ")
        self.assertEqual(self.vmctl("list", "-a", "-o", "name"), "running\n")
        self.vmctl("delete", "--force", "running")
        self.vmctl("delete", "running", code=4, says="running")


class Runs(VmctlTest):
    """start, stop, kill, reboot, pause, resume, wait."""

    def test_there_and_back(self):
        self.create("web", start=False)
        for verb, state in (("start", "running"), ("pause", "paused"), ("resume", "running"),
                            ("reboot", "running"), ("stop", "stopped"), ("start", "running"),
                            ("kill", "stopped")):
            with self.subTest(verb=verb):
                self.assertEqual(self.vmctl(verb, "web"), "")
                self.assertEqual(self.state_of("web"), state)

    def test_wrong_state(self):
        self.create("web", start=False)
        for verb in ("pause", "resume", "reboot"):
            with self.subTest(verb=verb):
                self.vmctl(verb, "web", code=1, says="web: ")
        self.vmctl("start", "web")
        self.vmctl("start", "web", code=1, says="web: ")

    def test_several(self):
        for name in ("a", "b", "c"):
            self.create(name)
        self.vmctl("stop", "a", "b", "c")
        self.assertEqual(self.vmctl("list", "-o", "name"), "")

    def test_named_twice(self):
        self.create("web", start=False)
        for verb in ("start", "stop", "delete"):
            with self.subTest(verb=verb):
                self.assertEqual(self.vmctl(verb, "web", "web"), "")

    def test_one_of_several_is_missing(self):
        self.create("a")
        self.create("b")
        self.vmctl("kill", "a", "nobody", "b", code=4, says="nobody")
        self.assertEqual(self.vmctl("list", "-o", "name"), "")

    def test_stop_kills_in_the_end(self):
        self.create("web", "button=silent")
        self.vmctl("stop", "--timeout=300ms", "web",
                   says=["web: the power button was pressed", "300ms", "it was killed", "--timeout"])
        self.assertEqual(self.vmctl("show", "-p", "StopReason", "--value", "web"), "KILLED\n")
        self.vmctl("start", "web")
        self.vmctl("stop", "-q", "--timeout=300ms", "web")
        self.vmctl("stop", "--timeout=soon", "web", code=2, says="--timeout=soon: not a time")

    def test_progress_on_a_terminal(self):
        self.create("a", "button=silent")
        self.create("b", "button=silent")
        terminal = self.terminal("stop", "a", "b", "--timeout=3")
        terminal.expect("waiting for a, b to power off (1 s of 3 s)...")
        terminal.expect("\r\033[K")
        self.assertEqual(terminal.wait(), 0)
        quiet = self.terminal("-q", "wait", "a", "b")
        self.assertEqual(quiet.wait(), 1)
        self.assertEqual(quiet.seen, b"")

    def test_interrupt_while_starting(self):
        """A start that hangs: the first signal is kept for later, the second ends the wait."""
        process = self.begin("run", "--name=web", "--kernel", self.image, "--params=start=hang")
        harness.wait_for(lambda: "web" in self.vmctl("list", "-o", "name"), "it is starting")
        process.send_signal(signal.SIGINT)
        self.assertIn(b"stopped once it has started", process.stderr.readline())
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(harness.DEADLINE), -signal.SIGINT)
        harness.wait_for(lambda: self.vmctl("list", "-ao", "name") == "", "nothing is left")

    def test_interrupt_while_attaching(self):
        """A console that is not given: what is awaited is said, and ^C ends the wait."""
        self.create("web", "console=silent")
        terminal = self.terminal("console", "web")
        terminal.expect("waiting for the console of web (1 s)...")
        terminal.send("\x03")
        self.assertEqual(terminal.wait(), -signal.SIGINT)

    def test_wait(self):
        self.create("web")
        waiting = self.begin("wait", "web", "-o", "json", text=True)
        self.vmctl("stop", "web")
        out, _ = waiting.communicate(timeout=harness.DEADLINE)
        self.assertEqual(waiting.returncode, 0)
        self.assertEqual(json.loads(out), [{"name": "web", "reason": "SHUTDOWN", "exit_code": None,
                                            "detail": "the guest powered off"}])
        self.assertIn("SHUTDOWN", self.vmctl("wait", "web"))
        self.assertEqual(self.vmctl("wait", "web", "--no-legend").split()[0], "web")

    def test_wait_for_a_bad_end(self):
        self.create("web", "running=end:GUEST_PANIC", start=False)
        out = self.vmctl("start", "--wait", "web", code=1)
        self.assertIn("GUEST_PANIC", out)

    def test_wait_runs_out(self):
        self.create("web", "running=payload:started")
        self.vmctl("wait", "web", "--timeout=200ms", code=1,
                   says=["web: the time is up", "the machine is running", '"started"', "--timeout"])
        self.assertEqual(self.state_of("web"), "running")

    def test_wait_for_what_never_ran(self):
        self.create("web", start=False)
        self.vmctl("wait", "web", code=1, says=["web", "never been run", "start it first"])

    def test_no_such_machine(self):
        for verb in ("start", "stop", "kill", "reboot", "pause", "resume", "wait", "status", "show",
                     "cat", "delete", "console", "logs", "events"):
            with self.subTest(verb=verb):
                self.vmctl(verb, "nobody", code=4,
                           says=['no machine named "nobody"', '"vmctl --user list -a" lists'])

    def test_no_such_machine_but_nearly(self):
        self.create("web-server", start=False)
        self.vmctl("start", "web-sever", code=4, says='Did you mean "web-server"?')


class Looking(VmctlTest):
    """list, status, show, events."""

    def test_list(self):
        self.assertEqual(self.vmctl("list"), "0 running, 0 stopped.\n")
        self.assertEqual(self.vmctl("list", "-a", "-o", "json"), "[\n]\n")
        self.create("web")
        self.create("old", start=False)
        lines = self.vmctl("list").split("\n")
        self.assertEqual(lines[0].split(), ["NAME", "STATE", "PAYLOAD", "SINCE", "PID"])
        self.assertEqual(lines[1].split()[:3], ["web", "running", "none"])
        self.assertEqual(lines[3], "1 running, 1 stopped (vmctl --user list -a shows them).")
        self.environment["VMCTL_MODE"] = "user"
        self.assertIn("(vmctl list -a shows them)", self.vmctl("list"))
        self.assertEqual(self.vmctl("list", "--no-legend").count("\n"), 1)
        self.assertEqual(self.vmctl("list", "-o", "name"), "web\n")
        self.assertEqual(self.vmctl("list", "-ao", "name"), "old\nweb\n")

    def test_list_for_programs(self):
        self.create("web", "running=payload:started,ready,finished")
        harness.wait_for(lambda: self.vmctl_json("list")[0]["payload_state"] == "finished",
                         "the payload has finished")
        row = self.vmctl_json("list")[0]
        self.assertEqual((row["name"], row["state"], row["payload_exit_code"], row["transient"]),
                         ("web", "running", 7, False))
        self.assertGreater(row["since_usec"], 1_600_000_000_000_000)
        self.assertTrue(row["object_path"].startswith("/org/vmservice1/machine/"))
        self.assertEqual(json.loads(self.vmctl("list", "-o", "jsonl")), row)

    def test_reader_goes_away(self):
        """vmctl list | head -1: no word, and the end by SIGPIPE that a shell expects."""
        for i in range(5):
            self.create(f"m{i}", start=False)
        listing = self.begin("list", "-a", "-o", "json", stdout=subprocess.PIPE)
        listing.stdout.close()
        listing.stdout = None
        self.assertEqual(listing.stderr.read(), b"")
        self.assertEqual(listing.wait(), -13)

    def test_output_is_full(self):
        self.create("web")
        with open("/dev/full", "w", encoding="utf-8") as full:
            listing = self.begin("list", stdout=full)
            self.assertIn(b"cannot write the output: No space left", listing.stderr.read())
        self.assertEqual(listing.wait(), 1)

    def test_colours_on_terminals_only(self):
        self.create("web")
        self.assertNotIn("\033", self.vmctl("list"))
        coloured = self.terminal("list")
        self.assertEqual(coloured.wait(), 0)
        self.assertIn(b"\033[0;32mrunning", coloured.seen)
        for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            with self.subTest(variables=variables):
                plain = self.terminal("list", **variables)
                self.assertEqual(plain.wait(), 0)
                self.assertNotIn(b"\033[0;3", plain.seen)

    def test_status(self):
        self.create("web", "running=payload:ready")
        self.create("old", start=False)
        out = self.vmctl("status", "web")
        for words in ("State: running since", "Size: 1 processor, 2 MiB memory", "(user mode)",
                      "Monitor: process", "Exits: io 2"):
            self.assertIn(words, out)
        out = self.vmctl("status", "old", "web", code=3)
        self.assertIn("State: stopped, has never run", out)
        self.assertIn("State: running", out)

    def test_status_for_programs(self):
        self.create("web")
        status = self.vmctl_json("status", "web")[0]
        self.assertEqual((status["Name"], status["State"], status["Stats"]["exits"]),
                         ("web", "running", {"io": 2}))
        self.vmctl("stop", "web")
        self.assertIsNone(self.vmctl_json("status", "web", code=3)[0]["Stats"])

    def test_status_of_the_daemon(self):
        self.create("web")
        out = self.vmctl("status")
        self.assertIn("session mode, reached by --user", out)
        self.assertIn("1 running, 0 stopped", out)
        self.assertEqual(self.vmctl_json("status")["mode"], "session")
        for option in ("--owner=root", "--lines=3"):
            self.vmctl("status", option, code=2, says="is about a machine. Name one")

    def test_show(self):
        path = self.create("web")
        lines = dict(line.split("=", 1) for line in self.vmctl("show", "web").strip().split("\n"))
        self.assertEqual(set(lines), set(self.client.properties(path)))
        self.assertEqual((lines["Transient"], lines["Lifetime"], lines["State"]),
                         ("no", "kept", "running"))
        self.assertEqual(self.vmctl("show", "-p", "State,Name", "-p", "Id", "web").split("=")[0],
                         "State")
        self.assertEqual(self.vmctl("show", "-p", "Name", "--value", "web"), "web\n")
        self.assertEqual(self.vmctl_json("show", "-p", "Owner", "web"), [{"Owner": os.getuid()}])
        self.vmctl("show", "-p", "Stat", "web", code=2, says='Did you mean "State"?')
        for nothing in ("", "State,"):
            self.vmctl("show", "-p", nothing, "web", code=2, says='unknown property ""')

    def test_detail_is_escaped(self):
        """What the monitor says of a run's end may have been chosen by the guest."""
        self.create("web", "button=end-hostile")
        watching = self.begin("console", "web", text=True)
        self.assertEqual(watching.stdout.readline(), "fake console\n")
        self.vmctl("stop", "web")
        self.assertEqual(len(watching.stderr.read().strip().split("\n")), 1)
        for args, code in ((("status",), 3), (("show",), 0), (("wait",), 1),
                           (("status", "-o", "json"), 3), (("show", "-o", "jsonl"), 0)):
            with self.subTest(args=args):
                out = self.vmctl(*args, "web", code=code)
                for steering in ("\033", "\u202e", "\x9b", "\nvmctl: forged"):
                    self.assertNotIn(steering, out)
                self.assertIn("forged", out)

    def wait_listening(self, watching):
        """Until it prints an event: what comes from now on, it hears."""
        for i in range(harness.DEADLINE * 5):
            self.create(f"probe{i}", start=False)
            if select.select([watching.stdout], [], [], 0.2)[0]:
                return
        self.fail("vmctl events prints nothing")

    def test_events(self):
        watching = self.begin("events", "-o", "jsonl", text=True)
        self.wait_listening(watching)
        self.create("web", "running=payload:started,ready,finished")
        harness.wait_for(lambda: self.vmctl_json("list")[0]["payload_state"] == "finished", "it")
        self.vmctl("stop", "web")
        self.vmctl("delete", "web")
        events = []
        while not events or events[-1]["event"] != "deleted":
            events.append(json.loads(watching.stdout.readline()))
        events = [event for event in events if event["machine"] == "web"]
        self.assertEqual([e["event"] for e in events if e["event"] != "state"],
                         ["created", "payload-started", "payload-ready", "payload-finished",
                          "stopped", "deleted"])
        stopped = next(e for e in events if e["event"] == "stopped")
        self.assertEqual((stopped["reason"], len(stopped["run_id"])), ("SHUTDOWN", 32))
        states = [e["new_state"] for e in events if e["event"] == "state"]
        self.assertEqual(states[-1], "stopped")

    def test_events_without_a_daemon(self):
        """That it is gone is said, that it is back too, and what happened in between is told."""
        self.create("web", "running=payload:started")
        watching = self.begin("events", "web", "-o", "jsonl", text=True)
        for verb in ("pause", "resume") * (harness.DEADLINE * 5):
            self.vmctl(verb, "web")
            if select.select([watching.stdout], [], [], 0.1)[0]:
                break
        self.daemon.kill()
        self.assertIn("vmserviced has left the bus", watching.stderr.readline())
        os.kill(self.monitors()[0], signal.SIGKILL)
        self.daemon.start()
        self.assertIn("vmserviced is back", watching.stderr.readline())
        event = {}
        while event.get("event") != "stopped":
            event = json.loads(watching.stdout.readline())
        self.assertEqual(event["reason"], "KILLED")

    def test_events_of_some(self):
        self.create("web")
        self.create("other")
        watching = self.begin("events", "web", "other", text=True)
        for verb in ("pause", "resume") * (harness.DEADLINE * 5):
            self.vmctl(verb, "other")
            if select.select([watching.stdout], [], [], 0.1)[0]:
                break
        self.create("third")
        self.vmctl("kill", "third", "web")
        line = ""
        while " stopped " not in line:
            line = watching.stdout.readline()
            self.assertNotIn("third", line)
        self.assertIn("web stopped KILLED", line)


if __name__ == "__main__":
    unittest.main(verbosity=2)
