/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "devices/i6300esb.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fd.h"
#include "pci/pci-bus.h"

/* In configuration space; one block, so that hooks tell the two apart by their offset. */
#define REGISTERS      0x60U
#define REGISTERS_SIZE 9U
#define CONFIG         0U /* 16 bits */
#define LOCK           8U /* 8 bits */

#define CONFIG_INTERRUPT_MASK 0x03U /* 0: IRQ, 2: SMI, 3: none */
#define CONFIG_FAST           0x04U /* the clock is divided by 2^5 instead of 2^15 */
#define CONFIG_NO_REBOOT      0x20U
#define LOCK_LOCKED           0x01U /* the register keeps its value until the next reset */
#define LOCK_ENABLE           0x02U
#define LOCK_FREE_RUNNING     0x04U /* the second stage only, over and over */

/* In the BAR. */
#define BAR              0U
#define BAR_SIZE         16U
#define TIMER_1          0x0U
#define TIMER_2          0x4U
#define INTERRUPT_STATUS 0x8U
#define RELOAD           0xcU

#define TIMER_MASK     0xfffffU
#define UNLOCK_FIRST   0x80U
#define UNLOCK_SECOND  0x86U
#define RELOAD_TIMERS  0x100U
#define RELOAD_EXPIRED 0x200U /* the second stage ran out, ever; written to be cleared */

#define PCI_CLOCK_HZ    33000000ULL
#define NSEC_PER_SEC    1000000000ULL
#define PERIOD_NSEC_MIN 1000000ULL /* a guest that wants it sooner keeps the loop busy */

typedef enum Stage { STAGE_OFF, STAGE_FIRST, STAGE_SECOND } Stage;

struct I6300esb {
        PciDevice *function;
        MachineEvents events;
        int timer_fd;
        EventSource source;

        pthread_mutex_t lock; /* for what stands here, and for arming the timer */
        uint32_t preload[2];
        uint16_t config;
        uint8_t locked; /* the lock register */
        uint32_t interrupt_status;
        bool has_expired;
        unsigned unlocked; /* writes of the sequence that were right: 2 unlock the next write */
        Stage stage;
        uint64_t deadline_nsec; /* CLOCK_MONOTONIC, of stage */
        bool is_paused;
        uint64_t left_nsec; /* of stage, while paused */
};

static uint64_t now_nsec(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

/* 0 disarms. It cannot fail with such values on a descriptor that is a timer. */
static void timer_set(const I6300esb *watchdog, uint64_t deadline_nsec)
{
        const struct itimerspec spec = {
                .it_value = {.tv_sec = (time_t)(deadline_nsec / NSEC_PER_SEC),
                             .tv_nsec = (long)(deadline_nsec % NSEC_PER_SEC)}};

        (void)timerfd_settime(watchdog->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

static uint64_t period_nsec(const I6300esb *watchdog, Stage stage)
{
        uint64_t ticks = watchdog->preload[stage == STAGE_FIRST ? 0 : 1];
        unsigned shift = watchdog->config & CONFIG_FAST ? 5 : 15;

        return CONST_MAX((ticks << shift) * NSEC_PER_SEC / PCI_CLOCK_HZ, PERIOD_NSEC_MIN);
}

static void stage_begin(I6300esb *watchdog, Stage stage)
{
        watchdog->stage = stage;
        watchdog->deadline_nsec = 0;
        if (stage != STAGE_OFF)
                watchdog->deadline_nsec = now_nsec() + period_nsec(watchdog, stage);
        timer_set(watchdog, watchdog->deadline_nsec);
}

static void restart(I6300esb *watchdog)
{
        stage_begin(watchdog, watchdog->locked & LOCK_FREE_RUNNING ? STAGE_SECOND : STAGE_FIRST);
}

/* With the lock held; whether the machine is to be told. */
static bool stage_end(I6300esb *watchdog)
{
        if (watchdog->stage == STAGE_FIRST) {
                /* There is no pin for the interrupt; a driver may poll. */
                if ((watchdog->config & CONFIG_INTERRUPT_MASK) == 0)
                        watchdog->interrupt_status |= 1;
                stage_begin(watchdog, STAGE_SECOND);
                return false;
        }
        watchdog->has_expired = true;
        if (!(watchdog->config & CONFIG_NO_REBOOT)) {
                stage_begin(watchdog, STAGE_OFF);
                return true;
        }
        if (watchdog->locked & LOCK_FREE_RUNNING)
                restart(watchdog);
        else
                stage_begin(watchdog, STAGE_OFF);
        return false;
}

static void handle_timer(void *context, _unused_ uint32_t epoll_events)
{
        I6300esb *watchdog = context;
        bool is_over = false;
        uint64_t count;

        (void)pthread_mutex_lock(&watchdog->lock);
        /* Nothing to read: a vCPU has set it anew meanwhile. */
        if (read(watchdog->timer_fd, &count, sizeof(count)) == (ssize_t)sizeof(count) &&
            watchdog->stage != STAGE_OFF)
                is_over = stage_end(watchdog);
        (void)pthread_mutex_unlock(&watchdog->lock);
        if (is_over)
                watchdog->events.notify(watchdog->events.context, MACHINE_EVENT_WATCHDOG, 0);
}

/* --- Configuration space --- */

static void write_lock_register(I6300esb *watchdog, uint8_t value)
{
        bool was_enabled = watchdog->locked & LOCK_ENABLE;

        if (watchdog->locked & LOCK_LOCKED) {
                pci_device_poke(watchdog->function, REGISTERS + LOCK, &watchdog->locked, 1);
                return;
        }
        watchdog->locked = value;
        if (!(value & LOCK_ENABLE))
                stage_begin(watchdog, STAGE_OFF);
        else if (!was_enabled)
                restart(watchdog);
}

static void capability_written(void *device, unsigned offset, size_t size)
{
        I6300esb *watchdog = device;
        uint8_t bytes[REGISTERS_SIZE];

        pci_device_peek(watchdog->function, REGISTERS, bytes, sizeof(bytes));
        (void)pthread_mutex_lock(&watchdog->lock);
        watchdog->config = (uint16_t)(bytes[CONFIG] | bytes[CONFIG + 1] << 8);
        if (offset <= LOCK && offset + size > LOCK)
                write_lock_register(watchdog, bytes[LOCK]);
        (void)pthread_mutex_unlock(&watchdog->lock);
}

/* --- The BAR --- */

static uint32_t register_read(const I6300esb *watchdog, uint64_t offset)
{
        switch (offset) {
        case TIMER_1:
                return watchdog->preload[0];
        case TIMER_2:
                return watchdog->preload[1];
        case INTERRUPT_STATUS:
                return watchdog->interrupt_status;
        case RELOAD:
                return watchdog->has_expired ? RELOAD_EXPIRED : 0;
        default:
                return 0;
        }
}

/* A write that the sequence unlocked. */
static void register_write(I6300esb *watchdog, uint64_t offset, uint32_t value)
{
        switch (offset) {
        case TIMER_1:
                watchdog->preload[0] = value & TIMER_MASK;
                break;
        case TIMER_2:
                watchdog->preload[1] = value & TIMER_MASK;
                break;
        case RELOAD:
                if (value & RELOAD_EXPIRED)
                        watchdog->has_expired = false;
                if (value & RELOAD_TIMERS && watchdog->stage != STAGE_OFF)
                        restart(watchdog);
                break;
        default:
                break;
        }
}

/* Section 16.5: each of the two in turn, then one write; anything else begins anew. */
static void unlock_or_write(I6300esb *watchdog, uint64_t offset, uint32_t value)
{
        if (offset == RELOAD && value == UNLOCK_FIRST) {
                watchdog->unlocked = 1;
        } else if (offset == RELOAD && value == UNLOCK_SECOND && watchdog->unlocked == 1) {
                watchdog->unlocked = 2;
        } else {
                bool is_unlocked = watchdog->unlocked == 2;

                watchdog->unlocked = 0;
                if (is_unlocked)
                        register_write(watchdog, offset, value);
        }
}

static void bar_read(void *device, _unused_ unsigned bar, uint64_t offset, void *data, size_t size)
{
        I6300esb *watchdog = device;
        uint32_t value;

        memset(data, 0, size);
        if (size != 2 && size != 4)
                return;
        (void)pthread_mutex_lock(&watchdog->lock);
        value = register_read(watchdog, offset);
        (void)pthread_mutex_unlock(&watchdog->lock);
        memcpy(data, &value, size);
}

static void bar_write(void *device, _unused_ unsigned bar, uint64_t offset, const void *data,
                      size_t size)
{
        I6300esb *watchdog = device;
        uint32_t value = 0;

        /* Timers are written whole, the 16-bit reload register by either width. */
        if (size != 4 && !(size == 2 && offset >= INTERRUPT_STATUS))
                return;
        memcpy(&value, data, size);
        (void)pthread_mutex_lock(&watchdog->lock);
        if (offset == INTERRUPT_STATUS)
                watchdog->interrupt_status &= ~value;
        else
                unlock_or_write(watchdog, offset, value);
        (void)pthread_mutex_unlock(&watchdog->lock);
}

/* --- The machine --- */

/* has_expired survives: the guest that comes after the reset asks why it came. */
static void forget_registers(I6300esb *watchdog)
{
        watchdog->preload[0] = watchdog->preload[1] = TIMER_MASK;
        watchdog->config = 0;
        watchdog->locked = 0;
        watchdog->interrupt_status = 0;
        watchdog->unlocked = 0;
        watchdog->left_nsec = 0;
        stage_begin(watchdog, STAGE_OFF);
}

static void function_reset(void *device)
{
        I6300esb *watchdog = device;

        (void)pthread_mutex_lock(&watchdog->lock);
        forget_registers(watchdog);
        (void)pthread_mutex_unlock(&watchdog->lock);
}

void i6300esb_pause(I6300esb *watchdog)
{
        (void)pthread_mutex_lock(&watchdog->lock);
        if (!watchdog->is_paused && watchdog->stage != STAGE_OFF) {
                uint64_t now = now_nsec();

                /* One that is due in this moment is so after the pause. */
                watchdog->left_nsec =
                        watchdog->deadline_nsec > now ? watchdog->deadline_nsec - now : 1;
                timer_set(watchdog, 0);
        }
        watchdog->is_paused = true;
        (void)pthread_mutex_unlock(&watchdog->lock);
}

void i6300esb_resume(I6300esb *watchdog)
{
        (void)pthread_mutex_lock(&watchdog->lock);
        if (watchdog->is_paused && watchdog->stage != STAGE_OFF) {
                watchdog->deadline_nsec = now_nsec() + watchdog->left_nsec;
                timer_set(watchdog, watchdog->deadline_nsec);
        }
        watchdog->is_paused = false;
        (void)pthread_mutex_unlock(&watchdog->lock);
}

static const PciDeviceOps function_ops = {
        .bar_read = bar_read,
        .bar_write = bar_write,
        .capability_written = capability_written,
        .reset = function_reset,
};

static int add_function(I6300esb *watchdog, PciBus *bus, unsigned slot)
{
        const PciIdentity identity = {
                .vendor = 0x8086,
                .device = 0x25ab,
                .subsystem_vendor = 0x8086,
                .subsystem_device = 0x25ab,
                .class_code = 0x088000, /* system peripheral, other */
        };
        const uint8_t values[REGISTERS_SIZE] = {0};
        const uint8_t mask[REGISTERS_SIZE] = {
                [CONFIG] = CONFIG_INTERRUPT_MASK | CONFIG_FAST | CONFIG_NO_REBOOT,
                [LOCK] = LOCK_LOCKED | LOCK_ENABLE | LOCK_FREE_RUNNING,
        };
        int r;

        r = pci_device_new(bus, slot, &identity, &function_ops, watchdog, &watchdog->function);
        if (r >= 0)
                r = pci_device_add_bar(watchdog->function, BAR, BAR_SIZE);
        return r < 0 ? r
                     : pci_device_add_registers(watchdog->function, REGISTERS, values, mask,
                                                sizeof(values), true);
}

int i6300esb_new(PciBus *bus, unsigned slot, EventLoop *loop, const MachineEvents *events,
                 I6300esb **ret)
{
        I6300esb *watchdog = calloc(1, sizeof(*watchdog));
        int r;

        if (!watchdog)
                return -ENOMEM;
        watchdog->events = *events;
        (void)pthread_mutex_init(&watchdog->lock, NULL);
        watchdog->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        r = watchdog->timer_fd < 0 ? -errno : 0;
        if (r >= 0)
                r = event_loop_add(loop, &watchdog->source, watchdog->timer_fd, EPOLLIN,
                                   handle_timer, watchdog);
        if (r >= 0)
                r = add_function(watchdog, bus, slot);
        if (r < 0) {
                i6300esb_free(watchdog);
                return r;
        }
        watchdog->preload[0] = watchdog->preload[1] = TIMER_MASK;
        *ret = watchdog;
        return 0;
}

I6300esb *i6300esb_free(I6300esb *watchdog)
{
        if (!watchdog)
                return NULL;
        event_loop_remove(&watchdog->source);
        fd_close(watchdog->timer_fd);
        (void)pthread_mutex_destroy(&watchdog->lock);
        free(watchdog);
        return NULL;
}
