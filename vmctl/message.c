/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/string-util.h"

#define USEC_PER_MSEC   UINT64_C(1000)
#define USEC_PER_SEC    UINT64_C(1000000)
#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR   (60 * USEC_PER_MINUTE)
#define USEC_PER_DAY    (24 * USEC_PER_HOUR)
#define MIB             (UINT64_C(1) << 20)

/*
 * A newline in a message stays (a configuration error may have several lines); what else could
 * steer the terminal is escaped, whoever wrote it.
 */
static char *clean_lines(const char *text)
{
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        for (char **line = lines; *line; line++) {
                char *clean = string_escape(*line, strlen(*line));

                g_free(*line);
                *line = g_strdup(clean ? clean : "(out of memory)");
                free(clean);
        }
        return g_strjoinv("\n", lines);
}

static void G_GNUC_PRINTF(1, 0) print_message(const char *format, va_list list)
{
        g_autofree char *text = g_strdup_vprintf(format, list);
        g_autofree char *clean = clean_lines(text);

        fflush(stdout); /* so that the two streams stay in order where they are one */
        fprintf(stderr, "vmctl: %s\n", clean);
}

void message_error(const char *format, ...)
{
        va_list list;

        va_start(list, format);
        print_message(format, list);
        va_end(list);
}

void message_note(bool quiet, const char *format, ...)
{
        va_list list;

        if (quiet)
                return;
        va_start(list, format);
        print_message(format, list);
        va_end(list);
}

bool message_colors(int fd)
{
        const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

        if (no_color && *no_color)
                return false;
        return isatty(fd) && term && !streq(term, "dumb");
}

const char *tone_sequence(Tone tone)
{
        static const char *const sequences[_TONE_MAX] = {
                [TONE_GOOD] = "\033[0;32m",  [TONE_WARNING] = "\033[0;33m",
                [TONE_BAD] = "\033[0;1;31m", [TONE_FAINT] = "\033[0;2m",
                [TONE_STRONG] = "\033[0;1m",
        };

        return sequences[tone];
}

const char *tone_begin(Tone tone)
{
        const char *sequence = tone_sequence(tone);

        return sequence && message_colors(STDOUT_FILENO) ? sequence : "";
}

const char *tone_end(Tone tone)
{
        return *tone_begin(tone) ? "\033[0m" : "";
}

char *format_span(uint64_t usec)
{
        static const struct {
                const char *unit;
                uint64_t usec;
        } units[] = {{"d", USEC_PER_DAY}, {"h", USEC_PER_HOUR}, {"min", USEC_PER_MINUTE}};

        for (size_t i = 0; i < G_N_ELEMENTS(units); i++) {
                uint64_t n = usec / units[i].usec, rest = usec % units[i].usec;
                const char *next = i + 1 < G_N_ELEMENTS(units) ? units[i + 1].unit : "s";
                uint64_t m =
                        rest / (i + 1 < G_N_ELEMENTS(units) ? units[i + 1].usec : USEC_PER_SEC);

                if (n == 0)
                        continue;
                if (m == 0)
                        return g_strdup_printf("%" PRIu64 "%s", n, units[i].unit);
                return g_strdup_printf("%" PRIu64 "%s %" PRIu64 "%s", n, units[i].unit, m, next);
        }
        if (usec >= USEC_PER_SEC) {
                uint64_t tenths = usec % USEC_PER_SEC / (USEC_PER_SEC / 10);

                return tenths > 0 ? g_strdup_printf("%" PRIu64 ".%" PRIu64 "s", usec / USEC_PER_SEC,
                                                    tenths)
                                  : g_strdup_printf("%" PRIu64 "s", usec / USEC_PER_SEC);
        }
        return g_strdup_printf("%" PRIu64 "ms", usec / USEC_PER_MSEC);
}

char *format_time(int64_t realtime_usec)
{
        g_autoptr(GDateTime) time = NULL;

        if (realtime_usec <= 0)
                return g_strdup("-");
        time = g_date_time_new_from_unix_local(realtime_usec / (int64_t)USEC_PER_SEC);
        return time ? g_date_time_format(time, "%a %Y-%m-%d %H:%M:%S %Z") : g_strdup("-");
}

char *format_ago(int64_t realtime_usec, int64_t now)
{
        g_autofree char *span = NULL;
        int64_t age = now - realtime_usec;

        if (realtime_usec <= 0)
                return g_strdup("-");
        if (age < (int64_t)USEC_PER_SEC) /* also after the clock was set back */
                return g_strdup("just now");
        if (age < (int64_t)USEC_PER_MINUTE)
                return g_strdup_printf("%" PRId64 "s ago", age / (int64_t)USEC_PER_SEC);
        span = format_span((uint64_t)age);
        return g_strdup_printf("%s ago", span);
}

char *format_mib(uint64_t bytes)
{
        if (bytes >= 1024 * MIB && bytes % (1024 * MIB) != 0)
                return g_strdup_printf("%.1f GiB", (double)bytes / (double)(1024 * MIB));
        if (bytes >= 1024 * MIB)
                return g_strdup_printf("%" PRIu64 " GiB", bytes / (1024 * MIB));
        if (bytes >= MIB)
                return g_strdup_printf("%" PRIu64 " MiB", (bytes + MIB / 2) / MIB);
        return g_strdup_printf("%" PRIu64 " KiB", (bytes + 1023) / 1024);
}

char *format_count(uint64_t count)
{
        g_autofree char *digits = g_strdup_printf("%" PRIu64, count);
        size_t n = strlen(digits);
        GString *text = g_string_new(NULL);

        for (size_t i = 0; i < n; i++) {
                if (i > 0 && (n - i) % 3 == 0)
                        g_string_append_c(text, ',');
                g_string_append_c(text, digits[i]);
        }
        return g_string_free(text, FALSE);
}

static int span_unit(const char *text, size_t length, uint64_t *ret)
{
        static const struct {
                const char *name;
                uint64_t usec;
        } units[] = {
                {"", USEC_PER_SEC},       {"us", 1},
                {"ms", USEC_PER_MSEC},    {"s", USEC_PER_SEC},
                {"sec", USEC_PER_SEC},    {"m", USEC_PER_MINUTE},
                {"min", USEC_PER_MINUTE}, {"h", USEC_PER_HOUR},
                {"d", USEC_PER_DAY},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(units); i++)
                if (strlen(units[i].name) == length && strncmp(units[i].name, text, length) == 0) {
                        *ret = units[i].usec;
                        return 0;
                }
        return -EINVAL;
}

/* Takes the number at *at and moves *at behind it. */
static int take_number(const char **at, uint64_t *ret)
{
        size_t n = strspn(*at, "0123456789");
        g_autofree char *digits = g_strndup(*at, n);
        int r = parse_u64(digits, ret);

        if (r >= 0)
                *at += n;
        return r;
}

int parse_span(const char *text, uint64_t *ret_usec)
{
        uint64_t total = 0;
        const char *at = text + strspn(text, " ");

        do {
                uint64_t number, unit, part;
                size_t letters;
                int r = take_number(&at, &number);

                if (r < 0)
                        return r;
                letters = strspn(at, "abcdefghijklmnopqrstuvwxyz");
                r = span_unit(at, letters, &unit);
                if (r < 0)
                        return r;
                at += letters;
                at += strspn(at, " ");
                if (__builtin_mul_overflow(number, unit, &part) ||
                    __builtin_add_overflow(total, part, &total) || total > 365 * USEC_PER_DAY)
                        return -ERANGE;
        } while (*at);
        *ret_usec = total;
        return 0;
}

int parse_mib(const char *text, uint64_t *ret_mib)
{
        static const char *const suffixes[] = {"", "M", "MiB", "G", "GiB"};
        const char *at = text;
        uint64_t number;
        int r = take_number(&at, &number), i;

        if (r < 0)
                return r;
        at += strspn(at, " ");
        i = string_table_lookup(suffixes, G_N_ELEMENTS(suffixes), at);
        if (i < 0)
                return -EINVAL;
        if (i >= 3 && __builtin_mul_overflow(number, UINT64_C(1024), &number))
                return -ERANGE;
        *ret_mib = number;
        return 0;
}
