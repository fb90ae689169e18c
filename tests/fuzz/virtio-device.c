/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A driver that does anything to a device in any order: registers, ring memory, kicks, while the
 * machine pauses, saves and loads it. Eight bytes each: operation, three arguments, a value. The
 * device is an echo; after all of it a driver that keeps to the rules must be served.
 */

#include <endian.h>
#include <linux/virtio_config.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "tests/fuzz/fuzz.h"
#include "virtio-driver.h"
#include "virtio-echo.h"

#define QUEUE_SIZE 16U
#define TURNS_MAX  10000

typedef struct Run {
        VirtioDriver driver;
        VirtioEcho echo;
        uint64_t in, out;
        bool is_paused, is_quiet;
} Run;

static void run_turn(Run *run)
{
        int n, rounds = 0;

        while ((n = event_loop_run_once(run->driver.loop, 0)) > 0)
                fuzz_check(++rounds < TURNS_MAX);
        fuzz_check(n == 0);
}

static void run_is_quiet(void *context)
{
        Run *run = context;

        fuzz_check(run->is_paused && !run->is_quiet && run->echo.n_held == 0);
        run->is_quiet = true;
}

static void run_check(Run *run)
{
        uint8_t status = virtio_device_get_status(run->echo.device);

        fuzz_check(!(status & VIRTIO_CONFIG_S_DRIVER_OK) || status & VIRTIO_CONFIG_S_FEATURES_OK);
        if (status & VIRTIO_CONFIG_S_FEATURES_OK)
                fuzz_check((virtio_device_get_accepted(run->echo.device) &
                            ~virtio_device_get_offered(run->echo.device)) == 0);
        fuzz_check(run->driver.n_config_interrupts <= 1);
        run->driver.n_config_interrupts = 0;
}

static void run_set_queue(Run *run, unsigned queue, const uint8_t *arguments, uint32_t value)
{
        VirtioDriverQueue *at = &run->driver.queues[queue % VIRTIO_ECHO_QUEUES];
        VirtioQueueRegisters registers = {
                .size = arguments[0] & 1 ? QUEUE_SIZE : value,
                .descriptor_table = at->descriptor_table + (arguments[0] & 2 ? value : 0),
                .driver_area = at->driver_area + (arguments[0] & 4 ? value : 0),
                .device_area = at->device_area + (arguments[0] & 8 ? value : 0),
                .enabled = arguments[0] & 0x10,
        };

        virtio_device_set_queue(run->echo.device, queue, &registers);
}

/* While it is quiet, as a machine does: another device goes on where this one was. */
static void run_migrate(Run *run)
{
        uint8_t status = virtio_device_get_status(run->echo.device);
        json_object *state = NULL;
        JsonProblem problem;

        if (!run->is_quiet)
                return;
        fuzz_check(virtio_device_save(run->echo.device, &state) == 0);
        virtio_echo_done(&run->echo);
        virtio_echo_init(&run->echo, &run->driver.window, run->driver.loop, QUEUE_SIZE);
        virtio_driver_attach(&run->driver, run->echo.device);
        fuzz_check(virtio_device_load(run->echo.device, state, &problem) == 0);
        json_object_put(state);
        fuzz_check(virtio_device_get_status(run->echo.device) == status);
}

static void run_pause(Run *run, bool pause)
{
        if (pause && !run->is_paused) {
                run->is_paused = true;
                virtio_device_quiesce(run->echo.device, run_is_quiet, run);
        } else if (!pause && run->is_paused) {
                run->is_paused = run->is_quiet = false;
                virtio_device_resume(run->echo.device);
        }
}

static void run_config(Run *run, unsigned offset, unsigned size, uint32_t value)
{
        uint8_t bytes[16];

        memset(bytes, (int)value, sizeof(bytes));
        virtio_device_write_config(run->echo.device, offset, bytes, size);
        virtio_device_read_config(run->echo.device, offset, bytes, size);
}

/* A descriptor or an entry of the available ring, most of them good. */
static void run_ring(Run *run, const uint8_t *arguments, uint32_t value)
{
        unsigned queue = arguments[0] % VIRTIO_ECHO_QUEUES;

        if (arguments[0] & 0x80)
                virtio_driver_set_available(&run->driver, queue, arguments[1], (uint16_t)value);
        else
                virtio_driver_set_descriptor(
                        &run->driver, run->driver.queues[queue].descriptor_table,
                        arguments[1] % QUEUE_SIZE,
                        run->in + (arguments[0] & 0x40 ? (uint64_t)value << 16 : value % 4096),
                        value % 3 ? arguments[2] : value, arguments[2] % 8,
                        (uint16_t)(value >> 4) % (QUEUE_SIZE + 1));
}

static void run_start_driver(Run *run, uint64_t features)
{
        virtio_device_set_status(run->echo.device, 0);
        run_turn(run);
        virtio_echo_complete(&run->echo, run->echo.n_held);
        run_turn(run);
        fuzz_check(virtio_device_get_status(run->echo.device) == 0);
        fuzz_check(virtio_driver_start(&run->driver, features, QUEUE_SIZE));
}

static void run_operate(Run *run, const uint8_t operation[8])
{
        const uint8_t *arguments = operation + 1;
        VirtioDevice *device = run->echo.device;
        uint32_t value;

        memcpy(&value, operation + 4, sizeof(value));
        value = le32toh(value);
        /* The guest's processors stand still while the machine is paused. */
        if (run->is_paused && operation[0] % 16 < 10)
                return;
        switch (operation[0] % 16) {
        case 0:
                virtio_device_set_status(device, arguments[0]);
                break;
        case 1:
                virtio_device_set_accepted(device, arguments[0] & 1
                                                           ? virtio_device_get_offered(device)
                                                           : (uint64_t)value << arguments[1] % 64);
                break;
        case 2:
                run_set_queue(run, arguments[1], arguments, value);
                break;
        case 3:
                virtio_device_reset_queue(device, arguments[0] % 4);
                break;
        case 4:
                virtio_device_notify_queue(device, arguments[0] % 4);
                break;
        case 5:
                run_config(run, arguments[0], arguments[1] % 17, value);
                break;
        case 6:
        case 7:
                run_ring(run, arguments, value);
                break;
        case 8:
                virtio_driver_set_available_index(
                        &run->driver, arguments[0] % VIRTIO_ECHO_QUEUES,
                        (uint16_t)(run->driver.queues[arguments[0] % VIRTIO_ECHO_QUEUES].available +
                                   (arguments[1] & 0x80 ? value : arguments[1] % 4)));
                break;
        case 9:
                run_start_driver(run, arguments[0] & 1 ? virtio_device_get_offered(device) : 0);
                break;
        case 10:
        case 11:
                run_turn(run);
                break;
        case 12:
                run->echo.holds = arguments[0] & 1;
                run->echo.finishes_on_quiesce = arguments[0] & 2;
                break;
        case 13:
                virtio_echo_complete(&run->echo, CONST_MIN(arguments[0], run->echo.n_held));
                break;
        case 14:
                run_pause(run, arguments[0] & 1);
                break;
        default:
                run_migrate(run);
        }
}

static void run_expect_life(Run *run)
{
        const VirtioDriverBuffer buffers[] = {{run->in, 8, false}, {run->out, 8, true}};
        uint32_t written;

        run_pause(run, false);
        run_turn(run);
        run->echo.holds = false;
        run_start_driver(run, 0);
        for (unsigned queue = 0; queue < VIRTIO_ECHO_QUEUES; queue++) {
                virtio_driver_add(&run->driver, queue, buffers, 2);
                virtio_driver_kick(&run->driver, queue);
                run_turn(run);
                fuzz_check(virtio_driver_take(&run->driver, queue, NULL, &written));
                fuzz_check(written == 8);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        Run run = {0};

        log_set_max_level(LOG_EMERG);
        virtio_driver_init(&run.driver);
        virtio_echo_init(&run.echo, &run.driver.window, run.driver.loop, QUEUE_SIZE);
        virtio_driver_attach(&run.driver, run.echo.device);
        run.in = virtio_driver_alloc(&run.driver, 4096, 4096);
        run.out = virtio_driver_alloc(&run.driver, 4096, 4096);
        for (unsigned queue = 0; queue < VIRTIO_ECHO_QUEUES; queue++)
                virtio_driver_lay_out(&run.driver, queue, QUEUE_SIZE);
        for (size_t at = 0; at + 8 <= size; at += 8) {
                run_operate(&run, data + at);
                run_check(&run);
        }
        run_expect_life(&run);
        virtio_echo_done(&run.echo);
        virtio_driver_done(&run.driver);
        return 0;
}
