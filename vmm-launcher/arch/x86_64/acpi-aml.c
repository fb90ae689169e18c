/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arch/x86_64/acpi-aml.h"

#include <string.h>

/* ACPI 6.5 section 20.3, table 20.4 */
#define OP_NAME       0x08U
#define OP_BYTE       0x0aU
#define OP_WORD       0x0bU
#define OP_DWORD      0x0cU
#define OP_STRING     0x0dU
#define OP_QWORD      0x0eU
#define OP_SCOPE      0x10U
#define OP_BUFFER     0x11U
#define OP_PACKAGE    0x12U
#define OP_METHOD     0x14U
#define OP_DUAL_NAME  0x2eU
#define OP_MULTI_NAME 0x2fU
#define OP_EXTENDED   0x5bU
#define OP_LOCAL0     0x60U
#define OP_STORE      0x70U
#define OP_AND        0x7bU
#define OP_NOTIFY     0x86U
#define OP_IF         0xa0U
#define EXT_OP_REGION 0x80U
#define EXT_OP_FIELD  0x81U
#define EXT_OP_DEVICE 0x82U

#define NAME_SEGMENT      4U
#define METHOD_SERIALIZED 0x08U
#define REGION_SYSTEM_IO  0x01U
#define FIELD_BYTE_ACCESS 0x01U /* AccessType 1, no lock, preserve */

void aml_bytes(Aml *aml, const void *bytes, size_t size)
{
        if (aml->overflow || size > aml->size - aml->used) {
                aml->overflow = true;
                return;
        }
        memcpy(aml->data + aml->used, bytes, size);
        aml->used += size;
}

void aml_le(Aml *aml, uint64_t value, size_t size)
{
        if (aml->overflow || size > aml->size - aml->used) {
                aml->overflow = true;
                return;
        }
        for (size_t i = 0; i < size; i++)
                aml->data[aml->used++] = (uint8_t)(value >> (8 * i));
}

static void aml_op(Aml *aml, uint8_t op)
{
        if (aml->overflow || aml->used == aml->size)
                aml->overflow = true;
        else
                aml->data[aml->used++] = op;
}

static void aml_extended_op(Aml *aml, uint8_t op)
{
        aml_op(aml, OP_EXTENDED);
        aml_op(aml, op);
}

/*
 * PkgLength, section 20.2.4: counts itself and all up to the end of its term. One byte holds 6
 * bits; more bytes hold 4 bits in the first, which has their number in its upper two, and 8 in each
 * other.
 */
void aml_end(Aml *aml, size_t mark)
{
        uint8_t bytes[4];
        size_t content, total, n = 1;

        if (aml->overflow)
                return;
        content = aml->used - mark;
        while (content + n >= (n == 1 ? 1U << 6 : 1U << (4 + 8 * (n - 1))) && n < sizeof(bytes))
                n++;
        total = content + n;
        bytes[0] = (uint8_t)(n == 1 ? total : ((n - 1) << 6 | (total & 0x0f)));
        for (size_t i = 1; i < n; i++)
                bytes[i] = (uint8_t)(total >> (4 + 8 * (i - 1)));
        if (n > aml->size - aml->used) {
                aml->overflow = true;
                return;
        }
        memmove(aml->data + mark + n, aml->data + mark, content);
        memcpy(aml->data + mark, bytes, n);
        aml->used += n;
}

void aml_path(Aml *aml, const char *path)
{
        size_t n_segments;

        if (*path == '\\') {
                aml_op(aml, (uint8_t)'\\');
                path++;
        }
        n_segments = (strlen(path) + 1) / (NAME_SEGMENT + 1);
        if (n_segments == 2) {
                aml_op(aml, OP_DUAL_NAME);
        } else if (n_segments > 2) {
                aml_op(aml, OP_MULTI_NAME);
                aml_op(aml, (uint8_t)n_segments);
        }
        for (size_t i = 0; i < n_segments; i++)
                aml_bytes(aml, path + i * (NAME_SEGMENT + 1), NAME_SEGMENT);
}

size_t aml_scope_begin(Aml *aml, const char *path)
{
        size_t mark;

        aml_op(aml, OP_SCOPE);
        mark = aml->used;
        aml_path(aml, path);
        return mark;
}

size_t aml_device_begin(Aml *aml, const char *name)
{
        size_t mark;

        aml_extended_op(aml, EXT_OP_DEVICE);
        mark = aml->used;
        aml_path(aml, name);
        return mark;
}

size_t aml_method_begin(Aml *aml, const char *name, unsigned n_arguments, bool serialized)
{
        size_t mark;

        aml_op(aml, OP_METHOD);
        mark = aml->used;
        aml_path(aml, name);
        aml_op(aml, (uint8_t)(n_arguments | (serialized ? METHOD_SERIALIZED : 0)));
        return mark;
}

size_t aml_package_begin(Aml *aml, uint8_t n_elements)
{
        size_t mark;

        aml_op(aml, OP_PACKAGE);
        mark = aml->used;
        aml_op(aml, n_elements);
        return mark;
}

size_t aml_if_begin(Aml *aml)
{
        aml_op(aml, OP_IF);
        return aml->used;
}

void aml_integer(Aml *aml, uint64_t value)
{
        if (value <= 1) {
                aml_op(aml, (uint8_t)value); /* ZeroOp, OneOp */
        } else if (value <= UINT8_MAX) {
                aml_op(aml, OP_BYTE);
                aml_le(aml, value, 1);
        } else if (value <= UINT16_MAX) {
                aml_op(aml, OP_WORD);
                aml_le(aml, value, 2);
        } else if (value <= UINT32_MAX) {
                aml_op(aml, OP_DWORD);
                aml_le(aml, value, 4);
        } else {
                aml_op(aml, OP_QWORD);
                aml_le(aml, value, 8);
        }
}

void aml_string(Aml *aml, const char *text)
{
        aml_op(aml, OP_STRING);
        aml_bytes(aml, text, strlen(text) + 1);
}

static uint32_t hex_digit(char c)
{
        return (uint32_t)(c <= '9' ? c - '0' : c - 'A' + 10);
}

/* Section 19.3.4: five bits a letter, then the digits, most significant byte first. */
void aml_eisa_id(Aml *aml, const char *id)
{
        uint32_t value = (uint32_t)(id[0] - '@') << 26 | (uint32_t)(id[1] - '@') << 21 |
                         (uint32_t)(id[2] - '@') << 16 | hex_digit(id[3]) << 12 |
                         hex_digit(id[4]) << 8 | hex_digit(id[5]) << 4 | hex_digit(id[6]);

        aml_op(aml, OP_DWORD);
        aml_le(aml, __builtin_bswap32(value), 4);
}

void aml_name(Aml *aml, const char *name)
{
        aml_op(aml, OP_NAME);
        aml_path(aml, name);
}

void aml_name_integer(Aml *aml, const char *name, uint64_t value)
{
        aml_name(aml, name);
        aml_integer(aml, value);
}

void aml_name_string(Aml *aml, const char *name, const char *text)
{
        aml_name(aml, name);
        aml_string(aml, text);
}

void aml_name_eisa_id(Aml *aml, const char *name, const char *id)
{
        aml_name(aml, name);
        aml_eisa_id(aml, id);
}

void aml_local(Aml *aml, unsigned index)
{
        aml_op(aml, (uint8_t)(OP_LOCAL0 + index));
}

void aml_store_to_local(Aml *aml, const char *source, unsigned index)
{
        aml_op(aml, OP_STORE);
        aml_path(aml, source);
        aml_local(aml, index);
}

void aml_and(Aml *aml, unsigned local, uint64_t mask)
{
        aml_op(aml, OP_AND);
        aml_local(aml, local);
        aml_integer(aml, mask);
        aml_op(aml, 0); /* NullName: no target */
}

void aml_notify(Aml *aml, const char *device, uint64_t code)
{
        aml_op(aml, OP_NOTIFY);
        aml_path(aml, device);
        aml_integer(aml, code);
}

void aml_io_byte(Aml *aml, const char *region, const char *field, uint16_t port)
{
        size_t mark;

        aml_extended_op(aml, EXT_OP_REGION);
        aml_path(aml, region);
        aml_op(aml, REGION_SYSTEM_IO);
        aml_integer(aml, port);
        aml_integer(aml, 1);

        aml_extended_op(aml, EXT_OP_FIELD);
        mark = aml->used;
        aml_path(aml, region);
        aml_op(aml, FIELD_BYTE_ACCESS);
        aml_path(aml, field);
        aml_op(aml, 8); /* bits, as a PkgLength of one byte */
        aml_end(aml, mark);
}

void aml_resources_begin(AmlResources *resources)
{
        resources->aml = (Aml){.data = resources->data, .size = sizeof(resources->data)};
}

/* Section 6.4.2.5: decodes 16 bits. */
void aml_resource_io(AmlResources *resources, uint16_t port, uint8_t length)
{
        Aml *aml = &resources->aml;

        aml_op(aml, 0x47);
        aml_op(aml, 0x01);
        aml_le(aml, port, 2);
        aml_le(aml, port, 2);
        aml_op(aml, 1); /* alignment */
        aml_op(aml, length);
}

/* Section 6.4.3.6: consumer, level, active high, exclusive. */
void aml_resource_interrupt(AmlResources *resources, uint32_t gsi)
{
        Aml *aml = &resources->aml;

        aml_op(aml, 0x89);
        aml_le(aml, 6, 2);
        aml_op(aml, 0x01);
        aml_op(aml, 1);
        aml_le(aml, gsi, 4);
}

/* Section 6.4.3.4: fixed, writable. */
void aml_resource_memory32(AmlResources *resources, uint32_t address, uint32_t length)
{
        Aml *aml = &resources->aml;

        aml_op(aml, 0x86);
        aml_le(aml, 9, 2);
        aml_op(aml, 0x01);
        aml_le(aml, address, 4);
        aml_le(aml, length, 4);
}

/* Section 6.4.3.5: address space descriptors of what a bridge produces, minimum and maximum fixed.
 */
static void aml_resource_window(AmlResources *resources, uint8_t tag, uint8_t type, uint8_t flags,
                                uint64_t first, uint64_t last, size_t width)
{
        Aml *aml = &resources->aml;

        aml_op(aml, tag);
        aml_le(aml, 3 + 5 * width, 2);
        aml_op(aml, type);
        aml_op(aml, 0x0c); /* _MIF, _MAF, positive decode, producer */
        aml_op(aml, flags);
        aml_le(aml, 0, width); /* granularity */
        aml_le(aml, first, width);
        aml_le(aml, last, width);
        aml_le(aml, 0, width); /* translation */
        aml_le(aml, last - first + 1, width);
}

void aml_resource_bus_range(AmlResources *resources, uint16_t first, uint16_t last)
{
        aml_resource_window(resources, 0x88, 2, 0, first, last, 2);
}

void aml_resource_memory_window(AmlResources *resources, uint32_t first, uint32_t last)
{
        aml_resource_window(resources, 0x87, 0, 0x01 /* writable, not cacheable */, first, last, 4);
}

void aml_name_resources(Aml *aml, const char *name, AmlResources *resources)
{
        static const uint8_t end_tag[] = {0x79, 0x00}; /* section 6.4.2.9; checksum 0: none */
        size_t mark;

        aml_bytes(&resources->aml, end_tag, sizeof(end_tag));
        aml->overflow |= resources->aml.overflow;
        aml_name(aml, name);
        aml_op(aml, OP_BUFFER);
        mark = aml->used;
        aml_integer(aml, resources->aml.used);
        aml_bytes(aml, resources->data, resources->aml.used);
        aml_end(aml, mark);
}
