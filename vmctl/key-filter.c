/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/key-filter.h"

/* Whether this press is the last of enough presses within the time. */
static bool press_completes(KeyFilter *filter, uint64_t now)
{
        const unsigned oldest = KEY_DETACH_COUNT - 2;

        if (filter->n_pressed == KEY_DETACH_COUNT - 1 &&
            now - filter->pressed[oldest] <= KEY_DETACH_TIMEOUT) {
                filter->n_pressed = 0;
                return true;
        }
        for (unsigned i = oldest; i > 0; i--)
                filter->pressed[i] = filter->pressed[i - 1];
        filter->pressed[0] = now;
        if (filter->n_pressed < KEY_DETACH_COUNT - 1)
                filter->n_pressed++;
        return false;
}

KeyEvent key_filter_feed(KeyFilter *filter, const void *data, size_t size, uint64_t now,
                         size_t *ret_size, size_t *ret_used)
{
        const unsigned char *bytes = data;
        KeyEvent event = KEY_EVENT_NONE;
        size_t i = 0;

        for (; i < size && event == KEY_EVENT_NONE; i++) {
                if (bytes[i] == KEY_DETACH) {
                        if (press_completes(filter, now))
                                event = KEY_EVENT_DETACH;
                        continue;
                }
                filter->n_pressed = 0;
                if (filter->catch_interrupt && bytes[i] == KEY_INTERRUPT)
                        event = KEY_EVENT_INTERRUPT;
        }
        *ret_used = i;
        *ret_size = event == KEY_EVENT_NONE ? i : i - 1;
        return event;
}
