/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A writer of ACPI Machine Language (ACPI 6.5 chapter 20) and resource templates (section 6.4), as
 * far as our DSDT needs them. It writes into a buffer of fixed size; what does not fit sets
 * overflow, which is asked once at the end.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Aml {
        uint8_t *data;
        size_t size, used;
        bool overflow;
} Aml;

/* Raw bytes, and little-endian integers of size bytes. */
void aml_bytes(Aml *aml, const void *bytes, size_t size);
void aml_le(Aml *aml, uint64_t value, size_t size);

/* Terms that hold others: what is written between begin and end; mark is what begin returned. */
size_t aml_scope_begin(Aml *aml, const char *path);
size_t aml_device_begin(Aml *aml, const char *name);
size_t aml_method_begin(Aml *aml, const char *name, unsigned n_arguments, bool serialized);
size_t aml_package_begin(Aml *aml, uint8_t n_elements);
size_t aml_if_begin(Aml *aml); /* the predicate is the first term inside */
void aml_end(Aml *aml, size_t mark);

/* Data objects. */
void aml_integer(Aml *aml, uint64_t value);
void aml_string(Aml *aml, const char *text);
void aml_eisa_id(Aml *aml, const char *id); /* "PNP0A08": three capitals, four hexadecimal digits */
void aml_path(Aml *aml, const char *path); /* segments of four characters, "\\" and "." as in ASL */

/* Name (name, ...): the object follows, or is given. */
void aml_name(Aml *aml, const char *name);
void aml_name_integer(Aml *aml, const char *name, uint64_t value);
void aml_name_string(Aml *aml, const char *name, const char *text);
void aml_name_eisa_id(Aml *aml, const char *name, const char *id);

/* Statements and expressions of a method. */
void aml_local(Aml *aml, unsigned index);
void aml_store_to_local(Aml *aml, const char *source, unsigned index);
void aml_and(Aml *aml, unsigned local, uint64_t mask); /* And (Local, mask), the result unstored */
void aml_notify(Aml *aml, const char *device, uint64_t code);

/* An I/O port of 8 bits as a named field. */
void aml_io_byte(Aml *aml, const char *region, const char *field, uint16_t port);

/* Resource templates: begin, descriptors, end. */
typedef struct AmlResources {
        uint8_t data[128];
        Aml aml;
} AmlResources;

void aml_resources_begin(AmlResources *resources);
void aml_resource_io(AmlResources *resources, uint16_t port, uint8_t length);
void aml_resource_interrupt(AmlResources *resources, uint32_t gsi); /* level, active high */
void aml_resource_memory32(AmlResources *resources, uint32_t address, uint32_t length);
void aml_resource_bus_range(AmlResources *resources, uint16_t first, uint16_t last);
void aml_resource_memory_window(AmlResources *resources, uint32_t first, uint32_t last);
void aml_name_resources(Aml *aml, const char *name, AmlResources *resources);
