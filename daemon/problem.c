/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/problem.h"

#include <stdio.h>

int problem_set(Problem *problem, int error, const char *format, ...)
{
        va_list ap;

        if (problem) {
                va_start(ap, format);
                (void)vsnprintf(problem->message, sizeof(problem->message), format, ap);
                va_end(ap);
        }
        return error;
}

void completion_done(Completion *completion, int error, const Problem *problem)
{
        static const Problem none = {""};
        Completion taken = *completion;

        *completion = (Completion){NULL, NULL};
        if (taken.func)
                taken.func(taken.userdata, error, problem ? problem : &none);
}
