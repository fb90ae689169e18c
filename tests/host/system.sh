#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Inside the emulated host: what systemd would do for an installed vmservice. Users, directories,
# the system bus, vm-spawner with cgroups, vmserviced. Returns when the daemon's name is there.
set -eu
libexec=/usr/libexec/vmservice

systemd-sysusers vmservice.conf
systemd-tmpfiles --create vmservice.conf
mkdir -p /run/dbus
rm -f /run/dbus/pid
# What else is installed on the machine is not to be started on demand here.
sed -i '/<standard_system_servicedirs/d' /usr/share/dbus-1/system.conf
dbus-uuidgen --ensure
dbus-daemon --system --fork --nopidfile

echo "+cpu +memory +pids" >/sys/fs/cgroup/cgroup.subtree_control
mkdir -p /sys/fs/cgroup/vmservice

log=/run/vmservice-host
"$libexec/vm-spawner" --monitor "$libexec/vmm-launcher" --socket /run/vmservice/spawner.sock \
        --cgroup /sys/fs/cgroup/vmservice >"$log/spawner.log" 2>&1 &
echo $! >/run/vmservice-spawner.pid
"$libexec/vmserviced" --spawner-socket /run/vmservice/spawner.sock >"$log/daemon.log" 2>&1 &
echo $! >/run/vmservice-daemon.pid
exec gdbus wait --system --timeout 60 org.vmservice1
