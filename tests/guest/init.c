/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * First and only program of the Linux test guest. Says who it is in one line that repeats the nonce
 * of its command line and names the hypervisor, then does what do=... asks:
 *
 *   poweroff (default)  reboot  panic  triple (with reboot=t for the kernel)
 *   button              waits for the ACPI power button, then powers off
 *   deaf                hears the button, and does nothing
 *   tick                a line every 100 ms, until the button
 *
 * Kernel messages of warning level and worse that came before are repeated as "guest: kernel: ...".
 */

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define MODULES_DIRECTORY "/modules"
#define LEVEL_WARNING     4

static char command_line[4096];

static void load_module(const char *name)
{
        char path[320];
        int fd;

        (void)snprintf(path, sizeof(path), MODULES_DIRECTORY "/%s", name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
                printf("guest: module %s: %s\n", name, strerror(errno));
        if (fd >= 0)
                (void)close(fd);
}

/* The archive's "order" names them, each after what it needs. */
static void load_modules(void)
{
        char name[256];
        FILE *order = fopen(MODULES_DIRECTORY "/order", "re");

        if (!order)
                return;
        while (fscanf(order, "%255s", name) == 1)
                load_module(name);
        (void)fclose(order);
}

static void set_up(void)
{
        int fd;

        (void)mkdir("/dev", 0755);
        (void)mkdir("/proc", 0555);
        (void)mount("none", "/dev", "devtmpfs", 0, NULL);
        (void)mount("none", "/proc", "proc", 0, NULL);
        fd = open("/dev/console", O_RDWR);
        if (fd >= 0) {
                (void)dup2(fd, STDIN_FILENO);
                (void)dup2(fd, STDOUT_FILENO);
                (void)dup2(fd, STDERR_FILENO);
        }
        (void)setvbuf(stdout, NULL, _IOLBF, 0);
        fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
                ssize_t n = read(fd, command_line, sizeof(command_line) - 1);

                command_line[n > 0 ? n : 0] = '\0';
                (void)close(fd);
        }
        load_modules();
}

/* The value of "name=value" on the kernel's command line. */
static const char *option(const char *name, const char *fallback, char *buffer, size_t size)
{
        size_t length = strlen(name);

        for (const char *at = command_line; (at = strstr(at, name)) != NULL; at += length)
                if ((at == command_line || at[-1] == ' ') && at[length] == '=') {
                        size_t n = strcspn(at + length + 1, " \n");

                        (void)snprintf(buffer, size, "%.*s", (int)n, at + length + 1);
                        return buffer;
                }
        return fallback;
}

static void print_kernel_messages(void)
{
        char record[8192], *text;
        int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

        for (;;) {
                ssize_t n = read(fd, record, sizeof(record) - 1);

                if (n < 0 && errno == EPIPE)
                        continue; /* records were overwritten: go on with the oldest */
                if (n <= 0)
                        break;
                record[n] = '\0';
                text = strchr(record, ';');
                if (!text || (atoi(record) & 7) > LEVEL_WARNING)
                        continue;
                printf("guest: kernel: %.*s\n", (int)strcspn(text + 1, "\n"), text + 1);
        }
        if (fd >= 0)
                (void)close(fd);
}

static void print_identity(void)
{
        unsigned a, signature[4] = {0};
        struct utsname name;
        struct sysinfo info;
        char nonce[128];

        __cpuid(0x40000000, a, signature[0], signature[1], signature[2]);
        (void)uname(&name);
        (void)sysinfo(&info);
        printf("guest: up nonce=%s hypervisor=%s cpus=%ld memory_mib=%lu kernel=%s\n",
               option("nonce", "", nonce, sizeof(nonce)), (const char *)signature,
               sysconf(_SC_NPROCESSORS_ONLN), info.totalram * info.mem_unit >> 20, name.release);
}

/* The input device that reports KEY_POWER; its descriptor, or -1. */
static int open_power_button(void)
{
        for (int i = 0; i < 8; i++) {
                unsigned long keys[KEY_CNT / (8 * sizeof(unsigned long)) + 1] = {0};
                const unsigned bits = 8 * sizeof(unsigned long);
                char path[64];
                int fd;

                (void)snprintf(path, sizeof(path), "/dev/input/event%d", i);
                fd = open(path, O_RDONLY | O_CLOEXEC);
                if (fd < 0)
                        continue;
                if (ioctl(fd, EVIOCGBIT(EV_KEY, sizeof(keys)), keys) >= 0 &&
                    (keys[KEY_POWER / bits] >> KEY_POWER % bits & 1) != 0)
                        return fd;
                (void)close(fd);
        }
        return -1;
}

/* Waits for the button; with tick, prints a line every 100 ms meanwhile. */
static void wait_for_button(bool tick)
{
        struct pollfd poll_fd = {.fd = open_power_button(), .events = POLLIN};
        struct input_event event;

        printf("guest: %s\n", poll_fd.fd >= 0 ? "waiting for the power button" : "no power button");
        for (unsigned i = 1;; i++) {
                if (poll(&poll_fd, 1, tick ? 100 : -1) == 0) {
                        printf("guest: tick %u\n", i);
                        continue;
                }
                if (read(poll_fd.fd, &event, sizeof(event)) == sizeof(event) &&
                    event.type == EV_KEY && event.code == KEY_POWER && event.value == 1)
                        break;
        }
        printf("guest: power button\n");
}

static void write_file(const char *path, const char *text)
{
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write(fd, text, strlen(text)) < 0)
                printf("guest: %s: %s\n", path, strerror(errno));
}

static void obey(const char *what)
{
        printf("guest: do %s\n", what);
        /* The kernel's last words do not wait for the terminal's, and would break into them. */
        (void)fflush(stdout);
        (void)tcdrain(STDOUT_FILENO);
        if (strcmp(what, "panic") == 0) {
                write_file("/proc/sysrq-trigger", "c");
        } else if (strcmp(what, "reboot") == 0 || strcmp(what, "triple") == 0) {
                (void)reboot(RB_AUTOBOOT);
        } else if (strcmp(what, "deaf") == 0) {
                for (;;)
                        wait_for_button(false);
        } else if (strcmp(what, "button") == 0 || strcmp(what, "tick") == 0) {
                wait_for_button(strcmp(what, "tick") == 0);
        }
        (void)reboot(RB_POWER_OFF);
}

int main(void)
{
        char what[32];

        set_up();
        print_identity();
        print_kernel_messages();
        obey(option("do", "poweroff", what, sizeof(what)));
        printf("guest: still here\n");
        for (;;)
                (void)pause();
}
