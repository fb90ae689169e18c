/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reset, panic, sleep, power button and payload registers, with every value a guest can write. */

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "check-main.h"
#include "common/cleanup.h"
#include "core/bus.h"
#include "devices/acpi-pm.h"
#include "devices/i8042.h"
#include "devices/payload-port.h"
#include "devices/pvpanic.h"

typedef struct Seen {
        unsigned counts[MACHINE_EVENT_PAYLOAD_FINISHED + 1];
        unsigned total;
        int32_t argument;
        bool level;
        unsigned n_sets;
} Seen;

static void note_event(void *context, MachineEvent event, int32_t argument)
{
        Seen *seen = context;

        seen->counts[event]++;
        seen->total++;
        seen->argument = argument;
}

static void note_level(void *context, unsigned line, bool level)
{
        Seen *seen = context;

        ck_assert_uint_eq(line, 5);
        seen->level = level;
        seen->n_sets++;
}

static void write_le(const BusOps *ops, void *device, uint64_t offset, uint64_t value, size_t size)
{
        ops->write(device, offset, &value, size);
}

static uint64_t read_le(const BusOps *ops, void *device, uint64_t offset, size_t size)
{
        uint64_t value = 0;

        ops->read(device, offset, &value, size);
        return value;
}

/* Lines that the guest provokes go to standard error: here into a pipe, to be counted. */
static int silence_begin(int *ret_pipe)
{
        int pipes[2], saved = dup(2);

        ck_assert_int_ge(saved, 0);
        ck_assert_int_eq(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
        ck_assert_int_ge(dup2(pipes[1], 2), 0);
        close(pipes[1]);
        *ret_pipe = pipes[0];
        return saved;
}

static unsigned silence_end(int saved, int pipe_fd)
{
        char text[65536];
        unsigned n_lines = 0;
        ssize_t n;

        ck_assert_int_ge(dup2(saved, 2), 0);
        close(saved);
        while ((n = read(pipe_fd, text, sizeof(text))) > 0)
                for (ssize_t i = 0; i < n; i++)
                        n_lines += text[i] == '\n';
        close(pipe_fd);
        return n_lines;
}

START_TEST(keyboard_controller)
{
        Seen seen = {0};
        const MachineEvents events = {note_event, &seen};
        I8042 *i8042 = NULL;

        ck_assert_int_eq(i8042_new(&events, &i8042), 0);
        for (unsigned value = 0; value < 256; value++)
                if (value != 0xfe)
                        write_le(&i8042_bus_ops, i8042, 0, value, 1);
        ck_assert_uint_eq(seen.total, 0);
        ck_assert_uint_eq(read_le(&i8042_bus_ops, i8042, 0, 1), 0);
        write_le(&i8042_bus_ops, i8042, 0, 0xfe, 1);
        ck_assert_uint_eq(seen.counts[MACHINE_EVENT_RESET], 1);
        ck_assert_uint_eq(seen.total, 1);
        i8042_free(i8042);
}
END_TEST

START_TEST(panic_port)
{
        Seen seen = {0};
        const MachineEvents events = {note_event, &seen};
        Pvpanic *pvpanic = NULL;
        int pipe_fd, saved;

        ck_assert_int_eq(pvpanic_new(&events, &pvpanic), 0);
        ck_assert_uint_eq(read_le(&pvpanic_bus_ops, pvpanic, 0, 1), 0x03);
        saved = silence_begin(&pipe_fd);
        for (unsigned value = 0; value < 256; value++)
                if (!(value & 1))
                        write_le(&pvpanic_bus_ops, pvpanic, 0, value, 1);
        ck_assert_uint_le(silence_end(saved, pipe_fd), 6);
        ck_assert_uint_eq(seen.total, 0);
        write_le(&pvpanic_bus_ops, pvpanic, 0, 1, 1);
        ck_assert_uint_eq(seen.counts[MACHINE_EVENT_GUEST_PANIC], 1);
        write_le(&pvpanic_bus_ops, pvpanic, 0, 3, 1);
        ck_assert_uint_eq(seen.counts[MACHINE_EVENT_GUEST_PANIC], 2);
        ck_assert_uint_eq(seen.total, 2);
        pvpanic_free(pvpanic);
}
END_TEST

START_TEST(payload_port)
{
        Seen seen = {0};
        const MachineEvents events = {note_event, &seen};
        PayloadPort *port = NULL;
        int pipe_fd, saved;
        unsigned n_lines;

        ck_assert_int_eq(payload_port_new(&events, &port), 0);
        write_le(&payload_port_bus_ops, port, 0, 1, 4);
        write_le(&payload_port_bus_ops, port, 0, 2, 4);
        ck_assert_uint_eq(seen.counts[MACHINE_EVENT_PAYLOAD_STARTED], 1);
        ck_assert_uint_eq(seen.counts[MACHINE_EVENT_PAYLOAD_READY], 1);
        write_le(&payload_port_bus_ops, port, 4, 0, 4);
        ck_assert_int_eq(seen.argument, 0);
        write_le(&payload_port_bus_ops, port, 4, 0xffffffff, 4);
        ck_assert_int_eq(seen.argument, -1);
        write_le(&payload_port_bus_ops, port, 4, 0x80000000, 4);
        ck_assert_int_eq(seen.argument, INT32_MIN);
        ck_assert_uint_eq(seen.counts[MACHINE_EVENT_PAYLOAD_FINISHED], 3);
        ck_assert_uint_eq(seen.total, 5);
        ck_assert_uint_eq(read_le(&payload_port_bus_ops, port, 0, 8), 0);

        /* Everything else: other widths, other places, other states. One burst of lines. */
        saved = silence_begin(&pipe_fd);
        for (unsigned round = 0; round < 1000; round++)
                for (uint64_t offset = 0; offset < PAYLOAD_PORT_SIZE; offset++)
                        for (size_t size = 1; size <= PAYLOAD_PORT_SIZE - offset; size++)
                                if (size != 4 || offset % 4 != 0)
                                        write_le(&payload_port_bus_ops, port, offset, 1, size);
        write_le(&payload_port_bus_ops, port, 0, 0, 4);
        write_le(&payload_port_bus_ops, port, 0, 3, 4);
        write_le(&payload_port_bus_ops, port, 0, 0x80000001, 4);
        n_lines = silence_end(saved, pipe_fd);
        ck_assert_uint_ge(n_lines, 1);
        ck_assert_uint_le(n_lines, 60); /* 5 in 10 s, on however slow a machine */
        ck_assert_uint_eq(seen.total, 5);
        payload_port_free(port);
}
END_TEST

typedef struct PmFixture {
        Seen seen;
        AcpiPm *pm;
} PmFixture;

static PmFixture *pm_new(void)
{
        PmFixture *f = calloc(1, sizeof(*f));
        const MachineEvents events = {note_event, &f->seen};
        const IrqLine irq = {note_level, &f->seen, 5};

        ck_assert_ptr_nonnull(f);
        ck_assert_int_eq(acpi_pm_new(&events, &irq, &f->pm), 0);
        return f;
}

static void pm_free(PmFixture *f)
{
        acpi_pm_free(f->pm);
        free(f);
}

START_TEST(sleep_and_reset)
{
        PmFixture *f = pm_new();
        int pipe_fd, saved = silence_begin(&pipe_fd);

        for (unsigned value = 0; value < 256; value++) {
                if ((value & 0x3c) != 0x34)
                        write_le(&acpi_pm_bus_ops, f->pm, 0, value, 1);
                write_le(&acpi_pm_bus_ops, f->pm, 1, value, 1);
                if (value != 0x42)
                        write_le(&acpi_pm_bus_ops, f->pm, 2, value, 1);
                for (uint64_t offset = 3; offset < 8; offset++)
                        write_le(&acpi_pm_bus_ops, f->pm, offset, value, 1);
        }
        /* Not as parts of wider accesses either. */
        write_le(&acpi_pm_bus_ops, f->pm, 0, 0x34, 2);
        write_le(&acpi_pm_bus_ops, f->pm, 2, 0x42, 4);
        ck_assert_uint_ge(silence_end(saved, pipe_fd), 1);
        ck_assert_uint_eq(f->seen.total, 0);
        ck_assert_uint_eq(read_le(&acpi_pm_bus_ops, f->pm, 0, 8), 0);

        write_le(&acpi_pm_bus_ops, f->pm, 0, 0x34, 1); /* SLP_TYP 5, SLP_EN */
        ck_assert_uint_eq(f->seen.counts[MACHINE_EVENT_POWER_OFF], 1);
        write_le(&acpi_pm_bus_ops, f->pm, 2, 0x42, 1);
        ck_assert_uint_eq(f->seen.counts[MACHINE_EVENT_RESET], 1);
        ck_assert_uint_eq(f->seen.total, 2);
        pm_free(f);
}
END_TEST

START_TEST(power_button)
{
        PmFixture *f = pm_new();

        ck_assert_uint_eq(read_le(&acpi_pm_bus_ops, f->pm, 4, 1), 0);
        ck_assert_uint_eq(f->seen.n_sets, 0);
        /* Pressed twice before it is read, it is one event. */
        acpi_pm_power_button(f->pm);
        acpi_pm_power_button(f->pm);
        ck_assert(f->seen.level);
        ck_assert_uint_eq(f->seen.n_sets, 1);
        /* Its neighbours do not clear it. */
        for (uint64_t offset = 0; offset < 8; offset++)
                if (offset != 4)
                        ck_assert_uint_eq(read_le(&acpi_pm_bus_ops, f->pm, offset, 1), 0);
        ck_assert(f->seen.level);
        ck_assert_uint_eq(read_le(&acpi_pm_bus_ops, f->pm, 4, 1), 1);
        ck_assert(!f->seen.level);
        ck_assert_uint_eq(read_le(&acpi_pm_bus_ops, f->pm, 4, 1), 0);
        acpi_pm_power_button(f->pm);
        ck_assert_uint_eq(read_le(&acpi_pm_bus_ops, f->pm, 4, 4), 1);
        acpi_pm_power_button(f->pm);
        acpi_pm_reset(f->pm);
        ck_assert(!f->seen.level);
        ck_assert_uint_eq(read_le(&acpi_pm_bus_ops, f->pm, 4, 1), 0);
        ck_assert_uint_eq(f->seen.total, 0);
        pm_free(f);
}
END_TEST

CHECK_MAIN("platform-devices", {"i8042", keyboard_controller}, {"pvpanic", panic_port},
           {"payload", payload_port}, {"sleep", sleep_and_reset}, {"button", power_button});
