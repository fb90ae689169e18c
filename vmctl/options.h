/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Verbs and options as data. An option means the same thing wherever it is taken, so each is
 * described once; a verb names those that it takes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum OptionId {
        OPTION_HELP,
        OPTION_VERSION,
        OPTION_USER,
        OPTION_SYSTEM,
        OPTION_QUIET,
        OPTION_DUMP_VERBS,
        OPTION_OUTPUT,
        OPTION_NO_LEGEND,
        OPTION_OWNER,
        OPTION_ALL,
        OPTION_PROPERTY,
        OPTION_VALUE,
        OPTION_NAME,
        OPTION_DETACH,
        OPTION_INTERACTIVE,
        OPTION_RM,
        OPTION_KEEP,
        OPTION_KERNEL,
        OPTION_INITRD,
        OPTION_PARAMS,
        OPTION_MEMORY,
        OPTION_CPUS,
        OPTION_START,
        OPTION_EXIST_OK,
        OPTION_FORCE,
        OPTION_WAIT,
        OPTION_TIMEOUT,
        OPTION_READ_ONLY,
        OPTION_STEAL,
        OPTION_RAW,
        OPTION_ESCAPE,
        OPTION_NO_SCROLLBACK,
        OPTION_FOLLOW,
        OPTION_PREVIOUS,
        OPTION_LINES,
        OPTION_PRINT,
        _OPTION_MAX,
} OptionId;

/* What a shell may offer where a word is expected. */
typedef enum CompletionHint {
        HINT_NONE,
        HINT_FILE,
        HINT_NEW_MACHINE, /* a name that is not taken yet: nothing can be offered */
        HINT_MACHINE,     /* any machine */
        HINT_RUNNING,     /* a machine that runs */
        HINT_STOPPED,     /* a machine that does not */
        HINT_PROPERTY,
        HINT_USER,
        HINT_CHOICES,
} CompletionHint;

typedef struct Option {
        char letter;       /* 0: none */
        const char *name;  /* without the dashes */
        const char *value; /* what its value is called; NULL for a flag */
        CompletionHint hint;
        const char *const *choices; /* HINT_CHOICES: NULL-terminated */
        bool repeatable;
        bool hidden; /* for programs; in the man page only */
        const char *doc;
} Option;

struct Context;

typedef struct Verb {
        const char *name;
        const char *group;    /* heading in the help */
        const char *synopsis; /* arguments, as in the man page */
        const char *summary;  /* one line */
        const char *help;     /* more, for "vmctl VERB --help"; NULL if the summary says it all */
        size_t min_args, max_args;
        CompletionHint hints[2]; /* of the first and of all further arguments */
        bool guest_args;         /* words after "--" are for the guest */
        int usage_exit;          /* exit code of a usage error */
        int (*run)(const struct Context *context);
        OptionId options[20]; /* ends with _OPTION_MAX; the global ones are taken by all */
} Verb;

extern const Option option_table[_OPTION_MAX];
extern const Verb verb_table[];
extern const size_t verb_count;
extern const OptionId global_options[]; /* ends with _OPTION_MAX */

#define MAX_VALUES 32

typedef struct OptionValues {
        const char *values[MAX_VALUES];
        size_t count; /* how often it was given; a flag has no values */
} OptionValues;

/* A parsed command line; strings are borrowed from argv. */
typedef struct Invocation {
        const Verb *verb; /* NULL: none was given */
        OptionValues options[_OPTION_MAX];
        const char **args;
        size_t n_args;
        const char **guest_args;
        size_t n_guest_args;
} Invocation;

const Verb *verb_find(const char *name);
bool verb_takes_option(const Verb *verb, OptionId id); /* NULL: the global ones only */

/*
 * Parses argv. 0, or -EINVAL with a sentence that names cause and fix in *ret_problem (g_free());
 * then *invocation says how far it got (its verb, for the exit code). invocation_done() in any
 * case.
 */
int invocation_parse(Invocation *invocation, int argc, char **argv, char **ret_problem);
void invocation_done(Invocation *invocation);

bool invocation_has(const Invocation *invocation, OptionId id);
const char *invocation_value(const Invocation *invocation, OptionId id); /* the last one; NULL */
