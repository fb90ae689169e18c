/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/failpoint.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/string-util.h"

static const char *const failpoint_table[_FAILPOINT_MAX] = {
        [FAILPOINT_CREATE_BEGIN] = "create-begin",
        [FAILPOINT_CREATE_COPIED] = "create-copied",
        [FAILPOINT_CREATE_COMMITTED] = "create-committed",
        [FAILPOINT_START_BEGIN] = "start-begin",
        [FAILPOINT_START_RECORDED] = "start-recorded",
        [FAILPOINT_START_FILES] = "start-files",
        [FAILPOINT_START_SPAWN_SENT] = "start-spawn-sent",
        [FAILPOINT_START_SPAWNED] = "start-spawned",
        [FAILPOINT_START_HELLO_SENT] = "start-hello-sent",
        [FAILPOINT_START_SENT] = "start-sent",
        [FAILPOINT_START_GREETED] = "start-greeted",
        [FAILPOINT_START_RUNNING] = "start-running",
        [FAILPOINT_START_SIGNALLED] = "start-signalled",
        [FAILPOINT_STOP_BEGIN] = "stop-begin",
        [FAILPOINT_STOP_BUTTON_SENT] = "stop-button-sent",
        [FAILPOINT_STOP_KILL_SENT] = "stop-kill-sent",
        [FAILPOINT_END_FRAME] = "end-frame",
        [FAILPOINT_END_EXITED] = "end-exited",
        [FAILPOINT_END_RECORDED] = "end-recorded",
        [FAILPOINT_END_SIGNALLED] = "end-signalled",
        [FAILPOINT_END_FORGOTTEN] = "end-forgotten",
        [FAILPOINT_DELETE_BEGIN] = "delete-begin",
        [FAILPOINT_DELETE_RENAMED] = "delete-renamed",
};

const char *failpoint_to_string(Failpoint step)
{
        return (size_t)step < _FAILPOINT_MAX ? failpoint_table[step] : NULL;
}

#ifdef VMSERVICE_FAILPOINTS
/* The whole of the state of a test aid that must be reachable from everywhere; read once. */
static struct {
        bool read;
        int step; /* -1: none */
        bool kill;
        uint64_t countdown;
} armed = {.step = -1};

static void failpoint_read(void)
{
        _cleanup_free_ char *copy = NULL;
        const char *text = getenv("VMSERVICED_FAILPOINT");
        char *step, *action, *count, *rest = NULL;

        armed.read = true;
        if (!text || !(copy = strdup(text)))
                return;
        step = strtok_r(copy, ":", &rest);
        action = strtok_r(NULL, ":", &rest);
        count = strtok_r(NULL, ":", &rest);
        armed.countdown = 1;
        if (!step || !action || (!streq(action, "kill") && !streq(action, "error")) ||
            string_table_lookup(failpoint_table, _FAILPOINT_MAX, step) < 0 ||
            (count && parse_u64(count, &armed.countdown) < 0)) {
                log_warning("VMSERVICED_FAILPOINT=%s names no step and action, ignoring", text);
                return;
        }
        armed.kill = streq(action, "kill");
        armed.step = string_table_lookup(failpoint_table, _FAILPOINT_MAX, step);
}

int failpoint(Failpoint step)
{
        if (!armed.read)
                failpoint_read();
        if (armed.step != (int)step || armed.countdown == 0 || --armed.countdown > 0)
                return 0;
        if (armed.kill)
                (void)raise(SIGKILL);
        return -EIO;
}
#endif
