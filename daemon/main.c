/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/daemon.h"

int main(int argc, char **argv)
{
        return daemon_run(argc, argv);
}
