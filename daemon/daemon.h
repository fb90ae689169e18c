/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* vmserviced, from its command line to its exit code: what main() calls. */

int daemon_run(int argc, char **argv);
