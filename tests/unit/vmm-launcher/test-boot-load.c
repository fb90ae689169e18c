/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* arch_boot_load() on x86-64: what the guest finds in its memory. */

#include <errno.h>

#include "arch/arch.h"
#include "arch/x86_64/boot-e820.h"
#include "arch/x86_64/boot-pvh.h"
#include "arch/x86_64/entry.h"
#include "boot-test.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

static GuestMemory *machine_memory(uint64_t low, uint64_t high)
{
        const GuestRegion layout[] = {{.address = 0, .size = low},
                                      {.address = LAYOUT_RAM_HIGH_START, .size = high}};
        GuestMemory *memory = NULL;

        ck_assert_int_eq(guest_memory_new(layout, high > 0 ? 2 : 1, &memory), 0);
        return memory;
}

static const void *low_bytes(const GuestMemory *memory, uint64_t address)
{
        const GuestRegion *regions;

        (void)guest_memory_regions(memory, &regions);
        return (const char *)regions[0].host + address;
}

static void check_map(const GuestMemory *memory, const E820Entry *expected, size_t n_expected)
{
        E820Entry map[E820_MAX];
        size_t n = e820_build(memory, map);
        uint64_t end = 0;

        ck_assert_uint_eq(n, n_expected);
        for (size_t i = 0; i < n; i++) {
                ck_assert_uint_ge(map[i].address, end);
                ck_assert_uint_eq(map[i].address, expected[i].address);
                ck_assert_uint_eq(map[i].size, expected[i].size);
                ck_assert_uint_eq(map[i].type, expected[i].type);
                end = map[i].address + map[i].size;
        }
}

START_TEST(memory_map)
{
        const E820Entry small[] = {
                {0, 0x9fc00, E820_RAM},           {0x9fc00, 0x400, E820_RESERVED},
                {0xe0000, 0x20000, E820_ACPI},    {0x100000, 127 * MIB, E820_RAM},
                {0xe0000000, MIB, E820_RESERVED}, {0xfeffc000, 0x4000, E820_RESERVED},
        };
        const E820Entry large[] = {
                {0, 0x9fc00, E820_RAM},           {0x9fc00, 0x400, E820_RESERVED},
                {0xe0000, 0x20000, E820_ACPI},    {0x100000, 3 * GIB - MIB, E820_RAM},
                {0xe0000000, MIB, E820_RESERVED}, {0xfeffc000, 0x4000, E820_RESERVED},
                {4 * GIB, 5 * GIB, E820_RAM},
        };
        GuestMemory *memory = machine_memory(128 * MIB, 0);

        check_map(memory, small, ARRAY_SIZE(small));
        guest_memory_free(memory);
        memory = machine_memory(3 * GIB, 5 * GIB);
        check_map(memory, large, ARRAY_SIZE(large));
        guest_memory_free(memory);
}
END_TEST

typedef struct Load {
        GuestMemory *memory;
        BootImage image;
        BootProblem problem;
        uint64_t params;
        int result;
} Load;

static Load boot(uint64_t low, uint64_t high, const void *kernel, size_t kernel_size,
                 size_t initrd_size, const char *cmdline)
{
        Load load = {.memory = machine_memory(low, high)};
        ArchBootInput input = {
                .memory = load.memory, .initrd_fd = -1, .cmdline = cmdline, .n_vcpus = 2};

        input.kernel_fd = image_fd(kernel, kernel_size);
        if (initrd_size > 0) {
                input.initrd_fd = memfd_create("initrd", MFD_CLOEXEC);
                ck_assert_int_eq(ftruncate(input.initrd_fd, (off_t)initrd_size), 0);
                ck_assert_int_eq(pwrite(input.initrd_fd, "IRD", 3, 0), 3);
        }
        load.result = arch_boot_load(&input, &load.image, &load.params, &load.problem);
        if (load.result < 0)
                check_problem(&load.problem);
        fd_close(input.kernel_fd);
        fd_close(input.initrd_fd);
        return load;
}

START_TEST(pvh_start_info)
{
        TestElf elf = test_elf();
        Load load = boot(128 * MIB, 0, &elf, sizeof(elf), 10000, "hello=1");
        const struct hvm_start_info *info;
        const struct hvm_modlist_entry *module;
        const struct hvm_memmap_table_entry *map;
        char initrd[4] = {0};

        ck_assert_int_eq(load.result, 0);
        ck_assert_uint_eq(load.params, LAYOUT_ZERO_PAGE);
        info = low_bytes(load.memory, load.params);
        ck_assert_uint_eq(info->magic, 0x336ec578);
        ck_assert_uint_eq(info->version, 1);
        ck_assert_uint_eq(info->flags, 0);
        ck_assert_uint_eq(info->nr_modules, 1);
        ck_assert_str_eq(low_bytes(load.memory, info->cmdline_paddr), "hello=1");
        ck_assert_mem_eq(low_bytes(load.memory, info->rsdp_paddr), "RSD PTR ", 8);
        module = low_bytes(load.memory, info->modlist_paddr);
        ck_assert_uint_eq(module->paddr, 128 * MIB - 12288);
        ck_assert_uint_eq(module->size, 10000);
        ck_assert_int_eq(guest_memory_read(load.memory, module->paddr, initrd, 3), 0);
        ck_assert_str_eq(initrd, "IRD");
        map = low_bytes(load.memory, info->memmap_paddr);
        ck_assert_uint_eq(info->memmap_entries, 6);
        ck_assert_uint_eq(map[0].addr, 0);
        ck_assert_uint_eq(map[0].size, 0x9fc00);
        ck_assert_uint_eq(map[3].addr, 0x100000);
        ck_assert_uint_eq(map[3].size, 127 * MIB);
        ck_assert_uint_eq(map[3].type, E820_RAM);
        guest_memory_free(load.memory);
        /* No initrd, no command line: no module, an empty string. */
        load = boot(2 * MIB, 0, &elf, sizeof(elf), 0, NULL);
        ck_assert_int_eq(load.result, 0);
        info = low_bytes(load.memory, load.params);
        ck_assert_uint_eq(info->nr_modules, 0);
        ck_assert_str_eq(low_bytes(load.memory, info->cmdline_paddr), "");
        guest_memory_free(load.memory);
}
END_TEST

START_TEST(linux_zero_page)
{
        TestBzImage file = test_bzimage();
        Load load = boot(128 * MIB, 0, &file, sizeof(file), 10000, "console=ttyS0");
        const struct boot_params *zero_page;

        ck_assert_int_eq(load.result, 0);
        zero_page = low_bytes(load.memory, load.params);
        ck_assert_uint_eq(zero_page->hdr.boot_flag, 0xaa55);
        ck_assert_uint_eq(zero_page->hdr.header, 0x53726448);
        ck_assert_uint_eq(zero_page->hdr.version, 0x020f);
        ck_assert_uint_eq(zero_page->hdr.init_size, TEST_BZ_INIT);
        ck_assert_uint_eq(zero_page->hdr.type_of_loader, 0xff);
        ck_assert_uint_eq(zero_page->hdr.setup_data, 0);
        ck_assert_str_eq(low_bytes(load.memory, zero_page->hdr.cmd_line_ptr), "console=ttyS0");
        ck_assert_uint_eq(zero_page->ext_cmd_line_ptr, 0);
        ck_assert_uint_eq(zero_page->hdr.ramdisk_image, 128 * MIB - 12288);
        ck_assert_uint_eq(zero_page->hdr.ramdisk_size, 10000);
        ck_assert_uint_eq(zero_page->ext_ramdisk_image, 0);
        ck_assert_uint_eq(zero_page->acpi_rsdp_addr, LAYOUT_ACPI_START);
        ck_assert_uint_eq(zero_page->e820_entries, 6);
        ck_assert_uint_eq(zero_page->e820_table[3].addr, 0x100000);
        ck_assert_uint_eq(zero_page->e820_table[3].size, 127 * MIB);
        guest_memory_free(load.memory);
}
END_TEST

/* A header with values that the loader owns must not pass them to the kernel. */
START_TEST(zero_page_is_the_loaders)
{
        TestBzImage file = test_bzimage();
        const struct boot_params *zero_page;
        struct setup_header *header = test_bzimage_header(&file);
        Load load;

        file.bytes[0x201] = 0xff; /* the header claims to reach beyond its place */
        memset(file.bytes + 0x26c, 0x41, 0x180);
        header->ramdisk_image = header->ramdisk_size = header->cmd_line_ptr = 0x41414141;
        header->loadflags |= CAN_USE_HEAP;
        load = boot(16 * MIB, 0, &file, sizeof(file), 0, NULL);
        ck_assert_int_eq(load.result, 0);
        ck_assert_uint_eq(load.image.setup_header_size, 0x290 - TEST_BZ_HEADER);
        zero_page = low_bytes(load.memory, load.params);
        ck_assert_uint_eq(zero_page->hdr.ramdisk_image, 0);
        ck_assert_uint_eq(zero_page->hdr.ramdisk_size, 0);
        ck_assert_uint_eq(zero_page->hdr.cmd_line_ptr, LAYOUT_CMDLINE);
        ck_assert_uint_eq(zero_page->hdr.loadflags & CAN_USE_HEAP, 0);
        ck_assert_uint_eq(zero_page->edd_mbr_sig_buffer[0], 0);
        ck_assert_uint_eq(zero_page->e820_entries, 6);
        guest_memory_free(load.memory);
}
END_TEST

START_TEST(large_memory)
{
        TestBzImage file = test_bzimage();
        Load load = boot(3 * GIB, 3 * GIB, &file, sizeof(file), 10000, "");
        const struct boot_params *zero_page;

        ck_assert_int_eq(load.result, 0);
        zero_page = low_bytes(load.memory, load.params);
        ck_assert_uint_eq(zero_page->hdr.ramdisk_image, 3 * GIB - 12288);
        ck_assert_uint_eq(zero_page->e820_entries, 7);
        ck_assert_uint_eq(zero_page->e820_table[6].addr, 4 * GIB);
        ck_assert_uint_eq(zero_page->e820_table[6].size, 3 * GIB);
        guest_memory_free(load.memory);
}
END_TEST

/* An initrd with no room below goes above 4 GiB, if the kernel says that it can take it there. */
START_TEST(initrd_above_4_gib)
{
        TestBzImage file = test_bzimage();
        const struct boot_params *zero_page;
        char initrd[4] = {0};
        Load load = boot(8 * MIB, 16 * MIB, &file, sizeof(file), 6 * MIB, "");

        ck_assert_int_eq(load.result, 0);
        zero_page = low_bytes(load.memory, load.params);
        ck_assert_uint_eq(zero_page->hdr.ramdisk_image, 10 * MIB);
        ck_assert_uint_eq(zero_page->ext_ramdisk_image, 1);
        ck_assert_int_eq(guest_memory_read(load.memory, 4 * GIB + 10 * MIB, initrd, 3), 0);
        ck_assert_str_eq(initrd, "IRD");
        guest_memory_free(load.memory);
        test_bzimage_header(&file)->xloadflags = XLF_KERNEL_64;
        load = boot(8 * MIB, 16 * MIB, &file, sizeof(file), 6 * MIB, "");
        ck_assert_int_eq(load.result, -EFAULT);
        guest_memory_free(load.memory);
        test_bzimage_header(&file)->xloadflags |= XLF_CAN_BE_LOADED_ABOVE_4G;
        load = boot(8 * MIB, 4 * MIB, &file, sizeof(file), 6 * MIB, "");
        ck_assert_int_eq(load.result, -EFAULT);
        guest_memory_free(load.memory);
}
END_TEST

static uint64_t table_entry(const GuestMemory *memory, uint64_t table, uint64_t index)
{
        uint64_t entry = 0;

        ck_assert_int_eq(guest_memory_read(memory, table + index * 8, &entry, 8), 0);
        return entry;
}

/* As a processor walks them: every 2 MiB of the first 4 GiB onto itself. */
START_TEST(identity_map)
{
        TestBzImage file = test_bzimage();
        Load load = boot(16 * MIB, 0, &file, sizeof(file), 0, "");

        ck_assert_int_eq(load.result, 0);
        for (uint64_t address = 0; address < 4 * GIB; address += 2 * MIB) {
                uint64_t pml4e = table_entry(load.memory, ENTRY_PML4, address >> 39 & 511);
                uint64_t pdpte = table_entry(load.memory, pml4e & ~0xfffULL, address >> 30 & 511);
                uint64_t pde = table_entry(load.memory, pdpte & ~0xfffULL, address >> 21 & 511);

                ck_assert_uint_eq(pml4e & 0xfff, 3);
                ck_assert_uint_eq(pdpte & 0xfff, 3);
                ck_assert_uint_eq(pde, address | 0x83);
        }
        ck_assert_uint_eq(table_entry(load.memory, ENTRY_PML4, 1), 0);
        ck_assert_uint_eq(table_entry(load.memory, ENTRY_PML4 + 4096, 4), 0);
        ck_assert_uint_eq(table_entry(load.memory, LAYOUT_GDT, 2), 0x00af9b000000ffff);
        ck_assert_uint_eq(table_entry(load.memory, LAYOUT_GDT, 3), 0x00cf93000000ffff);
        guest_memory_free(load.memory);
}
END_TEST

/* Where a guest lands that reboots by a jump to the BIOS: as an assembler writes it. */
START_TEST(reset_vector)
{
        static const uint8_t code[] = {0xba, 0x02, 0x06, 0xb0, 0x42, 0xee, 0xfa, 0xf4, 0xeb, 0xfd};
        TestElf elf = test_elf();
        Load load = boot(16 * MIB, 0, &elf, sizeof(elf), 0, "");

        ck_assert_int_eq(load.result, 0);
        ck_assert_mem_eq(low_bytes(load.memory, 0xffff0), code, sizeof(code));
        guest_memory_free(load.memory);
}
END_TEST

START_TEST(command_line_as_long_as_the_kernel_takes)
{
        TestBzImage file = test_bzimage();
        TestElf elf = test_elf();
        char *cmdline = malloc(70000);
        Load load;

        memset(cmdline, 'x', 70000);
        cmdline[2047] = '\0';
        load = boot(16 * MIB, 0, &file, sizeof(file), 0, cmdline);
        ck_assert_int_eq(load.result, 0);
        ck_assert_str_eq(low_bytes(load.memory, LAYOUT_CMDLINE), cmdline);
        guest_memory_free(load.memory);
        cmdline[2047] = 'x';
        cmdline[2048] = '\0';
        load = boot(16 * MIB, 0, &file, sizeof(file), 0, cmdline);
        ck_assert_int_eq(load.result, -E2BIG);
        ck_assert_ptr_nonnull(strstr(load.problem.message, "at most 2047"));
        guest_memory_free(load.memory);
        /* A bare payload takes all that there is room for. */
        cmdline[2048] = 'x';
        cmdline[65535] = '\0';
        load = boot(16 * MIB, 0, &elf, sizeof(elf), 0, cmdline);
        ck_assert_int_eq(load.result, 0);
        ck_assert_str_eq(low_bytes(load.memory, LAYOUT_CMDLINE), cmdline);
        guest_memory_free(load.memory);
        cmdline[65535] = 'x';
        cmdline[65536] = '\0';
        load = boot(16 * MIB, 0, &elf, sizeof(elf), 0, cmdline);
        ck_assert_int_eq(load.result, -E2BIG);
        guest_memory_free(load.memory);
        free(cmdline);
}
END_TEST

START_TEST(too_little_memory)
{
        TestElf elf = test_elf();
        TestBzImage file = test_bzimage();
        Load load = boot(1 * MIB, 0, &elf, sizeof(elf), 0, "");

        ck_assert_int_eq(load.result, -EFAULT);
        guest_memory_free(load.memory);
        load = boot(3 * MIB, 0, &file, sizeof(file), 0, "");
        ck_assert_int_eq(load.result, -EFAULT);
        ck_assert_ptr_nonnull(strstr(load.problem.message, "memory_mib"));
        guest_memory_free(load.memory);
}
END_TEST

/* A reset loads again into memory that was used. */
START_TEST(loads_twice)
{
        TestElf elf = test_elf();
        GuestMemory *memory = machine_memory(4 * MIB, 0);
        ArchBootInput input = {.memory = memory, .initrd_fd = -1, .cmdline = "a b", .n_vcpus = 1};
        uint8_t *first = malloc(4 * MIB);
        BootProblem problem;
        BootImage image;
        uint64_t params;

        input.kernel_fd = image_fd(&elf, sizeof(elf));
        ck_assert_int_eq(arch_boot_load(&input, &image, &params, &problem), 0);
        memcpy(first, low_bytes(memory, 0), 4 * MIB);
        ck_assert_int_eq(guest_memory_reset(memory), 0);
        ck_assert_int_eq(arch_boot_load(&input, &image, &params, &problem), 0);
        ck_assert_mem_eq(low_bytes(memory, 0), first, 4 * MIB);
        fd_close(input.kernel_fd);
        free(first);
        guest_memory_free(memory);
}
END_TEST

CHECK_MAIN("boot-load", {"e820", memory_map}, {"pvh", pvh_start_info},
           {"zero-page", linux_zero_page}, {"zero-page-fields", zero_page_is_the_loaders},
           {"large", large_memory}, {"initrd-high", initrd_above_4_gib}, {"identity", identity_map},
           {"reset-vector", reset_vector}, {"cmdline", command_line_as_long_as_the_kernel_takes},
           {"small", too_little_memory}, {"again", loads_twice});
