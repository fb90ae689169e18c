/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where a bare payload, which has no vsock, says how far it is: two 32-bit ports, little-endian,
 * written as a whole. Anything else that a guest writes is ignored with a rate-limited line; reads
 * are zero. Which order of reports makes sense is judged by who receives them. No state.
 */

#include "common/cleanup.h"
#include "core/bus.h"
#include "devices/device-events.h"

#define PAYLOAD_PORT_STATE 0U /* PAYLOAD_PORT_STARTED, PAYLOAD_PORT_READY */
#define PAYLOAD_PORT_EXIT  4U /* the exit code, an int32: the payload has finished */
#define PAYLOAD_PORT_SIZE  8U

#define PAYLOAD_PORT_STARTED 1U
#define PAYLOAD_PORT_READY   2U

typedef struct PayloadPort PayloadPort;

extern const BusOps payload_port_bus_ops;

int payload_port_new(const MachineEvents *events, PayloadPort **ret);
PayloadPort *payload_port_free(PayloadPort *port);
DEFINE_CLEANUP_FUNC(PayloadPort *, payload_port_free);
