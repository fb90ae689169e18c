/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Linux bzImage, entered by the 64-bit boot protocol (Documentation/arch/x86/boot.rst). The file is
 * a real-mode setup part, which is only read for its header, and a protected-mode part, which is
 * what runs.
 */

#include <asm/bootparam.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "boot/boot-file.h"

#define SETUP_SECTOR          512U
#define SETUP_SECTORS_DEFAULT 4U /* when setup_sects is 0 */
#define SETUP_HEADER_START    0x1f1U
#define SETUP_HEADER_JUMP     0x202U /* the header ends at this + the byte before it */
#define SETUP_HEADER_END_MAX  0x290U /* boot_params.edd_mbr_sig_buffer follows */
#define SETUP_BOOT_FLAG       0xaa55U
#define SETUP_VERSION_MIN     0x020cU /* 2.12 brought xloadflags, so the 64-bit entry */
#define ENTRY_64              0x200U

typedef struct BzImage {
        const BootFile *file;
        BootProblem *problem;
        struct setup_header header; /* as far as the file has it, zero beyond */
        uint64_t payload_offset, payload_size;
} BzImage;

bool bzimage_probe(const BootFile *file)
{
        return boot_file_has(file, SETUP_HEADER_JUMP, "HdrS", 4);
}

static int bzimage_read_header(BzImage *bz, BootImage *ret)
{
        const BootFile *file = bz->file;
        size_t end = SETUP_HEADER_JUMP + file->head[SETUP_HEADER_JUMP - 1];

        if (end > SETUP_HEADER_END_MAX)
                end = SETUP_HEADER_END_MAX;
        if (end > file->head_size)
                return boot_problem(bz->problem, -ENOEXEC,
                                    "The kernel image ends inside its setup header. Copy or build "
                                    "it again.");
        ret->setup_header_size = end - SETUP_HEADER_START;
        memcpy(ret->setup_header, file->head + SETUP_HEADER_START, ret->setup_header_size);
        memcpy(&bz->header, ret->setup_header,
               ret->setup_header_size < sizeof(bz->header) ? ret->setup_header_size
                                                           : sizeof(bz->header));
        if (bz->header.version < SETUP_VERSION_MIN)
                return boot_problem(bz->problem, -ENOEXEC,
                                    "The kernel image speaks boot protocol %u.%u; 2.12 is the "
                                    "oldest with a 64-bit entry. Give Linux 3.8 or newer.",
                                    bz->header.version >> 8, bz->header.version & 0xffU);
        if (ret->setup_header_size < offsetof(struct setup_header, handover_offset))
                return boot_problem(bz->problem, -ENOEXEC,
                                    "The setup header of the kernel image is shorter (%zu bytes) "
                                    "than its version needs. Copy or build it again.",
                                    ret->setup_header_size);
        return 0;
}

static int bzimage_check_flags(const BzImage *bz)
{
        const struct setup_header *header = &bz->header;

        if (header->boot_flag != SETUP_BOOT_FLAG)
                return boot_problem(bz->problem, -ENOEXEC,
                                    "The kernel image has the boot flag 0x%04x instead of 0xaa55. "
                                    "Copy or build it again.",
                                    header->boot_flag);
        if (!(header->loadflags & LOADED_HIGH))
                return boot_problem(bz->problem, -ENOEXEC,
                                    "The kernel image is a zImage, to be loaded below 1 MiB. "
                                    "Give a bzImage.");
        if (!(header->xloadflags & XLF_KERNEL_64))
                return boot_problem(bz->problem, -ENOEXEC,
                                    "The kernel image is a 32-bit Linux without a 64-bit entry. "
                                    "Give one built for x86-64 (CONFIG_64BIT=y).");
        if (header->relocatable_kernel &&
            (header->kernel_alignment == 0 ||
             (header->kernel_alignment & (header->kernel_alignment - 1)) != 0))
                return boot_problem(bz->problem, -ENOEXEC,
                                    "The kernel image asks for an alignment of 0x%" PRIx32
                                    ", which is no power of two. Copy or build it again.",
                                    header->kernel_alignment);
        return 0;
}

/* The payload is what syssize says: a signature may follow it in the file. */
static int bzimage_check_payload(BzImage *bz)
{
        const struct setup_header *header = &bz->header;
        uint64_t sectors = header->setup_sects ? header->setup_sects : SETUP_SECTORS_DEFAULT;

        bz->payload_offset = (sectors + 1) * SETUP_SECTOR;
        bz->payload_size = (uint64_t)header->syssize * 16;
        if (bz->payload_size <= ENTRY_64)
                return boot_problem(bz->problem, -ENOEXEC,
                                    "The setup header of the kernel image gives the kernel %" PRIu64
                                    " bytes, not enough for an entry. Copy or build it again.",
                                    bz->payload_size);
        if (!boot_range_within(bz->payload_offset, bz->payload_size, 0, bz->file->size))
                return boot_problem(bz->problem, -ENOEXEC,
                                    "The kernel image is truncated: %" PRIu64
                                    " bytes, and its setup header says %" PRIu64
                                    ". Copy or build it again.",
                                    bz->file->size, bz->payload_offset + bz->payload_size);
        if (header->init_size < bz->payload_size)
                return boot_problem(bz->problem, -ENOEXEC,
                                    "The kernel image needs %" PRIu32
                                    " bytes to run in (init_size) and is longer than that. Copy or "
                                    "build it again.",
                                    header->init_size);
        return 0;
}

/*
 * Where the kernel would like to be. There is no use in trying lower when that does not fit: its
 * 64-bit entry moves up to LOAD_PHYSICAL_ADDR, which is pref_address, by itself.
 */
static int bzimage_place(const BzImage *bz, const BootPlace *place, uint64_t *ret_address)
{
        const struct setup_header *header = &bz->header;
        uint64_t address = header->pref_address;

        if (header->relocatable_kernel) {
                uint64_t mask = (uint64_t)header->kernel_alignment - 1;

                if (address < place->lowest)
                        address = place->lowest;
                if (address <= UINT64_MAX - mask)
                        address = (address + mask) & ~mask;
        }
        if (address < place->lowest)
                return boot_problem(bz->problem, -ENOEXEC,
                                    "The kernel image can only run at 0x%" PRIx64
                                    ", where the monitor puts tables. Build it with "
                                    "CONFIG_RELOCATABLE=y.",
                                    address);
        if (!boot_range_within(address, header->init_size, place->lowest, place->end))
                return boot_problem(
                        bz->problem, -EFAULT,
                        "The kernel image needs %" PRIu64 " MiB of memory from 0x%" PRIx64
                        " on, and memory ends at %" PRIu64 " MiB. Raise memory_mib.",
                        BOOT_MIB((uint64_t)header->init_size), address, BOOT_MIB(place->end));
        *ret_address = address;
        return 0;
}

int bzimage_load(const BootFile *file, GuestMemory *memory, const BootPlace *place, BootImage *ret,
                 BootProblem *problem)
{
        BzImage bz = {.file = file, .problem = problem};
        uint64_t address = 0;
        int r;

        r = bzimage_read_header(&bz, ret);
        if (r < 0)
                return r;
        r = bzimage_check_flags(&bz);
        if (r < 0)
                return r;
        r = bzimage_check_payload(&bz);
        if (r < 0)
                return r;
        r = bzimage_place(&bz, place, &address);
        if (r < 0)
                return r;
        r = boot_file_load(file, bz.payload_offset, bz.payload_size, memory, address, problem);
        if (r < 0)
                return r;
        ret->format = BOOT_FORMAT_BZIMAGE;
        ret->entry = address + ENTRY_64;
        ret->end = address + bz.header.init_size;
        ret->cmdline_max = bz.header.cmdline_size;
        ret->initrd_addr_max = bz.header.xloadflags & XLF_CAN_BE_LOADED_ABOVE_4G
                                       ? UINT64_MAX
                                       : bz.header.initrd_addr_max;
        return 0;
}
