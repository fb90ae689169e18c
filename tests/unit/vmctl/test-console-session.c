/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/console-session.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "common/fd.h"
#include "tests/unit/unit.h"
#include "vmctl/terminal.h"

/*
 * The session pumps standard input and output, so each test (a process of its own) has these
 * replaced: by pipes, or by a pseudo terminal.
 */
typedef struct Fixture {
        int input, output; /* the far ends of our standard input and output */
        int guest;         /* the far end of the console */
        ConsoleSession *session;
        ConsoleEvent event;
        unsigned n_events, n_interrupts;
} Fixture;

static void on_event(ConsoleEvent event, void *user_data)
{
        Fixture *fixture = user_data;

        if (event == CONSOLE_EVENT_INTERRUPT)
                fixture->n_interrupts++;
        else {
                fixture->event = event;
                fixture->n_events++;
        }
}

static void begin_session(Fixture *fixture, ConsoleSettings settings)
{
        int pair[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        fixture->guest = pair[0];
        ck_assert_int_eq(fd_set_nonblock(pair[0], true), 0);
        fixture->session = console_session_new(pair[1], &settings, on_event, fixture);
        ck_assert_ptr_nonnull(fixture->session);
}

static void begin_pipes(Fixture *fixture, ConsoleSettings settings)
{
        int in[2], out[2];

        *fixture = (Fixture){0};
        ck_assert_int_eq(pipe(in), 0);
        ck_assert_int_eq(pipe(out), 0);
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        close(in[0]);
        close(out[1]);
        fixture->input = in[1];
        fixture->output = out[0];
        ck_assert_int_eq(fd_set_nonblock(fixture->input, true), 0);
        ck_assert_int_eq(fd_set_nonblock(fixture->output, true), 0);
        begin_session(fixture, settings);
}

static int begin_terminal(Fixture *fixture, ConsoleSettings settings)
{
        int master = posix_openpt(O_RDWR | O_NOCTTY), slave;

        *fixture = (Fixture){0};
        ck_assert_int_ge(master, 0);
        ck_assert_int_eq(grantpt(master), 0);
        ck_assert_int_eq(unlockpt(master), 0);
        slave = open(ptsname(master), O_RDWR | O_NOCTTY);
        ck_assert_int_ge(slave, 0);
        dup2(slave, STDIN_FILENO);
        dup2(slave, STDOUT_FILENO);
        ck_assert_int_eq(fd_set_nonblock(master, true), 0);
        fixture->input = fixture->output = master;
        begin_session(fixture, settings);
        return slave;
}

/* Runs the main loop until there is nothing to do at the moment. */
static void turn(void)
{
        while (g_main_context_iteration(NULL, FALSE))
                ;
}

/* Reads until as much as text has come, and compares. */
static void expect(int fd, const char *text)
{
        char buffer[4096];
        size_t size = strlen(text), n = 0;

        ck_assert_uint_lt(size, sizeof(buffer));
        while (n < size) {
                ssize_t r = read(fd, buffer + n, size - n);

                if (r < 0 && errno == EAGAIN) {
                        (void)g_main_context_iteration(NULL, TRUE);
                        continue;
                }
                ck_assert_int_gt(r, 0);
                n += (size_t)r;
        }
        buffer[n] = '\0';
        ck_assert_str_eq(buffer, text);
}

static void run_until_event(Fixture *fixture)
{
        while (fixture->n_events == 0)
                (void)g_main_context_iteration(NULL, TRUE);
}

START_TEST(test_output_is_escaped)
{
        Fixture fixture;

        begin_pipes(&fixture, (ConsoleSettings){.escape = true});
        ck_assert_int_eq(fd_write_full(fixture.guest, "a\033[2Jb\r\n\xe2", 9), 0);
        expect(fixture.output, "a\\x1b[2Jb\n");
        close(fixture.guest);
        expect(fixture.output, "\\xe2"); /* what was held back comes out at the end */
        run_until_event(&fixture);
        ck_assert_int_eq(fixture.event, CONSOLE_EVENT_END);
        console_session_free(fixture.session);
}
END_TEST

START_TEST(test_raw_output)
{
        Fixture fixture;

        begin_pipes(&fixture, (ConsoleSettings){0});
        ck_assert_int_eq(fd_write_full(fixture.guest, "a\033[2Jb\r\n\xff", 9), 0);
        expect(fixture.output, "a\033[2Jb\r\n\xff");
        console_session_free(fixture.session);
}
END_TEST

START_TEST(test_input)
{
        Fixture fixture;

        begin_pipes(&fixture, (ConsoleSettings){.write = true});
        /* In a pipe no key means anything. */
        ck_assert_int_eq(fd_write_full(fixture.input, "ls\x1d\x1d\x1d\x03\n", 7), 0);
        expect(fixture.guest, "ls\x1d\x1d\x1d\x03\n");
        close(fixture.input);
        turn();
        ck_assert_uint_eq(fixture.n_events, 0); /* the end of the input ends nothing */
        ck_assert_int_eq(fd_write_full(fixture.guest, "still here", 10), 0);
        expect(fixture.output, "still here");
        console_session_free(fixture.session);
}
END_TEST

START_TEST(test_read_only_sends_nothing)
{
        Fixture fixture;
        char byte;

        begin_pipes(&fixture, (ConsoleSettings){0});
        ck_assert_int_eq(fd_write_full(fixture.input, "x", 1), 0);
        turn();
        ck_assert_int_eq(read(fixture.guest, &byte, 1), -1);
        ck_assert_int_eq(errno, EAGAIN);
        console_session_free(fixture.session);
}
END_TEST

/* A guest that reads nothing: a pipe has to wait, and nothing is lost. */
START_TEST(test_guest_does_not_read)
{
        Fixture fixture;
        static char chunk[65536], got[65536];
        size_t sent = 0, received = 0;

        begin_pipes(&fixture, (ConsoleSettings){.write = true});
        for (;;) {
                ssize_t n = write(fixture.input, chunk, sizeof(chunk));

                turn();
                if (n < 0)
                        break;
                sent += (size_t)n;
                ck_assert_uint_lt(sent, 16U << 20); /* what is held is bounded */
        }
        while (received < sent) {
                ssize_t n = read(fixture.guest, got, sizeof(got));

                if (n > 0)
                        received += (size_t)n;
                turn();
        }
        ck_assert_uint_eq(received, sent);
        console_session_free(fixture.session);
}
END_TEST

/* Nobody reads our output: the console is left alone, and what was read is bounded. */
START_TEST(test_output_does_not_drain)
{
        Fixture fixture;
        static char chunk[65536];
        size_t sent = 0;
        ssize_t n;

        begin_pipes(&fixture, (ConsoleSettings){.write = true});
        while ((n = write(fixture.guest, chunk, sizeof(chunk))) > 0) {
                sent += (size_t)n;
                ck_assert_uint_lt(sent, 16U << 20);
                turn();
        }
        ck_assert_int_eq(errno, EAGAIN);
        /* Input still flows. */
        ck_assert_int_eq(fd_write_full(fixture.input, "x", 1), 0);
        expect(fixture.guest, "x");
        console_session_free(fixture.session);
}
END_TEST

START_TEST(test_output_lost)
{
        Fixture fixture;

        signal(SIGPIPE, SIG_IGN);
        begin_pipes(&fixture, (ConsoleSettings){0});
        close(fixture.output);
        ck_assert_int_eq(fd_write_full(fixture.guest, "x", 1), 0);
        run_until_event(&fixture);
        ck_assert_int_eq(fixture.event, CONSOLE_EVENT_OUTPUT_LOST);
        console_session_free(fixture.session);
}
END_TEST

START_TEST(test_terminal)
{
        ConsoleSettings settings = {.write = true, .terminal = true, .catch_interrupt = true};
        struct termios before, during, after;
        Fixture fixture;
        int slave = begin_terminal(&fixture, settings);

        ck_assert_int_eq(tcgetattr(slave, &during), 0);
        ck_assert_uint_eq(during.c_lflag & (ICANON | ECHO | ISIG), 0);
        ck_assert_str_eq(console_session_newline(fixture.session), "\r\n");
        ck_assert_int_eq(fd_write_full(fixture.input, "ls\x03\r", 4), 0);
        expect(fixture.guest, "ls\r");
        ck_assert_uint_eq(fixture.n_interrupts, 1);
        ck_assert_int_eq(fd_write_full(fixture.guest, "\033[1mbold", 8), 0);
        expect(fixture.output, "\033[1mbold");
        ck_assert_int_eq(fd_write_full(fixture.input, "\x1d\x1d\x1d", 3), 0);
        run_until_event(&fixture);
        ck_assert_int_eq(fixture.event, CONSOLE_EVENT_DETACH);
        before = during;
        console_session_free(fixture.session);
        ck_assert_int_eq(tcgetattr(slave, &after), 0);
        ck_assert(after.c_lflag & ICANON);
        ck_assert(after.c_lflag & ECHO);
        ck_assert(after.c_oflag & OPOST);
        ck_assert_uint_ne(before.c_lflag, after.c_lflag);
        expect(fixture.output, "\033[!p"); /* what the guest did to the terminal is undone */
}
END_TEST

START_TEST(test_terminal_with_escape)
{
        ConsoleSettings settings = {.write = true, .terminal = true, .escape = true};
        Fixture fixture;

        begin_terminal(&fixture, settings);
        ck_assert_int_eq(fd_write_full(fixture.guest, "a\033b\nc", 5), 0);
        expect(fixture.output, "a\\x1bb\r\nc"); /* raw mode returns no carriage of its own */
        ck_assert_int_eq(fd_write_full(fixture.input, "\x03", 1), 0);
        expect(fixture.guest, "\x03"); /* not caught: it is the guest's */
        console_session_free(fixture.session);
}
END_TEST

/* Plain lines get their carriage returns; whoever steers the cursor is left alone. */
START_TEST(test_terminal_line_feeds)
{
        Fixture fixture;

        begin_terminal(&fixture, (ConsoleSettings){.terminal = true});
        ck_assert_int_eq(fd_write_full(fixture.guest, "a\nb\r\nc\r", 7), 0);
        expect(fixture.output, "a\r\nb\r\nc\r");
        ck_assert_int_eq(fd_write_full(fixture.guest, "\nd", 2), 0);
        expect(fixture.output, "\nd");
        ck_assert_int_eq(fd_write_full(fixture.guest, "\033[A\ne\n", 7), 0);
        expect(fixture.output, "\033[A\ne\n");
        console_session_free(fixture.session);
}
END_TEST

START_TEST(test_terminal_untouched)
{
        Fixture fixture;

        begin_terminal(&fixture, (ConsoleSettings){.terminal = true, .untouched = true});
        ck_assert_int_eq(fd_write_full(fixture.guest, "a\nb", 3), 0);
        expect(fixture.output, "a\nb");
        console_session_free(fixture.session);
}
END_TEST

START_TEST(test_terminal_modes)
{
        Fixture fixture;
        struct termios modes;
        int slave = begin_terminal(&fixture, (ConsoleSettings){.terminal = true});

        terminal_restore();
        ck_assert_int_eq(tcgetattr(slave, &modes), 0);
        ck_assert(modes.c_lflag & ICANON);
        terminal_restore(); /* a second time does no harm */
        ck_assert_int_eq(terminal_make_raw(STDIN_FILENO), 0);
        ck_assert_int_eq(terminal_make_raw(STDIN_FILENO), 0);
        modes.c_lflag |= ECHO; /* somebody meddled while we were stopped */
        ck_assert_int_eq(tcsetattr(slave, TCSANOW, &modes), 0);
        terminal_reapply();
        ck_assert_int_eq(tcgetattr(slave, &modes), 0);
        ck_assert_uint_eq(modes.c_lflag & (ICANON | ECHO), 0);
        console_session_free(fixture.session);
        ck_assert_int_eq(tcgetattr(slave, &modes), 0);
        ck_assert(modes.c_lflag & ICANON);
}
END_TEST

/* A crash of ours leaves no raw terminal behind. */
START_TEST(test_terminal_after_a_crash)
{
        Fixture fixture;
        struct termios modes;
        int slave = begin_terminal(&fixture, (ConsoleSettings){.terminal = true}), status;
        pid_t child;

        terminal_restore();
        child = fork();
        if (child == 0) {
                (void)terminal_make_raw(STDIN_FILENO);
                abort();
        }
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        ck_assert_int_eq(tcgetattr(slave, &modes), 0);
        ck_assert(modes.c_lflag & ICANON);
        console_session_free(fixture.session);
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_test(tcase, test_output_is_escaped);
        tcase_add_test(tcase, test_raw_output);
        tcase_add_test(tcase, test_input);
        tcase_add_test(tcase, test_read_only_sends_nothing);
        tcase_add_test(tcase, test_guest_does_not_read);
        tcase_add_test(tcase, test_output_does_not_drain);
        tcase_add_test(tcase, test_output_lost);
        tcase_add_test(tcase, test_terminal);
        tcase_add_test(tcase, test_terminal_with_escape);
        tcase_add_test(tcase, test_terminal_line_feeds);
        tcase_add_test(tcase, test_terminal_untouched);
        tcase_add_test(tcase, test_terminal_modes);
        tcase_add_test(tcase, test_terminal_after_a_crash);
}

int main(void)
{
        return unit_run("vmctl-console-session", add_tests);
}
