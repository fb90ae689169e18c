/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which format a file has. One that we do not boot is named all the same, with what to do about it.
 */

#include <errno.h>

#include "boot/boot-file.h"
#include "common/cleanup.h"

typedef struct KnownFormat {
        size_t offset;
        size_t size;
        const char *magic;
        const char *what_and_fix;
} KnownFormat;

#define MAGIC(offset, bytes, text)                                                                 \
        {                                                                                          \
                (offset), sizeof(bytes) - 1, (bytes), (text)                                       \
        }

/* Asked after the loaders; the more telling ones first. */
static const KnownFormat known_formats[] = {
        MAGIC(0x202, "HdrS", "a Linux bzImage for x86. Give an image for this machine"),
        MAGIC(0x38, "ARM\x64", "a Linux Image for arm64. Give one for this machine's architecture"),
        MAGIC(0x38, "RSC\x05",
              "a Linux Image for RISC-V. Give one for this machine's architecture"),
        MAGIC(4, "zimg",
              "an EFI zboot image, a compressed kernel inside an EFI program. Give the "
              "kernel that is packed in it (vmlinux or bzImage)"),
        MAGIC(0,
              "\x7f"
              "ELF",
              "an ELF file of another kind. Give an ELF for this machine"),
        MAGIC(0, "MZ",
              "an EFI or Windows program without a Linux setup header. Give a bzImage or "
              "an ELF with a PVH note"),
        MAGIC(0, "\x1f\x8b", "gzip-compressed. Unpack it first: gunzip"),
        MAGIC(0,
              "\xfd"
              "7zXZ",
              "xz-compressed. Unpack it first: unxz"),
        MAGIC(0, "\x28\xb5\x2f\xfd", "zstd-compressed. Unpack it first: unzstd"),
        MAGIC(0, "\x04\x22\x4d\x18", "lz4-compressed. Unpack it first: unlz4"),
        MAGIC(0, "\x02\x21\x4c\x18", "lz4-compressed (legacy frame). Unpack it first: unlz4"),
        MAGIC(0, "BZh", "bzip2-compressed. Unpack it first: bunzip2"),
        MAGIC(0, "\x5d\x00\x00", "lzma-compressed. Unpack it first: unlzma"),
        MAGIC(0, "#!",
              "a script. A script needs an operating system: put it into an initrd, and "
              "give that with a kernel"),
        MAGIC(0, "070701", "a cpio archive. Give it as initrd, with a kernel"),
        MAGIC(0, "070702", "a cpio archive. Give it as initrd, with a kernel"),
        MAGIC(0, "\xc7\x71",
              "a cpio archive of the old kind. Repack it with cpio -H newc and give "
              "it as initrd, with a kernel"),
        MAGIC(0, "\x27\x05\x19\x56", "a U-Boot image. Give the kernel that is packed in it"),
        MAGIC(0, "\xd0\x0d\xfe\xed", "a device tree or FIT image. Give the kernel that is in it"),
        MAGIC(0, "ANDROID!", "an Android boot image. Give the kernel that is packed in it"),
        MAGIC(0, "QFI\xfb", "a qcow2 disk image. Give it as a disk, with a kernel or bootloader"),
        MAGIC(0, "!<arch>\n", "an archive (.deb or .a). Give the kernel that is packed in it"),
        MAGIC(0, "PK\x03\x04", "a zip archive. Give the kernel that is packed in it"),
        MAGIC(0x8001, "CD001", "a CD image. Give the kernel that is on it"),
        MAGIC(0x1fe, "\x55\xaa", "a boot sector or disk image. Give the kernel that is on it"),
};

static int detect_refuse(const BootFile *file, BootProblem *problem)
{
        for (size_t i = 0; i < ARRAY_SIZE(known_formats); i++) {
                const KnownFormat *known = &known_formats[i];

                if (boot_file_has(file, known->offset, known->magic, known->size))
                        return boot_problem(problem, -ENOEXEC, "The %s is %s.", file->what,
                                            known->what_and_fix);
        }
        return boot_problem(problem, -ENOEXEC, "The %s has no format that is known here. Give %s.",
                            file->what, boot_formats_wanted);
}

int boot_image_load(int fd, GuestMemory *memory, const BootPlace *place, BootImage *ret,
                    BootProblem *problem)
{
        BootFile file;
        BootImage image = {0};
        int r;

        r = boot_file_open(fd, "kernel image", &file, problem);
        if (r < 0)
                return r;
        for (const BootLoader *loader = boot_loaders; loader->probe; loader++) {
                if (!loader->probe(&file))
                        continue;
                r = loader->load(&file, memory, place, &image, problem);
                if (r < 0)
                        return r;
                *ret = image;
                return 0;
        }
        return detect_refuse(&file, problem);
}
