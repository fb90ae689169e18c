/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The inside of VmClientConfig: the document (vm-client-config.c) and its files (-files.c). */

#include "vm-client-private.h"

#define CLIENT_CONFIG_MAX_SIZE (32U * 1024U) /* bytes; the daemon's own limit */

/* How the file behind a string of the document is found, if not by opening that string. */
typedef struct ClientFile {
        int fd;        /* owned, or -1 */
        char *path;    /* absolute, or NULL */
        gboolean kept; /* the daemon has it: pass nothing */
} ClientFile;

struct _VmClientConfig {
        GObject parent;
        GArray *members;   /* Member, in the order of the document */
        GHashTable *files; /* string of the document -> ClientFile */
        char *folder;      /* where relative names begin; NULL: the current folder */
};

void client_file_free(gpointer file);
void client_config_put(VmClientConfig *config, const char *key, GVariant *value);
gboolean client_config_next_file(VmClientConfig *config, gsize *position, const char **ret_key,
                                 const char **ret_file);
gboolean client_config_is_file_key(const char *key);

/* Marks every file that the document names as one that the daemon has already. */
void client_config_keep_files(VmClientConfig *config);

/*
 * Opens the files and appends them to fds. The a{sh} (floating) for the call, or NULL with
 * VM_CLIENT_ERROR_INVALID_FILE.
 */
GVariant *client_config_open_files(VmClientConfig *config, GUnixFDList *fds, GError **error);
