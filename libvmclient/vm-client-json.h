/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * JSON (RFC 8259) to GVariant and back, since GLib has no JSON and json-c's symbols collide with
 * json-glib's in one process (docs/architecture.md, Decisions). As strict as the daemon's reader:
 * depth at most 16, no duplicate keys, no NUL, valid UTF-8, nothing after the value.
 *
 *   object -> a{sv} (in the order of the text)   string -> s   true, false -> b
 *   array  -> av                                 null -> mv (nothing)
 *   number -> x; t above G_MAXINT64; d with a fraction or an exponent, or beyond 64 bits
 */

#include <glib.h>

#define CLIENT_JSON_MAX_DEPTH 16U

/* The value, not floating; or NULL and VM_CLIENT_ERROR_INVALID_CONFIG with line and column. */
GVariant *client_json_parse(const char *text, gsize length, GError **error);

/*
 * Appends value as JSON. Beside the types above: y n q i u, dictionaries with string keys, arrays,
 * tuples and maybes of all these; variants are looked through. FALSE for any other type (a handle,
 * say), a number that is not finite, or more than CLIENT_JSON_MAX_DEPTH levels.
 */
gboolean client_json_print(GVariant *value, GString *out);

void client_json_print_string(const char *text, GString *out);
