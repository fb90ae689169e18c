/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* show: properties for programs. */

#include <stdio.h>

#include "common/cleanup.h"
#include "common/string-util.h"
#include "vmctl/connect.h"
#include "vmctl/message.h"
#include "vmctl/output.h"
#include "vmctl/properties.h"

/* An unknown name is refused: a script that asks for it would go on with nothing. */
static int unknown_property(const Context *context, const char *name)
{
        g_autofree const char **names = g_new(const char *, property_count);
        const char *nearest;

        for (size_t i = 0; i < property_count; i++)
                names[i] = property_table[i].name;
        nearest = string_nearest(name, names, property_count);
        if (nearest)
                message_error("unknown property \"%s\". Did you mean \"%s\"?", name, nearest);
        else
                message_error("unknown property \"%s\". \"%s show NAME\" lists them.", name,
                              context->command);
        return VMCTL_USAGE;
}

/* The properties that were asked for, or all. 0 or an exit code. */
static int choose(const Context *context, GPtrArray *chosen)
{
        const OptionValues *values = &context->invocation->options[OPTION_PROPERTY];

        for (size_t i = 0; i < values->count; i++) {
                g_auto(GStrv) names = g_strsplit(values->values[i], ",", -1);

                if (!*names) /* of an empty text */
                        return unknown_property(context, "");
                for (char **name = names; *name; name++) {
                        const Property *property = property_find(*name);

                        if (!property)
                                return unknown_property(context, *name);
                        g_ptr_array_add(chosen, (gpointer)property);
                }
        }
        for (size_t i = 0; values->count == 0 && i < property_count; i++)
                g_ptr_array_add(chosen, (gpointer)&property_table[i]);
        return 0;
}

static void show_text(const Context *context, const GPtrArray *chosen, VmClientMachine *machine)
{
        for (guint i = 0; i < chosen->len; i++) {
                const Property *property = g_ptr_array_index(chosen, i);
                g_autofree char *text = property_to_text(property, machine);
                _cleanup_free_ char *clean = string_escape(text, strlen(text));

                if (!invocation_has(context->invocation, OPTION_VALUE))
                        printf("%s=", property->name);
                puts(clean ? clean : "");
        }
}

static json_object *to_json(const GPtrArray *chosen, VmClientMachine *machine)
{
        json_object *object = json_object_new_object();

        for (guint i = 0; i < chosen->len; i++) {
                const Property *property = g_ptr_array_index(chosen, i);

                json_object_object_add(object, property->name, property->get(machine));
        }
        return object;
}

static void show_machine(const Context *context, const GPtrArray *chosen, VmClientMachine *machine,
                         json_object *all)
{
        switch (context->format) {
        case OUTPUT_TABLE:
                show_text(context, chosen, machine);
                break;
        case OUTPUT_NAME:
                puts(vm_client_machine_get_name(machine));
                break;
        case OUTPUT_JSONL: {
                json_object *object = to_json(chosen, machine);

                output_json(object, OUTPUT_JSONL);
                json_object_put(object);
                break;
        }
        case OUTPUT_JSON:
                json_object_array_add(all, to_json(chosen, machine));
                break;
        }
}

int verb_show(const Context *context)
{
        g_autoptr(GPtrArray) chosen = g_ptr_array_new();
        g_autoptr(VmClientManager) manager = NULL;
        json_object *all;
        int code = choose(context, chosen);

        if (code != 0)
                return code;
        manager = connect_manager(context);
        if (!manager)
                return VMCTL_FAILURE;
        all = json_object_new_array();
        for (size_t i = 0; i < context->invocation->n_args; i++) {
                g_autoptr(VmClientMachine) machine = NULL;
                int r = VMCTL_OK;

                machine = connect_machine(context, manager, context->invocation->args[i], &r);
                code = worse_exit(code, r);
                if (!machine)
                        continue;
                if (i > 0 && context->format == OUTPUT_TABLE && context->legend)
                        puts("");
                show_machine(context, chosen, machine, all);
        }
        if (context->format == OUTPUT_JSON)
                output_json(all, OUTPUT_JSON);
        json_object_put(all);
        return code;
}
