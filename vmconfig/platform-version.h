/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * AVF's platform_version: a requirement in the syntax of Cargo ("~1.0", "^1.2", ">=1.0, <2",
 * "1.*"), which the platform that a guest finds here, VM_PLATFORM_VERSION, has to meet. Pre-release
 * and build tags are not part of it.
 */

#include <stdbool.h>

#define VM_PLATFORM_VERSION "1.0.0"

/* Whether version ("major.minor.patch") meets requirement. -EINVAL if either cannot be read. */
int platform_version_matches(const char *requirement, const char *version, bool *ret);
