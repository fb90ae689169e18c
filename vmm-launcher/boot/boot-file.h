/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Inside boot/: a bounded view of a stranger's file, and the formats that this machine boots. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot/boot.h"

#define BOOT_FILE_HEAD 4096U

typedef struct BootFile {
        int fd;
        const char *what; /* for messages: "kernel image", "initrd" */
        uint64_t size;    /* when it was opened; nothing beyond is read */
        size_t head_size;
        uint8_t head[BOOT_FILE_HEAD]; /* its beginning, read once: most headers lie in it */
} BootFile;

/* The formats of this architecture, ended by one without probe. */
typedef struct BootLoader {
        bool (*probe)(const BootFile *file);
        int (*load)(const BootFile *file, GuestMemory *memory, const BootPlace *place,
                    BootImage *ret, BootProblem *problem);
} BootLoader;

extern const BootLoader boot_loaders[];
extern const char boot_formats_wanted[]; /* their names, for messages */

bool elf_probe(const BootFile *file);
int elf_load(const BootFile *file, GuestMemory *memory, const BootPlace *place, BootImage *ret,
             BootProblem *problem);

bool bzimage_probe(const BootFile *file);
int bzimage_load(const BootFile *file, GuestMemory *memory, const BootPlace *place, BootImage *ret,
                 BootProblem *problem);

/* Fills *problem and returns error. */
int boot_problem(BootProblem *problem, int error, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* A regular file that is not empty; its head is read. -EINVAL, -ENOEXEC, or errno, with *problem.
 */
int boot_file_open(int fd, const char *what, BootFile *ret, BootProblem *problem);

/* Exactly [offset, offset + size), into a buffer or guest memory. -ENOEXEC beyond the file's end.
 */
int boot_file_read(const BootFile *file, uint64_t offset, void *buffer, size_t size,
                   BootProblem *problem);
int boot_file_load(const BootFile *file, uint64_t offset, uint64_t size, GuestMemory *memory,
                   uint64_t address, BootProblem *problem);

/* Whether file has magic (size bytes) at offset of its head. */
bool boot_file_has(const BootFile *file, size_t offset, const void *magic, size_t size);

/* Whether [start, start + size) lies within [lowest, end); true for no wrapped range. */
static inline bool boot_range_within(uint64_t start, uint64_t size, uint64_t lowest, uint64_t end)
{
        return start >= lowest && start <= end && size <= end - start;
}

#define BOOT_MIB(bytes) (((bytes) >> 20) + (((bytes)&0xfffff) != 0))
