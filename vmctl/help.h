/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Help for people and the verb table for programs, both from verbs.c. */

#include "vmctl/options.h"

void help_program(void);
void help_verb(const Verb *verb);

/* All verbs, options and properties as JSON: what completions and documents are checked against. */
void help_dump(void);
