# shellcheck shell=sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2154 # python: packages.sh
# Layout and static checks; the test suite "lint" runs the same, one by one.

# sources PATTERN...: files of the tree, NUL-separated; without git, all but build directories.
sources() {
        if git rev-parse --git-dir >/dev/null 2>&1; then
                git ls-files -z --cached --others --exclude-standard -- "$@"
        else
                for pattern in "$@"; do
                        find . -path './build*' -prune -o -name "$pattern" -type f -print0
                done
        fi
}

lint_clang_format() {
        sources '*.c' '*.h' | xargs -0 clang-format --dry-run -Werror
}

lint_shellcheck() {
        {
                printf 'run\0.ci/run\0tests/host/init\0'
                sources '*.sh'
        } | xargs -0 shellcheck -x
}

# cppcheck knows neither __attribute__((cleanup)), so that leaks are the sanitizers' to find, nor
# typeof, which evaluates nothing.
lint_cppcheck() {
        cppcheck_cache=${XDG_CACHE_HOME:-$HOME/.cache}/vmservice/cppcheck
        mkdir -p "$cppcheck_cache"
        sources '*.c' | grep -zvE '^(guest/bare|tests)/' | xargs -0 \
                timeout 900 cppcheck --quiet --std=c17 --language=c --error-exitcode=1 \
                --enable=warning,portability --inline-suppr -j 2 --library=gtk \
                --cppcheck-build-dir="$cppcheck_cache" --suppress=memleak \
                --suppress=resourceLeak --suppress=missingIncludeSystem \
                --suppress=internalAstError --suppress=unknownMacro \
                --suppress=unknownEvaluationOrder \
                -I . -I vmm-launcher -I daemon -D_GNU_SOURCE \
                -D'G_DEFINE_AUTOPTR_CLEANUP_FUNC(type,function)='
}

lint_python() {
        sources '*.py' | xargs -0 "$python" -c '
import sys
for name in sys.argv[1:]:
    with open(name, "rb") as file:
        compile(file.read(), name, "exec")
'
}

lint_spdx() {
        sources '*.c' '*.h' '*.S' '*.py' '*.sh' '*meson.build' '*meson_options.txt' |
                xargs -0 grep -L 'SPDX-License-Identifier: LGPL-2.1-or-later' |
                sed 's/$/: no SPDX line/' | { ! grep .; }
}

lint_length() {
        sources '*.c' '*.h' '*.py' '*.sh' | xargs -0 awk '
                FNR == 601 { print FILENAME ": more than 600 lines"; bad = 1 }
                END { exit bad }'
}

lint_checks='clang_format shellcheck cppcheck python spdx length'

lint_all() {
        failed=0
        for check in $lint_checks; do
                if "lint_$check"; then
                        echo "ok    $check"
                else
                        echo "FAIL  $check"
                        failed=1
                fi
        done
        return $failed
}
