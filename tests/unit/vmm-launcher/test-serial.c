/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The 16550A as the data sheet and Linux's 8250 driver know it. */

#include <linux/serial_reg.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "check-main.h"
#include "common/cleanup.h"
#include "devices/serial-16550.h"

#define OUTPUT_MAX 4096U

typedef struct Fixture {
        Serial *serial;
        uint8_t output[OUTPUT_MAX];
        size_t n_output;
        unsigned n_space;
        bool level;
        unsigned n_rises, n_sets;
} Fixture;

static void take_output(void *context, const void *data, size_t size)
{
        Fixture *f = context;

        for (size_t i = 0; i < size; i++)
                f->output[f->n_output++ % OUTPUT_MAX] = ((const uint8_t *)data)[i];
}

static void take_space(void *context)
{
        ((Fixture *)context)->n_space++;
}

static void take_level(void *context, unsigned line, bool level)
{
        Fixture *f = context;

        ck_assert_uint_eq(line, 4);
        ck_assert(level != f->level); /* told of changes only */
        f->level = level;
        f->n_rises += level;
        f->n_sets++;
}

static Fixture *fixture_new(void)
{
        Fixture *f = calloc(1, sizeof(*f));
        const SerialPeer peer = {take_output, take_space, f};
        const IrqLine irq = {take_level, f, 4};

        ck_assert_ptr_nonnull(f);
        ck_assert_int_eq(serial_new(&peer, &irq, &f->serial), 0);
        return f;
}

static void fixture_free(Fixture *f)
{
        serial_free(f->serial);
        free(f);
}

static uint8_t in(Fixture *f, unsigned offset)
{
        uint8_t value = 0xee;

        serial_bus_ops.read(f->serial, offset, &value, 1);
        return value;
}

static void out(Fixture *f, unsigned offset, uint8_t value)
{
        serial_bus_ops.write(f->serial, offset, &value, 1);
}

static size_t receive(Fixture *f, const char *text)
{
        return serial_receive(f->serial, text, strlen(text));
}

START_TEST(registers_after_reset)
{
        Fixture *f = fixture_new();

        for (int round = 0; round < 2; round++) {
                ck_assert_uint_eq(in(f, UART_IER), 0);
                ck_assert_uint_eq(in(f, UART_IIR), 0x01);
                ck_assert_uint_eq(in(f, UART_LCR), 0);
                ck_assert_uint_eq(in(f, UART_MCR), 0);
                ck_assert_uint_eq(in(f, UART_LSR), 0x60);
                ck_assert_uint_eq(in(f, UART_MSR), 0xb0);
                ck_assert_uint_eq(in(f, UART_SCR), 0);
                ck_assert(!f->level);
                /* Everything changed, then reset: as before. */
                out(f, UART_FCR, 0xc1);
                out(f, UART_IER, 0x0f);
                out(f, UART_SCR, 0x5a);
                out(f, UART_MCR, 0x1f);
                out(f, UART_LCR, 0x83);
                out(f, UART_DLL, 0x11);
                (void)receive(f, "abc");
                ck_assert_uint_eq(f->n_space, (unsigned)round);
                ck_assert(f->level);
                serial_reset(f->serial);
                ck_assert_uint_eq(f->n_space, (unsigned)round);
                (void)in(f, UART_LSR); /* the driver is back */
                ck_assert_uint_eq(f->n_space, (unsigned)round + 1);
        }
        fixture_free(f);
}
END_TEST

START_TEST(divisor_and_scratch)
{
        Fixture *f = fixture_new();

        out(f, UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
        ck_assert_uint_eq(in(f, UART_DLL), 12);
        out(f, UART_DLL, 0x34);
        out(f, UART_DLM, 0x12);
        ck_assert_uint_eq(in(f, UART_DLL), 0x34);
        ck_assert_uint_eq(in(f, UART_DLM), 0x12);
        out(f, UART_LCR, UART_LCR_WLEN8);
        ck_assert_uint_eq(in(f, UART_IER), 0);
        ck_assert_uint_eq(f->n_output, 0); /* the divisor was not transmitted */
        for (unsigned value = 0; value < 256; value++) {
                out(f, UART_SCR, (uint8_t)value);
                ck_assert_uint_eq(in(f, UART_SCR), value);
        }
        /* LSR and MSR cannot be written. */
        out(f, UART_LSR, 0);
        out(f, UART_MSR, 0);
        ck_assert_uint_eq(in(f, UART_LSR), 0x60);
        ck_assert_uint_eq(in(f, UART_MSR), 0xb0);
        fixture_free(f);
}
END_TEST

START_TEST(transmits_without_waiting)
{
        Fixture *f = fixture_new();

        for (unsigned i = 0; i < 256; i++) {
                ck_assert_uint_eq(in(f, UART_LSR) & 0x60, 0x60);
                out(f, UART_TX, (uint8_t)i);
        }
        ck_assert_uint_eq(f->n_output, 256);
        for (unsigned i = 0; i < 256; i++)
                ck_assert_uint_eq(f->output[i], i);
        ck_assert_uint_eq(f->n_sets, 0);
        fixture_free(f);
}
END_TEST

START_TEST(transmitter_interrupt)
{
        Fixture *f = fixture_new();

        /* Enabling it while empty is a cause; reading IIR acknowledges it. */
        out(f, UART_IER, UART_IER_THRI);
        ck_assert(f->level);
        ck_assert_uint_eq(in(f, UART_IIR), 0x02);
        ck_assert(!f->level);
        ck_assert_uint_eq(in(f, UART_IIR), 0x01);
        /* Written again while enabled, nothing new; off and on again, a cause again. */
        out(f, UART_IER, UART_IER_THRI);
        ck_assert(!f->level);
        out(f, UART_IER, 0);
        out(f, UART_IER, UART_IER_THRI);
        ck_assert(f->level);
        /* Masked, the line falls; what is pending stays so. */
        out(f, UART_IER, 0);
        ck_assert(!f->level);
        ck_assert_uint_eq(in(f, UART_IIR), 0x01);
        out(f, UART_IER, UART_IER_THRI);
        (void)in(f, UART_IIR);
        out(f, UART_TX, 'x');
        ck_assert(f->level);
        ck_assert_uint_eq(in(f, UART_IIR), 0x02);
        fixture_free(f);
}
END_TEST

START_TEST(receives_one_byte_without_fifo)
{
        Fixture *f = fixture_new();

        out(f, UART_IER, UART_IER_RDI);
        ck_assert_uint_eq(receive(f, "ab"), 1);
        ck_assert_uint_eq(receive(f, "b"), 0);
        ck_assert(f->level);
        ck_assert_uint_eq(in(f, UART_IIR), 0x04);
        ck_assert_uint_eq(in(f, UART_LSR), 0x61);
        ck_assert_uint_eq(f->n_space, 0);
        ck_assert_uint_eq(in(f, UART_RX), 'a');
        ck_assert_uint_eq(f->n_space, 1);
        ck_assert(!f->level);
        ck_assert_uint_eq(in(f, UART_LSR), 0x60);
        ck_assert_uint_eq(in(f, UART_RX), 0);
        ck_assert_uint_eq(f->n_space, 1); /* asked once for each short receive */
        fixture_free(f);
}
END_TEST

/* What was sent before the driver set the port up is not lost when it clears the FIFO. */
START_TEST(waits_for_the_driver)
{
        static const struct {
                unsigned offset;
                int value; /* to be written; -1: read */
        } touches[] = {{UART_FCR, 0x07}, {UART_IER, 0x01}, {UART_LSR, -1}};

        for (size_t i = 0; i < ARRAY_SIZE(touches); i++) {
                Fixture *f = fixture_new();

                out(f, UART_LCR, UART_LCR_WLEN8);
                out(f, UART_MCR, UART_MCR_OUT2);
                ck_assert_uint_eq(receive(f, "early"), 0);
                ck_assert_uint_eq(f->n_space, 0);
                if (touches[i].value < 0)
                        (void)in(f, touches[i].offset);
                else
                        out(f, touches[i].offset, (uint8_t)touches[i].value);
                ck_assert_uint_eq(f->n_space, 1); /* once, and then it is taken */
                ck_assert_uint_gt(receive(f, "early"), 0);
                ck_assert_uint_eq(in(f, UART_RX), 'e');
                serial_reset(f->serial);
                ck_assert_uint_eq(receive(f, "early"), 0);
                fixture_free(f);
        }
}
END_TEST

START_TEST(fifo_levels)
{
        const unsigned levels[] = {1, 4, 8, 14};

        for (unsigned i = 0; i < ARRAY_SIZE(levels); i++) {
                Fixture *f = fixture_new();

                out(f, UART_FCR, (uint8_t)(UART_FCR_ENABLE_FIFO | i << 6));
                out(f, UART_IER, UART_IER_RDI);
                for (unsigned n = 1; n <= SERIAL_FIFO_SIZE; n++) {
                        ck_assert_uint_eq(receive(f, "z"), 1);
                        ck_assert(f->level);
                        ck_assert_uint_eq(in(f, UART_IIR), n >= levels[i] ? 0xc4 : 0xcc);
                }
                ck_assert_uint_eq(receive(f, "full"), 0);
                for (unsigned n = SERIAL_FIFO_SIZE; n > 0; n--) {
                        ck_assert_uint_eq(f->n_space, 0);
                        ck_assert_uint_eq(in(f, UART_IIR), n >= levels[i] ? 0xc4 : 0xcc);
                        ck_assert_uint_eq(in(f, UART_RX), 'z');
                }
                ck_assert(!f->level);
                ck_assert_uint_eq(f->n_space, 1);
                ck_assert_uint_eq(in(f, UART_IIR), 0xc1);
                fixture_free(f);
        }
}
END_TEST

START_TEST(fifo_keeps_order_across_its_end)
{
        Fixture *f = fixture_new();
        unsigned n_in = 0, n_out = 0;

        out(f, UART_FCR, UART_FCR_ENABLE_FIFO);
        for (unsigned round = 0; round < 200; round++) {
                for (unsigned n = 0; n < 1 + round % 16; n++) {
                        uint8_t byte = (uint8_t)n_in;

                        n_in += (unsigned)serial_receive(f->serial, &byte, 1);
                }
                for (unsigned n = 0; n < 1 + round % 11 && in(f, UART_LSR) & UART_LSR_DR; n++)
                        ck_assert_uint_eq(in(f, UART_RX), n_out++ & 0xff);
        }
        ck_assert_uint_gt(n_out, 500);
        fixture_free(f);
}
END_TEST

START_TEST(fifo_is_cleared)
{
        Fixture *f = fixture_new();

        out(f, UART_FCR, UART_FCR_ENABLE_FIFO);
        ck_assert_uint_eq(receive(f, "0123456789abcdefg"), 16);
        out(f, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
        ck_assert_uint_eq(in(f, UART_LSR), 0x60);
        ck_assert_uint_eq(f->n_space, 1); /* who waited for room is told */
        ck_assert_uint_eq(receive(f, "abc"), 3);
        out(f, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_XMIT);
        ck_assert_uint_eq(in(f, UART_LSR), 0x61);
        /* Turned off it is cleared, and the other bits do not count. */
        out(f, UART_FCR, UART_FCR_TRIGGER_14);
        ck_assert_uint_eq(in(f, UART_LSR), 0x60);
        ck_assert_uint_eq(in(f, UART_IIR), 0x01);
        ck_assert_uint_eq(receive(f, "abc"), 1);
        out(f, UART_FCR, UART_FCR_CLEAR_RCVR);
        ck_assert_uint_eq(in(f, UART_LSR), 0x61);
        fixture_free(f);
}
END_TEST

START_TEST(priorities)
{
        Fixture *f = fixture_new();

        /* In loopback all four causes can be had at once. */
        out(f, UART_FCR, UART_FCR_ENABLE_FIFO);
        out(f, UART_MCR, UART_MCR_LOOP);
        for (unsigned i = 0; i < 17; i++)
                out(f, UART_TX, (uint8_t)i);
        ck_assert_uint_eq(f->n_output, 0);
        out(f, UART_IER, 0x0f);
        ck_assert_uint_eq(in(f, UART_IIR), 0xc6);
        ck_assert_uint_eq(in(f, UART_LSR), 0x63); /* overrun, data, empty */
        ck_assert_uint_eq(in(f, UART_IIR), 0xc4);
        for (unsigned i = 0; i < 16; i++)
                ck_assert_uint_eq(in(f, UART_RX), i);
        ck_assert_uint_eq(in(f, UART_IIR), 0xc2);
        ck_assert_uint_eq(in(f, UART_IIR), 0xc0);
        ck_assert(f->level);
        ck_assert_uint_eq(in(f, UART_MSR) & 0x0f, 0x0b); /* CTS, DSR, DCD fell */
        ck_assert_uint_eq(in(f, UART_IIR), 0xc1);
        ck_assert(!f->level);
        fixture_free(f);
}
END_TEST

START_TEST(loopback)
{
        Fixture *f = fixture_new();

        out(f, UART_MCR, UART_MCR_LOOP);
        (void)in(f, UART_MSR);
        for (unsigned lines = 0; lines < 16; lines++) {
                out(f, UART_MCR, (uint8_t)(UART_MCR_LOOP | lines));
                ck_assert_uint_eq(in(f, UART_MSR) & 0xf0, (lines & 1) << 5 | (lines & 2) << 3 |
                                                                  (lines & 4) << 4 |
                                                                  (lines & 8) << 4);
        }
        /* Ring counts when it ends. */
        out(f, UART_MCR, UART_MCR_LOOP);
        (void)in(f, UART_MSR);
        out(f, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1);
        ck_assert_uint_eq(in(f, UART_MSR), 0x40);
        out(f, UART_MCR, UART_MCR_LOOP);
        ck_assert_uint_eq(in(f, UART_MSR), 0x04);
        /* The wire is cut while it lasts, and whoever waits is told when it ends. */
        ck_assert_uint_eq(receive(f, "x"), 0);
        ck_assert_uint_eq(f->n_space, 0);
        out(f, UART_TX, 'y');
        ck_assert_uint_eq(in(f, UART_RX), 'y');
        out(f, UART_FCR, UART_FCR_ENABLE_FIFO);
        out(f, UART_FCR, 0);
        ck_assert_uint_eq(f->n_space, 0);
        out(f, UART_MCR, 0);
        ck_assert_uint_eq(f->n_space, 1);
        ck_assert_uint_eq(receive(f, "x"), 1);
        /* Without the FIFO the later byte overruns the earlier. */
        out(f, UART_MCR, UART_MCR_LOOP);
        out(f, UART_TX, 'z');
        ck_assert_uint_eq(in(f, UART_LSR), 0x63);
        ck_assert_uint_eq(in(f, UART_RX), 'z');
        fixture_free(f);
}
END_TEST

/* drivers/tty/serial/8250/8250_port.c: autoconfig() and autoconfig_16550a(), step by step. */
START_TEST(linux_autoconfig_finds_a_16550a)
{
        Fixture *f = fixture_new();
        uint8_t status1, status2, iir;

        out(f, UART_IER, 0);
        ck_assert_uint_eq(in(f, UART_IER) & 0x0f, 0);
        out(f, UART_IER, 0x0f);
        ck_assert_uint_eq(in(f, UART_IER) & 0x0f, 0x0f);
        out(f, UART_IER, 0);
        out(f, UART_MCR, UART_MCR_LOOP | 0x0a);
        ck_assert_uint_eq(in(f, UART_MSR) & 0xf0, 0x90);
        out(f, UART_MCR, 0);
        out(f, UART_LCR, UART_LCR_CONF_MODE_B);
        out(f, UART_EFR, 0);
        out(f, UART_LCR, 0);
        out(f, UART_FCR, UART_FCR_ENABLE_FIFO);
        ck_assert_uint_eq(in(f, UART_IIR) >> 6, 3);

        /* No enhanced feature register at either place. */
        out(f, UART_LCR, UART_LCR_CONF_MODE_A);
        ck_assert_uint_ne(in(f, UART_EFR), 0);
        out(f, UART_LCR, UART_LCR_CONF_MODE_B);
        ck_assert_uint_ne(in(f, UART_EFR), 0);
        /* No National Semiconductor SuperIO: bank 2 does not show MCR. */
        out(f, UART_LCR, 0);
        status1 = in(f, UART_MCR);
        out(f, UART_LCR, 0xe0);
        status2 = in(f, 0x02);
        ck_assert_uint_eq((status1 ^ status2) & UART_MCR_LOOP, 0);
        out(f, UART_LCR, 0);
        out(f, UART_MCR, status1 ^ UART_MCR_LOOP);
        out(f, UART_LCR, 0xe0);
        status2 = in(f, 0x02);
        out(f, UART_LCR, 0);
        out(f, UART_MCR, status1);
        ck_assert_uint_eq((status1 ^ status2) & UART_MCR_LOOP, 0);
        /* No TI16750: a 64 byte FIFO cannot be turned on, with or without DLAB. */
        out(f, UART_LCR, 0);
        out(f, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR7_64BYTE);
        status1 = in(f, UART_IIR) >> 5;
        out(f, UART_FCR, UART_FCR_ENABLE_FIFO);
        out(f, UART_LCR, UART_LCR_CONF_MODE_A);
        out(f, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR7_64BYTE);
        status2 = in(f, UART_IIR) >> 5;
        out(f, UART_FCR, UART_FCR_ENABLE_FIFO);
        out(f, UART_LCR, 0);
        ck_assert(!(status1 == 6 && status2 == 7));
        /* No XScale: the UART unit enable bit does not hold. */
        out(f, UART_IER, UART_IER_UUE);
        ck_assert_uint_eq(in(f, UART_IER) & UART_IER_UUE, 0);

        /* serial8250_do_startup(): neither UART_BUG_THRE nor UART_BUG_TXEN. */
        out(f, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT);
        out(f, UART_FCR, 0);
        ck_assert_uint_ne(in(f, UART_LSR), 0xff);
        out(f, UART_IER, UART_IER_THRI);
        iir = in(f, UART_IIR);
        out(f, UART_IER, 0);
        out(f, UART_IER, UART_IER_THRI);
        ck_assert_uint_eq(iir & UART_IIR_NO_INT, 0);
        ck_assert_uint_eq(in(f, UART_IIR) & UART_IIR_NO_INT, 0);
        out(f, UART_IER, 0);
        out(f, UART_IER, UART_IER_THRI);
        ck_assert(in(f, UART_LSR) & UART_LSR_TEMT);
        ck_assert_uint_eq(in(f, UART_IIR) & UART_IIR_NO_INT, 0);
        fixture_free(f);
}
END_TEST

/* The interrupt handler of Linux, until the line is low: it ends, and nothing is lost. */
static unsigned serve_interrupt(Fixture *f, uint8_t *received, size_t *n_received,
                                unsigned *to_send)
{
        unsigned n = 0;

        while (f->level) {
                uint8_t iir = in(f, UART_IIR), lsr;

                ck_assert_uint_lt(++n, 100);
                if (iir & UART_IIR_NO_INT)
                        break;
                lsr = in(f, UART_LSR);
                while (lsr & UART_LSR_DR) {
                        received[(*n_received)++] = in(f, UART_RX);
                        lsr = in(f, UART_LSR);
                }
                (void)in(f, UART_MSR);
                if (!(lsr & UART_LSR_THRE))
                        continue;
                for (unsigned i = 0; i < 16 && *to_send > 0; i++, (*to_send)--)
                        out(f, UART_TX, 't');
                if (*to_send == 0)
                        out(f, UART_IER, UART_IER_RDI | UART_IER_RLSI);
        }
        return n;
}

START_TEST(interrupt_storm)
{
        Fixture *f = fixture_new();
        uint8_t *received = calloc(1, 100000);
        size_t n_received = 0, n_given = 0;
        unsigned to_send = 0;

        out(f, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_8);
        out(f, UART_IER, UART_IER_RDI | UART_IER_RLSI);
        while (n_given < 50000) {
                uint8_t bytes[32];

                for (size_t i = 0; i < sizeof(bytes); i++)
                        bytes[i] = (uint8_t)(n_given + i);
                n_given += serial_receive(f->serial, bytes, 1 + n_given % sizeof(bytes));
                if (n_given % 3 == 0) {
                        to_send = 40;
                        out(f, UART_IER, UART_IER_RDI | UART_IER_RLSI | UART_IER_THRI);
                }
                (void)serve_interrupt(f, received, &n_received, &to_send);
                ck_assert(!f->level);
        }
        ck_assert_uint_eq(n_received, n_given);
        for (size_t i = 0; i < n_received; i++)
                ck_assert_uint_eq(received[i], i & 0xff);
        ck_assert_uint_gt(f->n_rises, 1000);
        free(received);
        fixture_free(f);
}
END_TEST

START_TEST(wide_accesses_are_bytes)
{
        Fixture *f = fixture_new();
        uint8_t bytes[8] = {0, 0, 0, 0x1b, 0x08, 0, 0, 0x77};

        serial_bus_ops.write(f->serial, 0, bytes, 8);
        ck_assert_uint_eq(f->n_output, 1);
        memset(bytes, 0xee, sizeof(bytes));
        serial_bus_ops.read(f->serial, 0, bytes, 8);
        ck_assert_uint_eq(bytes[3], 0x1b);
        ck_assert_uint_eq(bytes[4], 0x08);
        ck_assert_uint_eq(bytes[5], 0x60);
        ck_assert_uint_eq(bytes[7], 0x77);
        fixture_free(f);
}
END_TEST

typedef struct Race {
        Serial *serial;
        atomic_bool stop;
        atomic_ullong output;
} Race;

static void count_output(void *context, const void *data, size_t size)
{
        (void)data;
        atomic_fetch_add(&((Race *)context)->output, size);
}

static void ignore_space(void *context)
{
        (void)context;
}

static void *race_vcpu(void *context)
{
        Race *race = context;
        uint8_t value = 1;

        for (unsigned i = 0; i < 20000; i++) {
                value = (uint8_t)(value * 5 + 1);
                serial_bus_ops.write(race->serial, i % 8, &value, 1);
                serial_bus_ops.read(race->serial, (i + value) % 8, &value, 1);
                value |= 1;
        }
        return NULL;
}

/* For the thread sanitizer, and for a hang. */
START_TEST(from_several_threads)
{
        Race race = {0};
        const SerialPeer peer = {count_output, ignore_space, &race};
        const IrqLine irq = {0};
        pthread_t threads[3];

        ck_assert_int_eq(serial_new(&peer, &irq, &race.serial), 0);
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
                ck_assert_int_eq(pthread_create(&threads[i], NULL, race_vcpu, &race), 0);
        for (unsigned i = 0; i < 5000; i++) {
                (void)serial_receive(race.serial, "abc", 3);
                if (i % 500 == 0)
                        serial_reset(race.serial);
        }
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
                ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        serial_free(race.serial);
}
END_TEST

CHECK_MAIN("serial", {"reset", registers_after_reset}, {"divisor", divisor_and_scratch},
           {"transmit", transmits_without_waiting}, {"thre", transmitter_interrupt},
           {"receive", receives_one_byte_without_fifo}, {"early", waits_for_the_driver},
           {"levels", fifo_levels}, {"order", fifo_keeps_order_across_its_end},
           {"clear", fifo_is_cleared}, {"priorities", priorities}, {"loopback", loopback},
           {"autoconfig", linux_autoconfig_finds_a_16550a}, {"storm", interrupt_storm},
           {"wide", wide_accesses_are_bytes}, {"threads", from_several_threads});
