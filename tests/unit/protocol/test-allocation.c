/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Every allocation fails once: the Nth, for all N until a whole conversation gets through. What is
 * out of memory says so, gives nothing half-made, and leaks neither memory nor descriptors. The
 * allocator is replaced for the whole process, json-c included; glibc keeps its own under other
 * names.
 */

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/string-util.h"
#include "protocol/protocol.h"
#include "tests/unit/unit.h"
#include "vmconfig/vm-config.h"

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *block, size_t size);
void __libc_free(void *block);

static long countdown = -1; /* allocations until one fails; negative: none does */
static long n_blocks;
static bool failed;

static bool fails(void)
{
        if (countdown < 0 || countdown-- > 0)
                return false;
        failed = true;
        errno = ENOMEM;
        return true;
}

void *malloc(size_t size)
{
        void *block = fails() ? NULL : __libc_malloc(size);

        n_blocks += block != NULL;
        return block;
}

void *calloc(size_t n, size_t size)
{
        void *block = fails() ? NULL : __libc_calloc(n, size);

        n_blocks += block != NULL;
        return block;
}

void *realloc(void *block, size_t size)
{
        void *bigger = fails() ? NULL : __libc_realloc(block, size);

        n_blocks += block == NULL && bigger != NULL;
        return bigger;
}

void free(void *block)
{
        n_blocks -= block != NULL;
        __libc_free(block);
}

static const char config_text[] =
        "{\"name\": \"n\", \"kernel\": \"k\\u00e9\", \"initrd\": \"i\", \"params\": \"p\", "
        "\"memory_mib\": 5.12e2, \"cpu_count\": 2, \"on_crash\": \"restart\", "
        "\"x-a\": [1, 2, 3, 4, 5, {\"b\": null, \"c\": \"d\"}, 18446744073709551615]}";

/* Text -> config -> object -> config. */
static int config_round_trip(void)
{
        JsonProblem problem;
        VmConfig config, again;
        json_object *json;
        int r;

        r = vm_config_parse(config_text, sizeof(config_text) - 1, &config, &problem);
        if (r < 0)
                return r;
        json = vm_config_save(&config);
        vm_config_done(&config);
        if (!json)
                return -ENOMEM;
        r = vm_config_load(json, &again, &problem);
        json_object_put(json);
        if (r < 0)
                return r;
        /* Where libc gets by without the block, all has to be there nevertheless. */
        r = streq(again.kernel, "k\xc3\xa9") && streq(again.initrd, "i") &&
                            again.memory_mib == 512 && again.cpu_count == 2
                    ? 0
                    : -EUCLEAN;
        vm_config_done(&again);
        return r;
}

/* Sends params with a descriptor, and loads what arrives. */
static int message_round_trip(const int pair[2])
{
        ProtocolEnded ended = {STOP_REASON_GUEST_PANIC, (char *)(uintptr_t) "a \"panic\"", 3}, got;
        Message message = {.type = MESSAGE_EVENT, .id = 1, .code = EVENT_ENDED}, received;
        JsonProblem problem;
        int r;

        message.body = json_fields_save(protocol_ended_fields, &ended);
        if (!message.body)
                return -ENOMEM;
        message.fds[message.n_fds++] = dup(pair[0]);
        r = message_send(pair[0], &message);
        message_done(&message);
        if (r < 0)
                return r;
        do
                r = message_receive(pair[1], &received, &problem);
        while (r == -ENOMEM && !failed);
        if (r < 0)
                return r;
        r = json_fields_load(protocol_ended_fields, received.body, "", &got, &problem);
        message_done(&received);
        if (r < 0)
                return r;
        r = streq(got.detail, ended.detail) ? 0 : -EUCLEAN; /* Check's asserts allocate */
        json_fields_done(protocol_ended_fields, &got);
        return r;
}

static int error_round_trip(void)
{
        Message message = {.type = MESSAGE_REPLY, .id = 1, .error = EBUSY}, decoded;
        JsonProblem problem;
        size_t length;
        char *frame;
        int r;

        message.error_message = strdup("no\n");
        if (!message.error_message)
                return -ENOMEM;
        r = message_encode(&message, &frame, &length);
        message_done(&message);
        if (r < 0)
                return r;
        r = message_decode(frame, length, &decoded, &problem);
        free(frame);
        if (r < 0)
                return r;
        r = streq(decoded.error_message, "no\n") ? 0 : -EUCLEAN;
        message_done(&decoded);
        return r;
}

/* What was not received because memory ran out is still in the socket. */
static void drain(int socket)
{
        Message message;

        while (message_receive(socket, &message, NULL) == 0)
                message_done(&message);
}

START_TEST(test_every_allocation)
{
        long n_failures = 0, blocks_before;
        int pair[2], n_fds, r;

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        ck_assert_int_eq(config_round_trip(), 0); /* json-c seeds its hash, stdio its buffers */
        ck_assert_int_eq(message_round_trip(pair), 0);
        n_fds = fd_count_open();
        blocks_before = n_blocks;
        failed = true;
        for (long n = 0; failed; n++) {
                failed = false;
                countdown = n;
                r = config_round_trip();
                if (r == 0)
                        r = message_round_trip(pair);
                if (r == 0)
                        r = error_round_trip();
                countdown = -1;
                drain(pair[1]);
                ck_assert_msg(r == 0 || r == -ENOMEM, "allocation %ld: %s", n, strerror(-r));
                ck_assert_msg(failed || r == 0, "allocation %ld: nothing failed, yet %d", n, r);
                ck_assert_msg(n_blocks == blocks_before, "allocation %ld: %ld blocks leaked", n,
                              n_blocks - blocks_before);
                ck_assert_int_eq(fd_count_open(), n_fds);
                n_failures += failed;
        }
        ck_assert_int_gt(n_failures, 100);
        fd_close(pair[0]);
        fd_close(pair[1]);
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_test(tcase, test_every_allocation);
}

int main(void)
{
        return unit_run("allocation", add_tests);
}
