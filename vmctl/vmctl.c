/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/vmctl.h"

#include <errno.h>
#include <glib.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/string-util.h"
#include "vmctl-version.h"
#include "vmctl/help.h"
#include "vmctl/message.h"
#include "vmctl/output.h"

/* --user or --system; without either what VMCTL_MODE says, and the system's daemon else. */
static int choose_mode(Context *context)
{
        const char *mode = getenv("VMCTL_MODE");
        bool by_default = streq_ptr(mode, "user");
        bool user = invocation_has(context->invocation, OPTION_USER);

        if (!user && !invocation_has(context->invocation, OPTION_SYSTEM)) {
                if (mode && *mode && !by_default && !streq(mode, "system")) {
                        message_error("VMCTL_MODE=%s is set in the environment. Set it to \"user\" "
                                      "or \"system\", or unset it.",
                                      mode);
                        return -EINVAL;
                }
                user = by_default;
        }
        context->session = user;
        context->command = user == by_default ? "vmctl" : user ? "vmctl --user" : "vmctl --system";
        return 0;
}

/* A name that no machine can have is a mistake in the command, whatever the daemon knows. */
static int check_names(const Invocation *invocation)
{
        for (size_t i = 0; i < invocation->n_args; i++) {
                CompletionHint hint = invocation->verb->hints[i > 0];
                const char *problem = hint == HINT_MACHINE || hint == HINT_RUNNING ||
                                                      hint == HINT_STOPPED ||
                                                      hint == HINT_NEW_MACHINE
                                              ? machine_name_problem(invocation->args[i])
                                              : NULL;

                if (!problem)
                        continue;
                message_error("\"%s\" cannot be a machine's name: %s", invocation->args[i],
                              problem);
                return -EINVAL;
        }
        return 0;
}

static OutputFormat choose_format(const Invocation *invocation)
{
        const char *format = invocation_value(invocation, OPTION_OUTPUT);
        const char *const *choices = option_table[OPTION_OUTPUT].choices;
        int i = 0;

        while (format && !streq(choices[i], format)) /* it was checked to be one of them */
                i++;
        return (OutputFormat)i; /* in the order of the choices */
}

/* What needs no daemon. Returns whether that was all. */
static bool answer_at_once(const Invocation *invocation)
{
        if (invocation_has(invocation, OPTION_HELP)) {
                if (invocation->verb)
                        help_verb(invocation->verb);
                else
                        help_program();
        } else if (invocation_has(invocation, OPTION_VERSION))
                puts("vmctl (vmservice) " VMCTL_VERSION);
        else if (invocation_has(invocation, OPTION_DUMP_VERBS))
                help_dump();
        else
                return false;
        return true;
}

static int dispatch(const Invocation *invocation)
{
        Context context = {
                .invocation = invocation,
                .quiet = invocation_has(invocation, OPTION_QUIET),
                .legend = !invocation_has(invocation, OPTION_NO_LEGEND),
                .format = choose_format(invocation),
        };

        if (answer_at_once(invocation))
                return VMCTL_OK;
        if (!invocation->verb) {
                message_error("no verb was given. \"vmctl --help\" lists them.");
                return VMCTL_USAGE;
        }
        if (choose_mode(&context) < 0 || check_names(invocation) < 0)
                return invocation->verb->usage_exit;
        return invocation->verb->run(&context);
}

int vmctl_main(int argc, char **argv)
{
        g_autofree char *problem = NULL;
        Invocation invocation;
        int code;

        setlocale(LC_CTYPE, ""); /* libsmartcols measures characters by it */
        if (invocation_parse(&invocation, argc, argv, &problem) < 0) {
                message_error("%s", problem);
                code = invocation.verb ? invocation.verb->usage_exit : VMCTL_USAGE;
        } else
                code = dispatch(&invocation);
        if (!output_flush() && code == VMCTL_OK)
                code = VMCTL_FAILURE;
        invocation_done(&invocation);
        return code;
}
