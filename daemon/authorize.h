/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who may do what, beyond seeing and owning (machine_is_visible_to()): in system mode polkit says,
 * asked asynchronously and by the caller's bus name, never by its process id, which can be
 * another's by the time that it is looked at. Root is not asked about. In session mode all is the
 * user's own.
 */

#include <systemd/sd-bus.h>

#include "common/cleanup.h"
#include "daemon/peers.h"
#include "daemon/problem.h"

/* Bits: a method may need several, which are asked for one after the other. */
typedef enum AuthAction {
        AUTH_CREATE = 1 << 0,
        AUTH_CUSTOM = 1 << 1,
        AUTH_MANAGE = 1 << 2,
        AUTH_CONSOLE = 1 << 3,
} AuthAction;

#define AUTH_N_ACTIONS 4U

/* "org.vmservice1.create", of one bit. */
const char *auth_action_to_string(AuthAction action);

typedef struct Authorizer Authorizer;

int authorizer_new(sd_bus *bus, Peers *peers, bool session, Authorizer **ret);
/* Drops what is pending; nothing is called. Takes NULL. */
Authorizer *authorizer_free(Authorizer *authorizer);
DEFINE_CLEANUP_FUNC(Authorizer *, authorizer_free);

/*
 * May the sender of message do actions? 1: yes, and done is dropped. 0: done will be called, with 0
 * or -EACCES and why not; never if the sender leaves the bus meanwhile, in which case dropped is
 * called instead. Negative with *problem: no.
 */
int authorizer_check(Authorizer *authorizer, sd_bus_message *message, const Peer *peer,
                     unsigned actions, Completion done, void (*dropped)(void *userdata),
                     Problem *problem);
