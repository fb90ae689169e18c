/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The strict JSON reader: what it takes, json-c's own strict tokener takes too; what it built
 * prints as text that it takes again to the same effect; and a refusal describes itself.
 */

#include <errno.h>
#include <string.h>

#include "common/json-fields.h"
#include "common/string-util.h"
#include "tests/fuzz/fuzz.h"

static void check_against_json_c(const char *text, size_t length)
{
        struct json_tokener *tokener = json_tokener_new_ex(JSON_MAX_DEPTH + 16);
        json_object *peer;

        fuzz_check(tokener);
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
        peer = json_tokener_parse_ex(tokener, text, (int)length + 1); /* its NUL ends a number */
        fuzz_check(json_tokener_get_error(tokener) == json_tokener_success);
        json_object_put(peer);
        json_tokener_free(tokener);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        json_object *first, *second;
        JsonProblem problem = {0};
        char *text, *printed;
        size_t length;
        int r;

        r = json_parse_strict((const char *)data, size, &first, &problem);
        if (r < 0) {
                fuzz_check(r == -EBADMSG && problem.message[0] != '\0');
                fuzz_check(utf8_is_valid(problem.message, strlen(problem.message)));
                fuzz_check(utf8_is_valid(problem.pointer, strlen(problem.pointer)));
                return 0;
        }

        text = strndup((const char *)data, size);
        fuzz_check(text && strlen(text) == size);
        check_against_json_c(text, size);
        free(text);

        fuzz_check(json_print(first, &printed, &length) == 0 && strlen(printed) == length);
        fuzz_check(json_parse_strict(printed, length, &second, &problem) == 0);
        free(printed);
        fuzz_check(json_object_equal(first, second));
        json_object_put(first);
        json_object_put(second);
        return 0;
}
