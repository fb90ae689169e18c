/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Signals: built by hand and sent to each subscriber that may see the machine, one by one. sd-bus's
 * own helpers broadcast, and what is broadcast reaches whoever listens.
 */

#include "daemon/bus-server.h"

extern const MachineObserver subscribers_observer; /* userdata: BusServer */
