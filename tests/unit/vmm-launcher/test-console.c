/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The console's ring and its readers. */

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "common/cleanup.h"
#include "console-test.h"

#define MIB (1ULL << 20)

START_TEST(scrollback_then_live)
{
        ConsoleFixture *f = fixture_new(TEST_RING, 0);
        int with, without;

        output(f, "before ");
        with = fixture_attach(f, (ConsoleAttach){.scrollback = true});
        without = fixture_attach(f, (ConsoleAttach){0});
        expect_text(with, "before ");
        output(f, "after");
        expect_text(with, ""); /* nothing is sent but by the loop */
        fixture_turn(f);
        expect_text(with, "after");
        expect_text(without, "after");
        fd_close(with);
        fd_close(without);
        fixture_free(f);
}
END_TEST

START_TEST(every_byte_passes_raw)
{
        static const char escapes[] = "\x1b]0;t\x07\x1b[2J\x9b"
                                      "5n\x90q\x1b\\";
        ConsoleFixture *f = fixture_new(TEST_RING, TEST_RING);
        int reader = fixture_attach(f, (ConsoleAttach){0});
        uint8_t bytes[256 + sizeof(escapes)], got[512];
        bool end;

        for (size_t i = 0; i < 256; i++)
                bytes[i] = (uint8_t)i;
        memcpy(bytes + 256, escapes, sizeof(escapes));
        console_output(f->console, bytes, sizeof(bytes));
        fixture_turn(f);
        ck_assert_uint_eq(drain(reader, got, sizeof(got), &end), sizeof(bytes));
        ck_assert_mem_eq(got, bytes, sizeof(bytes));
        ck_assert_int_eq(pread(f->log_fd, got, sizeof(got), 0), sizeof(bytes));
        ck_assert_mem_eq(got, bytes, sizeof(bytes));
        fd_close(reader);
        fixture_free(f);
}
END_TEST

/* Whatever the sizes of the pieces, a late reader finds the last ring of them. */
START_TEST(ring_keeps_the_last_bytes)
{
        const size_t pieces[] = {1, 7, 255, 256, 4095, 4096, 4097, 9000, 100000};

        for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
                ConsoleFixture *f = fixture_new(TEST_RING, 0);
                uint8_t *stream = malloc(200000), got[TEST_RING + 100];
                size_t total = 0;
                int reader;
                bool end;

                for (size_t n = 0; n < 200000; n++)
                        stream[n] = (uint8_t)(n * 31 + n / 256);
                while (total + pieces[i] <= 200000) {
                        console_output(f->console, stream + total, pieces[i]);
                        total += pieces[i];
                }
                reader = fixture_attach(f, (ConsoleAttach){.scrollback = true});
                ck_assert_uint_eq(drain(reader, got, sizeof(got), &end), TEST_RING);
                ck_assert_mem_eq(got, stream + total - TEST_RING, TEST_RING);
                fd_close(reader);
                free(stream);
                fixture_free(f);
        }
}
END_TEST

START_TEST(attached_before_there_is_a_ring)
{
        EventLoop *loop = NULL;
        Console *console = NULL;
        int sockets[2], out_of_order[2];
        const ConsoleConfig config = {.ring_size = 512, .log_fd = -1, .log_previous_fd = -1};
        const ConsoleAttach how = {.scrollback = true, .write = true};

        ck_assert_int_eq(event_loop_new(&loop), 0);
        ck_assert_int_eq(console_new(loop, &console), 0);
        ck_assert_int_eq(
                socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets), 0);
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, out_of_order), 0);
        ck_assert_int_eq(console_attach(console, sockets[0], &how), 0);
        ck_assert_int_eq(console_attach(console, out_of_order[0], &how), -EBUSY);
        fd_close(out_of_order[0]);
        fd_close(out_of_order[1]);
        console_output(console, "lost", 4);
        ck_assert_int_eq(write(sockets[1], "typed", 5), 5);
        while (event_loop_run_once(loop, 0) > 0)
                ;
        ck_assert_int_eq(console_configure(console, &config), 0);
        ck_assert_int_eq(console_configure(console, &config), -EINVAL);
        console_output(console, "first", 5);
        while (event_loop_run_once(loop, 0) > 0)
                ;
        expect_text(sockets[1], "first");
        console_free(console);
        event_loop_free(loop);
        fd_close(sockets[1]);
}
END_TEST

/* The length of the note that stands here, or 0. */
static size_t note_length(const uint8_t *text, size_t size, uint64_t *ret_lost)
{
        static const char open[] = "\r\n[... ", close[] = " bytes lost ...]\r\n";
        size_t n = sizeof(open) - 1;

        if (size < n || memcmp(text, open, n) != 0)
                return 0;
        for (*ret_lost = 0; n < size && text[n] >= '0' && text[n] <= '9'; n++)
                *ret_lost = *ret_lost * 10 + text[n] - '0';
        if (size - n < sizeof(close) - 1 || memcmp(text + n, close, sizeof(close) - 1) != 0)
                return 0;
        return n + sizeof(close) - 1;
}

/* How much of the text is no note; the notes' sum in *ret_lost. */
static size_t without_notes(const uint8_t *text, size_t size, uint64_t *ret_lost,
                            unsigned *ret_notes)
{
        size_t n = 0, length;
        uint64_t lost;

        *ret_lost = 0;
        *ret_notes = 0;
        for (size_t i = 0; i < size; i += length) {
                length = note_length(text + i, size - i, &lost);
                if (length > 0) {
                        *ret_lost += lost;
                        (*ret_notes)++;
                } else {
                        length = 1;
                        n++;
                }
        }
        return n;
}

/*
 * 100 MB, and the loop is not turned once: a guest that waited for anyone would wait for ever. Then
 * with the loop turned throughout. The reader never drains until the end.
 */
START_TEST(flood_with_a_reader_that_never_drains)
{
        uint8_t chunk[10000], *got = malloc(4 * MIB);
        ConsoleFixture *f = fixture_new(64 * 1024, 0);
        int reader = fixture_attach(f, (ConsoleAttach){0});
        size_t used_before = mallinfo2().uordblks, n_got = 0, n;
        uint64_t lost;
        unsigned n_notes;
        ConsoleStats stats;
        bool end;

        memset(chunk, 'x', sizeof(chunk));
        for (int i = 0; i < 5000; i++)
                console_output(f->console, chunk, sizeof(chunk));
        for (int i = 0; i < 5000; i++) {
                console_output(f->console, chunk, sizeof(chunk));
                if (i % 10 == 0)
                        fixture_turn(f);
        }
        ck_assert_uint_eq(mallinfo2().uordblks, used_before);
        console_get_stats(f->console, &stats);
        ck_assert_uint_eq(stats.output_bytes, 100000000);
        ck_assert_uint_gt(stats.dropped_bytes, 90000000);
        do {
                n = drain(reader, got + n_got, 4 * MIB - n_got, &end);
                n_got += n;
                fixture_turn(f);
        } while (n > 0);
        n = without_notes(got, n_got, &lost, &n_notes);
        console_get_stats(f->console, &stats);
        ck_assert_uint_eq(n + lost, 100000000);
        ck_assert_uint_eq(lost, stats.dropped_bytes);
        ck_assert_uint_ge(n_notes, 2);
        /* And it goes on as any other. */
        output(f, "still there");
        fixture_turn(f);
        expect_text(reader, "still there");
        fd_close(reader);
        fixture_free(f);
        free(got);
}
END_TEST

/* Ten times a gibibyte, of which the console touches the last ring only. */
START_TEST(ten_gibibytes_are_counted)
{
        ConsoleFixture *f = fixture_new(64 * 1024, 8192);
        size_t size = 1024 * MIB;
        void *zeros =
                mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        ConsoleStats stats;

        ck_assert_ptr_ne(zeros, MAP_FAILED);
        for (int i = 0; i < 10; i++) {
                console_output(f->console, zeros, size);
                fixture_turn(f);
                ck_assert_int_le(lseek(f->log_fd, 0, SEEK_END), 8192);
                ck_assert_int_le(lseek(f->previous_fd, 0, SEEK_END), 8192);
        }
        console_get_stats(f->console, &stats);
        ck_assert_uint_eq(stats.output_bytes, 10 * size);
        ck_assert_uint_eq(stats.dropped_bytes, 10 * (size - 64 * 1024));
        munmap(zeros, size);
        fixture_free(f);
}
END_TEST

START_TEST(sixty_four_readers)
{
        ConsoleFixture *f = fixture_new(TEST_RING, 0);
        int readers[CONSOLE_MAX_READERS], extra[2], n_fds = fd_count_open();
        const ConsoleAttach how = {.scrollback = true};

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, extra), 0);
        for (int round = 0; round < 3; round++) {
                for (size_t i = 0; i < CONSOLE_MAX_READERS; i++)
                        readers[i] = fixture_attach(f, (ConsoleAttach){.scrollback = true});
                ck_assert_uint_eq(console_n_readers(f->console), CONSOLE_MAX_READERS);
                ck_assert_int_eq(console_attach(f->console, extra[0], &how), -EUSERS);
                output(f, "to all\n");
                fixture_turn(f);
                for (size_t i = 0; i < CONSOLE_MAX_READERS; i++) {
                        expect_text(readers[i], round == 0   ? "to all\n"
                                                : round == 1 ? "to all\nto all\n"
                                                             : "to all\nto all\nto all\n");
                        fd_close(readers[i]);
                }
                fixture_turn(f);
                ck_assert_uint_eq(console_n_readers(f->console), 0);
        }
        fd_close(extra[0]);
        fd_close(extra[1]);
        ck_assert_int_eq(fd_count_open(), n_fds);
        fixture_free(f);
}
END_TEST

/* Gone while its socket is full, while it is served, and between attach and the first turn. */
START_TEST(readers_that_leave)
{
        ConsoleFixture *f = fixture_new(TEST_RING, 0);
        char text[3000];
        int n_fds = fd_count_open();

        memset(text, 'y', sizeof(text));
        for (int i = 0; i < 300; i++) {
                int reader = fixture_attach(
                        f,
                        (ConsoleAttach){.scrollback = i & 1, .write = i % 3 == 0, .steal = true});

                if (i & 4)
                        for (int n = 0; n < 200; n++) {
                                console_output(f->console, text, sizeof(text));
                                fixture_turn(f);
                        }
                if (i & 2)
                        fixture_turn(f);
                fd_close(reader);
                if (i % 5 != 0)
                        fixture_turn(f);
                output(f, "on it goes");
        }
        fixture_turn(f);
        ck_assert_uint_eq(console_n_readers(f->console), 0);
        ck_assert(!console_has_writer(f->console));
        ck_assert_int_eq(fd_count_open(), n_fds);
        fixture_free(f);
}
END_TEST

/* One that has shut down its receiving side gets no more; one that only sends none still reads. */
START_TEST(half_closed_readers)
{
        ConsoleFixture *f = fixture_new(TEST_RING, 0);
        int deaf = fixture_attach(f, (ConsoleAttach){0});
        int mute = fixture_attach(f, (ConsoleAttach){0});
        int deaf_writer = fixture_attach(f, (ConsoleAttach){.write = true});

        f->room = 100;
        ck_assert_int_eq(shutdown(deaf, SHUT_RD), 0);
        ck_assert_int_eq(shutdown(mute, SHUT_WR), 0);
        ck_assert_int_eq(shutdown(deaf_writer, SHUT_RD), 0);
        output(f, "hello");
        fixture_turn(f);
        expect_text(mute, "hello");
        ck_assert_uint_eq(console_n_readers(f->console), 2);
        /* It still types. */
        ck_assert_int_eq(write(deaf_writer, "ls", 2), 2);
        fixture_turn(f);
        ck_assert_uint_eq(f->n_input, 2);
        ck_assert_int_eq(shutdown(deaf_writer, SHUT_WR), 0);
        fixture_turn(f);
        ck_assert(!console_has_writer(f->console));
        ck_assert_uint_eq(console_n_readers(f->console), 1);
        fd_close(deaf);
        fd_close(mute);
        fd_close(deaf_writer);
        fixture_free(f);
}
END_TEST

START_TEST(refuses_what_is_no_socket)
{
        ConsoleFixture *f = fixture_new(TEST_RING, 0);
        int file = memfd_create("file", MFD_CLOEXEC);
        const ConsoleAttach how = {.write = true};

        ck_assert_int_eq(console_attach(f->console, file, &how), -EPERM);
        ck_assert_int_ge(fcntl(file, F_GETFD), 0); /* still ours */
        ck_assert_int_eq(console_attach(f->console, -1, &how), -EBADF);
        ck_assert_uint_eq(console_n_readers(f->console), 0);
        ck_assert(!console_has_writer(f->console));
        fd_close(file);
        fixture_free(f);
}
END_TEST

START_TEST(flush_and_end)
{
        ConsoleFixture *f = fixture_new(64 * 1024, 0);
        char *text = malloc(64 * 1024);
        int quick = fixture_attach(f, (ConsoleAttach){0});
        int slow = fixture_attach(f, (ConsoleAttach){0});
        uint8_t got[4096];
        size_t n_slow = 0, n;
        bool end = false;

        memset(text, 'z', 64 * 1024);
        for (int i = 0; i < 20; i++) {
                console_output(f->console, text, 64 * 1024);
                fixture_turn(f);
                while (drain(quick, got, sizeof(got), &end) > 0)
                        fixture_turn(f);
        }
        output(f, "the last line");
        ck_assert_uint_eq(console_flush(f->console), 1);
        expect_text(quick, "the last line");
        while ((n = drain(slow, got, sizeof(got), &end)) > 0) {
                n_slow += n;
                if (n_slow > 512 * 1024)
                        (void)console_flush(f->console);
        }
        ck_assert_uint_gt(n_slow, 4096);
        /* It has room again, so the end of a run reaches it. */
        fixture_turn(f);
        while (console_flush(f->console) > 0)
                while (drain(slow, got, sizeof(got), &end) > 0)
                        ;
        output(f, "end");
        fixture_free(f);
        while ((n = drain(slow, got, sizeof(got), &end)) == sizeof(got))
                ;
        ck_assert(end);
        ck_assert_uint_ge(n, 3);
        ck_assert_mem_eq(got + n - 3, "end", 3);
        (void)drain(quick, got, sizeof(got), &end);
        ck_assert(end);
        fd_close(quick);
        fd_close(slow);
        free(text);
}
END_TEST

#define N_PRODUCERS      3
#define BYTES_A_PRODUCER 300000

typedef struct Producers {
        Console *console;
        atomic_int n_running;
} Producers;

static void *produce(void *context)
{
        Producers *producers = context;
        char text[64];

        memset(text, 'p', sizeof(text));
        for (size_t n = 0; n < BYTES_A_PRODUCER;) {
                size_t size = 1 + n % sizeof(text);

                if (size > BYTES_A_PRODUCER - n)
                        size = BYTES_A_PRODUCER - n;
                console_output(producers->console, text, size);
                if (n % 7 == 0)
                        console_input_space(producers->console);
                n += size;
        }
        atomic_fetch_sub(&producers->n_running, 1);
        return NULL;
}

/* vCPUs print at once: every byte is either read or said to be lost. */
START_TEST(several_producers)
{
        ConsoleFixture *f = fixture_new(TEST_RING, 1 << 20);
        int reader = fixture_attach(f, (ConsoleAttach){0});
        Producers producers = {.console = f->console, .n_running = N_PRODUCERS};
        pthread_t threads[N_PRODUCERS];
        uint8_t *got = malloc(2 * MIB);
        size_t n_got = 0, n;
        uint64_t lost;
        unsigned n_notes;
        ConsoleStats stats;
        bool end;

        for (size_t i = 0; i < N_PRODUCERS; i++)
                ck_assert_int_eq(pthread_create(&threads[i], NULL, produce, &producers), 0);
        do {
                ck_assert_int_ge(event_loop_run_once(f->loop, 10), 0);
                n = drain(reader, got + n_got, 2 * MIB - n_got, &end);
                n_got += n;
        } while (n > 0 || atomic_load(&producers.n_running) > 0);
        for (size_t i = 0; i < N_PRODUCERS; i++)
                ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        do {
                fixture_turn(f);
                n = drain(reader, got + n_got, 2 * MIB - n_got, &end);
                n_got += n;
        } while (n > 0);
        console_get_stats(f->console, &stats);
        ck_assert_uint_eq(stats.output_bytes, N_PRODUCERS * BYTES_A_PRODUCER);
        n = without_notes(got, n_got, &lost, &n_notes);
        ck_assert_uint_eq(n + lost, N_PRODUCERS * BYTES_A_PRODUCER);
        fd_close(reader);
        free(got);
        fixture_free(f);
}
END_TEST

/* When set, prints as much as its log takes, in the middle of every write. */
static Console *print_at_writes;

/* In place of libc's. */
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
        if (print_at_writes)
                console_output(print_at_writes, data, size);
        return syscall(SYS_pwrite64, fd, data, size, offset);
}

/* A vCPU that has not come to rest prints as fast as a file takes it: the end comes all the same.
 */
START_TEST(flush_while_it_prints)
{
        ConsoleFixture *f = fixture_new(TEST_RING, 1 << 16);
        ConsoleStats stats;

        output(f, "it begins");
        print_at_writes = f->console;
        (void)console_flush(f->console);
        print_at_writes = NULL;
        console_get_stats(f->console, &stats);
        ck_assert_uint_gt(stats.output_bytes, strlen("it begins"));
        ck_assert_uint_le(stats.output_bytes, 3 * TEST_RING);
        fixture_free(f);
}
END_TEST

CHECK_MAIN("console", {"scrollback", scrollback_then_live}, {"raw", every_byte_passes_raw},
           {"ring", ring_keeps_the_last_bytes}, {"early", attached_before_there_is_a_ring},
           {"flood", flood_with_a_reader_that_never_drains}, {"count", ten_gibibytes_are_counted},
           {"readers", sixty_four_readers}, {"leave", readers_that_leave},
           {"half", half_closed_readers}, {"refuse", refuses_what_is_no_socket},
           {"flush", flush_and_end}, {"producers", several_producers},
           {"flush while it prints", flush_while_it_prints});
