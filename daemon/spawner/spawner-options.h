/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "daemon/spawner/spawner.h"

/*
 * vm-spawner(8)'s command line. 1: go on with *ret; 0: --help or --version has been printed;
 * -EINVAL: what is wrong has been printed.
 */
int spawner_options_parse(int argc, char *argv[], SpawnerOptions *ret);
