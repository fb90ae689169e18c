/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * 64-bit ELF for x86-64 that says with a PVH note (XEN_ELFNOTE_PHYS32_ENTRY) where it is entered:
 * bare payloads, and an uncompressed vmlinux. Sources: System V gABI chapters 4 and 5, Xen
 * docs/misc/pvh.pandoc, Xen public/elfnote.h.
 *
 * Segments go where p_paddr says, also those of an ET_DYN: PVH relocates nothing.
 */

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "boot/boot-file.h"

#define ELF_MAX_PHDRS 128U
#define ELF_MAX_NOTES (16U * 1024U) /* bytes of one note segment; vmlinux has below 1 KiB */
#define ELF_PVH_LIMIT (1ULL << 32)  /* the entry runs without paging */

#define XEN_ELFNOTE_GUEST_OS     6U
#define XEN_ELFNOTE_PHYS32_ENTRY 18U

/* COMMAND_LINE_SIZE of Linux on x86 without its NUL: it cuts off silently what is beyond. */
#define LINUX_CMDLINE_MAX 2047U

typedef struct Elf {
        const BootFile *file;
        BootProblem *problem;
        Elf64_Ehdr header;
        Elf64_Phdr segments[ELF_MAX_PHDRS];
        size_t n_segments;
        bool has_entry, is_linux;
        uint64_t entry;
} Elf;

bool elf_probe(const BootFile *file)
{
        return boot_file_has(file, 0, ELFMAG, SELFMAG);
}

static const char *elf_machine_name(uint16_t machine)
{
        switch (machine) {
        case EM_386:
                return "i386";
        case EM_AARCH64:
                return "arm64";
        case EM_ARM:
                return "32-bit ARM";
        case EM_RISCV:
                return "RISC-V";
        case EM_PPC64:
                return "POWER";
        case EM_S390:
                return "s390";
        default:
                return "another machine";
        }
}

static int elf_check_type(const Elf *elf)
{
        switch (elf->header.e_type) {
        case ET_EXEC:
        case ET_DYN:
                return 0;
        case ET_REL:
                return boot_problem(elf->problem, -ENOEXEC,
                                    "The kernel image is an object file. Link it first.");
        case ET_CORE:
                return boot_problem(elf->problem, -ENOEXEC,
                                    "The kernel image is a core dump. Give the program itself.");
        default:
                return boot_problem(elf->problem, -ENOEXEC,
                                    "The kernel image is an ELF of unknown type %u. Give an "
                                    "executable.",
                                    elf->header.e_type);
        }
}

static int elf_check_header(const Elf *elf)
{
        const Elf64_Ehdr *header = &elf->header;

        if (header->e_ident[EI_CLASS] != ELFCLASS64)
                return boot_problem(elf->problem, -ENOEXEC,
                                    "The kernel image is a %s. Build it for x86-64 (-m64).",
                                    header->e_ident[EI_CLASS] == ELFCLASS32
                                            ? "32-bit ELF"
                                            : "ELF of unknown class");
        if (header->e_ident[EI_DATA] != ELFDATA2LSB || header->e_ident[EI_VERSION] != EV_CURRENT)
                return boot_problem(elf->problem, -ENOEXEC,
                                    "The kernel image is an ELF with big-endian data or of unknown "
                                    "version. Build it for x86-64.");
        if (header->e_machine != EM_X86_64)
                return boot_problem(elf->problem, -ENOEXEC,
                                    "The kernel image is an ELF for %s (%u). Build it for x86-64.",
                                    elf_machine_name(header->e_machine), header->e_machine);
        if (header->e_phnum == 0 || header->e_phentsize != sizeof(Elf64_Phdr))
                return boot_problem(elf->problem, -ENOEXEC,
                                    "The kernel image is an ELF without program headers that can "
                                    "be read (%u of %u bytes). Link or copy it again.",
                                    header->e_phnum, header->e_phentsize);
        if (header->e_phnum > ELF_MAX_PHDRS)
                return boot_problem(elf->problem, -ENOEXEC,
                                    "The kernel image has %u program headers; at most %u are "
                                    "taken. Link it with fewer segments.",
                                    header->e_phnum, ELF_MAX_PHDRS);
        return elf_check_type(elf);
}

static int elf_read_headers(Elf *elf)
{
        int r;

        r = boot_file_read(elf->file, 0, &elf->header, sizeof(elf->header), elf->problem);
        if (r < 0)
                return r;
        r = elf_check_header(elf);
        if (r < 0)
                return r;
        elf->n_segments = elf->header.e_phnum;
        return boot_file_read(elf->file, elf->header.e_phoff, elf->segments,
                              elf->n_segments * sizeof(*elf->segments), elf->problem);
}

static int elf_take_note(Elf *elf, const char *name, uint32_t name_size, uint32_t type,
                         const uint8_t *content, uint32_t size)
{
        bool is_xen = name_size == 4 && memcmp(name, "Xen", 4) == 0;
        uint64_t entry = 0;

        if (name_size == 6 && memcmp(name, "Linux", 6) == 0)
                elf->is_linux = true;
        if (is_xen && type == XEN_ELFNOTE_GUEST_OS && size >= 5 && memcmp(content, "linux", 5) == 0)
                elf->is_linux = true;
        if (!is_xen || type != XEN_ELFNOTE_PHYS32_ENTRY)
                return 0;
        if (size != 4 && size != 8)
                return boot_problem(elf->problem, -ENOEXEC,
                                    "The PVH note of the kernel image has %" PRIu32
                                    " bytes instead of 4 or 8. Build it again.",
                                    size);
        memcpy(&entry, content, size);
        elf->entry = entry;
        elf->has_entry = true;
        return 0;
}

/* Notes as gABI chapter 5 lays them out; name and content are padded to 4, or 8 if p_align says. */
static int elf_parse_notes(Elf *elf, const uint8_t *notes, uint64_t size, uint64_t align)
{
        uint64_t at = 0;

        while (size - at >= sizeof(Elf64_Nhdr)) {
                Elf64_Nhdr note;
                uint64_t name, content, next;
                int r;

                memcpy(&note, notes + at, sizeof(note));
                name = at + sizeof(note);
                /* 32-bit sizes added to less than 16 KiB: no overflow in 64 bits. */
                content = (name + note.n_namesz + align - 1) & ~(align - 1);
                next = (content + note.n_descsz + align - 1) & ~(align - 1);
                if (content > size || note.n_descsz > size - content)
                        return boot_problem(elf->problem, -ENOEXEC,
                                            "A note of the kernel image ends outside its segment. "
                                            "Copy or build it again.");
                r = elf_take_note(elf, (const char *)notes + name, note.n_namesz, note.n_type,
                                  notes + content, note.n_descsz);
                if (r < 0)
                        return r;
                /* The padding of the last note may be missing. */
                at = next < size ? next : size;
        }
        return 0;
}

static int elf_read_notes(Elf *elf)
{
        uint8_t notes[ELF_MAX_NOTES];

        for (size_t i = 0; i < elf->n_segments; i++) {
                const Elf64_Phdr *segment = &elf->segments[i];
                int r;

                if (segment->p_type != PT_NOTE)
                        continue;
                if (segment->p_filesz > sizeof(notes))
                        return boot_problem(elf->problem, -ENOEXEC,
                                            "A note segment of the kernel image has %" PRIu64
                                            " bytes; at most %u are read. Strip it of notes.",
                                            segment->p_filesz, ELF_MAX_NOTES);
                r = boot_file_read(elf->file, segment->p_offset, notes, segment->p_filesz,
                                   elf->problem);
                if (r < 0)
                        return r;
                r = elf_parse_notes(elf, notes, segment->p_filesz, segment->p_align == 8 ? 8 : 4);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool elf_is_loaded(const Elf64_Phdr *segment)
{
        return segment->p_type == PT_LOAD && segment->p_memsz > 0;
}

static int elf_check_segment(const Elf *elf, const Elf64_Phdr *segment, const BootPlace *place)
{
        if (segment->p_filesz > segment->p_memsz)
                return boot_problem(elf->problem, -ENOEXEC,
                                    "A segment of the kernel image has more bytes in the file than "
                                    "in memory. Copy or build it again.");
        if (segment->p_paddr < place->lowest)
                return boot_problem(elf->problem, -ENOEXEC,
                                    "The kernel image has a segment at physical address 0x%" PRIx64
                                    ", where the monitor puts tables. Link it at 0x%" PRIx64
                                    " or above.",
                                    segment->p_paddr, place->lowest);
        if (!boot_range_within(segment->p_paddr, segment->p_memsz, place->lowest, place->end))
                return boot_problem(elf->problem, -EFAULT,
                                    "The kernel image has a segment of %" PRIu64
                                    " bytes at physical address 0x%" PRIx64
                                    ", and memory ends at 0x%" PRIx64
                                    ". Raise memory_mib, or link it lower.",
                                    segment->p_memsz, segment->p_paddr, place->end);
        return 0;
}

/* Disjoint segments also bound the work: no more is copied than there is memory. */
static int elf_check_overlap(const Elf *elf, size_t index)
{
        const Elf64_Phdr *a = &elf->segments[index];

        for (size_t i = 0; i < index; i++) {
                const Elf64_Phdr *b = &elf->segments[i];

                if (elf_is_loaded(b) && a->p_paddr < b->p_paddr + b->p_memsz &&
                    b->p_paddr < a->p_paddr + a->p_memsz)
                        return boot_problem(elf->problem, -ENOEXEC,
                                            "Segments %zu and %zu of the kernel image overlap. "
                                            "Link it again with distinct addresses.",
                                            i, index);
        }
        return 0;
}

static int elf_check_segments(const Elf *elf, const BootPlace *place, uint64_t *ret_end)
{
        uint64_t end = 0;
        bool entry_is_loaded = false;

        for (size_t i = 0; i < elf->n_segments; i++) {
                const Elf64_Phdr *segment = &elf->segments[i];
                int r;

                if (!elf_is_loaded(segment))
                        continue;
                r = elf_check_segment(elf, segment, place);
                if (r < 0)
                        return r;
                r = elf_check_overlap(elf, i);
                if (r < 0)
                        return r;
                if (segment->p_paddr + segment->p_memsz > end)
                        end = segment->p_paddr + segment->p_memsz;
                if (elf->entry >= segment->p_paddr &&
                    elf->entry - segment->p_paddr < segment->p_memsz)
                        entry_is_loaded = true;
        }
        if (!entry_is_loaded || elf->entry >= ELF_PVH_LIMIT)
                return boot_problem(elf->problem, -ENOEXEC,
                                    "The PVH note of the kernel image names the entry 0x%" PRIx64
                                    ", which no segment below 4 GiB holds. Build it again.",
                                    elf->entry);
        *ret_end = end;
        return 0;
}

static int elf_load_segments(const Elf *elf, GuestMemory *memory)
{
        for (size_t i = 0; i < elf->n_segments; i++) {
                const Elf64_Phdr *segment = &elf->segments[i];
                uint64_t bss = segment->p_paddr + segment->p_filesz;
                int r;

                if (!elf_is_loaded(segment))
                        continue;
                r = boot_file_load(elf->file, segment->p_offset, segment->p_filesz, memory,
                                   segment->p_paddr, elf->problem);
                if (r < 0)
                        return r;
                /* It reads as zero already; touching it would cost a page fault for each page. */
                r = guest_memory_check(memory, bss, segment->p_memsz - segment->p_filesz);
                if (r < 0)
                        return boot_problem(elf->problem, r,
                                            "The kernel image does not fit: no memory at 0x%" PRIx64
                                            ". Raise memory_mib.",
                                            bss);
        }
        return 0;
}

int elf_load(const BootFile *file, GuestMemory *memory, const BootPlace *place, BootImage *ret,
             BootProblem *problem)
{
        Elf elf = {.file = file, .problem = problem};
        uint64_t end = 0;
        int r;

        r = elf_read_headers(&elf);
        if (r < 0)
                return r;
        r = elf_read_notes(&elf);
        if (r < 0)
                return r;
        if (!elf.has_entry)
                return boot_problem(problem, -ENOEXEC,
                                    "The kernel image is an ELF without a PVH note, so it has no "
                                    "entry for a VM. Build Linux with CONFIG_PVH=y, a payload with "
                                    "the bare runtime; a normal program needs a guest system.");
        r = elf_check_segments(&elf, place, &end);
        if (r < 0)
                return r;
        r = elf_load_segments(&elf, memory);
        if (r < 0)
                return r;
        ret->format = BOOT_FORMAT_ELF_PVH;
        ret->entry = elf.entry;
        ret->end = end;
        ret->cmdline_max = elf.is_linux ? LINUX_CMDLINE_MAX : UINT64_MAX;
        /* hvm_modlist_entry has 64 bits, Linux takes the low 32 of them (pvh/enlighten.c). */
        ret->initrd_addr_max = ELF_PVH_LIMIT - 1;
        return 0;
}
