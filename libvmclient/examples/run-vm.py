#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Creates, starts, waits for and deletes a VM: run-vm.py CONFIG.json"""
import sys
import gi
gi.require_version("VmClient", "1")
from gi.repository import GLib, VmClient

try:
    manager = VmClient.Manager.new_sync(VmClient.Bus.SESSION, VmClient.ManagerFlags.NONE)
    config = VmClient.Config.new_from_file(sys.argv[1])
    machine = manager.create_machine_sync("python-example", config, VmClient.CreateFlags.NONE)
    try:
        print("run", machine.start_sync())
        reason = machine.wait_stopped_sync()
        print("ended:", reason.value_nick, machine.props.payload_exit_code)
    finally:
        machine.delete_sync()
except GLib.Error as error:
    sys.exit(error.message)
