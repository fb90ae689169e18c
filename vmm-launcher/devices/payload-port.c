/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "devices/payload-port.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/guest-log.h"

struct PayloadPort {
        MachineEvents events;
        GuestLog log;
};

int payload_port_new(const MachineEvents *events, PayloadPort **ret)
{
        PayloadPort *port = calloc(1, sizeof(*port));

        if (!port)
                return -ENOMEM;
        port->events = *events;
        guest_log_init(&port->log);
        *ret = port;
        return 0;
}

PayloadPort *payload_port_free(PayloadPort *port)
{
        if (!port)
                return NULL;
        guest_log_done(&port->log);
        free(port);
        return NULL;
}

static void payload_port_read(void *device, uint64_t offset, void *data, size_t size)
{
        (void)device;
        (void)offset;
        memset(data, 0, size);
}

static void payload_port_set_state(PayloadPort *port, uint32_t state)
{
        switch (state) {
        case PAYLOAD_PORT_STARTED:
                port->events.notify(port->events.context, MACHINE_EVENT_PAYLOAD_STARTED, 0);
                return;
        case PAYLOAD_PORT_READY:
                port->events.notify(port->events.context, MACHINE_EVENT_PAYLOAD_READY, 0);
                return;
        default:
                guest_log(&port->log, LOG_WARNING,
                          "payload port: guest reports the unknown state %u, ignoring it", state);
        }
}

static void payload_port_write(void *device, uint64_t offset, const void *data, size_t size)
{
        PayloadPort *port = device;
        uint32_t value;

        if (size != sizeof(value) || offset % sizeof(value) != 0) {
                guest_log(&port->log, LOG_WARNING,
                          "payload port: guest writes %zu bytes at offset %u instead of 4 at 0 or "
                          "4, ignoring them",
                          size, (unsigned)offset);
                return;
        }
        memcpy(&value, data, sizeof(value));
        if (offset == PAYLOAD_PORT_STATE)
                payload_port_set_state(port, value);
        else
                port->events.notify(port->events.context, MACHINE_EVENT_PAYLOAD_FINISHED,
                                    (int32_t)value);
}

const BusOps payload_port_bus_ops = {payload_port_read, payload_port_write};
