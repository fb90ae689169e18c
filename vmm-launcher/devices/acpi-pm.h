/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The registers behind hardware-reduced ACPI (ACPI 6.5 sections 4.8.3.6, 4.8.3.7 and 5.6.9): sleep
 * control and status, reset, and the event register that the generic event device's _EVT reads.
 * Each is one byte; the event register answers any width.
 *
 * Any thread; it has a lock of its own, under which it sets the line.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "core/bus.h"
#include "core/irq.h"
#include "devices/device-events.h"

#define ACPI_PM_SLEEP_CONTROL 0U /* bits 2-4: SLP_TYP, bit 5: SLP_EN */
#define ACPI_PM_SLEEP_STATUS  1U /* bit 7: WAK_STS, never set: there is no sleep but S5 */
#define ACPI_PM_RESET         2U
#define ACPI_PM_EVENTS        4U /* read: pending events, which clears them and lowers the line */
#define ACPI_PM_SIZE          8U

#define ACPI_PM_SLEEP_TYPE_S5      5U
#define ACPI_PM_RESET_VALUE        0x42U
#define ACPI_PM_EVENT_POWER_BUTTON 0x01U

typedef struct AcpiPmState {
        uint8_t pending; /* ACPI_PM_EVENT_* */
} AcpiPmState;

typedef struct AcpiPm AcpiPm;

extern const BusOps acpi_pm_bus_ops;

/* irq: the generic event device's interrupt, level, active high. */
int acpi_pm_new(const MachineEvents *events, const IrqLine *irq, AcpiPm **ret);
AcpiPm *acpi_pm_free(AcpiPm *pm);
DEFINE_CLEANUP_FUNC(AcpiPm *, acpi_pm_free);

/* No event pending, the line low. */
void acpi_pm_reset(AcpiPm *pm);

/* Presses the power button. What follows is the guest's decision. */
void acpi_pm_power_button(AcpiPm *pm);
