/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Guest writes that signal an eventfd and go no further: KVM's ioeventfds behind it in the monitor
 * (kvm/irqfd.h). A device that gets none, or that is refused one, sees the write itself.
 */

#include <stdint.h>

typedef struct Doorbell {
        /* Any write, of whatever width and value, at this guest physical address. 0 or negative
         * errno. NULL: there are none. */
        int (*add)(void *context, uint64_t address, int event_fd);
        void (*remove)(void *context, uint64_t address, int event_fd);
        void *context;
} Doorbell;
