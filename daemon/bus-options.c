/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/bus-options.h"

#include <errno.h>
#include <stdio.h>

#include "common/fd.h"
#include "common/string-util.h"

#define OPTIONS_MAX 16U

void bus_options_fail(BusCall *call, const char *format, ...)
{
        Problem problem;
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(problem.message, sizeof(problem.message), format, ap);
        va_end(ap);
        bus_call_fail_as(call, VMSERVICE_ERROR_INVALID_OPTION, &problem);
}

static void fail_unknown(BusCall *call, const BusOption *options, size_t n_options,
                         const char *name)
{
        const char *names[OPTIONS_MAX], *near;
        char escaped[128];

        for (size_t i = 0; i < n_options; i++)
                names[i] = options[i].name;
        near = string_nearest(name, names, n_options);
        string_escape_into(escaped, sizeof(escaped), name, strlen(name));
        bus_options_fail(call, "%s has no option \"%s\"%s%s%s",
                         sd_bus_message_get_member(call->message), escaped,
                         near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static int read_value(sd_bus_message *message, const BusOption *option)
{
        int boolean, r;

        if (option->type != 'b')
                return sd_bus_message_read_basic(message, option->type, option->value);
        r = sd_bus_message_read_basic(message, 'b', &boolean);
        if (r > 0)
                *(bool *)option->value = boolean;
        return r;
}

static int read_variant(BusCall *call, const BusOption *option)
{
        char type[2] = {option->type, '\0'};
        const char *contents;
        char kind;
        int r;

        r = sd_bus_message_peek_type(call->message, &kind, &contents);
        if (r > 0 && !streq(contents, type)) {
                bus_options_fail(call, "the option \"%s\" is of type '%s' and was given as '%s'",
                                 option->name, type, contents);
                return -EINVAL;
        }
        r = sd_bus_message_enter_container(call->message, 'v', type);
        if (r > 0)
                r = read_value(call->message, option);
        if (r > 0)
                r = sd_bus_message_exit_container(call->message);
        if (r <= 0) {
                bus_call_fail_read(call, r < 0 ? r : -ENXIO);
                return -ENXIO;
        }
        if (option->given)
                *option->given = true;
        return 0;
}

static int read_entry(BusCall *call, const BusOption *options, size_t n_options, unsigned *seen)
{
        const char *name;
        size_t i;
        int r;

        r = sd_bus_message_read(call->message, "s", &name);
        if (r <= 0) {
                bus_call_fail_read(call, r < 0 ? r : -ENXIO);
                return -ENXIO;
        }
        for (i = 0; i < n_options; i++)
                if (streq(options[i].name, name))
                        break;
        if (i == n_options) {
                fail_unknown(call, options, n_options, name);
                return -EINVAL;
        }
        if (*seen & (1U << i)) {
                bus_options_fail(call, "the option \"%s\" is given twice", options[i].name);
                return -EINVAL;
        }
        *seen |= 1U << i;
        return read_variant(call, &options[i]);
}

int bus_options_read(BusCall *call, const BusOption *options, size_t n_options)
{
        unsigned seen = 0;
        int r;

        r = sd_bus_message_enter_container(call->message, 'a', "{sv}");
        while (r >= 0) {
                r = sd_bus_message_enter_container(call->message, 'e', "sv");
                if (r <= 0)
                        break;
                r = read_entry(call, options, n_options, &seen);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(call->message);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(call->message);
        if (r < 0)
                bus_call_fail_read(call, r);
        return r < 0 ? r : 0;
}

static int read_file(BusCall *call)
{
        const char *key;
        Problem problem;
        int fd, r;

        r = sd_bus_message_read(call->message, "sh", &key, &fd);
        if (r <= 0) {
                bus_call_fail_read(call, r < 0 ? r : -ENXIO);
                return -ENXIO;
        }
        for (size_t i = 0; i < call->n_files; i++)
                if (streq(call->files[i].key, key)) {
                        (void)problem_set(&problem, -EBADF, "a file is passed twice under one key");
                        bus_call_fail(call, -EBADF, &problem);
                        return -EBADF;
                }
        if (call->n_files == ARRAY_SIZE(call->files)) {
                (void)problem_set(&problem, -EBADF,
                                  "more than %u files are passed: a configuration "
                                  "cannot name as many",
                                  VM_CONFIG_MAX_FILES);
                bus_call_fail(call, -EBADF, &problem);
                return -EBADF;
        }
        call->files[call->n_files++] = (ClientFile){key, fd};
        return 0;
}

int bus_files_read(BusCall *call)
{
        int r;

        r = sd_bus_message_enter_container(call->message, 'a', "{sh}");
        while (r >= 0) {
                r = sd_bus_message_enter_container(call->message, 'e', "sh");
                if (r <= 0)
                        break;
                r = read_file(call);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(call->message);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(call->message);
        if (r < 0)
                bus_call_fail_read(call, r);
        return r < 0 ? r : 0;
}

bool bus_console_check(BusCall *call, int fd)
{
        Problem problem;
        const char *why;

        if (fd_check_stream_socket(fd, &why) >= 0)
                return true;
        (void)problem_set(&problem, -EBADF, "the console's descriptor cannot be used: %s", why);
        bus_call_fail(call, -EBADF, &problem);
        return false;
}
