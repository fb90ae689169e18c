/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "devices/acpi-pm.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/guest-log.h"

#define SLEEP_TYPE_SHIFT 2U /* ACPI 6.5 table 4.24 */
#define SLEEP_TYPE_MASK  0x07U
#define SLEEP_ENABLE     0x20U

struct AcpiPm {
        MachineEvents events;
        IrqLine irq;
        GuestLog log;
        pthread_mutex_t lock; /* for state and the line */
        AcpiPmState state;
};

int acpi_pm_new(const MachineEvents *events, const IrqLine *irq, AcpiPm **ret)
{
        AcpiPm *pm = calloc(1, sizeof(*pm));

        if (!pm)
                return -ENOMEM;
        pm->events = *events;
        pm->irq = *irq;
        guest_log_init(&pm->log);
        (void)pthread_mutex_init(&pm->lock, NULL);
        *ret = pm;
        return 0;
}

AcpiPm *acpi_pm_free(AcpiPm *pm)
{
        if (!pm)
                return NULL;
        (void)pthread_mutex_destroy(&pm->lock);
        guest_log_done(&pm->log);
        free(pm);
        return NULL;
}

static uint8_t acpi_pm_take_events(AcpiPm *pm)
{
        uint8_t pending;

        (void)pthread_mutex_lock(&pm->lock);
        pending = pm->state.pending;
        if (pending) {
                pm->state.pending = 0;
                irq_line_set(&pm->irq, false);
        }
        (void)pthread_mutex_unlock(&pm->lock);
        return pending;
}

void acpi_pm_reset(AcpiPm *pm)
{
        (void)acpi_pm_take_events(pm);
}

void acpi_pm_power_button(AcpiPm *pm)
{
        (void)pthread_mutex_lock(&pm->lock);
        if (!pm->state.pending) {
                pm->state.pending = ACPI_PM_EVENT_POWER_BUTTON;
                irq_line_set(&pm->irq, true);
        }
        (void)pthread_mutex_unlock(&pm->lock);
}

static void acpi_pm_read(void *device, uint64_t offset, void *data, size_t size)
{
        AcpiPm *pm = device;
        uint8_t *bytes = data;

        memset(bytes, 0, size);
        if (offset == ACPI_PM_EVENTS)
                bytes[0] = acpi_pm_take_events(pm);
}

static void acpi_pm_sleep(AcpiPm *pm, uint8_t control)
{
        unsigned type = control >> SLEEP_TYPE_SHIFT & SLEEP_TYPE_MASK;

        if (!(control & SLEEP_ENABLE))
                return;
        if (type == ACPI_PM_SLEEP_TYPE_S5)
                pm->events.notify(pm->events.context, MACHINE_EVENT_POWER_OFF, 0);
        else
                guest_log(&pm->log, LOG_WARNING,
                          "ACPI: guest asks for sleep type %u, which was not offered, ignoring it",
                          type);
}

static void acpi_pm_write(void *device, uint64_t offset, const void *data, size_t size)
{
        AcpiPm *pm = device;
        uint8_t value;

        memcpy(&value, data, sizeof(value));
        if (size == 1 && offset == ACPI_PM_SLEEP_CONTROL) {
                acpi_pm_sleep(pm, value);
        } else if (size == 1 && offset == ACPI_PM_SLEEP_STATUS) {
                /* WAK_STS is cleared by writing it before each sleep; it is never set here. */
        } else if (size == 1 && offset == ACPI_PM_RESET && value == ACPI_PM_RESET_VALUE) {
                pm->events.notify(pm->events.context, MACHINE_EVENT_RESET, 0);
        } else {
                guest_log(&pm->log, LOG_WARNING,
                          "ACPI: guest writes %zu bytes (0x%02x ...) at register %u, ignoring them",
                          size, value, (unsigned)offset);
        }
}

const BusOps acpi_pm_bus_ops = {acpi_pm_read, acpi_pm_write};
