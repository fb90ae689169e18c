/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/vmctl.h"

int main(int argc, char **argv)
{
        return vmctl_main(argc, argv);
}
