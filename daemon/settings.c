/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <sys/sysinfo.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/string-util.h"

#define CONF_MAX (64U * 1024U)

static const char help_text[] =
        "vmserviced [OPTION...]\n"
        "Answers what this host can virtualise, makes machines and watches them (D-Bus name\n"
        "org.vmservice1).\n\n"
        "  --user                 serve the session bus, for the caller's own uid\n"
        "  --state-dir DIR        persistent machines (/var/lib/vmservice; --user:\n"
        "                         $XDG_STATE_HOME/vmservice)\n"
        "  --runtime-dir DIR      transient machines (/run/vmservice; --user:\n"
        "                         $XDG_RUNTIME_DIR/vmservice)\n"
        "  --spawner-socket PATH  where vm-spawner listens (RUNTIME-DIR/spawner.sock)\n"
        "  --spawner PATH         --user: the vm-spawner to start if none listens\n"
        "  --monitor PATH         --user: the vmm-launcher for it to start\n"
        "  --kvm PATH             the KVM device (/dev/kvm)\n"
        "  --config FILE          the limits (" VMSERVICE_SYSCONFDIR "/vmservice/vmservice.conf)\n"
        "  --log-level LEVEL      error, warning, notice, info or debug (info)\n"
        "  --help, --version\n\n"
        "The buses are found by DBUS_SYSTEM_BUS_ADDRESS and DBUS_SESSION_BUS_ADDRESS.\n";

/* Each option that takes a path, and where it goes. */
static char **settings_slot(Settings *settings, int option)
{
        switch (option) {
        case 's':
                return &settings->state_dir;
        case 'r':
                return &settings->runtime_dir;
        case 'p':
                return &settings->spawner;
        case 'S':
                return &settings->spawner_socket;
        case 'm':
                return &settings->monitor;
        case 'k':
                return &settings->kvm;
        case 'c':
                return &settings->conf;
        default:
                return NULL;
        }
}

static int parse_log_level(const char *text, Problem *problem)
{
        static const char *const levels[] = {
                [LOG_ERR] = "error", [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
                [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
        };

        for (int i = LOG_ERR; i <= LOG_DEBUG; i++)
                if (streq(levels[i], text)) {
                        log_set_max_level(i);
                        return 0;
                }
        return problem_set(problem, -EINVAL,
                           "--log-level %s: use error, warning, notice, info or debug", text);
}

static int settings_parse_options(Settings *settings, int argc, char **argv, Problem *problem)
{
        static const struct option options[] = {
                {"user", no_argument, NULL, 'u'},
                {"state-dir", required_argument, NULL, 's'},
                {"runtime-dir", required_argument, NULL, 'r'},
                {"spawner", required_argument, NULL, 'p'},
                {"spawner-socket", required_argument, NULL, 'S'},
                {"monitor", required_argument, NULL, 'm'},
                {"kvm", required_argument, NULL, 'k'},
                {"config", required_argument, NULL, 'c'},
                {"log-level", required_argument, NULL, 'l'},
                {"help", no_argument, NULL, 'h'},
                {"version", no_argument, NULL, 'V'},
                {NULL},
        };
        int c, r;

        optind = 0; /* GNU: start over, also in a test's second call */
        opterr = 0;
        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                char **slot = settings_slot(settings, c);

                if (slot) {
                        free(*slot);
                        *slot = strdup(optarg);
                        if (!*slot)
                                return problem_set(problem, -ENOMEM, "out of memory");
                } else if (c == 'u') {
                        settings->session = true;
                } else if (c == 'l') {
                        r = parse_log_level(optarg, problem);
                        if (r < 0)
                                return r;
                } else if (c == 'h' || c == 'V') {
                        (void)fputs(c == 'h' ? help_text : "vmserviced " VMSERVICE_VERSION "\n",
                                    stdout);
                        return 1;
                } else {
                        return problem_set(problem, -EINVAL,
                                           "%s: not an option, or its value is missing; see --help",
                                           argv[optind - 1]);
                }
        }
        if (optind < argc)
                return problem_set(problem, -EINVAL, "%s: no arguments are taken; see --help",
                                   argv[optind]);
        return 0;
}

/* Sets *slot to format(a, b) unless an option has set it. */
static int settings_default(char **slot, const char *a, const char *b)
{
        if (!*slot)
                *slot = string_format("%s%s", a, b);
        return *slot ? 0 : -ENOMEM;
}

static int settings_session_dirs(Settings *settings, Problem *problem)
{
        const char *state = getenv("XDG_STATE_HOME"), *runtime = getenv("XDG_RUNTIME_DIR"),
                   *conf = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
        int r = 0;

        if (!settings->state_dir && !state && !home)
                return problem_set(problem, -ENOENT,
                                   "neither XDG_STATE_HOME nor HOME is set: set "
                                   "one, or give --state-dir");
        if (!settings->runtime_dir && !runtime)
                return problem_set(problem, -ENOENT,
                                   "XDG_RUNTIME_DIR is not set: log in through "
                                   "a session, or give --runtime-dir");
        if (state)
                r = settings_default(&settings->state_dir, state, "/vmservice");
        else if (home)
                r = settings_default(&settings->state_dir, home, "/.local/state/vmservice");
        if (r >= 0 && runtime)
                r = settings_default(&settings->runtime_dir, runtime, "/vmservice");
        if (r >= 0 && conf)
                r = settings_default(&settings->conf, conf, "/vmservice/vmservice.conf");
        else if (r >= 0 && home)
                r = settings_default(&settings->conf, home, "/.config/vmservice/vmservice.conf");
        return r;
}

static int settings_fill_defaults(Settings *settings, Problem *problem)
{
        int r = 0;

        if (settings->session) {
                r = settings_session_dirs(settings, problem);
        } else {
                r = settings_default(&settings->state_dir, "/var/lib/vmservice", "");
                if (r >= 0)
                        r = settings_default(&settings->runtime_dir, "/run/vmservice", "");
        }
        if (r == -ENOMEM || r >= 0) {
                if (r >= 0)
                        r = settings_default(&settings->conf, VMSERVICE_SYSCONFDIR,
                                             "/vmservice/vmservice.conf");
                if (r >= 0)
                        r = settings_default(&settings->spawner_socket, settings->runtime_dir,
                                             "/spawner.sock");
                if (r >= 0)
                        r = settings_default(&settings->spawner, VMSERVICE_LIBEXECDIR,
                                             "/vm-spawner");
                if (r >= 0)
                        r = settings_default(&settings->monitor, VMSERVICE_LIBEXECDIR,
                                             "/vmm-launcher");
                if (r >= 0)
                        r = settings_default(&settings->kvm, "/dev/kvm", "");
                if (r < 0)
                        (void)problem_set(problem, r, "out of memory");
        }
        return r;
}

static char *trim(char *text)
{
        char *end;

        text += strspn(text, " \t\r");
        end = text + strlen(text);
        while (end > text && strchr(" \t\r", end[-1]))
                *--end = '\0';
        return text;
}

static int settings_parse_line(char *line, unsigned number, const char *path, Limits *limits,
                               Problem *problem)
{
        const char *keys[_LIMIT_MAX], *near;
        char *value = strchr(line, '=');
        int limit, r;

        if (!value)
                return problem_set(problem, -EINVAL, "%s line %u: not 'key = value'", path, number);
        *value++ = '\0';
        line = trim(line);
        value = trim(value);
        limit = limit_from_string(line);
        if (limit < 0) {
                for (int i = 0; i < _LIMIT_MAX; i++)
                        keys[i] = limit_to_string((Limit)i);
                near = string_nearest(line, keys, _LIMIT_MAX);
                return problem_set(problem, -EINVAL, "%s line %u: unknown key '%.64s'%s%s%s", path,
                                   number, line, near ? ", did you mean '" : "", near ? near : "",
                                   near ? "'?" : "");
        }
        r = parse_u64(value, &limits->max[limit]);
        if (r < 0)
                return problem_set(problem, -EINVAL,
                                   "%s line %u: '%s' takes a whole number, not '%.64s'", path,
                                   number, line, value);
        return 0;
}

int settings_parse_limits(const char *text, const char *path, Limits *limits, Problem *problem)
{
        _cleanup_free_ char *copy = strdup(text);
        char *rest = copy, *line;
        Limits parsed = *limits;
        int r;

        if (!copy)
                return problem_set(problem, -ENOMEM, "out of memory");
        for (unsigned number = 1; (line = strsep(&rest, "\n")); number++) {
                char *comment = strchr(line, '#');

                if (comment)
                        *comment = '\0';
                line = trim(line);
                if (*line == '\0')
                        continue;
                r = settings_parse_line(line, number, path, &parsed, problem);
                if (r < 0)
                        return r;
        }
        *limits = parsed;
        return 0;
}

static int settings_load_limits(Settings *settings, Problem *problem)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        limits_set_default(&settings->limits, settings->host_memory_mib);
        r = fd_read_file_at(AT_FDCWD, settings->conf, CONF_MAX, &text, &size);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return problem_set(problem, r, "cannot read %s: %s", settings->conf, strerror(-r));
        return settings_parse_limits(text, settings->conf, &settings->limits, problem);
}

static void settings_probe_host(Settings *settings)
{
        struct sysinfo info = {0};
        cpu_set_t cpus;

        if (sysinfo(&info) == 0)
                settings->host_memory_mib = (uint64_t)info.totalram * info.mem_unit >> 20;
        settings->host_cpus = 1;
        if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) > 0)
                settings->host_cpus = (unsigned)CPU_COUNT(&cpus);
}

int settings_load(Settings *ret, int argc, char **argv, Problem *problem)
{
        _cleanup_(settings_done) Settings settings = {0};
        int r;

        r = settings_parse_options(&settings, argc, argv, problem);
        if (r != 0)
                return r;
        r = settings_fill_defaults(&settings, problem);
        if (r < 0)
                return r;
        settings_probe_host(&settings);
        r = settings_load_limits(&settings, problem);
        if (r < 0)
                return r;
        *ret = settings;
        settings = (Settings){0};
        return 0;
}

void settings_done(Settings *settings)
{
        free(settings->state_dir);
        free(settings->runtime_dir);
        free(settings->spawner);
        free(settings->spawner_socket);
        free(settings->monitor);
        free(settings->kvm);
        free(settings->conf);
        *settings = (Settings){0};
}
