/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Register operations on the platform devices as a guest makes them, on one bus, with input from
 * outside between them. Four bytes each: operation, port, width, value; the value is repeated to
 * the width.
 */

#include <stdbool.h>
#include <string.h>

#include "common/log.h"
#include "core/bus.h"
#include "devices/acpi-pm.h"
#include "devices/i8042.h"
#include "devices/payload-port.h"
#include "devices/pvpanic.h"
#include "devices/serial-16550.h"
#include "tests/fuzz/fuzz.h"

#define N_PORTS      40U
#define PORT_SERIAL  0U
#define PORT_PM      8U
#define PORT_PAYLOAD 16U
#define PORT_I8042   24U
#define PORT_PVPANIC 25U

typedef struct Machine {
        Bus *bus;
        Serial *serial;
        AcpiPm *pm;
        I8042 *i8042;
        Pvpanic *pvpanic;
        PayloadPort *payload;
        bool serial_level, pm_level;
        bool owes_space; /* the serial port took less than it was given */
} Machine;

static void take_output(void *context, const void *data, size_t size)
{
        (void)context;
        fuzz_check(data && size == 1);
}

static void take_space(void *context)
{
        Machine *machine = context;

        fuzz_check(machine->owes_space); /* asked for once for each short receive */
        machine->owes_space = false;
}

static void take_level(void *context, unsigned line, bool level)
{
        Machine *machine = context;
        bool *state = line == 4 ? &machine->serial_level : &machine->pm_level;

        fuzz_check(line == 4 || line == 5);
        fuzz_check(*state != level);
        *state = level;
}

static void take_event(void *context, MachineEvent event, int32_t argument)
{
        (void)context;
        (void)argument;
        fuzz_check(event <= MACHINE_EVENT_PAYLOAD_FINISHED);
}

static void machine_start(Machine *machine)
{
        const SerialPeer peer = {take_output, take_space, machine};
        const IrqLine serial_irq = {take_level, machine, 4}, pm_irq = {take_level, machine, 5};
        const MachineEvents events = {take_event, machine};

        *machine = (Machine){0};
        fuzz_check(bus_new(&machine->bus) == 0);
        fuzz_check(serial_new(&peer, &serial_irq, &machine->serial) == 0);
        fuzz_check(acpi_pm_new(&events, &pm_irq, &machine->pm) == 0);
        fuzz_check(i8042_new(&events, &machine->i8042) == 0);
        fuzz_check(pvpanic_new(&events, &machine->pvpanic) == 0);
        fuzz_check(payload_port_new(&events, &machine->payload) == 0);
        fuzz_check(bus_add(machine->bus, PORT_SERIAL, 8, "serial", &serial_bus_ops,
                           machine->serial) == 0);
        fuzz_check(bus_add(machine->bus, PORT_PM, ACPI_PM_SIZE, "pm", &acpi_pm_bus_ops,
                           machine->pm) == 0);
        fuzz_check(bus_add(machine->bus, PORT_PAYLOAD, PAYLOAD_PORT_SIZE, "payload",
                           &payload_port_bus_ops, machine->payload) == 0);
        fuzz_check(bus_add(machine->bus, PORT_I8042, 1, "i8042", &i8042_bus_ops, machine->i8042) ==
                   0);
        fuzz_check(bus_add(machine->bus, PORT_PVPANIC, 1, "pvpanic", &pvpanic_bus_ops,
                           machine->pvpanic) == 0);
}

static void machine_stop(Machine *machine)
{
        bus_free(machine->bus);
        serial_free(machine->serial);
        acpi_pm_free(machine->pm);
        i8042_free(machine->i8042);
        pvpanic_free(machine->pvpanic);
        payload_port_free(machine->payload);
}

static void machine_receive(Machine *machine, uint8_t size)
{
        uint8_t bytes[255];
        size_t taken;

        memset(bytes, 'r', sizeof(bytes));
        taken = serial_receive(machine->serial, bytes, size);
        fuzz_check(taken <= size && taken <= SERIAL_FIFO_SIZE);
        machine->owes_space |= taken < size;
}

static void machine_operate(Machine *machine, const uint8_t operation[4])
{
        uint64_t address = operation[1] % N_PORTS;
        size_t width = operation[2] % 9;
        uint8_t bytes[16];

        memset(bytes, operation[3], sizeof(bytes));
        switch (operation[0] % 6) {
        case 0:
        case 1:
                bus_write(machine->bus, address, bytes, width);
                return;
        case 2:
                bus_read(machine->bus, address, bytes, width);
                for (size_t i = width; i < sizeof(bytes); i++)
                        fuzz_check(bytes[i] == operation[3]);
                return;
        case 3:
                machine_receive(machine, operation[3]);
                return;
        case 4:
                acpi_pm_power_button(machine->pm);
                fuzz_check(machine->pm_level);
                return;
        default:
                serial_reset(machine->serial);
                acpi_pm_reset(machine->pm);
                /* Room that is owed is told when the driver is back. */
                fuzz_check(!machine->serial_level && !machine->pm_level);
        }
}

/* However it was left, a driver that starts anew finds a port that works. */
static void machine_check_serial(Machine *machine)
{
        uint8_t value = 0;

        bus_write(machine->bus, PORT_SERIAL + 3, &value, 1); /* LCR: no DLAB */
        bus_write(machine->bus, PORT_SERIAL + 1, &value, 1); /* IER */
        bus_write(machine->bus, PORT_SERIAL + 4, &value, 1); /* MCR: no loopback */
        fuzz_check(!machine->serial_level);
        value = 0x07;
        bus_write(machine->bus, PORT_SERIAL + 2, &value, 1); /* FCR: on, cleared */
        fuzz_check(!machine->owes_space);
        fuzz_check(serial_receive(machine->serial, "x", 1) == 1);
        value = 1;
        bus_write(machine->bus, PORT_SERIAL + 1, &value, 1);
        fuzz_check(machine->serial_level);
        bus_read(machine->bus, PORT_SERIAL, &value, 1);
        fuzz_check(value == 'x' && !machine->serial_level);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        Machine machine;

        log_set_max_level(LOG_EMERG);
        machine_start(&machine);
        for (size_t at = 0; at + 4 <= size; at += 4)
                machine_operate(&machine, data + at);
        machine_check_serial(&machine);
        machine_stop(&machine);
        return 0;
}
