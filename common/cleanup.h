/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Scope-bound ownership, after systemd's CODING_STYLE. */

#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f)    __attribute__((cleanup(f)))
#define _unused_        __attribute__((unused))
#define _noreturn_      __attribute__((noreturn))
#define _printf_(a, b)  __attribute__((format(printf, a, b)))
#define ARRAY_SIZE(a)   (sizeof(a) / sizeof((a)[0]))
#define CONST_MIN(a, b) ((a) < (b) ? (a) : (b))
#define CONST_MAX(a, b) ((a) > (b) ? (a) : (b))

/* Moves a value out of its variable, which is left empty, so that its cleanup does nothing. */
#define TAKE_GENERIC(var, empty)                                                                   \
        ({                                                                                         \
                __typeof__(var) *_slot = &(var);                                                   \
                __typeof__(var) _taken = *_slot;                                                   \
                *_slot = (empty);                                                                  \
                _taken;                                                                            \
        })
#define TAKE_PTR(ptr) TAKE_GENERIC(ptr, NULL)
#define TAKE_FD(fd)   TAKE_GENERIC(fd, -1)

/* For a destructor 'Type *func(Type *)' that takes NULL and returns NULL. */
#define DEFINE_CLEANUP_FUNC(type, func)                                                            \
        static inline void func##p(type *p)                                                        \
        {                                                                                          \
                if (*p)                                                                            \
                        *p = func(*p);                                                             \
        }                                                                                          \
        struct _swallow_semicolon_

static inline void freep(void *p)
{
        free(*(void **)p);
}

#define _cleanup_free_ _cleanup_(freep)
