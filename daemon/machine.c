/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/machine.h"

#include <errno.h>
#include <time.h>

#include "common/string-util.h"

#define BIT(state) (1U << MACHINE_STATE_##state)

/* The table of machine.h, a set of followers per state. */
static const unsigned followers[_MACHINE_STATE_MAX] = {
        [MACHINE_STATE_STOPPED] = BIT(STARTING),
        [MACHINE_STATE_STARTING] = BIT(RUNNING) | BIT(STOPPING) | BIT(STOPPED),
        [MACHINE_STATE_RUNNING] = BIT(PAUSING) | BIT(STOPPING) | BIT(STOPPED),
        [MACHINE_STATE_PAUSING] = BIT(PAUSED) | BIT(RUNNING) | BIT(STOPPING) | BIT(STOPPED),
        [MACHINE_STATE_PAUSED] = BIT(RESUMING) | BIT(STOPPING) | BIT(STOPPED),
        [MACHINE_STATE_RESUMING] = BIT(RUNNING) | BIT(PAUSED) | BIT(STOPPING) | BIT(STOPPED),
        [MACHINE_STATE_STOPPING] = BIT(STOPPED),
};

int machine_new(MachineRecord *record, Machine **ret, Problem *problem)
{
        _cleanup_(machine_freep) Machine *machine = calloc(1, sizeof(*machine));
        JsonProblem json_problem = {"", ""};
        int r;

        if (!machine)
                return problem_set(problem, -ENOMEM, "out of memory");
        r = vm_config_load(record->config, &machine->config, &json_problem);
        if (r < 0)
                return problem_set(problem, r, "%s: %s", json_problem.pointer,
                                   json_problem.message);
        machine->record = *record;
        *record = (MachineRecord){0};
        *ret = TAKE_PTR(machine);
        return 0;
}

Machine *machine_free(Machine *machine)
{
        if (!machine)
                return NULL;
        machine_record_done(&machine->record);
        vm_config_done(&machine->config);
        free(machine);
        return NULL;
}

bool machine_state_may_follow(MachineState from, MachineState to)
{
        return (size_t)from < _MACHINE_STATE_MAX && (size_t)to < _MACHINE_STATE_MAX &&
               (followers[from] & (1U << to));
}

void machine_find_state(Machine *machine, MachineState state)
{
        MachineState old = machine->state;

        if (old == state)
                return;
        machine->state = state;
        if (machine->observer && machine->observer->state_changed)
                machine->observer->state_changed(machine, old, machine->observer_userdata);
}

int machine_set_state(Machine *machine, MachineState state)
{
        if (machine->state != state && !machine_state_may_follow(machine->state, state))
                return -EINVAL;
        machine_find_state(machine, state);
        return 0;
}

int machine_set_payload(Machine *machine, PayloadState state, int64_t exit_code)
{
        RunRecord *run = &machine->record.run;

        if ((int)state == run->payload_state)
                return 0;
        if ((int)state < run->payload_state || state >= _PAYLOAD_STATE_MAX)
                return -EINVAL;
        run->payload_state = (int)state;
        run->payload_exit_code = state == PAYLOAD_STATE_FINISHED ? exit_code : -1;
        if (machine->observer && machine->observer->payload_changed)
                machine->observer->payload_changed(machine, machine->observer_userdata);
        return 0;
}

int machine_begin_run(Machine *machine, const Id128 *run_id, const char *boot_id)
{
        RunRecord *run = &machine->record.run;
        char text[ID128_STRING_SIZE];
        char *id = strdup(id128_to_string(run_id, text)), *boot = strdup(boot_id);

        if (!id || !boot) {
                free(id);
                free(boot);
                return -ENOMEM;
        }
        free(run->id);
        free(run->boot_id);
        free(run->bound_to);
        free(run->bus_id);
        free(run->stop_detail);
        *run = (RunRecord){.id = id, .boot_id = boot, .on = true, .payload_exit_code = -1};
        return 0;
}

void machine_end_run(Machine *machine, StopReason reason, const char *detail, uint64_t now_usec)
{
        RunRecord *run = &machine->record.run;

        char text[STOP_DETAIL_MAX];

        free(run->stop_detail);
        /* Whole characters only: it goes out on the bus, and into the record. */
        run->stop_detail = strdup(string_escape_into(text, sizeof(text), detail, strlen(detail)));
        run->stop_reason = (int)reason;
        run->stopped_at = now_usec;
        run->on = false;
        machine->monitor_pid = 0;
}

bool machine_is_visible_to(const Machine *machine, uid_t uid)
{
        return !machine->creating && (uid == 0 || uid == machine->record.owner);
}

const char *machine_state_word(const Machine *machine)
{
        return machine_state_to_string(machine->state);
}

int waiters_add(Waiter **list, Completion completion)
{
        Waiter *waiter = malloc(sizeof(*waiter));

        if (!waiter)
                return -ENOMEM;
        *waiter = (Waiter){.completion = completion};
        while (*list)
                list = &(*list)->next;
        *list = waiter;
        return 0;
}

void waiters_done(Waiter **list, int error, const Problem *problem)
{
        Waiter *waiter = TAKE_PTR(*list);

        while (waiter) {
                Waiter *next = waiter->next;

                completion_done(&waiter->completion, error, problem);
                free(waiter);
                waiter = next;
        }
}

bool waiters_remove(Waiter **list, const void *userdata)
{
        Waiter *waiter;

        while (*list && (*list)->completion.userdata != userdata)
                list = &(*list)->next;
        waiter = *list;
        if (!waiter)
                return false;
        *list = waiter->next;
        free(waiter);
        return true;
}

uint64_t realtime_usec(void)
{
        struct timespec now;

        (void)clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t)now.tv_sec * 1000000U + (uint64_t)now.tv_nsec / 1000U;
}
