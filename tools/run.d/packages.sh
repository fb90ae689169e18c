# shellcheck shell=sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Debian packages, by what needs them.

# The distribution's interpreter: one first on PATH may lack what Debian packages for it.
# shellcheck disable=SC2034 # for those who read this file
python=/usr/bin/python3

packages_of() {
        case $1 in
        build)
                echo gcc libc6-dev meson ninja-build pkg-config python3 \
                        libsystemd-dev libjson-c-dev libseccomp-dev libglib2.0-dev \
                        libsmartcols-dev linux-libc-dev
                ;;
        documents) echo gobject-introspection libgirepository1.0-dev gi-docgen scdoc ;;
        session) echo dbus libglib2.0-bin python3-gi ;;
        host) echo qemu-system-x86 busybox-static ;;
        fuzz) echo clang llvm libclang-rt-14-dev ;;
        bench) echo qemu-system-x86 valgrind strace ;;
        lint) echo clang-format shellcheck cppcheck python3 ;;
        test)
                echo check clang llvm libclang-rt-14-dev acpica-tools dbus python3-dbus \
                        python3-dbusmock python3-gi python3-jsonschema systemd polkitd \
                        qemu-system-x86 busybox-static valgrind strace git \
                        bash-completion fish zsh libxml2-utils libglib2.0-bin \
                        clang-format shellcheck cppcheck
                ;;
        esac
}

packages_missing() {
        for group in "$@"; do
                for package in $(packages_of "$group"); do
                        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null |
                                grep -qx installed || echo "$package"
                done
        done | sort -u
}

# Installs what is missing of these groups, and says so; does nothing when nothing is.
packages_need() {
        command -v dpkg-query >/dev/null || return 0 # not Debian: the build will say what it lacks
        missing=$(packages_missing "$@" | tr '\n' ' ')
        [ -n "$missing" ] || return 0
        if [ "$(id -u)" -eq 0 ]; then
                as_root=''
        elif command -v sudo >/dev/null; then
                as_root=sudo
        else
                echo "run: these packages are missing: $missing" >&2
                echo "run: installing them takes root: apt-get install $missing" >&2
                exit 2
        fi
        echo "run: installing $missing"
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -q update
        # shellcheck disable=SC2086 # one word per package
        $as_root env DEBIAN_FRONTEND=noninteractive \
                apt-get -q -q install -y --no-install-recommends $missing >/dev/null
}
