/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The console with readers and writers that come, go, drain and do not, in any order. Two bytes
 * each: operation and socket, argument. The loop must come to rest, the log keep its bound, and
 * nobody be left when all have gone.
 */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/console.h"
#include "common/fd.h"
#include "common/log.h"
#include "tests/fuzz/fuzz.h"

#define N_SOCKETS 8U
#define RING_SIZE 512U
#define LOG_SIZE  4096U
#define TURNS_MAX 10000

typedef struct Run {
        EventLoop *loop;
        Console *console;
        int sockets[N_SOCKETS];
        int log_fd, previous_fd;
        size_t room;
        bool owes_space;
} Run;

static size_t run_receive(void *context, const void *data, size_t size)
{
        Run *run = context;
        size_t n = size < run->room ? size : run->room;

        fuzz_check(data && size > 0);
        run->room -= n;
        run->owes_space |= n < size;
        return n;
}

static void run_writer_changed(void *context, bool attached)
{
        Run *run = context;

        fuzz_check(attached == console_has_writer(run->console));
}

static void run_turn(Run *run)
{
        int n, rounds = 0;

        while ((n = event_loop_run_once(run->loop, 0)) > 0)
                fuzz_check(++rounds < TURNS_MAX);
        fuzz_check(n == 0);
}

static void run_attach(Run *run, unsigned index, uint8_t flags)
{
        const ConsoleAttach how = {.write = flags & 1, .steal = flags & 2, .scrollback = flags & 4};
        bool had_writer = console_has_writer(run->console);
        int pair[2], r;

        if (run->sockets[index] >= 0)
                return;
        fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
        r = console_attach(run->console, pair[0], &how);
        fuzz_check(r == 0 || (r == -EBUSY && had_writer && how.write && !how.steal));
        if (r == 0) {
                run->sockets[index] = pair[1];
                return;
        }
        fd_close(pair[0]);
        fd_close(pair[1]);
}

static void run_close(Run *run, unsigned index)
{
        run->sockets[index] = fd_close(run->sockets[index]);
}

static void run_output(Run *run, size_t size)
{
        uint8_t bytes[255 * 16];

        memset(bytes, 'o', sizeof(bytes));
        console_output(run->console, bytes, size);
}

static void run_operate(Run *run, const uint8_t operation[2])
{
        unsigned index = operation[0] / 16 % N_SOCKETS;
        int fd = run->sockets[index];
        uint8_t bytes[4096];

        memset(bytes, 'i', sizeof(bytes));
        switch (operation[0] % 16) {
        case 0:
        case 1:
                run_output(run, (size_t)operation[1] * 16);
                return;
        case 2:
        case 3:
                run_turn(run);
                return;
        case 4:
        case 5:
                run_attach(run, index, operation[1]);
                return;
        case 6:
                run_close(run, index);
                return;
        case 7:
        case 8:
                if (fd >= 0)
                        (void)!read(fd, bytes, (size_t)operation[1] * 16);
                return;
        case 9:
        case 10:
                if (fd >= 0)
                        (void)!send(fd, bytes, (size_t)operation[1] * 16, MSG_NOSIGNAL);
                return;
        case 11:
                if (fd >= 0)
                        (void)shutdown(fd, operation[1] % 3);
                return;
        case 12:
        case 13:
                run->room += operation[1];
                if (run->owes_space) {
                        run->owes_space = false;
                        console_input_space(run->console);
                }
                return;
        case 14:
                (void)console_flush(run->console);
                return;
        default:
                fuzz_check(console_n_readers(run->console) <= CONSOLE_MAX_READERS);
        }
}

static void run_start(Run *run)
{
        const ConsoleInput input = {run_receive, run};
        ConsoleConfig config = {.ring_size = RING_SIZE, .log_size = LOG_SIZE};

        *run = (Run){0};
        for (unsigned i = 0; i < N_SOCKETS; i++)
                run->sockets[i] = -1;
        run->log_fd = config.log_fd = memfd_create("log", MFD_CLOEXEC);
        run->previous_fd = config.log_previous_fd = memfd_create("previous", MFD_CLOEXEC);
        fuzz_check(run->log_fd >= 0 && run->previous_fd >= 0);
        fuzz_check(event_loop_new(&run->loop) == 0);
        fuzz_check(console_new(run->loop, &run->console) == 0);
        fuzz_check(console_configure(run->console, &config) == 0);
        console_set_writer_changed(run->console, run_writer_changed, run);
        console_set_input(run->console, &input);
}

static void run_stop(Run *run)
{
        ConsoleStats stats;

        run_turn(run);
        console_get_stats(run->console, &stats);
        fuzz_check(stats.dropped_bytes <= stats.output_bytes * (CONSOLE_MAX_READERS + 1));
        fuzz_check(lseek(run->log_fd, 0, SEEK_END) <= LOG_SIZE);
        fuzz_check(lseek(run->previous_fd, 0, SEEK_END) <= LOG_SIZE);
        for (unsigned i = 0; i < N_SOCKETS; i++)
                run_close(run, i);
        run_turn(run);
        fuzz_check(console_n_readers(run->console) == 0);
        fuzz_check(!console_has_writer(run->console));
        console_free(run->console);
        event_loop_free(run->loop);
        fd_close(run->log_fd);
        fd_close(run->previous_fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        Run run;

        log_set_max_level(LOG_EMERG);
        run_start(&run);
        for (size_t at = 0; at + 2 <= size; at += 2)
                run_operate(&run, data + at);
        run_stop(&run);
        return 0;
}
