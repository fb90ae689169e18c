/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/peers.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/string-util.h"

#define BUCKETS 64U

struct Peers {
        sd_bus *bus;
        sd_bus_slot *slot;
        PeersHandlers handlers;
        void *userdata;
        Peer *buckets[BUCKETS];
};

static unsigned bucket_of(const char *name)
{
        uint32_t hash = 2166136261U; /* FNV-1a */

        for (; *name; name++)
                hash = (hash ^ (unsigned char)*name) * 16777619U;
        return hash % BUCKETS;
}

static Peer *peer_free(Peer *peer)
{
        if (!peer)
                return NULL;
        sd_bus_slot_unref(peer->slot);
        while (peer->n_held > 0)
                sd_bus_message_unref(peer->held[--peer->n_held]);
        free(peer->name);
        free(peer);
        return NULL;
}

Peer *peers_find(const Peers *peers, const char *name)
{
        for (Peer *peer = peers->buckets[bucket_of(name)]; peer; peer = peer->next)
                if (streq(peer->name, name))
                        return peer;
        return NULL;
}

/* name may be the peer's own. */
static void peers_forget(Peers *peers, const char *name)
{
        Peer **slot = &peers->buckets[bucket_of(name)], *peer;

        while (*slot && !streq((*slot)->name, name))
                slot = &(*slot)->next;
        peer = *slot;
        if (!peer)
                return;
        *slot = peer->next;
        peer_free(peer);
}

static int on_name_owner_changed(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        const char *name, *old, *new;
        Peers *peers = userdata;

        (void)error;
        if (sd_bus_message_read(message, "sss", &name, &old, &new) < 0)
                return 0;
        if (name[0] != ':' || new[0] != '\0')
                return 0;
        peers->handlers.left(name, peers->userdata);
        peers_forget(peers, name);
        return 0;
}

int peers_new(sd_bus *bus, const PeersHandlers *handlers, void *userdata, Peers **ret)
{
        _cleanup_(peers_freep) Peers *peers = calloc(1, sizeof(*peers));
        int r;

        if (!peers)
                return -ENOMEM;
        peers->bus = bus;
        peers->handlers = *handlers;
        peers->userdata = userdata;
        /* One match for all that leave: cheaper than one for each that comes. */
        r = sd_bus_add_match(bus, &peers->slot,
                             "type='signal',sender='org.freedesktop.DBus',"
                             "path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',"
                             "member='NameOwnerChanged',arg2=''",
                             on_name_owner_changed, peers);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(peers);
        return 0;
}

Peers *peers_free(Peers *peers)
{
        if (!peers)
                return NULL;
        for (size_t i = 0; i < BUCKETS; i++)
                while (peers->buckets[i]) {
                        Peer *peer = peers->buckets[i];

                        peers->buckets[i] = peer->next;
                        peer_free(peer);
                }
        sd_bus_slot_unref(peers->slot);
        free(peers);
        return NULL;
}

static int on_uid(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        Peer *peer = userdata;
        Peers *peers = peer->peers;
        uint32_t uid;

        (void)error;
        if (sd_bus_message_is_method_error(reply, NULL) ||
            sd_bus_message_read(reply, "u", &uid) < 0) {
                peers_forget(peers, peer->name); /* it has left: nobody waits for an answer */
                return 0;
        }
        peer->uid = uid;
        peer->known = true;
        peer->slot = sd_bus_slot_unref(peer->slot);
        for (size_t i = 0; i < peer->n_held; i++) {
                sd_bus_message *held = TAKE_PTR(peer->held[i]);

                peers->handlers.dispatch(held, peer, peers->userdata);
                sd_bus_message_unref(held);
        }
        peer->n_held = 0;
        return 0;
}

static int peers_ask(Peers *peers, const char *name, Peer **ret)
{
        Peer *peer = calloc(1, sizeof(*peer)), **bucket = &peers->buckets[bucket_of(name)];
        int r;

        if (!peer)
                return -ENOMEM;
        peer->peers = peers;
        peer->name = strdup(name);
        r = peer->name ? sd_bus_call_method_async(peers->bus, &peer->slot, "org.freedesktop.DBus",
                                                  "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                                  "GetConnectionUnixUser", on_uid, peer, "s", name)
                       : -ENOMEM;
        if (r < 0) {
                peer_free(peer);
                return r;
        }
        peer->next = *bucket;
        *bucket = peer;
        *ret = peer;
        return 0;
}

void peers_receive(Peers *peers, sd_bus_message *message)
{
        const char *name = sd_bus_message_get_sender(message);
        Peer *peer = name ? peers_find(peers, name) : NULL;
        int r = 0;

        if (peer && peer->known) {
                peers->handlers.dispatch(message, peer, peers->userdata);
                return;
        }
        if (!name)
                r = -EPERM;
        else if (!peer)
                r = peers_ask(peers, name, &peer);
        if (r >= 0 && peer->n_held == PEER_HELD_MAX)
                r = -ENOBUFS;
        if (r < 0)
                (void)sd_bus_reply_method_errorf(message, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                                 "The call was not taken: %s", strerror(-r));
        else
                peer->held[peer->n_held++] = sd_bus_message_ref(message);
}

void peers_each_subscriber(const Peers *peers, void (*func)(Peer *peer, void *userdata),
                           void *userdata)
{
        for (size_t i = 0; i < BUCKETS; i++)
                for (Peer *peer = peers->buckets[i]; peer; peer = peer->next)
                        if (peer->subscribed)
                                func(peer, userdata);
}
