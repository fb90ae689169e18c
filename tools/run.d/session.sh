# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
# A private bus with a session-mode daemon of this tree, for one command; nothing outlives it.

session_make_dir() {
        session_dir=$(mktemp -d "${TMPDIR:-/tmp}/vmservice-try-XXXXXX")
}

# What there still is of an ended session: processes and mounts that carry its directory's name.
session_left() {
        for entry in /proc/[0-9]*; do
                tr '\0' ' ' 2>/dev/null <"$entry/cmdline" | grep -F "$session_dir/" || :
        done
        grep -F "$session_dir" /proc/self/mounts || :
        [ ! -e "$session_dir" ] || echo "$session_dir"
}

# Ends what this session started and no other: its processes carry its directory's name.
session_end() {
        trap '' INT TERM HUP
        if [ -n "${session_daemon-}" ] && kill "$session_daemon" 2>/dev/null; then
                wait "$session_daemon" || :
        fi
        for entry in /proc/[0-9]*; do
                # A process may end between two looks at it.
                if tr '\0' '\n' 2>/dev/null <"$entry/cmdline" | grep -qF "$session_dir/"; then
                        kill "${entry#/proc/}" 2>/dev/null || :
                fi
        done
        # The search above may have found it already; that is no reason to leave the rest undone.
        [ -z "${session_bus-}" ] || kill "$session_bus" 2>/dev/null || :
        rm -rf "$session_dir"
}

session_wait_for_name() {
        if ! gdbus wait --session --timeout 60 org.vmservice1; then
                echo "run: vmserviced did not come up; its log:" >&2
                cat "$session_dir/daemon.log" >&2
                exit 1
        fi
}

# session_run BUILD [CMD...]
session_run() {
        session_build=$root/$1
        shift
        [ -n "${session_dir-}" ] || session_make_dir
        trap session_end EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM HUP
        mkdir -m 0700 "$session_dir/runtime" "$session_dir/state"
        export XDG_RUNTIME_DIR="$session_dir/runtime" XDG_STATE_HOME="$session_dir/state"
        export DBUS_SESSION_BUS_ADDRESS="unix:path=$session_dir/bus"
        # With --fork it returns when the socket is there.
        session_bus=$(dbus-daemon --session --fork --nopidfile --print-pid \
                --address="$DBUS_SESSION_BUS_ADDRESS" 2>"$session_dir/bus.log")
        "$session_build/daemon/vmserviced" --user \
                --spawner "$session_build/daemon/spawner/vm-spawner" \
                --monitor "$session_build/vmm-launcher/vmm-launcher" \
                2>"$session_dir/daemon.log" &
        session_daemon=$!
        session_wait_for_name
        export PATH="$session_build/vmctl:$PATH"
        export LD_LIBRARY_PATH="$session_build/libvmclient${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
        export GI_TYPELIB_PATH="$session_build/libvmclient${GI_TYPELIB_PATH:+:$GI_TYPELIB_PATH}"
        export VMCTL_MODE=user VMSERVICE_EXAMPLES="$session_build/guest/bare"
        if [ $# -eq 0 ]; then
                echo "run: a session-mode daemon runs; try: vmctl run" \
                        "\$VMSERVICE_EXAMPLES/bare-hello; its log: $session_dir/daemon.log"
                set -- "${SHELL:-/bin/sh}"
        fi
        session_status=0
        # In the foreground: a shell wants its terminal.
        "$@" || session_status=$?
        exit $session_status
}
