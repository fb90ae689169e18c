/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/errors.h"

#include "common/cleanup.h"
#include "vmservice-names.h"

const char *error_to_bus_name(int error)
{
        /* EINVAL stands there twice: from inside the daemon it is always the name's. */
        for (size_t i = 0; i < ARRAY_SIZE(vmservice_errors); i++)
                if (vmservice_errors[i].error == -error)
                        return vmservice_errors[i].name;
        return VMSERVICE_ERROR_INFRASTRUCTURE;
}
