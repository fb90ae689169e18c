# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of libvmclient stand on: the harness, and the library over GObject-Introspection.

GI_TYPELIB_PATH and LD_LIBRARY_PATH have to name the build's libvmclient (meson sets them).
"""

import os

import gi

import harness

gi.require_version("VmClient", "1")
from gi.repository import Gio, GLib, VmClient  # noqa: E402

EXAMPLES = os.path.join(harness.BUILD, "libvmclient", "examples")
PYTHON_EXAMPLE = os.path.join(harness.SOURCE, "libvmclient", "examples", "run-vm.py")
BARE = os.path.join(harness.BUILD, "guest", "bare")


class ClientTest(harness.SystemTest):
    """The daemon with a monitor that does as it is told, and a VmClientManager."""

    def setUp(self):
        super().setUp()
        self.heard = []
        self.manager = self.new_manager() if self.autostart else None

    def new_manager(self, uid=None, flags=VmClient.ManagerFlags.NONE):
        with harness.effective_uid(os.geteuid() if uid is None else uid):
            bus = Gio.DBusConnection.new_for_address_sync(
                self.bus.address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT |
                Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
        return VmClient.Manager.new_for_connection_sync(bus, flags)

    def vm_config(self, *words, **keys):
        config = VmClient.Config()
        config.set_kernel(self.image)
        config.set_memory_mib(2)
        if words:
            config.set_params(" ".join(words))
        for key, value in keys.items():
            config.set_value(key, value)
        return config

    def new_machine(self, name, *words, flags=VmClient.CreateFlags.NONE, manager=None):
        return (manager or self.manager).create_machine_sync(name, self.vm_config(*words), flags)

    def listen(self, machine):
        """Everything that the machine's signals say goes to self.heard."""
        machine.connect("state-changed", lambda m, run, old, new: self.heard.append(
            (run, new.value_nick)))
        machine.connect("payload-started", lambda m, run: self.heard.append((run, "S")))
        machine.connect("payload-ready", lambda m, run: self.heard.append((run, "R")))
        machine.connect("payload-finished", lambda m, run, code: self.heard.append(
            (run, f"F{code}")))
        machine.connect("stopped", lambda m, run, reason, detail: self.heard.append(
            (run, VmClient.stop_reason_to_string(reason))))
        return machine

    def idle(self):
        """Dispatches what is due."""
        while GLib.MainContext.default().iteration(False):
            pass

    def vm_fails(self, code, *fragments):
        """The block raises this VmClient.Error, with these words in its message."""
        return VmFails(self, code, fragments)

    def restart_daemon(self, **environment):
        if self.daemon.process.poll() is None:
            self.daemon.kill()
        self.daemon.start(**environment)


class VmFails:
    def __init__(self, test, code, fragments):
        self.test, self.code, self.fragments = test, code, fragments

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.test.assertIsNotNone(error, "it did not fail")
        if not isinstance(error, GLib.Error):
            return False
        self.test.assertTrue(error.matches(VmClient.Error.quark(), self.code),
                             f"{error.domain} {error.code}: {error.message}")
        self.test.assertNotIn("GDBus", error.message)
        for fragment in self.fragments:
            self.test.assertIn(fragment, error.message)
        return True
