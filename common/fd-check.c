/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "common/fd.h"

/* Younger than the headers of Debian 12 (Linux 6.1). */
#ifndef PID_FS_MAGIC
#define PID_FS_MAGIC 0x50494446 /* linux/magic.h, Linux 6.9 */
#endif
#ifndef GUEST_MEMFD_MAGIC
#define GUEST_MEMFD_MAGIC 0x474d454d /* linux/magic.h, Linux 6.12 */
#endif
#define MQUEUE_MAGIC    0x19800202 /* ipc/mqueue.c */
#define CONFIGFS_MAGIC  0x62656570 /* fs/configfs/mount.c */
#define FUSE_CTL_MAGIC  0x65735543 /* fs/fuse/control.c */
#define RESCTRL_MAGIC   0x7655821  /* RDTGROUP_SUPER_MAGIC */
#define BINFMT_MAGIC    0x42494e4d /* BINFMTFS_MAGIC */
#define SELINUXFS_MAGIC 0xf97cff8c /* SELINUX_MAGIC */

/*
 * File systems whose files are the kernel speaking: a read can have effects, block, or give away
 * what the reader and not the caller may see. fstatfs(2) names them.
 */
static const unsigned long pseudo_file_systems[] = {
        PROC_SUPER_MAGIC, SYSFS_MAGIC,         CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
        DEBUGFS_MAGIC,    TRACEFS_MAGIC,       SECURITYFS_MAGIC,   SELINUXFS_MAGIC,
        SMACK_MAGIC,      AAFS_MAGIC,          CONFIGFS_MAGIC,     BPF_FS_MAGIC,
        BINFMT_MAGIC,     EFIVARFS_MAGIC,      PSTOREFS_MAGIC,     RESCTRL_MAGIC,
        FUSE_CTL_MAGIC,   MQUEUE_MAGIC,        DEVPTS_SUPER_MAGIC, NSFS_MAGIC,
        PID_FS_MAGIC,     ANON_INODE_FS_MAGIC, SOCKFS_MAGIC,       PIPEFS_MAGIC,
        SECRETMEM_MAGIC,  GUEST_MEMFD_MAGIC,
};

static const char *check_type(mode_t mode, bool allow_block_device)
{
        if (S_ISREG(mode) || (S_ISBLK(mode) && allow_block_device))
                return NULL;
        if (S_ISBLK(mode))
                return "it is a block device; a regular file is needed here";
        if (S_ISDIR(mode))
                return "it is a directory; pass a file";
        if (S_ISCHR(mode))
                return "it is a character device; pass a regular file";
        if (S_ISFIFO(mode))
                return "it is a pipe; pass a regular file (save the stream into one first)";
        if (S_ISSOCK(mode))
                return "it is a socket; pass a regular file";
        return "it is not a file of bytes; pass a regular file";
}

static const char *check_access(int flags, FdAccess access)
{
        int mode = flags & O_ACCMODE;
        bool readable = mode == O_RDONLY || mode == O_RDWR;
        bool writable = mode == O_WRONLY || mode == O_RDWR;

        if (access != FD_ACCESS_WRITE && !readable)
                return "it is not open for reading; open it with O_RDONLY or O_RDWR";
        if (access != FD_ACCESS_READ && !writable)
                return "it is not open for writing; open it with O_RDWR";
        if (access != FD_ACCESS_READ && (flags & O_APPEND))
                return "it is open with O_APPEND, which moves every write to the end; open it "
                       "without";
        return NULL;
}

static const char *check_file_system(int fd)
{
        struct statfs fs;

        if (fstatfs(fd, &fs) < 0)
                return "its file system cannot be told";
        for (size_t i = 0; i < ARRAY_SIZE(pseudo_file_systems); i++)
                if ((unsigned long)fs.f_type == pseudo_file_systems[i])
                        return "it is on a file system of the kernel's own (as /proc and /sys "
                               "are); copy it to an ordinary file";
        return NULL;
}

int fd_check_file(int fd, FdAccess access, bool allow_block_device, const char **ret_why)
{
        const char *why = NULL;
        struct stat st;
        int flags;

        flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fstat(fd, &st) < 0)
                why = "it is not an open file descriptor";
        else if (flags & O_PATH)
                why = "it was opened with O_PATH and names a file without opening it; open it for "
                      "reading";
        if (!why)
                why = check_type(st.st_mode, allow_block_device);
        if (!why)
                why = check_access(flags, access);
        if (!why && S_ISREG(st.st_mode)) {
                int seals = fcntl(fd, F_GET_SEALS); /* -1: no memfd */

                why = check_file_system(fd);
                if (!why && access != FD_ACCESS_READ && seals >= 0 &&
                    (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)))
                        why = "it is a memfd sealed against writing";
        }
        if (why) {
                *ret_why = why;
                return -EBADF;
        }
        return 0;
}

int fd_check_stream_socket(int fd, const char **ret_why)
{
        int type = 0, listening = 0;
        socklen_t size = sizeof(type);

        /* Fails for what is no socket, and for a socket that was opened with O_PATH. */
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM) {
                *ret_why = "it is not a stream socket; pass one end of a socketpair(AF_UNIX, "
                           "SOCK_STREAM)";
                return -EBADF;
        }
        size = sizeof(listening);
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 || listening) {
                *ret_why = "it is a listening socket; pass a connected one";
                return -EBADF;
        }
        return 0;
}
