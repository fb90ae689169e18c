/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/options.h"

#include <ctype.h>
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "common/string-util.h"
#include "tests/unit/unit.h"
#include "vmctl/vmctl.h"

typedef struct Parsed {
        Invocation invocation;
        char *problem;
        char **argv;
        int result;
} Parsed;

static Parsed parse(const char *line)
{
        Parsed parsed = {.argv = g_strsplit(line, " ", -1)};

        parsed.result = invocation_parse(&parsed.invocation, (int)g_strv_length(parsed.argv),
                                         parsed.argv, &parsed.problem);
        ck_assert_int_eq(parsed.result < 0, parsed.problem != NULL);
        return parsed;
}

static void done(Parsed *parsed)
{
        invocation_done(&parsed->invocation);
        g_strfreev(parsed->argv);
        g_free(parsed->problem);
}

START_TEST(test_verb_and_arguments)
{
        Parsed p = parse("vmctl stop --timeout 5 web -q db");

        ck_assert_int_eq(p.result, 0);
        ck_assert_str_eq(p.invocation.verb->name, "stop");
        ck_assert_uint_eq(p.invocation.n_args, 2);
        ck_assert_str_eq(p.invocation.args[0], "web");
        ck_assert_str_eq(p.invocation.args[1], "db");
        ck_assert_str_eq(invocation_value(&p.invocation, OPTION_TIMEOUT), "5");
        ck_assert(invocation_has(&p.invocation, OPTION_QUIET));
        ck_assert(!invocation_has(&p.invocation, OPTION_USER));
        done(&p);
}
END_TEST

/* The same meaning, in every way in which it may be written. */
START_TEST(test_forms)
{
        static const char *const lines[] = {
                "vmctl list -a -o json",       "vmctl list -ao json",
                "vmctl list -aojson",          "vmctl list --all --output=json",
                "vmctl --output json list -a", "vmctl -ojson list --all",
                "vmctl -o json -a list",       "vmctl -a --output=jsonl list -o json",
        };
        Parsed p = parse(lines[_i]);

        ck_assert_msg(p.result == 0, "%s: %s", lines[_i], p.problem);
        ck_assert_str_eq(p.invocation.verb->name, "list");
        ck_assert_str_eq(invocation_value(&p.invocation, OPTION_OUTPUT), "json");
        ck_assert(invocation_has(&p.invocation, OPTION_ALL));
        done(&p);
}
END_TEST

START_TEST(test_repeated)
{
        Parsed p = parse("vmctl show -p State -p Name,Id web");
        const OptionValues *values = &p.invocation.options[OPTION_PROPERTY];

        ck_assert_uint_eq(values->count, 2);
        ck_assert_str_eq(values->values[0], "State");
        ck_assert_str_eq(values->values[1], "Name,Id");
        done(&p);
}
END_TEST

START_TEST(test_words_for_the_guest)
{
        Parsed p = parse("vmctl run --memory=64 hello.elf -- -v --memory x");

        ck_assert_int_eq(p.result, 0);
        ck_assert_uint_eq(p.invocation.n_args, 1);
        ck_assert_uint_eq(p.invocation.n_guest_args, 3);
        ck_assert_str_eq(p.invocation.guest_args[0], "-v");
        ck_assert_str_eq(invocation_value(&p.invocation, OPTION_MEMORY), "64");
        done(&p);
}
END_TEST

START_TEST(test_double_dash_ends_options)
{
        Parsed p = parse("vmctl status -- -odd");

        ck_assert_int_eq(p.result, 0);
        ck_assert_str_eq(p.invocation.args[0], "-odd");
        done(&p);
}
END_TEST

static const struct {
        const char *line, *says;
} bad[] = {
        {"vmctl strat web", "unknown verb \"strat\". Did you mean \"start\"?"},
        {"vmctl frobnicate", "unknown verb \"frobnicate\". \"vmctl --help\" lists them."},
        {"vmctl list --al", "unknown option \"--al\". Did you mean \"--all\"?"},
        {"vmctl list --zzzzzzzz", "\"vmctl list --help\" lists what there is."},
        {"vmctl list -z", "unknown option \"-z\""},
        {"vmctl list --follow", "unknown option \"--follow\""}, /* another verb's */
        {"vmctl list -o yaml",
         "--output=yaml: unknown FORMAT. Use one of: table, json, jsonl, name."},
        {"vmctl list --output", "--output needs a value. Give it as --output=FORMAT."},
        {"vmctl list -o", "--output needs a value"},
        {"vmctl list --all=yes", "--all takes no value"},
        {"vmctl start", "start: too few arguments. Use: vmctl start NAME..."},
        {"vmctl list web", "list: \"web\" is one argument too many"},
        {"vmctl --user --system list", "--user and --system exclude each other"},
        {"vmctl \033[31m", "unknown verb \"\\x1b[31m\""},
        {"vmctl list --\033[31m", "unknown option \"--\\x1b[31m\""},
        {"vmctl list -\033", "unknown option \"-\\x1b\""},
        {"vmctl", NULL},
};

START_TEST(test_bad)
{
        Parsed p = parse(bad[_i].line);

        if (bad[_i].says) {
                ck_assert_int_eq(p.result, -EINVAL);
                ck_assert_msg(strstr(p.problem, bad[_i].says) != NULL, "%s", p.problem);
        } else
                ck_assert(p.result == 0 && !p.invocation.verb);
        done(&p);
}
END_TEST

/* Usage errors of "run" are ours, and say so by 125. */
START_TEST(test_usage_exit)
{
        Parsed p = parse("vmctl run --bogus x");

        ck_assert_int_eq(p.result, -EINVAL);
        ck_assert_int_eq(p.invocation.verb->usage_exit, VMCTL_RUN_FAILED);
        done(&p);
}
END_TEST

START_TEST(test_too_often)
{
        g_autoptr(GString) line = g_string_new("vmctl show web");
        Parsed p;

        for (int i = 0; i <= MAX_VALUES; i++)
                g_string_append(line, " -p State");
        p = parse(line->str);
        ck_assert_int_eq(p.result, -EINVAL);
        ck_assert(strstr(p.problem, "more than") != NULL);
        done(&p);
}
END_TEST

/* The table itself: complete, and letters mean one option each. */
START_TEST(test_table)
{
        bool used[_OPTION_MAX] = {false};

        for (size_t i = 0; i < verb_count; i++) {
                ck_assert(verb_find(verb_table[i].name) == &verb_table[i]);
                ck_assert(verb_table[i].run && verb_table[i].group && verb_table[i].summary);
                ck_assert(verb_table[i].usage_exit != 0);
                ck_assert_uint_le(verb_table[i].min_args, verb_table[i].max_args);
                for (const OptionId *id = verb_table[i].options; *id != _OPTION_MAX; id++)
                        used[*id] = true;
        }
        for (const OptionId *id = global_options; *id != _OPTION_MAX; id++)
                used[*id] = true;
        for (OptionId a = 0; a < _OPTION_MAX; a++) {
                const Option *option = &option_table[a];

                ck_assert_msg(used[a], "no verb takes option %d", a);
                ck_assert(option->name && option->doc && isupper(option->doc[0]));
                ck_assert_int_eq(option->hint == HINT_CHOICES, option->choices != NULL);
                for (OptionId b = 0; b < a; b++) {
                        ck_assert_str_ne(option->name, option_table[b].name);
                        ck_assert(!option->letter || option->letter != option_table[b].letter);
                }
        }
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_test(tcase, test_verb_and_arguments);
        tcase_add_loop_test(tcase, test_forms, 0, 8);
        tcase_add_test(tcase, test_repeated);
        tcase_add_test(tcase, test_words_for_the_guest);
        tcase_add_test(tcase, test_double_dash_ends_options);
        tcase_add_loop_test(tcase, test_bad, 0, (int)G_N_ELEMENTS(bad));
        tcase_add_test(tcase, test_usage_exit);
        tcase_add_test(tcase, test_too_often);
        tcase_add_test(tcase, test_table);
}

int main(void)
{
        return unit_run("vmctl-options", add_tests);
}
