/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the machine has done, and where it is. */

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vm-internal.h"

/* The second field of /proc/self/statm, proc(5), in pages. 0 if it cannot be read. */
static uint64_t resident_bytes(int statm_fd)
{
        char text[128], *at = text;
        uint64_t pages = 0;
        ssize_t n = pread(statm_fd, text, sizeof(text) - 1, 0);

        if (n <= 0)
                return 0;
        text[n] = '\0';
        at = strchr(text, ' ');
        for (at = at ? at + 1 : text + n; *at >= '0' && *at <= '9'; at++)
                pages = pages * 10 + (uint64_t)(*at - '0');
        return pages * 4096;
}

static int stats_add_vcpus(Vm *vm, ProtocolStats *stats)
{
        unsigned n = vm->vcpu_set ? vm->n_vcpus : 0;

        stats->vcpu_count = n;
        stats->run_time_usec = json_object_new_array_ext((int)n + 1);
        if (!stats->run_time_usec)
                return -ENOMEM;
        for (unsigned i = 0; i < n; i++) {
                json_object *time = json_object_new_uint64(vcpu_set_run_time_usec(vm->vcpu_set, i));

                if (!time || json_object_array_add(stats->run_time_usec, time) < 0) {
                        json_object_put(time);
                        return -ENOMEM;
                }
        }
        return 0;
}

static int stats_add_exits(Vm *vm, ProtocolStats *stats)
{
        stats->exits = json_object_new_object();
        if (!stats->exits)
                return -ENOMEM;
        for (int class = 0; class < _VCPU_EXIT_CLASS_MAX; class ++) {
                uint64_t n = vm->vcpu_set ? vcpu_set_exits(vm->vcpu_set, (VcpuExitClass) class) : 0;
                json_object *count = json_object_new_uint64(n);

                if (!count ||
                    json_object_object_add(stats->exits, vcpu_exit_class_names[class], count) < 0) {
                        json_object_put(count);
                        return -ENOMEM;
                }
        }
        return 0;
}

int vm_get_stats(Vm *vm, ProtocolStats *ret)
{
        ProtocolStats stats = {.resets = vm->n_resets};
        ConsoleStats console;
        struct timespec now;

        if (vm->started_nsec > 0) {
                clock_gettime(CLOCK_MONOTONIC, &now);
                stats.uptime_usec = ((uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec -
                                     vm->started_nsec) /
                                    1000;
        }
        console_get_stats(vm->console, &console);
        stats.console_bytes = console.output_bytes;
        stats.console_dropped = console.dropped_bytes;
        stats.memory_bytes = vm->memory ? guest_memory_size(vm->memory) : 0;
        stats.rss_bytes = resident_bytes(vm->statm_fd);
        if (stats_add_vcpus(vm, &stats) < 0 || stats_add_exits(vm, &stats) < 0) {
                json_fields_done(protocol_stats_fields, &stats);
                return -ENOMEM;
        }
        *ret = stats;
        return 0;
}

int vm_get_snapshot(Vm *vm, ProtocolSnapshot *ret)
{
        ProtocolSnapshot snapshot = {
                .state = (int)vm->state,
                .payload_state = (int)vm->payload_state,
                .payload_exit_code = vm->payload_exit_code,
                .console_writer = console_has_writer(vm->console),
                .seq = control_last_seq(vm->control),
        };

        if (vm->run_id) {
                snapshot.run_id = strdup(vm->run_id);
                if (!snapshot.run_id)
                        return -ENOMEM;
        }
        *ret = snapshot;
        return 0;
}
