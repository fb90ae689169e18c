/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The verbs and options of vmctl, each described once. */

#include "vmctl/options.h"
#include "vmctl/vmctl.h"

static const char *const output_formats[] = {"table", "json", "jsonl", "name", NULL};

#define FLAG(l, n, ...)                                                                            \
        {                                                                                          \
                .letter = (l), .name = (n), __VA_ARGS__                                            \
        }
#define VALUE(l, n, v, ...)                                                                        \
        {                                                                                          \
                .letter = (l), .name = (n), .value = (v), __VA_ARGS__                              \
        }

const Option option_table[_OPTION_MAX] = {
        [OPTION_HELP] = FLAG('h', "help", .doc = "Show this help"),
        [OPTION_VERSION] = FLAG(0, "version", .doc = "Show the version"),
        [OPTION_USER] = FLAG(0, "user", .doc = "Talk to the caller's own daemon (session bus)"),
        [OPTION_SYSTEM] = FLAG(0, "system", .doc = "Talk to the system's daemon (the default)"),
        [OPTION_QUIET] = FLAG('q', "quiet", .doc = "Print results and errors only"),
        [OPTION_DUMP_VERBS] =
                FLAG(0, "dump-verbs", .hidden = true, .doc = "Print all verbs and options as JSON"),
        [OPTION_OUTPUT] =
                VALUE('o', "output", "FORMAT", .hint = HINT_CHOICES, .choices = output_formats,
                      .doc = "Output as table, json, jsonl or name"),
        [OPTION_NO_LEGEND] = FLAG(0, "no-legend", .doc = "Leave out headers and footers"),
        [OPTION_OWNER] = VALUE(0, "owner", "USER", .hint = HINT_USER,
                               .doc = "Mean the machines of this user (root only)"),
        [OPTION_ALL] = FLAG('a', "all", .doc = "Show stopped machines too"),
        [OPTION_PROPERTY] = VALUE('p', "property", "NAME[,NAME...]", .hint = HINT_PROPERTY,
                                  .repeatable = true, .doc = "Show these properties only"),
        [OPTION_VALUE] = FLAG(0, "value", .doc = "Print values without their names"),
        [OPTION_NAME] = VALUE(0, "name", "NAME", .doc = "Call the machine NAME"),
        [OPTION_DETACH] =
                FLAG('d', "detach", .doc = "Return once the machine runs, and print its name"),
        [OPTION_INTERACTIVE] =
                FLAG('i', "interactive", .doc = "Pass standard input to the guest, ^C included"),
        [OPTION_RM] = FLAG(0, "rm", .doc = "Delete the machine when its run ends (the default)"),
        [OPTION_KEEP] = FLAG(0, "keep", .doc = "Keep the machine when its run ends"),
        [OPTION_KERNEL] =
                VALUE(0, "kernel", "FILE", .hint = HINT_FILE, .doc = "Boot this ELF or bzImage"),
        [OPTION_INITRD] = VALUE(0, "initrd", "FILE", .hint = HINT_FILE,
                                .doc = "Give the kernel this initial RAM disk"),
        [OPTION_PARAMS] = VALUE(0, "params", "TEXT", .doc = "Kernel command line"),
        [OPTION_MEMORY] = VALUE(0, "memory", "SIZE", .doc = "Memory in MiB, or with suffix M or G"),
        [OPTION_CPUS] = VALUE(0, "cpus", "COUNT", .doc = "Number of processors"),
        [OPTION_START] = FLAG(0, "start", .doc = "Start the machine at once"),
        [OPTION_EXIST_OK] =
                FLAG(0, "exist-ok", .doc = "Leave a machine that exists as it is, without error"),
        [OPTION_FORCE] = FLAG(0, "force", .doc = "Kill a machine that still runs first"),
        [OPTION_WAIT] = FLAG(0, "wait", .doc = "Wait until the run has ended"),
        [OPTION_TIMEOUT] = VALUE(0, "timeout", "TIME",
                                 .doc = "How long to wait: seconds, or with suffix ms, s, min, h"),
        [OPTION_READ_ONLY] = FLAG(0, "read-only", .doc = "Watch, and send nothing to the guest"),
        [OPTION_STEAL] = FLAG(0, "steal", .doc = "Take the console over from who writes to it"),
        [OPTION_RAW] = FLAG(0, "raw", .doc = "Pass the guest's bytes unchanged"),
        [OPTION_ESCAPE] = FLAG(0, "escape", .doc = "Show control sequences of the guest as \\xNN"),
        [OPTION_NO_SCROLLBACK] =
                FLAG(0, "no-scrollback", .doc = "Leave out what was printed before"),
        [OPTION_FOLLOW] = FLAG('f', "follow", .doc = "Go on until the run ends"),
        [OPTION_PREVIOUS] = FLAG(0, "previous", .doc = "Show the older, rotated part of the log"),
        [OPTION_LINES] = VALUE('n', "lines", "COUNT", .doc = "Show the last lines only"),
        [OPTION_PRINT] =
                FLAG(0, "print", .doc = "Print the configuration with every default filled in"),
};

const OptionId global_options[] = {
        OPTION_HELP,  OPTION_VERSION,    OPTION_USER, OPTION_SYSTEM,
        OPTION_QUIET, OPTION_DUMP_VERBS, _OPTION_MAX,
};

#define MANY       64
#define HOST       "The host"
#define DEFINITION "Machines"
#define RUNNING    "Their runs"
#define LOOKING    "Looking at them"
#define IMAGE      OPTION_KERNEL, OPTION_INITRD, OPTION_PARAMS, OPTION_MEMORY, OPTION_CPUS

const Verb verb_table[] = {
        {
                .name = "info",
                .group = HOST,
                .synopsis = "",
                .summary = "Show what this host can do",
                .usage_exit = VMCTL_USAGE,
                .run = verb_info,
                .options = {OPTION_OUTPUT, _OPTION_MAX},
        },
        {
                .name = "doctor",
                .group = HOST,
                .synopsis = "",
                .summary = "Check each thing that a start needs, with cause and fix",
                .usage_exit = VMCTL_USAGE,
                .run = verb_doctor,
                .options = {OPTION_OUTPUT, _OPTION_MAX},
        },
        {
                .name = "validate",
                .group = DEFINITION,
                .synopsis = "FILE...",
                .summary = "Check configuration files, and make nothing",
                .min_args = 1,
                .max_args = MANY,
                .hints = {HINT_FILE, HINT_FILE},
                .usage_exit = VMCTL_USAGE,
                .run = verb_validate,
                .options = {OPTION_PRINT, _OPTION_MAX},
        },
        {
                .name = "create",
                .group = DEFINITION,
                .synopsis = "NAME [CONFIG | IMAGE] [-- ARG...]",
                .summary = "Create a machine that is kept",
                .help = "CONFIG is a JSON file (vm-config(5)), IMAGE a kernel or a bare payload (a "
                        "64-bit ELF or a\nbzImage). The options change or complete what it says. "
                        "ARGs are appended to the kernel\ncommand line.",
                .min_args = 1,
                .max_args = 2,
                .hints = {HINT_NEW_MACHINE, HINT_FILE},
                .guest_args = true,
                .usage_exit = VMCTL_USAGE,
                .run = verb_create,
                .options = {OPTION_START, OPTION_EXIST_OK, IMAGE, _OPTION_MAX},
        },
        {
                .name = "cat",
                .group = DEFINITION,
                .synopsis = "NAME...",
                .summary = "Print the configuration of machines, defaults filled in",
                .min_args = 1,
                .max_args = MANY,
                .hints = {HINT_MACHINE, HINT_MACHINE},
                .usage_exit = VMCTL_USAGE,
                .run = verb_cat,
                .options = {OPTION_OWNER, _OPTION_MAX},
        },
        {
                .name = "set-config",
                .group = DEFINITION,
                .synopsis = "NAME CONFIG",
                .summary = "Replace the configuration of a stopped machine",
                .min_args = 2,
                .max_args = 2,
                .hints = {HINT_STOPPED, HINT_FILE},
                .usage_exit = VMCTL_USAGE,
                .run = verb_set_config,
                .options = {OPTION_OWNER, _OPTION_MAX},
        },
        {
                .name = "delete",
                .group = DEFINITION,
                .synopsis = "NAME...",
                .summary = "Delete stopped machines with all that belongs to them",
                .min_args = 1,
                .max_args = MANY,
                .hints = {HINT_STOPPED, HINT_STOPPED},
                .usage_exit = VMCTL_USAGE,
                .run = verb_delete,
                .options = {OPTION_FORCE, OPTION_OWNER, _OPTION_MAX},
        },
        {
                .name = "run",
                .group = RUNNING,
                .synopsis = "[CONFIG | IMAGE] [-- ARG...]",
                .summary = "Create a machine, run it, and return its exit code",
                .help = "CONFIG is a JSON file (vm-config(5)), IMAGE a kernel or a bare payload (a "
                        "64-bit ELF or a\nbzImage). The options change or complete what it says. "
                        "ARGs are appended to the kernel\ncommand line.\n\n"
                        "On a terminal, ^C stops the machine gracefully and a second ^C kills it; "
                        "^]^]^] within a\nsecond leaves it running. The exit code is the guest "
                        "program's; 125 is ours, with the\ncause printed.",
                .min_args = 0,
                .max_args = 1,
                .hints = {HINT_FILE, HINT_NONE},
                .guest_args = true,
                .usage_exit = VMCTL_RUN_FAILED,
                .run = verb_run,
                .options = {OPTION_RM, OPTION_KEEP, OPTION_DETACH, OPTION_INTERACTIVE, OPTION_NAME,
                            IMAGE, OPTION_RAW, OPTION_ESCAPE, _OPTION_MAX},
        },
        {
                .name = "start",
                .group = RUNNING,
                .synopsis = "NAME...",
                .summary = "Start machines",
                .min_args = 1,
                .max_args = MANY,
                .hints = {HINT_STOPPED, HINT_STOPPED},
                .usage_exit = VMCTL_USAGE,
                .run = verb_start,
                .options = {OPTION_WAIT, OPTION_OWNER, _OPTION_MAX},
        },
        {
                .name = "stop",
                .group = RUNNING,
                .synopsis = "NAME...",
                .summary = "Press the power button, and wait for the end",
                .help = "A guest that has not powered off after the timeout (30 s unless --timeout "
                        "says otherwise)\nis killed.",
                .min_args = 1,
                .max_args = MANY,
                .hints = {HINT_RUNNING, HINT_RUNNING},
                .usage_exit = VMCTL_USAGE,
                .run = verb_stop,
                .options = {OPTION_TIMEOUT, OPTION_OWNER, _OPTION_MAX},
        },
        {
                .name = "kill",
                .group = RUNNING,
                .synopsis = "NAME...",
                .summary = "Pull the plug",
                .min_args = 1,
                .max_args = MANY,
                .hints = {HINT_RUNNING, HINT_RUNNING},
                .usage_exit = VMCTL_USAGE,
                .run = verb_kill,
                .options = {OPTION_OWNER, _OPTION_MAX},
        },
        {
                .name = "reboot",
                .group = RUNNING,
                .synopsis = "NAME...",
                .summary = "Reset the guest; the run goes on",
                .min_args = 1,
                .max_args = MANY,
                .hints = {HINT_RUNNING, HINT_RUNNING},
                .usage_exit = VMCTL_USAGE,
                .run = verb_reboot,
                .options = {OPTION_OWNER, _OPTION_MAX},
        },
        {
                .name = "pause",
                .group = RUNNING,
                .synopsis = "NAME...",
                .summary = "Halt the processors of the guest; its memory is kept",
                .min_args = 1,
                .max_args = MANY,
                .hints = {HINT_RUNNING, HINT_RUNNING},
                .usage_exit = VMCTL_USAGE,
                .run = verb_pause,
                .options = {OPTION_OWNER, _OPTION_MAX},
        },
        {
                .name = "resume",
                .group = RUNNING,
                .synopsis = "NAME...",
                .summary = "Set a paused guest going again",
                .min_args = 1,
                .max_args = MANY,
                .hints = {HINT_RUNNING, HINT_RUNNING},
                .usage_exit = VMCTL_USAGE,
                .run = verb_resume,
                .options = {OPTION_OWNER, _OPTION_MAX},
        },
        {
                .name = "wait",
                .group = RUNNING,
                .synopsis = "NAME...",
                .summary = "Wait until runs have ended, and say how they did",
                .help = "Fails if a run did not end well: with another reason than SHUTDOWN, or "
                        "with a payload's\nexit code other than 0.",
                .min_args = 1,
                .max_args = MANY,
                .hints = {HINT_RUNNING, HINT_RUNNING},
                .usage_exit = VMCTL_USAGE,
                .run = verb_wait,
                .options = {OPTION_TIMEOUT, OPTION_OUTPUT, OPTION_NO_LEGEND, OPTION_OWNER,
                            _OPTION_MAX},
        },
        {
                .name = "list",
                .group = LOOKING,
                .synopsis = "",
                .summary = "List machines that run, or all of them (-a)",
                .usage_exit = VMCTL_USAGE,
                .run = verb_list,
                .options = {OPTION_ALL, OPTION_OUTPUT, OPTION_NO_LEGEND, _OPTION_MAX},
        },
        {
                .name = "status",
                .group = LOOKING,
                .synopsis = "[NAME...]",
                .summary = "Show state, usage and the last console lines",
                .help = "Without NAME, that of the daemon. Fails with exit code 3 if a machine "
                        "does not run.",
                .max_args = MANY,
                .hints = {HINT_MACHINE, HINT_MACHINE},
                .usage_exit = VMCTL_USAGE,
                .run = verb_status,
                .options = {OPTION_OUTPUT, OPTION_LINES, OPTION_OWNER, _OPTION_MAX},
        },
        {
                .name = "show",
                .group = LOOKING,
                .synopsis = "NAME...",
                .summary = "Print properties, for programs",
                .min_args = 1,
                .max_args = MANY,
                .hints = {HINT_MACHINE, HINT_MACHINE},
                .usage_exit = VMCTL_USAGE,
                .run = verb_show,
                .options = {OPTION_PROPERTY, OPTION_VALUE, OPTION_OUTPUT, OPTION_OWNER,
                            _OPTION_MAX},
        },
        {
                .name = "console",
                .group = LOOKING,
                .synopsis = "NAME",
                .summary = "Attach to the console; ^]^]^] within a second detaches",
                .help = "Begins with the scrollback. On a terminal the guest's bytes are passed "
                        "unchanged, else they\nare escaped; --escape and --raw say otherwise.",
                .min_args = 1,
                .max_args = 1,
                .hints = {HINT_RUNNING, HINT_NONE},
                .usage_exit = VMCTL_USAGE,
                .run = verb_console,
                .options = {OPTION_READ_ONLY, OPTION_STEAL, OPTION_NO_SCROLLBACK, OPTION_RAW,
                            OPTION_ESCAPE, OPTION_OWNER, _OPTION_MAX},
        },
        {
                .name = "logs",
                .group = LOOKING,
                .synopsis = "NAME",
                .summary = "Show the console log of this or the last run",
                .min_args = 1,
                .max_args = 1,
                .hints = {HINT_MACHINE, HINT_NONE},
                .usage_exit = VMCTL_USAGE,
                .run = verb_logs,
                .options = {OPTION_FOLLOW, OPTION_PREVIOUS, OPTION_LINES, OPTION_RAW, OPTION_OWNER,
                            _OPTION_MAX},
        },
        {
                .name = "events",
                .group = LOOKING,
                .synopsis = "[NAME...]",
                .summary = "Print what happens to machines, as it happens",
                .max_args = MANY,
                .hints = {HINT_MACHINE, HINT_MACHINE},
                .usage_exit = VMCTL_USAGE,
                .run = verb_events,
                .options = {OPTION_OUTPUT, OPTION_OWNER, _OPTION_MAX},
        },
};

const size_t verb_count = sizeof(verb_table) / sizeof(verb_table[0]);
