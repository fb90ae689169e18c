/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "daemon/spawner/spawner-options.h"
#include "daemon/spawner/spawner.h"

int main(int argc, char *argv[])
{
        _cleanup_(spawner_freep) Spawner *spawner = NULL;
        SpawnerOptions options;
        int fd, r;

        /* 0, 1 and 2 are to be ours before anything else takes these numbers. */
        do
                fd = open("/dev/null", O_RDWR);
        while (fd >= 0 && fd <= STDERR_FILENO);
        fd_close(fd);

        log_set_ident("vm-spawner");
        r = spawner_options_parse(argc, argv, &options);
        if (r <= 0)
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        r = spawner_new(&options, &spawner);
        if (r == -EALREADY) {
                log_info("Another vm-spawner listens on %s", options.socket);
                listen_tell_ready(&options);
                return EXIT_SUCCESS;
        }
        if (r < 0)
                return EXIT_FAILURE;
        listen_tell_ready(&options);
        return spawner_run(spawner) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
