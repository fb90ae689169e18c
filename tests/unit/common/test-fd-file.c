/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "tests/unit/unit.h"

static char folder[PATH_MAX];
static int folder_fd = -1;

static void setup(void)
{
        strcpy(folder, "/tmp/vmservice-fd-file-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(folder));
        folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(folder_fd, 0);
}

static unsigned count_entries(int fd)
{
        DIR *dir = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        struct dirent *entry;
        unsigned n = 0;

        ck_assert_ptr_nonnull(dir);
        while ((entry = readdir(dir)))
                n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
        closedir(dir);
        return n;
}

static void teardown(void)
{
        DIR *dir = fdopendir(folder_fd);
        struct dirent *entry;

        while ((entry = readdir(dir)))
                (void)unlinkat(dirfd(dir), entry->d_name, 0);
        closedir(dir);
        rmdir(folder);
}

static void assert_content(int dir_fd, const char *path, const char *expected)
{
        _cleanup_free_ char *data = NULL;
        size_t size = 0;

        ck_assert_int_eq(fd_read_file_at(dir_fd, path, 1 << 20, &data, &size), 0);
        ck_assert_uint_eq(size, strlen(expected));
        ck_assert_str_eq(data, expected);
}

START_TEST(test_atomic_write)
{
        struct stat st;

        umask(077);
        ck_assert_int_eq(fd_write_file_atomic_at(folder_fd, "state", "one", 3, 0644), 0);
        assert_content(folder_fd, "state", "one");
        ck_assert_int_eq(fstatat(folder_fd, "state", &st, 0), 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0644);
        ck_assert_int_eq(fd_write_file_atomic_at(folder_fd, "state", "", 0, 0600), 0);
        assert_content(folder_fd, "state", "");
        ck_assert_int_eq(fstatat(folder_fd, "state", &st, 0), 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0600);
        ck_assert_uint_eq(count_entries(folder_fd), 1);
}
END_TEST

START_TEST(test_atomic_write_paths)
{
        char path[PATH_MAX + 32], name[NAME_MAX + 2];

        snprintf(path, sizeof(path), "%s/absolute", folder);
        ck_assert_int_eq(fd_write_file_atomic_at(AT_FDCWD, path, "x", 1, 0600), 0);
        assert_content(folder_fd, "absolute", "x");
        ck_assert_int_eq(mkdirat(folder_fd, "sub", 0700), 0);
        ck_assert_int_eq(fd_write_file_atomic_at(folder_fd, "sub/file", "y", 1, 0600), 0);
        assert_content(folder_fd, "sub/file", "y");
        ck_assert_int_eq(unlinkat(folder_fd, "sub/file", 0), 0);
        ck_assert_int_eq(unlinkat(folder_fd, "sub", AT_REMOVEDIR), 0);

        ck_assert_int_eq(fd_write_file_atomic_at(folder_fd, "none/file", "y", 1, 0600), -ENOENT);
        ck_assert_int_eq(fd_write_file_atomic_at(folder_fd, "", "y", 1, 0600), -EINVAL);
        ck_assert_int_eq(fd_write_file_atomic_at(folder_fd, "..", "y", 1, 0600), -EINVAL);
        ck_assert_int_eq(fd_write_file_atomic_at(folder_fd, "a/", "y", 1, 0600), -EINVAL);
        memset(name, 'n', sizeof(name) - 1);
        name[NAME_MAX] = '\0';
        ck_assert_int_eq(fd_write_file_atomic_at(folder_fd, name, "y", 1, 0600), -ENAMETOOLONG);
        ck_assert_uint_eq(count_entries(folder_fd), 1);
}
END_TEST

/* A link in the place of the temporary file is replaced and not followed. */
START_TEST(test_atomic_write_leftovers)
{
        ck_assert_int_eq(fd_write_file_atomic_at(folder_fd, "victim", "safe", 4, 0600), 0);
        ck_assert_int_eq(symlinkat("victim", folder_fd, ".state.tmp"), 0);
        ck_assert_int_eq(fd_write_file_atomic_at(folder_fd, "state", "new", 3, 0600), 0);
        assert_content(folder_fd, "victim", "safe");
        assert_content(folder_fd, "state", "new");
        ck_assert_uint_eq(count_entries(folder_fd), 2);
}
END_TEST

/* EFBIG half way through: the old content stays, and nothing beside it. */
START_TEST(test_atomic_write_limit)
{
        struct rlimit limit = {.rlim_cur = 4096, .rlim_max = RLIM_INFINITY};
        int n_fds = fd_count_open();
        static char big[8192];

        signal(SIGXFSZ, SIG_IGN);
        ck_assert_int_eq(fd_write_file_atomic_at(folder_fd, "state", "old", 3, 0600), 0);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        ck_assert_int_eq(fd_write_file_atomic_at(folder_fd, "state", big, sizeof(big), 0600),
                         -EFBIG);
        assert_content(folder_fd, "state", "old");
        ck_assert_uint_eq(count_entries(folder_fd), 1);
        ck_assert_int_eq(fd_count_open(), n_fds);
}
END_TEST

/* The name is a folder: the rename is what fails. */
START_TEST(test_atomic_write_rename_fails)
{
        ck_assert_int_eq(mkdirat(folder_fd, "state", 0700), 0);
        ck_assert_int_eq(fd_write_file_atomic_at(folder_fd, "state", "x", 1, 0600), -EISDIR);
        ck_assert_uint_eq(count_entries(folder_fd), 1);
        ck_assert_int_eq(unlinkat(folder_fd, "state", AT_REMOVEDIR), 0);
}
END_TEST

/* A full disk, where a mount namespace can be had (this test's process is its own). */
START_TEST(test_atomic_write_full_disk)
{
        _cleanup_close_ int small_fd = -1;
        static char big[256 * 1024];

        if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
                return;
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", folder, "tmpfs", 0, "size=64k") < 0)
                return;
        small_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(small_fd, 0);
        ck_assert_int_eq(fd_write_file_atomic_at(small_fd, "state", "old", 3, 0600), 0);
        ck_assert_int_eq(fd_write_file_atomic_at(small_fd, "state", big, sizeof(big), 0600),
                         -ENOSPC);
        assert_content(small_fd, "state", "old");
        ck_assert_uint_eq(count_entries(small_fd), 1);
        small_fd = fd_close(small_fd);
        ck_assert_int_eq(umount2(folder, MNT_DETACH), 0);
}
END_TEST

START_TEST(test_read_file)
{
        _cleanup_free_ char *data = NULL;
        static char big[10000];
        size_t size = 77;
        int n_fds = fd_count_open();

        memset(big, 'b', sizeof(big));
        ck_assert_int_eq(fd_write_file_atomic_at(folder_fd, "big", big, sizeof(big), 0600), 0);
        ck_assert_int_eq(fd_read_file_at(folder_fd, "big", sizeof(big) - 1, &data, &size), -E2BIG);
        ck_assert_int_eq(fd_read_file_at(folder_fd, "none", 1, &data, &size), -ENOENT);
        ck_assert_int_eq(fd_read_file_at(folder_fd, ".", 1, &data, &size), -EISDIR);
        ck_assert_ptr_null(data);
        ck_assert_uint_eq(size, 77);
        ck_assert_int_eq(fd_read_file_at(folder_fd, "big", sizeof(big), &data, &size), 0);
        ck_assert_uint_eq(size, sizeof(big));
        ck_assert_mem_eq(data, big, size);
        ck_assert_int_eq(data[size], '\0');
        free(TAKE_PTR(data));
        ck_assert_int_eq(fd_read_file_at(folder_fd, "big", SIZE_MAX, &data, NULL), 0);
        free(TAKE_PTR(data));
        /* Files that say size 0 and still have content. */
        ck_assert_int_eq(fd_read_file_at(AT_FDCWD, "/proc/self/stat", 65536, &data, &size), 0);
        ck_assert_uint_gt(size, 10);
        free(TAKE_PTR(data));
        ck_assert_int_eq(fd_read_file_at(AT_FDCWD, "/proc/self/stat", 10, &data, &size), -E2BIG);
        ck_assert_int_eq(fd_count_open(), n_fds);
}
END_TEST

static void copy_and_compare(int src, size_t size, const char *content)
{
        _cleanup_close_ int dst = memfd_create("dst", MFD_CLOEXEC);
        _cleanup_free_ char *copy = malloc(size + 1);

        ck_assert_int_eq(fd_copy_file(src, dst, size), 0);
        ck_assert_int_eq(fd_pread_full(dst, copy, size, 0), 0);
        ck_assert_int_eq(fd_pread_full(dst, copy + size, 1, size), -EPIPE);
        ck_assert_mem_eq(copy, content, size);
        ck_assert_int_eq(lseek(dst, 0, SEEK_CUR), 0);
}

START_TEST(test_copy)
{
        _cleanup_close_ int memfd = memfd_create("src", MFD_CLOEXEC);
        _cleanup_close_ int file = openat(folder_fd, "src", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        _cleanup_close_ int copy = openat(folder_fd, "dst", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        static char content[300 * 1024 + 7];

        for (size_t i = 0; i < sizeof(content); i++)
                content[i] = (char)(i * 31 + i / 4096);
        ck_assert_int_eq(fd_write_full(memfd, content, sizeof(content)), 0);
        ck_assert_int_eq(fd_write_full(file, content, sizeof(content)), 0);
        ck_assert_int_eq(lseek(memfd, 5, SEEK_SET), 5);
        ck_assert_int_eq(lseek(file, 5, SEEK_SET), 5);
        copy_and_compare(memfd, sizeof(content), content);
        copy_and_compare(file, sizeof(content), content); /* across file systems */
        ck_assert_int_eq(lseek(memfd, 0, SEEK_CUR), 5);
        ck_assert_int_eq(lseek(file, 0, SEEK_CUR), 5);
        ck_assert_int_eq(fd_copy_file(file, copy, sizeof(content) - 1), -EFBIG);
        ck_assert_int_eq(fd_copy_file(file, copy, UINT64_MAX), 0); /* within one */
        ck_assert_int_eq(lseek(copy, 0, SEEK_END), sizeof(content));
}
END_TEST

START_TEST(test_copy_edges)
{
        _cleanup_close_ int empty = memfd_create("src", MFD_CLOEXEC);
        _cleanup_close_ int dst = memfd_create("dst", MFD_CLOEXEC);
        _cleanup_close_ int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
        _cleanup_close_ int one = memfd_create("one", MFD_CLOEXEC);

        ck_assert_int_eq(fd_copy_file(empty, dst, 0), 0);
        ck_assert_int_eq(fd_copy_file(empty, dst, 100), 0);
        ck_assert_int_eq(lseek(dst, 0, SEEK_END), 0);
        ck_assert_int_eq(fd_write_full(one, "1", 1), 0);
        ck_assert_int_eq(fd_copy_file(one, dst, 0), -EFBIG);
        ck_assert_int_eq(fd_copy_file(one, full, 1), -ENOSPC);
        ck_assert_int_eq(fd_copy_file(-1, dst, 1), -EBADF);
}
END_TEST

static void add_tests(TCase *tcase)
{
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, test_atomic_write);
        tcase_add_test(tcase, test_atomic_write_paths);
        tcase_add_test(tcase, test_atomic_write_leftovers);
        tcase_add_test(tcase, test_atomic_write_limit);
        tcase_add_test(tcase, test_atomic_write_rename_fails);
        tcase_add_test(tcase, test_atomic_write_full_disk);
        tcase_add_test(tcase, test_read_file);
        tcase_add_test(tcase, test_copy);
        tcase_add_test(tcase, test_copy_edges);
}

int main(void)
{
        return unit_run("fd-file", add_tests);
}
