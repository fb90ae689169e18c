/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/help.h"

#include <stdio.h>

#include "common/string-util.h"
#include "vmctl/output.h"
#include "vmctl/properties.h"

#define VERB_WIDTH   11
#define OPTION_WIDTH 27

static void print_option(OptionId id)
{
        const Option *option = &option_table[id];
        g_autofree char *name = NULL, *letter = NULL;

        if (option->hidden)
                return;
        letter = option->letter ? g_strdup_printf("-%c,", option->letter) : g_strdup("   ");
        name = g_strdup_printf("--%s%s%s", option->name, option->value ? "=" : "",
                               option->value ? option->value : "");
        printf("  %s %-*s %s\n", letter, OPTION_WIDTH, name, option->doc);
}

static void print_heading(const char *text)
{
        printf("\n%s%s:%s\n", tone_begin(TONE_STRONG), text, tone_end(TONE_STRONG));
}

static void print_options(const char *heading, const OptionId *ids)
{
        if (*ids == _OPTION_MAX)
                return;
        print_heading(heading);
        for (; *ids != _OPTION_MAX; ids++)
                print_option(*ids);
}

void help_program(void)
{
        const char *group = NULL;

        printf("vmctl [OPTION...] VERB [ARGUMENT...]\n\n"
               "Create, run and look at virtual machines.\n");
        for (size_t i = 0; i < verb_count; i++) {
                const Verb *verb = &verb_table[i];

                if (!group || !streq(group, verb->group))
                        print_heading(verb->group);
                group = verb->group;
                printf("  %-*s %s\n", VERB_WIDTH, verb->name, verb->summary);
        }
        print_options("Options", global_options);
        printf("\n\"vmctl VERB --help\" shows what a verb takes. See vmctl(1).\n");
}

void help_verb(const Verb *verb)
{
        printf("vmctl %s [OPTION...]%s%s\n\n%s.\n", verb->name, *verb->synopsis ? " " : "",
               verb->synopsis, verb->summary);
        if (verb->help)
                printf("\n%s\n", verb->help);
        print_options("Options", verb->options);
        print_options("Options of all verbs", global_options);
}

static const char *hint_name(CompletionHint hint)
{
        static const char *const names[] = {
                [HINT_NONE] = "none",         [HINT_NEW_MACHINE] = "none",
                [HINT_FILE] = "file",         [HINT_MACHINE] = "machine",
                [HINT_RUNNING] = "running",   [HINT_STOPPED] = "stopped",
                [HINT_PROPERTY] = "property", [HINT_USER] = "user",
                [HINT_CHOICES] = "choices",
        };

        return names[hint];
}

static json_object *option_to_json(OptionId id)
{
        const Option *option = &option_table[id];
        json_object *object = json_object_new_object(), *choices = json_object_new_array();
        const char letter[2] = {option->letter, '\0'};

        json_object_object_add(object, "name", json_string(option->name));
        json_object_object_add(object, "letter", json_string(option->letter ? letter : NULL));
        json_object_object_add(object, "value", json_string(option->value));
        json_object_object_add(object, "hint", json_string(hint_name(option->hint)));
        for (size_t i = 0; option->choices && option->choices[i]; i++)
                json_object_array_add(choices, json_string(option->choices[i]));
        json_object_object_add(object, "choices", choices);
        json_object_object_add(object, "hidden", json_object_new_boolean(option->hidden));
        json_object_object_add(object, "doc", json_string(option->doc));
        return object;
}

static json_object *options_to_json(const OptionId *ids)
{
        json_object *array = json_object_new_array();

        for (; *ids != _OPTION_MAX; ids++)
                json_object_array_add(array, option_to_json(*ids));
        return array;
}

static json_object *verb_to_json(const Verb *verb)
{
        json_object *object = json_object_new_object(), *hints = json_object_new_array();

        json_object_object_add(object, "name", json_string(verb->name));
        json_object_object_add(object, "group", json_string(verb->group));
        json_object_object_add(object, "synopsis", json_string(verb->synopsis));
        json_object_object_add(object, "summary", json_string(verb->summary));
        json_object_object_add(object, "min_args", json_object_new_int64((int64_t)verb->min_args));
        json_object_object_add(object, "max_args", json_object_new_int64((int64_t)verb->max_args));
        for (size_t i = 0; i < G_N_ELEMENTS(verb->hints); i++)
                json_object_array_add(hints, json_string(hint_name(verb->hints[i])));
        json_object_object_add(object, "hints", hints);
        json_object_object_add(object, "options", options_to_json(verb->options));
        return object;
}

void help_dump(void)
{
        json_object *root = json_object_new_object(), *verbs = json_object_new_array();
        json_object *properties = json_object_new_array();

        for (size_t i = 0; i < verb_count; i++)
                json_object_array_add(verbs, verb_to_json(&verb_table[i]));
        for (size_t i = 0; i < property_count; i++)
                json_object_array_add(properties, json_string(property_table[i].name));
        json_object_object_add(root, "options", options_to_json(global_options));
        json_object_object_add(root, "verbs", verbs);
        json_object_object_add(root, "properties", properties);
        output_json(root, OUTPUT_JSON);
        json_object_put(root);
}
