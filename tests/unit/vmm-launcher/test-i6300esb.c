/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The watchdog as Linux drives it (drivers/watchdog/i6300esb.c), and as it must not be driven. */

#include "devices/i6300esb.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <time.h>

#include "check-main.h"
#include "pci-harness.h"

#define SLOT      5U
#define BAR       HARNESS_WINDOW
#define CONFIG    0x60U
#define LOCK      0x68U
#define TIMER_1   0x0U
#define TIMER_2   0x4U
#define INTERRUPT 0x8U
#define RELOAD    0xcU
#define MSEC      1000000ULL

typedef struct Machine {
        PciHarness pci;
        EventLoop *loop;
        I6300esb *watchdog;
        unsigned n_expired, n_other;
} Machine;

static void note_event(void *context, MachineEvent event, int32_t argument)
{
        Machine *machine = context;

        ck_assert_int_eq(argument, 0);
        machine->n_expired += event == MACHINE_EVENT_WATCHDOG;
        machine->n_other += event != MACHINE_EVENT_WATCHDOG;
}

static void machine_init(Machine *machine)
{
        const MachineEvents events = {note_event, machine};

        *machine = (Machine){.loop = NULL};
        ck_assert(pci_harness_init(&machine->pci));
        ck_assert_int_eq(event_loop_new(&machine->loop), 0);
        ck_assert_int_eq(
                i6300esb_new(machine->pci.bus, SLOT, machine->loop, &events, &machine->watchdog),
                0);
        pci_harness_config_write(&machine->pci, SLOT, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
}

static void machine_done(Machine *machine)
{
        ck_assert_uint_eq(machine->n_other, 0);
        pci_harness_done(&machine->pci);
        i6300esb_free(machine->watchdog);
        event_loop_free(machine->loop);
}

static void write_at(Machine *machine, uint64_t offset, uint32_t value, size_t size)
{
        pci_harness_write(&machine->pci, BAR + offset, value, size);
}

static uint32_t read_at(Machine *machine, uint64_t offset, size_t size)
{
        return (uint32_t)pci_harness_read(&machine->pci, BAR + offset, size);
}

static void set_config(Machine *machine, uint16_t value)
{
        pci_harness_config_write(&machine->pci, SLOT, CONFIG, value, 2);
}

static void set_lock(Machine *machine, uint8_t value)
{
        pci_harness_config_write(&machine->pci, SLOT, LOCK, value, 1);
}

static uint32_t get_lock(Machine *machine)
{
        return pci_harness_config_read(&machine->pci, SLOT, LOCK, 1);
}

static void unlock(Machine *machine)
{
        write_at(machine, RELOAD, 0x80, 2);
        write_at(machine, RELOAD, 0x86, 2);
}

static void reload(Machine *machine)
{
        unlock(machine);
        write_at(machine, RELOAD, 0x100, 2);
}

/* esb_timer_set_heartbeat(), with ticks instead of seconds. */
static void set_timers(Machine *machine, uint32_t first, uint32_t second)
{
        unlock(machine);
        write_at(machine, TIMER_1, first, 4);
        unlock(machine);
        write_at(machine, TIMER_2, second, 4);
        reload(machine);
}

static uint64_t now(void)
{
        struct timespec time;

        clock_gettime(CLOCK_MONOTONIC, &time);
        return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_nsec;
}

/* Runs the loop until the watchdog has expired so often; the test's timeout is for never. */
static void await_expired(Machine *machine, unsigned n)
{
        while (machine->n_expired < n)
                ck_assert_int_ge(event_loop_run_once(machine->loop, -1), 0);
}

/* The loop for a time that the watchdog could have used. */
static void let_pass(Machine *machine, uint64_t msec)
{
        uint64_t end = now() + msec * MSEC, left;

        while ((left = end - now()) <= msec * MSEC && left > 0)
                ck_assert_int_ge(event_loop_run_once(machine->loop, (int)(left / MSEC) + 1), 0);
}

START_TEST(identity)
{
        Machine machine;

        machine_init(&machine);
        ck_assert_uint_eq(pci_harness_config_read(&machine.pci, SLOT, 0, 4), 0x25ab8086);
        ck_assert_uint_eq(pci_harness_config_read(&machine.pci, SLOT, PCI_CLASS_DEVICE, 2), 0x0880);
        ck_assert_uint_eq(pci_harness_config_read(&machine.pci, SLOT, CONFIG, 2), 0);
        ck_assert_uint_eq(get_lock(&machine), 0);
        ck_assert_uint_eq(read_at(&machine, TIMER_1, 4), 0xfffff);
        ck_assert_uint_eq(read_at(&machine, TIMER_2, 4), 0xfffff);
        ck_assert_uint_eq(read_at(&machine, RELOAD, 2), 0);
        machine_done(&machine);
}
END_TEST

/* Both stages, in order and not before their time: a tick is 2^15 periods of 33 MHz. */
START_TEST(runs_out)
{
        uint64_t start, tick_nsec = 32768ULL * 1000000000 / 33000000;
        Machine machine;

        machine_init(&machine);
        set_config(&machine, 3);
        set_timers(&machine, 30, 20);
        start = now();
        set_lock(&machine, 2);
        await_expired(&machine, 1);
        ck_assert_uint_ge(now() - start, 50 * tick_nsec);
        /* One end is enough; the flag says it to the next driver. */
        ck_assert_uint_eq(read_at(&machine, RELOAD, 2), 0x200);
        let_pass(&machine, 120);
        ck_assert_uint_eq(machine.n_expired, 1);
        pci_bus_reset(machine.pci.bus);
        pci_harness_config_write(&machine.pci, SLOT, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
        ck_assert_uint_eq(read_at(&machine, RELOAD, 2), 0x200);
        unlock(&machine);
        write_at(&machine, RELOAD, 0x300, 2);
        ck_assert_uint_eq(read_at(&machine, RELOAD, 2), 0);
        machine_done(&machine);
}
END_TEST

/* One million ticks a second: 2^5 periods. A full count takes a second instead of 17 minutes. */
START_TEST(fast_clock)
{
        uint64_t start;
        Machine machine;

        machine_init(&machine);
        set_config(&machine, 3 | 4);
        set_timers(&machine, 50000, 50000);
        start = now();
        set_lock(&machine, 2);
        await_expired(&machine, 1);
        ck_assert_uint_ge(now() - start, 96 * MSEC);
        machine_done(&machine);
}
END_TEST

START_TEST(reloaded_in_time)
{
        Machine machine;

        machine_init(&machine);
        set_config(&machine, 3);
        set_timers(&machine, 0xfffff, 0xfffff);
        set_lock(&machine, 2);
        set_timers(&machine, 30000, 30000);
        for (unsigned i = 0; i < 20; i++) {
                let_pass(&machine, 5);
                reload(&machine);
        }
        ck_assert_uint_eq(machine.n_expired, 0);
        set_lock(&machine, 0); /* esb_timer_stop() */
        ck_assert_uint_eq(get_lock(&machine), 0);
        set_timers(&machine, 1, 1);
        let_pass(&machine, 50);
        ck_assert_uint_eq(machine.n_expired, 0);
        set_lock(&machine, 2);
        await_expired(&machine, 1);
        machine_done(&machine);
}
END_TEST

/* A write counts only behind the whole sequence, and uses it up. */
START_TEST(unlock_sequence)
{
        const uint32_t wrong[][3] = {{0x80, 0x80, 0x86}, {0x86, 0x80, 0x87}, {0x80, 0x100, 0x86},
                                     {0x80, 0x85, 0x86}, {0, 0x80, 0},       {0x86, 0x86, 0x86}};
        Machine machine;

        machine_init(&machine);
        write_at(&machine, TIMER_1, 5, 4);
        ck_assert_uint_eq(read_at(&machine, TIMER_1, 4), 0xfffff);
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                for (unsigned k = 0; k < 3; k++)
                        write_at(&machine, RELOAD, wrong[i][k], 2);
                if (i == 0)
                        continue; /* 0x80 again is a beginning again */
                write_at(&machine, TIMER_1, 6, 4);
                ck_assert_uint_eq(read_at(&machine, TIMER_1, 4), 0xfffff);
        }
        unlock(&machine);
        write_at(&machine, TIMER_1, 0xfff00007, 4);
        ck_assert_uint_eq(read_at(&machine, TIMER_1, 4), 7);
        write_at(&machine, TIMER_1, 8, 4);
        ck_assert_uint_eq(read_at(&machine, TIMER_1, 4), 7);
        /* A write that is dropped for its width has used up nothing. */
        unlock(&machine);
        write_at(&machine, TIMER_2, 9, 1);
        write_at(&machine, TIMER_2, 9, 2);
        write_at(&machine, TIMER_2, 9, 8);
        write_at(&machine, TIMER_2, 10, 4);
        ck_assert_uint_eq(read_at(&machine, TIMER_2, 4), 10);
        machine_done(&machine);
}
END_TEST

/* What is locked stays until the machine is reset. */
START_TEST(locked)
{
        Machine machine;

        machine_init(&machine);
        set_config(&machine, 3);
        set_lock(&machine, 3);
        for (unsigned value = 0; value < 256; value++) {
                set_lock(&machine, (uint8_t)value);
                ck_assert_uint_eq(get_lock(&machine), 3);
                pci_harness_config_write(&machine.pci, SLOT, LOCK, value, 4);
                ck_assert_uint_eq(get_lock(&machine), 3);
        }
        set_timers(&machine, 1, 1);
        await_expired(&machine, 1);
        pci_bus_reset(machine.pci.bus);
        ck_assert_uint_eq(get_lock(&machine), 0);
        set_lock(&machine, 2);
        ck_assert_uint_eq(get_lock(&machine), 2);
        machine_done(&machine);
}
END_TEST

START_TEST(no_reboot)
{
        Machine machine;

        machine_init(&machine);
        set_config(&machine,
                   0x20); /* an interrupt at the first stage's end, nothing at the second's */
        set_timers(&machine, 1, 1);
        set_lock(&machine, 2);
        while (read_at(&machine, RELOAD, 2) == 0)
                ck_assert_int_ge(event_loop_run_once(machine.loop, -1), 0);
        ck_assert_uint_eq(read_at(&machine, INTERRUPT, 4), 1);
        write_at(&machine, INTERRUPT, 1, 4);
        ck_assert_uint_eq(read_at(&machine, INTERRUPT, 4), 0);
        let_pass(&machine, 30);
        ck_assert_uint_eq(machine.n_expired, 0);
        /* Over and over: until it is told otherwise. */
        set_lock(&machine, 0);
        unlock(&machine);
        write_at(&machine, RELOAD, 0x200, 2);
        set_lock(&machine, 6);
        for (unsigned i = 0; i < 3; i++) {
                while (read_at(&machine, RELOAD, 2) == 0)
                        ck_assert_int_ge(event_loop_run_once(machine.loop, -1), 0);
                unlock(&machine);
                write_at(&machine, RELOAD, 0x200, 2);
        }
        ck_assert_uint_eq(machine.n_expired, 0);
        set_config(&machine, 3);
        await_expired(&machine, 1);
        machine_done(&machine);
}
END_TEST

/* It stands still while the machine does. */
START_TEST(pause_and_resume)
{
        uint64_t tick_nsec = 32768ULL * 1000000000 / 33000000, before, rest;
        Machine machine;

        machine_init(&machine);
        i6300esb_pause(machine.watchdog);
        i6300esb_resume(machine.watchdog); /* off: nothing to do */
        set_config(&machine, 3);
        set_timers(&machine, 100, 100);
        before = now();
        set_lock(&machine, 2);
        i6300esb_pause(machine.watchdog);
        i6300esb_pause(machine.watchdog);
        rest = 200 * tick_nsec - (now() - before);
        let_pass(&machine, 300);
        ck_assert_uint_eq(machine.n_expired, 0);
        before = now();
        i6300esb_resume(machine.watchdog);
        i6300esb_resume(machine.watchdog);
        await_expired(&machine, 1);
        ck_assert_uint_ge(now() - before, rest);
        /* A reset during the pause leaves nothing to go on with. */
        set_lock(&machine, 0);
        set_lock(&machine, 2);
        i6300esb_pause(machine.watchdog);
        pci_bus_reset(machine.pci.bus);
        i6300esb_resume(machine.watchdog);
        let_pass(&machine, 300);
        ck_assert_uint_eq(machine.n_expired, 1);
        machine_done(&machine);
}
END_TEST

/* hardening.md rows 11 and 12 */
START_TEST(every_offset_and_width)
{
        Machine machine;

        machine_init(&machine);
        for (unsigned offset = 0; offset < 32; offset++)
                for (size_t size = 0; size <= 16; size++) {
                        uint8_t data[16];

                        memset(data, 0x80, sizeof(data));
                        bus_read(machine.pci.mmio, BAR + offset, data, size);
                        for (size_t i = size; i < sizeof(data); i++)
                                ck_assert_uint_eq(data[i], 0x80);
                        memset(data, 0xff, sizeof(data));
                        bus_write(machine.pci.mmio, BAR + offset, data, size);
                }
        for (unsigned offset = 0x58; offset < 0x70; offset++)
                for (size_t size = 1; size <= 8; size++)
                        for (unsigned value = 0; value < 256; value += 15)
                                pci_harness_config_write(&machine.pci, SLOT, offset,
                                                         value * 0x1010101U, size);
        ck_assert_uint_eq(read_at(&machine, TIMER_1, 4), 0xfffff);
        pci_bus_reset(machine.pci.bus);
        pci_harness_config_write(&machine.pci, SLOT, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
        machine.n_expired = 0;
        set_config(&machine, 3);
        set_timers(&machine, 0, 0); /* as short as can be asked for */
        set_lock(&machine, 2);
        await_expired(&machine, 1);
        machine_done(&machine);
}
END_TEST

START_TEST(refused)
{
        const MachineEvents events = {note_event, NULL};
        I6300esb *other = NULL;
        Machine machine;

        machine_init(&machine);
        ck_assert_int_eq(i6300esb_new(machine.pci.bus, SLOT, machine.loop, &events, &other),
                         -EEXIST);
        ck_assert_ptr_null(other);
        ck_assert_ptr_null(i6300esb_free(NULL));
        machine_done(&machine);
}
END_TEST

CHECK_MAIN("i6300esb", {"identity", identity}, {"runs out", runs_out}, {"fast clock", fast_clock},
           {"reloaded", reloaded_in_time}, {"unlock sequence", unlock_sequence}, {"locked", locked},
           {"no reboot", no_reboot}, {"pause", pause_and_resume},
           {"every access", every_offset_and_width}, {"refused", refused});
