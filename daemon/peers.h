/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who is on the other end of a message: the uid behind each unique bus name that has called us. The
 * bus says it on request only, so a first message waits, with those after it, until the bus has
 * answered (asynchronously); then they are dispatched in order. From then on the answer is at hand:
 * a unique name is never used twice. A peer is forgotten when it leaves the bus.
 */

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "common/cleanup.h"

#define PEER_HELD_MAX 64U /* messages of one peer that wait */

typedef struct Peers Peers;
typedef struct Peer Peer;
struct Peer {
        Peer *next;
        Peers *peers;
        char *name;
        uid_t uid;
        bool known;
        bool subscribed; /* Manager.Subscribe() */
        sd_bus_slot *slot;
        sd_bus_message *held[PEER_HELD_MAX];
        size_t n_held;
};

typedef struct PeersHandlers {
        void (*dispatch)(sd_bus_message *message, Peer *peer, void *userdata);
        /* A unique name has left the bus, whether it ever called us or not. */
        void (*left)(const char *name, void *userdata);
} PeersHandlers;

/* Asks the bus to be told who leaves it (waits for the answer). */
int peers_new(sd_bus *bus, const PeersHandlers *handlers, void *userdata, Peers **ret);
Peers *peers_free(Peers *peers);
DEFINE_CLEANUP_FUNC(Peers *, peers_free);

/* Dispatches the message now or later, or never if its sender is gone by then. */
void peers_receive(Peers *peers, sd_bus_message *message);

/* NULL if it has not called us, or has left. */
Peer *peers_find(const Peers *peers, const char *name);

/* Calls func for each peer that has subscribed. */
void peers_each_subscriber(const Peers *peers, void (*func)(Peer *peer, void *userdata),
                           void *userdata);
