/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backend/entropy.h"

#include <errno.h>
#include <sys/random.h>

#define NSEC_PER_SEC 1000000000ULL

int entropy_read(void *buffer, size_t size)
{
        char *to = buffer;

        while (size > 0) {
                ssize_t n = getrandom(to, size, GRND_NONBLOCK);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                to += n;
                size -= (size_t)n;
        }
        return 0;
}

void entropy_bucket_fill(EntropyBucket *bucket, uint64_t now_nsec)
{
        uint64_t passed, full, tokens;

        if (now_nsec <= bucket->filled_nsec)
                return;
        passed = now_nsec - bucket->filled_nsec;
        full = entropy_bucket_wait_nsec(bucket, bucket->burst);
        if (passed >= full) {
                bucket->tokens = bucket->burst;
                bucket->filled_nsec = now_nsec;
                return;
        }
        /* Less than burst, so no overflow; what does not make a whole byte is not lost. */
        tokens = passed / NSEC_PER_SEC * bucket->bytes_per_second +
                 passed % NSEC_PER_SEC * bucket->bytes_per_second / NSEC_PER_SEC;
        bucket->tokens += (uint32_t)tokens;
        bucket->filled_nsec += tokens * NSEC_PER_SEC / bucket->bytes_per_second;
}

uint64_t entropy_bucket_wait_nsec(const EntropyBucket *bucket, uint32_t tokens)
{
        if (tokens <= bucket->tokens)
                return 0;
        return (tokens - bucket->tokens) * NSEC_PER_SEC / bucket->bytes_per_second + 1;
}
