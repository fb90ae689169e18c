/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The client library's JSON: it takes what the daemon's reader takes and nothing else, and what it
 * prints means the same to both. Else a client would pass other files than the daemon looks for.
 */

#include <string.h>

#include "libvmclient/vm-client-private.h"

#include "common/json-fields.h"
#include "libvmclient/vm-client-json.h"
#include "tests/fuzz/fuzz.h"

static void check_same_meaning(GVariant *ours, json_object *theirs)
{
        g_autoptr(GString) printed = g_string_new(NULL);
        g_autoptr(GVariant) again = NULL;
        json_object *reread;
        JsonProblem problem;

        fuzz_check(client_json_print(ours, printed));
        fuzz_check(json_parse_strict(printed->str, printed->len, &reread, &problem) == 0);
        fuzz_check(json_object_equal(theirs, reread));
        json_object_put(reread);
        again = client_json_parse(printed->str, printed->len, NULL);
        fuzz_check(again && g_variant_equal(ours, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autoptr(GVariant) ours = NULL;
        g_autoptr(GError) error = NULL;
        json_object *theirs = NULL;
        JsonProblem problem;
        int r;

        ours = client_json_parse((const char *)data, size, &error);
        r = json_parse_strict((const char *)data, size, &theirs, &problem);
        fuzz_check((ours != NULL) == (r == 0));
        fuzz_check((ours == NULL) == (error != NULL));
        if (ours)
                check_same_meaning(ours, theirs);
        else
                fuzz_check(g_utf8_validate(error->message, -1, NULL));
        json_object_put(theirs);
        return 0;
}
