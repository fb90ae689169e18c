/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-client-private.h"

#include <string.h>

#include "vm-client-json.h"

/**
 * VmClientCapabilities:
 *
 * What the host can do, probed by the daemon and not assumed: AVF's bit mask, and a report in JSON.
 *
 * AVF: `VirtualMachineManager.getCapabilities()`, which knows only the mask.
 */
struct _VmClientCapabilities {
        GObject parent;
        VmClientCapabilityFlags mask;
        char *report;
        GVariant *tree;
};

G_DEFINE_FINAL_TYPE(VmClientCapabilities, vm_client_capabilities, G_TYPE_OBJECT)

typedef enum {
        PROPERTY_MASK = 1,
        PROPERTY_REPORT,
        PROPERTY_HARDWARE_SPEED,
        PROPERTY_SPEED_RATIO,
        N_PROPERTIES,
} Property;

static GParamSpec *properties[N_PROPERTIES];

static void vm_client_capabilities_get_property(GObject *object, guint id, GValue *value,
                                                GParamSpec *pspec)
{
        VmClientCapabilities *capabilities = VM_CLIENT_CAPABILITIES(object);

        switch ((Property)id) {
        case PROPERTY_MASK:
                g_value_set_flags(value, capabilities->mask);
                break;
        case PROPERTY_REPORT:
                g_value_set_string(value, capabilities->report);
                break;
        case PROPERTY_HARDWARE_SPEED:
                g_value_set_boolean(value, vm_client_capabilities_has_hardware_speed(capabilities));
                break;
        case PROPERTY_SPEED_RATIO:
                g_value_set_double(value, vm_client_capabilities_get_speed_ratio(capabilities));
                break;
        case N_PROPERTIES:
        default:
                G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
        }
}

static void vm_client_capabilities_finalize(GObject *object)
{
        VmClientCapabilities *capabilities = VM_CLIENT_CAPABILITIES(object);

        g_free(capabilities->report);
        g_clear_pointer(&capabilities->tree, g_variant_unref);
        G_OBJECT_CLASS(vm_client_capabilities_parent_class)->finalize(object);
}

static void vm_client_capabilities_class_init(VmClientCapabilitiesClass *klass)
{
        GObjectClass *object_class = G_OBJECT_CLASS(klass);

        object_class->get_property = vm_client_capabilities_get_property;
        object_class->finalize = vm_client_capabilities_finalize;

        /**
         * VmClientCapabilities:mask:
         *
         * Which kinds of machine the host can run.
         */
        properties[PROPERTY_MASK] =
                g_param_spec_flags("mask", NULL, NULL, VM_CLIENT_TYPE_CAPABILITY_FLAGS, 0,
                                   G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
        /**
         * VmClientCapabilities:report:
         *
         * The report, as JSON.
         */
        properties[PROPERTY_REPORT] = g_param_spec_string(
                "report", NULL, NULL, "{}", G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
        /**
         * VmClientCapabilities:hardware-speed:
         *
         * Whether guests run at the processor's own speed.
         */
        properties[PROPERTY_HARDWARE_SPEED] = g_param_spec_boolean(
                "hardware-speed", NULL, NULL, FALSE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
        /**
         * VmClientCapabilities:speed-ratio:
         *
         * How many times longer a loop takes in a guest than on the host; 0 if it is not known.
         */
        properties[PROPERTY_SPEED_RATIO] =
                g_param_spec_double("speed-ratio", NULL, NULL, 0, G_MAXDOUBLE, 0,
                                    G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
        g_object_class_install_properties(object_class, N_PROPERTIES, properties);
}

static void vm_client_capabilities_init(VmClientCapabilities *capabilities G_GNUC_UNUSED)
{
}

/* Takes the answer of GetCapabilities apart; an unreadable report is the daemon's fault. */
VmClientCapabilities *client_capabilities_new(guint32 mask, const char *report, GError **error)
{
        g_autoptr(GError) problem = NULL;
        g_autoptr(GVariant) tree = client_json_parse(report, strlen(report), &problem);
        VmClientCapabilities *capabilities;

        if (!tree) {
                g_set_error(error, VM_CLIENT_ERROR, VM_CLIENT_ERROR_INFRASTRUCTURE,
                            "vmserviced's capability report is not JSON (%s): report this bug",
                            problem->message);
                return NULL;
        }
        capabilities = g_object_new(VM_CLIENT_TYPE_CAPABILITIES, NULL);
        capabilities->mask = mask;
        capabilities->report = g_strdup(report);
        capabilities->tree = g_steal_pointer(&tree);
        return capabilities;
}

/**
 * vm_client_capabilities_get_mask:
 * @capabilities: the capabilities
 *
 * Which kinds of machine the host can run. A bit that this library does not know is kept.
 *
 * Returns: AVF's bit mask
 */
VmClientCapabilityFlags vm_client_capabilities_get_mask(VmClientCapabilities *capabilities)
{
        g_return_val_if_fail(VM_CLIENT_IS_CAPABILITIES(capabilities), 0);

        return capabilities->mask;
}

/**
 * vm_client_capabilities_get_report:
 * @capabilities: the capabilities
 *
 * The whole report: KVM, guarantees, monitors, memory and processors. Its form is stated by
 * `capabilities.schema.json`.
 *
 * Returns: (transfer none): JSON
 */
const char *vm_client_capabilities_get_report(VmClientCapabilities *capabilities)
{
        g_return_val_if_fail(VM_CLIENT_IS_CAPABILITIES(capabilities), NULL);

        return capabilities->report;
}

/* One step of a JSON pointer: an array's element or an object's member. */
static GVariant *tree_step(GVariant *tree, const char *token)
{
        guint64 index;

        if (g_variant_is_of_type(tree, G_VARIANT_TYPE_VARDICT))
                return g_variant_lookup_value(tree, token, NULL);
        if (g_variant_is_of_type(tree, G_VARIANT_TYPE("av")) &&
            g_ascii_string_to_unsigned(token, 10, 0, G_MAXUINT32, &index, NULL) &&
            index < g_variant_n_children(tree)) {
                g_autoptr(GVariant) boxed = g_variant_get_child_value(tree, index);

                return g_variant_get_variant(boxed);
        }
        return NULL;
}

/**
 * vm_client_capabilities_lookup:
 * @capabilities: the capabilities
 * @pointer: a JSON pointer (RFC 6901) into the report: `/kvm/api_version`
 *
 * A part of the report. Objects become `a{sv}`, arrays `av`, strings `s`, booleans `b`, numbers
 * `x` (`d` if they have a fraction, `t` beyond 63 bits), and null `mv`.
 *
 * Returns: (transfer full) (nullable): the value; %NULL if the report has none there
 */
GVariant *vm_client_capabilities_lookup(VmClientCapabilities *capabilities, const char *pointer)
{
        g_auto(GStrv) tokens = NULL;
        g_autoptr(GVariant) at = NULL;

        g_return_val_if_fail(VM_CLIENT_IS_CAPABILITIES(capabilities), NULL);
        g_return_val_if_fail(pointer != NULL, NULL);

        at = g_variant_ref(capabilities->tree);
        if (*pointer == '\0')
                return g_steal_pointer(&at);
        if (*pointer != '/')
                return NULL;
        tokens = g_strsplit(pointer + 1, "/", -1);
        for (guint i = 0; tokens[i] && at; i++) {
                g_autoptr(GString) token = g_string_new(tokens[i]);
                GVariant *next;

                /* In this order: "~01" stands for "~1". */
                g_string_replace(token, "~1", "/", 0);
                g_string_replace(token, "~0", "~", 0);
                next = tree_step(at, token->str);
                g_variant_unref(at);
                at = next;
        }
        return g_steal_pointer(&at);
}

/**
 * vm_client_capabilities_has_hardware_speed:
 * @capabilities: the capabilities
 *
 * Whether the host's KVM was seen to run guest code at the processor's own speed. Where it does
 * not (KVM that emulates), a bare payload runs well and Linux may take minutes to boot.
 *
 * Returns: %FALSE also where there is no KVM
 */
gboolean vm_client_capabilities_has_hardware_speed(VmClientCapabilities *capabilities)
{
        g_autoptr(GVariant) value =
                vm_client_capabilities_lookup(capabilities, "/kvm/hardware_speed");

        return value && g_variant_is_of_type(value, G_VARIANT_TYPE_BOOLEAN) &&
               g_variant_get_boolean(value);
}

/**
 * vm_client_capabilities_get_speed_ratio:
 * @capabilities: the capabilities
 *
 * How many times longer the same loop takes in a guest than on the host: about 1 at hardware
 * speed.
 *
 * Returns: the ratio; 0 if it is not known
 */
double vm_client_capabilities_get_speed_ratio(VmClientCapabilities *capabilities)
{
        g_autoptr(GVariant) value = vm_client_capabilities_lookup(capabilities, "/kvm/speed_ratio");

        if (!value)
                return 0;
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_DOUBLE))
                return g_variant_get_double(value);
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_INT64))
                return (double)g_variant_get_int64(value);
        return 0;
}
