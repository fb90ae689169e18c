/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "devices/i8042.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* IBM PS/2 reference: pulse output port bit 0, the reset line. */
#define COMMAND_PULSE_RESET 0xfeU

struct I8042 {
        MachineEvents events;
};

int i8042_new(const MachineEvents *events, I8042 **ret)
{
        I8042 *i8042 = calloc(1, sizeof(*i8042));

        if (!i8042)
                return -ENOMEM;
        i8042->events = *events;
        *ret = i8042;
        return 0;
}

I8042 *i8042_free(I8042 *i8042)
{
        free(i8042);
        return NULL;
}

static void i8042_read(void *device, uint64_t offset, void *data, size_t size)
{
        (void)device;
        (void)offset;
        memset(data, 0, size);
}

/* Other commands are for a keyboard that is not there. */
static void i8042_write(void *device, uint64_t offset, const void *data, size_t size)
{
        I8042 *i8042 = device;
        const uint8_t *command = data;

        (void)offset;
        if (size == 1 && *command == COMMAND_PULSE_RESET)
                i8042->events.notify(i8042->events.context, MACHINE_EVENT_RESET, 0);
}

const BusOps i8042_bus_ops = {i8042_read, i8042_write};
