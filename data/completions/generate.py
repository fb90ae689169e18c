#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes the shell completions of vmctl from the verb table that `vmctl --dump-verbs` prints.

usage: vmctl --dump-verbs | generate.py FOLDER

The files stand in the tree, so that a cross build need not run what it has built; a consistency
test makes them again and compares.
"""
import json
import pathlib
import sys

NOTE = "# SPDX-License-Identifier: LGPL-2.1-or-later\n# Made by data/completions/generate.py from the verb table of vmctl. Do not edit.\n"
MACHINES = ("machine", "running", "stopped")


def visible(options):
    return [option for option in options if not option["hidden"]]


def words(option):
    """The ways to write an option, its letter last."""
    return ["--" + option["name"]] + (["-" + option["letter"]] if option["letter"] else [])


def all_options(table):
    seen = {}
    for options in [table["options"]] + [verb["options"] for verb in table["verbs"]]:
        for option in visible(options):
            seen[option["name"]] = option
    return [seen[name] for name in sorted(seen)]


BASH = r'''
_vmctl_machines() {
    local mode=$1 kind=$2 all running
    running=$(vmctl "$mode" list -o name 2>/dev/null)
    case $kind in
    running) printf '%s\n' "$running" ;;
    *)
        all=$(vmctl "$mode" list -a -o name 2>/dev/null)
        if [[ $kind == stopped && -n $running ]]; then
            grep -vxF -e "$running" <<<"$all"
        else
            printf '%s\n' "$all"
        fi
        ;;
    esac
}

_vmctl_offer() {
    local hint=$1 cur=$2 mode=$3 before=
    case $hint in
    file)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        ;;
    user) mapfile -t COMPREPLY < <(compgen -u -- "$cur") ;;
    property)
        # What stands before the last comma is kept as it is.
        [[ $cur == *,* ]] && before=${cur%,*},
        mapfile -t COMPREPLY < <(compgen -P "$before" -W '@PROPERTIES@' -- "${cur##*,}")
        ;;
    machine | running | stopped)
        mapfile -t COMPREPLY < <(compgen -W "$(_vmctl_machines "$mode" "$hint")" -- "$cur")
        ;;
    none) COMPREPLY=() ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$hint" -- "$cur") ;;
    esac
}

# The hint of an option's value; fails for an option that takes none.
_vmctl_value_hint() {
    case $1 in
@VALUE_HINTS@
    *) return 1 ;;
    esac
}

_vmctl() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local verb='' mode=--system n_args=0 i word hint options first rest
    [[ ${VMCTL_MODE-} == user ]] && mode=--user
    COMPREPLY=()

    # "=" is a word of its own where COMP_WORDBREAKS has it.
    if [[ $cur == "=" ]]; then
        cur=''
    elif [[ $prev == "=" ]]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi

    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        --user | --system) mode=$word ;;
        --) [[ $verb ]] && return ;;
        =) ((i++)) ;;
        -*)
            if _vmctl_value_hint "$word" >/dev/null && [[ ${COMP_WORDS[i + 1]} != "=" ]]; then
                ((i++))
            fi
            ;;
        *) if [[ $verb ]]; then ((n_args++)); else verb=$word; fi ;;
        esac
    done

    if hint=$(_vmctl_value_hint "$prev"); then
        _vmctl_offer "$hint" "$cur" "$mode"
        return
    fi
    case $verb in
    '') options='' first='@VERBS@' rest='' ;;
@VERB_CASES@
    *) return ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "@GLOBAL_OPTIONS@ $options" -- "$cur")
    elif ((n_args == 0)); then
        _vmctl_offer "$first" "$cur" "$mode"
    else
        _vmctl_offer "$rest" "$cur" "$mode"
    fi
}

complete -F _vmctl vmctl
'''


def bash_hint(option):
    if option["hint"] == "choices":
        return " ".join(option["choices"])
    return option["hint"]


def make_bash(table):
    hints = []
    for option in all_options(table):
        if option["value"]:
            hints.append("    %s) echo '%s' ;;" % (" | ".join(words(option)), bash_hint(option)))
    cases = []
    for verb in table["verbs"]:
        options = " ".join(word for option in visible(verb["options"]) for word in words(option))
        cases.append("    %s) options='%s' first='%s' rest='%s' ;;"
                     % (verb["name"], options, verb["hints"][0],
                        verb["hints"][1] if verb["max_args"] > 1 else "none"))
    text = BASH.replace("@VALUE_HINTS@", "\n".join(hints)).replace("@VERB_CASES@", "\n".join(cases))
    text = text.replace("@VERBS@", " ".join(verb["name"] for verb in table["verbs"]))
    text = text.replace("@PROPERTIES@", " ".join(table["properties"]))
    return NOTE + text.replace("@GLOBAL_OPTIONS@", " ".join(
        word for option in visible(table["options"]) for word in words(option)))


ZSH = r'''
_vmctl_mode() {
    if (( ${words[(I)--user]} )) || [[ ${VMCTL_MODE-} == user && ${words[(I)--system]} -eq 0 ]]; then
        print -- --user
    else
        print -- --system
    fi
}

_vmctl_machines() {
    local -a machines running
    running=(${(f)"$(vmctl $mode list -o name 2>/dev/null)"})
    case $1 in
    running) machines=($running) ;;
    *) machines=(${(f)"$(vmctl $mode list -a -o name 2>/dev/null)"}) ;;
    esac
    [[ $1 == stopped ]] && machines=(${machines:|running})
    (( $#machines )) && compadd -a machines
}

_vmctl_properties() {
    _values -s , property @PROPERTIES@
}

_vmctl_verbs() {
    local -a verbs=(
@VERBS@
    )
    _describe -t verbs verb verbs
}

_vmctl() {
    local curcontext=$curcontext state line ret=1
    local mode=$(_vmctl_mode) # before _arguments cuts the words
    local -a global=(
@GLOBAL@
    )
    # -S: what follows "--" is not ours. An option may stand before its verb.
    _arguments -S -C $global '*--output=[Output as]:FORMAT:(@FORMATS@)' '-o+[Output as]:FORMAT:(@FORMATS@)' \
        '1:verb:_vmctl_verbs' '*:: :->arguments' && ret=0
    [[ $state == arguments ]] || return ret
    curcontext="${curcontext%:*:*}:vmctl-$line[1]:"
    case $line[1] in
@CASES@
    esac
    return ret
}

_vmctl "$@"
'''


def zsh_escape(text):
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:").replace("'", "'\\''")


def zsh_action(hint, option=None):
    # An action that begins with a blank is called with its own arguments only.
    if hint == "choices":
        return "(%s)" % " ".join(option["choices"])
    return {"file": "_files", "user": "_users", "property": "_vmctl_properties", "none": " "}.get(
        hint, " _vmctl_machines %s" % hint)


def zsh_options(options, indent):
    lines = []
    for option in visible(options):
        doc = zsh_escape(option["doc"])
        value = (":%s:%s" % (zsh_escape(option["value"]), zsh_action(option["hint"], option))
                 if option["value"] else "")
        star = "*" if option["name"] == "property" else ""
        lines.append("%s'%s--%s%s[%s]%s'" % (indent, star, option["name"], "=" if value else "", doc, value))
        if option["letter"]:
            lines.append("%s'%s-%s%s[%s]%s'" % (indent, star, option["letter"], "+" if value else "", doc, value))
    return lines


def make_zsh(table):
    verbs = ["        '%s:%s'" % (verb["name"], zsh_escape(verb["summary"])) for verb in table["verbs"]]
    cases = []
    for verb in table["verbs"]:
        parts = zsh_options(verb["options"], "            ")
        if verb["max_args"] > 0:
            parts.append("            '1:argument:%s'" % zsh_action(verb["hints"][0]))
        if verb["max_args"] > 1:
            parts.append("            '*:argument:%s'" % zsh_action(verb["hints"][1]))
        cases.append("    %s)\n        _arguments -S $global \\\n%s && ret=0\n        ;;"
                     % (verb["name"], " \\\n".join(parts)))
    formats = next(o for o in all_options(table) if o["name"] == "output")["choices"]
    text = ZSH.replace("@PROPERTIES@", " ".join(table["properties"])).replace("@VERBS@", "\n".join(verbs))
    text = text.replace("@GLOBAL@", "\n".join(zsh_options(table["options"], "        ")))
    return "#compdef vmctl\n" + NOTE + text.replace("@FORMATS@", " ".join(formats)).replace(
        "@CASES@", "\n".join(cases))


FISH = r'''
# "--user" or "--system", as the command line so far says.
function __vmctl_mode
    set -l tokens (commandline -opc)
    if contains -- --user $tokens; or test "$VMCTL_MODE" = user; and not contains -- --system $tokens
        echo -- --user
    else
        echo -- --system
    end
end

function __vmctl_machines
    set -l mode (__vmctl_mode)
    set -l running (vmctl $mode list -o name 2>/dev/null)
    switch $argv[1]
        case running
            string join \n -- $running
        case '*'
            for name in (vmctl $mode list -a -o name 2>/dev/null)
                test $argv[1] = stopped; and contains -- $name $running; and continue
                echo $name
            end
    end
end

# The words that are neither options nor their values: the verb and its arguments.
function __vmctl_words
    set -l skip no
    for token in (commandline -opc)[2..-1]
        if test $skip = yes
            set skip no
        else if contains -- $token @VALUE_OPTIONS@
            set skip yes
        else if not string match -q -- '-*' $token
            echo $token
        end
    end
end

function __vmctl_needs_verb
    test (count (__vmctl_words)) -eq 0
end

function __vmctl_verb
    set -l words (__vmctl_words)
    test (count $words) -gt 0; and contains -- $words[1] $argv
end

# Whether argument number $argv[2] (or a later one, for "rest") of verb $argv[1] is being typed.
function __vmctl_argument
    set -l words (__vmctl_words)
    set -l n (count $words)
    test $n -gt 0; and test $words[1] = $argv[1]; or return 1
    if test $argv[2] = first
        test $n -eq 1
    else
        test $n -gt 1
    end
end

function __vmctl_properties
    string split ' ' '@PROPERTIES@'
end

# fish has completions for a program of another system that has this name.
complete -c vmctl -e
complete -c vmctl -f
'''


def fish_quote(text):
    return "'%s'" % text.replace("\\", "\\\\").replace("'", "\\'")


def fish_action(hint, option, table):
    if hint == "choices":
        return "-x -a %s" % fish_quote(" ".join(option["choices"]))
    if hint == "property":
        return "-x -a '(__fish_complete_list , __vmctl_properties)'"
    if hint == "user":
        return "-x -a '(__fish_complete_users)'"
    if hint == "file":
        return "-r -F"
    return "-x"


def fish_option(condition, option, table):
    parts = ["complete -c vmctl"]
    if condition:
        parts.append("-n %s" % fish_quote(condition))
    if option["letter"]:
        parts.append("-s %s" % option["letter"])
    parts.append("-l %s" % option["name"])
    if option["value"]:
        parts.append(fish_action(option["hint"], option, table))
    parts.append("-d %s" % fish_quote(option["doc"]))
    return " ".join(parts)


def make_fish(table):
    values = [word for option in all_options(table) if option["value"] for word in words(option)]
    lines = [NOTE + FISH.replace("@VALUE_OPTIONS@", " ".join(values)).replace(
        "@PROPERTIES@", " ".join(table["properties"])).rstrip("\n"), ""]
    lines += [fish_option(None, option, table) for option in visible(table["options"])]
    for verb in table["verbs"]:
        name = verb["name"]
        lines.append("")
        lines.append("complete -c vmctl -n __vmctl_needs_verb -a %s -d %s" % (name, fish_quote(verb["summary"])))
        for place, hint, least in (("first", verb["hints"][0], 1), ("rest", verb["hints"][1], 2)):
            condition = fish_quote("__vmctl_argument %s %s" % (name, place))
            if verb["max_args"] < least or hint == "none":
                continue
            if hint == "file":
                lines.append("complete -c vmctl -n %s -F" % condition)
            elif hint in MACHINES:
                lines.append("complete -c vmctl -n %s -a %s" % (condition, fish_quote("(__vmctl_machines %s)" % hint)))
        lines += [fish_option("__vmctl_verb " + name, option, table) for option in visible(verb["options"])]
    return "\n".join(lines) + "\n"


def make_all(table):
    return {"vmctl": make_bash(table), "_vmctl": make_zsh(table), "vmctl.fish": make_fish(table)}


def main():
    folder = pathlib.Path(sys.argv[1])
    for name, text in make_all(json.load(sys.stdin)).items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main()
