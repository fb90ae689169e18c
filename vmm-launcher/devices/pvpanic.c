/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "devices/pvpanic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "core/guest-log.h"

struct Pvpanic {
        MachineEvents events;
        GuestLog log;
};

int pvpanic_new(const MachineEvents *events, Pvpanic **ret)
{
        Pvpanic *pvpanic = calloc(1, sizeof(*pvpanic));

        if (!pvpanic)
                return -ENOMEM;
        pvpanic->events = *events;
        guest_log_init(&pvpanic->log);
        *ret = pvpanic;
        return 0;
}

Pvpanic *pvpanic_free(Pvpanic *pvpanic)
{
        if (!pvpanic)
                return NULL;
        guest_log_done(&pvpanic->log);
        free(pvpanic);
        return NULL;
}

static void pvpanic_read(void *device, uint64_t offset, void *data, size_t size)
{
        uint8_t *bytes = data;

        (void)device;
        (void)offset;
        memset(bytes, 0, size);
        bytes[0] = PVPANIC_PANICKED | PVPANIC_CRASHLOADED;
}

static void pvpanic_write(void *device, uint64_t offset, const void *data, size_t size)
{
        Pvpanic *pvpanic = device;
        const uint8_t *bytes = data;

        (void)offset;
        (void)size;
        if (bytes[0] & ~(PVPANIC_PANICKED | PVPANIC_CRASHLOADED))
                guest_log(&pvpanic->log, LOG_WARNING,
                          "pvpanic: guest reports unknown events 0x%02x, ignoring them", bytes[0]);
        if (bytes[0] & PVPANIC_CRASHLOADED)
                guest_log(&pvpanic->log, LOG_NOTICE,
                          "pvpanic: guest panicked and starts its crash kernel");
        if (bytes[0] & PVPANIC_PANICKED)
                pvpanic->events.notify(pvpanic->events.context, MACHINE_EVENT_GUEST_PANIC, 0);
}

const BusOps pvpanic_bus_ops = {pvpanic_read, pvpanic_write};
