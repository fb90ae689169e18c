/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a platform device tells the machine. Called on a vCPU thread, where nothing else is said;
 * the receiver only notes it and wakes the main loop.
 */

#include <stdint.h>

typedef enum MachineEvent {
        MACHINE_EVENT_POWER_OFF,   /* ACPI S5 by the sleep control register */
        MACHINE_EVENT_RESET,       /* ACPI reset register, i8042, ... */
        MACHINE_EVENT_GUEST_PANIC, /* pvpanic */
        MACHINE_EVENT_WATCHDOG,    /* the guest did not reload it in time; from the loop */
        MACHINE_EVENT_PAYLOAD_STARTED,
        MACHINE_EVENT_PAYLOAD_READY,
        MACHINE_EVENT_PAYLOAD_FINISHED, /* argument: exit code as int32 */
} MachineEvent;

typedef struct MachineEvents {
        void (*notify)(void *context, MachineEvent event, int32_t argument);
        void *context;
} MachineEvents;
