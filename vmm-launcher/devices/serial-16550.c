/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Section numbers are those of the PC16550D data sheet (June 1995). */

#include "devices/serial-16550.h"

#include <errno.h>
#include <linux/serial_reg.h>
#include <pthread.h>
#include <stdlib.h>

#define N_REGISTERS 8U

#define IER_MASK    (UART_IER_RDI | UART_IER_THRI | UART_IER_RLSI | UART_IER_MSI)
#define MCR_MASK    (UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT1 | UART_MCR_OUT2 | UART_MCR_LOOP)
#define FCR_MASK    (UART_FCR_ENABLE_FIFO | UART_FCR_DMA_SELECT | UART_FCR_TRIGGER_MASK)
#define IIR_FIFO_ON 0xc0U
#define IIR_TIMEOUT 0x0cU /* data waits below the trigger level */
#define MSR_STATUS  0xf0U
#define MSR_DELTA   0x0fU
/* A peer that is there and ready. */
#define MSR_PEER     (UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD)
#define DIVISOR_9600 12U

struct Serial {
        SerialPeer peer;
        IrqLine irq;
        pthread_mutex_t lock; /* for all below, and for the calls to peer and irq */
        bool level;           /* what the line was last set to */
        SerialState state;
};

static SerialState serial_initial_state(void)
{
        return (SerialState){.dll = DIVISOR_9600, .msr = MSR_PEER};
}

int serial_new(const SerialPeer *peer, const IrqLine *irq, Serial **ret)
{
        Serial *serial = calloc(1, sizeof(*serial));

        if (!serial)
                return -ENOMEM;
        serial->peer = *peer;
        serial->irq = *irq;
        serial->state = serial_initial_state();
        (void)pthread_mutex_init(&serial->lock, NULL);
        *ret = serial;
        return 0;
}

Serial *serial_free(Serial *serial)
{
        if (!serial)
                return NULL;
        (void)pthread_mutex_destroy(&serial->lock);
        free(serial);
        return NULL;
}

static bool fifo_is_on(const SerialState *state)
{
        return state->fcr & UART_FCR_ENABLE_FIFO;
}

/* Without the FIFO there is the one receiver buffer register. */
static unsigned fifo_room(const SerialState *state)
{
        unsigned size = fifo_is_on(state) ? SERIAL_FIFO_SIZE : 1;

        return size > state->fifo_length ? size - state->fifo_length : 0;
}

static void fifo_push(SerialState *state, uint8_t byte)
{
        state->fifo[(state->fifo_start + state->fifo_length) % SERIAL_FIFO_SIZE] = byte;
        state->fifo_length++;
}

static uint8_t fifo_pop(SerialState *state)
{
        uint8_t byte;

        if (state->fifo_length == 0)
                return 0;
        byte = state->fifo[state->fifo_start];
        state->fifo_start = (uint8_t)((state->fifo_start + 1) % SERIAL_FIFO_SIZE);
        state->fifo_length--;
        return byte;
}

static unsigned fifo_trigger(const SerialState *state)
{
        static const uint8_t levels[] = {1, 4, 8, 14}; /* section 8.5 */

        return fifo_is_on(state) ? levels[state->fcr >> 6] : 1;
}

/* The cause with the highest priority, section 8.6 and table III. */
static uint8_t serial_iir(const SerialState *state)
{
        if (state->ier & UART_IER_RLSI && state->lsr_errors)
                return UART_IIR_RLSI;
        if (state->ier & UART_IER_RDI && state->fifo_length >= fifo_trigger(state))
                return UART_IIR_RDI;
        /* The time of four characters that the data sheet waits is over at once. */
        if (state->ier & UART_IER_RDI && state->fifo_length > 0)
                return IIR_TIMEOUT;
        if (state->ier & UART_IER_THRI && state->thre_pending)
                return UART_IIR_THRI;
        if (state->ier & UART_IER_MSI && state->msr & MSR_DELTA)
                return UART_IIR_MSI;
        return UART_IIR_NO_INT;
}

static void serial_update_irq(Serial *serial)
{
        bool level = serial_iir(&serial->state) != UART_IIR_NO_INT;

        if (level == serial->level)
                return;
        serial->level = level;
        irq_line_set(&serial->irq, level);
}

/*
 * Section 8.8: loopback cuts the wire. And what is typed or piped in before the driver has set the
 * port up would be lost when it clears the FIFO (section 8.5), so the peer has to wait for that: as
 * with hardware flow control, but for drivers that do not assert RTS too.
 */
static bool receiver_is_on(const SerialState *state)
{
        return state->driver_seen && !(state->mcr & UART_MCR_LOOP);
}

static void serial_tell_room(Serial *serial)
{
        if (!serial->state.receiver_starving || !receiver_is_on(&serial->state))
                return;
        serial->state.receiver_starving = false;
        serial->peer.input_space(serial->peer.context);
}

/* Section 8.8: in loopback the four outputs feed the four inputs. */
static void serial_update_msr(SerialState *state)
{
        uint8_t status = MSR_PEER, changed;

        if (state->mcr & UART_MCR_LOOP)
                status = (uint8_t)((state->mcr & UART_MCR_RTS ? UART_MSR_CTS : 0) |
                                   (state->mcr & UART_MCR_DTR ? UART_MSR_DSR : 0) |
                                   (state->mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0) |
                                   (state->mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0));
        changed = (uint8_t)((state->msr ^ status) & MSR_STATUS);
        /* The ring indicator counts when it ends (TERI). */
        if (status & UART_MSR_RI)
                changed &= (uint8_t)~UART_MSR_RI;
        state->msr = (uint8_t)(status | (state->msr & MSR_DELTA) | changed >> 4);
}

/* A byte that comes back by loopback when there is no room: section 8.4, overrun error. */
static void serial_loop_back(SerialState *state, uint8_t byte)
{
        if (fifo_room(state) == 0) {
                state->lsr_errors |= UART_LSR_OE;
                if (fifo_is_on(state))
                        return;
                state->fifo_length = 0;
        }
        fifo_push(state, byte);
}

static void serial_transmit(Serial *serial, uint8_t byte)
{
        SerialState *state = &serial->state;

        if (state->mcr & UART_MCR_LOOP)
                serial_loop_back(state, byte);
        else
                serial->peer.output(serial->peer.context, &byte, 1);
        state->thre_pending = true;
}

/* A driver sets the receiver up, or polls it. After what that does to the FIFO. */
static void serial_note_driver(Serial *serial)
{
        if (serial->state.driver_seen)
                return;
        serial->state.driver_seen = true;
        serial_tell_room(serial);
}

static void serial_write_ier(SerialState *state, uint8_t value)
{
        /* Enabling it while the transmitter is empty is a cause of its own, section 8.7. */
        if (value & UART_IER_THRI && !(state->ier & UART_IER_THRI))
                state->thre_pending = true;
        state->ier = value & IER_MASK;
}

static void serial_write_fcr(Serial *serial, uint8_t value)
{
        SerialState *state = &serial->state;
        bool toggled = (value ^ state->fcr) & UART_FCR_ENABLE_FIFO;

        /* Section 8.5: the other bits count only while bit 0 is set; a change of it clears. */
        state->fcr = value & UART_FCR_ENABLE_FIFO ? value & FCR_MASK : 0;
        if (toggled || (value & UART_FCR_ENABLE_FIFO && value & UART_FCR_CLEAR_RCVR)) {
                state->fifo_length = 0;
                serial_tell_room(serial);
        }
}

static void serial_write_mcr(Serial *serial, uint8_t value)
{
        SerialState *state = &serial->state;
        bool was_looping = state->mcr & UART_MCR_LOOP;

        state->mcr = value & MCR_MASK;
        serial_update_msr(state);
        if (was_looping && fifo_room(state) > 0)
                serial_tell_room(serial);
}

static void serial_write_register(Serial *serial, unsigned index, uint8_t value)
{
        SerialState *state = &serial->state;
        bool divisor = state->lcr & UART_LCR_DLAB;

        switch (index) {
        case UART_TX:
                if (divisor)
                        state->dll = value;
                else
                        serial_transmit(serial, value);
                break;
        case UART_IER:
                if (divisor)
                        state->dlm = value;
                else {
                        serial_write_ier(state, value);
                        serial_note_driver(serial);
                }
                break;
        case UART_FCR:
                serial_write_fcr(serial, value);
                serial_note_driver(serial);
                break;
        case UART_LCR:
                state->lcr = value;
                break;
        case UART_MCR:
                serial_write_mcr(serial, value);
                break;
        case UART_SCR:
                state->scr = value;
                break;
        default: /* LSR and MSR are only read; what the factory test writes there is dropped */
                break;
        }
}

static uint8_t serial_read_rbr(Serial *serial)
{
        uint8_t byte = fifo_pop(&serial->state);

        if (serial->state.fifo_length == 0)
                serial_tell_room(serial);
        return byte;
}

static uint8_t serial_read_iir(SerialState *state)
{
        uint8_t iir = serial_iir(state);

        if (iir == UART_IIR_THRI)
                state->thre_pending = false; /* table III: reading it is the acknowledgement */
        return (uint8_t)(iir | (fifo_is_on(state) ? IIR_FIFO_ON : 0));
}

static uint8_t serial_read_lsr(Serial *serial)
{
        SerialState *state = &serial->state;
        uint8_t lsr = (uint8_t)(UART_LSR_TEMT | UART_LSR_THRE | state->lsr_errors |
                                (state->fifo_length > 0 ? UART_LSR_DR : 0));

        state->lsr_errors = 0;
        serial_note_driver(serial);
        return lsr;
}

static uint8_t serial_read_msr(SerialState *state)
{
        uint8_t msr = state->msr;

        state->msr &= MSR_STATUS;
        return msr;
}

static uint8_t serial_read_register(Serial *serial, unsigned index)
{
        SerialState *state = &serial->state;
        bool divisor = state->lcr & UART_LCR_DLAB;

        switch (index) {
        case UART_RX:
                return divisor ? state->dll : serial_read_rbr(serial);
        case UART_IER:
                return divisor ? state->dlm : state->ier;
        case UART_IIR:
                return serial_read_iir(state);
        case UART_LCR:
                return state->lcr;
        case UART_MCR:
                return state->mcr;
        case UART_LSR:
                return serial_read_lsr(serial);
        case UART_MSR:
                return serial_read_msr(state);
        default:
                return state->scr;
        }
}

/* A wide access to an 8-bit device is one of each byte, at rising ports. */
static void serial_bus_read(void *device, uint64_t offset, void *data, size_t size)
{
        Serial *serial = device;
        uint8_t *bytes = data;

        (void)pthread_mutex_lock(&serial->lock);
        for (size_t i = 0; i < size; i++)
                bytes[i] = serial_read_register(serial, (offset + i) % N_REGISTERS);
        serial_update_irq(serial);
        (void)pthread_mutex_unlock(&serial->lock);
}

static void serial_bus_write(void *device, uint64_t offset, const void *data, size_t size)
{
        Serial *serial = device;
        const uint8_t *bytes = data;

        (void)pthread_mutex_lock(&serial->lock);
        for (size_t i = 0; i < size; i++)
                serial_write_register(serial, (offset + i) % N_REGISTERS, bytes[i]);
        serial_update_irq(serial);
        (void)pthread_mutex_unlock(&serial->lock);
}

const BusOps serial_bus_ops = {serial_bus_read, serial_bus_write};

void serial_reset(Serial *serial)
{
        bool starving;

        (void)pthread_mutex_lock(&serial->lock);
        starving = serial->state.receiver_starving;
        serial->state = serial_initial_state();
        serial->state.receiver_starving = starving;
        serial_tell_room(serial);
        serial_update_irq(serial);
        (void)pthread_mutex_unlock(&serial->lock);
}

size_t serial_receive(Serial *serial, const void *data, size_t size)
{
        SerialState *state = &serial->state;
        const uint8_t *bytes = data;
        size_t taken = 0;

        (void)pthread_mutex_lock(&serial->lock);
        if (receiver_is_on(state))
                for (; taken < size && fifo_room(state) > 0; taken++)
                        fifo_push(state, bytes[taken]);
        if (taken < size)
                state->receiver_starving = true;
        serial_update_irq(serial);
        (void)pthread_mutex_unlock(&serial->lock);
        return taken;
}
