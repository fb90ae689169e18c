/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is typed on its way to a console: finds ^]^]^] within a second (machinectl's way out), and
 * ^C where that is ours. Of the three the first two still reach the guest: holding them back would
 * delay every ^] that is meant for it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_DETACH         0x1d /* ^] */
#define KEY_INTERRUPT      0x03 /* ^C */
#define KEY_DETACH_COUNT   3
#define KEY_DETACH_TIMEOUT UINT64_C(1000000) /* microseconds */

typedef enum KeyEvent {
        KEY_EVENT_NONE,
        KEY_EVENT_DETACH,
        KEY_EVENT_INTERRUPT,
} KeyEvent;

typedef struct KeyFilter {
        bool catch_interrupt;
        uint64_t pressed[KEY_DETACH_COUNT - 1]; /* when the last ones came, newest first */
        unsigned n_pressed;
} KeyFilter;

/*
 * Looks at data, read at now (monotonic microseconds). *ret_size is how much of it is for the
 * guest; *ret_used how much was looked at (after an event the caller goes on behind it).
 */
KeyEvent key_filter_feed(KeyFilter *filter, const void *data, size_t size, uint64_t now,
                         size_t *ret_size, size_t *ret_used);
