/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ACPI tables, as firmware people read them: walked by address from the RSDP, summed, taken
 * apart and put together again by ACPICA's iasl.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/x86_64/acpi-aml.h"
#include "arch/x86_64/acpi.h"
#include "arch/x86_64/layout.h"
#include "check-main.h"
#include "common/cleanup.h"
#include "common/fd.h"
#include "common/string-util.h"

#define ADDRESS 0xe0000ULL

typedef struct Tables {
        uint8_t bytes[LAYOUT_ACPI_SIZE];
        size_t size;
} Tables;

static Tables *build(unsigned n_vcpus)
{
        const AcpiConfig config = {.n_vcpus = n_vcpus};
        Tables *tables = calloc(1, sizeof(*tables));

        ck_assert_ptr_nonnull(tables);
        ck_assert_int_eq(
                acpi_build(&config, ADDRESS, tables->bytes, sizeof(tables->bytes), &tables->size),
                0);
        return tables;
}

static uint64_t le(const uint8_t *bytes, size_t size)
{
        uint64_t value = 0;

        for (size_t i = 0; i < size; i++)
                value |= (uint64_t)bytes[i] << 8 * i;
        return value;
}

static uint8_t sum(const uint8_t *bytes, size_t size)
{
        uint8_t total = 0;

        for (size_t i = 0; i < size; i++)
                total = (uint8_t)(total + bytes[i]);
        return total;
}

/* The table at a guest address, wholly inside what was built, its sum zero. */
static const uint8_t *table_at(const Tables *tables, uint64_t address, uint32_t *ret_length)
{
        uint64_t offset = address - ADDRESS;
        const uint8_t *table = tables->bytes + offset;
        uint32_t length;

        ck_assert_uint_ge(address, ADDRESS);
        ck_assert_uint_le(offset + 36, tables->size);
        length = (uint32_t)le(table + 4, 4);
        ck_assert_uint_ge(length, 36);
        ck_assert_uint_le(offset + length, tables->size);
        ck_assert_uint_eq(sum(table, length), 0);
        *ret_length = length;
        return table;
}

static const uint8_t *find_table(const Tables *tables, const char *signature, uint32_t *ret_length)
{
        const uint8_t *xsdt, *found = NULL;
        uint32_t length;

        xsdt = table_at(tables, le(tables->bytes + 24, 8), &length);
        ck_assert_mem_eq(xsdt, "XSDT", 4);
        if (streq(signature, "XSDT")) {
                *ret_length = length;
                return xsdt;
        }
        for (uint32_t at = 36; at < length; at += 8) {
                const uint8_t *table = table_at(tables, le(xsdt + at, 8), ret_length);

                if (streq(signature, "DSDT") && memcmp(table, "FACP", 4) == 0)
                        table = table_at(tables, le(table + 140, 8), ret_length);
                if (memcmp(table, signature, 4) == 0) {
                        found = table;
                        break;
                }
        }
        ck_assert_msg(found != NULL, "no %s", signature);
        return found;
}

START_TEST(root_pointer)
{
        Tables *tables = build(1);

        ck_assert_mem_eq(tables->bytes, "RSD PTR ", 8);
        ck_assert_uint_eq(sum(tables->bytes, 20), 0);
        ck_assert_uint_eq(sum(tables->bytes, 36), 0);
        ck_assert_uint_eq(tables->bytes[15], 2);
        ck_assert_uint_eq(le(tables->bytes + 20, 4), 36);
        ck_assert_uint_eq(ADDRESS % 16, 0);
        free(tables);
}
END_TEST

static void check_register(const uint8_t *gas, uint64_t port)
{
        ck_assert_uint_eq(gas[0], 1); /* system I/O */
        ck_assert_uint_eq(gas[1], 8);
        ck_assert_uint_eq(gas[2], 0);
        ck_assert_uint_eq(gas[3], 1);
        ck_assert_uint_eq(le(gas + 4, 8), port);
}

START_TEST(fadt)
{
        Tables *tables = build(1);
        uint32_t length, flags;
        const uint8_t *table = find_table(tables, "FACP", &length);

        ck_assert_uint_eq(length, 276);
        ck_assert_uint_eq(table[8], 6);
        flags = (uint32_t)le(table + 112, 4);
        ck_assert_uint_ne(flags & 1U << 20, 0);                   /* HW_REDUCED_ACPI */
        ck_assert_uint_ne(flags & 1U << 10, 0);                   /* RESET_REG_SUP */
        ck_assert_uint_ne(flags & 1U << 4, 0);                    /* no fixed power button */
        ck_assert_uint_eq(le(table + 109, 2), 1U << 2 | 1U << 5); /* no VGA, no CMOS RTC */
        check_register(table + 116, 0x602);
        ck_assert_uint_eq(table[128], 0x42);
        check_register(table + 244, 0x600);
        check_register(table + 256, 0x601);
        ck_assert_uint_eq(le(table + 46, 2), 0); /* no SCI, no SMI, no PM registers */
        for (size_t i = 46; i < 109; i++)
                ck_assert_uint_eq(table[i], 0);
        for (size_t i = 148; i < 244; i++)
                ck_assert_uint_eq(table[i], 0);
        free(tables);
}
END_TEST

typedef struct Madt {
        unsigned n_apics, n_x2apics, n_io_apics, n_overrides, n_nmis;
} Madt;

static Madt parse_madt(const Tables *tables)
{
        Madt madt = {0};
        uint32_t length;
        const uint8_t *table = find_table(tables, "APIC", &length);

        ck_assert_uint_eq(le(table + 36, 4), 0xfee00000);
        ck_assert_uint_eq(le(table + 40, 4), 0);
        for (uint32_t at = 44; at < length; at += table[at + 1]) {
                const uint8_t *entry = table + at;

                ck_assert_uint_ge(entry[1], 2);
                ck_assert_uint_le(at + entry[1], length);
                switch (entry[0]) {
                case 0:
                        ck_assert_uint_eq(entry[3], madt.n_apics);
                        ck_assert_uint_eq(entry[2], madt.n_apics++);
                        ck_assert_uint_eq(le(entry + 4, 4), 1);
                        break;
                case 1:
                        ck_assert_uint_eq(le(entry + 4, 4), 0xfec00000);
                        ck_assert_uint_eq(le(entry + 8, 4), 0);
                        madt.n_io_apics++;
                        break;
                case 2:
                        ck_assert_uint_eq(entry[3], le(entry + 4, 4));
                        ck_assert_uint_eq(le(entry + 8, 2), 0xd);
                        madt.n_overrides++;
                        break;
                case 4:
                        ck_assert_uint_eq(entry[2], 0xff);
                        ck_assert_uint_eq(entry[5], 1);
                        madt.n_nmis++;
                        break;
                case 9:
                        ck_assert_uint_eq(le(entry + 4, 4), madt.n_apics + madt.n_x2apics++);
                        break;
                default:
                        ck_abort_msg("unknown entry %u", entry[0]);
                }
        }
        return madt;
}

START_TEST(processors)
{
        const unsigned counts[] = {1, 2, 3, 254, 255, 256, 300};

        for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
                Tables *tables = build(counts[i]);
                Madt madt = parse_madt(tables);

                ck_assert_uint_eq(madt.n_apics, counts[i] < 255 ? counts[i] : 255);
                ck_assert_uint_eq(madt.n_apics + madt.n_x2apics, counts[i]);
                ck_assert_uint_eq(madt.n_io_apics, 1);
                ck_assert_uint_eq(madt.n_overrides, 2);
                ck_assert_uint_eq(madt.n_nmis, 1);
                free(tables);
        }
}
END_TEST

START_TEST(mcfg)
{
        Tables *tables = build(1);
        uint32_t length;
        const uint8_t *table = find_table(tables, "MCFG", &length);

        ck_assert_uint_eq(length, 60);
        ck_assert_uint_eq(le(table + 44, 8), LAYOUT_ECAM_START);
        ck_assert_uint_eq(le(table + 52, 2), 0);
        ck_assert_uint_eq(table[54], 0);
        ck_assert_uint_eq(table[55], LAYOUT_ECAM_BUSES - 1);
        free(tables);
}
END_TEST

/* The largest machine fits, into its area and into the buffer that acpi_load() reckons with. */
START_TEST(table_area_is_enough)
{
        const unsigned counts[] = {1, 2, 64, 255};

        for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
                const GuestRegion layout = {.size = 0x100000};
                const AcpiConfig config = {.n_vcpus = counts[i]};
                Tables *tables = build(counts[i]);
                uint8_t *loaded = malloc(LAYOUT_ACPI_SIZE);
                GuestMemory *memory = NULL;
                uint64_t rsdp = 0;

                ck_assert_uint_le(tables->size, LAYOUT_ACPI_SIZE);
                ck_assert_int_eq(guest_memory_new(&layout, 1, &memory), 0);
                ck_assert_int_eq(acpi_load(memory, &config, &rsdp), 0);
                ck_assert_uint_eq(rsdp, LAYOUT_ACPI_START);
                ck_assert_int_eq(
                        guest_memory_read(memory, LAYOUT_ACPI_START, loaded, LAYOUT_ACPI_SIZE), 0);
                ck_assert_mem_eq(loaded, tables->bytes, LAYOUT_ACPI_SIZE);
                guest_memory_free(memory);
                free(loaded);
                free(tables);
        }
}
END_TEST

START_TEST(too_small_or_too_many)
{
        AcpiConfig config = {.n_vcpus = 255};
        Tables *tables = build(255);
        uint8_t *buffer;
        size_t size = 77;

        for (size_t room = 0; room < tables->size; room++) {
                buffer = malloc(room + 1); /* of just this size, for sanitizers to watch */
                ck_assert_int_eq(acpi_build(&config, ADDRESS, buffer, room, &size), -ENOSPC);
                free(buffer);
                if (room > 700 && room < tables->size - 700)
                        room += 97;
        }
        config.n_vcpus = 0;
        ck_assert_int_eq(acpi_build(&config, ADDRESS, tables->bytes, sizeof(tables->bytes), &size),
                         -EINVAL);
        config.n_vcpus = 1025;
        ck_assert_int_eq(acpi_build(&config, ADDRESS, tables->bytes, sizeof(tables->bytes), &size),
                         -EINVAL);
        ck_assert_uint_eq(size, 77);
        free(tables);
}
END_TEST

START_TEST(no_memory_for_them)
{
        const GuestRegion layout = {.size = 0xe1000};
        const AcpiConfig config = {.n_vcpus = 255};
        GuestMemory *memory = NULL;
        uint64_t rsdp = 77;

        ck_assert_int_eq(guest_memory_new(&layout, 1, &memory), 0);
        ck_assert_int_eq(acpi_load(memory, &config, &rsdp), -EFAULT);
        ck_assert_uint_eq(rsdp, 77);
        guest_memory_free(memory);
}
END_TEST

/* PkgLength at each change of its width (ACPI 6.5 section 20.2.4). */
START_TEST(package_lengths)
{
        const size_t contents[] = {0, 62, 63, 64, 4092, 4093, 4094, 4095, 70000};

        for (size_t i = 0; i < ARRAY_SIZE(contents); i++) {
                size_t room = contents[i] + 16, n, length;
                uint8_t *buffer = calloc(1, room), *content = calloc(1, contents[i] + 1);
                Aml aml = {.data = buffer, .size = room};
                size_t mark = aml_if_begin(&aml);

                memset(content, 0xa5, contents[i]);
                aml_bytes(&aml, content, contents[i]);
                aml_end(&aml, mark);
                ck_assert(!aml.overflow);
                n = (size_t)(buffer[1] >> 6) + 1;
                length = n == 1 ? buffer[1] : buffer[1] & 0xfU;
                for (size_t byte = 1; byte < n; byte++)
                        length |= (size_t)buffer[1 + byte] << (4 + 8 * (byte - 1));
                ck_assert_uint_eq(length, contents[i] + n);
                ck_assert_uint_eq(aml.used, 1 + length);
                ck_assert_mem_eq(buffer + 1 + n, content, contents[i]);
                free(buffer);
                free(content);
        }
}
END_TEST

static char *work_folder(void)
{
        char *path = strdup("/tmp/vmservice-acpi-XXXXXX");

        ck_assert_ptr_nonnull(path);
        ck_assert_ptr_nonnull(mkdtemp(path));
        return path;
}

/* Runs a command in the folder; its output in *ret_output. Returns its exit code. */
static int run(const char *folder, const char *command, char **ret_output)
{
        _cleanup_free_ char *line = string_format("cd %s && %s 2>&1", folder, command);
        char *output = calloc(1, 1U << 20);
        size_t size = 0, n;
        FILE *pipe;
        int status;

        ck_assert_ptr_nonnull(line);
        ck_assert_ptr_nonnull(output);
        pipe = popen(line, "re");
        ck_assert_ptr_nonnull(pipe);
        while ((n = fread(output + size, 1, (1U << 20) - 1 - size, pipe)) > 0)
                size += n;
        status = pclose(pipe);
        *ret_output = output;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void print_remarks(const char *name, const char *output)
{
        for (const char *at = output; (at = strstr(at, "\nRemark")); at++) {
                const char *end = strchr(at + 1, '\n');

                printf("%s: %.*s\n", name, end ? (int)(end - at - 1) : 0, at + 1);
        }
}

/* Disassembled, then compiled again: neither may find an error or a warning. */
static char *through_iasl(const char *folder, const char *name, const void *table, size_t size)
{
        _cleanup_free_ char *path = string_format("%s/%s.dat", folder, name);
        _cleanup_free_ char *take_apart = string_format(IASL " -d %s.dat", name);
        _cleanup_free_ char *put_together = string_format(IASL " -p again-%s %s.dsl", name, name);
        _cleanup_free_ char *output = NULL, *source_path = string_format("%s/%s.dsl", folder, name);
        char *source = NULL;
        size_t source_size;
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fd_write_full(fd, table, size), 0);
        fd_close(fd);
        ck_assert_msg(run(folder, take_apart, &output) == 0, "%s: %s", name, output);
        ck_assert_msg(!strcasestr(output, "error") && !strcasestr(output, "warning"), "%s: %s",
                      name, output);
        free(TAKE_PTR(output));
        ck_assert_msg(run(folder, put_together, &output) == 0, "%s: %s", name, output);
        ck_assert_msg(strstr(output, "0 Errors, 0 Warnings") != NULL, "%s: %s", name, output);
        print_remarks(name, output);
        ck_assert_int_eq(fd_read_file_at(AT_FDCWD, source_path, 1U << 22, &source, &source_size),
                         0);
        return source;
}

static void check_source(const char *source, const char *const *words)
{
        for (; *words; words++)
                ck_assert_msg(strstr(source, *words) != NULL, "no \"%s\" in the disassembly",
                              *words);
}

static const char *const dsdt_words[] = {
        "Name (\\_S5, Package (0x04)",
        "\"ACPI0007\"",
        "EisaId (\"PNP0501\")",
        "0x03F8,             // Range Minimum",
        "\"QEMU0001\"",
        "0x0505,             // Range Minimum",
        "EisaId (\"PNP0C0C\")",
        "\"ACPI0013\"",
        "OperationRegion (EREG, SystemIO, 0x0604, One)",
        "Method (_EVT, 1, Serialized)",
        "Notify (\\_SB.PWRB, 0x80)",
        "Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive, ,, )",
        "EisaId (\"PNP0A08\") /* PCI Express Bus */",
        "EisaId (\"PNP0A03\") /* PCI Bus */",
        "0x0CF8,             // Range Minimum",
        "WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode",
        "DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite",
        "0xC0000000,         // Range Minimum",
        "0xDFFFFFFF,         // Range Maximum",
        "EisaId (\"PNP0C02\")",
        "0xE0000000,         // Address Base",
        NULL,
};

static void remove_folder(const char *folder)
{
        _cleanup_free_ char *command = string_format("rm -rf %s", folder), *output = NULL;

        ck_assert_int_eq(run("/tmp", command, &output), 0);
}

static void check_tables(unsigned n_vcpus)
{
        static const char *const signatures[] = {"XSDT", "FACP", "APIC", "MCFG", "DSDT"};
        _cleanup_free_ char *folder = work_folder(), *source = NULL;
        Tables *tables = build(n_vcpus);

        for (size_t i = 0; i < ARRAY_SIZE(signatures); i++) {
                uint32_t length;
                const uint8_t *table = find_table(tables, signatures[i], &length);

                free(TAKE_PTR(source));
                source = through_iasl(folder, signatures[i], table, length);
        }
        check_source(source, dsdt_words);
        remove_folder(folder);
        free(tables);
}

/* ACPICA's interpreter, with the event register reading as value. */
static char *interpret(const char *folder, unsigned value, const char *commands)
{
        _cleanup_free_ char *command =
                string_format(ACPIEXEC " -fv %u -b '%s' DSDT.dat", value, commands);
        char *output = NULL;

        ck_assert_ptr_nonnull(command);
        ck_assert_msg(run(folder, command, &output) == 0, "%s", output);
        ck_assert_msg(strstr(output, "ACPI tables successfully acquired") ||
                              strstr(output, "AML tables successfully acquired"),
                      "%s", output);
        ck_assert_msg(!strstr(output, "ACPI Error") && !strstr(output, "ACPI Exception") &&
                              !strstr(output, "ACPI Warning"),
                      "%s", output);
        return output;
}

START_TEST(interpreter_runs_it)
{
        const char *pressed = "Device Notify on [PWRB]";
        _cleanup_free_ char *folder = work_folder(), *output = NULL;
        _cleanup_free_ char *path = string_format("%s/DSDT.dat", folder);
        Tables *tables = build(3);
        uint32_t length;
        const uint8_t *table = find_table(tables, "DSDT", &length);
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fd_write_full(fd, table, length), 0);
        fd_close(fd);
        output = interpret(folder, 1, "evaluate \\_SB.GED._EVT 5");
        ck_assert_msg(strstr(output, pressed) != NULL, "%s", output);
        free(TAKE_PTR(output));
        output = interpret(folder, 0xfe, "evaluate \\_SB.GED._EVT 5");
        ck_assert_msg(strstr(output, pressed) == NULL, "%s", output);
        free(TAKE_PTR(output));
        output = interpret(folder, 0, "evaluate \\_S5; evaluate \\_SB.C002._UID");
        ck_assert_msg(strstr(output, "Contains 4 Elements") != NULL, "%s", output);
        ck_assert_msg(strstr(output, "[Integer] = 0000000000000002") != NULL, "%s", output);
        remove_folder(folder);
        free(tables);
}
END_TEST

START_TEST(iasl_has_nothing_to_say_for_one)
{
        check_tables(1);
}
END_TEST

START_TEST(iasl_has_nothing_to_say_for_255)
{
        check_tables(255);
}
END_TEST

CHECK_MAIN("acpi", {"rsdp", root_pointer}, {"fadt", fadt}, {"madt", processors}, {"mcfg", mcfg},
           {"area", table_area_is_enough}, {"bounds", too_small_or_too_many},
           {"memory", no_memory_for_them}, {"package-length", package_lengths},
           {"iasl-1", iasl_has_nothing_to_say_for_one},
           {"iasl-255", iasl_has_nothing_to_say_for_255}, {"acpiexec", interpreter_runs_it});
