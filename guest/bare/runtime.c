/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/bare/runtime.h"

static const char *command_line = "";

void runtime_main(const char *cmdline)
{
        command_line = cmdline;
        payload_report_started();
        bare_exit(main(cmdline));
}

/* The word `name` or the value of `name=...`: its start, or NULL. */
static const char *option_find(const char *name, size_t *ret_length)
{
        size_t length = strlen(name);
        const char *at = command_line, *value;

        while (*at != '\0') {
                const char *word = at;

                while (*at != '\0' && *at != ' ')
                        at++;
                if ((size_t)(at - word) >= length && memcmp(word, name, length) == 0 &&
                    (word + length == at || word[length] == '=')) {
                        value = word + length == at ? at : word + length + 1;
                        *ret_length = (size_t)(at - value);
                        return value;
                }
                while (*at == ' ')
                        at++;
        }
        return NULL;
}

bool bare_option(const char *name, char *ret_value, size_t size)
{
        size_t length;
        const char *value = option_find(name, &length);

        if (!value)
                return false;
        if (ret_value && size > 0) {
                if (length > size - 1)
                        length = size - 1;
                memcpy(ret_value, value, length);
                ret_value[length] = '\0';
        }
        return true;
}

int64_t bare_option_number(const char *name, int64_t fallback)
{
        size_t length, i = 0;
        const char *value = option_find(name, &length);
        int64_t number = 0;
        bool negative;

        if (!value || length == 0)
                return fallback;
        negative = value[0] == '-';
        for (i = negative; i < length && value[i] >= '0' && value[i] <= '9'; i++)
                number = number * 10 + (value[i] - '0');
        if (i < length || i == (size_t)negative)
                bare_panic("%s= wants a decimal number", name);
        return negative ? -number : number;
}
