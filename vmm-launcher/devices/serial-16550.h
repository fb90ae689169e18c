/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A 16550A UART (National Semiconductor PC16550D data sheet), 8 registers. Its transmitter is never
 * busy, so the guest never waits for a reader; its receiver takes what fits into its FIFO and asks
 * for more when that is empty. The interrupt is a level: high while IIR reports a cause.
 *
 * Any thread; it has a lock of its own, under which it calls the line and the peer.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "core/bus.h"
#include "core/irq.h"

#define SERIAL_FIFO_SIZE 16U

/* The other end of the wire. */
typedef struct SerialPeer {
        void (*output)(void *context, const void *data, size_t size); /* must not block */
        void (*input_space)(
                void *context); /* after a short serial_receive(): there is room again */
        void *context;
} SerialPeer;

/* All that the device is, for reset and for what saves it. */
typedef struct SerialState {
        uint8_t ier, fcr, lcr, mcr, msr, scr, dll, dlm;
        uint8_t lsr_errors;     /* overrun, until LSR is read */
        bool thre_pending;      /* "transmitter empty" not yet acknowledged */
        bool receiver_starving; /* the peer had more than fitted */
        bool driver_seen;       /* nothing is received before a driver has touched the receiver */
        uint8_t fifo[SERIAL_FIFO_SIZE];
        uint8_t fifo_start, fifo_length;
} SerialState;

typedef struct Serial Serial;

extern const BusOps serial_bus_ops;

int serial_new(const SerialPeer *peer, const IrqLine *irq, Serial **ret);
Serial *serial_free(Serial *serial);
DEFINE_CLEANUP_FUNC(Serial *, serial_free);

/* As after power-on; received bytes that nobody read are gone, the line is low. */
void serial_reset(Serial *serial);

/* Takes what fits; returns how many bytes that were. */
size_t serial_receive(Serial *serial, const void *data, size_t size);
