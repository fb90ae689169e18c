/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device-table.h"

#include <errno.h>

#include "devices/i8042.h"
#include "devices/payload-port.h"
#include "devices/pvpanic.h"
#include "kvm/irqfd.h"

typedef struct DeviceType {
        const char *name;
        const BusOps *ops;
        int (*create)(const DeviceContext *context, const IrqLine *irq, void **ret);
        void (*reset)(void *device); /* NULL: no state */
        void (*destroy)(void *device);
} DeviceType;

static void serial_output_to_console(void *context, const void *data, size_t size)
{
        console_output(context, data, size);
}

static void serial_input_space_to_console(void *context)
{
        console_input_space(context);
}

static size_t console_input_to_serial(void *context, const void *data, size_t size)
{
        return serial_receive(context, data, size);
}

static int create_serial(const DeviceContext *context, const IrqLine *irq, void **ret)
{
        const SerialPeer peer = {serial_output_to_console, serial_input_space_to_console,
                                 context->console};
        ConsoleInput input = {.receive = console_input_to_serial};
        Serial *serial;
        int r;

        r = serial_new(&peer, irq, &serial);
        if (r < 0)
                return r;
        input.context = serial;
        console_set_input(context->console, &input);
        *ret = serial;
        return 0;
}

static void reset_serial(void *device)
{
        serial_reset(device);
}

static void destroy_serial(void *device)
{
        serial_free(device);
}

static int create_power(const DeviceContext *context, const IrqLine *irq, void **ret)
{
        AcpiPm *pm;
        int r = acpi_pm_new(&context->events, irq, &pm);

        if (r >= 0)
                *ret = pm;
        return r;
}

static void reset_power(void *device)
{
        acpi_pm_reset(device);
}

static void destroy_power(void *device)
{
        acpi_pm_free(device);
}

static int create_pvpanic(const DeviceContext *context, _unused_ const IrqLine *irq, void **ret)
{
        Pvpanic *pvpanic;
        int r = pvpanic_new(&context->events, &pvpanic);

        if (r >= 0)
                *ret = pvpanic;
        return r;
}

static void destroy_pvpanic(void *device)
{
        pvpanic_free(device);
}

static int create_payload_port(const DeviceContext *context, _unused_ const IrqLine *irq,
                               void **ret)
{
        PayloadPort *port;
        int r = payload_port_new(&context->events, &port);

        if (r >= 0)
                *ret = port;
        return r;
}

static void destroy_payload_port(void *device)
{
        payload_port_free(device);
}

static int create_i8042(const DeviceContext *context, _unused_ const IrqLine *irq, void **ret)
{
        I8042 *i8042;
        int r = i8042_new(&context->events, &i8042);

        if (r >= 0)
                *ret = i8042;
        return r;
}

static void destroy_i8042(void *device)
{
        i8042_free(device);
}

static const DeviceType device_types[_ARCH_DEVICE_KIND_MAX] = {
        [ARCH_DEVICE_SERIAL] = {"serial", &serial_bus_ops, create_serial, reset_serial,
                                destroy_serial},
        [ARCH_DEVICE_POWER] = {"power", &acpi_pm_bus_ops, create_power, reset_power, destroy_power},
        [ARCH_DEVICE_PVPANIC] = {"pvpanic", &pvpanic_bus_ops, create_pvpanic, NULL,
                                 destroy_pvpanic},
        [ARCH_DEVICE_PAYLOAD_PORT] = {"payload-port", &payload_port_bus_ops, create_payload_port,
                                      NULL, destroy_payload_port},
        [ARCH_DEVICE_I8042] = {"i8042", &i8042_bus_ops, create_i8042, NULL, destroy_i8042},
};

/* The bus is always there, and its host bridge: neither costs a system call. */
static int make_pci(DeviceTable *table, const DeviceContext *context)
{
        int r;

        r = msi_router_new(context->kvm, &table->msi);
        if (r < 0)
                return r;
        r = pci_bus_new(arch_pci_place(), &table->pci);
        return r < 0 ? r : pci_bus_connect(table->pci, context->mmio, context->pio);
}

int device_table_add_virtio(DeviceTable *table, const DeviceContext *context, unsigned slot,
                            VirtioDevice *device)
{
        const Doorbell doorbell = ioeventfd_doorbell(context->kvm);
        MsiLine msi;
        int r;

        if (table->n_virtio == DEVICE_TABLE_MAX_VIRTIO) {
                virtio_device_free(device);
                return -ENOSPC;
        }
        table->virtio[table->n_virtio++] = device;
        r = msi_router_add(table->msi, virtio_pci_n_vectors(device), &msi);
        return r < 0 ? r
                     : virtio_pci_new(table->pci, slot, device, &msi, &doorbell,
                                      &table->transports[table->n_virtio - 1]);
}

static int make_platform_devices(DeviceTable *table, const DeviceContext *context)
{
        const ArchDevicePlace *places;
        size_t n_places = arch_devices(&places);

        for (size_t i = 0; i < n_places; i++) {
                const ArchDevicePlace *place = &places[i];
                const DeviceType *type = &device_types[place->kind];
                IrqLine irq = context->irq;
                int r;

                irq.line = place->gsi;
                r = type->create(context, &irq, &table->devices[place->kind]);
                if (r < 0)
                        return r;
                r = bus_add(place->is_port ? context->pio : context->mmio, place->address,
                            place->size, type->name, type->ops, table->devices[place->kind]);
                if (r < 0)
                        return r;
        }
        return 0;
}

int device_table_init(DeviceTable *table, const DeviceContext *context)
{
        int r;

        r = make_pci(table, context);
        if (r < 0)
                return r;
        r = make_platform_devices(table, context);
        if (r < 0 || !context->watchdog)
                return r;
        return i6300esb_new(table->pci, DEVICE_SLOT_WATCHDOG, context->loop, &context->events,
                            &table->watchdog);
}

void device_table_done(DeviceTable *table)
{
        table->pci = pci_bus_free(table->pci);
        while (table->n_virtio > 0) {
                table->n_virtio--;
                table->transports[table->n_virtio] =
                        virtio_pci_free(table->transports[table->n_virtio]);
                table->virtio[table->n_virtio] = virtio_device_free(table->virtio[table->n_virtio]);
        }
        table->watchdog = i6300esb_free(table->watchdog);
        table->msi = msi_router_free(table->msi);
        for (size_t kind = _ARCH_DEVICE_KIND_MAX; kind-- > 0;)
                if (table->devices[kind]) {
                        device_types[kind].destroy(table->devices[kind]);
                        table->devices[kind] = NULL;
                }
}

static void device_is_quiet(void *context)
{
        DeviceTable *table = context;

        if (--table->n_noisy == 0)
                table->quiet(table->quiet_context);
}

void device_table_quiesce(DeviceTable *table, void (*quiet)(void *context), void *context)
{
        table->quiet = quiet;
        table->quiet_context = context;
        table->n_noisy = table->n_virtio;
        if (table->watchdog)
                i6300esb_pause(table->watchdog);
        for (unsigned i = 0; i < table->n_virtio; i++)
                virtio_device_quiesce(table->virtio[i], device_is_quiet, table);
        if (table->n_virtio == 0)
                quiet(context);
}

void device_table_resume(const DeviceTable *table)
{
        if (table->watchdog)
                i6300esb_resume(table->watchdog);
        for (unsigned i = 0; i < table->n_virtio; i++)
                virtio_device_resume(table->virtio[i]);
}

void device_table_reset(const DeviceTable *table)
{
        for (unsigned i = 0; i < table->n_virtio; i++)
                virtio_device_reset(table->virtio[i]);
        if (table->pci)
                pci_bus_reset(table->pci);
        for (size_t kind = 0; kind < _ARCH_DEVICE_KIND_MAX; kind++)
                if (table->devices[kind] && device_types[kind].reset)
                        device_types[kind].reset(table->devices[kind]);
}

void device_table_power_button(const DeviceTable *table)
{
        if (table->devices[ARCH_DEVICE_POWER])
                acpi_pm_power_button(table->devices[ARCH_DEVICE_POWER]);
}
