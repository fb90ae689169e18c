/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "boot-test.h"
#include "boot/boot-file.h"

START_TEST(loads_segments_and_zeroes_bss)
{
        TestElf elf = test_elf();
        GuestMemory *memory = test_memory();
        const uint8_t *bytes = test_memory_bytes(memory);
        int fd = image_fd(&elf, sizeof(elf));
        BootProblem problem = {0};
        BootImage image = {0};

        ck_assert_int_eq(boot_image_load(fd, memory, &test_place, &image, &problem), 0);
        ck_assert_int_eq(image.format, BOOT_FORMAT_ELF_PVH);
        ck_assert_uint_eq(image.entry, TEST_ELF_ADDRESS + 16);
        ck_assert_uint_eq(image.end, TEST_ELF_ADDRESS + 0x1000 + 64 + TEST_ELF_BSS);
        ck_assert_uint_eq(image.initrd_addr_max, 0xffffffff);
        ck_assert_mem_eq(bytes + TEST_ELF_ADDRESS, elf.code, sizeof(elf.code));
        ck_assert_mem_eq(bytes + TEST_ELF_ADDRESS + 0x1000, elf.data, sizeof(elf.data));
        for (size_t i = 0; i < TEST_ELF_BSS; i++)
                ck_assert_uint_eq(bytes[TEST_ELF_ADDRESS + 0x1040 + i], 0);
        /* What no segment names stays as it was. */
        ck_assert_uint_eq(bytes[TEST_ELF_ADDRESS + 64], 0);
        ck_assert_uint_eq(bytes[image.end], 0);
        guest_memory_free(memory);
        fd_close(fd);
}
END_TEST

START_TEST(takes_et_dyn_at_its_physical_address)
{
        TestElf elf = test_elf();
        BootProblem problem;
        BootImage image;

        elf.header.e_type = ET_DYN;
        ck_assert_int_eq(load_image(&elf, sizeof(elf), &image, &problem), 0);
        ck_assert_uint_eq(image.entry, TEST_ELF_ADDRESS + 16);
}
END_TEST

START_TEST(fd_offset_is_of_no_account)
{
        TestElf elf = test_elf();
        GuestMemory *memory = test_memory();
        int fd = image_fd(&elf, sizeof(elf));
        BootProblem problem = {0};
        BootImage image = {0};

        ck_assert_int_eq(lseek(fd, 3, SEEK_SET), 3);
        ck_assert_int_eq(boot_image_load(fd, memory, &test_place, &image, &problem), 0);
        ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 3);
        guest_memory_free(memory);
        fd_close(fd);
}
END_TEST

/* Two notes padded to 8, as they stand in a vmlinux, beside the one padded to 4. */
typedef struct WideNotes {
        Elf64_Nhdr salt;
        char salt_name[6];
        uint8_t salt_padding[6];
        uint64_t salt_value;
        Elf64_Nhdr entry;
        char entry_name[4];
        uint64_t entry_value;
} __attribute__((packed)) WideNotes;

/* In the second note segment, far into the file, and so are the program headers. */
START_TEST(finds_the_note_wherever_it_may_stand)
{
        struct {
                TestElf elf;
                uint8_t gap[16384];
                Elf64_Phdr segments[4];
                WideNotes notes;
        } file = {.elf = test_elf()};
        BootProblem problem;
        BootImage image;

        file.elf.note.n_type = 17;
        file.elf.header.e_phnum = 4;
        file.elf.header.e_phoff = offsetof(__typeof__(file), segments);
        memcpy(file.segments, file.elf.segments, sizeof(file.elf.segments));
        file.segments[3] = (Elf64_Phdr){.p_type = PT_NOTE,
                                        .p_offset = offsetof(__typeof__(file), notes),
                                        .p_filesz = sizeof(file.notes),
                                        .p_align = 8};
        file.notes = (WideNotes){.salt = {.n_namesz = 6, .n_descsz = 8, .n_type = 0x100},
                                 .salt_name = "Linux",
                                 .entry = {.n_namesz = 4, .n_descsz = 8, .n_type = 18},
                                 .entry_name = "Xen",
                                 .entry_value = TEST_ELF_ADDRESS + 32};
        ck_assert_int_eq(load_image(&file, sizeof(file), &image, &problem), 0);
        ck_assert_uint_eq(image.entry, TEST_ELF_ADDRESS + 32);
        ck_assert_uint_eq(image.cmdline_max, 2047); /* the salt says that it is Linux */
        file.notes.entry_value = 1ULL << 32 | TEST_ELF_ADDRESS;
        expect_refusal(&file, sizeof(file), -ENOEXEC, "no segment");
}
END_TEST

START_TEST(command_line_is_unlimited_unless_it_is_linux)
{
        TestElf elf = test_elf();
        BootProblem problem;
        BootImage image;

        ck_assert_int_eq(load_image(&elf, sizeof(elf), &image, &problem), 0);
        ck_assert_uint_eq(image.cmdline_max, UINT64_MAX);
}
END_TEST

START_TEST(refuses_other_kinds_by_name)
{
        const struct {
                size_t offset;
                uint8_t value;
                const char *word;
        } cases[] = {
                {EI_CLASS, ELFCLASS32, "32-bit ELF"},
                {EI_CLASS, 9, "unknown class"},
                {EI_DATA, ELFDATA2MSB, "big-endian"},
                {offsetof(Elf64_Ehdr, e_machine), EM_AARCH64, "arm64"},
                {offsetof(Elf64_Ehdr, e_machine), EM_386, "i386"},
                {offsetof(Elf64_Ehdr, e_machine), EM_RISCV, "RISC-V"},
                {offsetof(Elf64_Ehdr, e_machine), 1, "another machine"},
                {offsetof(Elf64_Ehdr, e_type), ET_REL, "object file"},
                {offsetof(Elf64_Ehdr, e_type), ET_CORE, "core dump"},
                {offsetof(Elf64_Ehdr, e_type), 77, "unknown type"},
                {offsetof(Elf64_Ehdr, e_phnum), 0, "program headers"},
                {offsetof(Elf64_Ehdr, e_phnum), 200, "at most 128"},
                {offsetof(Elf64_Ehdr, e_phentsize), 32, "program headers"},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                TestElf elf = test_elf();

                ((uint8_t *)&elf)[cases[i].offset] = cases[i].value;
                expect_refusal(&elf, sizeof(elf), -ENOEXEC, cases[i].word);
        }
}
END_TEST

START_TEST(refuses_bad_notes)
{
        TestElf elf = test_elf();

        elf.note.n_type = 17;
        expect_refusal(&elf, sizeof(elf), -ENOEXEC, "CONFIG_PVH=y");
        elf = test_elf();
        elf.segments[2].p_type = PT_NULL;
        expect_refusal(&elf, sizeof(elf), -ENOEXEC, "without a PVH note");
        elf = test_elf();
        memcpy(elf.note_name, "Xem", 4);
        expect_refusal(&elf, sizeof(elf), -ENOEXEC, "without a PVH note");
        elf = test_elf();
        elf.note.n_descsz = 3;
        expect_refusal(&elf, sizeof(elf), -ENOEXEC, "3 bytes instead of 4 or 8");
        elf = test_elf();
        elf.note.n_descsz = 8;
        expect_refusal(&elf, sizeof(elf), -ENOEXEC, "outside its segment");
        elf = test_elf();
        elf.note.n_namesz = 0xffffffff;
        expect_refusal(&elf, sizeof(elf), -ENOEXEC, "outside its segment");
        elf = test_elf();
        elf.segments[2].p_filesz = 16385;
        expect_refusal(&elf, sizeof(elf), -ENOEXEC, "at most 16384");
        elf = test_elf();
        elf.note_entry = 0xfff;
        expect_refusal(&elf, sizeof(elf), -ENOEXEC, "no segment");
}
END_TEST

START_TEST(refuses_bad_segments)
{
        TestElf elf = test_elf();

        elf.segments[0].p_filesz = 65;
        expect_refusal(&elf, sizeof(elf), -ENOEXEC, "more bytes in the file");
        elf = test_elf();
        elf.segments[0].p_paddr = 0xff000;
        expect_refusal(&elf, sizeof(elf), -ENOEXEC, "0x100000 or above");
        elf = test_elf();
        elf.segments[0].p_paddr = 0;
        expect_refusal(&elf, sizeof(elf), -ENOEXEC, "0x100000 or above");
        elf = test_elf();
        elf.segments[1].p_memsz = TEST_MEMORY;
        expect_refusal(&elf, sizeof(elf), -EFAULT, "memory_mib");
        elf = test_elf();
        elf.segments[1].p_paddr = UINT64_MAX - 16;
        expect_refusal(&elf, sizeof(elf), -EFAULT, "memory_mib");
        elf = test_elf();
        elf.segments[1].p_paddr = TEST_ELF_ADDRESS + 63;
        expect_refusal(&elf, sizeof(elf), -ENOEXEC, "overlap");
        elf = test_elf();
        elf.segments[1].p_offset = sizeof(elf) - 63;
        expect_refusal(&elf, sizeof(elf), -ENOEXEC, "truncated");
        elf.segments[1].p_offset = UINT64_MAX - 10;
        expect_refusal(&elf, sizeof(elf), -ENOEXEC, "truncated");
}
END_TEST

/* Only a file that lacks nothing of what is loaded may pass. */
START_TEST(truncated_at_every_length)
{
        TestElf elf = test_elf();

        for (size_t size = 0; size < sizeof(elf); size++) {
                BootProblem problem;
                BootImage image;

                ck_assert_int_lt(load_image(&elf, size, &image, &problem), 0);
        }
}
END_TEST

/* Every place of two, four and eight bytes in every header, with every hostile value. */
START_TEST(hostile_fields)
{
        const size_t end = offsetof(TestElf, padding);
        unsigned n_loaded = 0, n_refused = 0;

        for (size_t width = 2; width <= 8; width *= 2) {
                for (size_t at = 4; at + width <= end; at += width == 2 ? 2 : 4) {
                        for (size_t i = 0; i < ARRAY_SIZE(hostile_values); i++) {
                                TestElf elf = test_elf();
                                BootProblem problem;
                                BootImage image;

                                memcpy((uint8_t *)&elf + at, &hostile_values[i], width);
                                if (load_image(&elf, sizeof(elf), &image, &problem) < 0)
                                        n_refused++;
                                else
                                        n_loaded++;
                        }
                }
        }
        /* Both happen: fields of no account are free, the others are looked at. */
        ck_assert_uint_gt(n_refused, 100);
        ck_assert_uint_gt(n_loaded, 100);
}
END_TEST

START_TEST(shrinking_file_is_an_error)
{
        TestElf elf = test_elf();
        GuestMemory *memory = test_memory();
        int fd = image_fd(&elf, sizeof(elf));
        BootProblem problem = {0};
        BootImage image = {0};
        BootFile file;

        ck_assert_int_eq(boot_file_open(fd, "kernel image", &file, &problem), 0);
        ck_assert_int_eq(ftruncate(fd, TEST_ELF_CODE), 0);
        ck_assert_int_eq(elf_load(&file, memory, &test_place, &image, &problem), -EIO);
        check_problem(&problem);
        ck_assert_ptr_nonnull(strstr(problem.message, "became shorter"));
        guest_memory_free(memory);
        fd_close(fd);
}
END_TEST

/* What lies beyond the part that is read at once can vanish too. */
START_TEST(shrinking_file_loses_its_notes)
{
        struct {
                TestElf elf;
                uint8_t gap[8192];
                Elf64_Nhdr note;
        } file = {.elf = test_elf()};
        GuestMemory *memory = test_memory();
        BootProblem problem = {0};
        BootImage image = {0};
        BootFile opened;
        int fd;

        file.elf.segments[2].p_offset = offsetof(__typeof__(file), note);
        file.elf.segments[2].p_filesz = sizeof(file.note);
        fd = image_fd(&file, sizeof(file));
        ck_assert_int_eq(boot_file_open(fd, "kernel image", &opened, &problem), 0);
        ck_assert_int_eq(ftruncate(fd, 8192), 0);
        ck_assert_int_eq(elf_load(&opened, memory, &test_place, &image, &problem), -EIO);
        check_problem(&problem);
        guest_memory_free(memory);
        fd_close(fd);
}
END_TEST

/* Memory there may be, but the entry runs in 32 bits. */
START_TEST(refuses_an_entry_above_4_gib)
{
        const GuestRegion layout = {.address = 1ULL << 32, .size = TEST_MEMORY};
        const BootPlace place = {1ULL << 32, (1ULL << 32) + TEST_MEMORY};
        TestElf elf = test_elf();
        GuestMemory *memory = NULL;
        BootProblem problem = {0};
        BootImage image = {0};
        int fd;

        elf.segments[0].p_paddr = elf.segments[1].p_paddr = 1ULL << 32;
        elf.segments[1].p_paddr += 0x1000;
        elf.note.n_descsz = 8;
        elf.segments[2].p_filesz += 4;
        elf.note_entry = 16;
        elf.padding[0] = 1; /* the upper half of the entry */
        fd = image_fd(&elf, sizeof(elf));
        ck_assert_int_eq(guest_memory_new(&layout, 1, &memory), 0);
        ck_assert_int_eq(boot_image_load(fd, memory, &place, &image, &problem), -ENOEXEC);
        ck_assert_ptr_nonnull(strstr(problem.message, "0x100000010"));
        guest_memory_free(memory);
        fd_close(fd);
}
END_TEST

/* The headers are those that were checked, whatever the file holds by the time it is copied. */
START_TEST(changing_file_meets_checked_headers)
{
        TestElf elf = test_elf(), hostile = test_elf();
        GuestMemory *memory = test_memory();
        int fd = image_fd(&elf, sizeof(elf));
        BootProblem problem = {0};
        BootImage image = {0};
        BootFile file;

        hostile.segments[0].p_paddr = 0x1000;
        hostile.note_entry = 0x1000;
        ck_assert_int_eq(boot_file_open(fd, "kernel image", &file, &problem), 0);
        ck_assert_int_eq(pwrite(fd, &hostile, sizeof(hostile), 0), sizeof(hostile));
        ck_assert_int_eq(elf_load(&file, memory, &test_place, &image, &problem), 0);
        ck_assert_uint_eq(image.entry, TEST_ELF_ADDRESS + 16);
        ck_assert_uint_eq(test_memory_bytes(memory)[0x1000], 0);
        guest_memory_free(memory);
        fd_close(fd);
}
END_TEST

/* With the memory that the place promises missing, what cannot be copied is refused. */
START_TEST(memory_smaller_than_the_place)
{
        const GuestRegion layout = {.size = TEST_ELF_ADDRESS + 0x1000};
        TestElf elf = test_elf();
        GuestMemory *memory = NULL;
        int fd = image_fd(&elf, sizeof(elf));
        BootProblem problem = {0};
        BootImage image = {0};

        ck_assert_int_eq(guest_memory_new(&layout, 1, &memory), 0);
        ck_assert_int_eq(boot_image_load(fd, memory, &test_place, &image, &problem), -EFAULT);
        check_problem(&problem);
        fd_close(fd);
        elf.segments[1].p_filesz = 0;
        fd = image_fd(&elf, sizeof(elf));
        ck_assert_int_eq(boot_image_load(fd, memory, &test_place, &image, &problem), -EFAULT);
        check_problem(&problem);
        guest_memory_free(memory);
        fd_close(fd);
}
END_TEST

CHECK_MAIN("boot-elf", {"load", loads_segments_and_zeroes_bss},
           {"et-dyn", takes_et_dyn_at_its_physical_address}, {"offset", fd_offset_is_of_no_account},
           {"note", finds_the_note_wherever_it_may_stand},
           {"cmdline", command_line_is_unlimited_unless_it_is_linux},
           {"kinds", refuses_other_kinds_by_name}, {"notes", refuses_bad_notes},
           {"segments", refuses_bad_segments}, {"truncated", truncated_at_every_length},
           {"hostile", hostile_fields}, {"shrink", shrinking_file_is_an_error},
           {"shrink-notes", shrinking_file_loses_its_notes},
           {"high-entry", refuses_an_entry_above_4_gib},
           {"change", changing_file_meets_checked_headers},
           {"memory", memory_smaller_than_the_place});
