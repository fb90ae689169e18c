# SPDX-License-Identifier: LGPL-2.1-or-later
# Made by data/completions/generate.py from the verb table of vmctl. Do not edit.

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
        else if contains -- $token --cpus --initrd --kernel --lines -n --memory --name --output -o --owner --params --property -p --timeout
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
    string split ' ' 'Name Id Owner Transient Lifetime State RunId PayloadState PayloadExitCode StopReason StopDetail MonitorPid StartedAt StoppedAt Config'
end

# fish has completions for a program of another system that has this name.
complete -c vmctl -e
complete -c vmctl -f

complete -c vmctl -s h -l help -d 'Show this help'
complete -c vmctl -l version -d 'Show the version'
complete -c vmctl -l user -d 'Talk to the caller\'s own daemon (session bus)'
complete -c vmctl -l system -d 'Talk to the system\'s daemon (the default)'
complete -c vmctl -s q -l quiet -d 'Print results and errors only'

complete -c vmctl -n __vmctl_needs_verb -a info -d 'Show what this host can do'
complete -c vmctl -n '__vmctl_verb info' -s o -l output -x -a 'table json jsonl name' -d 'Output as table, json, jsonl or name'

complete -c vmctl -n __vmctl_needs_verb -a doctor -d 'Check each thing that a start needs, with cause and fix'
complete -c vmctl -n '__vmctl_verb doctor' -s o -l output -x -a 'table json jsonl name' -d 'Output as table, json, jsonl or name'

complete -c vmctl -n __vmctl_needs_verb -a validate -d 'Check configuration files, and make nothing'
complete -c vmctl -n '__vmctl_argument validate first' -F
complete -c vmctl -n '__vmctl_argument validate rest' -F
complete -c vmctl -n '__vmctl_verb validate' -l print -d 'Print the configuration with every default filled in'

complete -c vmctl -n __vmctl_needs_verb -a create -d 'Create a machine that is kept'
complete -c vmctl -n '__vmctl_argument create rest' -F
complete -c vmctl -n '__vmctl_verb create' -l start -d 'Start the machine at once'
complete -c vmctl -n '__vmctl_verb create' -l exist-ok -d 'Leave a machine that exists as it is, without error'
complete -c vmctl -n '__vmctl_verb create' -l kernel -r -F -d 'Boot this ELF or bzImage'
complete -c vmctl -n '__vmctl_verb create' -l initrd -r -F -d 'Give the kernel this initial RAM disk'
complete -c vmctl -n '__vmctl_verb create' -l params -x -d 'Kernel command line'
complete -c vmctl -n '__vmctl_verb create' -l memory -x -d 'Memory in MiB, or with suffix M or G'
complete -c vmctl -n '__vmctl_verb create' -l cpus -x -d 'Number of processors'

complete -c vmctl -n __vmctl_needs_verb -a cat -d 'Print the configuration of machines, defaults filled in'
complete -c vmctl -n '__vmctl_argument cat first' -a '(__vmctl_machines machine)'
complete -c vmctl -n '__vmctl_argument cat rest' -a '(__vmctl_machines machine)'
complete -c vmctl -n '__vmctl_verb cat' -l owner -x -a '(__fish_complete_users)' -d 'Mean the machines of this user (root only)'

complete -c vmctl -n __vmctl_needs_verb -a set-config -d 'Replace the configuration of a stopped machine'
complete -c vmctl -n '__vmctl_argument set-config first' -a '(__vmctl_machines stopped)'
complete -c vmctl -n '__vmctl_argument set-config rest' -F
complete -c vmctl -n '__vmctl_verb set-config' -l owner -x -a '(__fish_complete_users)' -d 'Mean the machines of this user (root only)'

complete -c vmctl -n __vmctl_needs_verb -a delete -d 'Delete stopped machines with all that belongs to them'
complete -c vmctl -n '__vmctl_argument delete first' -a '(__vmctl_machines stopped)'
complete -c vmctl -n '__vmctl_argument delete rest' -a '(__vmctl_machines stopped)'
complete -c vmctl -n '__vmctl_verb delete' -l force -d 'Kill a machine that still runs first'
complete -c vmctl -n '__vmctl_verb delete' -l owner -x -a '(__fish_complete_users)' -d 'Mean the machines of this user (root only)'

complete -c vmctl -n __vmctl_needs_verb -a run -d 'Create a machine, run it, and return its exit code'
complete -c vmctl -n '__vmctl_argument run first' -F
complete -c vmctl -n '__vmctl_verb run' -l rm -d 'Delete the machine when its run ends (the default)'
complete -c vmctl -n '__vmctl_verb run' -l keep -d 'Keep the machine when its run ends'
complete -c vmctl -n '__vmctl_verb run' -s d -l detach -d 'Return once the machine runs, and print its name'
complete -c vmctl -n '__vmctl_verb run' -s i -l interactive -d 'Pass standard input to the guest, ^C included'
complete -c vmctl -n '__vmctl_verb run' -l name -x -d 'Call the machine NAME'
complete -c vmctl -n '__vmctl_verb run' -l kernel -r -F -d 'Boot this ELF or bzImage'
complete -c vmctl -n '__vmctl_verb run' -l initrd -r -F -d 'Give the kernel this initial RAM disk'
complete -c vmctl -n '__vmctl_verb run' -l params -x -d 'Kernel command line'
complete -c vmctl -n '__vmctl_verb run' -l memory -x -d 'Memory in MiB, or with suffix M or G'
complete -c vmctl -n '__vmctl_verb run' -l cpus -x -d 'Number of processors'
complete -c vmctl -n '__vmctl_verb run' -l raw -d 'Pass the guest\'s bytes unchanged'
complete -c vmctl -n '__vmctl_verb run' -l escape -d 'Show control sequences of the guest as \\xNN'

complete -c vmctl -n __vmctl_needs_verb -a start -d 'Start machines'
complete -c vmctl -n '__vmctl_argument start first' -a '(__vmctl_machines stopped)'
complete -c vmctl -n '__vmctl_argument start rest' -a '(__vmctl_machines stopped)'
complete -c vmctl -n '__vmctl_verb start' -l wait -d 'Wait until the run has ended'
complete -c vmctl -n '__vmctl_verb start' -l owner -x -a '(__fish_complete_users)' -d 'Mean the machines of this user (root only)'

complete -c vmctl -n __vmctl_needs_verb -a stop -d 'Press the power button, and wait for the end'
complete -c vmctl -n '__vmctl_argument stop first' -a '(__vmctl_machines running)'
complete -c vmctl -n '__vmctl_argument stop rest' -a '(__vmctl_machines running)'
complete -c vmctl -n '__vmctl_verb stop' -l timeout -x -d 'How long to wait: seconds, or with suffix ms, s, min, h'
complete -c vmctl -n '__vmctl_verb stop' -l owner -x -a '(__fish_complete_users)' -d 'Mean the machines of this user (root only)'

complete -c vmctl -n __vmctl_needs_verb -a kill -d 'Pull the plug'
complete -c vmctl -n '__vmctl_argument kill first' -a '(__vmctl_machines running)'
complete -c vmctl -n '__vmctl_argument kill rest' -a '(__vmctl_machines running)'
complete -c vmctl -n '__vmctl_verb kill' -l owner -x -a '(__fish_complete_users)' -d 'Mean the machines of this user (root only)'

complete -c vmctl -n __vmctl_needs_verb -a reboot -d 'Reset the guest; the run goes on'
complete -c vmctl -n '__vmctl_argument reboot first' -a '(__vmctl_machines running)'
complete -c vmctl -n '__vmctl_argument reboot rest' -a '(__vmctl_machines running)'
complete -c vmctl -n '__vmctl_verb reboot' -l owner -x -a '(__fish_complete_users)' -d 'Mean the machines of this user (root only)'

complete -c vmctl -n __vmctl_needs_verb -a pause -d 'Halt the processors of the guest; its memory is kept'
complete -c vmctl -n '__vmctl_argument pause first' -a '(__vmctl_machines running)'
complete -c vmctl -n '__vmctl_argument pause rest' -a '(__vmctl_machines running)'
complete -c vmctl -n '__vmctl_verb pause' -l owner -x -a '(__fish_complete_users)' -d 'Mean the machines of this user (root only)'

complete -c vmctl -n __vmctl_needs_verb -a resume -d 'Set a paused guest going again'
complete -c vmctl -n '__vmctl_argument resume first' -a '(__vmctl_machines running)'
complete -c vmctl -n '__vmctl_argument resume rest' -a '(__vmctl_machines running)'
complete -c vmctl -n '__vmctl_verb resume' -l owner -x -a '(__fish_complete_users)' -d 'Mean the machines of this user (root only)'

complete -c vmctl -n __vmctl_needs_verb -a wait -d 'Wait until runs have ended, and say how they did'
complete -c vmctl -n '__vmctl_argument wait first' -a '(__vmctl_machines running)'
complete -c vmctl -n '__vmctl_argument wait rest' -a '(__vmctl_machines running)'
complete -c vmctl -n '__vmctl_verb wait' -l timeout -x -d 'How long to wait: seconds, or with suffix ms, s, min, h'
complete -c vmctl -n '__vmctl_verb wait' -s o -l output -x -a 'table json jsonl name' -d 'Output as table, json, jsonl or name'
complete -c vmctl -n '__vmctl_verb wait' -l no-legend -d 'Leave out headers and footers'
complete -c vmctl -n '__vmctl_verb wait' -l owner -x -a '(__fish_complete_users)' -d 'Mean the machines of this user (root only)'

complete -c vmctl -n __vmctl_needs_verb -a list -d 'List machines that run, or all of them (-a)'
complete -c vmctl -n '__vmctl_verb list' -s a -l all -d 'Show stopped machines too'
complete -c vmctl -n '__vmctl_verb list' -s o -l output -x -a 'table json jsonl name' -d 'Output as table, json, jsonl or name'
complete -c vmctl -n '__vmctl_verb list' -l no-legend -d 'Leave out headers and footers'

complete -c vmctl -n __vmctl_needs_verb -a status -d 'Show state, usage and the last console lines'
complete -c vmctl -n '__vmctl_argument status first' -a '(__vmctl_machines machine)'
complete -c vmctl -n '__vmctl_argument status rest' -a '(__vmctl_machines machine)'
complete -c vmctl -n '__vmctl_verb status' -s o -l output -x -a 'table json jsonl name' -d 'Output as table, json, jsonl or name'
complete -c vmctl -n '__vmctl_verb status' -s n -l lines -x -d 'Show the last lines only'
complete -c vmctl -n '__vmctl_verb status' -l owner -x -a '(__fish_complete_users)' -d 'Mean the machines of this user (root only)'

complete -c vmctl -n __vmctl_needs_verb -a show -d 'Print properties, for programs'
complete -c vmctl -n '__vmctl_argument show first' -a '(__vmctl_machines machine)'
complete -c vmctl -n '__vmctl_argument show rest' -a '(__vmctl_machines machine)'
complete -c vmctl -n '__vmctl_verb show' -s p -l property -x -a '(__fish_complete_list , __vmctl_properties)' -d 'Show these properties only'
complete -c vmctl -n '__vmctl_verb show' -l value -d 'Print values without their names'
complete -c vmctl -n '__vmctl_verb show' -s o -l output -x -a 'table json jsonl name' -d 'Output as table, json, jsonl or name'
complete -c vmctl -n '__vmctl_verb show' -l owner -x -a '(__fish_complete_users)' -d 'Mean the machines of this user (root only)'

complete -c vmctl -n __vmctl_needs_verb -a console -d 'Attach to the console; ^]^]^] within a second detaches'
complete -c vmctl -n '__vmctl_argument console first' -a '(__vmctl_machines running)'
complete -c vmctl -n '__vmctl_verb console' -l read-only -d 'Watch, and send nothing to the guest'
complete -c vmctl -n '__vmctl_verb console' -l steal -d 'Take the console over from who writes to it'
complete -c vmctl -n '__vmctl_verb console' -l no-scrollback -d 'Leave out what was printed before'
complete -c vmctl -n '__vmctl_verb console' -l raw -d 'Pass the guest\'s bytes unchanged'
complete -c vmctl -n '__vmctl_verb console' -l escape -d 'Show control sequences of the guest as \\xNN'
complete -c vmctl -n '__vmctl_verb console' -l owner -x -a '(__fish_complete_users)' -d 'Mean the machines of this user (root only)'

complete -c vmctl -n __vmctl_needs_verb -a logs -d 'Show the console log of this or the last run'
complete -c vmctl -n '__vmctl_argument logs first' -a '(__vmctl_machines machine)'
complete -c vmctl -n '__vmctl_verb logs' -s f -l follow -d 'Go on until the run ends'
complete -c vmctl -n '__vmctl_verb logs' -l previous -d 'Show the older, rotated part of the log'
complete -c vmctl -n '__vmctl_verb logs' -s n -l lines -x -d 'Show the last lines only'
complete -c vmctl -n '__vmctl_verb logs' -l raw -d 'Pass the guest\'s bytes unchanged'
complete -c vmctl -n '__vmctl_verb logs' -l owner -x -a '(__fish_complete_users)' -d 'Mean the machines of this user (root only)'

complete -c vmctl -n __vmctl_needs_verb -a events -d 'Print what happens to machines, as it happens'
complete -c vmctl -n '__vmctl_argument events first' -a '(__vmctl_machines machine)'
complete -c vmctl -n '__vmctl_argument events rest' -a '(__vmctl_machines machine)'
complete -c vmctl -n '__vmctl_verb events' -s o -l output -x -a 'table json jsonl name' -d 'Output as table, json, jsonl or name'
complete -c vmctl -n '__vmctl_verb events' -l owner -x -a '(__fish_complete_users)' -d 'Mean the machines of this user (root only)'
