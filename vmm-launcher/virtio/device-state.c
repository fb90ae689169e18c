/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A quiet device's state as JSON, and back. What is loaded comes from a file that anybody may have
 * written: it is held to the same rules as the driver's registers.
 */

#include <errno.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "virtio/device-internal.h"

typedef struct QueueState {
        uint64_t size, descriptor_table, driver_area, device_area;
        bool enabled;
        uint64_t position;
} QueueState;

static const JsonField queue_state_fields[] = {
        /* As the driver wrote it: whether it is a size is looked at when the queue starts. */
        {"size", JSON_FIELD_U64, offsetof(QueueState, size), .max = UINT32_MAX, .required = true},
        {"descriptor_table", JSON_FIELD_U64, offsetof(QueueState, descriptor_table),
         .required = true},
        {"driver_area", JSON_FIELD_U64, offsetof(QueueState, driver_area), .required = true},
        {"device_area", JSON_FIELD_U64, offsetof(QueueState, device_area), .required = true},
        {"enabled", JSON_FIELD_BOOL, offsetof(QueueState, enabled), .required = true},
        {"position", JSON_FIELD_U64, offsetof(QueueState, position), .max = UINT16_MAX,
         .required = true},
        {NULL},
};

typedef struct DeviceState {
        uint64_t id, status, accepted, generation;
        json_object *config; /* array of the bytes that the driver may write; others are ours */
        json_object *queues; /* array of QueueState */
        json_object *device; /* VirtioOps' */
} DeviceState;

static const JsonField device_state_fields[] = {
        {"id", JSON_FIELD_U64, offsetof(DeviceState, id), .required = true},
        {"status", JSON_FIELD_U64, offsetof(DeviceState, status), .max = UINT8_MAX,
         .required = true},
        {"accepted", JSON_FIELD_U64, offsetof(DeviceState, accepted), .required = true},
        {"generation", JSON_FIELD_U64, offsetof(DeviceState, generation), .max = UINT8_MAX,
         .required = true},
        {"config", JSON_FIELD_JSON, offsetof(DeviceState, config), .required = true},
        {"queues", JSON_FIELD_JSON, offsetof(DeviceState, queues), .required = true},
        {"device", JSON_FIELD_JSON, offsetof(DeviceState, device)},
        {NULL},
};

#define STATUS_BITS                                                                                \
        (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK |        \
         VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED)

static uint8_t writable_mask(const VirtioDevice *device, size_t at)
{
        return device->info.config_writable ? device->info.config_writable[at] : 0;
}

static int save_config(const VirtioDevice *device, json_object *array)
{
        for (unsigned i = 0; i < device->info.config_size; i++) {
                json_object *byte =
                        json_object_new_int(device->config[i] & writable_mask(device, i));

                if (!byte || json_object_array_add(array, byte) < 0) {
                        json_object_put(byte);
                        return -ENOMEM;
                }
        }
        return 0;
}

static int save_queues(const VirtioDevice *device, json_object *array)
{
        for (unsigned i = 0; i < device->info.n_queues; i++) {
                const VirtioQueueRegisters *registers = &device->queues[i].registers;
                const QueueState state = {
                        .size = registers->size,
                        .descriptor_table = registers->descriptor_table,
                        .driver_area = registers->driver_area,
                        .device_area = registers->device_area,
                        .enabled = registers->enabled,
                        .position = virtqueue_position(device->queues[i].ring),
                };
                json_object *json = json_fields_save(queue_state_fields, &state);

                if (!json || json_object_array_add(array, json) < 0) {
                        json_object_put(json);
                        return -ENOMEM;
                }
        }
        return 0;
}

int virtio_device_save(VirtioDevice *device, json_object **ret)
{
        DeviceState state = {
                .id = device->info.id,
                .status = device->status,
                .accepted = device->accepted,
                .generation = device->generation,
                .config = json_object_new_array(),
                .queues = json_object_new_array(),
        };
        json_object *json = NULL;
        int r = state.config && state.queues ? 0 : -ENOMEM;

        if (r >= 0)
                r = save_config(device, state.config);
        if (r >= 0)
                r = save_queues(device, state.queues);
        if (r >= 0 && device->ops->save)
                r = device->ops->save(device->context, &state.device);
        if (r >= 0) {
                json = json_fields_save(device_state_fields, &state);
                r = json ? 0 : -ENOMEM;
        }
        json_fields_done(device_state_fields, &state);
        if (r >= 0)
                *ret = json;
        return r;
}

static int load_config(VirtioDevice *device, json_object *array, JsonProblem *problem)
{
        if (!json_object_is_type(array, json_type_array) ||
            json_object_array_length(array) != device->info.config_size)
                return json_problem(problem, "/config",
                                    "the device's configuration space has %u bytes",
                                    device->info.config_size);
        for (unsigned i = 0; i < device->info.config_size; i++) {
                json_object *byte = json_object_array_get_idx(array, i);
                uint8_t mask = writable_mask(device, i);

                if (!json_object_is_type(byte, json_type_int) || json_object_get_int64(byte) < 0 ||
                    json_object_get_int64(byte) > UINT8_MAX)
                        return json_problem(problem, "/config", "not an array of bytes");
                device->config[i] = (uint8_t)((device->config[i] & ~mask) |
                                              ((uint8_t)json_object_get_int(byte) & mask));
        }
        return 0;
}

static int load_queue(VirtioDevice *device, unsigned index, json_object *json, JsonProblem *problem)
{
        VirtioQueue *queue = &device->queues[index];
        char pointer[32];
        QueueState state;
        int r;

        (void)snprintf(pointer, sizeof(pointer), "/queues/%u", index);
        r = json_fields_load(queue_state_fields, json, pointer, &state, problem);
        if (r < 0)
                return r;
        queue->registers = (VirtioQueueRegisters){
                .size = (uint32_t)state.size,
                .descriptor_table = state.descriptor_table,
                .driver_area = state.driver_area,
                .device_area = state.device_area,
                .enabled = state.enabled,
        };
        /* One that broke is not started again before its reset. */
        if (!device->is_active || !state.enabled)
                return 0;
        if (device_start_queue(device, index) == VIRTQUEUE_BROKEN)
                return json_problem(problem, pointer, "%s", virtqueue_fault(queue->ring));
        virtqueue_set_position(queue->ring, (uint16_t)state.position);
        return 0;
}

static int load_queues(VirtioDevice *device, json_object *array, JsonProblem *problem)
{
        if (!json_object_is_type(array, json_type_array) ||
            json_object_array_length(array) != device->info.n_queues)
                return json_problem(problem, "/queues", "the device has %u queues",
                                    device->info.n_queues);
        for (unsigned i = 0; i < device->info.n_queues; i++) {
                int r = load_queue(device, i, json_object_array_get_idx(array, i), problem);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int load_registers(VirtioDevice *device, const DeviceState *state, JsonProblem *problem)
{
        if (state->id != device->info.id)
                return json_problem(problem, "/id", "this is the state of another kind of device");
        if (state->status & ~(uint64_t)STATUS_BITS)
                return json_problem(problem, "/status", "there is no such status bit");
        if (state->status & VIRTIO_CONFIG_S_DRIVER_OK &&
            !(state->status & VIRTIO_CONFIG_S_FEATURES_OK))
                return json_problem(problem, "/status", "DRIVER_OK without FEATURES_OK");
        device->accepted = state->accepted;
        if (state->status & VIRTIO_CONFIG_S_FEATURES_OK && !device_features_are_acceptable(device))
                return json_problem(problem, "/accepted",
                                    "the driver accepted features that this device does not offer, "
                                    "or not those that it needs");
        device->status = (uint8_t)state->status;
        device->generation = (uint8_t)state->generation;
        device->is_active = device->status & VIRTIO_CONFIG_S_DRIVER_OK &&
                            !(device->status & VIRTIO_CONFIG_S_NEEDS_RESET);
        if (device->is_active)
                device->features = device->accepted;
        return 0;
}

static int load_all(VirtioDevice *device, const DeviceState *state, JsonProblem *problem)
{
        int r = load_registers(device, state, problem);

        if (r >= 0 && !state->device != !device->ops->load)
                r = json_problem(problem, "/device", "%s",
                                 state->device ? "this device has no state of its own"
                                               : "the device's own state is missing");
        if (r >= 0)
                r = load_config(device, state->config, problem);
        if (r >= 0)
                r = load_queues(device, state->queues, problem);
        if (r >= 0 && device->is_active && device->ops->activate)
                r = device->ops->activate(device->context);
        if (r >= 0 && device->ops->load)
                r = device->ops->load(device->context, state->device, problem);
        return r;
}

int virtio_device_load(VirtioDevice *device, json_object *json, JsonProblem *problem)
{
        DeviceState state;
        int r;

        r = json_fields_load(device_state_fields, json, "", &state, problem);
        if (r < 0)
                return r;
        /* Quiet until it is told to go on. */
        device->is_quiesced = device->is_draining = true;
        r = load_all(device, &state, problem);
        json_fields_done(device_state_fields, &state);
        if (r < 0)
                virtio_device_reset(device);
        return r;
}
