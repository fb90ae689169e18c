/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmctl/console-log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "vmctl/escape-stream.h"

#define READ_SIZE 65536

struct ConsoleLog {
        VmClientMachine *machine;
        ConsoleLogSettings settings;
        EscapeStream escape;
        int fd;
        uint64_t offset;
        bool begun;     /* the limit of lines has been heeded */
        bool line_open; /* what was printed last does not end a line */
};

static int open_part(VmClientMachine *machine, bool previous, GError **error)
{
        return vm_client_machine_open_log_sync(
                machine, previous ? VM_CLIENT_LOG_FLAGS_PREVIOUS : VM_CLIENT_LOG_FLAGS_NONE, NULL,
                NULL, error);
}

ConsoleLog *console_log_open(VmClientMachine *machine, const ConsoleLogSettings *settings,
                             GError **error)
{
        int fd = open_part(machine, settings->previous, error);
        ConsoleLog *log;

        if (fd < 0)
                return NULL;
        log = g_new0(ConsoleLog, 1);
        log->machine = g_object_ref(machine);
        log->settings = *settings;
        log->fd = fd;
        return log;
}

void console_log_free(ConsoleLog *log)
{
        if (!log)
                return;
        g_object_unref(log->machine);
        fd_close(log->fd);
        g_free(log);
}

static void print_clean(ConsoleLog *log, const GString *text)
{
        if (text->len == 0)
                return;
        log->line_open = text->str[text->len - 1] != '\n';
        (void)fwrite(text->str, 1, text->len, stdout); /* output_flush() sees to errors */
}

static void print_bytes(ConsoleLog *log, const char *data, size_t size)
{
        g_autoptr(GString) clean = NULL;

        if (log->settings.raw) {
                (void)fwrite(data, 1, size, stdout);
                return;
        }
        clean = g_string_new(NULL);
        escape_stream_feed(&log->escape, data, size, clean);
        print_clean(log, clean);
}

/* From *offset to the end of the file. */
static int read_rest(int fd, uint64_t *offset, GString *out)
{
        g_autofree char *buffer = g_malloc(READ_SIZE);

        for (;;) {
                ssize_t n = pread(fd, buffer, READ_SIZE, (off_t)*offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : 0;
                g_string_append_len(out, buffer, n);
                *offset += (uint64_t)n;
        }
}

/*
 * The monitor rotates by copying the log into the previous part and emptying it, since it can open
 * nothing: a log that became shorter than what was read went on in the previous part.
 */
static int read_rotated(ConsoleLog *log, GString *out)
{
        struct stat status;
        _cleanup_close_ int previous = -1;

        if (fstat(log->fd, &status) < 0)
                return -errno;
        if ((uint64_t)status.st_size >= log->offset)
                return 0;
        previous = open_part(log->machine, true, NULL);
        if (previous >= 0)
                (void)read_rest(previous, &log->offset, out);
        log->offset = 0;
        return 0;
}

size_t last_lines(const char *text, size_t size, uint64_t lines)
{
        size_t at = size;

        if (lines == 0)
                return size;
        if (at > 0 && text[at - 1] == '\n')
                at--;
        while (at > 0) {
                if (text[at - 1] == '\n' && --lines == 0)
                        break;
                at--;
        }
        return at;
}

int console_log_print_new(ConsoleLog *log)
{
        g_autoptr(GString) text = g_string_new(NULL);
        size_t begin = 0;
        int r = read_rotated(log, text);

        if (r >= 0)
                r = read_rest(log->fd, &log->offset, text);
        if (r < 0)
                return r;
        if (!log->begun && log->settings.limit_lines)
                begin = last_lines(text->str, text->len, log->settings.lines);
        log->begun = true;
        print_bytes(log, text->str + begin, text->len - begin);
        return 0;
}

void console_log_print_end(ConsoleLog *log)
{
        g_autoptr(GString) clean = g_string_new(NULL);

        if (log->settings.raw)
                return;
        escape_stream_end(&log->escape, clean);
        print_clean(log, clean);
        if (log->line_open)
                putchar('\n');
}
