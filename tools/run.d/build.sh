# shellcheck shell=sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Build directories: each configured once, then only ninja.

# Progress for who watches; else only what went wrong.
build_ninja() {
        if [ -t 1 ]; then
                ninja -C "$1"
        elif ! ninja -C "$1" >"$1/run.log" 2>&1; then
                cat "$1/run.log" >&2
                exit 1
        fi
}

# build_tree DIRECTORY [MESON-OPTION...]: quiet unless it fails.
build_tree() {
        directory=$1
        shift
        if [ ! -f "$directory/build.ninja" ]; then
                echo "run: configuring $directory"
                # The prefix that the bus and systemd look below; nothing is installed from here.
                meson setup "$directory" --prefix=/usr "$@" >"$directory.log" 2>&1 || {
                        cat "$directory.log" >&2
                        rm -f "$directory.log"
                        rm -rf "$directory"
                        exit 1
                }
                rm -f "$directory.log"
        fi
        case $(ninja -C "$directory" -n 2>/dev/null | tail -n 1) in
        *'no work to do'*) ;;
        *)
                echo "run: building $directory"
                build_ninja "$directory"
                ;;
        esac
}

build_fuzzers() {
        CC=clang build_tree build-fuzz -Dfuzz=true -Db_sanitize=address,undefined \
                -Db_lundef=false -Dintrospection=disabled -Ddocs=disabled
}

build_release() {
        build_tree build-release --buildtype=release -Dtests=true -Ddocs=disabled \
                -Dintrospection=disabled
}

fuzz_list() {
        for program in build-fuzz/tests/fuzz/fuzz-*; do
                [ -x "$program" ] && [ -f "$program" ] && echo "${program##*/fuzz-}"
        done
}

fuzz_target() {
        target=${1-}
        seconds=${2-60}
        if [ -z "$target" ]; then
                fuzz_list
                return 0
        fi
        if [ ! -x "build-fuzz/tests/fuzz/fuzz-$target" ]; then
                echo "run: no fuzz target $target; there are:" >&2
                fuzz_list >&2
                exit 2
        fi
        # What the fuzzer finds worth keeping goes to the cache, not into the tree.
        found=${XDG_CACHE_HOME:-$HOME/.cache}/vmservice/fuzz/$target
        mkdir -p "$found" build-fuzz/crashes
        "build-fuzz/tests/fuzz/fuzz-$target" -max_total_time="$seconds" -timeout=10 \
                -rss_limit_mb=2048 -print_final_stats=1 \
                -artifact_prefix="build-fuzz/crashes/$target-" \
                "$found" "tests/fuzz/corpus/$target"
}
