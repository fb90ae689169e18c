/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Boot images: what is in a file that a stranger gave, as far as a boot needs it. All parsing works
 * on an fd (pread only, its offset is never used), reads each header once and checks the copy, and
 * is bounds-checked against the file and against guest memory; contents go straight there. A file
 * that shrinks meanwhile gives an error, one that changes gives a guest that misbehaves: nothing
 * else.
 *
 * System calls: fstat, pread64. So a reset may load again inside the sandbox.
 */

#include <stddef.h>
#include <stdint.h>

#include "core/guest-memory.h"

typedef enum BootFormat {
        BOOT_FORMAT_ELF_PVH, /* 64-bit x86-64 ELF with XEN_ELFNOTE_PHYS32_ENTRY */
        BOOT_FORMAT_BZIMAGE, /* Linux boot protocol >= 2.12 with a 64-bit entry */
} BootFormat;

/* Guest physical addresses between which an image may lie, as the architecture has laid them out.
 */
typedef struct BootPlace {
        uint64_t lowest;
        uint64_t end; /* exclusive */
} BootPlace;

typedef struct BootImage {
        BootFormat format;
        uint64_t entry;             /* guest physical: PVH 32-bit entry, or the 64-bit entry */
        uint64_t end;               /* first address after the image and what it needs to run in */
        uint64_t cmdline_max;       /* bytes without NUL that this kernel takes */
        uint64_t initrd_addr_max;   /* highest address of the initrd's last byte */
        uint8_t setup_header[1024]; /* bzImage: its setup header, from file offset 0x1f1 on */
        size_t setup_header_size;
} BootImage;

typedef struct BootProblem {
        char message[256]; /* cause and fix */
} BootProblem;

/*
 * Detects the format of fd, checks it and loads it into place, in memory that reads as zero (so an
 * ELF's bss is left alone). 0; -ENOEXEC with *problem when the image is not one we boot (truncated,
 * hostile, wrong machine, 32-bit, no PVH note, ...); -EFAULT with *problem when it does not fit
 * into the guest's memory; -EIO and the like from reading, with *problem.
 */
int boot_image_load(int fd, GuestMemory *memory, const BootPlace *place, BootImage *ret,
                    BootProblem *problem);

/*
 * Loads the initrd as high as the image and place allow, above the image's end; *ret_address is
 * page-aligned. Errors as above.
 */
int boot_initrd_load(int fd, GuestMemory *memory, const BootPlace *place, const BootImage *image,
                     uint64_t *ret_address, uint64_t *ret_size, BootProblem *problem);

/*
 * Writes the command line (NULL: an empty one) with its NUL at address, where room bytes are free.
 * -E2BIG with *problem when it is longer than the kernel takes or than the room.
 */
int boot_cmdline_load(const char *cmdline, GuestMemory *memory, const BootImage *image,
                      uint64_t address, uint64_t room, BootProblem *problem);
