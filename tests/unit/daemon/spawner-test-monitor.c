/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stands in for vmm-launcher in the tests of vm-spawner: tells how it was made, and ends or
 * misbehaves on command. Commands are messages on the control socket (fd 3); with --probe it tells
 * on standard output and exits.
 *
 *   fds         "0 /dev/null", ...: one line per open descriptor
 *   state       "key value" lines: what a child inherits
 *   exit N      exits;   signal N   ends by that signal
 *   stray       leaves a process of another session behind, and exits with 5
 *   kin         leaves a process of its own group behind, and exits with 6
 *   eat         touches 256 MiB of memory
 *   churn       forks without end: each process has a child in a session of its own, and exits
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONTROL_FD 3
#define FDS_MAX    8192
#define CHURNERS   8
#define FOOD       (256U << 20)

static char text[32768];
static size_t length;

static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(text + length, sizeof(text) - length, format, args);
        va_end(args);
        if (n > 0 && length + (size_t)n < sizeof(text))
                length += (size_t)n;
}

static void say_fds(void)
{
        for (int fd = 0; fd < FDS_MAX; fd++) {
                char path[32], target[256];
                ssize_t n;

                if (fcntl(fd, F_GETFD) < 0)
                        continue;
                snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
                n = readlink(path, target, sizeof(target) - 1);
                target[n > 0 ? n : 0] = '\0';
                if (strncmp(target, "socket:", 7) == 0)
                        strcpy(target, "socket");
                if (strncmp(target, "pipe:", 5) == 0)
                        strcpy(target, "pipe");
                say("%d %s\n", fd, target);
        }
}

/* From /proc/self/status: "Name:\tvalue". */
static void say_status(const char *name)
{
        FILE *file = fopen("/proc/self/status", "re");
        char line[512];

        while (file && fgets(line, sizeof(line), file))
                if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
                        say("%s %s", name, line + strlen(name) + 2);
        if (file)
                fclose(file);
}

static void say_file(const char *name, const char *path)
{
        FILE *file = fopen(path, "re");
        char line[512];

        while (file && fgets(line, sizeof(line), file))
                say("%s %s", name, line);
        if (file)
                fclose(file);
}

static void say_limit(const char *name, int resource)
{
        struct rlimit limit;

        getrlimit(resource, &limit);
        say("%s %lld %lld\n", name, (long long)limit.rlim_cur, (long long)limit.rlim_max);
}

static void say_state(void)
{
        static const char *const fields[] = {"NoNewPrivs", "CapInh", "CapPrm", "CapEff",
                                             "CapAmb",     "SigBlk", "SigIgn", "SigCgt",
                                             "Uid",        "Gid",    "Groups"};
        mode_t mask = umask(0);
        char cwd[64] = "";
        int signal = 0;
        unsigned n = 0;

        for (char **e = environ; e && *e; e++)
                n++;
        say("environment %u\n", n);
        for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
                say_status(fields[i]);
        prctl(PR_GET_PDEATHSIG, &signal);
        say("pdeathsig %d\n", signal);
        say("session %d\n", getsid(0) == getpid() && getpgid(0) == getpid());
        say("umask %03o\n", mask);
        say("cwd %s\n", getcwd(cwd, sizeof(cwd)) ? cwd : "");
        say_limit("nofile", RLIMIT_NOFILE);
        say_limit("core", RLIMIT_CORE);
        say_limit("nproc", RLIMIT_NPROC);
        say_file("oom", "/proc/self/oom_score_adj");
        say_file("cgroup", "/proc/self/cgroup");
}

static void leave_behind(bool other_session)
{
        if (fork() != 0)
                return;
        if (other_session)
                setsid();
        for (;;)
                pause();
}

static void eat(void)
{
        char *food = malloc(FOOD);

        for (size_t i = 0; food && i < FOOD; i += 4096)
                ((volatile char *)food)[i] = 1;
        free(food);
        say("eaten\n");
}

static void churn(void)
{
        for (int i = 0; i < CHURNERS; i++) {
                if (fork() != 0)
                        continue;
                for (;;) {
                        pid_t pid = fork();

                        if (pid > 0)
                                _exit(0);
                        setsid();
                        usleep(1000);
                }
        }
}

static void obey(const char *command)
{
        if (strcmp(command, "fds") == 0)
                say_fds();
        else if (strcmp(command, "state") == 0)
                say_state();
        else if (strncmp(command, "exit ", 5) == 0)
                _exit(atoi(command + 5));
        else if (strncmp(command, "signal ", 7) == 0)
                raise(atoi(command + 7));
        else if (strcmp(command, "stray") == 0 || strcmp(command, "kin") == 0) {
                leave_behind(command[0] == 's');
                _exit(command[0] == 's' ? 5 : 6);
        } else if (strcmp(command, "eat") == 0) {
                eat();
        } else if (strcmp(command, "churn") == 0) {
                churn();
                say("churning\n");
        } else
                say("what is %s?\n", command);
}

int main(int argc, char *argv[])
{
        if (argc > 1 && strcmp(argv[1], "--probe") == 0) {
                say_fds();
                return write(STDOUT_FILENO, text, length) == (ssize_t)length ? 0 : 1;
        }
        for (;;) {
                char command[64];
                ssize_t n = recv(CONTROL_FD, command, sizeof(command) - 1, 0);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? 1 : 0;
                command[n] = '\0';
                length = 0;
                obey(command);
                if (send(CONTROL_FD, text, length, MSG_NOSIGNAL) < 0)
                        return 1;
        }
}
