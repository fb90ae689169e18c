/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One line per message to standard error, with the "<N>" level prefix of sd-daemon(3) when it is
 * not a terminal, so that the journal knows the level. No allocation, no locks: one write(2).
 */

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

void log_set_max_level(int level); /* LOG_ERR ... LOG_DEBUG; default LOG_INFO */
/*
 * ident: static storage; stands before each line. Also looks whether standard error is a terminal,
 * so call it before a seccomp filter that forbids ioctl(2) is in force.
 */
void log_set_ident(const char *ident);
void log_write(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Logs with ": <error text>" and returns the (negative) error. Both keep errno. A message is cut at
 * 2 KiB; a line break in it becomes a blank. */
int log_errno(int level, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define log_error(...)                log_write(LOG_ERR, __VA_ARGS__)
#define log_warning(...)              log_write(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)               log_write(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)                 log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...)                log_write(LOG_DEBUG, __VA_ARGS__)
#define log_error_errno(error, ...)   log_errno(LOG_ERR, error, __VA_ARGS__)
#define log_warning_errno(error, ...) log_errno(LOG_WARNING, error, __VA_ARGS__)

/* For lines that a guest or a client can provoke. Zeroed to begin with; used by one thread at a
 * time. */
typedef struct LogLimit {
        uint64_t window_start_nsec;
        unsigned n_in_window;
        unsigned n_suppressed;
} LogLimit;

/* Whether one more line may be written: 5 in 10 s. The first line after a burst is
 * preceded by one that says how many were held back. */
bool log_limit_allow(LogLimit *limit);
