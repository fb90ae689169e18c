/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The console's one writer, and its way through the serial port. */

#include <linux/serial_reg.h>
#include <poll.h>

#include "common/cleanup.h"
#include "console-test.h"
#include "devices/serial-16550.h"

static const ConsoleAttach writer = {.write = true};
static const ConsoleAttach thief = {.write = true, .steal = true};

/* Gives the device room, as a guest that has read does. */
static void give_room(ConsoleFixture *f, size_t room)
{
        f->room += room;
        if (f->asked)
                console_input_space(f->console);
        fixture_turn(f);
}

START_TEST(reaches_the_guest)
{
        ConsoleFixture *f = fixture_new(TEST_RING, 0);
        int fd = fixture_attach(f, writer);

        f->room = 1000;
        ck_assert_int_eq(f->n_writer_on, 1);
        ck_assert(console_has_writer(f->console));
        ck_assert_int_eq(write(fd, "ls\x1b[A\x03\0", 7), 7);
        fixture_turn(f);
        ck_assert_uint_eq(f->n_input, 7);
        ck_assert_mem_eq(f->input, "ls\x1b[A\x03\0", 7);
        fd_close(fd);
        fixture_turn(f);
        ck_assert(!console_has_writer(f->console));
        ck_assert_int_eq(f->n_writer_off, 1);
        fixture_free(f);
}
END_TEST

START_TEST(one_at_a_time)
{
        ConsoleFixture *f = fixture_new(TEST_RING, 0);
        int first = fixture_attach(f, writer), second[2];

        f->room = 1000;
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, second),
                         0);
        ck_assert_int_eq(console_attach(f->console, second[0], &writer), -EBUSY);
        ck_assert_uint_eq(console_n_readers(f->console), 1);
        /* A reader's input goes nowhere, and disturbs nobody. */
        {
                int reader = fixture_attach(f, (ConsoleAttach){0});

                ck_assert_int_eq(write(reader, "nothing", 7), 7);
                fixture_turn(f);
                ck_assert_uint_eq(f->n_input, 0);
                fd_close(reader);
        }
        /* Stealing works, and the first is told, and reads on. */
        ck_assert_int_eq(console_attach(f->console, second[0], &thief), 0);
        ck_assert_int_eq(f->n_writer_on, 1);
        ck_assert_int_eq(f->n_writer_off, 0);
        expect_text(first, "\r\n[... input taken over ...]\r\n");
        ck_assert_int_eq(write(first, "first", 5), 5);
        ck_assert_int_eq(write(second[1], "second", 6), 6);
        output(f, "both");
        fixture_turn(f);
        expect_text(first, "both");
        expect_text(second[1], "both");
        ck_assert_uint_eq(f->n_input, 6);
        ck_assert_mem_eq(f->input, "second", 6);
        fd_close(second[1]);
        fixture_turn(f);
        ck_assert_int_eq(f->n_writer_off, 1);
        ck_assert(!console_has_writer(f->console));
        ck_assert_uint_eq(console_n_readers(f->console), 1);
        fd_close(first);
        fixture_free(f);
}
END_TEST

/* The guest takes seven bytes now and then: the socket fills up, and not one byte is lost. */
START_TEST(slow_guest_loses_nothing)
{
        ConsoleFixture *f = fixture_new(TEST_RING, 0);
        int fd = fixture_attach(f, writer);
        size_t n_sent = 0, n_stuck = 0, n_wrong = 0;

        while (n_sent < 600000) {
                uint8_t bytes[500];
                ssize_t n;

                for (size_t i = 0; i < sizeof(bytes); i++)
                        bytes[i] = (uint8_t)((n_sent + i) * 13);
                n = write(fd, bytes, sizeof(bytes));
                if (n > 0)
                        n_sent += (size_t)n;
                fixture_turn(f); /* does not spin on what it cannot hand on */
                if (n < 0) {
                        ck_assert_int_eq(errno, EAGAIN);
                        n_stuck++;
                        give_room(f, 7 + n_stuck * 100);
                }
        }
        ck_assert_uint_gt(n_stuck, 10);
        while (f->n_input < n_sent)
                give_room(f, 5000);
        ck_assert_uint_eq(f->n_input, n_sent);
        for (size_t i = 0; i < n_sent; i++)
                n_wrong += f->input[i] != (uint8_t)(i * 13);
        ck_assert_uint_eq(n_wrong, 0);
        fd_close(fd);
        fixture_free(f);
}
END_TEST

/* echo reboot | vmctl console: gone at once, and still heard. */
START_TEST(what_was_sent_before_leaving_arrives)
{
        ConsoleFixture *f = fixture_new(TEST_RING, 0);
        int fd = fixture_attach(f, writer), n_fds;
        char text[3000];

        memset(text, 'k', sizeof(text));
        ck_assert_int_eq(write(fd, text, sizeof(text)), sizeof(text));
        fd_close(fd);
        n_fds = fd_count_open();
        fixture_turn(f);
        ck_assert(!console_has_writer(f->console));
        ck_assert_uint_eq(console_n_readers(f->console), 0);
        ck_assert_int_eq(f->n_writer_off, 1);
        while (f->n_input < sizeof(text))
                give_room(f, 100);
        ck_assert_int_eq(fd_count_open(), n_fds - 1);
        ck_assert_int_eq(f->n_writer_off, 1);
        fixture_free(f);
}
END_TEST

/* All of it, also when the guest takes it as fast as it comes. */
START_TEST(leaving_with_a_lot_to_say)
{
        ConsoleFixture *f = fixture_new(TEST_RING, 0);
        int fd = fixture_attach(f, writer);
        char text[30000];

        memset(text, 'k', sizeof(text));
        f->room = sizeof(f->input);
        ck_assert_int_eq(write(fd, text, sizeof(text)), sizeof(text));
        fixture_turn(f);
        ck_assert_uint_eq(f->n_input, sizeof(text));
        ck_assert_int_eq(write(fd, text, sizeof(text)), sizeof(text));
        fd_close(fd);
        fixture_turn(f);
        ck_assert_uint_eq(f->n_input, 2 * sizeof(text));
        ck_assert_int_eq(f->n_writer_off, 1);
        fixture_free(f);
}
END_TEST

/* Unless a new writer comes: a guest that reads nothing must not keep the place taken. */
START_TEST(new_writer_drops_the_rest_of_one_that_left)
{
        ConsoleFixture *f = fixture_new(TEST_RING, 0);
        int fd = fixture_attach(f, writer);
        char text[5000];

        memset(text, 'k', sizeof(text));
        ck_assert_int_eq(write(fd, text, sizeof(text)), sizeof(text));
        fd_close(fd);
        fixture_turn(f);
        fd = fixture_attach(f, writer);
        ck_assert_int_eq(f->n_writer_on, 2);
        ck_assert_uint_eq(console_n_readers(f->console), 1);
        ck_assert_int_eq(write(fd, "new", 3), 3);
        for (int i = 0; i < 20; i++)
                give_room(f, 1000);
        /* What the console had already taken in comes first, then the new one's. */
        ck_assert_uint_lt(f->n_input, sizeof(text));
        ck_assert_uint_ge(f->n_input, 3);
        ck_assert_mem_eq(f->input + f->n_input - 3, "new", 3);
        fd_close(fd);
        fixture_free(f);
}
END_TEST

START_TEST(end_of_input_is_not_the_end_of_output)
{
        ConsoleFixture *f = fixture_new(TEST_RING, 0);
        int fd = fixture_attach(f, writer);

        f->room = 3;
        ck_assert_int_eq(write(fd, "echo", 4), 4);
        ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
        fixture_turn(f);
        ck_assert(console_has_writer(f->console)); /* one byte is still to come */
        give_room(f, 10);
        ck_assert_uint_eq(f->n_input, 4);
        ck_assert(!console_has_writer(f->console));
        ck_assert_int_eq(f->n_writer_off, 1);
        output(f, "answer");
        fixture_turn(f);
        expect_text(fd, "answer");
        fd_close(fd);
        fixture_turn(f);
        ck_assert_uint_eq(console_n_readers(f->console), 0);
        fixture_free(f);
}
END_TEST

typedef struct Port {
        Serial *serial;
        bool level;
} Port;

static size_t port_receive(void *context, const void *data, size_t size)
{
        return serial_receive(((Port *)context)->serial, data, size);
}

static void port_output(void *context, const void *data, size_t size)
{
        console_output(context, data, size);
}

static void port_space(void *context)
{
        console_input_space(context);
}

static void port_level(void *context, unsigned line, bool level)
{
        (void)line;
        ((Port *)context)->level = level;
}

/* The whole way: socket, console, FIFO of 16, a guest that echoes by interrupt, and back. */
START_TEST(echo_through_the_serial_port)
{
        ConsoleFixture *f = fixture_new(16384, 0);
        const SerialPeer peer = {port_output, port_space, f->console};
        Port port = {0};
        const IrqLine irq = {port_level, &port, 4};
        const ConsoleInput input = {port_receive, &port};
        uint8_t value = UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_14, got[4096];
        size_t n_sent = 0, n_got = 0, n_wrong = 0;
        bool end;
        int fd;

        ck_assert_int_eq(serial_new(&peer, &irq, &port.serial), 0);
        serial_bus_ops.write(port.serial, UART_FCR, &value, 1);
        value = UART_IER_RDI;
        serial_bus_ops.write(port.serial, UART_IER, &value, 1);
        console_set_input(f->console, &input);
        fd = fixture_attach(f, writer);
        while (n_got < 50000) {
                bool full = n_sent == 50000;
                size_t n;

                while (!full && n_sent < n_got + 300) {
                        uint8_t byte = (uint8_t)(n_sent * 7);

                        full = write(fd, &byte, 1) != 1 || ++n_sent == 50000;
                }
                fixture_turn(f);
                while (port.level) {
                        serial_bus_ops.read(port.serial, UART_RX, &value, 1);
                        serial_bus_ops.write(port.serial, UART_TX, &value, 1);
                        fixture_turn(f);
                }
                n = drain(fd, got, sizeof(got), &end);
                for (size_t i = 0; i < n; i++)
                        n_wrong += got[i] != (uint8_t)((n_got + i) * 7);
                n_got += n;
        }
        ck_assert_uint_eq(n_wrong, 0);
        fd_close(fd);
        fixture_turn(f);
        serial_free(port.serial);
        fixture_free(f);
}
END_TEST

CHECK_MAIN("console-input", {"guest", reaches_the_guest}, {"one", one_at_a_time},
           {"slow", slow_guest_loses_nothing}, {"leave", what_was_sent_before_leaving_arrives},
           {"leave-a-lot", leaving_with_a_lot_to_say},
           {"drop", new_writer_drops_the_rest_of_one_that_left},
           {"half", end_of_input_is_not_the_end_of_output},
           {"serial", echo_through_the_serial_port});
