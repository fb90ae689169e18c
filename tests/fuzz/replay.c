/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Runs a libFuzzer target over every file of its corpus, in name order, in builds without
 * libFuzzer. Each input is a heap block of exactly its size, so that a sanitizer or valgrind sees a
 * read past its end. An empty corpus is a failure: it would prove nothing.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fd.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX (64U * 1024U * 1024U)

extern int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static int is_input(const struct dirent *entry)
{
        return entry->d_name[0] != '.';
}

static int replay_file(const char *folder, const char *name)
{
        _cleanup_free_ char *path = NULL, *data = NULL;
        _cleanup_free_ uint8_t *input = NULL;
        size_t size = 0;
        int r;

        if (asprintf(&path, "%s/%s", folder, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = fd_read_file_at(AT_FDCWD, path, INPUT_MAX, &data, &size);
        if (r < 0)
                return r;
        input = malloc(size > 0 ? size : 1);
        if (!input)
                return -ENOMEM;
        memcpy(input, data, size);
        /* Said before, so that the input that ends the process is the last one named. */
        printf("%s (%zu bytes)\n", name, size);
        fflush(stdout);
        LLVMFuzzerTestOneInput(input, size);
        return 0;
}

int main(int argc, char **argv)
{
        struct dirent **entries;
        int n;

        if (argc != 2) {
                fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
                return EXIT_FAILURE;
        }
        if (LLVMFuzzerInitialize)
                LLVMFuzzerInitialize(&argc, &argv);
        n = scandir(argv[1], &entries, is_input, alphasort);
        if (n <= 0) {
                fprintf(stderr, "%s: %s\n", argv[1],
                        n < 0 ? strerror(errno) : "the corpus is empty; add at least one input");
                return EXIT_FAILURE;
        }
        for (int i = 0; i < n; i++) {
                int r = replay_file(argv[1], entries[i]->d_name);

                if (r < 0) {
                        fprintf(stderr, "%s/%s: %s\n", argv[1], entries[i]->d_name, strerror(-r));
                        return EXIT_FAILURE;
                }
                free(entries[i]);
        }
        free(entries);
        printf("%d inputs\n", n);
        return EXIT_SUCCESS;
}
