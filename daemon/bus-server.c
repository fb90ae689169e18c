/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/bus-server.h"

#include <errno.h>
#include <stdio.h>

#include "common/log.h"
#include "common/string-util.h"
#include "daemon/capabilities-probe.h"
#include "daemon/subscribers.h"

#define PEER_INTERFACE           "org.freedesktop.DBus.Peer"
#define PROPERTIES_INTERFACE     "org.freedesktop.DBus.Properties"
#define INTROSPECTABLE_INTERFACE "org.freedesktop.DBus.Introspectable"
#define OBJECT_MANAGER_INTERFACE "org.freedesktop.DBus.ObjectManager"

/* The id of ".../machine/<id>", or NULL. */
static const char *path_to_id(const char *path)
{
        static const char prefix[] = VMSERVICE_MACHINE_PATH_PREFIX "/";

        return strncmp(path, prefix, sizeof(prefix) - 1) == 0 ? path + sizeof(prefix) - 1 : NULL;
}

static Machine *find_visible(const BusCall *call)
{
        const char *id = path_to_id(sd_bus_message_get_path(call->message));
        Machine *machine = id ? manager_find(call->server->manager, id) : NULL;

        return machine && machine_is_visible_to(machine, call->uid) ? machine : NULL;
}

/* One text for a machine that is not there and one that is another's. */
static void fail_no_machine(BusCall *call)
{
        Problem problem;

        (void)problem_set(&problem, -ENOENT, "there is no machine at %s",
                          sd_bus_message_get_path(call->message));
        bus_call_fail(call, -ENOENT, &problem);
}

Machine *bus_call_machine(BusCall *call)
{
        Machine *machine = find_visible(call);

        if (!machine)
                fail_no_machine(call);
        return machine;
}

static BusNode find_node(BusCall *call, Machine **ret_machine)
{
        const char *path = sd_bus_message_get_path(call->message);

        *ret_machine = NULL;
        if (streq(path, VMSERVICE_OBJECT_PATH))
                return BUS_NODE_MANAGER;
        if (streq(path, "/") || streq(path, "/org") || streq(path, VMSERVICE_MACHINE_PATH_PREFIX))
                return BUS_NODE_PARENT;
        *ret_machine = find_visible(call);
        return *ret_machine ? BUS_NODE_MACHINE : BUS_NODE_NONE;
}

static void run_method(void *userdata, int error, const Problem *problem)
{
        BusCall *call = userdata;

        (void)error; /* of the probe: its report says it */
        (void)problem;
        call->method->func(call);
}

/* Authorized: the host's capabilities may have to be known first. */
static void on_authorized(void *userdata, int error, const Problem *problem)
{
        BusCall *call = userdata;
        int r;

        if (error < 0) {
                bus_call_fail(call, error, problem);
                return;
        }
        r = call->method->needs_probe ? capabilities_probe_wait(call->server->manager->probe,
                                                                (Completion){run_method, call})
                                      : 1;
        if (r > 0)
                call->method->func(call);
        else if (r < 0)
                bus_call_fail(call, r, &(Problem){"out of memory"});
}

static void on_authorized_again(void *userdata, int error, const Problem *problem)
{
        BusCall *call = userdata;

        if (error < 0)
                bus_call_fail(call, error, problem);
        else
                call->next(call);
}

static void call_authorize(BusCall *call, unsigned actions, CompletionFunc func)
{
        BusServer *server = call->server;
        const Peer *peer = peers_find(server->peers, call->sender);
        Problem problem;
        int r;

        if (!peer) { /* gone: nobody to answer */
                bus_call_drop(call);
                return;
        }
        r = authorizer_check(server->authorizer, call->message, peer, actions,
                             (Completion){func, call}, bus_call_drop, &problem);
        if (r > 0)
                func(call, 0, NULL);
        else if (r < 0)
                bus_call_fail(call, r, &problem);
}

void bus_call_authorize(BusCall *call, unsigned actions, BusMethodFunc next)
{
        call->next = next;
        call_authorize(call, actions, on_authorized_again);
}

static void fail_unknown(BusCall *call, const char *name, const char *what)
{
        Problem problem;

        (void)problem_set(&problem, -ENOSYS, "%s has no %s %s.%s",
                          sd_bus_message_get_path(call->message), what,
                          sd_bus_message_get_interface(call->message)
                                  ? sd_bus_message_get_interface(call->message)
                                  : "*",
                          sd_bus_message_get_member(call->message));
        bus_call_fail_as(call, name, &problem);
}

/* Whether a method of this name is in the table; then the call is taken care of. */
static bool dispatch_own(BusCall *call, const BusMethodInfo *infos, const BusMethod *methods,
                         size_t n)
{
        const char *member = sd_bus_message_get_member(call->message);
        Problem problem;

        for (size_t i = 0; i < n; i++) {
                if (!streq(infos[i].name, member))
                        continue;
                if (sd_bus_message_has_signature(call->message, infos[i].in) <= 0) {
                        (void)problem_set(&problem, -EINVAL, "%s takes '%s' and was given '%s'",
                                          member, infos[i].in,
                                          sd_bus_message_get_signature(call->message, 1));
                        bus_call_fail_as(call, SD_BUS_ERROR_INVALID_ARGS, &problem);
                        return true;
                }
                call->method = &methods[i];
                call_authorize(call, methods[i].actions, on_authorized);
                return true;
        }
        return false;
}

static bool dispatch_interface(BusCall *call, BusNode node)
{
        if (node == BUS_NODE_MANAGER)
                return dispatch_own(call, manager_methods, manager_bus_methods,
                                    _MANAGER_METHOD_MAX);
        return dispatch_own(call, machine_methods, machine_bus_methods, _MACHINE_METHOD_MAX);
}

static void dispatch_introspect(BusCall *call, BusNode node)
{
        sd_bus_message *reply = NULL;

        if (bus_standard_introspect(call, node, &reply) < 0)
                reply = sd_bus_message_unref(reply);
        bus_call_reply_message(call, reply);
}

static bool is_for(const BusCall *call, const char *interface)
{
        const char *given = sd_bus_message_get_interface(call->message);

        return !given || streq(given, interface);
}

/* Standard interfaces; whether the call was for one. */
static bool dispatch_standard(BusCall *call, BusNode node, Machine *machine)
{
        const char *member = sd_bus_message_get_member(call->message);
        bool object = node == BUS_NODE_MANAGER || node == BUS_NODE_MACHINE;

        if (is_for(call, INTROSPECTABLE_INTERFACE) && streq(member, "Introspect")) {
                dispatch_introspect(call, node);
                return true;
        }
        if (object && is_for(call, PROPERTIES_INTERFACE) &&
            (streq(member, "Get") || streq(member, "GetAll") || streq(member, "Set"))) {
                bus_standard_properties(call, node, machine);
                return true;
        }
        if (node == BUS_NODE_MANAGER && is_for(call, OBJECT_MANAGER_INTERFACE) &&
            streq(member, "GetManagedObjects")) {
                bus_standard_managed_objects(call);
                return true;
        }
        return false;
}

static void dispatch(sd_bus_message *message, Peer *peer, void *userdata)
{
        BusServer *server = userdata;
        BusCall *call = bus_call_new(server, message, peer);
        Machine *machine;
        BusNode node;

        if (!call)
                return;
        node = find_node(call, &machine);
        if (node == BUS_NODE_NONE) {
                if (path_to_id(sd_bus_message_get_path(message)))
                        fail_no_machine(call);
                else
                        fail_unknown(call, SD_BUS_ERROR_UNKNOWN_OBJECT, "object, hence no");
                return;
        }
        if (dispatch_standard(call, node, machine))
                return;
        if (node != BUS_NODE_PARENT &&
            is_for(call, node == BUS_NODE_MANAGER ? VMSERVICE_MANAGER_INTERFACE
                                                  : VMSERVICE_MACHINE_INTERFACE) &&
            dispatch_interface(call, node))
                return;
        fail_unknown(call, SD_BUS_ERROR_UNKNOWN_METHOD, "method");
}

static void on_peer_left(const char *name, void *userdata)
{
        BusServer *server = userdata;

        manager_client_left(server->manager, name);
        bus_calls_peer_left(server, name);
}

/* Before sd-bus looks at it: every method call is ours, but for Peer's. */
static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        BusServer *server = userdata;
        const char *interface;
        uint8_t type;

        (void)error;
        if (sd_bus_message_get_type(message, &type) < 0 || type != SD_BUS_MESSAGE_METHOD_CALL)
                return 0;
        interface = sd_bus_message_get_interface(message);
        if (interface && streq(interface, PEER_INTERFACE))
                return 0;
        peers_receive(server->peers, message);
        return 1;
}

typedef struct BoundCheck {
        BusServer *server;
        char name[256];
} BoundCheck;

static void bound_check_free(void *check)
{
        free(check);
}

static int on_has_owner(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        BoundCheck *check = userdata;
        int owned = 1;

        (void)error;
        if (!sd_bus_message_is_method_error(reply, NULL) &&
            sd_bus_message_read(reply, "b", &owned) >= 0 && !owned)
                manager_client_left(check->server->manager, check->name);
        return 0;
}

static void check_bound(BusServer *server, const RunRecord *run)
{
        BoundCheck *check = calloc(1, sizeof(*check));
        sd_bus_slot *slot = NULL;
        int r;

        if (!check)
                return;
        check->server = server;
        (void)snprintf(check->name, sizeof(check->name), "%s", run->bound_to);
        r = sd_bus_call_method_async(server->bus, &slot, "org.freedesktop.DBus",
                                     "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                     "NameHasOwner", on_has_owner, check, "s", check->name);
        if (r < 0) {
                free(check);
                log_warning_errno(r, "Cannot ask whether %s is there, ignoring", run->bound_to);
                return;
        }
        (void)sd_bus_slot_set_destroy_callback(slot, bound_check_free);
        (void)sd_bus_slot_set_floating(slot, 1);
        sd_bus_slot_unref(slot);
}

void bus_server_check_bound(BusServer *server)
{
        Manager *manager = server->manager;

        for (size_t i = 0; i < MANAGER_BUCKETS; i++)
                for (Machine *m = manager->machines[i]; m; m = m->next) {
                        const RunRecord *run = &m->record.run;

                        if (!m->run || !run->bound_to)
                                continue;
                        /* On another bus the name is nobody's, or somebody else's. */
                        if (!streq_ptr(run->bus_id, manager->bus_id))
                                manager_client_left(manager, run->bound_to);
                        else
                                check_bound(server, run);
                }
}

static int bus_id_text(sd_bus *bus, char text[SD_ID128_STRING_MAX])
{
        sd_id128_t id;
        int r = sd_bus_get_bus_id(bus, &id);

        if (r < 0)
                return r;
        (void)sd_id128_to_string(id, text);
        return 0;
}

int bus_server_new(sd_bus *bus, Manager *manager, const Settings *settings, BusServer **ret,
                   Problem *problem)
{
        static const PeersHandlers handlers = {.dispatch = dispatch, .left = on_peer_left};
        _cleanup_(bus_server_freep) BusServer *server = calloc(1, sizeof(*server));
        char id[SD_ID128_STRING_MAX];
        int r;

        if (!server)
                return problem_set(problem, -ENOMEM, "out of memory");
        server->bus = sd_bus_ref(bus);
        server->manager = manager;
        server->settings = settings;
        r = bus_id_text(bus, id);
        if (r >= 0)
                r = peers_new(bus, &handlers, server, &server->peers);
        if (r >= 0)
                r = authorizer_new(bus, server->peers, settings->session, &server->authorizer);
        if (r >= 0)
                r = sd_bus_add_filter(bus, &server->filter_slot, on_message, server);
        if (r < 0)
                return problem_set(problem, r, "the bus does not answer: %s", strerror(-r));
        manager_set_observer(manager, &subscribers_observer, server, id);
        *ret = TAKE_PTR(server);
        return 0;
}

BusServer *bus_server_free(BusServer *server)
{
        if (!server)
                return NULL;
        sd_bus_slot_unref(server->filter_slot);
        authorizer_free(server->authorizer);
        peers_free(server->peers);
        bus_calls_free(server);
        sd_bus_unref(server->bus);
        free(server);
        return NULL;
}
