/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The daemon on the bus. bus-server.c receives messages, sends each to the object, interface and
 * method that it is for, and serves the standard interfaces; manager-dbus.c and machine-dbus.c are
 * the adapters of the two interfaces. sd-bus's own object tree is not used: it cannot hold a
 * message back until its sender is known, nor answer differently by who asks, and here what a
 * caller may not see does not exist for it, in calls, properties, enumeration and introspection
 * alike.
 */

#include <systemd/sd-bus.h>

#include "daemon/authorize.h"
#include "daemon/dbus-interfaces.h"
#include "daemon/manager.h"
#include "daemon/peers.h"

typedef struct BusCall BusCall;
typedef struct CallCount CallCount;
typedef struct BusServer BusServer;
struct BusServer {
        sd_bus *bus;
        Manager *manager;
        const Settings *settings;
        Peers *peers;
        Authorizer *authorizer;
        sd_bus_slot *filter_slot;
        BusCall *calls;    /* that have not been answered */
        CallCount *counts; /* of those, per uid */
};

/*
 * Connects to nothing and owns no name: the bus is the caller's, connected. Becomes the manager's
 * observer. Messages are served once the bus is attached to the event loop.
 */
int bus_server_new(sd_bus *bus, Manager *manager, const Settings *settings, BusServer **ret,
                   Problem *problem);
BusServer *bus_server_free(BusServer *server);
DEFINE_CLEANUP_FUNC(BusServer *, bus_server_free);

/* After the adoption: ends what is bound to clients that left while no daemon was there. */
void bus_server_check_bound(BusServer *server);

/*
 * One method call, from its dispatch to its answer; whoever holds it answers and thereby frees it.
 * The message, and with it all strings and descriptors read from it, lives as long.
 */
typedef void (*BusMethodFunc)(BusCall *call);

/* A row per method, in the XML's order. */
typedef struct BusMethod {
        BusMethodFunc func;
        unsigned actions; /* AuthAction bits */
        bool needs_probe; /* waits until the host has been probed */
} BusMethod;

struct BusCall {
        BusServer *server;
        BusCall *next_call, *previous_call;
        CallCount *count; /* its uid's; NULL: not limited */
        sd_bus_message *message;
        uid_t uid;
        const char *sender;
        const BusMethod *method;
        /* Of the methods that take them. */
        ClientFile files[VM_CONFIG_MAX_FILES];
        size_t n_files;
        int fd;             /* owned; -1 */
        BusMethodFunc next; /* after another authorization */
        void *state;        /* of the method; freed with the call */
};

/* bus-call.c. NULL with the message answered: its uid has too many calls that wait. */
BusCall *bus_call_new(BusServer *server, sd_bus_message *message, const Peer *peer);
/* Frees a BusCall without an answer: nobody is there to have it. */
void bus_call_drop(void *call);
/* Those of a peer that left, as far as they only wait to be told something: no longer. */
void bus_calls_peer_left(BusServer *server, const char *name);
void bus_calls_free(BusServer *server);

/* The visible machine that the call is for, or NULL with the call answered. */
Machine *bus_call_machine(BusCall *call);

/* Answers. Each frees the call. */
void bus_call_reply(BusCall *call, const char *types, ...);
void bus_call_reply_message(BusCall *call, sd_bus_message *reply); /* takes it; NULL: no memory */
void bus_call_fail(BusCall *call, int error, const Problem *problem);
void bus_call_fail_as(BusCall *call, const char *name, const Problem *problem);
/* For a body that the signature allows and we cannot read. */
void bus_call_fail_read(BusCall *call, int error);

/* A completion that answers with nothing, or with the failure. */
Completion bus_call_completion(BusCall *call);

/* Goes on with next if the caller may do actions too; answers if not. */
void bus_call_authorize(BusCall *call, unsigned actions, BusMethodFunc next);

/* manager-dbus.c, machine-dbus.c */
extern const BusMethod manager_bus_methods[_MANAGER_METHOD_MAX];
extern const BusMethod machine_bus_methods[_MACHINE_METHOD_MAX];
int manager_bus_append_property(BusServer *server, sd_bus_message *message,
                                ManagerProperty property);
int machine_bus_append_property(const Machine *machine, sd_bus_message *message,
                                MachineProperty property);
/* "{sv}" of one property, and "a{sv}" of all. */
int machine_bus_append_entry(const Machine *machine, sd_bus_message *message,
                             MachineProperty property);
int machine_bus_append_all(const Machine *machine, sd_bus_message *message);

/* "/org/vmservice1/machine/<id>" */
typedef struct MachinePath {
        char text[sizeof(VMSERVICE_MACHINE_PATH_PREFIX) + ID128_STRING_SIZE];
} MachinePath;
MachinePath machine_bus_path(const Machine *machine);

/* bus-standard.c: Introspectable, Properties, ObjectManager. machine is NULL at the manager. */
typedef enum BusNode {
        BUS_NODE_NONE,    /* no such object */
        BUS_NODE_PARENT,  /* a folder on the way */
        BUS_NODE_MANAGER, /* /org/vmservice1 */
        BUS_NODE_MACHINE,
} BusNode;
int bus_standard_introspect(BusCall *call, BusNode node, sd_bus_message **ret);
void bus_standard_properties(BusCall *call, BusNode node, Machine *machine);
void bus_standard_managed_objects(BusCall *call);
