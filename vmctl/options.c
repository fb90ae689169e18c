/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/options.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/string-util.h"

typedef struct Parser {
        Invocation *invocation;
        char **words;
        size_t n_words, at;
        char **ret_problem;
} Parser;

const Verb *verb_find(const char *name)
{
        for (size_t i = 0; i < verb_count; i++)
                if (streq(verb_table[i].name, name))
                        return &verb_table[i];
        return NULL;
}

static bool list_has(const OptionId *list, OptionId id)
{
        for (; *list != _OPTION_MAX; list++)
                if (*list == id)
                        return true;
        return false;
}

bool verb_takes_option(const Verb *verb, OptionId id)
{
        return list_has(global_options, id) || (verb && list_has(verb->options, id));
}

bool invocation_has(const Invocation *invocation, OptionId id)
{
        return invocation->options[id].count > 0;
}

const char *invocation_value(const Invocation *invocation, OptionId id)
{
        const OptionValues *values = &invocation->options[id];

        return values->count > 0 ? values->values[values->count - 1] : NULL;
}

static int __attribute__((format(printf, 2, 3))) problem(Parser *parser, const char *format, ...)
{
        va_list list;

        va_start(list, format);
        *parser->ret_problem = g_strdup_vprintf(format, list);
        va_end(list);
        return -EINVAL;
}

static char *escaped(const char *text)
{
        return string_escape(text, strlen(text));
}

static const char *help_command(const Parser *parser, char buffer[64])
{
        const Verb *verb = parser->invocation->verb;

        g_snprintf(buffer, 64, "vmctl %s%s--help", verb ? verb->name : "", verb ? " " : "");
        return buffer;
}

static int unknown_verb(Parser *parser, const char *word)
{
        g_autofree const char **names = g_new(const char *, verb_count);
        _cleanup_free_ char *shown = escaped(word);
        const char *nearest;

        for (size_t i = 0; i < verb_count; i++)
                names[i] = verb_table[i].name;
        nearest = string_nearest(word, names, verb_count);
        if (nearest)
                return problem(parser, "unknown verb \"%s\". Did you mean \"%s\"?", shown, nearest);
        return problem(parser, "unknown verb \"%s\". \"vmctl --help\" lists them.", shown);
}

static int unknown_option(Parser *parser, const char *name)
{
        const char *names[_OPTION_MAX];
        _cleanup_free_ char *shown = escaped(name);
        const char *nearest;
        char buffer[64];
        size_t n = 0;

        for (OptionId id = 0; id < _OPTION_MAX; id++)
                if (verb_takes_option(parser->invocation->verb, id) && !option_table[id].hidden)
                        names[n++] = option_table[id].name;
        nearest = string_nearest(name, names, n);
        if (nearest)
                return problem(parser, "unknown option \"--%s\". Did you mean \"--%s\"?", shown,
                               nearest);
        return problem(parser, "unknown option \"--%s\". \"%s\" lists what there is.", shown,
                       help_command(parser, buffer));
}

static int take_value(Parser *parser, OptionId id, const char *value)
{
        OptionValues *values = &parser->invocation->options[id];
        const Option *option = &option_table[id];

        if (option->value && option->choices) {
                size_t n = g_strv_length((gchar **)option->choices);

                if (string_table_lookup(option->choices, n, value) < 0) {
                        g_autofree char *all = g_strjoinv(", ", (gchar **)option->choices);
                        _cleanup_free_ char *shown = escaped(value);

                        return problem(parser, "--%s=%s: unknown %s. Use one of: %s.", option->name,
                                       shown, option->value, all);
                }
        }
        if (values->count == MAX_VALUES)
                return problem(parser, "--%s is given more than %d times. Give it fewer times.",
                               option->name, MAX_VALUES);
        if (!option->repeatable) {
                values->values[0] = value; /* as usual, the last one holds */
                values->count = 1;
        } else
                values->values[values->count++] = value;
        return 0;
}

/* The value of an option: after its "=" (or in the same word), or the next word. */
static int take_option(Parser *parser, OptionId id, const char *attached)
{
        const Option *option = &option_table[id];

        if (!option->value)
                return take_value(parser, id, NULL);
        if (attached)
                return take_value(parser, id, attached);
        if (parser->at >= parser->n_words)
                return problem(parser, "--%s needs a value. Give it as --%s=%s.", option->name,
                               option->name, option->value);
        return take_value(parser, id, parser->words[parser->at++]);
}

static int parse_long(Parser *parser, const char *word)
{
        const char *equals = strchr(word, '=');
        g_autofree char *name = equals ? g_strndup(word, (gsize)(equals - word)) : g_strdup(word);

        for (OptionId id = 0; id < _OPTION_MAX; id++) {
                if (!verb_takes_option(parser->invocation->verb, id) ||
                    !streq(option_table[id].name, name))
                        continue;
                if (equals && !option_table[id].value)
                        return problem(parser, "--%s takes no value. Leave out what follows the =.",
                                       name);
                return take_option(parser, id, equals ? equals + 1 : NULL);
        }
        return unknown_option(parser, name);
}

/* "-ad", "-ojson", "-o json". */
static int parse_letters(Parser *parser, const char *letters)
{
        char buffer[64];

        while (*letters) {
                const char letter = *letters++;
                _cleanup_free_ char *shown = NULL;
                OptionId id = 0;

                while (id < _OPTION_MAX && (option_table[id].letter != letter ||
                                            !verb_takes_option(parser->invocation->verb, id)))
                        id++;
                if (id < _OPTION_MAX) {
                        bool with_value = option_table[id].value && *letters;
                        int r = take_option(parser, id, with_value ? letters : NULL);

                        if (r < 0 || with_value)
                                return r;
                        continue;
                }
                shown = string_escape(&letter, 1);
                return problem(parser, "unknown option \"-%s\". \"%s\" lists what there is.", shown,
                               help_command(parser, buffer));
        }
        return 0;
}

/* Whether the value of the option in word is the next word. Letters are unique in the table. */
static bool value_follows(const char *word)
{
        for (OptionId id = 0; id < _OPTION_MAX; id++) {
                const Option *option = &option_table[id];

                if (!option->value)
                        continue;
                if (g_str_has_prefix(word, "--") ? streq(option->name, word + 2)
                                                 : option->letter && word[1] == option->letter)
                        return word[1] == '-' || word[2] == '\0';
        }
        return false;
}

/*
 * The options of a verb may stand before it (vmctl -o json list), so the verb is looked for first.
 */
static int find_verb(Parser *parser)
{
        for (size_t i = 0; i < parser->n_words; i++) {
                const char *word = parser->words[i];

                if (streq(word, "--"))
                        return 0;
                if (word[0] == '-' && word[1] != '\0') {
                        i += value_follows(word);
                        continue;
                }
                parser->invocation->verb = verb_find(word);
                if (!parser->invocation->verb)
                        return unknown_verb(parser, word);
                return 0;
        }
        return 0;
}

/* "vmctl list", "vmctl start NAME...": g_free() */
static char *usage_of(const Verb *verb)
{
        return g_strconcat("vmctl ", verb->name, *verb->synopsis ? " " : "", verb->synopsis, NULL);
}

static int check_args(Parser *parser)
{
        const Invocation *invocation = parser->invocation;
        const Verb *verb = invocation->verb;
        g_autofree char *usage = NULL;

        if (!verb || invocation_has(invocation, OPTION_HELP))
                return 0;
        usage = usage_of(verb);
        if (invocation->n_args < verb->min_args)
                return problem(parser, "%s: too few arguments. Use: %s", verb->name, usage);
        if (invocation->n_args > verb->max_args) {
                _cleanup_free_ char *shown = escaped(invocation->args[verb->max_args]);

                return problem(parser, "%s: \"%s\" is one argument too many. Use: %s", verb->name,
                               shown, usage);
        }
        if (invocation_has(invocation, OPTION_USER) && invocation_has(invocation, OPTION_SYSTEM))
                return problem(parser, "--user and --system exclude each other. Give one of them.");
        return 0;
}

static int parse_words(Parser *parser)
{
        Invocation *invocation = parser->invocation;
        bool verb_seen = false;
        int r = 0;

        while (r >= 0 && parser->at < parser->n_words) {
                const char *word = parser->words[parser->at++];

                if (streq(word, "--")) {
                        size_t n = parser->n_words - parser->at;
                        char **rest = parser->words + parser->at;

                        parser->at = parser->n_words;
                        if (invocation->verb && invocation->verb->guest_args) {
                                invocation->n_guest_args = n;
                                memcpy(invocation->guest_args, rest, n * sizeof(*rest));
                                continue;
                        }
                        memcpy(invocation->args + invocation->n_args, rest, n * sizeof(*rest));
                        invocation->n_args += n;
                } else if (g_str_has_prefix(word, "--"))
                        r = parse_long(parser, word + 2);
                else if (word[0] == '-' && word[1] != '\0')
                        r = parse_letters(parser, word + 1);
                else if (!verb_seen)
                        verb_seen = true;
                else
                        invocation->args[invocation->n_args++] = word;
        }
        return r;
}

int invocation_parse(Invocation *invocation, int argc, char **argv, char **ret_problem)
{
        Parser parser = {
                .invocation = invocation,
                .words = argv + 1,
                .n_words = argc > 0 ? (size_t)argc - 1 : 0,
                .ret_problem = ret_problem,
        };
        int r;

        *invocation = (Invocation){
                .args = g_new0(const char *, parser.n_words + 1),
                .guest_args = g_new0(const char *, parser.n_words + 1),
        };
        r = find_verb(&parser);
        if (r >= 0)
                r = parse_words(&parser);
        return r < 0 ? r : check_args(&parser);
}

void invocation_done(Invocation *invocation)
{
        g_free(invocation->args);
        g_free(invocation->guest_args);
        *invocation = (Invocation){0};
}
