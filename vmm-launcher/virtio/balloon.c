/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virtio/balloon.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/log.h"

/*
 * Section 5.5.2. Without FREE_PAGE_HINT there is no queue 3, but drivers number the queues that
 * they use without a gap (Linux up to 6.10 at least), and then report in queue 3; others keep to
 * the specification's 4. Both are for reports here.
 */
enum {
        QUEUE_INFLATE,
        QUEUE_DEFLATE,
        QUEUE_STATS,
        QUEUE_REPORTING_COMPACT,
        QUEUE_REPORTING,
        N_QUEUES,
};
#define QUEUE_SIZE 64U /* Linux wants 32 of the reporting queue */

#define PAGE_SIZE        (1ULL << VIRTIO_BALLOON_PFN_SHIFT)
#define CONFIG_SIZE      offsetof(struct virtio_balloon_config, free_page_hint_cmd_id)
#define CONFIG_NUM_PAGES offsetof(struct virtio_balloon_config, num_pages)
#define CONFIG_ACTUAL    offsetof(struct virtio_balloon_config, actual)
/* Linux sends 256 at a time. One request must not keep the loop for long. */
#define PAGES_PER_REQUEST 1024U
#define STATS_PER_REQUEST 64U

/* How far an inquiry for statistics has come (section 5.5.6.3). */
typedef enum StatsStage {
        STATS_IDLE,
        STATS_ASKING,  /* the driver's buffer is to be given back */
        STATS_WAITING, /* what it offers next is the answer */
} StatsStage;

struct VirtioBalloon {
        VirtioDevice *device;
        const DmaWindow *window;
        uint64_t discarded;
        LogLimit limit;
        StatsStage stats_stage;
        VirtioBalloonStatsDone stats_done;
        void *stats_context;
};

static void stats_finish(VirtioBalloon *balloon, const VirtioBalloonStats *stats)
{
        VirtioBalloonStatsDone done = TAKE_PTR(balloon->stats_done);

        balloon->stats_stage = STATS_IDLE;
        if (done)
                done(balloon->stats_context, stats);
}

/* Pages that are not the guest's are no harm: they are passed over (hardening row 23). */
static void balloon_discard(VirtioBalloon *balloon, uint64_t address, uint64_t size)
{
        int r = dma_discard(balloon->window, address, size);

        if (r == 0)
                balloon->discarded += size;
        else if (r != -EFAULT && log_limit_allow(&balloon->limit))
                log_warning_errno(r, "balloon device: cannot give memory back to the host, "
                                     "ignoring");
}

/* Neighbours go in one call: a page at a time costs a system call each. */
static void balloon_discard_pages(VirtioBalloon *balloon, const uint32_t *pages, unsigned n)
{
        for (unsigned i = 0; i < n;) {
                uint64_t first = le32toh(pages[i]);
                unsigned length = 1;

                while (i + length < n && le32toh(pages[i + length]) == first + length)
                        length++;
                balloon_discard(balloon, first << VIRTIO_BALLOON_PFN_SHIFT, length * PAGE_SIZE);
                i += length;
        }
}

static bool balloon_take_pages(VirtioBalloon *balloon, unsigned queue, const VirtqueueChain *chain)
{
        uint32_t pages[PAGES_PER_REQUEST];

        if (chain->n_writable > 0 || chain->readable_bytes % sizeof(pages[0]) != 0 ||
            chain->readable_bytes > sizeof(pages)) {
                virtio_device_fault(balloon->device, "not an array of up to %u page numbers",
                                    PAGES_PER_REQUEST);
                return false;
        }
        (void)virtqueue_chain_read(chain, 0, pages, chain->readable_bytes);
        /* Deflated pages come back by themselves, when they are touched. */
        if (queue == QUEUE_INFLATE)
                balloon_discard_pages(balloon, pages,
                                      (unsigned)(chain->readable_bytes / sizeof(pages[0])));
        return true;
}

/* Section 5.5.6.7: the buffers themselves are the free pages. */
static bool balloon_take_report(VirtioBalloon *balloon, const VirtqueueChain *chain)
{
        if (!virtio_device_has_feature(balloon->device, VIRTIO_BALLOON_F_REPORTING)) {
                virtio_device_fault(balloon->device, "a report without F_PAGE_REPORTING");
                return false;
        }
        for (unsigned i = 0; i < chain->n_writable; i++) {
                const VirtqueueSegment *segment = &chain->segments[chain->n_readable + i];
                uint64_t first = (segment->address + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
                uint64_t end = (segment->address + segment->length) & ~(PAGE_SIZE - 1);

                /* Whole pages only: the rest is somebody's. */
                if (first < end)
                        balloon_discard(balloon, first, end - first);
        }
        return true;
}

static void stats_read(const VirtqueueChain *chain, VirtioBalloonStats *ret)
{
        struct virtio_balloon_stat entries[STATS_PER_REQUEST];
        size_t size = virtqueue_chain_read(chain, 0, entries, sizeof(entries));

        *ret = (VirtioBalloonStats){0};
        for (size_t i = 0; i < size / sizeof(entries[0]); i++) {
                unsigned tag = le16toh(entries[i].tag);

                /* Section 5.5.6.3.2: in any order, others are ignored. */
                if (tag >= VIRTIO_BALLOON_N_STATS)
                        continue;
                ret->values[tag] = le64toh(entries[i].val);
                ret->present |= 1U << tag;
        }
}

/*
 * The driver's buffer stays in the ring until it is wanted, so that nothing is in flight when the
 * machine is to be quiet.
 */
static void balloon_handle_stats(VirtioBalloon *balloon)
{
        VirtioBalloonStats stats;
        VirtqueueChain chain;

        if (balloon->stats_stage == STATS_ASKING &&
            virtio_device_pop(balloon->device, QUEUE_STATS, &chain)) {
                balloon->stats_stage = STATS_WAITING;
                virtio_device_push(balloon->device, QUEUE_STATS, chain.head, 0);
                virtio_device_notify(balloon->device, QUEUE_STATS);
        }
        if (balloon->stats_stage == STATS_WAITING &&
            virtio_device_pop(balloon->device, QUEUE_STATS, &chain)) {
                stats_read(&chain, &stats);
                virtio_device_unpop(balloon->device, QUEUE_STATS, &chain);
                stats_finish(balloon, &stats);
        }
}

static void balloon_handle_queue(void *device, unsigned queue)
{
        VirtioBalloon *balloon = device;
        VirtqueueChain chain;

        if (queue == QUEUE_STATS) {
                balloon_handle_stats(balloon);
                return;
        }
        while (virtio_device_pop(balloon->device, queue, &chain)) {
                bool good = queue == QUEUE_INFLATE || queue == QUEUE_DEFLATE
                                    ? balloon_take_pages(balloon, queue, &chain)
                                    : balloon_take_report(balloon, &chain);

                virtio_device_push(balloon->device, queue, chain.head, 0);
                if (!good)
                        return;
        }
        virtio_device_notify(balloon->device, queue);
}

static uint32_t balloon_get32(VirtioBalloon *balloon, unsigned offset)
{
        uint32_t value;

        virtio_device_get_config(balloon->device, offset, &value, sizeof(value));
        return le32toh(value);
}

static void balloon_set32(VirtioBalloon *balloon, unsigned offset, uint32_t value)
{
        value = htole32(value);
        virtio_device_set_config(balloon->device, offset, &value, sizeof(value));
}

/* The guest has all of its memory again; what it is asked for stays. */
static void balloon_reset(void *device)
{
        VirtioBalloon *balloon = device;

        balloon_set32(balloon, CONFIG_ACTUAL, 0);
        stats_finish(balloon, NULL);
}

typedef struct BalloonState {
        uint64_t target; /* pages */
} BalloonState;

static const JsonField balloon_state_fields[] = {
        {"target", JSON_FIELD_U64, offsetof(BalloonState, target), .max = UINT32_MAX,
         .required = true},
        {NULL},
};

static int balloon_save(void *device, json_object **ret)
{
        const BalloonState state = {.target = balloon_get32(device, CONFIG_NUM_PAGES)};
        json_object *json = json_fields_save(balloon_state_fields, &state);

        if (!json)
                return -ENOMEM;
        *ret = json;
        return 0;
}

static int balloon_load(void *device, json_object *json, JsonProblem *problem)
{
        BalloonState state;
        int r = json_fields_load(balloon_state_fields, json, "/device", &state, problem);

        if (r >= 0)
                balloon_set32(device, CONFIG_NUM_PAGES, (uint32_t)state.target);
        return r;
}

static void balloon_destroy(void *device)
{
        VirtioBalloon *balloon = device;

        stats_finish(balloon, NULL);
        free(balloon);
}

int virtio_balloon_new(const VirtioBalloonConfig *config, const DmaWindow *window, EventLoop *loop,
                       VirtioBalloon **ret)
{
        static const VirtioOps ops = {
                .handle_queue = balloon_handle_queue,
                .reset = balloon_reset,
                .save = balloon_save,
                .load = balloon_load,
                .destroy = balloon_destroy,
        };
        static const uint32_t sizes[N_QUEUES] = {QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE,
                                                 QUEUE_SIZE};
        static const uint8_t writable[CONFIG_SIZE] = {[CONFIG_ACTUAL] = 0xff, 0xff, 0xff, 0xff};
        const VirtioInfo info = {
                .name = "balloon",
                .id = VIRTIO_ID_BALLOON,
                /* No PAGE_POISON: a guest that poisons its free pages then reports none. */
                .features = 1ULL << VIRTIO_BALLOON_F_MUST_TELL_HOST |
                            1ULL << VIRTIO_BALLOON_F_STATS_VQ |
                            1ULL << VIRTIO_BALLOON_F_DEFLATE_ON_OOM |
                            1ULL << VIRTIO_BALLOON_F_REPORTING,
                .n_queues = N_QUEUES,
                .queue_sizes = sizes,
                .config_size = CONFIG_SIZE,
                .config_writable = writable,
                .access_platform = config->access_platform,
        };
        VirtioBalloon *balloon = calloc(1, sizeof(*balloon));
        int r;

        if (!balloon)
                return -ENOMEM;
        balloon->window = window;
        r = virtio_device_new(&info, &ops, balloon, window, loop, &balloon->device);
        if (r < 0) {
                free(balloon);
                return r;
        }
        *ret = balloon;
        return 0;
}

VirtioDevice *virtio_balloon_device(VirtioBalloon *balloon)
{
        return balloon->device;
}

void virtio_balloon_set_target(VirtioBalloon *balloon, uint64_t bytes)
{
        uint64_t pages = bytes / PAGE_SIZE;

        balloon_set32(balloon, CONFIG_NUM_PAGES, (uint32_t)CONST_MIN(pages, UINT32_MAX));
}

uint64_t virtio_balloon_get_target(VirtioBalloon *balloon)
{
        return balloon_get32(balloon, CONFIG_NUM_PAGES) * PAGE_SIZE;
}

uint64_t virtio_balloon_get_actual(VirtioBalloon *balloon)
{
        return balloon_get32(balloon, CONFIG_ACTUAL) * PAGE_SIZE;
}

uint64_t virtio_balloon_get_discarded(const VirtioBalloon *balloon)
{
        return balloon->discarded;
}

int virtio_balloon_request_stats(VirtioBalloon *balloon, VirtioBalloonStatsDone done, void *context)
{
        if (balloon->stats_stage != STATS_IDLE)
                return -EBUSY;
        if (!virtio_device_is_active(balloon->device) ||
            !virtio_device_has_feature(balloon->device, VIRTIO_BALLOON_F_STATS_VQ))
                return -ENOTCONN;
        balloon->stats_stage = STATS_ASKING;
        balloon->stats_done = done;
        balloon->stats_context = context;
        virtio_device_kick(balloon->device, QUEUE_STATS);
        return 0;
}

void virtio_balloon_cancel_stats(VirtioBalloon *balloon)
{
        balloon->stats_done = NULL;
        balloon->stats_stage = STATS_IDLE;
}
