/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>

#include "common/string-util.h"
#include "daemon/bus-server.h"

/* The interfaces that every D-Bus library knows, served so that they show a caller only its own. */

#define INTROSPECTABLE_INTERFACE "org.freedesktop.DBus.Introspectable"
#define OBJECT_MANAGER_INTERFACE "org.freedesktop.DBus.ObjectManager"
#define PEER_INTERFACE           "org.freedesktop.DBus.Peer"
#define PROPERTIES_INTERFACE     "org.freedesktop.DBus.Properties"

/* D-Bus Specification, "Standard Interfaces". */
static const char peer_xml[] = " <interface name=\"" PEER_INTERFACE "\">\n"
                               "  <method name=\"Ping\"/>\n"
                               "  <method name=\"GetMachineId\">\n"
                               "   <arg type=\"s\" name=\"machine_uuid\" direction=\"out\"/>\n"
                               "  </method>\n"
                               " </interface>\n"
                               " <interface name=\"" INTROSPECTABLE_INTERFACE "\">\n"
                               "  <method name=\"Introspect\">\n"
                               "   <arg name=\"xml_data\" type=\"s\" direction=\"out\"/>\n"
                               "  </method>\n"
                               " </interface>\n";
static const char properties_xml[] =
        " <interface name=\"" PROPERTIES_INTERFACE "\">\n"
        "  <method name=\"Get\">\n"
        "   <arg name=\"interface_name\" direction=\"in\" type=\"s\"/>\n"
        "   <arg name=\"property_name\" direction=\"in\" type=\"s\"/>\n"
        "   <arg name=\"value\" direction=\"out\" type=\"v\"/>\n"
        "  </method>\n"
        "  <method name=\"GetAll\">\n"
        "   <arg name=\"interface_name\" direction=\"in\" type=\"s\"/>\n"
        "   <arg name=\"props\" direction=\"out\" type=\"a{sv}\"/>\n"
        "  </method>\n"
        "  <method name=\"Set\">\n"
        "   <arg name=\"interface_name\" direction=\"in\" type=\"s\"/>\n"
        "   <arg name=\"property_name\" direction=\"in\" type=\"s\"/>\n"
        "   <arg name=\"value\" direction=\"in\" type=\"v\"/>\n"
        "  </method>\n"
        "  <signal name=\"PropertiesChanged\">\n"
        "   <arg type=\"s\" name=\"interface_name\"/>\n"
        "   <arg type=\"a{sv}\" name=\"changed_properties\"/>\n"
        "   <arg type=\"as\" name=\"invalidated_properties\"/>\n"
        "  </signal>\n"
        " </interface>\n";
static const char object_manager_xml[] =
        " <interface name=\"" OBJECT_MANAGER_INTERFACE "\">\n"
        "  <method name=\"GetManagedObjects\">\n"
        "   <arg type=\"a{oa{sa{sv}}}\" name=\"object_paths_interfaces_and_properties\" "
        "direction=\"out\"/>\n"
        "  </method>\n"
        "  <signal name=\"InterfacesAdded\">\n"
        "   <arg type=\"o\" name=\"object_path\"/>\n"
        "   <arg type=\"a{sa{sv}}\" name=\"interfaces_and_properties\"/>\n"
        "  </signal>\n"
        "  <signal name=\"InterfacesRemoved\">\n"
        "   <arg type=\"o\" name=\"object_path\"/>\n"
        "   <arg type=\"as\" name=\"interfaces\"/>\n"
        "  </signal>\n"
        " </interface>\n";

static int write_machine_node(Machine *machine, void *userdata)
{
        return fprintf(userdata, " <node name=\"%s\"/>\n", machine->record.id) < 0 ? -ENOMEM : 0;
}

/* The next part of the path on the way to the machines, or the machines themselves. */
static void write_children(FILE *out, const BusCall *call)
{
        const char *path = sd_bus_message_get_path(call->message);

        if (streq(path, "/"))
                (void)fputs(" <node name=\"org\"/>\n", out);
        else if (streq(path, "/org"))
                (void)fputs(" <node name=\"vmservice1\"/>\n", out);
        else if (streq(path, VMSERVICE_OBJECT_PATH))
                (void)fputs(" <node name=\"machine\"/>\n", out);
        else if (streq(path, VMSERVICE_MACHINE_PATH_PREFIX))
                (void)manager_each_visible(call->server->manager, call->uid, write_machine_node,
                                           out);
}

int bus_standard_introspect(BusCall *call, BusNode node, sd_bus_message **ret)
{
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        int r;

        if (!out)
                return -ENOMEM;
        (void)fputs(
                "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n"
                "\"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n<node>\n",
                out);
        (void)fputs(peer_xml, out);
        if (node == BUS_NODE_MANAGER || node == BUS_NODE_MACHINE)
                (void)fputs(properties_xml, out);
        if (node == BUS_NODE_MANAGER)
                (void)fputs(object_manager_xml, out);
        if (node == BUS_NODE_MANAGER)
                (void)fputs(manager_interface_xml, out);
        if (node == BUS_NODE_MACHINE)
                (void)fputs(machine_interface_xml, out);
        write_children(out, call);
        (void)fputs("</node>\n", out);
        if (fclose(out) != 0 || !text)
                return -ENOMEM;
        r = sd_bus_message_new_method_return(call->message, ret);
        return r < 0 ? r : sd_bus_message_append(*ret, "s", text);
}

static void fail_property(BusCall *call, const char *name, const char *interface,
                          const char *property)
{
        char escaped[128];
        Problem problem;

        string_escape_into(escaped, sizeof(escaped), property, strlen(property));
        (void)problem_set(&problem, -ENOENT, "%s has no property %s.%s%s",
                          sd_bus_message_get_path(call->message), *interface ? interface : "*",
                          escaped,
                          streq(name, SD_BUS_ERROR_PROPERTY_READ_ONLY) ? " that can be set" : "");
        bus_call_fail_as(call, name, &problem);
}

static int find_property(const BusPropertyInfo *infos, size_t n, const char *name)
{
        for (size_t i = 0; i < n; i++)
                if (streq(infos[i].name, name))
                        return (int)i;
        return -ENOENT;
}

static int node_property(BusNode node, const char *name)
{
        return node == BUS_NODE_MANAGER
                       ? find_property(manager_properties, _MANAGER_PROPERTY_MAX, name)
                       : find_property(machine_properties, _MACHINE_PROPERTY_MAX, name);
}

static int append_variant(BusCall *call, BusNode node, const Machine *machine, int property,
                          sd_bus_message *reply)
{
        const char *signature = node == BUS_NODE_MANAGER ? manager_properties[property].signature
                                                         : machine_properties[property].signature;
        int r;

        r = sd_bus_message_open_container(reply, 'v', signature);
        if (r >= 0)
                r = node == BUS_NODE_MANAGER
                            ? manager_bus_append_property(call->server, reply,
                                                          (ManagerProperty)property)
                            : machine_bus_append_property(machine, reply,
                                                          (MachineProperty)property);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static void get_property(BusCall *call, BusNode node, const Machine *machine, int property)
{
        sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0)
                r = append_variant(call, node, machine, property, reply);
        if (r < 0)
                reply = sd_bus_message_unref(reply);
        bus_call_reply_message(call, reply);
}

static int append_manager_all(BusCall *call, sd_bus_message *reply)
{
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        for (int i = 0; i < _MANAGER_PROPERTY_MAX && r >= 0; i++) {
                r = sd_bus_message_open_container(reply, 'e', "sv");
                if (r >= 0)
                        r = sd_bus_message_append(reply, "s", manager_properties[i].name);
                if (r >= 0)
                        r = append_variant(call, BUS_NODE_MANAGER, NULL, i, reply);
                if (r >= 0)
                        r = sd_bus_message_close_container(reply);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static void get_all_properties(BusCall *call, BusNode node, const Machine *machine, bool own)
{
        sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0 && !own)
                r = sd_bus_message_append(reply, "a{sv}", 0);
        else if (r >= 0)
                r = node == BUS_NODE_MANAGER ? append_manager_all(call, reply)
                                             : machine_bus_append_all(machine, reply);
        if (r < 0)
                reply = sd_bus_message_unref(reply);
        bus_call_reply_message(call, reply);
}

static bool is_standard(const char *interface)
{
        return streq(interface, INTROSPECTABLE_INTERFACE) || streq(interface, PEER_INTERFACE) ||
               streq(interface, PROPERTIES_INTERFACE) || streq(interface, OBJECT_MANAGER_INTERFACE);
}

void bus_standard_properties(BusCall *call, BusNode node, Machine *machine)
{
        const char *member = sd_bus_message_get_member(call->message), *interface, *name = "";
        bool all = streq(member, "GetAll"), own;
        char escaped[128];
        Problem problem;
        int r;

        r = sd_bus_message_read(call->message, "s", &interface);
        if (r > 0 && !all)
                r = sd_bus_message_read(call->message, "s", &name);
        if (r <= 0) {
                bus_call_fail_read(call, r < 0 ? r : -ENXIO);
                return;
        }
        own = *interface == '\0' ||
              streq(interface, node == BUS_NODE_MANAGER ? VMSERVICE_MANAGER_INTERFACE
                                                        : VMSERVICE_MACHINE_INTERFACE);
        if (!own && !is_standard(interface)) {
                string_escape_into(escaped, sizeof(escaped), interface, strlen(interface));
                (void)problem_set(&problem, -ENOENT, "%s has no interface %s",
                                  sd_bus_message_get_path(call->message), escaped);
                bus_call_fail_as(call, SD_BUS_ERROR_UNKNOWN_INTERFACE, &problem);
        } else if (all) {
                get_all_properties(call, node, machine, own);
        } else if (!own || node_property(node, name) < 0) {
                fail_property(call, SD_BUS_ERROR_UNKNOWN_PROPERTY, interface, name);
        } else if (streq(member, "Set")) {
                fail_property(call, SD_BUS_ERROR_PROPERTY_READ_ONLY, interface, name);
        } else {
                get_property(call, node, machine, node_property(node, name));
        }
}

static int append_object(Machine *machine, void *userdata)
{
        sd_bus_message *reply = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'e', "oa{sa{sv}}");
        if (r >= 0)
                r = sd_bus_message_append(reply, "o", machine_bus_path(machine).text);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "{sa{sv}}");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'e', "sa{sv}");
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", VMSERVICE_MACHINE_INTERFACE);
        if (r >= 0)
                r = machine_bus_append_all(machine, reply);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

void bus_standard_managed_objects(BusCall *call)
{
        sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "{oa{sa{sv}}}");
        if (r >= 0)
                r = manager_each_visible(call->server->manager, call->uid, append_object, reply);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r < 0)
                reply = sd_bus_message_unref(reply);
        bus_call_reply_message(call, reply);
}
