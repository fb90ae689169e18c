/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The end of the host or of the session, as opposed to the end of the daemon: then machines are
 * stopped gracefully first, and otherwise left alone. Two signs, either of which is enough:
 * systemd-logind's PrepareForShutdown, held up by a delay lock (system mode); and, when the daemon
 * is told to end (SIGTERM), that the service manager says it is "stopping".
 */

#include <systemd/sd-bus.h>

#include "daemon/manager.h"

typedef struct HostShutdown HostShutdown;

/* done: nothing runs any more (or nothing is to be waited for), and the daemon may end. */
int host_shutdown_new(sd_bus *bus, Manager *manager, Completion done, HostShutdown **ret);
HostShutdown *host_shutdown_free(HostShutdown *shutdown);
DEFINE_CLEANUP_FUNC(HostShutdown *, host_shutdown_free);

/* SIGTERM came: finds out what it means; then done is called. */
void host_shutdown_terminate(HostShutdown *shutdown);
