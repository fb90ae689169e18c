/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Random bytes of the host's kernel, for a guest: never more than it may have at a time. */

#include <stddef.h>
#include <stdint.h>

/* Fills the buffer. Never blocks: -EAGAIN while the kernel's pool is not ready yet (early in the
 * host's boot), else 0 or negative errno. */
int entropy_read(void *buffer, size_t size);

/* A token bucket of bytes. Zeroed to begin with is empty; see entropy_bucket_fill(). */
typedef struct EntropyBucket {
        uint32_t bytes_per_second, burst; /* not 0 */
        uint32_t tokens;                  /* bytes; at most burst */
        uint64_t filled_nsec;             /* CLOCK_MONOTONIC, up to where tokens count */
} EntropyBucket;

/* Adds what has come by now. A clock that goes back adds nothing. */
void entropy_bucket_fill(EntropyBucket *bucket, uint64_t now_nsec);
/* How long until there are so many (at most burst) in it. 0: there are. */
uint64_t entropy_bucket_wait_nsec(const EntropyBucket *bucket, uint32_t tokens);
