/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virtio-echo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As assert(), also in release builds. */
#define must(condition)                                                                            \
        do {                                                                                       \
                if (!(condition)) {                                                                \
                        fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__,          \
                                #condition);                                                       \
                        abort();                                                                   \
                }                                                                                  \
        } while (0)

static int echo_activate(void *device)
{
        VirtioEcho *echo = device;

        echo->n_activated++;
        return echo->activate_result;
}

static uint32_t echo_answer(const VirtqueueChain *chain)
{
        uint8_t bytes[VIRTIO_ECHO_BYTES];
        size_t size = virtqueue_chain_read(chain, 0, bytes, sizeof(bytes));

        return (uint32_t)virtqueue_chain_write(chain, 0, bytes, size);
}

static void echo_handle_queue(void *device, unsigned queue)
{
        VirtioEcho *echo = device;
        VirtqueueChain chain;

        echo->n_handled++;
        if (echo->ignores_kicks)
                return;
        while (virtio_device_pop(echo->device, queue, &chain)) {
                uint32_t written = echo_answer(&chain);

                echo->n_echoes++;
                if (!echo->holds) {
                        virtio_device_push(echo->device, queue, chain.head, written);
                        continue;
                }
                must(echo->n_held < echo->max_held);
                echo->held[echo->n_held++] = (VirtioEchoHeld){queue, chain.head, written};
        }
        virtio_device_notify(echo->device, queue);
}

void virtio_echo_complete(VirtioEcho *echo, unsigned n)
{
        must(n <= echo->n_held);
        for (unsigned i = 0; i < n; i++) {
                const VirtioEchoHeld *held = &echo->held[i];

                virtio_device_push(echo->device, held->queue, held->head, held->written);
                virtio_device_notify(echo->device, held->queue);
        }
        echo->n_held -= n;
        memmove(echo->held, echo->held + n, sizeof(*echo->held) * echo->n_held);
}

static void echo_config_written(void *device, unsigned offset, unsigned size)
{
        VirtioEcho *echo = device;

        echo->config_offset = offset;
        echo->config_size = size;
}

static void echo_quiesce(void *device)
{
        VirtioEcho *echo = device;

        echo->n_quiesced++;
        if (echo->finishes_on_quiesce)
                virtio_echo_complete(echo, echo->n_held);
}

static void echo_resume(void *device)
{
        VirtioEcho *echo = device;

        echo->n_resumed++;
}

static void echo_reset(void *device)
{
        static const uint8_t config[VIRTIO_ECHO_CONFIG] = {[0] = 'e', [1] = 'c', [2] = 'h'};
        VirtioEcho *echo = device;

        echo->n_reset++;
        echo->n_echoes = 0;
        virtio_device_set_config(echo->device, 0, config, sizeof(config));
}

static const JsonField echo_state_fields[] = {
        {"n_echoes", JSON_FIELD_U64, offsetof(VirtioEcho, n_echoes), .required = true},
        {NULL},
};

static int echo_save(void *device, json_object **ret)
{
        json_object *json = json_fields_save(echo_state_fields, device);

        if (!json)
                return -ENOMEM;
        *ret = json;
        return 0;
}

static int echo_load(void *device, json_object *state, JsonProblem *problem)
{
        VirtioEcho *echo = device, loaded;
        int r = json_fields_load(echo_state_fields, state, "/device", &loaded, problem);

        if (r >= 0)
                echo->n_echoes = loaded.n_echoes;
        return r;
}

static void echo_destroy(void *device)
{
        VirtioEcho *echo = device;

        free(echo->held);
        echo->held = NULL;
}

void virtio_echo_init(VirtioEcho *echo, const DmaWindow *window, EventLoop *loop,
                      uint32_t queue_size)
{
        static const VirtioOps ops = {
                .activate = echo_activate,
                .handle_queue = echo_handle_queue,
                .config_written = echo_config_written,
                .quiesce = echo_quiesce,
                .resume = echo_resume,
                .reset = echo_reset,
                .save = echo_save,
                .load = echo_load,
                .destroy = echo_destroy,
        };
        /* Bytes 8 to 11 wholly, 12 in half: the driver's. */
        static const uint8_t writable[VIRTIO_ECHO_CONFIG] = {
                [8] = 0xff, [9] = 0xff, [10] = 0xff, [11] = 0xff, [12] = 0x0f};
        const VirtioInfo info = {
                .name = "echo",
                .id = VIRTIO_ECHO_ID,
                .features = 1ULL << VIRTIO_ECHO_F_A | 1ULL << VIRTIO_ECHO_F_B,
                .n_queues = VIRTIO_ECHO_QUEUES,
                .queue_sizes = echo->queue_sizes,
                .config_size = VIRTIO_ECHO_CONFIG,
                .config_writable = writable,
        };

        *echo = (VirtioEcho){.max_held = VIRTIO_ECHO_QUEUES * queue_size};
        echo->held = calloc(echo->max_held, sizeof(*echo->held));
        must(echo->held);
        for (unsigned i = 0; i < VIRTIO_ECHO_QUEUES; i++)
                echo->queue_sizes[i] = queue_size;
        must(virtio_device_new(&info, &ops, echo, window, loop, &echo->device) == 0);
        virtio_device_reset(echo->device);
        echo->n_reset = 0;
}

void virtio_echo_done(VirtioEcho *echo)
{
        echo->device = virtio_device_free(echo->device);
}
