/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/string-util.h"
#include "daemon/spawner/spawner-options.h"

/*
 * systemd's docs/UIDS-GIDS.md: 1879048192 to 2147483647 (0x70000000 to 0x7FFFFFFF) is used by
 * nobody: above its container ranges, below what 32-bit signed uids allow.
 */
#define UID_FIRST_DEFAULT    1879048192U
#define UID_LAST_DEFAULT     1879064575U
#define IDLE_SECONDS_DEFAULT 10U
#define IDLE_SECONDS_MAX     86400U

enum {
        OPTION_SESSION = 256,
        OPTION_SOCKET,
        OPTION_MONITOR,
        OPTION_CGROUP,
        OPTION_UID_RANGE,
        OPTION_DAEMON_UID,
        OPTION_CHILDREN_MAX,
        OPTION_IDLE_SECONDS,
        OPTION_READY_FD,
};

static const struct option long_options[] = {
        {"session", no_argument, NULL, OPTION_SESSION},
        {"socket", required_argument, NULL, OPTION_SOCKET},
        {"monitor", required_argument, NULL, OPTION_MONITOR},
        {"cgroup", required_argument, NULL, OPTION_CGROUP},
        {"uid-range", required_argument, NULL, OPTION_UID_RANGE},
        {"daemon-uid", required_argument, NULL, OPTION_DAEMON_UID},
        {"children-max", required_argument, NULL, OPTION_CHILDREN_MAX},
        {"idle-seconds", required_argument, NULL, OPTION_IDLE_SECONDS},
        {"ready-fd", required_argument, NULL, OPTION_READY_FD},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {},
};

static void print_help(void)
{
        puts("Usage: vm-spawner --monitor PATH [OPTION...]\n"
             "Parent of every virtual machine monitor; vmserviced tells it what to start.\n\n"
             "  --monitor PATH        the monitor to run (vmm-launcher)\n"
             "  --session             without root, for one user\n"
             "  --socket PATH         listen here (default: the socket that systemd passes)\n"
             "  --cgroup own|PATH     give each machine a cgroup below this one (default: none)\n"
             "  --uid-range A-B       system mode: the machines' uids (default: "
             "1879048192-1879064575)\n"
             "  --daemon-uid UID      who may connect, besides the own uid\n"
             "  --children-max N      at most so many machines (default: 4096)\n"
             "  --idle-seconds N      session: end after so long without machine and daemon (10)\n"
             "  --ready-fd FD         tell this pipe when listening\n"
             "  -h, --help            this\n"
             "  -V, --version         the version");
}

static int parse_number(const char *option, const char *text, uint64_t min, uint64_t max,
                        uint64_t *ret)
{
        uint64_t value;

        if (parse_u64(text, &value) < 0 || value < min || value > max) {
                log_error("--%s %s: must be a number from %llu to %llu", option, text,
                          (unsigned long long)min, (unsigned long long)max);
                return -EINVAL;
        }
        *ret = value;
        return 0;
}

static int parse_uid_range(const char *text, SpawnerOptions *options)
{
        const char *dash = strchr(text, '-');
        uint64_t first = 0, last = 0;
        char head[16];

        if (dash && (size_t)(dash - text) < sizeof(head)) {
                memcpy(head, text, (size_t)(dash - text));
                head[dash - text] = '\0';
                if (parse_u64(head, &first) < 0 || parse_u64(dash + 1, &last) < 0)
                        first = 0;
        }
        /* (uid_t)-1 means "leave it" to setresuid(2); 65534 is nobody's and shared. */
        if (first == 0 || last < first || last >= UINT32_MAX || (first <= 65534 && last >= 65534)) {
                log_error("--uid-range %s: must be FIRST-LAST, two uids that nobody has, "
                          "without 0 and 65534",
                          text);
                return -EINVAL;
        }
        options->uid_first = (uid_t)first;
        options->uid_last = (uid_t)last;
        return 0;
}

static int parse_ready_fd(const char *text, SpawnerOptions *options)
{
        uint64_t value;
        int r = parse_number("ready-fd", text, 3, 1U << 20, &value);

        if (r < 0)
                return r;
        options->ready_fd = (int)value;
        r = fd_set_cloexec(options->ready_fd, true);
        return r < 0 ? log_error_errno(r, "--ready-fd %s", text) : 0;
}

static int option_apply(int option, const char *value, SpawnerOptions *options)
{
        uint64_t number = 0;
        int r = 0;

        switch (option) {
        case OPTION_SESSION:
                options->session = true;
                return 0;
        case OPTION_SOCKET:
                options->socket = value;
                return 0;
        case OPTION_MONITOR:
                options->monitor = value;
                return 0;
        case OPTION_CGROUP:
                options->cgroup = value;
                return 0;
        case OPTION_UID_RANGE:
                return parse_uid_range(value, options);
        case OPTION_READY_FD:
                return parse_ready_fd(value, options);
        case OPTION_DAEMON_UID:
                r = parse_number("daemon-uid", value, 0, UINT32_MAX - 1, &number);
                options->daemon_uid = (uid_t)number;
                return r;
        case OPTION_CHILDREN_MAX:
                r = parse_number("children-max", value, 1, SPAWNER_CHILDREN_MAX, &number);
                options->children_max = (unsigned)number;
                return r;
        case OPTION_IDLE_SECONDS:
                r = parse_number("idle-seconds", value, 1, IDLE_SECONDS_MAX, &number);
                options->idle_seconds = (unsigned)number;
                return r;
        default:
                return -EINVAL;
        }
}

static int options_check(const SpawnerOptions *options)
{
        if (!options->monitor || options->monitor[0] != '/') {
                log_error("--monitor: the absolute path of vmm-launcher is needed");
                return -EINVAL;
        }
        if (options->cgroup && !streq(options->cgroup, "own") && options->cgroup[0] != '/') {
                log_error("--cgroup %s: must be \"own\" or an absolute path", options->cgroup);
                return -EINVAL;
        }
        if (!options->session && geteuid() != 0) {
                log_error("System mode needs root; --session does without");
                return -EINVAL;
        }
        if (options->daemon_uid >= options->uid_first && options->daemon_uid <= options->uid_last) {
                log_error("--uid-range: must not contain the daemon's uid");
                return -EINVAL;
        }
        return 0;
}

int spawner_options_parse(int argc, char *argv[], SpawnerOptions *ret)
{
        SpawnerOptions options = {
                .uid_first = UID_FIRST_DEFAULT,
                .uid_last = UID_LAST_DEFAULT,
                .daemon_uid = geteuid(),
                .children_max = SPAWNER_CHILDREN_MAX,
                .idle_seconds = IDLE_SECONDS_DEFAULT,
                .ready_fd = -1,
        };
        int option, r;

        while ((option = getopt_long(argc, argv, "hV", long_options, NULL)) >= 0) {
                if (option == 'h') {
                        print_help();
                        return 0;
                }
                if (option == 'V') {
                        puts("vm-spawner " PROJECT_VERSION);
                        return 0;
                }
                r = option_apply(option, optarg, &options);
                if (r < 0)
                        return r;
        }
        if (optind < argc) {
                log_error("Unknown argument: %s", argv[optind]);
                return -EINVAL;
        }
        r = options_check(&options);
        if (r < 0)
                return r;
        *ret = options;
        return 1;
}
