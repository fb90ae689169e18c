/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The walls around the monitor: at entry no_new_privs and a look at every inherited descriptor;
 * when set-up is done, before the first guest instruction, a seccomp filter per thread role that
 * ends the process at any call that the role does not make. No file is opened, no socket or program
 * made after that.
 */

/*
 * At entry, single-threaded. 0; -EBADF when there are descriptors other than 0, 1, 2 and
 * control_fd, or when that is no control socket, with a sentence in ret_why; negative errno.
 */
int sandbox_enter(int control_fd, char ret_why[256]);

/* The calling thread's own filter; each thread puts up its own. 0 or negative errno. */
int sandbox_lock_vcpu(void);
int sandbox_lock_main(void);

/* Why the filters are not what they should be, of "this monitor ..."; NULL: they are. */
const char *sandbox_weakness(void);

/* What a start may be handed. 0, or -EBADF with a sentence that names cause and fix (static). */
int sandbox_check_kvm_fd(int fd, const char **ret_why);
