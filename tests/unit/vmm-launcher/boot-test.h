/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Small images that are valid until a test spoils them, and what is asked of every refusal. */

#include <asm/bootparam.h>
#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "boot/boot.h"
#include "check-main.h"
#include "common/fd.h"

#define TEST_MEMORY (8ULL << 20)
#define TEST_LOWEST 0x100000ULL

static const BootPlace test_place = {TEST_LOWEST, TEST_MEMORY};

static const uint64_t hostile_values[] = {
        0,
        1,
        0x7f,
        0xff,
        0x7fff,
        0xffff,
        0x7fffffff,
        0x80000000,
        0xffffffff,
        0x100000000,
        0x7fffffffffffffff,
        0x8000000000000000,
        0xfffffffffffff000,
        0xffffffffffffffff,
};

static inline int image_fd(const void *image, size_t size)
{
        int fd = memfd_create("image", MFD_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fd_write_full(fd, image, size), 0);
        return fd;
}

static inline GuestMemory *test_memory(void)
{
        const GuestRegion layout = {.size = TEST_MEMORY};
        GuestMemory *memory = NULL;

        ck_assert_int_eq(guest_memory_new(&layout, 1, &memory), 0);
        return memory;
}

/* The host's view of the one region, for tests that look at all of it. */
static inline const uint8_t *test_memory_bytes(const GuestMemory *memory)
{
        const GuestRegion *regions;

        ck_assert_uint_eq(guest_memory_regions(memory, &regions), 1);
        return regions[0].host;
}

/* A refusal is a sentence that ends, with a fix after the cause. */
static inline void check_problem(const BootProblem *problem)
{
        size_t length = strnlen(problem->message, sizeof(problem->message));

        ck_assert_msg(length > 20 && length < sizeof(problem->message) - 1, "length %zu: %s",
                      length, problem->message);
        ck_assert_msg(problem->message[length - 1] == '.', "does not end: %s", problem->message);
        ck_assert_msg(strstr(problem->message, ". ") != NULL, "no fix: %s", problem->message);
}

/* Loads the image; whatever comes out, nothing lies outside of its place. */
static inline int load_image(const void *image, size_t size, BootImage *ret, BootProblem *problem)
{
        static const uint8_t zero[65536];
        GuestMemory *memory = test_memory();
        int fd = image_fd(image, size), r;

        *problem = (BootProblem){0};
        r = boot_image_load(fd, memory, &test_place, ret, problem);
        if (r < 0) {
                check_problem(problem);
        } else {
                ck_assert_uint_ge(ret->entry, TEST_LOWEST);
                ck_assert_uint_lt(ret->entry, ret->end);
                ck_assert_uint_le(ret->end, TEST_MEMORY);
        }
        /* The tables' place, and the last page before the image's. */
        ck_assert_mem_eq(test_memory_bytes(memory), zero, sizeof(zero));
        ck_assert_mem_eq(test_memory_bytes(memory) + TEST_LOWEST - 4096, zero, 4096);
        guest_memory_free(memory);
        fd_close(fd);
        return r;
}

static inline void expect_refusal(const void *image, size_t size, int error, const char *word)
{
        BootProblem problem;
        BootImage out;
        int r = load_image(image, size, &out, &problem);

        ck_assert_msg(r == error, "%d instead of %d: %s", r, error, problem.message);
        ck_assert_msg(strstr(problem.message, word) != NULL, "no \"%s\" in: %s", word,
                      problem.message);
}

/* ELF: header, three program headers, a note, then code. */
#define TEST_ELF_CODE    0x200U
#define TEST_ELF_ADDRESS 0x100000ULL
#define TEST_ELF_BSS     0x1000U

typedef struct TestElf {
        Elf64_Ehdr header;
        Elf64_Phdr segments[3];
        Elf64_Nhdr note;
        char note_name[4];
        uint32_t note_entry;
        uint8_t padding[TEST_ELF_CODE - sizeof(Elf64_Ehdr) - 3 * sizeof(Elf64_Phdr) -
                        sizeof(Elf64_Nhdr) - 8];
        uint8_t code[64];
        uint8_t data[64];
} TestElf;

static inline TestElf test_elf(void)
{
        TestElf elf = {
                .header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                                       EV_CURRENT},
                           .e_type = ET_EXEC,
                           .e_machine = EM_X86_64,
                           .e_version = EV_CURRENT,
                           .e_phoff = offsetof(TestElf, segments),
                           .e_ehsize = sizeof(Elf64_Ehdr),
                           .e_phentsize = sizeof(Elf64_Phdr),
                           .e_phnum = 3},
                .segments[0] = {.p_type = PT_LOAD,
                                .p_flags = PF_R | PF_X,
                                .p_offset = offsetof(TestElf, code),
                                .p_vaddr = 0xffffffff81000000,
                                .p_paddr = TEST_ELF_ADDRESS,
                                .p_filesz = sizeof(((TestElf *)0)->code),
                                .p_memsz = sizeof(((TestElf *)0)->code),
                                .p_align = 0x1000},
                .segments[1] = {.p_type = PT_LOAD,
                                .p_flags = PF_R | PF_W,
                                .p_offset = offsetof(TestElf, data),
                                .p_paddr = TEST_ELF_ADDRESS + 0x1000,
                                .p_filesz = sizeof(((TestElf *)0)->data),
                                .p_memsz = sizeof(((TestElf *)0)->data) + TEST_ELF_BSS,
                                .p_align = 0x1000},
                .segments[2] = {.p_type = PT_NOTE,
                                .p_offset = offsetof(TestElf, note),
                                .p_filesz = sizeof(Elf64_Nhdr) + 8,
                                .p_memsz = sizeof(Elf64_Nhdr) + 8,
                                .p_align = 4},
                .note = {.n_namesz = 4, .n_descsz = 4, .n_type = 18},
                .note_name = "Xen",
                .note_entry = TEST_ELF_ADDRESS + 16,
        };

        memset(elf.code, 0x90, sizeof(elf.code));
        memset(elf.data, 0xdd, sizeof(elf.data));
        return elf;
}

/* bzImage: one sector of boot code, one of setup, then the kernel. */
#define TEST_BZ_SETUP   0x400U
#define TEST_BZ_PAYLOAD 0x1000U
#define TEST_BZ_SIZE    (TEST_BZ_SETUP + TEST_BZ_PAYLOAD)
#define TEST_BZ_INIT    0x200000U
#define TEST_BZ_ADDRESS 0x200000ULL
#define TEST_BZ_HEADER  0x1f1U

typedef struct TestBzImage {
        uint8_t bytes[TEST_BZ_SIZE];
} TestBzImage;

static inline struct setup_header *test_bzimage_header(TestBzImage *image)
{
        return (struct setup_header *)(void *)(image->bytes + TEST_BZ_HEADER);
}

static inline TestBzImage test_bzimage(void)
{
        TestBzImage image = {{0}};
        struct setup_header *header = test_bzimage_header(&image);

        *header = (struct setup_header){
                .setup_sects = 1,
                .syssize = TEST_BZ_PAYLOAD / 16,
                .boot_flag = 0xaa55,
                .jump = 0x6aeb, /* jmp over the header: it ends at 0x26c */
                .header = 0x53726448,
                .version = 0x020f,
                .loadflags = LOADED_HIGH,
                .initrd_addr_max = 0x7fffffff,
                .kernel_alignment = 0x200000,
                .relocatable_kernel = 1,
                .min_alignment = 21,
                .xloadflags = XLF_KERNEL_64 | XLF_CAN_BE_LOADED_ABOVE_4G,
                .cmdline_size = 2047,
                .pref_address = TEST_BZ_ADDRESS,
                .init_size = TEST_BZ_INIT,
                .setup_data = 0x4141414141414141,
        };
        memset(image.bytes + TEST_BZ_SETUP, 0xcc, TEST_BZ_PAYLOAD);
        return image;
}
