/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a machine is made of, from the command line: CONFIG or IMAGE, options, ARGs. */

#include "libvmclient/vmclient.h"
#include "vmctl/vmctl.h"

typedef enum FileKind {
        FILE_KIND_CONFIG, /* JSON */
        FILE_KIND_IMAGE,  /* ELF or bzImage */
        FILE_KIND_GZIP,   /* a compressed kernel or a packed something */
        FILE_KIND_OTHER,
} FileKind;

#define FILE_KIND_BYTES 0x206 /* how much of a file its kind is found in */

FileKind file_kind(const unsigned char *head, size_t size);

/*
 * The config that path (NULL: none; "-": JSON on standard input) and the options mean; NULL with
 * the error printed and *ret_exit set.
 */
VmClientConfig *machine_config_build(const Context *context, const char *path, int *ret_exit);

/* Reads a configuration file, "-" is standard input. NULL with the error printed. */
VmClientConfig *machine_config_read(const char *path);

/* A machine name after the config's name or the image's file name, with a random end. g_free() */
char *machine_config_make_name(const Context *context, const char *path, VmClientConfig *config);
