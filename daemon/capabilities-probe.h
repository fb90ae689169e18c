/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Keeps the capabilities true: holds the KVM device open, has the monitor probe it (through the
 * spawner, so that no privileged process asks KVM anything), and does so again when the device
 * changes.
 */

#include "daemon/capabilities.h"
#include "daemon/manager.h"

typedef struct CapabilitiesProbe CapabilitiesProbe;

int capabilities_probe_new(Manager *manager, CapabilitiesProbe **ret);
CapabilitiesProbe *capabilities_probe_free(CapabilitiesProbe *probe);

/* Never NULL; without a probe's answer while one is under way for the first time. */
const Capabilities *capabilities_probe_get(const CapabilitiesProbe *probe);

/* The open device, or the negative errno of opening it. Stays the probe's. */
int capabilities_probe_kvm_fd(const CapabilitiesProbe *probe);

/*
 * Whether an answer (good or bad) is there. If not, one is asked for, and done is called from the
 * event loop when it is (or at once, if none can be had); the return value is then 0. Otherwise 1,
 * and done is dropped. -ENOMEM.
 */
int capabilities_probe_wait(CapabilitiesProbe *probe, Completion done);

/* Who waits with this userdata waits no longer; whether there was one. */
bool capabilities_probe_drop_waiter(CapabilitiesProbe *probe, const void *userdata);

/* Whether this is the process of a probe that is under way. */
bool capabilities_probe_is_running(const CapabilitiesProbe *probe, const Id128 *id);

/* A probe's process exited. Whether it was ours. */
bool capabilities_probe_exited(CapabilitiesProbe *probe, const Id128 *id);
/* The spawner is gone. */
void capabilities_probe_lost(CapabilitiesProbe *probe);
